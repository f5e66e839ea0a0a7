//! From options to what the engine is asked: names parsed, so that bad input is refused before anything is opened.

mod audit;

use std::time::Duration;

use http::Method;
use onbehalf_engine::{
    Error, Result,
    accounts::{AccountBy, AccountQuery, AccountRef, Brought, BroughtToken},
    connect::NewLink,
    connections::{ConnectionPatch, NewConnection},
    names::{ConnectionName, Identifier, Organization},
    proxy::{Body, ProxyRequest, Upload},
    removal::AtProvider,
    secret::Secret,
    vault::KeySource,
};

pub(crate) use self::audit::{AuditProof, AuditQuery, AuditRest};
use crate::decode::Date;
use crate::options::{
    AccountListOptions, AccountOptions, AccountRemovalOptions, AccountUpdateOptions, AuthorizationOption,
    ConnectionListOptions, ConnectionOptions, ConnectionPatchOptions, ConnectionRefOptions, ConnectionRemovalOptions,
    ConnectorRefOptions, KeySlotRefOptions, LinkOptions, NewAccountOptions, NewConnectionOptions, NewKeySlotOptions,
    NoOptions, RequestOptions, RevocationListOptions, TokenOptions, VerifyOptions,
};
use crate::settings::given_key;

/// How long a token must be valid when the caller does not say.
const DEFAULT_VALIDITY: Duration = Duration::from_secs(60);

/// A connected account to make.
pub(crate) struct NewAccount {
    pub(crate) organization: Organization,
    pub(crate) connection: ConnectionName,
    pub(crate) identifier: Identifier,
    pub(crate) brought: Option<Brought>,
}

/// A credential to put into a connected account.
pub(crate) struct AccountUpdate {
    pub(crate) account: AccountRef,
    pub(crate) brought: Brought,
}

/// A connection, by name.
pub(crate) struct ConnectionRef {
    pub(crate) organization: Organization,
    pub(crate) name: ConnectionName,
}

/// A page of connections.
pub(crate) struct ConnectionQuery {
    pub(crate) organization: Organization,
    pub(crate) page_size: Option<u32>,
    pub(crate) page_token: Option<String>,
}

/// An account that loses its credential.
pub(crate) struct AccountRemoval {
    pub(crate) account: AccountRef,
    pub(crate) at_provider: AtProvider,
}

/// A connection to delete.
pub(crate) struct ConnectionRemoval {
    pub(crate) connection: ConnectionRef,
    pub(crate) at_provider: AtProvider,
}

/// A page of revocations.
pub(crate) struct RevocationQuery {
    pub(crate) organization: Organization,
    pub(crate) page_size: Option<u32>,
    pub(crate) page_token: Option<String>,
}

/// A token wanted.
pub(crate) struct TokenWanted {
    pub(crate) account: AccountRef,
    pub(crate) min_validity: Duration,
}

/// A person to verify.
pub(crate) struct Verification {
    pub(crate) organization: Organization,
    pub(crate) nonce: Secret,
    pub(crate) identifier: Identifier,
}

/// The tenant of that id; the default one unless given.
pub(crate) fn organization(id: Option<String>) -> Result<Organization> {
    id.map_or_else(|| Ok(Organization::default()), |id| Organization::parse(&id))
}

impl TryFrom<AccountOptions> for AccountRef {
    type Error = Error;

    fn try_from(options: AccountOptions) -> Result<Self> {
        let by = match (options.connected_account_id, options.connection_name, options.identifier) {
            (Some(id), None, None) => AccountBy::Id(id.trim().into()),
            (Some(_), _, _) => {
                return Err(Error::invalid(
                    "connectedAccountId",
                    "must not stand beside `connectionName` and `identifier`: it says which account by itself",
                ));
            }
            (None, None, None) => {
                return Err(Error::invalid(
                    "connectionName",
                    "and `identifier` are required, or `connectedAccountId` instead of them",
                ));
            }
            (None, connection, identifier) => AccountBy::Name {
                connection: ConnectionName::parse(&connection.unwrap_or_default())?,
                identifier: Identifier::parse(&identifier.unwrap_or_default())?,
            },
        };
        Ok(Self { organization: organization(options.organization_id)?, by })
    }
}

impl TryFrom<NewAccountOptions> for NewAccount {
    type Error = Error;

    fn try_from(options: NewAccountOptions) -> Result<Self> {
        Ok(Self {
            organization: organization(options.organization_id)?,
            connection: ConnectionName::parse(&options.connection_name)?,
            identifier: Identifier::parse(&options.identifier)?,
            brought: options.authorization_details.map(Brought::try_from).transpose()?,
        })
    }
}

impl TryFrom<AccountRemovalOptions> for AccountRemoval {
    type Error = Error;

    fn try_from(options: AccountRemovalOptions) -> Result<Self> {
        let account = AccountOptions {
            connection_name: options.connection_name,
            identifier: options.identifier,
            connected_account_id: options.connected_account_id,
            organization_id: options.organization_id,
        };
        Ok(Self { account: account.try_into()?, at_provider: at_provider(options.revoke) })
    }
}

/// What becomes of a grant; it is revoked unless the caller says otherwise.
fn at_provider(revoke: Option<bool>) -> AtProvider {
    if revoke.unwrap_or(true) { AtProvider::Revoke } else { AtProvider::Leave }
}

impl TryFrom<AccountUpdateOptions> for AccountUpdate {
    type Error = Error;

    fn try_from(options: AccountUpdateOptions) -> Result<Self> {
        let account = AccountOptions {
            connection_name: options.connection_name,
            identifier: options.identifier,
            connected_account_id: options.connected_account_id,
            organization_id: options.organization_id,
        };
        Ok(Self { account: account.try_into()?, brought: options.authorization_details.try_into()? })
    }
}

impl TryFrom<AuthorizationOption> for Brought {
    type Error = Error;

    fn try_from(options: AuthorizationOption) -> Result<Self> {
        match (options.oauth_token, options.static_auth) {
            (Some(token), None) => Ok(Self::Token(BroughtToken {
                access_token: token.access_token,
                refresh_token: token.refresh_token,
                expires_at: token.expires_at.map(|Date(moment)| moment),
                scopes: token.scopes.unwrap_or_default(),
            })),
            (None, Some(fields)) => Ok(Self::Fields(fields.details)),
            _ => Err(Error::invalid("authorizationDetails", "must have either `oauthToken` or `staticAuth`")),
        }
    }
}

impl TryFrom<LinkOptions> for NewLink {
    type Error = Error;

    fn try_from(options: LinkOptions) -> Result<Self> {
        let account = AccountOptions {
            connection_name: options.connection_name,
            identifier: options.identifier,
            connected_account_id: options.connected_account_id,
            organization_id: options.organization_id,
        };
        Ok(Self {
            account: account.try_into()?,
            scopes: options.scopes,
            user_verify_url: options.user_verify_url,
            state: options.state,
        })
    }
}

impl TryFrom<VerifyOptions> for Verification {
    type Error = Error;

    fn try_from(options: VerifyOptions) -> Result<Self> {
        Ok(Self {
            organization: organization(options.organization_id)?,
            nonce: options.auth_request_id,
            identifier: Identifier::parse(&options.identifier)?,
        })
    }
}

impl TryFrom<AccountListOptions> for AccountQuery {
    type Error = Error;

    fn try_from(options: AccountListOptions) -> Result<Self> {
        let names = options.connection_name.into_iter().chain(options.connection_names.into_iter().flatten());
        Ok(Self {
            organization: organization(options.organization_id)?,
            connections: names.map(|name| ConnectionName::parse(&name)).collect::<Result<_>>()?,
            identifier: options.identifier.map(|identifier| Identifier::parse(&identifier)).transpose()?,
            page_size: options.page_size,
            page_token: options.page_token,
        })
    }
}

impl TryFrom<TokenOptions> for TokenWanted {
    type Error = Error;

    fn try_from(options: TokenOptions) -> Result<Self> {
        let account = AccountOptions {
            connection_name: options.connection_name,
            identifier: options.identifier,
            connected_account_id: options.connected_account_id,
            organization_id: options.organization_id,
        };
        let min_validity = match options.min_validity {
            Some(seconds) => Duration::try_from_secs_f64(seconds)
                .map_err(|_| Error::invalid("minValidity", "must be a number of seconds, 0 or more"))?,
            None => DEFAULT_VALIDITY,
        };
        Ok(Self { account: account.try_into()?, min_validity })
    }
}

/// A request, and how its answer is to come.
pub(crate) struct Sending {
    pub(crate) request: ProxyRequest,
    pub(crate) streamed: bool,
}

impl Sending {
    /// Gives the request a body that is made on the way, of the length that its headers announce.
    pub(crate) fn carry(&mut self, mut upload: Upload) -> Result<()> {
        if !matches!(self.request.body, Body::Empty) {
            return Err(Error::invalid("formData", "must not stand beside `body`"));
        }
        let announced = self.request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if let Some((_, length)) = announced {
            let length = length
                .parse()
                .map_err(|_| Error::invalid("headers", "has a `content-length` that is no number of bytes"))?;
            upload = upload.with_length(length);
        }
        self.request.body = Body::Stream(upload);
        Ok(())
    }
}

impl TryFrom<RequestOptions> for Sending {
    type Error = Error;

    fn try_from(options: RequestOptions) -> Result<Self> {
        let account = AccountOptions {
            connection_name: options.connection_name,
            identifier: options.identifier,
            connected_account_id: options.connected_account_id,
            organization_id: options.organization_id,
        };
        if let Some(method) = &options.method {
            Method::from_bytes(method.as_bytes()).map_err(|_| Error::invalid("method", "must be an HTTP method"))?;
        }
        let body = match (options.body, options.form_data) {
            (Some(_), Some(_)) => return Err(Error::invalid("formData", "must not stand beside `body`")),
            (Some(body), None) => body.0,
            (None, Some(form)) => Body::Form(form.0),
            (None, None) => Body::Empty,
        };
        let request = ProxyRequest {
            account: account.try_into()?,
            method: options.method,
            path: options.path,
            query: options.query_params.unwrap_or_default().0,
            headers: options.headers.unwrap_or_default().into_iter().collect(),
            body,
            timeout: None,
        };
        Ok(Self { request, streamed: options.stream.unwrap_or_default() })
    }
}

impl TryFrom<NewConnectionOptions> for NewConnection {
    type Error = Error;

    fn try_from(options: NewConnectionOptions) -> Result<Self> {
        let connection = ConnectionOptions {
            connector: options.connector,
            auth_method: options.auth_method,
            client_id: options.client_id,
            client_secret: options.client_secret,
            scopes: options.scopes,
            scope_params: options.scope_params,
            fields: options.fields,
            app: options.app,
            endpoints: options.endpoints,
        };
        connection.named(organization(options.organization_id)?, &options.connection_name, "")
    }
}

/// A change to a connection.
pub(crate) struct ConnectionChange {
    pub(crate) connection: ConnectionRef,
    pub(crate) patch: ConnectionPatch,
}

impl TryFrom<ConnectionPatchOptions> for ConnectionChange {
    type Error = Error;

    fn try_from(options: ConnectionPatchOptions) -> Result<Self> {
        let connection =
            ConnectionRefOptions { connection_name: options.connection_name, organization_id: options.organization_id };
        Ok(Self {
            connection: connection.try_into()?,
            patch: ConnectionPatch {
                client_id: options.client_id,
                client_secret: options.client_secret,
                scopes: options.scopes,
                scope_params: options.scope_params,
                fields: options.fields,
                app: options.app,
                endpoints: options.endpoints.map(|endpoints| endpoints.parse("")).transpose()?,
            },
        })
    }
}

impl TryFrom<ConnectionRefOptions> for ConnectionRef {
    type Error = Error;

    fn try_from(options: ConnectionRefOptions) -> Result<Self> {
        Ok(Self {
            organization: organization(options.organization_id)?,
            name: ConnectionName::parse(&options.connection_name)?,
        })
    }
}

impl TryFrom<ConnectionRemovalOptions> for ConnectionRemoval {
    type Error = Error;

    fn try_from(options: ConnectionRemovalOptions) -> Result<Self> {
        let ConnectionRemovalOptions { connection_name, organization_id, revoke } = options;
        let connection = ConnectionRefOptions { connection_name, organization_id }.try_into()?;
        Ok(Self { connection, at_provider: at_provider(revoke) })
    }
}

impl TryFrom<RevocationListOptions> for RevocationQuery {
    type Error = Error;

    fn try_from(options: RevocationListOptions) -> Result<Self> {
        Ok(Self {
            organization: organization(options.organization_id)?,
            page_size: options.page_size,
            page_token: options.page_token,
        })
    }
}

impl TryFrom<ConnectionListOptions> for ConnectionQuery {
    type Error = Error;

    fn try_from(options: ConnectionListOptions) -> Result<Self> {
        Ok(Self {
            organization: organization(options.organization_id)?,
            page_size: options.page_size,
            page_token: options.page_token,
        })
    }
}

/// A connector, by slug.
pub(crate) struct ConnectorRef {
    pub(crate) slug: String,
}

impl TryFrom<ConnectorRefOptions> for ConnectorRef {
    type Error = Error;

    fn try_from(options: ConnectorRefOptions) -> Result<Self> {
        Ok(Self { slug: options.connector })
    }
}

impl TryFrom<NewKeySlotOptions> for KeySource {
    type Error = Error;

    fn try_from(options: NewKeySlotOptions) -> Result<Self> {
        given_key(["key", "keyFile"], (options.key, options.key_file))?
            .ok_or_else(|| Error::invalid("key", "is required, or `keyFile` instead of it"))
    }
}

/// A key that the store opens with, by its public name.
pub(crate) struct KeySlotRef {
    pub(crate) id: String,
}

impl TryFrom<KeySlotRefOptions> for KeySlotRef {
    type Error = Error;

    fn try_from(options: KeySlotRefOptions) -> Result<Self> {
        Ok(Self { id: options.id })
    }
}

/// A call that asks for nothing in particular.
pub(crate) struct Nothing;

impl TryFrom<NoOptions> for Nothing {
    type Error = Error;

    fn try_from(_: NoOptions) -> Result<Self> {
        Ok(Self)
    }
}

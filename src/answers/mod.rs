//! What JavaScript gets: one struct an answer, which is also its TypeScript. What is not there is `undefined`.

mod audit;
mod connections;
mod health;
mod key_slots;
mod revocations;

use indexmap::IndexMap;
use napi::{
    Env, JsValue as _, Result,
    bindgen_prelude::{ToNapiValue, sys},
};
use napi_derive::napi;
use onbehalf_engine::{
    accounts::{Account, AccountPage, Disclosed, Status, Token},
    connect::{Link, Verified},
    secret::{ExposeSecret as _, Secret},
    time::Timestamp,
};
use url::Url;

pub use self::{
    audit::{AuditCheckpoint, AuditList, AuditTail},
    connections::{ConnectionDetails, ConnectionList, ConnectorDetails, ConnectorList},
    health::Health,
    key_slots::{KeySlotDetails, KeySlotList},
    revocations::RevocationList,
};

/// A moment, which JavaScript has as a `Date`.
pub struct Moment(pub(crate) Timestamp);

#[expect(unsafe_code, reason = "napi's trait is unsafe to implement")]
impl ToNapiValue for Moment {
    unsafe fn to_napi_value(env: sys::napi_env, moment: Self) -> Result<sys::napi_value> {
        Ok(Env::from_raw(env).create_date(moment.0.as_millis() as f64)?.raw())
    }
}

/// A secret on its way to the caller that asked for it, without a copy that is not wiped.
pub struct Told(Secret);

#[expect(unsafe_code, reason = "napi's trait is unsafe to implement")]
impl ToNapiValue for Told {
    unsafe fn to_napi_value(env: sys::napi_env, secret: Self) -> Result<sys::napi_value> {
        // SAFETY: `env` is the one that napi passed in.
        unsafe { ToNapiValue::to_napi_value(env, secret.0.expose_secret()) }
    }
}

/// A one-time URL that starts an authorization.
#[napi(object, object_from_js = false)]
pub struct AuthorizationLink {
    /// Send it to the person alone: whoever has it can start the authorization.
    #[napi(ts_type = "string")]
    pub link: Told,
    /// When it stops working.
    #[napi(ts_type = "Date")]
    pub expiry: Moment,
}

impl From<Link> for AuthorizationLink {
    fn from(link: Link) -> Self {
        Self { link: Told(link.url), expiry: Moment(link.expires_at) }
    }
}

/// The answer to a verified user.
#[napi(object, object_from_js = false)]
pub struct UserVerified {
    /// Where your app may send the browser now.
    pub post_user_verify_redirect_url: String,
}

impl From<Verified> for UserVerified {
    fn from(verified: Verified) -> Self {
        Self { post_user_verify_redirect_url: verified.redirect_url.into() }
    }
}

/// One person's authorization on one connection.
#[napi(object, object_from_js = false)]
pub struct ConnectedAccount {
    /// `ca_…`
    pub id: String,
    /// The tenant of your app that it belongs to.
    pub organization_id: String,
    /// `conn_…`
    pub connection_id: String,
    /// The connection's name, such as `gmail`.
    pub connection_name: String,
    /// The connector's slug.
    pub connector: String,
    /// Your app's own id of the person.
    pub identifier: String,
    /// Whether it can be used.
    #[napi(ts_type = "ConnectorStatus")]
    pub status: &'static str,
    /// Why it is not active. `revoked`: the provider ended the grant, and said so twice. `lost_rotation`: the same, after
    /// an answer was lost that may have brought a new refresh token. `unconfirmed`: it refused for a whole day in words
    /// that prove nothing. `no_refresh_token`: the token ended and nothing renews it. `connection_changed`: it was granted
    /// to another app; changing the connection back heals it. `disconnected`: you did.
    pub reason: Option<String>,
    /// The scopes that the person granted.
    pub scopes: Vec<String>,
    /// The provider's stable id of the person's account there, once known.
    pub provider_account_id: Option<String>,
    /// A name of it that a person recognises, such as a mail address.
    pub provider_account_label: Option<String>,
    /// What the provider told and the connector keeps, such as Salesforce's `instance_url`.
    #[napi(ts_type = "Record<string, string>")]
    pub kept: IndexMap<String, String>,
    /// When the access token ends, where known.
    #[napi(ts_type = "Date")]
    pub token_expires_at: Option<Moment>,
    /// Why the last refresh did not succeed, until one does: the provider's code, `provider_unavailable`,
    /// `answer_unusable`, `interrupted` (the process that asked is gone), or an {@link ErrorCode}.
    pub last_refresh_error: Option<String>,
    /// When a refresh last brought a token.
    #[napi(ts_type = "Date")]
    pub refreshed_at: Option<Moment>,
    /// When the token is refreshed next: some time before it ends or its refresh token dies of disuse, or, after a refresh
    /// that did not succeed, when it is tried again. Absent when nothing is planned: the account is not `ACTIVE`, its
    /// credential is a static one or has no refresh token, or nobody has said when its token ends (a 401 of the provider
    /// to `request` says so then). With `backgroundRefresh: false`, the first call after this time refreshes it.
    #[napi(ts_type = "Date")]
    pub next_refresh_at: Option<Moment>,
    #[napi(ts_type = "Date")]
    pub created_at: Moment,
    #[napi(ts_type = "Date")]
    pub updated_at: Moment,
    /// The credential, from `getConnectedAccount` alone, while the account is active.
    pub authorization_details: Option<AuthorizationDetails>,
}

/// A connected account's credential: a token, or what the person entered.
#[napi(object, object_from_js = false)]
pub struct AuthorizationDetails {
    pub oauth_token: Option<OauthToken>,
    pub static_auth: Option<StaticAuth>,
}

/// What a person entered, by the connector's field.
#[napi(object, object_from_js = false)]
pub struct StaticAuth {
    #[napi(ts_type = "Record<string, string>")]
    pub details: IndexMap<String, Told>,
}

/// An OAuth token as the provider issued it.
#[napi(object, object_from_js = false)]
pub struct OauthToken {
    #[napi(ts_type = "string")]
    pub access_token: Told,
    #[napi(ts_type = "string")]
    pub refresh_token: Option<Told>,
    pub scopes: Vec<String>,
    /// When the access token ends, where known.
    #[napi(ts_type = "Date")]
    pub expires_at: Option<Moment>,
}

impl From<Account> for ConnectedAccount {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            organization_id: account.organization.as_str().into(),
            connection_id: account.connection_id,
            connection_name: account.connection_name,
            connector: account.connector,
            identifier: account.identifier,
            status: status(account.status),
            reason: account.reason,
            scopes: account.scopes,
            provider_account_id: account.provider_account_id,
            provider_account_label: account.provider_account_label,
            kept: account.kept,
            token_expires_at: account.token_expires_at.map(Moment),
            last_refresh_error: account.last_refresh_error,
            refreshed_at: account.refreshed_at.map(Moment),
            next_refresh_at: account.next_refresh_at.map(Moment),
            created_at: Moment(account.created_at),
            updated_at: Moment(account.updated_at),
            authorization_details: None,
        }
    }
}

/// A status by its name on the wire, as `ConnectorStatus` in `index.js` lists them.
pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "ACTIVE",
        Status::Expired => "EXPIRED",
        Status::PendingAuth => "PENDING_AUTH",
        Status::PendingVerification => "PENDING_VERIFICATION",
        Status::Disconnected => "DISCONNECTED",
    }
}

impl From<Token> for OauthToken {
    fn from(token: Token) -> Self {
        Self {
            access_token: Told(token.access_token),
            refresh_token: token.refresh_token.map(Told),
            scopes: token.scopes,
            expires_at: token.expires_at.map(Moment),
        }
    }
}

/// An answer about one connected account.
#[napi(object, object_from_js = false)]
pub struct ConnectedAccountResponse {
    pub connected_account: ConnectedAccount,
}

impl From<Account> for ConnectedAccountResponse {
    fn from(account: Account) -> Self {
        Self { connected_account: account.into() }
    }
}

impl From<Disclosed> for AuthorizationDetails {
    fn from(credential: Disclosed) -> Self {
        match credential {
            Disclosed::Token(token) => Self { oauth_token: Some(token.into()), static_auth: None },
            Disclosed::Fields(fields) => {
                let details = fields.into_iter().map(|(name, value)| (name, Told(value))).collect();
                Self { oauth_token: None, static_auth: Some(StaticAuth { details }) }
            }
        }
    }
}

impl From<(Account, Option<Disclosed>)> for ConnectedAccountResponse {
    fn from((account, credential): (Account, Option<Disclosed>)) -> Self {
        let authorization_details = credential.map(Into::into);
        Self { connected_account: ConnectedAccount { authorization_details, ..account.into() } }
    }
}

/// A page of connected accounts.
#[napi(object, object_from_js = false)]
pub struct ConnectedAccountList {
    pub connected_accounts: Vec<ConnectedAccount>,
    /// Pass it as `pageToken` for the next page; absent on the last.
    pub next_page_token: Option<String>,
}

impl From<AccountPage> for ConnectedAccountList {
    fn from(page: AccountPage) -> Self {
        Self {
            connected_accounts: page.accounts.into_iter().map(Into::into).collect(),
            next_page_token: page.next_page_token,
        }
    }
}

/// A token that is valid for a while.
#[napi(object, object_from_js = false)]
pub struct AccessToken {
    #[napi(ts_type = "string")]
    pub access_token: Told,
    /// When it ends, where known.
    #[napi(ts_type = "Date")]
    pub expires_at: Option<Moment>,
    pub scopes: Vec<String>,
}

impl From<Token> for AccessToken {
    fn from(token: Token) -> Self {
        Self { access_token: Told(token.access_token), expires_at: token.expires_at.map(Moment), scopes: token.scopes }
    }
}

/// Where the pages are served.
#[napi(object, object_from_js = false)]
pub struct Listening {
    /// Where browsers reach them.
    pub url: String,
}

impl From<Url> for Listening {
    fn from(url: Url) -> Self {
        Self { url: url.into() }
    }
}

//! Links: made for one account, shown on a page that changes nothing.

use std::sync::Arc;

use url::Url;

use super::{Asks, FormField, LINK_LIFE, Link, LinkPage, NewLink, REMEMBERED, hash};
use crate::{
    Engine, Error, Result, UserVerification,
    accounts::{Account, AccountBy, AccountRef},
    audit::Action,
    catalogue::field::{Field, Options},
    connections::{check::check_scopes, registration::Setup},
    names::Organization,
    rows::{FlowFacts, FlowStatus, RecordFacts, StoredAccount, StoredConnection, StoredFlow},
    secret::{ExposeSecret, Secret},
    store::{Change, Commit, FlowKey},
};

/// Flows that one account may have under way, and one organization: a flood fills no disk.
const PENDING_OF_ACCOUNT: u32 = 20;
const PENDING_OF_ORGANIZATION: u32 = 10_000;

impl Engine {
    /// Makes a one-time link to authorize the account, which is made when it does not exist. The link lives ten
    /// minutes; a working account goes on working while a new authorization is under way.
    ///
    /// # Errors
    /// `CONNECTION_NOT_CONFIGURED` says what to register; `VERIFY_URL_NOT_ALLOWED`, `CONNECTION_DISABLED`,
    /// `NOT_SUPPORTED`, `LIMIT_REACHED`; `INVALID_ARGUMENT` for scopes where the credential is static.
    pub async fn authorization_link(&self, new: NewLink) -> Result<Link> {
        self.ensure_open()?;
        if new.state.as_ref().is_some_and(|state| state.chars().count() > 512 || state.chars().any(char::is_control)) {
            return Err(Error::invalid("state", "must be at most 512 characters, none of them a control character"));
        }
        let verify_url = self.verify_url(new.user_verify_url.as_deref())?;
        check_scopes(new.scopes.iter().flatten())?;
        let (connection, account) = match &new.account.by {
            AccountBy::Name { connection, identifier } => {
                let connection = self.stored_connection(&new.account.organization, connection).await?;
                // Before the account is made: what cannot authorize needs none.
                self.setup(&connection)?.check_link(new.scopes.as_deref())?;
                let account = self.find_or_create_account(&connection, identifier).await?;
                (connection, account)
            }
            AccountBy::Id(_) => self.stored_account(&new.account).await?,
        };
        self.setup(&connection)?.check_link(new.scopes.as_deref())?;
        self.limit_pending(&account).await?;
        self.insert_flow(&connection, &account, new, verify_url).await
    }

    /// What the link's page shows. Changes nothing, so that link scanners burn nothing.
    ///
    /// # Errors
    /// `LINK_NOT_FOUND`, `LINK_EXPIRED`, `LINK_USED`.
    pub async fn link_page(&self, token: &str) -> Result<LinkPage> {
        self.ensure_open()?;
        let flow = self.linked_flow(token).await?;
        let (connection, account) = self.parties(&flow).await?;
        let setup = self.setup(&connection)?;
        Ok(LinkPage {
            app_name: self.app_name.clone(),
            connector_name: setup.connector.name.clone(),
            connector: setup.connector.slug.clone(),
            person: masked(&account.identifier),
            asks: asks(&setup, &flow)?,
            expires_at: flow.expires_at,
        })
    }

    /// Whose account a link is for. For whoever plays the person: a page shows less of it ([`Engine::link_page`]).
    ///
    /// # Errors
    /// `LINK_NOT_FOUND`, `LINK_EXPIRED`, `LINK_USED`.
    pub async fn account_of_link(&self, token: &str) -> Result<Account> {
        self.ensure_open()?;
        let flow = self.linked_flow(token).await?;
        let by = AccountBy::Id(flow.account_id);
        self.account(&AccountRef { organization: flow.organization, by }).await
    }

    /// The flow of a link that can still be used.
    pub(super) async fn linked_flow(&self, token: &str) -> Result<StoredFlow> {
        let flow = self.rows.flow(FlowKey::Link(&hash(token))).await?.ok_or(Error::LinkNotFound)?;
        match flow.status {
            FlowStatus::Linked if self.clock.now() < flow.expires_at => Ok(flow),
            FlowStatus::Linked => Err(Error::LinkExpired),
            _ => Err(Error::LinkUsed),
        }
    }

    /// The connection and the account of a flow. Both go with it when they are deleted.
    pub(super) async fn parties(&self, flow: &StoredFlow) -> Result<(Arc<StoredConnection>, StoredAccount)> {
        let connection = self.connection_by_id(&flow.organization, &flow.connection_id).await?;
        let account = self.account_by_id(&flow.organization, &flow.account_id).await?;
        Ok((connection, account))
    }

    /// Where the flow ends for verification: the URL passed, else the environment's only one.
    fn verify_url(&self, passed: Option<&str>) -> Result<Option<Url>> {
        match (passed, self.user_verification) {
            (Some(passed), _) => {
                // Compared as text, before any parser has had a chance to see two URLs as one.
                let allowed = self.user_verify_urls.iter().find(|(text, _)| text == passed);
                allowed.map(|(_, url)| Some(url.clone())).ok_or(Error::VerifyUrlNotAllowed)
            }
            (None, UserVerification::None) => Ok(None),
            (None, UserVerification::App) => match self.user_verify_urls.as_slice() {
                [(_, only)] => Ok(Some(only.clone())),
                _ => Err(Error::invalid("userVerifyUrl", "is required: the environment has several `userVerifyUrls`")),
            },
        }
    }

    async fn limit_pending(&self, account: &StoredAccount) -> Result<()> {
        let organization = account.organization.as_str();
        let pending = self.rows.store.pending_flows(organization, &account.id, self.clock.now()).await?;
        if pending.of_account >= PENDING_OF_ACCOUNT {
            return Err(Error::LimitReached {
                what: "links under way for one account".into(),
                limit: PENDING_OF_ACCOUNT,
            });
        }
        if pending.of_organization >= PENDING_OF_ORGANIZATION {
            return Err(Error::LimitReached {
                what: "links under way for one organization".into(),
                limit: PENDING_OF_ORGANIZATION,
            });
        }
        Ok(())
    }

    async fn insert_flow(
        &self,
        connection: &StoredConnection,
        account: &StoredAccount,
        new: NewLink,
        verify_url: Option<Url>,
    ) -> Result<Link> {
        let now = self.clock.now();
        let token = self.random.token()?;
        let flow = StoredFlow {
            organization: connection.organization.clone(),
            id: self.random.id("flow")?,
            connection_id: connection.id.clone(),
            account_id: account.id.clone(),
            status: FlowStatus::Linked,
            link_hash: hash(token.expose_secret()),
            state_hash: None,
            nonce_hash: None,
            facts: FlowFacts { scopes: new.scopes, verify_url, app_state: new.state, ..FlowFacts::default() },
            cell: None,
            expires_at: now.plus(LINK_LIFE),
            created_at: now,
            version: 0,
        };
        let row = self.rows.write_flow(&flow, None).await?;
        let record = self.record(&flow.organization, Action::LinkCreated, &RecordFacts::of_flow(&flow))?;
        let changes = vec![Change::ForgetFlows { before: now.minus(REMEMBERED) }, Change::InsertFlow(row), record];
        match self.rows.commit(changes).await? {
            Commit::Applied => {
                self.metrics.link_made(&connection.connector);
                tracing::info!(flow.id = %flow.id, account.id = %account.id, "a link was made");
                let url = self.page_url("connect", &Organization::default(), token.expose_secret());
                Ok(Link { url: Secret::from(String::from(url)), expires_at: flow.expires_at })
            }
            // The account or its connection went while the link was made.
            Commit::Conflict => Err(Error::account_not_found(&connection.name, &account.identifier)),
        }
    }
}

/// What the flow's page asks of the person.
fn asks(setup: &Setup<'_>, flow: &StoredFlow) -> Result<Asks> {
    if setup.is_static() {
        let verify_origin = flow.facts.verify_url.as_ref().map(|url| url.origin().ascii_serialization());
        let fields = setup.method.fields.iter().map(|(name, field)| FormField::new(name, field)).collect();
        return Ok(Asks::Credential { fields, verify_origin });
    }
    let registration = setup.registration(flow.facts.scopes.as_deref())?;
    let authorize_origin = registration.authorize_url.origin().ascii_serialization();
    Ok(Asks::Consent { scopes: registration.every_scope(), authorize_origin })
}

impl FormField {
    fn new(name: &str, field: &Field) -> Self {
        Self {
            name: name.into(),
            label: field.label(name),
            help: field.help.clone(),
            help_url: field.help_url.clone(),
            example: field.example.clone(),
            kind: field.kind,
            options: field.options.iter().flat_map(Options::names).map(str::to_owned).collect(),
            default: field.default.clone(),
            suffix: field.suffix.clone(),
            optional: field.optional,
            secret: field.secret,
        }
    }
}

/// Enough of an identifier to recognise oneself, too little to learn it.
fn masked(identifier: &str) -> String {
    let (name, rest) = identifier.split_at(identifier.find('@').unwrap_or(identifier.len()));
    let shown = name.chars().take(if name.chars().count() > 4 { 2 } else { 1 }).collect::<String>();
    format!("{shown}•••{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_shown_masked() {
        assert_eq!(masked("user_123"), "us•••");
        assert_eq!(masked("jo"), "j•••");
        assert_eq!(masked("josephine@example.com"), "jo•••@example.com");
        assert_eq!(masked("ü"), "ü•••");
    }
}

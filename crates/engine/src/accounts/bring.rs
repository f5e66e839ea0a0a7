//! Credentials that the app brings itself: keys it asked for, tokens that it was granted elsewhere.
//!
//! Keys are read and tried as in the form of a link. A token is taken at the app's word: it may have ended, and only its
//! refresh token be good.

use indexmap::IndexMap;

use super::{
    Account, AccountBy, AccountRef,
    grant::{Grant, require},
};
use crate::{
    Engine, Error, Result,
    audit::Action,
    connections::{check::check_scopes, registration::Setup},
    names::{ConnectionName, Identifier, Organization},
    oauth::token_response::is_token,
    rows::{Credential, RecordFacts, StoredAccount, StoredConnection, Tokens},
    secret::{ExposeSecret, Secret},
    store::{AccountKey, Commit},
    time::Timestamp,
};

/// A credential that the app brings.
#[derive(Debug, Clone)]
pub enum Brought {
    /// For a connection that is authorized by OAuth.
    Token(BroughtToken),
    /// For a connection that takes a static credential: a value for each of its method's fields.
    Fields(IndexMap<String, Secret>),
}

/// A token that was granted elsewhere, to the app that the connection names.
#[derive(Debug, Clone)]
pub struct BroughtToken {
    /// Authorizes calls until it ends.
    pub access_token: Secret,
    /// Brings the next access token. From now on onbehalf alone may use it.
    pub refresh_token: Option<Secret>,
    /// When the access token ends. Without it, and where the connector does not know it either, it is used until the
    /// provider refuses it.
    pub expires_at: Option<Timestamp>,
    /// What the person granted; unknown unless said.
    pub scopes: Vec<String>,
}

impl Engine {
    /// Makes a connected account, `PENDING_AUTH` without a credential and `ACTIVE` with one.
    ///
    /// # Errors
    /// `CONNECTED_ACCOUNT_ALREADY_EXISTS`; with a credential as [`Engine::update_account`].
    pub async fn create_account(
        &self,
        organization: &Organization,
        connection: &ConnectionName,
        identifier: &Identifier,
        brought: Option<Brought>,
    ) -> Result<Account> {
        self.ensure_open()?;
        let mut connection = self.stored_connection(organization, connection).await?;
        let exists = Error::ConnectedAccountAlreadyExists {
            connection: connection.name.clone(),
            identifier: identifier.as_str().into(),
        };
        // Before the provider is asked for nothing.
        if self.find_account(&connection, identifier).await?.is_some() {
            return Err(exists);
        }
        let mut account = self.new_account(&connection, identifier)?;
        if let Some(brought) = brought {
            let grant = self.grant_of(&connection, &account, brought).await?;
            self.put_grant(&mut account, &grant).await?;
        }
        while self.insert_account(&connection, &mut account).await? == Commit::Conflict {
            if self.find_account(&connection, identifier).await?.is_some() {
                return Err(exists);
            }
            // It was the connection that changed.
            connection = self.connection_by_id(organization, &connection.id).await?;
            if let Some(binding) = &account.facts.binding {
                self.check_unchanged(&connection, binding)?;
            }
        }
        Ok(self.account_view(&connection, &account))
    }

    /// The connected account, made when there is none, with the credential that is brought, if one is.
    ///
    /// # Errors
    /// With a credential as [`Engine::update_account`].
    pub async fn get_or_create_account(
        &self,
        organization: &Organization,
        connection: &ConnectionName,
        identifier: &Identifier,
        brought: Option<Brought>,
    ) -> Result<Account> {
        self.ensure_open()?;
        let stored = self.stored_connection(organization, connection).await?;
        let Some(brought) = brought else {
            let account = self.find_or_create_account(&stored, identifier).await?;
            return Ok(self.account_view(&stored, &account));
        };
        if self.find_account(&stored, identifier).await?.is_none() {
            match self.create_account(organization, connection, identifier, Some(brought.clone())).await {
                // Somebody else made it at the same moment.
                Err(Error::ConnectedAccountAlreadyExists { .. }) => {}
                made => return made,
            }
        }
        let by = AccountBy::Name { connection: connection.clone(), identifier: identifier.clone() };
        self.update_account(&AccountRef { organization: organization.clone(), by }, brought).await
    }

    /// Replaces the account's credential by one that the app brings, whatever state the account is in; it is `ACTIVE`
    /// then. The app answers for whose credential it is: it may be another person's than the one before.
    ///
    /// The old credential is replaced whole. A token that comes without a refresh token leaves none: the old one belongs
    /// to another grant, and its next refresh would put that grant's token in the place of this one. What a refresh or an
    /// authorization under way brings comes too late.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a credential of the wrong kind, or that cannot be sent; `UNKNOWN_OPTION`. For a static
    /// credential `CREDENTIAL_REFUSED`, `PERMISSION_MISSING`, `PROVIDER_UNREACHABLE`, `PROVIDER_UNAVAILABLE`,
    /// `PROVIDER_RESPONSE_INVALID`. The stored credential is kept then.
    pub async fn update_account(&self, account: &AccountRef, brought: Brought) -> Result<Account> {
        self.ensure_open()?;
        let (connection, account) = self.stored_account(account).await?;
        let grant = self.grant_of(&connection, &account, brought).await?;
        loop {
            let connection = self.connection_by_id(&account.organization, &account.connection_id).await?;
            self.check_unchanged(&connection, &grant.binding)?;
            let mut account = self.account_by_id(&account.organization, &account.id).await?;
            account.facts.provider_account_id = None;
            account.facts.provider_account_label = None;
            self.put_grant(&mut account, &grant).await?;
            let of = RecordFacts::of_account(&account);
            let record = self.record(&account.organization, Action::CredentialBrought, &of)?;
            if self.commit_account(&account, vec![require(&connection), record]).await? == Commit::Applied {
                tracing::info!(account.id = %account.id, "an account was given another credential");
                return Ok(self.account_view(&connection, &account));
            }
        }
    }

    /// Refuses to store a credential for another connector or app than it was tried with.
    fn check_unchanged(&self, connection: &StoredConnection, binding: &str) -> Result<()> {
        if self.setup(connection)?.binding() == binding {
            return Ok(());
        }
        Err(Error::invalid("connectionName", "was changed meanwhile; nothing was stored"))
    }

    /// The grant that a brought credential makes on this account.
    async fn grant_of(
        &self,
        connection: &StoredConnection,
        account: &StoredAccount,
        brought: Brought,
    ) -> Result<Grant> {
        let setup = self.setup(connection)?;
        match brought {
            Brought::Fields(fields) => self.grant_of_fields(&setup, &fields).await,
            Brought::Token(token) => self.grant_of_token(&setup, account, token).await,
        }
    }

    async fn grant_of_fields(&self, setup: &Setup<'_>, fields: &IndexMap<String, Secret>) -> Result<Grant> {
        if !setup.is_static() {
            let problem = format!("is not what connection `{}` takes: bring an OAuth token", setup.connection.name);
            return Err(Error::invalid("staticAuth", problem));
        }
        let credential = Credential::Fields(setup.method.check_entered(fields)?);
        let owner = self.prove(setup, &credential).await?;
        let kept = owner.as_ref().map(|owner| owner.kept.clone()).unwrap_or_default();
        setup.check_kept(&kept, &credential)?;
        let binding = setup.binding();
        Ok(Grant { credential, scopes: Vec::new(), expires_at: None, kept, owner, binding })
    }

    async fn grant_of_token(&self, setup: &Setup<'_>, account: &StoredAccount, token: BroughtToken) -> Result<Grant> {
        if setup.is_static() {
            let fields = setup.method.fields.keys().map(String::as_str).collect::<Vec<_>>().join("`, `");
            let problem = format!("is not what connection `{}` takes: bring `{fields}`", setup.connection.name);
            return Err(Error::invalid("oauthToken", problem));
        }
        let now = self.clock.now();
        check_token(&token, now)?;
        let BroughtToken { access_token, refresh_token, expires_at, scopes } = token;
        // Nobody knows how old it is; it lasts no longer than a new one does.
        let life = setup.method.expires_in.map(std::time::Duration::from_secs);
        let expires_at = expires_at.or_else(|| life.map(|life| now.plus(life)));
        let credential = Credential::Tokens(Tokens { access_token, refresh_token, kept: IndexMap::new() });
        let binding = setup.binding();
        let facts = &account.facts;
        let same_app = facts.binding.as_ref() == Some(&binding);
        let told = if same_app { facts.kept.clone() } else { IndexMap::new() };
        let has_ended = expires_at.is_some_and(|end| end <= now);
        let owner = if has_ended { None } else { self.identify(setup, &told, &credential).await };
        // What an authorization has told holds for its person alone: another's API may be elsewhere.
        let id = owner.as_ref().and_then(|owner| owner.id.as_ref());
        let same_person = id.is_some() && id == facts.provider_account_id.as_ref();
        let mut kept = if same_person { told } else { IndexMap::new() };
        kept.extend(owner.iter().flat_map(|owner| owner.kept.clone()));
        setup.check_kept(&kept, &credential).map_err(|_| Error::NotSupported {
            what: format!(
                "bringing a token to `{}`, whose API address only an authorization of the same person tells,",
                setup.connector.slug
            ),
        })?;
        Ok(Grant { credential, scopes, expires_at, kept, owner, binding })
    }

    async fn find_account(
        &self,
        connection: &StoredConnection,
        identifier: &Identifier,
    ) -> Result<Option<StoredAccount>> {
        let key = AccountKey::Identifier { connection_id: &connection.id, identifier: identifier.as_str() };
        self.rows.account(&connection.organization, key).await
    }
}

/// Refuses what no provider issues, and what could never be used.
fn check_token(token: &BroughtToken, now: Timestamp) -> Result<()> {
    let tokens = [("accessToken", Some(&token.access_token)), ("refreshToken", token.refresh_token.as_ref())];
    for (name, token) in tokens {
        if token.is_some_and(|token| !is_token(token.expose_secret())) {
            return Err(Error::invalid(name, "must be 1 to 65536 visible ASCII characters without spaces"));
        }
    }
    check_scopes(token.scopes.iter())?;
    if token.refresh_token.is_none() && token.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::invalid("expiresAt", "is over, and there is no `refreshToken` to get another token with"));
    }
    Ok(())
}

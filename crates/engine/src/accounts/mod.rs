//! Connected accounts: one person's credential on one connection.

mod bring;
pub(crate) mod grant;
mod stored;

use std::{collections::HashMap, sync::Arc, time::Duration};

use indexmap::IndexMap;

pub use bring::{Brought, BroughtToken};

pub use crate::rows::Status;
use crate::{
    Engine, Error, Result,
    names::{ConnectionName, Identifier, Organization},
    page::{self, Page},
    refresh::Need,
    rows::{Credential, StoredAccount, Tokens},
    secret::Secret,
    store::{AccountFilter, ConnectionKey},
    time::Timestamp,
};

/// Which connected account is meant.
#[derive(Debug, Clone)]
pub struct AccountRef {
    /// The tenant; accounts of others are not found.
    pub organization: Organization,
    /// By id, or by connection and identifier.
    pub by: AccountBy,
}

/// The two ways to name a connected account.
#[derive(Debug, Clone)]
pub enum AccountBy {
    /// `ca_…`
    Id(String),
    /// The person, on one connection.
    Name {
        /// Which connection.
        connection: ConnectionName,
        /// Which person.
        identifier: Identifier,
    },
}

/// A connected account, without its secrets.
#[derive(Debug, Clone)]
pub struct Account {
    /// `ca_…`
    pub id: String,
    /// The tenant.
    pub organization: Organization,
    /// `conn_…`
    pub connection_id: String,
    /// The name of that connection.
    pub connection_name: String,
    /// The connector's slug.
    pub connector: String,
    /// The app's own id of the person.
    pub identifier: String,
    /// Whether it can be used.
    pub status: Status,
    /// Why the account is not active: `revoked`, `no_refresh_token`, …
    pub reason: Option<String>,
    /// The scopes that the person granted.
    pub scopes: Vec<String>,
    /// The provider's stable id of the person's account there, once known.
    pub provider_account_id: Option<String>,
    /// A name of it that a person recognises, such as a mail address.
    pub provider_account_label: Option<String>,
    /// What the provider told and the connector keeps, such as Salesforce's `instance_url`.
    pub kept: IndexMap<String, String>,
    /// When the access token ends, where known.
    pub token_expires_at: Option<Timestamp>,
    /// Why the last refresh did not succeed, until one does.
    pub last_refresh_error: Option<String>,
    /// When a refresh last brought a token.
    pub refreshed_at: Option<Timestamp>,
    /// When the token is refreshed next: some time before it ends or its refresh token dies of disuse, or, after a refresh
    /// that did not succeed, when it is tried again. Nothing where nothing is planned.
    pub next_refresh_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// An OAuth token as it leaves the vault.
#[derive(Debug, Clone)]
pub struct Token {
    /// Authorizes calls until it ends.
    pub access_token: Secret,
    /// Brings the next access token. Using it outside onbehalf may end the grant.
    pub refresh_token: Option<Secret>,
    /// What the person granted.
    pub scopes: Vec<String>,
    /// When the access token ends, where known.
    pub expires_at: Option<Timestamp>,
}

/// A credential as it leaves the vault.
#[derive(Debug, Clone)]
pub enum Disclosed {
    /// Granted by OAuth.
    Token(Token),
    /// What the person entered, by field.
    Fields(IndexMap<String, Secret>),
}

/// A page of connected accounts.
#[derive(Debug, Clone)]
pub struct AccountPage {
    /// In the order of their ids.
    pub accounts: Vec<Account>,
    /// Passed to the next call; absent on the last page.
    pub next_page_token: Option<String>,
}

/// Which connected accounts to list.
#[derive(Debug, Clone, Default)]
pub struct AccountQuery {
    /// The tenant.
    pub organization: Organization,
    /// Only of these connections; empty means all.
    pub connections: Vec<ConnectionName>,
    /// Only of this person.
    pub identifier: Option<Identifier>,
    /// 1 to 100; 10 unless said.
    pub page_size: Option<u32>,
    /// The `next_page_token` of the page before.
    pub page_token: Option<String>,
}

impl Engine {
    /// The connected account, without secrets.
    ///
    /// # Errors
    /// `CONNECTED_ACCOUNT_NOT_FOUND`; for one that is named by its connection, what [`Engine::connection`] fails with.
    pub async fn account(&self, account: &AccountRef) -> Result<Account> {
        self.ensure_open()?;
        let (connection, account) = self.stored_account(account).await?;
        Ok(self.account_view(&connection, &account))
    }

    /// The connected account with its credential, a token refreshed first when it is about to end; no credential while
    /// the account is not active.
    ///
    /// # Errors
    /// As [`Engine::account`], and what a refresh met. `REAUTHORIZATION_REQUIRED` is none: the account says so itself.
    pub async fn account_with_credential(
        self: &Arc<Self>,
        account: &AccountRef,
    ) -> Result<(Account, Option<Disclosed>)> {
        self.ensure_open()?;
        let (connection, stored) = self.stored_account(account).await?;
        if stored.status != Status::Active {
            return Ok((self.account_view(&connection, &stored), None));
        }
        match self.fresh(&connection, stored, Need::ValidFor(Duration::ZERO)).await {
            Ok((stored, credential)) => {
                self.record_disclosure(&stored).await?;
                let disclosed = match credential {
                    Credential::Tokens(tokens) => Disclosed::Token(token_of(&stored, tokens)),
                    Credential::Fields(fields) => Disclosed::Fields(fields),
                };
                Ok((self.account_view(&connection, &stored), Some(disclosed)))
            }
            // The account says so itself.
            Err(Error::ReauthorizationRequired { .. }) => Ok((self.account(account).await?, None)),
            Err(error) => Err(error),
        }
    }

    /// A token that is valid for `min_validity` at least, where the provider gives such long ones.
    ///
    /// # Errors
    /// `AUTHORIZATION_REQUIRED`, `REAUTHORIZATION_REQUIRED`, and what a refresh met. `NOT_SUPPORTED` for a credential
    /// that is no token.
    pub async fn token(self: &Arc<Self>, account: &AccountRef, min_validity: Duration) -> Result<Token> {
        self.ensure_open()?;
        let (connection, stored) = self.stored_account(account).await?;
        let (stored, credential) = self.fresh(&connection, stored, Need::ValidFor(min_validity)).await?;
        match credential {
            Credential::Tokens(tokens) => {
                self.record_disclosure(&stored).await?;
                Ok(token_of(&stored, tokens))
            }
            Credential::Fields(_) => Err(Error::NotSupported {
                what: format!(
                    "`getToken` on connection `{}`, whose accounts hold a key and no token (`getConnectedAccount` returns it),",
                    connection.name
                ),
            }),
        }
    }

    /// Resolves when the account is active, whichever process made it so.
    ///
    /// # Errors
    /// As [`Engine::account`], also when the account is deleted meanwhile; `CLOSED` when the engine is closed.
    pub async fn wait_until_active(&self, account: &AccountRef) -> Result<Account> {
        loop {
            // Before the look, so that a change between the two is not missed.
            let changed = self.changed.notified();
            let version = self.rows.store.version().await?;
            let found = self.account(account).await?;
            if found.status == Status::Active {
                return Ok(found);
            }
            tokio::select! {
                () = changed => {}
                () = self.changed_elsewhere(version) => {}
                () = self.closing.cancelled() => return Err(Error::Closed),
            }
        }
    }

    /// Connected accounts, a page at a time, without secrets.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a page's size or token, and for each connection what [`Engine::connection`] fails with.
    pub async fn accounts(&self, query: &AccountQuery) -> Result<AccountPage> {
        self.ensure_open()?;
        let organization = &query.organization;
        let size = page::size(query.page_size, 10)?;
        let after = query.page_token.as_deref().map(page::read_token).transpose()?;
        let mut filter = AccountFilter {
            connection_ids: Vec::new(),
            identifier: query.identifier.as_ref().map(|identifier| identifier.as_str().to_owned()),
        };
        for name in &query.connections {
            filter.connection_ids.push(self.stored_connection(organization, name).await?.id.clone());
        }
        let rows = self.rows.store.accounts(organization.as_str(), &filter, after.as_deref(), size + 1).await?;
        let Page { rows, next } = page::cut(rows, size, |row| &row.id);
        let mut connections = HashMap::new();
        let mut accounts = Vec::with_capacity(rows.len());
        for row in rows {
            if !connections.contains_key(&row.connection_id) {
                let key = ConnectionKey::Id(&row.connection_id);
                connections.insert(row.connection_id.clone(), self.rows.connection(organization, key).await?);
            }
            // One whose connection was deleted since is gone too.
            if let Some(Some(connection)) = connections.get(&row.connection_id) {
                accounts.push(self.account_view(connection, &self.rows.read_account(organization, row)?));
            }
        }
        Ok(AccountPage { accounts, next_page_token: next })
    }
}

fn token_of(account: &StoredAccount, tokens: Tokens) -> Token {
    Token {
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        scopes: account.facts.scopes_granted.clone(),
        expires_at: account.expires_at,
    }
}

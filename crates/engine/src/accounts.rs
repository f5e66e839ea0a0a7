//! Connected accounts: one person's credential on one connection.

use indexmap::IndexMap;

use crate::{
    Engine, Error, Result,
    names::{ConnectionName, Identifier, Organization},
    secret::Secret,
    time::Timestamp,
};

/// Whether a connected account can be used. The names are the wire's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The credential works, as far as is known.
    Active,
    /// The credential stopped working; the reason says why. The person must authorize again.
    Expired,
    /// The person has not authorized yet.
    PendingAuth,
    /// The person consented; the app has not verified yet that it was the right one.
    PendingVerification,
    /// Disconnected on purpose; the credential is gone, the account is kept.
    Disconnected,
}

/// Which connected account is meant.
#[derive(Debug, Clone)]
pub struct AccountRef {
    pub organization: Organization,
    pub by: AccountBy,
}

/// The two ways to name a connected account.
#[derive(Debug, Clone)]
pub enum AccountBy {
    Id(String),
    Name { connection: ConnectionName, identifier: Identifier },
}

/// A connected account, without its secrets.
#[derive(Debug, Clone)]
pub struct Account {
    /// `ca_…`
    pub id: String,
    pub organization: Organization,
    /// `conn_…`
    pub connection_id: String,
    pub connection_name: String,
    /// The connector's slug.
    pub connector: String,
    pub identifier: String,
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
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// An OAuth token as it leaves the vault.
#[derive(Debug, Clone)]
pub struct Token {
    pub access_token: Secret,
    pub refresh_token: Option<Secret>,
    pub scopes: Vec<String>,
    pub expires_at: Option<Timestamp>,
}

/// A page of connected accounts.
#[derive(Debug, Clone)]
pub struct AccountPage {
    pub accounts: Vec<Account>,
    /// Passed to the next call; absent on the last page.
    pub next_page_token: Option<String>,
}

/// Which connected accounts to list.
#[derive(Debug, Clone, Default)]
pub struct AccountQuery {
    pub organization: Organization,
    /// Only of these connections; empty means all.
    pub connections: Vec<ConnectionName>,
    pub identifier: Option<Identifier>,
    /// 1 to 100; 10 unless said.
    pub page_size: Option<u32>,
    pub page_token: Option<String>,
}

impl Engine {
    /// The connected account, made (`PENDING_AUTH`) when there is none.
    pub async fn get_or_create_account(
        &self,
        organization: &Organization,
        connection: &ConnectionName,
        identifier: &Identifier,
    ) -> Result<Account> {
        let _ = (organization, connection, identifier);
        Err(unfinished())
    }

    /// Makes a connected account without a credential.
    pub async fn create_account(
        &self,
        organization: &Organization,
        connection: &ConnectionName,
        identifier: &Identifier,
    ) -> Result<Account> {
        let _ = (organization, connection, identifier);
        Err(unfinished())
    }

    /// The connected account, without secrets.
    pub async fn account(&self, account: &AccountRef) -> Result<Account> {
        let _ = account;
        Err(unfinished())
    }

    /// The connected account with its token, refreshed first when it is about to end; no token while it is not active.
    pub async fn account_with_token(&self, account: &AccountRef) -> Result<(Account, Option<Token>)> {
        let _ = account;
        Err(unfinished())
    }

    /// A token that is valid for `min_validity` at least.
    pub async fn token(&self, account: &AccountRef, min_validity: std::time::Duration) -> Result<Token> {
        let _ = (account, min_validity);
        Err(unfinished())
    }

    /// Resolves when the account is active. Fails when it was deleted.
    pub async fn wait_until_active(&self, account: &AccountRef) -> Result<Account> {
        let _ = account;
        Err(unfinished())
    }

    pub async fn accounts(&self, query: &AccountQuery) -> Result<AccountPage> {
        let _ = query;
        Err(unfinished())
    }

    /// Deletes the account with its credential.
    pub async fn delete_account(&self, account: &AccountRef) -> Result<()> {
        let _ = account;
        Err(unfinished())
    }

    /// Destroys the credential and keeps the account.
    pub async fn disconnect_account(&self, account: &AccountRef) -> Result<Account> {
        let _ = account;
        Err(unfinished())
    }
}

pub(crate) fn unfinished() -> Error {
    Error::Internal { reason: "skeleton".into() }
}

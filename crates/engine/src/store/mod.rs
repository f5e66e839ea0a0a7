//! Rows at rest, behind one small trait that every database can serve.
//!
//! The store never sees a key: secrets arrive sealed, and security-relevant columns arrive under a MAC that the
//! rows' codec made. It reads rows one by one and writes them in one way only, [`Store::commit`]: all changes or none,
//! each against the version that the writer had read. That is the whole of concurrency control, and both SQLite and
//! PostgreSQL do it well.

pub mod journal;
pub mod sqlite;

use async_trait::async_trait;

use crate::{Result, time::Timestamp};

/// What a store says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Random, made with the store. Every sealed cell is bound to it.
    pub store_id: String,
    /// Which root key the store was sealed with.
    pub key_id: String,
    /// Proof of the right key, without the key.
    pub key_check: Vec<u8>,
    /// When the store was made.
    pub created_at: Timestamp,
}

/// An organization's data key, wrapped by the root's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKeyRow {
    /// Whose.
    pub organization: String,
    /// Random, in the header of every cell that it sealed.
    pub id: [u8; 16],
    /// The wrapped key.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An app's set-up of one connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    pub organization: String,
    pub id: String,
    /// Unique in the organization; lower case.
    pub name: String,
    pub connector: String,
    pub enabled: bool,
    /// Everything that is no secret, as JSON.
    pub config: String,
    /// The app's secrets, sealed.
    pub secrets: Option<Vec<u8>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Grows by one with every write.
    pub version: i64,
    pub mac: Vec<u8>,
}

/// One person's credential on one connection. Unique by organization, connection and identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    pub organization: String,
    pub id: String,
    pub connection_id: String,
    pub identifier: String,
    /// The wire's name of the status.
    pub status: String,
    /// Everything that is neither a column nor a secret, as JSON.
    pub facts: String,
    /// When the access token ends, where known.
    pub expires_at: Option<Timestamp>,
    /// When to refresh, where planned; indexed.
    pub refresh_at: Option<Timestamp>,
    /// The credential, sealed.
    pub credential: Option<Vec<u8>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
    pub mac: Vec<u8>,
}

/// One authorization under way, from link to outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRow {
    pub organization: String,
    pub id: String,
    pub connection_id: String,
    pub account_id: String,
    pub status: String,
    /// SHA-256 of the link's token; unique.
    pub link_hash: Vec<u8>,
    /// SHA-256 of the OAuth `state`; unique.
    pub state_hash: Option<Vec<u8>>,
    /// SHA-256 of the verification nonce; unique.
    pub nonce_hash: Option<Vec<u8>>,
    /// Everything that is neither a column nor a secret, as JSON.
    pub facts: String,
    /// What is held between steps (the PKCE verifier, then the code), sealed.
    pub held: Option<Vec<u8>>,
    pub expires_at: Timestamp,
    pub created_at: Timestamp,
    pub version: i64,
    pub mac: Vec<u8>,
}

/// How a connection is found.
#[derive(Debug, Clone, Copy)]
pub enum ConnectionKey<'a> {
    Id(&'a str),
    Name(&'a str),
}

/// How an account is found.
#[derive(Debug, Clone, Copy)]
pub enum AccountKey<'a> {
    Id(&'a str),
    Identifier { connection_id: &'a str, identifier: &'a str },
}

/// How a flow is found. Browsers know no organization: these hashes of 256-bit secrets are keys by themselves.
#[derive(Debug, Clone, Copy)]
pub enum FlowKey<'a> {
    Id(&'a str),
    Link(&'a [u8]),
    State(&'a [u8]),
    Nonce(&'a [u8]),
}

/// Which accounts a list holds.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Only of these connections; empty means all.
    pub connection_ids: Vec<String>,
    pub identifier: Option<String>,
}

/// One part of a commit. `version` in a replaced or deleted row is the version that was read: the row itself carries
/// the next one.
#[derive(Debug, Clone)]
pub enum Change {
    /// Makes an empty store this one. Conflicts when it has a name already.
    Initialize(Meta),
    InsertDataKey(DataKeyRow),
    InsertConnection(ConnectionRow),
    ReplaceConnection(ConnectionRow),
    /// Deletes the connection with its accounts and flows.
    DeleteConnection {
        organization: String,
        id: String,
        version: i64,
    },
    /// Conflicts unless the connection still has this version: for decisions that rest on it.
    RequireConnection {
        organization: String,
        id: String,
        version: i64,
    },
    InsertAccount(AccountRow),
    ReplaceAccount(AccountRow),
    /// Deletes the account with its flows.
    DeleteAccount {
        organization: String,
        id: String,
        version: i64,
    },
    InsertFlow(FlowRow),
    ReplaceFlow(FlowRow),
    /// Deletes flows that expired before this moment.
    ForgetFlows {
        before: Timestamp,
    },
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Commit {
    /// All changes are durable.
    Applied,
    /// Someone else changed one of the rows, or made one that must be unique. Nothing was changed.
    Conflict,
}

/// Where rows are kept. `Replace…` rows carry `version = read version + 1`; the store compares with `version - 1`.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What the store says about itself; nothing when it is empty.
    async fn meta(&self) -> Result<Option<Meta>>;
    /// An organization's data keys, the newest first.
    async fn data_keys(&self, organization: &str) -> Result<Vec<DataKeyRow>>;
    async fn connection(&self, organization: &str, key: ConnectionKey<'_>) -> Result<Option<ConnectionRow>>;
    /// Connections by name, after `after`.
    async fn connections(&self, organization: &str, after: Option<&str>, limit: u32) -> Result<Vec<ConnectionRow>>;
    async fn account(&self, organization: &str, key: AccountKey<'_>) -> Result<Option<AccountRow>>;
    /// Accounts by id, after `after`.
    async fn accounts(
        &self,
        organization: &str,
        filter: &AccountFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AccountRow>>;
    async fn flow(&self, key: FlowKey<'_>) -> Result<Option<FlowRow>>;
    /// How many flows of an account, and of the whole organization, are not over at `now`.
    async fn pending_flows(&self, organization: &str, account_id: &str, now: Timestamp) -> Result<PendingFlows>;
    /// Applies all changes, or none.
    async fn commit(&self, changes: Vec<Change>) -> Result<Commit>;
    /// Finishes what is under way and closes the database.
    async fn close(&self) -> Result<()>;
}

/// How many flows are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingFlows {
    pub of_account: u32,
    pub of_organization: u32,
}

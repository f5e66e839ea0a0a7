//! Rows at rest, behind one small trait that every database can serve.
//!
//! The store never sees a key: secrets arrive sealed, and security-relevant columns arrive under a MAC that the
//! rows' codec made. It reads rows one by one and writes them in one way only, [`Store::commit`]: all changes or none,
//! each against the version that the writer had read. That is the whole of concurrency control, and both SQLite and
//! PostgreSQL do it well.

mod files;
pub mod journal;
pub mod sqlite;

use async_trait::async_trait;

pub(crate) use self::files::{Opening, resolve};
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
    /// Whose; the first part of the key.
    pub organization: String,
    /// Random (`conn_…`); the second part of the key.
    pub id: String,
    /// Unique in the organization; lower case.
    pub name: String,
    /// The slug of its connector.
    pub connector: String,
    /// Whether it may be used.
    pub enabled: bool,
    /// Everything that is no secret, as JSON.
    pub config: String,
    /// The app's secrets, sealed.
    pub secrets: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Grows by one with every write.
    pub version: i64,
    /// The codec's MAC over the columns.
    pub mac: Vec<u8>,
}

/// One person's credential on one connection. Unique by organization, connection and identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// Random (`ca_…`); the second part of the key.
    pub id: String,
    /// The connection that it belongs to; it is deleted with it.
    pub connection_id: String,
    /// The app's own id of the person.
    pub identifier: String,
    /// The wire's name of the status.
    pub status: String,
    /// Everything that is neither a column nor a secret, as JSON.
    pub facts: String,
    /// When the access token ends, where known.
    pub expires_at: Option<Timestamp>,
    /// When to refresh, or to try again, where planned; indexed.
    pub refresh_at: Option<Timestamp>,
    /// The credential, sealed.
    pub credential: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Grows by one with every write.
    pub version: i64,
    /// The codec's MAC over the columns.
    pub mac: Vec<u8>,
}

/// The right to send one token request for an account. It is there while the request is, or may be, under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// The account; the second part of the key.
    pub account_id: String,
    /// Who sends: the name of an instance's journal.
    pub holder: String,
    /// Which of the account's requests it is.
    pub epoch: i64,
    /// When nobody needs to wait for it any longer, on the store's clock ([`Store::now`]).
    pub until: Timestamp,
    /// Whether the request may have left.
    pub sent: bool,
}

/// A provider's refusal of the app itself: of its secret, or its registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// The connection; the second part of the key.
    pub connection_id: String,
    /// The connection's version that was refused. One that was changed since is not at fault.
    pub connection_version: i64,
    /// What the provider said: a short code.
    pub error: String,
    /// When it first said so.
    pub since: Timestamp,
    /// How often it has said so since then.
    pub failures: u32,
    /// No token request before this moment.
    pub next_try: Timestamp,
}

/// A connection, as the plan of refreshes sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRow {
    /// Whose.
    pub organization: String,
    /// The connection's id.
    pub connection_id: String,
    /// When the first of its accounts is due; nothing when none is ever.
    pub first: Option<Timestamp>,
}

/// An account that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRow {
    /// The account's id.
    pub account_id: String,
    /// Since when.
    pub refresh_at: Timestamp,
}

/// One authorization under way, from link to outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// Random; the second part of the key.
    pub id: String,
    /// The connection that is being authorized.
    pub connection_id: String,
    /// The account that the credential is meant for; the flow is deleted with it.
    pub account_id: String,
    /// How far it has come, in the words of `connect`.
    pub status: String,
    /// SHA-256 of the link's token; unique.
    pub link_hash: Vec<u8>,
    /// SHA-256 of the OAuth `state`; unique.
    pub state_hash: Option<Vec<u8>>,
    /// SHA-256 of the verification nonce; unique.
    pub nonce_hash: Option<Vec<u8>>,
    /// Everything that is neither a column nor a secret, as JSON.
    pub facts: String,
    /// What is held between steps (the PKCE verifier, then the code; or a key that was entered), sealed.
    pub held: Option<Vec<u8>>,
    /// When it is over. Whoever ends a flow earlier moves this to that moment: until then it counts as under way.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// Grows by one with every write.
    pub version: i64,
    /// The codec's MAC over the columns.
    pub mac: Vec<u8>,
}

/// Something that a commit has left to be sent, until it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Whose; the first part of the key.
    pub organization: String,
    /// Random; the second part of the key.
    pub id: String,
    /// What it is: `revocation`.
    pub kind: String,
    /// The connection that it was sent for, which may be gone.
    pub connection_id: String,
    /// The account that it was sent for, which may be gone.
    pub account_id: String,
    /// What became of it, in the words of whoever sends it.
    pub status: String,
    /// Everything that is neither a column nor a secret, as JSON.
    pub facts: String,
    /// What is to be sent, sealed.
    pub held: Option<Vec<u8>>,
    /// When it is sent, or sent again; nothing when it is over. Indexed.
    pub next_try: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// Grows by one with every write.
    pub version: i64,
    /// The codec's MAC over the columns.
    pub mac: Vec<u8>,
}

/// How a connection is found.
#[derive(Debug, Clone, Copy)]
pub enum ConnectionKey<'a> {
    /// By its random id.
    Id(&'a str),
    /// By its name, in lower case.
    Name(&'a str),
}

/// How an account is found.
#[derive(Debug, Clone, Copy)]
pub enum AccountKey<'a> {
    /// By its random id.
    Id(&'a str),
    /// By the person, on one connection.
    Identifier {
        /// The connection's id.
        connection_id: &'a str,
        /// The app's own id of the person, byte for byte.
        identifier: &'a str,
    },
}

/// How a flow is found. Browsers know no organization: the hashes of 256-bit secrets are keys by themselves. An id is
/// no secret, so it needs its organization.
#[derive(Debug, Clone, Copy)]
pub enum FlowKey<'a> {
    /// By its id, within its organization.
    Id {
        /// Whose.
        organization: &'a str,
        /// The flow's id.
        id: &'a str,
    },
    /// By the SHA-256 of the link's token.
    Link(&'a [u8]),
    /// By the SHA-256 of the OAuth `state`.
    State(&'a [u8]),
    /// By the SHA-256 of the verification nonce.
    Nonce(&'a [u8]),
}

/// Which accounts a list holds.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Only of these connections; empty means all.
    pub connection_ids: Vec<String>,
    /// Only of this person.
    pub identifier: Option<String>,
}

/// One part of a commit.
///
/// A row of `Replace…` carries the version after the one that was read, so the stored row must have `version - 1`.
/// `version` in `Delete…` and `Require…` is the one that was read.
#[derive(Debug, Clone)]
pub enum Change {
    /// Makes an empty store this one. Conflicts when it has a name already.
    Initialize(Meta),
    /// Adds a data key.
    InsertDataKey(DataKeyRow),
    /// Adds a connection. Conflicts when its id or name is taken.
    InsertConnection(ConnectionRow),
    /// Overwrites a connection. Conflicts when the name is taken.
    ReplaceConnection(ConnectionRow),
    /// Deletes the connection with its accounts and flows.
    DeleteConnection {
        /// Whose.
        organization: String,
        /// The connection's id.
        id: String,
        /// The version that was read.
        version: i64,
    },
    /// Conflicts unless the connection still has this version: for decisions that rest on it.
    RequireConnection {
        /// Whose.
        organization: String,
        /// The connection's id.
        id: String,
        /// The version that was read.
        version: i64,
    },
    /// Adds an account. Conflicts when its id is taken, its connection has one for the person, or there is no such
    /// connection.
    InsertAccount(AccountRow),
    /// Overwrites an account.
    ReplaceAccount(AccountRow),
    /// Deletes the account with its flows.
    DeleteAccount {
        /// Whose.
        organization: String,
        /// The account's id.
        id: String,
        /// The version that was read.
        version: i64,
    },
    /// Takes the lease of an account that has none. Conflicts when it has one, or when the account's row has another
    /// version: somebody has brought a token, or taken the account away.
    TakeLease {
        /// The lease.
        lease: LeaseRow,
        /// The version that was read.
        account_version: i64,
    },
    /// Notes that the lease's request may leave from now on. Conflicts when the account's lease is another, or none, and
    /// when the account's row has another version by now: a token may have come that makes the request a harm.
    MarkSent {
        /// Whose.
        organization: String,
        /// The account's id.
        account_id: String,
        /// Which of its requests.
        epoch: i64,
        /// The version that was read when the lease was taken.
        account_version: i64,
    },
    /// Lets go of a lease; does nothing when the account's lease is another, or none.
    ReleaseLease {
        /// Whose.
        organization: String,
        /// The account's id.
        account_id: String,
        /// Which of its requests.
        epoch: i64,
    },
    /// Conflicts while somebody has the account's lease: for a credential that rests on the one before.
    RequireNoLease {
        /// Whose.
        organization: String,
        /// The account's id.
        account_id: String,
    },
    /// Notes that the provider refuses the app, over an earlier note.
    SetFault(FaultRow),
    /// Moves the next try of a fault, for the one who tries. Conflicts when it has been moved before, or there is no
    /// fault: somebody else tries, or has tried.
    PostponeFault {
        /// Whose.
        organization: String,
        /// The connection's id.
        connection_id: String,
        /// The next try that was read.
        from: Timestamp,
        /// The one from now on.
        to: Timestamp,
    },
    /// Forgets that the provider refused the app.
    ClearFault {
        /// Whose.
        organization: String,
        /// The connection's id.
        connection_id: String,
    },
    /// Conflicts while the connection has accounts: for what ends with the last of them.
    RequireNoAccounts {
        /// Whose.
        organization: String,
        /// The connection's id.
        connection_id: String,
    },
    /// Leaves something to be sent.
    InsertOutbox(OutboxRow),
    /// Overwrites what is to be sent, or was.
    ReplaceOutbox(OutboxRow),
    /// Deletes what was over before this moment, of every organization.
    ForgetOutbox {
        /// The moment.
        before: Timestamp,
    },
    /// Adds a flow. Conflicts when its id or one of its hashes is taken, or there is no such account.
    InsertFlow(FlowRow),
    /// Overwrites a flow.
    ReplaceFlow(FlowRow),
    /// Deletes flows, of every organization, that wait for a verification which was due before this moment, with what
    /// they hold.
    ForgetUnverified {
        /// The moment.
        before: Timestamp,
    },
    /// Deletes flows, of every organization, that were over before this moment.
    ForgetFlows {
        /// The moment.
        before: Timestamp,
    },
}

impl Change {
    /// Whether a commit with this change waits for the disk.
    ///
    /// A new link doesn't: it holds no credential and no code. A process that is killed loses nothing of what was
    /// committed either way; only where the power fails may the links of the last moments be unknown when they are
    /// opened, and the person asks for another. Whatever waits for the disk later takes them along.
    pub(crate) fn waits_for_disk(&self) -> bool {
        match self {
            Self::InsertFlow(flow) => flow.held.is_some(),
            // Undone, they are taken to be under way still, which costs a wait.
            Self::ForgetFlows { .. }
            | Self::ForgetOutbox { .. }
            | Self::ReleaseLease { .. }
            | Self::SetFault(_)
            | Self::PostponeFault { .. }
            | Self::ClearFault { .. } => false,
            _ => true,
        }
    }
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Commit {
    /// All changes are durable, but for a new link, which a loss of power may undo.
    Applied,
    /// Someone else changed one of the rows, or made one that must be unique. Nothing was changed.
    Conflict,
}

/// Where rows are kept.
///
/// Every call fails with `STORE_BUSY`, `STORE_FULL`, `STORE_READ_ONLY`, `STORE_CORRUPT` or `STORE_FAILED`, by what the
/// caller must do, with `INTEGRITY_FAILED` where a row has a shape that no version of onbehalf wrote, and with `CLOSED`
/// after [`Store::close`].
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What the store says about itself; nothing when it is empty.
    async fn meta(&self) -> Result<Option<Meta>>;

    /// An organization's data keys, the newest first.
    async fn data_keys(&self, organization: &str) -> Result<Vec<DataKeyRow>>;

    /// One connection, where there is one.
    async fn connection(&self, organization: &str, key: ConnectionKey<'_>) -> Result<Option<ConnectionRow>>;

    /// At most `limit` connections, ordered by name, after the name `after`.
    async fn connections(&self, organization: &str, after: Option<&str>, limit: u32) -> Result<Vec<ConnectionRow>>;

    /// One account, where there is one.
    async fn account(&self, organization: &str, key: AccountKey<'_>) -> Result<Option<AccountRow>>;

    /// At most `limit` accounts, ordered by id, after the id `after`.
    async fn accounts(
        &self,
        organization: &str,
        filter: &AccountFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AccountRow>>;

    /// One flow, where there is one.
    async fn flow(&self, key: FlowKey<'_>) -> Result<Option<FlowRow>>;

    /// How many flows of an account, and of the whole organization, are not over at `now`.
    async fn pending_flows(&self, organization: &str, account_id: &str, now: Timestamp) -> Result<PendingFlows>;

    /// The account's lease, where somebody has it.
    async fn lease(&self, organization: &str, account_id: &str) -> Result<Option<LeaseRow>>;

    /// What the provider has against the app of a connection, where it has something.
    async fn fault(&self, organization: &str, connection_id: &str) -> Result<Option<FaultRow>>;

    /// At most `limit` connections of all organizations, after the one of this organization and id.
    async fn lanes(&self, after: Option<(&str, &str)>, limit: u32) -> Result<Vec<LaneRow>>;

    /// At most `limit` accounts of a connection that are due at `now`, the earliest first.
    async fn due(&self, organization: &str, connection_id: &str, now: Timestamp, limit: u32) -> Result<Vec<DueRow>>;

    /// At most `limit` rows of one kind in the outbox, ordered by id, after the id `after`.
    async fn outbox(&self, organization: &str, kind: &str, after: Option<&str>, limit: u32) -> Result<Vec<OutboxRow>>;

    /// At most `limit` rows of the outbox that are due at `now`, the earliest first; of all organizations, since whoever
    /// sends them does so for all.
    async fn outbox_due(&self, now: Timestamp, limit: u32) -> Result<Vec<OutboxRow>>;

    /// The time on the store's clock, by which leases end: one for all processes that share the store, and one that is
    /// never set.
    async fn now(&self) -> Result<Timestamp>;

    /// Applies all changes, or none, and returns when they are durable; a new link may be undone by a loss of power. A
    /// caller that stops waiting leaves it unknown whether they were applied: read again before deciding.
    async fn commit(&self, changes: Vec<Change>) -> Result<Commit>;

    /// A number that changes when another process commits: to be compared with what this store said before, so that
    /// whoever waits need not read rows over and over. It may change for this process's commits too, or not.
    async fn version(&self) -> Result<i64>;

    /// Finishes the commits under way and closes the database. Closing twice is no error.
    async fn close(&self) -> Result<()>;
}

/// How many flows are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingFlows {
    /// Of the account.
    pub of_account: u32,
    /// Of the organization, the account's included.
    pub of_organization: u32,
}

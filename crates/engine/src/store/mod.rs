//! Rows at rest, behind one small trait that every database can serve.
//!
//! The store never sees a key: secrets arrive sealed, and security-relevant columns arrive under a MAC that the
//! rows' codec made. It reads rows one by one and writes them in one way only, [`Store::commit`]: all changes or none,
//! each against the version that the writer had read. That is the whole of concurrency control, and both SQLite and
//! PostgreSQL do it well.

mod change;
#[cfg(test)]
mod contract;
mod files;
pub mod journal;
pub mod postgres;
mod row;
mod sql;
pub mod sqlite;

use async_trait::async_trait;

pub(crate) use self::files::{Opening, resolve};
pub use self::{
    change::{Change, Commit},
    row::{
        AccountFilter, AccountKey, AccountRow, ConnectionKey, ConnectionRow, DataKeyRow, DueRow, FaultRow, FlowKey,
        FlowRow, KeySlotRow, LaneRow, LeaseRow, Meta, OutboxRow, PendingFlows, RecordRow, RecordsHeadRow,
    },
};
use crate::{Result, time::Timestamp};

/// How a pool of connections is used at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Connections that nobody uses.
    pub idle: usize,
    /// Those that are in use.
    pub busy: usize,
    /// How many there may be.
    pub most: usize,
    /// Calls that wait for one.
    pub waiting: usize,
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

    /// The keys that the store opens with, the oldest first.
    async fn key_slots(&self) -> Result<Vec<KeySlotRow>>;

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

    /// At most `limit` connections, ordered by organization and id, after the one of this organization and id.
    ///
    /// This crosses organizations because one plan refreshes for all of them, and only so can it take turns between
    /// their connections, and because an export of everything finds its organizations by it. It tells who is next and
    /// nothing else: no caller of the engine gets these rows, and whatever is then read or written names its organization.
    async fn lanes(&self, after: Option<(&str, &str)>, limit: u32) -> Result<Vec<LaneRow>>;

    /// At most `limit` accounts of a connection that are due at `now`, the earliest first.
    async fn due(&self, organization: &str, connection_id: &str, now: Timestamp, limit: u32) -> Result<Vec<DueRow>>;

    /// At most `limit` rows of one kind in the outbox, ordered by id, after the id `after`.
    async fn outbox(&self, organization: &str, kind: &str, after: Option<&str>, limit: u32) -> Result<Vec<OutboxRow>>;

    /// At most `limit` rows of one kind in the outbox that are due at `now`, the earliest first, after the one of this
    /// next try, organization and id; of all organizations, since whoever sends them does so for all.
    async fn outbox_due(
        &self,
        kind: &str,
        now: Timestamp,
        after: Option<(Timestamp, &str, &str)>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>>;

    /// At most `limit` records of an organization that have a place in the chain, in its order, after this number.
    async fn records(&self, organization: &str, after: i64, limit: u32) -> Result<Vec<RecordRow>>;

    /// At most `limit` records of the chain, which is one for all organizations, after this number: to check its links.
    async fn chain(&self, after: i64, limit: u32) -> Result<Vec<RecordRow>>;

    /// At most `limit` records that have no place in the chain yet, of all organizations, the oldest first.
    async fn records_unlinked(&self, limit: u32) -> Result<Vec<RecordRow>>;

    /// Where the chain ends; nothing while it has no record.
    async fn records_head(&self) -> Result<Option<RecordsHeadRow>>;

    /// The time on the store's clock, by which leases end: one for all processes that share the store, and one that is
    /// never set.
    async fn now(&self) -> Result<Timestamp>;

    /// The time of day on the store's own clock, where it has one.
    async fn time_of_day(&self) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    /// Applies all changes, or none, and returns when they are durable; a new link may be undone by a loss of power. A
    /// caller that stops waiting leaves it unknown whether they were applied: read again before deciding.
    async fn commit(&self, changes: Vec<Change>) -> Result<Commit>;

    /// A number that changes when another process commits: to be compared with what this store said before, so that
    /// whoever waits need not read rows over and over. It may change for this process's commits too, or not.
    async fn version(&self) -> Result<i64>;

    /// What is known of the pool of connections, where the store has one. Asks nobody.
    fn pool(&self) -> Option<Pool> {
        None
    }

    /// Finishes the commits under way and closes the database. Closing twice is no error.
    async fn close(&self) -> Result<()>;
}

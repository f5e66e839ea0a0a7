//! The store in one SQLite file, or in memory.
//!
//! One thread writes ([`writer`]), and a few connections read where they are called ([`readers`]). Other processes, and
//! other instances in this one, may have the file too: they open it in turns ([`open`]), then SQLite keeps them apart.
//! All statements stand in [`sql`](super::sql).
//!
//! A program that opens the file with an SQLite of its own inside this process (`node:sqlite`, say) releases our locks
//! when it closes it, and another process may then damage the database (A121): nothing here can prevent that.
//!
//! A store that cannot be written is refused when it is opened: SQLite's log cannot be read without writing beside it.
//! When a disk turns read-only under an open store, rows can still be read, and commits say `STORE_READ_ONLY`.

mod apply;
mod failure;
mod open;
mod readers;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, ToSql, params};

use self::{open::Opened, readers::Readers, writer::Writer};
use super::{
    AccountFilter, AccountKey, AccountRow, Change, Commit, ConnectionKey, ConnectionRow, DataKeyRow, DueRow, FaultRow,
    FlowKey, FlowRow, KeySlotRow, LaneRow, LeaseRow, Meta, OutboxRow, PendingFlows, RecordRow, RecordsHeadRow, Store,
    sql,
};
use crate::{
    Result,
    time::{Clock, MachineClock, Timestamp},
};

/// How long a commit waits for another program to release the database.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In this file. It is made where it is missing, and its folders with it.
    File(PathBuf),
    /// In memory, until it is closed.
    Memory,
}

/// A store that SQLite keeps.
pub struct SqliteStore {
    // Dropped in this order: the writer closes the database, and it must be the last to do so.
    readers: Readers,
    writer: Writer,
    /// By which leases end.
    clock: Box<dyn Clock>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the store, makes it where there is none, and brings its schema to today's version. Waits for the disk.
    ///
    /// # Errors
    /// `STORE_BUSY` when others don't get done with opening it, `STORE_CORRUPT` when the file is no store of ours,
    /// `STORE_TOO_NEW` when a newer version wrote it, `STORE_READ_ONLY` and `STORE_FULL`; each leaves it as it was.
    pub fn open(location: Location) -> Result<Self> {
        Self::open_with_timeout(location, BUSY_TIMEOUT)
    }

    /// [`SqliteStore::open`], waiting at most `busy_timeout` for other programs, now and in every commit.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_with_timeout(location: Location, busy_timeout: Duration) -> Result<Self> {
        Self::open_with(location, busy_timeout, MachineClock)
    }

    /// [`SqliteStore::open_with_timeout`], with a clock of a test's for the leases.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_with(location: Location, busy_timeout: Duration, clock: impl Clock) -> Result<Self> {
        let opened = match location {
            Location::File(path) => open::open_file(&path, busy_timeout)?,
            Location::Memory => open::open_memory()?,
        };
        Self::start(opened, Box::new(clock))
    }

    fn start(opened: Opened, clock: Box<dyn Clock>) -> Result<Self> {
        let writer = Arc::new(Mutex::new(opened.writer));
        let mut readers: Vec<_> = opened.readers.into_iter().map(|reader| Arc::new(Mutex::new(reader))).collect();
        if readers.is_empty() {
            // A database in memory belongs to one connection, which takes turns.
            readers.push(Arc::clone(&writer));
        }
        let readers = Readers::new(readers, opened.path.clone());
        let writer = Writer::start(writer, opened.path)?;
        Ok(Self { readers, writer, clock })
    }

    fn find<T>(&self, sql: &str, values: &[&dyn ToSql], row: Decode<T>) -> Result<Option<T>> {
        self.readers.read(|connection| connection.prepare_cached(sql)?.query_row(values, row).optional())
    }

    fn list<T>(&self, sql: &str, values: &[&dyn ToSql], row: Decode<T>) -> Result<Vec<T>> {
        self.readers.read(|connection| connection.prepare_cached(sql)?.query_map(values, row)?.collect())
    }
}

type Decode<T> = fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>;

#[async_trait]
impl Store for SqliteStore {
    async fn meta(&self) -> Result<Option<Meta>> {
        self.find(sql::META, params![], rows::meta)
    }

    async fn key_slots(&self) -> Result<Vec<KeySlotRow>> {
        self.list(sql::KEY_SLOTS, params![], rows::key_slot)
    }

    async fn data_keys(&self, organization: &str) -> Result<Vec<DataKeyRow>> {
        self.list(sql::DATA_KEYS, params![organization], rows::data_key)
    }

    async fn connection(&self, organization: &str, key: ConnectionKey<'_>) -> Result<Option<ConnectionRow>> {
        let (sql, key) = match key {
            ConnectionKey::Id(id) => (sql::CONNECTION_BY_ID, id),
            ConnectionKey::Name(name) => (sql::CONNECTION_BY_NAME, name),
        };
        self.find(sql, params![organization, key], rows::connection)
    }

    async fn connections(&self, organization: &str, after: Option<&str>, limit: u32) -> Result<Vec<ConnectionRow>> {
        self.list(sql::CONNECTIONS, params![organization, after.unwrap_or_default(), limit], rows::connection)
    }

    async fn account(&self, organization: &str, key: AccountKey<'_>) -> Result<Option<AccountRow>> {
        match key {
            AccountKey::Id(id) => self.find(sql::ACCOUNT_BY_ID, params![organization, id], rows::account),
            AccountKey::Identifier { connection_id, identifier } => {
                let values = params![organization, connection_id, identifier];
                self.find(sql::ACCOUNT_BY_IDENTIFIER, values, rows::account)
            }
        }
    }

    async fn accounts(
        &self,
        organization: &str,
        filter: &AccountFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AccountRow>> {
        let sql = sql::accounts(filter.connection_ids.len(), filter.identifier.is_some());
        let after = after.unwrap_or_default();
        let mut values: Vec<&dyn ToSql> = vec![&organization, &after];
        values.extend(filter.connection_ids.iter().map(|id| id as &dyn ToSql));
        values.extend(filter.identifier.iter().map(|identifier| identifier as &dyn ToSql));
        values.push(&limit);
        self.list(&sql, &values, rows::account)
    }

    async fn flow(&self, key: FlowKey<'_>) -> Result<Option<FlowRow>> {
        match key {
            FlowKey::Id { organization, id } => self.find(sql::FLOW_BY_ID, params![organization, id], rows::flow),
            FlowKey::Link(hash) => self.find(sql::FLOW_BY_LINK, params![hash], rows::flow),
            FlowKey::State(hash) => self.find(sql::FLOW_BY_STATE, params![hash], rows::flow),
            FlowKey::Nonce(hash) => self.find(sql::FLOW_BY_NONCE, params![hash], rows::flow),
        }
    }

    async fn pending_flows(&self, organization: &str, account_id: &str, now: Timestamp) -> Result<PendingFlows> {
        self.readers.read(|connection| {
            let mut statement = connection.prepare_cached(sql::PENDING_FLOWS)?;
            statement.query_row(params![organization, account_id, now], rows::pending_flows)
        })
    }

    async fn lease(&self, organization: &str, account_id: &str) -> Result<Option<LeaseRow>> {
        self.find(sql::LEASE, params![organization, account_id], rows::lease)
    }

    async fn fault(&self, organization: &str, connection_id: &str) -> Result<Option<FaultRow>> {
        self.find(sql::FAULT, params![organization, connection_id], rows::fault)
    }

    async fn lanes(&self, after: Option<(&str, &str)>, limit: u32) -> Result<Vec<LaneRow>> {
        let (organization, id) = after.unwrap_or_default();
        self.list(sql::LANES, params![organization, id, limit], rows::lane)
    }

    async fn due(&self, organization: &str, connection_id: &str, now: Timestamp, limit: u32) -> Result<Vec<DueRow>> {
        self.list(sql::DUE, params![organization, connection_id, now, limit], rows::due)
    }

    async fn outbox(&self, organization: &str, kind: &str, after: Option<&str>, limit: u32) -> Result<Vec<OutboxRow>> {
        self.list(sql::OUTBOX, params![organization, kind, after.unwrap_or_default(), limit], rows::outbox)
    }

    async fn outbox_due(
        &self,
        kind: &str,
        now: Timestamp,
        after: Option<(Timestamp, &str, &str)>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>> {
        let (next_try, organization, id) = after.unwrap_or((Timestamp::from_millis(i64::MIN), "", ""));
        self.list(sql::OUTBOX_DUE, params![kind, now, next_try, organization, id, limit], rows::outbox)
    }

    async fn records(&self, organization: &str, after: i64, limit: u32) -> Result<Vec<RecordRow>> {
        self.list(sql::RECORDS, params![organization, after, limit], rows::record)
    }

    async fn chain(&self, after: i64, limit: u32) -> Result<Vec<RecordRow>> {
        self.list(sql::CHAIN, params![after, limit], rows::record)
    }

    async fn records_unlinked(&self, limit: u32) -> Result<Vec<RecordRow>> {
        self.list(sql::RECORDS_UNLINKED, params![limit], rows::record)
    }

    async fn records_head(&self) -> Result<Option<RecordsHeadRow>> {
        self.find(sql::RECORDS_HEAD, params![], rows::records_head)
    }

    async fn now(&self) -> Result<Timestamp> {
        Ok(self.clock.now())
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit> {
        self.writer.commit(changes).await
    }

    async fn version(&self) -> Result<i64> {
        self.readers.watch(|connection| connection.pragma_query_value(None, "data_version", |row| row.get(0)))
    }

    async fn close(&self) -> Result<()> {
        self.readers.close();
        self.writer.close().await;
        Ok(())
    }
}

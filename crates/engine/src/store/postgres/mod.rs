//! The store in a PostgreSQL database, which any number of machines share.
//!
//! A read is a transaction of its own in one way there and back; a commit takes two ([`commit`]). No session state is
//! used, so a pooler may stand between ([`server`]). Row-level security is a second wall between organizations
//! (`migrations/0004_walls.postgres.sql`), for whatever a statement of ours might forget one day. Leases are on the
//! database's clock. Everything is read from the server that takes writes.

mod address;
mod commit;
mod failure;
mod receipt;
mod rows;
mod schema;
mod server;
mod sql;
#[cfg(test)]
mod tests;
mod tls;
mod value;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use tokio_postgres::Row;
use tokio_util::task::TaskTracker;

pub use self::address::Address;
use self::{
    receipt::Receipts,
    server::{Scope, Server},
    value::Value,
};
use super::{
    AccountFilter, AccountKey, AccountRow, Change, Commit, ConnectionKey, ConnectionRow, DataKeyRow, DueRow, FaultRow,
    FlowKey, FlowRow, KeySlotRow, LaneRow, LeaseRow, Meta, OutboxRow, PendingFlows, Pool, RecordRow, RecordsHeadRow,
    Store,
};
use crate::{
    Error, Result,
    time::{Clock, Timestamp},
};

/// A store that PostgreSQL keeps.
pub struct PostgresStore {
    server: Arc<Server>,
    receipts: Receipts,
    /// A test's, in place of the database's.
    clock: Option<Box<dyn Clock>>,
    /// Commits under way.
    commits: TaskTracker,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresStore").field(&self.server.shown()).finish()
    }
}

impl PostgresStore {
    /// Opens the store, makes it where there is none, and brings its schema to today's version.
    ///
    /// Fails with `STORE_UNREACHABLE`, `STORE_READ_ONLY` when the server takes no writes or the role may not make what is
    /// missing, `STORE_CORRUPT` when the schema holds other tables, `STORE_TOO_NEW` when a newer version wrote it, and
    /// `STORE_FAILED` for a user, password, database or certificate that is refused. Each leaves it as it was.
    pub async fn open(address: &Address) -> Result<Self> {
        Self::open_at(address, None).await
    }

    /// [`PostgresStore::open`], with a clock of a test's for the leases.
    pub async fn open_with(address: &Address, clock: impl Clock) -> Result<Self> {
        Self::open_at(address, Some(Box::new(clock))).await
    }

    async fn open_at(address: &Address, clock: Option<Box<dyn Clock>>) -> Result<Self> {
        let server = Server::new(address)?;
        schema::migrate(&server).await?;
        let receipts = Receipts::of(&server).await?;
        Ok(Self { server: Arc::new(server), receipts, clock, commits: TaskTracker::new() })
    }

    async fn find<T>(
        &self,
        scope: Scope<'_>,
        sql: &str,
        values: &[Value<'_>],
        row: fn(&Row) -> Result<T>,
    ) -> Result<Option<T>> {
        self.server.read(scope, sql, values).await?.first().map(row).transpose()
    }

    async fn list<T>(
        &self,
        scope: Scope<'_>,
        sql: &str,
        values: &[Value<'_>],
        row: fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.server.read(scope, sql, values).await?.iter().map(row).collect()
    }

    /// A flow by one of its hashes, which open that flow alone.
    async fn flow_of(&self, sql: &str, hash: &[u8]) -> Result<Option<FlowRow>> {
        let hex = HEXLOWER.encode(hash);
        self.find(Scope::Across(&hex), sql, &[Value::Bytes(hash)], rows::flow).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn meta(&self) -> Result<Option<Meta>> {
        self.find(Scope::Nobody, sql::META, &[], rows::meta).await
    }

    async fn key_slots(&self) -> Result<Vec<KeySlotRow>> {
        self.list(Scope::Nobody, sql::KEY_SLOTS, &[], rows::key_slot).await
    }

    async fn data_keys(&self, organization: &str) -> Result<Vec<DataKeyRow>> {
        self.list(Scope::Organization(organization), sql::DATA_KEYS, &[organization.into()], rows::data_key).await
    }

    async fn connection(&self, organization: &str, key: ConnectionKey<'_>) -> Result<Option<ConnectionRow>> {
        let (sql, key) = match key {
            ConnectionKey::Id(id) => (sql::CONNECTION_BY_ID, id),
            ConnectionKey::Name(name) => (sql::CONNECTION_BY_NAME, name),
        };
        let values = [organization.into(), key.into()];
        self.find(Scope::Organization(organization), sql, &values, rows::connection).await
    }

    async fn connections(&self, organization: &str, after: Option<&str>, limit: u32) -> Result<Vec<ConnectionRow>> {
        let values = [organization.into(), after.unwrap_or_default().into(), limit.into()];
        self.list(Scope::Organization(organization), sql::CONNECTIONS, &values, rows::connection).await
    }

    async fn account(&self, organization: &str, key: AccountKey<'_>) -> Result<Option<AccountRow>> {
        let scope = Scope::Organization(organization);
        match key {
            AccountKey::Id(id) => {
                self.find(scope, sql::ACCOUNT_BY_ID, &[organization.into(), id.into()], rows::account).await
            }
            AccountKey::Identifier { connection_id, identifier } => {
                let values = [organization.into(), connection_id.into(), identifier.into()];
                self.find(scope, sql::ACCOUNT_BY_IDENTIFIER, &values, rows::account).await
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
        let mut values = vec![organization.into(), after.unwrap_or_default().into()];
        let AccountFilter { connection_ids, identifier } = filter;
        let sql = match (connection_ids.is_empty(), identifier) {
            (true, None) => sql::ALL_ACCOUNTS,
            (true, Some(_)) => sql::ACCOUNTS_OF_PERSON,
            (false, None) => sql::ACCOUNTS_OF,
            (false, Some(_)) => sql::ACCOUNTS_OF_PERSON_ON,
        };
        if !connection_ids.is_empty() {
            values.push(Value::Texts(connection_ids));
        }
        values.extend(identifier.as_ref().map(Value::from));
        values.push(limit.into());
        self.list(Scope::Organization(organization), sql, &values, rows::account).await
    }

    async fn flow(&self, key: FlowKey<'_>) -> Result<Option<FlowRow>> {
        match key {
            FlowKey::Id { organization, id } => {
                let values = [organization.into(), id.into()];
                self.find(Scope::Organization(organization), sql::FLOW_BY_ID, &values, rows::flow).await
            }
            FlowKey::Link(hash) => self.flow_of(sql::FLOW_BY_LINK, hash).await,
            FlowKey::State(hash) => self.flow_of(sql::FLOW_BY_STATE, hash).await,
            FlowKey::Nonce(hash) => self.flow_of(sql::FLOW_BY_NONCE, hash).await,
        }
    }

    async fn pending_flows(&self, organization: &str, account_id: &str, now: Timestamp) -> Result<PendingFlows> {
        let values = [organization.into(), account_id.into(), now.into()];
        let scope = Scope::Organization(organization);
        let counted = self.find(scope, sql::PENDING_FLOWS, &values, rows::pending_flows).await?;
        counted.ok_or_else(|| Error::Internal { reason: "a count had no answer".into() })
    }

    async fn lease(&self, organization: &str, account_id: &str) -> Result<Option<LeaseRow>> {
        let values = [organization.into(), account_id.into()];
        self.find(Scope::Organization(organization), sql::LEASE, &values, rows::lease).await
    }

    async fn fault(&self, organization: &str, connection_id: &str) -> Result<Option<FaultRow>> {
        let values = [organization.into(), connection_id.into()];
        self.find(Scope::Organization(organization), sql::FAULT, &values, rows::fault).await
    }

    async fn lanes(&self, after: Option<(&str, &str)>, limit: u32) -> Result<Vec<LaneRow>> {
        let (organization, id) = after.unwrap_or_default();
        let values = [organization.into(), id.into(), limit.into()];
        self.list(Scope::Across("lanes"), sql::LANES, &values, rows::lane).await
    }

    async fn due(&self, organization: &str, connection_id: &str, now: Timestamp, limit: u32) -> Result<Vec<DueRow>> {
        let values = [organization.into(), connection_id.into(), now.into(), limit.into()];
        self.list(Scope::Organization(organization), sql::DUE, &values, rows::due).await
    }

    async fn outbox(&self, organization: &str, kind: &str, after: Option<&str>, limit: u32) -> Result<Vec<OutboxRow>> {
        let values = [organization.into(), kind.into(), after.unwrap_or_default().into(), limit.into()];
        self.list(Scope::Organization(organization), sql::OUTBOX, &values, rows::outbox).await
    }

    async fn outbox_due(
        &self,
        kind: &str,
        now: Timestamp,
        after: Option<(Timestamp, &str, &str)>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>> {
        let (next_try, organization, id) = after.unwrap_or((Timestamp::from_millis(i64::MIN), "", ""));
        let values = [kind.into(), now.into(), next_try.into(), organization.into(), id.into(), limit.into()];
        self.list(Scope::Across("due"), sql::OUTBOX_DUE, &values, rows::outbox).await
    }

    async fn records(&self, organization: &str, after: i64, limit: u32) -> Result<Vec<RecordRow>> {
        let values = [organization.into(), after.into(), limit.into()];
        self.list(Scope::Organization(organization), sql::RECORDS, &values, rows::record).await
    }

    async fn chain(&self, after: i64, limit: u32) -> Result<Vec<RecordRow>> {
        self.list(Scope::Across("chain"), sql::CHAIN, &[after.into(), limit.into()], rows::record).await
    }

    async fn records_unlinked(&self, limit: u32) -> Result<Vec<RecordRow>> {
        self.list(Scope::Across("chain"), sql::RECORDS_UNLINKED, &[limit.into()], rows::record).await
    }

    async fn records_head(&self) -> Result<Option<RecordsHeadRow>> {
        self.find(Scope::Nobody, sql::RECORDS_HEAD, &[], rows::records_head).await
    }

    async fn now(&self) -> Result<Timestamp> {
        if let Some(clock) = &self.clock {
            return Ok(clock.now());
        }
        rows::moment(&self.server.ask(sql::NOW, &[]).await?)
    }

    async fn time_of_day(&self) -> Result<Option<Timestamp>> {
        self.now().await.map(Some)
    }

    fn pool(&self) -> Option<Pool> {
        Some(self.server.pool())
    }

    /// Carried out even if the caller stops waiting.
    async fn commit(&self, changes: Vec<Change>) -> Result<Commit> {
        let (server, receipts) = (self.server.clone(), self.receipts);
        let commit = self.commits.track_future(async move { commit::commit(&server, receipts, &changes).await });
        // Counted first, so that closing waits for it; then it is too late to begin, or closing waits.
        if self.commits.is_closed() {
            return Err(Error::Closed);
        }
        let stopped = |_| Error::Internal { reason: "a commit ended before its time".into() };
        tokio::spawn(commit).await.map_err(stopped)?
    }

    async fn version(&self) -> Result<i64> {
        if self.receipts == Receipts::Unknown {
            // What speaks PostgreSQL's protocol need not number its transactions: whoever waits looks again.
            return Ok(rows::moment(&self.server.ask(sql::NOW, &[]).await?)?.as_millis());
        }
        rows::number(&self.server.ask(sql::SNAPSHOT, &[]).await?)
    }

    async fn close(&self) -> Result<()> {
        self.commits.close();
        self.commits.wait().await;
        self.server.close();
        Ok(())
    }
}

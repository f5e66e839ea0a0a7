//! The store that all replicas share, and a process's way to it, which may fail: busy, full, away, slow, or with a commit
//! that was applied though nobody heard of it.

use std::{
    ops::Bound,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use onbehalf_engine::{
    Error, Result,
    store::{
        AccountFilter, AccountKey, AccountRow, Change, Commit, ConnectionKey, ConnectionRow, DataKeyRow, DueRow,
        FaultRow, FlowKey, FlowRow, KeySlotRow, LaneRow, LeaseRow, Meta, OutboxRow, PendingFlows, RecordRow,
        RecordsHeadRow, Store,
    },
    time::Timestamp,
};

use crate::{
    checks,
    process::Process,
    provider::Provider,
    tables::{Tables, key},
};

/// What is stored.
#[derive(Debug, Default)]
pub(crate) struct Database {
    pub(crate) tables: Mutex<Tables>,
    /// Whether nobody can reach it.
    pub(crate) away: AtomicBool,
    /// Whether it takes no commit.
    pub(crate) full: AtomicBool,
}

/// A process's way to the store.
#[derive(Debug)]
pub(crate) struct SimStore {
    pub(crate) process: Arc<Process>,
    pub(crate) database: Arc<Database>,
    pub(crate) provider: Arc<Provider>,
}

impl SimStore {
    async fn read<T>(&self, look: impl FnOnce(&Tables) -> T) -> Result<T> {
        self.process.step().await;
        self.provider.check_journaled(tokio::task::try_id());
        let world = &self.process.world;
        if self.database.away.load(Ordering::SeqCst) && !world.is_calm() {
            return Err(self.failure(Error::StoreFailed { reason: "the store is away".into() }));
        }
        let found = look(&self.database.tables.lock().unwrap());
        Ok(found)
    }

    fn failure(&self, error: Error) -> Error {
        self.process.world.store_failures.fetch_add(1, Ordering::SeqCst);
        self.process.world.log(format_args!("{:?}: the store says {}", self.process, error.code()));
        error
    }

    /// A commit takes its time, and may be refused.
    async fn reach(&self) -> Result<()> {
        self.process.step().await;
        let world = &self.process.world;
        if world.fault(world.options.store_faults) {
            tokio::time::sleep(world.dice.seconds(1..30)).await;
            self.process.step().await;
        }
        if world.is_calm() {
            return Ok(());
        }
        if self.database.away.load(Ordering::SeqCst) {
            return Err(self.failure(Error::StoreFailed { reason: "the store is away".into() }));
        }
        if self.database.full.load(Ordering::SeqCst) {
            return Err(self.failure(Error::StoreFull));
        }
        if world.fault(world.options.store_faults) {
            return Err(self.failure(Error::StoreBusy));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for SimStore {
    async fn meta(&self) -> Result<Option<Meta>> {
        self.read(|tables| tables.meta.clone()).await
    }

    async fn key_slots(&self) -> Result<Vec<KeySlotRow>> {
        self.read(|tables| tables.key_slots.clone()).await
    }

    async fn data_keys(&self, organization: &str) -> Result<Vec<DataKeyRow>> {
        let of_it = |row: &&DataKeyRow| row.organization == organization;
        self.read(|tables| tables.data_keys.iter().rev().filter(of_it).cloned().collect()).await
    }

    async fn connection(&self, organization: &str, by: ConnectionKey<'_>) -> Result<Option<ConnectionRow>> {
        let found = |row: &&ConnectionRow| {
            row.organization == organization
                && match by {
                    ConnectionKey::Id(id) => row.id == id,
                    ConnectionKey::Name(name) => row.name == name,
                }
        };
        self.read(|tables| tables.connections.values().find(found).cloned()).await
    }

    async fn connections(&self, organization: &str, after: Option<&str>, limit: u32) -> Result<Vec<ConnectionRow>> {
        let wanted = |row: &&ConnectionRow| {
            row.organization == organization && after.is_none_or(|after| row.name.as_str() > after)
        };
        let mut rows: Vec<_> =
            self.read(|tables| tables.connections.values().filter(wanted).cloned().collect()).await?;
        rows.sort_by(|one: &ConnectionRow, other| one.name.cmp(&other.name));
        rows.truncate(limit as usize);
        Ok(rows)
    }

    async fn account(&self, organization: &str, by: AccountKey<'_>) -> Result<Option<AccountRow>> {
        let found = |row: &&AccountRow| {
            row.organization == organization
                && match by {
                    AccountKey::Id(id) => row.id == id,
                    AccountKey::Identifier { connection_id, identifier } => {
                        (row.connection_id.as_str(), row.identifier.as_str()) == (connection_id, identifier)
                    }
                }
        };
        self.read(|tables| tables.accounts.values().find(found).cloned()).await
    }

    async fn accounts(
        &self,
        organization: &str,
        filter: &AccountFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AccountRow>> {
        let wanted = |row: &&AccountRow| {
            row.organization == organization
                && after.is_none_or(|after| row.id.as_str() > after)
                && (filter.connection_ids.is_empty() || filter.connection_ids.contains(&row.connection_id))
                && filter.identifier.as_ref().is_none_or(|identifier| row.identifier == *identifier)
        };
        self.read(|tables| tables.accounts.values().filter(wanted).take(limit as usize).cloned().collect()).await
    }

    async fn flow(&self, _: FlowKey<'_>) -> Result<Option<FlowRow>> {
        self.read(|_| None).await
    }

    async fn pending_flows(&self, _: &str, _: &str, _: Timestamp) -> Result<PendingFlows> {
        self.read(|_| PendingFlows { of_account: 0, of_organization: 0 }).await
    }

    async fn lease(&self, organization: &str, account_id: &str) -> Result<Option<LeaseRow>> {
        self.read(|tables| tables.leases.get(&key(organization, account_id)).cloned()).await
    }

    async fn fault(&self, organization: &str, connection_id: &str) -> Result<Option<FaultRow>> {
        self.read(|tables| tables.faults.get(&key(organization, connection_id)).cloned()).await
    }

    async fn lanes(&self, after: Option<(&str, &str)>, limit: u32) -> Result<Vec<LaneRow>> {
        let from = after.map_or(Bound::Unbounded, |(organization, id)| Bound::Excluded(key(organization, id)));
        self.read(|tables| {
            let lane = |row: &ConnectionRow| {
                let accounts = tables.accounts.values();
                let of_it = accounts
                    .filter(|account| (&account.organization, &account.connection_id) == (&row.organization, &row.id));
                LaneRow {
                    organization: row.organization.clone(),
                    connection_id: row.id.clone(),
                    first: of_it.filter_map(|account| account.refresh_at).min(),
                }
            };
            let rows = tables.connections.range((from, Bound::Unbounded));
            rows.map(|(_, row)| lane(row)).take(limit as usize).collect()
        })
        .await
    }

    async fn due(&self, organization: &str, connection_id: &str, now: Timestamp, limit: u32) -> Result<Vec<DueRow>> {
        let due = |row: &AccountRow| {
            let of_it = row.organization == organization && row.connection_id == connection_id;
            let refresh_at = row.refresh_at.filter(|at| of_it && *at <= now)?;
            Some(DueRow { account_id: row.id.clone(), refresh_at })
        };
        let mut rows: Vec<_> = self.read(|tables| tables.accounts.values().filter_map(due).collect()).await?;
        rows.sort_by_key(|row: &DueRow| row.refresh_at);
        rows.truncate(limit as usize);
        Ok(rows)
    }

    async fn outbox(&self, _: &str, _: &str, _: Option<&str>, _: u32) -> Result<Vec<OutboxRow>> {
        Ok(Vec::new())
    }

    async fn outbox_due(
        &self,
        _: &str,
        _: Timestamp,
        _: Option<(Timestamp, &str, &str)>,
        _: u32,
    ) -> Result<Vec<OutboxRow>> {
        Ok(Vec::new())
    }

    async fn records(&self, _: &str, _: i64, _: u32) -> Result<Vec<RecordRow>> {
        Ok(Vec::new())
    }

    async fn chain(&self, _: i64, _: u32) -> Result<Vec<RecordRow>> {
        Ok(Vec::new())
    }

    async fn records_unlinked(&self, _: u32) -> Result<Vec<RecordRow>> {
        Ok(Vec::new())
    }

    async fn records_head(&self) -> Result<Option<RecordsHeadRow>> {
        Ok(None)
    }

    async fn now(&self) -> Result<Timestamp> {
        self.read(|_| self.process.world.uptime()).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit> {
        self.reach().await?;
        let commit = {
            let mut tables = self.database.tables.lock().unwrap();
            let before = tables.accounts.clone();
            let said = checks::told(&changes);
            let marked = changes.iter().find_map(|change| match change {
                Change::MarkSent { organization, account_id, .. } => Some(key(organization, account_id)),
                _ => None,
            });
            let commit = tables.commit(changes);
            if let Some(account) = marked.filter(|_| commit == Commit::Applied).and_then(|place| before.get(&place)) {
                self.provider.marked(checks::user_of(account));
            }
            if !said.is_empty() {
                self.process.world.log(format_args!("{:?} commits {said}: {commit:?}", self.process));
            }
            for (place, after) in &tables.accounts {
                if before.get(place).is_some_and(|before| before.version != after.version) {
                    checks::account_changed(&self.process.world, &self.provider, &before[place], after);
                }
            }
            commit
        };
        self.process.step().await;
        let world = &self.process.world;
        if world.fault(world.options.store_faults * 2) {
            return Err(self.failure(Error::StoreFailed { reason: "the answer to a commit was lost".into() }));
        }
        Ok(commit)
    }

    async fn version(&self) -> Result<i64> {
        self.read(|tables| tables.version).await
    }

    async fn close(&self) -> Result<()> {
        self.process.step().await;
        Ok(())
    }
}

//! A store that is busy, or whose disk is full, when a test says so, and whose commits a test can watch.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use onbehalf_engine::{
    Error, Result,
    store::{
        AccountFilter, AccountKey, AccountRow, Change, Commit, ConnectionKey, ConnectionRow, DataKeyRow, DueRow,
        FaultRow, FlowKey, FlowRow, KeySlotRow, LaneRow, LeaseRow, Meta, OutboxRow, PendingFlows, Pool, RecordRow,
        RecordsHeadRow, Store,
    },
    time::Timestamp,
};

use crate::network::there;

/// Who is told of every commit, and may hold it up.
#[async_trait]
pub(crate) trait Watch: Send + Sync + 'static {
    /// These changes are about to be committed.
    async fn commits(&self, changes: &[Change]);

    /// They were; whoever committed them does not know yet.
    async fn committed(&self, changes: &[Change]);
}

pub(crate) struct Flaky<S: ?Sized> {
    store: Arc<S>,
    full: AtomicBool,
    busy: AtomicBool,
    gone: AtomicBool,
    time_of_day: OnceLock<Timestamp>,
    watch: Option<Arc<dyn Watch>>,
    ahead: Duration,
}

impl<S: ?Sized> std::fmt::Debug for Flaky<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flaky")
    }
}

impl<S: ?Sized> Flaky<S> {
    /// A store with someone who watches it, or without, whose clock is ahead by so much.
    pub(crate) fn of(store: Arc<S>, watch: Option<Arc<dyn Watch>>, ahead: Duration) -> Self {
        let no = || AtomicBool::new(false);
        Self { store, full: no(), busy: no(), gone: no(), time_of_day: OnceLock::new(), watch, ahead }
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// Whether it can still be asked who it is.
    pub(crate) fn set_gone(&self, gone: bool) {
        self.gone.store(gone, Ordering::SeqCst);
    }

    /// Gives it a clock on its wall that stands at `time`.
    pub(crate) fn hang_clock(&self, time: Timestamp) {
        self.time_of_day.get_or_init(|| time);
    }

    /// Refuses the next commit alone.
    pub(crate) fn refuse_one(&self) {
        self.busy.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Flaky<S> {
    async fn meta(&self) -> Result<Option<Meta>> {
        if self.gone.load(Ordering::SeqCst) {
            return Err(Error::StoreUnreachable { reason: "a test took it away".into() });
        }
        there(self.store.meta()).await
    }

    async fn key_slots(&self) -> Result<Vec<KeySlotRow>> {
        there(self.store.key_slots()).await
    }

    async fn data_keys(&self, organization: &str) -> Result<Vec<DataKeyRow>> {
        there(self.store.data_keys(organization)).await
    }

    async fn connection(&self, organization: &str, key: ConnectionKey<'_>) -> Result<Option<ConnectionRow>> {
        there(self.store.connection(organization, key)).await
    }

    async fn connections(&self, organization: &str, after: Option<&str>, limit: u32) -> Result<Vec<ConnectionRow>> {
        there(self.store.connections(organization, after, limit)).await
    }

    async fn account(&self, organization: &str, key: AccountKey<'_>) -> Result<Option<AccountRow>> {
        there(self.store.account(organization, key)).await
    }

    async fn accounts(
        &self,
        organization: &str,
        filter: &AccountFilter,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AccountRow>> {
        there(self.store.accounts(organization, filter, after, limit)).await
    }

    async fn flow(&self, key: FlowKey<'_>) -> Result<Option<FlowRow>> {
        there(self.store.flow(key)).await
    }

    async fn pending_flows(&self, organization: &str, account_id: &str, now: Timestamp) -> Result<PendingFlows> {
        there(self.store.pending_flows(organization, account_id, now)).await
    }

    async fn lease(&self, organization: &str, account_id: &str) -> Result<Option<LeaseRow>> {
        there(self.store.lease(organization, account_id)).await
    }

    async fn fault(&self, organization: &str, connection_id: &str) -> Result<Option<FaultRow>> {
        there(self.store.fault(organization, connection_id)).await
    }

    async fn lanes(&self, after: Option<(&str, &str)>, limit: u32) -> Result<Vec<LaneRow>> {
        there(self.store.lanes(after, limit)).await
    }

    async fn due(&self, organization: &str, connection_id: &str, now: Timestamp, limit: u32) -> Result<Vec<DueRow>> {
        there(self.store.due(organization, connection_id, now, limit)).await
    }

    async fn outbox(&self, organization: &str, kind: &str, after: Option<&str>, limit: u32) -> Result<Vec<OutboxRow>> {
        self.store.outbox(organization, kind, after, limit).await
    }

    async fn outbox_due(
        &self,
        kind: &str,
        now: Timestamp,
        after: Option<(Timestamp, &str, &str)>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>> {
        self.store.outbox_due(kind, now, after, limit).await
    }

    async fn records(&self, organization: &str, after: i64, limit: u32) -> Result<Vec<RecordRow>> {
        there(self.store.records(organization, after, limit)).await
    }

    async fn chain(&self, after: i64, limit: u32) -> Result<Vec<RecordRow>> {
        there(self.store.chain(after, limit)).await
    }

    async fn records_unlinked(&self, limit: u32) -> Result<Vec<RecordRow>> {
        there(self.store.records_unlinked(limit)).await
    }

    async fn records_head(&self) -> Result<Option<RecordsHeadRow>> {
        there(self.store.records_head()).await
    }

    async fn now(&self) -> Result<Timestamp> {
        Ok(there(self.store.now()).await?.plus(self.ahead))
    }

    async fn time_of_day(&self) -> Result<Option<Timestamp>> {
        Ok(self.time_of_day.get().copied())
    }

    fn pool(&self) -> Option<Pool> {
        self.store.pool()
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit> {
        if self.busy.swap(false, Ordering::SeqCst) {
            return Err(Error::StoreBusy);
        }
        if self.full.load(Ordering::SeqCst) {
            return Err(Error::StoreFull);
        }
        let Some(watch) = &self.watch else { return there(self.store.commit(changes)).await };
        watch.commits(&changes).await;
        let commit = there(self.store.commit(changes.clone())).await;
        watch.committed(&changes).await;
        commit
    }

    async fn version(&self) -> Result<i64> {
        there(self.store.version()).await
    }

    async fn close(&self) -> Result<()> {
        there(self.store.close()).await
    }
}

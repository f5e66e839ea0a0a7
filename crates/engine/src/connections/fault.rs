//! Connections whose app the provider refuses.
//!
//! A refused app says nothing about its accounts, so they stay as they are, and the connection says what is wrong. The
//! refusal is kept in the store, for all processes: nobody sends a token request until it is time to try again, then one
//! does, and the first that is accepted ends it. A connection that was changed since is not at fault: it is tried at
//! once.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    Engine, Error, Result,
    random::Random,
    rows::StoredConnection,
    store::{Change, FaultRow},
    time::Timestamp,
};

/// How long to wait after the first refusal, and at most.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// How long a connection without a fault is taken to have none: what another process has noted is seen so much later.
const TRUSTED: Duration = Duration::from_secs(60);

/// Of how many connections something is remembered.
const REMEMBERED: usize = 1024;

/// The provider refuses the app itself: its secret, or its registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What the provider said: a short code such as `invalid_client`.
    pub error: String,
    /// Since when it has said so.
    pub since: Timestamp,
    /// When the app is tried again, if an account needs it then.
    pub next_try_at: Timestamp,
}

impl From<FaultRow> for Fault {
    fn from(row: FaultRow) -> Self {
        Self { error: row.error, since: row.since, next_try_at: row.next_try }
    }
}

impl Engine {
    /// What the provider has against the connection's app, as it is now.
    pub(crate) async fn connection_fault(&self, connection: &StoredConnection) -> Result<Option<Fault>> {
        let row = self.fault_row(connection).await?;
        Ok(row.filter(|row| row.connection_version == connection.version).map(Fault::from))
    }

    /// Whether a token request may be sent. Where the provider refuses the app, one caller tries again when it is time:
    /// it commits the change that comes back with its lease, which keeps everybody else away for `how_long`. That commit
    /// conflicts when somebody else was first.
    ///
    /// # Errors
    /// `CONNECTION_MISCONFIGURED` until it is time.
    pub(crate) async fn pass_fault(&self, connection: &StoredConnection, how_long: Duration) -> Result<Option<Change>> {
        let now = self.clock.now();
        if self.fault_memory.is_trusted(&connection.id, now) {
            return Ok(None);
        }
        match self.fault_row(connection).await? {
            None => {
                self.fault_memory.trust(&connection.id, now);
                Ok(None)
            }
            Some(row) if row.connection_version != connection.version => Ok(None),
            Some(row) if self.is_closed(&row, now) => {
                Err(Error::ConnectionMisconfigured { connection: connection.name.clone(), reason: row.error })
            }
            Some(row) => Ok(Some(Change::PostponeFault {
                organization: row.organization,
                connection_id: row.connection_id,
                from: row.next_try,
                to: now.plus(how_long),
            })),
        }
    }

    /// The note that the provider has refused the app, all of its secrets, to be committed with what else the answer
    /// changes. Nothing when a later version of the connection was refused as well.
    pub(crate) async fn note_fault(&self, connection: &StoredConnection, error: &str) -> Result<Option<Change>> {
        let now = self.clock.now();
        let before = self.fault_row(connection).await?;
        if before.as_ref().is_some_and(|row| row.connection_version > connection.version) {
            return Ok(None);
        }
        let before = before.filter(|row| row.connection_version == connection.version);
        let since = before.as_ref().map_or(now, |row| row.since);
        self.fault_memory.suspect(&connection.id, now);
        Ok(Some(Change::SetFault(FaultRow {
            organization: connection.organization.as_str().into(),
            connection_id: connection.id.clone(),
            connection_version: connection.version,
            error: error.into(),
            since,
            failures: before.map_or(0, |row| row.failures).saturating_add(1),
            next_try: now.plus(pause(since.until(now), &*self.random)?),
        })))
    }

    /// The end of a fault, to be committed with what an accepted request has brought; nothing where there was none.
    pub(crate) fn clear_fault(&self, connection: &StoredConnection) -> Option<Change> {
        if self.fault_memory.is_trusted(&connection.id, self.clock.now()) {
            return None;
        }
        self.fault_memory.forget(&connection.id);
        Some(Change::ClearFault {
            organization: connection.organization.as_str().into(),
            connection_id: connection.id.clone(),
        })
    }

    /// Whether it is too early to try again. A moment further away than any pause was noted by a clock that has been set
    /// back since.
    pub(crate) fn is_closed(&self, fault: &FaultRow, now: Timestamp) -> bool {
        let longest = LONGEST_PAUSE.max(self.refresh_timing.lease);
        now < fault.next_try && fault.next_try <= now.plus(longest)
    }

    async fn fault_row(&self, connection: &StoredConnection) -> Result<Option<FaultRow>> {
        self.rows.store.fault(connection.organization.as_str(), &connection.id).await
    }
}

/// How long to wait after a refusal that has lasted so long: as long again, so that the pauses double, however many
/// requests met it at once. Up to half of it less, at random, so that connections of one provider come apart.
fn pause(lasted: Duration, random: &dyn Random) -> Result<Duration> {
    let longest = lasted.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    Ok(longest.mul_f64(1.0 - random.fraction()? / 2.0))
}

/// What this process knows of connections' faults, so that one without costs neither a read nor a write.
#[derive(Debug, Default)]
pub(crate) struct FaultMemory(Mutex<HashMap<String, Known>>);

/// What is known of one connection, and until when.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// The store has no fault of it.
    Sound(Timestamp),
    /// A fault was noted here, and may be on its way to the store: that the store has none says nothing yet.
    Suspect(Timestamp),
}

impl FaultMemory {
    fn is_trusted(&self, connection_id: &str, now: Timestamp) -> bool {
        matches!(self.known().get(connection_id), Some(Known::Sound(until)) if now < *until)
    }

    pub(super) fn trust(&self, connection_id: &str, now: Timestamp) {
        let mut known = self.known();
        if !matches!(known.get(connection_id), Some(Known::Suspect(until)) if now < *until) {
            put(&mut known, connection_id, Known::Sound(now.plus(TRUSTED)));
        }
    }

    fn suspect(&self, connection_id: &str, now: Timestamp) {
        put(&mut self.known(), connection_id, Known::Suspect(now.plus(TRUSTED)));
    }

    pub(super) fn forget(&self, connection_id: &str) {
        self.known().remove(connection_id);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put(known: &mut HashMap<String, Known>, connection_id: &str, what: Known) {
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(connection_id.into(), what);
}

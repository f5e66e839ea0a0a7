//! Whether this process can do its work now: for a readiness probe, and for whoever is called at night.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::{
    Engine, Error, Result,
    rows::REVOCATION,
    time::{Clock as _, Timestamp},
};

/// How long the store may take to answer before it counts as unreachable: less than most probes wait.
const PATIENCE: Duration = Duration::from_secs(4);
/// What is due for this long has been waiting for more than its turn.
const OVERDUE: Duration = Duration::from_secs(300);
/// How many connections are looked at.
const CONNECTIONS: u32 = 1000;
/// How many revocations are counted.
const REVOCATIONS: u32 = 100;

/// How an environment is, as far as this process can tell.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// What keeps it from working: the store cannot be read, it is sealed with another key by now, the journal takes no
    /// answers, or the engine was closed. Each error says what to do about it.
    pub problems: Vec<Error>,
    /// How long the store took to answer one question; nothing where it did not.
    pub store_took: Option<Duration>,
    /// By how many milliseconds the database's clock is ahead of this machine's, less than none where it is behind. It
    /// takes the way to the database for a part of it. Nothing where the store has no clock of its own.
    pub clock_ahead: Option<i64>,
    /// How many of the first thousand connections have an account whose refresh has been due for more than five minutes.
    /// Those that are disabled, or whose provider is down, are among them. Nothing where this process refreshes nothing
    /// in the background.
    pub overdue_connections: Option<usize>,
    /// How many revocations are yet to be taken by their providers. A hundred stands for more.
    pub pending_revocations: Option<usize>,
}

impl Health {
    /// Of an environment that cannot be opened.
    pub fn unopened(error: Error) -> Self {
        Self { problems: vec![error], ..Self::default() }
    }

    /// Whether it can do its work: there is no problem.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// The version of onbehalf.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

impl Engine {
    /// How this environment is. Reads the store, writes nothing, asks no provider, and answers within a few seconds
    /// whatever is wrong: a problem is part of the answer. A provider that is down is none: nobody else would do better.
    pub async fn health(&self) -> Health {
        let mut health = Health::default();
        if let Err(closed) = self.ensure_open() {
            return Health::unopened(closed);
        }
        let looked = timeout(PATIENCE, self.look_at_store(&mut health)).await;
        let silent = || Error::StoreUnreachable { reason: "it does not answer".into() };
        health.problems.extend(looked.unwrap_or_else(|_| Err(silent())).err());
        health.problems.extend(self.journal.check().err());
        health
    }

    async fn look_at_store(&self, health: &mut Health) -> Result<()> {
        let (store, vault) = (&self.rows.store, self.rows.vault());
        let asked = Instant::now();
        let meta = store.meta().await?;
        health.store_took = Some(asked.elapsed());
        // A store that was emptied, or put in another's place, under an open engine.
        let Some(meta) = meta.filter(|meta| meta.store_id == self.store_id()) else {
            return Err(Error::IntegrityFailed { what: "a row of `store`".into() });
        };
        if meta.key_id != vault.key_id() {
            return Err(Error::KeyMismatch { origin: "this process".into(), expected: meta.key_id });
        }
        if let Some(time) = store.time_of_day().await? {
            health.clock_ahead = Some(time.as_millis().saturating_sub(self.clock.now().as_millis()));
        }
        if self.refresher.is_there() {
            let since = self.clock.now().minus(OVERDUE);
            let lanes = store.lanes(None, CONNECTIONS).await?;
            let overdue = lanes.iter().filter(|lane| lane.first.is_some_and(|first| first < since));
            health.overdue_connections = Some(overdue.count());
        }
        let whenever = Timestamp::from_millis(i64::MAX);
        let pending = store.outbox_due(REVOCATION, whenever, None, REVOCATIONS).await?;
        health.pending_revocations = Some(pending.len());
        Ok(())
    }
}

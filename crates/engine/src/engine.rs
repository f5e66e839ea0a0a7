//! The engine: one environment's store, vault, catalogue and way out, and everything that is done with them.
//!
//! This file opens and closes it. What it does stands in the rooms around: `connections`, `accounts`, `connect`,
//! `refresh`, `proxy`; each adds its calls to [`Engine`].

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use data_encoding::HEXLOWER;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{
    Error, Result,
    audit::{Disclosures, Linker},
    catalogue::{Catalogue, url::Loopback},
    connections::{NewConnection, declared, fault::FaultMemory, secret_choice::SecretsInUse},
    egress::{
        Egress,
        client::{self, HttpEgress},
        guard,
    },
    events::Subscribers,
    metrics::Metrics,
    random::{Random, SystemRandom},
    refresh::{Flights, Pace, Refresher, Timing},
    revocation::Sender,
    rows::Rows,
    settings::{Checked, Settings, StoreLocation, UserVerification},
    store::{
        Change, Commit, Meta, Opening, Store,
        journal::{Entry, Journal, Slot},
        postgres::PostgresStore,
        resolve,
        sqlite::{BUSY_TIMEOUT, Location, SqliteStore},
    },
    time::{Clock, SystemClock},
    vault::{Column, KeySource, Lock, Unlocked, Vault},
};

/// What the engine takes from outside: each has a real form and one that a test drives.
pub struct Parts {
    /// Where rows are kept.
    pub store: Arc<dyn Store>,
    /// Where token answers are kept until they are stored.
    pub journal: Journal,
    /// What instances that are gone left in theirs.
    pub entries: Vec<Entry>,
    /// The way out.
    pub egress: Arc<dyn Egress>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids, one-time secrets and salts.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// How often whoever waits asks the store whether another process has changed something.
const LOOK: Duration = Duration::from_millis(200);

/// One environment, open.
pub struct Engine {
    pub(crate) rows: Rows,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) journal: Journal,
    pub(crate) egress: Arc<dyn Egress>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) catalogue: Catalogue,
    pub(crate) public_url: Url,
    pub(crate) app_name: Option<String>,
    pub(crate) user_verification: UserVerification,
    /// As they were written, and as URLs.
    pub(crate) user_verify_urls: Vec<(String, Url)>,
    pub(crate) declared: BTreeMap<declared::Name, NewConnection>,
    pub(crate) built_in: BTreeMap<declared::Name, NewConnection>,
    /// Declared connections that this process has written.
    pub(crate) declared_written: Mutex<HashSet<declared::Name>>,
    pub(crate) secrets_in_use: SecretsInUse,
    pub(crate) fault_memory: FaultMemory,
    pub(crate) flights: Flights,
    pub(crate) pace: Pace,
    pub(crate) refresh_timing: Timing,
    pub(crate) refresher: Refresher,
    pub(crate) revocations_sender: Sender,
    /// Slots of journals whose entries no key of ours opens.
    unreadable: Mutex<Vec<Slot>>,
    pub(crate) linker: Linker,
    pub(crate) disclosures: Disclosures,
    pub(crate) subscribers: Subscribers,
    /// Rings when an account changes.
    pub(crate) changed: Notify,
    pub(crate) closing: CancellationToken,
    tasks: TaskTracker,
    store_id: String,
    /// The key slot that this process has opened the store by.
    pub(crate) key_slot: String,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("store_id", &self.store_id).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the environment.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` and `USER_VERIFICATION_UNDECIDED` for settings, `CONNECTOR_INVALID` and, for a key that is
    /// malformed, `KEY_…`, before anything is written. `STORE_…`, and `KEY_…` for a key that is not the store's: then an
    /// empty store, its lock file and an empty journal may be left, which the next opening takes over.
    pub async fn open(settings: Settings) -> Result<Arc<Self>> {
        Self::open_with(settings, |parts| parts).await
    }

    /// Opens the environment with parts that `adjust` has changed: another clock, a way out that knows more hosts.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub async fn open_with(settings: Settings, adjust: impl FnOnce(Parts) -> Parts) -> Result<Arc<Self>> {
        let mut checked = Checked::new(settings)?;
        let settings = &mut checked.settings;
        let egress = HttpEgress::new(&client::Settings {
            loopback_environment: guard::is_loopback_host(&settings.public_url),
            proxy: settings.proxy.clone(),
            user_agent: concat!("onbehalf/", env!("CARGO_PKG_VERSION")).into(),
        })?;
        settings.key.check()?;
        let location = settings.store.clone();
        let (store, journal, entries);
        (settings.store, store, journal, entries) = open_store(location).await?;
        let parts = Parts {
            store,
            journal,
            entries,
            egress: Arc::new(egress),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        };
        Self::put_together(checked, adjust(parts)).await
    }

    /// The environment of these parts.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub async fn assemble(settings: Settings, parts: Parts) -> Result<Arc<Self>> {
        Self::put_together(Checked::new(settings)?, parts).await
    }

    /// Unlocks the store, and settles what an earlier process left unfinished before anything else is refreshed.
    async fn put_together(checked: Checked, parts: Parts) -> Result<Arc<Self>> {
        let Checked { settings, catalogue, user_verification, user_verify_urls } = checked;
        let (vault, store_id, key_slot) = unlock(&settings.key, &settings.store, &parts).await?;
        let random = parts.random.clone();
        let metrics = Arc::new(Metrics::new(parts.store.pool().is_some()));
        let engine = Arc::new(Self {
            rows: Rows::new(parts.store, vault, parts.random.clone(), parts.clock.clone(), metrics.clone()),
            metrics,
            journal: parts.journal,
            egress: parts.egress,
            clock: parts.clock,
            random: parts.random,
            catalogue,
            public_url: settings.public_url,
            app_name: settings.app_name,
            user_verification,
            user_verify_urls,
            declared: declared::by_name(settings.connections),
            built_in: declared::by_name(settings.built_in_connections),
            declared_written: Mutex::default(),
            secrets_in_use: SecretsInUse::default(),
            fault_memory: FaultMemory::default(),
            flights: Flights::default(),
            pace: Pace::new(random),
            refresh_timing: settings.refresh.timing,
            refresher: Refresher::default(),
            revocations_sender: Sender::default(),
            unreadable: Mutex::default(),
            linker: Linker::default(),
            disclosures: Disclosures::default(),
            subscribers: Subscribers::default(),
            changed: Notify::new(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            store_id,
            key_slot,
        });
        engine.replay_journal(parts.entries).await;
        engine.forget_unverified(engine.clock.now()).await;
        if engine.journal.is_shared() {
            engine.patrol();
            engine.go_on_linking();
        }
        engine.send_revocations();
        if settings.refresh.background {
            engine.refresh_in_background();
        }
        Ok(engine)
    }

    /// Where browsers reach this environment.
    pub fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// The time that counts here.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The store's random id: tells two environments apart, says nothing else.
    pub fn store_id(&self) -> &str {
        &self.store_id
    }

    /// Proves to another process of this environment that it is the one that answers at `host`: nobody else can compute
    /// it for the asker's `challenge`.
    pub fn proof(&self, challenge: &str, host: &str) -> String {
        // No table has this name, so no row's MAC is ever one of these.
        HEXLOWER.encode(&self.rows.vault().row_mac("listeners", challenge, &[Column::Text(host)]))
    }

    /// Ends waits and requests, lets refreshes and exchanges under way finish, then closes the store. Later calls fail
    /// with `CLOSED`.
    ///
    /// # Errors
    /// What the store fails with while it closes. Nothing can be called afterwards all the same.
    pub async fn close(&self) -> Result<()> {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let closed = self.rows.store.close().await;
        // From here on this instance is gone, whoever may still hold it.
        self.flights.kept.release();
        self.unreadable().clear();
        self.journal.release();
        closed
    }

    pub(crate) fn ensure_open(&self) -> Result<()> {
        if self.closing.is_cancelled() { Err(Error::Closed) } else { Ok(()) }
    }

    /// Runs `work` to its end whether or not the caller waits, and hands back what it came to.
    pub(crate) async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        // Counted first, so that closing waits for it; then it is too late to begin, or closing waits.
        let work = self.tasks.track_future(work);
        self.ensure_open()?;
        let done = tokio::spawn(work).await;
        done.unwrap_or_else(|_| Err(Error::Internal { reason: "a task ended before its time".into() }))
    }

    /// Runs `work` to its end; closing waits for it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    pub(crate) fn unreadable(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everyone who waits for an account to look again.
    pub(crate) fn announce(&self) {
        self.changed.notify_waiters();
    }

    /// Returns when another process has committed since the store had this version, as far as can be told.
    pub(crate) async fn changed_elsewhere(&self, version: i64) {
        loop {
            tokio::time::sleep(LOOK).await;
            // An error is met again, and told, by whoever looks.
            if self.rows.store.version().await.ok() != Some(version) {
                return;
            }
        }
    }

    /// Whether this environment may talk to the machine it runs on.
    pub(crate) fn loopback(&self) -> Loopback {
        if guard::is_loopback_host(&self.public_url) { Loopback::Allowed } else { Loopback::Refused }
    }
}

/// Opens the store and this instance's journal, and says where they are.
async fn open_store(location: StoreLocation) -> Result<(StoreLocation, Arc<dyn Store>, Journal, Vec<Entry>)> {
    if let StoreLocation::Postgres { address, journal } = location {
        let store = PostgresStore::open(&address).await?;
        let opened = tokio::task::spawn_blocking(move || {
            let path = resolve(&journal)?;
            let (journal, entries) = Journal::open_apart(&path, &SystemRandom)?;
            Ok((path, journal, entries))
        });
        let (path, journal, entries) = opened.await.unwrap_or_else(|_| Err(interrupted()))?;
        return Ok((StoreLocation::Postgres { address, journal: path }, Arc::new(store), journal, entries));
    }
    let opened = tokio::task::spawn_blocking(move || open_files(location)).await;
    let (location, store, journal, entries) = opened.unwrap_or_else(|_| Err(interrupted()))?;
    Ok((location, Arc::new(store), journal, entries))
}

/// Opens what is on the disk, which waits for it, and says where that is.
fn open_files(location: StoreLocation) -> Result<(StoreLocation, SqliteStore, Journal, Vec<Entry>)> {
    let StoreLocation::File(path) = location else {
        return Ok((location, SqliteStore::open(Location::Memory)?, Journal::memory(), Vec::new()));
    };
    // Once for all of them: as long as the instance lives, its files are these, whatever its path may lead to later.
    let path = resolve(&path)?;
    let store = SqliteStore::open(Location::File(path.clone()))?;
    let (journal, entries) = Journal::open(&path, &SystemRandom)?;
    Ok((StoreLocation::File(path), store, journal, entries))
}

fn interrupted() -> Error {
    Error::Internal { reason: "opening was interrupted".into() }
}

/// Loads the key and opens the store by its slot; an empty store takes the key for its root key. Others that open it at the
/// same moment wait, so that one key is made. Answers the vault, the store's id and the slot's.
async fn unlock(source: &KeySource, location: &StoreLocation, parts: &Parts) -> Result<(Vault, String, String)> {
    let _opening = match location.clone() {
        // Of a database, whoever comes first gives it its key; nobody makes one.
        StoreLocation::Memory | StoreLocation::Postgres { .. } => None,
        StoreLocation::File(path) => {
            let taken = tokio::task::spawn_blocking(move || Opening::take(&path, BUSY_TIMEOUT)).await;
            Some(taken.unwrap_or_else(|_| Err(interrupted()))?)
        }
    };
    let source = match (source, location) {
        (KeySource::AutoFile { .. }, StoreLocation::Memory) => &KeySource::Ephemeral,
        (source, _) => source,
    };
    loop {
        let lock = match parts.store.meta().await? {
            Some(meta) => Some(Lock { meta, slots: parts.store.key_slots().await? }),
            None => None,
        };
        let store_id = match &lock {
            Some(lock) => lock.meta.store_id.clone(),
            None => parts.random.id("store")?,
        };
        let Unlocked { root, slot } = source.load(lock.as_ref(), &store_id, &*parts.random)?;
        let vault = Vault::new(root, &store_id);
        if lock.is_some() {
            return Ok((vault, store_id, slot));
        }
        let created_at = parts.clock.now();
        let meta = Meta {
            store_id: store_id.clone(),
            key_id: vault.key_id().into(),
            key_check: vault.key_check().to_vec(),
            created_at,
        };
        let changes = vec![Change::Initialize(meta), Change::InsertKeySlot(vault.direct_slot(created_at))];
        if parts.store.commit(changes).await? == Commit::Applied {
            return Ok((vault, store_id, slot));
        }
    }
}

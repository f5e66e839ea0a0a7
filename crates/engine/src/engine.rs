//! The engine: one environment's store, vault, catalogue and way out, and everything that is done with them.
//!
//! This file opens and closes it. What it does stands in the rooms around: `connections`, `accounts`, `connect`,
//! `refresh`, `proxy`; each adds its calls to [`Engine`].

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{
    Error, Result,
    catalogue::{Catalogue, url::Loopback},
    connections::{NewConnection, declared},
    egress::{
        Egress,
        client::{self, HttpEgress},
        guard,
    },
    names::{ConnectionName, Organization},
    random::{Random, SystemRandom},
    refresh::Flights,
    rows::Rows,
    store::{
        Change, Commit, Meta, Store,
        journal::{Entry, Journal},
        sqlite::{Location, SqliteStore},
    },
    time::{Clock, SystemClock},
    vault::{KeySource, Vault},
};

/// How an environment is set up. The door fills this from options and environment variables.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where rows are kept.
    pub store: StoreLocation,
    /// Where the root key comes from. With [`StoreLocation::Memory`], a key file of ours is replaced by a key that
    /// lives as long.
    pub key: KeySource,
    /// Where browsers reach this environment: `https`, or `http` on a loopback host. It may have a path, below which
    /// the pages then are.
    pub public_url: Url,
    /// Shown on the pages: who asks.
    pub app_name: Option<String>,
    /// Has no default where the public URL is not on loopback.
    pub user_verification: Option<UserVerification>,
    /// The app's verify URLs, compared exactly.
    pub user_verify_urls: Vec<Url>,
    /// Connections that the app declares in its code or environment; made or updated when first named.
    pub connections: Vec<NewConnection>,
    /// Connector files of the app: file name and text. They add to the catalogue or override it.
    pub connectors: Vec<(String, String)>,
    /// An HTTP proxy for calls to providers. None unless asked for; proxy variables are not obeyed.
    pub proxy: Option<Url>,
}

/// Where rows are kept.
#[derive(Debug, Clone)]
pub enum StoreLocation {
    /// One SQLite file, with its lock and journal beside it.
    File(PathBuf),
    /// Gone with the process; for tests.
    Memory,
}

/// Whether the app confirms who consented before anything is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserVerification {
    /// The flow ends at the app's verify URL, and the app calls [`Engine::verify_user`].
    App,
    /// Whoever opens the link is believed.
    None,
}

/// What the engine takes from outside: each has a real form and one that a test drives.
pub struct Parts {
    /// Where rows are kept.
    pub store: Arc<dyn Store>,
    /// Where token answers are kept until they are stored.
    pub journal: Journal,
    /// What a killed process left in the journal.
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

/// One environment, open.
pub struct Engine {
    pub(crate) rows: Rows,
    pub(crate) journal: Journal,
    pub(crate) egress: Arc<dyn Egress>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) catalogue: Catalogue,
    pub(crate) public_url: Url,
    pub(crate) app_name: Option<String>,
    pub(crate) user_verification: UserVerification,
    pub(crate) user_verify_urls: Vec<Url>,
    pub(crate) declared: BTreeMap<(Organization, ConnectionName), NewConnection>,
    /// Declared connections that this process has written.
    pub(crate) declared_written: Mutex<HashSet<ConnectionName>>,
    pub(crate) flights: Flights,
    /// Rings when an account changes.
    pub(crate) changed: Notify,
    pub(crate) closing: CancellationToken,
    tasks: TaskTracker,
    store_id: String,
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
    /// Nothing is written when this fails. `INVALID_ARGUMENT` and `USER_VERIFICATION_UNDECIDED` for settings,
    /// `CONNECTOR_INVALID`, `KEY_…`, `STORE_…`.
    pub async fn open(settings: Settings) -> Result<Arc<Self>> {
        check(&settings)?;
        let loopback_environment = guard::is_loopback_host(&settings.public_url);
        let egress = HttpEgress::new(&client::Settings {
            loopback_environment,
            proxy: settings.proxy.clone(),
            user_agent: concat!("onbehalf/", env!("CARGO_PKG_VERSION")).into(),
        })?;
        let (store, journal, entries) = match &settings.store {
            StoreLocation::File(path) => {
                let store = SqliteStore::open(Location::File(path.clone()))?;
                let (journal, entries) = Journal::open(&path.with_extension("journal"))?;
                (store, journal, entries)
            }
            StoreLocation::Memory => (SqliteStore::open(Location::Memory)?, Journal::memory(), Vec::new()),
        };
        let parts = Parts {
            store: Arc::new(store),
            journal,
            entries,
            egress: Arc::new(egress),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        };
        Self::assemble(settings, parts).await
    }

    /// Puts the environment together from its parts, and settles what an earlier process left unfinished before
    /// anything else is done.
    pub async fn assemble(settings: Settings, parts: Parts) -> Result<Arc<Self>> {
        let user_verification = check(&settings)?;
        let catalogue = Catalogue::embedded()?.overlay(settings.connectors)?;
        let (vault, store_id) = unlock(&settings.key, &settings.store, &parts).await?;
        let engine = Arc::new(Self {
            rows: Rows::new(parts.store, vault, parts.random.clone(), parts.clock.clone()),
            journal: parts.journal,
            egress: parts.egress,
            clock: parts.clock,
            random: parts.random,
            catalogue,
            public_url: settings.public_url,
            app_name: settings.app_name,
            user_verification,
            user_verify_urls: settings.user_verify_urls,
            declared: declared::by_name(settings.connections),
            declared_written: Mutex::default(),
            flights: Flights::default(),
            changed: Notify::new(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            store_id,
        });
        engine.replay_journal(parts.entries).await?;
        Ok(engine)
    }

    /// Where browsers reach this environment.
    pub fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// The store's random id: tells two environments apart, says nothing else.
    pub fn store_id(&self) -> &str {
        &self.store_id
    }

    /// Lets refreshes and exchanges under way finish, then closes the store. Later calls fail with `CLOSED`.
    pub async fn close(&self) -> Result<()> {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.rows.store.close().await
    }

    pub(crate) fn ensure_open(&self) -> Result<()> {
        if self.closing.is_cancelled() { Err(Error::Closed) } else { Ok(()) }
    }

    /// Runs `work` to its end whether or not the caller waits, and hands back what it came to.
    pub(crate) async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.tasks
            .spawn(work)
            .await
            .unwrap_or_else(|_| Err(Error::Internal { reason: "a task ended before its time".into() }))
    }

    /// Runs `work` to its end; closing waits for it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Tells everyone who waits for an account to look again.
    pub(crate) fn announce(&self) {
        self.changed.notify_waiters();
    }

    /// Whether this environment may talk to the machine it runs on.
    pub(crate) fn loopback(&self) -> Loopback {
        if guard::is_loopback_host(&self.public_url) { Loopback::Allowed } else { Loopback::Refused }
    }
}

/// Refuses settings that cannot be meant, before anything is opened.
fn check(settings: &Settings) -> Result<UserVerification> {
    let url = &settings.public_url;
    let loopback = guard::is_loopback_host(url);
    let bare =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if !(url.scheme() == "https" || url.scheme() == "http" && loopback) || !bare {
        return Err(Error::invalid(
            "publicUrl",
            "must be an https URL such as `https://agents.example.com` (http only on a loopback host), without user, password, query or fragment",
        ));
    }
    for url in &settings.user_verify_urls {
        let secure = url.scheme() == "https" || url.scheme() == "http" && guard::is_loopback_host(url);
        if !secure || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(Error::invalid(
                "userVerifyUrls",
                "must be https URLs (http only on a loopback host) without user, password or fragment",
            ));
        }
    }
    match settings.user_verification {
        Some(UserVerification::App) if settings.user_verify_urls.is_empty() => {
            Err(Error::invalid("userVerifyUrls", "is required with `userVerification: \"app\"`"))
        }
        Some(decided) => Ok(decided),
        None if loopback => Ok(UserVerification::None),
        None => Err(Error::UserVerificationUndecided { public_url: url.origin().ascii_serialization() }),
    }
}

/// Loads the root key and proves it against the store; an empty store takes the key for its own.
async fn unlock(source: &KeySource, location: &StoreLocation, parts: &Parts) -> Result<(Vault, String)> {
    let source = match (source, location) {
        (KeySource::AutoFile { .. }, StoreLocation::Memory) => &KeySource::Ephemeral,
        (source, _) => source,
    };
    loop {
        let meta = parts.store.meta().await?;
        let store_id = match &meta {
            Some(meta) => meta.store_id.clone(),
            None => parts.random.id("store")?,
        };
        let root = source.load(meta.as_ref(), &store_id, &*parts.random)?;
        let vault = Vault::new(&root, &store_id);
        if meta.is_some() {
            return Ok((vault, store_id));
        }
        let meta = Meta {
            store_id: store_id.clone(),
            key_id: vault.key_id().into(),
            key_check: vault.key_check().to_vec(),
            created_at: parts.clock.now(),
        };
        if parts.store.commit(vec![Change::Initialize(meta)]).await? == Commit::Applied {
            return Ok((vault, store_id));
        }
    }
}

//! One run: replicas that are killed and come back, callers, and a storm of faults; then calm, and the last judgement.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use onbehalf_engine::{
    Engine, Error, Parts, Result, Settings, StoreLocation,
    accounts::{AccountBy, AccountRef, Brought, BroughtToken, Status},
    connections::NewConnection,
    egress::body::Body,
    names::{ConnectionName, Identifier, Organization},
    proxy::ProxyRequest,
    refresh::{RefreshSettings, Timing},
    secret::{ExposeSecret, Secret},
    store::journal::Journal,
    time::Clock,
    vault::KeySource,
};

use crate::{
    checks,
    dice::Dice,
    disk::{Platter, SimDisk},
    network::SimEgress,
    process::{Fate, Process},
    provider::{Issued, Phase, Provider},
    store::{Database, SimStore},
    world::{Options, World},
};

/// How long after the storm everything must be well again: as long as the longest pause between two tries, and by what
/// the wall clock may have been set.
const CALM: Duration = Duration::from_secs(45 * 60);

/// How long the last request may take to come to an end.
const REST: Duration = Duration::from_secs(6 * 60);

/// The widest step of the wall clock.
const STEP: i64 = 10 * 60 * 1000;

const CONNECTOR: &str = r#"
name = "Example"
docs = "https://provider.example/docs"
base_url = "https://provider.example"
[auth.oauth2]
authorize_url = "https://provider.example/authorize"
token_url = "https://provider.example/token"
scopes = ["read"]
"#;

/// 32 random bytes, the same in every run.
const KEY: &str = "NinZfk+xMbWSc8jx52gCCgXpbA5RwjcYv2KmUJ6EJoA=";

/// How a run went.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) log: Vec<String>,
    pub(crate) violation: Option<String>,
}

/// One that is up.
type Replica = (Arc<Process>, Arc<Engine>);

/// The machine and what runs on it.
struct Run {
    world: Arc<World>,
    provider: Arc<Provider>,
    database: Arc<Database>,
    platter: Arc<Platter>,
    /// Each replica that is up.
    replicas: Vec<Mutex<Option<Replica>>>,
    /// The newest access token that each user's callers were given.
    newest: Vec<Mutex<String>>,
}

/// Runs on a clock that jumps to whatever happens next: hours take no longer than what is done in them.
pub(crate) fn run(options: Options) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O").block_on(async {
        let world = Arc::new(World::new(options));
        let run = Arc::new(Run::new(world.clone()));
        run.play().await;
        Report { violation: world.found(), log: world.take_log() }
    })
}

impl Run {
    fn new(world: Arc<World>) -> Self {
        Self {
            provider: Arc::new(Provider::new(world.clone())),
            database: Arc::default(),
            platter: Arc::default(),
            replicas: (0..world.options.replicas).map(|_| Mutex::default()).collect(),
            newest: (0..world.options.accounts).map(|_| Mutex::default()).collect(),
            world,
        }
    }

    async fn play(self: Arc<Self>) {
        for replica in 0..self.replicas.len() {
            tokio::spawn(self.clone().live(replica));
        }
        let mut callers = Vec::new();
        for user in 0..self.world.options.accounts {
            self.connect(user).await;
            callers.push(tokio::spawn(self.clone().call_again_and_again(user)));
        }
        let storm = tokio::spawn(self.clone().storm());
        self.pass(self.world.options.storm).await;
        storm.abort();
        self.world.calm_down();
        self.pass(CALM).await;
        callers.iter().for_each(tokio::task::JoinHandle::abort);
        self.pass(REST).await;
        if self.world.found().is_none() {
            self.judge().await;
        }
    }

    /// Lets time pass, unless something was found.
    async fn pass(&self, duration: Duration) {
        let end = tokio::time::Instant::now() + duration;
        while self.world.found().is_none() && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    }

    /// A replica's lives.
    async fn live(self: Arc<Self>, replica: usize) {
        for life in 0.. {
            let process = Process::new(self.world.clone(), format!("r{replica}.{life}"));
            self.world.log(format_args!("{process:?} starts"));
            tokio::select! {
                biased;
                () = process.killed() => {}
                engine = self.open(&process) => {
                    *self.slot(replica) = Some((process.clone(), engine));
                    process.killed().await;
                }
            }
            *self.slot(replica) = None;
            self.platter.unlock_all(&process);
            tokio::time::sleep(self.world.dice.seconds(1..120)).await;
        }
    }

    fn slot(&self, replica: usize) -> std::sync::MutexGuard<'_, Option<Replica>> {
        self.replicas[replica].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the environment, however often it takes.
    async fn open(&self, process: &Arc<Process>) -> Arc<Engine> {
        loop {
            match self.assemble(process).await {
                Ok(engine) => return engine,
                Err(error) => self.world.log(format_args!("{process:?} cannot open: {}", error.code())),
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    async fn assemble(&self, process: &Arc<Process>) -> Result<Arc<Engine>> {
        let (process, provider) = (process.clone(), self.provider.clone());
        let random = Arc::new(Dice::new(self.world.dice.roll()));
        let disk = SimDisk { process: process.clone(), platter: self.platter.clone(), provider: provider.clone() };
        let (journal, entries) = Journal::on(Arc::new(disk), &*random).await?;
        let parts = Parts {
            store: Arc::new(SimStore {
                process: process.clone(),
                database: self.database.clone(),
                provider: provider.clone(),
            }),
            journal,
            entries,
            egress: Arc::new(SimEgress { process, provider }),
            clock: self.world.clone(),
            random,
        };
        Engine::assemble(settings(&self.world.options), parts).await
    }

    /// Any replica that is up.
    fn somewhere(&self) -> Option<Replica> {
        let up: Vec<_> = (0..self.replicas.len()).filter_map(|replica| self.slot(replica).clone()).collect();
        let chosen = self.world.dice.roll() as usize % up.len().max(1);
        up.get(chosen).cloned()
    }

    /// The user consents, and the app brings what the provider issued, until it is told that this is stored.
    async fn connect(&self, user: usize) {
        let Issued { access_token, refresh_token } = self.provider.consent(user);
        let token = BroughtToken {
            access_token: access_token.into(),
            refresh_token: Some(refresh_token.into()),
            expires_at: Some(self.world.now().plus(self.world.options.life)),
            scopes: Vec::new(),
        };
        let (organization, connection, person) = (Organization::default(), connection_name(), identifier(user));
        loop {
            if let Some((process, engine)) = self.somewhere() {
                let bring = engine.get_or_create_account(
                    &organization,
                    &connection,
                    &person,
                    Some(Brought::Token(token.clone())),
                );
                let brought = tokio::select! {
                    biased;
                    () = process.killed() => None,
                    brought = bring => brought.ok(),
                };
                if brought.is_some() {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn call_again_and_again(self: Arc<Self>, user: usize) {
        loop {
            tokio::time::sleep(self.world.dice.seconds(1..120)).await;
            let Some((process, engine)) = self.somewhere() else { continue };
            // Many give up early.
            let patience =
                self.world.dice.pick(&[Duration::from_secs(1), Duration::from_secs(20), Duration::from_secs(300)]);
            let answer = tokio::select! {
                biased;
                () = process.killed() => continue,
                () = tokio::time::sleep(patience) => continue,
                answer = self.call(&process, &engine, user) => answer,
            };
            let must_consent = matches!(answer, Err(Error::ReauthorizationRequired { .. }));
            if must_consent && self.world.fault(4) {
                self.connect(user).await;
            }
        }
    }

    /// One call for a token, or through the proxy.
    async fn call(&self, process: &Process, engine: &Arc<Engine>, user: usize) -> Result<()> {
        if self.world.dice.once_in(4) {
            let request = ProxyRequest {
                account: account(user),
                method: None,
                path: "/x".into(),
                query: Vec::new(),
                headers: Vec::new(),
                body: Body::Empty,
                timeout: None,
            };
            return engine.request(request).await.map(drop);
        }
        let newest = self.newest[user].lock().unwrap().clone();
        let (began, failures) = (tokio::time::Instant::now(), self.world.store_failures.load(Ordering::SeqCst));
        let was_valid = self.is_valid(user, Duration::from_secs(1));
        let min_validity = self.world.dice.pick(&[Duration::ZERO, Duration::ZERO, Duration::from_secs(90)]);
        let found = engine.token(&account(user), min_validity).await;
        let undisturbed = failures == self.world.store_failures.load(Ordering::SeqCst);
        if let Err(error) = &found {
            self.world.log(format_args!("{process:?} gives user {user} no token: {}", error.code()));
            if was_valid && self.is_valid(user, Duration::ZERO) && undisturbed && !self.world.options.clock_steps {
                self.world.violation(format_args!("user {user} has a valid token, and is told {}", error.code()));
            }
        }
        let token = found?.access_token.expose_secret().to_owned();
        if token < newest && !self.world.options.stalls && !process.has_stopped_since(began) {
            self.world.violation(format_args!("user {user} is given {token}, after {newest}"));
        }
        let mut newest = self.newest[user].lock().unwrap();
        *newest = token.max(newest.clone());
        Ok(())
    }

    /// Whether the user's stored token is valid, and for so long yet.
    fn is_valid(&self, user: usize, least: Duration) -> bool {
        let tables = self.database.tables.lock().unwrap();
        let row = tables.accounts.values().find(|row| checks::user_of(row) == user);
        row.is_some_and(|row| {
            let end = row.expires_at.is_some_and(|end| end > self.world.now().plus(least));
            row.status == Status::Active.as_str() && end
        })
    }

    async fn storm(self: Arc<Self>) {
        let (world, dice) = (&self.world, &self.world.dice);
        let options = &world.options;
        loop {
            tokio::time::sleep(dice.seconds(5..240)).await;
            match dice.between(0..6) {
                0 if options.crashes => self.befall(Fate::Killed),
                1 if options.stalls => self.befall(Fate::Stopped(dice.seconds(1..400))),
                2 if options.clock_steps => world.step_clock(dice.between(0..2 * STEP as u64) as i64 - STEP),
                3 if options.store_faults > 0 => {
                    let fault = dice.pick(&[&self.database.away, &self.database.full]);
                    fault.store(true, Ordering::SeqCst);
                    tokio::time::sleep(dice.seconds(1..300)).await;
                    fault.store(false, Ordering::SeqCst);
                }
                4 if options.provider_faults => {
                    self.provider.enter(dice.pick(&[
                        Phase::Failing,
                        Phase::Throttling,
                        Phase::RefusingApp,
                        Phase::Lagging,
                    ]));
                    tokio::time::sleep(dice.seconds(1..900)).await;
                    self.provider.enter(Phase::Working);
                }
                5 if options.revocations => self.provider.revoke(dice.between(0..options.accounts as u64) as usize),
                _ => {}
            }
        }
    }

    /// At any moment, or in the midst of a token request.
    fn befall(&self, fate: Fate) {
        let Some((process, _)) = self.somewhere() else { return };
        if self.world.dice.once_in(2) {
            process.light(self.world.dice.between(0..20) as u32, fate);
        } else {
            process.set_trap(self.world.dice.between(0..12) as u32, fate);
        }
    }

    /// Every account is active, with a refresh token that the provider accepts, or was expired for a reason; and nothing
    /// is left to do.
    async fn judge(&self) {
        let tables = self.database.tables.lock().unwrap().clone();
        // The refresher goes on: what was begun just now is no remainder.
        let is_old = |lease: &&onbehalf_engine::store::LeaseRow| {
            lease.until < self.world.uptime().plus(Timing::default().network)
        };
        let (leases, entries) = (tables.leases.values().filter(is_old).count(), self.platter.entries());
        if leases > 0 || entries > tables.leases.len() {
            self.world.violation(format_args!("{leases} leases and {entries} entries of journals are left"));
        }
        for row in tables.accounts.values().filter(|row| row.status == Status::Active.as_str()) {
            let user = checks::user_of(row);
            let Some((_, engine)) = self.somewhere() else {
                return self.world.violation(format_args!("no replica is up"));
            };
            let token = match engine.token(&account(user), Duration::ZERO).await {
                Ok(token) => token.refresh_token.expect("it was brought with one"),
                Err(error) => {
                    return self
                        .world
                        .violation(format_args!("user {user} gets no token at the end: {}", error.code()));
                }
            };
            if !self.provider.accepts(token.expose_secret()) {
                self.world.violation(format_args!("user {user} is active with a refresh token that is dead"));
            }
        }
    }
}

fn settings(options: &Options) -> Settings {
    let profile = if options.profile_is_known { options.policy.profile() } else { "" };
    let connector = format!("{CONNECTOR}{profile}");
    Settings {
        store: StoreLocation::Memory,
        key: KeySource::Explicit { origin: "the run".into(), text: Secret::from(KEY.to_owned()) },
        public_url: "http://localhost:7415".parse().unwrap(),
        app_name: None,
        user_verification: None,
        user_verify_urls: Vec::new(),
        connections: vec![NewConnection {
            client_id: Some("client".into()),
            client_secret: Some("client-secret".into()),
            ..NewConnection::named(Organization::default(), connection_name())
        }],
        built_in_connections: Vec::new(),
        connectors: vec![("example.toml".into(), connector)],
        proxy: None,
        refresh: RefreshSettings::default(),
    }
}

fn connection_name() -> ConnectionName {
    ConnectionName::parse("example").unwrap()
}

fn identifier(user: usize) -> Identifier {
    Identifier::parse(&format!("user_{user}")).unwrap()
}

fn account(user: usize) -> AccountRef {
    let by = AccountBy::Name { connection: connection_name(), identifier: identifier(user) };
    AccountRef { organization: Organization::default(), by }
}

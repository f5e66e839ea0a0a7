//! One environment and its provider, ready to be driven, and the browser of a person in it.

use std::{path::Path, sync::Arc, time::Duration};

use onbehalf_engine::{
    Engine, Error, Parts, Result, Settings, StoreLocation, UserVerification,
    accounts::{Account, AccountBy, AccountRef},
    connect::{Arrival, Link, NewLink, Return, Started},
    connections::NewConnection,
    egress::Egress,
    names::{ConnectionName, Identifier, Organization},
    random::SystemRandom,
    refresh::RefreshSettings,
    secret::{ExposeSecret, Secret},
    store::{
        Store,
        journal::{Entry, Journal},
    },
    time::{ManualClock, Timestamp},
    vault::KeySource,
};
use url::Url;

use crate::{
    flaky::Flaky,
    network::on_postgres,
    provider::Provider,
    shared::{fresh, journal_of, of_folder},
};

/// What outlives a process.
pub(crate) type Remains = (Arc<Provider>, Arc<ManualClock>);

/// The tests' own connector: everything a flow can do, at `provider.example`.
pub(crate) const CONNECTOR: &str = r#"
name = "Example"
docs = "https://provider.example/docs"
base_url = "https://provider.example"
[auth.oauth2]
authorize_url = "https://provider.example/authorize"
token_url = "https://provider.example/token"
scopes = ["read", "write"]
refresh_tokens = { confirm_s = 0 }
[probe]
url = "/me"
id = "id"
label = "email"
"#;

/// 32 random bytes, the same in every test.
const KEY: &str = "NinZfk+xMbWSc8jx52gCCgXpbA5RwjcYv2KmUJ6EJoA=";

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<Flaky<dyn Store>>,
}

/// An environment where the person who opens the link is believed.
pub(crate) async fn world() -> World {
    World::with(settings()).await
}

/// An environment where the app verifies who consented.
pub(crate) async fn verified_world() -> World {
    World::with(verified_settings()).await
}

pub(crate) fn verified_settings() -> Settings {
    Settings {
        user_verification: Some(UserVerification::App),
        user_verify_urls: vec!["https://app.example/verify".into()],
        ..settings()
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        store: StoreLocation::Memory,
        key: KeySource::Explicit { origin: "the tests".into(), text: Secret::from(KEY.to_owned()) },
        public_url: "http://localhost:7415".parse().unwrap(),
        app_name: Some("Acme".into()),
        user_verification: None,
        user_verify_urls: Vec::new(),
        connections: vec![connection("example"), connection("other")],
        built_in_connections: Vec::new(),
        connectors: vec![("example.toml".into(), CONNECTOR.into()), ("other.toml".into(), CONNECTOR.into())],
        proxy: None,
        // Tests count token requests.
        refresh: RefreshSettings { background: false, ..RefreshSettings::default() },
    }
}

pub(crate) fn connection(name: &str) -> NewConnection {
    NewConnection {
        client_id: Some("client".into()),
        client_secret: Some("client-secret".into()),
        ..NewConnection::named(Organization::default(), ConnectionName::parse(name).unwrap())
    }
}

pub(crate) fn account(connection: &str, identifier: &str) -> AccountRef {
    AccountRef {
        organization: Organization::default(),
        by: AccountBy::Name {
            connection: ConnectionName::parse(connection).unwrap(),
            identifier: Identifier::parse(identifier).unwrap(),
        },
    }
}

pub(crate) fn identifier(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

impl World {
    pub(crate) async fn with(settings: Settings) -> Self {
        Self::opened(settings).await.unwrap()
    }

    pub(crate) async fn opened(settings: Settings) -> Result<Self> {
        let outside = Self::outside();
        let egress = outside.0.clone();
        Self::on(settings, outside, egress, Self::fresh().await?, (Journal::memory(), Vec::new())).await
    }

    /// An environment with another way out than to the simulated provider.
    pub(crate) async fn through(egress: Arc<dyn Egress>, settings: Settings) -> Self {
        let (store, journal) = (Self::fresh().await.unwrap(), (Journal::memory(), Vec::new()));
        Self::on(settings, Self::outside(), egress, store, journal).await.unwrap()
    }

    async fn fresh() -> Result<Arc<Flaky<dyn Store>>> {
        Ok(Arc::new(Flaky::of(fresh().await?, None, Duration::ZERO)))
    }

    /// Another process on the same store, with other settings.
    pub(crate) async fn reopened(&self, settings: Settings) -> Self {
        let (outside, journal) = ((self.provider.clone(), self.clock.clone()), (Journal::memory(), Vec::new()));
        Self::on(settings, outside, self.provider.clone(), self.store.clone(), journal).await.unwrap()
    }

    /// An environment in a folder with settings of its own.
    pub(crate) async fn in_folder_with(folder: &Path, before: Option<Remains>, settings: Settings) -> Self {
        let outside = before.unwrap_or_else(Self::outside);
        let egress = outside.0.clone();
        let store = Flaky::of(of_folder(folder, outside.1.clone()).await.unwrap(), None, Duration::ZERO);
        Self::on(settings, outside, egress, Arc::new(store), journal_of(folder).unwrap()).await.unwrap()
    }

    /// An environment in a folder, and a process that goes on after another was killed there.
    pub(crate) async fn in_folder(folder: &Path, before: Option<Remains>) -> Self {
        Self::in_folder_with(folder, before, settings()).await
    }

    /// An environment whose files, where it has any, the engine opens itself. Its disk is never full.
    pub(crate) async fn opened_in_folder(folder: &Path, before: Option<Remains>) -> Self {
        if on_postgres() {
            return Self::in_folder(folder, before).await;
        }
        let (provider, clock) = before.unwrap_or_else(Self::outside);
        let settings = Settings { store: StoreLocation::File(folder.join("store.db")), ..settings() };
        let outside = |parts| Parts { egress: provider.clone(), clock: clock.clone(), ..parts };
        let engine = Engine::open_with(settings, outside).await.unwrap();
        Self { engine, provider, clock, store: Self::fresh().await.unwrap() }
    }

    /// Ends the process; what is outside of it stays.
    pub(crate) async fn ended(self) -> Remains {
        self.engine.close().await.unwrap();
        (self.provider, self.clock)
    }

    /// What another process on the same store meets.
    pub(crate) fn outside_of(&self) -> Remains {
        (self.provider.clone(), self.clock.clone())
    }

    fn outside() -> Remains {
        let provider = Arc::new(Provider::default());
        provider.state().expires_in = Some(3600);
        (provider, Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000))))
    }

    async fn on(
        settings: Settings,
        (provider, clock): Remains,
        egress: Arc<dyn Egress>,
        store: Arc<Flaky<dyn Store>>,
        (journal, entries): (Journal, Vec<Entry>),
    ) -> Result<Self> {
        let parts = Parts {
            store: store.clone(),
            journal,
            entries,
            egress,
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
        };
        Ok(Self { engine: Engine::assemble(settings, parts).await?, provider, clock, store })
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    pub(crate) async fn link(&self, connection: &str, person: &str) -> Result<Link> {
        self.engine
            .authorization_link(NewLink {
                account: account(connection, person),
                scopes: None,
                user_verify_url: None,
                state: None,
            })
            .await
    }

    /// The person opens a new link and presses its button.
    pub(crate) async fn started(&self, connection: &str, person: &str) -> Started {
        let link = self.link(connection, person).await.unwrap();
        self.engine.start(&token_of(&link)).await.unwrap()
    }

    /// The browser that started the flow comes back from the provider with these parameters.
    pub(crate) async fn comes_back(&self, started: &Started, parameters: Vec<(String, String)>) -> Result<Return> {
        self.comes_back_to("example", started, parameters).await
    }

    pub(crate) async fn comes_back_to(
        &self,
        route: &str,
        started: &Started,
        parameters: Vec<(String, String)>,
    ) -> Result<Return> {
        let cookies = vec![(started.cookie.name.clone(), started.cookie.value.clone())];
        self.engine.callback(Arrival { route: route.into(), parameters, cookies }).await
    }

    /// The whole way: link, button, consent as `user`, callback.
    pub(crate) async fn authorize(&self, person: &str, user: &str) -> Return {
        let started = self.started("example", person).await;
        let parameters = self.provider.consent(&started.authorize_url, user);
        self.comes_back(&started, parameters).await.unwrap()
    }

    pub(crate) async fn account(&self, person: &str) -> Account {
        self.engine.account(&account("example", person)).await.unwrap()
    }

    pub(crate) async fn outcome(&self, returned: &Return) -> onbehalf_engine::connect::Outcome {
        let id = returned.location.path_segments().unwrap().next_back().unwrap();
        self.engine.outcome(id).await.unwrap().outcome
    }

    pub(crate) fn token_requests(&self) -> usize {
        self.provider.state().token_requests.len()
    }
}

/// The secret part of a link.
pub(crate) fn token_of(link: &Link) -> String {
    link.url.expose_secret().rsplit('/').next().unwrap().to_owned()
}

/// The nonce that a verify URL carries.
pub(crate) fn nonce_of(returned: &Return) -> String {
    nonce_in(&returned.location)
}

/// The same, of the URL itself.
pub(crate) fn nonce_in(location: &Url) -> String {
    let mut pairs = location.query_pairs();
    pairs.find(|(name, _)| name == "auth_request_id").expect("the verify URL carries a nonce").1.into_owned()
}

/// The code of the error that a call must have met.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.expect_err("the call must fail").code()
}

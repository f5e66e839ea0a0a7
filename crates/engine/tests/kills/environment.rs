//! One environment in a folder, as the process that is killed and the one that comes after it open it.

use std::{path::Path, sync::Arc, time::Duration};

use onbehalf_engine::{
    Engine, Parts, Result, Settings, StoreLocation,
    accounts::{Account, AccountBy, AccountRef, Token},
    connect::{Arrival, NewLink, Return},
    connections::{Endpoints, NewConnection},
    names::{ConnectionName, Identifier, Organization},
    refresh::{RefreshSettings, Timing},
    secret::{ExposeSecret as _, Secret},
    time::{ManualClock, Timestamp},
    vault::KeySource,
};

use crate::{
    network::{address, on_postgres},
    parking::Parking,
    refresh::NOW,
};

/// What a connector says that knows nothing of its provider. An `invalid_grant` is confirmed at once, so that no test
/// waits.
const CONNECTOR: &str = r#"
name = "Example"
docs = "https://provider.example/docs"
base_url = "https://provider.example"
[auth.oauth2]
authorize_url = "https://provider.example/authorize"
token_url = "https://provider.example/token"
scopes = ["read", "write"]
[auth.oauth2.refresh_tokens]
confirm_s = 0
[probe]
url = "/me"
id = "id"
"#;

/// 32 random bytes, the same in every process.
const KEY: &str = "NinZfk+xMbWSc8jx52gCCgXpbA5RwjcYv2KmUJ6EJoA=";

pub(crate) struct Environment {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<ManualClock>,
}

impl Environment {
    /// Opens it at a provider's address and at a moment, in milliseconds; `parking` stands between it and the world.
    pub(crate) async fn open(folder: &Path, provider: &str, now: i64, parking: Option<Arc<Parking>>) -> Self {
        let store = store_of(folder);
        // By then every lease of an earlier moment is over.
        let ahead = Duration::from_millis(u64::try_from(now - NOW).unwrap());
        Self::with(store, provider, now, Timing::default(), ahead, parking).await
    }

    /// The same, where leases and requests last as long as this, and the store's clock is ahead by so much.
    pub(crate) async fn with(
        store: StoreLocation,
        provider: &str,
        now: i64,
        timing: Timing,
        ahead: Duration,
        parking: Option<Arc<Parking>>,
    ) -> Self {
        let at = |path: &str| Some(format!("http://{provider}{path}").parse().unwrap());
        let (authorize_url, token_url, base_url) = (at("/authorize"), at("/token"), at(""));
        let endpoints = Endpoints { authorize_url, token_url, base_url, ..Endpoints::default() };
        // Tests count token requests.
        let settings =
            Settings { refresh: RefreshSettings { background: false, timing }, ..settings(store, endpoints) };
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(now)));
        let around = |parts| {
            let parts = Parts { clock: clock.clone(), ..parts };
            parking.unwrap_or_else(|| Parking::new(None)).around(parts, ahead)
        };
        let engine = Engine::open_with(settings, around).await.unwrap();
        Self { engine, clock }
    }

    /// The person consents: link, button, callback.
    pub(crate) async fn consents(&self, person: &str) -> Result<Return> {
        let link = NewLink { account: account(person), scopes: None, user_verify_url: None, state: None };
        let link = self.engine.authorization_link(link).await?;
        let started = self.engine.start(link.url.expose_secret().rsplit('/').next().unwrap()).await?;
        let state = started.authorize_url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let parameters = vec![("code".into(), format!("{person}.{state}")), ("state".into(), state)];
        let cookies = vec![(started.cookie.name.clone(), started.cookie.value.clone())];
        self.engine.callback(Arrival { route: "example".into(), parameters, cookies }).await
    }

    /// The person's access token and refresh token, refreshed first when they have ended.
    pub(crate) async fn token(&self, person: &str) -> Result<Token> {
        self.token_for(person, Duration::ZERO).await
    }

    /// The same, when the access token is to serve for so long.
    pub(crate) async fn token_for(&self, person: &str, min_validity: Duration) -> Result<Token> {
        self.engine.token(&account(person), min_validity).await
    }

    pub(crate) async fn account(&self, person: &str) -> Account {
        self.engine.account(&account(person)).await.unwrap()
    }

    pub(crate) async fn active(&self, person: &str) -> Result<Account> {
        self.engine.wait_until_active(&account(person)).await
    }

    pub(crate) fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
    }
}

/// The store of a folder: in it, or on the tests' PostgreSQL, with its journals in the folder.
pub(crate) fn store_of(folder: &Path) -> StoreLocation {
    let path = folder.join("store.db");
    if on_postgres() {
        let name = folder.file_name().unwrap().as_encoded_bytes();
        return StoreLocation::Postgres { address: address(name), journal: path };
    }
    StoreLocation::File(path)
}

fn settings(store: StoreLocation, endpoints: Endpoints) -> Settings {
    let connection = NewConnection {
        client_id: Some("client".into()),
        client_secret: Some("client-secret".into()),
        endpoints,
        ..NewConnection::named(Organization::default(), ConnectionName::parse("example").unwrap())
    };
    Settings {
        store,
        key: KeySource::Explicit { origin: "the tests".into(), text: Secret::from(KEY.to_owned()) },
        public_url: "http://localhost:7415".parse().unwrap(),
        app_name: None,
        user_verification: None,
        user_verify_urls: Vec::new(),
        connections: vec![connection],
        built_in_connections: Vec::new(),
        connectors: vec![("example.toml".into(), CONNECTOR.into())],
        proxy: None,
        refresh: RefreshSettings::default(),
    }
}

fn account(person: &str) -> AccountRef {
    AccountRef {
        organization: Organization::default(),
        by: AccountBy::Name {
            connection: ConnectionName::parse("example").unwrap(),
            identifier: Identifier::parse(person).unwrap(),
        },
    }
}

//! The shipped connector files, driven end to end: link, consent, callback, exchange, probe, request, refresh, each
//! against its provider as documented. One test a quirk.

mod addresses;
mod documented;
mod keys;
mod messages;
mod reference;

use std::{sync::Arc, time::Duration};

use onbehalf_engine::{
    Engine, Parts, Settings,
    accounts::{Account, AccountRef, Status},
    connect::{Arrival, NewLink, Outcome},
    connections::NewConnection,
    proxy::{Body, ProxyRequest},
    random::SystemRandom,
    store::{
        AccountKey, AccountRow, Store,
        journal::Journal,
        sqlite::{Location, SqliteStore},
    },
    time::{ManualClock, Timestamp},
};

use crate::{
    connectors::documented::{Documented, Provider},
    world::{account, code, connection, settings, token_of},
};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// One connection of a shipped connector, called like it, and its provider.
struct Stage {
    name: String,
    engine: Arc<Engine>,
    provider: Arc<Provider>,
    clock: Arc<ManualClock>,
    store: Arc<SqliteStore>,
}

impl Stage {
    /// The connector as it is shipped, with no more than a client's id and secret.
    async fn shipped(slug: &str, documented: Documented) -> Self {
        Self::set(connection(slug), documented).await
    }

    async fn set(connection: NewConnection, documented: Documented) -> Self {
        Self::overlaid(connection, documented, None).await
    }

    /// With another text in place of the connector's file.
    async fn overlaid(connection: NewConnection, documented: Documented, file: Option<String>) -> Self {
        let name = connection.name.as_str().to_owned();
        let (provider, clock) = (Arc::new(Provider::new(documented)), Arc::new(ManualClock::at(START)));
        let store = Arc::new(SqliteStore::open(Location::Memory).unwrap());
        let parts = Parts {
            store: store.clone(),
            journal: Journal::memory(),
            entries: Vec::new(),
            egress: provider.clone(),
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
        };
        let connectors = file.map(|text| (format!("{name}.toml"), text)).into_iter().collect();
        let settings = Settings { connections: vec![connection], connectors, ..settings() };
        Self { engine: Engine::assemble(settings, parts).await.unwrap(), name, provider, clock, store }
    }

    fn account_ref(&self) -> AccountRef {
        account(&self.name, "user_1")
    }

    /// The whole way to an account that works, on which the provider found nothing to refuse.
    async fn connected(&self) -> Account {
        let outcome = self.authorize().await;
        self.refused_nothing();
        assert_eq!(outcome, Outcome::Connected);
        let account = self.account().await;
        assert_eq!(account.status, Status::Active);
        account
    }

    /// Link, button, consent, callback.
    async fn authorize(&self) -> Outcome {
        let link = NewLink { account: self.account_ref(), scopes: None, user_verify_url: None, state: None };
        let link = self.engine.authorization_link(link).await.unwrap();
        let started = self.engine.start(&token_of(&link)).await.unwrap();
        let parameters = self.provider.consent(&started.authorize_url);
        let cookies = vec![(started.cookie.name.clone(), started.cookie.value.clone())];
        let returned = self.engine.callback(Arrival { route: self.name.clone(), parameters, cookies }).await.unwrap();
        let id = returned.location.path_segments().unwrap().next_back().unwrap();
        self.engine.outcome(id).await.unwrap().outcome
    }

    async fn account(&self) -> Account {
        self.engine.account(&self.account_ref()).await.unwrap()
    }

    /// As it is stored.
    async fn account_row(&self) -> AccountRow {
        let id = self.account().await.id;
        self.store.account("default", AccountKey::Id(&id)).await.unwrap().unwrap()
    }

    /// What the API answers.
    async fn get(&self, path: &str) -> String {
        let answer = self.engine.request(self.request(path)).await.unwrap();
        self.refused_nothing();
        assert_eq!(answer.status, 200, "{path}");
        String::from_utf8(answer.body.to_vec()).unwrap()
    }

    /// The code of what a request fails with.
    async fn get_fails(&self, path: &str) -> &'static str {
        code(self.engine.request(self.request(path)).await)
    }

    fn request(&self, path: &str) -> ProxyRequest {
        ProxyRequest {
            account: self.account_ref(),
            method: None,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Empty,
            timeout: None,
        }
    }

    /// The token ends; the next request brings a new one first.
    async fn is_refreshed_after(&self, life: Duration, path: &str) {
        let before = self.provider.issued();
        self.clock.advance(life);
        self.get(path).await;
        assert_eq!(self.provider.issued(), before + 1, "one refresh");
    }

    fn refused_nothing(&self) {
        assert_eq!(self.provider.state().refused, Vec::<String>::new());
    }
}

/// Seconds that the token lives, counted from the beginning.
fn life(account: &Account) -> Option<u64> {
    account.token_expires_at.map(|end| START.until(end).as_secs())
}

fn with_fields<const N: usize>(slug: &str, fields: [(&str, &str); N]) -> NewConnection {
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    NewConnection { fields, ..connection(slug) }
}

fn kept<const N: usize>(account: &Account, wanted: [(&str, &str); N]) {
    let kept: Vec<_> = account.kept.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(kept, wanted);
}

fn named(account: &Account) -> (Option<&str>, Option<&str>) {
    (account.provider_account_id.as_deref(), account.provider_account_label.as_deref())
}

/// Without this, every test here could pass because the simulated providers accept anything.
#[tokio::test]
async fn a_file_that_misses_a_quirk_does_not_get_through() {
    let notion = include_str!("../../../../connectors/notion.toml");
    for (there, instead, complaint) in [
        ("api.notion.com/v1/oauth/token\"", "api.notion.com/v2/oauth/token\"", "nothing answers POST"),
        ("client_auth      = \"basic\"", "", "the authorization is ``"),
        ("encode           = \"json\"", "", "the content-type is `application/x-www-form-urlencoded`"),
        ("token_headers    = { Notion-Version = \"2026-03-11\" }", "", "the Notion-Version is ``"),
        ("headers  = { Notion-Version = \"2026-03-11\" }", "", "the Notion-Version is ``"),
    ] {
        assert!(notion.contains(there), "{there}");
        let file = notion.replacen(there, instead, 1);
        let stage = Stage::overlaid(connection("notion"), messages::NOTION, Some(file)).await;
        stage.authorize().await;
        let state = stage.provider.state();
        assert!(state.refused.iter().any(|problem| problem.starts_with(complaint)), "{there}: {:?}", state.refused);
    }
}

#[tokio::test]
async fn a_method_that_cannot_run_yet_says_so_by_name() {
    let stage = Stage::shipped("gmail", documented::STANDARD).await;
    let mut named = Vec::new();
    for connector in stage.engine.connectors().unwrap() {
        let needed = connector.fields.iter().filter(|field| field.required);
        let fields: indexmap::IndexMap<_, _> =
            needed.map(|field| (field.name.clone(), field.example.clone().unwrap())).collect();
        for method in connector.auth_methods.iter().filter(|method| !method.supported) {
            let name = format!("{}-{}", connector.slug, method.name);
            let new = NewConnection {
                connector: Some(connector.slug.clone()),
                auth_method: Some(method.name.clone()),
                fields: fields.clone(),
                ..connection(&name)
            };
            stage.engine.create_connection(new).await.unwrap();
            let link = NewLink { account: account(&name, "user_1"), scopes: None, user_verify_url: None, state: None };
            let error = stage.engine.authorization_link(link).await.unwrap_err();
            let wanted = format!("the method `{}` of connector `{}` (", method.name, connector.slug);
            assert_eq!(error.code(), "NOT_SUPPORTED", "{name}");
            assert!(error.to_string().starts_with(&wanted), "{error}");
            named.push(name);
        }
    }
    for wanted in [
        "instagram-oauth2",
        "linear_mcp-oauth2",
        "gmail-service_account",
        "snowflake-key_pair",
        "salesforce-jwt_bearer",
        "github-app",
        "outlook-app",
    ] {
        assert!(named.iter().any(|name| name == wanted), "{wanted} can run now: test it here");
    }
    assert_eq!(stage.provider.issued(), 0);
}

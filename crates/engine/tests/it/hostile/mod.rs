//! The engine and its real HTTP client against a provider that lies, stalls, floods and breaks off (A101–A113).
//!
//! Each file is a table of what it may do and of what is promised then: what the caller is told, what becomes of the
//! account, and which refresh token is presented next, which shows whether one was lost. A114 waits for revocation.

mod answers;
mod floods;
mod provider;
mod silence;
mod times;
mod tokens;
mod words;

use std::{sync::Arc, time::Duration};

use onbehalf_engine::{
    Result, Settings,
    accounts::{Account, Status},
    connect::Return,
    connections::{Endpoints, NewConnection},
    egress::client::{self, HttpEgress},
    secret::ExposeSecret,
    time::{Clock as _, Timestamp},
};

use self::provider::{Provider, Script};
use crate::{
    flows::state_of,
    world::{World, account, connection, settings},
};

/// The real client, in an environment that may call this machine.
fn client() -> HttpEgress {
    let settings = client::Settings { loopback_environment: true, proxy: None, user_agent: "onbehalf-test".into() };
    HttpEgress::new(&settings).unwrap()
}

/// An environment, and the provider that it must put up with.
struct Encounter {
    world: World,
    provider: Provider,
}

impl Encounter {
    async fn new() -> Self {
        let provider = Provider::start().await;
        let at = |path: &str| Some(provider.url(path).parse().unwrap());
        let (authorize_url, token_url, base_url) = (at("/authorize"), at("/token"), at(""));
        let endpoints = Endpoints { authorize_url, token_url, base_url, ..Endpoints::default() };
        let connections = vec![NewConnection { endpoints, ..connection("example") }];
        let world = World::through(Arc::new(client()), Settings { connections, ..settings() }).await;
        Self { world, provider }
    }

    /// The same, with a person who has consented.
    async fn with(person: &str) -> Self {
        let encounter = Self::new().await;
        encounter.consents(person).await;
        assert_eq!(encounter.account(person).await.status, Status::Active);
        encounter
    }

    /// The person consents: the code is exchanged, then the probe is asked.
    async fn consents(&self, person: &str) -> Return {
        let started = self.world.started("example", person).await;
        let state = state_of(&started.authorize_url);
        let parameters = vec![("code".into(), "code-1".into()), ("state".into(), state)];
        self.world.comes_back(&started, parameters).await.unwrap()
    }

    /// The access token of someone whose last one has ended, refreshed over a connection with this script.
    async fn refreshes(&self, person: &str, script: Script) -> Result<String> {
        self.provider.next(script);
        self.refreshes_honestly(person).await
    }

    async fn refreshes_honestly(&self, person: &str) -> Result<String> {
        self.world.pass(Duration::from_secs(4000));
        self.token(person).await
    }

    /// The access token as it is, if it is good.
    async fn token(&self, person: &str) -> Result<String> {
        let token = self.world.engine.token(&account("example", person), Duration::ZERO).await?;
        Ok(token.access_token.expose_secret().to_owned())
    }

    /// The refresh token of an account whose access token is good.
    async fn refresh_token(&self, person: &str) -> String {
        let token = self.world.engine.token(&account("example", person), Duration::ZERO).await.unwrap();
        token.refresh_token.unwrap().expose_secret().to_owned()
    }

    /// The refresh token that is stored: the one that the next refresh presents.
    async fn stored_refresh_token(&self, person: &str) -> String {
        self.refreshes_honestly(person).await.expect("a provider that is honest again heals the account");
        self.provider.last_asked().remove("refresh_token").unwrap()
    }

    fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    async fn account(&self, person: &str) -> Account {
        self.world.account(person).await
    }
}

/// Whether a text can be shown in a terminal or a log as it is.
fn is_harmless(text: &str) -> bool {
    text.len() < 400 && text.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ')
}

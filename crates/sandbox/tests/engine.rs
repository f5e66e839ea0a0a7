//! The engine, driven against the sandbox: no socket, no sleeps, and a clock that the test moves.

#![expect(clippy::unwrap_used, reason = "what a test prepares must not fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use onbehalf_engine::{
    Engine, Settings, StoreLocation,
    accounts::{AccountBy, AccountRef, Status},
    connect::NewLink,
    egress::{
        Egress, Failure,
        body::{Incoming, Outgoing},
    },
    names::{ConnectionName, Identifier, Organization},
    random::SystemRandom,
    refresh::RefreshSettings,
    secret::ExposeSecret as _,
    vault::KeySource,
};
use onbehalf_sandbox::{
    Consent, Sandbox,
    faults::{Effect, Fault, Spoil},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The world beyond the sandbox: counts who asks.
#[derive(Default)]
struct Outside(AtomicU64);

#[async_trait]
impl Egress for Outside {
    async fn open(&self, _: Request<Outgoing>, _: Duration) -> Result<Response<Incoming>, Failure> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(Failure::NotSent { reason: "connect" })
    }
}

struct World {
    engine: Arc<Engine>,
    sandbox: Arc<Sandbox>,
    /// The way out, with the sandbox on it.
    egress: Arc<dyn Egress>,
    outside: Arc<Outside>,
}

fn settings(public_url: &str) -> Settings {
    Settings {
        store: StoreLocation::Memory,
        key: KeySource::Ephemeral,
        public_url: public_url.parse().unwrap(),
        app_name: None,
        user_verification: None,
        user_verify_urls: Vec::new(),
        connections: Vec::new(),
        built_in_connections: Vec::new(),
        connectors: Vec::new(),
        proxy: None,
        // The clock is moved, and what arrives is counted.
        refresh: RefreshSettings { background: false, ..RefreshSettings::default() },
    }
}

async fn world(public_url: &str) -> World {
    let mut settings = settings(public_url);
    let sandbox = Sandbox::install(&mut settings, Arc::new(SystemRandom)).unwrap();
    let outside = Arc::new(Outside::default());
    let mut egress = None;
    let engine = Engine::open_with(settings, |mut parts| {
        parts.egress = outside.clone();
        let parts = sandbox.join(parts);
        egress = Some(parts.egress.clone());
        parts
    });
    let engine = engine.await.unwrap();
    World { engine, sandbox, egress: egress.unwrap(), outside }
}

fn account() -> AccountRef {
    let (connection, identifier) = (ConnectionName::parse("sandbox").unwrap(), Identifier::parse("user_123").unwrap());
    AccountRef { organization: Organization::default(), by: AccountBy::Name { connection, identifier } }
}

impl World {
    async fn connect(&self) {
        let new = NewLink { account: account(), scopes: None, user_verify_url: None, state: None };
        let connected = self.sandbox.connect(&self.engine, new, Consent::default()).await.unwrap();
        assert_eq!(connected.status, Status::Active);
    }

    /// A request with the account's own token.
    async fn request(&self, method: &str, path: &str, body: Outgoing) -> Result<Response<Incoming>, Failure> {
        let token = self.engine.token(&account(), Duration::ZERO).await.unwrap();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.sandbox.base()))
            .header("authorization", format!("Bearer {}", token.access_token.expose_secret()))
            .body(body)
            .unwrap();
        self.egress.open(request, PATIENCE).await
    }
}

/// The length of what arrives, and how it ended.
async fn drained(mut body: Incoming) -> (u64, Result<(), Failure>) {
    let mut length = 0;
    loop {
        match body.chunk().await {
            Ok(Some(chunk)) => length += chunk.len() as u64,
            Ok(None) => return (length, Ok(())),
            Err(failure) => return (length, Err(failure)),
        }
    }
}

#[tokio::test]
async fn a_person_is_connected_whatever_the_loopback_url() {
    let urls = [
        "http://localhost",
        "http://localhost:7415",
        "http://127.0.0.1:3000/",
        "http://[::1]:3000",
        "https://app.localhost:8443/agents/:one/",
    ];
    for url in urls {
        let world = world(url).await;
        world.connect().await;
        assert_eq!(world.outside.0.load(Ordering::Relaxed), 0, "{url}: nothing left this process");
    }
}

#[tokio::test]
async fn an_environment_that_others_reach_has_no_sandbox() {
    let mut settings = settings("https://connect.example");
    assert!(Sandbox::install(&mut settings, Arc::new(SystemRandom)).is_none());
    assert!(settings.connectors.is_empty() && settings.built_in_connections.is_empty());
}

#[tokio::test]
async fn what_is_not_below_the_sandbox_goes_out() {
    let world = world("http://localhost:7415").await;
    let others = [
        "http://localhost:7415/",
        "http://localhost:7415/sandboxed/me",
        "http://localhost:7415/sandbox",
        "http://localhost:7415/sandbox/../me",
        "http://localhost:7416/sandbox/me",
        "https://localhost:7415/sandbox/me",
        "http://localhost.evil.example:7415/sandbox/me",
    ];
    for (count, url) in (1..).zip(others) {
        let request = Request::builder().uri(url).body(Outgoing::Whole(Bytes::new())).unwrap();
        assert!(world.egress.open(request, PATIENCE).await.is_err(), "{url}");
        assert_eq!(world.outside.0.load(Ordering::Relaxed), count, "{url}");
    }
}

#[tokio::test]
async fn a_gigabyte_arrives_without_being_held() {
    let world = world("http://localhost:7415").await;
    world.connect().await;
    let answer = world.request("GET", "/bytes/1073741824", Outgoing::Whole(Bytes::new())).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "1073741824");
    assert_eq!(drained(answer.into_body()).await, (1 << 30, Ok(())));

    let chunk = Bytes::from(vec![7; 1 << 20]);
    let sent = stream::iter((0..1024).map(move |_| Ok(chunk.clone())));
    let answer = world.request("POST", "/status/200", Outgoing::Chunks(Box::pin(sent))).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_echo_takes_no_more_than_it_says() {
    let world = world("http://localhost:7415").await;
    world.connect().await;
    let body = Outgoing::Whole(vec![0; (16 << 20) + 1].into());
    let answer = world.request("POST", "/echo", body).await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_request() {
    let world = world("http://localhost:7415").await;
    world.connect().await;
    let before = world.sandbox.arrivals().len();
    let broken =
        stream::iter([Ok(Bytes::from("half")), Err(Failure::Unknown { reason: "interrupted", partial: None })]);
    assert!(world.request("POST", "/echo", Outgoing::Chunks(Box::pin(broken))).await.is_err());
    assert_eq!(world.sandbox.arrivals().len(), before);
}

#[tokio::test]
async fn an_answer_that_is_cut_breaks_off_half_way() {
    let world = world("http://localhost:7415").await;
    world.connect().await;
    world.sandbox.add_fault(Fault { path: None, times: 1, effect: Effect::Spoil(Spoil::AnswerCut) }).unwrap();
    let answer = world.request("GET", "/bytes/100001", Outgoing::Whole(Bytes::new())).await.unwrap();
    let (length, end) = drained(answer.into_body()).await;
    assert_eq!(length, 50_000);
    assert!(end.is_err());
}

#[tokio::test]
async fn a_head_has_the_length_and_no_body() {
    let world = world("http://localhost:7415").await;
    world.connect().await;
    let answer = world.request("HEAD", "/bytes/1000", Outgoing::Whole(Bytes::new())).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "1000");
    assert_eq!(drained(answer.into_body()).await, (0, Ok(())));
}

#[tokio::test]
async fn a_held_request_ends_with_its_callers_patience() {
    let world = world("http://localhost:7415").await;
    let held = world.sandbox.hold_next(None).unwrap();
    let uri = format!("{}/me", world.sandbox.base());
    let request = Request::builder().uri(uri).body(Outgoing::Whole(Bytes::new())).unwrap();
    let late = world.egress.open(request, Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(late, Failure::Unknown { reason: "deadline", partial: None });
    held.arrived().await.unwrap();
}

/// Invariant 2, against a provider that would notice.
#[tokio::test]
async fn the_engine_rotates_for_months_and_betrays_no_reuse() {
    let world = world("http://localhost:7415").await;
    world.connect().await;
    for _ in 0..50 {
        world.sandbox.advance(Duration::from_secs(2 * 24 * 60 * 60));
        let account = account();
        let token = || world.engine.token(&account, PATIENCE);
        let (one, other) = tokio::join!(token(), token());
        assert_eq!(one.unwrap().access_token.expose_secret(), other.unwrap().access_token.expose_secret());
    }
    let refreshes = world.sandbox.arrivals().into_iter().filter(|arrival| arrival.path == "/token").count() - 1;
    assert_eq!(refreshes, 50);
}

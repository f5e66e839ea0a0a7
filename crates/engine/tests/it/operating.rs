//! What an operator sees of an environment.

use std::time::Duration;

use onbehalf_engine::{
    Error,
    egress::Failure,
    names::{ConnectionName, Organization},
    proxy::{Body, ProxyRequest},
    refresh::RefreshSettings,
    removal::AtProvider,
    secret::ExposeSecret,
    time::Clock as _,
};

use crate::world::{World, account, code, settings, token_of, world};

/// A series, as it stands in the text.
fn of_example(name: &str, outcome: &str) -> String {
    format!("onbehalf_{name}_total{{connector=\"example\",outcome=\"{outcome}\"}}")
}

impl World {
    /// The value of a series; nothing where it has none yet.
    fn metric(&self, series: &str) -> Option<f64> {
        let text = self.engine.metrics();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(value.parse().unwrap())
    }

    async fn asks_for_a_token(&self) -> Result<(), &'static str> {
        let token = self.engine.token(&account("example", "user_1"), Duration::ZERO).await;
        token.map(drop).map_err(|error| error.code())
    }
}

fn get(path: &str) -> ProxyRequest {
    ProxyRequest {
        account: account("example", "user_1"),
        method: None,
        path: path.into(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Body::Empty,
        timeout: None,
    }
}

#[tokio::test]
async fn links_and_the_ends_of_flows_are_counted() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    let refused = world.started("example", "user_1").await;
    let state = world.provider.consent(&refused.authorize_url, "ada").pop().unwrap();
    world.comes_back(&refused, vec![("error".into(), "access_denied".into()), state]).await.unwrap();
    let [links, connected, refused, active] = [
        "onbehalf_links_total{connector=\"example\"}",
        "onbehalf_flows_total{outcome=\"connected\"}",
        "onbehalf_flows_total{outcome=\"CONSENT_REFUSED\"}",
        "onbehalf_account_changes_total{status=\"ACTIVE\"}",
    ]
    .map(|series| world.metric(series));
    assert_eq!([links, connected, refused, active], [Some(2.0), Some(1.0), Some(1.0), Some(1.0)]);
}

#[tokio::test]
async fn every_class_of_refreshes_is_counted_as_what_it_is() {
    let answer = |status, body: &str| Ok((status, body.as_bytes().to_vec()));
    let cases = [
        (answer(400, r#"{"error":"invalid_grant"}"#), "refused"),
        (answer(401, r#"{"error":"invalid_client"}"#), "misconfigured"),
        (answer(503, ""), "unavailable"),
        (answer(200, r#"{"access_token":5,"refresh_token":"refresh-salvaged"}"#), "salvaged"),
        (answer(400, ""), "unproven"),
        (answer(200, "<html>log in</html>"), "unusable"),
        (Err(Failure::NotSent { reason: "connect" }), "unreachable"),
        (Err(Failure::Unknown { reason: "reset", partial: None }), "unanswered"),
    ];
    for (scripted, outcome) in cases {
        let world = world().await;
        world.authorize("user_1", "ada").await;
        world.pass(Duration::from_secs(4000));
        world.provider.state().scripted.push_back(scripted);
        let _ = world.asks_for_a_token().await;
        let counted = world.metric(&of_example("refreshes", outcome));
        assert_eq!(counted, Some(1.0), "{outcome}: {}", world.engine.metrics());
    }
}

#[tokio::test]
async fn a_refresh_that_succeeds_and_one_that_ends_the_grant_are_told_apart() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    assert_eq!(world.asks_for_a_token().await, Ok(()));
    assert_eq!(world.metric(&of_example("refreshes", "refreshed")), Some(1.0));
    assert_eq!(world.metric(&of_example("refreshes", "ended")), None);
    world.provider.revoke_everything();
    world.pass(Duration::from_secs(4000));
    assert_eq!(world.asks_for_a_token().await, Err("REAUTHORIZATION_REQUIRED"));
    assert_eq!(world.metric(&of_example("refreshes", "refreshed")), Some(1.0));
    assert_eq!(world.metric(&of_example("refreshes", "ended")), Some(1.0));
    assert_eq!(world.metric("onbehalf_account_changes_total{status=\"EXPIRED\"}"), Some(1.0));
}

#[tokio::test]
async fn requests_are_counted_by_the_class_of_their_answers_and_timed() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    for path in ["/me", "/me?fields=id", "/teapot"] {
        world.engine.request(get(path)).await.unwrap();
    }
    assert_eq!(code(world.engine.request(get("/../outside")).await), "TARGET_NOT_ALLOWED");
    assert_eq!(world.metric(&of_example("requests", "2xx")), Some(2.0));
    assert_eq!(world.metric(&of_example("requests", "4xx")), Some(1.0));
    assert_eq!(world.metric(&of_example("requests", "TARGET_NOT_ALLOWED")), Some(1.0));
    assert_eq!(world.metric("onbehalf_request_duration_seconds_count{connector=\"example\"}"), Some(4.0));
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_time_is_up_is_counted_too() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    let _gate = world.provider.hold_probes();
    let request = ProxyRequest { timeout: Some(Duration::from_secs(1)), ..get("/me") };
    assert_eq!(code(world.engine.request(request).await), "TIMED_OUT");
    assert_eq!(world.metric(&of_example("requests", "UNFINISHED")), Some(1.0));
}

#[tokio::test]
async fn commits_are_counted_by_what_became_of_them() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    let before = world.metric("onbehalf_store_commits_total{outcome=\"applied\"}").unwrap();
    world.store.refuse_one();
    assert_eq!(code(world.link("example", "user_1").await), "STORE_BUSY");
    world.link("example", "user_1").await.unwrap();
    assert_eq!(world.metric("onbehalf_store_commits_total{outcome=\"applied\"}"), Some(before + 1.0));
    assert_eq!(world.metric("onbehalf_store_commits_total{outcome=\"STORE_BUSY\"}"), Some(1.0));
    assert_eq!(world.metric("onbehalf_store_commit_duration_seconds_count"), Some(before + 2.0));
}

#[tokio::test]
async fn an_answer_that_waits_for_the_store_is_seen() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    let gate = world.provider.hold_token_requests();
    let engine = world.engine.clone();
    let asking = tokio::spawn(async move { engine.token(&account("example", "user_1"), Duration::ZERO).await });
    gate.arrived.notified().await;
    assert_eq!(world.metric("onbehalf_refreshes_in_flight"), Some(1.0));
    world.store.set_full(true);
    world.provider.let_token_requests_go();
    assert_eq!(code(asking.await.unwrap()), "STORE_FULL");
    assert_eq!(world.metric("onbehalf_answers_unstored"), Some(1.0));
    assert_eq!(world.metric("onbehalf_refreshes_in_flight"), Some(0.0));
    world.store.set_full(false);
    assert_eq!(world.asks_for_a_token().await, Ok(()));
    assert_eq!(world.metric("onbehalf_answers_unstored"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn revocations_are_counted_by_the_states_they_come_to() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.engine.delete_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
    assert_eq!(world.metric("onbehalf_revocations_total{state=\"pending\"}"), Some(1.0));
    let accepted = || world.metric("onbehalf_revocations_total{state=\"accepted\"}");
    while accepted().is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(accepted(), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn how_late_background_refreshes_are_is_measured() {
    let world = World::with(onbehalf_engine::Settings { refresh: RefreshSettings::default(), ..settings() }).await;
    world.authorize("user_1", "ada").await;
    // Due at four fifths of an hour at the latest.
    world.pass(Duration::from_secs(3600));
    let count = || world.metric("onbehalf_refresh_lateness_seconds_count");
    while count() != Some(1.0) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let late = world.metric("onbehalf_refresh_lateness_seconds_sum").unwrap();
    assert!((60.0..3600.0).contains(&late), "{late}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_is_seen_to_be_left_alone() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    assert_eq!(world.metric("onbehalf_providers_left_alone"), Some(0.0));
    for _ in 0..5 {
        world.pass(Duration::from_secs(4000));
        world.provider.state().scripted.push_back(Ok((503, Vec::new())));
        assert_eq!(world.asks_for_a_token().await, Err("PROVIDER_UNAVAILABLE"));
    }
    assert_eq!(world.metric("onbehalf_providers_left_alone"), Some(1.0));
}

#[tokio::test]
async fn an_environment_that_works_says_so() {
    let world = world().await;
    world.store.hang_clock(world.clock.now().plus(Duration::from_millis(1500)));
    let health = world.engine.health().await;
    assert!(health.is_ok() && health.store_took.is_some(), "{health:?}");
    assert_eq!((health.clock_ahead, health.pending_revocations), (Some(1500), Some(0)));
    assert_eq!(health.overdue_connections, None, "nothing is refreshed in the background here");
    assert_eq!(health.version(), env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn a_store_that_is_gone_is_a_problem_and_not_a_failure() {
    let world = world().await;
    world.store.set_gone(true);
    let health = world.engine.health().await;
    let codes: Vec<_> = health.problems.iter().map(Error::code).collect();
    assert_eq!((codes, health.is_ok(), health.store_took), (vec!["STORE_UNREACHABLE"], false, None));
    world.store.set_gone(false);
    assert!(world.engine.health().await.is_ok());
    world.engine.close().await.unwrap();
    assert_eq!(world.engine.health().await.problems[0].code(), "CLOSED");
}

#[tokio::test]
async fn what_should_have_been_done_is_counted() {
    let world = World::with(onbehalf_engine::Settings { refresh: RefreshSettings::default(), ..settings() }).await;
    world.authorize("user_1", "ada").await;
    // Nobody does it then.
    let name = ConnectionName::parse("example").unwrap();
    world.engine.set_connection_enabled(&Organization::default(), &name, false).await.unwrap();
    assert_eq!(world.engine.health().await.overdue_connections, Some(0));
    world.pass(Duration::from_secs(7200));
    assert_eq!(world.engine.health().await.overdue_connections, Some(1));
    let busy = || Ok((503, Vec::new()));
    world.provider.state().revocations.extend(std::iter::repeat_with(busy).take(8));
    world.engine.delete_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
    assert_eq!(world.engine.health().await.pending_revocations, Some(1));
}

/// Invariant 7.
#[tokio::test]
async fn metrics_name_nobody_and_hold_no_secret() {
    let world = world().await;
    let link = world.link("example", "user_1").await.unwrap();
    world.authorize("user_1", "ada").await;
    world.engine.request(get("/me?who=user_1")).await.unwrap();
    world.pass(Duration::from_secs(4000));
    let token = world.engine.token(&account("example", "user_1"), Duration::ZERO).await.unwrap();
    let found = world.account("user_1").await;
    world.engine.delete_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
    let text = world.engine.metrics();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let refresh_token = token.refresh_token.unwrap();
    let (link, access_token) = (token_of(&link), token.access_token.expose_secret());
    let used = [&link, access_token, refresh_token.expose_secret(), &found.id, world.engine.store_id()];
    for word in used.into_iter().chain(["user_1", "ada", "provider.example", "client-secret", "code-", "/me"]) {
        assert!(!text.contains(word), "{word} stands in the metrics");
    }
}

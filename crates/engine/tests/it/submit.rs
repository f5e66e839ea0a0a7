//! The form of a link: entered, tried at the provider, held or stored.

use std::time::Duration;

use futures_util::FutureExt;
use http::Response;
use indexmap::IndexMap;
use onbehalf_engine::{
    Error,
    accounts::Status,
    catalogue::field::{Complaint, FieldKind},
    connect::{Asks, NewLink, Outcome, Submitted},
    connections::{ConnectionPatch, Endpoints},
    egress::{Failure, body::Incoming},
    names::{ConnectionName, Organization},
    proxy::{Body, ProxyRequest},
    secret::Secret,
    store::FlowKey,
    time::Clock,
};
use url::Url;

use crate::{
    static_world::{
        PLACES, accepted, key, refusal, static_settings, static_world, verified_static_settings, verified_static_world,
    },
    world::{World, account, code, identifier, nonce_in, token_of},
};

async fn outcome(world: &World, location: &Url) -> Outcome {
    world.engine.outcome(location.path_segments().unwrap().next_back().unwrap()).await.unwrap().outcome
}

fn get(connection: &str, path: &str) -> ProxyRequest {
    ProxyRequest {
        account: account(connection, "user_1"),
        method: None,
        path: path.into(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Body::Empty,
        timeout: None,
    }
}

#[tokio::test]
async fn a_key_that_works_is_stored_without_any_set_up() {
    let world = static_world().await;
    let token = world.key_link("user_1").await;
    let location = accepted(world.enters(&token, " sk_1 ").await);
    assert_eq!(outcome(&world, &location).await, Outcome::Connected);
    let found = world.engine.account(&account("keys", "user_1")).await.unwrap();
    assert_eq!(found.status, Status::Active);
    assert_eq!(found.provider_account_id.as_deref(), Some("ada"));
    assert_eq!(found.provider_account_label.as_deref(), Some("ada@example.com"));
    assert_eq!(world.stored_key().await, "sk_1");
    assert_eq!(code(world.engine.token(&account("keys", "user_1"), Duration::ZERO).await), "NOT_SUPPORTED");
}

#[tokio::test]
async fn the_page_of_a_static_method_shows_its_fields() {
    let world = verified_static_world().await;
    let token = world.key_link("user_1").await;
    let Asks::Credential { fields, verify_origin } = world.engine.link_page(&token).await.unwrap().asks else {
        panic!("a key is asked")
    };
    assert_eq!(verify_origin.as_deref(), Some("https://app.example"));
    let [field] = &fields[..] else { panic!("{fields:?}") };
    assert_eq!((field.name.as_str(), field.label.as_str()), ("api_key", "API key"));
    assert!(field.secret && !field.optional && field.kind == FieldKind::Text);
}

#[tokio::test]
async fn each_place_of_a_request_takes_the_key() {
    let world = static_world().await;
    for (connection, ..) in PLACES {
        let token = token_of(&world.link(connection, "user_1").await.unwrap());
        accepted(world.engine.submit(&token, key("sk_1")).await);
        let body = if connection == "body" { Body::Json(serde_json::json!({ "a": 1 })) } else { Body::Empty };
        let method = Some("POST".into());
        let answer = world.engine.request(ProxyRequest { body, method, ..get(connection, "/x") }).await.unwrap();
        assert_eq!(answer.status, 200, "{connection}");
    }
}

/// The key is not known to be dead because one path refuses it.
#[tokio::test]
async fn a_401_is_handed_back_and_the_account_stays_active() {
    let world = static_world().await;
    accepted(world.enters(&world.key_link("user_1").await, "sk_1").await);
    assert_eq!(world.engine.request(get("keys", "/forbidden")).await.unwrap().status, 401);
    world.pass(Duration::from_secs(365 * 24 * 60 * 60));
    assert_eq!(world.engine.request(get("keys", "/x")).await.unwrap().status, 200);
    assert_eq!((world.key_status().await, world.token_requests()), (Status::Active, 0));
}

#[tokio::test]
async fn why_a_credential_is_refused_is_told_apart() {
    let json = "application/json";
    let unknown = |reason| Failure::Unknown { reason, partial: None };
    for (answer, wanted) in [
        (Ok((401, json, &b"{}"[..])), "CREDENTIAL_REFUSED"),
        (Ok((400, json, b"{}")), "CREDENTIAL_REFUSED"),
        (Ok((404, json, b"{}")), "CREDENTIAL_REFUSED"),
        (Ok((403, json, b"{}")), "PERMISSION_MISSING"),
        (Ok((408, json, b"{}")), "PROVIDER_UNAVAILABLE"),
        (Ok((425, json, b"{}")), "PROVIDER_UNAVAILABLE"),
        (Ok((429, json, b"{}")), "PROVIDER_UNAVAILABLE"),
        (Ok((500, json, b"")), "PROVIDER_UNAVAILABLE"),
        (Ok((302, json, b"")), "PROVIDER_RESPONSE_INVALID"),
        (Ok((200, json, br#"{"email":"a@b"}"#)), "PROVIDER_RESPONSE_INVALID"),
        (Ok((200, json, br#"{"id":"ada""#)), "PROVIDER_RESPONSE_INVALID"),
        (Ok((200, json, b"")), "PROVIDER_RESPONSE_INVALID"),
        (Ok((200, json, br#"{"id":"a","id":"b"}"#)), "PROVIDER_RESPONSE_INVALID"),
        (Ok((200, "text/html; charset=utf-8", br#"{"id":"ada"}"#)), "PROVIDER_RESPONSE_INVALID"),
        (Ok((200, json, b"<html>sign in</html>")), "PROVIDER_RESPONSE_INVALID"),
        (Err(Failure::NotSent { reason: "dns" }), "PROVIDER_UNREACHABLE"),
        (Err(unknown("deadline")), "PROVIDER_UNAVAILABLE"),
        (Err(unknown("interrupted")), "PROVIDER_UNAVAILABLE"),
        (Err(Failure::TooLarge), "PROVIDER_RESPONSE_INVALID"),
        (Err(Failure::Forbidden), "TARGET_NOT_ALLOWED"),
    ] {
        let world = static_world().await;
        world.provider.state().probes.push_back(answer.clone());
        let token = world.key_link("user_1").await;
        assert_eq!(refusal(world.enters(&token, "sk_1").await), wanted, "{answer:?}");
        assert_eq!(world.key_status().await, Status::PendingAuth);
        accepted(world.enters(&token, "sk_1").await);
    }
}

/// GitHub and Google say 403 when they mean 429.
#[tokio::test]
async fn a_403_that_says_when_to_come_again_is_no_missing_permission() {
    let mut settings = static_settings();
    for (_, connector) in &mut settings.connectors {
        *connector = connector.replace("'/me'", "'/flow'");
    }
    let world = World::with(settings).await;
    let answer = |_| {
        let answer = Response::builder().status(403).header("retry-after", "60").body(Incoming::whole("{}"));
        async { Ok(answer.unwrap()) }.boxed()
    };
    world.provider.state().flow = Some(Box::new(answer));
    match world.enters(&world.key_link("user_1").await, "sk_1").await.unwrap() {
        Submitted::Refused(Error::ProviderUnavailable { retry_at, .. }) => {
            assert_eq!(retry_at, Some(Clock::now(&*world.clock).plus(Duration::from_secs(60))));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_sent_nowhere() {
    let world = static_world().await;
    let token = world.key_link("user_1").await;
    let long = "k".repeat(9000);
    for (value, wanted) in [
        ("", Complaint::Missing),
        (" \t ", Complaint::Missing),
        (&long, Complaint::TooLong),
        ("two\nlines", Complaint::ControlCharacters),
        ("nul\0", Complaint::ControlCharacters),
        ("sk\u{200b}_1", Complaint::Invisible),
        ("sk\u{202e}_1", Complaint::Invisible),
        ("sk_\u{fffd}", Complaint::Invisible),
        ("ѕk_1", Complaint::Unsendable),
        ("ключ", Complaint::Unsendable),
    ] {
        match world.enters(&token, value).await.unwrap() {
            Submitted::Invalid(complaints) => assert_eq!(complaints, IndexMap::from([("api_key".into(), wanted)])),
            other => panic!("{value:?}: {other:?}"),
        }
    }
    let unknown = IndexMap::from([("api_kye".to_owned(), Secret::from("x"))]);
    assert_eq!(code(world.engine.submit(&token, unknown).await), "UNKNOWN_OPTION");
    assert!(world.provider.state().api_requests.is_empty());
    // Script is a key like any other, and none of ours.
    assert_eq!(refusal(world.enters(&token, "<script>alert(1)</script>").await), "CREDENTIAL_REFUSED");
    accepted(world.enters(&token, "sk_1").await);
}

/// A36: the form is dead after the credential that worked, and not before.
#[tokio::test]
async fn a_wrong_key_can_be_corrected_and_a_good_one_ends_the_link() {
    let world = static_world().await;
    let token = world.key_link("user_1").await;
    assert_eq!(refusal(world.enters(&token, "wrong").await), "CREDENTIAL_REFUSED");
    assert!(matches!(world.engine.link_page(&token).await.unwrap().asks, Asks::Credential { .. }));
    accepted(world.enters(&token, "sk_1").await);
    assert_eq!(code(world.enters(&token, "sk_1").await), "LINK_USED");
    assert_eq!(code(world.engine.link_page(&token).await), "LINK_USED");
    assert_eq!(world.stored_key().await, "sk_1");
}

#[tokio::test]
async fn of_two_who_submit_at_once_one_is_told_that_the_link_is_used() {
    let world = static_world().await;
    let token = world.key_link("user_1").await;
    let gate = world.provider.hold_probes();
    let first = tokio::spawn({
        let (engine, token) = (world.engine.clone(), token.clone());
        async move { engine.submit(&token, key("sk_1")).await }
    });
    gate.arrived.notified().await;
    assert_eq!(code(world.enters(&token, "sk_2").await), "LINK_USED");
    gate.open.notify_one();
    accepted(first.await.unwrap());
    assert_eq!(world.stored_key().await, "sk_1");
    assert_eq!(world.provider.state().api_requests.len(), 1, "the second key went nowhere");
}

#[tokio::test]
async fn a_process_that_dies_in_the_attempt_leaves_the_link_usable() {
    let world = static_world().await;
    let token = world.key_link("user_1").await;
    let gate = world.provider.hold_probes();
    world.provider.state().keys.insert("x-key: sk_3".into(), "ada".into());
    let first = tokio::spawn({
        let (engine, token) = (world.engine.clone(), token.clone());
        async move { engine.submit(&token, key("sk_1")).await }
    });
    gate.arrived.notified().await;
    world.provider.state().probe_gate = None;
    let next = world.reopened(static_settings()).await;
    assert_eq!(code(next.enters(&token, "sk_3").await), "LINK_USED");
    next.pass(Duration::from_secs(20));
    accepted(next.enters(&token, "sk_3").await);
    // The first process was only slow: what it has is not stored over the other's.
    gate.open.notify_one();
    assert_eq!(code(first.await.unwrap()), "AUTHORIZATION_FAILED");
    assert_eq!(next.stored_key().await, "sk_3");
}

#[tokio::test]
async fn a_submission_is_finished_when_its_browser_goes_away() {
    let world = static_world().await;
    let token = world.key_link("user_1").await;
    let gate = world.provider.hold_probes();
    tokio::select! {
        _ = world.enters(&token, "sk_1") => panic!("the provider has not answered"),
        () = gate.arrived.notified() => {}
    }
    gate.open.notify_one();
    world.engine.wait_until_active(&account("keys", "user_1")).await.unwrap();
}

#[tokio::test]
async fn ten_wrong_keys_end_the_link() {
    let world = static_world().await;
    let token = world.key_link("user_1").await;
    for attempt in 1..10 {
        assert_eq!(refusal(world.enters(&token, &format!("guess-{attempt}")).await), "CREDENTIAL_REFUSED");
    }
    assert_eq!(code(world.enters(&token, "guess-10").await), "AUTHORIZATION_FAILED");
    assert_eq!(code(world.enters(&token, "sk_1").await), "LINK_USED");
    assert_eq!(world.key_status().await, Status::PendingAuth);
}

/// A15: what was entered is stored only for the person whom the app has verified.
#[tokio::test]
async fn a_key_is_held_until_its_person_is_verified() {
    let world = verified_static_world().await;
    let location = accepted(world.enters(&world.key_link("user_1").await, "sk_1").await);
    assert_eq!(location.host_str(), Some("app.example"));
    assert_eq!(world.key_status().await, Status::PendingVerification);
    let asked = world.provider.state().api_requests.len();
    let verified =
        world.engine.verify_user(&Organization::default(), &nonce_in(&location), &identifier("user_1")).await;
    assert_eq!(outcome(&world, &verified.unwrap().redirect_url).await, Outcome::Connected);
    assert_eq!((world.key_status().await, world.stored_key().await.as_str()), (Status::Active, "sk_1"));
    assert_eq!(world.provider.state().api_requests.len(), asked, "the provider is asked once");
    let again = world.engine.verify_user(&Organization::default(), &nonce_in(&location), &identifier("user_1")).await;
    assert_eq!(code(again), "FLOW_NOT_FOUND");
}

#[tokio::test]
async fn a_key_that_one_process_held_is_stored_by_the_next() {
    let world = verified_static_world().await;
    let location = accepted(world.enters(&world.key_link("user_1").await, "sk_1").await);
    let next = world.reopened(verified_static_settings()).await;
    next.engine.verify_user(&Organization::default(), &nonce_in(&location), &identifier("user_1")).await.unwrap();
    assert_eq!(next.stored_key().await, "sk_1");
}

#[tokio::test]
async fn a_key_is_not_stored_for_another_address_than_it_was_tried_at() {
    let world = verified_static_world().await;
    let token = world.key_link("user_1").await;
    let location = accepted(world.enters(&token, "sk_1").await);
    move_elsewhere(&world).await;
    let verified =
        world.engine.verify_user(&Organization::default(), &nonce_in(&location), &identifier("user_1")).await;
    assert_eq!((code(verified), held(&world, &token).await), ("AUTHORIZATION_FAILED", None));
    assert_eq!(world.key_status().await, Status::PendingAuth);
}

/// A15: the victim's key lands in nobody's account, and no copy of it stays.
#[tokio::test]
async fn another_person_than_the_links_destroys_what_was_held() {
    let world = verified_static_world().await;
    let token = world.key_link("user_1").await;
    let location = accepted(world.enters(&token, "sk_1").await);
    assert!(held(&world, &token).await.is_some());
    let verified =
        world.engine.verify_user(&Organization::default(), &nonce_in(&location), &identifier("user_2")).await;
    assert_eq!(code(verified), "USER_MISMATCH");
    assert_eq!((held(&world, &token).await, world.key_status().await), (None, Status::PendingAuth));
}

/// A15: nor when nobody says anything.
#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_verifies_is_destroyed() {
    let world = verified_static_world().await;
    let token = world.key_link("user_1").await;
    let location = accepted(world.enters(&token, "sk_1").await);
    tokio::time::sleep(Duration::from_secs(61)).await;
    // The store has a thread of its own, for which the paused clock does not wait.
    for _ in 0..100_000 {
        if held(&world, &token).await.is_none() {
            break;
        }
    }
    assert_eq!(held(&world, &token).await, None);
    let verified =
        world.engine.verify_user(&Organization::default(), &nonce_in(&location), &identifier("user_1")).await;
    assert_eq!(code(verified), "FLOW_NOT_FOUND");
}

#[tokio::test]
async fn a_key_that_is_verified_too_late_is_destroyed() {
    let world = verified_static_world().await;
    let token = world.key_link("user_1").await;
    let location = accepted(world.enters(&token, "sk_1").await);
    world.pass(Duration::from_secs(61));
    let verified =
        world.engine.verify_user(&Organization::default(), &nonce_in(&location), &identifier("user_1")).await;
    assert_eq!((code(verified), held(&world, &token).await), ("FLOW_NOT_FOUND", None));
    assert_eq!(world.key_status().await, Status::PendingAuth);
}

#[tokio::test]
async fn what_a_process_held_too_long_is_destroyed_by_the_next() {
    let world = verified_static_world().await;
    let token = world.key_link("user_1").await;
    accepted(world.enters(&token, "sk_1").await);
    world.pass(Duration::from_secs(61));
    let next = world.reopened(static_settings()).await;
    assert_eq!(code(next.engine.link_page(&token).await), "LINK_NOT_FOUND");
}

#[tokio::test]
async fn a_key_of_another_person_at_the_provider_is_refused() {
    let world = static_world().await;
    accepted(world.enters(&world.key_link("user_1").await, "sk_1").await);
    let token = world.key_link("user_1").await;
    assert_eq!(refusal(world.enters(&token, "sk_2").await), "IDENTITY_CHANGED");
    assert_eq!(world.stored_key().await, "sk_1");
    accepted(world.enters(&token, "sk_1").await);
}

#[tokio::test]
async fn a_key_goes_to_the_address_that_it_was_entered_for_alone() {
    let world = static_world().await;
    accepted(world.enters(&world.key_link("user_1").await, "sk_1").await);
    move_elsewhere(&world).await;
    assert_eq!(code(world.engine.request(get("keys", "/x")).await), "REAUTHORIZATION_REQUIRED");
}

#[tokio::test]
async fn a_link_is_used_in_the_way_it_asks_for() {
    let world = static_world().await;
    assert_eq!(code(world.engine.start(&world.key_link("user_1").await).await), "NOT_SUPPORTED");
    let consent = token_of(&world.link("example", "user_1").await.unwrap());
    assert_eq!(code(world.engine.submit(&consent, key("sk_1")).await), "NOT_SUPPORTED");
    let scoped = NewLink {
        account: account("keys", "user_1"),
        scopes: Some(vec!["read".into()]),
        user_verify_url: None,
        state: None,
    };
    assert_eq!(code(world.engine.authorization_link(scoped).await), "INVALID_ARGUMENT");
    world.pass(Duration::from_secs(601));
    assert_eq!(code(world.engine.submit(&consent, key("sk_1")).await), "LINK_EXPIRED");
    assert_eq!(code(world.engine.submit("nothing", key("sk_1")).await), "LINK_NOT_FOUND");
}

/// The connection's API gets another address.
async fn move_elsewhere(world: &World) {
    let elsewhere =
        Endpoints { base_url: Some("https://provider.example/v2".parse().unwrap()), ..Endpoints::default() };
    let patch = ConnectionPatch { endpoints: Some(elsewhere), ..ConnectionPatch::default() };
    let name = ConnectionName::parse("keys").unwrap();
    world.engine.update_connection(&Organization::default(), &name, patch).await.unwrap();
}

/// What the link's flow holds, still sealed.
async fn held(world: &World, token: &str) -> Option<Vec<u8>> {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    world.store().flow(FlowKey::Link(hash.as_ref())).await.unwrap().unwrap().held
}

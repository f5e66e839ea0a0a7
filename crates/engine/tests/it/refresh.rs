//! Refresh on demand: one request for everyone who waits, and nothing that loses a token or kills an account without
//! proof.

use std::{sync::Arc, time::Duration};

use onbehalf_engine::{
    accounts::Status,
    connections::ConnectionPatch,
    egress::Failure,
    names::{ConnectionName, Organization},
    removal::AtProvider,
    secret::{ExposeSecret, Secret},
};

use crate::world::{World, account, code, settings, world};

async fn authorized() -> World {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world
}

async fn access_token(world: &World) -> onbehalf_engine::Result<String> {
    let token = world.engine.token(&account("example", "user_1"), Duration::ZERO).await?;
    Ok(token.access_token.expose_secret().to_owned())
}

/// A call for a token, under way.
fn asking(world: &World) -> tokio::task::JoinHandle<onbehalf_engine::Result<onbehalf_engine::accounts::Token>> {
    let engine = world.engine.clone();
    tokio::spawn(async move { engine.token(&account("example", "user_1"), Duration::ZERO).await })
}

#[tokio::test]
async fn a_valid_token_is_handed_out_without_asking_the_provider() {
    let world = authorized().await;
    assert_eq!(access_token(&world).await.unwrap(), "access-2");
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test]
async fn a_token_about_to_end_is_refreshed_first() {
    let world = authorized().await;
    world.pass(Duration::from_secs(3600 - 29));
    assert_eq!(access_token(&world).await.unwrap(), "access-3");
    assert_eq!(world.provider.state().revoked_families, 0);
}

#[tokio::test]
async fn a_caller_who_needs_a_long_token_gets_a_new_one() {
    let world = authorized().await;
    world.pass(Duration::from_secs(1800));
    let token = world.engine.token(&account("example", "user_1"), Duration::from_secs(3000)).await.unwrap();
    assert_eq!(token.access_token.expose_secret(), "access-3");
}

/// F34: everyone at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_callers_of_one_ended_token_cause_one_request() {
    let world = Arc::new(authorized().await);
    world.pass(Duration::from_secs(4000));
    let calls = (0..1000).map(|_| {
        let world = world.clone();
        tokio::spawn(async move { access_token(&world).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap(), "access-3");
    }
    assert_eq!(world.token_requests(), 2);
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// F35: the caller gives up; the refresh does not.
#[tokio::test]
async fn a_refresh_goes_on_when_its_caller_gives_up() {
    let world = authorized().await;
    world.pass(Duration::from_secs(4000));
    let gate = world.provider.hold_token_requests();
    tokio::select! {
        _ = access_token(&world) => panic!("the provider has not answered yet"),
        () = gate.arrived.notified() => {}
    }
    world.provider.state().gate = None;
    gate.open.notify_one();
    assert_eq!(access_token(&world).await.unwrap(), "access-3");
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// Closing waits for what is under way.
#[tokio::test]
async fn closing_lets_a_refresh_finish() {
    let world = authorized().await;
    world.pass(Duration::from_secs(4000));
    let gate = world.provider.hold_token_requests();
    let waiting = asking(&world);
    gate.arrived.notified().await;
    let closing = tokio::spawn({
        let engine = world.engine.clone();
        async move { engine.close().await }
    });
    gate.open.notify_one();
    closing.await.unwrap().unwrap();
    let _ = waiting.await.unwrap();
    assert_eq!(world.token_requests(), 2);
    assert_eq!(world.provider.state().revoked_families, 0);
}

#[tokio::test]
async fn a_new_refresh_token_replaces_the_old_one() {
    let world = authorized().await;
    for round in 3..8 {
        world.pass(Duration::from_secs(4000));
        assert_eq!(access_token(&world).await.unwrap(), format!("access-{round}"));
    }
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// Invariant 3, F32: only the provider's own word ends an account.
#[tokio::test]
async fn a_revoked_grant_ends_the_account_and_says_why() {
    let world = authorized().await;
    world.provider.revoke_everything();
    world.pass(Duration::from_secs(4000));
    assert_eq!(code(access_token(&world).await), "REAUTHORIZATION_REQUIRED");
    let found = world.account("user_1").await;
    assert_eq!((found.status, found.reason.as_deref()), (Status::Expired, Some("revoked")));
    let before = world.token_requests();
    assert_eq!(code(access_token(&world).await), "REAUTHORIZATION_REQUIRED");
    assert_eq!(world.token_requests(), before, "a dead grant is not tried again");
    world.authorize("user_1", "ada").await;
    assert_eq!(world.account("user_1").await.status, Status::Active);
}

/// Invariant 3, F25–F28, F30, F31: everything else leaves it active.
#[tokio::test]
async fn no_other_failure_ends_an_account() {
    for (scripted, wanted) in [
        (Ok((500, Vec::new())), "PROVIDER_UNAVAILABLE"),
        (Ok((503, Vec::new())), "PROVIDER_UNAVAILABLE"),
        (Ok((429, Vec::new())), "PROVIDER_UNAVAILABLE"),
        (Ok((400, Vec::new())), "PROVIDER_UNAVAILABLE"),
        (Ok((302, Vec::new())), "PROVIDER_UNAVAILABLE"),
        (Ok((200, b"<html>log in</html>".to_vec())), "PROVIDER_UNAVAILABLE"),
        (Ok((401, br#"{"error":"invalid_client"}"#.to_vec())), "CONNECTION_MISCONFIGURED"),
        (Err(Failure::NotSent { reason: "connect" }), "PROVIDER_UNREACHABLE"),
        (Err(Failure::Unknown { reason: "reset", partial: None }), "PROVIDER_UNAVAILABLE"),
    ] {
        let world = authorized().await;
        world.pass(Duration::from_secs(4000));
        world.provider.state().scripted.push_back(scripted.clone());
        assert_eq!(code(access_token(&world).await), wanted, "{scripted:?}");
        let found = world.account("user_1").await;
        assert_eq!(found.status, Status::Active);
        assert!(found.last_refresh_error.is_some());
        world.pass(Duration::from_secs(3600));
        assert_eq!(access_token(&world).await.unwrap(), "access-3", "it heals by itself: {scripted:?}");
        assert_eq!(world.account("user_1").await.last_refresh_error, None);
    }
}

/// Invariant 1: what is too much to keep may begin with the only copy of a refresh token.
#[tokio::test]
async fn a_refresh_token_at_the_beginning_of_too_large_an_answer_is_kept() {
    let world = authorized().await;
    world.pass(Duration::from_secs(4000));
    world.provider.state().extra.insert("zz".into(), "x".repeat(100 * 1024).into());
    assert_eq!(code(access_token(&world).await), "PROVIDER_UNAVAILABLE");
    world.provider.state().extra.clear();
    world.pass(Duration::from_secs(3600));
    assert_eq!(access_token(&world).await.unwrap(), "access-4");
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// P7: while a token is valid, a provider that is down is nobody's trouble.
#[tokio::test]
async fn a_valid_token_serves_while_the_provider_is_down() {
    let world = authorized().await;
    world.pass(Duration::from_secs(3600 - 10));
    world.provider.state().scripted.push_back(Ok((503, Vec::new())));
    assert_eq!(access_token(&world).await.unwrap(), "access-2");
}

/// F24: the provider says when.
#[tokio::test]
async fn a_provider_that_asked_to_wait_is_not_asked_again_at_once() {
    let world = authorized().await;
    world.pass(Duration::from_secs(4000));
    world.provider.state().scripted.push_back(Ok((503, Vec::new())));
    let _ = access_token(&world).await;
    let before = world.token_requests();
    for _ in 0..10 {
        let _ = access_token(&world).await;
    }
    assert!(world.token_requests() - before <= 1, "a failure is followed by a pause");
}

#[tokio::test]
async fn a_token_of_unknown_life_is_not_refreshed_by_the_clock() {
    let world = world().await;
    world.provider.state().expires_in = None;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(365 * 24 * 3600));
    assert_eq!(access_token(&world).await.unwrap(), "access-2");
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test]
async fn a_token_that_ended_without_a_refresh_token_needs_the_person_again() {
    let world = world().await;
    world.provider.state().extra.insert("refresh_token".into(), serde_json::Value::Null);
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    assert_eq!(code(access_token(&world).await), "REAUTHORIZATION_REQUIRED");
    assert_eq!(world.account("user_1").await.reason.as_deref(), Some("no_refresh_token"));
}

#[tokio::test]
async fn a_refresh_that_comes_after_a_disconnect_brings_nothing_back() {
    let world = authorized().await;
    world.pass(Duration::from_secs(4000));
    let gate = world.provider.hold_token_requests();
    let waiting = asking(&world);
    gate.arrived.notified().await;
    world.engine.disconnect_account(&account("example", "user_1"), AtProvider::Leave).await.unwrap();
    gate.open.notify_one();
    let _ = waiting.await.unwrap();
    assert_eq!(world.account("user_1").await.status, Status::Disconnected);
    assert_eq!(code(access_token(&world).await), "AUTHORIZATION_REQUIRED");
}

/// The provider's 401 may have another cause than the token.
#[tokio::test]
async fn a_token_that_was_just_refreshed_is_not_refreshed_again_for_being_too_short() {
    let world = authorized().await;
    for _ in 0..20 {
        world.engine.token(&account("example", "user_1"), Duration::from_secs(7200)).await.unwrap();
    }
    assert_eq!(world.token_requests(), 2);
}

/// What one refresh noted does not stick to what the person has granted since.
#[tokio::test]
async fn a_failed_refresh_leaves_no_trace_on_a_new_grant() {
    let world = authorized().await;
    world.pass(Duration::from_secs(4000));
    let gate = world.provider.hold_token_requests();
    let waiting = asking(&world);
    gate.arrived.notified().await;
    world.provider.state().gate = None;
    world.authorize("user_1", "ada").await;
    world.provider.state().scripted.push_back(Ok((503, Vec::new())));
    gate.open.notify_one();
    let _ = waiting.await.unwrap();
    assert_eq!(world.account("user_1").await.last_refresh_error, None);
    assert_eq!(access_token(&world).await.unwrap(), "access-4");
}

#[tokio::test]
async fn an_answer_that_changes_nothing_is_not_written() {
    let world = authorized().await;
    world.pass(Duration::from_secs(4000));
    let gate = world.provider.hold_token_requests();
    let waiting = asking(&world);
    gate.arrived.notified().await;
    world.provider.state().gate = None;
    world.authorize("user_1", "ada").await;
    let before = world.account("user_1").await.updated_at;
    world.pass(Duration::from_secs(1));
    world.provider.state().scripted.push_back(Ok((503, Vec::new())));
    gate.open.notify_one();
    let _ = waiting.await.unwrap();
    assert_eq!(world.account("user_1").await.updated_at, before);
}

/// P6: the app is at fault, and once it is corrected nobody waits.
#[tokio::test]
async fn a_corrected_connection_works_at_once() {
    let world = authorized().await;
    world.pass(Duration::from_secs(4000));
    for _ in 0..3 {
        world.provider.state().scripted.push_back(Ok((401, br#"{"error":"invalid_client"}"#.to_vec())));
        assert_eq!(code(access_token(&world).await), "CONNECTION_MISCONFIGURED");
    }
    world.provider.state().scripted.clear();
    let patch = ConnectionPatch { client_secret: Some("client-secret".into()), ..Default::default() };
    let name = ConnectionName::parse("example").unwrap();
    world.engine.update_connection(&Organization::default(), &name, patch).await.unwrap();
    assert_eq!(access_token(&world).await.unwrap(), "access-3");
}

/// Invariant 6: a token follows its connection to no other app.
#[tokio::test]
async fn a_token_is_not_sent_to_another_app_than_it_was_granted_to() {
    let world = authorized().await;
    let name = ConnectionName::parse("example").unwrap();
    let changed = |client_id: &str| ConnectionPatch { client_id: Some(client_id.into()), ..Default::default() };
    world.engine.update_connection(&Organization::default(), &name, changed("another")).await.unwrap();
    world.pass(Duration::from_secs(4000));
    assert_eq!(code(access_token(&world).await), "REAUTHORIZATION_REQUIRED");
    assert_eq!(world.token_requests(), 1);
    let found = world.account("user_1").await;
    assert_eq!((found.status, found.reason.as_deref()), (Status::Expired, Some("connection_changed")));
    world.engine.update_connection(&Organization::default(), &name, changed("client")).await.unwrap();
    assert_eq!(world.account("user_1").await.status, Status::Active);
    assert_eq!(access_token(&world).await.unwrap(), "access-3", "changed back, it works on");
}

#[tokio::test]
async fn a_disabled_connection_hands_out_no_token() {
    let world = authorized().await;
    let name = ConnectionName::parse("example").unwrap();
    world.engine.set_connection_enabled(&Organization::default(), &name, false).await.unwrap();
    assert_eq!(code(access_token(&world).await), "CONNECTION_DISABLED");
}

#[tokio::test]
async fn an_account_without_a_refresh_token_is_not_written_by_reads() {
    let world = world().await;
    world.provider.state().extra.insert("refresh_token".into(), serde_json::Value::Null);
    world.authorize("user_1", "ada").await;
    let before = world.account("user_1").await.updated_at;
    world.pass(Duration::from_secs(3500));
    for _ in 0..10 {
        access_token(&world).await.unwrap();
    }
    assert_eq!(world.account("user_1").await.updated_at, before);
}

/// A panic anywhere below is nobody's sentence.
#[tokio::test]
async fn a_refresh_that_breaks_off_leaves_the_account_usable() {
    let world = authorized().await;
    world.pass(Duration::from_secs(4000));
    world.provider.state().panics = true;
    assert_eq!(code(access_token(&world).await), "INTERNAL");
    world.provider.state().panics = false;
    // The request had left by then.
    assert_eq!(code(access_token(&world).await), "PROVIDER_UNAVAILABLE");
    world.pass(Duration::from_secs(110));
    assert_eq!(access_token(&world).await.unwrap(), "access-3");
}

/// F25: a week, and a try every quarter of an hour.
#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_for_a_week_ends_no_account() {
    let world = authorized().await;
    world.pass(Duration::from_secs(4000));
    let pause = Duration::from_secs(15 * 60);
    for _ in 0..7 * 24 * 4 {
        world.provider.state().scripted.push_back(Ok((503, Vec::new())));
        assert_eq!(code(access_token(&world).await), "PROVIDER_UNAVAILABLE");
        world.pass(pause);
        tokio::time::advance(pause).await;
    }
    assert_eq!(world.account("user_1").await.status, Status::Active);
    world.provider.state().scripted.clear();
    assert_eq!(access_token(&world).await.unwrap(), "access-3");
}

/// The provider refuses both secrets, and then comes to know the one that is tried second.
#[tokio::test]
async fn a_fault_heals_with_any_of_the_apps_secrets() {
    let mut settings = settings();
    let secrets = ["old", "client-secret"].map(|secret| Secret::from(secret.to_owned())).to_vec();
    settings.connections[0].client_secret = Some(secrets.into());
    let world = World::with(settings).await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    let refused = || Ok((401, br#"{"error":"invalid_client"}"#.to_vec()));
    world.provider.state().scripted.extend([refused(), refused()]);
    assert_eq!(code(access_token(&world).await), "CONNECTION_MISCONFIGURED");
    assert_eq!(code(access_token(&world).await), "CONNECTION_MISCONFIGURED", "it is too early");
    world.pass(Duration::from_secs(2));
    let healed = Ok((200, br#"{"access_token":"healed","token_type":"bearer","expires_in":3600}"#.to_vec()));
    world.provider.state().scripted.extend([refused(), healed]);
    assert_eq!(access_token(&world).await.unwrap(), "healed");
}

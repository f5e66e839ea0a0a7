//! Authorization, from a link to an account that works.

use std::time::Duration;

use onbehalf_engine::{
    accounts::Status,
    connect::{Asks, Outcome},
    names::Organization,
    secret::ExposeSecret,
};

use crate::world::{account, code, identifier, nonce_of, token_of, verified_world, world};

#[tokio::test]
async fn a_person_who_consents_has_an_active_account() {
    let world = world().await;
    world.link("example", "user_1").await.unwrap();
    assert_eq!(world.account("user_1").await.status, Status::PendingAuth);

    let returned = world.authorize("user_1", "ada").await;
    assert_eq!(world.outcome(&returned).await, Outcome::Connected);
    let found = world.account("user_1").await;
    assert_eq!(found.status, Status::Active);
    assert_eq!(found.provider_account_id.as_deref(), Some("ada"));
    assert_eq!(found.provider_account_label.as_deref(), Some("ada@example.com"));
    assert_eq!(found.scopes, ["read", "write"]);
}

#[tokio::test]
async fn the_link_page_says_who_asks_for_what() {
    let world = world().await;
    let link = world.link("example", "josephine@example.com").await.unwrap();
    let page = world.engine.link_page(&token_of(&link)).await.unwrap();
    assert_eq!(page.app_name.as_deref(), Some("Acme"));
    assert_eq!(page.connector_name, "Example");
    assert_eq!(page.person, "jo•••@example.com");
    let Asks::Consent { scopes, authorize_origin } = page.asks else { panic!("the provider is asked") };
    assert_eq!(scopes, ["read", "write"]);
    assert_eq!(authorize_origin, "https://provider.example");
}

#[tokio::test]
async fn waiting_resolves_when_the_account_becomes_active() {
    let world = world().await;
    world.link("example", "user_1").await.unwrap();
    let waiting = tokio::spawn({
        let engine = world.engine.clone();
        async move { engine.wait_until_active(&account("example", "user_1")).await }
    });
    tokio::task::yield_now().await;
    world.authorize("user_1", "ada").await;
    assert_eq!(waiting.await.unwrap().unwrap().status, Status::Active);
}

#[tokio::test]
async fn a_waiting_call_ends_when_the_environment_closes() {
    let world = world().await;
    world.link("example", "user_1").await.unwrap();
    let target = account("example", "user_1");
    let (waited, closed) = tokio::join!(world.engine.wait_until_active(&target), world.engine.close());
    closed.unwrap();
    assert_eq!(code(waited), "CLOSED");
    assert_eq!(code(world.engine.account(&target).await), "CLOSED");
}

#[tokio::test]
async fn a_refusal_leaves_the_account_pending() {
    let world = world().await;
    let started = world.started("example", "user_1").await;
    let state = state_of(&started.authorize_url);
    let returned =
        world.comes_back(&started, vec![("error".into(), "access_denied".into()), ("state".into(), state)]).await;
    assert_eq!(world.outcome(&returned.unwrap()).await, Outcome::Refused);
    assert_eq!(world.account("user_1").await.status, Status::PendingAuth);
    assert_eq!(world.token_requests(), 0);
}

#[tokio::test]
async fn a_working_account_works_on_while_it_is_authorized_again() {
    let world = verified_world().await;
    let returned = world.authorize("user_1", "ada").await;
    world.engine.verify_user(&Organization::default(), &nonce_of(&returned), &identifier("user_1")).await.unwrap();

    let started = world.started("example", "user_1").await;
    assert_eq!(world.account("user_1").await.status, Status::Active);
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    world.comes_back(&started, parameters).await.unwrap();
    assert_eq!(world.account("user_1").await.status, Status::Active);
}

#[tokio::test]
async fn a_verified_user_gets_the_account() {
    let world = verified_world().await;
    let returned = world.authorize("user_1", "ada").await;
    assert_eq!(returned.location.host_str(), Some("app.example"));
    assert_eq!(world.token_requests(), 0, "the code is held until the app has verified");
    assert_eq!(world.account("user_1").await.status, Status::PendingVerification);

    let verified =
        world.engine.verify_user(&Organization::default(), &nonce_of(&returned), &identifier("user_1")).await.unwrap();
    assert_eq!(world.account("user_1").await.status, Status::Active);
    assert!(verified.redirect_url.path().starts_with("/connect/outcome/"));
}

#[tokio::test]
async fn a_verification_that_never_comes_leaves_the_account_pending() {
    let world = verified_world().await;
    let returned = world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(61));
    assert_eq!(world.account("user_1").await.status, Status::PendingAuth);
    assert_eq!(
        code(world.engine.verify_user(&Organization::default(), &nonce_of(&returned), &identifier("user_1")).await),
        "FLOW_NOT_FOUND"
    );
    assert_eq!(world.token_requests(), 0);
}

#[tokio::test]
async fn the_apps_own_state_comes_back_in_the_verify_url() {
    let world = verified_world().await;
    let link = world
        .engine
        .authorization_link(onbehalf_engine::connect::NewLink {
            account: account("example", "user_1"),
            scopes: None,
            user_verify_url: Some("https://app.example/verify".into()),
            state: Some("a b&c".into()),
        })
        .await
        .unwrap();
    let started = world.engine.start(&token_of(&link)).await.unwrap();
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    let returned = world.comes_back(&started, parameters).await.unwrap();
    let pairs: Vec<_> = returned.location.query_pairs().into_owned().collect();
    assert_eq!(pairs.len(), 2);
    assert_eq!(pairs[1], ("state".into(), "a b&c".into()));
}

#[tokio::test]
async fn an_exchange_goes_on_when_its_browser_goes_away() {
    let world = world().await;
    let gate = world.provider.hold_token_requests();
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    // The callback's caller gives up while the token request waits at the provider.
    tokio::select! {
        _ = world.comes_back(&started, parameters) => panic!("the provider has not answered yet"),
        () = gate.arrived.notified() => {}
    }
    gate.open.notify_one();
    world.engine.wait_until_active(&account("example", "user_1")).await.unwrap();
}

#[tokio::test]
async fn a_provider_that_fails_in_the_exchange_leaves_the_account_as_it_was() {
    for (scripted, wanted) in [
        (Ok((503, Vec::new())), "AUTHORIZATION_FAILED"),
        (Ok((200, b"<html>".to_vec())), "AUTHORIZATION_FAILED"),
        (Ok((401, br#"{"error":"invalid_client"}"#.to_vec())), "CONNECTION_MISCONFIGURED"),
        (Err(onbehalf_engine::egress::Failure::NotSent { reason: "dns" }), "PROVIDER_UNREACHABLE"),
        (Err(onbehalf_engine::egress::Failure::TooLarge), "PROVIDER_RESPONSE_INVALID"),
    ] {
        let world = world().await;
        world.provider.state().scripted.push_back(scripted);
        let returned = world.authorize("user_1", "ada").await;
        assert_eq!(world.outcome(&returned).await, Outcome::Failed { code: wanted.into() });
        assert_eq!(world.account("user_1").await.status, Status::PendingAuth);
        assert_eq!(world.token_requests(), 1, "a code is never sent twice");
    }
}

#[tokio::test]
async fn a_grant_without_an_answer_from_the_probe_is_kept_all_the_same() {
    let world = world().await;
    world.provider.state().probe_down = true;
    world.authorize("user_1", "ada").await;
    let found = world.account("user_1").await;
    assert_eq!((found.status, found.provider_account_id), (Status::Active, None));
}

#[tokio::test]
async fn a_consent_without_a_new_refresh_token_keeps_the_old_one() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.provider.state().extra.insert("refresh_token".into(), "".into());
    world.authorize("user_1", "ada").await;
    world.provider.state().extra.clear();
    let token = world.engine.token(&account("example", "user_1"), Duration::from_secs(7200)).await;
    let token = token.unwrap();
    assert_eq!(world.provider.state().revoked_families, 0);
    assert!(token.refresh_token.unwrap().expose_secret().starts_with("refresh-"));
}

#[tokio::test]
async fn scopes_granted_differ_from_those_asked_where_the_provider_says_so() {
    let world = world().await;
    world.provider.state().extra.insert("scope".into(), "read".into());
    world.authorize("user_1", "ada").await;
    assert_eq!(world.account("user_1").await.scopes, ["read"]);
}

pub(crate) fn state_of(authorize_url: &url::Url) -> String {
    authorize_url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
}

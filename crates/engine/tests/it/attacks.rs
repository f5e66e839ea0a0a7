//! What must not work: each test is named after what it forbids, and is in the threat model under the id beside it.

use std::time::Duration;

use onbehalf_engine::{
    Settings,
    accounts::Status,
    connect::{Arrival, NewLink, Outcome},
    connections::ConnectionPatch,
    names::Organization,
    removal::AtProvider,
    secret::{ExposeSecret, Secret},
};

use crate::{
    flows::state_of,
    world::{World, account, code, connection, identifier, nonce_of, settings, token_of, verified_world, world},
};

/// A01, A10, A11: an attacker has a victim walk through the attacker's own link.
#[tokio::test]
async fn a_link_that_is_passed_on_binds_nobody_elses_consent() {
    let world = verified_world().await;
    let returned = world.authorize("attacker", "victim").await;
    // The app's verify route reads its own session: the victim's.
    assert_eq!(
        code(world.engine.verify_user(&Organization::default(), &nonce_of(&returned), &identifier("victim_1")).await),
        "USER_MISMATCH"
    );
    assert_eq!(world.token_requests(), 0);
    assert_eq!(world.account("attacker").await.status, Status::PendingAuth);
    // Not even the right name helps afterwards: what was held is destroyed.
    assert_eq!(
        code(world.engine.verify_user(&Organization::default(), &nonce_of(&returned), &identifier("attacker")).await),
        "FLOW_NOT_FOUND"
    );
}

/// A02: the authorization URL is passed on instead of the link.
#[tokio::test]
async fn a_callback_in_another_browser_is_refused_and_ends_the_flow() {
    let world = world().await;
    let started = world.started("example", "attacker").await;
    let parameters = world.provider.consent(&started.authorize_url, "victim");
    let elsewhere = Arrival { route: "example".into(), parameters: parameters.clone(), cookies: Vec::new() };
    assert_eq!(code(world.engine.callback(elsewhere).await), "FLOW_NOT_FOUND");
    // The state was seen by someone else: it is dead in the right browser too.
    assert_eq!(code(world.comes_back(&started, parameters).await), "FLOW_NOT_FOUND");
    assert_eq!(world.token_requests(), 0);
}

/// A03: a victim's browser is made to finish the attacker's flow.
#[tokio::test]
async fn a_forged_callback_leaves_the_victims_own_flow_untouched() {
    let world = world().await;
    let theirs = world.started("example", "attacker").await;
    let own = world.started("example", "victim").await;
    let forged = world.provider.consent(&theirs.authorize_url, "attacker");
    assert_eq!(code(world.comes_back(&own, forged).await), "FLOW_NOT_FOUND");
    let parameters = world.provider.consent(&own.authorize_url, "victim");
    let returned = world.comes_back(&own, parameters).await.unwrap();
    assert_eq!(world.outcome(&returned).await, Outcome::Connected);
}

/// A04: the same answer of the provider, fifty times at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_identical_callbacks_exchange_one_code_once() {
    let world = world().await;
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    let calls = (0..50).map(|_| {
        let (engine, parameters) = (world.engine.clone(), parameters.clone());
        let cookies = vec![(started.cookie.name.clone(), started.cookie.value.clone())];
        tokio::spawn(async move { engine.callback(Arrival { route: "example".into(), parameters, cookies }).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let _ = call.await.unwrap();
    }
    assert_eq!(world.token_requests(), 1);
    assert_eq!(world.account("user_1").await.status, Status::Active);
}

/// A05, A29: state, nonce, verifier, link and cookie are long, random and without structure.
#[tokio::test]
async fn one_time_secrets_are_long_and_never_repeat() {
    let world = world().await;
    let mut seen = std::collections::HashSet::new();
    for person in 0..200 {
        let link = world.link("example", &format!("user_{person}")).await.unwrap();
        let token = token_of(&link);
        let started = world.engine.start(&token).await.unwrap();
        for secret in [token, state_of(&started.authorize_url), started.cookie.value.expose_secret().to_owned()] {
            assert!(
                secret.len() >= 43 && secret.len() <= 64 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric())
            );
            assert!(seen.insert(secret));
        }
    }
}

/// A07: a link is opened again after it was used.
#[tokio::test]
async fn a_link_starts_one_flow_only() {
    let world = world().await;
    let link = world.link("example", "user_1").await.unwrap();
    world.engine.start(&token_of(&link)).await.unwrap();
    assert_eq!(code(world.engine.start(&token_of(&link)).await), "LINK_USED");
    assert_eq!(code(world.engine.link_page(&token_of(&link)).await), "LINK_USED");
}

/// A07: two browsers press the button at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_browsers_one_starts_the_flow() {
    let world = world().await;
    let link = world.link("example", "user_1").await.unwrap();
    let starts = (0..20).map(|_| {
        let (engine, token) = (world.engine.clone(), token_of(&link));
        tokio::spawn(async move { engine.start(&token).await.is_ok() })
    });
    let mut started = 0;
    for start in starts.collect::<Vec<_>>() {
        started += usize::from(start.await.unwrap());
    }
    assert_eq!(started, 1);
}

/// A08: too late, at each step.
#[tokio::test]
async fn nothing_goes_on_after_its_time() {
    let world = world().await;
    let link = world.link("example", "user_1").await.unwrap();
    world.pass(Duration::from_secs(600));
    assert_eq!(code(world.engine.link_page(&token_of(&link)).await), "LINK_EXPIRED");
    assert_eq!(code(world.engine.start(&token_of(&link)).await), "LINK_EXPIRED");

    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    world.pass(Duration::from_secs(600));
    let returned = world.comes_back(&started, parameters).await.unwrap();
    assert_eq!(world.outcome(&returned).await, Outcome::Expired);
    assert_eq!(world.token_requests(), 0);
}

/// A09: link scanners open links by the dozen.
#[tokio::test]
async fn looking_at_a_link_does_not_use_it() {
    let world = world().await;
    let link = world.link("example", "user_1").await.unwrap();
    for _ in 0..20 {
        world.engine.link_page(&token_of(&link)).await.unwrap();
    }
    world.engine.start(&token_of(&link)).await.unwrap();
}

/// A11: completion with everything an attacker may know.
#[tokio::test]
async fn only_the_nonce_completes_a_verification() {
    let world = verified_world().await;
    let link = world.link("example", "user_1").await.unwrap();
    let started = world.engine.start(&token_of(&link)).await.unwrap();
    let state = state_of(&started.authorize_url);
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    let provider_code = parameters[0].1.clone();
    let returned = world.comes_back(&started, parameters).await.unwrap();
    let cookie = started.cookie.value.expose_secret().to_owned();
    for known in [token_of(&link), state, provider_code, cookie, String::new(), "x".repeat(1000)] {
        assert_eq!(
            code(world.engine.verify_user(&Organization::default(), &known, &identifier("user_1")).await),
            "FLOW_NOT_FOUND"
        );
    }
    let nonce = nonce_of(&returned);
    world.engine.verify_user(&Organization::default(), &nonce, &identifier("user_1")).await.unwrap();
    assert_eq!(
        code(world.engine.verify_user(&Organization::default(), &nonce, &identifier("user_1")).await),
        "FLOW_NOT_FOUND"
    );
    assert_eq!(world.token_requests(), 1);
}

/// A13: a verify URL that only looks like the app's.
#[tokio::test]
async fn a_verify_url_is_the_apps_own_to_the_letter() {
    let world = verified_world().await;
    for url in [
        "https://app.example/verify/",
        "https://app.example/Verify",
        "https://app.example/verify?x=1",
        "https://app.example/verify#",
        "https://app.example:443/verify",
        "https://app.example@evil.example/verify",
        "https://app.example.evil.example/verify",
        "https://APP.example/verify",
        "https://app.example./verify",
        "https:\\\\app.example\\verify",
        "http://app.example/verify",
        "//app.example/verify",
        "https://app.example/%76erify",
        "javascript:alert(1)",
        "",
        " https://app.example/verify",
    ] {
        let link = NewLink {
            account: account("example", "user_1"),
            scopes: None,
            user_verify_url: Some(url.into()),
            state: None,
        };
        assert_eq!(code(world.engine.authorization_link(link).await), "VERIFY_URL_NOT_ALLOWED", "{url}");
    }
}

/// A14: the redirect to the app tells nothing but the nonce.
#[tokio::test]
async fn the_verify_url_carries_neither_code_nor_state() {
    let world = verified_world().await;
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    let secrets: Vec<_> = parameters.iter().map(|(_, value)| value.clone()).collect();
    let returned = world.comes_back(&started, parameters).await.unwrap();
    assert_eq!(returned.location.query_pairs().count(), 1);
    assert!(secrets.iter().all(|secret| !returned.location.as_str().contains(secret)));
}

/// A17: two flows in one browser.
#[tokio::test]
async fn two_flows_in_one_browser_each_reach_their_own_account() {
    let world = world().await;
    let (first, second) = (world.started("example", "user_1").await, world.started("example", "user_2").await);
    assert_ne!(first.cookie.name, second.cookie.name);
    let jar = |arrival: Vec<(String, String)>| Arrival {
        route: "example".into(),
        parameters: arrival,
        cookies: vec![
            (first.cookie.name.clone(), first.cookie.value.clone()),
            (second.cookie.name.clone(), second.cookie.value.clone()),
        ],
    };
    let (ada, bob) =
        (world.provider.consent(&first.authorize_url, "ada"), world.provider.consent(&second.authorize_url, "bob"));
    world.engine.callback(jar(bob)).await.unwrap();
    world.engine.callback(jar(ada)).await.unwrap();
    assert_eq!(world.account("user_1").await.provider_account_id.as_deref(), Some("ada"));
    assert_eq!(world.account("user_2").await.provider_account_id.as_deref(), Some("bob"));
}

/// A18: a sibling domain plants cookies.
#[tokio::test]
async fn a_planted_cookie_does_not_stand_for_the_flows_own() {
    let world = world().await;
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    let mut cookies = vec![(started.cookie.name.clone(), Secret::from("planted".to_owned()))];
    cookies.extend((0..300).map(|filler| (format!("filler-{filler}"), started.cookie.value.clone())));
    let arrival = Arrival { route: "example".into(), parameters, cookies };
    assert_eq!(code(world.engine.callback(arrival).await), "FLOW_NOT_FOUND");
    assert_eq!(world.token_requests(), 0);
}

/// A18: over https only the host itself can have set the cookie.
#[tokio::test]
async fn the_flow_cookie_belongs_to_the_host_alone_over_https() {
    let world = World::with(Settings {
        public_url: "https://agents.example".parse().unwrap(),
        user_verification: Some(onbehalf_engine::UserVerification::None),
        ..settings()
    })
    .await;
    let started = world.started("example", "user_1").await;
    assert!(started.cookie.secure && started.cookie.name.starts_with("__Host-"));
}

/// A19: the person comes back with another account of the provider.
#[tokio::test]
async fn another_provider_account_does_not_replace_the_first() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    let returned = world.authorize("user_1", "bob").await;
    assert_eq!(world.outcome(&returned).await, Outcome::Failed { code: "IDENTITY_CHANGED".into() });
    assert_eq!(world.account("user_1").await.provider_account_id.as_deref(), Some("ada"));
    let token = world.engine.token(&account("example", "user_1"), Duration::ZERO).await.unwrap();
    assert_eq!(token.access_token.expose_secret(), "access-2", "the first grant still serves");
}

/// A19: where it cannot be known whose account it is, the known one stays.
#[tokio::test]
async fn a_grant_of_unknown_owner_does_not_replace_a_known_one() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.provider.state().probe_down = true;
    let returned = world.authorize("user_1", "bob").await;
    assert_eq!(world.outcome(&returned).await, Outcome::Failed { code: "AUTHORIZATION_FAILED".into() });
}

/// A21: one organization's connection is used by another.
#[tokio::test]
async fn a_connection_belongs_to_its_organization() {
    let world = world().await;
    let mut foreign = account("example", "user_1");
    foreign.organization = Organization::parse("other").unwrap();
    let link = NewLink { account: foreign, scopes: None, user_verify_url: None, state: None };
    assert_eq!(code(world.engine.authorization_link(link).await), "CONNECTION_NOT_CONFIGURED");
}

/// A22, A23: the answer of one connection arrives on another's path.
#[tokio::test]
async fn an_answer_on_another_connections_path_is_refused() {
    let world = world().await;
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    assert_eq!(code(world.comes_back_to("other", &started, parameters.clone()).await), "FLOW_NOT_FOUND");
    assert_eq!(code(world.comes_back(&started, parameters).await), "FLOW_NOT_FOUND");
    assert_eq!(world.token_requests(), 0);
}

/// A22: every connection has a redirect URI of its own.
#[tokio::test]
async fn redirect_uris_are_unique_per_connection_and_organization() {
    let world = world().await;
    let mut foreign = connection("example");
    foreign.organization = Organization::parse("o/1~?").unwrap();
    let foreign = world.engine.create_connection(foreign).await.unwrap().redirect_uri;
    let own = world.engine.connections(&Organization::default(), None, None).await.unwrap().connections;
    let uris: Vec<_> = own.iter().map(|connection| connection.redirect_uri.as_str()).collect();
    assert_eq!(uris, ["http://localhost:7415/callback/example", "http://localhost:7415/callback/other"]);
    assert_eq!(foreign.as_str(), "http://localhost:7415/callback/o%2F1~%3F~example");
}

/// A24: RFC 9207, on refusals too.
#[tokio::test]
async fn an_answer_of_another_issuer_is_not_believed() {
    let issued = crate::world::CONNECTOR.replace("token_url =", "issuer = \"https://provider.example\"\ntoken_url =");
    let world = World::with(Settings {
        connectors: vec![("example.toml".into(), issued)],
        connections: vec![connection("example")],
        ..settings()
    })
    .await;
    for (iss, accepted) in [
        (Some("https://provider.example"), true),
        (Some("https://provider.example/"), false),
        (Some("https://Provider.example"), false),
        (Some("https://evil.example"), false),
        (None, false),
    ] {
        let before = world.token_requests();
        let started = world.started("example", "user_1").await;
        let mut parameters = world.provider.consent(&started.authorize_url, "ada");
        parameters.extend(iss.map(|iss| ("iss".to_owned(), iss.to_owned())));
        let returned = world.comes_back(&started, parameters).await.unwrap();
        assert_eq!(world.outcome(&returned).await == Outcome::Connected, accepted, "{iss:?}");
        assert_eq!(world.token_requests() - before, usize::from(accepted));
    }
    let started = world.started("example", "user_1").await;
    let refusal =
        [("error", "access_denied"), ("iss", "https://evil.example"), ("state", &state_of(&started.authorize_url))];
    let parameters = refusal.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let returned = world.comes_back(&started, parameters).await.unwrap();
    assert_eq!(world.outcome(&returned).await, Outcome::Failed { code: "AUTHORIZATION_FAILED".into() });
}

/// A27: a stolen code in the attacker's own flow.
#[tokio::test]
async fn a_stolen_code_is_worthless_in_another_flow() {
    let world = world().await;
    let (victims, attackers) = (world.started("example", "victim").await, world.started("example", "attacker").await);
    let stolen = world.provider.consent(&victims.authorize_url, "victim")[0].1.clone();
    let parameters = vec![("code".into(), stolen), ("state".into(), state_of(&attackers.authorize_url))];
    let returned = world.comes_back(&attackers, parameters).await.unwrap();
    assert_eq!(world.outcome(&returned).await, Outcome::Failed { code: "AUTHORIZATION_FAILED".into() });
    assert_eq!(world.account("attacker").await.status, Status::PendingAuth);
}

/// A28: there is no plain challenge.
#[tokio::test]
async fn the_challenge_is_s256() {
    let world = world().await;
    let started = world.started("example", "user_1").await;
    assert!(started.authorize_url.query().unwrap().contains("code_challenge_method=S256"));
}

/// A31: parameters that could be read in two ways.
#[tokio::test]
async fn an_answer_with_two_readings_is_refused() {
    let world = world().await;
    for extra in [("code", "another"), ("error", "access_denied"), ("access_token", "planted"), ("id_token", "planted")]
    {
        let started = world.started("example", "user_1").await;
        let mut parameters = world.provider.consent(&started.authorize_url, "ada");
        parameters.push((extra.0.into(), extra.1.into()));
        let returned = world.comes_back(&started, parameters).await.unwrap();
        assert_eq!(world.outcome(&returned).await, Outcome::Failed { code: "AUTHORIZATION_FAILED".into() });
    }
    let started = world.started("example", "user_1").await;
    let mut parameters = world.provider.consent(&started.authorize_url, "ada");
    parameters.push(("state".into(), "another".into()));
    assert_eq!(code(world.comes_back(&started, parameters).await), "FLOW_NOT_FOUND");
    assert_eq!(world.token_requests(), 0);
}

/// A38: a flood of links.
#[tokio::test]
async fn links_under_way_are_limited_and_old_ones_forgotten() {
    let world = world().await;
    for _ in 0..20 {
        world.link("example", "user_1").await.unwrap();
    }
    assert_eq!(code(world.link("example", "user_1").await), "LIMIT_REACHED");
    world.link("example", "user_2").await.unwrap();
    world.pass(Duration::from_secs(600));
    let link = world.link("example", "user_1").await.unwrap();
    world.pass(Duration::from_secs(3 * 24 * 3600));
    world.link("example", "user_1").await.unwrap();
    assert_eq!(code(world.engine.link_page(&token_of(&link)).await), "LINK_NOT_FOUND", "it is forgotten");
}

/// A39: the account goes while its person consents.
#[tokio::test]
async fn a_deleted_account_is_not_brought_back_by_its_flow() {
    let world = world().await;
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    world.engine.delete_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
    assert_eq!(code(world.comes_back(&started, parameters).await), "FLOW_NOT_FOUND");
    assert_eq!(code(world.engine.account(&account("example", "user_1")).await), "CONNECTED_ACCOUNT_NOT_FOUND");
    assert_eq!(world.token_requests(), 0);
}

/// A39: it goes while its code is being exchanged.
#[tokio::test]
async fn an_account_deleted_during_the_exchange_stays_deleted() {
    let world = world().await;
    let gate = world.provider.hold_token_requests();
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    let deleting = async {
        gate.arrived.notified().await;
        world.engine.delete_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
        gate.open.notify_one();
    };
    let (returned, ()) = tokio::join!(world.comes_back(&started, parameters), deleting);
    assert!(returned.is_ok());
    assert_eq!(code(world.engine.account(&account("example", "user_1")).await), "CONNECTED_ACCOUNT_NOT_FOUND");
}

/// A39: the connection is disabled or changed while the person consents.
#[tokio::test]
async fn a_connection_that_changed_meanwhile_ends_the_flow() {
    let world = world().await;
    let name = onbehalf_engine::names::ConnectionName::parse("example").unwrap();
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    world.engine.set_connection_enabled(&Organization::default(), &name, false).await.unwrap();
    let returned = world.comes_back(&started, parameters).await.unwrap();
    world.engine.set_connection_enabled(&Organization::default(), &name, true).await.unwrap();
    assert_eq!(world.outcome(&returned).await, Outcome::Failed { code: "CONNECTION_DISABLED".into() });

    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    let patch = ConnectionPatch { client_id: Some("another".into()), ..Default::default() };
    world.engine.update_connection(&Organization::default(), &name, patch).await.unwrap();
    let returned = world.comes_back(&started, parameters).await.unwrap();
    assert_eq!(world.outcome(&returned).await, Outcome::Failed { code: "AUTHORIZATION_FAILED".into() });
    assert_eq!(world.token_requests(), 0);
}

/// A13: allowed to the letter means to the letter in which it was configured.
#[tokio::test]
async fn a_verify_url_is_accepted_as_it_was_configured() {
    for url in ["https://app.example", "https://app.example:443/verify", "https://App.example/verify?x=1"] {
        let settings = Settings { user_verify_urls: vec![url.into()], ..settings() };
        let world = World::with(settings).await;
        let link = NewLink {
            account: account("example", "user_1"),
            scopes: None,
            user_verify_url: Some(url.into()),
            state: None,
        };
        world.engine.authorization_link(link).await.unwrap();
    }
}

/// A73: a nonce completes nothing for another organization.
#[tokio::test]
async fn a_nonce_belongs_to_its_organization() {
    let world = verified_world().await;
    let nonce = nonce_of(&world.authorize("user_1", "ada").await);
    let other = Organization::parse("other").unwrap();
    assert_eq!(code(world.engine.verify_user(&other, &nonce, &identifier("user_1")).await), "FLOW_NOT_FOUND");
    world.engine.verify_user(&Organization::default(), &nonce, &identifier("user_1")).await.unwrap();
}

/// A consent is not lost because the account's token was refreshed at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refresh_beside_the_callback_does_not_lose_the_consent() {
    let world = std::sync::Arc::new(verified_world().await);
    let nonce = nonce_of(&world.authorize("user_1", "ada").await);
    world.engine.verify_user(&Organization::default(), &nonce, &identifier("user_1")).await.unwrap();
    for _ in 0..20 {
        let started = world.started("example", "user_1").await;
        let parameters = world.provider.consent(&started.authorize_url, "ada");
        world.pass(Duration::from_secs(400));
        let refreshing = tokio::spawn({
            let world = world.clone();
            async move { world.engine.token(&account("example", "user_1"), Duration::from_secs(7200)).await }
        });
        let returned = world.comes_back(&started, parameters).await.unwrap();
        refreshing.await.unwrap().unwrap();
        let nonce = nonce_of(&returned);
        world.engine.verify_user(&Organization::default(), &nonce, &identifier("user_1")).await.unwrap();
    }
}

/// Invariant 6: the connection becomes another app's while a code is at the first one's.
#[tokio::test]
async fn a_code_that_left_for_one_app_brings_nothing_to_another() {
    let world = world().await;
    let name = onbehalf_engine::names::ConnectionName::parse("example").unwrap();
    let gate = world.provider.hold_token_requests();
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    let changing = async {
        gate.arrived.notified().await;
        let patch = ConnectionPatch { client_id: Some("another".into()), ..Default::default() };
        world.engine.update_connection(&Organization::default(), &name, patch).await.unwrap();
        gate.open.notify_one();
    };
    let (returned, ()) = tokio::join!(world.comes_back(&started, parameters), changing);
    assert_eq!(world.outcome(&returned.unwrap()).await, Outcome::Failed { code: "AUTHORIZATION_FAILED".into() });
    assert_eq!(world.account("user_1").await.status, Status::PendingAuth);
    assert!(world.provider.state().api_requests.is_empty(), "the probe was not asked with the first app's token");
}

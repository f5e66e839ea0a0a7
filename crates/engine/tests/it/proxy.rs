//! Requests with an account's credential.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use onbehalf_engine::{
    Settings,
    accounts::Status,
    connect::Outcome,
    egress::body::Incoming,
    proxy::{Body, ProxyRequest, ProxyResponse},
};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::{
    provider::Provider,
    world::{World, account, code, connection, settings, world},
};

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

async fn authorized() -> World {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.provider.state().api_requests.clear();
    world
}

async fn answered(world: &World, request: ProxyRequest) -> ProxyResponse {
    world.engine.request(request).await.unwrap()
}

#[tokio::test]
async fn a_request_carries_the_credential_and_brings_the_answer_back() {
    let world = authorized().await;
    let answer = answered(&world, get("/me?fields=id")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(&answer.body[..], br#"{"id":"ada","email":"ada@example.com"}"#);
    let state = world.provider.state();
    assert_eq!(state.api_requests[0].uri().to_string(), "https://provider.example/me?fields=id");
    assert_eq!(state.api_requests[0].headers()[AUTHORIZATION], "Bearer access-2");
    assert!(state.api_requests[0].headers()[AUTHORIZATION].is_sensitive());
}

#[tokio::test]
async fn an_answer_that_is_no_success_is_returned() {
    let world = authorized().await;
    let answer = answered(&world, get("/teapot")).await;
    assert_eq!((answer.status, &answer.body[..]), (418, &b"short and stout"[..]));
}

#[tokio::test]
async fn every_byte_goes_out_and_comes_back() {
    let world = authorized().await;
    let bytes = Bytes::from((0..=255).cycle().take(100_000).collect::<Vec<u8>>());
    let request = ProxyRequest { method: Some("post".into()), body: Body::Bytes(bytes.clone()), ..get("/bytes") };
    assert_eq!(answered(&world, request).await.body, bytes);
}

#[tokio::test]
async fn a_body_goes_out_as_json_or_as_a_form() {
    let world = authorized().await;
    let json = Body::Json(serde_json::json!({ "a": [1, "ü"] }));
    let form = Body::Form(vec![("a".into(), "1 2".into()), ("b".into(), "ü&".into())]);
    for (body, kind, text) in [
        (json, "application/json", r#"{"a":[1,"ü"]}"#),
        (form, "application/x-www-form-urlencoded", "a=1+2&b=%C3%BC%26"),
    ] {
        let answer = answered(&world, ProxyRequest { method: Some("POST".into()), body, ..get("/echo") }).await;
        assert_eq!(std::str::from_utf8(&answer.body).unwrap(), text);
        assert_eq!(world.provider.state().api_requests.last().unwrap().headers()["content-type"], kind);
    }
}

/// F33: the access token died early, the refresh token did not.
#[tokio::test]
async fn a_refused_token_is_refreshed_once_and_the_request_sent_again() {
    let world = authorized().await;
    world.provider.revoke_access_tokens();
    assert_eq!(answered(&world, get("/me")).await.status, 200);
    let state = world.provider.state();
    let tokens: Vec<_> = state.api_requests.iter().map(|request| request.headers()[AUTHORIZATION].clone()).collect();
    assert_eq!(tokens, ["Bearer access-2", "Bearer access-3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_refused_requests_cause_one_refresh() {
    let world = authorized().await;
    world.provider.revoke_access_tokens();
    let calls = (0..50).map(|_| {
        let engine = world.engine.clone();
        tokio::spawn(async move { engine.request(get("/me")).await.unwrap().status })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(world.token_requests(), 2);
    assert_eq!(world.provider.state().revoked_families, 0);
}

#[tokio::test]
async fn a_revoked_account_is_told_apart_from_a_refused_request() {
    let world = authorized().await;
    world.provider.revoke_everything();
    assert_eq!(code(world.engine.request(get("/me")).await), "REAUTHORIZATION_REQUIRED");
    assert_eq!(world.account("user_1").await.status, Status::Expired);
}

#[tokio::test]
async fn a_refused_token_that_cannot_be_refreshed_now_says_to_try_again() {
    let world = authorized().await;
    world.provider.revoke_access_tokens();
    world.provider.state().scripted.push_back(Ok((503, Vec::new())));
    assert_eq!(code(world.engine.request(get("/me")).await), "PROVIDER_UNAVAILABLE");
    assert_eq!(world.account("user_1").await.status, Status::Active);
}

/// A41–A43, A57: nothing but the connector's own API.
#[tokio::test]
async fn a_hostile_path_is_refused_before_anything_is_sent() {
    let world = authorized().await;
    for path in [
        "",
        "me",
        "https://evil.example/",
        "//evil.example",
        "\\\\evil.example",
        "/\\evil.example",
        "/../x",
        "/%2e%2e/x",
        "/a/..%2f..%2fx",
        "/%252e%252e/x",
        "/a\nb",
        "@evil.example/",
        "/a b\t",
        "/\u{0}",
    ] {
        assert_eq!(code(world.engine.request(get(path)).await), "TARGET_NOT_ALLOWED", "{path:?}");
    }
    assert!(world.provider.state().api_requests.is_empty());
}

/// A51, A54: the credential is ours to set.
#[tokio::test]
async fn a_caller_cannot_set_what_authorizes_the_request() {
    let world = authorized().await;
    for header in ["Authorization", "authorization", "X-HTTP-Method-Override", "Cookie"] {
        let request = ProxyRequest { headers: vec![(header.into(), "planted".into())], ..get("/me") };
        let _ = world.engine.request(request).await;
    }
    let state = world.provider.state();
    assert!(state.api_requests.iter().all(|request| request.headers().values().all(|value| value != "planted")));
    assert!(state.api_requests.iter().all(|request| request.headers().get_all(AUTHORIZATION).iter().count() == 1));
}

/// A52.
#[tokio::test]
async fn methods_that_tunnel_or_trace_are_refused() {
    let world = authorized().await;
    for method in ["CONNECT", "TRACE", "GET\r\nX: y", "", "FETCH"] {
        let request = ProxyRequest { method: Some(method.into()), ..get("/me") };
        assert_eq!(code(world.engine.request(request).await), "INVALID_ARGUMENT", "{method:?}");
    }
}

#[tokio::test]
async fn an_account_without_consent_sends_nothing() {
    let world = world().await;
    assert_eq!(code(world.engine.request(get("/me")).await), "CONNECTED_ACCOUNT_NOT_FOUND");
    world.link("example", "user_1").await.unwrap();
    assert_eq!(code(world.engine.request(get("/me")).await), "AUTHORIZATION_REQUIRED");
    assert!(world.provider.state().api_requests.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_says_so() {
    let world = authorized().await;
    world.provider.revoke_access_tokens();
    world.provider.hold_token_requests();
    let request = ProxyRequest { timeout: Some(Duration::from_millis(250)), ..get("/me") };
    assert_eq!(code(world.engine.request(request).await), "TIMED_OUT");
}

/// `send`: the credential where the connector wants it, in place of what the caller put there.
#[tokio::test]
async fn the_credential_goes_where_the_connector_says() {
    let file = format!(
        "{}\n[auth.oauth2.send]\nheaders = {{ X-Token = \"Key {{access_token}}\" }}\nquery = {{ api_key = \"{{access_token}}\" }}\nbody = {{ auth = \"{{access_token}}\" }}\n",
        crate::world::CONNECTOR
    )
    .replace("[probe]\nurl = \"/me\"\nid = \"id\"\nlabel = \"email\"", "");
    let world = World::with(Settings {
        connectors: vec![("example.toml".into(), file)],
        connections: vec![connection("example")],
        ..settings()
    })
    .await;
    world.authorize("user_1", "ada").await;
    world.provider.state().api_requests.clear();
    let body = Body::Json(serde_json::json!({ "auth": "planted", "x": 1 }));
    let request = ProxyRequest { method: Some("POST".into()), body, ..get("/echo?API_KEY=planted") };
    let _ = world.engine.request(request).await;
    let state = world.provider.state();
    let sent = &state.api_requests[0];
    assert_eq!(sent.uri().query(), Some("api_key=access-2"));
    assert_eq!(sent.headers()["x-token"], "Key access-2");
    assert_eq!(&sent.body()[..], br#"{"auth":"access-2","x":1}"#);
    assert!(sent.headers().get(AUTHORIZATION).is_none());
}

/// A connector whose host the provider names with every token.
fn hosted() -> Settings {
    let file = crate::world::CONNECTOR
        .replace(
            "base_url = \"https://provider.example\"",
            "base_url = \"{instance_url}\"\nhosts = [\"*.provider.example\"]",
        )
        .replace("scopes =", "keep = { instance_url = \"token:instance_url\" }\nscopes =");
    Settings { connectors: vec![("example.toml".into(), file)], connections: vec![connection("example")], ..settings() }
}

#[tokio::test]
async fn a_host_that_the_provider_names_must_be_one_of_the_connectors() {
    let world = World::with(hosted()).await;
    for url in [
        "https://evil.example",
        "https://provider.example.evil.example",
        "http://a.provider.example",
        "https://10.0.0.1",
    ] {
        world.provider.state().extra.insert("instance_url".into(), url.into());
        let returned = world.authorize("user_1", "ada").await;
        assert_eq!(world.outcome(&returned).await, Outcome::Failed { code: "AUTHORIZATION_FAILED".into() }, "{url}");
    }
    assert!(world.provider.state().api_requests.is_empty());
}

/// Has `/flow` answer with these statuses in turn, and tells where each request went, and with what.
fn answering(provider: &Arc<Provider>, mut statuses: Vec<u16>, sent: UnboundedSender<(String, String)>) {
    let next = provider.clone();
    provider.state().flow = Some(Box::new(move |request| {
        let token = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
        sent.send((request.uri().host().unwrap().to_owned(), token)).unwrap();
        let answer = http::Response::builder().status(statuses.remove(0)).body(Incoming::whole("")).unwrap();
        if !statuses.is_empty() {
            answering(&next, statuses, sent);
        }
        Box::pin(async move { Ok(answer) })
    }));
}

/// Invariant 6: an account moves to another host with a refresh, of a token that ended or that was refused.
#[tokio::test]
async fn a_token_is_sent_to_the_host_that_came_with_it() {
    let mut hosted = hosted();
    let file = &mut hosted.connectors[0].1;
    *file = file.replace("[probe]\nurl = \"/me\"\nid = \"id\"\nlabel = \"email\"", "");
    let world = World::with(hosted).await;
    let names = |host: &str| world.provider.state().extra.insert("instance_url".into(), host.into());
    let (sent, mut requests) = unbounded_channel();
    names("https://a.provider.example");
    world.authorize("user_1", "ada").await;

    names("https://b.provider.example");
    world.pass(Duration::from_secs(4000));
    answering(&world.provider, vec![200], sent.clone());
    assert_eq!(answered(&world, get("/flow")).await.status, 200);

    names("https://c.provider.example");
    world.pass(Duration::from_secs(60));
    answering(&world.provider, vec![401, 200], sent);
    assert_eq!(answered(&world, get("/flow")).await.status, 200);
    let mut sent_to = |host: &str, token: &str| {
        assert_eq!(requests.try_recv().unwrap(), (format!("{host}.provider.example"), format!("Bearer {token}")));
    };
    sent_to("b", "access-3");
    sent_to("b", "access-3");
    sent_to("c", "access-4");
}

/// An API that answers 401 for a reason of its own does not have the tokens rotated with every call.
#[tokio::test]
async fn an_endpoint_that_always_answers_401_causes_one_refresh() {
    let world = authorized().await;
    for _ in 0..20 {
        assert_eq!(answered(&world, get("/forbidden")).await.status, 401);
    }
    assert_eq!(world.token_requests(), 2);
}

/// A mail that was sent once is not sent again because its answer was lost.
#[tokio::test]
async fn a_post_whose_answer_was_lost_is_not_called_retryable() {
    let world = authorized().await;
    for (method, retryable) in [("POST", false), ("PATCH", false), ("GET", true), ("PUT", true), ("DELETE", true)] {
        let request = ProxyRequest { method: Some(method.into()), ..get("/lost") };
        let error = world.engine.request(request).await.unwrap_err();
        assert_eq!((error.code(), error.retryable()), ("ANSWER_LOST", retryable), "{method}");
    }
}

/// Invariant 10: what cannot be sent costs no refresh.
#[tokio::test]
async fn a_hostile_path_causes_no_refresh() {
    let world = authorized().await;
    world.pass(Duration::from_secs(4000));
    assert_eq!(code(world.engine.request(get("//evil.example")).await), "TARGET_NOT_ALLOWED");
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test]
async fn a_request_ends_when_the_environment_closes() {
    let world = authorized().await;
    world.provider.revoke_access_tokens();
    let gate = world.provider.hold_token_requests();
    let closing = async {
        gate.arrived.notified().await;
        let closed = world.engine.close();
        gate.open.notify_one();
        closed.await
    };
    let (answered, closed) = tokio::join!(world.engine.request(get("/me")), closing);
    closed.unwrap();
    assert_eq!(code(answered), "CLOSED");
}

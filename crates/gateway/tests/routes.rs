//! The router and the listener as a browser meets them. Whole flows are tested where the engine's are.

#![expect(clippy::unwrap_used, reason = "a test's helpers are tests too")]

use std::{fmt::Write as _, sync::Arc};

use axum::Router;
use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HOST, LOCATION, SET_COOKIE},
};
use onbehalf_engine::{
    Engine, Error, Settings, StoreLocation, UserVerification,
    connect::{Asks, LinkPage, Outcome, OutcomePage},
    refresh::RefreshSettings,
    time::Timestamp,
    vault::KeySource,
};
use onbehalf_gateway::{
    Listener, handle, headers,
    language::Language,
    pages::{self, Form},
    paths, router, serves_store_of,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
};
use url::Url;

async fn engine(public_url: &str) -> Arc<Engine> {
    let settings = Settings {
        store: StoreLocation::Memory,
        key: KeySource::Ephemeral,
        public_url: Url::parse(public_url).unwrap(),
        app_name: Some("Acme".into()),
        user_verification: Some(UserVerification::None),
        user_verify_urls: Vec::new(),
        connections: Vec::new(),
        built_in_connections: Vec::new(),
        connectors: Vec::new(),
        proxy: None,
        refresh: RefreshSettings::default(),
    };
    Engine::open(settings).await.unwrap()
}

async fn ours() -> Router {
    router(engine("http://localhost:7415").await)
}

async fn send(router: &Router, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    handle(router.clone(), request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()).await
}

async fn get(router: &Router, path: &str) -> Response<Bytes> {
    send(router, "GET", path, &[], "").await
}

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

// A82
#[tokio::test]
async fn no_other_route_answers_without_a_login() {
    let router = ours().await;
    let mut found = String::new();
    for path in paths() {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"] {
            let concrete = path.replace(['{', '}'], "");
            let status = send(&router, method, &concrete, &[], "").await.status();
            if status != StatusCode::METHOD_NOT_ALLOWED {
                writeln!(found, "{method} {path}").unwrap();
            }
        }
    }
    assert_eq!(found, include_str!("routes.txt"));
    for path in
        ["/", "/connect", "/connect/", "/connect/a/b", "/callback", "/favicon.ico", "/health/", "/api", "//health"]
    {
        assert_eq!(get(&router, path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

// A35
#[tokio::test]
async fn every_page_has_the_strict_headers() {
    let found = shown(&headers_of(&ours().await, "/").await);
    assert_eq!(found, include_str!("headers.txt"));
    let router = ours().await;
    let requests = [
        ("GET", "/health", ""),
        ("GET", "/robots.txt", ""),
        ("GET", "/.well-known/onbehalf", ""),
        ("GET", "/connect/token", ""),
        ("HEAD", "/connect/token", ""),
        ("POST", "/connect/token", ""),
        ("GET", "/connect/outcome/id", ""),
        ("GET", "/callback/gmail?code=c&state=s", ""),
        ("HEAD", "/callback/gmail?code=c&state=s", ""),
        ("POST", "/callback/gmail", "code=c"),
        ("DELETE", "/health", ""),
        ("GET", "/connect/%ff", ""),
        ("GET", "/nothing", ""),
    ];
    for (method, path, body) in requests {
        let response = send(&router, method, path, &[FORM], body).await;
        assert_eq!(shown(response.headers()), found, "{method} {path}");
    }
}

// A34, A35
#[tokio::test]
async fn a_pages_own_policy_differs_in_where_its_form_leads_alone() {
    let language = &Language::all()[0];
    let link = LinkPage {
        app_name: None,
        connector_name: "Gmail".into(),
        connector: "gmail".into(),
        person: "a•••".into(),
        asks: Asks::Consent { scopes: Vec::new(), authorize_origin: "https://accounts.google.com".into() },
        expires_at: Timestamp::from_millis(60_000),
    };
    let page = pages::link(language, &link, &Form::default(), Timestamp::from_millis(0));
    let end = OutcomePage { app_name: None, connector_name: "Gmail".into(), outcome: Outcome::Connected };
    let app = Router::new()
        .route("/link", axum::routing::get(move || async move { page }))
        .route("/end", axum::routing::get(move || async move { pages::outcome(language, &end) }));
    let app = headers::strict(app, &Url::parse("https://acme.test").unwrap());
    let https = format!("{}strict-transport-security: max-age=31536000\n", include_str!("headers.txt"));
    assert_eq!(sorted(&shown(&headers_of(&app, "/end").await)), sorted(&https));
    let led = https.replace("form-action 'none'", "form-action 'self' https:");
    assert_eq!(sorted(&shown(&headers_of(&app, "/link").await)), sorted(&led));
}

async fn headers_of(router: &Router, path: &str) -> HeaderMap {
    get(router, path).await.headers().clone()
}

/// The headers that every answer has, one a line; the hash of the style is left out.
fn shown(headers: &HeaderMap) -> String {
    let own = [CONTENT_TYPE, LOCATION, SET_COOKIE, http::header::CONTENT_LENGTH, http::header::ALLOW];
    let mut lines = String::new();
    for (name, value) in headers.iter().filter(|(name, _)| !own.contains(name)) {
        let value = value.to_str().unwrap();
        let style = value.split_once("'sha256-").and_then(|(_, rest)| rest.split_once('\''));
        let value = style.map_or(value.to_owned(), |(hash, _)| value.replace(hash, "…"));
        writeln!(lines, "{name}: {value}").unwrap();
    }
    sorted(&lines)
}

fn sorted(lines: &str) -> String {
    let mut lines: Vec<_> = lines.lines().collect();
    lines.sort_unstable();
    lines.join("\n") + "\n"
}

// A32
#[tokio::test]
async fn nothing_of_a_request_comes_back_in_a_page() {
    let router = ours().await;
    let payload = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for path in [
        format!("/connect/{payload}"),
        format!("/connect/outcome/{payload}"),
        format!("/callback/{payload}?error={payload}&error_description={payload}&error_uri={payload}&state={payload}"),
        format!("/{payload}"),
        format!("/nothing?q={payload}"),
        "/connect/%ff%fe".into(),
    ] {
        for method in ["GET", "POST"] {
            let headers = [("accept-language", "<script>alert(1)</script>"), ("origin", "http://localhost:7415")];
            let response = send(&router, method, &path, &headers, "").await;
            let page = text(&response);
            assert!(!page.contains("alert(") && !page.contains("script"), "{path}: {page}");
            assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
            assert!(response.status().is_client_error() || response.status().is_server_error());
        }
    }
}

#[tokio::test]
async fn a_page_speaks_the_readers_language() {
    let router = ours().await;
    let request =
        Request::builder().uri("/nothing").header(ACCEPT_LANGUAGE, "de-AT, en;q=0.5").body(Bytes::new()).unwrap();
    assert!(text(&handle(router.clone(), request).await).contains("<html lang=\"de\" dir=\"ltr\">"));
    assert!(text(&get(&router, "/nothing").await).contains("<html lang=\"en\" dir=\"ltr\">"));
}

// A09
#[tokio::test]
async fn only_the_button_of_our_page_starts_a_flow() {
    let router = ours().await;
    let start = async |headers: &[(&str, &str)]| send(&router, "POST", "/connect/token", headers, "").await.status();
    for refused in [
        &[][..],
        &[("origin", "https://evil.test")],
        &[("origin", "null")],
        &[("origin", "http://localhost:7416")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "http://localhost:7415"), ("sec-purpose", "prefetch")],
    ] {
        assert_eq!(start(refused).await, StatusCode::FORBIDDEN, "{refused:?}");
    }
    for heard in [&[("origin", "http://localhost:7415")][..], &[("origin", "null"), ("sec-fetch-site", "same-origin")]]
    {
        assert_ne!(start(heard).await, StatusCode::FORBIDDEN, "{heard:?}");
    }
}

// A09
#[tokio::test]
async fn a_browser_that_looks_ahead_uses_no_state_up() {
    let router = ours().await;
    let path = "/callback/gmail?code=c&state=s";
    let ahead = send(&router, "GET", path, &[("sec-purpose", "prefetch")], "").await;
    assert!(text(&ahead).contains("That did not come from our page"));
    assert_eq!(send(&router, "HEAD", path, &[], "").await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

// C61
#[tokio::test]
async fn a_form_goes_round_once_more_as_a_query() {
    let router = ours().await;
    let form = "state=a%2Bb+c&code=%C3%A4%26&user=%7B%22name%22%3A1%7D";
    let response = send(&router, "POST", "/callback/acme~apple", &[FORM], form).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[LOCATION], format!("./acme~apple?{form}"));
    assert!(response.headers()[LOCATION].is_sensitive());
    assert!(!response.headers().contains_key(SET_COOKIE));
}

// A31
#[tokio::test]
async fn a_form_has_one_interpretation_and_a_limit() {
    let router = ours().await;
    let post = async |path: &str, media_type: &str, body: &str| {
        send(&router, "POST", path, &[("content-type", media_type)], body).await.status()
    };
    assert_eq!(post("/callback/gmail?code=c", FORM.1, "code=d").await, StatusCode::BAD_REQUEST);
    assert_eq!(post("/callback/gmail", "application/json", "{}").await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(post("/callback/gmail", "multipart/form-data", "").await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(
        post("/callback/gmail", "application/x-www-form-urlencoded; charset=utf-8", "").await,
        StatusCode::SEE_OTHER
    );
    assert_eq!(post("/callback/gmail", FORM.1, &"x".repeat(8 * 1024)).await, StatusCode::SEE_OTHER);
    assert_eq!(post("/callback/gmail", FORM.1, &"x".repeat(8 * 1024 + 1)).await, StatusCode::PAYLOAD_TOO_LARGE);
}

// C39
#[tokio::test]
async fn a_forms_way_round_stays_on_its_own_path() {
    let router = ours().await;
    for path in ["/callback/%2f%2fevil.test", "/callback/..%2f..", "/callback/https:%2f%2fevil.test", "/callback/a:b"] {
        let response = send(&router, "POST", path, &[FORM], "code=c").await;
        let base = Url::parse(&format!("http://localhost:7415{path}")).unwrap();
        let to = base.join(response.headers()[LOCATION].to_str().unwrap()).unwrap();
        assert_eq!(to.as_str(), format!("http://localhost:7415{path}?code=c"));
    }
}

#[tokio::test]
async fn a_public_url_with_a_path_is_answered_with_and_without_it() {
    let router = router(engine("http://localhost:7415/agents/:one/").await);
    assert_eq!(get(&router, "/agents/:one/health").await.status(), StatusCode::OK);
    assert_eq!(get(&router, "/health").await.status(), StatusCode::OK);
    assert_eq!(get(&router, "/agents/two/health").await.status(), StatusCode::NOT_FOUND);
    let form = send(&router, "POST", "/agents/:one/callback/apple", &[FORM], "code=c").await;
    assert_eq!(form.headers()[LOCATION], "./apple?code=c");
}

#[tokio::test]
async fn a_public_url_may_have_the_path_of_a_route() {
    for path in ["/connect", "/connect/outcome", "/callback", "/health"] {
        let router = router(engine(&format!("http://localhost:7415{path}")).await);
        for prefix in ["", path] {
            assert_eq!(get(&router, &format!("{prefix}/health")).await.status(), StatusCode::OK, "{prefix}");
            let link = send(&router, "POST", &format!("{prefix}/connect/token"), &[], "").await;
            assert_eq!(link.status(), StatusCode::FORBIDDEN, "{prefix}");
        }
    }
}

#[tokio::test]
async fn health_and_identity_are_json() {
    let engine = engine("http://localhost:7415").await;
    let router = router(engine.clone());
    assert_eq!(text(&get(&router, "/health").await), r#"{"status":"ok"}"#);
    let identity = get(&router, "/.well-known/onbehalf").await;
    assert_eq!(text(&identity), format!(r#"{{"store":"{}"}}"#, engine.store_id()));
    assert_eq!(identity.headers()[CONTENT_TYPE], "application/json");
}

#[tokio::test]
async fn a_port_of_the_same_store_is_known_by_its_proof() {
    let listener = Listener::bind(0).await.unwrap();
    let port = listener.address().port();
    let [ours, other] = [engine("http://localhost:7415").await, engine("http://localhost:7415").await];
    assert!(!serves_store_of(&ours, 1).await);
    let (_stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(listener.serve(ours.clone(), async {
        let _ = stopped.await;
    }));
    assert!(serves_store_of(&ours, port).await);
    assert!(!serves_store_of(&other, port).await);
}

/// Where it is mounted any `Host` gets through: whoever has taken the port could pass the challenge on.
#[tokio::test]
async fn a_mounted_router_proves_nothing() {
    let router = ours().await;
    let asked = send(&router, "GET", "/.well-known/onbehalf?challenge=c", &[("host", "localhost:7415")], "").await;
    assert_eq!(asked.status(), StatusCode::OK);
    assert!(!text(&asked).contains("proof"), "{}", text(&asked));
}

/// One that knows the store's id, and repeats what it once heard.
#[tokio::test]
async fn a_port_that_only_says_so_is_not_believed() {
    let engine = engine("http://localhost:7415").await;
    let impostor = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = impostor.local_addr().unwrap().port();
    let said = format!(r#"{{"proof":"{}","store":"{}"}}"#, engine.proof("old", "localhost:1"), engine.store_id());
    tokio::spawn(async move {
        let (mut stream, _) = impostor.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await.unwrap();
        stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{said}").as_bytes()).await.unwrap();
    });
    assert!(!serves_store_of(&engine, port).await);
}

/// A listener on a free port, told to stop by the returned half of a channel.
async fn listen() -> (std::net::SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let listener = Listener::bind(0).await.unwrap();
    let address = listener.address();
    let engine = engine(&format!("http://localhost:{}", address.port())).await;
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(listener.serve(engine, async {
        let _ = stopped.await;
    }));
    (address, stop, served)
}

async fn raw(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A refused head ends with a reset where the rest of it was never read.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

// A81
#[tokio::test]
async fn the_listener_answers_to_its_own_names_alone() {
    let (address, _stop, _served) = listen().await;
    let health =
        async |hosts: &str| raw(address, &format!("GET /health HTTP/1.1\r\n{hosts}connection: close\r\n\r\n")).await;
    let port = address.port();
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        assert!(health(&format!("{HOST}: {host}\r\n")).await.starts_with("HTTP/1.1 200 "), "{host}");
    }
    let rebound = health(&format!("host: evil.test:{port}\r\n")).await;
    assert!(rebound.starts_with("HTTP/1.1 421 "), "{rebound}");
    assert!(rebound.contains("content-security-policy: default-src 'none';"));
    assert!(health("").await.starts_with("HTTP/1.1 421 "));
    assert!(health(&format!("host: localhost:{port}\r\nhost: evil.test\r\n")).await.starts_with("HTTP/1.1 421 "));
}

// A40
#[tokio::test]
async fn the_listener_is_on_loopback_alone_and_in_both_families() {
    let listener = Listener::bind(0).await.unwrap();
    let port = listener.address().port();
    assert!(listener.address().ip().is_loopback());
    if tokio::net::TcpListener::bind("[::1]:0").await.is_ok() {
        TcpStream::connect(("::1", port)).await.unwrap();
    }
    // Whatever else listens on this port, it isn't ours: the wildcard address is free.
    #[cfg(target_os = "linux")]
    {
        let listening: Vec<_> = std::fs::read_to_string("/proc/net/tcp").unwrap().lines().map(str::to_owned).collect();
        let ours = listening.iter().filter(|line| line.contains(&format!(":{port:04X} 00000000:0000 0A")));
        assert!(ours.clone().count() == 1 && ours.clone().all(|line| line.contains(&format!("0100007F:{port:04X}"))));
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = Listener::bind(0).await.unwrap();
    let port = taken.address().port();
    let error = Listener::bind(port).await.unwrap_err();
    assert!(matches!(error, Error::PortInUse { port: named } if named == port));
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let (address, _stop, _served) = listen().await;
    let answer = raw(address, &format!("GET /health HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(100_000))).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{answer}");
}

#[tokio::test]
async fn a_stopped_listener_gives_its_port_back() {
    let (address, stop, served) = listen().await;
    let idle = TcpStream::connect(address).await.unwrap();
    stop.send(()).unwrap();
    served.await.unwrap();
    drop(idle);
    Listener::bind(address.port()).await.unwrap();
}

#[tokio::test]
async fn every_method_but_the_named_ones_is_refused_with_a_page() {
    let response = send(&ours().await, Method::DELETE.as_str(), "/connect/token", &[], "").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(text(&response).contains("There is nothing here"));
}

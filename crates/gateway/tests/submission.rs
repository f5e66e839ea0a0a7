//! What a credential's form may send: from whom, in which shape, and what is answered. The page itself is in `forms.rs`.

#![expect(clippy::unwrap_used, reason = "a test's helpers are tests too")]

use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use http::{
    Request, Response,
    header::{CONTENT_SECURITY_POLICY, LOCATION, SET_COOKIE},
};
use onbehalf_engine::{
    Engine, Settings, StoreLocation, UserVerification,
    accounts::{AccountBy, AccountRef},
    connect::NewLink,
    names::{ConnectionName, Identifier, Organization},
    refresh::RefreshSettings,
    secret::ExposeSecret as _,
    vault::KeySource,
};
use onbehalf_gateway::{handle, router};
use url::Url;

const CONNECTOR: &str = "
name     = 'Keys'
docs     = 'https://provider.example/docs'
base_url = 'https://provider.example'

[auth.api_key]
fields = { shop = { pattern = '[a-z]+' }, api_key = { label = 'API key', secret = true } }
send   = { headers = { X-Key = '{api_key}', X-Shop = '{shop}' } }
";

async fn engine(public_url: &str) -> Arc<Engine> {
    let settings = Settings {
        store: StoreLocation::Memory,
        key: KeySource::Ephemeral,
        public_url: Url::parse(public_url).unwrap(),
        app_name: Some("Acme".into()),
        user_verification: Some(UserVerification::None),
        user_verify_urls: Vec::new(),
        built_in_connections: Vec::new(),
        connections: Vec::new(),
        connectors: vec![("keys.toml".into(), CONNECTOR.into())],
        proxy: None,
        refresh: RefreshSettings::default(),
    };
    Engine::open(settings).await.unwrap()
}

/// A link whose form this browser was shown.
struct Visit {
    router: Router,
    path: String,
    cookie: String,
    token: String,
}

impl Visit {
    async fn new() -> Self {
        Self::at(&engine("http://localhost:7415").await).await
    }

    async fn at(engine: &Arc<Engine>) -> Self {
        let by = AccountBy::Name {
            connection: ConnectionName::parse("keys").unwrap(),
            identifier: Identifier::parse("user_1").unwrap(),
        };
        let account = AccountRef { organization: Organization::default(), by };
        let new = NewLink { account, scopes: None, user_verify_url: None, state: None };
        let link = engine.authorization_link(new).await.unwrap();
        let path = Url::parse(link.url.expose_secret()).unwrap().path().to_owned();
        let mut visit = Self { router: router(engine.clone()), path, cookie: String::new(), token: String::new() };
        let shown = visit.send("GET", &[], "").await;
        visit.cookie = cookie(&shown);
        visit.token = token(&shown);
        visit
    }

    async fn send(&self, method: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Response<Bytes> {
        let request = Request::builder().method(method).uri(&self.path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        handle(self.router.clone(), request.body(Bytes::copy_from_slice(body.as_ref())).unwrap()).await
    }

    /// Sends a body as the form does.
    async fn post(&self, body: impl AsRef<[u8]>) -> Response<Bytes> {
        self.send("POST", &[ORIGIN, FORM, ("cookie", &self.cookie)], body).await
    }

    async fn enter(&self, entries: &str) -> Response<Bytes> {
        self.post(format!("form-token={}&{entries}", self.token)).await
    }

    /// Whether the link can still be used, in the browser that was shown it.
    async fn is_alive(&self) -> bool {
        self.enter("shop=acme&api_key=k1").await.status() == 303
    }
}

const ORIGIN: (&str, &str) = ("origin", "http://localhost:7415");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn cookie(response: &Response<Bytes>) -> String {
    response.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
}

fn token(response: &Response<Bytes>) -> String {
    let (_, rest) = text(response).split_once("name=\"form-token\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

// A36
#[tokio::test]
async fn a_form_is_sent_once_and_leads_to_another_page() {
    let visit = Visit::new().await;
    let accepted = visit.enter("shop=acme&api_key=k1").await;
    assert_eq!(accepted.status(), 303);
    assert!(accepted.headers()[LOCATION].to_str().unwrap().contains("/connect/outcome/flow_"));
    let again = visit.enter("shop=acme&api_key=k1").await;
    assert_eq!(again.status(), 410);
    assert!(text(&again).contains("This link was used already"));
    assert_eq!(visit.send("GET", &[], "").await.status(), 410);
}

// A16
#[tokio::test]
async fn no_other_site_sends_the_form() {
    let visit = Visit::new().await;
    let body = format!("form-token={}&shop=acme&api_key=k1", visit.token);
    let from = async |headers: &[(&str, &str)]| {
        let headers = [&[FORM, ("cookie", visit.cookie.as_str())], headers].concat();
        visit.send("POST", &headers, &body).await.status()
    };
    for headers in [
        &[][..],
        &[("origin", "https://evil.test")],
        &[("origin", "null")],
        &[("origin", "null"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[ORIGIN, ("sec-purpose", "prefetch")],
    ] {
        assert_eq!(from(headers).await, 403, "{headers:?}");
    }
    assert!(visit.is_alive().await);
}

// A16
#[tokio::test]
async fn a_form_counts_in_the_browser_that_was_shown_it_alone() {
    let engine = engine("http://localhost:7415").await;
    let (visit, other) = (Visit::at(&engine).await, Visit::at(&engine).await);
    let entries = "shop=acme&api_key=k1";
    let with = async |cookie: &str, token: &str| {
        let body = format!("{token}{entries}");
        visit.send("POST", &[ORIGIN, FORM, ("cookie", cookie)], body).await
    };
    let (ours, theirs) = (format!("form-token={}&", visit.token), format!("form-token={}&", other.token));
    let twice = format!("{}; {}", visit.cookie, other.cookie);
    for (cookie, token) in [
        (visit.cookie.as_str(), ""),
        (&visit.cookie, "form-token=&"),
        (&visit.cookie, &theirs),
        (&visit.cookie, "form-token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&"),
        ("", &ours),
        ("onbehalf-form=", &ours),
        (&other.cookie, &ours),
        (&other.cookie, &theirs),
        (&twice, &ours),
    ] {
        let refused = with(cookie, token).await;
        assert_eq!(refused.status(), 403, "{cookie} {token}");
        assert!(text(&refused).contains("Open the link again"), "{cookie} {token}");
    }
    assert!(visit.is_alive().await);
}

#[tokio::test]
async fn a_browser_may_have_several_forms_open() {
    let engine = engine("http://localhost:7415").await;
    let (first, second) = (Visit::at(&engine).await, Visit::at(&engine).await);
    let shown = second.send("GET", &[("cookie", &first.cookie)], "").await;
    assert_eq!(cookie(&shown), first.cookie);
    let second = Visit { cookie: first.cookie.clone(), token: token(&shown), ..second };
    assert!(first.is_alive().await && second.is_alive().await);
}

// A16
#[tokio::test]
async fn the_key_of_a_browser_is_kept_from_sibling_domains_where_there_is_https() {
    let visit = Visit::at(&engine("https://acme.test").await).await;
    let shown = visit.send("GET", &[], "").await;
    let set = shown.headers()[SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("__Host-onbehalf-form="), "{set}");
    assert!(set.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"), "{set}");
}

// A31
#[tokio::test]
async fn a_body_that_has_no_single_meaning_is_refused_and_nothing_is_lost() {
    let visit = Visit::new().await;
    let proof = format!("form-token={}&", visit.token);
    for entries in [
        "shop=acme&api_key=k1&api_key=k2",
        "shop=acme&shop=acme&api_key=k1",
        "shop=acme&api_key=k1&other=x",
        "shop=acme&api_key=k1&form-token=x",
        "shop=acme&api_key=%ff%fe",
        "shop=acme&api_key=%c0%80",
        "shop=acme&api_key=%ed%a0%80",
        "shop=acme&api_key=k%1",
        "shop=%zz&api_key=k1",
        "%ff=acme",
    ] {
        let refused = visit.post(format!("{proof}{entries}")).await;
        assert_eq!(refused.status(), 400, "{entries}");
        assert!(text(&refused).contains("the link still works"), "{entries}");
    }
    assert_eq!(visit.post([proof.as_bytes(), b"shop=acme&api_key=\xff"].concat()).await.status(), 400);
    assert!(visit.is_alive().await);
}

#[tokio::test]
async fn a_body_of_another_type_or_size_is_refused() {
    let visit = Visit::new().await;
    let body = format!("form-token={}&shop=acme&api_key=k1", visit.token);
    for media_type in ["application/json", "multipart/form-data; boundary=x", "text/plain", ""] {
        let headers = [ORIGIN, ("content-type", media_type), ("cookie", &visit.cookie)];
        assert_eq!(visit.send("POST", &headers, &body).await.status(), 415, "{media_type}");
    }
    let long = |length: usize| {
        let body = format!("form-token={}&shop=acme&api_key=", visit.token);
        body.clone() + &"k".repeat(length - body.len())
    };
    assert_eq!(visit.post(long(64 * 1024 + 1)).await.status(), 413);
    // Read whole, and found too long for a key.
    assert_eq!(visit.post(long(64 * 1024)).await.status(), 422);
    assert!(visit.is_alive().await);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let visit = Visit::new().await;
    let never = axum::body::Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let request = Request::builder().method("POST").uri(&visit.path);
    let headers = [ORIGIN, FORM, ("cookie", visit.cookie.as_str())];
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    tokio::time::pause();
    let answer = tower::ServiceExt::oneshot(visit.router.clone(), request.body(never).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 408);
}

// A36
#[tokio::test]
async fn a_fault_brings_the_form_back_without_the_secret() {
    let visit = Visit::new().await;
    let back = visit.enter("shop=ACME+1&api_key=hunter2").await;
    assert_eq!(back.status(), 422);
    let html = text(&back);
    assert!(html.contains("value=\"ACME 1\"") && !html.contains("hunter2"), "{html}");
    assert!(html.contains("aria-invalid=\"true\"") && html.contains("role=\"alert\""));
    // The form that came back is as good as the first.
    assert_eq!((cookie(&back), token(&back)), (visit.cookie.clone(), visit.token.clone()));
    assert!(visit.is_alive().await);
}

// A35
#[tokio::test]
async fn every_answer_to_a_form_has_the_strict_headers() {
    let visit = Visit::new().await;
    let answers = [
        visit.send("GET", &[], "").await,
        visit.enter("shop=1&api_key=").await,
        visit.enter("other=1").await,
        visit.post("shop=acme").await,
        visit.enter("shop=acme&api_key=k1").await,
        visit.enter("shop=acme&api_key=k1").await,
    ];
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, [200, 422, 400, 403, 303, 410]);
    for answer in answers {
        let headers = answer.headers();
        for line in include_str!("headers.txt").lines() {
            let (name, value) = line.split_once(": ").unwrap();
            if name != CONTENT_SECURITY_POLICY {
                assert_eq!(headers[name], value, "{}", answer.status());
            }
        }
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        let form_action = if text(&answer).contains("<form") { "form-action 'self';" } else { "form-action 'none';" };
        assert!(
            policy.contains(form_action) && policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
    }
}

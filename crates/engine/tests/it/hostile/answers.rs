//! Answers that refuse, and answers that send us elsewhere: which of them end an account (A109, A111, A112).

use std::{net::TcpListener as Untouched, time::Duration};

use onbehalf_engine::{
    Error,
    accounts::Status,
    connect::Outcome,
    proxy::{Body, ProxyRequest},
};

use super::{
    Encounter,
    provider::{answers, json, says},
};
use crate::world::{account, code};

// A109
#[tokio::test]
async fn an_account_ends_by_a_whole_refusal_in_the_providers_own_words() {
    for (status, body) in [
        (400, r#"{"error":"invalid_grant"}"#),
        (401, r#"{"error":"invalid_grant","error_description":"Token has been revoked."}"#),
        (200, r#"{"error":"bad_refresh_token","error_description":"It is incorrect or expired."}"#),
        (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#),
        (200, "error=bad_refresh_token&error_description=It+is+incorrect"),
    ] {
        let encounter = Encounter::with("user_1").await;
        // Once is not enough: the answer may come from a server that has not heard of the token yet.
        encounter.provider.next(json(status, body));
        let refused = encounter.refreshes("user_1", json(status, body)).await;
        assert_eq!(code(refused), "REAUTHORIZATION_REQUIRED", "{status} {body}");
        let found = encounter.account("user_1").await;
        assert_eq!((found.status, found.reason.as_deref()), (Status::Expired, Some("revoked")), "{status} {body}");
        let before = encounter.provider.requests().len();
        assert_eq!(code(encounter.refreshes_honestly("user_1").await), "REAUTHORIZATION_REQUIRED");
        assert_eq!(encounter.provider.requests().len(), before, "what is dead is not presented again");
    }
}

// A109
#[tokio::test]
async fn no_other_refusal_ends_an_account() {
    let grant = r#"{"error":"invalid_grant"}"#;
    let page = "<html><body>invalid_grant</body></html>";
    let encounter = Encounter::with("user_1").await;
    for (status, body, wanted) in [
        (400, "", "PROVIDER_UNAVAILABLE"),
        (400, page, "PROVIDER_UNAVAILABLE"),
        (400, "invalid_grant", "PROVIDER_UNAVAILABLE"),
        (400, "error=invalid_grant", "PROVIDER_UNAVAILABLE"),
        (400, r#"{"error":"invalid_grant""#, "PROVIDER_UNAVAILABLE"),
        (400, r#"{"error":"invalid_grant"} and more"#, "PROVIDER_UNAVAILABLE"),
        (400, r#"{"error":"invalid_grant","error":"invalid_grant"}"#, "PROVIDER_UNAVAILABLE"),
        (400, r#"{"error":["invalid_grant"]}"#, "PROVIDER_UNAVAILABLE"),
        (400, r#"{"error":{"error":"invalid_grant"}}"#, "PROVIDER_UNAVAILABLE"),
        (400, r#"{"error":"INVALID_GRANT"}"#, "PROVIDER_UNAVAILABLE"),
        (400, "{\"error\":\"invalid_grant\u{0}\"}", "PROVIDER_UNAVAILABLE"),
        (400, r#"{"error":"some_day"}"#, "PROVIDER_UNAVAILABLE"),
        (200, r#"{"ok":false,"error":"ratelimited"}"#, "PROVIDER_UNAVAILABLE"),
        (200, page, "PROVIDER_UNAVAILABLE"),
        (302, grant, "PROVIDER_UNAVAILABLE"),
        (403, grant, "PROVIDER_UNAVAILABLE"),
        (404, grant, "PROVIDER_UNAVAILABLE"),
        (407, grant, "PROVIDER_UNAVAILABLE"),
        (429, grant, "PROVIDER_UNAVAILABLE"),
        (500, grant, "PROVIDER_UNAVAILABLE"),
        (503, grant, "PROVIDER_UNAVAILABLE"),
        (599, grant, "PROVIDER_UNAVAILABLE"),
        (999, grant, "PROVIDER_UNAVAILABLE"),
        (400, r#"{"error":"invalid_client"}"#, "CONNECTION_MISCONFIGURED"),
        (401, r#"{"error":"unauthorized_client"}"#, "CONNECTION_MISCONFIGURED"),
    ] {
        let refused = encounter.refreshes("user_1", json(status, body)).await;
        assert_eq!(code(refused), wanted, "{status} {body}");
        assert_eq!(encounter.account("user_1").await.status, Status::Active, "{status} {body}");
        encounter.refreshes_honestly("user_1").await.unwrap();
    }
}

// A52: heads that no two readers agree on. What stands behind them is not believed.
#[tokio::test]
async fn a_malformed_head_is_no_answer() {
    let tokens = r#"{"access_token":"evil","refresh_token":"evil"}"#;
    let encounter = Encounter::with("user_1").await;
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 46\r\ncontent-length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 4 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 46\r\nbad name: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 46\r\nx: a\0b\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "\x16\x03\x01\x02\x00",
        "",
    ] {
        let answered = encounter.refreshes("user_1", says(format!("{head}{tokens}"))).await;
        assert_eq!(code(answered), "PROVIDER_UNAVAILABLE", "{head:?}");
        assert_eq!(encounter.account("user_1").await.status, Status::Active, "{head:?}");
        assert_ne!(encounter.stored_refresh_token("user_1").await, "evil", "{head:?}");
    }
}

// A111
#[tokio::test]
async fn a_wait_is_as_long_as_it_is_asked_for_within_a_second_and_an_hour() {
    let encounter = Encounter::with("user_1").await;
    for (asked, least, most) in [
        ("120", 120, 120),
        ("-1", 1, 1),
        ("0", 1, 1),
        ("1000000000000", 3600, 3600),
        ("99999999999999999999999999", 3600, 3600),
        ("Thu, 01 Jan 2015 00:00:00 GMT", 1, 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600, 3600),
        // What says nothing leaves us our own pause: none, after a first failure.
        ("soon", 0, 0),
        ("1e400", 0, 0),
        ("NaN", 0, 0),
        ("", 0, 0),
        ("\u{ff11}\u{ff12}", 0, 0),
    ] {
        for status in [429, 503] {
            let script = answers(status, &format!("retry-after: {asked}\r\n"), "");
            let refused = encounter.refreshes("user_1", script).await;
            let Err(Error::ProviderUnavailable { retry_at: Some(retry_at), .. }) = refused else {
                panic!("{asked}: {refused:?}")
            };
            let wait = encounter.now().until(retry_at).as_secs();
            assert!((least..=most).contains(&wait), "{asked}: {wait} s");
            if least > 0 {
                let before = encounter.provider.requests().len();
                assert_eq!(code(encounter.token("user_1").await), "PROVIDER_UNAVAILABLE", "{asked}");
                assert_eq!(encounter.provider.requests().len(), before, "{asked}: it was asked nevertheless");
            }
            encounter.world.pass(Duration::from_secs(most));
            encounter.token("user_1").await.unwrap();
        }
    }
}

/// A listening socket that must never be connected to.
struct Elsewhere(Untouched);

impl Elsewhere {
    fn new() -> Self {
        let listener = Untouched::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    /// A redirect to it, with one of the five statuses, by each header that a browser would obey.
    fn redirect(&self, status: u16) -> super::provider::Script {
        let url = format!("http://{}/s3cret?code=s3cret", self.0.local_addr().unwrap());
        let headers = format!("location: {url}\r\nrefresh: 0; url={url}\r\nalt-svc: h2=\"{url}\"\r\n");
        answers(status, &headers, format!("<a href=\"{url}\">here</a>"))
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let accepted = self.0.accept().map_err(|error| error.kind());
        assert!(matches!(accepted, Err(std::io::ErrorKind::WouldBlock)) || std::thread::panicking());
    }
}

// A112, A44: neither the app's secret, nor a code, nor a token follows.
#[tokio::test]
async fn a_redirect_is_followed_nowhere() {
    let elsewhere = Elsewhere::new();
    for status in [301, 302, 303, 307, 308] {
        let encounter = Encounter::new().await;
        encounter.provider.next(elsewhere.redirect(status));
        let returned = encounter.consents("user_1").await;
        let failed = Outcome::Failed { code: "AUTHORIZATION_FAILED".into() };
        assert_eq!(encounter.world.outcome(&returned).await, failed, "{status}");

        encounter.consents("user_1").await;
        let error = encounter.refreshes("user_1", elsewhere.redirect(status)).await.unwrap_err();
        assert_eq!(error.code(), "PROVIDER_UNAVAILABLE", "{status}");
        assert!(error.to_string().starts_with("`127.0.0.1` ") && !error.to_string().contains("s3cret"), "{error}");
        assert_eq!(encounter.account("user_1").await.status, Status::Active, "{status}");

        encounter.refreshes_honestly("user_1").await.unwrap();
        encounter.provider.next(elsewhere.redirect(status));
        let request = ProxyRequest {
            account: account("example", "user_1"),
            method: Some("POST".into()),
            path: "/files".into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Bytes("text".into()),
            timeout: None,
        };
        assert_eq!(encounter.world.engine.request(request).await.unwrap().status, status, "it is an answer");
    }
}

// A112: the probe carries the new token.
#[tokio::test]
async fn a_probe_that_is_redirected_says_nothing() {
    let elsewhere = Elsewhere::new();
    let encounter = Encounter::new().await;
    encounter.provider.next(json(200, r#"{"access_token":"access-1","expires_in":3600}"#));
    encounter.provider.next(elsewhere.redirect(307));
    encounter.consents("user_1").await;
    let found = encounter.account("user_1").await;
    assert_eq!((found.status, found.provider_account_id), (Status::Active, None));
}

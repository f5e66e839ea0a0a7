//! What a provider says for people and for logs: none of it moves a cursor, turns text around, or is taken for ours
//! (A113).

use onbehalf_engine::{accounts::Status, connect::Outcome};
use serde_json::json;

use super::{
    Encounter, is_harmless,
    provider::{answers, json},
};
use crate::flows::state_of;

/// Colours, a cleared screen, a title, a reversal, hidden marks, HTML, a false log line.
const HOSTILE: [&str; 8] = [
    "\u{1b}[31minvalid_grant",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\u{9b}31m",
    "\u{202e}tnarg_dilavni",
    "\u{200b}\u{feff}invalid_grant\u{2069}",
    "<script>alert(1)</script>",
    "x\r\n2026-01-01T00:00:00Z ERROR onbehalf: all tokens lost",
    "\u{0}",
];

// A113
#[tokio::test]
async fn no_error_repeats_what_a_token_endpoint_says() {
    let encounter = Encounter::with("user_1").await;
    for words in HOSTILE.map(str::to_owned).into_iter().chain(["x".repeat(20_000)]) {
        for status in [200, 400] {
            for error in [words.as_str(), "invalid_client"] {
                let body = json!({ "error": error, "error_description": words, "error_uri": words }).to_string();
                let error = encounter.refreshes("user_1", json(status, body)).await.unwrap_err();
                assert!(is_harmless(&error.to_string()), "{status} {words:?}: {error}");
                let noted = encounter.account("user_1").await.last_refresh_error.unwrap();
                assert!(is_harmless(&noted), "{status} {words:?}: {noted}");
                encounter.refreshes_honestly("user_1").await.unwrap();
            }
        }
    }
}

// A113: nor the reason phrase, nor a header, however large.
#[tokio::test]
async fn no_error_repeats_what_stands_in_a_head() {
    let encounter = Encounter::with("user_1").await;
    let long = "x".repeat(100_000);
    for headers in ["www-authenticate: \x1b[31mBearer\r\n", &format!("x: {long}\r\n"), "x: \u{202e}\r\n"] {
        let error = encounter.refreshes("user_1", answers(400, headers, "")).await.unwrap_err();
        assert!(is_harmless(&error.to_string()), "{error}");
        encounter.refreshes_honestly("user_1").await.unwrap();
    }
}

// A113, A32: what comes back through the browser.
#[tokio::test]
async fn no_outcome_repeats_what_a_callback_says() {
    let encounter = Encounter::new().await;
    for words in HOSTILE.map(str::to_owned).into_iter().chain(["x".repeat(100_000)]) {
        let started = encounter.world.started("example", "user_1").await;
        let given =
            [("state", state_of(&started.authorize_url)), ("error", words.clone()), ("error_description", words)];
        let parameters = given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let returned = encounter.world.comes_back(&started, parameters).await.unwrap();
        let failed = Outcome::Failed { code: "AUTHORIZATION_FAILED".into() };
        assert_eq!(encounter.world.outcome(&returned).await, failed);
        assert!(is_harmless(returned.location.as_str()), "{}", returned.location);
    }
    assert_eq!(encounter.account("user_1").await.status, Status::PendingAuth);
    assert_eq!(encounter.provider.requests().len(), 0);
}

// A113: a person's name at the provider is shown on pages and in lists.
#[tokio::test]
async fn a_name_that_cannot_be_shown_is_no_name() {
    for (label, expected) in [
        (json!("Ada \u{1b}[31m"), None),
        (json!("Ada\r\nadmin"), None),
        (json!("x".repeat(513)), None),
        (json!({ "first": "Ada" }), None),
        (json!("<b>Ada</b>"), Some("<b>Ada</b>")),
        (json!("Ada \u{202e}nimda"), None),
    ] {
        let encounter = Encounter::new().await;
        encounter.provider.next(json(200, r#"{"access_token":"access-1","expires_in":3600}"#));
        encounter.provider.next(json(200, json!({ "id": "ada", "email": label }).to_string()));
        encounter.consents("user_1").await;
        let found = encounter.account("user_1").await;
        assert_eq!((found.status, found.provider_account_label.as_deref()), (Status::Active, expected), "{label}");
    }
}

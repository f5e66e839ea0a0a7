//! More than anyone asked for: what is read of it is bounded, and the account outlives it (A101–A103).

use onbehalf_engine::accounts::Status;

use super::{
    Encounter,
    provider::{
        Script,
        Step::{Flood, Read, Write},
        json, message,
    },
};
use crate::world::code;

/// Far less than any of these floods, and more than the buffers of two sockets on loopback.
const BOUND: u64 = 16 << 20;

fn flood(head: &str, wave: impl Into<Vec<u8>>) -> Script {
    vec![Read, Write(head.into()), Flood(wave.into())]
}

// A101: bodies and heads without end.
#[tokio::test]
async fn of_a_flood_little_is_read_and_nothing_is_lost() {
    let wave = "x".repeat(64 * 1024);
    let chunk = format!("10000\r\n{wave}\r\n");
    let (too_large, interrupted) = ("PROVIDER_RESPONSE_INVALID", "PROVIDER_UNAVAILABLE");
    let encounter = Encounter::with("user_1").await;
    for (case, script, wanted) in [
        ("10 GB announced", flood("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n", &*wave), too_large),
        ("a body without end", flood("HTTP/1.1 200 OK\r\n\r\n", &*wave), too_large),
        ("chunks without end", flood("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &*chunk), too_large),
        (
            "one chunk of all",
            flood("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffff\r\n", &*wave),
            too_large,
        ),
        ("a status without end", flood("HTTP/1.1 200 ", &*wave), interrupted),
        ("a header without end", flood("HTTP/1.1 200 OK\r\nx: ", &*wave), interrupted),
        ("headers without end", flood("HTTP/1.1 200 OK\r\n", "x: y\r\n".repeat(10_000)), interrupted),
        (
            "a chunk's extension without end",
            flood("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x=", &*wave),
            interrupted,
        ),
        (
            "trailers without end",
            flood("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "x: y\r\n".repeat(10_000)),
            interrupted,
        ),
    ] {
        let (old, before) = (encounter.refresh_token("user_1").await, encounter.provider.sent());
        assert_eq!(code(encounter.refreshes("user_1", script).await), wanted, "{case}");
        let sent = encounter.provider.sent() - before;
        assert!(sent < BOUND, "{case}: {sent} bytes");
        assert_eq!(encounter.account("user_1").await.status, Status::Active, "{case}");
        assert_eq!(encounter.stored_refresh_token("user_1").await, old, "{case}");
    }
}

// A101: what the person waits for meanwhile is only a name.
#[tokio::test]
async fn a_flood_from_the_probe_costs_the_account_its_name_alone() {
    let encounter = Encounter::new().await;
    encounter.provider.next(json(200, r#"{"access_token":"access-1","expires_in":3600}"#));
    encounter.provider.next(flood("HTTP/1.1 200 OK\r\n\r\n", r#"{"id":"#.repeat(10_000)));
    encounter.consents("user_1").await;
    let found = encounter.account("user_1").await;
    assert_eq!((found.status, found.provider_account_id), (Status::Active, None));
    assert!(encounter.provider.sent() < BOUND);
}

/// 8 MiB of spaces behind a token answer, in 8 KiB.
const BOMB: &[u8] = include_bytes!("bomb.json.gz");

// A102: nothing compressed was asked for, and nothing is inflated.
#[tokio::test]
async fn a_compressed_answer_is_not_inflated() {
    let encounter = Encounter::with("user_1").await;
    for coding in ["gzip", "x-gzip", "gzip, gzip", "deflate", "br", "zstd", "identity"] {
        let old = encounter.refresh_token("user_1").await;
        let headers = format!("content-type: application/json\r\ncontent-encoding: {coding}\r\n");
        let script = vec![Read, Write(message(200, &headers, BOMB))];
        assert_eq!(code(encounter.refreshes("user_1", script).await), "PROVIDER_UNAVAILABLE", "{coding}");
        assert_eq!(encounter.account("user_1").await.status, Status::Active, "{coding}");
        assert_eq!(encounter.stored_refresh_token("user_1").await, old, "{coding}");
    }
    let asked = encounter.provider.requests();
    assert!(!asked.iter().any(|request| request.to_ascii_lowercase().contains("accept-encoding")), "{asked:?}");
}

// A103
#[tokio::test]
async fn deep_and_wide_answers_are_given_up_before_they_cost_anything() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let wide = |members: usize| (0..members).map(|n| format!(r#""{n}":0,"#)).collect::<String>();
    let token = r#""refresh_token":"new-refresh""#;
    let (too_large, unusable) = ("PROVIDER_RESPONSE_INVALID", "PROVIDER_UNAVAILABLE");
    let encounter = Encounter::with("user_1").await;
    for (case, body, wanted, kept) in [
        ("10^5 lists", deep(100_000), too_large, false),
        ("10^4 lists", deep(10_000), unusable, false),
        ("10^4 lists behind a token", format!("{{{token},\"a\":{}}}", deep(10_000)), unusable, true),
        ("10^4 lists before a token", format!("{{\"a\":{},{token}}}", deep(10_000)), unusable, false),
        ("10^4 objects", "{\"a\":".repeat(5_000), unusable, false),
        ("10^6 members", format!("{{{}}}", wide(100_000)), too_large, false),
        ("3,000 members behind a token", format!("{{{token},{}\"a\":0}}", wide(3_000)), unusable, true),
        ("3,000 members before a token", format!("{{{}{token}}}", wide(3_000)), unusable, false),
        ("a token of 1 MB", format!(r#"{{"access_token":"{}",{token}}}"#, "a".repeat(1 << 20)), too_large, false),
    ] {
        let old = encounter.refresh_token("user_1").await;
        assert_eq!(code(encounter.refreshes("user_1", json(200, body)).await), wanted, "{case}");
        assert_eq!(encounter.account("user_1").await.status, Status::Active, "{case}");
        let stored = encounter.stored_refresh_token("user_1").await;
        assert_eq!(stored, if kept { "new-refresh" } else { &old }, "{case}");
    }
}

// A103: the probe's answer is read by the same reader, up to a mebibyte.
#[tokio::test]
async fn a_deep_or_wide_probe_costs_the_account_its_name_alone() {
    let wide: String = (0..80_000).map(|n| format!(r#""{n}":0,"#)).collect();
    for body in ["[".repeat(1_000_000), "{\"a\":".repeat(200_000), format!(r#"{{{wide}"id":"ada"}}"#)] {
        let encounter = Encounter::new().await;
        encounter.provider.next(json(200, r#"{"access_token":"access-1","expires_in":3600}"#));
        encounter.provider.next(json(200, body));
        encounter.consents("user_1").await;
        let found = encounter.account("user_1").await;
        assert_eq!((found.status, found.provider_account_id), (Status::Active, None));
    }
}

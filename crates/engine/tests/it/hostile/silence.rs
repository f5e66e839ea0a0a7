//! Answers that don't come, or come a byte at a time: each ends at the deadline, and what it leaves is told (A104).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use onbehalf_engine::{
    accounts::Status,
    egress::{Egress as _, Failure, Limits},
};
use tokio::{task::JoinSet, time::Instant};

use super::{
    Encounter, client,
    provider::{
        Provider,
        Step::{Flood, HalfClose, Read, ReadOnly, Stall, Trickle, Write},
        json, message,
    },
};
use crate::world::code;

const LIMITS: Limits = Limits { total: Duration::from_millis(200), body: 40 * 1024 };
/// For machines that are busy with all other tests too.
const AT_LAST: Duration = Duration::from_secs(10);

// A104
#[tokio::test]
async fn every_way_of_being_slow_ends_at_the_deadline() {
    let write = |text: &str| Write(text.into());
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let slow = [
        ("reads nothing", vec![Stall]),
        ("reads half a request", vec![ReadOnly(20), Stall]),
        ("reads and says nothing", vec![Read, Stall]),
        ("half a status", vec![Read, write("HTTP/1.1 2"), Stall]),
        ("half a head", vec![Read, write("HTTP/1.1 200 OK\r\nx: "), Stall]),
        ("a head in drops", vec![Read, write("HTTP/1.1 200 OK\r\n"), Trickle(b"x: y\r\n".into())]),
        ("a header in drops", vec![Read, write("HTTP/1.1 200 OK\r\nx: "), Trickle(b"y".into())]),
        ("no body", vec![Read, write(head), Stall]),
        ("half a body", vec![Read, write(head), write("{}"), Stall]),
        ("a body in drops", vec![Read, write(head), Trickle(b" ".into())]),
        ("half a chunk's size", vec![Read, write(chunked), write("1"), Stall]),
        ("chunks in drops", vec![Read, write(chunked), Trickle(b"1\r\n \r\n".into())]),
        ("a chunk's extension in drops", vec![Read, write(chunked), write("1;"), Trickle(b"x".into())]),
        ("trailers in drops", vec![Read, write(chunked), write("0\r\n"), Trickle(b"x: y\r\n".into())]),
        ("hints without end", vec![Read, Flood(b"HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n".repeat(100))]),
        ("hints in drops", vec![Read, Trickle(b"HTTP/1.1 100 Continue\r\n\r\n".into())]),
    ];
    let client = Arc::new(client());
    let ended = slow.into_iter().map(|(case, script)| (case, script, client.clone()));
    let ended = ended.map(|(case, script, client)| async move {
        let provider = Provider::start().await;
        provider.next(script);
        let request = http::Request::post(provider.url("/token")).body(Bytes::from_static(b"code=1")).unwrap();
        let begun = Instant::now();
        let answer = tokio::time::timeout(AT_LAST, client.send(request, LIMITS)).await.expect(case);
        assert!(matches!(answer, Err(Failure::Unknown { reason: "deadline", .. })), "{case}: {answer:?}");
        assert!(begun.elapsed() >= LIMITS.total, "{case}");
    });
    // Side by side, so that all of them take as long as one.
    ended.collect::<JoinSet<_>>().join_all().await;
}

// A104: half-open. The one who says that nothing more will come is believed at once.
#[tokio::test]
async fn a_closed_half_is_an_end() {
    for (answer, arrived) in [("", None), ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\"", Some("{\"a\""))] {
        let provider = Provider::start().await;
        provider.next(vec![Read, Write(answer.into()), HalfClose, Stall]);
        let limits = Limits { total: Duration::from_secs(60), ..LIMITS };
        let request = http::Request::get(provider.url("/")).body(Bytes::new()).unwrap();
        let Err(Failure::Unknown { reason: "interrupted", partial }) = client().send(request, limits).await else {
            panic!("{answer:?}")
        };
        assert_eq!(partial.map(|partial| partial.body), arrived.map(Bytes::from));
    }
}

// A52: a pooled connection is no letter box.
#[tokio::test]
async fn what_comes_behind_an_answer_answers_no_other_request() {
    let provider = Provider::start().await;
    let both = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirstHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    provider.next(vec![Read, Write(both.into()), Stall]);
    let client = client();
    for expected in ["first", r#"{"id":"ada","email":"ada@example.com"}"#] {
        let request = http::Request::get(provider.url("/me")).body(Bytes::new()).unwrap();
        let limits = Limits { total: Duration::from_secs(60), ..LIMITS };
        assert_eq!(client.send(request, limits).await.unwrap().into_body(), expected);
    }
}

/// Waits until the provider is silent, then lets time pass whenever nothing else can.
async fn until_silent(provider: &Provider) {
    provider.stalled.notified().await;
    tokio::time::pause();
}

// A104, F27: the real deadline is long, since a late answer may be the only copy of a token.
#[tokio::test]
async fn a_refresh_that_is_not_answered_is_given_up_after_ninety_seconds_and_nothing_is_lost() {
    for (script, kept) in [
        (vec![Read, Stall], "refresh-1"),
        (vec![Read, Write(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n".into()), Stall], "refresh-1"),
        (vec![Read, Write(message(200, "", br#"{"refresh_token":"new-refresh","#)[..].into()), Stall], "new-refresh"),
    ] {
        let encounter = Encounter::with("user_1").await;
        let begun = Instant::now();
        let (refreshed, ()) = tokio::join!(encounter.refreshes("user_1", script), until_silent(&encounter.provider));
        let waited = begun.elapsed().as_secs();
        tokio::time::resume();
        assert_eq!(code(refreshed), "PROVIDER_UNAVAILABLE");
        assert!(kept == "new-refresh" || (89..=91).contains(&waited), "{waited} s");
        assert_eq!(encounter.account("user_1").await.status, Status::Active);
        assert_eq!(encounter.stored_refresh_token("user_1").await, kept);
    }
}

// A104, F04: whether the token was spent in the silence is not known, and the account's reason says so.
#[tokio::test]
async fn a_grant_that_is_gone_after_a_silence_was_perhaps_lost_by_it() {
    let encounter = Encounter::with("user_1").await;
    let silence = encounter.refreshes("user_1", vec![Read, Stall]);
    let (refreshed, ()) = tokio::join!(silence, until_silent(&encounter.provider));
    tokio::time::resume();
    assert_eq!(code(refreshed), "PROVIDER_UNAVAILABLE");
    let gone = || json(400, r#"{"error":"invalid_grant"}"#);
    encounter.provider.next(gone());
    assert_eq!(code(encounter.refreshes("user_1", gone()).await), "REAUTHORIZATION_REQUIRED");
    assert_eq!(encounter.account("user_1").await.reason.as_deref(), Some("lost_rotation"));
}

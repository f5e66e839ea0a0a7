//! HTTP/2 as an attacker frames it (A59). Frames are written by hand: no library writes these.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::*;

/// Types of frames (RFC 9113 §6), and the two flags in use.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const NO_FLAGS: u8 = 0;
const END_HEADERS: u8 = 4;

/// The stream of a connection's first request.
const FIRST: u32 = 1;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field that is not in HPACK's tables (RFC 7541 §6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// The head of an answer that goes on.
fn head(status: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, FIRST, &field(":status", status))
}

/// A TLS server that answers each connection's first request with `opening`, then with `wave` over and over until the
/// client is gone. Counts connections.
async fn server(opening: Vec<u8>, wave: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let acceptor = acceptor(&[b"h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(attack(stream, opening.clone(), wave.clone()));
        }
    });
    (port, connections)
}

async fn attack<S: AsyncRead + AsyncWrite + Send + 'static>(
    stream: S,
    opening: Vec<u8>,
    wave: Vec<u8>,
) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    writer.write_all(&frame(SETTINGS, NO_FLAGS, 0, &[])).await?;
    writer.flush().await?;
    reader.read_exact(&mut [0; b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()]).await?;
    loop {
        let mut start = [0; 9];
        reader.read_exact(&mut start).await?;
        let length = u32::from_be_bytes([0, start[0], start[1], start[2]]);
        reader.read_exact(&mut vec![0; length as usize]).await?;
        if start[3] == HEADERS {
            break;
        }
    }
    // What the client says meanwhile must not fill the line.
    let reading = tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
    writer.write_all(&opening).await?;
    writer.flush().await?;
    while !wave.is_empty() && !reading.is_finished() {
        writer.write_all(&wave).await?;
    }
    reading.await.map(drop).map_err(io::Error::other)
}

/// What a request comes to within `total`, and over how many connections.
async fn outcome(opening: Vec<u8>, wave: Vec<u8>, total: Duration) -> (Failure, usize) {
    let (port, connections) = server(opening, wave).await;
    let limits = Limits { total, ..LIMITS };
    let outcome = vouching().send(get(&format!("https://localhost:{port}/")), limits).await.unwrap_err();
    (outcome, connections.load(Ordering::Relaxed))
}

// A59
#[tokio::test]
async fn frames_that_break_the_protocol_end_the_request_at_once() {
    let interrupted = Failure::Unknown { reason: "interrupted", partial: None };
    let fields = frame(CONTINUATION, NO_FLAGS, FIRST, &field("x", &"y".repeat(100)).repeat(100));
    // 4,000 bytes put into the dynamic table once, and named 10,000 times.
    let entry = [vec![0x40, 1, b'x', 0x7f, 0xa1, 0x1e], vec![b'y'; 4000]].concat();
    let bomb = [field(":status", "200"), entry, vec![0xbe; 10_000]].concat();
    for (case, opening, wave, expected) in [
        ("a head without end", frame(HEADERS, NO_FLAGS, FIRST, &field(":status", "200")), fields, &interrupted),
        ("one field 10,000 times", frame(HEADERS, END_HEADERS, FIRST, &bomb), vec![], &interrupted),
        ("a rapid reset", frame(RST_STREAM, NO_FLAGS, FIRST, &[0, 0, 0, 8]), vec![], &interrupted),
        ("data before a head", frame(DATA, NO_FLAGS, FIRST, b"{}"), vec![], &interrupted),
        ("data of another stream", frame(DATA, NO_FLAGS, 2, b"{}"), vec![], &interrupted),
        ("a frame beyond its size", frame(DATA, NO_FLAGS, FIRST, &[0; 20_000]), vec![], &interrupted),
        ("data without end", head("200"), frame(DATA, NO_FLAGS, FIRST, &[0; 1000]), &Failure::TooLarge),
    ] {
        let outcome = outcome(opening, wave, Duration::from_secs(60)).await;
        assert_eq!(outcome, (expected.clone(), 1), "{case}");
    }
}

// A59: lawful, each frame of them, and still no answer.
#[tokio::test]
async fn frames_that_answer_nothing_end_at_the_deadline() {
    let floods = [
        ("a farewell", frame(GOAWAY, NO_FLAGS, 0, &[0, 0, 0, 1, 0, 0, 0, 11]), vec![]),
        ("hints", vec![], head("103").repeat(100)),
        ("empty data", head("200"), frame(DATA, NO_FLAGS, FIRST, &[]).repeat(100)),
        ("pings", vec![], frame(PING, NO_FLAGS, 0, &[0; 8]).repeat(100)),
        ("settings", vec![], frame(SETTINGS, NO_FLAGS, 0, &[]).repeat(100)),
    ];
    let ended = floods.into_iter().map(|(case, opening, wave)| async move {
        let (outcome, connections) = outcome(opening, wave, Duration::from_millis(200)).await;
        let ended = matches!(outcome, Failure::Unknown { reason: "interrupted" | "deadline", .. });
        assert!(ended && connections <= 1, "{case}: {outcome:?}, {connections} connections");
    });
    // Side by side, so that all of them take as long as one.
    ended.collect::<JoinSet<_>>().join_all().await;
}

//! Bodies that flow, both ways: their order, their pace, and how they end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::{Request, Response, StatusCode};
use onbehalf_engine::{
    Error, Settings,
    egress::{
        Failure,
        body::{Incoming, Outgoing},
    },
    proxy::{AnswerBody, Body, ProxyRequest, ProxyResponse, Upload, upload},
};
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::{sync::oneshot, time::Instant};

use crate::world::{World, account, code, connection, settings, world};

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

fn post(body: Upload) -> ProxyRequest {
    ProxyRequest { method: Some("POST".into()), body: Body::Stream(body), ..get("/flow") }
}

async fn authorized() -> World {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.provider.state().api_requests.clear();
    world
}

/// The next request to `/flow` is answered by `answer`.
fn flow<F>(world: &World, answer: impl FnOnce(Outgoing) -> F + Send + 'static)
where
    F: Future<Output = Result<Incoming, Failure>> + Send + 'static,
{
    let flow =
        move |request: Request<Outgoing>| answer(request.into_body()).map(|body| body.map(Response::new)).boxed();
    world.provider.state().flow = Some(Box::new(flow));
}

/// The answer to `/flow` whose body these chunks are.
async fn answered(
    world: &World,
    chunks: impl stream::Stream<Item = Result<Bytes, Failure>> + Send + 'static,
) -> ProxyResponse<AnswerBody> {
    flow(world, |_| async { Ok(Incoming::new(chunks)) });
    world.engine.request_streaming(get("/flow")).await.unwrap()
}

fn chunk(text: &'static str) -> Result<Bytes, Failure> {
    Ok(Bytes::from_static(text.as_bytes()))
}

const CUT: Failure = Failure::Unknown { reason: "interrupted", partial: None };

/// A stream that says when it is dropped, as a connection does that closes.
fn guarded(dropped: &Arc<AtomicBool>) -> impl stream::Stream<Item = Result<Bytes, Failure>> + use<> {
    struct Guard(Arc<AtomicBool>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let guard = Guard(dropped.clone());
    stream::iter([chunk("first")]).chain(stream::pending()).map(move |chunk| {
        let _ = &guard;
        chunk
    })
}

#[test]
fn whatever_the_chunks_the_bytes_keep_their_order_both_ways() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(authorized());
    let chunks = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20);
    let mut runner = TestRunner::default();
    let outcome = runner.run(&(chunks, any::<bool>()), |(chunks, announced)| {
        runtime.block_on(async {
            flow(&world, |body| async {
                let Outgoing::Chunks(chunks) = body else { panic!("a streamed body became a whole one") };
                Ok(Incoming::new(chunks))
            });
            let sent = chunks.concat();
            let (writer, mut body) = upload();
            if announced {
                body = body.with_length(sent.len() as u64);
            }
            tokio::spawn(async move {
                for chunk in chunks {
                    assert!(writer.write(chunk.into()).await);
                }
                writer.end().await;
            });
            let answer = world.engine.request_streaming(post(body)).await.unwrap();
            prop_assert_eq!(&answer.body.collect().await.unwrap()[..], &sent[..]);
            prop_assert_eq!(answer.body.chunk().await.unwrap(), None);
            Ok(())
        })
    });
    outcome.unwrap();
}

/// A60.
#[tokio::test]
async fn nothing_is_asked_of_the_provider_before_somebody_reads() {
    let world = authorized().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let endless = stream::repeat_with(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Bytes::from(vec![0; 1024]))
    });
    let answer = answered(&world, endless).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    for reads in 1..5 {
        answer.body.chunk().await.unwrap().unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), reads);
    }
}

#[tokio::test]
async fn a_provider_that_takes_nothing_is_handed_nothing_more() {
    let world = authorized().await;
    let (answer, wait) = oneshot::channel::<()>();
    flow(&world, |body| async move {
        let _ = wait.await;
        drop(body);
        Ok(Incoming::whole("enough"))
    });
    let (writer, body) = upload();
    let written = async {
        let mut accepted = 0;
        while writer.write(Bytes::from_static(b"chunk")).now_or_never() == Some(true) {
            accepted += 1;
        }
        let more = writer.write(Bytes::from_static(b"chunk"));
        answer.send(()).unwrap();
        (accepted, more.await)
    };
    let (answer, written) = tokio::join!(world.engine.request(post(body)), written);
    assert_eq!(&answer.unwrap().body[..], b"enough");
    assert_eq!(written, (2, false), "two chunks ahead, and none once the request is over");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_falls_silent_is_given_up() {
    let world = authorized().await;
    let answer = answered(&world, stream::iter([chunk("first")]).chain(stream::pending())).await;
    assert_eq!(answer.body.chunk().await.unwrap().unwrap(), "first");
    let before = Instant::now();
    for _ in 0..2 {
        let error = answer.body.chunk().await.unwrap_err();
        assert_eq!((error.code(), error.retryable()), ("ANSWER_LOST", true));
    }
    assert_eq!(before.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_reader_may_take_its_time() {
    let world = authorized().await;
    let answer = answered(&world, stream::iter([chunk("one"), chunk("two")])).await;
    for text in ["one", "two"] {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(answer.body.chunk().await.unwrap().unwrap(), text);
    }
    assert_eq!(answer.body.chunk().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn readers_at_the_same_time_share_the_chunks_in_order() {
    let world = authorized().await;
    let slow = stream::iter([chunk("one"), chunk("two")]).then(|chunk| async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        chunk
    });
    let body = answered(&world, slow).await.body;
    let (first, second, third) = tokio::join!(body.chunk(), body.chunk(), body.chunk());
    assert_eq!(first.unwrap().unwrap(), "one");
    assert_eq!(second.unwrap().unwrap(), "two");
    assert_eq!(third.unwrap(), None);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_whole() {
    let world = authorized().await;
    let answer = answered(&world, stream::iter([chunk("first"), Err(CUT)])).await;
    assert_eq!(answer.body.chunk().await.unwrap().unwrap(), "first");
    assert_eq!(code(answer.body.chunk().await), "ANSWER_LOST");
    assert_eq!(code(answer.body.collect().await), "ANSWER_LOST");
}

#[tokio::test]
async fn a_body_that_fails_breaks_the_request_off() {
    let world = authorized().await;
    let failed = || Error::invalid("body", "is the test's own failure");
    for (length, written, fails, ends) in [
        (None, "half", true, false),
        (None, "half", false, false),
        (Some(5), "half", false, true),
        (Some(3), "half", false, true),
    ] {
        let whole = Arc::new(AtomicBool::new(false));
        let seen = whole.clone();
        flow(&world, |body| async move {
            body.collect().await?;
            seen.store(true, Ordering::Relaxed);
            Ok(Incoming::whole("taken"))
        });
        let (writer, mut body) = upload();
        if let Some(length) = length {
            body = body.with_length(length);
        }
        let writing = async move {
            writer.write(Bytes::from_static(written.as_bytes())).await;
            if fails {
                writer.fail(failed());
            }
            if ends {
                writer.end().await;
            }
        };
        let (answer, ()) = tokio::join!(world.engine.request(post(body)), writing);
        let error = answer.unwrap_err();
        assert_eq!((error.code(), error.details()["argument"].as_str()), ("INVALID_ARGUMENT", "body"));
        assert!(!fails || error.to_string() == failed().to_string(), "{error}");
        assert!(!whole.load(Ordering::Relaxed), "a part was taken for the whole");
    }
}

#[tokio::test]
async fn closing_the_environment_ends_what_nobody_reads() {
    let world = authorized().await;
    let dropped = Arc::new(AtomicBool::new(false));
    let answer = answered(&world, guarded(&dropped)).await;
    assert_eq!(answer.body.chunk().await.unwrap().unwrap(), "first");
    world.engine.close().await.unwrap();
    assert!(dropped.load(Ordering::Relaxed));
    assert_eq!(code(answer.body.chunk().await), "CLOSED");
}

#[tokio::test]
async fn closing_the_environment_ends_what_somebody_waits_for() {
    let world = authorized().await;
    let answer = answered(&world, stream::pending()).await;
    let (read, closed) = tokio::join!(answer.body.chunk(), world.engine.close());
    closed.unwrap();
    assert_eq!(code(read), "CLOSED");
}

#[tokio::test]
async fn a_body_that_is_cancelled_or_forgotten_closes_the_connection() {
    let world = authorized().await;
    let dropped = Arc::new(AtomicBool::new(false));
    let answer = answered(&world, guarded(&dropped)).await;
    answer.body.cancel();
    assert!(dropped.swap(false, Ordering::Relaxed));
    assert_eq!(code(answer.body.chunk().await), "ANSWER_LOST");

    drop(answered(&world, guarded(&dropped)).await);
    // Waits for whatever the answer left behind.
    world.engine.close().await.unwrap();
    assert!(dropped.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_refused_request_is_sent_again_if_its_body_can_be() {
    let world = authorized().await;
    let refusing = || {
        let refuse = |_| async {
            let mut refused = Response::new(Incoming::whole("no"));
            *refused.status_mut() = StatusCode::UNAUTHORIZED;
            Ok(refused)
        };
        world.provider.state().flow = Some(Box::new(move |request| refuse(request).boxed()));
    };
    refusing();
    let (writer, body) = upload();
    let (answer, ()) = tokio::join!(world.engine.request_streaming(post(body)), writer.end());
    assert_eq!(answer.unwrap().status, 401);
    assert_eq!(world.token_requests(), 1);

    refusing();
    let request = ProxyRequest { body: Body::Bytes("again".into()), ..get("/flow") };
    let answer = world.engine.request_streaming(request).await.unwrap();
    assert_eq!((answer.status, &answer.body.collect().await.unwrap()[..]), (200, &b"again"[..]));
    assert_eq!(world.token_requests(), 2);
}

#[tokio::test]
async fn a_connector_that_sends_its_credential_in_the_body_takes_no_stream() {
    let send = "\n[auth.oauth2.send]\nbody = { auth = \"{access_token}\" }\n";
    let file = crate::world::CONNECTOR.replace("[probe]\nurl = \"/me\"\nid = \"id\"\nlabel = \"email\"", send);
    let settings = Settings {
        connectors: vec![("example.toml".into(), file)],
        connections: vec![connection("example")],
        ..settings()
    };
    let world = World::with(settings).await;
    world.authorize("user_1", "ada").await;
    assert_eq!(code(world.engine.request(post(upload().1)).await), "INVALID_ARGUMENT");
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_has_as_long_as_it_takes() {
    let world = authorized().await;
    flow(&world, |body| async { Ok(Incoming::whole(body.collect().await?)) });
    let (writer, body) = upload();
    let writing = async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        writer.write(Bytes::from_static(b"late")).await;
        writer.end().await;
    };
    let (answer, ()) = tokio::join!(world.engine.request(post(body)), writing);
    assert_eq!(&answer.unwrap().body[..], b"late");

    let (_writer, body) = upload();
    flow(&world, |body| async { Ok(Incoming::whole(body.collect().await?)) });
    let request = ProxyRequest { timeout: Some(Duration::from_secs(1)), ..post(body) };
    assert_eq!(code(world.engine.request(request).await), "TIMED_OUT");
}

//! The way to the sandbox: requests below its address are answered in this process, all others go out as they would.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, Response, StatusCode, header};
use onbehalf_engine::egress::{
    Egress, Failure,
    body::{Incoming, Outgoing},
};
use tokio::time::timeout;

use crate::{
    Sandbox,
    api::{Answer, Content, ECHO_LIMIT, Received},
    faults::Spoil,
};

/// A token request, at most.
const FORM_LIMIT: usize = 64 << 10;
/// Bytes of one chunk of a long answer.
const CHUNK: usize = 64 << 10;

/// The way out, with the sandbox on it.
pub(crate) struct SandboxEgress {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) outside: Arc<dyn Egress>,
}

#[async_trait]
impl Egress for SandboxEgress {
    async fn open(&self, request: Request<Outgoing>, patience: Duration) -> Result<Response<Incoming>, Failure> {
        match self.sandbox.path_below(request.uri()) {
            Some(path) => {
                timeout(patience, exchange(&self.sandbox, request, path)).await.unwrap_or_else(|_| Err(late()))
            }
            None => self.outside.open(request, patience).await,
        }
    }
}

async fn exchange(sandbox: &Sandbox, request: Request<Outgoing>, path: String) -> Result<Response<Incoming>, Failure> {
    let (head, body) = request.into_parts();
    // What is not read to be answered is only counted.
    let kept = if path == "/echo" { ECHO_LIMIT } else { FORM_LIMIT };
    let (body, length) = take(body, kept).await?;
    let received = Received { head, path, body, length };
    let arrival = sandbox.note(&received);
    let (delay, spoil) = sandbox.faults_at(&received.path);
    if let Some(delay) = delay {
        delay.pass().await;
    }
    let answer = match spoil {
        Some(Spoil::Status { status, retry_after }) => failing(status, retry_after),
        _ => sandbox.answer(&received),
    };
    if spoil == Some(Spoil::AnswerLost) {
        return Err(interrupted());
    }
    sandbox.note_status(arrival, answer.status);
    Ok(sent(answer, &received.head.method, spoil == Some(Spoil::AnswerCut)))
}

/// The beginning of a body, at most `most` bytes of it, and the length of the whole.
async fn take(body: Outgoing, most: usize) -> Result<(Bytes, u64), Failure> {
    let mut chunks = match body {
        Outgoing::Whole(bytes) => return Ok((bytes.slice(..bytes.len().min(most)), bytes.len() as u64)),
        Outgoing::Chunks(chunks) => chunks,
    };
    let (mut taken, mut length) = (BytesMut::new(), 0);
    while let Some(chunk) = chunks.next().await.transpose()? {
        length += chunk.len() as u64;
        taken.extend_from_slice(&chunk[..chunk.len().min(most - taken.len())]);
    }
    Ok((taken.freeze(), length))
}

fn failing(status: StatusCode, retry_after: Option<u64>) -> Answer {
    let answer = Answer::error(status, "unavailable", "as the test wishes");
    match retry_after {
        Some(seconds) => answer.with(header::RETRY_AFTER, seconds.into()),
        None => answer,
    }
}

/// The answer on its way; `cut`, it breaks off half-way.
fn sent(answer: Answer, method: &Method, cut: bool) -> Response<Incoming> {
    let length = answer.content.length();
    let body = match answer.content {
        _ if method == Method::HEAD => Incoming::new(stream::empty()),
        content if cut => Incoming::new(chunks(content, length / 2).chain(stream::iter([Err(interrupted())]))),
        content => Incoming::new(chunks(content, length)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    // RFC 9110, 8.6: this status has none.
    if answer.status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// The first `length` bytes, in chunks.
fn chunks(content: Content, length: u64) -> impl futures_util::Stream<Item = Result<Bytes, Failure>> + Send {
    let pattern: Bytes = match content {
        Content::Whole(bytes) => return stream::iter(vec![Ok(bytes.slice(..length as usize))]).left_stream(),
        // A chunk is a multiple of 256 long, so each goes on where the last one ended.
        Content::Counting(_) => (0..CHUNK).map(|index| index as u8).collect(),
    };
    let starts = (0..length).step_by(CHUNK);
    let chunk = move |start: u64| Ok(pattern.slice(..CHUNK.min((length - start) as usize)));
    stream::iter(starts.map(chunk)).right_stream()
}

fn interrupted() -> Failure {
    Failure::Unknown { reason: "interrupted", partial: None }
}

fn late() -> Failure {
    Failure::Unknown { reason: "deadline", partial: None }
}

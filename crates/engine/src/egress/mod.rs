//! The only way out to a provider.
//!
//! Everything that leaves goes through one [`Egress`]: it decides by the socket's address, follows no redirect, obeys
//! no proxy variable, and bounds time and size. What may be addressed is decided before, by [`target`].

pub mod body;
pub mod client;
pub mod guard;
pub mod headers;
pub mod target;
pub mod upload;

use std::{pin::pin, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Method, header};
use tokio::time::{Instant, error::Elapsed, timeout, timeout_at};

use self::body::{Incoming, Outgoing};

/// How long and how much one exchange with a provider may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first attempt to connect to the last byte of the answer.
    pub total: Duration,
    /// The answer's body, in bytes, as received.
    pub body: usize,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing reached the provider (name resolution, connection, TLS, a forbidden address): safe to send again.
    NotSent {
        /// A fixed word: `dns`, `connect`, `tls`, …
        reason: &'static str,
    },
    /// The address is one that this environment may not call: private, loopback, link-local or reserved.
    Forbidden,
    /// The request left, the answer did not arrive whole: the provider may have acted on it.
    Unknown {
        /// A fixed word: `interrupted`, `deadline`, `too large`.
        reason: &'static str,
        /// What had arrived.
        partial: Option<Partial>,
    },
    /// The answer is larger than [`Limits::body`].
    TooLarge,
}

/// The part of an answer that arrived before the connection failed.
#[derive(Clone, PartialEq, Eq)]
pub struct Partial {
    /// The answer's status.
    pub status: http::StatusCode,
    /// The beginning of its body. May hold tokens.
    pub body: Bytes,
}

impl std::fmt::Debug for Partial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Partial({}, {} bytes)", self.status, self.body.len())
    }
}

/// The way out.
#[async_trait]
pub trait Egress: Send + Sync + 'static {
    /// Sends one request and returns the head of its answer, whatever its status; the body follows as it is read. A
    /// redirect is an answer. `patience` is how long the head may take, from the first attempt to connect.
    async fn open(
        &self,
        request: http::Request<Outgoing>,
        patience: Duration,
    ) -> Result<http::Response<Incoming>, Failure>;

    /// Sends one request and returns its whole answer.
    async fn send(&self, request: http::Request<Bytes>, limits: Limits) -> Result<http::Response<Bytes>, Failure> {
        let patience = limits.total.min(LONGEST);
        let deadline = Instant::now() + patience;
        // What `HEAD` says of a length is about an answer that does not come (RFC 9110 §9.3.2).
        let bodiless = request.method() == Method::HEAD;
        let answer = self.open(request.map(Outgoing::Whole), patience).await?;
        if !bodiless && announced(&answer).is_some_and(|length| length > limits.body as u64) {
            return Err(Failure::TooLarge);
        }
        read(answer, deadline, limits.body).await.map_err(|failure| match failure {
            Failure::Unknown { reason: OVERFLOWING, .. } => Failure::TooLarge,
            failure => failure,
        })
    }

    /// Sends one request, whose body may be made as it leaves, and returns its whole answer. One that is larger than
    /// [`Limits::body`] is cut there, and counts as broken off: the beginning may be worth having.
    async fn send_chunks(
        &self,
        request: http::Request<Outgoing>,
        limits: Limits,
    ) -> Result<http::Response<Bytes>, Failure> {
        let patience = limits.total.min(LONGEST);
        let deadline = Instant::now() + patience;
        let answer = self.open(request, patience).await?;
        read(answer, deadline, limits.body).await
    }
}

/// Why an answer that is larger than its limit broke off.
pub(crate) const OVERFLOWING: &str = "too large";

/// A deadline further away is no deadline, and might not fit the clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

fn announced(answer: &http::Response<Incoming>) -> Option<u64> {
    answer.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What comes of `work` until the deadline. A process that stood still meanwhile has it passed before it could look at
/// what had arrived: so there is one more look, which takes no time where there is nothing to see.
async fn patiently<T>(deadline: Instant, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut work = pin!(work);
    match timeout_at(deadline, &mut work).await {
        Ok(done) => Ok(done),
        Err(_) => timeout(LAST_LOOK, work).await,
    }
}

/// How long the last look takes at most.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// Reads an answer to its end, or to the deadline, or up to `most` bytes.
async fn read(
    answer: http::Response<Incoming>,
    deadline: Instant,
    most: usize,
) -> Result<http::Response<Bytes>, Failure> {
    let (parts, mut incoming) = answer.into_parts();
    let mut body = BytesMut::new();
    let mut end = None;
    let reason = loop {
        let now = Instant::now();
        if now > deadline && now > *end.get_or_insert(now + LAST_LOOK) {
            break "deadline";
        }
        match patiently(deadline, incoming.chunk()).await {
            Ok(Ok(Some(chunk))) if chunk.len() > most - body.len() => {
                body.extend_from_slice(&chunk[..most - body.len()]);
                break OVERFLOWING;
            }
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None)) => return Ok(http::Response::from_parts(parts, body.freeze())),
            Ok(Err(Failure::Unknown { reason, .. })) => break reason,
            Ok(Err(_)) => break "interrupted",
            Err(_) => break "deadline",
        }
    };
    Err(Failure::Unknown { reason, partial: Some(Partial { status: parts.status, body: body.freeze() }) })
}

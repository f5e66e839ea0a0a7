//! The only way out to a provider.
//!
//! Everything that leaves goes through one [`Egress`]: it decides by the socket's address, follows no redirect, obeys
//! no proxy variable, and bounds time and size. What may be addressed is decided before, by [`target`].

pub mod body;
pub mod client;
pub mod guard;
pub mod headers;
pub mod target;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

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
        /// A fixed word: `interrupted`, `deadline`.
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
    /// Sends one request and returns its whole answer, whatever its status. A redirect is an answer.
    async fn send(&self, request: http::Request<Bytes>, limits: Limits) -> Result<http::Response<Bytes>, Failure>;
}

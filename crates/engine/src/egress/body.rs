//! What leaves with a request, and what comes back: whole, or as it is made.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};

use super::{Failure, upload::Upload};

/// What a request of a caller carries.
#[derive(Debug, Default)]
pub enum Body {
    #[default]
    /// Nothing.
    Empty,
    /// As `application/json`.
    Json(serde_json::Value),
    /// As `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// Sent as it is; the caller names its type in a header.
    Bytes(Bytes),
    /// Sent as it is made, once: it cannot be repeated.
    Stream(Upload),
}

impl Body {
    /// The same again, where that can be had.
    pub fn try_clone(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Json(json) => Some(Self::Json(json.clone())),
            Self::Form(pairs) => Some(Self::Form(pairs.clone())),
            Self::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Self::Stream(_) => None,
        }
    }
}

/// Chunks, as they come. After a failure there are no more.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// A request's body on its way out.
pub enum Outgoing {
    /// All of it, with a `content-length`.
    Whole(Bytes),
    /// As its maker goes on. A failure breaks the request off.
    Chunks(Chunks),
}

impl Outgoing {
    /// All of it, once it is made.
    ///
    /// # Errors
    /// What its maker failed with.
    pub async fn collect(self) -> Result<Bytes, Failure> {
        let mut chunks = match self {
            Self::Whole(bytes) => return Ok(bytes),
            Self::Chunks(chunks) => chunks,
        };
        let mut all = BytesMut::new();
        while let Some(chunk) = chunks.next().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all.freeze())
    }
}

/// Without what it holds.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Chunks(_) => f.write_str("Chunks"),
        }
    }
}

/// An answer's body on its way in. Dropped before its end, it breaks the answer off.
pub struct Incoming(Chunks);

impl Incoming {
    /// A body of these chunks.
    pub fn new(chunks: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static) -> Self {
        Self(Box::pin(chunks))
    }

    /// A body that is there already.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::new(stream::iter([Ok(bytes.into())]))
    }

    /// The next chunk; nothing at the end.
    ///
    /// # Errors
    /// [`Failure::Unknown`] when the rest will not come.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        self.0.next().await.transpose()
    }

    /// As [`Incoming::chunk`], for who waits for something else besides.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        self.0.poll_next_unpin(cx).map(Option::transpose)
    }
}

/// Without what it holds.
impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Incoming")
    }
}

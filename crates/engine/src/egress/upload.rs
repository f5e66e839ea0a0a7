//! A request's body that is made while it is sent.
//!
//! What it announced it keeps: a body that turns out longer or shorter than its `content-length`, or whose source fails,
//! breaks the request off, so that no provider takes a part for the whole.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::HeaderValue;

use super::{Failure, body::Chunks};
use crate::{Error, Result};

/// A body that is made while it is sent. It is asked for a chunk when there is room for it on the wire.
pub struct Upload {
    source: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
    length: Option<u64>,
    media_type: Option<HeaderValue>,
    failure: Arc<OnceLock<Error>>,
}

impl Upload {
    /// A body of what `source` yields. An error of the source breaks the request off, and is what the call fails with.
    pub fn new(source: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Self { source: Box::pin(source), length: None, media_type: None, failure: Arc::default() }
    }

    /// Announces how many bytes there will be. Without it, the body is sent in chunks of unknown number.
    #[must_use]
    pub fn with_length(self, length: Option<u64>) -> Self {
        Self { length, ..self }
    }

    /// Names the type of the bytes, for a request that has no `content-type`. One that no header can hold is left out.
    #[must_use]
    pub fn with_media_type(self, media_type: &str) -> Self {
        let media_type = HeaderValue::from_str(media_type).ok().filter(|value| !value.is_empty());
        Self { media_type, ..self }
    }

    /// How many bytes there will be, where it is known.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The type of the bytes, where it is known.
    pub(crate) fn media_type(&self) -> Option<HeaderValue> {
        self.media_type.clone()
    }

    /// Will hold what the body failed with.
    pub(crate) fn failure(&self) -> Arc<OnceLock<Error>> {
        self.failure.clone()
    }

    /// As it goes out.
    pub(crate) fn into_chunks(self) -> Chunks {
        Box::pin(Measured { remaining: self.length, source: Some(self.source), failure: self.failure })
    }
}

/// Without what it holds.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("length", &self.length).finish_non_exhaustive()
    }
}

/// The chunks of a source, held to what was announced. After the end and after a failure the source is gone.
struct Measured {
    source: Option<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>>,
    remaining: Option<u64>,
    failure: Arc<OnceLock<Error>>,
}

impl Measured {
    /// Counts what the source yielded.
    fn measure(&mut self, next: Option<Result<Bytes>>) -> Result<Option<Bytes>> {
        let Some(chunk) = next.transpose()? else {
            return match self.remaining {
                Some(1..) => Err(Error::invalid("body", "ended before the `content-length` that was announced")),
                _ => Ok(None),
            };
        };
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining
                .checked_sub(chunk.len() as u64)
                .ok_or_else(|| Error::invalid("body", "is longer than the `content-length` that was announced"))?;
        }
        Ok(Some(chunk))
    }
}

impl Stream for Measured {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        let next = std::task::ready!(source.poll_next_unpin(cx));
        Poll::Ready(match self.measure(next) {
            Ok(Some(chunk)) => Some(Ok(chunk)),
            Ok(None) => {
                self.source = None;
                None
            }
            Err(error) => {
                self.source = None;
                // Nobody else writes it: the source fails once.
                let _ = self.failure.set(error);
                Some(Err(Failure::Unknown { reason: "its source failed", partial: None }))
            }
        })
    }
}

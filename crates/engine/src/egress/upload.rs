//! A request's body that is made while it is sent.
//!
//! What it announced it keeps: a body that turns out longer or shorter than its `content-length`, whose writer fails, or
//! that is dropped before its end, breaks the request off, so that no provider takes a part for the whole.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use http::HeaderValue;
use tokio::sync::{SetOnce, mpsc};

use super::{Failure, body::Chunks};
use crate::{Error, Result};

/// How many chunks wait for their turn on the wire, so that the next is made while one is sent.
const AHEAD: usize = 2;

/// Makes a body of what is written.
pub fn upload() -> (Writer, Upload) {
    let (sender, chunks) = mpsc::channel(AHEAD);
    let failure = Arc::new(SetOnce::new());
    let writer = Writer { chunks: sender, failure: failure.clone() };
    (writer, Upload { chunks, length: None, media_type: None, failure })
}

/// Writes a body. Dropped before the end is said, it breaks the request off.
#[derive(Debug, Clone)]
pub struct Writer {
    /// Nothing is the end.
    chunks: mpsc::Sender<Option<Bytes>>,
    failure: Arc<SetOnce<Error>>,
}

impl Writer {
    /// Hands a chunk on, once there is room for it. Says whether more is wanted: not when the request is over.
    pub async fn write(&self, chunk: Bytes) -> bool {
        self.chunks.send(Some(chunk)).await.is_ok()
    }

    /// Says that this was all.
    pub async fn end(&self) {
        // Where nobody listens any more, the request is over.
        let _ = self.chunks.send(None).await;
    }

    /// Breaks the request off, with what it is to fail with.
    pub fn fail(&self, error: Error) {
        // The first failure is the one that counts.
        let _ = self.failure.set(error);
    }
}

/// A body that is made while it is sent.
pub struct Upload {
    chunks: mpsc::Receiver<Option<Bytes>>,
    length: Option<u64>,
    media_type: Option<HeaderValue>,
    failure: Arc<SetOnce<Error>>,
}

impl Upload {
    /// Announces how many bytes there will be. Without it, the body is sent in chunks of unknown number.
    #[must_use]
    pub fn with_length(self, length: u64) -> Self {
        Self { length: Some(length), ..self }
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

    /// Will hold what it failed with.
    pub(crate) fn failure(&self) -> Arc<SetOnce<Error>> {
        self.failure.clone()
    }

    /// As it goes out.
    pub(crate) fn into_chunks(self) -> Chunks {
        let Self { chunks, length, failure, .. } = self;
        Box::pin(Measured { chunks, remaining: length, last: None, ended: false, failure })
    }
}

/// Without what it holds.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("length", &self.length).finish_non_exhaustive()
    }
}

/// The chunks of a body, held to what was announced.
///
/// Over HTTP/1, whoever sends it asks for nothing more once all that was announced is there. So the chunk that completes
/// it is handed on only when its maker has said that this was all.
struct Measured {
    chunks: mpsc::Receiver<Option<Bytes>>,
    remaining: Option<u64>,
    /// The chunk that completed what was announced.
    last: Option<Bytes>,
    ended: bool,
    failure: Arc<SetOnce<Error>>,
}

impl Measured {
    /// Counts what was written.
    fn measure(&mut self, written: Option<Option<Bytes>>) -> Result<Option<Bytes>> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        let chunk = written.ok_or_else(|| Error::invalid("body", "was given up before its end"))?;
        let problem = match (&chunk, self.remaining) {
            (_, None) => None,
            (Some(chunk), Some(remaining)) => {
                self.remaining = remaining.checked_sub(chunk.len() as u64);
                self.remaining.is_none().then_some("is longer than the `content-length` that was announced")
            }
            (None, Some(remaining)) => {
                (remaining > 0).then_some("ended before the `content-length` that was announced")
            }
        };
        problem.map_or(Ok(chunk), |problem| Err(Error::invalid("body", problem)))
    }
}

impl Stream for Measured {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.ended {
            let written = std::task::ready!(self.chunks.poll_recv(cx));
            match self.measure(written) {
                // Behind the chunk that completes it, there is room for empty ones alone.
                Ok(Some(chunk)) if self.remaining == Some(0) => {
                    self.last.get_or_insert(chunk);
                }
                Ok(Some(chunk)) => return Poll::Ready(Some(Ok(chunk))),
                Ok(None) => self.ended = true,
                Err(error) => {
                    let _ = self.failure.set(error);
                    return Poll::Ready(Some(Err(Failure::Unknown { reason: "its body failed", partial: None })));
                }
            }
        }
        Poll::Ready(self.last.take().map(Ok))
    }
}

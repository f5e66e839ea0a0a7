//! The body of a provider's answer, read as it comes.
//!
//! Nothing is read from the provider unless somebody asks for it, so a slow reader slows the sender down. The provider
//! may be silent for a minute while it is waited for; a reader that takes its time costs nothing.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::call::Origin;
use crate::{Engine, Error, Result, egress::body::Incoming};

/// How long a provider may send nothing while it is waited for.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// The most that is read into memory at once, in bytes.
const LARGEST_WHOLE: usize = 64 * 1024 * 1024;

/// The body of a provider's answer. Dropped before its end, it breaks the answer off.
#[derive(Debug)]
pub struct AnswerBody {
    state: Arc<Mutex<State>>,
    /// Whose turn it is to read: of several who wait, the body wakes one.
    turn: tokio::sync::Mutex<()>,
    /// Fires when it is cancelled, dropped, or its environment closes.
    ended: CancellationToken,
    origin: Origin,
}

#[derive(Debug)]
enum State {
    Open(Incoming),
    Ended,
    Failed(Error),
}

impl AnswerBody {
    pub(super) fn new(incoming: Incoming, origin: Origin, closing: &CancellationToken) -> Self {
        let state = Arc::new(Mutex::new(State::Open(incoming)));
        Self { state, turn: tokio::sync::Mutex::default(), ended: closing.child_token(), origin }
    }

    /// The next bytes; nothing at the end. Several may read: each chunk goes to one of them, in the order in which they
    /// asked.
    ///
    /// # Errors
    /// `ANSWER_LOST` when the rest will not come, or was cancelled; `CLOSED`. The same again to who asks again.
    pub async fn chunk(&self) -> Result<Option<Bytes>> {
        let next = async {
            let _turn = self.turn.lock().await;
            timeout(LONGEST_SILENCE, poll_fn(|cx| self.poll(cx))).await
        };
        match self.ended.run_until_cancelled(next).await {
            Some(Ok(next)) => next,
            Some(Err(_)) => Err(self.fail(self.origin.lost("it fell silent"))),
            // One that was cancelled has failed before.
            None => Err(self.fail(Error::Closed)),
        }
    }

    /// All that is left of it.
    ///
    /// # Errors
    /// As [`AnswerBody::chunk`]; `PROVIDER_RESPONSE_INVALID` when it is larger than 64 MiB.
    pub async fn collect(&self) -> Result<Bytes> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let mut all = BytesMut::from(first);
        loop {
            if all.len() > LARGEST_WHOLE {
                let reason = format!("it is larger than {} MiB", LARGEST_WHOLE / 1024 / 1024);
                return Err(self.fail(self.origin.invalid(reason)));
            }
            match self.chunk().await? {
                Some(chunk) => all.extend_from_slice(&chunk),
                None => return Ok(all.freeze()),
            }
        }
    }

    /// Breaks it off: who reads it fails, and the connection closes.
    pub fn cancel(&self) {
        self.fail(self.origin.lost("it was cancelled"));
        self.ended.cancel();
    }

    /// Breaks it off when the environment closes, though nobody reads it.
    pub(super) fn end_with(&self, engine: &Engine) {
        let (state, ended, closing) = (self.state.clone(), self.ended.clone(), engine.closing.clone());
        engine.spawn(async move {
            ended.cancelled().await;
            if closing.is_cancelled() {
                fail(&mut lock(&state), Error::Closed);
            }
        });
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let mut state = lock(&self.state);
        let next = match &mut *state {
            State::Open(incoming) => std::task::ready!(incoming.poll_chunk(cx)),
            State::Ended => Ok(None),
            State::Failed(error) => return Poll::Ready(Err(error.clone())),
        };
        Poll::Ready(match next {
            Ok(Some(chunk)) => Ok(Some(chunk)),
            Ok(None) => {
                *state = State::Ended;
                Ok(None)
            }
            Err(failure) => Err(fail(&mut state, self.origin.unanswered(failure))),
        })
    }

    /// Lets go of the connection, unless all of it came. Says what it failed with first.
    fn fail(&self, error: Error) -> Error {
        fail(&mut lock(&self.state), error)
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fail(state: &mut State, error: Error) -> Error {
    match state {
        State::Failed(first) => first.clone(),
        State::Open(_) => {
            *state = State::Failed(error.clone());
            error
        }
        State::Ended => error,
    }
}

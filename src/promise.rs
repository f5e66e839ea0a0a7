//! From a future to a promise.
//!
//! A future is polled once before it is spawned: most calls are answered from memory and need no thread, which makes
//! them ten times quicker. So nothing slow may happen before its first `await`.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use napi::{
    Env, JsValue as _,
    bindgen_prelude::{PromiseRaw, ToNapiValue},
};
use onbehalf_engine::{Error, Result};
use tokio::{runtime::Runtime, task::JoinError, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{error::Failure, registers, runtime::runtime, signal::Signal};

/// How long a caller waits.
pub(crate) struct Patience<'env> {
    pub(crate) signal: Option<Signal<'env>>,
    pub(crate) timeout: Option<Duration>,
}

impl Patience<'_> {
    /// As long as it takes.
    pub(crate) fn endless() -> Self {
        Self { signal: None, timeout: None }
    }
}

/// What becomes of the work when its caller waits no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// It is finished: half an exchange would lose a token.
    GoesOn,
    /// It is dropped: it only waits, or belongs to the caller alone.
    Stops,
}

enum Outcome<T> {
    Answered(Result<T>),
    Aborted,
}

/// The promise of what `work` comes to. A failure that is known at once is returned; `index.js` makes it a rejection.
pub(crate) fn promise<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    patience: Patience<'_>,
    abandoned: Abandoned,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<PromiseRaw<'env, T>, Failure> {
    if let Some(signal) = &patience.signal
        && let Some(reason) = signal.aborted()?
    {
        // Not thrown: napi throws nothing but errors, and a reason may be anything.
        return Ok(PromiseRaw::reject(env, reason)?);
    }
    let mut work: Work<T> = Box::pin(work);
    let runtime = runtime()?;
    if let Poll::Ready(outcome) = poll_once(runtime, &mut work)? {
        return Ok(PromiseRaw::resolve(env, outcome?)?);
    }
    let listening = patience.signal.map(|signal| signal.listen(env)).transpose()?;
    let fired = listening.as_ref().map(|listening| listening.fired());
    let (deferred, promise) = env.create_deferred()?;
    runtime.spawn(async move {
        let outcome = wait(work, patience.timeout, fired, abandoned).await;
        deferred.resolve(move |env| {
            let reason = listening.map(|listening| listening.release(&env)).transpose()?;
            match (outcome, reason) {
                (Outcome::Aborted, Some(reason)) => Err(reason),
                (Outcome::Answered(Ok(answer)), _) => Ok(answer),
                (Outcome::Answered(Err(error)), _) => Err(Failure::from(error).into_js(&env)),
                (Outcome::Aborted, None) => unreachable!("only a signal aborts"),
            }
        });
    });
    Ok(PromiseRaw::new(env.raw(), promise.raw()))
}

type Work<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

fn poll_once<T>(runtime: &Runtime, work: &mut Work<T>) -> Result<Poll<Result<T>>> {
    let polled = guarded(|| {
        let _runtime = runtime.enter();
        work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    });
    registers::forget();
    polled
}

/// Waits for the work, as long as its caller does. Work that must outlive that has a task of its own.
async fn wait<T: Send + 'static>(
    work: Work<T>,
    patience: Option<Duration>,
    fired: Option<CancellationToken>,
    abandoned: Abandoned,
) -> Outcome<T> {
    let ends_early = patience.is_some() || fired.is_some();
    let work: Work<T> = match abandoned {
        Abandoned::GoesOn if ends_early => {
            let task = tokio::spawn(work);
            Box::pin(async { finished(task.await) })
        }
        Abandoned::GoesOn | Abandoned::Stops => Box::pin(unpanicked(work)),
    };
    let answered = async {
        match patience {
            Some(patience) => timeout(patience, work).await.unwrap_or_else(|_| {
                Err(Error::TimedOut { after_ms: patience.as_millis().try_into().unwrap_or(u64::MAX) })
            }),
            None => work.await,
        }
    };
    match fired {
        Some(fired) => fired.run_until_cancelled(answered).await.map_or(Outcome::Aborted, Outcome::Answered),
        None => Outcome::Answered(answered.await),
    }
}

/// The work, where a panic is an error.
async fn unpanicked<T>(mut work: Work<T>) -> Result<T> {
    poll_fn(|context| guarded(|| work.as_mut().poll(context)).unwrap_or_else(|defect| Poll::Ready(Err(defect)))).await
}

fn finished<T>(joined: Result<Result<T>, JoinError>) -> Result<T> {
    joined.unwrap_or_else(|_| Err(defect()))
}

/// Runs `work`, where a panic would end Node, and makes a panic an error. What it says may hold a secret: it is dropped.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| defect())
}

/// What a panic is to the caller.
pub(crate) fn defect() -> Error {
    Error::Internal { reason: "a panic; standard error says where".into() }
}

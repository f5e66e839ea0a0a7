//! One call from JavaScript: options in, one engine call, an answer out.

use std::{sync::Arc, time::Duration};

use napi::{
    Env, Unknown,
    bindgen_prelude::{PromiseRaw, ToNapiValue},
};
use onbehalf_engine::{Engine, Error, Result};
use serde::de::DeserializeOwned;

use crate::{
    argument::{Argument, Value},
    decode::{decode, nearest},
    error::Failure,
    exit::enlist,
    instance::Instance,
    promise::{Abandoned, Patience, guarded, promise},
    signal::Signal,
};

/// What a caller asks, and how long they wait.
pub(crate) struct Call<'env, P> {
    pub(crate) asked: P,
    pub(crate) patience: Patience<'env>,
}

impl<'env, P> Call<'env, P> {
    /// Reads the options, as `O` describes them, before anything of ours is touched.
    pub(crate) fn read<O>(options: Unknown<'env>) -> Result<Self, Failure>
    where
        O: DeserializeOwned,
        P: TryFrom<O, Error = Error>,
    {
        let mut argument = Argument::read(options)?;
        let signal = argument.signal.take().map(Signal::accept).transpose()?;
        let timeout = argument.take("timeoutMs").map(milliseconds).transpose()?.flatten();
        let asked = decode::<O>(argument.value).map_err(with_own_options)?.try_into()?;
        Ok(Self { asked, patience: Patience { signal, timeout } })
    }
}

/// Every call has two options that its struct does not know.
fn with_own_options(error: Error) -> Error {
    match error {
        Error::UnknownOption { option, nearest: None } => {
            let nearest = nearest(&option, &["signal", "timeoutMs"]);
            Error::UnknownOption { option, nearest }
        }
        error => error,
    }
}

fn milliseconds(value: Value) -> Result<Option<Duration>> {
    let problem = || Error::invalid("timeoutMs", "must be a positive number of milliseconds");
    match value {
        Value::Null => Ok(None),
        Value::Number(millis) if millis > 0.0 => {
            Duration::try_from_secs_f64(millis / 1000.0).map(Some).map_err(|_| problem())
        }
        _ => Err(problem()),
    }
}

/// A method of the door: reads `options`, opens the engine if it is not, and answers with what `act` comes to.
pub(crate) fn call<'env, O, P, T, A, F>(
    env: &'env Env,
    instance: &Arc<Instance>,
    options: Unknown<'_>,
    act: impl FnOnce(Arc<Engine>, P) -> F + Send + 'static,
) -> napi::Result<PromiseRaw<'env, A>>
where
    O: DeserializeOwned,
    P: TryFrom<O, Error = Error> + Send + 'static,
    A: From<T> + ToNapiValue + Send + 'static,
    F: Future<Output = Result<T>> + Send,
{
    attempt(env, || {
        let Call { asked, patience } = Call::read::<O>(options)?;
        enlist(env, instance)?;
        let instance = instance.clone();
        promise(env, patience, Abandoned::GoesOn, async move { Ok(act(instance.engine().await?, asked).await?.into()) })
    })
}

/// Runs an export's body: no panic leaves it, and what it fails with is an `OnbehalfError`.
pub(crate) fn attempt<T>(env: &Env, body: impl FnOnce() -> Result<T, Failure>) -> napi::Result<T> {
    guarded(body).map_err(Failure::from).flatten().map_err(|failure| failure.into_js(env))
}

//! Errors on their way to JavaScript.

use napi::{Env, JsValue as _};
use onbehalf_engine::Error;

/// Why a call ends without an answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What the engine, or the door in its name, says. Becomes an `OnbehalfError`.
    Engine(Error),
    /// What JavaScript itself threw while its values were read, or the reason of a signal. Passed on as it is.
    JavaScript(napi::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<napi::Error> for Failure {
    fn from(error: napi::Error) -> Self {
        Self::JavaScript(error)
    }
}

impl Failure {
    /// This failure as something to throw or to reject with.
    pub(crate) fn into_js(self, env: &Env) -> napi::Error {
        match self {
            Self::Engine(error) => to_js(env, &error).unwrap_or_else(|failure| failure),
            Self::JavaScript(error) => error,
        }
    }
}

/// An `Error` with the facts of `error`. `index.js` makes it an `OnbehalfError` whose stack names the caller.
fn to_js(env: &Env, error: &Error) -> napi::Result<napi::Error> {
    let mut object = env.create_error(napi::Error::from_reason(error.to_string()))?;
    object.set("name", "OnbehalfError")?;
    object.set("code", error.code())?;
    object.set("retryable", error.retryable())?;
    object.set("details", error.details())?;
    Ok(napi::Error::from_unknown_without_coercion(object.to_unknown()))
}

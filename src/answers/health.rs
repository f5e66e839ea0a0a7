//! What JavaScript gets of an environment's health.

use std::time::Duration;

use napi_derive::napi;
use onbehalf_engine::Error;

/// How an environment is, as far as this process can tell.
#[napi(object, object_from_js = false)]
pub struct Health {
    /// Whether it can do its work: there is no problem.
    pub ok: bool,
    /// The version of onbehalf.
    pub version: &'static str,
    /// What keeps it from working: it cannot be opened, the store cannot be read, the store is sealed with another key by
    /// now, the journal takes no answers, or the instance was closed.
    pub problems: Vec<HealthProblem>,
    /// How many milliseconds the store took to answer one question; absent where it did not.
    pub store_ms: Option<f64>,
    /// By how many milliseconds the database's clock is ahead of this machine's, less than none where it is behind. Absent
    /// with a file, which has no clock.
    pub clock_ahead_ms: Option<f64>,
    /// How many of the first thousand connections have an account whose refresh has been due for more than five minutes;
    /// those that are disabled, or whose provider is down, are among them. Absent with `backgroundRefresh: false`.
    pub overdue_connections: Option<u32>,
    /// How many revocations are yet to be taken by their providers; 100 stands for more.
    pub pending_revocations: Option<u32>,
}

/// One thing that keeps an environment from working.
#[napi(object, object_from_js = false)]
pub struct HealthProblem {
    /// As of an `OnbehalfError`.
    #[napi(ts_type = "ErrorCode")]
    pub code: &'static str,
    /// What happened, and what to do about it.
    pub message: String,
}

impl From<onbehalf_engine::Health> for Health {
    fn from(health: onbehalf_engine::Health) -> Self {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            ok: health.is_ok(),
            version: health.version(),
            problems: health.problems.iter().map(Into::into).collect(),
            store_ms: health.store_took.as_ref().map(Duration::as_secs_f64).map(|seconds| seconds * 1000.0),
            clock_ahead_ms: health.clock_ahead.map(|millis| millis as f64),
            overdue_connections: health.overdue_connections.map(count),
            pending_revocations: health.pending_revocations.map(count),
        }
    }
}

impl From<&Error> for HealthProblem {
    fn from(error: &Error) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

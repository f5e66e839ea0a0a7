//! A clock that runs, and can be moved ahead of the one that it follows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use onbehalf_engine::time::{Clock, Timestamp};

/// The time of another clock, and what was added to it.
pub struct ShiftedClock {
    base: Arc<dyn Clock>,
    /// Milliseconds.
    ahead: AtomicU64,
}

impl ShiftedClock {
    /// A clock that tells the time of `base`.
    pub fn following(base: Arc<dyn Clock>) -> Self {
        Self { base, ahead: AtomicU64::new(0) }
    }

    /// Lets `duration` pass at once.
    pub fn advance(&self, duration: Duration) {
        self.ahead.fetch_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        self.base.now().plus(Duration::from_millis(self.ahead.load(Ordering::SeqCst)))
    }
}

impl std::fmt::Debug for ShiftedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShiftedClock").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

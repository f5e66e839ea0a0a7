//! How many requests a second: a bucket that holds one second's worth, kept as the time at which it will be full.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

/// A bucket of one second's worth of requests that refills evenly.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: NonZeroU32,
    /// When the bucket is full, if nothing more is taken.
    full_at: Instant,
}

impl Rate {
    /// A full bucket.
    pub(super) fn new(per_second: NonZeroU32, now: Instant) -> Self {
        Self { per_second, full_at: now }
    }

    /// Changes the rate. What was taken stays taken.
    pub(super) fn set(&mut self, per_second: NonZeroU32) {
        self.per_second = per_second;
    }

    /// When the next request may be sent; `now` when the bucket holds one.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        let all_but_one = self.interval() * (self.per_second.get() - 1);
        now + self.full_at.saturating_duration_since(now).saturating_sub(all_but_one)
    }

    /// Takes one request out, which [`Self::ready_at`] has allowed.
    pub(super) fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.interval();
    }

    /// How long one request takes to refill, rounded up: the rate is never exceeded.
    fn interval(&self) -> Duration {
        Duration::from_nanos(1_000_000_000u64.div_ceil(self.per_second.get().into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::refresh::pace::tests::keeps_to;

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_rate_and_one_burst(
            rate in 1u32..200,
            gaps in proptest::collection::vec(0u64..300_000_000, 1..200),
        ) {
            let start = Instant::now();
            let (mut now, mut taken) = (start, Vec::new());
            let mut bucket = Rate::new(NonZeroU32::new(rate).unwrap(), now);
            for gap in gaps {
                now += Duration::from_nanos(gap);
                while bucket.ready_at(now) == now {
                    bucket.take(now);
                    taken.push(now);
                }
                prop_assert!(bucket.ready_at(now) <= now + bucket.interval(), "it refills");
            }
            prop_assert_eq!(taken.iter().filter(|at| **at == taken[0]).count() as u32, rate, "a burst is one second's worth");
            prop_assert!(keeps_to(rate, &taken));
        }
    }
}

//! When to refresh: early enough, spread out, and never in a rush after a failure.

use std::time::Duration;

use crate::{Result, random::Random, time::Timestamp};

const SHORTEST_MARGIN: Duration = Duration::from_secs(60);
const LONGEST_MARGIN: Duration = Duration::from_secs(15 * 60);
const LONGEST_BACKOFF: Duration = Duration::from_secs(15 * 60);

/// When to refresh tokens that came at `now`: before the access token ends, and before the refresh token has not been used
/// for `keep_alive_after`, whichever is first. Nothing where neither is known: the provider's 401 says when.
pub(crate) fn refresh_at(
    now: Timestamp,
    expires_at: Option<Timestamp>,
    keep_alive_after: Option<Duration>,
    random: &dyn Random,
) -> Result<Option<Timestamp>> {
    // One draw, so that accounts authorized together are not refreshed together.
    let part = random.fraction()?;
    let before_the_end = expires_at.map(|end| before_end(now, end, part));
    let in_use = keep_alive_after.map(|age| now.plus(age - (age / 10).mul_f64(part)));
    Ok(before_the_end.into_iter().chain(in_use).min())
}

/// A fifth of the token's life before its end, within one and fifteen minutes, and up to a tenth of its life earlier.
fn before_end(now: Timestamp, end: Timestamp, part: f64) -> Timestamp {
    let life = now.until(end);
    let margin = (life / 5).clamp(SHORTEST_MARGIN, LONGEST_MARGIN);
    let spread = margin.min(life / 10).mul_f64(part);
    end.minus(margin + spread).max(now)
}

/// How long to wait after the `failures`-th failure in a row: not at all after the first, then a random part of one
/// second, of three, of seven, and so on; a quarter of an hour at most.
pub(crate) fn backoff(failures: u32, random: &dyn Random) -> Result<Duration> {
    let longest = Duration::from_secs((1 << (failures.clamp(1, 20) - 1)) - 1).min(LONGEST_BACKOFF);
    Ok(longest.mul_f64(random.fraction()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, buffer: &mut [u8]) -> Result<()> {
            buffer.fill(self.0);
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn a_refresh_is_planned_between_now_and_the_end(now in 0i64..4_000_000_000_000, life in 0i64..400_000_000, byte: u8) {
            let (now, end) = (Timestamp::from_millis(now), Timestamp::from_millis(now + life));
            let at = refresh_at(now, Some(end), None, &Fixed(byte)).unwrap().unwrap();
            prop_assert!(now <= at && at <= end);
            prop_assert!(life < 400_000 || at.until(end) >= SHORTEST_MARGIN);
        }

        #[test]
        fn a_refresh_token_is_used_before_it_is_too_old(
            now in 0i64..4_000_000_000_000,
            life in prop::option::of(0i64..400_000_000),
            age in 0u64..400_000_000,
            byte: u8,
        ) {
            let (now, age) = (Timestamp::from_millis(now), Duration::from_millis(age));
            let end = life.map(|life| now.plus(Duration::from_millis(life.unsigned_abs())));
            let at = refresh_at(now, end, Some(age), &Fixed(byte)).unwrap().unwrap();
            prop_assert!(now <= at && at <= now.plus(age));
            // Never later than without.
            let planned = refresh_at(now, end, None, &Fixed(byte)).unwrap();
            prop_assert!(planned.is_none_or(|planned| at <= planned));
            prop_assert!(Some(at) == planned || now.plus(age - age / 10 - Duration::from_millis(1)) <= at);
        }

        #[test]
        fn a_backoff_never_exceeds_a_quarter_of_an_hour(failures: u32, byte: u8) {
            prop_assert!(backoff(failures, &Fixed(byte)).unwrap() <= LONGEST_BACKOFF);
        }
    }

    #[test]
    fn one_failure_is_no_reason_to_wait() {
        let waits = [1, 2, 3, 4].map(|failures| backoff(failures, &Fixed(255)).unwrap().as_secs());
        assert_eq!(waits, [0, 1, 3, 7]);
    }

    #[test]
    fn tokens_issued_together_are_refreshed_apart() {
        let (now, end) = (Timestamp::from_millis(0), Timestamp::from_millis(3_600_000));
        let first = refresh_at(now, Some(end), None, &Fixed(0)).unwrap().unwrap();
        let last = refresh_at(now, Some(end), None, &Fixed(255)).unwrap().unwrap();
        assert_eq!((last.until(first), first.until(end)), (Duration::from_secs(360), Duration::from_secs(720)));
    }

    #[test]
    fn a_token_of_unknown_life_is_refreshed_on_a_401_or_to_stay_alive() {
        let now = Timestamp::from_millis(0);
        assert_eq!(refresh_at(now, None, None, &Fixed(0)).unwrap(), None);
        let age = Duration::from_secs(1000);
        let planned = [0, 255].map(|byte| refresh_at(now, None, Some(age), &Fixed(byte)).unwrap().unwrap());
        assert_eq!(planned.map(Timestamp::as_millis), [1_000_000, 900_000]);
    }
}

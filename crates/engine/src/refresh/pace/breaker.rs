//! Whether a provider is up: a breaker that opens after failures in a row, tries again with one request at a time, and
//! lets the crowd in step by step once an answer has come.

use std::time::Duration;

use tokio::time::Instant;

use super::Outcome;
use crate::random::Random;

/// How many requests may be under way at a time: some fifty a second, at a provider that answers in 150 ms.
pub(super) const MOST_AT_ONCE: u32 = 8;
/// How many failures in a row open the breaker.
const FAILURES: u32 = 5;
/// How long it stays open at most, after its first opening and after many.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a provider's answers say about asking it again.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// Counts openings and closings: a failure says nothing about the time after the next one.
    period: u64,
}

#[derive(Debug)]
enum State {
    /// The provider answers.
    Closed { failures: u32, at_once: u32 },
    /// It does not. `pause` is the longest that this opening could have lasted.
    Open { until: Instant, pause: Duration },
    /// One request is under way to see whether it does again.
    Probing { pause: Duration },
}

/// Leave to send one request: in which of the breaker's periods it was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass(u64);

impl Breaker {
    /// Of a provider that nothing bad is known of.
    pub(super) fn new() -> Self {
        Self { state: State::Closed { failures: 0, at_once: MOST_AT_ONCE }, period: 0 }
    }

    /// When one more request may be sent while `under_way` are, as far as time decides it: `now` when there is room,
    /// nothing when a request must end first.
    pub(super) fn room_at(&self, under_way: u32, now: Instant) -> Option<Instant> {
        match self.state {
            State::Closed { at_once, .. } => (under_way < at_once).then_some(now),
            State::Open { until, .. } => (under_way < MOST_AT_ONCE).then_some(until.max(now)),
            State::Probing { .. } => None,
        }
    }

    /// While the provider is down: when to come again.
    pub(super) fn refuses_until(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { until, .. } => Some(until),
            // By then the probe has most likely ended.
            State::Probing { pause } => Some(now + pause),
        }
    }

    /// Lets a request pass that there is room for. While the breaker is open, it is the probe.
    pub(super) fn pass(&mut self) -> Pass {
        if let State::Open { pause, .. } = self.state {
            self.state = State::Probing { pause };
        }
        Pass(self.period)
    }

    /// Takes note of how a request ended. Without an outcome it only makes room.
    pub(super) fn end(&mut self, pass: Pass, outcome: Option<Outcome>, now: Instant, random: &dyn Random) {
        let current = pass.0 == self.period;
        match (outcome, &mut self.state) {
            (Some(Outcome::Answered), State::Closed { failures, at_once }) => {
                *failures = 0;
                *at_once = (*at_once + 1).min(MOST_AT_ONCE);
            }
            (Some(Outcome::Answered), _) => self.change(State::Closed { failures: 0, at_once: 1 }),
            (Some(Outcome::Failing { .. }), State::Closed { failures, at_once }) if current => {
                *failures += 1;
                *at_once = (*at_once / 2).max(1);
                if *failures >= FAILURES {
                    self.open(FIRST_PAUSE, now, random);
                }
            }
            (Some(Outcome::Failing { .. }), State::Probing { pause }) if current => {
                let pause = (*pause * 2).min(LONGEST_PAUSE);
                self.open(pause, now, random);
            }
            // The probe was given up: the next to come is the probe.
            (None, State::Probing { pause }) if current => self.state = State::Open { until: now, pause: *pause },
            (Some(Outcome::Failing { .. }) | None, _) => {}
        }
    }

    /// Opens for a random part of `pause`, so that the processes that saw the provider fall don't come back together.
    fn open(&mut self, pause: Duration, now: Instant, random: &dyn Random) {
        // Without randomness for all of it.
        self.change(State::Open { until: now + pause.mul_f64(random.fraction().unwrap_or(1.0)), pause });
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.period += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refresh::pace::tests::Fixed;

    const FAILING: Option<Outcome> = Some(Outcome::Failing { retry_after: None });
    const ANSWERED: Option<Outcome> = Some(Outcome::Answered);

    /// One request from its pass to its end.
    fn one(breaker: &mut Breaker, outcome: Option<Outcome>, now: Instant, random: u8) {
        let pass = breaker.pass();
        breaker.end(pass, outcome, now, &Fixed(random));
    }

    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::new();
        (0..FAILURES).for_each(|_| one(&mut breaker, FAILING, now, 255));
        breaker
    }

    /// How many may be under way at a time.
    fn width(breaker: &Breaker, now: Instant) -> u32 {
        (0..100).find(|under_way| breaker.room_at(*under_way, now) != Some(now)).unwrap()
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_four_do_not() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        for outcome in [FAILING, FAILING, FAILING, FAILING, None, ANSWERED, FAILING, FAILING, None, FAILING, FAILING] {
            one(&mut breaker, outcome, now, 255);
            assert_eq!(breaker.refuses_until(now), None);
        }
        one(&mut breaker, FAILING, now, 255);
        assert_eq!(breaker.refuses_until(now), Some(now + FIRST_PAUSE));
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut now = Instant::now();
        let mut breaker = open(now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let until = breaker.refuses_until(now).unwrap();
            pauses.push((until - now).as_secs());
            now = until;
            assert_eq!(width(&breaker, now), MOST_AT_ONCE, "room for the probe, whatever is still under way");
            one(&mut breaker, FAILING, now, 255);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_pause_is_any_part_of_its_length() {
        let now = Instant::now();
        let mut breaker = open(now);
        one(&mut breaker, FAILING, now, 0);
        assert_eq!(breaker.refuses_until(now), Some(now));
        one(&mut breaker, FAILING, now, 128);
        let half = breaker.refuses_until(now).unwrap() - now;
        assert!((1900..2100).contains(&half.as_millis()), "{half:?}");
    }

    #[test]
    fn after_closing_the_crowd_comes_one_by_one() {
        let now = Instant::now();
        let mut breaker = open(now);
        let widths = [ANSWERED; 9].map(|outcome| {
            one(&mut breaker, outcome, now, 255);
            width(&breaker, now)
        });
        assert_eq!(widths, [1, 2, 3, 4, 5, 6, 7, 8, 8]);
    }

    #[test]
    fn a_failure_halves_the_crowd() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        let widths = [FAILING, FAILING, FAILING, FAILING, ANSWERED, None].map(|outcome| {
            one(&mut breaker, outcome, now, 255);
            width(&breaker, now)
        });
        assert_eq!(widths, [4, 2, 1, 1, 2, 2]);
    }

    #[test]
    fn what_was_sent_before_it_opened_neither_lengthens_the_pause_nor_ends_the_probe() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        let passes: Vec<_> = (0..MOST_AT_ONCE).map(|_| breaker.pass()).collect();
        let (five, late) = passes.split_at(FAILURES as usize);
        five.iter().for_each(|pass| breaker.end(*pass, FAILING, now, &Fixed(255)));
        breaker.end(late[0], FAILING, now, &Fixed(255));
        assert_eq!(breaker.refuses_until(now), Some(now + FIRST_PAUSE));
        let probe = breaker.pass();
        breaker.end(late[1], FAILING, now, &Fixed(255));
        breaker.end(late[2], None, now, &Fixed(255));
        assert_eq!(breaker.room_at(0, now), None);
        breaker.end(probe, ANSWERED, now, &Fixed(255));
        assert_eq!(width(&breaker, now), 1);
    }

    #[test]
    fn a_probe_that_is_given_up_leaves_its_place_to_the_next() {
        let now = Instant::now();
        let mut breaker = open(now);
        let probe = breaker.pass();
        assert_eq!((breaker.room_at(0, now), breaker.refuses_until(now)), (None, Some(now + FIRST_PAUSE)));
        breaker.end(probe, None, now, &Fixed(255));
        assert_eq!(breaker.room_at(0, now), Some(now));
    }
}

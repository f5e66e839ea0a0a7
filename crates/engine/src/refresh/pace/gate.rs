//! The rule for one provider: who waits, who may go, and who is told to come again later. Nothing here waits or reads a
//! clock.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

use super::{
    Lane, Outcome, Urgency,
    breaker::{Breaker, Pass},
    line::{Line, Ticket},
    rate::Rate,
};
use crate::random::Random;

/// A provider that nobody has asked for so long is forgotten: every pause is over by then.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// The bounds of a wait that a provider asks for.
const SHORTEST_HOLD: Duration = Duration::from_secs(1);
const LONGEST_HOLD: Duration = Duration::from_secs(3600);

/// One provider's gate. `W` stands for a caller.
pub(super) struct Gate<W> {
    asked: Line<W>,
    planned: Line<W>,
    /// How many have gone and not ended.
    under_way: u32,
    breaker: Breaker,
    rate: Option<Rate>,
    /// The provider has asked us to wait until then. People's requests don't: they bring its answer.
    held_until: Instant,
    used_at: Instant,
}

impl<W> Gate<W> {
    pub(super) fn new(now: Instant) -> Self {
        let (asked, planned) = (Line::new(), Line::new());
        Self { asked, planned, under_way: 0, breaker: Breaker::new(), rate: None, held_until: now, used_at: now }
    }

    /// Sets how many requests a second the provider takes. A caller who knows of no limit leaves the one that is known.
    pub(super) fn limit(&mut self, most_per_second: Option<NonZeroU32>, now: Instant) {
        if let Some(most) = most_per_second {
            self.rate.get_or_insert_with(|| Rate::new(most, now)).set(most);
        }
    }

    /// Puts a caller in the line. [`Self::call`] says what becomes of it.
    pub(super) fn line_up(&mut self, lane: Lane<'_>, urgency: Urgency, caller: W, now: Instant) -> Ticket {
        self.used_at = now;
        self.line(urgency).push(lane, caller)
    }

    /// Takes a caller out that gave up.
    pub(super) fn leave(&mut self, lane: Lane<'_>, urgency: Urgency, ticket: Ticket) {
        self.line(urgency).remove(lane, ticket);
    }

    /// Those whose wait is over now: who may go, in their order, and who is to come again at a time. To be called after
    /// every change, and at [`Self::next_at`].
    pub(super) fn call(&mut self, now: Instant) -> Vec<(W, Result<Pass, Instant>)> {
        let mut over = Vec::new();
        for urgency in [Urgency::Asked, Urgency::Planned] {
            while self.room_at(urgency, now).is_some_and(|at| at <= now)
                && let Some(caller) = self.line(urgency).pop()
            {
                over.push((caller, Ok(self.pass(now))));
            }
        }
        for urgency in [Urgency::Asked, Urgency::Planned] {
            if let Some(until) = self.refuses_until(urgency, now) {
                over.extend(self.line(urgency).take().map(|caller| (caller, Err(until))));
            }
        }
        over
    }

    /// A request has ended, or was not sent.
    pub(super) fn end(&mut self, pass: Pass, outcome: Option<Outcome>, now: Instant, random: &dyn Random) {
        self.under_way -= 1;
        self.used_at = now;
        if let Some(Outcome::Failing { retry_after: Some(wait) }) = outcome {
            self.held_until = self.held_until.max(now + wait.clamp(SHORTEST_HOLD, LONGEST_HOLD));
        }
        self.breaker.end(pass, outcome, now, random);
    }

    /// When time alone lets the first in line go.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        let first = if self.asked.is_empty() { Urgency::Planned } else { Urgency::Asked };
        self.is_awaited().then(|| self.room_at(first, now)).flatten()
    }

    /// When a planned request could go, as far as time decides it: `now` when there is room, nothing while others wait or
    /// a request must end first.
    pub(super) fn planned_room_at(&self, now: Instant) -> Option<Instant> {
        (!self.is_awaited()).then(|| self.room_at(Urgency::Planned, now)).flatten()
    }

    /// Whether planned requests are sent away at present.
    pub(super) fn is_left_alone(&self, now: Instant) -> bool {
        self.refuses_until(Urgency::Planned, now).is_some_and(|until| until > now)
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_forgotten(&self, now: Instant) -> bool {
        self.under_way == 0 && !self.is_awaited() && now >= self.used_at + FORGOTTEN_AFTER
    }

    fn is_awaited(&self) -> bool {
        !self.asked.is_empty() || !self.planned.is_empty()
    }

    fn room_at(&self, urgency: Urgency, now: Instant) -> Option<Instant> {
        let room = self.breaker.room_at(self.under_way, now)?.max(self.rate_ready_at(now));
        Some(match urgency {
            Urgency::Asked => room,
            Urgency::Planned => room.max(self.held_until),
        })
    }

    /// When to come again, where waiting in line could take longer than a caller likes.
    fn refuses_until(&self, urgency: Urgency, now: Instant) -> Option<Instant> {
        let held = (urgency == Urgency::Planned && self.held_until > now).then_some(self.held_until);
        let until = self.breaker.refuses_until(now).max(held)?;
        Some(until.max(self.rate_ready_at(now)))
    }

    fn rate_ready_at(&self, now: Instant) -> Instant {
        self.rate.as_ref().map_or(now, |rate| rate.ready_at(now))
    }

    /// Lets a request go, for which there should be room.
    pub(super) fn pass(&mut self, now: Instant) -> Pass {
        self.used_at = now;
        self.under_way += 1;
        if let Some(rate) = &mut self.rate {
            rate.take(now);
        }
        self.breaker.pass()
    }

    fn line(&mut self, urgency: Urgency) -> &mut Line<W> {
        match urgency {
            Urgency::Asked => &mut self.asked,
            Urgency::Planned => &mut self.planned,
        }
    }
}

#[cfg(test)]
mod tests;

//! How fast this process may ask each provider's token endpoint.
//!
//! A flight [enters](Pace::enter) before it asks and holds its [`Turn`] until the answer is in. At most eight requests
//! are under way at a provider at a time, and no more a second than its profile allows. Who waits for a token goes before
//! planned work; among equals, organizations take turns, and within one its connections ([`line`]).
//!
//! A provider that fails again and again, or asks us to wait, is left alone for a while ([`breaker`]). Nobody stands in
//! line for that: a caller is refused at once, with the time at which to come again. What does wait in line waits for a
//! request under way to end, or for the next second's share, so every wait comes to an end.
//!
//! [`gate`] is the rule, without a clock. Here is what waits: callers who are told through a channel when their wait is
//! over, and one of them per provider who looks at the clock for all, as time alone may let the next one go. All of it is
//! in memory, and of this process alone.

mod breaker;
mod gate;
mod line;
mod rate;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    convert::Infallible,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};

use self::{breaker::Pass, gate::Gate, line::Ticket};
use crate::random::Random;

/// The providers' gates, by the origin of the token endpoint (`https://accounts.example.com`).
pub(crate) struct Pace(Arc<Shared>);

/// On whose behalf a request is sent; what takes turns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lane<'a> {
    /// The organization's id.
    pub(crate) organization: &'a str,
    /// The connection's id, of that organization.
    pub(crate) connection: &'a str,
}

/// Whether someone waits for what a request brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// A caller needs the token now.
    Asked,
    /// It is refreshed ahead of time. Ask [`Pace::has_room`] first, and keep what is due in the store, not in line.
    Planned,
}

/// How a token request ended, as far as it tells whether the provider is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With a definite answer: a token, `invalid_grant`, `invalid_client`.
    Answered,
    /// With 429, 5xx or no answer.
    Failing {
        /// How long the provider asked us to wait; taken as one second at least and one hour at most.
        retry_after: Option<Duration>,
    },
}

/// The provider is down, or asked for time: come again at `until`, or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The earliest time at which it is of use.
    pub(crate) until: Instant,
}

/// Leave to send one token request. Dropped without an outcome, it tells nothing about the provider.
#[must_use = "dropping it makes room for the next request"]
pub(crate) struct Turn {
    shared: Arc<Shared>,
    provider: String,
    pass: Pass,
    outcome: Option<Outcome>,
}

impl Pace {
    /// With no provider known. `random` spreads the times at which a failing provider is tried again.
    pub(crate) fn new(random: Arc<dyn Random>) -> Self {
        Self(Arc::new(Shared { providers: Mutex::default(), random }))
    }

    /// Waits for a turn at the provider; `most_per_second` is what its profile allows. Giving up the wait leaves nothing
    /// behind.
    ///
    /// # Errors
    /// [`Refused`] at once, or out of the line, when the provider is down or has asked for time. Of those who come when
    /// that is over, one is let through to see, and the others are refused until it is back.
    pub(crate) async fn enter(
        &self,
        provider: &str,
        lane: Lane<'_>,
        urgency: Urgency,
        most_per_second: Option<NonZeroU32>,
    ) -> Result<Turn, Refused> {
        let (caller, mut told) = oneshot::channel();
        let place = {
            let now = Instant::now();
            let mut providers = self.0.providers();
            let Provider { gate, timekeeping } = gate_of(provider, &mut providers, now);
            gate.limit(most_per_second, now);
            let ticket = gate.line_up(lane, urgency, caller, now);
            Place { shared: &self.0, provider, lane, urgency, ticket, timekeeping: timekeeping.clone() }
        };
        self.0.call(provider);
        tokio::select! {
            biased;
            told = &mut told => told.expect("whoever is taken out of the line is told why"),
            never = place.keep_time() => match never {},
        }
    }

    /// A turn at once, whether or not there is room: for a person who waits at a page, with a code that lives a minute. It
    /// counts like any other, so the rest slow down for it.
    pub(crate) fn enter_at_once(&self, provider: &str, most_per_second: Option<NonZeroU32>) -> Turn {
        let now = Instant::now();
        let mut providers = self.0.providers();
        let gate = &mut gate_of(provider, &mut providers, now).gate;
        gate.limit(most_per_second, now);
        let pass = gate.pass(now);
        Turn { shared: self.0.clone(), provider: provider.to_owned(), pass, outcome: None }
    }

    /// Whether a planned request could go at once.
    pub(crate) fn has_room(&self, provider: &str) -> bool {
        let now = Instant::now();
        self.room_at(provider, now).is_some_and(|at| at <= now)
    }

    /// When a planned request could go, as far as time decides it: now when there is room, nothing while others wait or
    /// a request must end first.
    pub(crate) fn next_room_at(&self, provider: &str) -> Option<Instant> {
        self.room_at(provider, Instant::now())
    }

    /// How many providers are asked for nothing now that can wait, because they fail or asked for time.
    pub(crate) fn left_alone(&self) -> usize {
        let now = Instant::now();
        self.0.providers().values().filter(|provider| provider.gate.is_left_alone(now)).count()
    }

    fn room_at(&self, provider: &str, now: Instant) -> Option<Instant> {
        self.0.providers().get(provider).map_or(Some(now), |provider| provider.gate.planned_room_at(now))
    }
}

impl Turn {
    /// Ends it with what its request said about the provider.
    pub(crate) fn done(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(provider) = self.shared.providers().get_mut(&self.provider) {
            provider.gate.end(self.pass, self.outcome, Instant::now(), &*self.shared.random);
        }
        self.shared.call(&self.provider);
    }
}

/// What callers and turns share.
struct Shared {
    providers: Mutex<HashMap<String, Provider>>,
    random: Arc<dyn Random>,
}

struct Provider {
    gate: Gate<Caller>,
    timekeeping: Arc<Timekeeping>,
}

/// Who waits in line, to be told how that ends.
type Caller = oneshot::Sender<Result<Turn, Refused>>;

/// One of those who wait at a provider looks at the clock for all.
#[derive(Default)]
struct Timekeeping {
    /// Held by the one who does.
    baton: tokio::sync::Mutex<()>,
    /// Tells that one that the gate has changed.
    changed: Notify,
}

impl Shared {
    /// Tells those whose wait is over.
    fn call(self: &Arc<Self>, provider: &str) {
        // Told without the lock: a turn that nobody takes any more is dropped here, and so makes room again.
        for (caller, verdict) in self.called(provider) {
            let turn = |pass| Turn { shared: self.clone(), provider: provider.to_owned(), pass, outcome: None };
            drop(caller.send(verdict.map(turn).map_err(|until| Refused { until })));
        }
    }

    fn called(&self, provider: &str) -> Vec<(Caller, Result<Pass, Instant>)> {
        let mut providers = self.providers();
        let Some(Provider { gate, timekeeping }) = providers.get_mut(provider) else { return Vec::new() };
        timekeeping.changed.notify_one();
        gate.call(Instant::now())
    }

    fn providers(&self) -> MutexGuard<'_, HashMap<String, Provider>> {
        self.providers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The provider and its gate, made where there is none. Those that nobody has asked for long go then.
fn gate_of<'a>(provider: &str, providers: &'a mut HashMap<String, Provider>, now: Instant) -> &'a mut Provider {
    if !providers.contains_key(provider) {
        providers.retain(|_, provider| !provider.gate.is_forgotten(now));
    }
    let new = || Provider { gate: Gate::new(now), timekeeping: Arc::default() };
    providers.entry(provider.to_owned()).or_insert_with(new)
}

/// A caller's place in line, until it is dropped.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    provider: &'a str,
    lane: Lane<'a>,
    urgency: Urgency,
    ticket: Ticket,
    timekeeping: Arc<Timekeeping>,
}

impl Place<'_> {
    /// Looks at the clock for all who wait here, once nobody else does, and calls those whose time has come.
    async fn keep_time(&self) -> Infallible {
        let _baton = self.timekeeping.baton.lock().await;
        loop {
            let changed = self.timekeeping.changed.notified();
            match self.next_at() {
                None => changed.await,
                Some(at) if timeout_at(at, changed).await.is_ok() => {}
                Some(_) => self.shared.call(self.provider),
            }
        }
    }

    fn next_at(&self) -> Option<Instant> {
        self.shared.providers().get(self.provider)?.gate.next_at(Instant::now())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(provider) = self.shared.providers().get_mut(self.provider) {
            provider.gate.leave(self.lane, self.urgency, self.ticket);
        }
    }
}

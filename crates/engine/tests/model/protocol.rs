//! The protocol: what can happen, and when.

use stateright::{Model, Property};

use crate::{
    invariants,
    provider::{Grant, Policy},
    shortcuts::Shortcut,
    state::{Budget, Flight, Leg, Pause, Row, State, Status, Step},
};

/// The request's deadline T, the bound N of its life in the network and the length L of its lease. Only their order
/// counts: T < N < L.
pub(crate) const DEADLINE: u8 = 1;
pub(crate) const NETWORK: u8 = 2;
pub(crate) const LEASE: u8 = 3;

/// One world to explore.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) policy: Policy,
    pub(crate) place: Place,
    pub(crate) shortcuts: &'static [Shortcut],
    pub(crate) budget: Budget,
    pub(crate) excuses: Excuses,
    /// The last epoch that a request may have.
    pub(crate) requests: u8,
    /// The one property that is looked at, if not all are.
    pub(crate) only: Option<&'static str>,
}

/// What lets us have a grant revoked, or a person asked to consent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Excuses {
    /// One of the windows has opened ([`crate::state::History`]), or a process stood still.
    Windows,
    /// Any crash, loss or stall.
    Misfortunes,
}

/// Where the two replicas run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// On one machine: the lock of a journal tells whether its owner is gone, and whoever comes next takes it over.
    Together,
    /// On two machines, with one store: a journal is read by its owner alone, and leases end by time.
    Apart,
}

/// What can happen. A number is a replica's, or a message's place in the network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Reserves a slot of the journal.
    Reserve(usize),
    /// Takes the lease; the intent is durable.
    Intend(usize),
    /// Connects to the provider.
    Connect(usize),
    /// Can't connect: nothing was sent.
    FailToConnect(usize),
    /// Notes that the request leaves now.
    MarkSent(usize),
    /// Sends it.
    Ask(usize),
    /// Gives the answer up, at the deadline.
    Timeout(usize),
    /// Makes the raw answer durable.
    Journal(usize),
    /// Commits what it brought, and lets go of the lease.
    Settle(usize),
    /// Clears the slot.
    Clear(usize),
    /// Takes over what one that is gone has left: its journal where there is something in it, then its lease.
    TakeOver(usize),
    /// The provider takes a request and answers.
    Process(usize),
    /// A part of the provider that lags behind takes it, and refuses.
    Lag(usize),
    /// The answer arrives.
    Deliver(usize),
    /// The message is lost.
    Drop(usize),
    /// The process is killed.
    Crash(usize),
    /// It is started again, and settles what is in its journal before anything else.
    Restart(usize),
    /// The process stands still.
    Stall(usize),
    /// It goes on.
    Resume(usize),
    /// Time passes.
    Tick,
    /// The pause before a refusal is confirmed is over.
    Confirm,
    /// The access token ends.
    Expire,
    /// The provider no longer takes the token that it replaced.
    EndGrace,
    /// The person takes the grant back.
    UserRevoke,
}

impl Model for Refresh {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.budget)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // One of two that are alike stands for both.
        let alike = state.replicas[0] == state.replicas[1] && state.lease.is_none() && state.network.is_empty();
        for replica in 0..if alike { 1 } else { 2 } {
            self.steps(state, replica, actions);
            self.misfortunes(state, replica, actions);
        }
        self.deliveries(state, actions);
        if self.can_tick(state) {
            actions.push(Action::Tick);
        }
        if state.row.pause == Pause::Confirm {
            actions.push(Action::Confirm);
        }
        // Before there is a doubt, it makes no difference.
        if self.is_postponed(&state.row) {
            actions.push(Action::Expire);
        }
        if state.provider.previous.is_some() {
            actions.push(Action::EndGrace);
        }
        if state.budget.revocations > 0 && state.provider.grant == Grant::Alive {
            actions.push(Action::UserRevoke);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.apply(&mut state, action);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = invariants::properties();
        properties.retain(|property| self.only.is_none_or(|name| name == property.name));
        properties
    }
}

impl Refresh {
    pub(crate) fn takes(&self, shortcut: Shortcut) -> bool {
        self.shortcuts.contains(&shortcut)
    }

    pub(crate) fn lease(&self) -> u8 {
        if self.takes(Shortcut::ShortLease) { DEADLINE } else { LEASE }
    }

    /// Whether the rules forbid another request for the account now: it might end the grant while its access token still
    /// serves.
    pub(crate) fn is_postponed(&self, row: &Row) -> bool {
        row.doubtful && row.valid && self.policy.revokes_at_once()
    }

    fn may_ask(&self, state: &State) -> bool {
        let row = &state.row;
        row.status == Status::Active
            && row.pause == Pause::Over
            && row.request_epoch < self.requests
            && state.lease.is_none()
            && (self.takes(Shortcut::NoPostponement) || !self.is_postponed(row))
    }

    /// The next step of the replica's refresh.
    fn steps(&self, state: &State, id: usize, actions: &mut Vec<Action>) {
        let replica = &state.replicas[id];
        if !replica.runs() {
            return;
        }
        match &replica.step {
            Step::Idle if self.may_ask(state) => actions.push(Action::Reserve(id)),
            Step::Reserved if self.may_ask(state) => actions.push(Action::Intend(id)),
            Step::Idle | Step::Reserved => {}
            Step::Intended(flight) => {
                if flight.age < DEADLINE {
                    actions.push(Action::Connect(id));
                }
                actions.push(Action::FailToConnect(id));
            }
            Step::Connected(_) => actions.push(Action::MarkSent(id)),
            Step::Marked(_) => actions.push(Action::Ask(id)),
            Step::Asked(flight) if self.can_time_out(state, id, flight) => actions.push(Action::Timeout(id)),
            Step::Asked(_) => {}
            Step::Answered(..) => actions.push(Action::Journal(id)),
            Step::Settling(_) => actions.push(Action::Settle(id)),
            Step::Settled(_) => actions.push(Action::Clear(id)),
        }
        if self.can_take_over(state, id) {
            actions.push(Action::TakeOver(id));
        }
    }

    /// An answer that is not lost comes in time, unless the budget has a loss left.
    fn can_time_out(&self, state: &State, id: usize, flight: &Flight) -> bool {
        flight.age >= DEADLINE && (state.budget.losses > 0 || state.message_for(id).is_none())
    }

    fn can_take_over(&self, state: &State, id: usize) -> bool {
        let replica = &state.replicas[id];
        if !replica.is_free() {
            return false;
        }
        if self.orphan(state, id).is_some() {
            return replica.journal.is_none();
        }
        state.lease.as_ref().is_some_and(|lease| {
            let is_sent = lease.sent || self.takes(Shortcut::NoMarkSent);
            let is_ended = lease.left == 0;
            match self.place {
                Place::Apart => is_ended,
                Place::Together if self.holds(state, lease.epoch) => is_ended && self.takes(Shortcut::TimeOverLock),
                Place::Together => is_ended || !is_sent || self.takes(Shortcut::NoWait),
            }
        })
    }

    /// The other replica, where it is gone, its journal can be read and has something in it.
    pub(crate) fn orphan(&self, state: &State, id: usize) -> Option<usize> {
        let other = &state.replicas[1 - id];
        (self.place == Place::Together && !other.is_up && other.journal.is_some()).then_some(1 - id)
    }

    /// Whether the process that took the lease of this epoch is still there.
    fn holds(&self, state: &State, epoch: u8) -> bool {
        state.replicas.iter().any(|replica| match &replica.step {
            Step::Idle | Step::Reserved | Step::Settled(_) => false,
            Step::Intended(flight) | Step::Connected(flight) | Step::Marked(flight) | Step::Asked(flight) => {
                flight.epoch == epoch
            }
            Step::Answered(flight, _) => flight.epoch == epoch,
            Step::Settling(entry) => entry.flight.epoch == epoch,
        })
    }

    fn misfortunes(&self, state: &State, id: usize, actions: &mut Vec<Action>) {
        let (replica, budget) = (&state.replicas[id], &state.budget);
        if !replica.is_up {
            actions.push(Action::Restart(id));
            return;
        }
        if replica.is_stalled {
            actions.push(Action::Resume(id));
        }
        if replica.is_free() {
            return;
        }
        if budget.crashes > 0 {
            actions.push(Action::Crash(id));
        }
        if budget.stalls > 0 && !replica.is_stalled {
            actions.push(Action::Stall(id));
        }
    }

    fn deliveries(&self, state: &State, actions: &mut Vec<Action>) {
        for (place, message) in state.network.iter().enumerate() {
            match message.leg {
                Leg::There(_) => {
                    actions.push(Action::Process(place));
                    if state.budget.lags > 0 && state.provider.grant == Grant::Alive {
                        actions.push(Action::Lag(place));
                    }
                }
                Leg::Back(_) if message.asker.is_some_and(|asker| state.replicas[asker].runs()) => {
                    actions.push(Action::Deliver(place));
                }
                Leg::Back(_) => {}
            }
            if state.budget.losses > 0 {
                actions.push(Action::Drop(place));
            }
        }
    }

    /// Time waits for whoever can go on: a step takes none, unless a process stands still.
    fn can_tick(&self, state: &State) -> bool {
        let is_waited_for = |id: usize| {
            let replica = &state.replicas[id];
            replica.runs()
                && match &replica.step {
                    Step::Idle => false,
                    Step::Reserved => self.may_ask(state),
                    Step::Intended(flight) | Step::Asked(flight) => flight.age >= DEADLINE,
                    _ => true,
                }
        };
        let is_at_its_end = state.network.iter().any(|message| message.leg == Leg::There(0));
        let counts_down = !state.network.is_empty()
            || state.lease.as_ref().is_some_and(|lease| lease.left > 0)
            || matches!(state.row.pause, Pause::Quarantine(_));
        counts_down && !is_at_its_end && !(0..state.replicas.len()).any(is_waited_for)
    }
}

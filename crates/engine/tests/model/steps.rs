//! What each action does.

use crate::{
    protocol::{Action, DEADLINE, NETWORK, Place, Refresh},
    provider::{Answer, Grant},
    shortcuts::Shortcut,
    state::{Entry, Flight, Lease, Leg, Message, Pause, Reason, Row, Settled, State, Status, Step},
};

impl Refresh {
    pub(crate) fn apply(&self, state: &mut State, action: Action) {
        match action {
            Action::Reserve(id) => state.replicas[id].step = Step::Reserved,
            Action::Intend(id) => self.intend(state, id),
            Action::Connect(id) => advance(state, id, Step::Connected),
            Action::FailToConnect(id) => {
                let epoch = flight(state, id).epoch;
                self.release(state, epoch);
                state.replicas[id].step = Step::Idle;
            }
            Action::MarkSent(id) => self.mark_sent(state, id),
            Action::Ask(id) => self.ask(state, id),
            Action::Timeout(id) => time_out(state, id),
            Action::Journal(id) => journal(state, id),
            Action::Settle(id) => self.settle(state, id),
            Action::Clear(id) => {
                state.replicas[id].journal = None;
                state.replicas[id].step = Step::Idle;
            }
            Action::TakeOver(id) => self.take_over(state, id),
            Action::Process(place) => self.process(state, place),
            Action::Lag(place) => {
                state.budget.lags -= 1;
                answer(state, place, Answer::Refused);
            }
            Action::Deliver(place) => deliver(state, place),
            Action::Drop(place) => {
                state.budget.losses -= 1;
                drop_message(state, place);
            }
            Action::Crash(id) => crash(state, id),
            Action::Restart(id) => restart(state, id),
            Action::Stall(id) => {
                state.budget.stalls -= 1;
                state.replicas[id].is_stalled = true;
            }
            Action::Resume(id) => state.replicas[id].is_stalled = false,
            Action::Tick => tick(state),
            Action::Confirm => state.row.pause = Pause::Over,
            Action::Expire => state.row.valid = false,
            Action::EndGrace => state.provider.previous = None,
            Action::UserRevoke => {
                state.budget.revocations -= 1;
                state.provider.grant = Grant::RevokedByUser;
            }
        }
    }

    fn intend(&self, state: &mut State, id: usize) {
        let row = &state.row;
        let epoch = row.request_epoch + 1;
        let flight = Flight { epoch, token: row.token, token_epoch: row.token_epoch, version: row.version, age: 0 };
        state.lease = Some(Lease { holder: id, epoch, left: self.lease(), sent: false });
        state.replicas[id].step = Step::Intended(flight);
    }

    /// Fences off whoever stood still for longer than its lease, and whoever would send a token that has been replaced.
    fn mark_sent(&self, state: &mut State, id: usize) {
        let Flight { epoch, token_epoch, .. } = *flight(state, id);
        let is_current = state.row.token_epoch == token_epoch || self.takes(Shortcut::NoSecondLook);
        let lease = state.lease.as_mut().filter(|lease| lease.epoch == epoch && lease.holder == id);
        if self.takes(Shortcut::NoMarkSent) {
            advance(state, id, Step::Marked);
        } else if let Some(lease) = lease.filter(|_| is_current) {
            lease.sent = true;
            advance(state, id, Step::Marked);
        } else {
            self.release(state, epoch);
            state.replicas[id].step = Step::Idle;
            return;
        }
        let answered_elsewhere = state.replicas[1 - id].journal.as_ref().is_some_and(|entry| {
            entry.flight.epoch > state.row.token_epoch && matches!(entry.answer, Some(Answer::Tokens(_)))
        });
        let is_apart = self.place == Place::Apart;
        state.history.left_behind |= is_apart && answered_elsewhere && !self.is_postponed(&state.row);
    }

    fn ask(&self, state: &mut State, id: usize) {
        let Flight { epoch, token, age, .. } = *flight(state, id);
        state.network.push(Message { epoch, asker: Some(id), token, leg: Leg::There(NETWORK - age) });
        state.network.sort_by_key(|message| (message.epoch, message.asker));
        advance(state, id, Step::Asked);
    }

    fn process(&self, state: &mut State, place: usize) {
        let Message { epoch, token, .. } = state.network[place];
        let is_repeated = state.provider.previous == Some(token);
        let answered = state.provider.process(self.policy, token);
        if let Answer::Tokens(_) = answered {
            state.history.repeated = is_repeated;
            state.history.lost = false;
            state.history.outrun |= epoch < state.history.newest;
        }
        state.history.newest = state.history.newest.max(epoch);
        answer(state, place, answered);
    }

    fn settle(&self, state: &mut State, id: usize) {
        let Step::Settling(entry) = state.replicas[id].step.clone() else { return };
        let before = state.row.clone();
        let epoch = entry.flight.epoch;
        let is_news = state.row.request_epoch < epoch || self.takes(Shortcut::OldNews);
        let settled = match entry.answer {
            Some(Answer::Tokens(_)) => self.store(state, &entry),
            Some(Answer::Refused) if is_news => self.refuse(state, &entry),
            None if is_news => quarantine(state, epoch),
            Some(Answer::Refused) | None => Settled::Otherwise,
        };
        state.row.request_epoch = state.row.request_epoch.max(epoch);
        self.count_version(state, &before);
        self.release(state, epoch);
        state.replicas[id].step = Step::Settled(settled);
    }

    /// Stores a token of a later request than the stored one's, whoever holds the lease by now.
    fn store(&self, state: &mut State, entry: &Entry) -> Settled {
        let Some(Answer::Tokens(token)) = entry.answer else { return Settled::Otherwise };
        let (row, flight) = (&mut state.row, &entry.flight);
        let is_stored = if self.takes(Shortcut::BlindWrite) {
            true
        } else if self.takes(Shortcut::CompareVersion) {
            row.version == flight.version
        } else {
            row.token_epoch < flight.epoch
        };
        if !is_stored {
            return Settled::Otherwise;
        }
        state.history.regressed |= token < row.token;
        row.status = Status::Active;
        row.token = token;
        row.token_epoch = flight.epoch;
        row.refused = false;
        row.valid = true;
        // What is known of a later request stays.
        if row.request_epoch <= flight.epoch || self.takes(Shortcut::OldNews) {
            row.doubtful = false;
            row.pause = Pause::Over;
        }
        if entry.is_replayed { Settled::Healed } else { Settled::Stored }
    }

    /// Believes an `invalid_grant` that two requests brought, about the token that is stored.
    fn refuse(&self, state: &mut State, entry: &Entry) -> Settled {
        let row = &mut state.row;
        if row.token_epoch != entry.flight.token_epoch || row.status != Status::Active {
            return Settled::Otherwise;
        }
        if row.refused || self.takes(Shortcut::NoConfirmation) {
            row.status = Status::Ended(if row.doubtful { Reason::LostRotation } else { Reason::Revoked });
            row.pause = Pause::Over;
        } else {
            row.refused = true;
            row.pause = Pause::Confirm;
        }
        Settled::Otherwise
    }

    fn take_over(&self, state: &mut State, id: usize) {
        if let Some(gone) = self.orphan(state, id) {
            state.replicas[id].journal = state.replicas[gone].journal.take();
            return replay(state, id);
        }
        let Some(lease) = state.lease.take() else { return };
        let before = state.row.clone();
        if lease.sent || self.takes(Shortcut::NoMarkSent) {
            state.row.doubtful = true;
        }
        state.row.request_epoch = state.row.request_epoch.max(lease.epoch);
        self.count_version(state, &before);
    }

    fn release(&self, state: &mut State, epoch: u8) {
        if self.takes(Shortcut::UnconditionalRelease) || state.lease.as_ref().is_some_and(|lease| lease.epoch == epoch)
        {
            state.lease = None;
        }
    }

    fn count_version(&self, state: &mut State, before: &Row) {
        if self.takes(Shortcut::CompareVersion) && state.row != *before {
            state.row.version += 1;
        }
    }
}

/// Leaves the provider alone for as long as the request may be under way.
fn quarantine(state: &mut State, epoch: u8) -> Settled {
    if state.row.status == Status::Active {
        let left = state.lease.as_ref().filter(|lease| lease.epoch == epoch).map_or(0, |lease| lease.left);
        state.row.doubtful = true;
        state.row.pause = if left > 0 { Pause::Quarantine(left) } else { Pause::Over };
    }
    Settled::Otherwise
}

/// The flight of a replica that has one up to its deadline.
fn flight(state: &mut State, id: usize) -> &Flight {
    state.replicas[id].flight_mut().expect("the action is one of a flight")
}

fn advance(state: &mut State, id: usize, step: fn(Flight) -> Step) {
    let flight = flight(state, id).clone();
    state.replicas[id].step = step(flight);
}

/// Without an answer there is nothing for the journal. Where one is on its way, it comes too late.
fn time_out(state: &mut State, id: usize) {
    let flight = Flight { age: 0, ..flight(state, id).clone() };
    if state.message_for(id).is_some() {
        state.budget.losses -= 1;
        hang_up(state, id);
    }
    state.replicas[id].step = Step::Settling(Entry { flight, answer: None, is_replayed: false });
}

fn journal(state: &mut State, id: usize) {
    let replica = &mut state.replicas[id];
    let Step::Answered(flight, answer) = replica.step.clone() else { return };
    let entry = Entry { flight, answer: Some(answer), is_replayed: false };
    replica.journal = Some(entry.clone());
    replica.step = Step::Settling(entry);
}

/// The provider's answer goes back, to nobody if nobody waits for it.
fn answer(state: &mut State, place: usize, answer: Answer) {
    if state.network[place].asker.is_some() {
        state.network[place].leg = Leg::Back(answer);
    } else {
        state.forget(answer);
        state.network.remove(place);
    }
}

fn deliver(state: &mut State, place: usize) {
    let Message { asker: Some(asker), leg: Leg::Back(answer), .. } = state.network.remove(place) else { return };
    let flight = Flight { age: 0, ..flight(state, asker).clone() };
    state.replicas[asker].step = Step::Answered(flight, answer);
}

/// Nobody waits any longer for the answer, though the request may still arrive.
fn hang_up(state: &mut State, id: usize) {
    let Some(place) = state.message_for(id) else { return };
    match state.network[place].leg {
        Leg::There(_) => state.network[place].asker = None,
        Leg::Back(_) => drop_message(state, place),
    }
}

fn drop_message(state: &mut State, place: usize) {
    if let Leg::Back(answer) = state.network.remove(place).leg {
        state.forget(answer);
    }
}

fn crash(state: &mut State, id: usize) {
    state.budget.crashes -= 1;
    if let Step::Answered(_, answer) = state.replicas[id].step {
        state.forget(answer);
    }
    hang_up(state, id);
    let replica = &mut state.replicas[id];
    replica.step = Step::Idle;
    replica.is_up = false;
    replica.is_stalled = false;
}

fn restart(state: &mut State, id: usize) {
    state.replicas[id].is_up = true;
    if state.replicas[id].journal.is_some() {
        replay(state, id);
    }
}

/// What is in the journal comes before anything else.
fn replay(state: &mut State, id: usize) {
    let replica = &mut state.replicas[id];
    if let Some(entry) = &mut replica.journal {
        entry.is_replayed = true;
        replica.step = Step::Settling(entry.clone());
    }
}

fn tick(state: &mut State) {
    for replica in &mut state.replicas {
        if let Some(flight) = replica.flight_mut() {
            flight.age = (flight.age + 1).min(DEADLINE);
        }
    }
    if let Some(lease) = &mut state.lease {
        lease.left = lease.left.saturating_sub(1);
    }
    for message in &mut state.network {
        if let Leg::There(left) = &mut message.leg {
            *left = left.saturating_sub(1);
        }
    }
    state.row.pause = match state.row.pause {
        Pause::Quarantine(left) if left > 1 => Pause::Quarantine(left - 1),
        Pause::Quarantine(_) => Pause::Over,
        pause => pause,
    };
}

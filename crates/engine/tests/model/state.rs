//! What there is: the store's row and lease, two replicas with their journals, the network and the provider.

use crate::provider::{Answer, Provider, Token};

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) row: Row,
    pub(crate) lease: Option<Lease>,
    pub(crate) replicas: [Replica; 2],
    pub(crate) network: Vec<Message>,
    pub(crate) provider: Provider,
    pub(crate) budget: Budget,
    pub(crate) history: History,
}

/// The account's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) status: Status,
    pub(crate) token: Token,
    /// The epoch of the request that brought the token.
    pub(crate) token_epoch: u8,
    /// The epoch of the last request whose end is known, or given up.
    pub(crate) request_epoch: u8,
    /// A request with this token may have reached the provider, and nobody knows what came of it.
    pub(crate) doubtful: bool,
    /// The provider refused the token, and has not been asked once more.
    pub(crate) refused: bool,
    /// Whether the access token still serves.
    pub(crate) valid: bool,
    pub(crate) pause: Pause,
    /// How often the row was written. Counted for [`Shortcut::CompareVersion`] alone.
    pub(crate) version: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Status {
    Active,
    /// The person must consent again.
    Ended(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    Revoked,
    LostRotation,
}

/// Until when nobody asks: the row's `next_refresh_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pause {
    Over,
    /// Until the request that was given up can no longer be under way.
    Quarantine(u8),
    /// Until the provider is asked once more about the token that it refused.
    Confirm,
}

/// The right to send one token request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    pub(crate) holder: usize,
    pub(crate) epoch: u8,
    /// The time left, on the store's clock.
    pub(crate) left: u8,
    pub(crate) sent: bool,
}

/// A process with its journal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Replica {
    pub(crate) step: Step,
    pub(crate) journal: Option<Entry>,
    pub(crate) is_up: bool,
    pub(crate) is_stalled: bool,
}

/// What a replica has done of a refresh; the next action is named beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// [`Action::Reserve`]
    Idle,
    /// [`Action::Intend`]
    Reserved,
    /// [`Action::Connect`]
    Intended(Flight),
    /// [`Action::MarkSent`]
    Connected(Flight),
    /// [`Action::Ask`]
    Marked(Flight),
    /// [`Action::Deliver`] or [`Action::Timeout`]
    Asked(Flight),
    /// [`Action::Journal`]
    Answered(Flight, Answer),
    /// [`Action::Settle`]
    Settling(Entry),
    /// [`Action::Clear`]
    Settled(Settled),
}

/// A refresh under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) epoch: u8,
    /// What the row said at the intent.
    pub(crate) token: Token,
    pub(crate) token_epoch: u8,
    pub(crate) version: u8,
    /// The time since the intent, up to the deadline.
    pub(crate) age: u8,
}

/// A journal's entry; without an answer, what stands in none: that there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) flight: Flight,
    pub(crate) answer: Option<Answer>,
    /// Whether it was read back after a crash.
    pub(crate) is_replayed: bool,
}

/// What settling came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Settled {
    /// A token was stored.
    Stored,
    /// A token was stored that only a journal had after a crash.
    Healed,
    /// None was.
    Otherwise,
}

/// A request, or the answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    pub(crate) epoch: u8,
    /// Who waits for the answer; nobody any longer, perhaps.
    pub(crate) asker: Option<usize>,
    pub(crate) token: Token,
    pub(crate) leg: Leg,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Leg {
    /// On its way to the provider, for at most this long.
    There(u8),
    /// On its way back.
    Back(Answer),
}

/// What has to be remembered so that the invariants can say what they excuse.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct History {
    /// The one window that no client can close: the newest token that the provider issued reached no journal.
    pub(crate) lost: bool,
    /// The second window, on two machines alone: a token was sent again while the answer to it lay in the journal of a
    /// machine that stood still, and the access token had ended.
    pub(crate) left_behind: bool,
    /// A request that stood still for longer than its lease was taken after one of a later epoch.
    pub(crate) outrun: bool,
    /// A token that was issued earlier replaced one that was issued later.
    pub(crate) regressed: bool,
    /// The provider's last tokens were for a token that it had replaced before.
    pub(crate) repeated: bool,
    /// The epoch of the latest request that the provider took.
    pub(crate) newest: u8,
}

/// How often each misfortune may still strike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// A process is killed.
    pub(crate) crashes: u8,
    /// A request or an answer is lost, or comes too late.
    pub(crate) losses: u8,
    /// A process stands still, for any time.
    pub(crate) stalls: u8,
    /// The person takes the grant back.
    pub(crate) revocations: u8,
    /// A part of the provider does not know the newest token yet, and says `invalid_grant`.
    pub(crate) lags: u8,
}

impl State {
    pub(crate) fn new(budget: Budget) -> Self {
        let replica = Replica { step: Step::Idle, journal: None, is_up: true, is_stalled: false };
        Self {
            row: Row {
                status: Status::Active,
                token: 0,
                token_epoch: 0,
                request_epoch: 0,
                doubtful: false,
                refused: false,
                valid: true,
                pause: Pause::Over,
                version: 0,
            },
            lease: None,
            replicas: [replica.clone(), replica],
            network: Vec::new(),
            provider: Provider::new(),
            budget,
            history: History::default(),
        }
    }

    /// The place of the message whose answer the replica waits for.
    pub(crate) fn message_for(&self, asker: usize) -> Option<usize> {
        self.network.iter().position(|message| message.asker == Some(asker))
    }

    /// Notes that an answer reached no journal.
    pub(crate) fn forget(&mut self, answer: Answer) {
        if matches!(answer, Answer::Tokens(token) if token > self.row.token) {
            self.history.lost = true;
        }
    }

    /// Nothing is under way: what is stored is all there will be, until somebody asks again.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.network.is_empty() && self.replicas.iter().all(Replica::is_at_rest)
    }
}

impl Replica {
    /// Whether it can do something now.
    pub(crate) fn runs(&self) -> bool {
        self.is_up && !self.is_stalled
    }

    /// Whether it has no refresh under way.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self.step, Step::Idle | Step::Reserved)
    }

    fn is_at_rest(&self) -> bool {
        self.is_free() && self.journal.is_none()
    }

    /// The flight that a deadline ends.
    pub(crate) fn flight_mut(&mut self) -> Option<&mut Flight> {
        match &mut self.step {
            Step::Intended(flight) | Step::Connected(flight) | Step::Marked(flight) | Step::Asked(flight) => {
                Some(flight)
            }
            _ => None,
        }
    }
}

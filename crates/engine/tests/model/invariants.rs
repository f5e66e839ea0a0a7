//! What must hold, and what must be able to happen.

use stateright::Property;

use crate::{
    protocol::{Excuses, Refresh},
    provider::Grant,
    state::{Reason, Settled, State, Status, Step},
};

pub(crate) const I1: &str = "I1 one request is in flight";
pub(crate) const I2: &str = "I2 the stored token is never older than before";
pub(crate) const I3: &str = "I3 we do not have the grant revoked";
pub(crate) const I4: &str = "I4 at rest, the stored token is accepted";
pub(crate) const I5: &str = "I5 an ended account's token is dead";
pub(crate) const I5B: &str = "I5b an account ends for a reason";

pub(crate) const REFRESHED: &str = "a refresh succeeds";
pub(crate) const HEALED: &str = "a crash after the journal is healed";
pub(crate) const RETRIED: &str = "a retry within the grace succeeds";
pub(crate) const LOST: &str = "a rotation is lost, and said to be";
pub(crate) const ENDED: &str = "a revocation by the person is noticed";

/// What an excuse is for, and what happens on two machines alone.
pub(crate) const LEFT_BEHIND: &str = "a grant is revoked because a journal was out of reach";
pub(crate) const OUTRUN: &str = "requests are taken in another order than they were intended";

/// The invariants, and the signs that the model is not vacuous.
pub(crate) fn properties() -> Vec<Property<Refresh>> {
    vec![
        Property::always(I1, one_request_is_in_flight),
        Property::always(I2, the_stored_token_is_never_older_than_before),
        Property::always(I3, we_do_not_have_the_grant_revoked),
        Property::always(I4, at_rest_the_stored_token_is_accepted),
        Property::always(I5, an_ended_accounts_token_is_dead),
        Property::always(I5B, an_account_ends_for_a_reason),
        Property::sometimes(REFRESHED, |_, state: &State| ended(state, Settled::Stored)),
        Property::sometimes(HEALED, |_, state: &State| ended(state, Settled::Healed)),
        Property::sometimes(RETRIED, |_, state: &State| state.history.repeated && ended(state, Settled::Stored)),
        Property::sometimes(LOST, |_, state: &State| state.row.status == Status::Ended(Reason::LostRotation)),
        Property::sometimes(LEFT_BEHIND, |_, state: &State| {
            let history = &state.history;
            state.provider.grant == Grant::RevokedByReuse && history.left_behind && !history.lost
        }),
        Property::sometimes(OUTRUN, |_, state: &State| state.history.outrun),
        Property::sometimes(ENDED, |_, state: &State| {
            state.row.status == Status::Ended(Reason::Revoked) && state.provider.grant == Grant::RevokedByUser
        }),
    ]
}

/// Of an account's requests at most one is on its way, or its answer is; unless a process stood still.
fn one_request_is_in_flight(model: &Refresh, state: &State) -> bool {
    state.network.len() <= 1 || has_stalled(model, state)
}

/// A token is only ever replaced by one that the provider issued later; unless a request that stood still made it issue
/// them in another order than ours.
fn the_stored_token_is_never_older_than_before(_: &Refresh, state: &State) -> bool {
    !state.history.regressed || state.history.outrun
}

/// The provider never takes one of our requests for theft; unless one of the windows has opened, or a process stood
/// still.
fn we_do_not_have_the_grant_revoked(model: &Refresh, state: &State) -> bool {
    state.provider.grant != Grant::RevokedByReuse || is_excused(model, state)
}

/// When nothing is under way and the grant stands, the provider takes the token that is stored; unless the newest one
/// reached no journal, or a request that stood still made the provider issue tokens in another order than ours.
fn at_rest_the_stored_token_is_accepted(_: &Refresh, state: &State) -> bool {
    let is_alive = state.provider.grant == Grant::Alive;
    !is_alive
        || !state.is_at_rest()
        || state.provider.accepts(state.row.token)
        || state.history.lost
        || state.history.outrun
}

/// An account whose person is asked to consent again has a token that the provider would refuse for ever.
fn an_ended_accounts_token_is_dead(_: &Refresh, state: &State) -> bool {
    state.row.status == Status::Active || !state.provider.accepts(state.row.token)
}

/// Nobody is asked to consent again unless they took the grant back, one of the windows has opened or a process stood
/// still.
fn an_account_ends_for_a_reason(model: &Refresh, state: &State) -> bool {
    state.row.status == Status::Active || state.provider.grant == Grant::RevokedByUser || is_excused(model, state)
}

fn is_excused(model: &Refresh, state: &State) -> bool {
    let (full, left) = (&model.budget, &state.budget);
    has_stalled(model, state)
        || match model.excuses {
            Excuses::Windows => state.history.lost || state.history.left_behind,
            Excuses::Misfortunes => left.crashes < full.crashes || left.losses < full.losses,
        }
}

fn has_stalled(model: &Refresh, state: &State) -> bool {
    state.budget.stalls < model.budget.stalls
}

fn ended(state: &State, how: Settled) -> bool {
    state.replicas.iter().any(|replica| replica.step == Step::Settled(how))
}

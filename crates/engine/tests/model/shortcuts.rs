//! What the protocol might leave out, and exactly which invariants that costs.
//!
//! Where a crash or a loss is all that it takes, and is excuse enough for a revoked grant, the world says so
//! ([`Excuses::Misfortunes`]); everywhere else only the windows and a stall excuse one.

use std::collections::BTreeSet;

use crate::{
    CALM, explore,
    invariants::{I1, I2, I3, I4, I5, I5B},
    protocol::{Excuses, Place, Refresh},
    provider::Policy,
    shortest,
    state::Budget,
};

/// A simplification of the protocol. Most have been tried by somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shortcut {
    /// The lease is over before the request must be.
    ShortLease,
    /// An answer is stored if nobody has written the row since the intent, instead of by the order of epochs.
    CompareVersion,
    /// An answer is stored over whatever is there.
    BlindWrite,
    /// Whoever comes to an end deletes the lease, whosever it is.
    UnconditionalRelease,
    /// The first `invalid_grant` is believed.
    NoConfirmation,
    /// An answer that was settled before, or whose request was given up, counts like any other.
    OldNews,
    /// After a request whose end is unknown, the next is sent though the access token still serves.
    NoPostponement,
    /// A holder that is gone, as its journal's lock tells, is not waited for though its request may still be under way.
    NoWait,
    /// A lease ends by time though the lock of its holder's journal tells that somebody is there.
    TimeOverLock,
    /// A request leaves though the token that it carries has been replaced since the intent.
    NoSecondLook,
    /// Nobody notes that a request is about to leave: every lease counts as one whose request did.
    NoMarkSent,
}

/// A world in which the protocol takes shortcuts.
fn taking(shortcuts: &'static [Shortcut], policy: Policy, place: Place, budget: Budget) -> Refresh {
    Refresh { policy, place, shortcuts, budget, excuses: Excuses::Windows, requests: 3, only: None }
}

/// Exactly these invariants are violated in the world, which is sound when the protocol takes no shortcut.
fn violates(model: Refresh, expected: &[&'static str]) {
    let sound = explore(Refresh { shortcuts: &[], ..model.clone() });
    assert!(sound.violated.is_empty(), "{:?} without {:?}", sound.violated, model.shortcuts);
    let findings = explore(model.clone());
    assert_eq!(findings.violated, BTreeSet::from_iter(expected.iter().copied()), "{model:?}");
    for violated in expected {
        assert!(!shortest(model.clone(), violated).is_empty());
    }
}

const CRASH: Budget = Budget { crashes: 1, ..CALM };
const STALL: Budget = Budget { stalls: 1, ..CALM };
const LAG: Budget = Budget { lags: 1, ..CALM };

#[test]
fn a_lease_shorter_than_the_request_has_the_grant_revoked() {
    violates(taking(&[Shortcut::ShortLease], Policy::Revoking, Place::Apart, CALM), &[I1, I3, I5B]);
}

#[test]
fn comparing_versions_throws_the_newest_token_away() {
    for policy in [Policy::Revoking, Policy::Strict, Policy::GraceNew] {
        violates(taking(&[Shortcut::CompareVersion], policy, Place::Apart, STALL), &[I4]);
    }
}

#[test]
fn a_blind_write_brings_an_old_token_back() {
    violates(taking(&[Shortcut::BlindWrite], Policy::GraceNew, Place::Apart, STALL), &[I2, I4]);
    violates(taking(&[Shortcut::BlindWrite], Policy::Strict, Place::Together, CRASH), &[I2, I4]);
}

#[test]
fn a_lease_released_by_anyone_lets_two_requests_out() {
    let released = |policy| {
        let model = taking(&[Shortcut::UnconditionalRelease], policy, Place::Apart, CRASH);
        Refresh { excuses: Excuses::Misfortunes, ..model }
    };
    violates(released(Policy::Revoking), &[I1]);
    violates(released(Policy::Strict), &[I1]);
    // Two requests of one epoch bring two tokens, of which the second is not stored.
    violates(released(Policy::GraceNew), &[I1, I4]);
}

#[test]
fn a_short_lease_released_by_anyone_has_the_grant_revoked() {
    let shortcuts = &[Shortcut::UnconditionalRelease, Shortcut::ShortLease];
    violates(taking(shortcuts, Policy::Revoking, Place::Apart, CALM), &[I1, I3, I5B]);
}

#[test]
fn the_first_refusal_may_be_a_lagging_providers() {
    for policy in [Policy::Revoking, Policy::Strict] {
        violates(taking(&[Shortcut::NoConfirmation], policy, Place::Together, LAG), &[I5, I5B]);
    }
}

#[test]
fn an_answer_counts_once_and_in_its_turn() {
    let crash_and_lag = Budget { crashes: 1, ..LAG };
    violates(taking(&[Shortcut::OldNews], Policy::Strict, Place::Together, crash_and_lag), &[I5, I5B]);
    let crash_and_loss = Budget { losses: 1, ..CRASH };
    violates(taking(&[Shortcut::OldNews], Policy::Strict, Place::Apart, crash_and_loss), &[I1]);
}

#[test]
fn whoever_takes_over_at_once_may_have_the_grant_revoked_while_it_still_served() {
    violates(taking(&[Shortcut::NoPostponement], Policy::Revoking, Place::Apart, CRASH), &[I3, I5B]);
}

#[test]
fn the_request_of_one_that_is_gone_may_still_be_under_way() {
    violates(taking(&[Shortcut::NoWait], Policy::Revoking, Place::Together, CRASH), &[I1, I3]);
    violates(taking(&[Shortcut::NoWait], Policy::Strict, Place::Together, CRASH), &[I1]);
}

#[test]
fn a_journal_that_somebody_reads_may_hold_the_answer() {
    violates(taking(&[Shortcut::TimeOverLock], Policy::Revoking, Place::Together, CRASH), &[I3, I5B]);
}

#[test]
fn a_token_may_have_been_replaced_since_the_intent() {
    violates(taking(&[Shortcut::NoSecondLook], Policy::Revoking, Place::Apart, CRASH), &[I3]);
}

/// On one machine leaving it out costs nothing but time. On two it costs the second look, which is taken in the same
/// transaction: then a crash alone may cost the grant.
#[test]
fn marking_what_is_sent_saves_time_and_a_second_look() {
    let shortcuts = &[Shortcut::NoMarkSent];
    for policy in [Policy::Revoking, Policy::GraceNew] {
        for budget in [CRASH, STALL] {
            violates(taking(shortcuts, policy, Place::Together, budget), &[]);
            let apart = taking(shortcuts, policy, Place::Apart, budget);
            violates(Refresh { excuses: Excuses::Misfortunes, ..apart }, &[]);
        }
    }
    violates(taking(shortcuts, Policy::Revoking, Place::Apart, CRASH), &[I3]);
}

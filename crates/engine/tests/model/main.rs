//! The refresh protocol as a model, explored whole: every order in which its steps and misfortunes can come.
//!
//! **What it is.** Two replicas refresh one account at one provider. [`state`] is what there is: the account's row, its
//! lease, each replica with its journal, the network, the provider. [`protocol`] says what can happen and when,
//! [`steps`] what it does, [`provider`] how the provider treats refresh tokens. [`invariants`] is what must hold.
//! [`shortcuts`] leaves out one rule at a time and shows what that breaks: each rule is there for a reason.
//!
//! **The code's names.** `Reserve`, `Intend`, `Connect`, `MarkSent`, `Ask`, `Journal`, `Settle` and `Clear` are the steps
//! of `refresh`, each as atomic as it is there: one transaction, or one durable write. `TakeOver` ends a lease that is
//! over, `Restart` is the barrier at which a journal is replayed. The row's `token_epoch`, `request_epoch`, `doubtful`
//! and `refused` are the account's facts, its pause their `next_refresh_at`; the lease is `LeaseRow`.
//!
//! **What it excuses.** Two windows ([`state::History`]): the provider's answer never reached a journal, which no client
//! can prevent; and, with replicas on two machines, it lies in the journal of one that is down. And a process that stood
//! still for longer than its lease. A crash, or a loss, excuses nothing by itself.
//!
//! **What it leaves out.** Answers that tell of nothing (429, 503, a bad client secret), stores that fail, and callers:
//! whenever the rules let a replica refresh, it may, for any reason. The access token and the grace end at any time.
//! Clocks are one clock; only the order of deadline, network bound and lease counts, so they are 1, 2 and 3. Time stands
//! still while a step can be made, unless a process is stalled.
//!
//! **Bounds.** Three requests that were sent, which a loss, its retry and the confirmation of a refusal need, and few
//! misfortunes ([`state::Budget`]). `cargo test -p onbehalf-engine --test model -- --ignored` allows four, and more of
//! them at once.
//!
//! **To explore it**, run it with `--nocapture`: each world's states are counted, and each violation's shortest way is
//! told. `model.checker().serve("localhost:3000")` in [`explore`] shows a world in a browser.

#![expect(clippy::print_stdout, reason = "what was explored is for whoever asks for it by `--nocapture`")]

mod invariants;
mod protocol;
mod provider;
mod shortcuts;
mod state;
mod steps;

use std::collections::BTreeSet;

use invariants::{ENDED, HEALED, LEFT_BEHIND, LOST, OUTRUN, REFRESHED, RETRIED};
use protocol::{Action, Excuses, Place, Refresh};
use provider::Policy;
use state::Budget;
use stateright::{Checker as _, Expectation, Model as _};

/// No misfortune.
const CALM: Budget = Budget { crashes: 0, losses: 0, stalls: 0, revocations: 0, lags: 0 };

/// What is explored of every policy, in both places.
const WORLDS: [Budget; 3] = [
    Budget { crashes: 1, losses: 1, ..CALM },
    Budget { stalls: 1, revocations: 1, ..CALM },
    Budget { crashes: 1, lags: 1, ..CALM },
];
const DEEP_WORLDS: [Budget; 4] = [
    Budget { crashes: 2, losses: 1, ..CALM },
    Budget { crashes: 1, stalls: 1, lags: 1, ..CALM },
    Budget { losses: 2, stalls: 1, ..CALM },
    Budget { crashes: 1, losses: 1, revocations: 1, lags: 1, ..CALM },
];

/// What an exploration came to, by the properties' names.
#[derive(Debug)]
struct Findings {
    violated: BTreeSet<&'static str>,
    seen: BTreeSet<&'static str>,
}

/// Explores a world to its end.
fn explore(model: Refresh) -> Findings {
    let checker = model.checker().spawn_bfs().join();
    let model = checker.model();
    println!("{model:?}: {} states", checker.unique_state_count());
    let is_violation = |name: &&'static str| model.property(name).expectation == Expectation::Always;
    let (violated, seen) = checker.discoveries().into_keys().partition(is_violation);
    Findings { violated, seen }
}

/// A shortest way to a violation. An exploration whose one property is violated ends there.
fn shortest(model: Refresh, violated: &'static str) -> Vec<Action> {
    let checker = Refresh { only: Some(violated), ..model }.checker().spawn_bfs().join();
    let path = checker.assert_any_discovery(violated).into_actions();
    println!("{violated}: {} actions, {path:?}", path.len());
    path
}

/// Every invariant holds in every world, and what must be able to happen does.
fn holds(policy: Policy, worlds: &[Budget], requests: u8, expected: &[&'static str]) {
    let mut seen = BTreeSet::new();
    for &budget in worlds {
        for place in [Place::Together, Place::Apart] {
            let model =
                Refresh { policy, place, shortcuts: &[], budget, excuses: Excuses::Windows, requests, only: None };
            let findings = explore(model.clone());
            assert!(findings.violated.is_empty(), "{:?} in {model:?}", findings.violated);
            let is_excused = findings.seen.contains(LEFT_BEHIND) || findings.seen.contains(OUTRUN);
            assert!(place == Place::Apart || !is_excused, "{:?} in {model:?}", findings.seen);
            seen.extend(findings.seen);
        }
    }
    assert!(expected.iter().all(|name| seen.contains(name)), "only {seen:?}");
}

/// What must be able to happen with every policy.
const ORDINARY: [&str; 3] = [REFRESHED, HEALED, ENDED];

#[test]
fn no_token_is_lost_where_reuse_revokes() {
    holds(Policy::Revoking, &WORLDS, 3, &[&ORDINARY[..], &[LOST, LEFT_BEHIND]].concat());
}

#[test]
fn no_token_is_lost_where_reuse_is_refused() {
    holds(Policy::Strict, &WORLDS, 3, &[&ORDINARY[..], &[LOST]].concat());
}

#[test]
fn no_token_is_lost_where_a_grace_repeats_the_successor() {
    holds(Policy::GraceSame, &WORLDS, 3, &[&ORDINARY[..], &[LOST, RETRIED, LEFT_BEHIND]].concat());
}

#[test]
fn no_token_is_lost_where_a_grace_brings_another_successor() {
    holds(Policy::GraceNew, &WORLDS, 3, &[&ORDINARY[..], &[LOST, RETRIED, LEFT_BEHIND, OUTRUN]].concat());
}

#[test]
fn no_token_is_lost_where_none_is_rotated() {
    holds(Policy::Constant, &WORLDS, 3, &ORDINARY);
}

#[test]
#[ignore = "minutes"]
fn no_token_is_lost_in_deeper_worlds() {
    for policy in [Policy::Revoking, Policy::Strict, Policy::GraceSame, Policy::GraceNew, Policy::Constant] {
        holds(policy, &DEEP_WORLDS, 4, &[]);
    }
}

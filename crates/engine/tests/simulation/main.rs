//! The engine under simulation: its real code, with a clock, a network, a store, a disk and a provider that a seed drives
//! through hours of loss, crashes, stalls and revocations in a moment.
//!
//! A run is a [`run::run`]. It has one machine with up to three replicas, each a real [`onbehalf_engine::Engine`] on a
//! shared store, and one provider. Whatever happens follows from the seed: a run that failed prints its own, and
//! `ONBEHALF_SEED=<seed> cargo test -p onbehalf-engine --test simulation` repeats it, and prints its log.
//! `ONBEHALF_SEEDS=1000` runs that many.
//!
//! Time is tokio's paused clock, which jumps from one event to the next. Processes are no runtimes of their own: killing
//! one keeps every further touch of the world from it ([`process`]), so all of them can share that clock. A simulator
//! that lets each host's time pass in ticks, such as turmoil, spends a run of hours on ticks in which nothing happens.

#![expect(clippy::unwrap_used, reason = "what a test prepares must not fail")]

mod checks;
mod dice;
mod disk;
mod network;
mod process;
mod provider;
mod run;
mod store;
mod tables;
mod world;

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use crate::{run::run, world::Options};

/// How many seeds are run unless `ONBEHALF_SEEDS` says otherwise.
const SEEDS: u64 = 50;

#[test]
fn no_token_is_lost_whatever_happens() {
    let seeds = match (number("ONBEHALF_SEED"), number("ONBEHALF_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(SEEDS),
    };
    let next = AtomicU64::new(seeds.start);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let failed: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| failures(&next, &seeds))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{} of {} runs failed:\n{}", failed.len(), seeds.end - seeds.start, failed.join("\n"));
}

/// Runs seeds until there are no more; what was found in them.
fn failures(next: &AtomicU64, seeds: &Range<u64>) -> Vec<String> {
    let mut failed = Vec::new();
    loop {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if !seeds.contains(&seed) {
            return failed;
        }
        let options = Options::of(seed);
        let report = run(options.clone());
        let log = if seeds.end - seeds.start == 1 { report.log.join("\n") + "\n" } else { String::new() };
        failed.extend(report.violation.map(|violation| format!("{log}seed {seed}: {violation}\n    {options:?}")));
    }
}

#[test]
fn a_seed_always_gives_the_same_run() {
    let seed = (0..).find(|seed| {
        let options = Options::of(*seed);
        options.crashes && options.stalls && options.store_faults > 0 && options.replicas == 3
    });
    let options = Options::of(seed.unwrap());
    let [first, second] = [run(options.clone()), run(options)];
    assert!(first.log.len() > 100, "nothing happened");
    assert_eq!(first.log, second.log);
}

#[expect(clippy::disallowed_methods, reason = "whoever starts a test chooses its seeds")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

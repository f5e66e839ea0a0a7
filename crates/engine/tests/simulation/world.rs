//! What all parts of a run share: its seed and what follows from it, the time, the log, and what was found wrong.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use onbehalf_engine::time::{Clock, Timestamp};
use tokio::time::Instant;

use crate::{dice::Dice, provider::Policy};

/// When the machine's wall clock starts.
const EPOCH: i64 = 1_800_000_000_000;

/// What a run is like. All of it follows from the seed.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) replicas: usize,
    pub(crate) accounts: usize,
    pub(crate) policy: Policy,
    /// Whether the connector tells of that policy.
    pub(crate) profile_is_known: bool,
    /// How long an access token lives.
    pub(crate) life: Duration,
    /// How long there are faults.
    pub(crate) storm: Duration,
    /// One message in so many is lost; none for zero.
    pub(crate) loss: u64,
    /// The slowest ordinary message.
    pub(crate) latency: Duration,
    /// Whether processes are killed.
    pub(crate) crashes: bool,
    /// Whether processes stand still, for longer than a lease too.
    pub(crate) stalls: bool,
    /// Whether somebody sets the wall clock.
    pub(crate) clock_steps: bool,
    /// Whether the store is busy, full or away at times, and one answer in so many of its commits is lost.
    pub(crate) store_faults: u64,
    /// Whether the provider fails at times, and refuses the app, or says `invalid_grant` where that is not true.
    pub(crate) provider_faults: bool,
    /// Whether users revoke, and connect again.
    pub(crate) revocations: bool,
}

impl Options {
    pub(crate) fn of(seed: u64) -> Self {
        let dice = Dice::new(seed);
        let policies =
            [Policy::StrictAndRevoking, Policy::Strict, Policy::GraceSame, Policy::GraceNew, Policy::NoRotation];
        Self {
            seed,
            replicas: dice.between(1..4) as usize,
            accounts: dice.pick(&[1, 1, 2, 3, 5, 8, 20]),
            policy: dice.pick(&policies),
            profile_is_known: dice.once_in(2),
            life: Duration::from_secs(dice.between(2..16) * 60),
            storm: dice.seconds(1200..2 * 3600),
            loss: dice.pick(&[0, 0, 20, 100]),
            latency: dice.pick(&[Duration::from_millis(50), Duration::from_secs(1), Duration::from_secs(20)]),
            crashes: dice.once_in(2),
            stalls: dice.once_in(3),
            clock_steps: dice.once_in(3),
            store_faults: dice.pick(&[0, 0, 50]),
            provider_faults: dice.once_in(2),
            revocations: dice.once_in(2),
        }
    }
}

/// The one machine on which all replicas run, and the record of what happens there.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) dice: Dice,
    started: Instant,
    /// By how much the wall clock has been set, in milliseconds.
    offset: AtomicI64,
    calm: AtomicBool,
    log: Mutex<Vec<String>>,
    found: Mutex<Option<String>>,
    /// Counts what may keep a store from answering.
    pub(crate) store_failures: AtomicU64,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            dice: Dice::new(options.seed ^ 0x5eed),
            options,
            started: Instant::now(),
            offset: AtomicI64::new(0),
            calm: AtomicBool::new(false),
            log: Mutex::default(),
            found: Mutex::default(),
            store_failures: AtomicU64::new(0),
        }
    }

    /// How long the machine has run.
    pub(crate) fn uptime(&self) -> Timestamp {
        Timestamp::from_millis(self.started.elapsed().as_millis() as i64)
    }

    /// Somebody sets the wall clock.
    pub(crate) fn step_clock(&self, milliseconds: i64) {
        self.log(format_args!("the wall clock is set by {milliseconds} ms"));
        self.offset.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// No more faults from here on.
    pub(crate) fn calm_down(&self) {
        self.log(format_args!("the storm is over"));
        self.calm.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    /// Whether a fault that happens once in so many times happens now.
    pub(crate) fn fault(&self, once_in: u64) -> bool {
        !self.is_calm() && self.dice.once_in(once_in)
    }

    /// How long a message takes.
    pub(crate) fn latency(&self) -> Duration {
        let slowest = if self.is_calm() { 50 } else { self.options.latency.as_millis() as u64 };
        Duration::from_millis(self.dice.between(1..slowest + 1))
    }

    pub(crate) fn log(&self, event: std::fmt::Arguments<'_>) {
        let at = self.uptime().as_millis();
        self.log.lock().unwrap().push(format!("{:>6}.{:03} {event}", at / 1000, at % 1000));
    }

    /// Something that must not be. The run ends with the first.
    pub(crate) fn violation(&self, what: std::fmt::Arguments<'_>) {
        self.log(format_args!("VIOLATION: {what}"));
        self.found.lock().unwrap().get_or_insert(what.to_string());
    }

    pub(crate) fn found(&self) -> Option<String> {
        self.found.lock().unwrap().clone()
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

/// The machine's wall clock.
impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(EPOCH + self.uptime().as_millis() + self.offset.load(Ordering::SeqCst))
    }
}

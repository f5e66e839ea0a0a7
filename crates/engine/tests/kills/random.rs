//! Kills at random moments, of processes that refresh as fast as they can at a provider that revokes on reuse.
//!
//! One window no client can close: the provider has replaced the refresh token, and the journal has not got its answer
//! yet. Both ends are watched: the provider counts what it was asked, and the process says what it is about to store,
//! which it does when the journal has it. So a loss in the window is told from every other, which is a defect.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    time::{Duration, Instant},
};

use tempfile::tempdir;

use crate::{
    child::{Act, Part, Process, person},
    parking::say,
    provider::{Policy, Provider},
    refresh::NOW,
};

/// How many refreshes there are, unless the variable says otherwise.
const REFRESHES: usize = 1000;
const REFRESHES_VARIABLE: &str = "ONBEHALF_REFRESHES";
/// How many people have their tokens refreshed at the same time.
const PEOPLE: usize = 8;
/// How many answers at most are stored between two kills.
const BETWEEN_KILLS: u64 = 80;
/// What all the chances rest on.
const SEED: u64 = 0x6f6e_6265_6861_6c66;

/// F07: whatever moment of the commit it is.
#[tokio::test]
async fn a_kill_while_an_answer_is_committed_loses_nothing() {
    let mut witness = Witness::new(1).await;
    for _ in 0..refreshes() / 50 {
        let micros = witness.below(4000);
        witness.round(1, 1, Duration::from_micros(micros)).await;
    }
    witness.end().await;
    assert_eq!((witness.windows, witness.provider.revoked()), (0, 0), "seed {SEED:#x}");
}

#[tokio::test]
async fn random_kills_lose_nothing_outside_the_one_window() {
    let mut witness = Witness::new(PEOPLE).await;
    let mut kills = 0;
    while witness.provider.refreshes() < refreshes() {
        let (stored, micros) = (1 + witness.below(BETWEEN_KILLS), witness.below(20_000));
        witness.round(u32::MAX, stored, Duration::from_micros(micros)).await;
        kills += 1;
    }
    witness.end().await;
    let refreshes = witness.provider.refreshes();
    let windows = witness.windows;
    say(&format!("{refreshes} refreshes, {kills} kills; lost in the provider's answer: {windows}"));
    assert_eq!(witness.provider.revoked(), windows, "no other family was revoked; seed {SEED:#x}");
}

fn refreshes() -> usize {
    std::env::var_os(REFRESHES_VARIABLE).map_or(REFRESHES, |number| number.to_str().unwrap().parse().unwrap())
}

/// Who kills, and compares what a process finds in its store with what the provider gave.
struct Witness {
    folder: tempfile::TempDir,
    provider: Provider,
    people: usize,
    rounds: i64,
    chance: u64,
    /// What the living process has said to store, by account.
    settling: HashMap<String, usize>,
    /// What the provider had been asked, by person, when the last process was killed, and the one before it.
    asked: HashMap<String, usize>,
    asked_before: HashMap<String, usize>,
    /// Whose answer was lost in the window, until they have consented again.
    lost: HashSet<String>,
    windows: usize,
}

impl Witness {
    async fn new(people: usize) -> Self {
        Self {
            folder: tempdir().unwrap(),
            provider: Provider::start(Policy::RevokesFamily).await,
            people,
            rounds: 0,
            chance: SEED,
            settling: HashMap::new(),
            asked: HashMap::new(),
            asked_before: HashMap::new(),
            lost: HashSet::new(),
            windows: 0,
        }
    }

    /// A number below this (xorshift64*).
    fn below(&mut self, most: u64) -> u64 {
        self.chance ^= self.chance >> 12;
        self.chance ^= self.chance << 25;
        self.chance ^= self.chance >> 27;
        self.chance.wrapping_mul(0x2545_f491_4f6c_dd1d) % most
    }

    /// One process's life: what it finds is compared; it is killed so long after it has begun to store so many answers.
    async fn round(&mut self, times: u32, stored: u64, then: Duration) {
        let mut process = self.start(times).await;
        for _ in 0..stored {
            while !self.heard(&process.line().await.expect("it goes on until it is killed")) {}
        }
        let moment = Instant::now() + then;
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        for line in process.kill().await {
            self.heard(&line);
        }
        self.provider.quiet().await;
        let asked = (0..self.people).map(person).map(|name| (self.provider.refreshes_of(&name), name));
        self.asked_before = std::mem::replace(&mut self.asked, asked.map(|(asked, name)| (name, asked)).collect());
    }

    /// A last process, until everyone who lost a token has consented again.
    async fn end(&mut self) {
        let mut process = self.start(u32::MAX).await;
        while !self.lost.is_empty() {
            let line = process.line().await.unwrap();
            self.heard(&line);
        }
        process.kill().await;
    }

    /// Starts a process and compares what it finds.
    async fn start(&mut self, times: u32) -> Process {
        self.rounds += 1;
        let mut process = Process::start(&part(self.folder.path(), &self.provider, self.rounds, self.people, times));
        let mut settling = std::mem::take(&mut self.settling);
        loop {
            let line = process.line().await.expect("it opens what was left");
            if line == "ready" {
                break;
            }
            self.heard(&line);
            let mut words = line.split(' ');
            if words.next() == Some("stored") {
                let [name, id, token] = std::array::from_fn(|_| words.next().unwrap());
                let settled = settling.remove(id).unwrap_or_default();
                self.compare(name, token, settled);
            }
        }
        process.goes_on();
        process
    }

    /// Compares the refresh token that is stored with the one that lives, after a process that was killed.
    fn compare(&mut self, name: &str, stored: &str, settled: usize) {
        let Some(asked) = self.asked.get(name) else { return };
        let asked = asked - self.asked_before.get(name).unwrap_or(&0);
        if self.provider.newest(name).is_some_and(|(_, newest)| newest == stored) {
            self.lost.remove(name);
        } else if !self.lost.contains(name) {
            assert_eq!(asked, settled + 1, "round {}: the journal had what {name} lost; seed {SEED:#x}", self.rounds);
            self.windows += 1;
            self.lost.insert(name.into());
        }
    }

    /// Notes what a process said; whether it is about to store an answer.
    fn heard(&mut self, line: &str) -> bool {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["settling", id] => {
                *self.settling.entry(id.into()).or_default() += 1;
                return true;
            }
            ["expired", name, reason] => {
                assert_eq!((reason, self.lost.contains(name)), ("lost_rotation", true), "{name}; seed {SEED:#x}");
            }
            ["consented", name] => drop(self.lost.remove(name)),
            _ => {}
        }
        false
    }
}

fn part(folder: &Path, provider: &Provider, rounds: i64, people: usize, times: u32) -> Part {
    // No process gets further than the next one begins.
    let now = NOW + rounds * 100_000_000_000;
    Part { now, ..Part::new(folder, provider, Act::RefreshAll { people, times }) }
}

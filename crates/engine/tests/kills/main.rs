//! Processes that are killed, stopped and cut off at every step of a refresh and of a code exchange (F01 to F10, F23, F27),
//! and PostgreSQL's connections that break or stand still meanwhile (F40).
//!
//! The process that dies is this test binary once more ([`child`]), with its store and its way out wrapped so that it
//! stops where a test wants it ([`parking`]); the engine in it is the one that ships. The provider lives in the test
//! ([`provider`]). Each file then holds one table: what was done, under which policy, and what is promised.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what a test prepares must not fail")]

mod breaks;
mod child;
mod cuts;
mod environment;
mod exchange;
mod parking;
mod provider;
mod random;
mod refresh;
mod relay;
mod restore;
mod stalls;

#[path = "../it/flaky.rs"]
#[expect(dead_code, reason = "the stores of the other tests also fail")]
mod flaky;
#[path = "../it/network.rs"]
mod network;
#[path = "../it/wire.rs"]
mod wire;

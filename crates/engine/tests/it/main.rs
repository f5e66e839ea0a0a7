//! The engine's calls, end to end, on an in-memory store against a strict simulated provider: no network, no sleeps,
//! and a clock that only moves when a test says so.

#![expect(clippy::unwrap_used, reason = "what a test prepares must not fail")]

mod accounts;
mod attacks;
mod brought;
mod connections;
mod connectors;
mod flaky;
mod flows;
mod provider;
mod proxy;
mod refresh;
mod restart;
mod rows;
mod static_world;
mod submit;
mod world;

//! The engine's calls, end to end, on an in-memory store (or on PostgreSQL: `shared`) against a strict simulated provider: no network, no sleeps,
//! and a clock that only moves when a test says so. In `hostile` alone a provider on loopback takes its place.

#![expect(clippy::unwrap_used, reason = "what a test prepares must not fail")]

mod accounts;
mod attacks;
mod audit;
mod background;
mod brought;
mod connections;
mod connectors;
mod events;
mod flaky;
mod flows;
mod hostile;
mod keys;
mod meanwhile;
mod moving;
mod network;
mod operating;
mod processes;
mod provider;
mod proxy;
mod refresh;
mod restart;
mod revocation;
mod rows;
mod shared;
mod static_world;
mod streaming;
mod submit;
mod wire;
mod world;

//! The built-in simulated provider: anyone can try onbehalf without an account anywhere, and test their own agent
//! without a browser, a port or a pause.
//!
//! [`provider`] is the strict part: a state machine of codes, grants, tokens and keys, without I/O. [`api`] is what its
//! tokens open. [`Sandbox`] gives both an address below the environment's public URL, where `egress` answers the
//! engine's requests in this process, without a socket, and [`router`] shows people the consent page. [`faults`] are
//! what a test makes go wrong; `person` plays somebody at a browser; `install` puts all of it into an environment's
//! settings.
//!
//! # One authorization, as a test plays it
//! 1. [`Sandbox::install`] adds the connector and the connections to the settings, and registers their apps.
//!    [`Sandbox::join`] puts the sandbox on the engine's way out.
//! 2. [`Sandbox::grant`] takes a link, presses its button (`Engine::start`), and asks
//!    [`provider::Provider::consent_request`] what a consent page would show.
//! 3. [`provider::Provider::allow`] makes a code; `Engine::callback` takes it, and its token request arrives at
//!    [`provider::Provider::token`] through `egress`.

pub mod api;
pub mod clock;
mod egress;
pub mod faults;
mod install;
mod page;
mod person;
pub mod provider;
mod sandbox;

pub use install::{CONNECTOR, KEY_CONNECTION};
pub use page::router;
pub use person::Consent;
pub use sandbox::{Arrival, Reply, Sandbox};

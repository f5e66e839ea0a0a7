//! onbehalf's engine.
#![allow(missing_docs, reason = "skeleton")]

pub mod accounts;
pub mod catalogue;
pub mod connect;
pub mod connections;
pub mod egress;
mod engine;
mod error;
pub mod names;
pub mod oauth;
pub mod proxy;
pub mod random;
pub mod refresh;
pub mod secret;
pub mod store;
pub mod time;
pub mod vault;

pub use engine::*;
pub use error::{Error, Result};

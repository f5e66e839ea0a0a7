//! The door: JavaScript values in and out of the engine, and nothing else. The only code that says `napi`.
//!
//! A call comes in through a method of a class ([`onbehalf`], [`actions`], [`connections`], [`audit`]). [`call`] reads its options
//! once ([`argument`]), decodes them ([`decode`], [`options`]), parses what they name ([`asked`]), and only then opens
//! the engine ([`instance`], [`settings`], [`environment`]) and asks it. [`promise`] makes the promise, which
//! [`signal`] may abort, on the threads of [`runtime`]. What comes back is an answer ([`answers`], [`response`]) or an
//! [`error`]; what happens by itself is an event ([`events`]). Bodies that flow come in through [`upload`] and go out
//! through [`response`]. [`listener`] and [`web`] bring browsers to the pages; what moves between environments is in [`moving`]; [`exit`] waits for what is under way at the
//! end. [`sandbox`] is for `testing.js` alone, and [`trace`] writes down for developers what the crates below log.

// Public are the rooms with functions that JavaScript alone calls: a build without Node would take them for unused.
mod actions;
mod answers;
mod argument;
mod asked;
mod audit;
mod body;
mod call;
mod connections;
mod decode;
mod environment;
mod error;
mod events;
mod exit;
mod instance;
mod listener;
#[cfg(target_os = "linux")]
mod memory;
mod moving;
mod onbehalf;
mod options;
mod promise;
mod registers;
pub mod response;
mod runtime;
pub mod sandbox;
mod settings;
mod signal;
#[cfg(feature = "trace")]
mod trace;
pub mod upload;
pub mod web;

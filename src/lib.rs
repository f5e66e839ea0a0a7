//! The door: JavaScript values in and out of the engine, and nothing else. The only code that says `napi`.
//!
//! A call comes in through a method of a class ([`onbehalf`], [`actions`], [`connections`]). [`call`] reads its options
//! once ([`argument`]), decodes them ([`decode`], [`options`]), parses what they name ([`asked`]), and only then opens
//! the engine ([`instance`], [`settings`], [`environment`]) and asks it. [`promise`] makes the promise, which
//! [`signal`] may abort, on the threads of [`runtime`]. What comes back is an answer ([`answers`], [`response`]) or an
//! [`error`]. [`listener`] and [`web`] bring browsers to the pages; [`exit`] waits for what is under way at the end.
//! [`sandbox`] is for `testing.js` alone.

mod actions;
mod answers;
mod argument;
mod asked;
mod body;
mod call;
mod connections;
mod decode;
mod environment;
mod error;
mod exit;
mod instance;
mod listener;
mod onbehalf;
mod options;
mod promise;
mod response;
mod runtime;
// Public, because napi's registration is no use of a function in the eyes of a test build.
pub mod sandbox;
mod settings;
mod signal;
mod web;

//! The HTTP face of an environment: the hosted pages, the callback, and the loopback listener that serves them.
//!
//! One authorization, seen from here: the person opens a link ([`routes`] asks the engine what to show, [`pages`] says
//! it in their language), presses the button (`POST`, refused unless [`browser`] finds that it came from our page), is
//! sent to the provider with a cookie, comes back to the callback, and is sent on to the outcome page or to the app.
//! Where the provider gives out keys instead, the page has a form for one ([`pages::Form`]): [`credential`] takes it,
//! from the browser alone that was shown it ([`form_key`]).
//!
//! Every answer carries the same strict [`headers`]. The router knows no host name but the configured public URL;
//! [`Listener`] adds the check of `Host` where browsers reach us directly.

mod browser;
mod credential;
mod entries;
mod form_key;
pub mod headers;
mod hosts;
pub mod language;
mod listener;
mod neighbour;
pub mod pages;
mod routes;
mod scopes;

/// The body of the largest form that a page has, at most, in bytes.
pub use entries::LIMIT as LARGEST_FORM;
pub use listener::Listener;
pub use neighbour::serves_store_of;
pub use routes::{handle, paths, router, router_beside};

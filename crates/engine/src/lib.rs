//! onbehalf's engine: connections, connected accounts, authorization, vault, refresh and proxy, without Node and
//! without an HTTP server.
//!
//! Nothing here reads the environment, the working directory, the time of day or random bytes by itself: they are
//! passed in ([`Settings`], [`Parts`]), so the same code runs in an app, behind a gateway, and under simulation.
//!
//! # The rooms
//! From the ground up: [`vault`] seals cells and [`store`] keeps rows, neither knowing the other; `rows` is where they
//! meet. [`egress`] is the only way out. [`oauth`] and [`catalogue`] are pure: values in, values out. Above them stand
//! [`connections`], [`accounts`], [`connect`], [`refresh`], [`revocation`], [`removal`], [`moving`] and [`proxy`], which are
//! the calls on [`Engine`]; [`audit`] keeps what they do on record, [`events`] tells of it, and [`metrics`] counts it.
//! [`key_slots`] is who may open the store, and [`Engine::health`] says whether all of it can work.
//!
//! # One authorization, from call to sealed token
//! 1. [`Engine::authorization_link`] finds the connection (`stored_connection`), checks that it can authorize
//!    (`setup`, `Setup::registration`), makes the account when there is none (`find_or_create_account`) and inserts
//!    a flow whose link is stored as a hash.
//! 2. The browser opens the link: [`Engine::link_page`] reads the flow and changes nothing.
//! 3. Its button: [`Engine::start`] makes a state, a PKCE verifier (sealed) and a cookie for this flow alone, moves it
//!    from `Linked` to `Started`, and answers with `oauth::authorize::authorization_url`.
//! 4. The provider sends the browser back: [`Engine::callback`] finds the flow by the state's hash, compares route and
//!    cookie (`started_flow`), reads the answer (`oauth::callback::Callback::parse`, `check_issuer`), and either holds
//!    the code sealed for the app's verification (`hold`, then [`Engine::verify_user`]) or goes on at once.
//! 5. `exchange` detaches from the caller, reserves a journal slot, moves the flow to `Exchanging` with the code no
//!    longer stored, and sends it (`ask_token_endpoint`). The raw answer is sealed into the journal before it is read.
//! 6. `settle_exchange` reads it (`oauth::outcome::classify`), asks the provider whose account this is (`identify`),
//!    and `store_grant` writes the sealed credential and the flow's end in one commit. The journal slot is cleared.
//! 7. [`Engine::request`] and [`Engine::token`] take the credential through `fresh`, which refreshes it first where it
//!    must: the same path from `ask_token_endpoint` on. [`Engine::request_streaming`] is a call whose bodies flow.
//!
//! Where the person enters a credential, [`Engine::submit`] takes the place of steps 3 to 6: `prove` asks the provider, and
//! the credential is held as in 4 or stored as in 6. [`Engine::update_account`] takes one that the app brings.

pub mod accounts;
pub mod audit;
pub mod catalogue;
pub mod connect;
pub mod connections;
pub mod connectors;
pub mod egress;
mod engine;
mod error;
pub mod events;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod health;
pub mod key_slots;
pub mod metrics;
pub mod moving;
pub mod names;
pub mod oauth;
mod page;
pub mod proxy;
pub mod random;
pub mod refresh;
pub mod removal;
pub mod revocation;
mod route;
mod rows;
pub mod secret;
mod settings;
pub mod store;
pub mod time;
mod token_endpoint;
pub mod vault;

pub use engine::{Engine, Parts};
pub use error::{Error, Result};
pub use health::Health;
pub use settings::{Settings, StoreLocation, UserVerification};

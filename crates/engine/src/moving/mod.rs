//! Moving: connections and accounts, with their credentials, from one environment to another, without a new consent.
//!
//! Where they move to, [`Engine::moving_key`] says whom to seal for. Where they are, [`Engine::export_accounts`] writes a
//! file that opens there alone ([`vault`](crate::vault) has its form), reading a page of accounts at a time
//! ([`Export`]). [`Engine::import_accounts`] reads the file twice: first all of it, so that one that is cut off, altered,
//! or for another app stores nothing, then account by account. Run again, it goes on where it stopped.
//!
//! A refresh token must be used in one place: where a provider replaces it with every use, the other place's copy ends
//! with the grant. So connections can be disabled as they are exported ([`LeftBehind::Disabled`]).

mod connection;
mod export;
mod file;
mod import;
mod record;

pub use self::{
    export::{Export, Exported, LeftBehind, Scope},
    import::Imported,
};
pub use crate::vault::Recipient;
use crate::{Engine, Result};

impl Engine {
    /// Whom to seal for, so that this environment alone can import it. It is always the same, and no secret.
    ///
    /// # Errors
    /// `CLOSED`.
    pub fn moving_key(&self) -> Result<Recipient> {
        self.ensure_open()?;
        self.rows.vault().recipient()
    }
}

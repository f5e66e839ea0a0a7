//! Refresh: one token request per account at a time, across all processes on the store, and none that loses a token.
//!
//! [`Engine::fresh`] hands out a credential that is good for long enough. When it is not, it joins or starts the
//! account's flight, a detached task. Callers may give up waiting; the flight goes on. Its steps are those of the model
//! in `tests/model`:
//!
//! 1. `reserve` a slot of the journal, so that the answer has a place.
//! 2. `intend`: take the account's lease. That it is durable proves that the store can be written, before the refresh
//!    token is spent. While another process has the lease, its end is waited for ([`lease`]).
//! 3. `connect` to the token endpoint.
//! 4. `mark_sent`: note in the lease that the request leaves, before its body does.
//! 5. `ask`: send the refresh token, and wait for the answer.
//! 6. `journal` the raw answer before it is parsed. Nothing can be lost from here on.
//! 7. `settle`: read the answer and commit what it means, by the order of epochs, with the lease let go of ([`settle`]).
//! 8. `clear` the slot.

mod background;
mod flight;
mod intent;
mod kept;
mod lanes;
mod lease;
mod pace;
pub(crate) mod plan;
mod settings;
mod settle;

use std::{sync::Arc, time::Duration};

pub(crate) use background::Refresher;
pub use background::RefresherState;
pub(crate) use flight::{Flights, told_of_provider};
pub(crate) use pace::Pace;
pub use settings::{RefreshSettings, Timing};

use self::pace::Urgency;
use crate::{
    Engine, Error, Result,
    accounts::Status,
    rows::{Credential, StoredAccount, StoredConnection},
    time::Timestamp,
};

/// A credential that ends within this is not handed out: the call it is for takes time too.
pub(crate) const LEAST_VALIDITY: Duration = Duration::from_secs(30);
/// A token that was refreshed so lately is not refreshed for being refused, or for being too short: an API that answers
/// 401 for another reason would have every call rotate the tokens.
pub(crate) const SETTLED_FOR: Duration = Duration::from_secs(30);

/// What a caller needs of a credential.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    /// That it is valid for so long.
    ValidFor(Duration),
    /// That it is not the one of this epoch, which the provider has just refused.
    NewerThan(u64),
}

impl Engine {
    /// The account with a credential that meets the need, refreshed first where it must be.
    ///
    /// # Errors
    /// `CONNECTION_DISABLED`, `AUTHORIZATION_REQUIRED`, `REAUTHORIZATION_REQUIRED`; what a refresh met, unless the
    /// credential is still valid.
    pub(crate) async fn fresh(
        self: &Arc<Self>,
        connection: &StoredConnection,
        mut account: StoredAccount,
        need: Need,
    ) -> Result<(StoredAccount, Credential)> {
        let mut refreshed = Ok(());
        // A flight may only have settled the answer of an earlier one: then one more is due.
        for _ in 0..2 {
            let credential = self.usable_credential(connection, &account).await?;
            let now = self.clock.now();
            let can_refresh = credential.refresh_token().is_some();
            if meets(&account, need, now) {
                let is_due = can_refresh && account.refresh_at.is_some_and(|at| at <= now) && may_ask(&account, now);
                // Where the provider is busy, it stays due.
                if is_due && self.room_at(connection).is_some_and(|at| at <= now) {
                    self.refresh_early(&account);
                }
                return Ok((account, credential));
            }
            if !can_refresh {
                return self.as_it_is(connection, account, credential, need).await;
            }
            // To ask again may cost it, and nobody has refused it.
            let is_spared = account.facts.doubtful && account.refresh_at.is_some_and(|at| at > now);
            let is_spared = is_spared && matches!(need, Need::ValidFor(_));
            if (is_spared || account.was_refreshed_within(SETTLED_FOR, now)) && is_valid(&account, need, now) {
                return Ok((account, credential));
            }
            refreshed = self.flight(&account, Urgency::Asked).await;
            account = self.account_by_id(&account.organization, &account.id).await?;
            if refreshed.is_err() {
                break;
            }
        }
        let credential = self.usable_credential(connection, &account).await?;
        match refreshed {
            Err(error) if !is_valid(&account, need, self.clock.now()) => Err(error),
            _ => Ok((account, credential)),
        }
    }

    /// The credential of an account that is not known to have stopped working, for the app that it was granted to.
    pub(crate) async fn usable_credential(
        &self,
        connection: &StoredConnection,
        account: &StoredAccount,
    ) -> Result<Credential> {
        self.check_usable(connection, account)?;
        let credential = self.rows.credential(account).await?;
        credential.ok_or_else(|| unauthorized(connection, account))
    }

    /// Fails where [`Engine::usable_credential`] does, without opening the credential.
    pub(crate) fn check_usable(&self, connection: &StoredConnection, account: &StoredAccount) -> Result<()> {
        if !connection.enabled {
            return Err(Error::ConnectionDisabled { connection: connection.name.clone() });
        }
        if account.status == Status::Expired {
            return Err(reauthorization(connection, account, account.facts.reason.as_deref().unwrap_or("expired")));
        }
        if account.cell.is_none() || account.status != Status::Active {
            return Err(unauthorized(connection, account));
        }
        // A token goes to nobody but the connector and app that it was granted to. Changing the connection back heals it.
        if account.facts.binding.as_ref() != Some(&self.binding(connection)?) {
            return Err(reauthorization(connection, account, "connection_changed"));
        }
        Ok(())
    }

    /// A token that cannot be refreshed, or was just now, is good until it ends. Then the person must consent again.
    async fn as_it_is(
        &self,
        connection: &StoredConnection,
        account: StoredAccount,
        credential: Credential,
        need: Need,
    ) -> Result<(StoredAccount, Credential)> {
        if is_valid(&account, need, self.clock.now()) {
            return Ok((account, credential));
        }
        self.expire(&account, "no_refresh_token").await?;
        Err(reauthorization(connection, &account, "no_refresh_token"))
    }

    /// Marks the account's credential as dead, unless a newer one has come meanwhile.
    pub(crate) async fn expire(&self, account: &StoredAccount, reason: &str) -> Result<()> {
        let epoch = account.facts.token_epoch;
        self.change_account(&account.organization, &account.id, |account| {
            if account.status == Status::Active && account.facts.token_epoch == epoch {
                account.end_grant(reason);
            }
        })
        .await
    }
}

fn unauthorized(connection: &StoredConnection, account: &StoredAccount) -> Error {
    Error::AuthorizationRequired { connection: connection.name.clone(), identifier: account.identifier.clone() }
}

pub(crate) fn reauthorization(connection: &StoredConnection, account: &StoredAccount, reason: &str) -> Error {
    Error::ReauthorizationRequired {
        connection: connection.name.clone(),
        identifier: account.identifier.clone(),
        reason: reason.to_owned(),
    }
}

fn meets(account: &StoredAccount, need: Need, now: Timestamp) -> bool {
    match need {
        Need::ValidFor(_) if account.is_from_later_than(now) => false,
        // A token of unknown life is good until the provider says otherwise.
        Need::ValidFor(least) => account.expires_at.is_none_or(|end| end > now.plus(least.max(LEAST_VALIDITY))),
        Need::NewerThan(epoch) => account.facts.token_epoch > epoch,
    }
}

/// Whether the credential can serve when it could not be refreshed. One that was refused can't.
fn is_valid(account: &StoredAccount, need: Need, now: Timestamp) -> bool {
    let unended = account.expires_at.is_none_or(|end| end > now);
    unended && !matches!(need, Need::NewerThan(epoch) if account.facts.token_epoch <= epoch)
}

/// Whether the provider may be asked now, after what it answered last.
pub(crate) fn may_ask(account: &StoredAccount, now: Timestamp) -> bool {
    // What was noted by a clock that has been set back since tells nothing.
    account.facts.next_refresh_at.is_none_or(|at| at <= now) || account.was_written_later_than(now)
}

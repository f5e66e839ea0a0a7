//! Refresh: one token request per account at a time, and none that loses a token.
//!
//! [`Engine::fresh`] hands out a credential that is good for long enough. When it is not, it joins or starts the
//! account's flight: a detached task that reserves a journal slot, writes its intent, asks the token endpoint, journals
//! the raw answer, and commits what it brought. Callers may give up waiting; the flight goes on.

mod flight;
pub(crate) mod plan;

use std::{sync::Arc, time::Duration};

pub(crate) use flight::Flights;

use crate::{
    Engine, Error, Result,
    accounts::Status,
    rows::{Credential, StoredAccount},
    time::Timestamp,
};

/// A credential that ends within this is not handed out: the call it is for takes time too.
pub(crate) const LEAST_VALIDITY: Duration = Duration::from_secs(30);

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
    /// `AUTHORIZATION_REQUIRED`, `REAUTHORIZATION_REQUIRED`, `CONNECTION_MISCONFIGURED`, and the provider's failures;
    /// a credential that is still valid is handed out in spite of the last two.
    pub(crate) async fn fresh(
        self: &Arc<Self>,
        account: StoredAccount,
        need: Need,
    ) -> Result<(StoredAccount, Credential)> {
        let credential = self.usable_credential(&account).await?;
        let now = self.clock.now();
        if meets(&account, need, now) {
            if account.refresh_at.is_some_and(|at| at <= now) && may_ask(&account, now) {
                self.refresh_early(&account);
            }
            return Ok((account, credential));
        }
        if credential.refresh_token.is_none() {
            return self.without_refresh_token(account, credential, need).await;
        }
        let refreshed = self.flight(&account).await;
        let account = self.account_by_id(&account.organization, &account.id).await?;
        match refreshed {
            Err(error) if !still_valid(&account, need, self.clock.now()) => Err(error),
            _ => {
                let credential = self.usable_credential(&account).await?;
                Ok((account, credential))
            }
        }
    }

    /// The credential of an account that is not known to have stopped working.
    async fn usable_credential(&self, account: &StoredAccount) -> Result<Credential> {
        if account.status == Status::Expired {
            return Err(self.reauthorization(account).await?);
        }
        match self.rows.credential(account).await? {
            Some(credential) if account.status == Status::Active => Ok(credential),
            _ => Err(Error::AuthorizationRequired {
                connection: self.connection_by_id(&account.organization, &account.connection_id).await?.name,
                identifier: account.identifier.clone(),
            }),
        }
    }

    /// A token that cannot be refreshed is good until it ends or the provider refuses it; then the person must consent
    /// again.
    async fn without_refresh_token(
        &self,
        account: StoredAccount,
        credential: Credential,
        need: Need,
    ) -> Result<(StoredAccount, Credential)> {
        if still_valid(&account, need, self.clock.now()) {
            return Ok((account, credential));
        }
        self.expire(&account, "no_refresh_token").await?;
        Err(self.reauthorization(&self.account_by_id(&account.organization, &account.id).await?).await?)
    }

    pub(crate) async fn reauthorization(&self, account: &StoredAccount) -> Result<Error> {
        Ok(Error::ReauthorizationRequired {
            connection: self.connection_by_id(&account.organization, &account.connection_id).await?.name,
            identifier: account.identifier.clone(),
            reason: account.facts.reason.clone().unwrap_or_else(|| "expired".into()),
        })
    }

    /// Marks the account's credential as dead, unless a newer one has come meanwhile.
    pub(crate) async fn expire(&self, account: &StoredAccount, reason: &str) -> Result<()> {
        let epoch = account.facts.token_epoch;
        self.change_account(&account.organization, &account.id, |account| {
            if account.status == Status::Active && account.facts.token_epoch == epoch {
                account.status = Status::Expired;
                account.facts.reason = Some(reason.to_owned());
                account.refresh_at = None;
            }
        })
        .await
    }
}

fn meets(account: &StoredAccount, need: Need, now: Timestamp) -> bool {
    match need {
        // A token of unknown life is good until the provider says otherwise.
        Need::ValidFor(least) => account.expires_at.is_none_or(|end| end > now.plus(least.max(LEAST_VALIDITY))),
        Need::NewerThan(epoch) => account.facts.token_epoch > epoch,
    }
}

/// Whether the credential can still serve when it could not be refreshed.
fn still_valid(account: &StoredAccount, need: Need, now: Timestamp) -> bool {
    let unended = account.expires_at.is_none_or(|end| end > now);
    match need {
        Need::ValidFor(_) => unended,
        Need::NewerThan(epoch) => unended && account.facts.token_epoch > epoch,
    }
}

/// Whether the provider may be asked now, after what it answered last.
pub(crate) fn may_ask(account: &StoredAccount, now: Timestamp) -> bool {
    account.facts.next_refresh_at.is_none_or(|at| at <= now)
}

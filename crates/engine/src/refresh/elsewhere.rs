//! Other processes on the same store: whose token request is under way, and what is to be done when they are gone.
//!
//! The intent names the instance that wrote it, and the lock of that instance's journal tells whether it is still there
//! ([`crate::store::journal`]). While it is, everyone else waits for the account's row to change. When it is not, its
//! journal is settled before anyone asks again, so no answer is lost. Where it holds none, what the provider made of the
//! request is unknown: the refresh token is sent again, which a strict provider may take for theft, but not before the
//! access token ends or is refused. A store that has no such locks, as one that many machines share, will need leases in
//! their place.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    LEAST_VALIDITY,
    flight::{LONGEST_PAUSE, SHORTEST_PAUSE},
    settle::QUARANTINE,
};
use crate::{Engine, Error, Result, names::Organization, rows::StoredAccount};

/// How long to wait between two looks at what another process does.
const LOOK: Duration = Duration::from_millis(100);
/// How many looks until its request must have ended: longer than one can take.
const LOOKS: u32 = 1050;
/// How often to look for what instances that are gone have left.
const PATROL: Duration = Duration::from_secs(2);
/// How many of those looks until what they held for a verification is looked for: a minute.
const ROUND: u32 = 30;

impl Engine {
    /// Whether another instance says that it is asking for the account.
    pub(crate) fn is_asked_elsewhere(&self, account: &StoredAccount) -> bool {
        account.facts.asked_by.as_deref().is_some_and(|asker| asker != self.journal.owner())
    }

    /// Waits until no other instance has a request to refresh the account under way. What one that is gone had received
    /// is settled here.
    ///
    /// # Errors
    /// `PROVIDER_UNAVAILABLE` when the other one takes longer than a request may.
    pub(crate) async fn ended_elsewhere(self: &Arc<Self>, organization: &Organization, account_id: &str) -> Result<()> {
        for _ in 0..LOOKS {
            let account = self.account_by_id(organization, account_id).await?;
            let Some(asker) = account.facts.asked_by.as_deref().filter(|_| self.is_asked_elsewhere(&account)) else {
                return Ok(());
            };
            if let Some(left) = self.journal.take_over(asker).await? {
                self.replay_journal(left).await;
                if self.flights.keep_answer_of(account_id) {
                    return Ok(());
                }
                self.forget_asker(&account, asker).await?;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.closing.cancelled() => return Err(Error::Closed),
            }
        }
        let account = self.account_by_id(organization, account_id).await?;
        let connection = self.connection_by_id(organization, &account.connection_id).await?;
        let host = self.token_host(&connection)?;
        let reason = "another process has not come to an end with it".into();
        Err(Error::ProviderUnavailable { host, reason, retry_at: None })
    }

    /// Notes that the asker is gone without an answer. What the provider made of its request stays unknown, so as long as
    /// the access token serves nobody asks again.
    async fn forget_asker(&self, account: &StoredAccount, asker: &str) -> Result<()> {
        let now = self.clock.now();
        self.change_account(&account.organization, &account.id, |account| {
            if account.facts.asked_by.as_deref() != Some(asker) {
                return;
            }
            account.facts.asked_by = None;
            if account.expires_at.is_none_or(|end| end > now.plus(LEAST_VALIDITY)) {
                account.refresh_at = account.expires_at.map(|end| end.minus(LEAST_VALIDITY));
                // Though it be refused: the provider may still be at work.
                account.facts.next_refresh_at = Some(now.plus(QUARANTINE));
                account.facts.last_refresh_error = Some("interrupted".into());
            }
        })
        .await
    }

    /// Goes on settling what instances that are gone have left, until the environment closes: someone may be waiting for
    /// the account of a code that one of them had exchanged, and a key that one of them held must not stay for ever.
    pub(crate) fn patrol(self: &Arc<Self>) {
        let (engine, closing) = (Arc::downgrade(self), self.closing.clone());
        self.spawn(async move {
            for look in 1u32.. {
                if !pause(PATROL, &closing).await {
                    return;
                }
                // An instance that was dropped and not closed must not live on in its patrol.
                let Some(engine) = engine.upgrade() else { return };
                match engine.journal.orphans().await {
                    Ok(left) => engine.replay_journal(left).await,
                    Err(error) => tracing::warn!(code = error.code(), "journals beside the store cannot be read"),
                }
                if look.is_multiple_of(ROUND) {
                    // A living instance has ended what it held by then.
                    engine.forget_unverified(engine.clock.now().minus(PATROL * ROUND)).await;
                }
            }
        });
    }
}

/// A request of this instance, from the intent on. Other processes wait for its end; so it is noted in any case: when the
/// store could not take it at once, or this program failed, a task goes on trying.
pub(super) struct Asking {
    engine: Arc<Engine>,
    organization: Organization,
    account_id: String,
    epoch: u64,
    ended: bool,
}

impl Asking {
    /// The request that `account` tells of.
    pub(super) fn begin(engine: &Arc<Engine>, account: &StoredAccount) -> Self {
        Self {
            engine: engine.clone(),
            organization: account.organization.clone(),
            account_id: account.id.clone(),
            epoch: account.facts.request_epoch,
            ended: false,
        }
    }

    /// Its end is in the row, or its answer in hand.
    pub(super) fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // Where no runtime is left, the process is about to end, and its journal's lock with it.
        if self.ended || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (engine, organization) = (self.engine.clone(), self.organization.clone());
        let (account_id, epoch) = (std::mem::take(&mut self.account_id), self.epoch);
        self.engine.spawn(async move {
            let mut wait = SHORTEST_PAUSE;
            let ended = |account: &mut StoredAccount| {
                if account.facts.request_epoch == epoch {
                    account.facts.asked_by = None;
                }
            };
            while let Err(error) = engine.change_account(&organization, &account_id, ended).await {
                tracing::warn!(code = error.code(), "the end of a refresh could not be noted");
                if !pause(wait, &engine.closing).await {
                    return;
                }
                wait = (wait * 2).min(LONGEST_PAUSE);
            }
        });
    }
}

/// Waits; not to the end when the environment closes.
async fn pause(duration: Duration, closing: &CancellationToken) -> bool {
    closing.run_until_cancelled(tokio::time::sleep(duration)).await.is_some()
}

//! Who may ask: an account's lease, and what is done when its holder is gone.
//!
//! A lease stands in the store from the intent to the end of a request, so that all processes on the store send one token
//! request at a time for an account. Its holder's name is that of an instance's journal, whose lock tells at once, on the
//! machine of both, whether the instance is still there ([`crate::store::journal`]). Where that cannot be told, or the
//! instance stands still, the lease is over when its time is up on the store's clock, which is after any request that it
//! covered.
//!
//! Whoever finds a lease that is over settles what its holder had received, then lets go of it. Where nothing had been
//! received, nobody knows what the provider made of a request that was sent: the account is in doubt until the next good
//! answer. Where a refresh token that comes twice ends the grant, nobody asks before that request must have arrived, nor
//! while the access token still serves.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    LEAST_VALIDITY,
    kept::{LONGEST_PAUSE, SHORTEST_PAUSE},
    settle::Others,
};
use crate::{
    Engine, Error, Result,
    accounts::Status,
    audit::Action,
    names::Organization,
    rows::{RecordFacts, StoredAccount},
    store::{AccountKey, Change, Commit, LeaseRow},
};

/// What is done about an instance that stands still, and may go on with its request after the time of its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// Its lease is taken away. Should its answer still come, it is compared with what came in between.
    IsOver,
    /// Nothing may come in between: what it brings is waited for by whoever calls again.
    MayCome,
}

/// How long to wait between two looks at what another instance does.
const LOOK: Duration = Duration::from_millis(100);
/// How often to look for what instances that are gone have left.
const PATROL: Duration = Duration::from_secs(2);
/// How many of those looks until what they held for a verification is looked for: a minute.
const ROUND: u32 = 30;

impl Engine {
    /// Whether another instance has the account's lease.
    pub(super) async fn is_asked_elsewhere(&self, organization: &Organization, account_id: &str) -> Result<bool> {
        let lease = self.rows.store.lease(organization.as_str(), account_id).await?;
        Ok(lease.is_some_and(|lease| lease.holder != self.journal.owner()))
    }

    /// Waits until nobody has the account's lease. One that is over is let go of here, and what its holder had received
    /// is settled first. The caller is the only one in this instance who refreshes the account.
    ///
    /// # Errors
    /// `CLOSED`, those of the store, and `STORE_BUSY` where `late` says so.
    pub(super) async fn ended_elsewhere(
        self: &Arc<Self>,
        organization: &Organization,
        account_id: &str,
        late: Late,
    ) -> Result<()> {
        while let Some(lease) = self.rows.store.lease(organization.as_str(), account_id).await? {
            // Whoever asked is about to settle it.
            if self.flights.kept.holds(account_id) {
                return Ok(());
            }
            // One of ours is left from a flight that broke off.
            let ours = lease.holder == self.journal.owner();
            if ours && late == Late::MayCome && self.flights.concern(account_id) {
                // Not by the one who asks here, who is no flight.
                self.flights.ended(account_id).await;
                continue;
            }
            let left = if ours { Some(Vec::new()) } else { self.journal.take_over(&lease.holder).await? };
            let is_gone = left.is_some();
            if let Some(left) = left.filter(|left| !left.is_empty()) {
                self.replay_journal(left).await;
                continue;
            }
            let is_over = self.rows.store.now().await? >= lease.until;
            if is_over && !is_gone {
                // It may stand still with an answer in hand, or its store was away for long.
                if self.settle_for(&lease).await? {
                    continue;
                }
                if late == Late::MayCome {
                    return Err(Error::StoreBusy);
                }
                tracing::warn!(account.id = %account_id, "a refresh elsewhere did not come to an end in time");
            }
            if is_over || is_gone {
                self.end_lease(organization, &lease).await?;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.closing.cancelled() => return Err(Error::Closed),
            }
        }
        Ok(())
    }

    /// Settles the answer of another instance that has it in its journal and does not come to it; false where there is
    /// none. That instance finds it settled.
    async fn settle_for(self: &Arc<Self>, lease: &LeaseRow) -> Result<bool> {
        for sealed in self.journal.peek(&lease.holder).await? {
            if let Ok(answer) = self.read_journaled(&sealed)
                && answer.is_of(lease)
            {
                self.settle_refresh(&answer, Others::None).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets go of a lease whose request nobody waits for any more, and notes what that leaves in doubt. An account that
    /// got another credential since is not in doubt.
    async fn end_lease(&self, organization: &Organization, lease: &LeaseRow) -> Result<()> {
        let epoch = counted(lease.epoch);
        let reuse_kills = self.reuse_kills(organization, &lease.account_id).await?;
        let now = self.clock.now();
        let arrived = now.plus(self.rows.store.now().await?.until(lease.until));
        self.conclude(organization, &lease.account_id, epoch, &[], |account| {
            if account.facts.token_epoch >= epoch || !lease.sent || account.status != Status::Active {
                return;
            }
            account.facts.doubtful = true;
            account.facts.last_refresh_error = Some("interrupted".into());
            if reuse_kills {
                // The request may be on its way still.
                account.postpone_refresh(arrived);
                account.spare_access_token(LEAST_VALIDITY);
            }
        })
        .await
    }

    /// Ends the request of `epoch`: changes its account, if it is still there, and lets go of the lease in one commit,
    /// `with` what else must change.
    pub(super) async fn conclude(
        &self,
        organization: &Organization,
        account_id: &str,
        epoch: u64,
        with: &[Change],
        change: impl Fn(&mut StoredAccount),
    ) -> Result<()> {
        while let Some(mut account) = self.rows.account(organization, AccountKey::Id(account_id)).await? {
            let found = account.clone();
            change(&mut account);
            account.facts.request_epoch = account.facts.request_epoch.max(epoch);
            let mut with: Vec<_> = with.iter().cloned().chain([release(&account, epoch)]).collect();
            let has_failed = account.facts.failed_refreshes != found.facts.failed_refreshes
                || account.facts.last_refresh_error != found.facts.last_refresh_error;
            if has_failed {
                let of = RecordFacts::of_account(&account).failed(account.facts.last_refresh_error.as_deref());
                with.push(self.record(organization, Action::RefreshFailed, &of)?);
            }
            let commit = if account == found {
                self.rows.commit(with).await?
            } else {
                account.updated_at = self.clock.now();
                self.commit_account(&account, with).await?
            };
            if commit == Commit::Applied {
                break;
            }
        }
        Ok(())
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

/// A lease of this instance's. Others wait for its end, so it comes in any case: where the store could not take it at
/// once, or this program failed, a task goes on trying.
pub(super) struct Held {
    engine: Arc<Engine>,
    organization: Organization,
    account_id: String,
    epoch: u64,
    ended: bool,
}

impl Held {
    pub(super) fn new(engine: &Arc<Engine>, organization: &Organization, account_id: &str, epoch: u64) -> Self {
        let (engine, organization) = (engine.clone(), organization.clone());
        Self { engine, organization, account_id: account_id.into(), epoch, ended: false }
    }

    /// Its end is in the store, or comes with the answer in hand.
    pub(super) fn end(mut self) {
        self.ended = true;
    }

    async fn let_go(engine: &Engine, organization: &Organization, account_id: &str, epoch: u64) -> Result<()> {
        match engine.rows.store.lease(organization.as_str(), account_id).await? {
            Some(lease) if counted(lease.epoch) == epoch => engine.end_lease(organization, &lease).await,
            _ => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Where no runtime is left, the process is about to end, and its journal's lock with it.
        if self.ended || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (engine, organization, epoch) = (self.engine.clone(), self.organization.clone(), self.epoch);
        let account_id = std::mem::take(&mut self.account_id);
        self.engine.spawn(async move {
            let mut wait = SHORTEST_PAUSE;
            while let Err(error) = Self::let_go(&engine, &organization, &account_id, epoch).await {
                tracing::warn!(code = error.code(), "the end of a refresh could not be noted");
                if !pause(wait, &engine.closing).await {
                    return;
                }
                wait = (wait * 2).min(LONGEST_PAUSE);
            }
        });
    }
}

/// The end of the account's request of `epoch`, whoever has the lease.
pub(super) fn release(account: &StoredAccount, epoch: u64) -> Change {
    Change::ReleaseLease {
        organization: account.organization.as_str().into(),
        account_id: account.id.clone(),
        epoch: stored(epoch),
    }
}

/// An epoch as databases count.
pub(super) fn stored(epoch: u64) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}

fn counted(epoch: i64) -> u64 {
    u64::try_from(epoch).unwrap_or(0)
}

/// Waits; not to the end when the environment closes.
pub(super) async fn pause(duration: Duration, closing: &CancellationToken) -> bool {
    closing.run_until_cancelled(tokio::time::sleep(duration)).await.is_some()
}

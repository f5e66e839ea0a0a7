//! The intent of a refresh: the account's lease, taken before the refresh token is spent.

use std::sync::{Arc, atomic::AtomicBool};

use tokio::time::Instant;

use super::{Timing, lease::stored, may_ask};
use crate::{
    Engine, Error, Result,
    accounts::Status,
    rows::{StoredAccount, StoredConnection},
    secret::Secret,
    store::{Change, Commit, LeaseRow},
};

/// What became of a refresh that was to begin.
pub(super) enum Intent {
    /// The request is ours to send.
    Ours(Box<Lease>),
    /// Another process has one under way.
    Elsewhere,
    /// There is no need any more, or no way.
    Needless,
}

/// The right to send one request.
pub(super) struct Lease {
    /// Which of the account's requests it is.
    pub(super) epoch: u64,
    /// The epoch of the credential that the refresh token belongs to.
    pub(super) token_epoch: u64,
    /// To be sent in it.
    pub(super) refresh_token: Secret,
    /// When its answer is given up; before that, nobody else takes the lease.
    pub(super) deadline: Instant,
    /// As the account was read.
    pub(super) account_version: i64,
    /// Whether the account, or the lease, was another when the request was about to leave.
    pub(super) is_outdated: Arc<AtomicBool>,
}

impl Engine {
    /// Takes the account's lease, which proves that the store can be written before the refresh token is spent, and tells
    /// every other process who asks. `known` is the account's newest request that whoever wants the refresh knows of.
    pub(super) async fn intend(
        &self,
        seen: &StoredAccount,
        known: u64,
        connection: &StoredConnection,
        is_let_in: bool,
    ) -> Result<Intent> {
        loop {
            let account = self.account_by_id(&seen.organization, &seen.id).await?;
            if account.facts.token_epoch > seen.facts.token_epoch || account.status != Status::Active {
                return Ok(Intent::Needless);
            }
            // A later request has left it in doubt: whether the token at hand will do is decided anew.
            let is_news = account.facts.request_epoch > known;
            if is_news && account.facts.doubtful && account.refresh_at.is_some_and(|at| at > self.clock.now()) {
                return Ok(Intent::Needless);
            }
            // No one waits who has waited already to hear the same a second time.
            let is_confirming = account.facts.refused == Some(account.facts.token_epoch);
            if !may_ask(&account, self.clock.now()) && !is_confirming {
                return Err(self.still_waiting(connection, &account)?);
            }
            let Timing { request, lease, .. } = self.refresh_timing;
            // Who tries the app's next secret has been let in with the first.
            let probe = if is_let_in { None } else { self.pass_fault(connection, lease).await? };
            let credential = self.rows.credential(&account).await?;
            let Some(refresh_token) = credential.and_then(|credential| credential.refresh_token().cloned()) else {
                return Ok(Intent::Needless);
            };
            let epoch = account.facts.request_epoch + 1;
            let deadline = Instant::now() + request;
            let lease = LeaseRow {
                organization: account.organization.as_str().into(),
                account_id: account.id.clone(),
                holder: self.journal.owner().to_owned(),
                epoch: stored(epoch),
                until: self.rows.store.now().await?.plus(lease),
                sent: false,
            };
            let take = Change::TakeLease { lease, account_version: account.version };
            if self.rows.commit(probe.into_iter().chain([take]).collect()).await? == Commit::Applied {
                let (account_version, is_outdated) = (account.version, Arc::default());
                return Ok(Intent::Ours(Box::new(Lease {
                    epoch,
                    token_epoch: account.facts.token_epoch,
                    refresh_token,
                    deadline,
                    account_version,
                    is_outdated,
                })));
            }
            if self.is_asked_elsewhere(&account.organization, &account.id).await? {
                return Ok(Intent::Elsewhere);
            }
        }
    }

    /// Why the provider is not asked again yet.
    fn still_waiting(&self, connection: &StoredConnection, account: &StoredAccount) -> Result<Error> {
        let reason = account.facts.last_refresh_error.clone().unwrap_or_else(|| "it asked to wait".into());
        let host = self.setup(connection)?.token_host();
        Ok(Error::ProviderUnavailable { host, reason, retry_at: account.facts.next_refresh_at })
    }
}

//! What is done about a refusal: of the grant, of the app, or in words that prove neither.

use std::time::Duration;

use super::{Note, Settled};
use crate::{
    Engine, Error, Result,
    accounts::Status,
    oauth::provider_error::ProviderError,
    refresh::{plan, reauthorization},
    rows::{StoredAccount, StoredConnection},
    store::Change,
};

/// How long refusals that prove nothing are not believed.
const UNPROVEN: Duration = Duration::from_secs(24 * 60 * 60);

impl Engine {
    /// What is done about a provider's word that the grant is gone. It is believed when it is said twice about the same
    /// credential: the first may come from a server that has not heard of it yet.
    pub(super) async fn settle_refusal(
        &self,
        connection: &StoredConnection,
        account: &StoredAccount,
        epoch: u64,
        confirm: Duration,
        error: &ProviderError,
    ) -> Result<Settled> {
        let token_epoch = account.facts.token_epoch;
        let is_confirmed = account.facts.refused == Some(token_epoch);
        let reason = if account.facts.doubtful { "lost_rotation" } else { "revoked" };
        let retry_at = self.clock.now().plus(confirm);
        // Who is told that has been let in.
        let cleared = Vec::from_iter(self.clear_fault(connection));
        self.conclude(&account.organization, &account.id, epoch, &cleared, |account| {
            if account.facts.token_epoch != token_epoch || account.status != Status::Active {
                return;
            }
            if is_confirmed {
                account.end_grant(reason);
                return;
            }
            account.facts.refused = Some(token_epoch);
            account.facts.last_refresh_error = Some(error.name().to_owned());
            account.facts.failed_refreshes += 1;
            account.postpone_refresh(retry_at);
        })
        .await?;
        let told = Err(reauthorization(connection, account, reason));
        if is_confirmed {
            tracing::info!(account.id = %account.id, error = error.name(), "the provider ended the grant");
            return Ok(Settled::Told(told));
        }
        Ok(Settled::AskAgain { after: confirm, told })
    }

    /// Notes that the provider refuses the app. It is the connection that is at fault, and keeps everybody waiting: the
    /// account may be refreshed as soon as that is over.
    pub(super) async fn note_misconfigured(
        &self,
        account: &StoredAccount,
        epoch: u64,
        fault: Option<Change>,
        error: &str,
    ) -> Result<()> {
        let (next_try, is_first) = match &fault {
            Some(Change::SetFault(fault)) => (Some(fault.next_try), fault.failures == 1),
            _ => (None, false),
        };
        // Some providers say this of a single grant: one that is refused again and again, and alone, comes up ever more
        // seldom.
        let pause = match account.facts.failed_refreshes {
            failed @ 1.. if is_first => plan::backoff(failed + 1, &*self.random)?,
            _ => Duration::ZERO,
        };
        let next_try = next_try.map(|at| at.max(self.clock.now().plus(pause)));
        self.conclude(&account.organization, &account.id, epoch, &Vec::from_iter(fault), |account| {
            if account.facts.token_epoch >= epoch || account.status != Status::Active {
                return;
            }
            account.refresh_at = next_try.or(account.refresh_at);
            account.facts.last_refresh_error = Some(error.to_owned());
            account.facts.failed_refreshes += 1;
        })
        .await
    }

    /// What is done about a refusal in words that prove nothing: the account stays as it is, unless it has been so for a
    /// day.
    pub(super) async fn settle_unproven(
        &self,
        connection: &StoredConnection,
        account: &StoredAccount,
        epoch: u64,
        host: &str,
        reason: &str,
    ) -> Result<Settled> {
        let now = self.clock.now();
        let since = account.facts.unproven_since.unwrap_or(now);
        if since.until(now) >= UNPROVEN {
            let token_epoch = account.facts.token_epoch;
            self.conclude(&account.organization, &account.id, epoch, &[], |account| {
                if account.facts.token_epoch == token_epoch && account.status == Status::Active {
                    account.end_grant("unconfirmed");
                }
            })
            .await?;
            return Ok(Settled::Told(Err(reauthorization(connection, account, "unconfirmed"))));
        }
        let note = Note { unproven_since: Some(since), ..Note::of("answer_unusable") };
        let retry_at = self.postpone(account, epoch, None, note).await?;
        let (host, reason) = (host.to_owned(), reason.to_owned());
        Ok(Settled::Told(Err(Error::ProviderUnavailable { host, reason, retry_at: Some(retry_at) })))
    }
}

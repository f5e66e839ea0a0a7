//! One refresh of one account, and the map in which callers find the one under way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indexmap::IndexMap;
use tokio::sync::watch;

use super::{may_ask, plan};
use crate::{
    Engine, Error, Result,
    accounts::Status,
    oauth::{outcome::Outcome, token_request, token_response::TokenSet},
    rows::{Credential, StoredAccount},
    secret::Secret,
    store::{AccountKey, Change, Commit, journal::Slot},
    token_endpoint::{Answer, Purpose},
};

/// How a flight ended; nothing while it is under way.
type Ending = watch::Receiver<Option<Result<()>>>;

/// The flights of this process, by account.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<String, Ending>>,
    /// Answers that the store could not take. The next flight settles them instead of asking again: what they replaced
    /// at the provider is dead.
    unsettled: Mutex<HashMap<String, (Answer, Slot)>>,
}

impl Flights {
    fn under_way(&self) -> MutexGuard<'_, HashMap<String, Ending>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsettled(&self) -> MutexGuard<'_, HashMap<String, (Answer, Slot)>> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Joins the account's flight, or starts it, and waits for its end. Giving up the wait does not end the flight.
    pub(super) async fn flight(self: &Arc<Self>, account: &StoredAccount) -> Result<()> {
        let mut flight = self.join_or_start(account);
        let ended = flight.wait_for(Option::is_some).await.map_err(|_| Error::Closed)?;
        ended.clone().unwrap_or(Err(Error::Closed))
    }

    /// Starts a flight that nobody waits for: the present token still serves.
    pub(super) fn refresh_early(self: &Arc<Self>, account: &StoredAccount) {
        drop(self.join_or_start(account));
    }

    fn join_or_start(self: &Arc<Self>, account: &StoredAccount) -> Ending {
        let mut flights = self.flights.under_way();
        if let Some(flight) = flights.get(&account.id) {
            return flight.clone();
        }
        let (ended, flight) = watch::channel(None);
        flights.insert(account.id.clone(), flight.clone());
        let (engine, account) = (self.clone(), account.clone());
        self.spawn(async move {
            let outcome = engine.refresh(&account).await;
            if let Err(error) = &outcome {
                tracing::warn!(account.id = %account.id, code = error.code(), "a refresh did not succeed");
            }
            engine.flights.under_way().remove(&account.id);
            // Everyone may have given up waiting.
            let _ = ended.send(Some(outcome));
        });
        flight
    }

    /// Reserve, intend, ask, journal, settle, clear. Before the intent nothing has happened; after the journal nothing
    /// can be lost.
    async fn refresh(&self, seen: &StoredAccount) -> Result<()> {
        let unsettled = self.flights.unsettled().remove(&seen.id);
        if let Some((answer, slot)) = unsettled {
            return self.settle_and_clear(&seen.id, answer, slot).await;
        }
        let slot = self.journal.reserve().await?;
        let Some((account, credential)) = self.intend(seen).await? else { return Ok(()) };
        let connection = self.connection_by_id(&account.organization, &account.connection_id).await?;
        let registration = self.settle(&connection)?.registration(None)?;
        let Some(refresh_token) = &credential.refresh_token else { return Ok(()) };
        let purpose = Purpose::Refresh {
            organization: account.organization.as_str().into(),
            account_id: account.id.clone(),
            epoch: account.facts.request_epoch,
        };
        let request = token_request::refresh(&registration, refresh_token)?;
        let answer = match self.ask_token_endpoint(request, purpose, &slot).await {
            Ok(answer) => answer,
            Err(error) => {
                self.postpone(&account, error.code(), None).await?;
                return Err(error);
            }
        };
        self.settle_and_clear(&account.id, answer, slot).await
    }

    async fn settle_and_clear(&self, account_id: &str, answer: Answer, slot: Slot) -> Result<()> {
        match self.settle_refresh(&answer).await {
            Err(error) if error.is_of_store() => {
                self.flights.unsettled().insert(account_id.to_owned(), (answer, slot));
                Err(error)
            }
            settled => {
                slot.clear().await?;
                settled
            }
        }
    }

    /// Writes the intent: the account's request epoch grows, which proves that the store can be written before the
    /// refresh token is spent. Nothing when there is no need any more.
    async fn intend(&self, seen: &StoredAccount) -> Result<Option<(StoredAccount, Credential)>> {
        loop {
            let mut account = self.account_by_id(&seen.organization, &seen.id).await?;
            if account.facts.token_epoch > seen.facts.token_epoch || account.status != Status::Active {
                return Ok(None);
            }
            let now = self.clock.now();
            if !may_ask(&account, now) {
                return Err(Error::ProviderUnavailable {
                    host: "the provider".into(),
                    reason: account.facts.last_refresh_error.unwrap_or_else(|| "it asked to wait".into()),
                    retry_at: account.facts.next_refresh_at,
                });
            }
            let Some(credential) = self.rows.credential(&account).await? else { return Ok(None) };
            account.facts.request_epoch += 1;
            account.updated_at = now;
            let row = self.rows.write_account(&account)?;
            if self.rows.store.commit(vec![Change::ReplaceAccount(row)]).await? == Commit::Applied {
                account.version += 1;
                return Ok(Some((account, credential)));
            }
        }
    }

    /// Reads an answer that is durable, and commits what it brought. An answer of an older request than the one whose
    /// token is stored changes nothing.
    pub(crate) async fn settle_refresh(&self, answer: &Answer) -> Result<()> {
        let Purpose::Refresh { organization, account_id, epoch } = &answer.purpose else { return Ok(()) };
        let organization = crate::names::Organization::parse(organization)?;
        let Some(account) = self.rows.account(&organization, AccountKey::Id(account_id)).await? else { return Ok(()) };
        if account.facts.token_epoch >= *epoch {
            return Ok(());
        }
        let connection = self.connection_by_id(&organization, &account.connection_id).await?;
        let settled = self.settle(&connection)?;
        let registration = settled.registration(None)?;
        let host = registration.token_url.host_str().unwrap_or_default().to_owned();
        match answer.classified(&registration, &account.facts.scopes_granted) {
            Outcome::Ok(tokens) => {
                let kept = settled.kept_from_token(&tokens);
                let secrets = settled.secrets_from_token(&tokens);
                self.store_refreshed(account, *epoch, &tokens, &kept, &secrets).await
            }
            Outcome::Definitive { error } => {
                tracing::info!(account.id = %account.id, error = error.name(), "the provider ended the grant");
                self.expire(&account, "revoked").await?;
                Err(self.reauthorization(&self.account_by_id(&organization, account_id).await?).await?)
            }
            Outcome::ClientBad { error } => {
                self.postpone(&account, error.name(), None).await?;
                Err(Error::ConnectionMisconfigured { connection: connection.name, reason: error.name().into() })
            }
            Outcome::Transient { retry_after, .. } => {
                let retry_at = self.postpone(&account, "provider_unavailable", retry_after).await?;
                Err(Error::ProviderUnavailable { host, reason: format!("status {}", answer.status.as_u16()), retry_at })
            }
            Outcome::Unknown { reason, salvaged, .. } => {
                if let Some(refresh_token) = salvaged {
                    self.store_salvaged(account.clone(), *epoch, refresh_token).await?;
                }
                let retry_at = self.postpone(&account, "answer_unusable", None).await?;
                Err(Error::ProviderUnavailable { host, reason: reason.to_string(), retry_at })
            }
        }
    }

    async fn store_refreshed(
        &self,
        account: StoredAccount,
        epoch: u64,
        tokens: &TokenSet,
        kept: &IndexMap<String, String>,
        secrets: &IndexMap<String, Secret>,
    ) -> Result<()> {
        let now = self.clock.now();
        let refresh_at = plan::refresh_at(now, tokens.expires_at, &*self.random)?;
        self.renew(account, epoch, |account, credential| {
            credential.access_token = tokens.access_token.clone();
            // RFC 6749 §6: a new refresh token replaces the old one; where none came, the old one stays.
            if let Some(refresh_token) = &tokens.refresh_token {
                credential.refresh_token = Some(refresh_token.clone());
            }
            credential.kept.extend(secrets.clone());
            account.status = Status::Active;
            account.expires_at = tokens.expires_at;
            account.refresh_at = refresh_at;
            let facts = &mut account.facts;
            facts.reason = None;
            facts.kept.extend(kept.clone());
            facts.scopes_granted = tokens.scopes.clone();
            facts.last_refresh_error = None;
            facts.failed_refreshes = 0;
            facts.next_refresh_at = None;
            facts.refreshed_at = Some(now);
        })
        .await
    }

    /// Keeps a new refresh token of an answer that was good for nothing else: the old one is dead.
    async fn store_salvaged(&self, account: StoredAccount, epoch: u64, refresh_token: Secret) -> Result<()> {
        self.renew(account, epoch, |_, credential| credential.refresh_token = Some(refresh_token.clone())).await
    }

    /// Seals what an answer brought into the account, until nobody came between; but never over a newer token.
    async fn renew(
        &self,
        mut account: StoredAccount,
        epoch: u64,
        change: impl Fn(&mut StoredAccount, &mut Credential),
    ) -> Result<()> {
        loop {
            let Some(mut credential) = self.rows.credential(&account).await? else { return Ok(()) };
            change(&mut account, &mut credential);
            self.rows.seal_credential(&mut account, &credential).await?;
            account.updated_at = self.clock.now();
            let row = self.rows.write_account(&account)?;
            if self.rows.store.commit(vec![Change::ReplaceAccount(row)]).await? == Commit::Applied {
                self.announce();
                return Ok(());
            }
            let organization = account.organization.clone();
            match self.rows.account(&organization, AccountKey::Id(&account.id)).await? {
                Some(now) if now.facts.token_epoch < epoch => account = now,
                // A newer token, or no account any more.
                _ => return Ok(()),
            }
        }
    }

    /// Notes why a refresh did not succeed and when to try again. The account stays as usable as it was.
    async fn postpone(
        &self,
        account: &StoredAccount,
        reason: &str,
        retry_after: Option<Duration>,
    ) -> Result<Option<crate::time::Timestamp>> {
        let failed = account.facts.failed_refreshes + 1;
        let wait = match retry_after {
            Some(wait) => wait,
            None => plan::backoff(failed, &*self.random)?,
        };
        let retry_at = self.clock.now().plus(wait);
        self.change_account(&account.organization, &account.id, |account| {
            account.facts.last_refresh_error = Some(reason.to_owned());
            account.facts.failed_refreshes = failed;
            account.facts.next_refresh_at = Some(retry_at);
        })
        .await?;
        Ok(Some(retry_at))
    }
}

//! What a refresh's answer does to its account.
//!
//! An account becomes unusable only by the provider's own word. Everything else leaves it active, with a note of what
//! went wrong and when to try again; a newer credential is never touched by an older answer.

use std::time::Duration;

use http::StatusCode;
use indexmap::IndexMap;

use super::{plan, reauthorization};
use crate::{
    Engine, Error, Result,
    accounts::Status,
    connections::registration::Setup,
    names::Organization,
    oauth::{outcome::Outcome, token_response::TokenSet},
    rows::{Credential, StoredAccount, Tokens},
    secret::Secret,
    store::{AccountKey, Commit},
    time::Timestamp,
    token_endpoint::{Answer, Purpose, Told},
};

/// How long the provider is left alone after an answer that tells nothing: it may still be at work on the request.
pub(super) const QUARANTINE: Duration = Duration::from_secs(30);

impl Engine {
    /// Reads an answer that is durable, and commits what it brought. An answer of an older request than the one whose
    /// token is stored changes nothing.
    ///
    /// # Errors
    /// The answer could not be dealt with and must be kept. What those who wait are told when it could, stands inside.
    pub(super) async fn settle_refresh(&self, answer: &Answer) -> Result<Told> {
        let Purpose::Refresh { organization, account_id, epoch, connection_version } = &answer.purpose else {
            return Ok(Ok(()));
        };
        let organization = Organization::parse(organization)?;
        let Some(account) = self.rows.account(&organization, AccountKey::Id(account_id)).await? else {
            return Ok(Ok(()));
        };
        if account.facts.token_epoch >= *epoch {
            return Ok(Ok(()));
        }
        let connection = self.connection_by_id(&organization, &account.connection_id).await?;
        // Its tokens are kept even if the connection has been disabled meanwhile.
        let setup = Setup::of(self, &connection)?;
        if account.facts.binding.as_deref() != Some(setup.binding().as_str()) {
            // Kept until the connection is changed back: another connector's rules do not read it.
            return Err(reauthorization(&connection, &account, "connection_changed"));
        }
        let registration = setup.refresh_registration()?;
        let host = registration.token_url.host_str().unwrap_or_default().to_owned();
        match answer.classified(&registration, &account.facts.scopes_granted) {
            Outcome::Ok(tokens) => {
                let (kept, secrets) = (setup.kept_from_token(&tokens), setup.secrets_from_token(&tokens));
                self.store_refreshed(account, *epoch, &tokens, &kept, &secrets).await?;
                Ok(Ok(()))
            }
            Outcome::Definitive { error } => {
                tracing::info!(account.id = %account.id, error = error.name(), "the provider ended the grant");
                let reason = if account.facts.doubtful { "lost_rotation" } else { "revoked" };
                self.expire(&account, reason).await?;
                Ok(Err(reauthorization(&connection, &account, reason)))
            }
            Outcome::ClientBad { error } => {
                let note = Note { reason: error.name(), answered: true, misconfigured: Some(*connection_version) };
                self.postpone(&account, *epoch, None, note).await?;
                Ok(Err(Error::ConnectionMisconfigured {
                    connection: connection.name.clone(),
                    reason: error.name().into(),
                }))
            }
            Outcome::Transient { retry_after, .. } => {
                // Any other failure may have come after the provider had rotated the token.
                let answered = matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
                let note = Note { reason: "provider_unavailable", answered, misconfigured: None };
                let retry_at = self.postpone(&account, *epoch, retry_after, note).await?;
                let reason = format!("status {}", answer.status.as_u16());
                Ok(Err(Error::ProviderUnavailable { host, reason, retry_at: Some(retry_at) }))
            }
            Outcome::Unknown { reason, salvaged: Some(refresh_token), .. } => {
                self.store_salvaged(account, *epoch, &refresh_token).await?;
                Ok(Err(Error::ProviderUnavailable { host, reason: reason.to_string(), retry_at: None }))
            }
            Outcome::Unknown { reason, salvaged: None, .. } => {
                let note = Note { reason: "answer_unusable", answered: false, misconfigured: None };
                let retry_at = self.postpone(&account, *epoch, Some(QUARANTINE), note).await?;
                Ok(Err(Error::ProviderUnavailable { host, reason: reason.to_string(), retry_at: Some(retry_at) }))
            }
        }
    }

    /// Notes that there was no answer at all. One that never left changes nothing at the provider.
    pub(super) async fn note_unanswered(&self, account: &StoredAccount, error: &Error) -> Result<()> {
        let answered = !matches!(error, Error::ProviderUnavailable { .. } | Error::ProviderResponseInvalid { .. });
        let note = Note { reason: error.code(), answered, misconfigured: None };
        let wait = (!answered).then_some(QUARANTINE);
        self.postpone(account, account.facts.request_epoch, wait, note).await.map(drop)
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
        let refresh_at = plan::refresh_at(now, tokens.expires_at, None, &*self.random)?;
        self.renew(account, epoch, |account, own| {
            own.access_token = tokens.access_token.clone();
            // RFC 6749 §6: a new refresh token replaces the old one; where none came, the old one stays.
            if let Some(refresh_token) = &tokens.refresh_token {
                own.refresh_token = Some(refresh_token.clone());
            }
            own.kept.extend(secrets.clone());
            account.status = Status::Active;
            account.expires_at = tokens.expires_at;
            account.refresh_at = refresh_at;
            account.facts.kept.extend(kept.clone());
            account.facts.scopes_granted = tokens.scopes.clone();
            account.facts.refreshed_at = Some(now);
            account.facts.clear_failures();
        })
        .await
    }

    /// Keeps a new refresh token of an answer that was good for nothing else: the old one is dead.
    async fn store_salvaged(&self, account: StoredAccount, epoch: u64, refresh_token: &Secret) -> Result<()> {
        let now = self.clock.now();
        let pause = plan::backoff(account.facts.failed_refreshes + 1, &*self.random)?;
        self.renew(account, epoch, |account, own| {
            own.refresh_token = Some(refresh_token.clone());
            // The access token that it came with is lost, and the old one may have ended with the old refresh token.
            account.expires_at = Some(now);
            account.facts.unanswered = false;
            account.facts.failed_refreshes += 1;
            account.facts.next_refresh_at = Some(now.plus(pause));
            account.facts.last_refresh_error = Some("answer_unusable".into());
        })
        .await
    }

    /// Seals what an answer brought into the account, until nobody came between; but never over a newer token.
    async fn renew(
        &self,
        mut account: StoredAccount,
        epoch: u64,
        change: impl Fn(&mut StoredAccount, &mut Tokens),
    ) -> Result<()> {
        loop {
            let Some(Credential::Tokens(mut own)) = self.rows.credential(&account).await? else { return Ok(()) };
            change(&mut account, &mut own);
            self.rows.seal_credential(&mut account, &Credential::Tokens(own), epoch).await?;
            account.updated_at = self.clock.now();
            if self.commit_account(&account, Vec::new()).await? == Commit::Applied {
                return Ok(());
            }
            match self.rows.account(&account.organization, AccountKey::Id(&account.id)).await? {
                Some(now) if now.facts.token_epoch < epoch => account = now,
                // A newer token, or no account any more.
                _ => return Ok(()),
            }
        }
    }

    /// Notes why a refresh did not succeed and when to try again: after `wait`, or after a pause that grows with each
    /// failure. The account stays as usable as it was; one that got a newer credential meanwhile is left alone.
    async fn postpone(
        &self,
        account: &StoredAccount,
        epoch: u64,
        wait: Option<Duration>,
        note: Note<'_>,
    ) -> Result<Timestamp> {
        let pause = match wait {
            Some(wait) => wait,
            None => plan::backoff(account.facts.failed_refreshes + 1, &*self.random)?,
        };
        let retry_at = self.clock.now().plus(pause);
        self.change_account(&account.organization, &account.id, |account| {
            if account.facts.request_epoch == epoch {
                account.facts.asked_by = None;
            }
            if account.facts.token_epoch >= epoch || account.status != Status::Active {
                return;
            }
            account.refresh_at = Some(retry_at);
            let facts = &mut account.facts;
            facts.last_refresh_error = Some(note.reason.to_owned());
            facts.failed_refreshes += 1;
            facts.next_refresh_at = Some(retry_at);
            facts.misconfigured = note.misconfigured;
            facts.unanswered &= !note.answered;
        })
        .await?;
        Ok(retry_at)
    }
}

/// What is remembered of a refresh that did not succeed.
struct Note<'a> {
    reason: &'a str,
    /// Whether it is known that the provider did not act on the request.
    answered: bool,
    /// The version of the connection whose app the provider refused.
    misconfigured: Option<i64>,
}

//! What a refresh's answer does to its account.
//!
//! An account becomes unusable only by the provider's own word. Everything else leaves it active, with a note of what
//! went wrong and when to try again; a newer credential is never touched by an older answer.

mod refusal;

use std::{pin::Pin, time::Duration};

use http::StatusCode;

use super::{LEAST_VALIDITY, lease::release, plan, reauthorization};
use crate::{
    Engine, Error, Result,
    accounts::Status,
    audit::Action,
    catalogue::profile::Profile,
    connections::registration::Setup,
    metrics::Refresh,
    names::Organization,
    oauth::{
        outcome::Outcome,
        token_response::{TokenSet, Unusable},
    },
    rows::{Credential, RecordFacts, StoredAccount, Tokens},
    secret::Secret,
    store::{AccountKey, Change, Commit},
    time::Timestamp,
    token_endpoint::{Answer, Purpose, Told},
};

/// Whether the connection has client secrets that the provider was not asked with in this flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    Untried,
    None,
}

/// What became of an answer.
#[derive(Debug)]
pub(super) enum Settled {
    /// It was dealt with, or it is kept; this is what those who wait are told.
    Told(Told),
    /// It left a doubt that the same request resolves, once this has passed. Until then, this is what is known.
    AskAgain {
        /// How long to wait.
        after: Duration,
        /// What is told if nobody asks again.
        told: Told,
    },
    /// The provider refuses the app, but does not know all of its secrets yet. Until then, this is what is known.
    AskOtherwise(Told),
}

/// An answer being dealt with. Boxed, because what is awaited as it is gets compiled anew into each crate that awaits
/// what awaits it: fifty kilobytes each time.
pub(super) type Settling<'a> = Pin<Box<dyn Future<Output = Result<Settled>> + Send + 'a>>;

impl Settled {
    /// What its request came to, by what the answer was.
    fn came_to(&self, answer: Refresh) -> Refresh {
        match self {
            Self::Told(Err(Error::ReauthorizationRequired { .. })) => Refresh::Ended,
            Self::AskOtherwise(_) => Refresh::OtherSecret,
            _ => answer,
        }
    }

    /// What those are told who can't wait for another answer.
    pub(super) fn told(self) -> Told {
        match self {
            Self::Told(told) | Self::AskAgain { told, .. } | Self::AskOtherwise(told) => told,
        }
    }
}

impl Engine {
    /// Reads an answer that is durable, and commits what it brought. An answer of an older request than the one whose
    /// token is stored changes nothing.
    ///
    /// # Errors
    /// The answer could not be dealt with and must be kept. What those who wait are told when it could, stands inside.
    pub(super) fn settle_refresh<'a>(&'a self, answer: &'a Answer, others: Others) -> Settling<'a> {
        Box::pin(self.settle(answer, others))
    }

    async fn settle(&self, answer: &Answer, others: Others) -> Result<Settled> {
        let Purpose::Refresh { organization, account_id, epoch, presented, connection_version } = &answer.purpose
        else {
            return Ok(Settled::Told(Ok(())));
        };
        let organization = Organization::parse(organization)?;
        let Some(account) = self.rows.account(&organization, AccountKey::Id(account_id)).await? else {
            return Ok(Settled::Told(Ok(())));
        };
        if account.facts.token_epoch >= *epoch {
            self.conclude(&organization, account_id, *epoch, &[], |_| {}).await?;
            return Ok(Settled::Told(Ok(())));
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
        let unavailable =
            |reason: String, retry_at| Error::ProviderUnavailable { host: host.clone(), reason, retry_at };
        let outcome = answer.classified(&registration, &account.facts.scopes_granted);
        // A later request has come to an end since, or another token has come: only a token is still of use.
        let is_of_another = presented.is_some_and(|presented| presented != account.facts.token_epoch);
        let is_old_news = account.facts.request_epoch >= *epoch || is_of_another;
        if is_old_news && !matches!(outcome, Outcome::Ok(_) | Outcome::Unknown { salvaged: Some(_), .. }) {
            // A refresh token that was replaced already may have been taken for stolen.
            let doubt = |account: &mut StoredAccount| account.facts.doubtful |= is_of_another;
            self.conclude(&organization, account_id, *epoch, &[], doubt).await?;
            return Ok(Settled::Told(Ok(())));
        }
        let came_to = Refresh::of(&outcome, answer.status);
        let settled = match outcome {
            Outcome::Ok(tokens) => {
                self.store_refreshed(account, *epoch, &tokens, &setup).await?;
                Settled::Told(Ok(()))
            }
            Outcome::Definitive { error } => {
                self.settle_refusal(&connection, &account, *epoch, setup.profile().confirm, &error).await?
            }
            Outcome::ClientBad { error } => {
                let (name, reason) = (connection.name.clone(), error.name().to_owned());
                let told = Err(Error::ConnectionMisconfigured { connection: name, reason });
                if others == Others::Untried {
                    self.conclude(&organization, account_id, *epoch, &[], |_| {}).await?;
                    Settled::AskOtherwise(told)
                } else {
                    // One that was changed meanwhile is not at fault: its accounts try again at once.
                    let is_current = connection.version == *connection_version;
                    let fault = if is_current { self.note_fault(&connection, error.name()).await? } else { None };
                    self.note_misconfigured(&account, *epoch, fault, error.name()).await?;
                    Settled::Told(told)
                }
            }
            Outcome::Transient { retry_after, .. } => {
                // Any other failure may have come after the provider had rotated the token.
                let answered = matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
                let note = Note { doubtful: !answered, ..Note::of("provider_unavailable") };
                let retry_at = self.postpone(&account, *epoch, retry_after, note).await?;
                Settled::Told(Err(unavailable(format!("status {}", answer.status.as_u16()), Some(retry_at))))
            }
            Outcome::Unknown { reason, salvaged: Some(refresh_token), .. } => {
                self.store_salvaged(account, *epoch, &refresh_token).await?;
                Settled::Told(Err(unavailable(reason.to_string(), None)))
            }
            Outcome::Unknown { reason, salvaged: None, .. } if answer.status.is_client_error() => {
                self.settle_unproven(&connection, &account, *epoch, &host, &reason.to_string()).await?
            }
            Outcome::Unknown { reason, salvaged: None, .. } => {
                let note = Note { doubtful: true, ..Note::of("answer_unusable") };
                let wait = self.quarantine(setup.profile());
                let retry_at = self.postpone(&account, *epoch, wait, note).await?;
                Settled::Told(Err(match reason {
                    Unusable::TooLarge => {
                        Error::ProviderResponseInvalid { host: host.clone(), reason: reason.to_string() }
                    }
                    _ => unavailable(reason.to_string(), Some(retry_at)),
                }))
            }
        };
        self.metrics.refresh_ended(&connection.connector, settled.came_to(came_to));
        Ok(settled)
    }

    /// Notes that there was no answer at all. One that never left changes nothing at the provider.
    pub(super) async fn note_unanswered(
        &self,
        organization: &Organization,
        account_id: &str,
        epoch: u64,
        error: &Error,
    ) -> Result<()> {
        let Some(account) = self.rows.account(organization, AccountKey::Id(account_id)).await? else { return Ok(()) };
        let doubtful = matches!(error, Error::ProviderUnavailable { .. } | Error::ProviderResponseInvalid { .. });
        let wait = if doubtful {
            let connection = self.connection_by_id(organization, &account.connection_id).await?;
            self.quarantine(Setup::of(self, &connection)?.profile())
        } else {
            None
        };
        self.postpone(&account, epoch, wait, Note { doubtful, ..Note::of(error.code()) }).await.map(drop)
    }

    /// How long the provider is left alone when nobody knows what it made of a request; nothing means the usual pause.
    ///
    /// It may still be at work on it. Where it takes the same refresh token once more, that must be soon; elsewhere
    /// nothing is sent before an answer can no longer come.
    fn quarantine(&self, profile: &Profile) -> Option<Duration> {
        let network = self.refresh_timing.network;
        match profile.repeat_within() {
            Some(_) if profile.may_repeat_at_once() => None,
            Some(within) => (within > network).then_some(network),
            None => Some(network),
        }
    }

    /// Whether the account's provider may end the grant when a refresh token comes a second time.
    pub(super) async fn reuse_kills(&self, organization: &Organization, account_id: &str) -> Result<bool> {
        let Some(account) = self.rows.account(organization, AccountKey::Id(account_id)).await? else {
            return Ok(false);
        };
        let connection = self.connection_by_id(organization, &account.connection_id).await?;
        let kills = |setup: Setup<'_>| setup.profile().reuse_kills() && setup.profile().repeat_within().is_none();
        // Of a connector that is gone nothing is known.
        Ok(Setup::of(self, &connection).map_or(true, kills))
    }

    async fn store_refreshed(
        &self,
        account: StoredAccount,
        epoch: u64,
        tokens: &TokenSet,
        setup: &Setup<'_>,
    ) -> Result<()> {
        let now = self.clock.now();
        let keep_alive_after = setup.profile().keep_alive_after();
        let refresh_at = plan::refresh_at(now, tokens.expires_at, keep_alive_after, &*self.random)?;
        let (kept, secrets) = (setup.kept_from_token(tokens), setup.secrets_from_token(tokens));
        self.renew(account, epoch, self.clear_fault(setup.connection), |account, own| {
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
            account.facts.reason = None;
            // What a later request has left in doubt stays so.
            if account.facts.request_epoch <= epoch {
                account.facts.clear_failures();
            }
        })
        .await
    }

    /// Keeps a new refresh token of an answer that was good for nothing else: the old one is dead.
    async fn store_salvaged(&self, account: StoredAccount, epoch: u64, refresh_token: &Secret) -> Result<()> {
        let now = self.clock.now();
        let pause = plan::backoff(account.facts.failed_refreshes + 1, &*self.random)?;
        self.renew(account, epoch, None, |account, own| {
            own.refresh_token = Some(refresh_token.clone());
            // The access token that it came with is lost, and the old one may have ended with the old refresh token.
            account.expires_at = Some(now);
            account.status = Status::Active;
            if account.facts.request_epoch > epoch {
                // What a later request has left in doubt stays so.
                return;
            }
            account.facts.reason = None;
            account.facts.doubtful = false;
            account.facts.refused = None;
            account.facts.failed_refreshes += 1;
            account.postpone_refresh(now.plus(pause));
            account.facts.last_refresh_error = Some("answer_unusable".into());
        })
        .await
    }

    /// Seals what an answer brought into the account, until nobody came between; but never over a newer token.
    async fn renew(
        &self,
        mut account: StoredAccount,
        epoch: u64,
        with: Option<Change>,
        change: impl Fn(&mut StoredAccount, &mut Tokens),
    ) -> Result<()> {
        let (organization, id) = (account.organization.clone(), account.id.clone());
        loop {
            let Some(Credential::Tokens(mut own)) = self.rows.credential(&account).await? else {
                return self.conclude(&organization, &id, epoch, &[], |_| {}).await;
            };
            change(&mut account, &mut own);
            self.rows.seal_credential(&mut account, &Credential::Tokens(own), epoch).await?;
            account.updated_at = self.clock.now();
            let of = RecordFacts::of_account(&account).failed(account.facts.last_refresh_error.as_deref());
            let record = self.record(&organization, Action::TokenRefreshed, &of)?;
            let with = with.iter().cloned().chain([release(&account, epoch), record]).collect();
            if self.commit_account(&account, with).await? == Commit::Applied {
                return Ok(());
            }
            match self.rows.account(&account.organization, AccountKey::Id(&account.id)).await? {
                Some(now) if now.facts.token_epoch < epoch => account = now,
                // A newer token, or no account any more.
                _ => return self.conclude(&organization, &id, epoch, &[], |_| {}).await,
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
        let reuse_kills = note.doubtful && self.reuse_kills(&account.organization, &account.id).await?;
        self.conclude(&account.organization, &account.id, epoch, &[], |account| {
            if account.facts.token_epoch >= epoch || account.status != Status::Active {
                return;
            }
            account.postpone_refresh(retry_at);
            if reuse_kills {
                account.spare_access_token(LEAST_VALIDITY);
            }
            let facts = &mut account.facts;
            facts.last_refresh_error = Some(note.reason.to_owned());
            facts.failed_refreshes += 1;
            facts.doubtful |= note.doubtful;
            facts.unproven_since = note.unproven_since;
        })
        .await?;
        Ok(retry_at)
    }
}

/// What is remembered of a refresh that did not succeed.
struct Note<'a> {
    reason: &'a str,
    /// Whether the provider may have replaced the refresh token.
    doubtful: bool,
    /// Since when it refuses in words that prove nothing.
    unproven_since: Option<Timestamp>,
}

impl<'a> Note<'a> {
    fn of(reason: &'a str) -> Self {
        Self { reason, doubtful: false, unproven_since: None }
    }
}

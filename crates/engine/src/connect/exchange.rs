//! The code exchange: a code becomes a sealed credential.
//!
//! The intent is durable before the code leaves, and the answer before it is read, so that a crash neither sends a code
//! twice nor loses what came for it. The work is detached from its caller: a browser that goes away stops nothing.

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;
use tokio::time::Instant;

use super::{callback::failed, grant::check_newest};
use crate::{
    Engine, Error, Result,
    accounts::grant::Grant,
    names::Organization,
    oauth::{outcome::Outcome, pkce::Verifier, token_request},
    refresh::told_of_provider,
    rows::{Credential, FlowStatus, Held, StoredFlow, Tokens},
    secret::Secret,
    store::{Change, Commit, FlowKey, journal::Slot},
    token_endpoint::{Answer, Purpose, Told, clear},
};

/// How long an exchange may take before its flow counts as lost.
const EXCHANGE_LIFE: Duration = Duration::from_secs(120);
/// How long to wait before a store that failed is tried again, at first and at last.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A code on its way to the provider.
pub(super) struct Code {
    code: Secret,
    verifier: Option<Secret>,
    callback: IndexMap<String, String>,
}

impl Code {
    pub(super) fn from_held(held: Held) -> Option<Self> {
        Some(Self { code: held.code?, verifier: held.verifier, callback: held.callback })
    }
}

impl Engine {
    /// Exchanges the code and stores what it brings, whether or not the caller waits.
    pub(super) async fn exchange(self: &Arc<Self>, flow: &StoredFlow, code: Code) -> Result<()> {
        let (engine, flow) = (self.clone(), flow.clone());
        self.detached(async move {
            let intent = match engine.intend_exchange(&flow, code).await {
                Ok(intent) => intent,
                // The code is still held: the person may try again.
                Err(error) if error.is_of_store() => return Err(error),
                Err(error) => return engine.give_up(flow, error).await?,
            };
            let answer = match engine.ask_for_tokens(&intent).await {
                Ok(answer) => answer,
                Err(error) => {
                    // It may have the refusal of another secret in it.
                    clear(intent.slot).await;
                    return engine.give_up(intent.flow, error).await?;
                }
            };
            match engine.settle_exchange(&answer).await {
                Ok(told) => {
                    clear(intent.slot).await;
                    told
                }
                Err(error) => {
                    engine.settle_exchange_later(answer, intent.slot);
                    Err(error)
                }
            }
        })
        .await
    }

    /// Sends the code with each of the app's secrets until the provider knows one. It has not looked at the code before.
    async fn ask_for_tokens(&self, intent: &Intent) -> Result<Answer> {
        let (connection, _) = self.parties(&intent.flow).await?;
        let mut setup = self.setup(&connection)?;
        let deadline = Instant::now() + self.refresh_timing.request;
        loop {
            let registration = setup.registration(intent.flow.facts.scopes.as_deref())?;
            let request = token_request::exchange(&registration, &intent.code, intent.verifier.as_ref())?;
            // What is to be known before the code leaves is known: it is no longer stored.
            let leave = Box::pin(async { Ok(()) });
            let purpose = intent.purpose.clone();
            let provider = registration.token_url.origin().ascii_serialization();
            // Counted, but never kept waiting: the code does not live long.
            let turn = self.pace.enter_at_once(&provider, setup.profile().most_per_second);
            let asked = self.ask_token_endpoint(request, purpose, &intent.slot, deadline, leave).await;
            if let Some(outcome) = told_of_provider(&asked) {
                turn.done(outcome);
            }
            let answer = asked?;
            let refused = match answer.classified(&registration, &registration.scopes) {
                Outcome::ClientBad { error } => error,
                Outcome::Ok(_) | Outcome::Definitive { .. } => {
                    self.remember_secret(&connection, setup.secret_choice());
                    self.note_beside(Ok(self.clear_fault(&connection))).await;
                    return Ok(answer);
                }
                Outcome::Transient { .. } | Outcome::Unknown { .. } => return Ok(answer),
            };
            match setup.with_next_secret() {
                Some(next) => setup = next,
                None => {
                    self.note_beside(self.note_fault(&connection, refused.name()).await).await;
                    return Ok(answer);
                }
            }
        }
    }

    /// Commits what others should know and no one depends on.
    async fn note_beside(&self, change: Result<Option<Change>>) {
        let noted = match change {
            Ok(Some(change)) => self.rows.commit(vec![change]).await.map(drop),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::warn!(code = error.code(), "what a provider thinks of an app could not be noted");
        }
    }

    /// Reserves a journal slot and moves the flow to `Exchanging`. From here on the code is no longer stored, so nothing
    /// can send it twice (RFC 6749 §4.1.2).
    async fn intend_exchange(&self, flow: &StoredFlow, code: Code) -> Result<Intent> {
        let (connection, account) = self.parties(flow).await?;
        let setup = self.setup(&connection)?;
        let registration = setup.registration(flow.facts.scopes.as_deref())?;
        // The verification may have taken a minute: the code goes to the provider it came from, or nowhere.
        if flow.facts.registration.as_deref() != Some(registration.fingerprint().as_str()) {
            return Err(failed("the connection was changed meanwhile"));
        }
        // A code that is not sent brings no grant that nobody would know of.
        check_newest(flow, &account)?;
        let slot = self.reserve_slot().await?;
        let mut flow = flow.clone();
        flow.status = FlowStatus::Exchanging;
        flow.expires_at = self.clock.now().plus(EXCHANGE_LIFE);
        if self.advance(&flow, None, None).await? == Commit::Conflict {
            return Err(Error::FlowNotFound);
        }
        flow.version += 1;
        let purpose = Purpose::Exchange {
            organization: flow.organization.as_str().into(),
            flow_id: flow.id.clone(),
            binding: setup.binding(),
            callback: code.callback,
        };
        Ok(Intent { flow, code: code.code, verifier: code.verifier.map(Verifier::from_secret), purpose, slot })
    }

    /// Goes on trying to store an answer that the store could not take, until it can or the environment closes. The
    /// journal keeps it for the next opening then.
    pub(crate) fn settle_exchange_later(self: &Arc<Self>, answer: Answer, slot: Slot) {
        let engine = self.clone();
        self.spawn(async move {
            let mut pause = SHORTEST_PAUSE;
            loop {
                match engine.settle_exchange(&answer).await {
                    Ok(_) => return clear(slot).await,
                    Err(error) => tracing::error!(code = error.code(), "an exchanged code's tokens cannot be stored"),
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                    () = engine.closing.cancelled() => return,
                }
            }
        });
    }

    /// Reads an answer that is durable, and stores what it brings. Does nothing for a flow that has ended.
    ///
    /// # Errors
    /// The answer could not be dealt with and must be kept. What the caller is told when it could, stands inside.
    async fn settle_exchange(self: &Arc<Self>, answer: &Answer) -> Result<Told> {
        let Purpose::Exchange { organization, flow_id, .. } = &answer.purpose else { return Ok(Ok(())) };
        let Some(flow) = self.rows.flow(FlowKey::Id { organization, id: flow_id }).await? else { return Ok(Ok(())) };
        if flow.status != FlowStatus::Exchanging {
            return Ok(Ok(()));
        }
        match self.store_answer(&flow, answer).await {
            Err(error) if error.is_of_store() || error.is_of_setup() => Err(error),
            Err(error) => self.give_up(flow, error).await,
            Ok(()) => Ok(Ok(())),
        }
    }

    async fn store_answer(self: &Arc<Self>, flow: &StoredFlow, answer: &Answer) -> Result<()> {
        let Purpose::Exchange { binding, callback, .. } = &answer.purpose else { return Ok(()) };
        let (connection, _) = self.parties(flow).await?;
        let setup = self.setup(&connection)?;
        // Before anything is read by the rules of another connector, or sent to its probe.
        if setup.binding() != *binding {
            return Err(failed("the connection was changed meanwhile"));
        }
        let registration = setup.registration(flow.facts.scopes.as_deref())?;
        let tokens = match answer.classified(&registration, &registration.scopes) {
            Outcome::Ok(tokens) => tokens,
            Outcome::ClientBad { error } => {
                return Err(Error::ConnectionMisconfigured {
                    connection: connection.name.clone(),
                    reason: error.name().into(),
                });
            }
            Outcome::Definitive { error } => return Err(failed(&format!("it answered `{}`", error.name()))),
            Outcome::Transient { .. } | Outcome::Unknown { .. } => {
                return Err(failed("its token endpoint did not answer as it should"));
            }
        };
        let mut kept = callback.clone();
        kept.extend(setup.kept_from_token(&tokens));
        let credential = Credential::Tokens(Tokens {
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            kept: setup.secrets_from_token(&tokens),
        });
        setup
            .check_kept(&kept, &credential)
            .map_err(|_| failed("it did not say where its API is, or named a foreign host"))?;
        let owner = self.identify(&setup, &kept, &credential).await;
        kept.extend(owner.iter().flat_map(|owner| owner.kept.clone()));
        let (scopes, expires_at, binding) = (tokens.scopes.clone(), tokens.expires_at, binding.clone());
        self.store_grant(flow, Grant { credential, scopes, expires_at, kept, owner, binding }).await
    }

    /// Ends a flow whose exchange did not succeed, unless someone else has moved it on. The account stays as it was.
    /// The code is gone, so the same call cannot succeed later.
    pub(super) async fn give_up(&self, flow: StoredFlow, error: Error) -> Result<Told> {
        let (organization, account_id) = (flow.organization.clone(), flow.account_id.clone());
        if self.end_flow(flow, FlowStatus::Failed, &error).await? == Commit::Applied {
            self.end_verification(&organization, &account_id).await?;
        }
        Ok(Err(if error.retryable() { failed("it could not be reached, or was not answering") } else { error }))
    }

    /// The account no longer waits for its person to be verified.
    pub(super) async fn end_verification(&self, organization: &Organization, account_id: &str) -> Result<()> {
        self.change_account(organization, account_id, |account| account.facts.verifying_until = None).await
    }
}

/// An exchange that may begin: the flow is this caller's.
struct Intent {
    flow: StoredFlow,
    code: Secret,
    verifier: Option<Verifier>,
    purpose: Purpose,
    slot: Slot,
}

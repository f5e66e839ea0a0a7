//! The code exchange: a code becomes a sealed credential.
//!
//! The intent is durable before the code leaves, and the answer before it is read, so that a crash neither sends a code
//! twice nor loses what came for it. The work is detached from its caller: a browser that goes away stops nothing.

use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;

use super::callback::failed;
use super::identity::Identity;
use crate::{
    Engine, Error, Result,
    accounts::Status,
    oauth::{outcome::Outcome, pkce::Verifier, token_request, token_response::TokenSet},
    refresh::plan,
    rows::{Credential, FlowStatus, Held, StoredAccount, StoredConnection, StoredFlow},
    secret::Secret,
    store::{Change, Commit, FlowKey, journal::Slot},
    token_endpoint::{Answer, Purpose},
};

/// How long an exchange may take before its flow counts as lost.
const EXCHANGE_LIFE: std::time::Duration = std::time::Duration::from_secs(120);

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
                Err(error) => return engine.give_up(flow, error).await,
            };
            match engine.ask_token_endpoint(intent.request, intent.purpose, &intent.slot).await {
                Ok(answer) => {
                    let settled = engine.settle_exchange(&answer).await;
                    // A store that fails keeps the answer in the journal, for when the environment opens again.
                    if !settled.as_ref().is_err_and(Error::is_of_store) {
                        intent.slot.clear().await?;
                    }
                    settled
                }
                Err(error) => engine.give_up(intent.flow, error).await,
            }
        })
        .await
    }

    /// Reserves a journal slot and moves the flow to `Exchanging`. From here on the code is no longer stored, so nothing
    /// can send it twice (RFC 6749 §4.1.2).
    async fn intend_exchange(&self, flow: &StoredFlow, code: Code) -> Result<Intent> {
        let (connection, _) = self.parties(flow).await?;
        let registration = self.settle(&connection)?.registration(flow.facts.scopes.as_deref())?;
        // The verification may have taken a minute: the code goes to the provider it came from, or nowhere.
        if flow.facts.registration.as_deref() != Some(registration.fingerprint().as_str()) {
            return Err(failed("the connection was changed meanwhile"));
        }
        let verifier = code.verifier.map(Verifier::from_secret);
        let request = token_request::exchange(&registration, &code.code, verifier.as_ref())?;
        let slot = self.journal.reserve().await?;
        let mut flow = flow.clone();
        flow.status = FlowStatus::Exchanging;
        flow.expires_at = self.clock.now().plus(EXCHANGE_LIFE);
        if self.advance(&flow, None).await? == Commit::Conflict {
            return Err(Error::FlowNotFound);
        }
        flow.version += 1;
        let purpose = Purpose::Exchange {
            organization: flow.organization.as_str().into(),
            flow_id: flow.id.clone(),
            callback: code.callback,
        };
        Ok(Intent { flow, request, purpose, slot })
    }

    /// Reads an answer that is durable, and stores what it brings. Does nothing for a flow that has ended.
    pub(crate) async fn settle_exchange(&self, answer: &Answer) -> Result<()> {
        let Purpose::Exchange { organization, flow_id, callback } = &answer.purpose else { return Ok(()) };
        match self.rows.flow(FlowKey::Id { organization, id: flow_id }).await? {
            Some(flow) if flow.status == FlowStatus::Exchanging => {
                match self.store_answer(&flow, callback, answer).await {
                    Err(error) if !error.is_of_store() => self.give_up(flow, error).await,
                    settled => settled,
                }
            }
            _ => Ok(()),
        }
    }

    async fn store_answer(
        &self,
        flow: &StoredFlow,
        callback: &IndexMap<String, String>,
        answer: &Answer,
    ) -> Result<()> {
        let (connection, _) = self.parties(flow).await?;
        let settled = self.settle(&connection)?;
        let registration = settled.registration(flow.facts.scopes.as_deref())?;
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
        kept.extend(settled.kept_from_token(&tokens));
        let credential = Credential {
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            kept: settled.secrets_from_token(&tokens),
        };
        let identity = self.identify(&settled, &kept, &credential).await;
        kept.extend(identity.as_ref().map(|identity| identity.kept.clone()).unwrap_or_default());
        self.store_grant(flow, Grant { tokens, credential, kept, identity, scopes: registration.every_scope() }).await
    }

    /// Writes the credential into the account and ends the flow, in one commit: if the account or its connection went
    /// or was disabled meanwhile, nothing is stored.
    async fn store_grant(&self, flow: &StoredFlow, grant: Grant) -> Result<()> {
        loop {
            let (connection, mut account) = self.parties(flow).await?;
            self.settle(&connection)?;
            let credential = self.credential_to_store(&account, &grant).await?;
            self.rows.seal_credential(&mut account, &credential).await?;
            self.fill_account(&mut account, &connection, &grant)?;
            let mut completed = flow.clone();
            completed.status = FlowStatus::Completed;
            completed.expires_at = self.clock.now();
            let changes = vec![
                Change::RequireConnection {
                    organization: connection.organization.as_str().into(),
                    id: connection.id.clone(),
                    version: connection.version,
                },
                Change::ReplaceAccount(self.rows.write_account(&account)?),
                Change::ReplaceFlow(self.rows.write_flow(&completed, None).await?),
            ];
            if self.rows.store.commit(changes).await? == Commit::Applied {
                tracing::info!(flow.id = %flow.id, account.id = %account.id, "an account was authorized");
                self.announce();
                return Ok(());
            }
            // Someone changed the account or the connection: look again. The flow is moved by nobody else.
            if self.rows.flow(flow.key()).await?.is_none_or(|now| now.version != flow.version) {
                return Err(Error::FlowNotFound);
            }
        }
    }

    /// The credential as it will stand, if this grant belongs to the provider account that was there before.
    async fn credential_to_store(&self, account: &StoredAccount, grant: &Grant) -> Result<Credential> {
        let mut credential = grant.credential.clone();
        let Some(known) = &account.facts.provider_account_id else { return Ok(credential) };
        match grant.identity.as_ref().and_then(|identity| identity.id.as_ref()) {
            Some(id) if id == known => {}
            Some(_) => return Err(Error::IdentityChanged { identifier: account.identifier.clone() }),
            None => return Err(failed("it did not say whose account this is")),
        }
        if credential.refresh_token.is_none() {
            // The same person consented again and the provider sent no new refresh token: the old one is still theirs.
            credential.refresh_token = self.rows.credential(account).await?.and_then(|old| old.refresh_token);
        }
        Ok(credential)
    }

    fn fill_account(&self, account: &mut StoredAccount, connection: &StoredConnection, grant: &Grant) -> Result<()> {
        let now = self.clock.now();
        account.status = Status::Active;
        account.expires_at = grant.tokens.expires_at;
        account.refresh_at = plan::refresh_at(now, grant.tokens.expires_at, &*self.random)?;
        account.updated_at = now;
        let facts = &mut account.facts;
        facts.reason = None;
        facts.scopes_asked = grant.scopes.clone();
        facts.scopes_granted = grant.tokens.scopes.clone();
        facts.kept = grant.kept.clone();
        facts.verifying_until = None;
        facts.last_refresh_error = None;
        facts.failed_refreshes = 0;
        facts.next_refresh_at = None;
        facts.refreshed_at = Some(now);
        if let Some(identity) = &grant.identity {
            facts.provider_account_id = identity.id.clone().or_else(|| facts.provider_account_id.take());
            facts.provider_account_label = identity.label.clone();
        }
        tracing::debug!(account.id = %account.id, connection.id = %connection.id, "a grant is about to be stored");
        Ok(())
    }

    /// Ends a flow whose exchange did not succeed, unless someone else has moved it on. The account stays as it was.
    async fn give_up(&self, flow: StoredFlow, error: Error) -> Result<()> {
        let (organization, account_id) = (flow.organization.clone(), flow.account_id.clone());
        if self.end_flow(flow, FlowStatus::Failed, Some(error.code())).await? == Commit::Applied {
            self.change_account(&organization, &account_id, |account| account.facts.verifying_until = None).await?;
        }
        Err(error)
    }
}

/// An exchange that may begin: the flow is this caller's.
struct Intent {
    flow: StoredFlow,
    request: http::Request<Bytes>,
    purpose: Purpose,
    slot: Slot,
}

/// All that an exchange brought.
struct Grant {
    tokens: Box<TokenSet>,
    credential: Credential,
    kept: IndexMap<String, String>,
    /// Nothing when the provider could not be asked.
    identity: Option<Identity>,
    /// What was asked.
    scopes: Vec<String>,
}

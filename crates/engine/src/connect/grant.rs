//! What an authorization brought becomes the account's credential.

use std::sync::Arc;

use indexmap::IndexMap;

use super::callback::failed;
use crate::{
    Engine, Error, Result,
    accounts::Status,
    refresh::plan,
    rows::{Credential, FlowStatus, Owner, StoredAccount, StoredConnection, StoredFlow},
    store::{Change, Commit},
    time::Timestamp,
};

/// A credential, and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) credential: Credential,
    /// What the person granted.
    pub(crate) scopes: Vec<String>,
    /// When its access token ends, where known.
    pub(crate) expires_at: Option<Timestamp>,
    /// Values in the open that the connector keeps.
    pub(crate) kept: IndexMap<String, String>,
    /// Nothing when the provider could not be asked.
    pub(crate) owner: Option<Owner>,
    /// The connector and app that it belongs to.
    pub(crate) binding: String,
}

impl Engine {
    /// Writes the credential into the account and ends the flow, in one commit. If the account or its connection went
    /// or was disabled meanwhile, or the account was authorized or disconnected by someone else (`grants` is how often
    /// that had happened), nothing is stored.
    pub(super) async fn store_grant(self: &Arc<Self>, flow: &StoredFlow, grants: u64, grant: Grant) -> Result<()> {
        let carries_over = matches!(&grant.credential, Credential::Tokens(tokens) if tokens.refresh_token.is_none());
        loop {
            let (connection, mut account) = self.parties(flow).await?;
            // A refresh is about to replace the old one. One that begins later changes the account, and is met below.
            if carries_over && self.is_being_refreshed(&account) {
                self.refresh_settled(&account).await?;
                continue;
            }
            self.setup(&connection)?;
            if account.facts.grants != grants {
                return Err(failed("the account was authorized or disconnected in another way meanwhile"));
            }
            let mut granted = grant.clone();
            self.check_owner(&account, &granted)?;
            self.carry_over(&account, &mut granted).await?;
            self.put_grant(&mut account, &granted).await?;
            let mut completed = flow.clone();
            completed.status = FlowStatus::Completed;
            completed.expires_at = self.clock.now();
            let completed = Change::ReplaceFlow(self.rows.write_flow(&completed, None).await?);
            if self.commit_account(&account, vec![require(&connection), completed]).await? == Commit::Applied {
                tracing::info!(flow.id = %flow.id, account.id = %account.id, "an account was authorized");
                return Ok(());
            }
            // Someone changed the account or the connection: look again. The flow is moved by nobody else.
            if self.rows.flow(flow.key()).await?.is_none_or(|now| now.version != flow.version) {
                return Err(Error::FlowNotFound);
            }
        }
    }

    /// Whether the grant belongs to the provider account that was there before.
    ///
    /// # Errors
    /// `IDENTITY_CHANGED`; `AUTHORIZATION_FAILED` when the provider does not say.
    pub(super) fn check_owner(&self, account: &StoredAccount, grant: &Grant) -> Result<()> {
        let Some(known) = known_owner(account, &grant.binding) else { return Ok(()) };
        match grant.owner.as_ref().and_then(|owner| owner.id.as_ref()) {
            Some(id) if id == known => Ok(()),
            Some(_) => Err(Error::IdentityChanged { identifier: account.identifier.clone() }),
            None => Err(failed("it did not say whose account this is")),
        }
    }

    /// Where the same person consented again, and the provider sent no new refresh token, the old one is still theirs.
    async fn carry_over(&self, account: &StoredAccount, grant: &mut Grant) -> Result<()> {
        if let Credential::Tokens(tokens) = &mut grant.credential
            && tokens.refresh_token.is_none()
            && known_owner(account, &grant.binding).is_some()
        {
            tokens.refresh_token = self.rows.credential(account).await?.and_then(|old| old.refresh_token().cloned());
        }
        Ok(())
    }

    /// Seals the grant into the account. What an exchange or a refresh under way brings is older from now on.
    pub(crate) async fn put_grant(&self, account: &mut StoredAccount, grant: &Grant) -> Result<()> {
        let epoch = account.facts.request_epoch + 1;
        self.rows.seal_credential(account, &grant.credential, epoch).await?;
        let now = self.clock.now();
        account.status = Status::Active;
        account.expires_at = grant.expires_at;
        account.refresh_at = match grant.credential.refresh_token() {
            Some(_) => plan::refresh_at(now, grant.expires_at, &*self.random)?,
            None => None,
        };
        account.updated_at = now;
        let facts = &mut account.facts;
        facts.grants += 1;
        facts.binding = Some(grant.binding.clone());
        facts.scopes_granted = grant.scopes.clone();
        facts.kept = grant.kept.clone();
        facts.verifying_until = None;
        facts.refreshed_at = None;
        facts.clear_failures();
        if let Some(owner) = &grant.owner {
            facts.provider_account_id = owner.id.clone().or_else(|| facts.provider_account_id.take());
            facts.provider_account_label = owner.label.clone();
        }
        Ok(())
    }
}

/// The provider account that the credential has belonged to. Another app may call the same person by another id.
fn known_owner<'a>(account: &'a StoredAccount, binding: &str) -> Option<&'a String> {
    account.facts.provider_account_id.as_ref().filter(|_| account.facts.binding.as_deref() == Some(binding))
}

/// The connection must still be as it was read.
pub(crate) fn require(connection: &StoredConnection) -> Change {
    Change::RequireConnection {
        organization: connection.organization.as_str().into(),
        id: connection.id.clone(),
        version: connection.version,
    }
}

//! What an authorization brought becomes the account's credential.

use std::sync::Arc;

use super::callback::failed;
use crate::{
    Engine, Error, Result,
    accounts::grant::{Grant, require},
    audit::Action,
    rows::{Credential, FlowStatus, RecordFacts, StoredAccount, StoredFlow},
    store::{Change, Commit},
};

impl Engine {
    /// Writes the credential into the account and ends the flow, in one commit. If the account or its connection went
    /// or was disabled meanwhile, or the account was authorized or disconnected in another way, nothing is stored.
    pub(super) async fn store_grant(self: &Arc<Self>, flow: &StoredFlow, grant: Grant) -> Result<()> {
        let carries_over = matches!(&grant.credential, Credential::Tokens(tokens) if tokens.refresh_token.is_none());
        loop {
            let (connection, mut account) = self.parties(flow).await?;
            // A refresh is about to replace the old one. One that begins later is met by the commit.
            if carries_over && self.is_being_refreshed(&account).await? {
                self.refresh_settled(&account).await?;
                continue;
            }
            self.setup(&connection)?;
            check_newest(flow, &account)?;
            let mut granted = grant.clone();
            self.check_owner(&account, &granted)?;
            self.carry_over(&account, &mut granted).await?;
            self.put_grant(&mut account, &granted).await?;
            let mut completed = flow.clone();
            completed.status = FlowStatus::Completed;
            completed.expires_at = self.clock.now();
            let completed = Change::ReplaceFlow(self.rows.write_flow(&completed, None).await?);
            let record = self.record(&flow.organization, Action::AccountAuthorized, &RecordFacts::of_flow(flow))?;
            let mut with = vec![require(&connection), completed, record];
            if carries_over {
                let (organization, account_id) = (account.organization.as_str().into(), account.id.clone());
                with.push(Change::RequireNoLease { organization, account_id });
            }
            if self.commit_account(&account, with).await? == Commit::Applied {
                self.metrics.flow_ended(None);
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
}

/// Whether the flow's person set out after whatever else was authorized, brought or disconnected.
pub(super) fn check_newest(flow: &StoredFlow, account: &StoredAccount) -> Result<()> {
    if account.facts.grants == flow.facts.grants {
        return Ok(());
    }
    Err(failed("the account was authorized or disconnected in another way meanwhile"))
}

/// The provider account that the credential has belonged to. Another app may call the same person by another id.
fn known_owner<'a>(account: &'a StoredAccount, binding: &str) -> Option<&'a String> {
    account.facts.provider_account_id.as_ref().filter(|_| account.facts.binding.as_deref() == Some(binding))
}

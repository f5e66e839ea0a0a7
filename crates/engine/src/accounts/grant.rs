//! A credential as it becomes an account's: granted in an authorization, entered by its person, or brought by the app.

use indexmap::IndexMap;

use super::Status;
use crate::{
    Engine, Result,
    refresh::plan,
    rows::{Credential, Owner, StoredAccount, StoredConnection},
    store::Change,
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
    /// Seals the grant into the account. What an exchange or a refresh under way brings is older from now on.
    pub(crate) async fn put_grant(&self, account: &mut StoredAccount, grant: &Grant) -> Result<()> {
        let epoch = account.facts.request_epoch + 1;
        self.rows.seal_credential(account, &grant.credential, epoch).await?;
        let now = self.clock.now();
        account.status = Status::Active;
        account.expires_at = grant.expires_at;
        account.refresh_at = match grant.credential.refresh_token() {
            Some(_) => plan::refresh_at(now, grant.expires_at, None, &*self.random)?,
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

/// The connection must still be as it was read.
pub(crate) fn require(connection: &StoredConnection) -> Change {
    Change::RequireConnection {
        organization: connection.organization.as_str().into(),
        id: connection.id.clone(),
        version: connection.version,
    }
}

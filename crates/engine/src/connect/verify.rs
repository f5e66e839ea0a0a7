//! User verification: the app confirms who consented, and only then is the code used.

use std::sync::Arc;

use super::{Verified, exchange::Code, hash};
use crate::{
    Engine, Error, Result,
    names::Identifier,
    rows::{FlowStatus, StoredFlow},
    store::FlowKey,
};

impl Engine {
    /// Confirms who consented; only then is the code exchanged.
    ///
    /// `nonce` is what the verify URL carried as `auth_request_id`: good once, for a minute. `identifier` must be the
    /// user of the app's own session, never a value that came with the browser's request. Another identifier than the
    /// link's destroys what was held.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND` for a nonce that is unknown, used or too old; `USER_MISMATCH`; what the exchange met.
    pub async fn verify_user(self: &Arc<Self>, nonce: &str, identifier: &Identifier) -> Result<Verified> {
        self.ensure_open()?;
        let flow = self.rows.flow(FlowKey::Nonce(&hash(nonce))).await?.ok_or(Error::FlowNotFound)?;
        if flow.status != FlowStatus::Returned || self.clock.now() >= flow.expires_at {
            return Err(Error::FlowNotFound);
        }
        let (_, account) = self.parties(&flow).await?;
        if account.identifier != identifier.as_str() {
            tracing::warn!(flow.id = %flow.id, account.id = %account.id, "another user than the link's was verified");
            self.end_verification(&flow, Error::UserMismatch.code()).await?;
            return Err(Error::UserMismatch);
        }
        let code = Code::from_held(self.rows.held(&flow).await?).ok_or(Error::FlowNotFound)?;
        self.exchange(&flow, code).await?;
        Ok(Verified { redirect_url: self.outcome_url(&flow) })
    }

    async fn end_verification(&self, flow: &StoredFlow, failure: &str) -> Result<()> {
        let _ = self.end_flow(flow.clone(), FlowStatus::Failed, Some(failure)).await?;
        self.change_account(&flow.organization, &flow.account_id, |account| account.facts.verifying_until = None).await
    }
}

//! User verification: the app confirms who consented, and only then is the code used.

use std::sync::Arc;

use super::{Verified, exchange::Code, hash};
use crate::{
    Engine, Error, Result,
    names::{Identifier, Organization},
    rows::FlowStatus,
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
    pub async fn verify_user(
        self: &Arc<Self>,
        organization: &Organization,
        nonce: &str,
        identifier: &Identifier,
    ) -> Result<Verified> {
        self.ensure_open()?;
        let flow = self.rows.flow(FlowKey::Nonce(&hash(nonce))).await?.ok_or(Error::FlowNotFound)?;
        let is_open = flow.status == FlowStatus::Returned && self.clock.now() < flow.expires_at;
        if !is_open || flow.organization != *organization {
            return Err(Error::FlowNotFound);
        }
        let (_, account) = self.parties(&flow).await?;
        if account.identifier != identifier.as_str() {
            tracing::warn!(flow.id = %flow.id, account.id = %account.id, "another user than the link's was verified");
            let _ = self.end_flow(flow.clone(), FlowStatus::Failed, &Error::UserMismatch).await?;
            self.end_verification(&flow.organization, &flow.account_id).await?;
            return Err(Error::UserMismatch);
        }
        let code = Code::from_held(self.rows.held(&flow).await?).ok_or(Error::FlowNotFound)?;
        self.exchange(&flow, code).await?;
        Ok(Verified { redirect_url: self.outcome_url(&flow) })
    }
}

//! User verification: the app confirms who consented, and only then is the code used, or the credential stored.

use std::sync::Arc;

use super::{Verified, exchange::Code, hash};
use crate::{
    Engine, Error, Result,
    names::{Identifier, Organization},
    rows::{FlowStatus, StoredFlow},
    store::{Change, FlowKey},
    time::Timestamp,
};

impl Engine {
    /// Confirms who consented; only then is the code exchanged, or what was entered stored.
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
        if flow.status != FlowStatus::Returned || flow.organization != *organization {
            return Err(Error::FlowNotFound);
        }
        if self.clock.now() >= flow.expires_at {
            self.end_unverified(flow).await?;
            return Err(Error::FlowNotFound);
        }
        let (_, account) = self.parties(&flow).await?;
        if account.identifier != identifier.as_str() {
            tracing::warn!(flow.id = %flow.id, account.id = %account.id, "another user than the link's was verified");
            let _ = self.end_flow(flow.clone(), FlowStatus::Failed, &Error::UserMismatch).await?;
            self.end_verification(&flow.organization, &flow.account_id).await?;
            return Err(Error::UserMismatch);
        }
        let mut held = self.rows.held(&flow).await?;
        match held.submission.take() {
            Some(submission) => self.store_submission(&flow, submission).await?,
            None => self.exchange(&flow, Code::from_held(held).ok_or(Error::FlowNotFound)?).await?,
        }
        Ok(Verified { redirect_url: self.outcome_url(&flow) })
    }

    /// Destroys what other processes held for a verification that was due before this moment. What cannot be destroyed
    /// now is no reason to keep the store shut.
    pub(crate) async fn forget_unverified(&self, before: Timestamp) {
        let forget = vec![Change::ForgetUnverified { before }];
        if let Err(error) = self.rows.commit(forget).await {
            tracing::warn!(code = error.code(), "what was held for verification is not destroyed yet");
        }
    }

    /// Ends a flow that nobody verified in time, and destroys what it held.
    pub(super) async fn end_unverified(&self, flow: StoredFlow) -> Result<()> {
        self.end_flow(flow, FlowStatus::Failed, &Error::FlowExpired).await.map(drop)
    }
}

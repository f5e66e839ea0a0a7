//! How a flow ended, for its last page.

use super::{Outcome, OutcomePage};
use crate::{Engine, Error, Result, route, rows::FlowStatus, store::FlowKey};

impl Engine {
    /// How a flow ended. `id` is the last part of the outcome page's path.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND` when it is unknown, forgotten, or has not come so far.
    pub async fn outcome(&self, id: &str) -> Result<OutcomePage> {
        self.ensure_open()?;
        let (organization, id) = route::read(id).ok_or(Error::FlowNotFound)?;
        let key = FlowKey::Id { organization: organization.as_str(), id };
        let flow = self.rows.flow(key).await?.ok_or(Error::FlowNotFound)?;
        let outcome = match flow.status {
            FlowStatus::Completed => Outcome::Connected,
            FlowStatus::Refused => Outcome::Refused,
            FlowStatus::Failed if flow.facts.failure.as_deref() == Some(Error::FlowExpired.code()) => Outcome::Expired,
            FlowStatus::Failed => {
                Outcome::Failed { code: flow.facts.failure.unwrap_or_else(|| "AUTHORIZATION_FAILED".into()) }
            }
            FlowStatus::Returned if self.clock.now() >= flow.expires_at => Outcome::Expired,
            FlowStatus::Returned => Outcome::AwaitingVerification,
            // A process that died in the exchange left no answer behind: the code is spent, nothing is stored.
            FlowStatus::Exchanging if self.clock.now() >= flow.expires_at => Outcome::Expired,
            FlowStatus::Linked | FlowStatus::Started | FlowStatus::Exchanging => return Err(Error::FlowNotFound),
        };
        let connection = self.connection_by_id(&flow.organization, &flow.connection_id).await?;
        Ok(OutcomePage {
            app_name: self.app_name.clone(),
            connector_name: self.catalogue.connector(&connection.connector)?.name.clone(),
            outcome,
        })
    }
}

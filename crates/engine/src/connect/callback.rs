//! What the provider sends back: matched with its flow, and either exchanged or held for verification.

use std::sync::Arc;

use indexmap::IndexMap;
use subtle::ConstantTimeEq;
use url::Url;

use super::{Arrival, Return, VERIFICATION_LIFE, exchange::Code, grant::check_newest, hash, start::hex};
use crate::{
    Engine, Error, Result,
    audit::Action,
    catalogue::schema::{Keep, Method},
    oauth::{
        callback::{Answer, Callback},
        issuer::{IssuerSupport, check_issuer},
    },
    route,
    rows::{FlowStatus, Held, RecordFacts, StoredFlow},
    secret::ExposeSecret,
    store::{Change, Commit, FlowKey},
};

impl Engine {
    /// Takes what the provider sent back, and says where the browser goes now.
    ///
    /// The flow is the one whose state came back, and goes on only in the browser that started it, on the callback of
    /// its own connection. Whatever does not fit ends it: its state has been seen by someone else.
    ///
    /// # Errors
    /// `FLOW_NOT_FOUND` for a browser that belongs to no flow; nothing was stored.
    pub async fn callback(self: &Arc<Self>, arrival: Arrival) -> Result<Return> {
        self.ensure_open()?;
        let flow = self.started_flow(&arrival).await?;
        let clear_cookie = flow.facts.cookie.as_ref().map(|(name, _)| name.clone());
        let location = match self.take_answer(&flow, &arrival).await {
            Ok(location) => location,
            // The flow is untouched, or its answer is kept: the person may reload the page.
            Err(error) if error.is_of_store() => return Err(error),
            Err(error) => {
                let status = match error {
                    Error::ConsentRefused => FlowStatus::Refused,
                    _ => FlowStatus::Failed,
                };
                // Whoever has moved the flow on has recorded its end too; this write then changes nothing.
                let _ = self.end_flow(flow.clone(), status, &error).await?;
                self.outcome_url(&flow)
            }
        };
        Ok(Return { location, clear_cookie })
    }

    /// The started flow that this browser may continue.
    async fn started_flow(&self, arrival: &Arrival) -> Result<StoredFlow> {
        let mut states = arrival.parameters.iter().filter(|(name, _)| name == "state").map(|(_, value)| value);
        let (Some(state), None) = (states.next(), states.next()) else { return Err(Error::FlowNotFound) };
        let flow = self.rows.flow(FlowKey::State(&hash(state))).await?.ok_or(Error::FlowNotFound)?;
        if flow.status != FlowStatus::Started {
            return Err(Error::FlowNotFound);
        }
        if !same_browser(&flow, arrival) || !self.same_route(&flow, arrival).await? {
            tracing::warn!(flow.id = %flow.id, "a callback came in another browser or on another connection's path");
            let _ = self.end_flow(flow, FlowStatus::Failed, &Error::FlowNotFound).await?;
            return Err(Error::FlowNotFound);
        }
        Ok(flow)
    }

    async fn same_route(&self, flow: &StoredFlow, arrival: &Arrival) -> Result<bool> {
        let connection = self.connection_by_id(&flow.organization, &flow.connection_id).await?;
        Ok(route::of(&flow.organization, &connection.name) == arrival.route)
    }

    async fn take_answer(self: &Arc<Self>, flow: &StoredFlow, arrival: &Arrival) -> Result<Url> {
        if self.clock.now() >= flow.expires_at {
            return Err(Error::FlowExpired);
        }
        let (connection, _) = self.parties(flow).await?;
        let setup = self.setup(&connection)?;
        let registration = setup.registration(flow.facts.scopes.as_deref())?;
        if flow.facts.registration.as_deref() != Some(registration.fingerprint().as_str()) {
            return Err(failed("the connection was changed meanwhile"));
        }
        let callback = Callback::parse(&arrival.parameters, &registration.code_param)
            .map_err(|malformed| failed(&malformed.to_string()))?;
        // RFC 9207 §2.4: before anything is believed, refusals included.
        let support = if registration.issuer.is_some() { IssuerSupport::Advertised } else { IssuerSupport::Unstated };
        check_issuer(&registration, support, callback.iss.as_deref())
            .map_err(|_| failed("the answer names another issuer"))?;
        let kept = kept_from_callback(setup.method, &callback)?;
        let code = match callback.answer {
            Answer::Code(code) => code,
            Answer::Refused(_) => return Err(Error::ConsentRefused),
            Answer::Error(error) => return Err(failed(&format!("it answered `{}`", error.name()))),
        };
        let verifier = self.rows.held(flow).await?.verifier;
        let held = Held { verifier, code: Some(code), callback: kept, submission: None };
        match &flow.facts.verify_url {
            Some(verify_url) => self.hold(flow, held, verify_url).await,
            None => self.exchange_at_once(flow, held).await,
        }
    }

    /// Holds what the browser brought until the app has verified who it belongs to.
    pub(super) async fn hold(&self, flow: &StoredFlow, held: Held, verify_url: &Url) -> Result<Url> {
        let nonce = self.random.token()?;
        let mut returned = flow.clone();
        returned.status = FlowStatus::Returned;
        returned.nonce_hash = Some(hash(nonce.expose_secret()));
        returned.expires_at = self.clock.now().plus(VERIFICATION_LIFE);
        loop {
            let (_, mut account) = self.parties(flow).await?;
            check_newest(flow, &account)?;
            account.facts.verifying_until = Some(returned.expires_at);
            account.updated_at = self.clock.now();
            let returned = Change::ReplaceFlow(self.rows.write_flow(&returned, Some(&held)).await?);
            let record = self.record(&flow.organization, Action::FlowReturned, &RecordFacts::of_flow(flow))?;
            if self.commit_account(&account, vec![returned, record]).await? == Commit::Applied {
                break;
            }
            // The account may have been refreshed at this moment; the flow is this caller's, or another's for good.
            if self.rows.flow(flow.key()).await?.is_none_or(|now| now.version != flow.version) {
                return Err(Error::FlowNotFound);
            }
        }
        let mut location = verify_url.clone();
        location.query_pairs_mut().append_pair("auth_request_id", nonce.expose_secret());
        if let Some(state) = &flow.facts.app_state {
            location.query_pairs_mut().append_pair("state", state);
        }
        Ok(location)
    }

    async fn exchange_at_once(self: &Arc<Self>, flow: &StoredFlow, held: Held) -> Result<Url> {
        let code = Code::from_held(held).ok_or(Error::FlowNotFound)?;
        self.exchange(flow, code).await?;
        Ok(self.outcome_url(flow))
    }
}

/// Whether the cookie that started the flow came along.
fn same_browser(flow: &StoredFlow, arrival: &Arrival) -> bool {
    let Some((name, wanted)) = &flow.facts.cookie else { return false };
    arrival
        .cookies
        .iter()
        .filter(|(cookie, _)| cookie == name)
        .any(|(_, value)| hex(&hash(value.expose_secret())).as_bytes().ct_eq(wanted.as_bytes()).into())
}

/// The callback's values that the connector keeps. Each must have come once.
fn kept_from_callback(method: &Method, callback: &Callback) -> Result<IndexMap<String, String>> {
    let mut kept = IndexMap::new();
    for (name, source) in &method.keep {
        if let Keep::Callback(parameter) = source
            && let Some(value) = callback.extra(parameter).map_err(|malformed| failed(&malformed.to_string()))?
        {
            kept.insert(name.clone(), value.expose_secret().to_owned());
        }
    }
    Ok(kept)
}

pub(super) fn failed(reason: &str) -> Error {
    Error::AuthorizationFailed { reason: reason.into() }
}

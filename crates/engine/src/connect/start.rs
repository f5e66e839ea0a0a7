//! The button of the link page: the link is used up, the flow is bound to this browser and sent to the provider.

use super::{FlowCookie, LINK_LIFE, Started, hash};
use crate::{
    Engine, Error, Result,
    audit::Action,
    oauth::{self, authorize, pkce},
    rows::{FlowStatus, Held},
    secret::ExposeSecret,
    store::Commit,
};

impl Engine {
    /// Uses the link up and starts its flow: a state, a PKCE verifier and a cookie are made for it alone.
    ///
    /// # Errors
    /// As [`Engine::link_page`]; `NOT_SUPPORTED` where the link asks for a credential. Of two browsers that press the
    /// button at once, one gets `LINK_USED`.
    pub async fn start(&self, token: &str) -> Result<Started> {
        self.ensure_open()?;
        let mut flow = self.linked_flow(token).await?;
        let (connection, account) = self.parties(&flow).await?;
        let registration = self.setup(&connection)?.registration(flow.facts.scopes.as_deref())?;

        let state = self.random.token()?;
        let cookie = self.flow_cookie()?;
        let verifier = match registration.pkce {
            oauth::Pkce::S256 => Some(pkce::Verifier::new(&*self.random)?),
            oauth::Pkce::None => None,
        };
        let challenge = verifier.as_ref().map(pkce::Verifier::challenge);
        let authorize_url = authorize::authorization_url(&registration, state.expose_secret(), challenge.as_ref())?;

        flow.status = FlowStatus::Started;
        flow.state_hash = Some(hash(state.expose_secret()));
        flow.facts.cookie = Some((cookie.name.clone(), hex(&hash(cookie.value.expose_secret()))));
        flow.facts.registration = Some(registration.fingerprint());
        // Consent comes after this moment and may come back after a disconnection: then it was given before.
        flow.facts.grants = account.facts.grants;
        flow.expires_at = self.clock.now().plus(LINK_LIFE);
        let held = Held { verifier: verifier.as_ref().map(|verifier| verifier.secret().clone()), ..Held::default() };
        match self.advance(&flow, Some(&held), Some(Action::FlowStarted)).await? {
            Commit::Applied => Ok(Started { authorize_url, cookie }),
            Commit::Conflict => Err(Error::LinkUsed),
        }
    }

    fn flow_cookie(&self) -> Result<FlowCookie> {
        let secure = self.public_url.scheme() == "https";
        // A part of its own per flow, so that two flows in one browser do not overwrite each other. `__Host-` keeps
        // sibling domains from planting one; browsers grant it over https alone.
        let own = &crate::random::base62(&self.random.bytes::<6>()?);
        let prefix = if secure { "__Host-" } else { "" };
        Ok(FlowCookie {
            name: format!("{prefix}onbehalf-{own}"),
            value: self.random.token()?,
            max_age: LINK_LIFE,
            secure,
        })
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

//! Whose account this is at the provider: one call with the new credential, described by the connector's probe.
//!
//! A token that the provider has just granted is good whatever the call says, so [`Engine::identify`] takes what it can
//! get. A key that a person typed is good only if the call says so: [`Engine::prove`] tells a wrong key, one that lacks
//! a permission and a provider that is down apart.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use indexmap::IndexMap;
use serde::de::IgnoredAny;

use crate::{
    Engine, Error, Result,
    catalogue::schema::Probe,
    connections::registration::Setup,
    egress::Limits,
    oauth::{document::Document, provider_error::is_invisible, retry_after::retry_after},
    rows::{Credential, Owner},
    token_endpoint::unanswered,
};

/// A person is waiting for the page. Longer than a connection may take: a host that nobody reaches shows as such. Shorter
/// than an attempt with a link may.
const LIMITS: Limits = Limits { total: Duration::from_secs(15), body: 1024 * 1024 };
/// Longer than any person's id or name, shorter than a nuisance.
const LONGEST: usize = 512;

/// What the probe was answered.
struct Answer<'a> {
    probe: &'a Probe,
    host: String,
    response: Response<Bytes>,
}

impl Engine {
    /// Asks the provider whose credential this is. Nothing when the connector has no probe or it does not answer:
    /// the credential is good all the same, and only a name is missing.
    pub(crate) async fn identify(
        &self,
        setup: &Setup<'_>,
        kept: &IndexMap<String, String>,
        credential: &Credential,
    ) -> Option<Owner> {
        let answer = match self.probe(setup, kept, credential).await {
            Ok(answer) => answer?,
            Err(error) => {
                tracing::warn!(connection.id = %setup.connection.id, code = error.code(), "the probe was not answered");
                return None;
            }
        };
        if !answer.response.status().is_success() {
            let status = answer.response.status().as_u16();
            tracing::warn!(connection.id = %setup.connection.id, status, "the probe was refused");
            return None;
        }
        Some(answer.owner())
    }

    /// Has the provider confirm a credential that nobody vouches for. Nothing when the connector has no probe: then it
    /// shows with the first call.
    ///
    /// # Errors
    /// `CREDENTIAL_REFUSED`, `PERMISSION_MISSING`; `PROVIDER_UNREACHABLE`, `PROVIDER_UNAVAILABLE`,
    /// `PROVIDER_RESPONSE_INVALID` when it is not known whether the credential is good.
    pub(crate) async fn prove(&self, setup: &Setup<'_>, credential: &Credential) -> Result<Option<Owner>> {
        let Some(answer) = self.probe(setup, &IndexMap::new(), credential).await? else { return Ok(None) };
        let (status, headers) = (answer.response.status(), answer.response.headers());
        let host = answer.host.clone();
        let now = self.clock.now();
        let retry_at = retry_after(status, headers, now).map(|wait| now.plus(wait));
        let later = match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => true,
            // GitHub and Google say 403 when they mean 429.
            StatusCode::FORBIDDEN => retry_at.is_some(),
            _ => status.is_server_error(),
        };
        if later {
            return Err(Error::ProviderUnavailable { host, reason: format!("status {}", status.as_u16()), retry_at });
        }
        match status {
            StatusCode::FORBIDDEN => return Err(Error::PermissionMissing { host, status: status.as_u16() }),
            _ if status.is_client_error() => return Err(Error::CredentialRefused { host, status: status.as_u16() }),
            _ if status.is_success() => {}
            _ => {
                let reason = format!("status {}", status.as_u16());
                return Err(Error::ProviderResponseInvalid { host, reason });
            }
        }
        answer.expected_owner().map(Some)
    }

    /// Makes the connector's call with the credential.
    async fn probe<'a>(
        &self,
        setup: &'a Setup<'_>,
        kept: &IndexMap<String, String>,
        credential: &Credential,
    ) -> Result<Option<Answer<'a>>> {
        let (Some(probe), Some(request)) = (&setup.connector.probe, setup.probe_request(kept, credential)?) else {
            return Ok(None);
        };
        let host = request.uri().host().unwrap_or_default().to_owned();
        match self.egress.send(request, LIMITS).await {
            Ok(response) => Ok(Some(Answer { probe, host, response })),
            Err(failure) => Err(unanswered(host, &failure)),
        }
    }
}

impl Answer<'_> {
    /// What it says about the owner, as far as it does.
    fn owner(&self) -> Owner {
        let probe = self.probe;
        let answer = Document::read(self.response.body());
        let text = |path: &String| answer.text(path).filter(|text| presentable(text)).map(String::from);
        Owner {
            id: probe.id.as_ref().and_then(text),
            label: probe.label.as_ref().or(probe.id.as_ref()).and_then(text),
            kept: probe.keep.iter().filter_map(|(name, path)| Some((name.clone(), text(path)?))).collect(),
        }
    }

    /// What it says about the owner, if it says all that it must: a login page and a proxy's greeting are 200s too.
    fn expected_owner(&self) -> Result<Owner> {
        let invalid =
            |reason: &str| Err(Error::ProviderResponseInvalid { host: self.host.clone(), reason: reason.to_owned() });
        let body = self.response.body();
        let expects_nothing = self.probe.id.is_none() && self.probe.keep.is_empty();
        if expects_nothing && body.is_empty() {
            return Ok(Owner::default());
        }
        let content_type = self.response.headers().get(header::CONTENT_TYPE);
        let is_html = content_type.is_some_and(|it| it.as_bytes().to_ascii_lowercase().starts_with(b"text/html"));
        if is_html || serde_json::from_slice::<IgnoredAny>(body).is_err() {
            return invalid("it is no JSON");
        }
        let owner = self.owner();
        if self.probe.id.is_some() && owner.id.is_none() {
            return invalid("it does not say whose credential this is");
        }
        if owner.kept.len() < self.probe.keep.len() {
            return invalid("it does not say all that calls need");
        }
        Ok(owner)
    }
}

/// Whether people can be shown it, and see what it is.
fn presentable(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && !text.chars().any(is_invisible)
}

//! Whose account this is at the provider: one call with the new credential, described by the connector's probe.

use std::time::Duration;

use indexmap::IndexMap;

use crate::{
    Engine,
    connections::registration::Setup,
    egress::Limits,
    oauth::{document::Document, provider_error::is_invisible},
    rows::Credential,
};

/// A person is waiting for the page.
const LIMITS: Limits = Limits { total: Duration::from_secs(10), body: 1024 * 1024 };
/// Longer than any person's id or name, shorter than a nuisance.
const LONGEST: usize = 512;

/// What the provider says about the account.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) id: Option<String>,
    pub(super) label: Option<String>,
    pub(super) kept: IndexMap<String, String>,
}

impl Engine {
    /// Asks the provider whose credential this is. Nothing when the connector has no probe or it does not answer:
    /// the credential is good all the same, and only a name is missing.
    pub(super) async fn identify(
        &self,
        setup: &Setup<'_>,
        kept: &IndexMap<String, String>,
        credential: &Credential,
    ) -> Option<Identity> {
        let probe = setup.connector.probe.as_ref()?;
        let request = match setup.probe_request(kept, credential) {
            Ok(request) => request?,
            Err(error) => {
                tracing::warn!(connection.id = %setup.connection.id, %error, "the probe cannot be sent");
                return None;
            }
        };
        let answer = match self.egress.send(request, LIMITS).await {
            Ok(answer) => answer,
            Err(failure) => {
                tracing::warn!(connection.id = %setup.connection.id, ?failure, "the probe was not answered");
                return None;
            }
        };
        if !answer.status().is_success() {
            tracing::warn!(connection.id = %setup.connection.id, status = answer.status().as_u16(), "the probe was refused");
            return None;
        }
        let answer = Document::read(answer.body());
        let text = |path: &String| answer.text(path).filter(|text| presentable(text)).map(String::from);
        Some(Identity {
            id: probe.id.as_ref().and_then(text),
            label: probe.label.as_ref().or(probe.id.as_ref()).and_then(text),
            kept: probe.keep.iter().filter_map(|(name, path)| Some((name.clone(), text(path)?))).collect(),
        })
    }
}

/// Whether people can be shown it, and see what it is.
fn presentable(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && !text.chars().any(is_invisible)
}

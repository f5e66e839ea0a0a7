//! The requests that take a grant back: RFC 7009's where the connector has a `revoke_url`, and otherwise the one that its
//! `revoke` describes.

use bytes::Bytes;
use http::{Method, Request};
use indexmap::IndexMap;

use super::registration::Setup;
use crate::{
    Result,
    catalogue::schema::{HttpMethod, Step},
    oauth::{
        client_request,
        revocation::{self, Hint},
    },
    rows::{Credential, Tokens},
};

impl Setup<'_> {
    /// What is to be sent so that the grant ends at the provider, in this order; nothing where the provider has no way.
    /// `kept` is what the connector keeps of the account in the open.
    ///
    /// # Errors
    /// `CONNECTOR_INVALID` when the connector's own request cannot be made with these values.
    pub(crate) fn revocation_requests(
        &self,
        kept: &IndexMap<String, String>,
        tokens: &Tokens,
    ) -> Result<Vec<Request<Bytes>>> {
        if let Some(url) = self.revoke_endpoint()? {
            let registration = self.registration(None)?;
            // With a refresh token, what it brought should end (RFC 7009 §2.1); some servers take one of them only.
            let refresh = tokens.refresh_token.iter().map(|token| (token, Hint::RefreshToken));
            let each = refresh.chain([(&tokens.access_token, Hint::AccessToken)]);
            return each.map(|(token, hint)| revocation::request(&registration, &url, token, hint)).collect();
        }
        // Endpoints of the app's own replace the provider's: then its form is not known.
        match &self.method.revoke {
            Some(step) if !self.has_own_endpoints() => Ok(vec![self.own_form(step, kept, tokens)?]),
            _ => Ok(Vec::new()),
        }
    }

    fn own_form(&self, step: &Step, kept: &IndexMap<String, String>, tokens: &Tokens) -> Result<Request<Bytes>> {
        let mut values = self.values_with(kept, Some(&Credential::Tokens(tokens.clone())));
        if let Some(token) = &tokens.refresh_token {
            values.set_secret("refresh_token", token.clone());
        }
        let filled = |templates| self.filled_with(templates, &values);
        // What the connector keeps of an account may come from a browser, and says no host here.
        let url = step.url.render_url(&self.values, self.loopback)?;
        let method = match step.method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Post => Method::POST,
            HttpMethod::Put => Method::PUT,
            HttpMethod::Delete => Method::DELETE,
        };
        client_request::of_connector(method, &url, step.encode, &filled(&step.params)?, &filled(&step.headers)?)
    }
}

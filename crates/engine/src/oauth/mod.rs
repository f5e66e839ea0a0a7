//! OAuth 2.0 messages: values in, values out, no I/O.
//!
//! A [`Registration`] is all that one authorization needs to know of the provider and of the app registered there,
//! with every template filled in. An authorization then goes:
//!
//! 1. [`authorize::authorization_url`] sends the person to the provider, with the challenge of a [`pkce::Verifier`].
//! 2. [`callback::Callback::parse`] reads what comes back, and [`issuer::check_issuer`] whom it comes from.
//! 3. [`token_request::exchange`] and, later, [`token_request::refresh`] make the requests to the token endpoint.
//! 4. [`outcome::classify`] says what an answer means for the account, tokens included. When an answer breaks off,
//!    [`token_response::salvage_refresh_token`] saves what had arrived.
//! 5. [`revocation::request`] takes back what was granted.
//!
//! What providers say is never trusted: it is read leniently into strict types, and its texts stay data
//! ([`provider_error::ProviderError`]).

pub mod authorize;
pub mod callback;
pub(crate) mod client_request;
pub mod document;
mod expiry;
pub mod issuer;
pub mod outcome;
mod parameters;
pub mod pkce;
pub mod provider_error;
pub mod retry_after;
pub mod revocation;
pub mod token_request;
pub mod token_response;

use std::fmt;

use indexmap::IndexMap;
use serde::Deserialize;
use url::Url;

use crate::secret::Secret;

/// How the client proves itself at the token endpoint (RFC 6749 §2.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the request's parameters.
    #[default]
    Body,
    /// HTTP Basic, each half form-encoded first (RFC 6749 §2.3.1).
    Basic,
    /// A public client: `client_id` alone.
    None,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
}

/// How parameters travel in a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// `application/x-www-form-urlencoded`.
    #[default]
    Form,
    /// A JSON object.
    Json,
    /// In the URL's query.
    Query,
}

/// Proof key for code exchange (RFC 7636). `plain` does not exist here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Pkce {
    /// The SHA-256 challenge.
    #[default]
    S256,
    /// The provider refuses PKCE.
    #[serde(rename = "none")]
    None,
}

/// Where in a token answer each value stands: dotted paths (`authed_user.access_token`, `data.0.token`), RFC 6749's
/// names unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponsePaths {
    /// The access token; its type is read from `token_type` beside it.
    pub access_token: Option<String>,
    /// The refresh token.
    pub refresh_token: Option<String>,
    /// Seconds from now.
    pub expires_in: Option<String>,
    /// Milliseconds from now.
    pub expires_in_ms: Option<String>,
    /// A moment: epoch seconds, epoch milliseconds or RFC 3339.
    pub expires_at: Option<String>,
    /// The granted scopes: one string, or a list.
    pub scope: Option<String>,
}

/// A provider's endpoints and the app registered there, templates filled in.
#[derive(Clone)]
pub struct Registration {
    /// Where the person consents. Its own query is kept.
    pub authorize_url: Url,
    /// Where codes and refresh tokens are exchanged.
    pub token_url: Url,
    /// Where to refresh, when that is not `token_url`.
    pub refresh_url: Option<Url>,
    /// The issuer that must stand in `iss` (RFC 9207), where the provider is known to send it.
    pub issuer: Option<String>,
    /// The app's public name at the provider.
    pub client_id: String,
    /// The app's secret; public clients have none.
    pub client_secret: Option<Secret>,
    /// Where the provider sends the person back to, exactly as registered there.
    pub redirect_uri: Url,
    /// How the app proves itself at the token endpoint.
    pub client_auth: ClientAuth,
    /// How parameters travel to the token endpoint.
    pub encoding: Encoding,
    /// Whether codes are bound to a proof key.
    pub pkce: Pkce,
    /// What is asked for; none means that the parameter is left out.
    pub scopes: Vec<String>,
    /// `" "` unless the provider differs; `,`, `+` and `%20` are sent raw.
    pub scope_separator: String,
    /// Further scope parameters (Slack's `user_scope`, HubSpot's `optional_scope`).
    pub scope_params: IndexMap<String, Vec<String>>,
    /// Added to the authorization URL. An empty value removes the parameter of that name.
    pub authorize_params: IndexMap<String, String>,
    /// Added to the code exchange. An empty value removes the parameter of that name.
    pub token_params: IndexMap<String, String>,
    /// Added to a refresh. An empty value removes the parameter of that name.
    pub refresh_params: IndexMap<String, String>,
    /// Sent to the token endpoint, and never printed.
    pub token_headers: IndexMap<String, String>,
    /// Standard name → the provider's name.
    pub rename: IndexMap<String, String>,
    /// The callback parameter that carries the code.
    pub code_param: String,
    /// Where the values of a token answer stand.
    pub response: ResponsePaths,
    /// The access token's life in seconds, when the provider does not say.
    pub expires_in: Option<u64>,
}

/// Parameters and headers may be filled with secrets, so few things are shown.
impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("client_id", &self.client_id)
            .field("authorize_host", &self.authorize_url.host_str())
            .field("token_host", &self.token_url.host_str())
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A provider without quirks.
    pub(crate) fn registration() -> Registration {
        Registration {
            authorize_url: "https://provider.test/authorize".parse().unwrap(),
            token_url: "https://provider.test/token".parse().unwrap(),
            refresh_url: None,
            issuer: None,
            client_id: "app".into(),
            client_secret: Some("shh".into()),
            redirect_uri: "http://127.0.0.1:7415/cb/u1".parse().unwrap(),
            client_auth: ClientAuth::Body,
            encoding: Encoding::Form,
            pkce: Pkce::S256,
            scopes: vec!["read".into(), "write:all".into()],
            scope_separator: " ".into(),
            scope_params: IndexMap::new(),
            authorize_params: IndexMap::new(),
            token_params: IndexMap::new(),
            refresh_params: IndexMap::new(),
            token_headers: IndexMap::new(),
            rename: IndexMap::new(),
            code_param: "code".into(),
            response: ResponsePaths::default(),
            expires_in: None,
        }
    }

    #[test]
    fn a_registration_does_not_print_its_secrets() {
        let mut registration = registration();
        registration.token_headers.insert("Authorization".into(), "Basic shh".into());
        registration.refresh_params.insert("assertion".into(), "shh".into());
        assert!(!format!("{registration:?}").contains("shh"));
    }
}

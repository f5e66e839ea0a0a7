//! OAuth 2.0 messages: values in, values out, no I/O.
//!
//! A [`Registration`] is all that one authorization needs to know of the provider and of the app registered there,
//! with every template filled in. From it come the authorization URL, the token requests, and the reading of what the
//! provider answers.

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

/// Where in a token answer each value stands: dotted paths, RFC 6749's names unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponsePaths {
    pub access_token: Option<String>,
    pub refresh_token: Option<String>,
    /// Seconds from now.
    pub expires_in: Option<String>,
    /// Milliseconds from now.
    pub expires_in_ms: Option<String>,
    /// A moment: epoch seconds, epoch milliseconds or RFC 3339.
    pub expires_at: Option<String>,
    pub scope: Option<String>,
}

/// A provider's endpoints and the app registered there, templates filled in.
#[derive(Debug, Clone)]
pub struct Registration {
    pub authorize_url: Url,
    pub token_url: Url,
    /// Where to refresh, when that is not `token_url`.
    pub refresh_url: Option<Url>,
    /// The issuer that must stand in `iss` (RFC 9207), where the provider is known to send it.
    pub issuer: Option<String>,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub redirect_uri: Url,
    pub client_auth: ClientAuth,
    pub encoding: Encoding,
    pub pkce: Pkce,
    pub scopes: Vec<String>,
    /// `" "` unless the provider differs; `+` and `%20` are sent raw.
    pub scope_separator: String,
    /// Further scope parameters (Slack's `user_scope`, HubSpot's `optional_scope`).
    pub scope_params: IndexMap<String, Vec<String>>,
    /// An empty value removes the parameter of that name.
    pub authorize_params: IndexMap<String, String>,
    pub token_params: IndexMap<String, String>,
    pub refresh_params: IndexMap<String, String>,
    pub token_headers: IndexMap<String, String>,
    /// Standard name → the provider's name.
    pub rename: IndexMap<String, String>,
    /// The callback parameter that carries the code.
    pub code_param: String,
    pub response: ResponsePaths,
    /// The access token's life in seconds, when the provider does not say.
    pub expires_in: Option<u64>,
}

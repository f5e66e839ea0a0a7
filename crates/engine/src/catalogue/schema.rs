//! The shape of a connector file. Every key is here; an unknown one is an error.
//!
//! A [`Connector`] is one product; each way to authorize is a [`Method`], a table `[auth.<name>]`. Almost everything
//! has a default, so that a file says only what is unusual about its provider.

use indexmap::IndexMap;
use serde::Deserialize;

use super::{field::Field, host::HostPattern, profile::Profile, template::Template};
use crate::oauth::{ClientAuth, Encoding, Pkce, ResponsePaths};

/// What one provider needs: endpoints, ways to authorize, quirks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// The file's name without its ending, such as `gmail`.
    #[serde(skip)]
    pub slug: String,
    /// Shown to people.
    pub name: String,
    /// The provider's page that the facts were read from.
    #[serde(default)]
    pub docs: String,
    /// What the product is about, for lists.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Where authenticated calls go; its host is the first that may receive the credential. None: never proxied.
    pub base_url: Option<Template>,
    /// More hosts that may receive the credential. Where the provider gives `base_url`, a wildcard says instead what its
    /// host may be.
    #[serde(default)]
    pub hosts: Vec<HostPattern>,
    /// Sent with every API call.
    #[serde(default)]
    pub headers: IndexMap<String, Template>,
    /// Asked once per connection, used by every method.
    #[serde(default)]
    pub fields: IndexMap<String, Field>,
    /// Who is this, and does the credential work.
    pub probe: Option<Probe>,
    /// The ways to authorize; the first is the default.
    pub auth: IndexMap<String, Method>,
}

/// The call that proves a credential and names its owner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Below `base_url`, or absolute.
    pub url: Template,
    /// `GET` unless given.
    #[serde(default)]
    pub method: HttpMethod,
    /// Sent as the body.
    pub json: Option<serde_json::Value>,
    /// Where the owner's stable id stands in the answer: a dotted path.
    pub id: Option<String>,
    /// Where a name that a person recognises stands.
    pub label: Option<String>,
    /// Variable → dotted path in the answer.
    #[serde(default)]
    pub keep: IndexMap<String, String>,
}

/// The HTTP methods that catalogue requests use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// RFC 9110 §9.3.1.
    #[default]
    Get,
    /// RFC 9110 §9.3.3.
    Post,
    /// RFC 9110 §9.3.4.
    Put,
    /// RFC 9110 §9.3.5.
    Delete,
}

/// One way to authorize.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// The table's own name unless given.
    #[serde(rename = "type")]
    pub kind: MethodKind,
    /// Shown to people; the kind's own words unless given.
    #[serde(default)]
    pub label: Option<String>,
    /// Asked of the person. `bearer`, `api_key` and `basic` have a preset (`Method::with_presets`).
    #[serde(default)]
    pub fields: IndexMap<String, Field>,
    /// Settings of the developer's app beyond client id and secret.
    #[serde(default)]
    pub app: IndexMap<String, Field>,
    /// `authorization_code` unless given (RFC 6749 §4).
    #[serde(default)]
    pub grant: Grant,
    /// Where the person is sent (RFC 6749 §3.1).
    pub authorize_url: Option<Template>,
    /// Where codes become tokens (RFC 6749 §3.2).
    pub token_url: Option<Template>,
    /// Discovery by issuer (RFC 8414, OpenID Connect Discovery), instead of the two URLs; beside them, what `iss` must
    /// say in every answer (RFC 9207).
    pub issuer: Option<Template>,
    /// Discovery by protected resource (RFC 9728), with registration, instead of the two URLs.
    pub resource: Option<Template>,
    /// Where to refresh, when that is not `token_url`.
    pub refresh_url: Option<Template>,
    /// Where tokens are revoked (RFC 7009).
    pub revoke_url: Option<Template>,
    /// Where device codes come from (RFC 8628).
    pub device_url: Option<Template>,
    /// Where temporary credentials come from (RFC 5849 §2.1).
    pub request_url: Option<Template>,
    /// Where an app is installed, at providers that begin there.
    pub install_url: Option<Template>,
    /// Asked for unless the connection names others.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Asked for whatever the connection names.
    #[serde(default)]
    pub always_scopes: Vec<String>,
    /// A space unless given; `+` and `%20` are sent raw.
    pub scope_separator: Option<String>,
    /// Further scope parameters (Slack's `user_scope`, HubSpot's `optional_scope`) and what they ask for.
    #[serde(default)]
    pub scope_params: IndexMap<String, Vec<String>>,
    /// `S256` unless the provider refuses PKCE.
    #[serde(default)]
    pub pkce: Pkce,
    /// How the client proves itself at the token endpoint.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// How the token request's parameters travel.
    #[serde(default)]
    pub encode: Encoding,
    /// More parameters of the authorization request; an empty one removes the parameter of that name.
    #[serde(default)]
    pub authorize_params: IndexMap<String, Template>,
    /// The same for the code exchange.
    #[serde(default)]
    pub token_params: IndexMap<String, Template>,
    /// The same for a refresh.
    #[serde(default)]
    pub refresh_params: IndexMap<String, Template>,
    /// Headers of the token request.
    #[serde(default)]
    pub token_headers: IndexMap<String, Template>,
    /// Standard parameter → the provider's name for it.
    #[serde(default)]
    pub rename: IndexMap<String, String>,
    /// The callback parameter that carries the code; `code` unless given.
    pub code_param: Option<String>,
    /// Where the token answer's values stand.
    #[serde(default)]
    pub response: ResponsePaths,
    /// The same for the answer to a refresh, where that is another (Slack nests a person's tokens at first, and not
    /// later).
    pub refresh_response: Option<ResponsePaths>,
    /// The access token's life in seconds, when the provider does not say.
    pub expires_in: Option<u64>,
    /// How the provider treats refresh tokens.
    #[serde(default)]
    pub refresh_tokens: Profile,
    /// Variable → where its value comes from.
    #[serde(default)]
    pub keep: IndexMap<String, Keep>,
    /// The same, sealed.
    #[serde(default)]
    pub keep_secret: IndexMap<String, Keep>,
    /// A token signed here, as `{jwt}`.
    pub jwt: Option<Jwt>,
    /// The requests of an exchange; the last one answers with the token.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Requests after the code exchange.
    #[serde(default)]
    pub then: Vec<Step>,
    /// What replaces a refresh.
    pub renew: Option<Step>,
    /// What revokes a grant, at providers that do not speak RFC 7009; instead of `revoke_url`.
    pub revoke: Option<Step>,
    /// Engine code by name.
    pub signer: Option<Signer>,
    /// Where the credential goes; the kind's usual place unless given (`Method::with_presets`).
    #[serde(default)]
    pub send: Send,
}

/// The kinds of method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodKind {
    /// OAuth 2.0 (RFC 6749).
    Oauth2,
    /// OAuth 1.0a (RFC 5849).
    Oauth1,
    /// A static token in `Authorization: Bearer`.
    Bearer,
    /// A static key, wherever the provider wants it.
    ApiKey,
    /// A user name and a password, or what stands for them (RFC 7617).
    Basic,
    /// Requests that end in a token, without a redirect.
    Exchange,
    /// A token signed here for every call.
    Jwt,
    /// Every call signed by engine code.
    Signed,
    /// No credential.
    None,
}

impl MethodKind {
    /// Whether the credential is what the person enters, sent as it is: it is asked for in a form, not at the provider.
    pub fn is_static(self) -> bool {
        matches!(self, Self::Bearer | Self::ApiKey | Self::Basic)
    }
}

/// How an OAuth 2.0 token is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Grant {
    /// RFC 6749 §4.1.
    #[default]
    AuthorizationCode,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// `password`, or a URN (RFC 6749 §4.5).
    Other(String),
}

impl From<String> for Grant {
    fn from(name: String) -> Self {
        match name.as_str() {
            "authorization_code" => Self::AuthorizationCode,
            "client_credentials" => Self::ClientCredentials,
            _ => Self::Other(name),
        }
    }
}

/// Where a kept value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Keep {
    /// A dotted path in the token answer.
    Token(String),
    /// A parameter of the callback.
    Callback(String),
    /// A claim of the id token.
    Jwt(String),
}

impl TryFrom<String> for Keep {
    type Error = String;

    fn try_from(source: String) -> Result<Self, String> {
        let (kind, path) = source.split_once(':').unwrap_or((source.as_str(), ""));
        match (kind, path) {
            (_, "") => Err(format!("`{source}` must be `token:path`, `callback:param` or `jwt:claim`")),
            ("token", path) => Ok(Self::Token(path.into())),
            ("callback", param) => Ok(Self::Callback(param.into())),
            ("jwt", claim) => Ok(Self::Jwt(claim.into())),
            _ => Err(format!("`{source}` must begin with `token:`, `callback:` or `jwt:`")),
        }
    }
}

/// A token signed here.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// The signature's algorithm (RFC 7518 §3.1).
    pub alg: String,
    /// The private key or shared secret.
    pub key: Template,
    /// Seconds from `iat` to `exp`.
    #[serde(default = "five_minutes")]
    pub ttl: u64,
    /// Header parameters beyond `alg` and `typ`.
    #[serde(default)]
    pub header: IndexMap<String, Template>,
    /// Claims beyond `iat` and `exp`; an empty one is left out.
    #[serde(default)]
    pub claims: IndexMap<String, Template>,
}

fn five_minutes() -> u64 {
    300
}

/// One request of an exchange.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `POST` unless given. A `GET` carries its parameters in the query.
    #[serde(default = "post")]
    pub method: HttpMethod,
    /// Where to.
    pub url: Template,
    /// How the parameters travel.
    #[serde(default)]
    pub encode: Encoding,
    /// An empty one is left out.
    #[serde(default)]
    pub params: IndexMap<String, Template>,
    /// Beside those that the encoding needs.
    #[serde(default)]
    pub headers: IndexMap<String, Template>,
}

fn post() -> HttpMethod {
    HttpMethod::Post
}

/// Signatures that need code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    /// AWS Signature Version 4.
    AwsSigv4,
    /// WS-Security UsernameToken, as Emarsys has it.
    Wsse,
}

/// Where the credential goes in an API call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Send {
    /// Header → value.
    pub headers: IndexMap<String, Template>,
    /// Query parameter → value.
    pub query: IndexMap<String, Template>,
    /// Member of a JSON or form body → value.
    pub body: IndexMap<String, Template>,
}

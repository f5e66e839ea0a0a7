//! The shape of a connector file. Every key is here; an unknown one is an error.

use indexmap::IndexMap;
use serde::Deserialize;

use super::template::Template;
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
    #[serde(default)]
    pub categories: Vec<String>,
    /// Where authenticated calls go; the first of the hosts that may receive the credential.
    pub base_url: Option<Template>,
    /// More hosts that may receive the credential: `files.slack.com`, `*.salesforce.com`.
    #[serde(default)]
    pub hosts: Vec<String>,
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

/// A value that a person or a developer gives.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Field {
    pub label: Option<String>,
    pub help: Option<String>,
    pub example: Option<String>,
    pub kind: FieldKind,
    /// Matched against the whole value.
    pub pattern: Option<String>,
    pub options: Option<Options>,
    pub default: Option<String>,
    /// Shown behind the input, and stripped when pasted.
    pub suffix: Option<String>,
    pub optional: bool,
    pub secret: bool,
}

/// What a field's value is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    #[default]
    Text,
    /// A whole host name.
    Host,
    Url,
    Email,
    /// A PEM-encoded key.
    Pem,
    Json,
}

/// The choices of a field: values, or names that each set several variables.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Options {
    List(Vec<String>),
    Table(IndexMap<String, IndexMap<String, String>>),
}

/// The call that proves a credential and names its owner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Relative to `base_url`, or absolute.
    pub url: Template,
    #[serde(default)]
    pub method: HttpMethod,
    /// Sent as the body.
    pub json: Option<serde_json::Value>,
    /// Where the owner's stable id stands in the answer.
    pub id: Option<String>,
    /// Where a name that a person recognises stands.
    pub label: Option<String>,
    /// Values to keep from the answer.
    #[serde(default)]
    pub keep: IndexMap<String, String>,
}

/// The methods that catalogue requests use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    #[default]
    Get,
    Post,
    Put,
    Delete,
}

/// One way to authorize.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Method {
    /// The table's own key unless given.
    #[serde(rename = "type")]
    pub kind: Option<MethodKind>,
    pub label: Option<String>,
    /// Asked of the person.
    pub fields: IndexMap<String, Field>,
    /// Settings of the developer's app beyond id and secret.
    pub app: IndexMap<String, Field>,
    pub grant: Option<String>,
    pub authorize_url: Option<Template>,
    pub token_url: Option<Template>,
    /// Discovery by issuer (RFC 8414, OIDC).
    pub issuer: Option<String>,
    /// Discovery by protected resource (RFC 9728).
    pub resource: Option<String>,
    pub refresh_url: Option<Template>,
    pub revoke_url: Option<Template>,
    pub device_url: Option<Template>,
    pub request_url: Option<Template>,
    pub install_url: Option<Template>,
    pub scopes: Vec<String>,
    pub always_scopes: Vec<String>,
    pub scope_separator: Option<String>,
    pub scope_params: IndexMap<String, Vec<String>>,
    pub pkce: Pkce,
    pub client_auth: ClientAuth,
    pub encode: Encoding,
    pub authorize_params: IndexMap<String, Template>,
    pub token_params: IndexMap<String, Template>,
    pub refresh_params: IndexMap<String, Template>,
    pub token_headers: IndexMap<String, Template>,
    pub rename: IndexMap<String, String>,
    pub code_param: Option<String>,
    pub response: ResponsePaths,
    /// The access token's life in seconds, when the provider does not say.
    pub expires_in: Option<u64>,
    /// Name → `token:path`, `callback:param` or `jwt:claim`.
    pub keep: IndexMap<String, Keep>,
    /// The same, sealed.
    pub keep_secret: IndexMap<String, Keep>,
    pub jwt: Option<Jwt>,
    pub steps: Vec<Step>,
    /// Requests after the code exchange.
    pub then: Vec<Step>,
    /// What replaces a refresh.
    pub renew: Option<Step>,
    /// Engine code by name.
    pub signer: Option<Signer>,
    pub send: Option<Send>,
}

/// The kinds of method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodKind {
    Oauth2,
    Oauth1,
    Bearer,
    ApiKey,
    Basic,
    Exchange,
    Jwt,
    Signed,
    None,
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
    pub alg: String,
    pub key: Template,
    /// Seconds.
    #[serde(default = "five_minutes")]
    pub ttl: u64,
    #[serde(default)]
    pub header: IndexMap<String, Template>,
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
    #[serde(default = "post")]
    pub method: HttpMethod,
    pub url: Template,
    #[serde(default)]
    pub encode: Encoding,
    #[serde(default)]
    pub params: IndexMap<String, Template>,
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
    AwsSigv4,
    Wsse,
}

/// Where the credential goes in an API call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Send {
    pub headers: IndexMap<String, Template>,
    pub query: IndexMap<String, Template>,
    pub body: IndexMap<String, Template>,
}

//! What JavaScript passes: one struct an options object, which is also its TypeScript.

mod audit;

use indexmap::IndexMap;
use napi_derive::napi;
use onbehalf_engine::{connections::ClientSecrets, secret::Secret};
use serde::Deserialize;

pub use self::audit::{AuditListOptions, AuditTailOptions, AuditVerifyOptions};
use crate::{
    body::{BodyOption, Parameters},
    decode::Date,
};

/// How an environment is set up. Whatever is left out comes from the environment variable named beside it, then from
/// the default.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OnbehalfOptions {
    /// The path of the store's file, `':memory:'` (gone with the process), or the URL of a PostgreSQL database, which
    /// many machines may share: `postgres://user:password@host:5432/database`. `ONBEHALF_STORE`.
    /// @default './.onbehalf/store.db'
    #[napi(ts_type = "string")]
    pub store: Option<Secret>,
    /// With PostgreSQL: the folder of this machine where token answers are, sealed, until they are stored. It should
    /// outlive the process, on a disk of the machine's own. `ONBEHALF_JOURNAL`.
    /// @default './.onbehalf'
    pub journal: Option<String>,
    /// The key that seals the store: 32 bytes in base64. `ONBEHALF_KEY`. Without any, one is made with the store and
    /// kept in your user's configuration folder, never beside the store; with a public URL that is not a loopback one,
    /// it is required.
    #[napi(ts_type = "string")]
    pub key: Option<Secret>,
    /// A file that holds the key. `ONBEHALF_KEY_FILE`.
    pub key_file: Option<String>,
    /// Where browsers reach this environment: `https`, or `http` on a loopback host. `ONBEHALF_PUBLIC_URL`. With it, you
    /// serve the pages there: by `handler` in your own server, or by `listen()`.
    /// @default `http://localhost:${port}`
    pub public_url: Option<String>,
    /// The port of this machine's loopback addresses on which the first link, or `listen()`, serves the pages; 0 is any
    /// that is free. `ONBEHALF_PORT`.
    /// @default 7415
    pub port: Option<u16>,
    /// Who asks, as the pages say it. `ONBEHALF_APP_NAME`.
    pub app_name: Option<String>,
    /// Whether your app confirms who consented before anything is stored: `'app'` (with `userVerifyUrls`) or `'none'`.
    /// `ONBEHALF_USER_VERIFICATION`.
    /// @default `'none'` on a loopback URL; no default elsewhere
    #[napi(ts_type = "'app' | 'none'")]
    pub user_verification: Option<VerificationOption>,
    /// Your app's verify URLs; one passed with a link must be among them, exactly. `ONBEHALF_USER_VERIFY_URLS`.
    pub user_verify_urls: Option<Vec<String>>,
    /// Your app's connections, by name. `ONBEHALF_<NAME>_CLIENT_ID` and `ONBEHALF_<NAME>_CLIENT_SECRET`.
    #[napi(ts_type = "Record<string, ConnectionOptions>")]
    pub connections: Option<IndexMap<String, ConnectionOptions>>,
    /// Connectors of your own, by slug: the text of their TOML files. They add to the catalogue or override it.
    #[napi(ts_type = "Record<string, string>")]
    pub connectors: Option<IndexMap<String, String>>,
    /// An HTTP proxy for the calls to providers. The usual proxy variables are not obeyed.
    pub proxy: Option<String>,
    /// Whether tokens are refreshed shortly before they end, though nobody asks for them: calls then find them fresh, and
    /// refresh tokens that end when they are not used stay alive. Without it, a call refreshes what it needs.
    /// `ONBEHALF_BACKGROUND_REFRESH`: `true` or `false`.
    /// @default true
    pub background_refresh: Option<bool>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerificationOption {
    App,
    None,
}

/// An app's set-up of one connector.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionOptions {
    /// The connector's slug, such as `gmail`; the connection's name unless given.
    pub connector: Option<String>,
    /// One of the connector's auth methods; its first unless given.
    pub auth_method: Option<String>,
    /// The client id of your app with the provider.
    pub client_id: Option<String>,
    /// Its secret with the provider, or up to four in an array while you roll it over, the new one first: where the
    /// provider refuses your app with one, the next is tried. Written, never read.
    #[napi(ts_type = "string | Array<string>")]
    pub client_secret: Option<ClientSecrets>,
    /// Asked instead of the connector's default scopes.
    pub scopes: Option<Vec<String>>,
    /// Further scope parameters, such as `optional_scope`.
    #[napi(ts_type = "Record<string, string[]>")]
    pub scope_params: Option<IndexMap<String, Vec<String>>>,
    /// Values for the connector's fields, such as `subdomain`.
    #[napi(ts_type = "Record<string, string>")]
    pub fields: Option<IndexMap<String, String>>,
    /// Settings of your app beyond id and secret, as the connector names them. Written, never read.
    #[napi(ts_type = "Record<string, string>")]
    pub app: Option<IndexMap<String, Secret>>,
    /// Endpoints that replace the connector's: a sandbox, GitHub Enterprise, an emulator.
    pub endpoints: Option<EndpointOptions>,
}

/// Endpoints that replace a connector's. `http` is accepted for loopback hosts alone.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EndpointOptions {
    /// Where the person consents.
    pub authorize_url: Option<String>,
    /// Where codes are exchanged.
    pub token_url: Option<String>,
    /// Where tokens are refreshed, if not there.
    pub refresh_url: Option<String>,
    /// Where tokens are revoked.
    pub revoke_url: Option<String>,
    /// Where requests go.
    pub base_url: Option<String>,
}

/// Which connected account is meant: by `connectedAccountId`, or by `connectionName` and `identifier`.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccountOptions {
    /// The connection's name, such as `gmail`.
    pub connection_name: Option<String>,
    /// Your app's own id of the person.
    pub identifier: Option<String>,
    /// The connected account's id, `ca_…`, instead of the two.
    pub connected_account_id: Option<String>,
    /// The tenant of your app that the account belongs to, where it has several.
    pub organization_id: Option<String>,
}

/// Which connected account loses its credential, and what becomes of the grant at the provider.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccountRemovalOptions {
    /// The connection's name, such as `gmail`.
    pub connection_name: Option<String>,
    /// Your app's own id of the person.
    pub identifier: Option<String>,
    /// The connected account's id, `ca_…`, instead of the two.
    pub connected_account_id: Option<String>,
    /// The tenant of your app that the account belongs to, where it has several.
    pub organization_id: Option<String>,
    /// Whether to revoke at the provider what the person granted. Some providers (Google, GitHub) end every grant of the
    /// person to your app with it: pass `false` where another connection with the same client id must go on.
    /// @default true
    pub revoke: Option<bool>,
}

/// A connected account to make, and the credential to put into it.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAccountOptions {
    /// The connection's name, such as `gmail`.
    pub connection_name: String,
    /// Your app's own id of the person.
    pub identifier: String,
    /// The tenant of your app that the account belongs to, where it has several.
    pub organization_id: Option<String>,
    /// A credential that you have already: the account is `ACTIVE` with it.
    #[napi(ts_type = "NewAuthorizationDetails")]
    pub authorization_details: Option<AuthorizationOption>,
}

/// A connected account, and the credential to put in the place of its own.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountUpdateOptions {
    /// The connection's name, such as `gmail`.
    pub connection_name: Option<String>,
    /// Your app's own id of the person.
    pub identifier: Option<String>,
    /// The connected account's id, `ca_…`, instead of the two.
    pub connected_account_id: Option<String>,
    /// The tenant of your app that the account belongs to, where it has several.
    pub organization_id: Option<String>,
    /// The new credential. It replaces the old one whole: its refresh token too.
    #[napi(ts_type = "NewAuthorizationDetails")]
    pub authorization_details: AuthorizationOption,
}

/// One of the two: as TypeScript, `NewAuthorizationDetails`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuthorizationOption {
    pub oauth_token: Option<TokenOption>,
    pub static_auth: Option<StaticOption>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenOption {
    pub access_token: Secret,
    pub refresh_token: Option<Secret>,
    pub scopes: Option<Vec<String>>,
    pub expires_at: Option<Date>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StaticOption {
    pub details: IndexMap<String, Secret>,
}

/// What to make an authorization link for.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LinkOptions {
    /// The connection's name, such as `gmail`.
    pub connection_name: Option<String>,
    /// Your app's own id of the person. Their connected account is made when there is none.
    pub identifier: Option<String>,
    /// The connected account's id, `ca_…`, instead of the two.
    pub connected_account_id: Option<String>,
    /// The tenant of your app that the account belongs to, where it has several.
    pub organization_id: Option<String>,
    /// Asked instead of the connection's scopes.
    pub scopes: Option<Vec<String>>,
    /// Where the person comes back for your app to verify them: one of `userVerifyUrls`, exactly.
    pub user_verify_url: Option<String>,
    /// Your own value; it comes back in the verify URL's query. At most 512 characters.
    pub state: Option<String>,
}

/// Who consented, as your app's session says.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyOptions {
    /// What the verify URL's query carried as `auth_request_id`.
    #[napi(ts_type = "string")]
    pub auth_request_id: Secret,
    /// Your app's own id of the person whose session it is.
    pub identifier: String,
    /// The tenant. The default one unless said.
    pub organization_id: Option<String>,
}

/// Which connected accounts to list.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccountListOptions {
    /// Only those of this connection.
    pub connection_name: Option<String>,
    /// Only those of these connections.
    pub connection_names: Option<Vec<String>>,
    /// Only those of this person.
    pub identifier: Option<String>,
    /// The tenant of your app, where it has several.
    pub organization_id: Option<String>,
    /// 1 to 100.
    /// @default 10
    pub page_size: Option<u32>,
    /// `nextPageToken` of the page before.
    pub page_token: Option<String>,
}

/// Which page of connections to list.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionListOptions {
    /// The tenant of your app, where it has several.
    pub organization_id: Option<String>,
    /// 1 to 100.
    /// @default 30
    pub page_size: Option<u32>,
    /// `nextPageToken` of the page before.
    pub page_token: Option<String>,
}

/// Which page of revocations to list.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RevocationListOptions {
    /// The tenant of your app, where it has several.
    pub organization_id: Option<String>,
    /// 1 to 100.
    /// @default 10
    pub page_size: Option<u32>,
    /// `nextPageToken` of the page before.
    pub page_token: Option<String>,
}

/// Whose token is wanted.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TokenOptions {
    /// The connection's name, such as `gmail`.
    pub connection_name: Option<String>,
    /// Your app's own id of the person.
    pub identifier: Option<String>,
    /// The connected account's id, `ca_…`, instead of the two.
    pub connected_account_id: Option<String>,
    /// The tenant of your app that the account belongs to, where it has several.
    pub organization_id: Option<String>,
    /// For how many seconds the token must be valid at least, 0 or more; it is refreshed first when it is not. One
    /// that is valid for less is what you get where the provider's tokens live shorter, or the refresh does not succeed
    /// and the token still serves: `expiresAt` says until when.
    /// @default 60
    pub min_validity: Option<f64>,
}

/// A request to a provider's API, sent with a connected account's credential.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestOptions {
    /// The connection's name, such as `gmail`.
    pub connection_name: Option<String>,
    /// Your app's own id of the person.
    pub identifier: Option<String>,
    /// The connected account's id, `ca_…`, instead of the two.
    pub connected_account_id: Option<String>,
    /// The tenant of your app that the account belongs to, where it has several.
    pub organization_id: Option<String>,
    /// Within the connector's API, such as `/gmail/v1/users/me/messages`.
    pub path: String,
    /// The HTTP method, in any case.
    /// @default 'GET'
    pub method: Option<String>,
    /// The query's parameters; an array repeats its name.
    #[napi(ts_type = "RequestParameters")]
    pub query_params: Option<Parameters>,
    /// An object or an array is sent as JSON; a string or bytes as they are, with a `content-type` of your own.
    ///
    /// So is what a `ReadableStream`, an async iterable (a Node `Readable` is one) or a `Blob` yields, as fast as the
    /// provider takes it: of the length that your `content-length` says, else in chunks of unknown number. It is sent
    /// once, so a 401 to it is returned, and there is no `timeoutMs` unless you set one. If it fails, the request is
    /// broken off, and the call rejects with what it failed with.
    #[napi(ts_type = "object | string | Uint8Array | RequestStream")]
    pub body: Option<BodyOption>,
    /// Sent as a form (`application/x-www-form-urlencoded`), instead of `body`.
    #[napi(ts_type = "RequestParameters")]
    pub form_data: Option<Parameters>,
    /// Further headers. Those that carry the credential, or concern the connection itself, are not yours to set.
    #[napi(ts_type = "Record<string, string>")]
    pub headers: Option<IndexMap<String, String>>,
    /// Resolves at the head of the answer, whose body is then read as it comes: by `stream()`, `text()` or `bytes()`.
    /// `timeoutMs` bounds the time to the head; `signal` ends the body too.
    /// @default false
    #[serde(default)]
    pub stream: Option<bool>,
}

/// A connection to make.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewConnectionOptions {
    /// The connection's name: at most 64 letters, digits, `-` and `_`.
    pub connection_name: String,
    /// The tenant of your app, where it has several.
    pub organization_id: Option<String>,
    /// The connector's slug, such as `gmail`; the connection's name unless given.
    pub connector: Option<String>,
    /// One of the connector's auth methods; its first unless given.
    pub auth_method: Option<String>,
    /// The client id of your app with the provider.
    pub client_id: Option<String>,
    /// Its secret with the provider, or up to four in an array while you roll it over, the new one first: where the
    /// provider refuses your app with one, the next is tried. Written, never read.
    #[napi(ts_type = "string | Array<string>")]
    pub client_secret: Option<ClientSecrets>,
    /// Asked instead of the connector's default scopes.
    pub scopes: Option<Vec<String>>,
    /// Further scope parameters, such as `optional_scope`.
    #[napi(ts_type = "Record<string, string[]>")]
    pub scope_params: Option<IndexMap<String, Vec<String>>>,
    /// Values for the connector's fields, such as `subdomain`.
    #[napi(ts_type = "Record<string, string>")]
    pub fields: Option<IndexMap<String, String>>,
    /// Settings of your app beyond id and secret, as the connector names them. Written, never read.
    #[napi(ts_type = "Record<string, string>")]
    pub app: Option<IndexMap<String, Secret>>,
    /// Endpoints that replace the connector's: a sandbox, GitHub Enterprise, an emulator.
    pub endpoints: Option<EndpointOptions>,
}

/// What to change of a connection; what is left out stays.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionPatchOptions {
    /// Which connection.
    pub connection_name: String,
    /// The tenant of your app, where it has several.
    pub organization_id: Option<String>,
    /// The client id of your app with the provider.
    pub client_id: Option<String>,
    /// Its secret with the provider, or up to four in an array, the one to use first in front. It replaces all that are
    /// stored, so to roll one over pass `[newSecret, oldSecret]`, and `newSecret` alone once the provider knows it
    /// everywhere. Connected accounts go on meanwhile. Written, never read.
    #[napi(ts_type = "string | Array<string>")]
    pub client_secret: Option<ClientSecrets>,
    /// Asked instead of the connector's default scopes.
    pub scopes: Option<Vec<String>>,
    /// Further scope parameters, such as `optional_scope`; all of them together.
    #[napi(ts_type = "Record<string, string[]>")]
    pub scope_params: Option<IndexMap<String, Vec<String>>>,
    /// Values for the connector's fields, such as `subdomain`; all of them together.
    #[napi(ts_type = "Record<string, string>")]
    pub fields: Option<IndexMap<String, String>>,
    /// Settings of your app beyond id and secret; all of them together. Written, never read.
    #[napi(ts_type = "Record<string, string>")]
    pub app: Option<IndexMap<String, Secret>>,
    /// Endpoints that replace the connector's; all of them together.
    pub endpoints: Option<EndpointOptions>,
}

/// Which connection is meant.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionRefOptions {
    /// The connection's name.
    pub connection_name: String,
    /// The tenant of your app, where it has several.
    pub organization_id: Option<String>,
}

/// Which connection is deleted, and what becomes of its grants at the provider.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectionRemovalOptions {
    /// The connection's name.
    pub connection_name: String,
    /// The tenant of your app, where it has several.
    pub organization_id: Option<String>,
    /// Whether to revoke at the provider what its people granted. Some providers (Google, GitHub) end every grant of a
    /// person to your app with it: pass `false` where another connection with the same client id must go on.
    /// @default true
    pub revoke: Option<bool>,
}

/// Which connector is meant.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectorRefOptions {
    /// The connector's slug, such as `gmail`.
    pub connector: String,
}

/// The key that is added: one of the two.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NewKeySlotOptions {
    /// 32 bytes in base64, from `openssl rand -base64 32`.
    #[napi(ts_type = "string")]
    pub key: Option<Secret>,
    /// A file that holds the key.
    pub key_file: Option<String>,
}

/// Which key is meant.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySlotRefOptions {
    /// The key's public name, as `keySlots` tells it: `key_…`.
    pub id: String,
}

/// No option of its own.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NoOptions {}

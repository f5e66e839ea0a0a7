//! What JavaScript gets of an app's set-up: connections, and the connectors that the catalogue has.

use indexmap::IndexMap;
use napi_derive::napi;
use onbehalf_engine::{
    connections::{Connection, ConnectionPage, Endpoints, Fault},
    connectors::{AuthMethodSummary, ConnectorSummary, FieldSummary},
};
use url::Url;

use super::Moment;

/// An app's set-up of one connector. Its secrets can be written, never read.
#[napi(object, object_from_js = false)]
pub struct ConnectionDetails {
    /// `conn_…`
    pub id: String,
    /// The tenant of your app that it belongs to.
    pub organization_id: String,
    /// What other calls take as `connectionName`.
    pub name: String,
    /// The connector's slug.
    pub connector: String,
    /// Which of the connector's auth methods.
    pub auth_method: String,
    /// Whether it can be used; `connections.disable` and `connections.enable` decide.
    pub enabled: bool,
    /// The client id of your app with the provider.
    pub client_id: Option<String>,
    /// Whether one client secret, or several, are stored. None is ever read back, nor how many there are.
    pub has_client_secret: bool,
    /// What a person is asked for, unless the link says otherwise.
    pub scopes: Vec<String>,
    #[napi(ts_type = "Record<string, string[]>")]
    pub scope_params: IndexMap<String, Vec<String>>,
    #[napi(ts_type = "Record<string, string>")]
    pub fields: IndexMap<String, String>,
    pub endpoints: ConnectionEndpoints,
    /// Why the provider refuses your app, as long as it does. It ends by itself once the provider accepts the app again,
    /// and when you change the connection. No connected account is ended by it.
    pub misconfigured: Option<ConnectionFault>,
    /// To be registered with the provider, exactly.
    pub redirect_uri: String,
    #[napi(ts_type = "Date")]
    pub created_at: Moment,
    #[napi(ts_type = "Date")]
    pub updated_at: Moment,
}

/// The provider refuses your app itself: its secret, or its registration.
#[napi(object, object_from_js = false)]
pub struct ConnectionFault {
    /// What the provider said: a short code such as `invalid_client`.
    pub error: String,
    /// Since when it has said so.
    #[napi(ts_type = "Date")]
    pub since: Moment,
    /// When your app is tried again, if a connected account needs it then.
    #[napi(ts_type = "Date")]
    pub next_try_at: Moment,
}

impl From<Fault> for ConnectionFault {
    fn from(fault: Fault) -> Self {
        Self { error: fault.error, since: Moment(fault.since), next_try_at: Moment(fault.next_try_at) }
    }
}

/// Endpoints that replace a connector's.
#[napi(object, object_from_js = false)]
pub struct ConnectionEndpoints {
    pub authorize_url: Option<String>,
    pub token_url: Option<String>,
    pub refresh_url: Option<String>,
    pub revoke_url: Option<String>,
    pub base_url: Option<String>,
}

impl From<Connection> for ConnectionDetails {
    fn from(connection: Connection) -> Self {
        Self {
            id: connection.id,
            organization_id: connection.organization.as_str().into(),
            name: connection.name,
            connector: connection.connector,
            auth_method: connection.auth_method,
            enabled: connection.enabled,
            client_id: connection.client_id,
            has_client_secret: connection.has_client_secret,
            scopes: connection.scopes,
            scope_params: connection.scope_params,
            fields: connection.fields,
            endpoints: connection.endpoints.into(),
            misconfigured: connection.misconfigured.map(Into::into),
            redirect_uri: connection.redirect_uri.into(),
            created_at: Moment(connection.created_at),
            updated_at: Moment(connection.updated_at),
        }
    }
}

impl From<Endpoints> for ConnectionEndpoints {
    fn from(endpoints: Endpoints) -> Self {
        let text = |url: Option<Url>| url.map(String::from);
        Self {
            authorize_url: text(endpoints.authorize_url),
            token_url: text(endpoints.token_url),
            refresh_url: text(endpoints.refresh_url),
            revoke_url: text(endpoints.revoke_url),
            base_url: text(endpoints.base_url),
        }
    }
}

/// A page of connections.
#[napi(object, object_from_js = false)]
pub struct ConnectionList {
    pub connections: Vec<ConnectionDetails>,
    /// Pass it as `pageToken` for the next page; absent on the last.
    pub next_page_token: Option<String>,
}

impl From<ConnectionPage> for ConnectionList {
    fn from(page: ConnectionPage) -> Self {
        Self {
            connections: page.connections.into_iter().map(Into::into).collect(),
            next_page_token: page.next_page_token,
        }
    }
}

/// What a provider needs, as the catalogue says.
#[napi(object, object_from_js = false)]
pub struct ConnectorDetails {
    /// The connector's key, such as `gmail`.
    pub slug: String,
    /// Its name for people, such as `Gmail`.
    pub name: String,
    /// The provider's page that the facts were read from.
    pub docs: String,
    pub categories: Vec<String>,
    /// Asked once per connection.
    pub fields: Vec<ConnectorField>,
    /// The ways to authorize; the first is the default.
    pub auth_methods: Vec<ConnectorAuthMethod>,
}

/// A way to authorize.
#[napi(object, object_from_js = false)]
pub struct ConnectorAuthMethod {
    pub name: String,
    /// `oauth2`, `api_key`, …
    pub kind: String,
    pub label: Option<String>,
    /// Whether this version can execute it.
    pub supported: bool,
    /// Asked unless the connection says otherwise.
    pub scopes: Vec<String>,
    pub fields: Vec<ConnectorField>,
}

/// A value that a person or a developer gives.
#[napi(object, object_from_js = false)]
pub struct ConnectorField {
    pub name: String,
    pub label: String,
    pub help: Option<String>,
    pub help_url: Option<String>,
    pub example: Option<String>,
    pub default: Option<String>,
    pub required: bool,
    pub secret: bool,
}

impl From<ConnectorSummary> for ConnectorDetails {
    fn from(connector: ConnectorSummary) -> Self {
        Self {
            slug: connector.slug,
            name: connector.name,
            docs: connector.docs,
            categories: connector.categories,
            fields: connector.fields.into_iter().map(Into::into).collect(),
            auth_methods: connector.auth_methods.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<AuthMethodSummary> for ConnectorAuthMethod {
    fn from(method: AuthMethodSummary) -> Self {
        Self {
            name: method.name,
            kind: method.kind,
            label: method.label,
            supported: method.supported,
            scopes: method.scopes,
            fields: method.fields.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<FieldSummary> for ConnectorField {
    fn from(field: FieldSummary) -> Self {
        Self {
            name: field.name,
            label: field.label,
            help: field.help,
            help_url: field.help_url,
            example: field.example,
            default: field.default,
            required: field.required,
            secret: field.secret,
        }
    }
}

/// The connectors of the catalogue.
#[napi(object, object_from_js = false)]
pub struct ConnectorList {
    pub connectors: Vec<ConnectorDetails>,
}

impl From<Vec<ConnectorSummary>> for ConnectorList {
    fn from(connectors: Vec<ConnectorSummary>) -> Self {
        Self { connectors: connectors.into_iter().map(Into::into).collect() }
    }
}

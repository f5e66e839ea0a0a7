//! Connections: an app's set-up of one connector.

use indexmap::IndexMap;
use url::Url;

use crate::{
    Engine, Result,
    accounts::unfinished,
    names::{ConnectionName, Organization},
    secret::Secret,
    time::Timestamp,
};

/// Endpoints that replace the connector's: sandboxes, GitHub Enterprise, emulators.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Endpoints {
    pub authorize_url: Option<Url>,
    pub token_url: Option<Url>,
    pub refresh_url: Option<Url>,
    pub revoke_url: Option<Url>,
    pub base_url: Option<Url>,
}

/// A connection to make.
#[derive(Debug, Clone)]
pub struct NewConnection {
    pub organization: Organization,
    pub name: ConnectionName,
    /// The connector's slug; the connection's name unless given.
    pub connector: Option<String>,
    /// One of the connector's auth methods; the first unless given.
    pub auth_method: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    /// Asked instead of the connector's default scopes.
    pub scopes: Option<Vec<String>>,
    /// Further scope parameters (`optional_scope`, `user_scope`).
    pub scope_params: IndexMap<String, Vec<String>>,
    /// The connector's fields (`subdomain`, `login_host`, …).
    pub fields: IndexMap<String, String>,
    /// Settings of the app beyond id and secret.
    pub app: IndexMap<String, Secret>,
    pub endpoints: Endpoints,
}

/// What to change of a connection; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ConnectionPatch {
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub scopes: Option<Vec<String>>,
    pub scope_params: Option<IndexMap<String, Vec<String>>>,
    pub fields: Option<IndexMap<String, String>>,
    pub app: Option<IndexMap<String, Secret>>,
    pub endpoints: Option<Endpoints>,
}

/// A connection as callers see it: its secrets can be written, never read.
#[derive(Debug, Clone)]
pub struct Connection {
    /// `conn_…`
    pub id: String,
    pub organization: Organization,
    pub name: String,
    /// The connector's slug.
    pub connector: String,
    pub auth_method: String,
    pub enabled: bool,
    pub client_id: Option<String>,
    /// Whether a client secret is stored.
    pub has_client_secret: bool,
    pub scopes: Vec<String>,
    pub scope_params: IndexMap<String, Vec<String>>,
    pub fields: IndexMap<String, String>,
    pub endpoints: Endpoints,
    /// To be registered with the provider, exactly.
    pub redirect_uri: Url,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A page of connections.
#[derive(Debug, Clone)]
pub struct ConnectionPage {
    pub connections: Vec<Connection>,
    /// Passed to the next call; absent on the last page.
    pub next_page_token: Option<String>,
}

impl Engine {
    pub async fn create_connection(&self, connection: NewConnection) -> Result<Connection> {
        let _ = connection;
        Err(unfinished())
    }

    pub async fn connection(&self, organization: &Organization, name: &ConnectionName) -> Result<Connection> {
        let _ = (organization, name);
        Err(unfinished())
    }

    /// Connections by name. `page_size` is 1 to 100.
    pub async fn connections(
        &self,
        organization: &Organization,
        page_size: Option<u32>,
        page_token: Option<&str>,
    ) -> Result<ConnectionPage> {
        let _ = (organization, page_size, page_token);
        Err(unfinished())
    }

    pub async fn update_connection(
        &self,
        organization: &Organization,
        name: &ConnectionName,
        patch: ConnectionPatch,
    ) -> Result<Connection> {
        let _ = (organization, name, patch);
        Err(unfinished())
    }

    /// Deletes the connection with its accounts and their credentials.
    pub async fn delete_connection(&self, organization: &Organization, name: &ConnectionName) -> Result<()> {
        let _ = (organization, name);
        Err(unfinished())
    }

    pub async fn set_connection_enabled(
        &self,
        organization: &Organization,
        name: &ConnectionName,
        enabled: bool,
    ) -> Result<Connection> {
        let _ = (organization, name, enabled);
        Err(unfinished())
    }
}

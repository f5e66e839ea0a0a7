//! Connections: an app's set-up of one connector.
//!
//! A connection is made by a call, or declared in the app's options or environment; a declared one is written to the
//! store when it is first named, and again when its declaration has changed. A connector whose people bring their own
//! keys needs neither: its connection, named like it, is made when it is first named.

pub(crate) mod check;
pub(crate) mod declared;
pub(crate) mod fault;
pub(crate) mod injection;
pub(crate) mod registration;
mod revocation;
pub(crate) mod secret_choice;
mod stored;
#[cfg(test)]
mod tests;

pub use fault::Fault;
use indexmap::IndexMap;
use url::Url;

pub use crate::rows::{ClientSecrets, Endpoints};
use crate::{
    Engine, Error, Result,
    names::{ConnectionName, Organization},
    page::{self, Page},
    rows::StoredConnection,
    secret::Secret,
    store::Commit,
    time::Timestamp,
};

/// A connection to make.
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// The tenant.
    pub organization: Organization,
    /// Unique in the organization.
    pub name: ConnectionName,
    /// The connector's slug; the connection's name unless given.
    pub connector: Option<String>,
    /// One of the connector's auth methods; the first unless given.
    pub auth_method: Option<String>,
    /// The app's public name at the provider.
    pub client_id: Option<String>,
    /// The app's secrets there.
    pub client_secret: Option<ClientSecrets>,
    /// Asked instead of the connector's default scopes.
    pub scopes: Option<Vec<String>>,
    /// Further scope parameters (`optional_scope`, `user_scope`).
    pub scope_params: IndexMap<String, Vec<String>>,
    /// The connector's fields (`subdomain`, `login_host`, …).
    pub fields: IndexMap<String, String>,
    /// Settings of the app beyond id and secret.
    pub app: IndexMap<String, Secret>,
    /// Endpoints that replace the connector's.
    pub endpoints: Endpoints,
}

impl NewConnection {
    /// One that says no more than its name: all else is the connector's.
    #[must_use]
    pub fn named(organization: Organization, name: ConnectionName) -> Self {
        Self {
            organization,
            name,
            connector: None,
            auth_method: None,
            client_id: None,
            client_secret: None,
            scopes: None,
            scope_params: IndexMap::new(),
            fields: IndexMap::new(),
            app: IndexMap::new(),
            endpoints: Endpoints::default(),
        }
    }
}

/// What to change of a connection; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ConnectionPatch {
    /// A new client id.
    pub client_id: Option<String>,
    /// All client secrets, anew.
    pub client_secret: Option<ClientSecrets>,
    /// Other scopes; accounts get them when they authorize again.
    pub scopes: Option<Vec<String>>,
    /// Other scope parameters.
    pub scope_params: Option<IndexMap<String, Vec<String>>>,
    /// All of the connector's fields, anew.
    pub fields: Option<IndexMap<String, String>>,
    /// All of the app's settings, anew.
    pub app: Option<IndexMap<String, Secret>>,
    /// All endpoint overrides, anew.
    pub endpoints: Option<Endpoints>,
}

/// A connection as callers see it: its secrets can be written, never read.
#[derive(Debug, Clone)]
pub struct Connection {
    /// `conn_…`
    pub id: String,
    /// The tenant.
    pub organization: Organization,
    /// In lower case.
    pub name: String,
    /// The connector's slug.
    pub connector: String,
    /// One of the connector's auth methods.
    pub auth_method: String,
    /// Whether it makes links and sends requests.
    pub enabled: bool,
    /// The app's public name at the provider.
    pub client_id: Option<String>,
    /// Whether a client secret is stored, or several.
    pub has_client_secret: bool,
    /// What authorizations ask for.
    pub scopes: Vec<String>,
    /// Further scope parameters.
    pub scope_params: IndexMap<String, Vec<String>>,
    /// The connector's fields.
    pub fields: IndexMap<String, String>,
    /// Endpoints that replace the connector's.
    pub endpoints: Endpoints,
    /// What the provider has against the app, as long as it refuses it. It ends by itself when the provider accepts the
    /// app again, and when the connection is changed.
    pub misconfigured: Option<Fault>,
    /// To be registered with the provider, exactly.
    pub redirect_uri: Url,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A page of connections.
#[derive(Debug, Clone)]
pub struct ConnectionPage {
    /// In the order of their names.
    pub connections: Vec<Connection>,
    /// Passed to the next call; absent on the last page.
    pub next_page_token: Option<String>,
}

impl Engine {
    /// Makes a connection. It can be made before its app is registered; authorization links need the credentials.
    ///
    /// # Errors
    /// `CONNECTION_ALREADY_EXISTS`, `CONNECTOR_NOT_FOUND`, and `INVALID_ARGUMENT` or `UNKNOWN_OPTION` for what the connector
    /// does not take.
    pub async fn create_connection(&self, new: NewConnection) -> Result<Connection> {
        self.ensure_open()?;
        if self.find_connection(&new.organization, &new.name).await?.is_some() {
            return Err(Error::ConnectionAlreadyExists { connection: new.name.as_str().into() });
        }
        let connection = self.new_connection(&new)?;
        match self.insert_connection(&connection).await? {
            Commit::Applied => Ok(self.view(&connection, None)),
            Commit::Conflict => Err(Error::ConnectionAlreadyExists { connection: new.name.as_str().into() }),
        }
    }

    /// One connection by name.
    ///
    /// # Errors
    /// `CONNECTION_NOT_FOUND`, or `CONNECTION_NOT_CONFIGURED` for a connector of the catalogue that needs an app and that
    /// nobody set up; it says what to register.
    pub async fn connection(&self, organization: &Organization, name: &ConnectionName) -> Result<Connection> {
        self.ensure_open()?;
        let connection = self.stored_connection(organization, name).await?;
        Ok(self.view(&connection, self.connection_fault(&connection).await?))
    }

    /// Connections by name. `page_size` is 1 to 100; 30 unless said.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a page's size or token.
    pub async fn connections(
        &self,
        organization: &Organization,
        page_size: Option<u32>,
        page_token: Option<&str>,
    ) -> Result<ConnectionPage> {
        self.ensure_open()?;
        self.declare_all(organization).await;
        let size = page::size(page_size, 30)?;
        let after = page_token.map(page::read_token).transpose()?;
        let rows = self.rows.store.connections(organization.as_str(), after.as_deref(), size + 1).await?;
        let Page { rows, next } = page::cut(rows, size, |row| &row.name);
        let mut connections = Vec::with_capacity(rows.len());
        for row in rows {
            let connection = self.rows.read_connection(organization, row).await?;
            connections.push(self.view(&connection, self.connection_fault(&connection).await?));
        }
        Ok(ConnectionPage { connections, next_page_token: next })
    }

    /// Changes what the patch names. Accounts go on with the scopes that they have; when the app itself is another one
    /// (`client_id`, endpoints), they must authorize again.
    ///
    /// # Errors
    /// As [`Engine::connection`]; `INVALID_ARGUMENT` and `UNKNOWN_OPTION` for what the connector does not take.
    pub async fn update_connection(
        &self,
        organization: &Organization,
        name: &ConnectionName,
        patch: ConnectionPatch,
    ) -> Result<Connection> {
        self.change_connection(organization, name, |engine, connection| engine.apply_patch(connection, &patch)).await
    }

    /// Enables or disables the connection. A disabled one makes no links and sends no requests; its accounts are kept.
    ///
    /// # Errors
    /// As [`Engine::connection`].
    pub async fn set_connection_enabled(
        &self,
        organization: &Organization,
        name: &ConnectionName,
        enabled: bool,
    ) -> Result<Connection> {
        self.change_connection(organization, name, |_, connection| {
            connection.enabled = enabled;
            Ok(())
        })
        .await
    }

    /// A connection as callers see it.
    fn view(&self, stored: &StoredConnection, misconfigured: Option<Fault>) -> Connection {
        // A connection whose connector has left the catalogue can be seen and deleted all the same.
        let connector = self.catalogue.connector(&stored.connector).ok();
        let method = connector.and_then(|connector| connector.method(Some(&stored.config.auth_method)));
        let scopes = stored.config.scopes.clone().or_else(|| method.map(|(_, method)| method.scopes.clone()));
        Connection {
            id: stored.id.clone(),
            organization: stored.organization.clone(),
            name: stored.name.clone(),
            connector: stored.connector.clone(),
            auth_method: stored.config.auth_method.clone(),
            enabled: stored.enabled,
            client_id: stored.config.client_id.clone(),
            has_client_secret: stored.secrets.client_secret.is_some(),
            scopes: scopes.unwrap_or_default(),
            scope_params: stored.config.scope_params.clone(),
            fields: stored.config.fields.clone(),
            endpoints: stored.config.endpoints.clone(),
            misconfigured,
            redirect_uri: self.redirect_uri(&stored.organization, &stored.name),
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        }
    }

    /// To be registered with the provider: one per connection, so that an answer meant for one cannot be taken for
    /// another's (RFC 9700 §4.4.2). It follows from the connection's name, so it is known before there is a connection.
    pub(crate) fn redirect_uri(&self, organization: &Organization, name: &str) -> Url {
        self.page_url("callback", organization, name)
    }
}

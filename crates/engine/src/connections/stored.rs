//! Connections as they are stored: found, made, and changed.

use std::sync::Arc;

use super::{Connection, ConnectionPatch, NewConnection};
use crate::{
    Engine, Error, Result,
    audit::Action,
    catalogue::schema::{Connector, Method},
    names::{ConnectionName, Organization},
    rows::{ConnectionConfig, ConnectionSecrets, RecordFacts, StoredConnection},
    store::{Change, Commit, ConnectionKey},
};

impl Engine {
    /// Reads, changes and writes the connection until nobody came between.
    pub(super) async fn change_connection(
        &self,
        organization: &Organization,
        name: &ConnectionName,
        change: impl Fn(&Self, &mut StoredConnection) -> Result<()>,
    ) -> Result<Connection> {
        self.ensure_open()?;
        loop {
            let mut connection = Arc::unwrap_or_clone(self.stored_connection(organization, name).await?);
            change(self, &mut connection)?;
            connection.updated_at = self.clock.now();
            let row = self.rows.write_connection(&connection).await?;
            let of = RecordFacts::of_connection(&connection);
            let record = self.record(organization, Action::ConnectionUpdated, &of)?;
            if self.rows.commit(vec![Change::ReplaceConnection(row), record]).await? == Commit::Applied {
                // What the provider had against the app, it had against another version.
                return Ok(self.view(&connection, None));
            }
        }
    }

    /// The connection, made or brought up to date first when the app declares it, and made when it needs no set-up.
    pub(crate) async fn stored_connection(
        &self,
        organization: &Organization,
        name: &ConnectionName,
    ) -> Result<Arc<StoredConnection>> {
        loop {
            if let Some(connection) = self.find_connection(organization, name).await? {
                return Ok(connection);
            }
            let Some(implied) = self.implied(organization, name) else { return Err(self.absent(organization, name)) };
            // Where somebody else makes it at the same moment, theirs is found.
            let _ = self.insert_connection(&self.new_connection(&implied)?).await?;
        }
    }

    pub(crate) async fn find_connection(
        &self,
        organization: &Organization,
        name: &ConnectionName,
    ) -> Result<Option<Arc<StoredConnection>>> {
        self.declare(organization, name).await?;
        self.rows.connection(organization, ConnectionKey::Name(name.as_str())).await
    }

    pub(crate) async fn connection_by_id(
        &self,
        organization: &Organization,
        id: &str,
    ) -> Result<Arc<StoredConnection>> {
        self.rows
            .connection(organization, ConnectionKey::Id(id))
            .await?
            .ok_or_else(|| Error::ConnectionNotFound { connection: id.into(), nearest: None })
    }

    pub(crate) async fn insert_connection(&self, connection: &StoredConnection) -> Result<Commit> {
        let row = self.rows.write_connection(connection).await?;
        let of = RecordFacts::of_connection(connection).named(&connection.name);
        let record = self.record(&connection.organization, Action::ConnectionCreated, &of)?;
        self.rows.commit(vec![Change::InsertConnection(row), record]).await
    }

    /// A connection that is not in the store yet, checked against its connector.
    pub(super) fn new_connection(&self, new: &NewConnection) -> Result<StoredConnection> {
        let slug = new.connector.as_deref().unwrap_or(new.name.as_str());
        let connector = self.catalogue.connector(slug)?;
        let (auth_method, method) = method_of(connector, new.auth_method.as_deref())?;
        let now = self.clock.now();
        let connection = StoredConnection {
            organization: new.organization.clone(),
            id: self.random.id("conn")?,
            name: new.name.as_str().into(),
            connector: connector.slug.clone(),
            enabled: true,
            config: ConnectionConfig {
                auth_method: auth_method.into(),
                client_id: new.client_id.clone(),
                scopes: new.scopes.clone(),
                scope_params: new.scope_params.clone(),
                fields: new.fields.clone(),
                endpoints: new.endpoints.clone(),
                secrets_epoch: 1,
            },
            secrets: ConnectionSecrets {
                client_secret: new.client_secret.clone(),
                app: new.app.clone(),
                declaration: None,
            },
            created_at: now,
            updated_at: now,
            version: 0,
        };
        self.check_connection(&connection, connector, method)?;
        Ok(connection)
    }

    pub(super) fn apply_patch(&self, connection: &mut StoredConnection, patch: &ConnectionPatch) -> Result<()> {
        let config = &mut connection.config;
        config.client_id = patch.client_id.clone().or_else(|| config.client_id.take());
        config.scopes = patch.scopes.clone().or_else(|| config.scopes.take());
        if let Some(scope_params) = &patch.scope_params {
            config.scope_params = scope_params.clone();
        }
        if let Some(fields) = &patch.fields {
            config.fields = fields.clone();
        }
        if let Some(endpoints) = &patch.endpoints {
            config.endpoints = endpoints.clone();
        }
        if patch.client_secret.is_some() || patch.app.is_some() {
            config.secrets_epoch += 1;
        }
        let secrets = &mut connection.secrets;
        secrets.client_secret = patch.client_secret.clone().or_else(|| secrets.client_secret.take());
        if let Some(app) = &patch.app {
            secrets.app = app.clone();
        }
        let connector = self.catalogue.connector(&connection.connector)?;
        let (_, method) = method_of(connector, Some(&connection.config.auth_method))?;
        self.check_connection(connection, connector, method)
    }
}

/// The auth method of that name; the connector's first when none is named.
fn method_of<'a>(connector: &'a Connector, name: Option<&str>) -> Result<(&'a str, &'a Method)> {
    connector.method(name).ok_or_else(|| {
        let name = name.unwrap_or_default();
        Error::invalid(
            "authMethod",
            format!(
                "`{name}` is none of connector `{}`; it has {}",
                connector.slug,
                connector.auth.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
            ),
        )
    })
}

//! Connections that the app declares in its options or environment.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, MutexGuard, PoisonError},
};

use serde_json::json;
use zeroize::Zeroizing;

use super::{ClientSecrets, NewConnection, registration::digest_of};
use crate::{
    Engine, Error, Result,
    audit::Action,
    catalogue::schema::Connector,
    names::{ConnectionName, Organization},
    rows::{RecordFacts, StoredConnection},
    secret::ExposeSecret,
    store::{Change, Commit, ConnectionKey},
};

impl Engine {
    /// Writes the declared or built-in connection of that name to the store, once per process: made when it is
    /// absent, brought up to date when its declaration has changed.
    pub(super) async fn declare(&self, organization: &Organization, name: &ConnectionName) -> Result<()> {
        let key = (organization.clone(), name.clone());
        let new = self.declared.get(&key).or_else(|| self.built_in.get(&key));
        let Some(new) = new.filter(|_| !self.written().contains(&key)) else { return Ok(()) };
        loop {
            let mut wanted = self.new_connection(new)?;
            wanted.secrets.declaration = Some(digest(new));
            let commit = match self.rows.connection(organization, ConnectionKey::Name(name.as_str())).await? {
                None => self.insert_connection(&wanted).await?,
                Some(stored) if stored.secrets.declaration == wanted.secrets.declaration => Commit::Applied,
                Some(stored) => {
                    let connection = brought_up_to_date(Arc::unwrap_or_clone(stored), wanted);
                    let of = RecordFacts::of_connection(&connection);
                    let record = self.record(organization, Action::ConnectionUpdated, &of)?;
                    let row = self.rows.write_connection(&connection).await?;
                    self.rows.commit(vec![Change::ReplaceConnection(row), record]).await?
                }
            };
            if commit == Commit::Applied {
                self.written().insert(key);
                return Ok(());
            }
        }
    }

    /// Writes every declared connection. One that is refused is missing from the list, and says why when it is named.
    pub(super) async fn declare_all(&self, organization: &Organization) {
        for (owner, name) in self.declared.keys().filter(|(owner, _)| owner == organization) {
            if let Err(error) = self.declare(owner, name).await {
                tracing::warn!(
                    connection.name = name.as_str(),
                    code = error.code(),
                    "a declared connection is refused"
                );
            }
        }
    }

    /// Lets the connection be made anew when it is next named.
    pub(crate) fn forget_declared(&self, organization: &Organization, name: &ConnectionName) {
        self.written().remove(&(organization.clone(), name.clone()));
    }

    /// The connection of a connector's own name, where it needs no set-up: people bring their own keys, and the app has
    /// nothing to register.
    pub(super) fn implied(&self, organization: &Organization, name: &ConnectionName) -> Option<NewConnection> {
        let connector = self.catalogue.connector(name.as_str()).ok()?;
        takes_keys(connector).then(|| NewConnection::named(organization.clone(), name.clone()))
    }

    /// Why there is no connection of that name, and what to do about it.
    pub(crate) fn absent(&self, organization: &Organization, name: &ConnectionName) -> Error {
        match self.catalogue.connector(name.as_str()) {
            Ok(connector) if takes_keys(connector) => {
                Error::ConnectionNotFound { connection: name.as_str().into(), nearest: None }
            }
            Ok(connector) => self.not_configured(organization, name.as_str(), connector),
            Err(Error::ConnectorNotFound { nearest, .. }) => {
                Error::ConnectionNotFound { connection: name.as_str().into(), nearest }
            }
            Err(error) => error,
        }
    }

    /// What to register with the provider, and which variables to set.
    pub(crate) fn not_configured(&self, organization: &Organization, name: &str, connector: &Connector) -> Error {
        let variable = name.to_ascii_uppercase().replace('-', "_");
        Error::ConnectionNotConfigured {
            connection: name.into(),
            provider: connector.name.clone(),
            docs: connector.docs.clone(),
            redirect_uri: self.redirect_uri(organization, name).into(),
            variables: vec![format!("ONBEHALF_{variable}_CLIENT_ID"), format!("ONBEHALF_{variable}_CLIENT_SECRET")],
        }
    }

    fn written(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.declared_written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a connector's default method asks people for a key.
fn takes_keys(connector: &Connector) -> bool {
    connector.method(None).is_some_and(|(_, method)| method.kind.is_static() && method.supported().is_ok())
}

/// Under what a connection is declared.
pub(crate) type Name = (Organization, ConnectionName);

/// Declarations by the names they are found under.
pub(crate) fn by_name(connections: Vec<NewConnection>) -> BTreeMap<Name, NewConnection> {
    connections.into_iter().map(|new| ((new.organization.clone(), new.name.clone()), new)).collect()
}

/// Tells whether a declaration has changed. What `connections.update` changes stays until then.
fn digest(new: &NewConnection) -> String {
    let app: Vec<_> = new.app.iter().map(|(name, value)| (name, value.expose_secret())).collect();
    let client_secret: Vec<_> =
        new.client_secret.iter().flat_map(ClientSecrets::iter).map(ExposeSecret::expose_secret).collect();
    let plain = json!([new.connector, new.auth_method, new.client_id, new.scopes, new.scope_params, new.fields]);
    let parts = Zeroizing::new(json!([plain, client_secret, app, new.endpoints]).to_string());
    digest_of(&[&parts])
}

fn brought_up_to_date(stored: StoredConnection, wanted: StoredConnection) -> StoredConnection {
    let mut config = wanted.config;
    config.secrets_epoch = stored.config.secrets_epoch + 1;
    StoredConnection {
        connector: wanted.connector,
        config,
        secrets: wanted.secrets,
        updated_at: wanted.updated_at,
        ..stored
    }
}

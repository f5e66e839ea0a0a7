//! Connections that the app declares in its options or environment.

use crate::{
    Engine, Error, Result,
    names::{ConnectionName, Organization},
    rows::StoredConnection,
    secret::ExposeSecret,
    store::{Change, Commit, ConnectionKey},
};

use super::NewConnection;

impl Engine {
    /// Writes the declared connection of that name to the store, once per process: made when it is absent, brought up
    /// to date when its declaration has changed.
    pub(super) async fn declare(&self, organization: &Organization, name: &ConnectionName) -> Result<()> {
        let Some(new) = self.declared.get(&(organization.clone(), name.clone())) else { return Ok(()) };
        if self.declared_names().contains(name) {
            return Ok(());
        }
        loop {
            let wanted = self.new_connection(new)?;
            let commit = match self.rows.connection(organization, ConnectionKey::Name(name.as_str())).await? {
                None => self.insert_connection(&wanted).await?,
                Some(stored) if same(&stored, &wanted) => Commit::Applied,
                Some(stored) => {
                    let row = self.rows.write_connection(&brought_up_to_date(stored, wanted)).await?;
                    self.rows.store.commit(vec![Change::ReplaceConnection(row)]).await?
                }
            };
            if commit == Commit::Applied {
                self.declared_names().insert(name.clone());
                return Ok(());
            }
        }
    }

    pub(super) async fn declare_all(&self, organization: &Organization) -> Result<()> {
        for (owner, name) in self.declared.keys() {
            if owner == organization {
                self.declare(organization, name).await?;
            }
        }
        Ok(())
    }

    /// Lets the connection be made anew when it is next named.
    pub(super) fn forget_declared(&self, name: &ConnectionName) {
        self.declared_names().remove(name);
    }

    /// Why there is no connection of that name, and what to do about it.
    pub(super) fn absent(&self, organization: &Organization, name: &ConnectionName) -> Error {
        match self.catalogue.connector(name.as_str()) {
            Ok(connector) => self.not_configured(organization, name.as_str(), connector),
            Err(Error::ConnectorNotFound { nearest, .. }) => {
                Error::ConnectionNotFound { connection: name.as_str().into(), nearest }
            }
            Err(error) => error,
        }
    }

    /// What to register with the provider, and which variables to set.
    pub(crate) fn not_configured(
        &self,
        organization: &Organization,
        name: &str,
        connector: &crate::catalogue::schema::Connector,
    ) -> Error {
        let variable = name.to_ascii_uppercase().replace('-', "_");
        Error::ConnectionNotConfigured {
            connection: name.into(),
            provider: connector.name.clone(),
            docs: connector.docs.clone(),
            redirect_uri: self.redirect_uri(organization, name).into(),
            variables: vec![format!("ONBEHALF_{variable}_CLIENT_ID"), format!("ONBEHALF_{variable}_CLIENT_SECRET")],
        }
    }

    fn declared_names(&self) -> std::sync::MutexGuard<'_, std::collections::HashSet<ConnectionName>> {
        self.declared_written.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Declarations by the names they are found under.
pub(crate) fn by_name(
    connections: Vec<NewConnection>,
) -> std::collections::BTreeMap<(Organization, ConnectionName), NewConnection> {
    connections.into_iter().map(|new| ((new.organization.clone(), new.name.clone()), new)).collect()
}

fn same(stored: &StoredConnection, wanted: &StoredConnection) -> bool {
    let mut config = wanted.config.clone();
    config.secrets_epoch = stored.config.secrets_epoch;
    stored.connector == wanted.connector && stored.config == config && same_secrets(stored, wanted)
}

fn same_secrets(stored: &StoredConnection, wanted: &StoredConnection) -> bool {
    let exposed = |connection: &StoredConnection| {
        let secrets = &connection.secrets;
        let app = secrets.app.iter().map(|(name, secret)| (name.clone(), secret.expose_secret().to_owned()));
        let own = secrets.client_secret.iter().map(|secret| (String::new(), secret.expose_secret().to_owned()));
        own.chain(app).collect::<Vec<_>>()
    };
    exposed(stored) == exposed(wanted)
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

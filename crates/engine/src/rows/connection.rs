//! Connection rows: the app's set-up of a connector, its secrets sealed.

use std::{
    collections::HashMap,
    sync::{Arc, MutexGuard, PoisonError},
};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{ClientSecrets, Rows, from_json, sealed, to_json};
use crate::{
    Result,
    names::Organization,
    secret::Secret,
    store::{ConnectionKey, ConnectionRow},
    time::Timestamp,
    vault::{Column, Place},
};

const TABLE: &str = "connections";

/// How many verified connections are remembered: more than an app has, fewer than would fill the memory.
const REMEMBERED: usize = 1024;

/// Endpoints that replace the connector's: sandboxes, GitHub Enterprise, emulators.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Where the person consents.
    pub authorize_url: Option<Url>,
    /// Where codes and refresh tokens are exchanged.
    pub token_url: Option<Url>,
    /// Where refresh tokens are exchanged, when not at `token_url`.
    pub refresh_url: Option<Url>,
    /// Where grants are revoked.
    pub revoke_url: Option<Url>,
    /// Where API calls go.
    pub base_url: Option<Url>,
}

/// Everything of a connection that is no secret and no column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConnectionConfig {
    pub(crate) auth_method: String,
    pub(crate) client_id: Option<String>,
    /// Asked instead of the connector's.
    pub(crate) scopes: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) scope_params: IndexMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) fields: IndexMap<String, String>,
    #[serde(default)]
    pub(crate) endpoints: Endpoints,
    /// Counts the changes of the secrets; bound into their seal.
    pub(crate) secrets_epoch: u64,
}

/// The app's secrets.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ConnectionSecrets {
    #[serde(serialize_with = "sealed::client_secrets")]
    pub(crate) client_secret: Option<ClientSecrets>,
    #[serde(serialize_with = "sealed::map", default)]
    pub(crate) app: IndexMap<String, Secret>,
    /// A digest of the declaration that this connection was last written from. Sealed, because secrets went into it.
    #[serde(default)]
    pub(crate) declaration: Option<String>,
}

/// A connection, verified.
#[derive(Debug, Clone)]
pub(crate) struct StoredConnection {
    pub(crate) organization: Organization,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) connector: String,
    pub(crate) enabled: bool,
    pub(crate) config: ConnectionConfig,
    pub(crate) secrets: ConnectionSecrets,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// As read; zero before the first write.
    pub(crate) version: i64,
}

/// A row that was verified, and what it says.
#[derive(Debug)]
pub(super) struct Verified {
    row: ConnectionRow,
    connection: Arc<StoredConnection>,
}

impl Rows {
    pub(crate) async fn connection(
        &self,
        organization: &Organization,
        key: ConnectionKey<'_>,
    ) -> Result<Option<Arc<StoredConnection>>> {
        match self.store.connection(organization.as_str(), key).await? {
            Some(row) => self.read_connection(organization, row).await.map(Some),
            None => Ok(None),
        }
    }

    /// What a row says. Every call asks for its connection, so one that was verified is not verified and opened again
    /// while its row is, byte for byte, the same; the row itself is always read, since other processes may change it.
    pub(crate) async fn read_connection(
        &self,
        organization: &Organization,
        row: ConnectionRow,
    ) -> Result<Arc<StoredConnection>> {
        if let Some(known) = self.verified_lock().get(&row.id).filter(|known| known.row == row) {
            return Ok(known.connection.clone());
        }
        let connection = Arc::new(self.verify_connection(organization, row.clone()).await?);
        let mut verified = self.verified_lock();
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(row.id.clone(), Verified { row, connection: connection.clone() });
        Ok(connection)
    }

    fn verified_lock(&self) -> MutexGuard<'_, HashMap<String, Verified>> {
        self.verified_connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn verify_connection(&self, organization: &Organization, row: ConnectionRow) -> Result<StoredConnection> {
        self.vault().check_row_mac(TABLE, &row.id, &columns(&row), &row.mac)?;
        let config: ConnectionConfig = from_json(TABLE, &row.config)?;
        let secrets = match &row.secrets {
            Some(cell) => self.open(organization, &place(&row, config.secrets_epoch), cell).await?,
            None => ConnectionSecrets::default(),
        };
        Ok(StoredConnection {
            organization: organization.clone(),
            id: row.id,
            name: row.name,
            connector: row.connector,
            enabled: row.enabled,
            config,
            secrets,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        })
    }

    /// The row that follows this one, for an insert or a replacement.
    pub(crate) async fn write_connection(&self, connection: &StoredConnection) -> Result<ConnectionRow> {
        let mut row = ConnectionRow {
            organization: connection.organization.as_str().into(),
            id: connection.id.clone(),
            name: connection.name.clone(),
            connector: connection.connector.clone(),
            enabled: connection.enabled,
            config: to_json(&connection.config)?,
            secrets: None,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
            version: connection.version + 1,
            mac: Vec::new(),
        };
        let place = place(&row, connection.config.secrets_epoch);
        row.secrets = Some(self.seal(&connection.organization, &place, &connection.secrets).await?);
        row.mac = self.vault().row_mac(TABLE, &row.id, &columns(&row)).to_vec();
        Ok(row)
    }
}

fn place(row: &ConnectionRow, epoch: u64) -> Place<'_> {
    Place { table: TABLE, organization: &row.organization, row: &row.id, field: "secrets", epoch }
}

fn columns(row: &ConnectionRow) -> [Column<'_>; 9] {
    [
        Column::Text(&row.organization),
        Column::Text(&row.name),
        Column::Text(&row.connector),
        Column::Integer(row.enabled.into()),
        Column::Text(&row.config),
        Column::from(row.secrets.as_deref()),
        Column::Integer(row.created_at.as_millis()),
        Column::Integer(row.updated_at.as_millis()),
        Column::Integer(row.version),
    ]
}

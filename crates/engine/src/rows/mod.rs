//! Where the vault and the store meet: rows as they mean something.
//!
//! The store holds sealed cells and knows no key; the vault knows keys and no rows. [`Rows`] reads a row, checks its
//! MAC before anything is decided on it, and opens its cells; on the way back it seals and signs. A row that was edited,
//! swapped or rolled back outside onbehalf is refused here.

mod account;
mod client_secrets;
mod connection;
mod credential;
mod flow;
mod record;
mod revocation;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

pub use account::Status;
pub(crate) use account::{AccountFacts, Moved, StoredAccount};
pub use client_secrets::ClientSecrets;
pub use connection::Endpoints;
pub(crate) use connection::{ConnectionConfig, ConnectionSecrets, StoredConnection};
pub(crate) use credential::{Credential, Tokens};
pub(crate) use flow::{FlowFacts, FlowStatus, Held, Owner, StoredFlow, Submission};
pub(crate) use record::{RecordFacts, RecordsHead, StoredRecord};
pub use revocation::RevocationState;
pub(crate) use revocation::{HeldRequest, REVOCATION, RevocationFacts, StoredRevocation};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::{
    Error, Result,
    metrics::Metrics,
    names::Organization,
    random::Random,
    store::{Change, Commit, DataKeyRow, Store},
    time::Clock,
    vault::{DataKey, Place, Vault, data_key_id},
};

/// Reads and writes rows, opened and verified.
pub(crate) struct Rows {
    pub(crate) store: Arc<dyn Store>,
    vault: Vault,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// Each organization's data keys, the newest first. They are unwrapped once.
    data_keys: Mutex<HashMap<Organization, Arc<[DataKey]>>>,
    /// By id. See [`Rows::read_connection`].
    verified_connections: Mutex<HashMap<String, connection::Verified>>,
}

impl Rows {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        vault: Vault,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (data_keys, verified_connections) = (Mutex::default(), Mutex::default());
        Self { store, vault, random, clock, metrics, data_keys, verified_connections }
    }

    /// [`Store::commit`], counted.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<Commit> {
        let states = changes.iter().filter_map(revocation::state_in).collect::<Vec<_>>();
        let began = Instant::now();
        let commit = self.store.commit(changes).await;
        self.metrics.committed(&commit, began.elapsed());
        if matches!(commit, Ok(Commit::Applied)) {
            states.into_iter().for_each(|state| self.metrics.revocation_came_to(state.as_str()));
        }
        commit
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The organization's data keys; the first one is made when there is none.
    async fn data_keys(&self, organization: &Organization) -> Result<Arc<[DataKey]>> {
        if let Some(keys) = self.cached_keys(organization) {
            return Ok(keys);
        }
        let mut rows = self.store.data_keys(organization.as_str()).await?;
        if rows.is_empty() {
            let (key, wrapped) = self.vault.new_data_key(organization.as_str(), &*self.random)?;
            let row = DataKeyRow {
                organization: organization.as_str().into(),
                id: *key.id(),
                wrapped,
                created_at: self.clock.now(),
            };
            // Two writers may each make one; both stay, and cells name the key that sealed them.
            let _ = self.commit(vec![Change::InsertDataKey(row)]).await?;
            rows = self.store.data_keys(organization.as_str()).await?;
        }
        let keys: Arc<[DataKey]> = rows
            .iter()
            .map(|row| self.vault.unwrap_data_key(organization.as_str(), &row.id, &row.wrapped))
            .collect::<Result<_>>()?;
        self.keys_lock().insert(organization.clone(), keys.clone());
        Ok(keys)
    }

    fn cached_keys(&self, organization: &Organization) -> Option<Arc<[DataKey]>> {
        self.keys_lock().get(organization).cloned()
    }

    fn keys_lock(&self) -> std::sync::MutexGuard<'_, HashMap<Organization, Arc<[DataKey]>>> {
        self.data_keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn seal<T: Serialize>(&self, organization: &Organization, place: &Place<'_>, secret: &T) -> Result<Vec<u8>> {
        let keys = self.data_keys(organization).await?;
        let plain = Zeroizing::new(to_json(secret)?);
        self.vault.seal(&keys[0], place, plain.as_bytes(), &*self.random)
    }

    async fn open<T: DeserializeOwned>(
        &self,
        organization: &Organization,
        place: &Place<'_>,
        cell: &[u8],
    ) -> Result<T> {
        let mut keys = self.data_keys(organization).await?;
        if data_key_id(cell).is_some_and(|id| keys.iter().all(|key| *key.id() != id)) {
            // Another process made a key since ours were read.
            self.keys_lock().remove(organization);
            keys = self.data_keys(organization).await?;
        }
        let plain = self.vault.open(&keys, place, cell)?;
        serde_json::from_slice(&plain).map_err(|_| damaged(place.table))
    }
}

/// A value of ours as JSON text.
fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| Error::Internal { reason: "a row cannot be written as JSON".into() })
}

/// Facts of ours, read back. Their MAC was right, so a failure means another version wrote them.
fn from_json<T: DeserializeOwned>(table: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| damaged(table))
}

fn damaged(table: &str) -> Error {
    Error::IntegrityFailed { what: format!("a row of `{table}`") }
}

/// Secrets on their way into a sealed cell, or sealed to another environment; nowhere else may they be serialized.
pub(crate) mod sealed {
    use indexmap::IndexMap;
    use serde::{Serializer, ser::SerializeMap};

    use super::ClientSecrets;
    use crate::secret::{ExposeSecret, Secret};

    pub(crate) fn client_secrets<S: Serializer>(
        secrets: &Option<ClientSecrets>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match secrets {
            Some(secrets) => serializer.collect_seq(secrets.iter().map(ExposeSecret::expose_secret)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn one<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose_secret())
    }

    pub(super) fn optional<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => serializer.serialize_some(secret.expose_secret()),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn map<S: Serializer>(secrets: &IndexMap<String, Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(secrets.len()))?;
        for (name, secret) in secrets {
            map.serialize_entry(name, secret.expose_secret())?;
        }
        map.end()
    }
}

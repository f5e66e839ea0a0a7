//! What stands in a file, as JSON in its frames: a connection, then its accounts, then the next connection.
//!
//! The form is the file's own, and changes with the version in its header alone; rows may change without it.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    names::{ConnectionName, Identifier, Organization},
    rows::{
        ClientSecrets, ConnectionConfig, ConnectionSecrets, Credential, Endpoints, Status, StoredAccount,
        StoredConnection, sealed,
    },
    secret::Secret,
    time::Timestamp,
};

/// One frame's text; that of the last frame is empty.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    Connection(Box<ConnectionRecord>),
    /// Of the connection before it.
    Account(Box<AccountRecord>),
}

/// A connection with the app's credentials.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionRecord {
    organization: String,
    id: String,
    name: String,
    connector: String,
    auth_method: String,
    enabled: bool,
    client_id: Option<String>,
    #[serde(serialize_with = "sealed::client_secrets")]
    client_secret: Option<ClientSecrets>,
    scopes: Option<Vec<String>>,
    scope_params: IndexMap<String, Vec<String>>,
    fields: IndexMap<String, String>,
    #[serde(serialize_with = "sealed::map")]
    app: IndexMap<String, Secret>,
    endpoints: Endpoints,
    created_at: Timestamp,
}

/// An account with its credential. What was under way (a consent, a refresh) stays behind.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountRecord {
    pub(super) id: String,
    pub(super) identifier: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) credential: Option<Credential>,
    /// The connector and app that the credential was granted to.
    pub(super) binding: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) provider_account_id: Option<String>,
    pub(super) provider_account_label: Option<String>,
    pub(super) kept: IndexMap<String, String>,
    /// Whether nobody knows what the provider made of a refresh.
    pub(super) doubtful: bool,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) refreshed_at: Option<Timestamp>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl Record {
    pub(super) fn connection(connection: &StoredConnection) -> Self {
        let StoredConnection { config, secrets, .. } = connection.clone();
        Self::Connection(Box::new(ConnectionRecord {
            organization: connection.organization.as_str().into(),
            id: connection.id.clone(),
            name: connection.name.clone(),
            connector: connection.connector.clone(),
            auth_method: config.auth_method,
            enabled: connection.enabled,
            client_id: config.client_id,
            client_secret: secrets.client_secret,
            scopes: config.scopes,
            scope_params: config.scope_params,
            fields: config.fields,
            app: secrets.app,
            endpoints: config.endpoints,
            created_at: connection.created_at,
        }))
    }

    pub(super) fn account(account: StoredAccount, credential: Option<Credential>) -> Self {
        let StoredAccount { facts, .. } = account;
        Self::Account(Box::new(AccountRecord {
            id: account.id,
            identifier: account.identifier,
            status: account.status.as_str().into(),
            reason: facts.reason,
            credential,
            binding: facts.binding,
            scopes: facts.scopes_granted,
            provider_account_id: facts.provider_account_id,
            provider_account_label: facts.provider_account_label,
            kept: facts.kept,
            doubtful: facts.doubtful,
            expires_at: account.expires_at,
            refreshed_at: facts.refreshed_at,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }))
    }

    /// Reads a frame's text. Whoever knows the recipient could have sealed it, so its names are checked like a caller's.
    pub(super) fn read(text: &[u8]) -> Result<Self> {
        let record: Self = serde_json::from_slice(text).map_err(|_| unreadable())?;
        let is_sound = match &record {
            Self::Connection(connection) => {
                is_id("conn", &connection.id) && connection.organization().is_ok() && connection.name().is_ok()
            }
            Self::Account(account) => {
                is_id("ca", &account.id)
                    && account.identifier().is_ok()
                    && account.status().is_some_and(|status| {
                        status != Status::PendingVerification
                            && (status != Status::Active || account.credential.is_some())
                    })
            }
        };
        if is_sound { Ok(record) } else { Err(unreadable()) }
    }
}

impl ConnectionRecord {
    pub(super) fn organization(&self) -> Result<Organization> {
        Organization::parse(&self.organization)
    }

    pub(super) fn name(&self) -> Result<ConnectionName> {
        ConnectionName::parse(&self.name)
    }

    /// The connection as it is not in a store yet.
    pub(super) fn as_new(&self, now: Timestamp) -> Result<StoredConnection> {
        Ok(StoredConnection {
            organization: self.organization()?,
            id: self.id.clone(),
            name: self.name()?.as_str().into(),
            connector: self.connector.clone(),
            enabled: self.enabled,
            config: ConnectionConfig {
                auth_method: self.auth_method.clone(),
                client_id: self.client_id.clone(),
                scopes: self.scopes.clone(),
                scope_params: self.scope_params.clone(),
                fields: self.fields.clone(),
                endpoints: self.endpoints.clone(),
                secrets_epoch: 1,
            },
            secrets: ConnectionSecrets {
                client_secret: self.client_secret.clone(),
                app: self.app.clone(),
                declaration: None,
            },
            created_at: self.created_at,
            updated_at: now,
            version: 0,
        })
    }
}

impl AccountRecord {
    pub(super) fn identifier(&self) -> Result<Identifier> {
        Identifier::parse(&self.identifier)
    }

    pub(super) fn status(&self) -> Option<Status> {
        Status::parse(&self.status)
    }
}

/// An id as [`id`](crate::random::Random) makes them: prefix, underscore, base 62.
fn is_id(prefix: &str, text: &str) -> bool {
    let name = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'));
    name.is_some_and(|name| (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn unreadable() -> Error {
    Error::invalid("path", "holds what no version of onbehalf writes")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn account() -> Value {
        json!({"id": "ca_1", "identifier": "user_1", "status": "ACTIVE", "reason": null, "binding": null,
            "credential": {"access_token": "at"}, "scopes": [], "provider_account_id": null,
            "provider_account_label": null, "kept": {}, "doubtful": false, "expires_at": null, "refreshed_at": null,
            "created_at": 1, "updated_at": 2})
    }

    fn connection() -> Value {
        json!({"organization": "default", "id": "conn_1", "name": "gmail", "connector": "gmail", "auth_method": "oauth2",
            "enabled": true, "client_id": "id", "client_secret": ["secret"], "scopes": null, "scope_params": {},
            "fields": {}, "app": {"key": "value"}, "endpoints": {}, "created_at": 1})
    }

    fn read(kind: &str, record: &Value) -> Result<Record> {
        Record::read(json!({ kind: record }).to_string().as_bytes())
    }

    /// The form is the version's: a file of this one is read by every later one.
    #[test]
    fn what_is_written_is_what_was_read() {
        for (kind, record) in [("account", account()), ("connection", connection())] {
            let mut wanted = record.clone();
            if kind == "account" {
                wanted["credential"]["kind"] = "tokens".into();
            } else {
                let none = Value::Null;
                wanted["endpoints"] = json!({"authorize_url": none, "token_url": none, "refresh_url": none,
                    "revoke_url": none, "base_url": none});
            }
            let written = serde_json::to_value(read(kind, &record).unwrap()).unwrap();
            assert_eq!(written, json!({ kind: wanted }));
        }
    }

    // Anybody can seal for a recipient (A76, A80).
    #[test]
    fn what_no_version_writes_is_refused() {
        for (kind, record, field, value) in [
            ("account", account(), "id", json!("conn_1")),
            ("account", account(), "id", json!("ca_1/../2")),
            ("account", account(), "identifier", json!("a\nb")),
            ("account", account(), "status", json!("active")),
            ("account", account(), "status", json!("PENDING_VERIFICATION")),
            ("account", account(), "credential", Value::Null),
            ("account", account(), "credential", json!({})),
            ("account", account(), "organization", json!("other")),
            ("connection", connection(), "id", json!("conn_")),
            ("connection", connection(), "name", json!("../gmail")),
            ("connection", connection(), "organization", json!("")),
            ("connection", connection(), "endpoints", json!({"token_url": "/token"})),
            ("connection", connection(), "version", json!(2)),
        ] {
            let mut changed = record.clone();
            changed[field] = value.clone();
            let error = read(kind, &changed).expect_err(field);
            assert_eq!(error.code(), "INVALID_ARGUMENT", "{field} {value}");
        }
        for text in ["", "{}", "[]", r#"{"flow":{}}"#, "\u{feff}{}"] {
            assert!(Record::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}

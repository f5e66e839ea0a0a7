//! What JavaScript says of accounts that move to another environment, and what it gets.

use std::path::PathBuf;

use napi_derive::napi;
use onbehalf_engine::{
    Error, Result,
    moving::{Exported, Imported, LeftBehind, Recipient, Scope},
    names::Organization,
};
use serde::Deserialize;

/// What to export, for whom, and where to.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportOptions {
    /// What `movingKey()` returned in the environment that the accounts move to.
    pub recipient: String,
    /// The file to make. Whatever has the name already is left as it is, and the call fails.
    pub path: String,
    /// The tenant of your app to export alone; all of them unless given.
    pub organization_id: Option<String>,
    /// Whether each connection is disabled here before its accounts are read, so that their tokens are refreshed in one
    /// place alone. Afterwards, and after a failure, `connections.enable` lets it be used here again.
    /// @default false
    pub disable_connections: Option<bool>,
}

/// What to import.
#[napi(object, object_from_js = false, object_to_js = false)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportOptions {
    /// A file that `exportAccounts` made for this environment.
    pub path: String,
}

/// An export, understood.
pub(crate) struct Outward {
    pub(crate) scope: Scope,
    pub(crate) recipient: Recipient,
    pub(crate) left_behind: LeftBehind,
    pub(crate) path: PathBuf,
}

/// An import, understood.
pub(crate) struct Inward {
    pub(crate) path: PathBuf,
}

impl TryFrom<ExportOptions> for Outward {
    type Error = Error;

    fn try_from(options: ExportOptions) -> Result<Self> {
        let scope = match options.organization_id {
            Some(id) => Scope::Organization(Organization::parse(&id)?),
            None => Scope::Everything,
        };
        let disable = options.disable_connections.unwrap_or_default();
        Ok(Self {
            scope,
            recipient: Recipient::parse(&options.recipient)?,
            left_behind: if disable { LeftBehind::Disabled } else { LeftBehind::Untouched },
            path: path(options.path)?,
        })
    }
}

impl TryFrom<ImportOptions> for Inward {
    type Error = Error;

    fn try_from(options: ImportOptions) -> Result<Self> {
        Ok(Self { path: path(options.path)? })
    }
}

fn path(path: String) -> Result<PathBuf> {
    if path.is_empty() {
        return Err(Error::invalid("path", "is required and must not be empty"));
    }
    Ok(path.into())
}

/// How much was exported.
#[napi(object, object_from_js = false)]
pub struct ExportedAccounts {
    pub connections: i64,
    /// Their connected accounts, in whatever status.
    pub accounts: i64,
}

impl From<Exported> for ExportedAccounts {
    fn from(exported: Exported) -> Self {
        Self { connections: count(exported.connections), accounts: count(exported.accounts) }
    }
}

/// What became of a file's contents.
#[napi(object, object_from_js = false)]
pub struct ImportedAccounts {
    /// Connections in the file. One of a name that there is here already was left as it is.
    pub connections: i64,
    /// Connected accounts in the file: the sum of the three below.
    pub accounts: i64,
    /// Those that are here now as they are in the file.
    pub imported: i64,
    /// Those that had been imported before.
    pub skipped: i64,
    /// Those that have a credential of their own here, which was kept: they were refreshed, authorized or disconnected.
    pub conflicts: i64,
}

impl From<Imported> for ImportedAccounts {
    fn from(imported: Imported) -> Self {
        Self {
            connections: count(imported.connections),
            accounts: count(imported.accounts),
            imported: count(imported.imported),
            skipped: count(imported.skipped),
            conflicts: count(imported.conflicts),
        }
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

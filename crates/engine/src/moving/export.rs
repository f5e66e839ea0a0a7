//! The way out: connections and accounts, page by page, into a stream that the recipient alone can open.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use zeroize::Zeroizing;

use super::{file, record::Record};
use crate::{
    Engine, Error, Result,
    audit::Action,
    names::{ConnectionName, Organization},
    rows::{RecordFacts, StoredConnection},
    store::{AccountFilter, AccountKey, AccountRow, Commit},
    vault::{Frame, Outgoing, Recipient},
};

/// How many accounts are read at a time.
const PAGE: u32 = 200;

/// Whose connections and accounts are exported.
#[derive(Debug, Clone)]
pub enum Scope {
    /// Those of one tenant.
    Organization(Organization),
    /// All that the environment has.
    Everything,
}

/// What becomes of the connections that are exported, here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftBehind {
    /// Each is disabled before its accounts are read: their refresh tokens are used by nobody here any more.
    Disabled,
    /// They go on; refreshing in both places ends grants whose refresh tokens rotate.
    Untouched,
}

/// How much was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Connections.
    pub connections: u64,
    /// Their accounts, in whatever state.
    pub accounts: u64,
}

/// An export under way: a stream to be pulled. It holds one page of accounts at a time.
pub struct Export {
    engine: Arc<Engine>,
    is_everything: bool,
    left_behind: LeftBehind,
    stream: Outgoing,
    /// What was sealed and not pulled yet.
    chunk: Vec<u8>,
    next: Step,
    exported: Exported,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").field("exported", &self.exported).finish_non_exhaustive()
    }
}

/// What comes next.
enum Step {
    /// The organization after this one.
    Organization { after: Option<Organization> },
    /// The connection after the one of this name.
    Connection { organization: Organization, after: Option<String> },
    /// The accounts after the one of this id.
    Accounts { connection: Arc<StoredConnection>, after: Option<String> },
    /// The last frame.
    End,
    /// Nothing.
    Over,
}

impl Engine {
    /// Begins an export.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a recipient that is no key; `CLOSED`.
    pub fn export(self: &Arc<Self>, scope: Scope, recipient: &Recipient, left_behind: LeftBehind) -> Result<Export> {
        self.ensure_open()?;
        let (stream, header) = self.rows.vault().send(recipient, &*self.random)?;
        let (is_everything, next) = match scope {
            Scope::Organization(organization) => (false, Step::Connection { organization, after: None }),
            Scope::Everything => (true, Step::Organization { after: None }),
        };
        let (engine, exported) = (self.clone(), Exported::default());
        Ok(Export { engine, is_everything, left_behind, stream, chunk: header, next, exported })
    }

    /// Writes an export into a new file at `path`, readable by its owner alone. When it fails, no file is left.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a path where there is something, or nothing can be written; those of [`Export::next`].
    pub async fn export_accounts(
        self: &Arc<Self>,
        scope: Scope,
        recipient: &Recipient,
        left_behind: LeftBehind,
        path: &Path,
    ) -> Result<Exported> {
        let mut export = self.export(scope, recipient, left_behind)?;
        let path = path.to_owned();
        self.detached(async move {
            let mut file = file::Writer::create(path).await?;
            while let Some(chunk) = export.next().await? {
                file.write(chunk).await?;
            }
            file.finish().await?;
            let Exported { connections, accounts } = export.exported;
            tracing::info!(connections, accounts, "accounts were exported");
            Ok(export.exported)
        })
        .await
    }
}

impl Export {
    /// The next part of the stream; nothing when it is over. A refresh under way is waited for, so that its token comes
    /// along. After an error the stream has no end, and is refused as cut off.
    ///
    /// # Errors
    /// `INTEGRITY_FAILED` for a row that was edited; `STORE_BUSY` while another process refreshes an account and does not
    /// come to an end; `CLOSED`. Connections that were disabled until then stay so.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        while self.chunk.is_empty() {
            self.engine.ensure_open()?;
            self.next = match std::mem::replace(&mut self.next, Step::Over) {
                Step::Organization { after } => self.organization_after(after).await?,
                Step::Connection { organization, after } => self.connection_after(organization, after).await?,
                Step::Accounts { connection, after } => self.accounts_after(connection, after).await?,
                Step::End => {
                    self.stream.seal(&mut self.chunk, Frame::Last, &[], &*self.engine.random)?;
                    Step::Over
                }
                Step::Over => return Ok(None),
            };
        }
        Ok(Some(std::mem::take(&mut self.chunk).into()))
    }

    /// How much has been read so far.
    pub fn exported(&self) -> Exported {
        self.exported
    }

    async fn organization_after(&self, after: Option<Organization>) -> Result<Step> {
        // No id comes after this one.
        let after = after.as_ref().map(|organization| (organization.as_str(), "~"));
        match self.engine.rows.store.lanes(after, 1).await?.pop() {
            Some(lane) => Ok(Step::Connection { organization: Organization::parse(&lane.organization)?, after: None }),
            None => Ok(Step::End),
        }
    }

    async fn connection_after(&mut self, organization: Organization, after: Option<String>) -> Result<Step> {
        let engine = self.engine.clone();
        let row = engine.rows.store.connections(organization.as_str(), after.as_deref(), 1).await?.pop();
        let Some(row) = row else {
            return Ok(if self.is_everything { Step::Organization { after: Some(organization) } } else { Step::End });
        };
        let connection = engine.rows.read_connection(&organization, row).await?;
        if self.left_behind == LeftBehind::Disabled && connection.enabled {
            let name = ConnectionName::parse(&connection.name)?;
            engine.set_connection_enabled(&organization, &name, false).await?;
        }
        self.exported.connections += 1;
        self.put(&Record::connection(&connection))?;
        Ok(Step::Accounts { connection, after: None })
    }

    async fn accounts_after(&mut self, connection: Arc<StoredConnection>, after: Option<String>) -> Result<Step> {
        let organization = connection.organization.clone();
        let filter = AccountFilter { connection_ids: vec![connection.id.clone()], identifier: None };
        let engine = self.engine.clone();
        let rows = engine.rows.store.accounts(organization.as_str(), &filter, after.as_deref(), PAGE).await?;
        let is_last = rows.len() < PAGE as usize;
        let last = rows.last().map(|row| row.id.clone());
        self.put_on_record(&connection, &rows).await?;
        for row in rows {
            if let Some(record) = self.account(&organization, row).await? {
                self.exported.accounts += 1;
                self.put(&record)?;
            }
        }
        Ok(match last {
            Some(last) if !is_last => Step::Accounts { connection, after: Some(last) },
            _ => Step::Connection { organization, after: Some(connection.name.clone()) },
        })
    }

    /// Credentials leave the engine only after that is on record.
    async fn put_on_record(&self, connection: &StoredConnection, rows: &[AccountRow]) -> Result<()> {
        let with_credential = rows.iter().filter(|row| row.credential.is_some());
        let record = |row: &AccountRow| {
            let of = RecordFacts { account_id: Some(row.id.clone()), ..RecordFacts::of_connection(connection) };
            self.engine.record(&connection.organization, Action::CredentialExported, &of)
        };
        let records: Vec<_> = with_credential.map(record).collect::<Result<_>>()?;
        if records.is_empty() {
            return Ok(());
        }
        match self.engine.rows.commit(records).await? {
            Commit::Applied => Ok(()),
            Commit::Conflict => Err(Error::Internal { reason: "a record's random id was taken".into() }),
        }
    }

    /// Nothing for an account that was deleted meanwhile.
    async fn account(&self, organization: &Organization, row: AccountRow) -> Result<Option<Record>> {
        let rows = &self.engine.rows;
        let mut account = rows.read_account(organization, row)?;
        if account.cell.is_some() {
            // A token that a refresh under way brings may be the only one that works.
            self.engine.refresh_settled(&account).await?;
            match rows.account(organization, AccountKey::Id(&account.id)).await? {
                Some(settled) => account = settled,
                None => return Ok(None),
            }
        }
        let credential = rows.credential(&account).await?;
        Ok(Some(Record::account(account, credential)))
    }

    fn put(&mut self, record: &Record) -> Result<()> {
        let text = serde_json::to_vec(record).map(Zeroizing::new);
        let text = text.map_err(|_| Error::Internal { reason: "a record cannot be written as JSON".into() })?;
        self.stream.seal(&mut self.chunk, Frame::Inner, &text, &*self.engine.random)
    }
}

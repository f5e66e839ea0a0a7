//! The way in: a file that another environment sealed for this one, checked as a whole and then taken in.

use std::{path::Path, sync::Arc};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    file::Records,
    record::{AccountRecord, Record},
};
use crate::{
    Engine, Error, Result,
    audit::Action,
    connections::registration::Setup,
    refresh::plan,
    rows::{AccountFacts, Moved, RecordFacts, Status, StoredAccount, StoredConnection},
    store::{AccountKey, Change, Commit},
};

/// How many accounts are written at the same time, so that they share the disk's waits.
const TOGETHER: usize = 64;

/// What became of a file's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Connections in the file; those of a name that is taken here were left as they are.
    pub connections: u64,
    /// Accounts in the file: the sum of the three below.
    pub accounts: u64,
    /// Accounts that are now here as they are in the file.
    pub imported: u64,
    /// Accounts that had been imported before, as they are in the file or later.
    pub skipped: u64,
    /// Accounts that have a credential of their own here, by a refresh or an authorization; it was kept.
    pub conflicts: u64,
}

/// What became of one account.
enum Taken {
    Imported,
    Skipped,
    Conflict,
}

impl Engine {
    /// Takes in the connections and accounts of a file that [`export_accounts`](Self::export_accounts) made for this
    /// environment. Nothing is written unless the whole file is sound. After a failure, calling again goes on.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a file that is cut off, of another kind or recipient, or with a connection of another app
    /// than the one of that name here. `INTEGRITY_FAILED` for one that was altered. `CONNECTOR_NOT_FOUND`, and whatever
    /// else a connection is refused with.
    pub async fn import_accounts(self: &Arc<Self>, path: &Path) -> Result<Imported> {
        let (engine, path) = (self.clone(), path.to_owned());
        self.detached(async move {
            let mut records = Records::open(&engine, &path).await?;
            engine.check_records(&mut records).await?;
            let imported = engine.take_records(&mut records.again().await?).await?;
            let Imported { connections, imported: taken, skipped, conflicts, .. } = imported;
            tracing::info!(connections, imported = taken, skipped, conflicts, "accounts were imported");
            Ok(imported)
        })
        .await
    }

    /// Reads all there is, and writes nothing.
    async fn check_records(&self, records: &mut Records) -> Result<()> {
        let mut has_connection = false;
        while let Some(page) = records.next().await? {
            self.ensure_open()?;
            for record in page {
                match record {
                    Record::Connection(connection) => {
                        self.check_arriving(&connection).await?;
                        has_connection = true;
                    }
                    Record::Account(_) if !has_connection => return Err(without_connection()),
                    Record::Account(_) => {}
                }
            }
        }
        Ok(())
    }

    async fn take_records(self: &Arc<Self>, records: &mut Records) -> Result<Imported> {
        let mut imported = Imported::default();
        let mut connection = None;
        while let Some(page) = records.next().await? {
            self.ensure_open()?;
            let mut accounts = Vec::with_capacity(page.len());
            for record in page {
                match record {
                    Record::Account(account) => accounts.push(*account),
                    Record::Connection(record) => {
                        self.take_accounts(connection.as_ref(), std::mem::take(&mut accounts), &mut imported).await?;
                        connection = Some(self.take_connection(&record).await?);
                        imported.connections += 1;
                    }
                }
            }
            self.take_accounts(connection.as_ref(), accounts, &mut imported).await?;
        }
        Ok(imported)
    }

    async fn take_accounts(
        self: &Arc<Self>,
        connection: Option<&Arc<StoredConnection>>,
        accounts: Vec<AccountRecord>,
        imported: &mut Imported,
    ) -> Result<()> {
        if accounts.is_empty() {
            return Ok(());
        }
        let connection = connection.ok_or_else(without_connection)?;
        let mut taken = stream::iter(accounts)
            .map(|record| async move { self.take_account(connection, &record).await })
            .buffer_unordered(TOGETHER);
        while let Some(taken) = taken.try_next().await? {
            imported.accounts += 1;
            match taken {
                Taken::Imported => imported.imported += 1,
                Taken::Skipped => imported.skipped += 1,
                Taken::Conflict => imported.conflicts += 1,
            }
        }
        Ok(())
    }

    async fn take_account(self: &Arc<Self>, connection: &StoredConnection, record: &AccountRecord) -> Result<Taken> {
        let organization = &connection.organization;
        let key = AccountKey::Identifier { connection_id: &connection.id, identifier: &record.identifier };
        loop {
            let mut account = match self.rows.account(organization, key).await? {
                Some(found) => match standing(&found, record) {
                    None => found,
                    Some(taken) => return Ok(taken),
                },
                None if self.rows.account(organization, AccountKey::Id(&record.id)).await?.is_some() => {
                    return Ok(Taken::Conflict);
                }
                None => arriving(connection, record),
            };
            self.move_in(&mut account, connection, record).await?;
            let (organization, account_id) = (organization.as_str().into(), account.id.clone());
            // A refresh under way brings a credential of this environment's own.
            let no_lease = Change::RequireNoLease { organization, account_id };
            let of = RecordFacts::of_account(&account).named(&account.identifier);
            let record = self.record(&account.organization, Action::AccountImported, &of)?;
            if self.commit_account(&account, vec![no_lease, record]).await? == Commit::Applied {
                return Ok(Taken::Imported);
            }
            self.refresh_settled(&account).await?;
            self.connection_by_id(&connection.organization, &connection.id).await?;
        }
    }

    /// Makes the account what it was where it comes from. What an exchange or a refresh under way brings is older from
    /// now on.
    async fn move_in(
        &self,
        account: &mut StoredAccount,
        connection: &StoredConnection,
        record: &AccountRecord,
    ) -> Result<()> {
        let now = self.clock.now();
        let epoch = account.facts.request_epoch + 1;
        account.status = record.status().expect("a record's status was read");
        account.expires_at = record.expires_at;
        account.refresh_at = None;
        account.cell = None;
        account.updated_at = now;
        let facts = &mut account.facts;
        facts.clear_failures();
        facts.token_epoch = epoch;
        facts.request_epoch = epoch;
        facts.grants += 1;
        facts.reason = record.reason.clone();
        facts.doubtful = record.doubtful;
        facts.binding = record.binding.clone();
        facts.scopes_granted = record.scopes.clone();
        facts.provider_account_id = record.provider_account_id.clone();
        facts.provider_account_label = record.provider_account_label.clone();
        facts.kept = record.kept.clone();
        facts.verifying_until = None;
        // Another machine's clock may be ahead of this one's.
        facts.refreshed_at = record.refreshed_at.map(|at| at.min(now));
        facts.moved = Some(Moved { epoch, changed_at: record.updated_at });
        let Some(credential) = &record.credential else { return Ok(()) };
        self.rows.seal_credential(account, credential, epoch).await?;
        if account.status == Status::Active && credential.refresh_token().is_some() {
            let setup = Setup::of(self, connection);
            let keep_alive_after = setup.ok().and_then(|setup| setup.profile().keep_alive_after());
            account.refresh_at = plan::refresh_at(now, record.expires_at, keep_alive_after, &*self.random)?;
        }
        Ok(())
    }
}

/// What becomes of an account that is here already; nothing when it takes what the record says.
///
/// Times are compared with those of the same clock alone: what is here of another environment is older than the record
/// when that environment has changed the account since. Whatever came about here stays.
fn standing(found: &StoredAccount, record: &AccountRecord) -> Option<Taken> {
    match found.facts.moved {
        Some(moved) if moved.epoch < found.facts.token_epoch => Some(Taken::Conflict),
        Some(moved) if record.updated_at <= moved.changed_at => Some(Taken::Skipped),
        None if found.facts.token_epoch > 0 => Some(Taken::Conflict),
        _ => None,
    }
}

/// The record's account, not in the store yet.
fn arriving(connection: &StoredConnection, record: &AccountRecord) -> StoredAccount {
    StoredAccount {
        organization: connection.organization.clone(),
        id: record.id.clone(),
        connection_id: connection.id.clone(),
        identifier: record.identifier.clone(),
        status: Status::PendingAuth,
        facts: AccountFacts::default(),
        expires_at: None,
        refresh_at: None,
        cell: None,
        created_at: record.created_at,
        updated_at: record.updated_at,
        version: 0,
        before: None,
    }
}

fn without_connection() -> Error {
    Error::invalid("path", "holds accounts of no connection")
}

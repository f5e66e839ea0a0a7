//! Removal: what is deleted or disconnected on purpose, and with it the grants behind it.
//!
//! A credential goes in one commit with what is left of it to be done: its revocation, which [`crate::revocation`] sends.

use std::sync::Arc;

use crate::{
    Engine, Result,
    accounts::{Account, AccountRef},
    audit::Action,
    names::{ConnectionName, Organization},
    rows::{RecordFacts, StoredAccount, StoredConnection},
    store::{AccountFilter, Change, Commit},
};

/// How many accounts are deleted in one commit.
const TOGETHER: u32 = 200;

/// What becomes of the grant at the provider when its credential is removed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtProvider {
    /// It is revoked. Some providers end every grant of the person to the same app with it (Google, GitHub).
    Revoke,
    /// It is left to whoever else has it.
    Leave,
}

impl Engine {
    /// Deletes the account with its credential and the flows under way. What the person granted is revoked at the provider,
    /// unless it is to be left: soon, and for a week again until it is taken ([`Engine::revocations`]).
    ///
    /// # Errors
    /// `CONNECTED_ACCOUNT_NOT_FOUND`. `STORE_BUSY` while another process refreshes the account and does not come to an
    /// end; nothing was deleted then.
    pub async fn delete_account(self: &Arc<Self>, account: &AccountRef, at_provider: AtProvider) -> Result<()> {
        self.ensure_open()?;
        loop {
            let (connection, stored) = self.stored_account(account).await?;
            let mut changes = self.removal(&connection, &stored, at_provider).await?;
            let id = stored.id.clone();
            let of = RecordFacts::of_account(&stored);
            changes.push(self.record(&stored.organization, Action::AccountDeleted, &of)?);
            changes.push(Change::DeleteAccount {
                organization: stored.organization.as_str().into(),
                id: stored.id,
                version: stored.version,
            });
            if self.rows.commit(changes).await? == Commit::Applied {
                self.forget_refresh(&id);
                self.revocations_sender.hear();
                self.announce();
                return Ok(());
            }
        }
    }

    /// Destroys the credential and keeps the account. What the person granted is revoked, as by
    /// [`delete_account`](Self::delete_account).
    ///
    /// # Errors
    /// Those of [`delete_account`](Self::delete_account).
    pub async fn disconnect_account(
        self: &Arc<Self>,
        account: &AccountRef,
        at_provider: AtProvider,
    ) -> Result<Account> {
        self.ensure_open()?;
        loop {
            let (connection, mut stored) = self.stored_account(account).await?;
            let mut with = self.removal(&connection, &stored, at_provider).await?;
            let of = RecordFacts::of_account(&stored);
            with.push(self.record(&stored.organization, Action::AccountDisconnected, &of)?);
            stored.disconnect();
            stored.updated_at = self.clock.now();
            if self.commit_account(&stored, with).await? == Commit::Applied {
                self.revocations_sender.hear();
                break;
            }
        }
        self.account(account).await
    }

    /// Deletes the connection with its accounts and their credentials, which are revoked as by
    /// [`delete_account`](Self::delete_account). A declared connection comes back, empty, when it is next named.
    ///
    /// Many accounts are deleted a few hundred at a time, and the connection with the last of them. Until then it is
    /// disabled: after a failure, calling again goes on.
    ///
    /// # Errors
    /// `CONNECTION_NOT_FOUND`, and those of [`delete_account`](Self::delete_account).
    pub async fn delete_connection(
        self: &Arc<Self>,
        organization: &Organization,
        name: &ConnectionName,
        at_provider: AtProvider,
    ) -> Result<()> {
        self.ensure_open()?;
        loop {
            let found = self.find_connection(organization, name).await?;
            let connection = found.ok_or_else(|| self.absent(organization, name))?;
            if self.delete_some(&connection, at_provider).await? {
                self.forget_declared(organization, name);
                return Ok(());
            }
        }
    }

    /// Deletes some of the connection's accounts, and the connection itself when these are all; true when it is gone.
    async fn delete_some(self: &Arc<Self>, connection: &StoredConnection, at_provider: AtProvider) -> Result<bool> {
        let organization = &connection.organization;
        let filter = AccountFilter { connection_ids: vec![connection.id.clone()], identifier: None };
        let mut rows = self.rows.store.accounts(organization.as_str(), &filter, None, TOGETHER + 1).await?;
        let is_last = rows.len() <= TOGETHER as usize;
        rows.truncate(TOGETHER as usize);
        if !is_last && connection.enabled {
            // Nobody authorizes meanwhile.
            let name = ConnectionName::parse(&connection.name)?;
            self.set_connection_enabled(organization, &name, false).await?;
            return Ok(false);
        }
        let mut changes = Vec::new();
        let mut gone = Vec::with_capacity(rows.len());
        for row in rows {
            let (id, version) = (row.id.clone(), row.version);
            // One that was edited can be deleted all the same; nothing that it says is sent anywhere.
            if let Ok(account) = self.rows.read_account(organization, row) {
                changes.extend(self.removal(connection, &account, at_provider).await?);
            }
            let of = RecordFacts { account_id: Some(id.clone()), ..RecordFacts::of_connection(connection) };
            changes.push(self.record(organization, Action::AccountDeleted, &of)?);
            changes.push(Change::DeleteAccount { organization: organization.as_str().into(), id: id.clone(), version });
            gone.push(id);
        }
        if is_last {
            let of = RecordFacts::of_connection(connection);
            changes.push(self.record(organization, Action::ConnectionDeleted, &of)?);
            let (organization, id) = (organization.as_str().to_owned(), connection.id.clone());
            changes.push(Change::RequireNoAccounts { organization: organization.clone(), connection_id: id.clone() });
            changes.push(Change::DeleteConnection { organization, id, version: connection.version });
        }
        if self.rows.commit(changes).await? == Commit::Conflict {
            return Ok(false);
        }
        gone.iter().for_each(|id| self.forget_refresh(id));
        self.revocations_sender.hear();
        self.announce();
        Ok(is_last)
    }

    /// What else is committed when the account's credential is removed.
    async fn removal(
        self: &Arc<Self>,
        connection: &StoredConnection,
        account: &StoredAccount,
        at_provider: AtProvider,
    ) -> Result<Vec<Change>> {
        if at_provider == AtProvider::Leave || account.cell.is_none() {
            return Ok(Vec::new());
        }
        // A refresh under way brings a token that is not in the store yet. The commit is met by one that begins later.
        self.refresh_settled(account).await?;
        self.revocation_of(connection, account).await
    }
}

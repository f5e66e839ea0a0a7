//! Accounts as they are stored: found, made, changed, and shown to callers.

use std::sync::Arc;

use super::{Account, AccountBy, AccountRef, Status, grant::require};
use crate::{
    Engine, Error, Result,
    audit::Action,
    names::{Identifier, Organization},
    rows::{AccountFacts, RecordFacts, StoredAccount, StoredConnection},
    store::{AccountKey, Change, Commit},
};

impl Engine {
    /// The account that a caller names, with its connection.
    pub(crate) async fn stored_account(&self, account: &AccountRef) -> Result<(Arc<StoredConnection>, StoredAccount)> {
        let organization = &account.organization;
        match &account.by {
            AccountBy::Id(id) => {
                let account = self.account_by_id(organization, id).await?;
                Ok((self.connection_by_id(organization, &account.connection_id).await?, account))
            }
            AccountBy::Name { connection, identifier } => {
                let connection = self.stored_connection(organization, connection).await?;
                let key = AccountKey::Identifier { connection_id: &connection.id, identifier: identifier.as_str() };
                match self.rows.account(organization, key).await? {
                    Some(account) => Ok((connection, account)),
                    None => Err(Error::account_not_found(&connection.name, identifier.as_str())),
                }
            }
        }
    }

    pub(crate) async fn account_by_id(&self, organization: &Organization, id: &str) -> Result<StoredAccount> {
        self.rows
            .account(organization, AccountKey::Id(id))
            .await?
            .ok_or_else(|| Error::ConnectedAccountNotFound { account: format!("`{id}`") })
    }

    pub(crate) async fn find_or_create_account(
        &self,
        connection: &StoredConnection,
        identifier: &Identifier,
    ) -> Result<StoredAccount> {
        let key = AccountKey::Identifier { connection_id: &connection.id, identifier: identifier.as_str() };
        loop {
            if let Some(account) = self.rows.account(&connection.organization, key).await? {
                return Ok(account);
            }
            // Somebody else may make it at the same moment; then theirs is found.
            let mut account = self.new_account(connection, identifier)?;
            if self.insert_account(connection, &mut account).await? == Commit::Applied {
                return Ok(account);
            }
            self.connection_by_id(&connection.organization, &connection.id).await?;
        }
    }

    /// An account that is not in the store yet.
    pub(super) fn new_account(&self, connection: &StoredConnection, identifier: &Identifier) -> Result<StoredAccount> {
        let now = self.clock.now();
        Ok(StoredAccount {
            organization: connection.organization.clone(),
            id: self.random.id("ca")?,
            connection_id: connection.id.clone(),
            identifier: identifier.as_str().into(),
            status: Status::PendingAuth,
            facts: AccountFacts::default(),
            expires_at: None,
            refresh_at: None,
            cell: None,
            created_at: now,
            updated_at: now,
            version: 0,
            before: None,
        })
    }

    /// Writes a new account. A credential in it is for the connection as it was read.
    pub(super) async fn insert_account(
        &self,
        connection: &StoredConnection,
        account: &mut StoredAccount,
    ) -> Result<Commit> {
        let of = || RecordFacts::of_account(account).named(&account.identifier);
        let mut with = vec![self.record(&account.organization, Action::AccountCreated, &of())?];
        if account.cell.is_some() {
            with.push(self.record(&account.organization, Action::CredentialBrought, &of())?);
            with.push(require(connection));
        }
        let commit = self.commit_account(account, with).await?;
        if commit == Commit::Applied {
            account.version += 1;
        }
        Ok(commit)
    }

    /// Writes the account, and what must change together with it, unless someone came between. Every change of an
    /// account goes this way, so that those who wait or listen hear of it.
    pub(crate) async fn commit_account(&self, account: &StoredAccount, mut with: Vec<Change>) -> Result<Commit> {
        let row = self.rows.write_account(account)?;
        if account.status == Status::Expired && account.before.is_none_or(|(before, _)| before != Status::Expired) {
            let of = RecordFacts::of_account(account).failed(account.facts.reason.as_deref());
            with.push(self.record(&account.organization, Action::AccountExpired, &of)?);
        }
        with.push(if account.version == 0 { Change::InsertAccount(row) } else { Change::ReplaceAccount(row) });
        let _turn = self.subscribers.turn(account).await;
        let commit = self.rows.commit(with).await?;
        if commit == Commit::Applied {
            self.announce();
            self.refresher.hear_of(account, self.clock.now());
            if let Err(error) = self.tell_status(account).await {
                tracing::warn!(account.id = %account.id, code = error.code(), "a change of status could not be told");
            }
        }
        Ok(commit)
    }

    /// Reads, changes and writes the account until nobody came between. Does nothing when it is gone, or as it should be.
    pub(crate) async fn change_account(
        &self,
        organization: &Organization,
        id: &str,
        change: impl Fn(&mut StoredAccount),
    ) -> Result<()> {
        while let Some(mut account) = self.rows.account(organization, AccountKey::Id(id)).await? {
            let found = account.clone();
            change(&mut account);
            if account == found {
                break;
            }
            account.updated_at = self.clock.now();
            if self.commit_account(&account, Vec::new()).await? == Commit::Applied {
                break;
            }
        }
        Ok(())
    }

    /// Whether the account's credential was granted to the app that its connection names now. Where that cannot be
    /// told, a call says why.
    fn belongs(&self, connection: &StoredConnection, account: &StoredAccount) -> bool {
        self.binding(connection).map_or(true, |binding| account.facts.binding.as_ref() == Some(&binding))
    }

    pub(crate) fn account_view(&self, connection: &StoredConnection, account: &StoredAccount) -> Account {
        let facts = &account.facts;
        let mut status = account.status_at(self.clock.now());
        let mut reason = facts.reason.clone();
        if status == Status::Active && !self.belongs(connection, account) {
            (status, reason) = (Status::Expired, Some("connection_changed".into()));
        }
        let planned = account.refresh_at.max(facts.next_refresh_at);
        Account {
            id: account.id.clone(),
            organization: account.organization.clone(),
            connection_id: connection.id.clone(),
            connection_name: connection.name.clone(),
            connector: connection.connector.clone(),
            identifier: account.identifier.clone(),
            status,
            reason,
            scopes: facts.scopes_granted.clone(),
            provider_account_id: facts.provider_account_id.clone(),
            provider_account_label: facts.provider_account_label.clone(),
            kept: facts.kept.clone(),
            token_expires_at: account.expires_at,
            last_refresh_error: facts.last_refresh_error.clone(),
            refreshed_at: facts.refreshed_at,
            next_refresh_at: planned.filter(|_| status == Status::Active),
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

//! What happens in this environment, told to whoever subscribed.
//!
//! Events are told after the commit that they tell of, those of one account in the order of its commits, and by the
//! process that made them: what other processes on the store do is heard by waiting ([`Engine::wait_until_active`]) or
//! by looking.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{
    MutexGuard,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::{Engine, Result, accounts::Status, names::Organization, rows::StoredAccount, time::Timestamp};

/// A connected account's status changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// `ca_…`
    pub account_id: String,
    /// The tenant.
    pub organization: Organization,
    /// The name of the account's connection.
    pub connection_name: String,
    /// The app's own id of the person.
    pub identifier: String,
    /// Whether the account can be used now.
    pub status: Status,
    /// What it was before.
    pub previous_status: Status,
    /// Why it is not active: `revoked`, `no_refresh_token`, …
    pub reason: Option<String>,
    /// When it changed.
    pub at: Timestamp,
}

/// Who is told.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    senders: Mutex<Vec<UnboundedSender<StatusChange>>>,
    /// Each account has one of these turns, by its id; held from before a commit until it has been told.
    turns: [tokio::sync::Mutex<()>; 32],
}

impl Subscribers {
    fn add(&self) -> UnboundedReceiver<StatusChange> {
        let (sender, receiver) = unbounded_channel();
        self.senders().push(sender);
        receiver
    }

    fn are_there(&self) -> bool {
        !self.senders().is_empty()
    }

    /// The account's turn to be committed and told of, where that is to be told. Two commits of one account exclude each
    /// other anyway, so it costs them nothing; but whose caller wakes up first nobody knows.
    pub(crate) async fn turn(&self, account: &StoredAccount) -> Option<MutexGuard<'_, ()>> {
        if !self.are_there() || status_change(account).is_none() {
            return None;
        }
        let number = account.id.bytes().fold(0, |sum, byte| sum + usize::from(byte));
        Some(self.turns[number % self.turns.len()].lock().await)
    }

    /// Forgets those who listen no longer.
    fn tell(&self, change: &StatusChange) {
        self.senders().retain(|sender| sender.send(change.clone()).is_ok());
    }

    fn senders(&self) -> std::sync::MutexGuard<'_, Vec<UnboundedSender<StatusChange>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Every change of a connected account's status from now on, until the receiver is dropped. One that comes by time
    /// alone, as when a verification is not made in time, is no event; nor are accounts that are made or deleted.
    pub fn status_changes(&self) -> UnboundedReceiver<StatusChange> {
        self.subscribers.add()
    }

    /// Counts and tells of an account that was committed, where its status is another than it was.
    pub(crate) async fn tell_status(&self, account: &StoredAccount) -> Result<()> {
        let Some((previous_status, status)) = status_change(account) else { return Ok(()) };
        self.metrics.account_came_to(status.as_str());
        if !self.subscribers.are_there() {
            return Ok(());
        }
        let connection = self.connection_by_id(&account.organization, &account.connection_id).await?;
        self.subscribers.tell(&StatusChange {
            account_id: account.id.clone(),
            organization: account.organization.clone(),
            connection_name: connection.name.clone(),
            identifier: account.identifier.clone(),
            status,
            previous_status,
            reason: account.facts.reason.clone().filter(|_| status != Status::Active),
            at: account.updated_at,
        });
        Ok(())
    }
}

/// What the status was, and what it is, where that is another.
fn status_change(account: &StoredAccount) -> Option<(Status, Status)> {
    let at = account.updated_at;
    let status = account.status_at(at);
    account.previous_status_at(at).filter(|previous| *previous != status).map(|previous| (previous, status))
}

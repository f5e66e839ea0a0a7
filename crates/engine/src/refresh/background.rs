//! The refresher: a task of each instance that refreshes what is due, though nobody asks for it.
//!
//! It knows of each connection only when the first of its accounts is due, and of that no more than the next minute holds:
//! the store is read again and again, a page at a time, as other processes change it. Whose turn it is, [`super::lanes`] says.
//! Then the accounts that have been due for longest take off, a few at a time; callers find them as flights like any
//! other. What cannot be refreshed is taken off the schedule or put off, so that it does not come up again and again.

mod course;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc::{self, UnboundedSender},
    time::Instant,
};

use self::course::Course;
use super::{lanes::Lane, may_ask, pace::Urgency};
use crate::{
    Engine, Error, Result,
    accounts::Status,
    names::Organization,
    rows::{StoredAccount, StoredConnection},
    store::AccountKey,
    time::Timestamp,
};

/// When the task begins, and up to as much later: a script that ends soon has no need of it, and processes that were
/// started together do not all begin at once.
const BEGINNING: Duration = Duration::from_secs(10);
/// What is due later than this is left to a later round.
const HORIZON: Duration = Duration::from_secs(60);
/// How soon an account may be due again: some tokens end before they are planned to be refreshed.
const LEAST_BETWEEN: Duration = Duration::from_secs(60);
/// How long to wait for room that is not there before another look.
const SOON: Duration = Duration::from_secs(1);
/// How long one is put off whose credential belongs to another app: the connection may be changed back.
const OF_ANOTHER_APP: Duration = Duration::from_secs(3600);

/// What the refresher has come to in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefresherState {
    /// How many of its refreshes are under way.
    pub in_flight: usize,
    /// How many it has begun.
    pub begun: u64,
    /// The longest that an account was due before its refresh began.
    pub latest: Duration,
}

/// How the engine speaks with its refresher, which there need not be.
#[derive(Debug, Default)]
pub(crate) struct Refresher {
    news: OnceLock<UnboundedSender<News>>,
    in_flight: AtomicUsize,
    begun: AtomicU64,
    /// In milliseconds.
    latest: AtomicU64,
}

/// What the task hears.
#[derive(Debug)]
enum News {
    /// Something of the lane is due.
    Due(Lane, Timestamp),
    /// A flight of the task's has ended.
    Ended(Lane, String, Ending),
}

/// How a flight has left its account and its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The account has another time.
    Settled,
    /// The account has another time, but others of the connection will fare no better.
    Failed,
    /// The account is due still.
    Undone,
}

impl Refresher {
    /// Tells the task of an account that was written and will soon be due. Others are found when their time comes.
    pub(crate) fn hear_of(&self, account: &StoredAccount, now: Timestamp) {
        if let (Some(news), Some(at)) = (self.news.get(), account.refresh_at)
            && at <= now.plus(HORIZON)
        {
            let lane =
                Lane { organization: account.organization.clone(), connection_id: account.connection_id.clone() };
            // It may have ended with the environment.
            let _ = news.send(News::Due(lane, at));
        }
    }

    /// Whether this process refreshes in the background.
    pub(crate) fn is_there(&self) -> bool {
        self.news.get().is_some()
    }

    fn tell(&self, news: News) {
        if let Some(task) = self.news.get() {
            let _ = task.send(news);
        }
    }
}

impl Engine {
    /// What refreshing in the background has come to; all zero where it is turned off.
    pub fn refresher_state(&self) -> RefresherState {
        let Refresher { in_flight, begun, latest, .. } = &self.refresher;
        RefresherState {
            in_flight: in_flight.load(Ordering::Relaxed),
            begun: begun.load(Ordering::Relaxed),
            latest: Duration::from_millis(latest.load(Ordering::Relaxed)),
        }
    }

    /// Begins to refresh what is due, until the environment closes.
    pub(crate) fn refresh_in_background(self: &Arc<Self>) {
        let (sender, news) = mpsc::unbounded_channel();
        if self.refresher.news.set(sender).is_err() {
            return;
        }
        let later = self.random.fraction().map_or(BEGINNING, |part| BEGINNING.mul_f64(part));
        let course = Course::new(Arc::downgrade(self));
        let closing = self.closing.clone();
        self.spawn(async move {
            let work = async {
                tokio::time::sleep(BEGINNING + later).await;
                course.run(news).await;
            };
            // What it was about to write is decided anew by whoever comes next.
            let _ = closing.run_until_cancelled(work).await;
        });
    }

    /// When the provider may be asked once more; nothing while it has as many requests as it takes.
    pub(super) fn room_at(&self, connection: &StoredConnection) -> Option<Timestamp> {
        let now = self.clock.now();
        // Where it cannot be told who that is, a flight says why.
        let Ok(provider) = self.setup(connection).and_then(|setup| setup.token_origin()) else { return Some(now) };
        if self.pace.has_room(&provider) {
            return Some(now);
        }
        let at = self.pace.next_room_at(&provider)?;
        Some(now.plus(at.saturating_duration_since(Instant::now()).max(SOON)))
    }

    /// The account, if it is to be refreshed now. One that cannot be is given another time, or none.
    async fn due_account(&self, connection: &StoredConnection, account_id: &str) -> Result<Option<StoredAccount>> {
        let Some(account) = self.rows.account(&connection.organization, AccountKey::Id(account_id)).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        if account.refresh_at.is_none_or(|at| at > now) {
            return Ok(None);
        }
        let credential = self.rows.credential(&account).await?;
        let can_refresh = credential.is_some_and(|credential| credential.refresh_token().is_some());
        let other = if account.status != Status::Active || !can_refresh {
            // Until the person, or the app, brings another credential.
            None
        } else if account.facts.binding.as_ref() != Some(&self.binding(connection)?) {
            Some(now.plus(OF_ANOTHER_APP))
        } else if !may_ask(&account, now) {
            account.facts.next_refresh_at
        } else if account.was_refreshed_within(LEAST_BETWEEN, now) {
            account.facts.refreshed_at.map(|at| at.plus(LEAST_BETWEEN))
        } else {
            return Ok(Some(account));
        };
        self.change_account(&account.organization, &account.id, |found| {
            if found.version == account.version {
                found.refresh_at = other;
            }
        })
        .await?;
        Ok(None)
    }

    /// Whether another instance may have a request for the account under way: a flight would only wait for it.
    async fn is_leased(&self, organization: &Organization, account_id: &str) -> Result<bool> {
        let store = &self.rows.store;
        match store.lease(organization.as_str(), account_id).await? {
            Some(lease) => Ok(lease.until > store.now().await?),
            None => Ok(false),
        }
    }

    /// One flight of the refresher's, to its end.
    async fn fly(self: &Arc<Self>, account: &StoredAccount) -> Ending {
        let told = self.flight(account, Urgency::Planned).await;
        let found = self.rows.account(&account.organization, AccountKey::Id(&account.id)).await;
        let is_undone = match found {
            Ok(found) => found.is_some_and(|found| {
                found.refresh_at == account.refresh_at && found.facts.token_epoch == account.facts.token_epoch
            }),
            Err(_) => true,
        };
        match told {
            // Nothing was sent: the provider, or the store, is not up to it for now.
            Err(Error::ProviderUnavailable { .. } | Error::StoreBusy | Error::StoreUnreachable { .. }) if is_undone => {
                Ending::Failed
            }
            _ if is_undone => Ending::Undone,
            // Its own grant has ended: that says nothing of others.
            Ok(()) | Err(Error::ReauthorizationRequired { .. }) => Ending::Settled,
            Err(_) => Ending::Failed,
        }
    }
}

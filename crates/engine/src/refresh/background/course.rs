//! The refresher's course: what it knows of the connections, and what it does when it wakes.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};

use super::{Ending, HORIZON, News, SOON};
use crate::{
    Engine, Error, Result,
    names::Organization,
    refresh::{
        lanes::{Lane, Lanes},
        plan,
    },
    rows::{StoredAccount, StoredConnection},
    store::{ConnectionKey, DueRow},
    time::Timestamp,
};

/// How long one reading of all connections takes, spread over its pages.
const ROUND: Duration = Duration::from_secs(30);
/// How many connections are read at once.
const PAGE: u32 = 1000;

/// Background flights at once: half of the journal's slots, for callers need theirs.
const AT_ONCE: usize = 32;
/// Of them, of one connection.
const OF_A_LANE: usize = 8;
/// Of them, begun in one turn.
const OF_A_TURN: usize = 4;
/// How many accounts are looked at for one turn. Some may be on their way here or in other processes.
const WINDOW: usize = 100;

/// The longest pause of a connection whose refreshes fail, or that is not to be used.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How long an account is left alone that is due still after its flight.
const PUT_OFF: Duration = Duration::from_secs(300);

/// The task's own knowledge.
pub(super) struct Course {
    engine: Weak<Engine>,
    lanes: Lanes,
    /// Lanes of which more is known than when they are due.
    known: HashMap<Lane, Known>,
    /// How many flights of all of them are under way.
    in_flight: usize,
    /// The lane behind which the next page begins.
    read: Option<(String, String)>,
    /// How many pages this round has had.
    pages: u32,
    /// The time from one page to the next.
    pause: Duration,
    next_page: Instant,
}

/// A connection that is being refreshed, or was in vain.
#[derive(Debug, Default)]
struct Known {
    in_flight: HashSet<String>,
    /// Rests in a row.
    failures: u32,
    resting_until: Option<Timestamp>,
    /// Accounts that are left alone until then.
    put_off: HashMap<String, Timestamp>,
}

impl Known {
    fn is_nothing(&self) -> bool {
        self.in_flight.is_empty() && self.failures == 0 && self.put_off.is_empty()
    }
}

/// What a lane may do in its turn.
enum Room {
    /// Begin so many flights.
    For(usize),
    /// Wait.
    NotBefore(Timestamp),
}

impl Course {
    pub(super) fn new(engine: Weak<Engine>) -> Self {
        Self {
            engine,
            lanes: Lanes::default(),
            known: HashMap::new(),
            in_flight: 0,
            read: None,
            pages: 0,
            pause: Duration::ZERO,
            next_page: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, mut news: UnboundedReceiver<News>) {
        let mut heard = Vec::new();
        // An instance that was dropped and not closed must not live on in its refresher.
        while let Some(engine) = self.engine.upgrade() {
            heard.drain(..).for_each(|news| self.hear(&engine, news));
            self.read_page(&engine).await;
            let wake = self.take_turns(&engine).await;
            drop(engine);
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {}
                count = news.recv_many(&mut heard, AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                }
            }
        }
    }

    fn hear(&mut self, engine: &Engine, news: News) {
        let (lane, account_id, ending) = match news {
            News::Due(lane, at) => return self.lanes.put(lane, at),
            News::Ended(lane, account_id, ending) => (lane, account_id, ending),
        };
        self.in_flight -= 1;
        engine.refresher.in_flight.store(self.in_flight, Ordering::Relaxed);
        let now = engine.clock.now();
        let known = self.known(&lane);
        known.in_flight.remove(&account_id);
        match ending {
            Ending::Settled => {
                known.failures = 0;
                // What kept the others waiting, such as a fault of the connection's, is perhaps over.
                self.lanes.free(&lane);
            }
            Ending::Failed => self.rest(engine, &lane),
            Ending::Undone => {
                known.put_off.insert(account_id, now.plus(PUT_OFF));
                self.rest(engine, &lane);
            }
        }
        if self.known.get(&lane).is_some_and(Known::is_nothing) {
            self.known.remove(&lane);
        }
        // More of it may be due.
        self.lanes.put(lane, now);
    }

    /// Leaves a lane alone for a while that grows as long as nothing succeeds.
    fn rest(&mut self, engine: &Engine, lane: &Lane) {
        let now = engine.clock.now();
        let known = self.known(lane);
        if known.resting_until.is_some_and(|until| is_ahead(until, now, LONGEST_REST)) {
            return;
        }
        known.failures = known.failures.saturating_add(1);
        let pause = plan::backoff(known.failures.saturating_add(1), &*engine.random).unwrap_or(LONGEST_REST);
        let until = now.plus(pause.min(LONGEST_REST));
        known.resting_until = Some(until);
        self.lanes.hold(lane.clone(), until);
    }

    fn known(&mut self, lane: &Lane) -> &mut Known {
        self.known.entry(lane.clone()).or_default()
    }

    /// The accounts of the lane that are on their way, or left alone at `now`.
    fn passed_over(&mut self, lane: &Lane, now: Timestamp) -> HashSet<String> {
        let Some(known) = self.known.get_mut(lane) else { return HashSet::new() };
        known.put_off.retain(|_, until| is_ahead(*until, now, PUT_OFF));
        known.in_flight.iter().chain(known.put_off.keys()).cloned().collect()
    }

    /// Reads one page of connections, when it is time. The first round takes no pauses.
    async fn read_page(&mut self, engine: &Engine) {
        if Instant::now() < self.next_page {
            return;
        }
        let after = self.read.take();
        let after = after.as_ref().map(|(organization, id)| (organization.as_str(), id.as_str()));
        let rows = engine.rows.store.lanes(after, PAGE).await.unwrap_or_else(|error| {
            tracing::warn!(code = error.code(), "what is due cannot be read");
            Vec::new()
        });
        self.pages += 1;
        if rows.len() == PAGE as usize {
            self.read = rows.last().map(|row| (row.organization.clone(), row.connection_id.clone()));
        } else {
            self.pause = ROUND / self.pages;
            self.pages = 0;
        }
        self.next_page = Instant::now() + self.pause;
        let horizon = engine.clock.now().plus(HORIZON);
        for row in rows {
            if let (Some(first), Ok(organization)) = (row.first, Organization::parse(&row.organization))
                && first <= horizon
            {
                self.lanes.put(Lane { organization, connection_id: row.connection_id }, first);
            }
        }
    }

    /// Lets those whose turn it is begin, as far as there is room. Says when there is more to do.
    async fn take_turns(&mut self, engine: &Arc<Engine>) -> Instant {
        while self.in_flight < AT_ONCE {
            let now = engine.clock.now();
            let Some(lane) = self.lanes.take_due(now) else {
                let next = self.lanes.next().map_or(HORIZON, |at| now.until(at).min(HORIZON));
                return self.next_page.min(Instant::now() + next);
            };
            if let Err(error) = self.turn(engine, &lane).await {
                tracing::warn!(code = error.code(), "a connection's accounts cannot be refreshed");
                self.rest(engine, &lane);
            }
            // Turns read the store without waiting for it.
            tokio::task::yield_now().await;
        }
        self.next_page
    }

    /// One turn of a lane: some of its accounts, those that have been due for longest, take off.
    async fn turn(&mut self, engine: &Arc<Engine>, lane: &Lane) -> Result<()> {
        let key = ConnectionKey::Id(&lane.connection_id);
        let Some(connection) = engine.rows.connection(&lane.organization, key).await? else {
            // Its accounts are gone with it.
            self.known.remove(lane);
            return Ok(());
        };
        let now = engine.clock.now();
        let mut room = match self.room(engine, lane, &connection).await? {
            // It is put again when one of its flights ends.
            Room::For(0) => return Ok(()),
            Room::For(room) => room,
            Room::NotBefore(until) => {
                self.lanes.hold(lane.clone(), until);
                return Ok(());
            }
        };
        let passed_over = self.passed_over(lane, now);
        let limit = u32::try_from(WINDOW + passed_over.len()).unwrap_or(u32::MAX);
        let (organization, connection_id) = (lane.organization.as_str(), lane.connection_id.as_str());
        let rows = engine.rows.store.due(organization, connection_id, now.plus(HORIZON), limit).await?;
        let (is_all, mut changed) = (rows.len() < limit as usize, false);
        for row in rows {
            if room == 0 || row.refresh_at > now {
                self.lanes.put(lane.clone(), row.refresh_at);
                return Ok(());
            }
            let id = &row.account_id;
            if passed_over.contains(id)
                || engine.flights.concern(id)
                || engine.is_leased(&lane.organization, id).await?
            {
                continue;
            }
            match engine.due_account(&connection, id).await {
                Ok(Some(account)) => {
                    self.begin(engine, lane, account, &row);
                    room -= 1;
                }
                Ok(None) => changed = true,
                Err(error @ Error::IntegrityFailed { .. }) => {
                    tracing::error!(account.id = %id, code = error.code(), "an account cannot be read");
                    self.known(lane).put_off.insert(row.account_id, now.plus(PUT_OFF));
                }
                Err(error) => return Err(error),
            }
        }
        if changed && !is_all {
            self.lanes.put(lane.clone(), now);
        }
        Ok(())
    }

    /// How many more flights the lane may have now.
    async fn room(&self, engine: &Engine, lane: &Lane, connection: &StoredConnection) -> Result<Room> {
        let now = engine.clock.now();
        // Without its connector, which another process may have, nothing can be said of its accounts.
        if !connection.enabled || engine.binding(connection).is_err() {
            return Ok(Room::NotBefore(now.plus(LONGEST_REST)));
        }
        let fault = engine.rows.store.fault(lane.organization.as_str(), &lane.connection_id).await?;
        // One that was changed since is not at fault.
        let fault = fault.filter(|fault| fault.connection_version == connection.version);
        if let Some(fault) = fault.as_ref().filter(|fault| engine.is_closed(fault, now)) {
            return Ok(Room::NotBefore(fault.next_try));
        }
        let known = self.known.get(lane);
        match engine.room_at(connection) {
            Some(at) if at > now => return Ok(Room::NotBefore(at)),
            Some(_) => {}
            None if known.is_some_and(|known| !known.in_flight.is_empty()) => return Ok(Room::For(0)),
            // Others of the provider's have all of it.
            None => return Ok(Room::NotBefore(now.plus(SOON))),
        }
        // After a failure one goes ahead, and the others follow when it has come through.
        let is_doubtful = fault.is_some() || known.is_some_and(|known| known.failures > 0);
        let most = if is_doubtful { 1 } else { OF_A_LANE };
        let of_the_lane = most.saturating_sub(known.map_or(0, |known| known.in_flight.len()));
        Ok(Room::For(of_the_lane.min(OF_A_TURN).min(AT_ONCE - self.in_flight)))
    }

    fn begin(&mut self, engine: &Arc<Engine>, lane: &Lane, account: StoredAccount, row: &DueRow) {
        self.known(lane).in_flight.insert(account.id.clone());
        self.in_flight += 1;
        let late = row.refresh_at.until(engine.clock.now());
        let refresher = &engine.refresher;
        refresher.begun.fetch_add(1, Ordering::Relaxed);
        refresher.latest.fetch_max(u64::try_from(late.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        refresher.in_flight.store(self.in_flight, Ordering::Relaxed);
        let (engine, lane, due) = (engine.clone(), lane.clone(), row.refresh_at);
        engine.clone().spawn(async move {
            let ending = engine.fly(&account).await;
            if ending == Ending::Settled {
                engine.metrics.refreshed_late(due.until(engine.clock.now()));
            }
            engine.refresher.tell(News::Ended(lane, account.id, ending));
        });
    }
}

/// Whether a pause of at most `longest` goes on. The end of another was set by a clock that has been set back since.
fn is_ahead(until: Timestamp, now: Timestamp, longest: Duration) -> bool {
    now < until && until <= now.plus(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_does_not_outlast_a_clock_that_is_set_back() {
        let now = Timestamp::from_millis(0);
        let ahead = |seconds| is_ahead(now.plus(Duration::from_secs(seconds)), now, PUT_OFF);
        assert_eq!([0, 1, 300, 301, 400 * 86_400].map(ahead), [false, true, true, false, false]);
    }
}

//! One refresh of one account, up to its answer, and the map in which callers find the one under way.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{
    Timing,
    lease::{Held, Late, pause, stored},
    may_ask,
    pace::{self, Lane, Refused, Turn, Urgency},
    reauthorization,
    settle::{Others, Settled},
};
use crate::{
    Engine, Error, Result,
    accounts::Status,
    connections::registration::Setup,
    names::Organization,
    oauth::token_request,
    rows::{StoredAccount, StoredConnection},
    secret::Secret,
    store::{AccountKey, Change, Commit, LeaseRow, journal::Slot},
    token_endpoint::{Answer, Purpose, Told, clear},
};

/// How long to wait before a store that could not take an answer is tried again, at first and at last.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How a flight ended; nothing while it is under way.
type Ending = watch::Receiver<Option<Told>>;

/// A flight under way, and whether someone waited for it when it began.
#[derive(Debug, Clone)]
struct Flight {
    ending: Ending,
    urgency: Urgency,
}

/// The flights of this process, by account.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<String, Flight>>,
    /// Answers that could not be stored. The next flight settles them instead of asking again: what they replaced at
    /// the provider is dead.
    unsettled: Mutex<HashMap<String, (Answer, Slot)>>,
    /// Accounts for which a task goes on trying to settle them.
    retried: Mutex<HashSet<String>>,
}

impl Flights {
    /// Whether an answer of the account is kept until it can be stored.
    pub(super) fn keep_answer_of(&self, account_id: &str) -> bool {
        self.unsettled().contains_key(account_id)
    }

    /// Lets go of the answers that could not be stored: their slots stay written, for whoever takes the journal over.
    pub(crate) fn release(&self) {
        self.unsettled().clear();
    }

    /// Waits until no flight of the account is under way.
    pub(super) async fn ended(&self, account_id: &str) {
        let flight = self.under_way().get(account_id).cloned();
        if let Some(mut flight) = flight {
            // Its end, or that it broke off.
            let _ = flight.ending.wait_for(Option::is_some).await;
        }
    }

    /// Whether a flight of the account is under way, or an answer of the account kept.
    pub(super) fn concern(&self, account_id: &str) -> bool {
        // Held while both are looked at: a flight takes a kept answer up, and leaves one behind, while it is in the map.
        let under_way = self.under_way();
        // One that broke off stays there.
        let flies = under_way.get(account_id).is_some_and(|flight| flight.ending.has_changed().is_ok());
        flies || self.keep_answer_of(account_id)
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an answer is kept for the account. Once there is none, its task ends.
    fn keeps(&self, account_id: &str) -> bool {
        let kept = self.keep_answer_of(account_id);
        if !kept {
            self.retried().remove(account_id);
        }
        kept
    }

    fn retried(&self) -> MutexGuard<'_, HashSet<String>> {
        self.retried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsettled(&self) -> MutexGuard<'_, HashMap<String, (Answer, Slot)>> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Joins the account's flight, or starts it, and waits for its end. Giving up the wait does not end the flight.
    pub(super) async fn flight(self: &Arc<Self>, account: &StoredAccount, urgency: Urgency) -> Told {
        let flight = self.join_or_start(account, urgency);
        let began = flight.urgency;
        let told = ended(flight.ending).await;
        if told.is_err() && began == Urgency::Planned && urgency == Urgency::Asked {
            // One that nobody waited for is sent away where a caller is not.
            return ended(self.join_or_start(account, urgency).ending).await;
        }
        told
    }

    /// Starts a flight that nobody waits for: the present token still serves.
    pub(super) fn refresh_early(self: &Arc<Self>, account: &StoredAccount) {
        drop(self.join_or_start(account, Urgency::Planned));
    }

    /// Whether a token request of the account is under way anywhere, or its answer not stored yet.
    pub(crate) async fn is_being_refreshed(&self, account: &StoredAccount) -> Result<bool> {
        Ok(self.flights.concern(&account.id) || self.is_asked_elsewhere(&account.organization, &account.id).await?)
    }

    /// Waits for the end of the account's refreshes, and has what is kept of them stored.
    ///
    /// # Errors
    /// What keeps an answer from being stored: whoever needs what it brings must come again.
    pub(crate) async fn refresh_settled(self: &Arc<Self>, account: &StoredAccount) -> Result<()> {
        self.flights.ended(&account.id).await;
        self.ended_elsewhere(&account.organization, &account.id, Late::MayCome).await?;
        if self.flights.keep_answer_of(&account.id) {
            let told = self.flight(account, Urgency::Asked).await;
            if self.flights.keep_answer_of(&account.id) {
                return told;
            }
        }
        Ok(())
    }

    fn join_or_start(self: &Arc<Self>, account: &StoredAccount, urgency: Urgency) -> Flight {
        let mut flights = self.flights.under_way();
        // One that broke off, by a panic, has no one left to end it.
        if let Some(flight) = flights.get(&account.id).filter(|flight| flight.ending.has_changed().is_ok()) {
            return flight.clone();
        }
        if self.closing.is_cancelled() {
            return Flight { ending: watch::channel(Some(Err(Error::Closed))).1, urgency };
        }
        let (ended, ending) = watch::channel(None);
        let flight = Flight { ending, urgency };
        flights.insert(account.id.clone(), flight.clone());
        let (engine, account) = (self.clone(), account.clone());
        self.spawn(async move {
            let told = engine.refresh(&account, urgency).await;
            if let Err(error) = &told {
                tracing::warn!(account.id = %account.id, code = error.code(), "a refresh did not succeed");
            }
            engine.flights.under_way().remove(&account.id);
            // Everyone may have given up waiting.
            let _ = ended.send(Some(told));
        });
        flight
    }

    /// The steps that [`super`] lists. Before the intent nothing has happened; after the journal nothing can be lost.
    async fn refresh(self: &Arc<Self>, seen: &StoredAccount, urgency: Urgency) -> Told {
        let mut secret = None;
        loop {
            self.ended_elsewhere(&seen.organization, &seen.id, Late::IsOver).await?;
            let unsettled = self.flights.unsettled().remove(&seen.id);
            if let Some((answer, slot)) = unsettled {
                return self.settle_refresh_and_clear(answer, slot, Others::None).await.told();
            }
            let connection = self.connection_by_id(&seen.organization, &seen.connection_id).await?;
            let setup = self.setup(&connection)?.with_secret_of(secret);
            if seen.facts.binding.as_deref() != Some(setup.binding().as_str()) {
                return Err(reauthorization(&connection, seen, "connection_changed"));
            }
            let turn = self.turn(&setup, urgency).await?;
            let slot = self.reserve_slot().await?;
            let settled = match self.intend(seen, &connection, secret.is_some()).await? {
                Intent::Needless => return Ok(()),
                Intent::Elsewhere => continue,
                Intent::Ours(lease) => self.ask(seen, *lease, &setup, slot, turn).await,
            };
            match settled {
                Settled::Told(told) => return told,
                Settled::AskOtherwise(_) => secret = setup.with_next_secret().map(|next| next.secret_choice()),
                // Doubt that one more answer resolves. Whoever comes meanwhile joins this flight.
                Settled::AskAgain { after, told } if !pause(after, &self.closing).await => return told,
                Settled::AskAgain { .. } => {}
            }
        }
    }

    /// Waits for a turn at the provider.
    async fn turn(&self, setup: &Setup<'_>, urgency: Urgency) -> Result<Turn> {
        let provider = setup.token_origin()?;
        let connection = setup.connection;
        let lane = Lane { organization: connection.organization.as_str(), connection: &connection.id };
        let refused = |Refused { until }| Error::ProviderUnavailable {
            host: setup.token_host(),
            reason: "it has failed, or asked for time".into(),
            retry_at: Some(self.clock.now().plus(until.saturating_duration_since(Instant::now()))),
        };
        let turn = self.pace.enter(&provider, lane, urgency, setup.profile().most_a_second());
        tokio::select! {
            turn = turn => turn.map_err(refused),
            () = self.closing.cancelled() => Err(Error::Closed),
        }
    }

    /// Sends the request that was intended, and deals with what comes of it.
    async fn ask(
        self: &Arc<Self>,
        seen: &StoredAccount,
        lease: Lease,
        setup: &Setup<'_>,
        slot: Slot,
        turn: Turn,
    ) -> Settled {
        let epoch = lease.epoch;
        let organization = &seen.organization;
        let held = Held::new(self, organization, &seen.id, epoch);
        let purpose = Purpose::Refresh {
            organization: organization.as_str().into(),
            account_id: seen.id.clone(),
            epoch,
            presented: Some(lease.token_epoch),
            connection_version: setup.connection.version,
        };
        let request = setup.refresh_registration().and_then(|app| token_request::refresh(&app, &lease.refresh_token));
        let asked = match request {
            Ok(request) => {
                let leave = Box::pin(self.mark_sent(seen, &lease));
                self.ask_token_endpoint(request, purpose, &slot, lease.deadline, leave).await
            }
            Err(error) => Err(error),
        };
        if let Some(outcome) = told_of_provider(&asked) {
            turn.done(outcome);
        }
        match asked {
            Ok(answer) => {
                held.end();
                let others = if setup.with_next_secret().is_some() { Others::Untried } else { Others::None };
                let settled = self.settle_refresh_and_clear(answer, slot, others).await;
                if matches!(settled, Settled::Told(Ok(()))) {
                    self.remember_secret(setup.connection, setup.secret_choice());
                }
                settled
            }
            // Nothing left. What came in between may have made it needless.
            Err(error) if lease.is_outdated.load(Ordering::Acquire) => {
                match self.conclude(organization, &seen.id, epoch, &[], |_| {}).await {
                    Ok(()) => held.end(),
                    Err(unnoted) => return Settled::Told(Err(unnoted)),
                }
                Settled::AskAgain { after: Duration::ZERO, told: Err(error) }
            }
            Err(error) => {
                if self.note_unanswered(organization, &seen.id, epoch, &error).await.is_ok() {
                    held.end();
                }
                Settled::Told(Err(error))
            }
        }
    }

    /// Notes that the request leaves. It must not when its lease was taken away, or a token has come, since the intent.
    fn mark_sent(
        self: &Arc<Self>,
        seen: &StoredAccount,
        lease: &Lease,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let engine = self.clone();
        let mark = Change::MarkSent {
            organization: seen.organization.as_str().into(),
            account_id: seen.id.clone(),
            epoch: stored(lease.epoch),
            account_version: lease.account_version,
        };
        let is_outdated = lease.is_outdated.clone();
        async move {
            if engine.rows.store.commit(vec![mark]).await? == Commit::Applied {
                return Ok(());
            }
            is_outdated.store(true, Ordering::Release);
            Err(Error::StoreBusy)
        }
    }

    /// Deals with the answer that an instance which is gone has left. Who waited for it is gone too.
    pub(crate) async fn settle_left(self: &Arc<Self>, answer: Answer, slot: Slot) {
        let _ = self.settle_refresh_and_clear(answer, slot, Others::None).await;
    }

    /// Deals with an answer, or keeps it for the next flight, which is then the only one to do so.
    async fn settle_refresh_and_clear(self: &Arc<Self>, answer: Answer, slot: Slot, others: Others) -> Settled {
        match self.settle_refresh(&answer, others).await {
            Ok(settled) => {
                clear(slot).await;
                settled
            }
            Err(error) => {
                tracing::error!(code = error.code(), "a refreshed token could not be stored, and is kept");
                if let Purpose::Refresh { organization, account_id, .. } = answer.purpose.clone() {
                    self.flights.unsettled().insert(account_id.clone(), (answer, slot));
                    self.settle_refresh_later(organization, account_id);
                }
                Settled::Told(Err(error))
            }
        }
    }

    /// Goes on starting flights, ever more seldom, until the account's answer is stored or the environment closes: its
    /// slot is one that others wait for. One task an account, however many callers ask meanwhile.
    fn settle_refresh_later(self: &Arc<Self>, organization: String, account_id: String) {
        if !self.flights.retried().insert(account_id.clone()) {
            return;
        }
        let engine = self.clone();
        self.spawn(async move {
            let mut pause = SHORTEST_PAUSE;
            while engine.flights.keeps(&account_id) {
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                    () = engine.closing.cancelled() => return,
                }
                engine.settle_kept(&organization, &account_id).await;
            }
        });
    }

    /// Has one more flight try to store what is kept for the account.
    async fn settle_kept(self: &Arc<Self>, organization: &str, account_id: &str) {
        let Ok(organization) = Organization::parse(organization) else { return };
        match self.rows.account(&organization, AccountKey::Id(account_id)).await {
            // Whether it could is seen by what is kept.
            Ok(Some(account)) => drop(self.flight(&account, Urgency::Asked).await),
            Ok(None) => self.forget_refresh(account_id),
            Err(error) => tracing::warn!(code = error.code(), "an account whose answer is kept cannot be read"),
        }
    }

    /// Lets go of what was in hand for an account that is gone.
    pub(crate) fn forget_refresh(self: &Arc<Self>, account_id: &str) {
        let unsettled = self.flights.unsettled().remove(account_id);
        if let Some((_, slot)) = unsettled {
            self.spawn(clear(slot));
        }
    }

    /// Takes the account's lease, which proves that the store can be written before the refresh token is spent, and tells
    /// every other process who asks.
    async fn intend(&self, seen: &StoredAccount, connection: &StoredConnection, is_let_in: bool) -> Result<Intent> {
        loop {
            let account = self.account_by_id(&seen.organization, &seen.id).await?;
            if account.facts.token_epoch > seen.facts.token_epoch || account.status != Status::Active {
                return Ok(Intent::Needless);
            }
            // No one waits who has waited already to hear the same a second time.
            let is_confirming = account.facts.refused == Some(account.facts.token_epoch);
            if !may_ask(&account, self.clock.now()) && !is_confirming {
                return Err(self.still_waiting(connection, &account)?);
            }
            let Timing { request, lease, .. } = self.refresh_timing;
            // Who tries the app's next secret has been let in with the first.
            let probe = if is_let_in { None } else { self.pass_fault(connection, lease).await? };
            let credential = self.rows.credential(&account).await?;
            let Some(refresh_token) = credential.and_then(|credential| credential.refresh_token().cloned()) else {
                return Ok(Intent::Needless);
            };
            let epoch = account.facts.request_epoch + 1;
            let deadline = Instant::now() + request;
            let lease = LeaseRow {
                organization: account.organization.as_str().into(),
                account_id: account.id.clone(),
                holder: self.journal.owner().to_owned(),
                epoch: stored(epoch),
                until: self.rows.store.now().await?.plus(lease),
                sent: false,
            };
            let take = Change::TakeLease { lease, account_version: account.version };
            if self.rows.store.commit(probe.into_iter().chain([take]).collect()).await? == Commit::Applied {
                let (account_version, is_outdated) = (account.version, Arc::default());
                return Ok(Intent::Ours(Box::new(Lease {
                    epoch,
                    token_epoch: account.facts.token_epoch,
                    refresh_token,
                    deadline,
                    account_version,
                    is_outdated,
                })));
            }
            if self.is_asked_elsewhere(&account.organization, &account.id).await? {
                return Ok(Intent::Elsewhere);
            }
        }
    }

    /// Why the provider is not asked again yet.
    fn still_waiting(&self, connection: &StoredConnection, account: &StoredAccount) -> Result<Error> {
        let reason = account.facts.last_refresh_error.clone().unwrap_or_else(|| "it asked to wait".into());
        let host = self.setup(connection)?.token_host();
        Ok(Error::ProviderUnavailable { host, reason, retry_at: account.facts.next_refresh_at })
    }
}

/// Waits for a flight's end.
async fn ended(mut flight: Ending) -> Told {
    let ended = flight.wait_for(Option::is_some).await.map(|ending| ending.clone());
    ended.ok().flatten().unwrap_or_else(|| Err(Error::Internal { reason: "a refresh broke off".into() }))
}

/// What an answer, or that there is none, says about whether the provider is up; nothing where the request did not leave,
/// which may be our own fault.
fn told_of_provider(asked: &Result<Answer>) -> Option<pace::Outcome> {
    match asked {
        Ok(answer) => Some(match answer.failing() {
            Some(retry_after) => pace::Outcome::Failing { retry_after },
            None => pace::Outcome::Answered,
        }),
        Err(Error::ProviderUnavailable { .. }) => Some(pace::Outcome::Failing { retry_after: None }),
        Err(_) => None,
    }
}

/// What became of a refresh that was to begin.
enum Intent {
    /// The request is ours to send.
    Ours(Box<Lease>),
    /// Another process has one under way.
    Elsewhere,
    /// There is no need any more, or no way.
    Needless,
}

/// The right to send one request.
struct Lease {
    /// Which of the account's requests it is.
    epoch: u64,
    /// The epoch of the credential that the refresh token belongs to.
    token_epoch: u64,
    /// To be sent in it.
    refresh_token: Secret,
    /// When its answer is given up; before that, nobody else takes the lease.
    deadline: Instant,
    /// As the account was read.
    account_version: i64,
    /// Whether the account, or the lease, was another when the request was about to leave.
    is_outdated: Arc<AtomicBool>,
}

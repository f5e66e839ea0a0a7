//! One refresh of one account, up to its answer, and the map in which callers find the one under way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{
    intent::{Intent, Lease},
    kept::KeptAnswers,
    lease::{Held, Late, pause, stored},
    pace::{self, Lane, Refused, Turn, Urgency},
    reauthorization,
    settle::{Others, Settled},
};
use crate::{
    Engine, Error, Result,
    connections::registration::Setup,
    metrics::Refresh,
    oauth::token_request,
    rows::StoredAccount,
    store::{Change, Commit, journal::Slot},
    token_endpoint::{Answer, Purpose, Told},
};

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
    pub(crate) kept: KeptAnswers,
}

impl Flights {
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
        flies || self.kept.holds(account_id)
    }

    /// How many are under way.
    pub(crate) fn count(&self) -> usize {
        self.under_way().len()
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
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
        if self.flights.kept.holds(&account.id) {
            let told = self.flight(account, Urgency::Asked).await;
            if self.flights.kept.holds(&account.id) {
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
        let mut known = seen.facts.request_epoch;
        loop {
            self.ended_elsewhere(&seen.organization, &seen.id, Late::IsOver).await?;
            if let Some((answer, slot)) = self.flights.kept.take(&seen.id) {
                return self.settle_refresh_and_clear(answer, slot, Others::None).await.told();
            }
            let connection = self.connection_by_id(&seen.organization, &seen.connection_id).await?;
            let setup = self.setup(&connection)?.with_secret_of(secret);
            if seen.facts.binding.as_deref() != Some(setup.binding().as_str()) {
                return Err(reauthorization(&connection, seen, "connection_changed"));
            }
            let turn = self.turn(&setup, urgency).await?;
            let slot = self.reserve_slot().await?;
            let settled = match self.intend(seen, known, &connection, secret.is_some()).await? {
                Intent::Needless => return Ok(()),
                Intent::Elsewhere => continue,
                Intent::Ours(lease) => {
                    known = lease.epoch;
                    self.ask(seen, *lease, &setup, slot, turn).await
                }
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
        let turn = self.pace.enter(&provider, lane, urgency, setup.profile().most_per_second);
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
                self.metrics.refresh_ended(&setup.connector.slug, Refresh::without_answer(&error));
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
            if engine.rows.commit(vec![mark]).await? == Commit::Applied {
                return Ok(());
            }
            is_outdated.store(true, Ordering::Release);
            Err(Error::StoreBusy)
        }
    }
}

/// Waits for a flight's end.
async fn ended(mut flight: Ending) -> Told {
    let ended = flight.wait_for(Option::is_some).await.map(|ending| ending.clone());
    ended.ok().flatten().unwrap_or_else(|| Err(Error::Internal { reason: "a refresh broke off".into() }))
}

/// What an answer, or that there is none, says about whether the provider is up; nothing where the request did not leave.
pub(crate) fn told_of_provider(asked: &Result<Answer>) -> Option<pace::Outcome> {
    match asked {
        Ok(answer) => Some(match answer.failing() {
            Some(retry_after) => pace::Outcome::Failing { retry_after },
            None => pace::Outcome::Answered,
        }),
        Err(Error::ProviderUnavailable { .. }) => Some(pace::Outcome::Failing { retry_after: None }),
        // Of a provider that was not reached nobody knows whose fault it is: a process without a descriptor to spare
        // reaches none.
        Err(_) => None,
    }
}

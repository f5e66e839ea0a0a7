//! The task that sends revocations.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, Method, Request};
use tokio::sync::Notify;

use super::RevocationState;
use crate::{
    Engine, Error, Result,
    audit::Action,
    egress::{Failure, Limits},
    oauth::revocation::{Verdict, verdict},
    refresh::plan,
    rows::{HeldRequest, REVOCATION, RecordFacts, Status, StoredRevocation},
    secret::ExposeSecret,
    store::{AccountKey, Change, Commit, ConnectionKey, OutboxRow},
    time::Timestamp,
};

/// How often to look for what another process has left.
const LOOK: Duration = Duration::from_secs(10);
/// How many are taken at once, and of them sent at the same time.
const PAGE: u32 = 64;
const AT_ONCE: usize = 4;
/// How long one attempt belongs to the process that began it: longer than its requests can take.
const CLAIM: Duration = Duration::from_secs(3 * 60);
/// One request and its answer.
const LIMITS: Limits = Limits { total: Duration::from_secs(30), body: 64 * 1024 };
/// The shortest pause before another attempt: nobody waits for it.
const LEAST_PAUSE: Duration = Duration::from_secs(5);
/// How long to try. By then most tokens have ended by themselves.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// And how often at least: a program may have been off for that long.
const LEAST_ATTEMPTS: u32 = 5;
/// How long it can be seen what became of one.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How the engine wakes its sender.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    left: Arc<Notify>,
}

impl Sender {
    /// Something was left to be sent.
    pub(crate) fn hear(&self) {
        self.left.notify_one();
    }
}

impl Engine {
    /// Begins to send what is due, until the environment closes.
    pub(crate) fn send_revocations(self: &Arc<Self>) {
        let (engine, closing, left) =
            (Arc::downgrade(self), self.closing.clone(), self.revocations_sender.left.clone());
        let is_alone = !self.journal.is_shared();
        let work = async move {
            // A store in memory has none but what this instance leaves.
            if is_alone {
                left.notified().await;
            }
            // An instance that was dropped and not closed must not live on in its sender.
            while let Some(engine) = engine.upgrade() {
                if let Err(error) = engine.send_due_revocations().await {
                    tracing::warn!(code = error.code(), "revocations are sent later");
                }
                drop(engine);
                // Another look is due, or there is news: either way it is time.
                let _ = tokio::time::timeout(LOOK, left.notified()).await;
            }
        };
        self.spawn(async move {
            // What was under way is sent again by whoever comes next.
            let _ = closing.run_until_cancelled(work).await;
        });
    }

    /// Sends what is due now, each once. A row that cannot be read keeps none of the others from being sent.
    async fn send_due_revocations(&self) -> Result<()> {
        let now = self.clock.now();
        let round = Round::default();
        let mut last: Option<OutboxRow> = None;
        loop {
            let after = last.as_ref().and_then(|row| Some((row.next_try?, row.organization.as_str(), row.id.as_str())));
            let page = self.rows.store.outbox_due(REVOCATION, now, after, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            last = page.last().cloned();
            stream::iter(page).for_each_concurrent(AT_ONCE, |row| self.send_in(&round, row)).await;
            round.is_interrupted()?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Sends one of a round's.
    async fn send_in(&self, round: &Round, row: OutboxRow) {
        let (id, connection_id) = (row.id.clone(), row.connection_id.clone());
        if round.spares(&connection_id) {
            return;
        }
        let sent = async { self.send_revocation(self.rows.read_revocation(row)?).await };
        match sent.await {
            Ok(RevocationState::Pending) => round.spare(connection_id),
            Ok(_) => {}
            Err(error @ Error::IntegrityFailed { .. }) => {
                tracing::error!(revocation.id = %id, code = error.code(), "a revocation was edited, and is not sent");
            }
            Err(error) => round.interrupt(error),
        }
    }

    /// Sends what is left of one, notes what came of it, and says how far it is now.
    async fn send_revocation(&self, mut revocation: StoredRevocation) -> Result<RevocationState> {
        let mut requests = self.rows.held_requests(&revocation).await?;
        // Whoever moves it first has it for this time.
        revocation.next_try = Some(self.clock.now().plus(CLAIM));
        revocation.facts.attempts += 1;
        if self.write(&mut revocation, &requests).await? == Commit::Conflict {
            // Another process has, and sees how its provider does.
            return Ok(RevocationState::Accepted);
        }
        let (state, next_try) = if self.is_superseded(&revocation).await? {
            (RevocationState::Superseded, None)
        } else {
            self.attempt(&mut revocation, &mut requests).await?
        };
        revocation.status = state.as_str().into();
        revocation.next_try = next_try;
        if next_try.is_none() {
            requests.clear();
        }
        // Where somebody else took it over, when this process stood still, theirs stands.
        if self.write(&mut revocation, &requests).await? == Commit::Applied {
            let (id, state, error) = (&revocation.id, state.as_str(), revocation.facts.last_error.as_deref());
            tracing::info!(revocation.id = %id, state, error, "a revocation was sent");
        }
        Ok(state)
    }

    async fn write(&self, revocation: &mut StoredRevocation, requests: &[HeldRequest]) -> Result<Commit> {
        revocation.updated_at = self.clock.now();
        let mut changes = vec![Change::ReplaceOutbox(self.rows.write_revocation(revocation, requests).await?)];
        if revocation.next_try.is_none() {
            // Those that were over long ago go with the newest.
            changes.push(Change::ForgetOutbox { before: revocation.updated_at.minus(KEPT) });
            let accepted = RevocationState::Accepted.as_str();
            let of = RecordFacts {
                connection_id: Some(revocation.connection_id.clone()),
                account_id: Some(revocation.account_id.clone()),
                revocation_id: Some(revocation.id.clone()),
                ..RecordFacts::default()
            }
            .failed(Some(&*revocation.status).filter(|status| *status != accepted));
            changes.push(self.record(&revocation.organization, Action::RevocationEnded, &of)?);
        }
        let commit = self.rows.commit(changes).await?;
        revocation.version += 1;
        Ok(commit)
    }

    /// Whether the person has authorized again: where a provider keeps one grant for a person and an app, revoking the
    /// old tokens would end the new ones. The connection may have been made anew since.
    async fn is_superseded(&self, revocation: &StoredRevocation) -> Result<bool> {
        let (organization, facts) = (&revocation.organization, &revocation.facts);
        let named = self.rows.connection(organization, ConnectionKey::Name(&facts.connection_name)).await?;
        let connections = named.iter().map(|connection| &connection.id).chain([&revocation.connection_id]);
        for connection_id in connections {
            let key = AccountKey::Identifier { connection_id, identifier: &facts.identifier };
            let account = self.rows.account(organization, key).await?;
            if account.is_some_and(|account| account.status == Status::Active && account.cell.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends the requests one after the other; those that the provider has taken, or will not take, are not sent again.
    async fn attempt(
        &self,
        revocation: &mut StoredRevocation,
        requests: &mut Vec<HeldRequest>,
    ) -> Result<(RevocationState, Option<Timestamp>)> {
        let StoredRevocation { facts, created_at, .. } = revocation;
        while let Some(request) = requests.first() {
            match self.ask_to_revoke(request).await {
                Asked::Taken => {
                    facts.taken.get_or_insert(true);
                }
                Asked::Refused(problem) => {
                    // Of tokens that end with the first, which is known by then, it does not matter.
                    if facts.taken.is_none() {
                        facts.last_error = Some(problem);
                    }
                    facts.taken.get_or_insert(false);
                }
                Asked::Later(problem, wait) => {
                    facts.last_error = Some(problem);
                    let now = self.clock.now();
                    if now >= created_at.plus(LONGEST) && facts.attempts >= LEAST_ATTEMPTS {
                        break;
                    }
                    let pause = match wait {
                        Some(wait) => wait,
                        None => plan::backoff(facts.attempts, &*self.random)?.max(LEAST_PAUSE),
                    };
                    return Ok((RevocationState::Pending, Some(now.plus(pause))));
                }
            }
            requests.remove(0);
        }
        Ok(match facts.taken {
            Some(true) => {
                facts.last_error = None;
                (RevocationState::Accepted, None)
            }
            Some(false) => (RevocationState::Refused, None),
            None => (RevocationState::Abandoned, None),
        })
    }

    async fn ask_to_revoke(&self, held: &HeldRequest) -> Asked {
        let Some(request) = release(held) else { return Asked::Refused("unsendable".into()) };
        let answer = match self.egress.send(request, LIMITS).await {
            Ok(answer) => answer,
            Err(Failure::Forbidden) => return Asked::Later("forbidden_address".into(), None),
            Err(Failure::NotSent { reason } | Failure::Unknown { reason, .. }) => {
                return Asked::Later(reason.into(), None);
            }
            Err(Failure::TooLarge) => return Asked::Later("answer_unusable".into(), None),
        };
        let status = answer.status();
        let or_status = |code: Option<String>| code.unwrap_or_else(|| format!("status {}", status.as_u16()));
        match verdict(status, answer.headers(), answer.body(), self.clock.now()) {
            Verdict::Accepted => Asked::Taken,
            Verdict::Refused { error } => Asked::Refused(or_status(error.code)),
            Verdict::Later { error, retry_after } => Asked::Later(or_status(error.code), retry_after),
        }
    }
}

/// What one look at all that is due has come to.
#[derive(Debug, Default)]
struct Round {
    /// Connections whose provider did not take one: the others are left for another look, and delay nobody else's.
    spared: Mutex<HashSet<String>>,
    /// Why the store is not up to it.
    interrupted: Mutex<Option<Error>>,
}

impl Round {
    fn spares(&self, connection_id: &str) -> bool {
        self.spared().contains(connection_id)
    }

    fn spare(&self, connection_id: String) {
        self.spared().insert(connection_id);
    }

    fn interrupt(&self, error: Error) {
        *self.interrupted.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn is_interrupted(&self) -> Result<()> {
        self.interrupted.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    fn spared(&self) -> MutexGuard<'_, HashSet<String>> {
        self.spared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a provider made of one request.
enum Asked {
    Taken,
    Refused(String),
    /// Why not now, and for how long it asked to be left alone.
    Later(String, Option<Duration>),
}

/// The request as it leaves; nothing where it is none.
fn release(held: &HeldRequest) -> Option<Request<Bytes>> {
    let mut request = Request::new(Bytes::from(held.body.expose_secret().to_owned()));
    *request.method_mut() = held.method.parse::<Method>().ok()?;
    *request.uri_mut() = held.url.expose_secret().parse().ok()?;
    for (name, value) in &held.headers {
        let mut value = HeaderValue::try_from(value.expose_secret()).ok()?;
        value.set_sensitive(true);
        request.headers_mut().insert(HeaderName::try_from(name).ok()?, value);
    }
    Some(request)
}

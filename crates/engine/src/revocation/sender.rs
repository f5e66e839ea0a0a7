//! The task that sends revocations.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, Method, Request};
use tokio::sync::Notify;

use super::RevocationState;
use crate::{
    Engine, Error, Result,
    accounts::Status,
    egress::{Failure, Limits},
    oauth::revocation::{Verdict, verdict},
    refresh::plan,
    rows::{HeldRequest, StoredRevocation},
    secret::ExposeSecret,
    store::{AccountKey, Change, Commit},
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
/// How long it can be seen what became of one.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How the engine wakes its sender.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    left: Notify,
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
        let (engine, closing) = (Arc::downgrade(self), self.closing.clone());
        let work = async move {
            // An instance that was dropped and not closed must not live on in its sender.
            while let Some(engine) = engine.upgrade() {
                if let Err(error) = engine.send_due_revocations().await {
                    tracing::warn!(code = error.code(), "revocations could not be read, and are sent later");
                }
                let heard = tokio::time::timeout(LOOK, engine.revocations_sender.left.notified());
                // Another look is due, or there is news: either way it is time.
                let _ = heard.await;
            }
        };
        self.spawn(async move {
            // What was under way is sent again by whoever comes next.
            let _ = closing.run_until_cancelled(work).await;
        });
    }

    /// Sends everything that is due now.
    async fn send_due_revocations(&self) -> Result<()> {
        loop {
            let now = self.clock.now();
            let due = self.rows.store.outbox_due(now, PAGE).await?;
            if due.is_empty() {
                let forget = Change::ForgetOutbox { before: now.minus(KEPT) };
                return self.rows.store.commit(vec![forget]).await.map(drop);
            }
            stream::iter(due)
                .for_each_concurrent(AT_ONCE, async |row| {
                    let id = row.id.clone();
                    let sent = async { self.send_revocation(self.rows.read_revocation(row)?).await };
                    if let Err(error) = sent.await {
                        tracing::warn!(revocation.id = %id, code = error.code(), "a revocation could not be sent");
                    }
                })
                .await;
        }
    }

    /// Sends what is left of one, and notes what came of it.
    async fn send_revocation(&self, mut revocation: StoredRevocation) -> Result<()> {
        let mut requests = self.rows.held_requests(&revocation).await?;
        // Whoever moves it first has it for this time.
        revocation.next_try = Some(self.clock.now().plus(CLAIM));
        revocation.facts.attempts += 1;
        if self.write(&mut revocation, &requests).await? == Commit::Conflict {
            return Ok(());
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
        tracing::info!(revocation.id = %revocation.id, state = state.as_str(), "a grant is being taken back");
        // Somebody else took it over when this process stood still; then theirs stands.
        self.write(&mut revocation, &requests).await.map(drop)
    }

    async fn write(&self, revocation: &mut StoredRevocation, requests: &[HeldRequest]) -> Result<Commit> {
        revocation.updated_at = self.clock.now();
        let row = self.rows.write_revocation(revocation, requests).await?;
        let commit = self.rows.store.commit(vec![Change::ReplaceOutbox(row)]).await?;
        revocation.version += 1;
        Ok(commit)
    }

    /// Whether the person has authorized again: where a provider keeps one grant for a person and an app, revoking the
    /// old tokens would end the new ones.
    async fn is_superseded(&self, revocation: &StoredRevocation) -> Result<bool> {
        let identifier = &revocation.facts.identifier;
        let key = AccountKey::Identifier { connection_id: &revocation.connection_id, identifier };
        let account = self.rows.account(&revocation.organization, key).await?;
        Ok(account.is_some_and(|account| account.status == Status::Active && account.cell.is_some()))
    }

    /// Sends the requests one after the other; those that the provider has taken, or will not take, are not sent again.
    async fn attempt(
        &self,
        revocation: &mut StoredRevocation,
        requests: &mut Vec<HeldRequest>,
    ) -> Result<(RevocationState, Option<crate::time::Timestamp>)> {
        // The first is the one that counts: the others are of tokens that end with it.
        while let Some(request) = requests.first() {
            let (problem, wait) = match self.ask_to_revoke(request).await? {
                Asked::Taken => {
                    requests.remove(0);
                    revocation.facts.last_error = None;
                    revocation.status = RevocationState::Accepted.as_str().into();
                    continue;
                }
                Asked::Refused(problem) => {
                    requests.remove(0);
                    revocation.facts.last_error = Some(problem);
                    continue;
                }
                Asked::Later(problem, wait) => (problem, wait),
            };
            revocation.facts.last_error = Some(problem);
            let pause = match wait {
                Some(wait) => wait,
                None => plan::backoff(revocation.facts.attempts, &*self.random)?.max(LEAST_PAUSE),
            };
            let now = self.clock.now();
            return Ok(match now < revocation.created_at.plus(LONGEST) {
                true => (RevocationState::Pending, Some(now.plus(pause))),
                false => (RevocationState::Abandoned, None),
            });
        }
        let is_taken = RevocationState::parse(&revocation.status) == RevocationState::Accepted;
        if is_taken {
            revocation.facts.last_error = None;
        }
        Ok((if is_taken { RevocationState::Accepted } else { RevocationState::Refused }, None))
    }

    async fn ask_to_revoke(&self, held: &HeldRequest) -> Result<Asked> {
        let answer = match self.egress.send(release(held)?, LIMITS).await {
            Ok(answer) => answer,
            Err(Failure::Forbidden) => return Ok(Asked::Refused("forbidden_address".into())),
            Err(Failure::NotSent { reason } | Failure::Unknown { reason, .. }) => {
                return Ok(Asked::Later(reason.into(), None));
            }
            Err(Failure::TooLarge) => return Ok(Asked::Later("answer_unusable".into(), None)),
        };
        let status = answer.status();
        let or_status = |code: Option<String>| code.unwrap_or_else(|| format!("status {}", status.as_u16()));
        Ok(match verdict(status, answer.headers(), answer.body(), self.clock.now()) {
            Verdict::Accepted => Asked::Taken,
            Verdict::Refused { error } => Asked::Refused(or_status(error.code)),
            Verdict::Later { error, retry_after } => Asked::Later(or_status(error.code), retry_after),
        })
    }
}

/// What a provider made of one request.
enum Asked {
    Taken,
    Refused(String),
    /// Why not now, and for how long it asked to be left alone.
    Later(String, Option<Duration>),
}

/// The request as it leaves.
fn release(held: &HeldRequest) -> Result<Request<Bytes>> {
    let unsendable = || Error::Internal { reason: "a revocation cannot be sent as it was sealed".into() };
    let mut request = Request::new(Bytes::from(held.body.expose_secret().to_owned()));
    *request.method_mut() = held.method.parse::<Method>().map_err(|_| unsendable())?;
    *request.uri_mut() = held.url.expose_secret().parse().map_err(|_| unsendable())?;
    for (name, value) in &held.headers {
        let name = HeaderName::try_from(name).map_err(|_| unsendable())?;
        let mut value = HeaderValue::try_from(value.expose_secret()).map_err(|_| unsendable())?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

//! One request to a token endpoint, its answer durable before anyone reads it.
//!
//! A rotated refresh token and a code's tokens exist once: in the answer. So a journal slot is reserved before the
//! request leaves, and the raw answer is sealed into it before it is parsed. A slot is cleared only when its answer has
//! been dealt with: what could not be stored is kept, in memory and in the journal, and settled later. What a killed
//! process left is settled by one that lives, or by the next that opens the environment.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use data_encoding::BASE64;
use futures_util::stream;
use http::{HeaderMap, StatusCode, header::CONTENT_LENGTH};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::{
    Engine, Error, Result,
    egress::{Failure, Limits, OVERFLOWING, body::Outgoing},
    oauth::{
        Registration,
        outcome::{Outcome, TokenAnswer, classify},
        provider_error::ProviderError,
        retry_after::retry_after,
        token_response::{Unusable, salvage_refresh_token},
    },
    store::{
        LeaseRow,
        journal::{Entry, Slot},
    },
    time::Timestamp,
};

/// The largest answer that is read whole: what a slot takes, written as base64. Of a larger one the beginning is kept.
const MOST: usize = 40 * 1024;

/// What the journal's seal is bound to. The record itself says whose answer it is.
const JOURNAL: &[u8] = b"token endpoint";

/// What those who wait for an answer are told, once it has been dealt with.
pub(crate) type Told = Result<()>;

/// What a token request was sent for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// To exchange a flow's code.
    Exchange {
        organization: String,
        flow_id: String,
        /// The connector and app that the code was sent to.
        binding: String,
        /// Values of the callback that the connector keeps.
        callback: IndexMap<String, String>,
    },
    /// To refresh an account's token.
    Refresh {
        organization: String,
        account_id: String,
        /// Counts the account's requests.
        epoch: u64,
        /// The epoch of the credential whose refresh token is sent. Earlier versions did not say.
        #[serde(default)]
        presented: Option<u64>,
        /// The connection as it was when the request left.
        connection_version: i64,
    },
}

/// A token endpoint's answer, unread. Its body may hold tokens.
pub(crate) struct Answer {
    pub(crate) purpose: Purpose,
    pub(crate) status: StatusCode,
    /// Empty when the answer comes from the journal: they say how long to wait, which is over then.
    headers: HeaderMap,
    body: Bytes,
    /// Whether the body arrived to its end.
    whole: bool,
    received_at: Timestamp,
}

/// Without its body.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("purpose", &self.purpose).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    /// Whether it says that the provider is overloaded or broken; then, for how long it asked to be left alone.
    pub(crate) fn failing(&self) -> Option<Option<Duration>> {
        let Self { status, headers, received_at, .. } = self;
        let fails = status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS;
        fails.then(|| retry_after(*status, headers, *received_at))
    }

    /// Whether it answers the request that the lease is for.
    pub(crate) fn is_of(&self, lease: &LeaseRow) -> bool {
        matches!(&self.purpose, Purpose::Refresh { organization, account_id, epoch, .. }
            if *organization == lease.organization && *account_id == lease.account_id
                && i64::try_from(*epoch) == Ok(lease.epoch))
    }

    /// What it means. `asked` are the scopes that hold when it names none.
    pub(crate) fn classified(&self, registration: &Registration, asked: &[String]) -> Outcome {
        let Self { status, headers, body, received_at, .. } = self;
        if !self.whole {
            let salvaged = salvage_refresh_token(body, registration);
            let reason = if body.len() >= MOST { Unusable::TooLarge } else { Unusable::Broken };
            return Outcome::Unknown { reason, error: ProviderError::default(), salvaged };
        }
        classify(TokenAnswer { status: *status, headers, body, received_at: *received_at }, registration, asked)
    }
}

/// What is done when the connection stands and before the body leaves. When it fails, nothing leaves.
pub(crate) type Leave<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

impl Engine {
    /// Sends the request and returns its answer, which is then in the journal. The beginning of a successful answer
    /// that broke off, or is too large, is an answer too: a refresh token may stand in it.
    ///
    /// The answer is waited for until the deadline, long on purpose: one that comes late is still the only copy of a
    /// rotated token.
    pub(crate) async fn ask_token_endpoint(
        &self,
        request: http::Request<Bytes>,
        purpose: Purpose,
        slot: &Slot,
        deadline: Instant,
        leave: Leave<'static>,
    ) -> Result<Answer> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let limits = Limits { total: deadline.saturating_duration_since(Instant::now()), body: MOST };
        let gate = Gate::default();
        let sent = self.egress.send_chunks(gate.guard(request, leave), limits).await;
        let (status, headers, body, whole) = match sent.map_err(|failure| gate.failure(failure)) {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                (parts.status, parts.headers, body, true)
            }
            Err(Failure::Unknown { partial: Some(beginning), .. }) if beginning.status.is_success() => {
                (beginning.status, HeaderMap::new(), beginning.body, false)
            }
            Err(failure) => return Err(gate.refusal().unwrap_or_else(|| unanswered(host, &failure))),
        };
        let answer = Answer { purpose, status, headers, body, whole, received_at: self.clock.now() };
        if let Err(error) = self.journal_answer(&answer, slot).await {
            // The journal was to guard it until the store has it. Without the journal, the store must have it at once.
            tracing::error!(code = error.code(), "an answer could not be journaled and goes to the store unguarded");
        }
        Ok(answer)
    }

    async fn journal_answer(&self, answer: &Answer, slot: &Slot) -> Result<()> {
        let record = Zeroizing::new(record(answer)?);
        slot.write(&self.rows.vault().seal_journal(JOURNAL, &record, &*self.random)?).await
    }

    /// A journal slot, unless the environment closes: nothing is sent any more then.
    pub(crate) async fn reserve_slot(&self) -> Result<Slot> {
        let slot = tokio::select! {
            slot = self.journal.reserve() => slot?,
            () = self.closing.cancelled() => return Err(Error::Closed),
        };
        self.ensure_open().map(|()| slot)
    }

    /// The answer that an entry of a journal holds.
    pub(crate) fn read_journaled(&self, sealed: &[u8]) -> Result<Answer> {
        self.rows.vault().open_journal(JOURNAL, sealed).and_then(|record| answer_of(&record))
    }

    /// Settles what an instance that is gone had received and not stored. An entry that cannot be read stays in its slot: it is
    /// no reason to keep the store shut.
    pub(crate) async fn replay_journal(self: &Arc<Self>, entries: Vec<Entry>) {
        for Entry { sealed, slot } in entries {
            match self.read_journaled(&sealed) {
                Ok(answer) => match answer.purpose {
                    Purpose::Exchange { .. } => self.settle_exchange_later(answer, slot),
                    Purpose::Refresh { .. } => {
                        // Before anything else is refreshed. Who waited for it is gone.
                        self.settle_left(answer, slot).await;
                    }
                },
                Err(error) => {
                    tracing::error!(
                        code = error.code(),
                        "an entry of the journal belongs to another store or key, and was left there"
                    );
                    // Held, so that it is read and reported once.
                    self.unreadable().push(slot);
                }
            }
        }
    }
}

/// Between the head of a request and its body. The body is what a provider acts on: it has the code or refresh token.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<Passed>>);

#[derive(Default)]
enum Passed {
    #[default]
    NotYet,
    /// Something of the body may have left.
    Yes,
    /// What had to be done first failed.
    Refused(Error),
    /// Nobody waits for the answer any more, so nothing may leave.
    Closed,
}

impl Gate {
    /// The request, whose body leaves when `leave` has done its work.
    fn guard(&self, request: http::Request<Bytes>, leave: Leave<'static>) -> http::Request<Outgoing> {
        let gate = self.clone();
        let (mut parts, body) = request.into_parts();
        parts.headers.insert(CONTENT_LENGTH, body.len().into());
        let chunks = stream::once(async move {
            let left = leave.await;
            let mut passed = gate.lock();
            *passed = match (&*passed, left) {
                (Passed::NotYet, Ok(())) => Passed::Yes,
                (Passed::NotYet, Err(error)) => Passed::Refused(error),
                _ => Passed::Closed,
            };
            if matches!(*passed, Passed::Yes) { Ok(body) } else { Err(Failure::NotSent { reason: "held back" }) }
        });
        http::Request::from_parts(parts, Outgoing::Chunks(Box::pin(chunks)))
    }

    /// What the failure means, knowing whether the body left. If it has not, it won't.
    fn failure(&self, failure: Failure) -> Failure {
        let mut passed = self.lock();
        if matches!(*passed, Passed::NotYet) {
            *passed = Passed::Closed;
        }
        match failure {
            Failure::Unknown { reason, .. } if matches!(*passed, Passed::Closed) => Failure::NotSent { reason },
            failure => failure,
        }
    }

    /// Why the body was held back.
    fn refusal(&self) -> Option<Error> {
        match &*self.lock() {
            Passed::Refused(error) => Some(error.clone()),
            Passed::NotYet | Passed::Yes | Passed::Closed => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frees the slot of an answer that has been dealt with. An entry that stays is dealt with again, which changes nothing.
pub(crate) async fn clear(slot: Slot) {
    if let Err(error) = slot.clear().await {
        tracing::warn!(code = error.code(), "a slot of the journal was not cleared");
    }
}

/// Why there is no answer, for the caller.
pub(crate) fn unanswered(host: String, failure: &Failure) -> Error {
    match failure {
        Failure::NotSent { reason } => Error::ProviderUnreachable { host, reason: (*reason).into() },
        Failure::Forbidden => Error::private_address(&host),
        Failure::TooLarge | Failure::Unknown { reason: OVERFLOWING, .. } => {
            Error::ProviderResponseInvalid { host, reason: "it is too large".into() }
        }
        Failure::Unknown { reason, .. } => {
            Error::ProviderUnavailable { host, reason: (*reason).into(), retry_at: None }
        }
    }
}

/// An answer as it stands in the journal, before it is sealed.
#[derive(Serialize, Deserialize)]
struct Record {
    purpose: Purpose,
    status: u16,
    body: String,
    whole: bool,
    received_at: Timestamp,
}

fn record(answer: &Answer) -> Result<Vec<u8>> {
    let record = Record {
        purpose: answer.purpose.clone(),
        status: answer.status.as_u16(),
        body: BASE64.encode(&answer.body),
        whole: answer.whole,
        received_at: answer.received_at,
    };
    let written = serde_json::to_vec(&record).map_err(|_| unreadable());
    drop(Zeroizing::new(record.body));
    written
}

fn answer_of(record: &[u8]) -> Result<Answer> {
    let record: Record = serde_json::from_slice(record).map_err(|_| unreadable())?;
    let body = Zeroizing::new(record.body);
    Ok(Answer {
        purpose: record.purpose,
        status: StatusCode::from_u16(record.status).map_err(|_| unreadable())?,
        headers: HeaderMap::new(),
        body: BASE64.decode(body.as_bytes()).map_err(|_| unreadable())?.into(),
        whole: record.whole,
        received_at: record.received_at,
    })
}

fn unreadable() -> Error {
    Error::IntegrityFailed { what: "an entry of the journal".into() }
}

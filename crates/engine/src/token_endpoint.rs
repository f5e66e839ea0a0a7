//! One request to a token endpoint, its answer durable before anyone reads it.
//!
//! A rotated refresh token and a code's tokens exist once: in the answer. So a journal slot is reserved before the
//! request leaves, and the raw answer is sealed into it before it is parsed. An entry that a killed process left behind
//! is settled when the environment opens, before anything else is refreshed.

use std::fmt;

use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderMap, StatusCode};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    Engine, Error, Result,
    egress::{Failure, Limits},
    oauth::{
        Registration,
        outcome::{Outcome, TokenAnswer, classify},
    },
    store::journal::{Entry, Slot},
    time::Timestamp,
};

/// Long on purpose: an answer that comes late is still the only copy of a rotated token.
const LIMITS: Limits = Limits { total: std::time::Duration::from_secs(90), body: 32 * 1024 };

/// What the journal's seal is bound to. The record itself says whose answer it is.
const JOURNAL: &[u8] = b"token endpoint";

/// What a token request was sent for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// To exchange a flow's code.
    Exchange {
        organization: String,
        flow_id: String,
        /// Values of the callback that the connector keeps.
        callback: IndexMap<String, String>,
    },
    /// To refresh an account's token; `epoch` counts the account's requests.
    Refresh { organization: String, account_id: String, epoch: u64 },
}

/// A token endpoint's answer, unread. Its body may hold tokens.
pub(crate) struct Answer {
    pub(crate) purpose: Purpose,
    pub(crate) status: StatusCode,
    /// Empty when the answer comes from the journal: they say how long to wait, which is over then.
    headers: HeaderMap,
    body: Bytes,
    received_at: Timestamp,
}

/// Without its body.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("purpose", &self.purpose).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    /// What it means. `asked` are the scopes that hold when it names none.
    pub(crate) fn classified(&self, registration: &Registration, asked: &[String]) -> Outcome {
        let Self { status, headers, body, received_at, .. } = self;
        classify(TokenAnswer { status: *status, headers, body, received_at: *received_at }, registration, asked)
    }
}

impl Engine {
    /// Sends the request and returns its answer, which is then in the journal.
    pub(crate) async fn ask_token_endpoint(
        &self,
        request: http::Request<Bytes>,
        purpose: Purpose,
        slot: &Slot,
    ) -> Result<Answer> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let response = self.egress.send(request, LIMITS).await.map_err(|failure| unanswered(host, &failure))?;
        let (parts, body) = response.into_parts();
        let answer =
            Answer { purpose, status: parts.status, headers: parts.headers, body, received_at: self.clock.now() };
        let record = Zeroizing::new(record(&answer)?);
        slot.write(&self.rows.vault().seal_journal(JOURNAL, &record, &*self.random)?).await?;
        Ok(answer)
    }

    /// Settles what a killed process had received and not stored.
    pub(crate) async fn replay_journal(&self, entries: Vec<Entry>) -> Result<()> {
        for entry in entries {
            let record = self.rows.vault().open_journal(JOURNAL, &entry.sealed)?;
            let answer = answer_of(&record)?;
            let settled = match &answer.purpose {
                Purpose::Exchange { .. } => self.settle_exchange(&answer).await,
                Purpose::Refresh { .. } => self.settle_refresh(&answer).await.map(drop),
            };
            match settled {
                // Kept for a better day: opening fails.
                Err(error) if error.is_of_store() => return Err(error),
                Err(error) => tracing::warn!(code = error.code(), "an answer from before the restart was not usable"),
                Ok(()) => tracing::info!("an answer from before the restart was stored"),
            }
            entry.slot.clear().await?;
        }
        Ok(())
    }
}

/// Why there is no answer, for the caller.
pub(crate) fn unanswered(host: String, failure: &Failure) -> Error {
    match failure {
        Failure::NotSent { reason } => Error::ProviderUnreachable { host, reason: (*reason).into() },
        Failure::Forbidden => Error::TargetNotAllowed {
            problem: format!("`{host}` has a private or reserved address, which only a loopback environment may call"),
        },
        Failure::Unknown { reason, .. } => {
            Error::ProviderUnavailable { host, reason: (*reason).into(), retry_at: None }
        }
        Failure::TooLarge => Error::ProviderResponseInvalid { host, reason: "it is too large".into() },
    }
}

/// An answer as it stands in the journal, before it is sealed.
#[derive(Serialize, Deserialize)]
struct Record {
    purpose: Purpose,
    status: u16,
    body: String,
    received_at: Timestamp,
}

fn record(answer: &Answer) -> Result<Vec<u8>> {
    let record = Record {
        purpose: answer.purpose.clone(),
        status: answer.status.as_u16(),
        body: BASE64.encode(&answer.body),
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
        received_at: record.received_at,
    })
}

fn unreadable() -> Error {
    Error::IntegrityFailed { what: "an entry of the journal".into() }
}

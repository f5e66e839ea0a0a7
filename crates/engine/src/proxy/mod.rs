//! Authenticated requests to a provider's API.
//!
//! The caller says what to ask; the connection says where, and adds the credential last. A token that ends soon is
//! refreshed first; one that the provider refuses is refreshed once, and the request sent again. Bodies may flow both
//! ways as they are made: a request's is sent once, then, and an answer's is read when it is asked for.

mod answer;
mod call;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use self::call::{Call, Origin};
use crate::{
    Engine, Error, Result,
    accounts::AccountRef,
    egress::{body::Incoming, headers},
    refresh::{LEAST_VALIDITY, Need, SETTLED_FOR},
    rows::{Credential, StoredAccount, StoredConnection},
};

pub use self::answer::AnswerBody;
pub use crate::egress::{
    body::Body,
    upload::{Upload, Writer, upload},
};

/// How long a call may take unless it says so itself.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A request to send with a connected account's credential.
#[derive(Debug)]
pub struct ProxyRequest {
    /// Whose credential.
    pub account: AccountRef,
    /// `GET` unless said; any case.
    pub method: Option<String>,
    /// Within the connector's API, such as `/gmail/v1/users/me/messages`.
    pub path: String,
    /// Added to what the path's own query says.
    pub query: Vec<(String, String)>,
    /// Whatever the provider wants besides; never the credential.
    pub headers: Vec<(String, String)>,
    /// What goes along.
    pub body: Body,
    /// For the whole call, or up to the head of an answer that is streamed. [`DEFAULT_TIMEOUT`] unless said; with a
    /// body that is streamed, as long as it takes.
    pub timeout: Option<Duration>,
}

impl ProxyRequest {
    /// How long it may take, where that is bounded.
    pub fn time_limit(&self) -> Option<Duration> {
        let default = || (!matches!(self.body, Body::Stream(_))).then_some(DEFAULT_TIMEOUT);
        self.timeout.or_else(default)
    }
}

/// The provider's answer, whatever its status.
#[derive(Debug)]
pub struct ProxyResponse<Body = Bytes> {
    /// As it came.
    pub status: u16,
    /// Lower-case names; repeated ones in order.
    pub headers: Vec<(String, String)>,
    /// Byte for byte.
    pub body: Body,
}

impl Engine {
    /// Sends a request with the account's credential, refreshed before it expires and once after a 401. Whatever the
    /// provider answers is returned, read whole, up to 64 MiB; a redirect is an answer. So is a 401 to a credential that
    /// cannot be refreshed, and the account stays active: one path's refusal does not prove that the credential is dead.
    ///
    /// # Errors
    /// `TARGET_NOT_ALLOWED` and `INVALID_ARGUMENT` before anything is sent; `AUTHORIZATION_REQUIRED`,
    /// `REAUTHORIZATION_REQUIRED`; `PROVIDER_UNREACHABLE`, `PROVIDER_UNAVAILABLE`, `ANSWER_LOST`,
    /// `PROVIDER_RESPONSE_INVALID`, `TIMED_OUT`. What the source of the body failed with.
    pub async fn request(self: &Arc<Self>, request: ProxyRequest) -> Result<ProxyResponse> {
        self.in_time(request.time_limit(), async {
            let ProxyResponse { status, headers, body } = self.answer(request).await?;
            Ok(ProxyResponse { status, headers, body: body.collect().await? })
        })
        .await
    }

    /// As [`Engine::request`], but returns at the head of the answer; the body follows as it is read. Closing the
    /// environment breaks it off.
    ///
    /// # Errors
    /// As [`Engine::request`].
    pub async fn request_streaming(self: &Arc<Self>, request: ProxyRequest) -> Result<ProxyResponse<AnswerBody>> {
        let answer = self.in_time(request.time_limit(), self.answer(request)).await?;
        answer.body.end_with(self);
        Ok(answer)
    }

    /// What `work` comes to before its time is up and the environment closes.
    async fn in_time<T>(&self, limit: Option<Duration>, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.ensure_open()?;
        let limit = limit.unwrap_or(Duration::MAX);
        let in_time = tokio::time::timeout(limit, work);
        match self.closing.run_until_cancelled(in_time).await {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(Error::TimedOut { after_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) }),
            None => Err(Error::Closed),
        }
    }

    /// The head of the provider's answer, and its body to be read. Counted, once it is known whose API is meant.
    async fn answer(self: &Arc<Self>, request: ProxyRequest) -> Result<ProxyResponse<AnswerBody>> {
        let (connection, account) = self.stored_account(&request.account).await?;
        let under_way = self.metrics.call_begins(&connection.connector);
        let answer = self.answer_to(&connection, account, request).await;
        under_way.ended(answer.as_ref().map(|answer| answer.status));
        answer
    }

    async fn answer_to(
        self: &Arc<Self>,
        connection: &StoredConnection,
        account: StoredAccount,
        request: ProxyRequest,
    ) -> Result<ProxyResponse<AnswerBody>> {
        let setup = self.setup(connection)?;
        // What a person entered may name their host. A token is opened once, when it is known which one is sent.
        let entered = match setup.is_static() {
            true => Some(self.usable_credential(connection, &account).await?),
            false => self.check_usable(connection, &account).map(|()| None)?,
        };
        let patience = request.time_limit().unwrap_or(Duration::MAX);
        let call = Call::new(&setup, &account, entered.as_ref(), request, patience)?;
        let (account, credential) = self.fresh(connection, account, Need::ValidFor(LEAST_VALIDITY)).await?;
        // Only what can be refreshed is sent again, so only that is copied.
        let again = credential.refresh_token().and_then(|_| call.try_clone());
        let (answer, origin) = self.call(connection, &account, &credential, call).await?;
        let refused = answer.status() == StatusCode::UNAUTHORIZED;
        // A token that is this new is refused for another reason than its age.
        let outdated = refused && !account.was_refreshed_within(SETTLED_FOR, self.clock.now());
        let Some(again) = again.filter(|_| outdated) else { return Ok(self.answered(answer, origin)) };
        drop(answer);
        let newer = Need::NewerThan(account.facts.token_epoch);
        let (account, credential) = self.fresh(connection, account, newer).await?;
        let (answer, origin) = self.call(connection, &account, &credential, again).await?;
        Ok(self.answered(answer, origin))
    }

    /// Adds the credential to the call, and sends it.
    async fn call(
        &self,
        connection: &StoredConnection,
        account: &StoredAccount,
        credential: &Credential,
        call: Call,
    ) -> Result<(Response<Incoming>, Origin)> {
        let patience = call.patience;
        let (request, origin) = call.authorized(&self.setup(connection)?, account, credential)?;
        let answer = origin.head(self.egress.open(request, patience)).await?;
        Ok((answer, origin))
    }

    fn answered(&self, answer: Response<Incoming>, origin: Origin) -> ProxyResponse<AnswerBody> {
        let (parts, incoming) = answer.into_parts();
        let headers = headers::answer_headers(parts.headers);
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let body = AnswerBody::new(incoming, origin, &self.closing);
        ProxyResponse { status: parts.status.as_u16(), headers, body }
    }
}

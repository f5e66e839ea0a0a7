//! Authenticated requests to a provider's API.
//!
//! The caller says what to ask; the connection says where, and adds the credential last. A token that ends soon is
//! refreshed first; one that the provider refuses is refreshed once, and the request sent again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use indexmap::IndexMap;

use crate::{
    Engine, Error, Result,
    accounts::AccountRef,
    catalogue::template::Template,
    connections::registration::Setup,
    egress::{Failure, Limits, headers, target::Target},
    refresh::{LEAST_VALIDITY, Need, SETTLED_FOR},
    rows::{Credential, StoredAccount, StoredConnection},
};

pub use crate::egress::body::Body;

/// How long a call may take unless it says so itself.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read into memory.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
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
    /// For the whole call; 30 seconds unless said.
    pub timeout: Option<Duration>,
}

/// The provider's answer, whatever its status.
#[derive(Debug)]
pub struct ProxyResponse {
    /// As it came.
    pub status: u16,
    /// Lower-case names; repeated ones in order.
    pub headers: Vec<(String, String)>,
    /// Byte for byte.
    pub body: Bytes,
}

impl Engine {
    /// Sends a request with the account's credential, refreshed before it expires and once after a 401. Whatever the
    /// provider answers is returned; a redirect is an answer.
    ///
    /// # Errors
    /// `TARGET_NOT_ALLOWED` and `INVALID_ARGUMENT` before anything is sent; `AUTHORIZATION_REQUIRED`,
    /// `REAUTHORIZATION_REQUIRED`; `PROVIDER_UNREACHABLE`, `PROVIDER_UNAVAILABLE`, `ANSWER_LOST`, `TIMED_OUT`.
    pub async fn request(self: &Arc<Self>, request: ProxyRequest) -> Result<ProxyResponse> {
        self.ensure_open()?;
        let timeout = request.timeout.unwrap_or(DEFAULT_TIMEOUT);
        tokio::select! {
            answered = tokio::time::timeout(timeout, self.request_in_time(request, timeout)) => answered
                .unwrap_or_else(|_| {
                    Err(Error::TimedOut { after_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX) })
                }),
            () = self.closing.cancelled() => Err(Error::Closed),
        }
    }

    async fn request_in_time(self: &Arc<Self>, request: ProxyRequest, timeout: Duration) -> Result<ProxyResponse> {
        let (connection, account) = self.stored_account(&request.account).await?;
        self.check_usable(&connection, &account)?;
        let call = Call::new(&self.setup(&connection)?, &account, request, timeout)?;
        let (account, credential) = self.fresh(&connection, account, Need::ValidFor(LEAST_VALIDITY)).await?;
        let answer = self.call(&connection, &account, &credential, &call).await?;
        let refused = answer.status() == StatusCode::UNAUTHORIZED && credential.refresh_token.is_some();
        // A token that is this new is refused for another reason than its age.
        if !refused || account.was_refreshed_within(SETTLED_FOR, self.clock.now()) {
            return Ok(answered(answer));
        }
        let newer = Need::NewerThan(account.facts.token_epoch);
        let (account, credential) = self.fresh(&connection, account, newer).await?;
        self.call(&connection, &account, &credential, &call).await.map(answered)
    }

    /// Adds the credential to the call, and sends it.
    async fn call(
        &self,
        connection: &StoredConnection,
        account: &StoredAccount,
        credential: &Credential,
        call: &Call,
    ) -> Result<http::Response<Bytes>> {
        let injection = self.setup(connection)?.injection(&account.facts.kept, credential)?;
        let mut target = call.target.clone();
        injection.address(&mut target);
        let (body, content_type) = injection.fill_body(&call.body)?;
        let mut request = Request::new(body);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = target.uri()?;
        *request.headers_mut() = call.headers.clone();
        if let Some(content_type) = content_type {
            request.headers_mut().entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        }
        injection.sign(&mut request)?;
        let limits = Limits { total: call.timeout, body: LARGEST_ANSWER };
        self.egress.send(request, limits).await.map_err(|failure| call.unanswered(failure))
    }
}

/// A request that may be sent, but for the credential.
struct Call {
    method: Method,
    target: Target,
    headers: HeaderMap,
    body: Body,
    timeout: Duration,
}

impl Call {
    /// Refuses what cannot be sent, before anything is: no token is refreshed for it.
    fn new(setup: &Setup<'_>, account: &StoredAccount, asked: ProxyRequest, timeout: Duration) -> Result<Self> {
        let send = &setup.method.send;
        let base = setup.base_url(&account.facts.kept)?;
        check_body(&asked.body, !send.body.is_empty())?;
        Ok(Self {
            method: headers::method(asked.method.as_deref().unwrap_or("GET"))?,
            target: Target::new(&base, &asked.path, &asked.query, &names(&send.query))?,
            headers: headers::caller_headers(&asked.headers, &names(&send.headers))?,
            body: asked.body,
            timeout,
        })
    }

    /// Why there is no answer. A request that left may have been carried out.
    fn unanswered(&self, failure: Failure) -> Error {
        let host = self.target.url().host_str().unwrap_or_default().to_owned();
        match failure {
            Failure::NotSent { reason } => Error::ProviderUnreachable { host, reason: reason.into() },
            Failure::Forbidden => Error::private_address(&host),
            Failure::Unknown { reason, .. } => {
                // RFC 9110 §9.2.2: sent twice, these do what they do once.
                let repeatable = self.method.is_idempotent();
                Error::AnswerLost { host, reason: reason.into(), repeatable }
            }
            Failure::TooLarge => {
                let reason = format!("it is larger than {} MiB", LARGEST_ANSWER / 1024 / 1024);
                Error::ProviderResponseInvalid { host, reason }
            }
        }
    }
}

fn names(templates: &IndexMap<String, Template>) -> Vec<&str> {
    templates.keys().map(String::as_str).collect()
}

/// Where the credential stands in the body, there must be room for it.
fn check_body(body: &Body, carries_credential: bool) -> Result<()> {
    let has_room = matches!(body, Body::Form(_) | Body::Json(serde_json::Value::Object(_)));
    if carries_credential && !has_room {
        return Err(Error::invalid(
            "body",
            "must be a JSON object or a form: this connector sends its credential in it",
        ));
    }
    Ok(())
}

fn answered(answer: http::Response<Bytes>) -> ProxyResponse {
    let (parts, body) = answer.into_parts();
    let headers = headers::answer_headers(parts.headers);
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    ProxyResponse { status: parts.status.as_u16(), headers, body }
}

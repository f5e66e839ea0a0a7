//! Authenticated requests to a provider's API.
//!
//! The caller says what to ask; the connection says where, and adds the credential last. A token that ends soon is
//! refreshed first; one that the provider refuses is refreshed once, and the request sent again.

pub(crate) mod injection;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use url::form_urlencoded;

use crate::{
    Engine, Error, Result,
    accounts::AccountRef,
    egress::{Limits, headers, target::Target},
    refresh::{LEAST_VALIDITY, Need},
    rows::{Credential, StoredAccount, StoredConnection},
    secret::ExposeSecret,
    token_endpoint::unanswered,
};

use injection::Injection;

/// How long a call may take unless it says so itself.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read into memory.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// For the call that names a credential's owner: a person is waiting for the page.
pub(crate) const PROBE_LIMITS: Limits = Limits { total: Duration::from_secs(10), body: 1024 * 1024 };

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

/// What a request carries.
#[derive(Debug, Default)]
pub enum Body {
    #[default]
    /// Nothing.
    Empty,
    /// As `application/json`.
    Json(serde_json::Value),
    /// As `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// Sent as it is; the caller names its type in a header.
    Bytes(Bytes),
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
    /// `REAUTHORIZATION_REQUIRED`; `PROVIDER_UNREACHABLE`, `PROVIDER_UNAVAILABLE`, `TIMED_OUT`.
    pub async fn request(self: &Arc<Self>, request: ProxyRequest) -> Result<ProxyResponse> {
        self.ensure_open()?;
        let timeout = request.timeout.unwrap_or(DEFAULT_TIMEOUT);
        match tokio::time::timeout(timeout, self.request_in_time(request, timeout)).await {
            Ok(answered) => answered,
            Err(_) => Err(Error::TimedOut { after_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX) }),
        }
    }

    async fn request_in_time(self: &Arc<Self>, request: ProxyRequest, timeout: Duration) -> Result<ProxyResponse> {
        let method = headers::method(request.method.as_deref().unwrap_or("GET"))?;
        let (connection, account) = self.stored_account(&request.account).await?;
        if !connection.enabled {
            return Err(Error::ConnectionDisabled { connection: connection.name });
        }
        let (account, credential) = self.fresh(account, Need::ValidFor(LEAST_VALIDITY)).await?;
        let refused = account.facts.token_epoch;
        let call = Call { request: &request, method, timeout };
        let answer = self.call(&connection, &account, &credential, &call).await?;
        if answer.status() != StatusCode::UNAUTHORIZED || credential.refresh_token.is_none() {
            return Ok(answered(answer));
        }
        let (account, credential) = self.fresh(account, Need::NewerThan(refused)).await?;
        self.call(&connection, &account, &credential, &call).await.map(answered)
    }

    /// Puts one request together and sends it.
    async fn call(
        &self,
        connection: &StoredConnection,
        account: &StoredAccount,
        credential: &Credential,
        call: &Call<'_>,
    ) -> Result<http::Response<Bytes>> {
        let settled = self.settle(connection)?;
        let kept = &account.facts.kept;
        let injection = settled.injection(kept, credential)?;
        let asked = call.request;
        let mut target = Target::new(&settled.base_url(kept)?, &asked.path, &asked.query, &injection.query_names())?;
        injection.address(&mut target);
        let host = target.url().host_str().unwrap_or_default().to_owned();

        let (body, content_type) = encoded(&asked.body, &injection)?;
        let mut request = Request::new(body);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = target.uri()?;
        *request.headers_mut() = headers::caller_headers(&asked.headers, &injection.header_names())?;
        if let Some(content_type) = content_type {
            request.headers_mut().entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        }
        injection.sign(&mut request)?;
        let limits = Limits { total: call.timeout, body: LARGEST_ANSWER };
        self.egress.send(request, limits).await.map_err(|failure| unanswered(host, &failure))
    }
}

/// What stays the same when a request is sent again.
struct Call<'a> {
    request: &'a ProxyRequest,
    method: http::Method,
    timeout: Duration,
}

/// The body as bytes, and its type.
fn encoded(body: &Body, injection: &Injection) -> Result<(Bytes, Option<&'static str>)> {
    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    let fields: Vec<_> = injection.body_fields().collect();
    Ok(match body {
        Body::Empty if fields.is_empty() => (Bytes::new(), None),
        Body::Json(json) if fields.is_empty() => (json.to_string().into(), Some(JSON)),
        Body::Json(serde_json::Value::Object(object)) => {
            let mut object = object.clone();
            for (name, value) in fields {
                object.insert(name.into(), value.expose_secret().into());
            }
            (serde_json::Value::Object(object).to_string().into(), Some(JSON))
        }
        Body::Form(pairs) => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (name, value) in pairs.iter().filter(|(name, _)| !fields.iter().any(|(field, _)| field == name)) {
                form.append_pair(name, value);
            }
            for (name, value) in fields {
                form.append_pair(name, value.expose_secret());
            }
            (form.finish().into(), Some(FORM))
        }
        Body::Bytes(bytes) if fields.is_empty() => (bytes.clone(), None),
        Body::Empty | Body::Json(_) | Body::Bytes(_) => {
            return Err(Error::invalid(
                "body",
                "must be a JSON object or a form: this connector sends its credential in it",
            ));
        }
    })
}

fn answered(answer: http::Response<Bytes>) -> ProxyResponse {
    let (parts, body) = answer.into_parts();
    let headers = headers::answer_headers(parts.headers);
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    ProxyResponse { status: parts.status.as_u16(), headers, body }
}

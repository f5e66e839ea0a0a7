//! The routes: each turns a request into one call on the engine, and its answer into a page or a way onward.
//!
//! Nothing here asks who the caller is: links, cookies and states are one-time secrets that the engine checks. These
//! are all the routes that answer without a login; `tests/routes.txt` is their list.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{FromRequestParts, Path, RawQuery, Request, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, SET_COOKIE},
    request::Parts,
};
use onbehalf_engine::{
    Engine, Error,
    connect::{Arrival, Asks},
    random::{Random, SystemRandom},
};
use tower::ServiceExt as _;
use url::Url;

use crate::{
    browser,
    credential::Asked,
    headers::{content_security_policy, strict},
    language::Language,
    pages::{self, Form, Page, Refusal},
};

/// A provider's form, at most: it travels on in a URL, and servers in front of us end those at 16 KiB or less.
const FORM_LIMIT: usize = 8 * 1024;

/// The pages and the callback of an environment, to be mounted anywhere.
///
/// Paths are answered at the root, and below the public URL's path where it has one, so that it doesn't matter whether
/// what stands in front strips it. `Host` is not looked at, and nothing is derived from it: a server that mounts this
/// decides which hosts it answers to. [`Listener`](crate::Listener) is such a server.
pub fn router(engine: Arc<Engine>) -> Router {
    router_beside(engine, Router::new())
}

/// As [`router`], with the routes of somebody else beside ours, under the same headers.
pub fn router_beside(engine: Arc<Engine>, others: Router) -> Router {
    let public_url = engine.public_url().clone();
    strict(unhardened(engine, Host::Unchecked).merge(others), &public_url)
}

/// Answers one request without a socket, for an app that mounts the pages in its own server.
pub async fn handle(router: Router, request: http::Request<Bytes>) -> http::Response<Bytes> {
    let Ok(response) = router.oneshot(request.map(Body::from)).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("our answers are whole before they are sent");
    http::Response::from_parts(parts, body)
}

/// What is known of the `Host` of the requests that arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// It is one of the listener's own.
    Checked,
    /// It may be any.
    Unchecked,
}

/// The routes without the headers that every answer needs.
pub(crate) fn unhardened(engine: Arc<Engine>, host: Host) -> Router {
    let prefix = engine.public_url().path().trim_end_matches('/').to_owned();
    let gateway = Gateway { engine, host, random: Arc::new(SystemRandom) };
    let routes = table().into_iter().fold(Router::new(), |routes, (path, methods)| routes.route(path, methods));
    let routes = routes.method_not_allowed_fallback(method_refused);
    let everywhere = match prefix.as_str() {
        "" => routes,
        // The public URL may have a segment that begins with `:`, which an older axum took for a parameter.
        prefix => Router::new().without_v07_checks().nest(prefix, routes.clone()).merge(routes),
    };
    everywhere.fallback(page_not_found).with_state(gateway)
}

#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) engine: Arc<Engine>,
    host: Host,
    pub(crate) random: Arc<dyn Random>,
}

/// The paths that are answered, below the public URL.
pub fn paths() -> [&'static str; 6] {
    table().map(|(path, _)| path)
}

/// Every route there is.
fn table() -> [(&'static str, MethodRouter<Gateway>); 6] {
    [
        ("/connect/{token}", get(show_link).post(press)),
        ("/connect/outcome/{id}", get(show_outcome)),
        // A `HEAD` must not use a state up, and axum would answer it as a `GET`.
        ("/callback/{route}", get(callback).post(callback_form).head(method_refused)),
        ("/health", get(async || json(&serde_json::json!({ "status": "ok" })))),
        ("/robots.txt", get(async || "User-agent: *\nDisallow: /\n")),
        ("/.well-known/onbehalf", get(identify)),
    ]
}

/// Shows a link. Changes nothing, so that scanners and previews burn nothing.
async fn show_link(
    State(gateway): State<Gateway>,
    Reader(language): Reader,
    Last(link): Last,
    headers: HeaderMap,
) -> Result<Response, Page> {
    let page = gateway.engine.link_page(&link).await.map_err(|error| told(language, &error))?;
    match &page.asks {
        Asks::Consent { .. } => {
            Ok(pages::link(language, &page, &Form::default(), gateway.engine.clock().now()).into_response())
        }
        Asks::Credential { .. } => {
            let asked = Asked { gateway: &gateway, language, link: &link, page: &page };
            asked.show(&headers).map_err(|error| told(language, &error))
        }
    }
}

/// The button of the link's page.
async fn press(
    State(gateway): State<Gateway>,
    Reader(language): Reader,
    Last(link): Last,
    request: Request,
) -> Result<Response, Page> {
    if !browser::came_from_our_page(request.headers(), gateway.engine.public_url()) {
        return Err(pages::refusal(language, Refusal::NotFromHere));
    }
    let page = gateway.engine.link_page(&link).await.map_err(|error| told(language, &error))?;
    match &page.asks {
        Asks::Consent { .. } => {
            let started = gateway.engine.start(&link).await.map_err(|error| told(language, &error))?;
            Ok(see_other(&started.authorize_url, browser::keep(&started.cookie)))
        }
        Asks::Credential { fields, .. } => {
            let asked = Asked { gateway: &gateway, language, link: &link, page: &page };
            asked.take(fields, request).await
        }
    }
}

async fn show_outcome(State(gateway): State<Gateway>, Reader(language): Reader, Last(id): Last) -> Result<Page, Page> {
    let page = gateway.engine.outcome(&id).await.map_err(|error| told(language, &error))?;
    Ok(pages::outcome(language, &page))
}

/// The provider's answer, in the query.
async fn callback(
    State(gateway): State<Gateway>,
    Reader(language): Reader,
    Last(route): Last,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Page> {
    if browser::is_speculative(&headers) {
        return Err(pages::refusal(language, Refusal::NotFromHere));
    }
    let parameters = browser::parameters(query.unwrap_or_default().as_bytes());
    let arrival = Arrival { route, parameters, cookies: browser::cookies(&headers) };
    let onward = gateway.engine.callback(arrival).await.map_err(|error| told(language, &error))?;
    Ok(see_other(&onward.location, onward.clear_cookie.as_deref().and_then(browser::forget)))
}

/// The provider's answer, in a form (OAuth 2.0 Form Post Response Mode).
///
/// The form comes from the provider's site, and a `Lax` cookie does not come along with it. So the browser is sent
/// round once more with the same parameters in the query, where every other provider puts them, and then brings its
/// cookie. The alternatives are worse: a `SameSite=None` cookie would come along with every site's requests, held
/// forms would let anybody fill the store, and a page with another button would ask the person to press it.
async fn callback_form(Reader(language): Reader, request: Request) -> Result<Response, Page> {
    let refuse = |status| pages::refusal(language, Refusal::NotUnderstood(status));
    let path = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    // Two places to look for one parameter would be two interpretations of one answer.
    if request.uri().query().is_some() {
        return Err(refuse(StatusCode::BAD_REQUEST));
    }
    let form = browser::form(request, FORM_LIMIT).await.map_err(refuse)?;
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(browser::parameters(&form)).finish();
    // Relative to itself, so that it holds wherever this is mounted.
    let mut location =
        HeaderValue::try_from(format!("./{path}?{query}")).map_err(|_| refuse(StatusCode::BAD_REQUEST))?;
    location.set_sensitive(true);
    Ok((StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response())
}

/// Says which store this is, by its random id; and, to another process of it that sends a challenge, the proof.
///
/// The proof is for the `Host` that was asked, so it is given where that was checked alone: else whoever has taken a port
/// would pass the challenge on to us, and be believed.
async fn identify(State(gateway): State<Gateway>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let mut identity = serde_json::json!({ "store": gateway.engine.store_id() });
    let query = query.unwrap_or_default();
    let host = headers.get(HOST).filter(|_| gateway.host == Host::Checked).and_then(|host| host.to_str().ok());
    if let (Some(challenge), Some(host)) = (query.strip_prefix("challenge="), host) {
        identity["proof"] = gateway.engine.proof(challenge, host).into();
    }
    json(&identity)
}

fn json(value: &serde_json::Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn page_not_found(Reader(language): Reader) -> Page {
    pages::refusal(language, Refusal::PageNotFound)
}

async fn method_refused(Reader(language): Reader) -> Page {
    Page { status: StatusCode::METHOD_NOT_ALLOWED, ..pages::refusal(language, Refusal::PageNotFound) }
}

/// The page for `error`, and a line in the log where the people who run this must act.
pub(crate) fn told(language: &'static Language, error: &Error) -> Page {
    let page = pages::error(language, error);
    if page.status.is_server_error() {
        tracing::error!(error.code = error.code(), "a page could not be answered: {error}");
    }
    page
}

/// 303, always: the next request is a `GET` and carries nothing of this one (RFC 9700, 4.12).
pub(crate) fn see_other(location: &Url, cookie: Option<HeaderValue>) -> Response {
    let mut location = HeaderValue::try_from(location.as_str()).expect("a URL is visible ASCII");
    location.set_sensitive(true);
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (CONTENT_SECURITY_POLICY, content_security_policy(&self.form_action)),
        ];
        (self.status, headers, self.html).into_response()
    }
}

/// The reader's language.
struct Reader(&'static Language);

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Language::preferred(&parts.headers)))
    }
}

/// The one variable segment of a path, decoded. What can't be decoded is no address of ours.
struct Last(String);

impl<S: Send + Sync> FromRequestParts<S> for Last {
    type Rejection = Page;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Page> {
        let segment = Path::<String>::from_request_parts(parts, state).await;
        let language = Language::preferred(&parts.headers);
        segment.map(|Path(segment)| Self(segment)).map_err(|_| pages::refusal(language, Refusal::PageNotFound))
    }
}

//! The sandbox of one environment: the provider, its address, and what a test does to it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use onbehalf_engine::{
    Error, Parts, Result,
    random::Random,
    time::{Clock, SystemClock, Timestamp},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    api::{self, Answer, Credential, Received, forbidden, without_credentials},
    clock::ShiftedClock,
    egress::SandboxEgress,
    faults::{Delay, Effect, Fault, Faults, Held, Spoil},
    person::check_user,
    provider::{
        ACCESS_TOKEN_LIFE, Provider,
        access::{Caller, DEMO_USER},
        authorize::ConsentRequest,
        parameters::Parameters,
        token::{Refused, TokenRequest, Tokens},
    },
};

/// Requests that are remembered.
const REMEMBERED: usize = 1000;

/// A simulated provider within an environment.
pub struct Sandbox {
    /// `{publicUrl}/sandbox`
    base: Url,
    clock: Arc<ShiftedClock>,
    random: Arc<dyn Random>,
    closing: CancellationToken,
    state: Mutex<State>,
}

struct State {
    provider: Provider,
    faults: Faults,
    replies: Vec<Reply>,
    arrivals: VecDeque<Arrival>,
    /// How many have arrived since the beginning.
    arrived: u64,
}

/// An answer that a test gives in the API's place.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Which method; any unless given.
    pub method: Option<Method>,
    /// Which path, such as `/gmail/v1/users/me/messages`.
    pub path: String,
    /// The status.
    pub status: StatusCode,
    /// The body, where there is one and the status has any.
    pub body: Option<Value>,
    /// The scope that it takes; any that is left unless given.
    pub scope: Option<String>,
}

/// A request that has arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// When.
    pub at: Timestamp,
    /// The method.
    pub method: Method,
    /// Below the sandbox, such as `/me`.
    pub path: String,
    /// Without the `?`.
    pub query: String,
    /// By lower-case name, without credentials.
    pub headers: Vec<(String, String)>,
    /// Whose credential came along, where it worked.
    pub user: Option<String>,
    /// What the token endpoint was asked.
    pub grant_type: Option<String>,
    /// What was answered; nothing while nothing is, or when the answer was lost.
    pub status: Option<StatusCode>,
}

impl Sandbox {
    /// A sandbox below `public_url`, where nobody is registered yet.
    pub(crate) fn below(public_url: &Url, random: Arc<dyn Random>) -> Self {
        let mut base = public_url.clone();
        base.set_path(&format!("{}/sandbox", public_url.path().trim_end_matches('/')));
        let state = State {
            provider: Provider::new(base.as_str()),
            faults: Faults::default(),
            replies: Vec::new(),
            arrivals: VecDeque::new(),
            arrived: 0,
        };
        Self {
            base,
            clock: Arc::new(ShiftedClock::following(Arc::new(SystemClock))),
            random,
            closing: CancellationToken::new(),
            state: Mutex::new(state),
        }
    }

    /// Puts the sandbox on the way out of an engine, and both on one clock.
    pub fn join(self: &Arc<Self>, parts: Parts) -> Parts {
        let egress = SandboxEgress { sandbox: self.clone(), outside: parts.egress };
        Parts { egress: Arc::new(egress), clock: self.clock.clone(), ..parts }
    }

    /// Where it is: `{publicUrl}/sandbox`.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Makes `fault` happen.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`: `path` must begin with a slash, `times` must be positive.
    pub fn add_fault(&self, fault: Fault) -> Result<()> {
        if let Some(path) = &fault.path {
            check_path(path)?;
        }
        if fault.times == 0 {
            return Err(Error::invalid("times", "must be a positive whole number"));
        }
        self.state().faults.add(fault);
        Ok(())
    }

    /// Holds the next request, on `path` where one is given, until it is let go.
    ///
    /// # Errors
    /// As [`Sandbox::add_fault`].
    pub fn hold_next(&self, path: Option<String>) -> Result<Held> {
        let held = Held::until(&self.closing);
        self.add_fault(Fault { path, times: 1, effect: Effect::Delay(Delay::Held(held.clone())) })?;
        Ok(held)
    }

    /// Answers for the API from now on; a later reply goes before an earlier. The credential must still work, and be
    /// allowed something.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`: `path` must begin with a slash, `scope` must be one scope.
    pub fn reply(&self, reply: Reply) -> Result<()> {
        check_path(&reply.path)?;
        if let Some(scope) = &reply.scope {
            check_scope(scope)?;
        }
        self.state().replies.push(reply);
        Ok(())
    }

    /// Lets time pass at once, for the sandbox and for the environment.
    pub fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// Makes a static key, of `ada` and with every permission unless said.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a user that is no name, `INTERNAL` where there is no randomness.
    pub fn issue_key(&self, user: Option<&str>, permissions: Option<&[String]>) -> Result<String> {
        let user = user.map_or(Ok(DEMO_USER), check_user)?;
        let every = ["read".to_owned(), "write".to_owned()];
        self.state().provider.issue_key(user, permissions.unwrap_or(&every), &*self.random)
    }

    /// The last thousand requests, the oldest first.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.state().arrivals.iter().cloned().collect()
    }

    /// Lets every held request go, now and from now on.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// The provider, while nobody else has it.
    pub(crate) fn provider<T>(&self, act: impl FnOnce(&mut Provider) -> T) -> T {
        act(&mut self.state().provider)
    }

    /// A person allows something, now. Says where their browser goes.
    pub(crate) fn allow(&self, request: &ConsentRequest, user: &str, scopes: &[String]) -> Result<Url> {
        let now = self.clock.now();
        self.state().provider.allow(request, user, scopes, now, &*self.random)
    }

    /// Where a request leads below the sandbox; nothing where it leads elsewhere.
    pub(crate) fn path_below(&self, uri: &Uri) -> Option<String> {
        let url = Url::parse(&uri.to_string()).ok().filter(|url| url.origin() == self.base.origin())?;
        let rest = url.path().strip_prefix(self.base.path())?;
        rest.starts_with('/').then(|| rest.to_owned())
    }

    pub(crate) fn faults_at(&self, path: &str) -> (Option<Delay>, Option<Spoil>) {
        self.state().faults.meet(path)
    }

    /// Remembers a request. Says its number.
    pub(crate) fn note(&self, received: &Received) -> u64 {
        let now = self.clock.now();
        let head = &received.head;
        let form = is_ours(&received.path).then(|| Parameters::parse(&received.body));
        let grant_type = form.and_then(|form| form.once("grant_type").ok().flatten().map(str::to_owned));
        let mut state = self.state();
        let arrival = Arrival {
            at: now,
            method: head.method.clone(),
            path: received.path.clone(),
            query: head.uri.query().unwrap_or_default().into(),
            headers: without_credentials(&head.headers).collect(),
            user: caller(&state.provider, &head.headers, now).map(|caller| caller.user),
            grant_type,
            status: None,
        };
        state.arrivals.push_back(arrival);
        if state.arrivals.len() > REMEMBERED {
            state.arrivals.pop_front();
        }
        state.arrived += 1;
        state.arrived
    }

    /// Remembers what the request of that number was answered.
    pub(crate) fn note_status(&self, number: u64, status: StatusCode) {
        let mut state = self.state();
        let back = (state.arrived - number) as usize;
        let index = state.arrivals.len().checked_sub(back + 1);
        if let Some(arrival) = index.and_then(|index| state.arrivals.get_mut(index)) {
            arrival.status = Some(status);
        }
    }

    /// Answers a request: a token endpoint's, or the API's.
    pub(crate) fn answer(&self, received: &Received) -> Answer {
        let now = self.clock.now();
        let state = &mut *self.state();
        let head = &received.head;
        if is_ours(&received.path) {
            if head.method != Method::POST {
                return Answer::empty(StatusCode::METHOD_NOT_ALLOWED);
            }
            return token_endpoint(&mut state.provider, received, now, &*self.random);
        }
        let caller = caller(&state.provider, &head.headers, now);
        let fits = |reply: &&Reply| {
            reply.path == received.path && reply.method.as_ref().is_none_or(|method| *method == head.method)
        };
        match (state.replies.iter().rev().find(fits), &caller) {
            (Some(reply), Some(caller)) if caller.may_something() => reply.answer(caller),
            _ => api::answer(received, caller.as_ref()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reply {
    /// What `caller` gets.
    fn answer(&self, caller: &Caller) -> Answer {
        match (&self.scope, &self.body) {
            (Some(scope), _) if !caller.may(scope) => forbidden(scope),
            (_, Some(body)) => Answer::json(self.status, body),
            (_, None) => Answer::empty(self.status),
        }
    }
}

/// Without what it remembers.
impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// Whether a path is the authorization server's, not the API's.
fn is_ours(path: &str) -> bool {
    matches!(path, "/token" | "/revoke")
}

fn caller(provider: &Provider, headers: &HeaderMap, now: Timestamp) -> Option<Caller> {
    match Credential::of(headers) {
        Credential::Bearer(token) => provider.bearer(&token, now),
        Credential::Key(key) => provider.key(&key),
        Credential::None => None,
    }
}

fn token_endpoint(provider: &mut Provider, received: &Received, now: Timestamp, random: &dyn Random) -> Answer {
    let text = |name| received.head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let media_type = text(header::CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Answer::error(StatusCode::BAD_REQUEST, "invalid_request", "the body must be a form");
    }
    let authorization = text(header::AUTHORIZATION);
    let request = TokenRequest { authorization, form: &Parameters::parse(&received.body) };
    let done = match received.path.as_str() {
        "/token" => provider.token(&request, now, random).map(granted),
        _ => provider.revoke_token(&request).map(|()| Answer::empty(StatusCode::OK)),
    };
    // RFC 6749, 5.1.
    let unstored = HeaderValue::from_static("no-store");
    done.unwrap_or_else(|refused| refusal(refused, authorization.is_some())).with(header::CACHE_CONTROL, unstored)
}

fn granted(tokens: Tokens) -> Answer {
    let body = json!({
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": ACCESS_TOKEN_LIFE.as_secs(),
        "refresh_token": tokens.refresh_token,
        "scope": tokens.scopes.join(" "),
    });
    Answer::json(StatusCode::OK, &body)
}

fn refusal(refused: Refused, by_header: bool) -> Answer {
    let Refused::Answered { status, error, description } = refused else {
        return Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the sandbox has failed");
    };
    let answer = Answer::error(status, error, description);
    match status == StatusCode::UNAUTHORIZED && by_header {
        true => answer.with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"sandbox\"")),
        false => answer,
    }
}

/// A scope, as RFC 6749 (3.3) lets it be.
fn check_scope(scope: &str) -> Result<()> {
    match !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte)) {
        true => Ok(()),
        false => Err(Error::invalid("scope", "must be one scope, such as `write`")),
    }
}

fn check_path(path: &str) -> Result<()> {
    match path.starts_with('/') && !path.contains(['?', '#']) {
        true => Ok(()),
        false => Err(Error::invalid("path", "must begin with `/`, such as `/token`, and have no query")),
    }
}

//! A strict provider behind the `Egress` trait: PKCE checked, codes good once, refresh tokens rotated with reuse
//! detection, access tokens known by name. It counts what it is asked and can be told to misbehave.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode, header};
use onbehalf_engine::egress::{
    Egress, Failure, Partial,
    body::{Incoming, Outgoing},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Status, type and body; or no answer.
pub(crate) type Scripted = Result<(u16, &'static str, &'static [u8]), Failure>;

/// What the provider remembers.
#[derive(Default)]
pub(crate) struct State {
    codes: HashMap<String, Grant>,
    access_tokens: HashMap<String, String>,
    refresh_tokens: HashMap<String, String>,
    retired: HashMap<String, String>,
    issued: u32,
    /// Answers to give instead of the right ones, at the token endpoint.
    pub(crate) scripted: VecDeque<Result<(u16, Vec<u8>), Failure>>,
    /// Merged into the next token answers.
    pub(crate) extra: serde_json::Map<String, Value>,
    /// Bodies that came to the token endpoint.
    pub(crate) token_requests: Vec<HashMap<String, String>>,
    /// Requests that came to the API: method, path with query, headers, body.
    pub(crate) api_requests: Vec<Request<Bytes>>,
    /// Families whose every token was revoked for reuse.
    pub(crate) revoked_families: u32,
    /// While set, token requests wait here.
    pub(crate) gate: Option<Arc<Gate>>,
    /// Seconds; nothing leaves `expires_in` out.
    pub(crate) expires_in: Option<u64>,
    /// Whether the way to the token endpoint breaks this program.
    pub(crate) panics: bool,
    /// Token answers break off behind this text.
    pub(crate) cut_answers_after: Option<&'static str>,
    /// Whether `/me` answers.
    pub(crate) probe_down: bool,
    /// Answers to give instead of the right ones, at the revocation endpoint.
    pub(crate) revocations: VecDeque<Result<(u16, Vec<u8>), Failure>>,
    /// Bodies that came to the revocation endpoint.
    pub(crate) revocation_requests: Vec<HashMap<String, String>>,
    /// Answers the next request to `/flow` in the provider's place, with bodies as they flow.
    pub(crate) flow: Option<Flow>,
    /// Keys that the provider has issued, in the form in which they are to arrive, and to whom.
    pub(crate) keys: HashMap<String, String>,
    /// Answers to give instead of the right ones, at `/me`.
    pub(crate) probes: VecDeque<Scripted>,
    /// While set, calls of `/me` wait here.
    pub(crate) probe_gate: Option<Arc<Gate>>,
}

/// An endpoint that a test makes.
pub(crate) type Flow =
    Box<dyn FnOnce(Request<Outgoing>) -> BoxFuture<'static, Result<Response<Incoming>, Failure>> + Send>;

struct Grant {
    user: String,
    challenge: Option<String>,
    redirect_uri: String,
}

/// Holds token requests up: one has arrived, and may go on.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) arrived: Notify,
    pub(crate) open: Notify,
}

#[derive(Default)]
pub(crate) struct Provider(Mutex<State>);

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Provider")
    }
}

impl Provider {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The person consents at the authorization URL: the callback's parameters.
    pub(crate) fn consent(&self, authorize_url: &url::Url, user: &str) -> Vec<(String, String)> {
        let asked: HashMap<_, _> = authorize_url.query_pairs().into_owned().collect();
        let mut state = self.state();
        state.issued += 1;
        let code = format!("code-{}", state.issued);
        let grant = Grant {
            user: user.into(),
            challenge: asked.get("code_challenge").cloned(),
            redirect_uri: asked["redirect_uri"].clone(),
        };
        state.codes.insert(code.clone(), grant);
        vec![("code".into(), code), ("state".into(), asked["state"].clone())]
    }

    /// A refresh token of the user's that no flow here has brought.
    pub(crate) fn grant(&self, user: &str) -> String {
        let mut state = self.state();
        state.issued += 1;
        let token = format!("refresh-{}", state.issued);
        state.refresh_tokens.insert(token.clone(), user.into());
        token
    }

    /// What the newest token answer brought, whether or not it still works.
    pub(crate) fn newest_refresh_token(&self) -> String {
        format!("refresh-{}", self.state().issued)
    }

    /// From now on token requests wait at this gate.
    pub(crate) fn hold_token_requests(&self) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        self.state().gate = Some(gate.clone());
        gate
    }

    /// Token requests no longer wait.
    pub(crate) fn let_token_requests_go(&self) {
        if let Some(gate) = self.state().gate.take() {
            gate.open.notify_waiters();
        }
    }

    /// From now on calls of `/me` wait at this gate.
    pub(crate) fn hold_probes(&self) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        self.state().probe_gate = Some(gate.clone());
        gate
    }

    /// Ends every access token, as a provider does that was told to.
    pub(crate) fn revoke_access_tokens(&self) {
        self.state().access_tokens.clear();
    }

    /// Ends everything: the person took the consent back.
    pub(crate) fn revoke_everything(&self) {
        let mut state = self.state();
        state.access_tokens.clear();
        state.refresh_tokens.clear();
    }

    fn token(&self, form: HashMap<String, String>) -> Result<(u16, Vec<u8>), Failure> {
        let mut state = self.state();
        state.token_requests.push(form.clone());
        if let Some(scripted) = state.scripted.pop_front() {
            return scripted;
        }
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("client_id") != "client" || field("client_secret") != "client-secret" {
            return refused(401, "invalid_client");
        }
        let user = match field("grant_type") {
            "authorization_code" => match state.codes.remove(field("code")) {
                Some(grant) if grant.fits(field("redirect_uri"), field("code_verifier")) => grant.user,
                _ => return refused(400, "invalid_grant"),
            },
            "refresh_token" => {
                let sent = field("refresh_token");
                if let Some(user) = state.retired.get(sent).cloned() {
                    // Reuse of a superseded token: the whole family dies.
                    state.revoked_families += 1;
                    state.refresh_tokens.retain(|_, owner| *owner != user);
                    state.access_tokens.retain(|_, owner| *owner != user);
                    return refused(400, "invalid_grant");
                }
                match state.refresh_tokens.remove(sent) {
                    Some(user) => {
                        state.retired.insert(sent.into(), user.clone());
                        user
                    }
                    None => return refused(400, "invalid_grant"),
                }
            }
            _ => return refused(400, "unsupported_grant_type"),
        };
        state.issued += 1;
        let (access, refresh) = (format!("access-{}", state.issued), format!("refresh-{}", state.issued));
        state.access_tokens.insert(access.clone(), user.clone());
        state.refresh_tokens.insert(refresh.clone(), user);
        let mut answer = json!({ "access_token": access, "refresh_token": refresh, "token_type": "Bearer" });
        if let Some(seconds) = state.expires_in {
            answer["expires_in"] = seconds.into();
        }
        for (name, value) in &state.extra {
            answer[name] = value.clone();
        }
        Ok((200, answer.to_string().into_bytes()))
    }

    /// RFC 7009: whatever the token was, it is worth nothing afterwards.
    fn revoke(&self, form: HashMap<String, String>) -> Result<(u16, Vec<u8>), Failure> {
        let mut state = self.state();
        state.revocation_requests.push(form.clone());
        if let Some(scripted) = state.revocations.pop_front() {
            return scripted;
        }
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("client_id") != "client" || field("client_secret") != "client-secret" {
            return refused(401, "invalid_client");
        }
        state.refresh_tokens.remove(field("token"));
        state.access_tokens.remove(field("token"));
        Ok((200, Vec::new()))
    }

    /// The answer, or what arrives of it.
    fn cut(&self, (status, body): (u16, Vec<u8>)) -> Result<(u16, Vec<u8>), Failure> {
        let Some(mark) = self.state().cut_answers_after else { return Ok((status, body)) };
        let text = String::from_utf8(body).unwrap();
        let end = text.find(mark).map_or(text.len(), |at| at + mark.len());
        let partial = Partial { status: StatusCode::from_u16(status).unwrap(), body: text[..end].to_owned().into() };
        Err(Failure::Unknown { reason: "interrupted", partial: Some(partial) })
    }

    fn api(&self, request: Request<Bytes>) -> (u16, Vec<u8>) {
        let mut state = self.state();
        let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let user = bearer.and_then(|value| state.access_tokens.get(value.strip_prefix("Bearer ")?)).cloned();
        let user = user.or_else(|| presented(&request).find_map(|key| state.keys.get(&key).cloned()));
        let path = request.uri().path().to_owned();
        let body = request.body().to_vec();
        state.api_requests.push(request);
        match (user, path.as_str()) {
            (None, _) => (401, br#"{"error":"invalid_token"}"#.to_vec()),
            (Some(_), "/me") if state.probe_down => (503, Vec::new()),
            (Some(user), "/me") => {
                (200, json!({ "id": user, "email": format!("{user}@example.com") }).to_string().into())
            }
            (Some(_), "/forbidden") => (401, br#"{"error":"insufficient_scope"}"#.to_vec()),
            (Some(_), "/teapot") => (418, b"short and stout".to_vec()),
            (Some(_), _) => (200, body),
        }
    }
}

impl Grant {
    fn fits(&self, redirect_uri: &str, verifier: &str) -> bool {
        let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        self.redirect_uri == redirect_uri
            && self.challenge.as_deref() == Some(BASE64URL_NOPAD.encode(challenge.as_ref()).as_str())
    }
}

/// Everything in a request that may be a key.
fn presented(request: &Request<Bytes>) -> impl Iterator<Item = String> {
    let headers =
        request.headers().iter().filter_map(|(name, value)| Some(format!("{name}: {}", value.to_str().ok()?)));
    let query = request.uri().query().unwrap_or_default().split('&').map(|pair| format!("?{pair}"));
    let body = serde_json::from_slice::<HashMap<String, Value>>(request.body()).unwrap_or_default();
    let body = body.into_iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    headers.chain(query).chain(body).collect::<Vec<_>>().into_iter()
}

fn refused(status: u16, error: &str) -> Result<(u16, Vec<u8>), Failure> {
    Ok((status, json!({ "error": error }).to_string().into_bytes()))
}

#[async_trait]
impl Egress for Provider {
    async fn open(&self, request: Request<Outgoing>, _: Duration) -> Result<Response<Incoming>, Failure> {
        let flow = self.state().flow.take_if(|_| request.uri().path() == "/flow");
        if let Some(flow) = flow {
            return flow(request).await;
        }
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, body.collect().await?);
        assert_eq!(request.uri().host(), Some("provider.example"), "a request left the provider's host");
        assert_eq!(request.uri().scheme_str(), Some("https"), "a request left without TLS");
        let (status, body) = if request.uri().path() == "/token" {
            assert!(!self.state().panics, "as the test wishes");
            let gate = self.state().gate.clone();
            if let Some(gate) = gate {
                gate.arrived.notify_one();
                gate.open.notified().await;
            }
            let answer = self.token(url::form_urlencoded::parse(request.body()).into_owned().collect())?;
            self.cut(answer)?
        } else if request.uri().path() == "/revoke" {
            self.revoke(url::form_urlencoded::parse(request.body()).into_owned().collect())?
        } else if request.uri().path() == "/lost" {
            return Err(Failure::Unknown { reason: "interrupted", partial: None });
        } else if request.uri().path() == "/me" {
            let gate = self.state().probe_gate.clone();
            if let Some(gate) = gate {
                gate.arrived.notify_one();
                gate.open.notified().await;
            }
            let scripted = self.state().probes.pop_front();
            match scripted {
                Some(answer) => {
                    let (status, content_type, body) = answer?;
                    self.state().api_requests.push(request);
                    let mut response = Response::new(Incoming::whole(body));
                    *response.status_mut() = StatusCode::from_u16(status).unwrap();
                    response.headers_mut().insert(header::CONTENT_TYPE, content_type.parse().unwrap());
                    return Ok(response);
                }
                None => self.api(request),
            }
        } else {
            self.api(request)
        };
        let mut response = Response::new(Incoming::whole(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        Ok(response)
    }
}

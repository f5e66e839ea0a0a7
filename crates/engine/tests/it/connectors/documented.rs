//! A provider as its documentation describes it, behind the `Egress` trait: these endpoints, this client
//! authentication, these parameters and headers, and nothing besides. Whatever it refuses it also notes, since an
//! engine that is polite about failures would hide it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use onbehalf_engine::egress::{
    Egress, Failure,
    body::{Incoming, Outgoing},
};
use serde_json::json;
use url::{Position, Url};

/// Names and values.
pub(super) type Pairs = &'static [(&'static str, &'static str)];

/// What a provider's documentation says.
#[derive(Clone, Copy)]
pub(super) struct Documented {
    /// Where people consent.
    pub(super) authorize: &'static str,
    /// What is asked there besides the protocol's own parameters; scopes as they read once decoded.
    pub(super) authorize_params: Pairs,
    /// Whether codes are bound to a proof key. Where not, none may be sent.
    pub(super) pkce: bool,
    /// What the callback brings besides code and state.
    pub(super) callback: Pairs,
    /// Where codes and refresh tokens are exchanged.
    pub(super) token: &'static str,
    /// How the client proves itself there.
    pub(super) client: Client,
    /// What `client_id` is called.
    pub(super) client_id: &'static str,
    /// How parameters travel there.
    pub(super) encoding: Encoding,
    /// Headers that a token request needs besides the usual ones.
    pub(super) token_headers: Pairs,
    /// What an exchange says besides the protocol's own parameters.
    pub(super) exchange_params: Pairs,
    /// The same for a refresh.
    pub(super) refresh_params: Pairs,
    /// The answer to a code.
    pub(super) granted: fn(&Tokens) -> String,
    /// The answer to a refresh token. The old one works on where the answer has no new one.
    pub(super) refreshed: fn(&Tokens) -> String,
    /// The header that carries the access token, and what stands before it.
    pub(super) credential: (&'static str, &'static str),
    /// Headers that every API call needs.
    pub(super) api_headers: Pairs,
    /// The API.
    pub(super) api: &'static [Call],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Body,
    Basic,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Form,
    Json,
}

/// A fresh pair.
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: String,
}

/// A call that the API answers.
pub(super) struct Call {
    method: Method,
    url: &'static str,
    body: &'static str,
    answer: &'static str,
}

pub(super) const fn get(url: &'static str, answer: &'static str) -> Call {
    Call { method: Method::GET, url, body: "", answer }
}

pub(super) const fn post(url: &'static str, body: &'static str, answer: &'static str) -> Call {
    Call { method: Method::POST, url, body, answer }
}

/// What the RFCs say, for a provider that adds its addresses and its quirks.
pub(super) const STANDARD: Documented = Documented {
    authorize: "",
    authorize_params: &[],
    pkce: true,
    callback: &[],
    token: "",
    client: Client::Body,
    client_id: "client_id",
    encoding: Encoding::Form,
    token_headers: &[],
    exchange_params: &[],
    refresh_params: &[],
    granted: rotating,
    refreshed: rotating,
    credential: ("authorization", "Bearer "),
    api_headers: &[],
    api: &[],
};

/// RFC 6749 §5.1, with a new refresh token each time.
fn rotating(tokens: &Tokens) -> String {
    json!({
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "token_type": "Bearer",
        "expires_in": 3600,
    })
    .to_string()
}

/// The same without a new refresh token.
pub(super) fn lasting(tokens: &Tokens) -> String {
    json!({ "access_token": tokens.access, "token_type": "Bearer", "expires_in": 3600 }).to_string()
}

/// The provider, at work.
pub(super) struct Provider {
    documented: Documented,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    consents: u32,
    pending: Option<Consent>,
    issued: u32,
    refresh_token: Option<String>,
    /// The one that works.
    pub(super) access_token: Option<String>,
    /// Given instead of the next token answer: status and body.
    pub(super) scripted: VecDeque<(u16, &'static str)>,
    /// API calls that were answered.
    pub(super) calls: Vec<HeaderMap>,
    /// What came that the documentation does not know.
    pub(super) refused: Vec<String>,
}

struct Consent {
    code: String,
    redirect_uri: String,
    challenge: Option<String>,
}

/// What was wrong with a request.
type Checked<T> = Result<T, String>;

impl Provider {
    pub(super) fn new(documented: Documented) -> Self {
        Self { documented, state: Mutex::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How many token pairs were issued.
    pub(super) fn issued(&self) -> u32 {
        self.state().issued
    }

    /// The person consents: the callback's parameters. Panics where the page would show an error instead.
    pub(super) fn consent(&self, asked: &Url) -> Vec<(String, String)> {
        match self.consented(asked) {
            Ok(parameters) => parameters,
            Err(problem) => panic!("the authorization page refuses {asked}: {problem}"),
        }
    }

    fn consented(&self, asked: &Url) -> Checked<Vec<(String, String)>> {
        let documented = &self.documented;
        same("address", &asked[..Position::AfterPath], documented.authorize)?;
        let mut parameters = unique(asked.query_pairs().into_owned())?;
        let mut take = |name: &str| parameters.remove(name).ok_or_else(|| format!("`{name}` is missing"));
        same("response_type", &take("response_type")?, "code")?;
        same("client id", &take(documented.client_id)?, "client")?;
        let (redirect_uri, state) = (take("redirect_uri")?, take("state")?);
        let challenge = documented.pkce.then(|| take("code_challenge")).transpose()?;
        if documented.pkce {
            same("code_challenge_method", &take("code_challenge_method")?, "S256")?;
        }
        expect_exactly(parameters, documented.authorize_params)?;
        let mut known = self.state();
        known.consents += 1;
        let code = format!("code-{}", known.consents);
        known.pending = Some(Consent { code: code.clone(), redirect_uri, challenge });
        let extra = documented.callback.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Ok([("code".to_owned(), code), ("state".to_owned(), state)].into_iter().chain(extra).collect())
    }

    fn token(&self, request: &Request<Bytes>) -> Checked<String> {
        let documented = &self.documented;
        same("method", request.method().as_str(), "POST")?;
        expect_header(request, "accept", "application/json")?;
        let mut parameters = self.parameters(request)?;
        self.expect_client(request, &mut parameters)?;
        expect_headers(request, documented.token_headers)?;
        let mut take = |name: &str| parameters.remove(name).ok_or_else(|| format!("`{name}` is missing"));
        let mut state = self.state();
        let (answer, besides) = match take("grant_type")?.as_str() {
            "authorization_code" => {
                let consent = state.pending.take().ok_or("there is no consent, or its code was used")?;
                same("code", &take("code")?, &consent.code)?;
                same("redirect_uri", &take("redirect_uri")?, &consent.redirect_uri)?;
                if let Some(challenge) = consent.challenge {
                    same("code_verifier's hash", &hash(&take("code_verifier")?), &challenge)?;
                }
                (documented.granted, documented.exchange_params)
            }
            "refresh_token" => {
                same("refresh_token", &take("refresh_token")?, state.refresh_token.as_deref().unwrap_or_default())?;
                (documented.refreshed, documented.refresh_params)
            }
            other => return Err(format!("there is no grant `{other}`")),
        };
        expect_exactly(parameters, besides)?;
        state.issued += 1;
        let tokens =
            Tokens { access: format!("access-{}", state.issued), refresh: format!("refresh-{}", state.issued) };
        let answer = answer(&tokens);
        if answer.contains(&tokens.refresh) {
            state.refresh_token = Some(tokens.refresh);
        }
        state.access_token = Some(tokens.access);
        Ok(answer)
    }

    fn parameters(&self, request: &Request<Bytes>) -> Checked<BTreeMap<String, String>> {
        match self.documented.encoding {
            Encoding::Form => {
                expect_header(request, "content-type", "application/x-www-form-urlencoded")?;
                unique(url::form_urlencoded::parse(request.body()).into_owned())
            }
            Encoding::Json => {
                expect_header(request, "content-type", "application/json")?;
                serde_json::from_slice(request.body()).map_err(|_| "the body is no JSON object of strings".to_owned())
            }
        }
    }

    /// Exactly one way of client authentication. Parameters of the other are left over, and refused with the rest.
    fn expect_client(&self, request: &Request<Bytes>, parameters: &mut BTreeMap<String, String>) -> Checked<()> {
        match self.documented.client {
            Client::Basic => {
                expect_header(request, "authorization", &format!("Basic {}", BASE64.encode(b"client:client-secret")))
            }
            Client::Body => {
                same("client id", &parameters.remove(self.documented.client_id).unwrap_or_default(), "client")?;
                same("client_secret", &parameters.remove("client_secret").unwrap_or_default(), "client-secret")?;
                same("authorization header", header_of(request, "authorization"), "")
            }
        }
    }

    /// Nothing where the token is not the one that works.
    fn api(&self, call: &'static Call, request: &Request<Bytes>) -> Checked<Option<&'static str>> {
        let (name, before) = self.documented.credential;
        if name != "authorization" {
            same("authorization header", header_of(request, "authorization"), "")?;
        }
        expect_headers(request, self.documented.api_headers)?;
        same("body", std::str::from_utf8(request.body()).unwrap_or("no text"), call.body)?;
        let token =
            header_of(request, name).strip_prefix(before).ok_or_else(|| format!("`{name}` is no credential"))?;
        let mut state = self.state();
        if state.access_token.as_deref() != Some(token) {
            return Ok(None);
        }
        state.calls.push(request.headers().clone());
        Ok(Some(call.answer))
    }

    fn answer(&self, request: &Request<Bytes>) -> Checked<(u16, String)> {
        let url = request.uri().to_string();
        if url == self.documented.token {
            let scripted = self.state().scripted.pop_front();
            return match scripted {
                Some((status, body)) => Ok((status, body.to_owned())),
                None => self.token(request).map(|answer| (200, answer)),
            };
        }
        let call = self.documented.api.iter().find(|call| call.url == url && call.method == request.method());
        let call = call.ok_or_else(|| format!("nothing answers {} {url}", request.method()))?;
        Ok(match self.api(call, request)? {
            Some(answer) => (200, answer.to_owned()),
            None => (401, r#"{"message":"the token does not work"}"#.to_owned()),
        })
    }
}

#[async_trait]
impl Egress for Provider {
    async fn open(&self, request: Request<Outgoing>, _: Duration) -> Result<Response<Incoming>, Failure> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, body.collect().await?);
        let (status, body) = match self.answer(&request) {
            Ok(answer) => answer,
            Err(problem) => {
                self.state().refused.push(problem);
                (400, r#"{"error":"invalid_request"}"#.to_owned())
            }
        };
        let mut response = Response::new(Incoming::whole(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        Ok(response)
    }
}

fn same(what: &str, came: &str, wanted: &str) -> Checked<()> {
    if came == wanted { Ok(()) } else { Err(format!("the {what} is `{came}` and should be `{wanted}`")) }
}

fn unique(pairs: impl Iterator<Item = (String, String)>) -> Checked<BTreeMap<String, String>> {
    let mut unique = BTreeMap::new();
    for (name, value) in pairs {
        if unique.insert(name.clone(), value).is_some() {
            return Err(format!("`{name}` came twice"));
        }
    }
    Ok(unique)
}

fn expect_exactly(came: BTreeMap<String, String>, wanted: Pairs) -> Checked<()> {
    let wanted = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    if came == wanted { Ok(()) } else { Err(format!("besides came {came:?}, and should have {wanted:?}")) }
}

fn expect_header(request: &Request<Bytes>, name: &str, value: &str) -> Checked<()> {
    same(name, header_of(request, name), value)
}

fn expect_headers(request: &Request<Bytes>, wanted: Pairs) -> Checked<()> {
    wanted.iter().try_for_each(|(name, value)| expect_header(request, name, value))
}

/// Empty where there is none.
fn header_of<'r>(request: &'r Request<Bytes>, name: &str) -> &'r str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn hash(verifier: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    BASE64URL_NOPAD.encode(digest.as_ref())
}

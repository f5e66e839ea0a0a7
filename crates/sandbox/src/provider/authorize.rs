//! The authorization endpoint (RFC 6749, 4.1.1; RFC 7636, 4.3): what an app may ask, and what a person answers.

use onbehalf_engine::{Result, random::Random, time::Timestamp};
use url::Url;

use super::{CODE_LIFE, Code, Provider, issued, parameters::Parameters};

/// The length of a SHA-256 hash in base64url, which is what an `S256` challenge is.
const CHALLENGE_LENGTH: usize = 43;
/// Characters of a state, at most; more is somebody's mistake.
const LONGEST_STATE: usize = 4096;

/// What an app asks of a person, once it may.
#[derive(Debug, Clone)]
pub struct ConsentRequest {
    client_id: String,
    redirect_uri: Url,
    state: Option<String>,
    challenge: String,
    /// What the app would like to be allowed.
    pub scopes: Vec<String>,
}

/// Why nobody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unasked {
    /// Told to the person: nothing is sent to an address that may be anybody's (RFC 6749, 4.1.2.1).
    Shown(&'static str),
    /// Told to the app, at its redirect URI.
    Returned(Box<Url>),
}

impl Provider {
    /// Reads the query of an authorization request.
    ///
    /// # Errors
    /// [`Unasked`], for whatever does not stand there exactly as it must.
    pub fn consent_request(&self, query: &Parameters) -> Result<ConsentRequest, Unasked> {
        let shown = Unasked::Shown;
        let repeated = |_| shown("a parameter is repeated");
        let client_id = query.once("client_id").map_err(repeated)?.ok_or(shown("`client_id` is missing"))?;
        let client = self.clients.get(client_id).ok_or(shown("no app of that `client_id` is registered"))?;
        let redirect_uri = query.once("redirect_uri").map_err(repeated)?.ok_or(shown("`redirect_uri` is missing"))?;
        let registered = Url::parse(redirect_uri).ok().filter(|url| client.may_be_called_back_at(url, redirect_uri));
        let redirect_uri =
            registered.ok_or(shown("the `redirect_uri` is not registered, exactly as it stands there"))?;

        // From here on it is known where the app listens.
        let mut request = ConsentRequest {
            client_id: client_id.into(),
            redirect_uri,
            state: None,
            challenge: String::new(),
            scopes: Vec::new(),
        };
        match self.read_rest(&mut request, query) {
            Ok(()) => Ok(request),
            Err((error, description)) => Err(Unasked::Returned(Box::new(
                self.answer(&request, &[("error", error), ("error_description", description)]),
            ))),
        }
    }

    fn read_rest(&self, request: &mut ConsentRequest, query: &Parameters) -> Result<(), (&'static str, &'static str)> {
        let invalid = |description| ("invalid_request", description);
        let once = |name| query.once(name).map_err(|_| invalid("a parameter is repeated"));
        request.state = once("state")?.map(str::to_owned);
        if request.state.as_ref().is_some_and(|state| state.len() > LONGEST_STATE) {
            request.state = None;
            return Err(invalid("the state is too long"));
        }
        match once("response_type")? {
            Some("code") => {}
            Some(_) => return Err(("unsupported_response_type", "response_type must be code")),
            None => return Err(invalid("response_type is missing")),
        }
        // RFC 7636, 4.4.1. Without a method it would be `plain`.
        if once("code_challenge_method")? != Some("S256") {
            return Err(invalid("code_challenge_method must be S256"));
        }
        let challenge = once("code_challenge")?.unwrap_or_default();
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if challenge.len() != CHALLENGE_LENGTH || !challenge.bytes().all(is_base64url) {
            return Err(invalid("code_challenge must be a SHA-256 hash in base64url"));
        }
        request.challenge = challenge.into();
        request.scopes = scopes(once("scope")?.unwrap_or_default());
        match request.scopes.is_empty() {
            true => Err(("invalid_scope", "ask for one scope at least")),
            false => Ok(()),
        }
    }

    /// The person allows `scopes` of what was asked. Allowing none is refusing. Says where the browser goes.
    pub fn allow(
        &mut self,
        request: &ConsentRequest,
        user: &str,
        scopes: &[String],
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Url> {
        let granted: Vec<_> = request.scopes.iter().filter(|scope| scopes.contains(scope)).cloned().collect();
        if granted.is_empty() {
            return Ok(self.refuse(request));
        }
        self.tidy(now);
        let code = issued("code", random)?;
        let known = Code {
            client_id: request.client_id.clone(),
            redirect_uri: request.redirect_uri.as_str().into(),
            challenge: request.challenge.clone(),
            user: user.into(),
            scopes: granted,
            expires_at: now.plus(CODE_LIFE),
            grant: None,
        };
        self.codes.insert(code.clone(), known);
        Ok(self.answer(request, &[("code", &code)]))
    }

    /// The person refuses. Says where the browser goes.
    pub fn refuse(&self, request: &ConsentRequest) -> Url {
        self.answer(request, &[("error", "access_denied"), ("error_description", "the person said no")])
    }

    /// The redirect URI with `parameters`, the state, and who says so (RFC 9207, 2).
    fn answer(&self, request: &ConsentRequest, parameters: &[(&str, &str)]) -> Url {
        let mut location = request.redirect_uri.clone();
        let mut query = location.query_pairs_mut();
        query.extend_pairs(parameters);
        if let Some(state) = &request.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &self.issuer);
        drop(query);
        location
    }
}

/// The words of a scope, each once.
pub(super) fn scopes(text: &str) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.into());
        }
    }
    scopes
}

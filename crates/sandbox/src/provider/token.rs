//! The token endpoint (RFC 6749, 3.2 and 6; RFC 7636, 4.6) and the revocation endpoint (RFC 7009).

use std::fmt;

use aws_lc_rs::digest;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::StatusCode;
use onbehalf_engine::{Error, Result, random::Random, secret::ExposeSecret, time::Timestamp};
use subtle::ConstantTimeEq as _;

use super::{
    ACCESS_TOKEN_LIFE, Code, Grant, GrantId, Provider,
    access::AccessToken,
    authorize::scopes,
    issued,
    parameters::{Parameters, Repeated},
};

/// A request to either endpoint.
#[derive(Clone)]
pub struct TokenRequest<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The form.
    pub form: &'a Parameters,
}

/// What an app gets (RFC 6749, 5.1).
#[derive(Clone)]
pub struct Tokens {
    /// Works for [`ACCESS_TOKEN_LIFE`].
    pub access_token: String,
    /// Works once.
    pub refresh_token: String,
    /// What the person allowed.
    pub scopes: Vec<String>,
}

/// Without what they open.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

/// Why an app gets nothing (RFC 6749, 5.2).
#[derive(Debug)]
pub enum Refused {
    /// Told to the app.
    Answered {
        /// 400; 401 where the app itself is not believed.
        status: StatusCode,
        /// The error's registered name.
        error: &'static str,
        /// For the developer who reads it.
        description: &'static str,
    },
    /// The sandbox itself has failed.
    Broken(Error),
}

impl Refused {
    fn with(error: &'static str, description: &'static str) -> Self {
        Self::Answered { status: StatusCode::BAD_REQUEST, error, description }
    }

    fn grant(description: &'static str) -> Self {
        Self::with("invalid_grant", description)
    }

    fn client(description: &'static str) -> Self {
        Self::Answered { status: StatusCode::UNAUTHORIZED, error: "invalid_client", description }
    }
}

impl From<Repeated> for Refused {
    fn from(_: Repeated) -> Self {
        Self::with("invalid_request", "a parameter is repeated")
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl Provider {
    /// Exchanges a code, or a refresh token.
    ///
    /// # Errors
    /// [`Refused`]. A code or refresh token that comes a second time costs its whole family (RFC 9700, 4.14.2).
    pub fn token(
        &mut self,
        request: &TokenRequest<'_>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Tokens, Refused> {
        let client_id = self.authenticated(request)?;
        self.tidy(now);
        match request.form.once("grant_type")? {
            Some("authorization_code") => self.exchange(&client_id, request.form, now, random),
            Some("refresh_token") => self.refresh(&client_id, request.form, now, random),
            Some(_) => Err(Refused::with("unsupported_grant_type", "it is none of authorization_code, refresh_token")),
            None => Err(Refused::with("invalid_request", "grant_type is missing")),
        }
    }

    /// Ends the grant of a refresh token, or an access token alone. A token that is not known needs no ending (RFC 7009,
    /// 2.2).
    ///
    /// # Errors
    /// [`Refused`], where the app is not believed, or the token is another's.
    pub fn revoke_token(&mut self, request: &TokenRequest<'_>) -> Result<(), Refused> {
        let client_id = self.authenticated(request)?;
        let token = request.form.once("token")?;
        let token = token.ok_or_else(|| Refused::with("invalid_request", "token is missing"))?;
        let known =
            self.refresh_tokens.get(token).or(self.access_tokens.get(token).map(|access| &access.grant)).copied();
        let Some((id, grant)) = known.and_then(|id| Some((id, self.grants.get(&id)?))) else { return Ok(()) };
        if grant.client_id != client_id {
            return Err(Refused::grant("the token was issued to another app"));
        }
        if self.access_tokens.remove(token).is_none() {
            self.end(id);
        }
        Ok(())
    }

    /// The app that asks: by header or in the form, never both (RFC 6749, 2.3).
    fn authenticated(&self, request: &TokenRequest<'_>) -> Result<String, Refused> {
        let in_form = (request.form.once("client_id")?, request.form.once("client_secret")?);
        let (id, secret) = match (request.authorization, in_form) {
            (Some(_), (_, Some(_))) => return Err(Refused::with("invalid_request", "the app proves itself twice")),
            (Some(header), (named, None)) => {
                let (id, secret) = basic(header).ok_or_else(|| Refused::client("the header is no Basic credential"))?;
                if named.is_some_and(|named| named != id) {
                    return Err(Refused::with("invalid_request", "client_id is another than the header's"));
                }
                (id, secret)
            }
            (None, (Some(id), Some(secret))) => (id.to_owned(), secret.to_owned()),
            (None, _) => return Err(Refused::client("the app does not say who it is")),
        };
        let client = self.clients.get(&id);
        let is_right =
            client.is_some_and(|client| bool::from(client.secret.expose_secret().as_bytes().ct_eq(secret.as_bytes())));
        if is_right { Ok(id) } else { Err(Refused::client("no app has this id and this secret")) }
    }

    fn exchange(
        &mut self,
        client_id: &str,
        form: &Parameters,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Tokens, Refused> {
        let (sent, redirect_uri) = (form.once("code")?, form.once("redirect_uri")?);
        let verifier = form.once("code_verifier")?;
        let sent = sent.ok_or_else(|| Refused::with("invalid_request", "code is missing"))?;
        let verifier = verifier.ok_or_else(|| Refused::with("invalid_request", "code_verifier is missing"))?;
        let code = self.codes.get(sent).filter(|code| code.client_id == client_id);
        let code = code.ok_or_else(|| Refused::grant("there is no such code for this app"))?;
        if let Some(grant) = code.grant {
            self.end(grant);
            return Err(Refused::grant("the code was used before; what it brought is revoked"));
        }
        if let Some(problem) = code.unfit(redirect_uri, verifier, now) {
            // Whoever tries with the wrong proof gets no second try.
            self.codes.remove(sent);
            return Err(Refused::grant(problem));
        }
        let grant = Grant {
            client_id: client_id.into(),
            redirect_uri: code.redirect_uri.clone(),
            user: code.user.clone(),
            scopes: code.scopes.clone(),
            refresh_token: String::new(),
        };
        self.last_grant += 1;
        let id = self.last_grant;
        self.grants.insert(id, grant);
        let tokens = self.issue(id, now, random)?;
        if let Some(code) = self.codes.get_mut(sent) {
            code.grant = Some(id);
        }
        Ok(tokens)
    }

    fn refresh(
        &mut self,
        client_id: &str,
        form: &Parameters,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Tokens, Refused> {
        let sent = form.once("refresh_token")?;
        let sent = sent.ok_or_else(|| Refused::with("invalid_request", "refresh_token is missing"))?;
        let known = self.refresh_tokens.get(sent).and_then(|id| Some((*id, self.grants.get(id)?)));
        let (id, grant) = known
            .filter(|(_, grant)| grant.client_id == client_id)
            .ok_or_else(|| Refused::grant("the refresh token is unknown, or its grant was revoked"))?;
        if grant.refresh_token != sent {
            self.end(id);
            return Err(Refused::grant("the refresh token was used before; its whole family is revoked"));
        }
        let wanted = scopes(form.once("scope")?.unwrap_or_default());
        if wanted.iter().any(|scope| !grant.scopes.contains(scope)) {
            return Err(Refused::with("invalid_scope", "a refresh cannot ask for more than was granted"));
        }
        self.issue(id, now, random)
    }

    /// New tokens of a grant. Its refresh token before them works no more.
    fn issue(&mut self, id: GrantId, now: Timestamp, random: &dyn Random) -> Result<Tokens, Refused> {
        let (access_token, refresh_token) = (issued("access", random)?, issued("refresh", random)?);
        let grant = self.grants.get_mut(&id).ok_or_else(|| Refused::grant("the grant was revoked"))?;
        grant.refresh_token.clone_from(&refresh_token);
        self.refresh_tokens.insert(refresh_token.clone(), id);
        let access = AccessToken { grant: id, expires_at: now.plus(ACCESS_TOKEN_LIFE) };
        self.access_tokens.insert(access_token.clone(), access);
        Ok(Tokens { access_token, refresh_token, scopes: grant.scopes.clone() })
    }
}

impl Code {
    /// Why the code is not exchanged.
    fn unfit(&self, redirect_uri: Option<&str>, verifier: &str, now: Timestamp) -> Option<&'static str> {
        let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
        if now >= self.expires_at {
            Some("the code has expired")
        } else if redirect_uri != Some(self.redirect_uri.as_str()) {
            Some("redirect_uri is another than the one that the code was sent to")
        } else if BASE64URL_NOPAD.encode(hash.as_ref()) != self.challenge {
            Some("code_verifier does not fit the challenge")
        } else {
            None
        }
    }
}

/// The id and secret of a `Basic` header, each form-encoded (RFC 6749, 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    let text = String::from_utf8(BASE64.decode(encoded.trim().as_bytes()).ok()?).ok()?;
    let (id, secret) = text.split_once(':').filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = |text: &str| url::form_urlencoded::parse(text.as_bytes()).next().map(|(text, _)| text.into_owned());
    Some((decoded(id)?, decoded(secret)?))
}

//! What the token endpoint answers: tokens, or a reason why they cannot be used (RFC 6749 §5.1).
//!
//! Read leniently where providers differ without harm (numbers as strings, scopes as lists), strictly where a mistake
//! would send the wrong thing somewhere (characters of a token, its type, a name given twice).

use data_encoding::BASE64URL_NOPAD;

use super::{
    Registration,
    document::{Document, Format, Value},
    expiry,
};
use crate::{
    secret::{ExposeSecret, Secret},
    time::Timestamp,
};

/// A token's length at most, in bytes (RFC 6749 sets none).
const MAX_TOKEN: usize = 64 * 1024;

/// Types that go into `Authorization: Bearer`. Slack calls its tokens by whom they act for, eBay by who was granted
/// them; both are sent as Bearer.
const BEARER_TYPES: [&str; 5] = ["bearer", "bot", "user", "user access token", "application access token"];

/// What a provider granted.
#[derive(Debug)]
pub struct TokenSet {
    /// Sent with API calls.
    pub access_token: Secret,
    /// The new refresh token. Nothing means: keep the one you have (RFC 6749 §6).
    pub refresh_token: Option<Secret>,
    /// When the access token ends. Nothing means that no one says: refresh when the provider answers 401.
    pub expires_at: Option<Timestamp>,
    /// What was granted, which may be more or less than was asked for.
    pub scopes: Vec<String>,
    /// The OpenID Connect id token.
    pub id_token: Option<Secret>,
    document: Document,
}

impl TokenSet {
    /// Another value of the answer, for `keep = { x = "token:path" }`.
    pub fn kept(&self, path: &str) -> Option<&str> {
        self.document.text(path)
    }

    /// A claim of the id token, for `keep = { x = "jwt:claim" }`.
    ///
    /// The signature is not checked: the token came from the token endpoint itself over TLS (OpenID Connect Core
    /// 3.1.3.7, point 6). Do not decide by it who a person is.
    pub fn id_token_claim(&self, claim: &str) -> Option<String> {
        id_token_claim(self.id_token.as_ref()?, claim)
    }
}

/// Why an answer brings no tokens that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Neither JSON nor a form: a login page, prose, nothing.
    #[error("the answer is neither JSON nor a form")]
    NoDocument,
    /// The answer breaks off, or is not what it began as.
    #[error("the answer is broken or cut off")]
    Broken,
    /// There is more of it than is read.
    #[error("the answer is too large")]
    TooLarge,
    /// A value that counts was given twice.
    #[error("the answer gives a value twice")]
    Repeated,
    /// There is no access token.
    #[error("the answer has no access token")]
    NoAccessToken,
    /// A token is too long, or has characters that no header may carry.
    #[error("the answer has a token that cannot be sent")]
    Unsendable,
    /// The token is of a type that has to be used in another way (DPoP, MAC).
    #[error("the answer has a token of an unknown type")]
    UnknownType,
}

/// Reads a whole answer's body. `asked` are the scopes that hold when the answer names none: those that were asked for
/// or, on a refresh, those granted before (RFC 6749 §5.1 and §6).
///
/// # Errors
/// [`Unusable`] where it brings no token that can be used as it is.
pub fn read(
    body: &[u8],
    registration: &Registration,
    asked: &[String],
    received_at: Timestamp,
) -> Result<TokenSet, Unusable> {
    tokens(Document::read(body), registration, asked, received_at)
}

pub(super) fn tokens(
    document: Document,
    registration: &Registration,
    asked: &[String],
    received_at: Timestamp,
) -> Result<TokenSet, Unusable> {
    let paths = Paths::of(registration);
    match document.format() {
        Format::Neither => return Err(Unusable::NoDocument),
        Format::Json | Format::Form if !document.is_whole() => return Err(Unusable::Broken),
        Format::Json | Format::Form => {}
    }
    if [paths.access_token, paths.refresh_token, &paths.token_type, paths.scope]
        .iter()
        .any(|path| document.repeats(path))
    {
        return Err(Unusable::Repeated);
    }
    let access_token = token(&document, paths.access_token)?.ok_or(Unusable::NoAccessToken)?;
    let is_bearer = |kind: &str| BEARER_TYPES.iter().any(|known| known.eq_ignore_ascii_case(kind));
    if !document.text(&paths.token_type).is_none_or(|kind| kind.is_empty() || is_bearer(kind)) {
        return Err(Unusable::UnknownType);
    }
    Ok(TokenSet {
        access_token,
        refresh_token: token(&document, paths.refresh_token)?,
        expires_at: expiry::expires_at(&document, registration, received_at),
        scopes: scopes(document.value(paths.scope)).unwrap_or_else(|| asked.to_vec()),
        id_token: token(&document, "id_token").ok().flatten(),
        document,
    })
}

/// The refresh token in an answer that broke off or cannot be used, if it had arrived whole: only a string whose
/// closing quote is there, or a form's value that another one follows. Text before an object is no obstacle.
///
/// Call it with the body of a success (2xx) alone.
pub fn salvage_refresh_token(body: &[u8], registration: &Registration) -> Option<Secret> {
    salvage(&Document::read_beginning(body), body, registration)
}

/// The same of a body that has been read as `document`.
pub(super) fn salvage(document: &Document, body: &[u8], registration: &Registration) -> Option<Secret> {
    let refresh_token = |document: &Document| token(document, Paths::of(registration).refresh_token).ok().flatten();
    match document.format() {
        Format::Json | Format::Form => refresh_token(document),
        Format::Neither => refresh_token(&Document::read_embedded(body)),
    }
}

/// A claim of an id token, unverified; see [`TokenSet::id_token_claim`].
pub fn id_token_claim(id_token: &Secret, claim: &str) -> Option<String> {
    let mut parts = id_token.expose_secret().split('.');
    let payload = parts.nth(1).filter(|_| parts.count() == 1)?;
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    let document = Document::read(&payload);
    document.is_whole().then(|| document.text(claim).map(Into::into)).flatten()
}

struct Paths<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    scope: &'a str,
    /// Beside the access token.
    token_type: String,
}

impl<'a> Paths<'a> {
    fn of(registration: &'a Registration) -> Self {
        let paths = &registration.response;
        let access_token = paths.access_token.as_deref().unwrap_or("access_token");
        Self {
            access_token,
            refresh_token: paths.refresh_token.as_deref().unwrap_or("refresh_token"),
            scope: paths.scope.as_deref().unwrap_or("scope"),
            token_type: access_token
                .rsplit_once('.')
                .map_or_else(|| "token_type".into(), |(parent, _)| format!("{parent}.token_type")),
        }
    }
}

/// The token at `path`; an empty one, and what is no string, is none.
fn token(document: &Document, path: &str) -> Result<Option<Secret>, Unusable> {
    let Some(token) = document.string(path).filter(|token| !token.is_empty()) else { return Ok(None) };
    if is_token(token) { Ok(Some(token.into())) } else { Err(Unusable::Unsendable) }
}

/// Whether a text can be sent as a token (RFC 6750 §2.1, somewhat wider).
pub(crate) fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Granted scopes; nothing when the provider names none.
fn scopes(value: Option<&Value>) -> Option<Vec<String>> {
    let texts: Vec<&str> = match value? {
        Value::Text(text) => vec![text],
        Value::List(elements) => elements
            .iter()
            .filter_map(|element| match element {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect(),
        _ => return None,
    };
    let scopes = texts.iter().flat_map(|text| text.split(|letter: char| letter == ',' || letter.is_whitespace()));
    let scopes: Vec<String> = scopes.filter(|scope| !scope.is_empty()).map(Into::into).collect();
    (!scopes.is_empty()).then_some(scopes)
}

#[cfg(test)]
mod tests;

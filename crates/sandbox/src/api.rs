//! The provider's API: who one is, what one sent, as many bytes as one likes, any status.
//!
//! | path | answers |
//! | --- | --- |
//! | `/me` | `{ id, email }` |
//! | `/echo` | `{ method, path, query, headers, body }`, never the credential |
//! | `/bytes/<n>` | `n` bytes, which count from 0 to 255 over and over |
//! | `/status/<code>` | that status |
//!
//! Reading takes the scope `read`, any other method `write`; `/me` takes any scope.

use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use serde_json::{Map, Value, json};

use crate::provider::access::Caller;

/// The header of the static keys.
pub const KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");
/// Bytes of a body that `/echo` gives back, at most.
pub const ECHO_LIMIT: usize = 16 << 20;

/// A request that has arrived whole.
#[derive(Debug)]
pub struct Received {
    /// All but the body.
    pub head: Parts,
    /// Below the sandbox, such as `/me`.
    pub path: String,
    /// The beginning of the body, as much of it as its reader asked for.
    pub body: Bytes,
    /// The length of the whole body.
    pub length: u64,
}

/// What is answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers; a length is added.
    pub headers: HeaderMap,
    /// The body.
    pub content: Content,
}

/// A body.
#[derive(Debug)]
pub enum Content {
    /// These bytes.
    Whole(Bytes),
    /// So many, which count from 0 to 255 over and over; made as they are read.
    Counting(u64),
}

impl Content {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Counting(length) => *length,
        }
    }
}

impl Answer {
    /// A status without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), content: Content::Whole(Bytes::new()) }
    }

    /// A JSON body, where the status has any.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        // RFC 9110, 6.4.1: these have no content.
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
            return Self::empty(status);
        }
        let answer = Self { content: Content::Whole(body.to_string().into()), ..Self::empty(status) };
        answer.with(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// An error, as OAuth names them.
    pub fn error(status: StatusCode, error: &str, description: &str) -> Self {
        Self::json(status, &json!({ "error": error, "error_description": description }))
    }

    /// One header more.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// How the credential of a request is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// An access token (RFC 6750, 2.1).
    Bearer(String),
    /// A static key.
    Key(String),
    /// None, or several, or one that cannot be read.
    None,
}

impl Credential {
    /// The one credential of these headers.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| {
            let mut values = headers.get_all(name).into_iter();
            let value = values.next().and_then(|value| value.to_str().ok());
            value.filter(|_| values.next().is_none())
        };
        match (text(&header::AUTHORIZATION), text(&KEY_HEADER)) {
            (Some(value), None) => match value.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Self::Bearer(token.into()),
                _ => Self::None,
            },
            (None, Some(key)) => Self::Key(key.into()),
            _ => Self::None,
        }
    }
}

/// Answers a request to the API. `caller` is nobody when the credential does not work.
pub fn answer(received: &Received, caller: Option<&Caller>) -> Answer {
    let Some(caller) = caller else { return unauthorized() };
    let path = received.path.as_str();
    if let Err(scope) = may(caller, &received.head.method, path) {
        return forbidden(scope);
    }
    let argument = |prefix: &str| path.strip_prefix(prefix);
    if path == "/me" {
        let user = &caller.user;
        let email = if user.contains('@') { user.clone() } else { format!("{user}@sandbox.example") };
        Answer::json(StatusCode::OK, &json!({ "id": user, "email": email }))
    } else if path == "/echo" {
        echo(received)
    } else if let Some(Ok(length)) = argument("/bytes/").map(str::parse) {
        let answer = Answer { content: Content::Counting(length), ..Answer::empty(StatusCode::OK) };
        answer.with(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
    } else if let Some(Ok(status)) = argument("/status/").map(|code| StatusCode::from_bytes(code.as_bytes())) {
        with_status(status)
    } else {
        Answer::error(StatusCode::NOT_FOUND, "not_found", "there is /me, /echo, /bytes/<n> and /status/<code>")
    }
}

/// Which scope the caller lacks.
fn may(caller: &Caller, method: &Method, path: &str) -> Result<(), &'static str> {
    let needed = if method.is_safe() { "read" } else { "write" };
    let allowed = if path == "/me" { caller.may_something() } else { caller.may(needed) };
    if allowed { Ok(()) } else { Err(needed) }
}

fn echo(received: &Received) -> Answer {
    if received.length > received.body.len() as u64 {
        return Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "an echo gives back 16 MiB at most");
    }
    let head = &received.head;
    let mut said = json!({
        "method": head.method.as_str(),
        "path": received.path,
        "query": head.uri.query().unwrap_or_default(),
        "headers": without_credentials(&head.headers).map(|(name, value)| (name, value.into())).collect::<Map<_, _>>(),
    });
    match std::str::from_utf8(&received.body) {
        Ok(text) => said["body"] = text.into(),
        Err(_) => said["bodyBase64"] = BASE64.encode(&received.body).into(),
    }
    Answer::json(StatusCode::OK, &said)
}

/// Headers as they may be shown: lower-case name and value, those that prove somebody left out.
pub fn without_credentials(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> {
    const PROOFS: [HeaderName; 4] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, KEY_HEADER];
    let shown = headers.keys().filter(|name| !PROOFS.contains(name));
    shown.map(|name| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        (name.to_string(), values.collect::<Vec<_>>().join(", "))
    })
}

fn with_status(status: StatusCode) -> Answer {
    if status.is_informational() {
        return Answer::error(StatusCode::NOT_FOUND, "not_found", "a status is from 200 to 599");
    }
    Answer::json(status, &json!({ "status": status.as_u16() }))
}

/// RFC 6750, 3.1.
fn unauthorized() -> Answer {
    let challenge = HeaderValue::from_static("Bearer realm=\"sandbox\", error=\"invalid_token\"");
    let answer =
        Answer::error(StatusCode::UNAUTHORIZED, "invalid_token", "the credential is missing, wrong or expired");
    answer.with(header::WWW_AUTHENTICATE, challenge)
}

pub(crate) fn forbidden(scope: &str) -> Answer {
    let challenge = format!("Bearer realm=\"sandbox\", error=\"insufficient_scope\", scope=\"{scope}\"");
    let challenge = HeaderValue::try_from(challenge).expect("scopes are visible ASCII");
    Answer::error(StatusCode::FORBIDDEN, "insufficient_scope", "the person did not allow this")
        .with(header::WWW_AUTHENTICATE, challenge)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn received(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Received {
        let mut request = Request::builder().method(method).uri(format!("http://localhost/sandbox{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Received { head, path: path.into(), body: Bytes::copy_from_slice(body), length: body.len() as u64 }
    }

    fn status(permissions: &[&str], method: &str, path: &str) -> u16 {
        let permissions = permissions.iter().map(ToString::to_string).collect();
        let caller = Caller { user: "grace".into(), permissions };
        answer(&received(method, path, &[], b""), Some(&caller)).status.as_u16()
    }

    #[test]
    fn nobody_gets_nothing() {
        let refused = answer(&received("GET", "/me", &[], b""), None);
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(refused.headers[header::WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"));
    }

    #[test]
    fn reading_and_writing_are_allowed_apart() {
        assert_eq!(status(&["read"], "GET", "/echo"), 200);
        assert_eq!(status(&["read"], "POST", "/echo"), 403);
        assert_eq!(status(&["write"], "POST", "/echo"), 200);
        assert_eq!(status(&["write"], "GET", "/bytes/1"), 403);
        assert_eq!(status(&["anything"], "GET", "/me"), 200);
        assert_eq!(status(&[], "GET", "/me"), 403);
    }

    #[test]
    fn only_what_there_is_is_answered() {
        for path in ["/", "/ME", "/me/", "/bytes/", "/bytes/-1", "/bytes/1e9", "/status/99", "/status/100", "/status/x"]
        {
            assert_eq!(status(&["read"], "GET", path), 404, "{path}");
        }
    }

    #[test]
    fn a_credential_is_one_or_none() {
        let of = |headers: &[(&str, &str)]| Credential::of(&received("GET", "/me", headers, b"").head.headers);
        assert_eq!(of(&[("authorization", "bearer t")]), Credential::Bearer("t".into()));
        assert_eq!(of(&[("x-api-key", "k")]), Credential::Key("k".into()));
        assert_eq!(of(&[("authorization", "Bearer t"), ("x-api-key", "k")]), Credential::None);
        assert_eq!(of(&[("authorization", "Bearer t"), ("authorization", "Bearer u")]), Credential::None);
        assert_eq!(of(&[("authorization", "Basic t")]), Credential::None);
        assert_eq!(of(&[]), Credential::None);
    }

    proptest! {
        /// An agent that logs the echo logs no credential.
        #[test]
        fn an_echo_holds_no_credential(
            name in prop::sample::select(vec!["authorization", "x-api-key", "cookie", "proxy-authorization"]),
            body: Vec<u8>,
        ) {
            let caller = Caller { user: "grace".into(), permissions: vec!["write".into()] };
            let echoed = answer(&received("POST", "/echo", &[(name, "MARKED"), ("x-mine", "kept")], &body), Some(&caller));
            let Content::Whole(bytes) = echoed.content else { panic!("an echo is whole") };
            let said: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert!(!said.to_string().contains("MARKED"));
            prop_assert_eq!(&said["headers"]["x-mine"], "kept");
            let back = match &said["body"] {
                Value::String(text) => text.clone().into_bytes(),
                _ => BASE64.decode(said["bodyBase64"].as_str().unwrap().as_bytes()).unwrap(),
            };
            prop_assert_eq!(back, body);
        }
    }
}

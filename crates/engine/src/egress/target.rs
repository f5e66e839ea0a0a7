//! Where a proxied request goes: the connector's base URL and the caller's path, put together so that no path leads
//! anywhere else.
//!
//! The credential follows the target, so this is where a token would leak. A caller says a path and nothing more: no
//! scheme, no host, no way back up from the base. The URL is assembled from parts, never by joining strings and parsing
//! what comes out, and what came out is checked against the base once more.

use std::fmt;

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use url::{Url, form_urlencoded};

use crate::{Error, Result};

/// A URL on its base's origin, at or below its base's path.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// The target of `path` on `base`, with the pairs of `query` behind what the path itself asks.
    ///
    /// - `base` is an http or https URL; its query and fragment are not used.
    /// - `path` begins with one `/` and may carry a query. If it begins with the base's own path it is taken whole, and
    ///   otherwise it is put behind it: on `https://www.googleapis.com/calendar/v3`, both `/users/me` and
    ///   `/calendar/v3/users/me` mean `/calendar/v3/users/me`.
    /// - Dot segments are refused in any spelling, even percent-encoded twice, since some servers decode once more.
    /// - Parameters named in `reserved_query`, in any case, are left out: they are the connection's own.
    ///
    /// # Errors
    /// [`Error::TargetNotAllowed`], which repeats neither path nor query.
    pub fn new(base: &Url, path: &str, query: &[(String, String)], reserved_query: &[&str]) -> Result<Self> {
        let (path, asked) = path.split_once('?').unwrap_or((path, ""));
        check_path(path)?;
        check_characters(asked)?;
        let pieces = pieces(asked, query, reserved_query);

        let mut url = base.clone();
        url.set_path(&below(base, path));
        url.set_query((!pieces.is_empty()).then(|| pieces.join("&")).as_deref());
        url.set_fragment(None);
        confirm(&url, base)?;
        let target = Self(url);
        target.uri()?;
        Ok(target)
    }

    /// Adds a parameter behind all others, as a connection does that sends its credential in the query.
    pub fn append(&mut self, name: &str, value: &str) {
        let last = pair(name, value);
        let query = self.0.query().map_or_else(|| last.clone(), |before| format!("{before}&{last}"));
        self.0.set_query(Some(&query));
    }

    /// The URL. Its query may hold secrets.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The URL as a request takes it.
    ///
    /// # Errors
    /// [`Error::TargetNotAllowed`] where it is longer than 65,534 bytes.
    pub fn uri(&self) -> Result<Uri> {
        self.0.as_str().parse().map_err(|_| refuse("path and query are too long together; send less at once"))
    }
}

/// Without the query, which may hold secrets.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}{})", self.0.origin().ascii_serialization(), self.0.path())
    }
}

/// The query's parts, without the reserved ones. What the path asks stays as it is written: some APIs tell `,` from
/// `%2C`.
fn pieces(asked: &str, query: &[(String, String)], reserved: &[&str]) -> Vec<String> {
    let is_reserved = |name: &str| reserved.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
    let written = asked.split('&').filter(|piece| !piece.is_empty());
    let written = written.filter(|piece| !form_urlencoded::parse(piece.as_bytes()).any(|(name, _)| is_reserved(&name)));
    let pairs = query.iter().filter(|(name, _)| !is_reserved(name));
    written.map(str::to_owned).chain(pairs.map(|(name, value)| pair(name, value))).collect()
}

/// One encoded parameter. A space is `%20`, which every server reads; `+` is a space to some of them only.
fn pair(name: &str, value: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    format!("{}={}", utf8_percent_encode(name, KEPT), utf8_percent_encode(value, KEPT))
}

/// `path` behind the base's own path, unless it stands there already.
fn below(base: &Url, path: &str) -> String {
    let prefix = prefix(base);
    if starts_below(path, prefix) { path.to_owned() } else { format!("{prefix}{path}") }
}

/// The base's path without the slash at its end.
fn prefix(base: &Url) -> &str {
    base.path().trim_end_matches('/')
}

/// Whether `path` is `prefix`, or goes on from it with a `/`: `/v1/users` is below `/v1`, `/v10` is not.
fn starts_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The last word, on the URL as it will be sent, whatever was thought of its parts.
fn confirm(url: &Url, base: &Url) -> Result<()> {
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_web || !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("the connector's base URL must be https, with a host and without a user name"));
    }
    if url.origin() != base.origin() || !starts_below(url.path(), prefix(base)) {
        return Err(refuse("`path` leads out of the connector's API; name what is below its base URL"));
    }
    Ok(())
}

fn check_path(path: &str) -> Result<()> {
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(refuse("`path` must begin with one `/`, as in `/users/me`; the host is the connector's"));
    }
    check_characters(path)?;
    let mut percents = path.split('%').skip(1);
    if !percents.all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())) {
        return Err(refuse("`path` has a `%` that encodes nothing; write it as `%25`"));
    }
    let mut view = path.as_bytes().to_vec();
    for _ in 0..=DECODED_BY_SERVERS {
        if has_dot_segment(&view) {
            return Err(refuse("`path` must not have the segments `.` and `..`; name what they lead to"));
        }
        if view.iter().any(u8::is_ascii_control) {
            return Err(refuse("`path` must not have control characters, not even encoded"));
        }
        view = percent_decode(&view).collect();
    }
    Ok(())
}

/// How often a path is decoded at most on its way: once by a front end, once by the server behind it.
const DECODED_BY_SERVERS: usize = 2;

/// Whether a server may read `path` as going up: `\` is a slash to Windows, `;` begins parameters to Tomcat, `?` and
/// `#` end a path where they are decoded too early.
fn has_dot_segment(path: &[u8]) -> bool {
    let segments = path.split(|byte| matches!(byte, b'/' | b'\\'));
    segments
        .filter_map(|segment| segment.split(|byte| matches!(byte, b';' | b'?' | b'#')).next())
        .any(|name| matches!(name, b"." | b".."))
}

fn check_characters(text: &str) -> Result<()> {
    let refused = |character: char| character.is_control() || character.is_whitespace() || "\\#".contains(character);
    if text.contains(refused) {
        return Err(refuse("`path` must not have spaces, control characters, `\\` or `#`; percent-encode them"));
    }
    Ok(())
}

fn refuse(problem: &str) -> Error {
    Error::TargetNotAllowed { problem: problem.into() }
}

#[cfg(test)]
mod tests;

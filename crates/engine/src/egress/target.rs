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
    /// Fails with [`Error::TargetNotAllowed`], which repeats neither path nor query.
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

    /// The URL as a request takes it. Fails with [`Error::TargetNotAllowed`] where it is longer than 65,534 bytes.
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GMAIL: &str = "https://gmail.googleapis.com";
    const CALENDAR: &str = "https://www.googleapis.com/calendar/v3";

    fn target(base: &str, path: &str) -> Result<String> {
        Target::new(&Url::parse(base).unwrap(), path, &[], &[]).map(|target| target.url().as_str().to_owned())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn a_path_is_put_behind_the_base_or_taken_whole() {
        let table = [
            (GMAIL, "/gmail/v1/users/me/messages", "https://gmail.googleapis.com/gmail/v1/users/me/messages"),
            (GMAIL, "/", "https://gmail.googleapis.com/"),
            (CALENDAR, "/calendars/primary/events", "https://www.googleapis.com/calendar/v3/calendars/primary/events"),
            (CALENDAR, "/calendar/v3/calendars/primary", "https://www.googleapis.com/calendar/v3/calendars/primary"),
            (CALENDAR, "/calendar/v3", "https://www.googleapis.com/calendar/v3"),
            (CALENDAR, "/calendar/v30/x", "https://www.googleapis.com/calendar/v3/calendar/v30/x"),
            (CALENDAR, "/", "https://www.googleapis.com/calendar/v3/"),
            ("https://api.test/v1/", "/users", "https://api.test/v1/users"),
            ("https://api.test:8443/v1?x=1#y", "/users", "https://api.test:8443/v1/users"),
            ("http://127.0.0.1:9/v1", "/users", "http://127.0.0.1:9/v1/users"),
        ];
        for (base, path, expected) in table {
            assert_eq!(target(base, path).unwrap(), expected, "{base} {path}");
        }
    }

    #[test]
    fn a_path_arrives_as_it_was_written() {
        for path in [
            "/me/drive/root:/a%20b.txt:/content",
            "/repos/o/r/contents/.github/a..b/...",
            "/users('a@b.test')/messages",
            "/v1/items/a%2Fb;v=1,2/$count",
            "/a//b/",
            "/a/http://b.test",
            "/100%25",
        ] {
            assert_eq!(target(GMAIL, path).unwrap(), format!("{GMAIL}{path}"));
        }
        assert_eq!(target(GMAIL, "/büro/日").unwrap(), format!("{GMAIL}/b%C3%BCro/%E6%97%A5"));
    }

    #[test]
    fn the_query_of_the_path_comes_first_and_stays_as_written() {
        let base = Url::parse(CALENDAR).unwrap();
        let query = pairs(&[("q", "a b&c=d+é"), ("", "")]);
        let target = Target::new(&base, "/x?fields=items(id,name)&$top=2&&a=%2C?", &query, &[]).unwrap();
        assert_eq!(target.url().query(), Some("fields=items(id,name)&$top=2&a=%2C?&q=a%20b%26c%3Dd%2B%C3%A9&="));
    }

    // A54
    #[test]
    fn a_reserved_parameter_is_left_out_however_it_is_spelled() {
        let base = Url::parse(GMAIL).unwrap();
        let path = "/x?access_token=1&ACCESS_TOKEN=2&access%5Ftoken=3&%61ccess_token&access_token2=kept&b=access_token";
        let query = pairs(&[("Access_Token", "4"), ("key", "5"), ("c", "kept")]);
        let mut target = Target::new(&base, path, &query, &["access_token", "Key"]).unwrap();
        assert_eq!(target.url().query(), Some("access_token2=kept&b=access_token&c=kept"));
        target.append("access_token", "ours&");
        assert_eq!(target.url().query(), Some("access_token2=kept&b=access_token&c=kept&access_token=ours%26"));

        let mut bare = Target::new(&base, "/x?key=1", &[], &["key"]).unwrap();
        assert_eq!(bare.url().query(), None);
        bare.append("key", "ours");
        assert_eq!(bare.uri().unwrap(), "https://gmail.googleapis.com/x?key=ours");
    }

    // A41, A42: the corpora of E9 and E10.
    #[test]
    fn nothing_but_a_path_is_taken_for_one() {
        for path in [
            "",
            "users/me",
            "?q=1",
            "https://evil.test",
            "HTTPS://evil.test/",
            "https:/evil.test",
            "//evil.test",
            "///evil.test",
            "\\\\evil.test",
            "/\\evil.test",
            "\\/evil.test",
            "\thttps://evil.test",
            "ht\ntps://evil.test",
            "/\t/evil.test",
            "/\n/evil.test",
            " //evil.test",
            "//good@evil.test",
            "@evil.test/",
            ".evil.test",
            ":80@evil.test",
            "evil.test#",
            "data:text/html,x",
            "javascript:1",
            "/a#b",
            "/a?b#c",
            "/a b",
            "/a\u{a0}b",
            "/a\u{2028}b",
            "/a\0b",
            "/a\rb",
            "/a?b\r\nHost: evil.test",
            "/a\u{7f}",
            "/a\u{85}",
            "/a?b\\c",
            "/%",
            "/%2",
            "/%zz",
            "/a%0d%0ahost:evil",
            "/a%00",
            "/a%250a",
            "/a%7f",
        ] {
            let error = target(CALENDAR, path).unwrap_err();
            assert_eq!(error.code(), "TARGET_NOT_ALLOWED", "{path:?}");
            assert!(!error.to_string().contains("evil"), "{path:?}");
        }
    }

    // A41, A42: what joined strings would make another host of is a mere path behind the slash.
    #[test]
    fn tricks_behind_the_slash_stay_on_the_host() {
        for path in
            ["/@evil.test", "/:80@evil.test", "/.evil.test", "/%2fevil.test", "/%5cevil.test", "/https://evil.test"]
        {
            assert_eq!(target(GMAIL, path).unwrap(), format!("{GMAIL}{path}"));
        }
        assert_eq!(target(GMAIL, "/。evil。test/").unwrap(), format!("{GMAIL}/%E3%80%82evil%E3%80%82test/"));
    }

    // A43
    #[test]
    fn no_spelling_of_a_dot_segment_passes() {
        let dots = ["..", ".", "%2e%2e", "%2E%2e", ".%2e", "%2e.", "%2e", "%252e%252e", ".%252e", "%25%32%65."];
        let ends =
            ["", "/", "/x", "%2fx", "%2Fx", "%252fx", "%5cx", "%255cx", ";/x", ";a=b/x", "%3b/x", "%3fx", "%23x", "?q"];
        for dots in dots {
            for end in ends {
                for start in ["/", "/calendar/v3/", "/a/", "/a%2f", "/a%252f", "/a%5c"] {
                    let path = format!("{start}{dots}{end}");
                    assert!(target(CALENDAR, &path).is_err(), "{path}");
                }
            }
        }
    }

    #[test]
    fn a_base_that_is_no_place_for_a_credential_is_refused() {
        for base in
            ["https://user@api.test", "https://:pass@api.test/v1", "ftp://api.test", "data:text/plain,x", "unix:/x"]
        {
            assert!(target(base, "/x").is_err(), "{base}");
        }
    }

    #[test]
    fn what_no_request_line_can_hold_is_refused() {
        assert!(target(GMAIL, &format!("/{}", "a".repeat(65_000))).is_ok());
        assert!(target(GMAIL, &format!("/{}", "a".repeat(66_000))).is_err());
        assert!(target(GMAIL, &format!("/?{}", "a&".repeat(40_000))).is_err());
    }

    #[test]
    fn debug_shows_no_query() {
        let target = Target::new(&Url::parse(CALENDAR).unwrap(), "/x?key=S3CRET", &[], &[]).unwrap();
        assert_eq!(format!("{target:?}"), "Target(https://www.googleapis.com/calendar/v3/x)");
    }

    /// Strings that are nearly paths: made of what parsers trip over.
    fn tricky() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            proptest::sample::select(vec![
                "/",
                "//",
                "\\",
                ".",
                "..",
                "%2e",
                "%2E",
                "%252e",
                "%2f",
                "%5c",
                ";",
                "@",
                ":",
                "?",
                "#",
                "&",
                "=",
                "%",
                "%25",
                "evil.test",
                "https:",
                "calendar",
                "/calendar/v3",
                "\t",
                "\n",
                " ",
                "。",
                "é",
                "[",
                "]",
                "{",
                "|",
                "^",
                "'",
                "\"",
            ])
            .prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        // A41, A42, A43
        #[test]
        fn every_string_is_refused_or_stays_below_the_base(
            path in prop_oneof![any::<String>(), tricky()],
            name in any::<String>(),
            value in any::<String>(),
        ) {
            for base in [GMAIL, CALENDAR, "https://api.test:8443/a/b%20c/"] {
                let base = Url::parse(base).unwrap();
                if let Ok(target) = Target::new(&base, &path, &[(name.clone(), value.clone())], &[]) {
                    let uri = target.uri().unwrap();
                    prop_assert_eq!(uri.scheme_str(), Some("https"));
                    prop_assert_eq!(uri.host(), base.host_str());
                    prop_assert_eq!(uri.port_u16(), base.port());
                    prop_assert!(starts_below(uri.path(), prefix(&base)), "{}", uri.path());
                    prop_assert_eq!(uri.path(), target.url().path());
                    prop_assert_eq!(uri.query(), target.url().query());
                    // Whoever reads it again reads the same.
                    prop_assert_eq!(&Url::parse(&uri.to_string()).unwrap(), target.url());
                    let last = target.url().query_pairs().last().unwrap();
                    prop_assert_eq!((last.0.as_ref(), last.1.as_ref()), (name.as_str(), value.as_str()));
                }
            }
        }
    }
}

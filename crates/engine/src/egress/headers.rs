//! What of a caller's request reaches a provider besides its target, and what of the answer comes back.
//!
//! A caller may set headers of its own. Two kinds never pass. Those that would speak for the connection (a credential,
//! another method, another path) are an error, since leaving them out would change what the caller asked for. Those
//! that belong to one hop of a connection (RFC 9110 §7.6.1), or that say where a request came from, are left out in
//! silence, because a caller that passes a request on has them without meaning anything by them.
//!
//! Names are compared in lower case with `_` read as `-`, as CGI, WSGI and Rack servers read them.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::{Error, Result};

/// A caller's headers, checked.
///
/// `injected` are the headers that the connection sets itself; the caller must not name them in any spelling.
///
/// # Errors
/// [`Error::InvalidArgument`], which never repeats a value.
pub fn caller_headers(given: &[(String, String)], injected: &[&str]) -> Result<HeaderMap> {
    let injected: Vec<String> = injected.iter().map(|name| canonical(name)).collect();
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::invalid("headers", "must have names of letters, digits and `-`"))?;
        let name = canonical(parsed.as_str());
        if injected.contains(&name) || CREDENTIALS.contains(&name.as_str()) {
            let problem = format!("must not set `{name}`: the connection sets what authorizes the request");
            return Err(Error::invalid("headers", problem));
        }
        if OVERRIDES.contains(&name.as_str()) {
            let problem = format!("must not set `{name}`: say `method` and `path` themselves");
            return Err(Error::invalid("headers", problem));
        }
        let value = HeaderValue::from_str(value).ok().filter(|_| value.is_ascii()).ok_or_else(|| {
            let problem = format!("has a value for `{name}` that is not visible ASCII; encode it as the provider asks");
            Error::invalid("headers", problem)
        })?;
        headers.append(parsed, value);
    }
    let nominated = nominated(&headers);
    Ok(retain(headers, |name| {
        !is_hop_by_hop(name) && !IGNORED.contains(&name) && !is_forwarding(name) && !nominated.iter().any(|n| n == name)
    }))
}

/// What of an answer's headers the caller sees: neither the provider's cookies nor those of the hop.
pub fn answer_headers(headers: HeaderMap) -> HeaderMap {
    let nominated = nominated(&headers);
    retain(headers, |name| {
        !is_hop_by_hop(name) && !name.starts_with("set-cookie") && !nominated.iter().any(|n| n == name)
    })
}

/// The request's method, in any case.
///
/// # Errors
/// [`Error::InvalidArgument`] for `CONNECT`, `TRACE` and methods of one's own.
pub fn method(name: &str) -> Result<Method> {
    const METHODS: [Method; 7] =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    METHODS
        .into_iter()
        .find(|method| method.as_str().eq_ignore_ascii_case(name))
        .ok_or_else(|| Error::invalid("method", "must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"))
}

/// The one spelling under which a name is compared.
fn canonical(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// Keeps the headers whose canonical name passes.
fn retain(headers: HeaderMap, mut keep: impl FnMut(&str) -> bool) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(headers.keys_len());
    for name in headers.keys().filter(|name| keep(&canonical(name.as_str()))) {
        for value in headers.get_all(name) {
            kept.append(name, value.clone());
        }
    }
    kept
}

/// The canonical names that `Connection` declares to be of this hop (RFC 9110 §7.6.1).
fn nominated(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|n| canonical(n.trim()))
        .collect()
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "te"
            | "trailer"
            | "trailers"
            | "transfer-encoding"
            | "upgrade"
    ) || name.starts_with("proxy-")
}

fn is_forwarding(name: &str) -> bool {
    matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
}

/// What authorizes a request, whoever sets it.
const CREDENTIALS: [&str; 2] = ["authorization", "cookie"];

/// What some servers obey in place of the method or the path, so that a rule about those would be got round.
const OVERRIDES: [&str; 6] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-original-url",
    "x-rewrite-url",
];

/// What the client sets by itself, and `accept-encoding`: answers are passed on as they are, so none may be compressed.
const IGNORED: [&str; 4] = ["accept-encoding", "content-length", "expect", "host"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    enum Fate {
        Passes,
        Dropped,
        Refused,
    }
    use Fate::{Dropped, Passes, Refused};

    fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    // A51, A52, A54
    #[test]
    fn forty_headers_meet_their_fate() {
        let table = [
            ("accept", Passes),
            ("Accept-Language", Passes),
            ("content-type", Passes),
            ("Content-MD5", Passes),
            ("If-Match", Passes),
            ("idempotency-key", Passes),
            ("Notion-Version", Passes),
            ("Prefer", Passes),
            ("range", Passes),
            ("User-Agent", Passes),
            ("X-GitHub-Api-Version", Passes),
            ("x_custom_name", Passes),
            ("Connection", Dropped),
            ("Keep-Alive", Dropped),
            ("TE", Dropped),
            ("Trailer", Dropped),
            ("Transfer-Encoding", Dropped),
            ("Transfer_Encoding", Dropped),
            ("Upgrade", Dropped),
            ("HTTP2-Settings", Dropped),
            ("Proxy-Authorization", Dropped),
            ("Proxy-Connection", Dropped),
            ("proxy_anything", Dropped),
            ("Host", Dropped),
            ("Content-Length", Dropped),
            ("Expect", Dropped),
            ("Accept-Encoding", Dropped),
            ("Forwarded", Dropped),
            ("Via", Dropped),
            ("X-Forwarded-For", Dropped),
            ("X-Forwarded-Host", Dropped),
            ("X_Forwarded_User", Dropped),
            ("X-Real-IP", Dropped),
            ("Authorization", Refused),
            ("AUTHORIZATION", Refused),
            ("Cookie", Refused),
            ("x-api-key", Refused),
            ("X_Api_Key", Refused),
            ("X-HTTP-Method-Override", Refused),
            ("x_http_method_override", Refused),
            ("X-HTTP-Method", Refused),
            ("X-Method-Override", Refused),
            ("X-Original-URL", Refused),
            ("X-Rewrite-URL", Refused),
        ];
        for (name, fate) in table {
            let headers = caller_headers(&given(&[(name, "v"), ("x-other", "kept")]), &["X-API-Key"]);
            match fate {
                Refused => assert_eq!(headers.unwrap_err().code(), "INVALID_ARGUMENT", "{name}"),
                Passes | Dropped => {
                    let headers = headers.unwrap();
                    assert_eq!(headers.contains_key(name), matches!(fate, Passes), "{name}");
                    assert_eq!(headers["x-other"], "kept", "{name}");
                }
            }
        }
    }

    // A51: Fabio's CVE-2025-48865.
    #[test]
    fn what_connection_nominates_goes_with_it() {
        let pairs = given(&[
            ("Connection", "close, X_One"),
            ("connection", " x-two"),
            ("x-one", "1"),
            ("x_two", "2"),
            ("x-three", "3"),
        ]);
        let headers = caller_headers(&pairs, &[]).unwrap();
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-three"]);
    }

    #[test]
    fn a_header_given_twice_is_sent_twice_in_order() {
        let headers = caller_headers(&given(&[("x-tag", "a"), ("X-Tag", "b")]), &[]).unwrap();
        assert_eq!(headers.get_all("x-tag").iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    // A50
    #[test]
    fn line_breaks_and_nul_reach_neither_name_nor_value() {
        for value in ["a\r\nx: y", "a\nb", "a\rb", "a\0b", "\u{7f}", "é", "a\u{2028}b"] {
            assert!(caller_headers(&given(&[("x-a", value)]), &[]).is_err(), "{value:?}");
        }
        for name in ["x\r\nhost", "x:", "", " x", "x\0", "é", "x y"] {
            assert!(caller_headers(&given(&[(name, "v")]), &[]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_refused_value_is_not_repeated() {
        let error = caller_headers(&given(&[("x-a", "S3CRET\n")]), &[]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("S3CRET"));
    }

    #[test]
    fn an_answer_loses_its_cookies_and_hop_headers() {
        let mut answer = HeaderMap::new();
        for (name, value) in [
            ("content-type", "text/plain"),
            ("set-cookie", "a=1"),
            ("set-cookie2", "b=2"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("proxy-authenticate", "Basic"),
            ("location", "https://evil.test"),
            ("link", "one"),
            ("link", "two"),
        ] {
            answer.append(name, HeaderValue::from_static(value));
        }
        let answer = answer_headers(answer);
        let mut names: Vec<_> = answer.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "link", "location"]);
        assert_eq!(answer.get_all("link").iter().count(), 2);
    }

    // A52
    #[test]
    fn methods_are_a_closed_list() {
        assert_eq!(method("get").unwrap(), Method::GET);
        assert_eq!(method("Patch").unwrap(), Method::PATCH);
        for refused in ["CONNECT", "TRACE", "trace", "PROPFIND", "", "GET ", "GET / HTTP/1.1\r\n", "ＧＥＴ"] {
            assert!(method(refused).is_err(), "{refused:?}");
        }
    }

    proptest! {
        // A50, A51
        #[test]
        fn whatever_is_given_nothing_injected_passes(name in ".{0,12}|[xX][-_][aA][pP][iI][-_][kK][eE][yY]", value in any::<String>()) {
            if let Ok(headers) = caller_headers(&[(name, value)], &["x-api-key"]) {
                for (name, value) in &headers {
                    prop_assert_ne!(canonical(name.as_str()), "x-api-key");
                    prop_assert!(value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte) || *byte == b'\t'));
                }
            }
        }
    }
}

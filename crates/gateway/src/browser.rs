//! What a browser says about a request, and the cookies that it keeps for us.

use std::time::Duration;

use axum::{body::to_bytes, extract::Request};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, COOKIE, ORIGIN},
};
use onbehalf_engine::{
    connect::FlowCookie,
    secret::{ExposeSecret, Secret},
};
use url::{Origin, Url};

/// How long a form's body may take to arrive.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the button on our own page sent this request, and neither another site nor a link scanner.
///
/// A page without a referrer has its forms sent with `Origin: null` (Fetch, 3.2 "append a request `Origin` header"), so
/// the browser's own word, `Sec-Fetch-Site`, counts then; scripts can set neither header.
pub(crate) fn came_from_our_page(headers: &HeaderMap, public_url: &Url) -> bool {
    if is_speculative(headers) {
        return false;
    }
    let same_origin_site = only(headers, &SEC_FETCH_SITE) == Some("same-origin");
    match only(headers, &ORIGIN) {
        Some("null") => same_origin_site,
        Some(origin) => is_origin_of(origin, public_url),
        None => !headers.contains_key(ORIGIN) && same_origin_site,
    }
}

/// Whether the browser fetches ahead of a click that may never come.
pub(crate) fn is_speculative(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"]
        .iter()
        .flat_map(|name| headers.get_all(*name))
        .any(|value| value.as_bytes().to_ascii_lowercase().windows(8).any(|part| part == b"prefetch"))
}

/// The cookies of a request, in order.
pub(crate) fn cookies(headers: &HeaderMap) -> Vec<(String, Secret)> {
    // Other apps on this host set cookies too, and some of theirs are not ASCII: those are passed over, not the rest.
    let pairs = headers.get_all(COOKIE).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), Secret::from(value))).collect()
}

/// The body of a form: of the media type that forms have, at most `limit` bytes, and here in time.
pub(crate) async fn form(request: Request, limit: usize) -> Result<Bytes, StatusCode> {
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media_type.split(';').next().unwrap_or_default().trim() != "application/x-www-form-urlencoded" {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let body = tokio::time::timeout(FORM_TIMEOUT, to_bytes(request.into_body(), limit)).await;
    body.map_err(|_| StatusCode::REQUEST_TIMEOUT)?.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)
}

/// The parameters of a query or form, decoded, in order.
pub(crate) fn parameters(encoded: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(encoded).into_owned().collect()
}

/// The `Set-Cookie` that binds a flow to its browser. `Lax`: the way back from the provider crosses sites.
pub(crate) fn keep(cookie: &FlowCookie) -> Option<HeaderValue> {
    let FlowCookie { name, value, max_age, secure } = cookie;
    set_cookie(name, value.expose_secret(), max_age.as_secs(), *secure)
}

/// The `Set-Cookie` that removes a cookie. A `__Host-` name is heard only with the attributes it was set with.
pub(crate) fn forget(name: &str) -> Option<HeaderValue> {
    set_cookie(name, "", 0, name.starts_with("__Host-"))
}

/// A `Set-Cookie` for the whole host, kept from scripts and from what other sites send.
pub(crate) fn set_cookie(name: &str, value: &str, seconds: u64, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let line = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let mut line = HeaderValue::try_from(line).ok()?;
    line.set_sensitive(true);
    Some(line)
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn is_origin_of(origin: &str, url: &Url) -> bool {
    let same = |given: Url| given.origin() == url.origin() && matches!(given.origin(), Origin::Tuple(..));
    // An origin has no path, so what serializes with more than the final slash is none.
    Url::parse(origin).is_ok_and(|given| given.path() == "/" && !origin.ends_with('/') && same(given))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn ours(pairs: &[(&'static str, &str)]) -> bool {
        came_from_our_page(&headers(pairs), &Url::parse("https://acme.test/agents").unwrap())
    }

    #[test]
    fn another_apps_cookie_does_not_hide_ours() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_bytes(b"name=Jos\xe9; flow=value; jos\xc3\xa9=1").unwrap());
        let names: Vec<_> = cookies(&headers).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["flow", "jos\u{e9}"]);
    }

    // A09
    #[test]
    fn the_button_on_our_page_is_believed() {
        assert!(ours(&[("origin", "https://acme.test")]));
        assert!(ours(&[("origin", "https://acme.test:443")]));
        assert!(ours(&[("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(ours(&[("sec-fetch-site", "same-origin")]));
    }

    // A09
    #[test]
    fn another_site_cannot_press_the_button() {
        let origins = [
            "null",
            "",
            "http://acme.test",
            "https://acme.test:8443",
            "https://acme.test.evil.test",
            "https://evil.test",
            "https://app.acme.test",
            "https://acme.test@evil.test",
            "https://acme.test/",
            "https://acme.test/agents",
            "file://",
            "data:text/html,x",
        ];
        for origin in origins {
            assert!(!ours(&[("origin", origin)]), "{origin}");
            assert!(!ours(&[("origin", origin), ("sec-fetch-site", "cross-site")]), "{origin}");
        }
        assert!(!ours(&[("origin", "https://evil.test"), ("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "none", "", "same-origin, cross-site"] {
            assert!(!ours(&[("sec-fetch-site", site)]), "{site}");
            assert!(!ours(&[("origin", "null"), ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!ours(&[]));
    }

    #[test]
    fn a_header_that_is_there_twice_is_not_believed() {
        assert!(!ours(&[("origin", "https://acme.test"), ("origin", "https://evil.test")]));
        assert!(!ours(&[
            ("origin", "https://acme.test"),
            ("origin", "https://acme.test"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!ours(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")]));
    }

    // A09
    #[test]
    fn a_browser_that_looks_ahead_presses_no_button() {
        for (name, value) in [("sec-purpose", "prefetch;prerender"), ("purpose", "Prefetch"), ("x-moz", "prefetch")] {
            assert!(!ours(&[("origin", "https://acme.test"), (name, value)]), "{name}");
        }
    }

    #[test]
    fn a_flow_cookie_is_kept_from_scripts_and_other_sites() {
        let cookie = |name: &str, secure| FlowCookie {
            name: name.into(),
            value: "v4lue".into(),
            max_age: Duration::from_secs(600),
            secure,
        };
        let secure = keep(&cookie("__Host-f_1", true)).unwrap();
        assert_eq!(secure, "__Host-f_1=v4lue; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure");
        assert!(secure.is_sensitive());
        assert_eq!(keep(&cookie("f_1", false)).unwrap(), "f_1=v4lue; Path=/; Max-Age=600; HttpOnly; SameSite=Lax");
        assert_eq!(forget("__Host-f_1").unwrap(), "__Host-f_1=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(forget("f_1").unwrap(), "f_1=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        assert_eq!(forget("f\r\nx"), None);
    }

    #[test]
    fn cookies_are_read_in_order() {
        let read = cookies(&headers(&[("cookie", "a=1; b=x=y ;broken;=; a=2"), ("cookie", "c=3")]));
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(read, [("a", "1"), ("b", "x=y"), ("", ""), ("a", "2"), ("c", "3")]);
    }

    proptest! {
        #[test]
        fn no_origin_but_ours_is_believed(origin in "[!-~]{0,30}") {
            let accepted = ours(&[("origin", &origin)]);
            prop_assert!(!accepted || origin.to_ascii_lowercase().starts_with("https://acme.test"));
        }

        #[test]
        fn every_parameter_arrives_once_and_in_order(
            pairs in proptest::collection::vec((".{0,8}", ".{0,8}"), 0..6),
        ) {
            let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let empty = ("".to_owned(), "".to_owned());
            // A pair without name and value leaves `=`, which reads back as itself.
            prop_assert_eq!(parameters(encoded.as_bytes()), pairs);
            prop_assert!(!parameters(b"").contains(&empty));
        }
    }
}

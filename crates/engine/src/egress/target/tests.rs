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
    for path in ["/@evil.test", "/:80@evil.test", "/.evil.test", "/%2fevil.test", "/%5cevil.test", "/https://evil.test"]
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
    for base in ["https://user@api.test", "https://:pass@api.test/v1", "ftp://api.test", "data:text/plain,x", "unix:/x"]
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

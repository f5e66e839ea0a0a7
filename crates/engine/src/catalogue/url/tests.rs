use proptest::prelude::*;

use super::*;

fn url(template: &str, name: &str, value: &str) -> Result<String, TemplateError> {
    let mut values = Values::default();
    values.set(name, value);
    rendered(template, &values, Loopback::Refused)
}

fn rendered(template: &str, values: &Values, loopback: Loopback) -> Result<String, TemplateError> {
    template.parse::<Template>().unwrap().render_url(values, loopback).map(String::from)
}

/// What moved the host, or added a label to it, when it was put into a URL by concatenation.
const HOSTILE: &[&str] = &[
    "evil.test#",
    "evil.test/?",
    "a@evil.test/",
    r"evil.test\",
    "169.254.169.254/",
    "acme。evil",
    "acme.evil",
    "",
    " ",
    ".",
    "..",
    "-",
    "acme-",
    "-acme",
    "acme:443",
    "acme%2e",
    "acme\n",
    "\tacme",
    "аcme",
    "acme_b",
    "*",
    "{x}",
    "a..b",
    "acme.",
    ".acme",
    "[::1]",
    "127.0.0.1",
    "acme/..",
    "@",
    ":80@evil",
    "\u{0}",
    "ⓐcme",
    "acme?",
    "acme&",
];

// A46.
#[test]
fn a_value_in_the_host_is_one_label() {
    let template = "https://{sub}.zendesk.test/api/v2";
    assert_eq!(url(template, "sub", "Acme-1").as_deref(), Ok("https://acme-1.zendesk.test/api/v2"));
    for hostile in HOSTILE {
        let error = url(template, "sub", hostile).unwrap_err();
        assert!(matches!(error, TemplateError::Value { ref name, .. } if name == "sub"), "{hostile}: {error}");
    }
    assert!(url(template, "sub", &"a".repeat(63)).is_ok());
    assert!(url(template, "sub", &"a".repeat(64)).is_err());
}

#[test]
fn a_host_value_may_be_several_labels() {
    let mut values = Values::default();
    values.set_host("account", "xy12345.eu-west-1");
    let template = "https://{account}.snowflake.test";
    let rendered_url = rendered(template, &values, Loopback::Refused);
    assert_eq!(rendered_url.as_deref(), Ok("https://xy12345.eu-west-1.snowflake.test/"));
    for hostile in HOSTILE.iter().filter(|hostile| !is_labels(hostile)) {
        values.set_host("account", *hostile);
        assert!(rendered(template, &values, Loopback::Refused).is_err(), "{hostile}");
    }
}

// A48: no address, no port, no user.
#[test]
fn a_value_that_is_the_whole_host_is_a_public_name() {
    let template = "https://{host}/token";
    assert_eq!(url(template, "host", "Login.Acme.test").as_deref(), Ok("https://login.acme.test/token"));
    let refused = [
        "localhost",
        "acme",
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "1.2.3.4",
        "[::1]",
        "a@b.test",
        "a.test:443",
        "a.test/",
        "a.test?",
        "a.test#",
        r"a.test\b",
        "a.test.",
        "a..test",
        "a.1",
        "a.0x1",
        "é.test",
        "",
    ];
    for host in refused {
        assert!(url(template, "host", host).is_err(), "{host}");
    }
}

#[test]
fn a_value_may_be_the_whole_beginning() {
    let template = "{instance_url}/services/data";
    let good = [
        ("https://acme.my.salesforce.test", "https://acme.my.salesforce.test/services/data"),
        ("https://acme.test/", "https://acme.test/services/data"),
        ("https://acme.test/rest/v1/", "https://acme.test/rest/v1/services/data"),
    ];
    for (value, expected) in good {
        assert_eq!(url(template, "instance_url", value).as_deref(), Ok(expected));
    }
    let refused = [
        "http://acme.test",
        "acme.test",
        "https://acme.test:8443",
        "https://a@acme.test",
        "https://acme.test?x",
        "https://acme.test/#",
        "https://1.2.3.4",
        r"https:\\acme.test",
        "https:/acme.test",
        "https:///acme.test",
        "https://acme.test/a/../b",
        "https://acme.test/%2e%2e/b",
        r"https://acme.test/\evil",
        "ftp://acme.test",
        "https://acme.test/a b",
        "\thttps://acme.test",
        "https://localhost",
        "javascript:alert(1)",
        "",
    ];
    for value in refused {
        assert!(url(template, "instance_url", value).is_err(), "{value}");
    }
}

// A45.
#[test]
fn plain_http_is_for_loopback_alone_where_it_is_allowed() {
    let values = Values::default();
    for local in ["http://127.0.0.1:8080/a", "http://localhost/a", "http://[::1]:9/a", "https://x.localhost:1/a"] {
        assert_eq!(rendered(local, &values, Loopback::Allowed).as_deref(), Ok(local));
        assert!(rendered(local, &values, Loopback::Refused).is_err(), "{local}");
    }
    for other in ["http://acme.test/", "http://128.0.0.1/", "http://127.1/", "http://localhost.acme.test/"] {
        assert!(rendered(other, &values, Loopback::Allowed).is_err(), "{other}");
    }
}

#[test]
fn values_after_the_host_are_encoded() {
    let template = "https://a.test/v1/{x}/b?q={x}";
    assert_eq!(url(template, "x", "a/b?c#d").as_deref(), Ok("https://a.test/v1/a%2Fb%3Fc%23d/b?q=a%2Fb%3Fc%23d"));
    assert_eq!(url("https://a.test?q={x}", "x", "").as_deref(), Ok("https://a.test/?q="));
    for hostile in ["", ".", ".."] {
        assert!(url(template, "x", hostile).is_err(), "{hostile}");
    }
    assert!(url("https://a.test/.{x}/b", "x", ".").is_err(), "two dots put together");
}

#[test]
fn a_secret_never_becomes_part_of_a_url() {
    let mut values = Values::default();
    values.set_secret("token", crate::secret::Secret::from("s3cret"));
    let error = rendered("https://a.test/bot{token}", &values, Loopback::Refused).unwrap_err();
    assert_eq!(error, TemplateError::Secret { name: "token".into() });
}

#[test]
fn a_template_without_origin_is_no_url() {
    for template in ["", "/users/me", "a.test/b", "{x}.a.test/b", "ftp://a.test", "//a.test"] {
        assert!(url(template, "x", "b").is_err(), "{template}");
    }
}

fn host_and_labels(url: &str) -> (String, usize) {
    let host = Url::parse(url).unwrap().host_str().unwrap().to_owned();
    let labels = host.split('.').count();
    (host, labels)
}

proptest! {
    // A46: E10's corpus, and any text.
    #[test]
    fn a_rendered_host_keeps_its_suffix_and_its_labels(value in prop_oneof![".*", "[a-z0-9.-]{0,12}", "[a-z]{1,3}[#/@?\\\\:.。%]{0,2}[a-z.]{0,6}"]) {
        if let Ok(url) = url("https://api-{sub}.acme.test/v1", "sub", &value) {
            let (host, labels) = host_and_labels(&url);
            prop_assert!(host.starts_with("api-") && host.ends_with(".acme.test"));
            prop_assert_eq!(labels, 3);
        }
        let mut values = Values::default();
        values.set_host("sub", value.clone());
        if let Ok(url) = rendered("https://{sub}.acme.test/v1", &values, Loopback::Refused) {
            let (host, labels) = host_and_labels(&url);
            prop_assert!(host.ends_with(".acme.test"));
            prop_assert_eq!(labels, value.matches('.').count() + 3);
        }
    }

    #[test]
    fn a_rendered_path_has_the_segments_that_were_written(value in ".*") {
        if let Ok(url) = url("https://acme.test/a/{x}/b", "x", &value) {
            let url = Url::parse(&url).unwrap();
            prop_assert_eq!(url.path_segments().unwrap().count(), 3);
            prop_assert_eq!(url.host_str(), Some("acme.test"));
            prop_assert!(url.query().is_none() && url.fragment().is_none());
        }
    }

    #[test]
    fn a_given_url_leads_to_the_host_it_shows(value in "https?://[a-z0-9.@:/?#\\\\-]{0,24}") {
        if let Ok(url) = url("{u}/x", "u", &value) {
            let (host, _) = host_and_labels(&url);
            let shown = value.strip_prefix("https://").unwrap().split('/').next().unwrap();
            prop_assert_eq!(host, shown);
        }
    }
}

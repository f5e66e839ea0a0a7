//! URL templates: values may fill labels, path segments and parameters, and can never move the host.
//!
//! The host is put together from parts before anything is parsed, checked label by label, and compared with what the
//! URL parser made of it. A path or query value is percent-encoded, and the parsed path must be the one that was put
//! together, so that no value is a `..`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::{
    host::{is_host_name, is_label, is_labels},
    template::{Expression, Part, Secrets, Template, TemplateError, Value, Values},
};

/// RFC 3986 §2.3: what is not unreserved is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether URLs may point at this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// https to public host names only.
    Refused,
    /// Loopback hosts too, with http and ports: emulators and tests.
    Allowed,
}

/// What stands before a template's path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin<'t> {
    /// `https://{shop}.myshopify.com`: a scheme, and the pieces of the authority.
    Written { scheme: &'static str, authority: Vec<Piece<'t>> },
    /// `{instance_url}`: a value is the whole beginning.
    Given(&'t Expression),
    /// `/users/me`: nothing.
    None,
}

/// A stretch of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Literal(&'t str),
    Expression(&'t Expression),
}

impl Template {
    /// Fills in a URL.
    ///
    /// A name inside the host must be exactly one label (one or more for [`Values::set_host`]); a name that is the
    /// whole host, a DNS host name; a name that is the whole beginning (`{instance_url}`), an https URL without user,
    /// port, query and fragment. Everything after the host is percent-encoded. Secrets are refused.
    pub fn render_url(&self, values: &Values, loopback: Loopback) -> Result<Url, TemplateError> {
        let (origin, rest) = self.split();
        let base = match &origin {
            Origin::Written { scheme, authority } => render_authority(scheme, authority, values)?,
            Origin::Given(expression) => given_base(expression, values)?,
            Origin::None => return Err(self.refuse(None, "has no host")),
        };
        let blamed = origin.expressions().next().map(Expression::subject);
        let local = is_loopback(&base.authority);
        if local && loopback == Loopback::Refused {
            return Err(self.refuse(blamed, "must not point at this machine"));
        }
        if !local && (base.scheme != "https" || !is_host_name(&base.authority)) {
            return Err(self.refuse(blamed, "must make an https URL of a host name, without user or port"));
        }

        let mut text = format!("{}://{}{}", base.scheme, base.authority, base.path);
        let path = text.len() - base.path.len();
        write_rest(&rest, values, &mut text)?;
        if !text[path..].starts_with('/') {
            text.insert(path, '/');
        }
        // The parser must read exactly what was put together: the same host, and no path that it tidies away.
        match Url::parse(&text) {
            Ok(url) if url.as_str() == text => Ok(url),
            _ => Err(self.refuse(rest_name(&rest), "must make a URL that stays as it is written")),
        }
    }

    /// The template's origin, and what follows it.
    pub(super) fn split(&self) -> (Origin<'_>, Vec<Piece<'_>>) {
        let mut pieces = self.parts.iter().map(|part| match part {
            Part::Literal(literal) => Piece::Literal(literal),
            Part::Expression(expression) => Piece::Expression(expression),
        });
        let literal = match pieces.next() {
            Some(Piece::Expression(expression)) => {
                let rest: Vec<_> = pieces.collect();
                let whole =
                    rest.first().is_none_or(|next| matches!(next, Piece::Literal(l) if l.starts_with(['/', '?'])));
                return if whole { (Origin::Given(expression), rest) } else { (Origin::None, rest) };
            }
            Some(Piece::Literal(literal)) => literal,
            None => return (Origin::None, Vec::new()),
        };
        let (scheme, mut current) = match (literal.strip_prefix("https://"), literal.strip_prefix("http://")) {
            (Some(after), _) => ("https", Some(Piece::Literal(after))),
            (_, Some(after)) => ("http", Some(Piece::Literal(after))),
            _ => return (Origin::None, std::iter::once(Piece::Literal(literal)).chain(pieces).collect()),
        };
        let mut authority = Vec::new();
        let mut rest = Vec::new();
        while let Some(piece) = current {
            match piece {
                Piece::Literal(text) => {
                    let (host, after) = text.split_at(text.find(['/', '?', '#']).unwrap_or(text.len()));
                    authority.extend((!host.is_empty()).then_some(Piece::Literal(host)));
                    if !after.is_empty() {
                        rest.push(Piece::Literal(after));
                        break;
                    }
                }
                Piece::Expression(_) => authority.push(piece),
            }
            current = pieces.next();
        }
        rest.extend(pieces);
        (Origin::Written { scheme, authority }, rest)
    }

    /// Blames the value where there is one, else the template.
    fn refuse(&self, name: Option<&str>, problem: &'static str) -> TemplateError {
        match name {
            Some(name) => TemplateError::Value { name: name.into(), problem },
            None => TemplateError::Url { template: self.as_str().into(), problem },
        }
    }
}

impl<'t> Origin<'t> {
    /// What values the origin is made of.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &'t Expression> {
        let (authority, given) = match self {
            Self::Written { authority, .. } => (&authority[..], None),
            Self::Given(expression) => (&[][..], Some(*expression)),
            Self::None => (&[][..], None),
        };
        authority.iter().filter_map(|piece| piece.expression()).chain(given)
    }
}

impl<'t> Piece<'t> {
    fn expression(&self) -> Option<&'t Expression> {
        match self {
            Self::Expression(expression) => Some(expression),
            Self::Literal(_) => None,
        }
    }
}

/// The beginning of a URL, its host not yet checked as a whole.
struct Base {
    scheme: String,
    authority: String,
    /// Empty, or `/` and no `/` at the end.
    path: String,
}

fn render_authority(scheme: &str, pieces: &[Piece<'_>], values: &Values) -> Result<Base, TemplateError> {
    let mut authority = String::new();
    for piece in pieces {
        let expression = match piece {
            Piece::Literal(literal) => {
                authority.push_str(literal);
                continue;
            }
            Piece::Expression(expression) => expression,
        };
        let value = expression.evaluate(values, Secrets::Refused)?.to_ascii_lowercase();
        let many = matches!(expression.name().and_then(|name| values.get(name)), Some(Value::Host(_)));
        let whole = pieces.len() == 1;
        if !(whole || is_label(&value) || many && is_labels(&value)) {
            let problem = "must be letters, digits and hyphens (at most 63), as in a host name";
            return Err(TemplateError::Value { name: expression.subject().into(), problem });
        }
        authority.push_str(&value);
    }
    Ok(Base { scheme: scheme.into(), authority, path: String::new() })
}

/// Takes a URL that a provider gave apart (Salesforce's `instance_url`).
fn given_base(expression: &Expression, values: &Values) -> Result<Base, TemplateError> {
    let value = expression.evaluate(values, Secrets::Refused)?;
    let refuse = || TemplateError::Value { name: expression.subject().into(), problem: "must be an https URL" };
    let (scheme, rest) = value.split_once("://").ok_or_else(refuse)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if !matches!(scheme, "https" | "http") || path.contains(['?', '#']) {
        return Err(refuse());
    }
    Ok(Base {
        scheme: scheme.into(),
        authority: authority.to_ascii_lowercase(),
        path: path.trim_end_matches('/').into(),
    })
}

fn write_rest(pieces: &[Piece<'_>], values: &Values, text: &mut String) -> Result<(), TemplateError> {
    let mut in_path = true;
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => {
                in_path &= !literal.contains(['?', '#']);
                text.push_str(literal);
            }
            Piece::Expression(expression) => {
                let value = expression.evaluate(values, Secrets::Refused)?;
                if in_path && matches!(value.as_str(), "" | "." | "..") {
                    let problem = "must not be empty, `.` or `..`";
                    return Err(TemplateError::Value { name: expression.subject().into(), problem });
                }
                text.extend(utf8_percent_encode(&value, RESERVED));
            }
        }
    }
    Ok(())
}

fn rest_name<'t>(rest: &[Piece<'t>]) -> Option<&'t str> {
    rest.iter().find_map(Piece::expression).map(Expression::subject)
}

/// Whether an authority is this machine: `localhost`, a name below it, or a loopback address, with or without a port.
pub(super) fn is_loopback(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, "0"),
    };
    let named = host == "localhost" || host.strip_suffix(".localhost").is_some_and(is_labels);
    let addressed = host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    port.parse::<u16>().is_ok() && (named || addressed || host == "[::1]")
}

#[cfg(test)]
mod tests {
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
}

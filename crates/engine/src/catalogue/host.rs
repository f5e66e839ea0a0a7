//! Host names, and patterns of them: which hosts a connector's credential may reach.

use serde::Deserialize;
use url::Url;

/// A host (`files.slack.com`), or every host below one (`*.salesforce.com`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostPattern {
    /// The host, or what follows `*.`.
    name: String,
    below: bool,
}

impl HostPattern {
    /// Whether the pattern covers `host`, in lower case, as [`url::Url::host_str`] gives it. `*.example.com` covers
    /// `a.example.com` and `a.b.example.com`, but neither `example.com` nor `badexample.com`.
    pub fn matches(&self, host: &str) -> bool {
        if !self.below {
            return host == self.name;
        }
        host.strip_suffix(&self.name).and_then(|front| front.strip_suffix('.')).is_some_and(is_labels)
    }

    /// Whether the pattern covers the host of an https URL on the usual port.
    pub(super) fn covers(&self, url: &Url) -> bool {
        url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(|host| self.matches(host))
    }

    /// Whether the pattern covers more than one host.
    pub(super) fn is_wildcard(&self) -> bool {
        self.below
    }
}

impl TryFrom<String> for HostPattern {
    type Error = String;

    fn try_from(pattern: String) -> Result<Self, String> {
        let (name, below) = pattern.strip_prefix("*.").map_or((pattern.as_str(), false), |name| (name, true));
        if !(is_host_name(name) || below && is_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase())) {
            return Err(format!(
                "`{pattern}` must be a host in lower case, or `*.` and a host, without scheme or port"
            ));
        }
        if below && is_suffix_of_many(name) {
            return Err(format!("`{pattern}` covers hosts of many owners; name the provider's own domain"));
        }
        Ok(Self { name: name.into(), below })
    }
}

/// Whether everybody can have a host below `name`. A guess without the public suffix list, on the safe side: a single
/// label, or a country's second level (`co.uk`, `com.au`).
fn is_suffix_of_many(name: &str) -> bool {
    match name.split('.').collect::<Vec<_>>()[..] {
        [_] => true,
        [second, country] => {
            country.len() == 2 && matches!(second, "ac" | "co" | "com" | "edu" | "gov" | "net" | "ne" | "or" | "org")
        }
        _ => false,
    }
}

/// Whether `name` is a DNS host name that can be public: two labels or more, lower case, no IP address.
pub(super) fn is_host_name(name: &str) -> bool {
    // A last label of digits (or `0x…`) makes the WHATWG parser read an IPv4 address.
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.contains('.') && is_labels(name) && last.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Whether `text` is one or more labels (RFC 1123 §2.1) with a dot between them.
pub(super) fn is_labels(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// Whether `text` is one label: 1 to 63 letters, digits and hyphens, no hyphen at either end, lower case.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Result<HostPattern, String> {
        HostPattern::try_from(text.to_owned())
    }

    #[test]
    fn a_pattern_covers_its_own_hosts_only() {
        let exact = pattern("files.slack.com").unwrap();
        assert!(exact.matches("files.slack.com"));
        assert!(!exact.matches("a.files.slack.com"));
        assert!(!exact.matches("slack.com"));

        let below = pattern("*.salesforce.com").unwrap();
        assert!(below.matches("acme.salesforce.com"));
        assert!(below.matches("acme.my.salesforce.com"));
        for other in
            ["salesforce.com", "badsalesforce.com", ".salesforce.com", "a..salesforce.com", "salesforce.com.evil"]
        {
            assert!(!below.matches(other), "{other}");
        }
    }

    #[test]
    fn a_pattern_of_many_owners_is_refused() {
        let refused = [
            "*",
            "*.com",
            "*.co.uk",
            "*.com.au",
            "com",
            "",
            "*.",
            "**.a.com",
            "a.*.com",
            "A.com",
            "a.com:443",
            "a.com/",
            "127.0.0.1",
            "*.0x7f",
            "[::1]",
            "localhost",
            "a_b.com",
            "é.com",
            "a.com.",
            "-a.com",
        ];
        for text in refused {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_wildcard_covers_ends_at_a_dot(front in ".{0,20}") {
            let host = format!("{front}acme.test");
            if pattern("*.acme.test").unwrap().matches(&host) {
                prop_assert!(front.ends_with('.') && is_labels(&front[..front.len() - 1]));
            }
        }
    }
}

//! The names that the listener answers to.

use axum::{
    Router,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::header::HOST;
use url::Url;

use crate::{
    language::Language,
    pages::{self, Refusal},
};

/// Hosts that may stand in a request. Without this, a page of another site whose name is pointed at 127.0.0.1 (DNS
/// rebinding) would be of our origin to its browser.
#[derive(Debug, Clone)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    /// The public URL's host, which a reverse proxy may pass on, and this machine's own names at `port`.
    pub(crate) fn of(public_url: &Url, port: u16) -> Self {
        let mut hosts = Vec::new();
        let mut add = |host: &str, port: u16, default: u16| {
            hosts.push(format!("{host}:{port}"));
            // The default port is left out by browsers.
            if port == default {
                hosts.push(host.to_owned());
            }
        };
        if let (Some(host), Some(port)) = (public_url.host_str(), public_url.port_or_known_default()) {
            add(host, port, if public_url.scheme() == "https" { 443 } else { 80 });
        }
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            add(host, port, 80);
        }
        Self(hosts)
    }

    /// Answers 421 to every other host (RFC 9110, 15.5.20).
    pub(crate) fn only(self, router: Router) -> Router {
        router.layer(axum::middleware::from_fn(move |request: Request, next: Next| {
            let allowed = self.allow(&request);
            async move { if allowed { next.run(request).await } else { misdirected(&request) } }
        }))
    }

    fn allow(&self, request: &Request) -> bool {
        let mut named = request.headers().get_all(HOST).into_iter();
        let (Some(host), None) = (named.next(), named.next()) else { return false };
        let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
        self.knows(host.as_bytes()) && target.is_none_or(|target| self.knows(target))
    }

    fn knows(&self, host: &[u8]) -> bool {
        self.0.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(host))
    }
}

fn misdirected(request: &Request) -> Response {
    pages::refusal(Language::preferred(request.headers()), Refusal::WrongHost).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn allowed(public_url: &str, port: u16, hosts: &[&str]) -> bool {
        let request = hosts.iter().fold(Request::builder().uri("/health"), |request, host| request.header(HOST, *host));
        Hosts::of(&Url::parse(public_url).unwrap(), port).allow(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn the_public_host_and_this_machines_names_are_answered() {
        for host in ["localhost:7415", "127.0.0.1:7415", "[::1]:7415", "LocalHost:7415"] {
            assert!(allowed("http://localhost:7415", 7415, &[host]), "{host}");
            assert!(allowed("https://acme.test", 7415, &[host]), "{host}");
        }
        assert!(allowed("https://acme.test/agents", 7415, &["acme.test"]));
        assert!(allowed("https://acme.test", 7415, &["acme.test:443"]));
        assert!(allowed("https://acme.test:8443", 7415, &["acme.test:8443"]));
        assert!(allowed("http://localhost", 80, &["localhost"]));
    }

    // A81
    #[test]
    fn a_rebound_name_is_not_answered() {
        let hosts = [
            "evil.test",
            "evil.test:7415",
            "localhost",
            "localhost:7416",
            "localhost:7415.evil.test",
            "localhost.:7415",
            "acme.test:7415",
            "acme.test@evil.test",
            "127.0.0.1.evil.test:7415",
            "0.0.0.0:7415",
            "",
        ];
        for host in hosts {
            assert!(!allowed("https://acme.test", 7415, &[host]), "{host}");
        }
        assert!(!allowed("https://acme.test:8443", 7415, &["acme.test"]));
        assert!(!allowed("https://acme.test", 7415, &[]));
        assert!(!allowed("https://acme.test", 7415, &["acme.test", "evil.test"]));
        assert!(!allowed("https://acme.test", 7415, &["acme.test", "acme.test"]));
    }

    // A81
    #[test]
    fn the_target_of_a_request_counts_as_its_host_does() {
        let hosts = Hosts::of(&Url::parse("https://acme.test").unwrap(), 7415);
        let request =
            |target: &str| Request::builder().uri(target).header(HOST, "acme.test").body(Body::empty()).unwrap();
        assert!(hosts.allow(&request("https://acme.test/health")));
        assert!(!hosts.allow(&request("http://evil.test/health")));
    }
}

//! Taking back what was granted: RFC 7009.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use url::Url;

use super::{
    Registration, client_request::of_client, document::Document, outcome::provider_error, parameters::Parameters,
    provider_error::ProviderError, retry_after::retry_after,
};
use crate::{
    Result,
    secret::{ExposeSecret, Secret},
    time::Timestamp,
};

/// Which token is revoked (RFC 7009 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// The refresh token: with it, what it brought should end.
    RefreshToken,
    /// The access token.
    AccessToken,
}

impl Hint {
    fn name(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh_token",
            Self::AccessToken => "access_token",
        }
    }
}

/// The request that revokes `token` at `url` (RFC 7009 §2.1).
///
/// # Errors
/// `CONNECTOR_INVALID` when the connector's headers cannot be sent, `NOT_SUPPORTED` for client authentication by
/// `private_key_jwt`.
pub fn request(registration: &Registration, url: &Url, token: &Secret, hint: Hint) -> Result<Request<Bytes>> {
    let mut parameters = Parameters::default();
    parameters.put("token", token.expose_secret());
    parameters.put("token_type_hint", hint.name());
    of_client(registration, url, parameters, None)
}

/// What a provider's answer to a revocation comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The provider took it, or does not know the token any more. It need not be true: RFC 7009 §2.2 has a server say
    /// so of tokens that it never gave.
    Accepted,
    /// Try again.
    Later {
        /// What the provider said.
        error: ProviderError,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The provider will not do it, however often it is asked.
    Refused {
        /// What the provider said.
        error: ProviderError,
    },
}

/// The token is gone already: RFC 7009 §2.2 calls that a success, Google (`invalid_token`) and Slack (`token_revoked`,
/// `account_inactive`) an error.
const GONE: [&str; 4] = ["invalid_token", "invalid_grant", "token_revoked", "account_inactive"];

/// The app's own credentials are refused (RFC 6749 §5.2): a new secret may not be known everywhere yet.
const CLIENT_BAD: [&str; 2] = ["invalid_client", "unauthorized_client"];

/// Says what the answer to a revocation means.
pub fn verdict(status: StatusCode, headers: &HeaderMap, body: &[u8], received_at: Timestamp) -> Verdict {
    let error = provider_error(&Document::read(body));
    let code = error.code.as_deref().unwrap_or_default();
    let retry_after = retry_after(status, headers, received_at);
    let is_busy = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
        // GitHub and Google say 403 when they mean 429.
        || status == StatusCode::FORBIDDEN && retry_after.is_some();
    match status {
        _ if GONE.contains(&code) => Verdict::Accepted,
        // An error inside a success is Slack's way.
        _ if status.is_success() && error.code.is_none() => Verdict::Accepted,
        _ if is_busy || CLIENT_BAD.contains(&code) || code == "ratelimited" => Verdict::Later { retry_after, error },
        _ => Verdict::Refused { error },
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::oauth::{ClientAuth, tests::registration};

    fn body(request: &Request<Bytes>) -> &str {
        std::str::from_utf8(request.body()).unwrap()
    }

    fn said(status: u16, body: &str) -> Verdict {
        verdict(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), Timestamp::from_millis(0))
    }

    #[test]
    fn a_token_is_revoked_by_post_with_its_kind_and_the_clients_credentials() {
        let url = "https://provider.test/revoke".parse().unwrap();
        let request = request(&registration(), &url, &"rt/canary".into(), Hint::RefreshToken).unwrap();
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::POST, url.as_str()));
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(body(&request), "token=rt%2Fcanary&token_type_hint=refresh_token&client_id=app&client_secret=shh");
    }

    #[test]
    fn a_client_that_proves_itself_in_a_header_does_so_here() {
        let mut registration = registration();
        registration.client_auth = ClientAuth::Basic;
        let url = "https://provider.test/revoke".parse().unwrap();
        let request = request(&registration, &url, &"at".into(), Hint::AccessToken).unwrap();
        assert!(request.headers()["authorization"].is_sensitive());
        assert_eq!(body(&request), "token=at&token_type_hint=access_token");
    }

    // A114
    #[test]
    fn an_answer_is_believed_as_far_as_it_can_be() {
        let later = |status, body| matches!(said(status, body), Verdict::Later { .. });
        let refused = |status, body| matches!(said(status, body), Verdict::Refused { .. });
        // RFC 7009 §2.2; Google for a token that is gone; Slack, whose errors stand in a success.
        for (status, body) in [
            (200, ""),
            (200, "<html>"),
            (204, ""),
            (200, r#"{"ok":true,"revoked":true}"#),
            (400, r#"{"error":"invalid_token","error_description":"Token expired or revoked"}"#),
            (200, r#"{"ok":false,"error":"token_revoked"}"#),
        ] {
            assert_eq!(said(status, body), Verdict::Accepted, "{status} {body}");
        }
        for (status, body) in [
            (503, ""),
            (500, "<html>"),
            (429, ""),
            (408, ""),
            (401, r#"{"error":"invalid_client"}"#),
            (200, r#"{"ok":false,"error":"ratelimited"}"#),
        ] {
            assert!(later(status, body), "{status} {body}");
        }
        // Slack says the first of a token that has ended, and the second of an address that it does not let in: neither
        // says that the grant is gone.
        for (status, body) in [
            (200, r#"{"ok":false,"error":"token_expired"}"#),
            (200, r#"{"ok":false,"error":"invalid_auth"}"#),
            (400, r#"{"error":"unsupported_token_type"}"#),
            (400, ""),
            (302, ""),
            (403, ""),
            (404, "<html>"),
            (200, r#"{"ok":false,"error":"not_allowed_token_type"}"#),
        ] {
            assert!(refused(status, body), "{status} {body}");
        }
    }

    // A111, A114
    #[test]
    fn a_provider_is_left_alone_as_long_as_it_asks() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "120".parse().unwrap());
        for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::FORBIDDEN] {
            let verdict = verdict(status, &headers, b"", Timestamp::from_millis(0));
            let wanted = Duration::from_secs(120);
            assert!(matches!(verdict, Verdict::Later { retry_after: Some(wait), .. } if wait == wanted), "{status}");
        }
    }
}

//! What a token endpoint's answer means for the account.
//!
//! An account becomes unusable only by proof. So the proof is narrow: a whole answer, of a status that RFC 6749 §5.2
//! gives to errors (or a 200, for providers that put errors there), with an error code that stands in a list below.
//! Everything that is not understood is [`Outcome::Unknown`].

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::{
    Registration,
    document::{Document, Format},
    provider_error::ProviderError,
    retry_after::retry_after,
    token_response::{self, TokenSet, Unusable},
};
use crate::{secret::Secret, time::Timestamp};

/// The grant is gone: RFC 6749 §5.2, Slack (`invalid_refresh_token`, `token_revoked`, `account_inactive`), GitHub
/// (`bad_refresh_token`, `bad_verification_code`), and refusals at the token endpoint.
const DEFINITIVE: [&str; 7] = [
    "invalid_grant",
    "invalid_refresh_token",
    "token_revoked",
    "access_denied",
    "account_inactive",
    "bad_refresh_token",
    "bad_verification_code",
];

/// The app's registration is wrong: RFC 6749 §5.2, Slack (`bad_…`, `invalid_client_id`), GitHub (`incorrect_…`,
/// `redirect_uri_mismatch`).
const CLIENT_BAD: [&str; 9] = [
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "bad_client_secret",
    "invalid_client_id",
    "bad_redirect_uri",
    "incorrect_client_credentials",
    "redirect_uri_mismatch",
];

/// The provider is busy: RFC 6749 §4.1.2.1, RFC 8628 §3.5, Slack.
const TRANSIENT: [&str; 6] =
    ["temporarily_unavailable", "server_error", "slow_down", "ratelimited", "service_unavailable", "internal_error"];

/// A token endpoint's whole answer.
#[derive(Clone, Copy)]
pub struct TokenAnswer<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its headers; empty when the answer comes from the journal.
    pub headers: &'a HeaderMap,
    /// Its body, after transfer and content codings.
    pub body: &'a [u8],
    /// When it arrived.
    pub received_at: Timestamp,
}

/// What to do about an answer.
#[derive(Debug)]
pub enum Outcome {
    /// Store the tokens.
    Ok(Box<TokenSet>),
    /// The grant no longer works, and the provider says so. The person must consent again.
    Definitive {
        /// What the provider said.
        error: ProviderError,
    },
    /// The app's own credentials or registration are refused: the connection is at fault, no account is.
    ClientBad {
        /// What the provider said.
        error: ProviderError,
    },
    /// The provider is busy or broken: try again.
    Transient {
        /// What the provider said.
        error: ProviderError,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// No one can say what became of the grant. The provider may have acted: wait before sending it again.
    Unknown {
        /// Why the answer brought no tokens.
        reason: Unusable,
        /// What the provider said.
        error: ProviderError,
        /// A new refresh token that had arrived whole nevertheless; it replaces the old one.
        salvaged: Option<Secret>,
    },
}

/// Says what `answer` means. `asked` are the scopes that hold when the answer names none (see [`token_response::read`]).
pub fn classify(answer: TokenAnswer<'_>, registration: &Registration, asked: &[String]) -> Outcome {
    let document = Document::read(answer.body);
    let error = provider_error(&document);
    let verdict = verdict(answer.status, &document);
    let succeeded = answer.status.is_success();
    let salvaged = succeeded.then(|| token_response::salvage(&document, answer.body, registration)).flatten();
    let tokens = token_response::tokens(document, registration, asked, answer.received_at);
    match (tokens, verdict) {
        (Ok(tokens), _) if succeeded => Outcome::Ok(Box::new(tokens)),
        (_, Some(Verdict::Definitive)) => Outcome::Definitive { error },
        (_, Some(Verdict::ClientBad)) => Outcome::ClientBad { error },
        (_, Some(Verdict::Transient)) => {
            Outcome::Transient { error, retry_after: retry_after(answer.status, answer.headers, answer.received_at) }
        }
        (tokens, None) => Outcome::Unknown { reason: tokens.err().unwrap_or(Unusable::NoAccessToken), error, salvaged },
    }
}

enum Verdict {
    Definitive,
    ClientBad,
    Transient,
}

fn verdict(status: StatusCode, document: &Document) -> Option<Verdict> {
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Some(Verdict::Transient);
    }
    // A 400 with a page or with nothing proves nothing. A form may carry an error only where it could carry tokens.
    let counts = match document.format() {
        Format::Json => matches!(status, StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED),
        Format::Form => status == StatusCode::OK,
        Format::Neither => false,
    };
    let code = document.string("error").filter(|_| counts && document.is_whole())?;
    if DEFINITIVE.contains(&code) {
        Some(Verdict::Definitive)
    } else if CLIENT_BAD.contains(&code) {
        Some(Verdict::ClientBad)
    } else {
        TRANSIENT.contains(&code).then_some(Verdict::Transient)
    }
}

/// The error that an answer names, and what the provider says of it for people: the first of the members that providers
/// use for that.
pub(super) fn provider_error(document: &Document) -> ProviderError {
    let described = ["error_description", "error.message", "message", "msg", "errmsg"];
    let description = described.iter().filter_map(|path| document.string(path)).find(|text| !text.is_empty());
    ProviderError::new(document.string("error"), description)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{oauth::tests::registration, secret::ExposeSecret};

    fn classified(status: u16, body: &[u8]) -> Outcome {
        let headers = HeaderMap::new();
        let status = StatusCode::from_u16(status).unwrap();
        let received_at = Timestamp::from_millis(0);
        classify(TokenAnswer { status, headers: &headers, body, received_at }, &registration(), &[])
    }

    fn kind(status: u16, body: &[u8]) -> &'static str {
        match classified(status, body) {
            Outcome::Ok(_) => "ok",
            Outcome::Definitive { .. } => "definitive",
            Outcome::ClientBad { .. } => "client bad",
            Outcome::Transient { .. } => "transient",
            Outcome::Unknown { .. } => "unknown",
        }
    }

    // A109, E14
    #[test]
    fn only_proof_ends_a_grant() {
        let invalid_grant = r#"{"error":"invalid_grant","error_description":"expired"}"#;
        for (status, body, expected) in [
            (200, r#"{"access_token":"a"}"#, "ok"),
            (201, r#"{"access_token":"a","error":""}"#, "ok"),
            (200, r#"{"access_token":"a","error":"invalid_grant"}"#, "ok"),
            (400, invalid_grant, "definitive"),
            (401, invalid_grant, "definitive"),
            (200, invalid_grant, "definitive"),
            (200, "error=bad_refresh_token&error_description=The+refresh+token+passed+is+incorrect", "definitive"),
            (200, r#"{"error":"bad_refresh_token"}"#, "definitive"),
            (200, r#"{"ok":false,"error":"token_revoked"}"#, "definitive"),
            (200, r#"{"ok":false,"error":"bad_client_secret"}"#, "client bad"),
            (401, r#"{"error":"invalid_client"}"#, "client bad"),
            (400, r#"{"error":"unauthorized_client"}"#, "client bad"),
            (400, r#"{"error":"temporarily_unavailable"}"#, "transient"),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, "transient"),
            (429, "", "transient"),
            (500, "", "transient"),
            (503, invalid_grant, "transient"),
            (500, invalid_grant, "transient"),
            (502, "<html>Bad gateway</html>", "transient"),
            (302, invalid_grant, "unknown"),
            (307, "", "unknown"),
            (403, invalid_grant, "unknown"),
            (404, invalid_grant, "unknown"),
            (400, "", "unknown"),
            (400, "invalid_grant", "unknown"),
            (400, "error=invalid_grant", "unknown"),
            (400, "<p>invalid_grant</p>", "unknown"),
            (400, r#"{"error":{"code":"invalid_grant"}}"#, "unknown"),
            (400, r#"["invalid_grant"]"#, "unknown"),
            (400, r#"{"error":"INVALID_GRANT"}"#, "unknown"),
            (400, r#"{"error":"invalid_grant "}"#, "unknown"),
            (400, r#"{"error":"invalid_grant""#, "unknown"),
            (400, r#"{"error":"invalid_grant","error":"invalid_client"}"#, "unknown"),
            (400, r#"{"error":"invalid_request","error_description":"invalid_grant"}"#, "unknown"),
            (400, r#"{"access_token":"a"}"#, "unknown"),
            (200, "", "unknown"),
            (200, "<html>Log in</html>", "unknown"),
            (200, r#"{"code":20037,"msg":"refresh token expired"}"#, "unknown"),
            (200, r#"{"access_token":"a","token_type":"DPoP"}"#, "unknown"),
            (204, "", "unknown"),
        ] {
            assert_eq!(kind(status, body.as_bytes()), expected, "{status} {body}");
        }
    }

    #[test]
    fn the_providers_words_are_kept_as_data() {
        for (body, code, description) in [
            (
                r#"{"error":"invalid_grant","error_description":"Gone.\u001b[2J"}"#,
                Some("invalid_grant"),
                Some("Gone.[2J"),
            ),
            (r#"{"error":{"message":"Session has expired","code":190}}"#, None, Some("Session has expired")),
            (r#"{"code":7,"message":"","msg":"bad"}"#, None, Some("bad")),
            (r#"{"errcode":40029,"errmsg":"invalid code"}"#, None, Some("invalid code")),
            ("", None, None),
        ] {
            let expected = ProviderError { code: code.map(Into::into), description: description.map(Into::into) };
            match classified(400, body.as_bytes()) {
                Outcome::Definitive { error } | Outcome::Unknown { error, .. } => assert_eq!(error, expected, "{body}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_new_refresh_token_survives_an_unusable_success() {
        let body = br#"{"refresh_token":"r2","access_token":"a","token_type":"DPoP"}"#;
        let Outcome::Unknown { reason, salvaged, .. } = classified(200, body) else { panic!() };
        assert_eq!((reason, salvaged.unwrap().expose_secret()), (Unusable::UnknownType, "r2"));
        let Outcome::Unknown { salvaged, .. } = classified(404, body) else { panic!() };
        assert!(salvaged.is_none());
    }

    #[test]
    fn a_busy_provider_says_when_to_return() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", http::HeaderValue::from_static("120"));
        let answer = TokenAnswer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            headers: &headers,
            body: b"",
            received_at: Timestamp::from_millis(0),
        };
        let Outcome::Transient { retry_after, .. } = classify(answer, &registration(), &[]) else { panic!() };
        assert_eq!(retry_after, Some(Duration::from_secs(120)));
    }

    /// Bodies near the borders of the classes.
    fn body() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec!["invalid_grant", "invalid_client", "slow_down", "odd", "a b", ""]);
        let name = prop::sample::select(vec!["error", "Error", "access_token", "refresh_token", "message", "x"]);
        let member = (name, word);
        prop_oneof![
            prop::collection::vec(member.clone(), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, word)| format!(r#""{name}":"{word}""#)).collect();
                format!("{{{}}}", members.join(","))
            }),
            prop::collection::vec(member, 0..4).prop_map(|members| {
                members.iter().map(|(name, word)| format!("{name}={word}")).collect::<Vec<_>>().join("&")
            }),
            "\\PC{0,20}",
        ]
    }

    proptest! {
        // A109
        #[test]
        fn noise_never_turns_doubt_into_proof(
            status in prop::sample::select(vec![200u16, 201, 302, 400, 401, 403, 404]),
            body in body(),
            before in prop::sample::select(vec!["", " ", "\u{feff}", "x", "<", ")]}',\n"]),
            after in prop::sample::select(vec!["", "\n", "}", "&", "&x=1", "<!-- -->", "\0"]),
            cut in any::<prop::sample::Index>(),
        ) {
            if kind(status, body.as_bytes()) == "unknown" {
                let noisy = format!("{before}{body}{after}");
                prop_assert_ne!(kind(status, noisy.as_bytes()), "definitive", "{} {:?}", status, noisy);
                let member = body.replacen('{', r#"{"noise":{"error":"invalid_grant"},"#, 1);
                prop_assert_ne!(kind(status, member.as_bytes()), "definitive", "{} {:?}", status, member);
                if body.starts_with('{') {
                    let cut = &body.as_bytes()[..cut.index(body.len() + 1)];
                    prop_assert_ne!(kind(status, cut), "definitive");
                }
            }
        }

        #[test]
        fn every_answer_has_one_meaning(status in 100u16..1000, body in prop::collection::vec(any::<u8>(), 0..120)) {
            let proven = kind(status, &body) == "definitive";
            prop_assert!(!proven || matches!(status, 200 | 400 | 401));
        }
    }
}

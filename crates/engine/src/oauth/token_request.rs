//! Requests to the token endpoint: a code for tokens, and a refresh token for new ones (RFC 6749 §4.1.3 and §6).

use bytes::Bytes;
use http::Request;

use super::{
    Pkce, Registration,
    client_request::of_client,
    parameters::{Guarded, Parameters},
    pkce::Verifier,
};
use crate::{
    Error, Result,
    secret::{ExposeSecret, Secret},
};

const EXCHANGE: Guarded = Guarded {
    source: "token_params",
    fixed: &["code", "code_verifier", "redirect_uri", "client_id", "client_secret"],
    needed: &["code", "code_verifier"],
};

const REFRESH: Guarded = Guarded {
    source: "refresh_params",
    fixed: &["refresh_token", "client_id", "client_secret"],
    needed: &["refresh_token"],
};

/// The request that exchanges `code` for tokens. `verifier` must be there exactly when the registration uses PKCE.
///
/// # Errors
/// [`Error::ConnectorInvalid`] when the connector's parameters or headers cannot be sent, and with
/// [`Error::NotSupported`] for client authentication by `private_key_jwt`.
pub fn exchange(registration: &Registration, code: &Secret, verifier: Option<&Verifier>) -> Result<Request<Bytes>> {
    if (registration.pkce == Pkce::S256) != verifier.is_some() {
        return Err(Error::Internal { reason: "a code exchange without its PKCE verifier".into() });
    }
    let mut parameters = Parameters::default();
    parameters.put("grant_type", "authorization_code");
    parameters.put("code", code.expose_secret());
    // Always the one that the authorization URL carried (RFC 6749 §4.1.3).
    parameters.put("redirect_uri", registration.redirect_uri.as_str());
    if let Some(verifier) = verifier {
        parameters.put("code_verifier", verifier.secret().expose_secret());
    }
    of_client(registration, &registration.token_url, parameters, Some((&registration.token_params, &EXCHANGE)))
}

/// The request that renews tokens with `refresh_token`.
///
/// Scopes are not sent unless `refresh_params` names them, and then no more than were asked for (RFC 6749 §6).
///
/// # Errors
/// As [`exchange`].
pub fn refresh(registration: &Registration, refresh_token: &Secret) -> Result<Request<Bytes>> {
    let asked = |scope: &str| registration.scopes.iter().any(|known| known == scope);
    if let Some(scopes) = registration.refresh_params.get("scope")
        && !scopes.split([' ', ',']).filter(|scope| !scope.is_empty()).all(asked)
    {
        return Err(Error::ConnectorInvalid { problem: "`refresh_params` may not ask for more scopes".into() });
    }
    let mut parameters = Parameters::default();
    parameters.put("grant_type", "refresh_token");
    parameters.put("refresh_token", refresh_token.expose_secret());
    let url = registration.refresh_url.as_ref().unwrap_or(&registration.token_url);
    of_client(registration, url, parameters, Some((&registration.refresh_params, &REFRESH)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use data_encoding::BASE64;
    use http::Method;
    use indexmap::IndexMap;
    use proptest::prelude::*;

    use super::*;
    use crate::oauth::{ClientAuth, Encoding, tests::registration};

    fn verifier() -> Verifier {
        Verifier::from_secret("verifier-canary".into())
    }

    fn exchanged(registration: &Registration) -> Result<Request<Bytes>> {
        exchange(registration, &"code canary".into(), (registration.pkce == Pkce::S256).then(verifier).as_ref())
    }

    fn refreshed(registration: &Registration) -> Result<Request<Bytes>> {
        refresh(registration, &"rt/canary".into())
    }

    fn body(request: &Request<Bytes>) -> &str {
        std::str::from_utf8(request.body()).unwrap()
    }

    fn params<const N: usize>(pairs: [(&str, &str); N]) -> IndexMap<String, String> {
        pairs.map(|(name, value)| (name.into(), value.into())).into()
    }

    #[test]
    fn a_code_is_exchanged_by_post_with_the_same_redirect_uri() {
        let request = exchanged(&registration()).unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "https://provider.test/token");
        assert_eq!(request.headers()["accept"], "application/json");
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        assert!(!request.headers().contains_key("authorization"));
        assert_eq!(
            body(&request),
            "grant_type=authorization_code&code=code%20canary&redirect_uri=http%3A%2F%2F127.0.0.1%3A7415%2Fcb%2Fu1\
             &code_verifier=verifier-canary&client_id=app&client_secret=shh"
        );
    }

    #[test]
    fn a_refresh_sends_the_token_and_no_scopes() {
        let request = refreshed(&registration()).unwrap();
        assert_eq!(
            body(&request),
            "grant_type=refresh_token&refresh_token=rt%2Fcanary&client_id=app&client_secret=shh"
        );
    }

    #[test]
    fn a_refresh_goes_to_its_own_url_where_there_is_one() {
        let mut registration = registration();
        registration.refresh_url = Some("https://provider.test/refresh".parse().unwrap());
        assert_eq!(refreshed(&registration).unwrap().uri(), "https://provider.test/refresh");
        assert_eq!(exchanged(&registration).unwrap().uri(), "https://provider.test/token");
    }

    // C02
    #[test]
    fn basic_encodes_both_halves_and_leaves_the_body_alone() {
        let mut registration = registration();
        registration.client_auth = ClientAuth::Basic;
        registration.client_id = "a:b".into();
        registration.client_secret = Some("a:b%+ é~".into());
        let request = refreshed(&registration).unwrap();
        let value = &request.headers()["authorization"];
        assert!(value.is_sensitive());
        let halves = BASE64.decode(&value.as_bytes()["Basic ".len()..]).unwrap();
        assert_eq!(halves, b"a%3Ab:a%3Ab%25%2B%20%C3%A9~");
        assert!(!body(&request).contains("client_"));
    }

    // C01, C11
    #[test]
    fn a_client_authenticates_in_exactly_one_way() {
        for (client_auth, in_header, in_body) in [
            (ClientAuth::Basic, true, (false, false)),
            (ClientAuth::Body, false, (true, true)),
            (ClientAuth::None, false, (true, false)),
        ] {
            let mut registration = registration();
            registration.client_auth = client_auth;
            for request in [exchanged(&registration).unwrap(), refreshed(&registration).unwrap()] {
                assert_eq!(request.headers().contains_key("authorization"), in_header, "{client_auth:?}");
                assert_eq!(body(&request).contains("client_id="), in_body.0, "{client_auth:?}");
                assert_eq!(body(&request).contains("client_secret="), in_body.1, "{client_auth:?}");
            }
        }
    }

    #[test]
    fn a_second_way_of_authentication_is_refused() {
        for client_auth in [ClientAuth::Basic, ClientAuth::Body] {
            let mut registration = registration();
            registration.client_auth = client_auth;
            registration.token_headers = params([("Authorization", "Bearer other")]);
            assert!(exchanged(&registration).is_err(), "{client_auth:?}");
        }
        let mut registration = registration();
        registration.client_auth = ClientAuth::None;
        registration.token_headers = params([("Authorization", "Bearer other")]);
        let request = exchanged(&registration).unwrap();
        assert!(request.headers()["authorization"].is_sensitive());
    }

    #[test]
    fn a_signed_assertion_is_not_pretended() {
        let mut registration = registration();
        registration.client_auth = ClientAuth::PrivateKeyJwt;
        assert!(matches!(refreshed(&registration), Err(Error::NotSupported { .. })));
    }

    #[test]
    fn json_carries_the_same_parameters() {
        let mut registration = registration();
        registration.encoding = Encoding::Json;
        registration.refresh_params = params([("expires_in", "1800")]);
        let request = refreshed(&registration).unwrap();
        assert_eq!(request.headers()["content-type"], "application/json");
        let json: serde_json::Value = serde_json::from_str(body(&request)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "grant_type": "refresh_token", "refresh_token": "rt/canary", "client_id": "app",
                "client_secret": "shh", "expires_in": "1800",
            })
        );
    }

    // C03
    #[test]
    fn secrets_stand_in_the_url_only_where_the_connector_says_so() {
        for encoding in [Encoding::Form, Encoding::Json, Encoding::Query] {
            let mut registration = registration();
            registration.token_url = "https://provider.test/token?tenant=1".parse().unwrap();
            registration.encoding = encoding;
            let request = refreshed(&registration).unwrap();
            let query = request.uri().query().unwrap();
            assert!(query.starts_with("tenant=1"), "{query}");
            assert_eq!(query.contains("canary"), encoding == Encoding::Query);
            assert_eq!(request.body().is_empty(), encoding == Encoding::Query);
        }
    }

    #[test]
    fn a_connector_may_add_rename_and_remove_parameters() {
        let mut registration = registration();
        registration.pkce = Pkce::None;
        registration.rename = params([("client_id", "app_id"), ("client_secret", "secret"), ("code", "auth_code")]);
        registration.token_params = params([("type", "web_server"), ("grant_type", ""), ("redirect_uri", "")]);
        let request = exchanged(&registration).unwrap();
        assert_eq!(body(&request), "auth_code=code%20canary&app_id=app&secret=shh&type=web_server");
    }

    #[test]
    fn a_connector_may_not_replace_what_is_proven_or_renewed() {
        let mut registration = registration();
        for name in EXCHANGE.fixed {
            registration.token_params = params([(name, "x")]);
            assert!(exchanged(&registration).is_err(), "{name}");
        }
        for name in EXCHANGE.needed {
            registration.token_params = params([(name, "")]);
            assert!(exchanged(&registration).is_err(), "{name}");
        }
        for (name, value) in [("refresh_token", "x"), ("refresh_token", ""), ("client_secret", "x")] {
            registration.refresh_params = params([(name, value)]);
            assert!(refreshed(&registration).is_err(), "{name}");
        }
    }

    // C24
    #[test]
    fn a_refresh_never_asks_for_more_scopes() {
        let mut registration = registration();
        registration.refresh_params = params([("scope", "read")]);
        assert!(body(&refreshed(&registration).unwrap()).ends_with("&scope=read"));
        registration.refresh_params = params([("scope", "read admin")]);
        assert!(refreshed(&registration).is_err());
    }

    #[test]
    fn headers_of_the_connector_are_sent_and_do_not_print() {
        let mut registration = registration();
        registration.token_headers = params([("Notion-Version", "2022-06-28"), ("Accept", "text/json")]);
        let request = exchanged(&registration).unwrap();
        assert!(request.headers()["notion-version"].is_sensitive());
        assert_eq!(request.headers()["accept"], "text/json");
        for (name, value) in [("Bad Name", "x"), ("X-A", "a\r\nb"), ("Content-Type", "text/plain")] {
            registration.token_headers = params([(name, value)]);
            assert!(exchanged(&registration).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_parameter_is_sent_twice(
            own in "[a-d=&%]{0,16}",
            added in proptest::collection::vec(("[a-d]{1,2}|scope|grant_type|type", "[a-z&= ]{0,3}"), 0..6),
            renamed in proptest::collection::vec(("[a-d]{1,2}|code|client_id|client_secret", "[a-d]{1,2}"), 0..3),
            query in any::<bool>(),
        ) {
            let mut registration = registration();
            registration.token_url.set_query(Some(&own));
            registration.encoding = if query { Encoding::Query } else { Encoding::Form };
            registration.token_params = added.into_iter().collect();
            registration.rename = renamed.into_iter().collect();
            if let Ok(request) = exchanged(&registration) {
                let sent = if query { request.uri().query().unwrap() } else { body(&request) };
                let mut names = HashSet::new();
                for (name, _) in url::form_urlencoded::parse(sent.as_bytes()) {
                    prop_assert!(names.insert(name.clone()), "{} twice", name);
                }
            }
        }
    }
}

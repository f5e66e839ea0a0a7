//! The URL that sends a person to the provider (RFC 6749 §4.1.1).

use url::Url;

use super::{
    Pkce, Registration,
    parameters::{Guarded, Parameters},
    pkce::Challenge,
};
use crate::{Error, Result};

/// What binds the answer to this flow is ours alone. PKCE is switched off by `pkce = "none"`, not by removal.
const GUARDED: Guarded = Guarded {
    source: "authorize_params",
    fixed: &["response_type", "client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method"],
    needed: &["redirect_uri", "state", "code_challenge", "code_challenge_method"],
};

/// The authorization URL of one flow.
///
/// The endpoint's own query is kept, no parameter stands twice, empty ones are left out, and `redirect_uri` is always
/// sent. `challenge` must be there exactly when the registration uses PKCE.
///
/// # Errors
/// [`Error::ConnectorInvalid`] when the connector's parameters contradict each other or the flow.
pub fn authorization_url(registration: &Registration, state: &str, challenge: Option<&Challenge>) -> Result<Url> {
    let uses_pkce = registration.pkce == Pkce::S256;
    if state.is_empty() || uses_pkce != challenge.is_some() {
        return Err(Error::Internal { reason: "an authorization without its state or its PKCE challenge".into() });
    }
    let separator = &registration.scope_separator;
    let mut parameters = Parameters::default();
    parameters.put("response_type", "code");
    parameters.put("client_id", &registration.client_id);
    parameters.put("redirect_uri", registration.redirect_uri.as_str());
    parameters.put_scopes("scope", &registration.scopes, separator);
    parameters.put("state", state);
    if let Some(challenge) = challenge {
        parameters.put("code_challenge", challenge.as_str());
        parameters.put("code_challenge_method", "S256");
    }
    parameters.apply_scopes(&registration.scope_params, separator, &GUARDED)?;
    parameters.apply(&registration.authorize_params, &GUARDED)?;
    addressed(&registration.authorize_url, &parameters.rename(&registration.rename)?)
}

fn addressed(endpoint: &Url, parameters: &Parameters) -> Result<Url> {
    let mut url = endpoint.clone();
    match endpoint.fragment() {
        None => url.set_query(Some(&parameters.after(endpoint.query()))),
        // A page routed in the browser (Apollo: `https://app.apollo.io/#/oauth/authorize`) reads the query there.
        Some(route) if route.starts_with('/') => {
            let (path, query) = route.split_once('?').map_or((route, None), |(path, query)| (path, Some(query)));
            url.set_fragment(Some(&format!("{path}?{}", parameters.after(query))));
        }
        Some(_) => {
            return Err(Error::ConnectorInvalid { problem: "`authorize_url` may not have a fragment".into() });
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use indexmap::IndexMap;
    use proptest::prelude::*;

    use super::*;
    use crate::oauth::{pkce::Verifier, tests::registration};

    fn challenge() -> Challenge {
        Verifier::from_secret("v".into()).challenge()
    }

    fn url_of(registration: &Registration) -> Result<Url> {
        authorization_url(registration, "s7", (registration.pkce == Pkce::S256).then(challenge).as_ref())
    }

    fn params<const N: usize>(pairs: [(&str, &str); N]) -> IndexMap<String, String> {
        pairs.map(|(name, value)| (name.into(), value.into())).into()
    }

    #[test]
    fn a_plain_provider_gets_the_standard_parameters() {
        let url = authorization_url(&registration(), "s7", Some(&challenge())).unwrap();
        assert_eq!(
            url.as_str(),
            format!(
                "https://provider.test/authorize?response_type=code&client_id=app&redirect_uri=http%3A%2F%2F127.0.0.1%3A7415%2Fcb%2Fu1\
                 &scope=read%20write%3Aall&state=s7&code_challenge={}&code_challenge_method=S256",
                challenge().as_str()
            )
        );
    }

    // C05, C06
    #[test]
    fn the_endpoints_own_query_is_kept_without_repeating_a_name() {
        let mut registration = registration();
        registration.authorize_url = "https://provider.test/a?x=%41b&state=evil&x=2&&flag".parse().unwrap();
        let url = url_of(&registration).unwrap();
        assert!(url.query().unwrap().starts_with("x=%41b&flag&response_type=code&"), "{url}");
        assert_eq!(url.query_pairs().filter(|(name, _)| name == "state").count(), 1);
    }

    #[test]
    fn scopes_are_joined_the_providers_way() {
        for (separator, expected) in
            [(" ", "a%20b%2Fc"), (",", "a,b%2Fc"), ("+", "a+b%2Fc"), ("%20", "a%20b%2Fc"), (";", "a%3Bb%2Fc")]
        {
            let mut registration = registration();
            registration.scopes = vec!["a".into(), "b/c".into()];
            registration.scope_separator = separator.into();
            let url = url_of(&registration).unwrap();
            assert!(url.query().unwrap().contains(&format!("&scope={expected}&")), "{separator}: {url}");
        }
    }

    #[test]
    fn no_scopes_means_no_scope_parameter() {
        let mut registration = registration();
        registration.scopes.clear();
        registration.scope_params = [("user_scope".to_owned(), vec![])].into();
        let url = url_of(&registration).unwrap();
        assert!(!url.as_str().contains("scope"), "{url}");
    }

    #[test]
    fn further_scope_parameters_use_the_same_separator() {
        let mut registration = registration();
        registration.scope_separator = ",".into();
        registration.scope_params = [("user_scope".to_owned(), vec!["search:read".into(), "files".into()])].into();
        let url = url_of(&registration).unwrap();
        assert!(url.query().unwrap().ends_with("&user_scope=search%3Aread,files"), "{url}");
    }

    #[test]
    fn a_connector_may_add_rename_and_remove_parameters() {
        let mut registration = registration();
        registration.rename = params([("client_id", "client_key")]);
        registration.authorize_params = params([("prompt", "consent"), ("response_type", ""), ("absent", "")]);
        let url = url_of(&registration).unwrap();
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(
            names,
            ["client_key", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method", "prompt"]
        );
    }

    #[test]
    fn a_connector_may_not_touch_what_binds_the_flow() {
        for name in GUARDED.fixed {
            let mut registration = registration();
            registration.authorize_params = params([(name, "x")]);
            assert!(url_of(&registration).is_err(), "sets {name}");
            registration.authorize_params.clear();
            registration.scope_params = [((*name).to_owned(), vec!["x".into()])].into();
            assert!(url_of(&registration).is_err(), "sets {name} as scopes");
        }
        for name in GUARDED.needed {
            let mut registration = registration();
            registration.authorize_params = params([(name, "")]);
            assert!(url_of(&registration).is_err(), "removes {name}");
        }
    }

    #[test]
    fn two_parameters_may_not_end_up_with_one_name() {
        let mut registration = registration();
        registration.rename = params([("client_id", "app_id")]);
        registration.authorize_params = params([("app_id", "another")]);
        assert!(url_of(&registration).is_err());
    }

    #[test]
    fn a_route_in_the_fragment_takes_the_query() {
        let mut registration = registration();
        registration.authorize_url = "https://app.apollo.io/?v=1#/oauth/authorize?x=1".parse().unwrap();
        let url = url_of(&registration).unwrap();
        assert_eq!(url.query(), Some("v=1"));
        let fragment = url.fragment().unwrap();
        assert!(fragment.starts_with("/oauth/authorize?x=1&response_type=code&client_id=app&"), "{fragment}");
        assert!(fragment.contains("&state=s7&"));
    }

    #[test]
    fn any_other_fragment_is_refused() {
        let mut registration = registration();
        registration.authorize_url = "https://provider.test/authorize#f".parse().unwrap();
        assert!(url_of(&registration).is_err());
    }

    // A28
    #[test]
    fn pkce_is_neither_forgotten_nor_sent_where_it_is_refused() {
        let mut registration = registration();
        assert!(authorization_url(&registration, "s7", None).is_err());
        registration.pkce = Pkce::None;
        assert!(authorization_url(&registration, "s7", Some(&challenge())).is_err());
        assert!(!url_of(&registration).unwrap().as_str().contains("code_challenge"));
    }

    proptest! {
        #[test]
        fn no_parameter_stands_twice_and_none_is_empty(
            own in "[a-d=&%?#]{0,24}",
            added in proptest::collection::vec(("[a-d]{1,2}|scope|client_id|state", "[a-z&= ]{0,3}"), 0..6),
            renamed in proptest::collection::vec(("[a-d]{1,2}|scope|client_id", "[a-d]{1,2}"), 0..3),
        ) {
            let mut registration = registration();
            registration.authorize_url.set_query(Some(&own));
            registration.authorize_params = added.into_iter().collect();
            registration.rename = renamed.into_iter().collect();
            if let Ok(url) = url_of(&registration) {
                let mut names = HashSet::new();
                for (name, _) in url.query_pairs() {
                    prop_assert!(names.insert(name.clone()), "{} twice in {}", name, url);
                }
                prop_assert!(names.contains("redirect_uri") && names.contains("state"));
            }
        }
    }
}

//! What the provider sends back through the person's browser (RFC 6749 §4.1.2): read in one way, or refused.

use std::collections::BTreeMap;

use super::provider_error::ProviderError;
use crate::secret::Secret;

/// Codes of 8 KiB exist; nothing honest is longer than twice that.
const MAX_VALUE: usize = 16 * 1024;
const MAX_NAME: usize = 256;
const MAX_PARAMETERS: usize = 64;

/// Errors by which providers say that the person refused: RFC 6749 §4.1.2.1, and LinkedIn's two.
const REFUSALS: [&str; 3] = ["access_denied", "user_cancelled_login", "user_cancelled_authorize"];

/// An authorization response.
#[derive(Debug)]
pub struct Callback {
    /// Which flow it claims to belong to. Look it up before believing anything else.
    pub state: Secret,
    /// Who it claims to come from. See [`super::issuer::check_issuer`], for errors too.
    pub iss: Option<String>,
    /// What the provider answered.
    pub answer: Answer,
    extra: BTreeMap<String, Extra>,
}

/// The two things a provider can say, one of them with a name of its own.
#[derive(Debug)]
pub enum Answer {
    /// The person consented. Exchange the code once.
    Code(Secret),
    /// The person did not consent.
    Refused(ProviderError),
    /// Something else went wrong at the provider.
    Error(ProviderError),
}

#[derive(Debug)]
enum Extra {
    Once(Secret),
    Repeated,
}

/// Why an authorization response has no meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A parameter that counts stands there twice.
    #[error("a parameter is repeated")]
    Repeated,
    /// There is no state: the provider, or somebody else, started this by itself.
    #[error("there is no state")]
    NoState,
    /// There is neither a code nor an error.
    #[error("there is neither a code nor an error")]
    NoAnswer,
    /// There is both a code and an error.
    #[error("there is both a code and an error")]
    TwoAnswers,
    /// There is a token in the URL: a response of the implicit grant.
    #[error("there is a token in the response")]
    Implicit,
    /// There are too many parameters, or one is too long.
    #[error("the response is too large")]
    TooLarge,
}

impl Callback {
    /// Reads the decoded parameters of the query, or of the form where the provider posts (never of both).
    ///
    /// `code_param` is the connector's name for the code. A parameter without a value counts as left out (RFC 6749
    /// §3.1), except that standing there twice is refused all the same.
    ///
    /// # Errors
    /// Why it is no answer that a provider gives.
    pub fn parse(parameters: &[(String, String)], code_param: &str) -> Result<Self, Malformed> {
        let too_long = |(name, value): &(String, String)| name.len() > MAX_NAME || value.len() > MAX_VALUE;
        if parameters.len() > MAX_PARAMETERS || parameters.iter().any(too_long) {
            return Err(Malformed::TooLarge);
        }
        let one = |name| only(parameters, name);
        if one("access_token")?.or(one("id_token")?).is_some() {
            return Err(Malformed::Implicit);
        }
        let state = one("state")?;
        let iss = one("iss")?;
        let description = one("error_description")?;
        one("error_uri")?;
        let answer = match (one(code_param)?, one("error")?) {
            (Some(_), Some(_)) => return Err(Malformed::TwoAnswers),
            (None, None) => return Err(Malformed::NoAnswer),
            (Some(code), None) => Answer::Code(code.into()),
            (None, Some(code)) => {
                let error = ProviderError::new(Some(code), description);
                if REFUSALS.contains(&code) { Answer::Refused(error) } else { Answer::Error(error) }
            }
        };
        let known = ["state", "iss", "error", "error_description", "error_uri", "access_token", "id_token", code_param];
        Ok(Self {
            state: state.ok_or(Malformed::NoState)?.into(),
            iss: iss.map(Into::into),
            answer,
            extra: extra(parameters.iter().filter(|(name, _)| !known.contains(&name.as_str()))),
        })
    }

    /// Another parameter, for a connector that keeps it (QuickBooks' `realmId`).
    ///
    /// # Errors
    /// [`Malformed::Repeated`] when it stands there twice.
    pub fn extra(&self, name: &str) -> Result<Option<&Secret>, Malformed> {
        match self.extra.get(name) {
            None => Ok(None),
            Some(Extra::Once(value)) => Ok(Some(value)),
            Some(Extra::Repeated) => Err(Malformed::Repeated),
        }
    }
}

fn only<'a>(parameters: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, Malformed> {
    let mut values = parameters.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let value = values.next();
    if values.next().is_some() {
        return Err(Malformed::Repeated);
    }
    Ok(value.filter(|value| !value.is_empty()))
}

fn extra<'a>(parameters: impl Iterator<Item = &'a (String, String)>) -> BTreeMap<String, Extra> {
    let mut extra = BTreeMap::new();
    for (name, value) in parameters {
        extra
            .entry(name.clone())
            .and_modify(|seen| *seen = Extra::Repeated)
            .or_insert_with(|| Extra::Once(value.as_str().into()));
    }
    extra
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::ExposeSecret;

    fn parse(query: &str) -> Result<Callback, Malformed> {
        let parameters: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Callback::parse(&parameters, "code")
    }

    /// A reading as one comparable value.
    fn reading(parameters: &[(String, String)]) -> Result<String, Malformed> {
        Callback::parse(parameters, "code").map(|callback| {
            let answer = match &callback.answer {
                Answer::Code(code) => format!("code {}", code.expose_secret()),
                other => format!("{other:?}"),
            };
            format!("{} {:?} {answer}", callback.state.expose_secret(), callback.iss)
        })
    }

    #[test]
    fn a_code_comes_with_state_and_issuer() {
        let callback = parse("code=c%2F1&state=s&iss=https%3A%2F%2Fas.test&scope=x").unwrap();
        assert_eq!(callback.state.expose_secret(), "s");
        assert_eq!(callback.iss.as_deref(), Some("https://as.test"));
        assert!(matches!(&callback.answer, Answer::Code(code) if code.expose_secret() == "c/1"));
        assert!(!format!("{callback:?}").contains("c/1"));
    }

    #[test]
    fn a_person_may_refuse() {
        for error in REFUSALS {
            assert!(matches!(parse(&format!("error={error}&state=s")).unwrap().answer, Answer::Refused(_)), "{error}");
        }
    }

    // C16
    #[test]
    fn any_other_error_is_the_providers() {
        for error in ["server_error", "invalid_scope", "temporarily_unavailable", "never_heard_of", "access_denied%00"]
        {
            let callback = parse(&format!("error={error}&error_description=Why%0d%0a&state=s")).unwrap();
            let Answer::Error(provider) = callback.answer else { panic!("{error}") };
            assert_eq!(provider.description.as_deref(), Some("Why"));
        }
    }

    // A31
    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (query, why) in [
            ("code=a&code=b&state=s", Malformed::Repeated),
            ("code=a&code=a&state=s", Malformed::Repeated),
            ("code=&code=a&state=s", Malformed::Repeated),
            ("code=a&state=s&state=t", Malformed::Repeated),
            ("code=a&state=s&iss=x&iss=x", Malformed::Repeated),
            ("error=a&error_description=x&error_description=y&state=s", Malformed::Repeated),
            ("code=a&error=access_denied&state=s", Malformed::TwoAnswers),
            ("state=s", Malformed::NoAnswer),
            ("code=&state=s", Malformed::NoAnswer),
            ("code=a", Malformed::NoState),
            ("code=a&state=", Malformed::NoState),
            ("code=a&state=s&access_token=t", Malformed::Implicit),
            ("code=a&state=s&id_token=t", Malformed::Implicit),
        ] {
            assert_eq!(parse(query).map(|_| ()), Err(why), "{query}");
        }
    }

    // C15
    #[test]
    fn a_code_of_8_kib_and_unknown_parameters_are_fine() {
        let callback = parse(&format!("code={}&state=s&session_state=x&new=", "c".repeat(8192))).unwrap();
        assert!(matches!(callback.answer, Answer::Code(code) if code.expose_secret().len() == 8192));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let many = "a=1&".repeat(64);
        for query in [
            format!("code={}&state=s", "c".repeat(MAX_VALUE + 1)),
            format!("code=a&state=s&{}=1", "n".repeat(257)),
            format!("{many}code=a&state=s"),
        ] {
            assert_eq!(parse(&query).map(|_| ()), Err(Malformed::TooLarge));
        }
    }

    #[test]
    fn a_kept_parameter_stands_there_once() {
        let callback = parse("code=a&state=s&realmId=41&shop=x&shop=y").unwrap();
        assert_eq!(callback.extra("realmId").unwrap().unwrap().expose_secret(), "41");
        assert_eq!(callback.extra("shop").map(|_| ()), Err(Malformed::Repeated));
        assert!(callback.extra("other").unwrap().is_none());
    }

    #[test]
    fn the_code_may_have_another_name() {
        let parameters = [("spapi_oauth_code", "a"), ("code", "other"), ("state", "s")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let callback = Callback::parse(&parameters, "spapi_oauth_code").unwrap();
        assert!(matches!(callback.answer, Answer::Code(code) if code.expose_secret() == "a"));
    }

    fn parameters() -> impl Strategy<Value = Vec<(String, String)>> {
        let name = prop_oneof![
            4 => prop::sample::select(vec!["code", "state", "iss", "error", "error_description"]).prop_map(String::from),
            1 => prop::sample::select(vec!["access_token", "id_token", "x", "y", "Code", "code[]"]).prop_map(String::from),
        ];
        prop::collection::vec((name, "[ab]{0,2}"), 0..7)
    }

    proptest! {
        // A31
        #[test]
        fn order_changes_nothing(
            (one, other) in parameters().prop_flat_map(|pairs| (Just(pairs.clone()), Just(pairs).prop_shuffle())),
        ) {
            prop_assert_eq!(reading(&one), reading(&other));
        }

        // A31
        #[test]
        fn an_added_parameter_never_yields_a_second_reading(
            pairs in parameters(),
            added in parameters(),
            place in any::<prop::sample::Index>(),
        ) {
            if let Ok(first) = reading(&pairs) {
                let mut more = pairs.clone();
                // Duplicates of what is there, and names that mean nothing.
                let harmless = added.into_iter().filter(|(name, _)| pairs.iter().any(|(known, _)| known == name) || name.len() == 1);
                more.splice(place.index(pairs.len() + 1)..place.index(pairs.len() + 1), harmless);
                if let Ok(second) = reading(&more) {
                    prop_assert_eq!(first, second);
                }
            }
        }
    }
}

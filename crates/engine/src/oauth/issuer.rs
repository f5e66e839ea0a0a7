//! Whom an authorization response comes from (RFC 9207): the defence against mixing up two providers.

use url::Url;

use super::Registration;

/// What the provider's metadata says of the `iss` parameter (`authorization_response_iss_parameter_supported`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerSupport {
    /// Every response carries `iss`: one without it is refused.
    Advertised,
    /// There is no metadata, or it promises nothing.
    Unstated,
}

/// The response does not come from the provider that the person was sent to. No token request may follow, and an error
/// in such a response means nothing either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssuerRefused {
    /// `iss` names somebody else.
    #[error("the response names another issuer")]
    Mismatch,
    /// The provider always sends `iss`, and it is absent.
    #[error("the response names no issuer")]
    Missing,
}

/// Checks the `iss` of a response, be it a code or an error (RFC 9207 §2.4).
///
/// - With a known issuer, `iss` must equal it: the same characters, nothing normalized.
/// - Without one, RFC 9207 lets local policy decide. Providers begin to send `iss` without notice, so refusing all
///   would break logins over night; accepting all would throw the defence away. `iss` must therefore be an https URL
///   on the host of the authorization or of the token endpoint: these two identify the provider (RFC 9700 §4.4.2), and
///   a response that was mixed up names a host of another one. (Loopback providers may use http.)
/// - An absent `iss` is refused only where the provider advertises it. That it cannot be removed on the way is not what
///   this rule rests on: each connection has a redirect URI of its own.
///
/// # Errors
/// [`IssuerRefused`], which says whether it is another or missing.
pub fn check_issuer(
    registration: &Registration,
    support: IssuerSupport,
    iss: Option<&str>,
) -> Result<(), IssuerRefused> {
    match (iss, &registration.issuer) {
        (None, _) if support == IssuerSupport::Advertised => Err(IssuerRefused::Missing),
        (None, _) => Ok(()),
        (Some(iss), Some(known)) if iss == known => Ok(()),
        (Some(iss), None) if is_of_provider(iss, registration) => Ok(()),
        (Some(_), _) => Err(IssuerRefused::Mismatch),
    }
}

fn is_of_provider(iss: &str, registration: &Registration) -> bool {
    Url::parse(iss).is_ok_and(|issuer| {
        // An issuer has neither query nor fragment (RFC 8414 §2).
        issuer.query().is_none()
            && issuer.fragment().is_none()
            && [&registration.authorize_url, &registration.token_url]
                .iter()
                .any(|endpoint| issuer.origin().is_tuple() && issuer.origin() == endpoint.origin())
    })
}

#[cfg(test)]
mod tests {
    use super::{IssuerRefused::*, IssuerSupport::*, *};
    use crate::oauth::tests::registration;

    const ISSUER: &str = "https://provider.test/tenant";

    fn checked(issuer: Option<&str>, support: IssuerSupport, iss: Option<&str>) -> Result<(), IssuerRefused> {
        let mut registration = registration();
        registration.issuer = issuer.map(Into::into);
        registration.token_url = "https://api.provider.test:8443/token".parse().unwrap();
        check_issuer(&registration, support, iss)
    }

    // A24, C32–C36. A duplicated `iss` never gets here: `Callback::parse` refuses it.
    #[test]
    fn a_response_of_another_issuer_is_refused() {
        let right = Some(ISSUER);
        let wrong = Some("https://attacker.test");
        for (issuer, support, iss, expected) in [
            (right, Advertised, right, Ok(())),
            (right, Advertised, wrong, Err(Mismatch)),
            (right, Advertised, None, Err(Missing)),
            (right, Unstated, right, Ok(())),
            (right, Unstated, wrong, Err(Mismatch)),
            (right, Unstated, None, Ok(())),
            (None, Unstated, right, Ok(())),
            (None, Unstated, wrong, Err(Mismatch)),
            (None, Unstated, None, Ok(())),
            (None, Advertised, right, Ok(())),
            (None, Advertised, wrong, Err(Mismatch)),
            (None, Advertised, None, Err(Missing)),
        ] {
            assert_eq!(checked(issuer, support, iss), expected, "{issuer:?} {support:?} {iss:?}");
        }
    }

    // A24, C32
    #[test]
    fn a_near_miss_is_a_miss() {
        for iss in [
            "https://provider.test/tenant/",
            "https://provider.test",
            "https://provider.test:443/tenant",
            "https://PROVIDER.test/tenant",
            "https://provider.test/Tenant",
            "https://provider.test%2Ftenant",
            "https://provider.test/tenant ",
            "http://provider.test/tenant",
            "",
        ] {
            for support in [Advertised, Unstated] {
                assert_eq!(checked(Some(ISSUER), support, Some(iss)), Err(Mismatch), "{iss:?}");
            }
        }
    }

    #[test]
    fn without_a_known_issuer_it_must_be_on_one_of_the_providers_origins() {
        for iss in ["https://provider.test", "https://provider.test/a/v2.0", "https://api.provider.test:8443"] {
            assert_eq!(checked(None, Unstated, Some(iss)), Ok(()), "{iss}");
        }
        for iss in [
            "https://provider.test.evil.test",
            "https://evil.test/provider.test",
            "https://provider.test@evil.test",
            "https://sub.provider.test",
            "https://provider.test:8443",
            "http://provider.test",
            "https://provider.test/?x",
            "https://provider.test/#x",
            "provider.test",
            "data:,provider.test",
            "",
        ] {
            assert_eq!(checked(None, Unstated, Some(iss)), Err(Mismatch), "{iss}");
        }
    }
}

//! Proof key for code exchange (RFC 7636): what makes a stolen code worthless.
//!
//! A [`Verifier`] stays with the flow until the code is exchanged; the browser sees its [`Challenge`] only.

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;

use crate::{
    Result,
    random::Random,
    secret::{ExposeSecret, Secret},
};

/// The secret that the token request proves: 43 characters that carry 256 random bits (RFC 7636 §4.1).
#[derive(Debug, Clone)]
pub struct Verifier(Secret);

impl Verifier {
    /// A new verifier.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn new(random: &dyn Random) -> Result<Self> {
        Ok(Self(BASE64URL_NOPAD.encode(&random.bytes::<32>()?).into()))
    }

    /// The verifier that was kept for a flow.
    pub fn from_secret(secret: Secret) -> Self {
        Self(secret)
    }

    /// The verifier, to be kept sealed until the code comes back.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// What the authorization URL carries (RFC 7636 §4.2, `S256`).
    pub fn challenge(&self) -> Challenge {
        let hash = digest::digest(&digest::SHA256, self.0.expose_secret().as_bytes());
        Challenge(BASE64URL_NOPAD.encode(hash.as_ref()))
    }
}

/// The hash of a [`Verifier`]: public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(String);

impl Challenge {
    /// The challenge as it stands in the authorization URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{Error, random::SystemRandom};

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let verifier = Verifier::from_secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into());
        assert_eq!(verifier.challenge().as_str(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    // A29
    #[test]
    fn verifiers_are_distinct_and_of_the_rfcs_form() {
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            let verifier = Verifier::new(&SystemRandom).unwrap();
            let text = verifier.secret().expose_secret();
            assert_eq!(text.len(), 43);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            assert!(seen.insert(text.to_owned()));
        }
    }

    #[test]
    fn without_randomness_there_is_no_verifier() {
        struct Dry;
        impl Random for Dry {
            fn fill(&self, _: &mut [u8]) -> Result<()> {
                Err(Error::Internal { reason: "dry".into() })
            }
        }
        assert!(Verifier::new(&Dry).is_err());
    }

    #[test]
    fn a_verifier_does_not_print() {
        let verifier = Verifier::from_secret("canary".into());
        assert!(!format!("{verifier:?}").contains("canary"));
    }
}

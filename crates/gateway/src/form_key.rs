//! Proof that a form was shown to the browser that sends it, so that no other site can send one in its name.
//!
//! The browser keeps a random key in a cookie that scripts and other sites cannot read; each form carries a token that
//! the key makes of the link's own secret. Nothing of it is in the store, so showing a form changes nothing, and a
//! browser may have forms of several links open.

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue};
use onbehalf_engine::{
    Result,
    random::Random,
    secret::{ExposeSecret as _, Secret},
};

use crate::browser;

/// How long a browser keeps its key after it was last shown a form: as long as a link can be opened.
const LIFE_SECONDS: u64 = 600;

/// What one browser's forms are told by: 256 random bits.
pub(crate) struct FormKey(Secret);

impl FormKey {
    /// A key for a browser that has none yet.
    pub(crate) fn new(random: &dyn Random) -> Result<Self> {
        random.token().map(Self)
    }

    /// The key that the browser brought. Where there are two, one was planted, and neither counts.
    pub(crate) fn of(headers: &HeaderMap, secure: bool) -> Option<Self> {
        let mut ours = browser::cookies(headers).into_iter().filter(|(name, _)| name == cookie_name(secure));
        let (_, key) = ours.next().filter(|(_, key)| key.expose_secret().len() == 43)?;
        ours.next().is_none().then_some(Self(key))
    }

    /// What the form of `link` carries.
    pub(crate) fn token(&self, link: &str) -> String {
        BASE64URL_NOPAD.encode(hmac::sign(&self.key(), link.as_bytes()).as_ref())
    }

    /// Whether `token` is the one of `link`'s form, in constant time.
    pub(crate) fn has_made(&self, token: &str, link: &str) -> bool {
        let tag = BASE64URL_NOPAD.decode(token.as_bytes());
        tag.is_ok_and(|tag| hmac::verify(&self.key(), link.as_bytes(), &tag).is_ok())
    }

    /// The `Set-Cookie` that leaves the key with the browser.
    ///
    /// `Lax`, not `Strict`: a link is opened from a mail or a chat, and a key that stayed behind then would be replaced,
    /// and with it the forms that are open already. Either stays behind when another site sends a form.
    pub(crate) fn cookie(&self, secure: bool) -> Option<HeaderValue> {
        browser::set_cookie(cookie_name(secure), self.0.expose_secret(), LIFE_SECONDS, secure)
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret().as_bytes())
    }
}

/// `__Host-` keeps sibling domains from planting a key; browsers grant it over https alone.
fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-onbehalf-form" } else { "onbehalf-form" }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;
    use onbehalf_engine::random::SystemRandom;
    use proptest::prelude::*;

    use super::*;

    fn brought(cookies: &str, secure: bool) -> Option<FormKey> {
        FormKey::of(&HeaderMap::from_iter([(COOKIE, cookies.parse().unwrap())]), secure)
    }

    fn key() -> FormKey {
        FormKey::new(&SystemRandom).unwrap()
    }

    // A16
    #[test]
    fn a_form_is_told_by_the_key_of_its_browser_and_its_link() {
        let (ours, other) = (key(), key());
        let token = ours.token("link");
        assert_eq!(token.len(), 43);
        assert!(ours.has_made(&token, "link"));
        assert!(!ours.has_made(&token, "another"));
        assert!(!other.has_made(&token, "link"));
        for wrong in ["", "=", &token[1..], &format!("{token}A"), &token.to_lowercase(), "\u{e4}"] {
            assert!(!ours.has_made(wrong, "link"), "{wrong}");
        }
    }

    // A16
    #[test]
    fn a_browser_brings_its_key_back() {
        let key = key();
        let value = key.0.expose_secret();
        assert_eq!(
            key.cookie(true).unwrap(),
            format!("__Host-onbehalf-form={value}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure")
        );
        assert_eq!(
            key.cookie(false).unwrap(),
            format!("onbehalf-form={value}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax")
        );
        let again = brought(&format!("a=b; __Host-onbehalf-form={value}"), true).unwrap();
        assert_eq!(again.token("link"), key.token("link"));
    }

    // A16
    #[test]
    fn a_key_that_may_be_planted_does_not_count() {
        let value = "k".repeat(43);
        assert!(brought(&format!("onbehalf-form={value}"), false).is_some());
        assert!(brought(&format!("onbehalf-form={value}"), true).is_none());
        assert!(brought(&format!("onbehalf-form={value}; onbehalf-form={value}"), false).is_none());
        for value in ["", "short", &"k".repeat(44)] {
            assert!(brought(&format!("onbehalf-form={value}"), false).is_none(), "{value}");
        }
    }

    proptest! {
        // A16
        #[test]
        fn no_guess_is_a_token(guess in "[A-Za-z0-9_-]{0,50}") {
            prop_assert!(!key().has_made(&guess, "link"));
        }
    }
}

//! The headers of every answer: nothing is loaded, framed, stored, sniffed or told to other sites.

use std::borrow::Cow;

use axum::{Router, extract::Request, middleware::Next, response::Response};
use http::{
    HeaderName, HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    },
};
use url::Url;

use crate::pages::STYLE_SOURCE;

/// Where the form of a page may lead: the sources of a `form-action`. Chrome holds every redirect after a form's
/// submission to it too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormAction(Cow<'static, str>);

impl FormAction {
    /// The page has no form.
    pub const NOWHERE: Self = Self(Cow::Borrowed("'none'"));

    /// To a provider's sign-in. Providers redirect onwards to hosts of their own, so any https host is let through;
    /// plain http only where the provider itself is an emulator on loopback.
    pub(crate) fn sign_in(authorize_origin: Option<&Url>) -> Self {
        Self(Cow::Borrowed(match authorize_origin.map(Url::scheme) {
            Some("http") => "'self' https: http:",
            _ => "'self' https:",
        }))
    }

    /// To ourselves, and from here to `verify_origin`. What is no plain web origin adds nothing: a host may hold `;` and
    /// `*` (URL, 3.1), which mean something else in a policy.
    pub(crate) fn ourselves(verify_origin: Option<&str>) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
        let named = |url: &Url| {
            ["http", "https"].contains(&url.scheme()) && url.host_str().is_some_and(|host| host.chars().all(plain))
        };
        let origin = verify_origin.and_then(|origin| Url::parse(origin).ok()).filter(named);
        Self(match origin {
            Some(url) => Cow::Owned(format!("'self' {}", url.origin().ascii_serialization())),
            None => Cow::Borrowed("'self'"),
        })
    }

    /// As it stands in the policy.
    pub fn sources(&self) -> &str {
        &self.0
    }
}

/// What a page may do, once its form may lead to `form_action`.
///
/// The style is let through by its hash; there is no source for scripts, images, fonts or frames.
pub fn content_security_policy(form_action: &FormAction) -> HeaderValue {
    let (style, form_action) = (&*STYLE_SOURCE, form_action.sources());
    let policy = format!(
        "default-src 'none'; style-src {style}; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::try_from(policy).expect("form actions are our own words and plain origins")
}

/// Adds the strict headers to every answer of `router`, its errors too. A policy that an answer has already stays.
pub fn strict(router: Router, public_url: &Url) -> Router {
    let https = public_url.scheme() == "https";
    router.layer(axum::middleware::from_fn(move |request: Request, next: Next| async move {
        let mut response = next.run(request).await;
        harden(&mut response, https);
        response
    }))
}

fn harden(response: &mut Response, https: bool) {
    const STRICT: [(HeaderName, &str); 8] = [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // For browsers that don't know `frame-ancestors`.
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), publickey-credentials-get=(), usb=()",
        ),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ];
    let headers = response.headers_mut();
    for (name, value) in STRICT {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CONTENT_SECURITY_POLICY).or_insert_with(|| content_security_policy(&FormAction::NOWHERE));
    if https {
        // Not `includeSubDomains`: the domain is the app's, and so are its other hosts.
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ourselves(verify_origin: &str) -> String {
        FormAction::ourselves(Some(verify_origin)).sources().to_owned()
    }

    #[test]
    fn a_form_leads_back_to_us_and_on_to_the_app() {
        assert_eq!(FormAction::ourselves(None).sources(), "'self'");
        assert_eq!(ourselves("https://app.acme.test"), "'self' https://app.acme.test");
        assert_eq!(ourselves("https://app.acme.test:8443/verify?x"), "'self' https://app.acme.test:8443");
        assert_eq!(ourselves("http://[::1]:3000"), "'self' http://[::1]:3000");
    }

    // A33
    #[test]
    fn what_is_no_plain_origin_opens_nothing() {
        for origin in [
            "",
            "null",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://*",
            "https://*.test",
            "https://a;script-src",
            "https://a'unsafe-inline'",
            "https://a,b",
            "https://a b",
            "'none'; script-src *",
        ] {
            assert_eq!(ourselves(origin), "'self'", "{origin}");
        }
    }

    proptest! {
        // A33
        #[test]
        fn no_origin_makes_another_directive(origin in "(https?://)?\\PC{0,30}") {
            let policy = content_security_policy(&FormAction::ourselves(Some(&origin)));
            prop_assert_eq!(policy.to_str().unwrap().matches([';', ',', '*']).count(), 4);
        }
    }
}

//! The headers of every answer: nothing is loaded, framed, stored, sniffed or told to other sites.

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

/// What a page may do, once its form may lead to `form_action`.
///
/// The style is let through by its hash; there is no source for scripts, images, fonts or frames.
pub fn content_security_policy(form_action: &str) -> HeaderValue {
    let style = &*STYLE_SOURCE;
    let policy = format!(
        "default-src 'none'; style-src {style}; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::try_from(policy).expect("form actions are our own ASCII constants")
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
    headers.entry(CONTENT_SECURITY_POLICY).or_insert_with(|| content_security_policy("'none'"));
    if https {
        // Not `includeSubDomains`: the domain is the app's, and so are its other hosts.
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

//! The consent page, for people with a browser. It says plainly what it is.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use askama::Template;
use aws_lc_rs::digest;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::get,
};
use data_encoding::BASE64;
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION},
};
use url::Url;

use crate::{
    person::check_user,
    provider::{
        access::DEMO_USER,
        authorize::{ConsentRequest, Unasked},
        parameters::Parameters,
    },
    sandbox::Sandbox,
};

/// The form, at most.
const FORM_LIMIT: usize = 16 * 1024;
/// How long the form may take to arrive.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);

const STYLE: &str = include_str!("../templates/page.css");

/// Where the form leads: back to the app, which sends the browser on to wherever its user is verified.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()).as_ref());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self' https: http:; frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::try_from(policy).expect("base64 and our own ASCII")
});

/// The consent page, at `/sandbox/authorize` and below the public URL's path where it has one.
///
/// It has no strict headers but its policy: whoever serves it adds theirs.
pub fn router(sandbox: Arc<Sandbox>) -> Router {
    let path = format!("{}/authorize", sandbox.base().path());
    // The public URL may have a segment that begins with `:`, which an older axum took for a parameter.
    let mut router = Router::new().without_v07_checks().route("/sandbox/authorize", get(ask).post(decide));
    if path != "/sandbox/authorize" {
        router = router.route(&path, get(ask).post(decide));
    }
    router.with_state(sandbox)
}

/// Shows what is asked. Changes nothing.
async fn ask(State(sandbox): State<Arc<Sandbox>>, RawQuery(query): RawQuery) -> Response {
    match read(&sandbox, query.as_deref()) {
        Ok(request) => page(StatusCode::OK, &Asking::of(&request)),
        Err(unasked) => unasked_page(&unasked),
    }
}

/// Takes the person's decision, and sends them back.
async fn decide(State(sandbox): State<Arc<Sandbox>>, RawQuery(query): RawQuery, body: Body) -> Response {
    let request = match read(&sandbox, query.as_deref()) {
        Ok(request) => request,
        Err(unasked) => return unasked_page(&unasked),
    };
    let Ok(Ok(body)) = tokio::time::timeout(FORM_TIMEOUT, to_bytes(body, FORM_LIMIT)).await else {
        return told("the form did not arrive whole");
    };
    let form = Parameters::parse(&body);
    if form.once("decision") != Ok(Some("allow")) {
        return see_other(&sandbox.provider(|provider| provider.refuse(&request)));
    }
    let Ok(user) = check_user(form.once("user").ok().flatten().unwrap_or_default()) else {
        return told("say who you are: a name of at most 200 characters");
    };
    let scopes: Vec<_> = form.all("scope").map(str::to_owned).collect();
    match sandbox.allow(&request, user, &scopes) {
        Ok(location) => see_other(&location),
        Err(_) => told("the sandbox has failed"),
    }
}

fn read(sandbox: &Sandbox, query: Option<&str>) -> Result<ConsentRequest, Unasked> {
    let query = Parameters::parse(query.unwrap_or_default().as_bytes());
    sandbox.provider(|provider| provider.consent_request(&query))
}

fn unasked_page(unasked: &Unasked) -> Response {
    match unasked {
        Unasked::Shown(problem) => told(problem),
        Unasked::Returned(location) => see_other(location),
    }
}

fn told(problem: &'static str) -> Response {
    page(StatusCode::BAD_REQUEST, &Refusing { problem })
}

fn page(status: StatusCode, template: &impl Template) -> Response {
    let html = template.render().expect("a template that writes to a string cannot fail");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
    ];
    (status, headers, html).into_response()
}

/// 303, always: the next request is a `GET` and carries nothing of this one (RFC 9700, 4.12).
fn see_other(location: &Url) -> Response {
    let mut location = HeaderValue::try_from(location.as_str()).expect("a URL is visible ASCII");
    location.set_sensitive(true);
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

#[derive(Template)]
#[template(path = "consent.html")]
struct Asking<'a> {
    user: &'static str,
    scopes: Vec<(&'a str, &'static str)>,
}

impl<'a> Asking<'a> {
    fn of(request: &'a ConsentRequest) -> Self {
        let meaning = |scope: &str| match scope {
            "read" => "Read what is there",
            "write" => "Change what is there",
            _ => "Something that this simulation has no word for",
        };
        Self { user: DEMO_USER, scopes: request.scopes.iter().map(|scope| (scope.as_str(), meaning(scope))).collect() }
    }
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct Refusing {
    problem: &'static str,
}

//! The pages as documents: what foreign values can't do to them, and what readers need from them.

use http::{StatusCode, header::CONTENT_SECURITY_POLICY};
use indexmap::IndexMap;
use onbehalf_engine::{
    Error,
    catalogue::field::{Complaint, FieldKind},
    connect::{Asks, FormField, LinkPage, Outcome, OutcomePage},
    time::Timestamp,
};
use onbehalf_gateway::{
    headers::{FormAction, content_security_policy},
    language::Language,
    pages::{self, Form, Page, Refusal, Setback},
};
use proptest::prelude::*;

const PAYLOADS: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "javascript:alert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "{{ 7 * 7 }}{% include \"x\" %}",
    "{ $person }{ link-lead }",
    "\u{202e}moc.live\u{2069}\u{2066}\0\r\n",
    "<a href=https://evil.test>",
];

fn link(value: &str) -> LinkPage {
    LinkPage {
        app_name: Some(value.into()),
        connector_name: value.into(),
        connector: value.into(),
        person: value.into(),
        asks: Asks::Consent { scopes: vec![value.into(), format!("https://{value}")], authorize_origin: value.into() },
        expires_at: Timestamp::from_millis(600_000),
    }
}

/// Consent to nothing in particular, at this origin.
fn consent(authorize_origin: &str) -> Asks {
    Asks::Consent { scopes: Vec::new(), authorize_origin: authorize_origin.into() }
}

fn show(language: &'static Language, page: &LinkPage) -> Page {
    pages::link(language, page, &Form::default(), Timestamp::from_millis(0))
}

fn end(language: &'static Language, value: &str, outcome: Outcome) -> Page {
    pages::outcome(language, &OutcomePage { app_name: Some(value.into()), connector_name: value.into(), outcome })
}

/// A field of every kind, with `value` wherever a connector's file can put a text.
fn fields(value: &str) -> Vec<FormField> {
    let field = |name: &str, kind, secret, options: &[&str]| FormField {
        name: name.into(),
        label: value.into(),
        help: Some(value.into()),
        help_url: Some("https://docs.acme.test/keys".into()),
        example: Some(value.into()),
        kind,
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        default: Some(value.into()),
        suffix: Some(value.into()),
        optional: false,
        secret,
    };
    vec![
        field("text", FieldKind::Text, false, &[]),
        field("host", FieldKind::Host, false, &[]),
        field("url", FieldKind::Url, false, &[]),
        field("email", FieldKind::Email, false, &[]),
        field("choice", FieldKind::Text, false, &[value, "other"]),
        field("key", FieldKind::Text, true, &[]),
        field("pem", FieldKind::Pem, true, &[]),
        field("json", FieldKind::Json, false, &[]),
    ]
}

/// The form of these fields, as `form` has it.
fn shown(language: &'static Language, value: &str, fields: Vec<FormField>, form: &Form) -> Page {
    let asks = Asks::Credential { fields, verify_origin: Some("https://app.acme.test".into()) };
    pages::link(language, &LinkPage { asks, ..link(value) }, form, Timestamp::from_millis(0))
}

/// What was entered into every field, secret ones too.
fn entered(value: &str) -> IndexMap<String, String> {
    fields("").into_iter().map(|field| (field.name, value.to_owned())).collect()
}

fn refused(error: Error, value: &str) -> Form {
    Form { token: "t0ken".into(), kept: entered(value), setback: Some(Setback::Refused(error)) }
}

/// The forms that foreign values reach: as found, with a fault of every field, and refused by the provider.
fn forms(language: &'static Language, value: &str) -> Vec<Page> {
    let faults = fields("").into_iter().map(|field| (field.name, Complaint::Pattern)).collect();
    let faulty = Form { setback: Some(Setback::Invalid(faults)), ..refused(Error::LinkUsed, value) };
    let wrong = refused(Error::CredentialRefused { host: value.into(), status: 401 }, value);
    let nonsense = refused(Error::ProviderResponseInvalid { host: value.into(), reason: value.into() }, value);
    let show = |form: &Form| shown(language, value, fields(value), form);
    vec![show(&Form::default()), show(&faulty), show(&wrong), show(&nonsense)]
}

/// Every page that foreign values reach.
fn reached_by(language: &'static Language, value: &str) -> Vec<Page> {
    vec![
        show(language, &link(value)),
        show(language, &LinkPage { app_name: None, asks: consent(value), ..link(value) }),
        end(language, value, Outcome::Connected),
        end(language, value, Outcome::AwaitingVerification),
        end(language, value, Outcome::Refused),
        end(language, value, Outcome::Failed { code: "USER_MISMATCH".into() }),
        end(language, value, Outcome::Failed { code: "A_CODE_WITHOUT_A_MESSAGE".into() }),
        // Its monogram alone.
        end(language, value, Outcome::Expired),
    ]
}

/// Every page that no foreign value reaches.
fn fixed(language: &'static Language) -> Vec<Page> {
    let errors = [
        Error::LinkNotFound,
        Error::LinkExpired,
        Error::LinkUsed,
        Error::FlowNotFound,
        Error::FlowExpired,
        Error::AuthorizationFailed { reason: "<script>".into() },
        Error::ConnectionDisabled { connection: "<script>".into() },
        Error::StoreBusy,
        Error::Closed,
        Error::Internal { reason: "<script>".into() },
        Error::invalid("<script>", "<script>"),
    ];
    let refusals = [
        Refusal::PageNotFound,
        Refusal::NotFromHere,
        Refusal::NotUnderstood(StatusCode::PAYLOAD_TOO_LARGE),
        Refusal::WrongHost,
        Refusal::FormNotUnderstood(StatusCode::BAD_REQUEST),
        Refusal::FormNotFromHere,
    ];
    let errors = errors.iter().map(|error| pages::error(language, error));
    errors.chain(refusals.into_iter().map(|refusal| pages::refusal(language, refusal))).collect()
}

/// The names of a document's elements, in order: every `<` that is not text.
fn elements(html: &str) -> Vec<&str> {
    let names = html.split('<').skip(1).map(|tag| tag.split([' ', '>', '\n']).next().unwrap_or_default());
    names.collect()
}

fn attribute_names(html: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for tag in html.split('<').skip(1).filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag) {
        // Outside of quotes is every other part.
        for (part, text) in tag.split('"').enumerate() {
            if part % 2 == 0 {
                names.extend(text.split_ascii_whitespace().filter_map(|word| word.strip_suffix('=')));
            }
        }
    }
    names
}

// A32, A33
#[test]
fn a_foreign_value_makes_no_element_and_no_attribute() {
    for language in Language::all() {
        for payload in PAYLOADS {
            let pages = |value| reached_by(language, value).into_iter().chain(forms(language, value));
            for (page, plain) in pages(payload).zip(pages("plain")) {
                assert_eq!(elements(&page.html), elements(&plain.html), "{payload}");
                assert_eq!(attribute_names(&page.html), attribute_names(&plain.html), "{payload}");
            }
        }
    }
}

// A32, A33
#[test]
fn a_foreign_value_is_shown_as_it_is() {
    let language = &Language::all()[0];
    for page in &reached_by(language, "<b>{ $app } & {{ 1 }}</b>")[..7] {
        assert!(page.html.contains("&#60;b&#62;{ $app } &#38; {{ 1 }}&#60;/b&#62;"), "{}", page.html);
    }
}

#[test]
fn a_foreign_value_cannot_reorder_or_flood_the_page() {
    let language = &Language::all()[0];
    let flood = format!("\u{202e}\u{2069}a\u{7}b{}", "x".repeat(5_000));
    for page in &reached_by(language, &flood)[..7] {
        assert!(!page.html.contains(['\u{202e}', '\u{7}']));
        let (opened, closed) = (page.html.matches('\u{2068}').count(), page.html.matches('\u{2069}').count());
        assert!(opened > 0 && opened == closed);
        assert!(page.html.contains("abx") && page.html.contains("x…") && !page.html.contains(&"x".repeat(200)));
    }
}

// A32
#[test]
fn an_error_shows_its_code_and_never_its_text() {
    for language in Language::all() {
        for page in fixed(language) {
            assert!(!page.html.contains("script"), "{}", page.html);
        }
        let trouble = pages::error(language, &Error::Internal { reason: "secret".into() });
        assert!(trouble.html.contains("<code>INTERNAL</code>") && !trouble.html.contains("secret"));
    }
}

#[test]
fn a_page_loads_nothing_and_leads_nowhere() {
    for page in
        Language::all().iter().flat_map(|language| reached_by(language, "Acme").into_iter().chain(fixed(language)))
    {
        for forbidden in ["script", "img", "link", "iframe", "a", "base"] {
            assert!(!elements(&page.html).contains(&forbidden), "{forbidden}");
        }
        for name in attribute_names(&page.html) {
            assert!(!["style", "src", "href", "action"].contains(&name) && !name.starts_with("on"), "{name}");
        }
        assert!(!page.html.contains("url(") && !page.html.contains("@import"));
    }
}

#[test]
fn a_form_leads_to_the_providers_help_and_to_its_own_inputs_alone() {
    for page in Language::all().iter().flat_map(|language| forms(language, "https://evil.test/")) {
        for target in page.html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let inside = target.starts_with("#field-") || target.starts_with("#one-time-");
            assert!(inside || target == "https://docs.acme.test/keys", "{target}");
        }
        for name in attribute_names(&page.html) {
            assert!(!["style", "src", "action", "formaction"].contains(&name) && !name.starts_with("on"), "{name}");
        }
    }
}

#[test]
fn the_style_of_a_page_is_the_one_that_its_policy_allows() {
    use aws_lc_rs::digest::{SHA256, digest};
    let policy = content_security_policy(&FormAction::NOWHERE);
    for page in
        Language::all().iter().flat_map(|language| reached_by(language, "Acme").into_iter().chain(fixed(language)))
    {
        let (_, rest) = page.html.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = data_encoding::BASE64.encode(digest(&SHA256, style.as_bytes()).as_ref());
        assert!(policy.to_str().unwrap().contains(&format!("style-src 'sha256-{hash}';")), "{CONTENT_SECURITY_POLICY}");
    }
}

// Chrome holds the redirects after the button to the form-action.
#[test]
fn only_the_button_leads_away_and_only_to_https_unless_the_provider_is_an_emulator() {
    let language = &Language::all()[0];
    let leads_to = |origin: &str| show(language, &LinkPage { asks: consent(origin), ..link("x") }).form_action;
    assert_eq!(leads_to("https://accounts.google.com").sources(), "'self' https:");
    assert_eq!(leads_to("http://localhost:4000").sources(), "'self' https: http:");
    assert_eq!(leads_to("javascript:alert(1)").sources(), "'self' https:");
    for page in fixed(language).into_iter().chain(reached_by(language, "x").into_iter().skip(2)) {
        assert_eq!(page.form_action, FormAction::NOWHERE);
        assert!(!page.html.contains("<form"));
    }
}

#[test]
fn a_page_can_be_read_aloud() {
    for language in Language::all() {
        let opening = format!("<html lang=\"{}\" dir=\"{}\">", language.code, language.direction);
        let linked = reached_by(language, "Acme").into_iter().chain(forms(language, "Acme"));
        for page in linked.chain(fixed(language)) {
            assert!(page.html.contains(&opening));
            let count = |part: &str| page.html.matches(part).count();
            assert_eq!((count("<h1>"), count("<main>"), count("<footer>"), count("<title>")), (1, 1, 1, 1));
            let levels: Vec<_> =
                elements(&page.html).into_iter().filter(|name| ["h1", "h2", "h3"].contains(name)).collect();
            assert_eq!(levels[0], "h1");
            // Pictures say nothing that the text doesn't.
            assert_eq!(count("<svg"), count("aria-hidden=\"true\"><path"));
        }
        let role = |outcome| end(language, "Acme", outcome).html.split_once("role=\"").unwrap().1.to_owned();
        assert!(role(Outcome::Connected).starts_with("status\""));
        assert!(role(Outcome::Failed { code: "TIMED_OUT".into() }).starts_with("alert\""));
    }
}

#[test]
fn an_error_has_the_status_that_fits_it() {
    let status = |error: &Error| pages::error(&Language::all()[0], error).status.as_u16();
    assert_eq!(status(&Error::LinkNotFound), 404);
    assert_eq!(status(&Error::LinkExpired), 410);
    assert_eq!(status(&Error::LinkUsed), 410);
    assert_eq!(status(&Error::AuthorizationFailed { reason: "x".into() }), 410);
    assert_eq!(status(&Error::FlowNotFound), 403);
    assert_eq!(status(&Error::FlowExpired), 410);
    assert_eq!(status(&Error::invalid("state", "is there twice")), 400);
    assert_eq!(status(&Error::ConnectionDisabled { connection: "gmail".into() }), 409);
    assert_eq!(status(&Error::StoreBusy), 503);
    assert_eq!(status(&Error::Closed), 503);
    assert_eq!(status(&Error::Internal { reason: "x".into() }), 500);
}

#[test]
fn a_link_says_how_long_it_works() {
    let says = |code: &str, millis: i64| {
        let language = Language::all().iter().find(|language| language.code == code).unwrap();
        pages::link(language, &link("Acme"), &Form::default(), Timestamp::from_millis(600_000 - millis)).html
    };
    assert!(says("en", 540_000).contains("works once, for the next \u{2068}9\u{2069} minutes"));
    assert!(says("en", 119_999).contains("works once, within the next minute"));
    assert!(says("en", -5).contains("works once, for less than a minute"));
    assert!(says("de", 540_000).contains("gilt einmal, noch \u{2068}9\u{2069} Minuten"));
}

#[test]
fn text_stands_out_from_its_ground_in_both_schemes() {
    let css = include_str!("../assets/pages.css");
    let (light, dark) = css.split_once("prefers-color-scheme: dark").unwrap();
    for scheme in [light, dark] {
        let colour = |name: &str| {
            let (_, rest) = scheme.split_once(&format!("--{name}: #")).unwrap_or_else(|| panic!("--{name}"));
            u32::from_str_radix(&rest[..6], 16).unwrap()
        };
        let pairs = [
            ("ink", "paper"),
            ("ink", "ground"),
            ("quiet", "paper"),
            ("quiet", "ground"),
            ("accent", "paper"),
            ("accent", "ground"),
            ("on-accent", "accent"),
            ("on-accent", "accent-hover"),
            ("ink", "field"),
            ("quiet", "field"),
            ("bad", "paper"),
        ];
        for (text, ground) in pairs {
            let ratio = contrast(colour(text), colour(ground));
            assert!(ratio >= 4.5, "{text} on {ground}: {ratio:.2}");
        }
        // What says where to enter something (WCAG 2.2, 1.4.11).
        for ground in ["field", "paper"] {
            assert!(contrast(colour("edge"), colour(ground)) >= 3.0, "edge on {ground}");
        }
        // Signs and monograms stand on a tint of themselves; as large shapes they need 3.
        let tint = scheme.split_once("--tint: ").unwrap().1.split_once('%').unwrap().0.parse::<f64>().unwrap() / 100.0;
        for name in ["good", "waiting", "calm", "bad", "hue-1", "hue-2", "hue-3", "hue-4", "hue-5", "hue-6"] {
            let ratio = contrast(colour(name), mixed(colour(name), colour("paper"), tint));
            assert!(ratio >= 3.0, "{name}: {ratio:.2}");
        }
    }
}

/// The contrast ratio of WCAG 2.2.
fn contrast(a: u32, b: u32) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance(colour: u32) -> f64 {
    let channel = |shift: u32| {
        let value = f64::from(colour >> shift & 0xff) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
}

fn mixed(a: u32, b: u32, part: f64) -> u32 {
    let channel = |shift: u32| {
        let (a, b) = (f64::from(a >> shift & 0xff), f64::from(b >> shift & 0xff));
        ((a * part + b * (1.0 - part)).round() as u32) << shift
    };
    channel(16) | channel(8) | channel(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // A32, A33
    #[test]
    fn no_value_changes_the_document(value in "\\PC{0,40}") {
        let language = &Language::all()[0];
        let pages = |value| reached_by(language, value).into_iter().chain(forms(language, value));
        for (page, plain) in pages(&value).zip(pages("plain")) {
            prop_assert_eq!(elements(&page.html), elements(&plain.html));
        }
    }
}

//! The form for a credential as a document: what foreign values can't do to it, what it tells, and what it never does.

#![expect(clippy::unwrap_used, reason = "a test's helpers are tests too")]

use http::StatusCode;
use indexmap::IndexMap;
use onbehalf_engine::{
    Error,
    catalogue::field::{Complaint, FieldKind},
    connect::{Asks, FormField, LinkPage},
    time::Timestamp,
};
use onbehalf_gateway::{
    language::Language,
    pages::{self, Form, Page, Refusal, Setback},
};

fn field(name: &str) -> FormField {
    FormField {
        name: name.into(),
        label: format!("The {name}"),
        help: None,
        help_url: None,
        example: None,
        kind: FieldKind::Text,
        options: Vec::new(),
        default: None,
        suffix: None,
        optional: false,
        secret: false,
    }
}

fn key() -> FormField {
    FormField { secret: true, ..field("key") }
}

fn english() -> &'static Language {
    &Language::all()[0]
}

fn show_in(language: &'static Language, fields: Vec<FormField>, verify_origin: Option<&str>, form: &Form) -> Page {
    let page = LinkPage {
        app_name: Some("Acme".into()),
        connector_name: "Zendesk".into(),
        connector: "zendesk".into(),
        person: "a•••".into(),
        asks: Asks::Credential { fields, verify_origin: verify_origin.map(str::to_owned) },
        expires_at: Timestamp::from_millis(600_000),
    };
    pages::link(language, &page, form, Timestamp::from_millis(0))
}

fn show(fields: Vec<FormField>, form: &Form) -> Page {
    show_in(english(), fields, None, form)
}

fn kept(pairs: &[(&str, &str)]) -> IndexMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn invalid(faults: &[(&str, Complaint)]) -> Form {
    let faults = faults.iter().map(|(name, complaint)| ((*name).to_owned(), *complaint)).collect();
    Form { setback: Some(Setback::Invalid(faults)), ..Form::default() }
}

fn refused(error: Error) -> Form {
    Form { setback: Some(Setback::Refused(error)), ..Form::default() }
}

/// The tag that has this attribute.
fn tag<'a>(html: &'a str, attribute: &str) -> &'a str {
    let at = html.find(attribute).unwrap_or_else(|| panic!("no {attribute}: {html}"));
    let start = html[..at].rfind('<').unwrap();
    let end = at + html[at..].find('>').unwrap();
    &html[start..=end]
}

/// Text without the marks that keep a name apart from the sentence around it.
fn plain(html: &str) -> String {
    html.replace(['\u{2068}', '\u{2069}'], "")
}

// A36
#[test]
fn a_secret_is_masked_and_never_sent_back() {
    let secrets = vec![
        FormField { default: Some("hunter2".into()), ..key() },
        FormField {
            kind: FieldKind::Pem,
            default: Some("hunter2".into()),
            ..FormField { name: "pem".into(), ..key() }
        },
        FormField {
            options: vec!["hunter3".into()],
            default: Some("hunter2".into()),
            ..FormField { name: "one".into(), ..key() }
        },
    ];
    let kept = kept(&[("key", "hunter2"), ("pem", "hunter2"), ("one", "hunter2")]);
    let wrong = Error::CredentialRefused { host: "acme.test".into(), status: 401 };
    let forms = [
        Form { kept: kept.clone(), ..Form::default() },
        Form { kept: kept.clone(), ..invalid(&[("key", Complaint::Pattern), ("pem", Complaint::NoPem)]) },
        Form { kept, ..refused(wrong) },
    ];
    for form in forms {
        let page = show(secrets.clone(), &form);
        assert!(!page.html.contains("hunter2"), "{}", page.html);
        assert!(tag(&page.html, "name=\"key\"").contains("type=\"password\""));
        for name in ["key", "pem", "one"] {
            let input = tag(&page.html, &format!("name=\"{name}\""));
            for part in ["autocomplete=\"off\"", "autocapitalize=\"none\"", "spellcheck=\"false\"", "id=\"one-time-"] {
                assert!(input.contains(part), "{part}: {input}");
            }
        }
    }
}

#[test]
fn a_secret_is_asked_for_again_in_words() {
    let again = "Please enter it again.";
    assert!(!show(vec![key()], &Form::default()).html.contains(again));
    assert!(show(vec![field("shop"), key()], &invalid(&[("shop", Complaint::Missing)])).html.contains(again));
    let lines = FormField { kind: FieldKind::Pem, ..key() };
    assert!(show(vec![lines], &Form::default()).html.contains("It can be read while you enter it"));
}

#[test]
fn what_was_entered_stands_there_again_as_it_was() {
    let fields = || {
        let choice = FormField { options: vec!["us".into(), "eu".into()], default: Some("us".into()), ..field("site") };
        vec![field("shop"), choice, FormField { kind: FieldKind::Json, ..field("json") }]
    };
    let entries = kept(&[("shop", "a\"b<c> é"), ("site", "eu"), ("json", "\n{\n\t\"a\": 1\n}")]);
    let html = show(fields(), &Form { kept: entries, ..invalid(&[("shop", Complaint::Pattern)]) }).html;
    assert!(tag(&html, "name=\"shop\"").contains("value=\"a&#34;b&#60;c"));
    assert!(html.contains("<option value=\"eu\" selected>eu</option>") && html.matches(" selected").count() == 1);
    // The line that HTML takes from the beginning of a textarea is one more.
    assert!(html.contains(">\n\n{\n\t&#34;a&#34;: 1\n}</textarea>"));
    assert!(show(fields(), &Form::default()).html.contains("<option value=\"us\" selected>us</option>"));
}

#[test]
fn a_choice_without_a_default_begins_with_none() {
    let choice = FormField { options: vec!["us".into(), "eu".into()], ..field("site") };
    let html = show(vec![choice], &Form::default()).html;
    assert!(html.contains("<option value=\"\">Please choose</option>") && !html.contains(" selected"));
}

#[test]
fn the_browser_checks_nothing_but_that_something_is_there() {
    let url = FormField { kind: FieldKind::Url, suffix: Some(".test".into()), ..field("url") };
    let email = FormField { kind: FieldKind::Email, optional: true, ..field("email") };
    let html = show(vec![url, email], &Form::default()).html;
    for refusing in ["pattern=", "maxlength=", "type=\"url\"", "type=\"email\"", "minlength="] {
        assert!(!html.contains(refusing), "{refusing}");
    }
    assert!(tag(&html, "name=\"url\"").contains(" required") && !tag(&html, "name=\"email\"").contains(" required"));
    assert!(html.contains("<small>required</small>") && html.contains("<small>optional</small>"));
}

#[test]
fn every_fault_is_told_beside_its_field_and_above_the_form() {
    let complaints = [
        Complaint::Missing,
        Complaint::TooLong,
        Complaint::NoChoice,
        Complaint::ControlCharacters,
        Complaint::Invisible,
        Complaint::Unsendable,
        Complaint::NoHost,
        Complaint::NoUrl,
        Complaint::NoEmail,
        Complaint::NoPem,
        Complaint::NoJson,
        Complaint::Pattern,
    ];
    for language in Language::all() {
        let mut sentences = Vec::new();
        for complaint in complaints {
            let page = show_in(language, vec![field("shop"), field("name")], None, &invalid(&[("name", complaint)]));
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
            let html = plain(&page.html);
            let (_, rest) = html.split_once("id=\"field-1-fault\">").unwrap();
            let sentence = rest.split_once('<').unwrap().0.to_owned();
            assert!(sentence.starts_with("The name"), "{sentence}");
            assert!(html.contains(&format!("<a href=\"#field-1\">{sentence}</a>")), "{sentence}");
            assert_eq!(html.matches("role=\"alert\"").count(), 1);
            let faulty = tag(&html, "name=\"name\"");
            for part in ["aria-describedby=\"field-1-fault\"", "aria-invalid=\"true\"", " autofocus"] {
                assert!(faulty.contains(part), "{part}: {faulty}");
            }
            let other = tag(&html, "name=\"shop\"");
            assert!(!other.contains("aria-invalid") && !other.contains("autofocus"));
            sentences.push(sentence);
        }
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), complaints.len());
    }
}

#[test]
fn each_way_to_be_refused_is_told_in_words_of_its_own() {
    let host = || "acme.zendesk.com".to_owned();
    let reason = || "hunter2".to_owned();
    let refusals = [
        (Error::CredentialRefused { host: host(), status: 401 }, 422, "Zendesk doesn&#39;t accept this"),
        (Error::PermissionMissing { host: host(), status: 403 }, 422, "That doesn&#39;t allow enough"),
        (Error::IdentityChanged { identifier: reason() }, 422, "This belongs to another account"),
        (
            Error::ProviderUnavailable { host: host(), reason: reason(), retry_at: None },
            503,
            "Zendesk is having trouble",
        ),
        (Error::ProviderUnreachable { host: host(), reason: reason() }, 503, "Zendesk could not be reached"),
        (Error::ProviderResponseInvalid { host: host(), reason: reason() }, 502, "Zendesk gave a strange answer"),
        (Error::Internal { reason: reason() }, 502, "That could not be checked"),
    ];
    for (error, status, heading) in refusals {
        let code = error.code();
        let page = show(vec![field("shop"), key()], &refused(error));
        assert_eq!(page.status.as_u16(), status, "{code}");
        assert!(plain(&page.html).contains(&format!("<h2>{heading}</h2>")), "{code}: {}", page.html);
        assert!(!page.html.contains("hunter2") && page.html.contains("Nothing was "), "{code}");
        assert_eq!(page.html.contains(&format!("<code>{code}</code>")), code != "CREDENTIAL_REFUSED");
        // The key is what must be entered again.
        assert!(tag(&page.html, "name=\"key\"").contains(" autofocus"), "{code}");
    }
}

#[test]
fn help_leads_to_the_providers_page_and_says_where() {
    let help = |url: &str| show(vec![FormField { help_url: Some(url.into()), ..key() }], &Form::default()).html;
    let html = help("https://docs.acme.test/keys?a=1&b=\"<");
    let link = tag(&html, "href=");
    assert!(link.contains("href=\"https://docs.acme.test/keys?a=1&#38;b=%22%3C\""), "{link}");
    assert!(link.contains("target=\"_blank\"") && link.contains("rel=\"noopener noreferrer\""));
    assert!(plain(&html).contains(">Where to find it: docs.acme.test (opens in a new tab)</a>"));
    for url in
        ["javascript:alert(1)", "http://docs.acme.test", "data:text/html,x", "//acme.test", "x", "mailto:a@b.test"]
    {
        assert!(!help(url).contains("<a "), "{url}");
    }
}

#[test]
fn the_form_leads_to_the_app_where_the_app_verifies() {
    let alone = show(vec![key()], &Form::default());
    assert_eq!(alone.form_action.sources(), "'self'");
    assert!(!alone.html.contains("Leads to"));
    let verified = show_in(english(), vec![key()], Some("https://app.acme.test"), &Form::default());
    assert_eq!(verified.form_action.sources(), "'self' https://app.acme.test");
    assert!(plain(&verified.html).contains("You continue to app.acme.test, which confirms that it was you."));
}

#[test]
fn the_form_carries_its_token_and_says_what_becomes_of_a_key() {
    let form = Form { token: "t0ken".into(), ..Form::default() };
    let html = plain(&show(vec![key()], &form).html);
    assert!(html.contains("<input type=\"hidden\" name=\"form-token\" value=\"t0ken\">"));
    assert!(html.contains("stored encrypted, used only to call Zendesk, and never shown again."));
    assert!(html.contains("Acme can then do everything at Zendesk that it allows"));
}

#[test]
fn a_form_that_is_being_checked_leads_back_to_its_link_alone() {
    for language in Language::all() {
        let page = pages::refusal(language, Refusal::BeingChecked);
        assert_eq!(page.status, 409);
        assert_eq!(page.html.matches("href=").count(), 1);
        assert!(page.html.contains("<a href=\"\">") && !page.html.contains("<form"), "{}", page.html);
    }
}

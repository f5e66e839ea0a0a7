//! The page of a link that asks for a credential: an input for each of its fields, and what stood against the last try.
//!
//! What was entered into a secret field never comes back. The browser checks only that nothing is left out: a pattern
//! would refuse what the engine would have made fit (a pasted suffix), and a `maxlength` would cut a key off silently.

use askama::Template;
use http::StatusCode;
use indexmap::IndexMap;
use onbehalf_engine::{
    Error,
    catalogue::field::{Complaint, FieldKind},
    connect::FormField,
};
use url::Url;

use super::{Page, STYLE, ask::Ask, render, shown, shown_at_most, undisguised};
use crate::{entries::TOKEN, headers::FormAction, language::Language};

/// What a credential's form holds when it is shown.
#[derive(Debug, Default)]
pub struct Form {
    /// Comes back with it, and proves that it was shown.
    pub token: String,
    /// What was entered before, by field; of secret fields nothing.
    pub kept: IndexMap<String, String>,
    /// Why it is shown again.
    pub setback: Option<Setback>,
}

/// Why a form is shown again.
#[derive(Debug)]
pub enum Setback {
    /// Of these fields, the entry cannot be meant.
    Invalid(IndexMap<String, Complaint>),
    /// The provider would not have the credential, or was not there to ask.
    Refused(Error),
}

impl Setback {
    /// 422 where other entries can help, 503 where waiting can, 502 where the provider makes no sense.
    fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Refused(error) => match error.code() {
                "CREDENTIAL_REFUSED" | "PERMISSION_MISSING" | "IDENTITY_CHANGED" => StatusCode::UNPROCESSABLE_ENTITY,
                _ if error.retryable() => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_GATEWAY,
            },
        }
    }
}

/// The page with `fields`, as `form` has them. The form leads on to `verify_origin`, where the app verifies its users.
pub(super) fn credential(ask: Ask, fields: &[FormField], verify_origin: Option<&str>, form: &Form) -> Page {
    let language = ask.language;
    let host = verify_origin.and_then(|origin| Url::parse(origin).ok()?.host_str().map(shown));
    let inputs: Vec<_> = fields.iter().enumerate().map(|(at, field)| Input::of(&ask, field, at, form)).collect();
    let inputs = focused(inputs, form.setback.as_ref());
    let mut steps = vec![ask.say("form-step-check"), ask.say("form-step-keep")];
    steps.extend(host.as_ref().map(|host| language.say_with("form-step-verify", &[("host", host.as_str().into())])));
    steps.push(ask.say("form-step-use"));
    let html = render(&FormTemplate {
        language,
        title: ask.say(if form.setback.is_some() { "form-title-again" } else { "link-title" }),
        alert: form.setback.as_ref().map(|setback| Alert::of(&ask, setback, &inputs)),
        token: &form.token,
        inputs,
        destination: host,
        steps,
        unexpected: language.say("form-unexpected"),
        button: ask.say("form-button"),
        ask,
    });
    let status = form.setback.as_ref().map_or(StatusCode::OK, Setback::status);
    Page { status, form_action: FormAction::ourselves(verify_origin), html }
}

/// The first input that needs the person gets the focus: where something is wrong, or where a secret is to be entered
/// again. A form that is shown for the first time is read from its beginning.
fn focused(mut inputs: Vec<Input>, setback: Option<&Setback>) -> Vec<Input> {
    let needy = match setback {
        None => None,
        Some(Setback::Invalid(_)) => inputs.iter_mut().find(|input| input.fault.is_some()),
        Some(Setback::Refused(_)) => inputs.iter_mut().find(|input| input.care.is_some()),
    };
    if let Some(input) = needy {
        input.first = true;
    }
    inputs
}

/// An input of the form.
struct Input {
    /// Numbered, because nothing foreign makes an `id`.
    id: String,
    name: String,
    label: String,
    /// Whether it may be left empty, in a word.
    need: String,
    required: bool,
    help: Option<String>,
    page: Option<HelpPage>,
    control: Control,
    placeholder: String,
    value: String,
    /// What a secret field's input wants to be known.
    care: Option<String>,
    fault: Option<String>,
    /// The ids of what is said about it.
    described_by: String,
    /// Nothing is chosen yet.
    unchosen: bool,
    /// Has the focus.
    first: bool,
}

impl Input {
    fn of(ask: &Ask, field: &FormField, at: usize, form: &Form) -> Self {
        let language = ask.language;
        let kept = form.kept.get(&field.name).or(field.default.as_ref()).filter(|_| !field.secret);
        let control = Control::of(field, kept.map(String::as_str));
        let example = field.example.as_deref().map(shown);
        let mut input = Self {
            // Chromium takes an input with this in its id for a one-time code, which it doesn't offer to save
            // (`components/password_manager`); of `autocomplete="off"` it says no such thing.
            id: format!("{}-{at}", if field.secret { "one-time" } else { "field" }),
            name: field.name.clone(),
            label: shown(&field.label),
            need: language.say(if field.optional { "form-optional" } else { "form-required" }),
            required: !field.optional && field.default.is_none(),
            help: field.help.as_deref().map(|help| shown_at_most(600, help)),
            page: field.help_url.as_deref().and_then(|url| HelpPage::of(language, url)),
            placeholder: example
                .map(|example| language.say_with("form-example", &[("example", example.into())]))
                .unwrap_or_default(),
            value: kept.map(|value| undisguised(value, matches!(control, Control::Lines))).unwrap_or_default(),
            care: care(language, field, &control, form.setback.is_some()),
            fault: fault(ask, field, form.setback.as_ref()),
            described_by: String::new(),
            unchosen: matches!(&control, Control::Choice(choices) if !choices.iter().any(|choice| choice.chosen)),
            first: false,
            control,
        };
        input.described_by = input.descriptions().join(" ");
        input
    }

    fn descriptions(&self) -> Vec<String> {
        let suffix = matches!(&self.control, Control::Line(Line { suffix: Some(_), .. }));
        let said = [
            ("fault", self.fault.is_some()),
            ("suffix", suffix),
            ("help", self.help.is_some()),
            ("care", self.care.is_some()),
        ];
        said.into_iter().filter(|(_, there)| *there).map(|(part, _)| format!("{}-{part}", self.id)).collect()
    }
}

/// What is wrong with the field's entry, and what would be right.
fn fault(ask: &Ask, field: &FormField, setback: Option<&Setback>) -> Option<String> {
    let Some(Setback::Invalid(faults)) = setback else { return None };
    let complaint = *faults.get(&field.name)?;
    let label = shown(&field.label);
    let values = [("label", label.as_str().into()), ("connector", ask.names.connector.as_str().into())];
    let said = ask.language.say_with(message(complaint), &values);
    let example = field.example.as_deref().filter(|_| complaint != Complaint::Missing).map(shown);
    let example = example.map(|it| ask.language.say_with("fault-example", &[("example", it.into())]));
    Some(example.map_or_else(|| said.clone(), |example| format!("{said} {example}")))
}

fn message(complaint: Complaint) -> &'static str {
    match complaint {
        Complaint::Missing => "fault-missing",
        Complaint::NoChoice => "fault-no-choice",
        Complaint::ControlCharacters => "fault-control-characters",
        Complaint::NoHost => "fault-no-host",
        Complaint::NoUrl => "fault-no-url",
        Complaint::NoEmail => "fault-no-email",
        Complaint::NoPem => "fault-no-pem",
        Complaint::NoJson => "fault-no-json",
        Complaint::Pattern => "fault-pattern",
        Complaint::TooLong => "fault-too-long",
        Complaint::Invisible => "fault-invisible",
        Complaint::Unsendable => "fault-unsendable",
    }
}

/// A secret of one line is masked. One of several lines is not: no input of HTML masks lines, and a style that draws
/// dots keeps nothing from whoever selects and copies them. So the page says that it can be read.
fn care(language: &Language, field: &FormField, control: &Control, again: bool) -> Option<String> {
    let messages = match (field.secret, control, again) {
        (false, ..) => return None,
        (true, Control::Lines, true) => vec!["form-again", "form-readable"],
        (true, Control::Lines, false) => vec!["form-readable"],
        (true, _, true) => vec!["form-again"],
        (true, _, false) => return None,
    };
    Some(messages.into_iter().map(|id| language.say(id)).collect::<Vec<_>>().join(" "))
}

/// The provider's page that says where to find a value.
struct HelpPage {
    url: String,
    /// With its host: people should see where a link leads.
    said: String,
}

impl HelpPage {
    fn of(language: &Language, url: &str) -> Option<Self> {
        let url = Url::parse(url).ok().filter(|url| url.scheme() == "https")?;
        let host = shown(url.host_str()?);
        Some(Self { said: language.say_with("form-help-page", &[("host", host.into())]), url: url.into() })
    }
}

/// What a value is entered with.
enum Control {
    Line(Line),
    Lines,
    Choice(Vec<Choice>),
}

struct Line {
    /// The `type`.
    kind: &'static str,
    /// The `inputmode`: which keyboard a telephone shows.
    mode: &'static str,
    suffix: Option<String>,
}

struct Choice {
    value: String,
    name: String,
    chosen: bool,
}

impl Control {
    fn of(field: &FormField, kept: Option<&str>) -> Self {
        if !field.options.is_empty() {
            let choice = |value: &String| Choice {
                name: shown(value),
                chosen: kept == Some(value.as_str()),
                value: value.clone(),
            };
            return Self::Choice(field.options.iter().map(choice).collect());
        }
        let mode = match field.kind {
            FieldKind::Pem | FieldKind::Json => return Self::Lines,
            FieldKind::Host | FieldKind::Url => "url",
            FieldKind::Email => "email",
            FieldKind::Text => "text",
        };
        let kind = if field.secret { "password" } else { "text" };
        Self::Line(Line { kind, mode, suffix: field.suffix.as_deref().map(shown) })
    }
}

/// What stood against the last try, above the form.
struct Alert {
    heading: String,
    lead: Option<String>,
    faults: Vec<Fault>,
    advice: Option<String>,
    code: Option<&'static str>,
}

struct Fault {
    /// The id of the input that it leads to.
    input: String,
    sentence: String,
}

impl Alert {
    fn of(ask: &Ask, setback: &Setback, inputs: &[Input]) -> Self {
        match setback {
            Setback::Invalid(_) => {
                let faulty = |input: &Input| Some(Fault { input: input.id.clone(), sentence: input.fault.clone()? });
                let faults: Vec<_> = inputs.iter().filter_map(faulty).collect();
                let heading = ask.language.say_with("form-faults", &[("count", faults.len().into())]);
                Self { heading, lead: None, faults, advice: None, code: None }
            }
            Setback::Refused(error) => {
                let topic = topic(error.code());
                let say = |part: &str| ask.say(&format!("{topic}-{part}"));
                // Who entered the wrong key needs no code; whoever is asked for help does.
                let code = (error.code() != "CREDENTIAL_REFUSED").then(|| error.code());
                Self {
                    heading: say("heading"),
                    lead: Some(say("lead")),
                    faults: Vec::new(),
                    advice: Some(say("advice")),
                    code,
                }
            }
        }
    }
}

/// Which sentences say why a provider would not have a credential.
fn topic(code: &str) -> &'static str {
    match code {
        "CREDENTIAL_REFUSED" => "form-wrong",
        "PERMISSION_MISSING" => "form-too-little",
        "IDENTITY_CHANGED" => "form-another",
        "PROVIDER_UNAVAILABLE" => "form-trouble",
        "PROVIDER_UNREACHABLE" | "ANSWER_LOST" | "TIMED_OUT" => "form-no-answer",
        "PROVIDER_RESPONSE_INVALID" => "form-nonsense",
        _ => "form-unchecked",
    }
}

#[derive(Template)]
#[template(path = "form.html")]
struct FormTemplate<'a> {
    language: &'static Language,
    title: String,
    ask: Ask,
    alert: Option<Alert>,
    token: &'a str,
    inputs: Vec<Input>,
    destination: Option<String>,
    steps: Vec<String>,
    unexpected: String,
    button: String,
}

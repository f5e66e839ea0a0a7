//! The hosted pages: what the engine says, as HTML in the reader's language.
//!
//! The templates escape every value. On top of that, foreign values lose the characters that could disguise them
//! ([`shown`]), and no page has a script, an image or an address of another site.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest;
use data_encoding::BASE64;
use http::StatusCode;
use onbehalf_engine::{
    Error,
    connect::{Asks, LinkPage, Outcome, OutcomePage},
    time::Timestamp,
};

use self::ask::Ask;
pub use self::form::{Form, Setback};
use crate::{headers::FormAction, language::Language};

mod ask;
mod form;

/// The one style sheet, in every page: nothing to fetch, and no address that a mounted prefix could break.
pub(crate) const STYLE: &str = include_str!("../assets/pages.css");

/// What a `style-src` needs to let [`STYLE`] through, and no other style.
pub(crate) static STYLE_SOURCE: LazyLock<String> = LazyLock::new(|| {
    let hash = digest::digest(&digest::SHA256, STYLE.as_bytes());
    format!("'sha256-{}'", BASE64.encode(hash.as_ref()))
});

/// A page, ready to be sent.
#[derive(Debug, Clone)]
pub struct Page {
    /// Said to programs.
    pub status: StatusCode,
    /// Where the page's form may lead.
    pub form_action: FormAction,
    /// The document.
    pub html: String,
}

/// Why a request got no page of its own, apart from the engine's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No page has this address.
    PageNotFound,
    /// The request did not come from the button on our page.
    NotFromHere,
    /// What came back is no answer of a provider.
    NotUnderstood(StatusCode),
    /// What came is not what a credential's form sends.
    FormNotUnderstood(StatusCode),
    /// The form was not shown to this browser.
    FormNotFromHere,
    /// The form was sent before, and what it held is still being tried.
    BeingChecked,
    /// The `Host` is not ours.
    WrongHost,
}

/// The page of a link: who asks, for what, for whom, and one button; before it the inputs of a credential, where one is
/// asked for, as `form` has them.
pub fn link(language: &'static Language, page: &LinkPage, form: &Form, now: Timestamp) -> Page {
    let ask = Ask::of(language, page, now);
    match &page.asks {
        Asks::Consent { scopes, authorize_origin } => ask::consent(ask, &page.connector, scopes, authorize_origin),
        Asks::Credential { fields, verify_origin } => form::credential(ask, fields, verify_origin.as_deref(), form),
    }
}

/// The page at a flow's end.
pub fn outcome(language: &'static Language, page: &OutcomePage) -> Page {
    let names = Names::of(page.app_name.as_deref(), &page.connector_name);
    let values = names.values();
    let (tone, topic, code) = match &page.outcome {
        Outcome::Connected => (Tone::Good, "connected", None),
        Outcome::AwaitingVerification => (Tone::Waiting, "verifying", None),
        Outcome::Refused => (Tone::Calm, "refused", None),
        Outcome::Expired => (Tone::Calm, "took-too-long", None),
        Outcome::Failed { code } => (Tone::Bad, "failed", Some(code.as_str())),
    };
    let say = |part: &str| language.say_with(&format!("{topic}-{part}"), &values);
    let (lead, advice) = match code {
        Some(code) => {
            let reason = format!("failed-{}", code.to_ascii_lowercase().replace('_', "-"));
            let lead = language.find(&reason, &values).unwrap_or_else(|| language.say("failed-other"));
            (lead, language.say(advice_after(code)))
        }
        None => (say("lead"), say("advice")),
    };
    let html = render(&NoticeTemplate {
        language,
        title: say("title"),
        heading: say("heading"),
        tone,
        app_mark: page.app_name.as_deref().map(Mark::of),
        connector_mark: Some(Mark::of(&page.connector_name)),
        lead,
        advice,
        back: None,
        code: code.map(str::to_owned),
    });
    Page { status: StatusCode::OK, form_action: FormAction::NOWHERE, html }
}

/// The page for an error of the engine, with the status that fits it.
pub fn error(language: &'static Language, error: &Error) -> Page {
    let (status, tone, topic) = match error {
        Error::LinkNotFound => (StatusCode::NOT_FOUND, Tone::Calm, "link-not-found"),
        Error::LinkExpired => (StatusCode::GONE, Tone::Calm, "link-expired"),
        Error::LinkUsed => (StatusCode::GONE, Tone::Calm, "link-used"),
        Error::FlowNotFound => (StatusCode::FORBIDDEN, Tone::Bad, "flow-not-found"),
        Error::FlowExpired => (StatusCode::GONE, Tone::Calm, "took-too-long"),
        Error::AuthorizationFailed { .. } => (StatusCode::GONE, Tone::Bad, "link-ended"),
        Error::InvalidArgument { .. } => (StatusCode::BAD_REQUEST, Tone::Bad, "not-understood"),
        Error::ConnectionDisabled { .. }
        | Error::ConnectionMisconfigured { .. }
        | Error::ConnectionNotConfigured { .. }
        | Error::NotSupported { .. } => (StatusCode::CONFLICT, Tone::Calm, "not-ready"),
        error if error.retryable() => (StatusCode::SERVICE_UNAVAILABLE, Tone::Bad, "trouble"),
        Error::Closed => (StatusCode::SERVICE_UNAVAILABLE, Tone::Bad, "trouble"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, Tone::Bad, "trouble"),
    };
    notice(language, status, tone, topic, ["not-ready", "trouble"].contains(&topic).then(|| error.code()))
}

/// The page for a request that is refused before the engine hears of it.
pub fn refusal(language: &'static Language, refusal: Refusal) -> Page {
    let (status, topic) = match refusal {
        Refusal::PageNotFound => (StatusCode::NOT_FOUND, "page-not-found"),
        Refusal::NotFromHere => (StatusCode::FORBIDDEN, "not-from-here"),
        Refusal::NotUnderstood(status) => (status, "not-understood"),
        Refusal::FormNotUnderstood(status) => (status, "form-not-understood"),
        Refusal::FormNotFromHere => (StatusCode::FORBIDDEN, "form-not-from-here"),
        Refusal::BeingChecked => (StatusCode::CONFLICT, "being-checked"),
        Refusal::WrongHost => (StatusCode::MISDIRECTED_REQUEST, "wrong-host"),
    };
    let tone = match refusal {
        Refusal::PageNotFound => Tone::Calm,
        Refusal::BeingChecked => Tone::Waiting,
        _ => Tone::Bad,
    };
    notice(language, status, tone, topic, None)
}

fn notice(
    language: &'static Language,
    status: StatusCode,
    tone: Tone,
    topic: &str,
    code: Option<&'static str>,
) -> Page {
    let say = |part: &str| language.say(&format!("{topic}-{part}"));
    let html = render(&NoticeTemplate {
        language,
        title: say("title"),
        heading: say("heading"),
        tone,
        app_mark: None,
        connector_mark: None,
        lead: say("lead"),
        advice: say("advice"),
        back: language.find(&format!("{topic}-back"), &[]),
        code: code.map(str::to_owned),
    });
    Page { status, form_action: FormAction::NOWHERE, html }
}

/// Which advice fits a failed flow.
fn advice_after(code: &str) -> &'static str {
    match code {
        "PROVIDER_UNREACHABLE" | "PROVIDER_UNAVAILABLE" | "TIMED_OUT" => "failed-advice-later",
        "CONNECTION_MISCONFIGURED" | "CONNECTION_NOT_CONFIGURED" | "CONNECTION_DISABLED" => "failed-advice-developer",
        "USER_MISMATCH" | "IDENTITY_CHANGED" => "failed-advice-person",
        _ => "failed-advice",
    }
}

/// A foreign value without the characters that could disguise it ([`undisguised`]). At most 200 characters of it.
pub(crate) fn shown(value: &str) -> String {
    shown_at_most(200, value)
}

fn shown_at_most(limit: usize, value: &str) -> String {
    let mut shown = undisguised(value, false);
    if let Some((end, _)) = shown.char_indices().nth(limit) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// `value` without controls and without marks that reorder text (Unicode TR 36, 2.10); its lines stay where it may have
/// several.
fn undisguised(value: &str, lines: bool) -> String {
    let disguises = |c: char| {
        let reorders =
            matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() && !(lines && "\n\t".contains(c)) || reorders
    };
    value.chars().filter(|c| !disguises(*c)).collect()
}

/// The two names that the sentences are made with.
struct Names {
    app: Option<String>,
    connector: String,
}

impl Names {
    fn of(app: Option<&str>, connector: &str) -> Self {
        Self { app: app.map(shown), connector: shown(connector) }
    }

    fn values(&self) -> [(&'static str, fluent_bundle::FluentValue<'_>); 3] {
        let named = if self.app.is_some() { "yes" } else { "no" };
        let app = self.app.as_deref().unwrap_or_default();
        [("app", app.into()), ("named", named.into()), ("connector", self.connector.as_str().into())]
    }
}

/// A monogram: ours to draw, where a logo would be the provider's.
struct Mark {
    letter: String,
    /// A class of the style sheet, always the same for one name.
    hue: &'static str,
}

impl Mark {
    fn of(name: &str) -> Self {
        const HUES: [&str; 6] = ["hue-1", "hue-2", "hue-3", "hue-4", "hue-5", "hue-6"];
        let letter = name.chars().find(|c| c.is_alphanumeric()).map(|c| c.to_uppercase().to_string());
        let sum: usize = name.bytes().map(usize::from).sum();
        Self { letter: letter.unwrap_or_default(), hue: HUES[sum % HUES.len()] }
    }
}

/// How a notice sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Good,
    Waiting,
    Calm,
    Bad,
}

impl Tone {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Waiting => "waiting",
            Self::Calm => "calm",
            Self::Bad => "bad",
        }
    }

    fn role(self) -> &'static str {
        if self == Self::Bad { "alert" } else { "status" }
    }

    /// The strokes of its sign, in a box of 24: a check, three dots, a dash, an exclamation mark.
    fn stroke(self) -> &'static str {
        match self {
            Self::Good => "M5 12.5l4.5 4.5L19 7.5",
            Self::Waiting => "M6.5 12h.1M12 12h.1M17.5 12h.1",
            Self::Calm => "M6 12h12",
            Self::Bad => "M12 5v8.5M12 18v.1",
        }
    }
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticeTemplate {
    language: &'static Language,
    title: String,
    heading: String,
    tone: Tone,
    app_mark: Option<Mark>,
    /// Absent where no flow is known.
    connector_mark: Option<Mark>,
    lead: String,
    advice: String,
    /// Names the way back to where the form was.
    back: Option<String>,
    code: Option<String>,
}

fn render(template: &impl Template) -> String {
    template.render().expect("a template that writes to a string cannot fail")
}

//! The page of a link: what every one says, and the one that asks for consent at the provider.

use askama::Template;
use http::StatusCode;
use onbehalf_engine::{connect::LinkPage, time::Timestamp};
use url::Url;

use super::{Mark, Names, Page, STYLE, render, shown};
use crate::{headers::FormAction, language::Language, scopes::Scope};

/// Who asks, about which account, for whom, and until when.
pub(super) struct Ask {
    pub(super) language: &'static Language,
    pub(super) names: Names,
    pub(super) heading: String,
    pub(super) app_mark: Option<Mark>,
    pub(super) connector_mark: Mark,
    pub(super) person: String,
    pub(super) expiry: String,
}

impl Ask {
    pub(super) fn of(language: &'static Language, page: &LinkPage, now: Timestamp) -> Self {
        let names = Names::of(page.app_name.as_deref(), &page.connector_name);
        let minutes = now.until(page.expires_at).as_secs() / 60;
        Self {
            language,
            heading: language.say_with("link-heading", &names.values()),
            app_mark: page.app_name.as_deref().map(Mark::of),
            connector_mark: Mark::of(&page.connector_name),
            person: shown(&page.person),
            expiry: language.say_with("link-expiry-minutes", &[("minutes", minutes.into())]),
            names,
        }
    }

    /// The message `id`, which may name app and connector.
    pub(super) fn say(&self, id: &str) -> String {
        self.language.say_with(id, &self.names.values())
    }
}

/// The page whose button leads to the provider's consent. `connector` is the slug.
pub(super) fn consent(ask: Ask, connector: &str, scopes: &[String], authorize_origin: &str) -> Page {
    let language = ask.language;
    let origin = Url::parse(authorize_origin).ok();
    let host = origin.as_ref().and_then(Url::host_str).map_or_else(|| ask.names.connector.clone(), shown);
    let html = render(&LinkTemplate {
        language,
        title: ask.say("link-title"),
        scopes: scopes.iter().map(|scope| Scope::of(language, connector, &ask.names.connector, scope)).collect(),
        no_scopes: ask.say("link-scopes-none"),
        steps: [
            language.say_with("link-step-sign-in", &[("host", host.as_str().into())]),
            ask.say("link-step-decide"),
            language.say("link-step-return"),
        ],
        unexpected: language.say("link-unexpected"),
        destination: Some(host),
        button: ask.say("link-button"),
        ask,
    });
    Page { status: StatusCode::OK, form_action: FormAction::sign_in(origin.as_ref()), html }
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkTemplate {
    language: &'static Language,
    title: String,
    ask: Ask,
    scopes: Vec<Scope>,
    no_scopes: String,
    destination: Option<String>,
    steps: [String; 3],
    unexpected: String,
    button: String,
}

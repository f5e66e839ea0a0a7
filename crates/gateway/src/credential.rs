//! The form for a credential: shown with a token of its own, and taken from the browser alone that was shown it.

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, header::SET_COOKIE};
use onbehalf_engine::{
    Error, Result,
    connect::{FormField, LinkPage, Submitted},
};

use crate::{
    browser,
    entries::{self, Entries},
    form_key::FormKey,
    language::Language,
    pages::{self, Form, Page, Refusal, Setback},
    routes::{Gateway, see_other, told},
};

/// A link whose page is a form, and the reader of it.
pub(crate) struct Asked<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) language: &'static Language,
    /// The link's token.
    pub(crate) link: &'a str,
    pub(crate) page: &'a LinkPage,
}

impl Asked<'_> {
    /// The form as it is found. The browser keeps the key that it has: other links' forms may be open in it.
    pub(crate) fn show(&self, headers: &HeaderMap) -> Result<Response> {
        let key = FormKey::of(headers, self.secure());
        let key = key.map_or_else(|| FormKey::new(&*self.gateway.random), Ok)?;
        Ok(self.answer(&key, Form::default()))
    }

    /// Takes what the person sent. The form comes back, with the reason, unless it was accepted.
    pub(crate) async fn take(&self, fields: &[FormField], request: Request) -> Result<Response, Page> {
        let refuse = |refusal| pages::refusal(self.language, refusal);
        let key = FormKey::of(request.headers(), self.secure());
        let not_understood = |status| refuse(Refusal::FormNotUnderstood(status));
        let body = browser::form(request, entries::LIMIT).await.map_err(not_understood)?;
        let entries = Entries::read(&body, fields).map_err(not_understood)?;
        let key = key.filter(|key| key.has_made(&entries.token, self.link));
        let key = key.ok_or_else(|| refuse(Refusal::FormNotFromHere))?;

        let kept = entries.shown_again(fields);
        let setback = match self.gateway.engine.submit(self.link, entries.values).await {
            Ok(Submitted::Accepted { location }) => return Ok(see_other(&location, None)),
            Ok(Submitted::Invalid(faults)) => Setback::Invalid(faults),
            Ok(Submitted::Refused(error)) => Setback::Refused(error),
            Err(Error::LinkUsed) if self.still_works().await => return Err(refuse(Refusal::BeingChecked)),
            Err(error) => return Err(told(self.language, &error)),
        };
        Ok(self.answer(&key, Form { kept, setback: Some(setback), ..Form::default() }))
    }

    /// Whether a form that came too late has lost to one that is still being tried, not to one that was accepted.
    async fn still_works(&self) -> bool {
        self.gateway.engine.link_page(self.link).await.is_ok()
    }

    fn answer(&self, key: &FormKey, form: Form) -> Response {
        let form = Form { token: key.token(self.link), ..form };
        let page = pages::link(self.language, self.page, &form, self.gateway.engine.clock().now());
        let mut response = page.into_response();
        response.headers_mut().extend(key.cookie(self.secure()).map(|cookie| (SET_COOKIE, cookie)));
        response
    }

    fn secure(&self) -> bool {
        self.gateway.engine.public_url().scheme() == "https"
    }
}

//! A call that may be sent: checked, but for the credential.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method, Request, header};
use indexmap::IndexMap;
use tokio::sync::SetOnce;

use super::ProxyRequest;
use crate::{
    Error, Result,
    catalogue::template::Template,
    connections::registration::Setup,
    egress::{
        Failure,
        body::{Body, Outgoing},
        headers,
        target::Target,
    },
    rows::{Credential, StoredAccount},
};

/// A request that may be sent, but for the credential.
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    target: Target,
    /// Of the credential that the target is for.
    token_epoch: u64,
    headers: HeaderMap,
    body: Body,
    /// How long the head of the answer may take.
    pub(super) patience: Duration,
}

impl Call {
    /// Refuses what cannot be sent, before anything is: no token is refreshed for it.
    pub(super) fn new(
        setup: &Setup<'_>,
        account: &StoredAccount,
        entered: Option<&Credential>,
        asked: ProxyRequest,
        patience: Duration,
    ) -> Result<Self> {
        let send = &setup.method.send;
        let target = target(setup, account, entered, &asked.path, &asked.query)?;
        check_body(&asked.body, !send.body.is_empty())?;
        let mut headers = headers::caller_headers(&asked.headers, &names(&send.headers))?;
        if let Body::Stream(upload) = &asked.body
            && let Some(length) = upload.length()
        {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        Ok(Self {
            method: headers::method(asked.method.as_deref().unwrap_or("GET"))?,
            path: asked.path,
            query: asked.query,
            target,
            token_epoch: account.facts.token_epoch,
            headers,
            body: asked.body,
            patience,
        })
    }

    /// The same again, unless its body can be sent only once.
    pub(super) fn try_clone(&self) -> Option<Self> {
        Some(Self {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            target: self.target.clone(),
            token_epoch: self.token_epoch,
            headers: self.headers.clone(),
            body: self.body.try_clone()?,
            patience: self.patience,
        })
    }

    /// Adds the credential. One that came after the target was found may belong to another host.
    pub(super) fn authorized(
        mut self,
        setup: &Setup<'_>,
        account: &StoredAccount,
        credential: &Credential,
    ) -> Result<(Request<Outgoing>, Origin)> {
        if account.facts.token_epoch != self.token_epoch {
            self.target = target(setup, account, Some(credential), &self.path, &self.query)?;
        }
        let injection = setup.injection(&account.facts.kept, credential)?;
        let origin = Origin::of(&self);
        injection.address(&mut self.target);
        let (body, media_type) = injection.fill_body(self.body);
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target.uri()?;
        *request.headers_mut() = self.headers;
        if let Some(media_type) = media_type {
            request.headers_mut().entry(header::CONTENT_TYPE).or_insert(media_type);
        }
        injection.sign(&mut request)?;
        Ok((request, origin))
    }
}

/// Whom an answer is awaited from, and what for: enough to say why it does not come.
#[derive(Debug)]
pub(super) struct Origin {
    host: String,
    /// Sent twice, the request does what it does once (RFC 9110 §9.2.2).
    repeatable: bool,
    /// What the request's own body failed with.
    source: Option<Arc<SetOnce<Error>>>,
}

impl Origin {
    fn of(call: &Call) -> Self {
        let source = match &call.body {
            Body::Stream(upload) => Some(upload.failure()),
            _ => None,
        };
        Self {
            host: call.target.url().host_str().unwrap_or_default().to_owned(),
            repeatable: call.method.is_idempotent() && source.is_none(),
            source,
        }
    }

    /// Waits for the head of an answer, unless the request's own body fails meanwhile.
    pub(super) async fn head<T>(&self, opening: impl Future<Output = Result<T, Failure>>) -> Result<T> {
        let failed = async {
            match &self.source {
                Some(source) => source.wait().await.clone(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            opened = opening => opened.map_err(|failure| self.unanswered(failure)),
            error = failed => Err(error),
        }
    }

    /// Why there is no answer, or no more of it. A request that left may have been carried out.
    pub(super) fn unanswered(&self, failure: Failure) -> Error {
        if let Some(error) = self.source.as_ref().and_then(|failure| failure.get()) {
            return error.clone();
        }
        match failure {
            Failure::NotSent { reason } => {
                Error::ProviderUnreachable { host: self.host.clone(), reason: reason.into() }
            }
            Failure::Forbidden => Error::private_address(&self.host),
            Failure::Unknown { reason, .. } => self.lost(reason),
            Failure::TooLarge => self.invalid("it is too large".into()),
        }
    }

    pub(super) fn lost(&self, reason: &str) -> Error {
        Error::AnswerLost { host: self.host.clone(), reason: reason.into(), repeatable: self.repeatable }
    }

    pub(super) fn invalid(&self, reason: String) -> Error {
        Error::ProviderResponseInvalid { host: self.host.clone(), reason }
    }
}

/// Where the account's credential may go.
fn target(
    setup: &Setup<'_>,
    account: &StoredAccount,
    entered: Option<&Credential>,
    path: &str,
    query: &[(String, String)],
) -> Result<Target> {
    let base = setup.base_url(&account.facts.kept, entered)?;
    Target::new(&base, path, query, &names(&setup.method.send.query))
}

fn names(templates: &IndexMap<String, Template>) -> Vec<&str> {
    templates.keys().map(String::as_str).collect()
}

/// Where the credential stands in the body, there must be room for it.
fn check_body(body: &Body, carries_credential: bool) -> Result<()> {
    let has_room = matches!(body, Body::Form(_) | Body::Json(serde_json::Value::Object(_)));
    if carries_credential && !has_room {
        return Err(Error::invalid(
            "body",
            "must be a JSON object or a form: this connector sends its credential in it",
        ));
    }
    Ok(())
}

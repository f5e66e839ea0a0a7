//! The credential's way into a request: headers, query parameters or body fields, as the connector's `send` says.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method as HttpVerb, Request, header};
use indexmap::IndexMap;
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::{
    Error, Result,
    catalogue::{
        schema::{Connector, HttpMethod, Method, Probe},
        template::{Template, Values},
    },
    egress::{body::Body, target::Target},
    secret::{ExposeSecret, Secret},
};

/// What a connection adds to every call.
#[derive(Debug)]
pub(crate) struct Injection {
    /// Sent unless the caller says otherwise, such as `Notion-Version`.
    defaults: IndexMap<String, Secret>,
    headers: IndexMap<String, Secret>,
    query: IndexMap<String, Secret>,
    body: IndexMap<String, Secret>,
}

impl Injection {
    pub(crate) fn new(connector: &Connector, method: &Method, values: &Values) -> Result<Self> {
        let fill = |templates: &IndexMap<String, Template>| {
            let filled = templates.iter().map(|(name, template)| Ok((name.clone(), template.render(values)?)));
            filled.collect::<Result<IndexMap<String, Secret>>>()
        };
        let send = &method.send;
        Ok(Self {
            defaults: fill(&connector.headers)?,
            headers: fill(&send.headers)?,
            query: fill(&send.query)?,
            body: fill(&send.body)?,
        })
    }

    /// Adds the query parameters.
    pub(crate) fn address(&self, target: &mut Target) {
        for (name, value) in &self.query {
            target.append(name, value.expose_secret());
        }
    }

    /// Adds the headers; what stands in the request already yields to the credential, and to nothing else.
    pub(crate) fn sign(&self, request: &mut Request<Bytes>) -> Result<()> {
        let headers = request.headers_mut();
        for (name, value) in &self.defaults {
            let (name, value) = header_of(name, value)?;
            headers.entry(name).or_insert(value);
        }
        for (name, value) in &self.headers {
            let (name, value) = header_of(name, value)?;
            headers.insert(name, value);
        }
        Ok(())
    }

    /// The body as bytes with the fields that the connection sets, and its type.
    pub(crate) fn fill_body(&self, body: &Body) -> Result<(Bytes, Option<&'static str>)> {
        const JSON: &str = "application/json";
        const FORM: &str = "application/x-www-form-urlencoded";
        let fields = || self.body.iter().map(|(name, value)| (name.as_str(), value.expose_secret()));
        match body {
            Body::Empty => Ok((Bytes::new(), None)),
            Body::Bytes(bytes) => Ok((bytes.clone(), None)),
            Body::Json(Value::Object(object)) => {
                let mut object = object.clone();
                object.extend(fields().map(|(name, value)| (name.to_owned(), value.into())));
                Ok((Value::Object(object).to_string().into(), Some(JSON)))
            }
            Body::Json(json) => Ok((json.to_string().into(), Some(JSON))),
            Body::Form(pairs) => {
                let own = pairs.iter().filter(|(name, _)| !self.body.contains_key(name));
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(own).extend_pairs(fields());
                Ok((form.finish().into(), Some(FORM)))
            }
        }
    }

    /// The request that asks whose credential this is, sent to `url`.
    pub(crate) fn probe(&self, probe: &Probe, mut url: Url) -> Result<Request<Bytes>> {
        if !self.query.is_empty() {
            let pairs = self.query.iter().map(|(name, value)| (name, value.expose_secret()));
            url.query_pairs_mut().extend_pairs(pairs);
        }
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.as_str().parse().map_err(|_| Error::Internal { reason: "a URL is no URI".into() })?;
        *request.method_mut() = match probe.method {
            HttpMethod::Get => HttpVerb::GET,
            HttpMethod::Post => HttpVerb::POST,
            HttpMethod::Put => HttpVerb::PUT,
            HttpMethod::Delete => HttpVerb::DELETE,
        };
        let (body, content_type) = self.fill_body(&probe.json.clone().map_or(Body::Empty, Body::Json))?;
        if let Some(content_type) = content_type {
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        *request.body_mut() = body;
        self.sign(&mut request)?;
        request.headers_mut().entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        Ok(request)
    }
}

fn header_of(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue)> {
    let refused = || Error::ConnectorInvalid { problem: format!("its header `{name}` cannot be sent with this value") };
    let name = HeaderName::try_from(name).map_err(|_| refused())?;
    let mut value = HeaderValue::try_from(value.expose_secret()).map_err(|_| refused())?;
    value.set_sensitive(true);
    Ok((name, value))
}

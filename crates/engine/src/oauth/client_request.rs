//! A request in which the app proves itself to the provider: to the token endpoint, or to the one that revokes.

use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderName, HeaderValue, Method, Request, header};
use indexmap::IndexMap;
use url::Url;

use super::{
    ClientAuth, Encoding, Registration,
    parameters::{Guarded, Parameters, encode},
};
use crate::{Error, Result, secret::ExposeSecret};

/// The request that posts `parameters` to `url` with the client's own credentials, and what the connector `wishes`
/// beside them.
///
/// Fails with [`Error::ConnectorInvalid`] when the connector's parameters or headers cannot be sent, and with
/// [`Error::NotSupported`] for client authentication by `private_key_jwt`.
pub(super) fn of_client(
    registration: &Registration,
    url: &Url,
    mut parameters: Parameters,
    wishes: Option<(&IndexMap<String, String>, &Guarded)>,
) -> Result<Request<Bytes>> {
    let secret = registration.client_secret.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    match registration.client_auth {
        ClientAuth::Basic => {}
        ClientAuth::None => parameters.put("client_id", &registration.client_id),
        ClientAuth::Body => {
            parameters.put("client_id", &registration.client_id);
            parameters.put("client_secret", secret);
        }
        ClientAuth::PrivateKeyJwt => {
            return Err(Error::NotSupported { what: "client authentication by `private_key_jwt`".into() });
        }
    }
    if let Some((params, guarded)) = wishes {
        parameters.apply(params, guarded)?;
    }
    let secret_in_parameters = parameters.contains("client_secret");
    let parameters = parameters.rename(&registration.rename)?;

    let mut request = post(registration.encoding, url, &parameters)?;
    let headers = request.headers_mut();
    if registration.client_auth == ClientAuth::Basic {
        headers.insert(header::AUTHORIZATION, basic(&registration.client_id, secret)?);
    }
    for (name, value) in &registration.token_headers {
        let (name, value) = header_of("token_headers", name, value)?;
        // One way of client authentication in a request (RFC 6749 §2.3).
        if name == header::AUTHORIZATION && (secret_in_parameters || headers.contains_key(&name)) {
            return Err(invalid("`token_headers` may not authenticate beside `client_auth`"));
        }
        if name == header::CONTENT_TYPE {
            return Err(invalid("`token_headers` may not set the content type; use `encode`"));
        }
        headers.insert(name, value);
    }
    Ok(request)
}

/// A request of the provider's own kind: `params` to `url`, with `headers` beside those that the encoding needs. A `GET`
/// carries its parameters in the query.
///
/// Fails with [`Error::ConnectorInvalid`] when a header or the URL cannot be sent.
pub(crate) fn of_connector(
    method: Method,
    url: &Url,
    encoding: Encoding,
    params: &IndexMap<String, String>,
    headers: &IndexMap<String, String>,
) -> Result<Request<Bytes>> {
    let mut parameters = Parameters::default();
    for (name, value) in params {
        parameters.put(name, value);
    }
    let encoding = if method == Method::GET { Encoding::Query } else { encoding };
    let mut request = post(encoding, url, &parameters)?;
    *request.method_mut() = method;
    for (name, value) in headers {
        let (name, value) = header_of("headers", name, value)?;
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

fn post(encoding: Encoding, url: &Url, parameters: &Parameters) -> Result<Request<Bytes>> {
    let (url, body) = encoded(encoding, url, parameters);
    let uri = http::Uri::try_from(url.as_str()).map_err(|_| invalid("an endpoint's URL cannot be called"))?;
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(content_type) = content_type(encoding) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    Ok(request)
}

fn encoded(encoding: Encoding, url: &Url, parameters: &Parameters) -> (Url, String) {
    let mut url = url.clone();
    url.set_fragment(None);
    match encoding {
        Encoding::Form => (url, parameters.form()),
        Encoding::Json => (url, parameters.json()),
        // RFC 6749 §2.3.1 forbids secrets in a URL; a few providers read nothing else (Bullhorn).
        Encoding::Query => {
            let query = parameters.after(url.query());
            url.set_query(Some(&query));
            (url, String::new())
        }
    }
}

fn content_type(encoding: Encoding) -> Option<HeaderValue> {
    match encoding {
        Encoding::Form => Some(HeaderValue::from_static("application/x-www-form-urlencoded")),
        Encoding::Json => Some(HeaderValue::from_static("application/json")),
        Encoding::Query => None,
    }
}

/// HTTP Basic, both halves encoded first so that a colon within them does no harm (RFC 6749 §2.3.1).
fn basic(client_id: &str, client_secret: &str) -> Result<HeaderValue> {
    let halves = format!("{}:{}", encode(client_id), encode(client_secret));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(halves.as_bytes())))
        .map_err(|_| invalid("the client credentials cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn header_of(source: &str, name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let unsendable = |_| invalid(&format!("`{source}` holds a header that cannot be sent"));
    let name = HeaderName::try_from(name).map_err(|_| unsendable(()))?;
    let mut value = HeaderValue::try_from(value).map_err(|_| unsendable(()))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn invalid(problem: &str) -> Error {
    Error::ConnectorInvalid { problem: problem.into() }
}

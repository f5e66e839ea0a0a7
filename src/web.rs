//! The web's `Request` and `Response`, as `index.js` takes them apart and puts them together.

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use napi::bindgen_prelude::Uint8Array;
use onbehalf_engine::{Error, Result};
use serde::Deserialize;

use crate::{
    body::BodyOption,
    listener::{WebRequest, WebResponse},
};

/// How much of a body the pages take.
#[napi_derive::napi(skip_typescript)]
pub fn largest_form() -> u32 {
    u32::try_from(onbehalf_gateway::LARGEST_FORM).unwrap_or(u32::MAX)
}

/// A request's parts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WebOptions {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: BodyOption,
}

/// A request to the pages.
pub(crate) struct WebAsked(pub(crate) WebRequest);

impl TryFrom<WebOptions> for WebAsked {
    type Error = Error;

    fn try_from(options: WebOptions) -> Result<Self> {
        let problem = |_| Error::invalid("request", "must be a web Request");
        let onbehalf_engine::proxy::Body::Bytes(body) = options.body.0 else { return Err(problem(())) };
        let mut request = Request::new(body);
        *request.method_mut() = Method::from_bytes(options.method.as_bytes()).map_err(|_| problem(()))?;
        *request.uri_mut() = options.url.parse::<Uri>().map_err(|_| problem(()))?;
        for (name, value) in options.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| problem(()))?;
            request.headers_mut().append(name, HeaderValue::from_str(&value).map_err(|_| problem(()))?);
        }
        Ok(Self(request))
    }
}

/// A response's parts: the status, the headers (a name may be repeated), the body.
pub(crate) type WebAnswer = (u16, Vec<(String, String)>, Uint8Array);

/// Takes a response of the pages apart.
pub(crate) fn parts(response: WebResponse) -> WebAnswer {
    let (parts, body) = response.into_parts();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    (parts.status.as_u16(), headers, Uint8Array::from(body.to_vec()))
}

//! What a provider's API answered.
//!
//! `text`, `bytes` and `stream` of an answer are made in `streams.js`, of the functions below, which the package does not
//! export.

use std::{cell::Cell, sync::Arc};

use bytes::Bytes;
use indexmap::IndexMap;
use napi::{
    Either, Env, JsValue as _, Property, PropertyAttributes, Result, Unknown,
    bindgen_prelude::{
        FnArgs, Function, JsObjectValue as _, Object, PromiseRaw, This, ToNapiValue, Uint8Array, Uint8ArraySlice, sys,
    },
};
use napi_derive::napi;
use onbehalf_engine::{
    Error,
    proxy::{AnswerBody, ProxyResponse},
};

use crate::{
    call::attempt,
    promise::{Abandoned, Patience, promise},
};

/// What a provider's API answered, whatever its status.
#[napi]
pub struct ApiResponse {
    status: u16,
    /// Lower-case names; the values of a repeated one are joined.
    headers: IndexMap<String, String>,
    body: Body,
}

enum Body {
    Whole(Bytes),
    Streamed {
        /// Dropped with the answer, when JavaScript forgets it: then the connection closes.
        body: Arc<AnswerBody>,
        /// Whether somebody reads it.
        claimed: Cell<bool>,
    },
}

impl From<ProxyResponse> for ApiResponse {
    fn from(response: ProxyResponse) -> Self {
        let ProxyResponse { status, headers, body } = response;
        Self { status, headers: joined(headers), body: Body::Whole(body) }
    }
}

impl From<ProxyResponse<AnswerBody>> for ApiResponse {
    fn from(response: ProxyResponse<AnswerBody>) -> Self {
        let ProxyResponse { status, headers, body } = response;
        let body = Body::Streamed { body: Arc::new(body), claimed: Cell::new(false) };
        Self { status, headers: joined(headers), body }
    }
}

fn joined(pairs: Vec<(String, String)>) -> IndexMap<String, String> {
    let mut headers = IndexMap::<String, String>::new();
    for (name, value) in pairs {
        headers
            .entry(name)
            .and_modify(|values| {
                values.push_str(", ");
                values.push_str(&value);
            })
            .or_insert(value);
    }
    headers
}

impl ApiResponse {
    fn is_json(&self) -> bool {
        let media_type = self.headers.get("content-type").map(|value| value.split(';').next().unwrap_or_default());
        let media_type = media_type.unwrap_or_default().trim().to_ascii_lowercase();
        media_type == "application/json" || media_type.ends_with("+json")
    }
}

#[napi]
impl ApiResponse {
    /// The HTTP status.
    #[napi(catch_unwind, getter)]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers, by lower-case name; the values of a repeated one are joined by `, `.
    #[napi(catch_unwind, getter, ts_return_type = "Record<string, string>")]
    pub fn headers(&self) -> IndexMap<String, String> {
        self.headers.clone()
    }

    /// The body: parsed, when the answer says that it is JSON, else its text. Of an answer that is streamed,
    /// `undefined`.
    #[napi(catch_unwind, getter, ts_return_type = "unknown")]
    pub fn data<'env>(&self, env: &'env Env, mut this: This<'env>) -> Result<Unknown<'env>> {
        let Body::Whole(body) = &self.body else { return ().into_unknown(env) };
        let text = env.create_string(String::from_utf8_lossy(body))?;
        let data = match self.is_json() {
            true => parse_json(env, text.to_unknown()).unwrap_or(text.to_unknown()),
            false => text.to_unknown(),
        };
        // The next reader finds it on the object itself: parsed once, and the same each time.
        // Not among what is printed: it is the person's mail.
        let data_property = Property::new().with_utf8_name("data")?.with_value(&data);
        let hidden = data_property.with_property_attributes(PropertyAttributes::Configurable);
        this.object.define_properties(&[hidden])?;
        Ok(data)
    }
}

/// Begins to read a body: one that is streamed can be read once.
#[napi(skip_typescript)]
pub fn claim_body(env: &Env, response: &ApiResponse) -> Result<()> {
    attempt(env, || match &response.body {
        Body::Streamed { claimed, .. } if claimed.replace(true) => {
            Err(Error::invalid("response", "was read before: a body that is streamed can be read once").into())
        }
        Body::Whole(_) | Body::Streamed { .. } => Ok(()),
    })
}

/// All of a body, or all that is left of it.
#[napi(skip_typescript)]
pub fn read_whole<'env>(env: &'env Env, response: &ApiResponse) -> Result<PromiseRaw<'env, Uint8Array>> {
    match &response.body {
        Body::Whole(bytes) => PromiseRaw::resolve(env, Uint8Array::from(bytes.to_vec())),
        Body::Streamed { body, .. } => {
            let body = body.clone();
            attempt(env, || {
                promise(env, Patience::endless(), Abandoned::Stops, async move {
                    Ok(Uint8Array::from(Vec::from(body.collect().await?)))
                })
            })
        }
    }
}

/// Bytes that JavaScript gets in memory of its own: it knows how much that is, and frees it as it goes. Memory of ours
/// would come back only in pauses of the event loop, which a stream has none of.
pub struct Chunk(Bytes);

#[expect(unsafe_code, reason = "napi's trait is unsafe to implement")]
impl ToNapiValue for Chunk {
    unsafe fn to_napi_value(env: sys::napi_env, chunk: Self) -> Result<sys::napi_value> {
        Ok(Uint8ArraySlice::copy_from(&Env::from_raw(env), &chunk.0)?.raw())
    }
}

/// The next bytes of a body that is streamed; `undefined` at its end.
#[napi(skip_typescript)]
pub fn read_chunk<'env>(env: &'env Env, response: &ApiResponse) -> Result<PromiseRaw<'env, Either<Chunk, ()>>> {
    let Body::Streamed { body, .. } = &response.body else { return PromiseRaw::resolve(env, Either::B(())) };
    let body = body.clone();
    attempt(env, || {
        promise(env, Patience::endless(), Abandoned::Stops, async move {
            Ok(body.chunk().await?.map_or(Either::B(()), |chunk| Either::A(Chunk(chunk))))
        })
    })
}

/// Breaks a body off that is streamed: the connection closes.
#[napi(skip_typescript)]
pub fn cancel_body(response: &ApiResponse) {
    if let Body::Streamed { body, .. } = &response.body {
        body.cancel();
    }
}

fn parse_json<'env>(env: &'env Env, text: Unknown<'env>) -> Result<Unknown<'env>> {
    let json: Object<'env> = env.get_global()?.get_named_property_unchecked("JSON")?;
    let parse: Function<'env, FnArgs<(Unknown<'env>,)>, Unknown<'env>> = json.get_named_property_unchecked("parse")?;
    parse.call((text,).into())
}

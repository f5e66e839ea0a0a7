//! What a provider's API answered.

use bytes::Bytes;
use indexmap::IndexMap;
use napi::{
    Env, JsValue as _, Property, PropertyAttributes, Result, Unknown,
    bindgen_prelude::{FnArgs, Function, JsObjectValue as _, Object, PromiseRaw, This, Uint8Array},
};
use napi_derive::napi;
use onbehalf_engine::proxy::ProxyResponse;

/// What a provider's API answered, whatever its status.
#[napi]
pub struct ApiResponse {
    status: u16,
    /// Lower-case names; the values of a repeated one are joined.
    headers: IndexMap<String, String>,
    body: Bytes,
}

impl From<ProxyResponse> for ApiResponse {
    fn from(response: ProxyResponse) -> Self {
        let mut headers = IndexMap::<String, String>::new();
        for (name, value) in response.headers {
            headers
                .entry(name)
                .and_modify(|values| {
                    values.push_str(", ");
                    values.push_str(&value);
                })
                .or_insert(value);
        }
        Self { status: response.status, headers, body: response.body }
    }
}

impl ApiResponse {
    fn is_json(&self) -> bool {
        let media_type = self.headers.get("content-type").map(|value| value.split(';').next().unwrap_or_default());
        let media_type = media_type.unwrap_or_default().trim().to_ascii_lowercase();
        media_type == "application/json" || media_type.ends_with("+json")
    }

    fn decoded(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
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

    /// The body: parsed, when the answer says that it is JSON, else its text.
    #[napi(catch_unwind, getter, ts_return_type = "unknown")]
    pub fn data<'env>(&self, env: &'env Env, mut this: This<'env>) -> Result<Unknown<'env>> {
        let text = env.create_string(self.decoded())?;
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

    /// The body as text.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn text<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, String>> {
        PromiseRaw::resolve(env, self.decoded())
    }

    /// The body, byte for byte.
    #[napi(catch_unwind, ts_return_type = "Promise<Uint8Array>")]
    pub fn bytes<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Uint8Array>> {
        PromiseRaw::resolve(env, Uint8Array::from(self.body.to_vec()))
    }
}

fn parse_json<'env>(env: &'env Env, text: Unknown<'env>) -> Result<Unknown<'env>> {
    let json: Object<'env> = env.get_global()?.get_named_property_unchecked("JSON")?;
    let parse: Function<'env, FnArgs<(Unknown<'env>,)>, Unknown<'env>> = json.get_named_property_unchecked("parse")?;
    parse.call((text,).into())
}

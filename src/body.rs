//! What a request carries: a body of any kind, and parameters as JavaScript writes them.

use std::fmt;

use bytes::Bytes;
use onbehalf_engine::proxy::Body;
use serde::{
    Deserialize, Deserializer,
    de::{
        MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

/// A body: an object or an array is JSON, a string or bytes are sent as they are.
pub struct BodyOption(pub(crate) Body);

impl<'de> Deserialize<'de> for BodyOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BodyVisitor).map(Self)
    }
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, an array, a string or a Uint8Array")
    }

    fn visit_str<E>(self, text: &str) -> Result<Body, E> {
        Ok(Body::Bytes(Bytes::copy_from_slice(text.as_bytes())))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Body, E> {
        Ok(Body::Bytes(Bytes::from(bytes)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Body, A::Error> {
        serde_json::Value::deserialize(SeqAccessDeserializer::new(values)).map(Body::Json)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Body, A::Error> {
        serde_json::Value::deserialize(MapAccessDeserializer::new(entries)).map(Body::Json)
    }
}

/// Parameters of a query or a form, in order; an array repeats its name, `null` leaves it out.
#[derive(Default)]
pub struct Parameters(pub(crate) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ParametersVisitor).map(Self)
    }
}

struct ParametersVisitor;

impl<'de> Visitor<'de> for ParametersVisitor {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut parameters = Vec::new();
        while let Some((name, values)) = entries.next_entry::<String, Values>()? {
            parameters.extend(values.0.into_iter().map(|value| (name.clone(), value)));
        }
        Ok(parameters)
    }
}

/// The values of one name, as text.
struct Values(Vec<String>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValuesVisitor).map(Self)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, a boolean or an array of them")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(vec![value.to_string()])
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(vec![value.to_string()])
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(vec![value.to_string()])
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(vec![value.into()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Values(mut values)) = values.next_element()? {
            all.append(&mut values);
        }
        Ok(all)
    }
}

//! From what was read to what was meant: serde over [`Value`].
//!
//! Its errors are the engine's: they name the option and what it must be, and never repeat a value.

use std::fmt::{self, Display};

use onbehalf_engine::{Error, time::Timestamp};
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer as _, MapAccess,
    SeqAccess, Unexpected, Visitor,
};

use crate::argument::{Value, path};

/// Whole numbers below this are written as such, as JavaScript writes them.
const TWO_TO_THE_63: f64 = 9_223_372_036_854_775_808.0;
/// From here on a suggestion is more likely right than wrong.
const ALIKE: f64 = 0.8;

/// Decodes an options object.
pub(crate) fn decode<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(value).map_err(Refusal::into_error)
}

/// Why a value is not what was asked for.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// From the innermost key outwards.
    steps: Vec<String>,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Invalid(String),
    Unknown { nearest: Option<String> },
}

impl Refusal {
    fn within(mut self, step: impl Into<String>) -> Self {
        self.steps.push(step.into());
        self
    }

    fn invalid(problem: impl Into<String>) -> Self {
        Self { steps: Vec::new(), problem: Problem::Invalid(problem.into()) }
    }

    fn into_error(mut self) -> Error {
        self.steps.reverse();
        let option = path(&self.steps);
        match self.problem {
            Problem::Invalid(problem) => Error::invalid(option, problem),
            Problem::Unknown { nearest } => Error::UnknownOption { option, nearest },
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an option is refused")
    }
}

impl std::error::Error for Refusal {}

impl serde::de::Error for Refusal {
    /// Only our own `Deserialize` implementations come here, with the end of a sentence.
    fn custom<T: Display>(problem: T) -> Self {
        Self::invalid(problem.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid(format!("must be {}", in_javascript(&expected.to_string())))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::invalid("is required").within(field)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let nearest = nearest(field, expected);
        Self { steps: vec![field.into()], problem: Problem::Unknown { nearest } }
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let quoted: Vec<_> = expected.iter().map(|variant| format!("\"{variant}\"")).collect();
        Self::invalid(format!("must be {}", quoted.join(" or ")))
    }
}

/// The one of `options` that is most like `written`, if any is.
pub(crate) fn nearest(written: &str, options: &[&str]) -> Option<String> {
    let written = written.to_lowercase();
    options
        .iter()
        .map(|option| (strsim::jaro_winkler(&written, &option.to_lowercase()), option))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, option)| (*option).into())
}

/// What serde expects, in a JavaScript programmer's words.
fn in_javascript(expected: &str) -> &str {
    match expected {
        "f64" => "a number",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "a sequence" => "an array",
        "a map" => "an object",
        expected if expected.starts_with("struct ") => "an object",
        expected if expected.starts_with("enum ") || expected == "variant identifier" => "a string",
        expected => expected,
    }
}

impl<'de> Deserializer<'de> for Value {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(bool) => visitor.visit_bool(bool),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < TWO_TO_THE_63 => {
                visitor.visit_i64(number as i64)
            }
            Self::Number(number) => visitor.visit_f64(number),
            Self::Text(mut text) => visitor.visit_string(std::mem::take(&mut *text)),
            Self::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Self::Date(_) => {
                Err(Refusal::invalid("must be a plain object, an array or a Uint8Array, not an instance of a class"))
            }
            Self::Array(values) => visitor.visit_seq(Elements { values: values.into_iter(), index: 0 }),
            Self::Object(entries) => visitor.visit_map(Entries { entries: entries.into_iter(), current: None }),
        }
    }

    /// `null` says the same as leaving an option out.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self {
            Self::Null => visitor.visit_none(),
            value => visitor.visit_some(value),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        match self {
            Self::Date(millis) if name == DATE => visitor.visit_i64(millis as i64),
            _ if name == DATE => Err(Refusal::invalid("must be a Date")),
            value => visitor.visit_newtype_struct(value),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self {
            Self::Text(text) => text.as_str().into_deserializer().deserialize_enum(name, variants, visitor),
            value => value.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

/// A moment that JavaScript gave as a `Date`, and as nothing else.
pub struct Date(pub(crate) Timestamp);

const DATE: &str = "Date";

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Millis;

        impl Visitor<'_> for Millis {
            type Value = Date;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a Date")
            }

            fn visit_i64<E: serde::de::Error>(self, millis: i64) -> Result<Date, E> {
                Ok(Date(Timestamp::from_millis(millis)))
            }
        }

        deserializer.deserialize_newtype_struct(DATE, Millis)
    }
}

struct Elements {
    values: std::vec::IntoIter<Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let Some(value) = self.values.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(value).map(Some).map_err(|refusal| refusal.within(index.to_string()))
    }
}

struct Entries {
    entries: std::vec::IntoIter<(String, Value)>,
    current: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        self.current = self.entries.next();
        let Some((key, _)) = &self.current else { return Ok(None) };
        seed.deserialize(key.clone().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let (key, value) = self.current.take().expect("serde asks for a value after its key");
        seed.deserialize(value).map_err(|refusal| refusal.within(key))
    }
}

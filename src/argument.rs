//! Arguments, read once.
//!
//! What a caller passes is JavaScript: it may have getters, be a proxy, or stand on a prototype that someone else
//! polluted. So before anything else happens it is read here into a [`Value`] of our own: own enumerable properties
//! only, each exactly once, with bounds on size and depth, and strings measured before they are copied. No lock of
//! ours is held meanwhile, since a getter may call back in.

use napi::{
    JsDate, JsString, JsValue as _, Unknown, ValueType,
    bindgen_prelude::{
        FromNapiValue as _, JsObjectValue as _, KeyCollectionMode, KeyConversion, KeyFilter, Object, Uint8Array,
    },
};
use onbehalf_engine::Error;
use zeroize::Zeroizing;

use crate::error::Failure;

/// Objects within objects.
const MAX_DEPTH: usize = 32;
/// Values of one argument, whatever their kind.
const MAX_VALUES: usize = 100_000;
/// Bytes of strings, keys and byte arrays of one argument.
const MAX_BYTES: usize = 64 << 20;
/// UTF-16 units of a key.
const MAX_KEY: usize = 1024;

/// A JavaScript value, copied.
pub(crate) enum Value {
    /// `null`, or `undefined` in an array.
    Null,
    Bool(bool),
    /// Finite.
    Number(f64),
    /// May be a secret: wiped when dropped.
    Text(Zeroizing<String>),
    /// A copy: what JavaScript does to the array later changes nothing.
    Bytes(Vec<u8>),
    /// A `Date`, in milliseconds; nothing where it is none that there is.
    Date(f64),
    Array(Vec<Value>),
    /// In the order of the object's keys; those whose value is `undefined` are left out.
    Object(Vec<(String, Value)>),
}

/// An options object as it was passed, and the signal among its properties.
pub(crate) struct Argument<'env> {
    pub(crate) value: Value,
    pub(crate) signal: Option<Unknown<'env>>,
}

impl<'env> Argument<'env> {
    /// Reads the options of a call. No options are an empty object.
    pub(crate) fn read(options: Unknown<'env>) -> Result<Self, Failure> {
        let mut reader = Reader { signal: None, path: Vec::new(), values: 0, bytes: 0 };
        let value = match options.get_type()? {
            ValueType::Undefined => Value::Object(Vec::new()),
            _ => reader.value(options)?,
        };
        match value {
            Value::Object(_) => Ok(Self { value, signal: reader.signal }),
            _ => Err(Error::invalid("options", "must be an object").into()),
        }
    }

    /// Removes an option and returns its value.
    pub(crate) fn take(&mut self, option: &str) -> Option<Value> {
        let Value::Object(entries) = &mut self.value else { return None };
        let position = entries.iter().position(|(key, _)| key == option)?;
        Some(entries.remove(position).1)
    }
}

/// Variables of the process's environment whose names begin with one of `prefixes`.
pub(crate) fn variables(env: Unknown<'_>, prefixes: &[&str]) -> Result<Vec<(String, Zeroizing<String>)>, Failure> {
    let mut reader = Reader { signal: None, path: Vec::new(), values: 0, bytes: 0 };
    let mut variables = Vec::new();
    if env.get_type()? != ValueType::Object {
        return Ok(variables);
    }
    let object = Object::from_unknown(env)?;
    for key in own_keys(&object)? {
        let name = reader.text(key)?;
        if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            let value = object.get_property_unchecked::<_, Unknown<'_>>(key)?;
            reader.path.push(name.to_string());
            if value.get_type()? == ValueType::String {
                variables.push((name.to_string(), reader.text(JsString::from_unknown(value)?)?));
            }
            reader.path.pop();
        }
    }
    Ok(variables)
}

/// The keys of an object's own enumerable properties. Symbols name no option.
fn own_keys<'env>(object: &Object<'env>) -> Result<Vec<JsString<'env>>, Failure> {
    let keys = object.get_all_property_names(
        KeyCollectionMode::OwnOnly,
        KeyFilter::Enumerable,
        KeyConversion::NumbersToStrings,
    )?;
    let mut names = Vec::new();
    for index in 0..keys.get_array_length()? {
        let key = keys.get_element::<Unknown<'_>>(index)?;
        if key.get_type()? == ValueType::String {
            names.push(JsString::from_unknown(key)?);
        }
        if names.len() > MAX_VALUES {
            return Err(too_large());
        }
    }
    Ok(names)
}

struct Reader<'env> {
    /// The value of the property `signal` of the outermost object: the one thing that is no plain data.
    signal: Option<Unknown<'env>>,
    /// Where the reader is, for messages.
    path: Vec<String>,
    values: usize,
    bytes: usize,
}

impl<'env> Reader<'env> {
    fn value(&mut self, value: Unknown<'env>) -> Result<Value, Failure> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(too_large());
        }
        match value.get_type()? {
            ValueType::Undefined | ValueType::Null => Ok(Value::Null),
            ValueType::Boolean => Ok(Value::Bool(bool::from_unknown(value)?)),
            ValueType::Number => match f64::from_unknown(value)? {
                number if number.is_finite() => Ok(Value::Number(number)),
                _ => Err(self.refuse("must be a finite number")),
            },
            ValueType::String => Ok(Value::Text(self.text(JsString::from_unknown(value)?)?)),
            ValueType::Object => self.object(value),
            ValueType::BigInt => Err(self.refuse("must not be a BigInt")),
            ValueType::Symbol => Err(self.refuse("must not be a symbol")),
            ValueType::Function => Err(self.refuse("must not be a function")),
            _ => Err(self.refuse("must be plain data")),
        }
    }

    fn object(&mut self, value: Unknown<'env>) -> Result<Value, Failure> {
        if self.path.len() >= MAX_DEPTH {
            return Err(self.refuse("is nested too deeply, or contains itself"));
        }
        if value.is_typedarray()? {
            return self.byte_array(value);
        }
        // Options themselves are no Date.
        if !self.path.is_empty() && value.is_date()? {
            return match JsDate::from_unknown(value)?.value_of()? {
                millis if millis.is_finite() => Ok(Value::Date(millis)),
                _ => Err(self.refuse("must be a valid Date")),
            };
        }
        let object = Object::from_unknown(value)?;
        if value.is_array()? {
            return self.array(&object);
        }
        if !is_plain(&object)? {
            return Err(self.refuse("must be a plain object, an array or a Uint8Array, not an instance of a class"));
        }
        let mut entries = Vec::new();
        for key in own_keys(&object)? {
            if key.utf16_len()? > MAX_KEY {
                return Err(self.refuse("has a key that is too long"));
            }
            let name = self.text(key)?.to_string();
            // A getter read before may have removed it; it must not be looked for on the prototype then.
            if !object.has_own_property_js(key)? {
                continue;
            }
            let property = object.get_property_unchecked::<_, Unknown<'env>>(key)?;
            if property.get_type()? == ValueType::Undefined {
                continue;
            }
            if self.path.is_empty() && name == "signal" {
                // `null` says the same as leaving it out.
                self.signal = (property.get_type()? != ValueType::Null).then_some(property);
                continue;
            }
            self.path.push(name);
            let value = self.value(property)?;
            entries.push((self.path.pop().unwrap_or_default(), value));
        }
        Ok(Value::Object(entries))
    }

    fn array(&mut self, array: &Object<'env>) -> Result<Value, Failure> {
        let length = array.get_array_length()?;
        if length as usize > MAX_VALUES {
            return Err(too_large());
        }
        let mut values = Vec::with_capacity(length as usize);
        for index in 0..length {
            self.path.push(index.to_string());
            // A hole must not be filled from a polluted prototype.
            values.push(match array.has_own_property(&index.to_string())? {
                true => self.value(array.get_element::<Unknown<'env>>(index)?)?,
                false => Value::Null,
            });
            self.path.pop();
        }
        Ok(Value::Array(values))
    }

    fn byte_array(&mut self, value: Unknown<'env>) -> Result<Value, Failure> {
        let Ok(array) = Uint8Array::from_unknown(value) else {
            return Err(self.refuse("must be a Uint8Array"));
        };
        self.weigh(array.len())?;
        Ok(Value::Bytes(array.to_vec()))
    }

    fn text(&mut self, text: JsString<'env>) -> Result<Zeroizing<String>, Failure> {
        let length = text.utf16_len()?;
        self.weigh(length)?;
        // napi's buffer ends in a terminator.
        match String::from_utf16(&text.into_utf16()?[..length]) {
            Ok(text) => Ok(Zeroizing::new(text)),
            Err(_) => Err(self.refuse("must be well-formed Unicode: it contains a lone surrogate")),
        }
    }

    fn weigh(&mut self, bytes: usize) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_BYTES { Err(too_large()) } else { Ok(()) }
    }

    fn refuse(&self, problem: &str) -> Failure {
        Error::invalid(path(&self.path), problem).into()
    }
}

/// Whether an object is a literal, of whatever realm: its prototype is none, or one that has none itself.
fn is_plain(object: &Object<'_>) -> Result<bool, Failure> {
    let prototype = object.get_prototype()?;
    if prototype.get_type()? == ValueType::Null {
        return Ok(true);
    }
    Ok(Object::from_unknown(prototype)?.get_prototype()?.get_type()? == ValueType::Null)
}

fn too_large() -> Failure {
    Error::invalid("options", "are too large").into()
}

/// A path for messages, such as `connections.gmail.clientId`. Keys are the caller's own: cut, and escaped where they
/// could do harm in a log.
pub(crate) fn path(steps: &[String]) -> String {
    if steps.is_empty() {
        return "options".into();
    }
    let readable = |step: &String| step.chars().take(64).flat_map(char::escape_debug).collect::<String>();
    steps.iter().map(readable).collect::<Vec<_>>().join(".")
}

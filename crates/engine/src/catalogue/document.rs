//! A connector file as a tree that remembers where each key stands, before and after files are merged.
//!
//! TOML and JSON become the same tree. It is read by serde through a deserializer of its own, so that a mistake is
//! reported in our words, with the file and line that the key came from: its own file, or its family's.

use std::{fmt, sync::Arc};

use indexmap::IndexMap;
use serde::de::{self, IntoDeserializer as _, value::StrDeserializer};
use toml::de::{DeTable, DeValue};

use super::nearest::did_you_mean;
use crate::Error;

/// Where something stands, for people: `gmail.toml:7`, or `acme, auth.oauth2.scopes` for JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name; for JSON, what it defines and the path inside it.
    pub file: Arc<str>,
    /// Counted from 1; none for JSON.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// A mistake in a file, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Set on the way out of the deserializer, by the innermost node.
    pub(super) at: Option<Place>,
    pub(super) problem: String,
}

impl Fault {
    pub(super) fn new(at: &Place, problem: impl Into<String>) -> Self {
        Self { at: Some(at.clone()), problem: problem.into() }
    }

    fn within(mut self, place: &Place) -> Self {
        self.at.get_or_insert_with(|| place.clone());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(place) => write!(f, "{place}: {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::ConnectorInvalid { problem: fault.to_string() }
    }
}

/// One value of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where its key stands; for an item of a list, where it stands itself.
    pub(super) at: Place,
    pub(super) value: Tree,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Text(String),
    Integer(i64),
    Number(f64),
    Flag(bool),
    Null,
    List(Vec<Node>),
    /// In the order of the file.
    Table(IndexMap<String, Node>),
}

impl Node {
    /// Reads TOML; `file` is its name for messages.
    pub(super) fn from_toml(file: &str, text: &str) -> Result<Self, Fault> {
        let lines = Lines { file: file.into(), text };
        match DeTable::parse(text) {
            Ok(table) => Ok(Self { at: lines.place(0), value: Tree::Table(read_table(&lines, table.into_inner())?) }),
            // The parser's own words may quote the file; the place says enough.
            Err(error) => Err(Fault::new(&lines.place(error.span().map_or(0, |span| span.start)), "this is not TOML")),
        }
    }

    /// Reads JSON; `name` is what it defines, for messages.
    pub(super) fn from_json(name: &str, value: &serde_json::Value) -> Self {
        let below = |key: &dyn fmt::Display| format!("{name}{}{key}", if name.contains(", ") { "." } else { ", " });
        let value = match value {
            serde_json::Value::Null => Tree::Null,
            serde_json::Value::Bool(flag) => Tree::Flag(*flag),
            serde_json::Value::Number(number) => {
                number.as_i64().map_or_else(|| Tree::Number(number.as_f64().unwrap_or(f64::NAN)), Tree::Integer)
            }
            serde_json::Value::String(text) => Tree::Text(text.clone()),
            serde_json::Value::Array(items) => Tree::List(
                items.iter().enumerate().map(|(index, item)| Self::from_json(&below(&index), item)).collect(),
            ),
            serde_json::Value::Object(entries) => Tree::Table(
                entries.iter().map(|(key, value)| (key.clone(), Self::from_json(&below(key), value))).collect(),
            ),
        };
        Self { at: Place { file: name.into(), line: None }, value }
    }

    pub(super) fn table(&self) -> Option<&IndexMap<String, Self>> {
        if let Tree::Table(entries) = &self.value { Some(entries) } else { None }
    }

    pub(super) fn table_mut(&mut self) -> Option<&mut IndexMap<String, Self>> {
        if let Tree::Table(entries) = &mut self.value { Some(entries) } else { None }
    }

    /// What stands at a path of keys and indexes.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| match &node.value {
            Tree::Table(entries) => entries.get(*key),
            Tree::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Where the longest part of the path stands that there is.
    pub(super) fn place(&self, path: &[&str]) -> &Place {
        (0..=path.len()).rev().find_map(|length| self.get(&path[..length])).map_or(&self.at, |node| &node.at)
    }

    /// Takes an entry out of a table, which must be a text.
    pub(super) fn take_text(&mut self, key: &str) -> Result<Option<(String, Place)>, Fault> {
        match self.table_mut().and_then(|entries| entries.shift_remove(key)) {
            None => Ok(None),
            Some(Self { at, value: Tree::Text(text) }) => Ok(Some((text, at))),
            Some(Self { at, .. }) => Err(Fault::new(&at, format!("`{key}` must be a string"))),
        }
    }

    /// This tree, and from `base` what it does not say itself. Tables are merged, everything else is replaced. Keys
    /// keep this tree's order; those of `base` alone come last.
    pub(super) fn over(self, base: &Self) -> Self {
        let value = match (self.value, &base.value) {
            (Tree::Table(mut own), Tree::Table(inherited)) => {
                for (key, node) in inherited {
                    let merged = match own.get_mut(key) {
                        Some(slot) => std::mem::replace(slot, node.clone()).over(node),
                        None => node.clone(),
                    };
                    own.insert(key.clone(), merged);
                }
                Tree::Table(own)
            }
            (own, _) => own,
        };
        Self { at: self.at, value }
    }
}

/// Turns byte positions of a text into lines.
struct Lines<'t> {
    file: Arc<str>,
    text: &'t str,
}

impl Lines<'_> {
    fn place(&self, position: usize) -> Place {
        let before = &self.text.as_bytes()[..position.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Place { file: self.file.clone(), line: Some(line) }
    }
}

fn read_table(lines: &Lines<'_>, table: DeTable<'_>) -> Result<IndexMap<String, Node>, Fault> {
    let mut entries: Vec<_> = table.into_iter().collect();
    // The parser sorts keys; the file's own order is the order of their places.
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
        .into_iter()
        .map(|(key, value)| {
            let at = lines.place(key.span().start);
            let value = read_value(lines, &at, value.into_inner())?;
            Ok((key.into_inner().into_owned(), Node { at, value }))
        })
        .collect()
}

fn read_value(lines: &Lines<'_>, at: &Place, value: DeValue<'_>) -> Result<Tree, Fault> {
    Ok(match value {
        DeValue::String(text) => Tree::Text(text.into_owned()),
        DeValue::Boolean(flag) => Tree::Flag(flag),
        DeValue::Integer(digits) => Tree::Integer(
            i64::from_str_radix(digits.as_str(), digits.radix())
                .map_err(|_| Fault::new(at, "the number is too large"))?,
        ),
        DeValue::Float(digits) => {
            Tree::Number(digits.as_str().parse().map_err(|_| Fault::new(at, "the number cannot be read"))?)
        }
        DeValue::Datetime(_) => return Err(Fault::new(at, "a date must stand in quotes")),
        DeValue::Array(items) => Tree::List(
            items
                .into_iter()
                .map(|item| {
                    let at = lines.place(item.span().start);
                    let value = read_value(lines, &at, item.into_inner())?;
                    Ok(Node { at, value })
                })
                .collect::<Result<_, Fault>>()?,
        ),
        DeValue::Table(table) => Tree::Table(read_table(lines, table)?),
    })
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self { at: None, problem: problem.to_string() }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        // serde says `struct Field` for what a file calls a table.
        let expected = expected.to_string();
        let expected = if expected.starts_with("struct") || expected == "a map" { "a table" } else { &expected };
        let expected = if expected == "a sequence" { "a list" } else { expected };
        Self::custom(format_args!("the value must be {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("the value must be {expected}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("unknown key `{field}`{}", did_you_mean(field, expected.iter().copied())))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("`{variant}` is none of `{}`", expected.join("`, `")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("the key `{field}` is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format_args!("the key `{field}` stands twice"))
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = Fault;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let result = match &self.value {
            Tree::Text(text) => visitor.visit_borrowed_str(text),
            Tree::Integer(integer) => visitor.visit_i64(*integer),
            Tree::Number(number) => visitor.visit_f64(*number),
            Tree::Flag(flag) => visitor.visit_bool(*flag),
            Tree::Null => visitor.visit_unit(),
            Tree::List(items) => visitor.visit_seq(de::value::SeqDeserializer::new(items.iter().map(Item))),
            Tree::Table(entries) => visitor.visit_map(Entries { rest: entries.iter(), value: None }),
        };
        result.map_err(|fault| fault.within(&self.at))
    }

    fn deserialize_option<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Tree::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: de::Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Tree::Text(text) = &self.value else {
            return Err(Fault::new(&self.at, format!("the value must be one of `{}`", variants.join("`, `"))));
        };
        visitor.visit_enum(de::value::BorrowedStrDeserializer::new(text)).map_err(|fault: Fault| fault.within(&self.at))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// An item of a list.
struct Item<'de>(&'de Node);

impl<'de> de::IntoDeserializer<'de, Fault> for Item<'de> {
    type Deserializer = &'de Node;

    fn into_deserializer(self) -> &'de Node {
        self.0
    }
}

/// The entries of a table.
struct Entries<'de> {
    rest: indexmap::map::Iter<'de, String, Node>,
    value: Option<&'de Node>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        let key: StrDeserializer<'_, Fault> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|fault| fault.within(&value.at))
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let value = self.value.take().ok_or_else(|| de::Error::custom("a value was read before its key"))?;
        seed.deserialize(value).map_err(|fault| fault.within(&value.at))
    }
}

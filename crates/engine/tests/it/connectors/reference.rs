//! `docs/connectors.md` says what the schema has, no more and no less, and its examples are a connector.

use std::{collections::BTreeMap, fmt};

use onbehalf_engine::{
    catalogue::{
        Catalogue,
        field::Field,
        profile::Profile,
        schema::{Connector, Jwt, Method, Probe, Send, Step},
    },
    oauth::ResponsePaths,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

const DOCS: &str = include_str!("../../../../../docs/connectors.md");

#[test]
fn the_docs_name_every_key_of_the_schema_and_no_other() {
    let schema = [
        ("the file", keys::<Connector>(&["extends"])),
        ("`fields.<name>`", keys::<Field>(&[])),
        ("`probe`", keys::<Probe>(&[])),
        ("`auth.<name>`", keys::<Method>(&["extends"])),
        ("`….response`", keys::<ResponsePaths>(&[])),
        ("`….send`", keys::<Send>(&[])),
        ("`….jwt`", keys::<Jwt>(&[])),
        ("`….steps[]`", keys::<Step>(&[])),
    ];
    let documented = documented();
    assert_eq!(documented.len(), schema.len());
    for (place, keys) in schema {
        assert_eq!(documented.get(place), Some(&keys), "{place}");
    }
}

#[test]
fn the_docs_name_every_key_of_a_profile_and_no_other() {
    let rows = section("## Refresh tokens").lines().filter_map(|line| line.strip_prefix("| `"));
    let mut documented: Vec<_> = rows.map(|row| row.split('`').next().unwrap()).collect();
    documented.sort_unstable();
    assert_eq!(documented, keys::<Profile>(&[]));
}

#[test]
fn the_examples_of_the_docs_are_a_connector() {
    let examples = DOCS.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let connector = ("acme.toml".to_owned(), examples.collect());
    let catalogue = Catalogue::embedded().unwrap().overlay([connector]).unwrap();
    let (_, method) = catalogue.connector("acme").unwrap().supported_method(None).unwrap();
    assert_ne!(method.refresh_tokens, Profile::default());
    assert!(catalogue.lint().is_empty());
}

/// What stands below a heading.
fn section(heading: &str) -> &'static str {
    DOCS.split(heading).nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap()
}

/// What the table's first two columns say: place → keys, sorted.
fn documented() -> BTreeMap<String, Vec<String>> {
    let mut documented: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut place = String::new();
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| in ") && !line.starts_with("| -");
    for row in section("## Every key").lines().filter(is_row) {
        let mut cells = row.split('|').skip(1).map(str::trim);
        let (first, keys) = (cells.next().unwrap(), cells.next().unwrap());
        if !first.is_empty() {
            place = first.to_owned();
        }
        let keys = keys.split(", ").map(|key| key.trim_matches(['`', '*']).to_owned());
        documented.entry(place.clone()).or_default().extend(keys);
    }
    for keys in documented.values_mut() {
        keys.sort_unstable();
    }
    documented
}

/// The keys that a table of this type has, and those that are taken out before it is read; sorted.
fn keys<'de, T: Deserialize<'de>>(besides: &[&str]) -> Vec<String> {
    let Err(Keys(known)) = T::deserialize(Asked) else { panic!("nothing can be read here") };
    let mut keys: Vec<String> = known.iter().chain(besides).map(|key| (*key).to_owned()).collect();
    keys.sort_unstable();
    keys
}

/// Reads nothing, and remembers which keys it was asked for.
struct Asked;

#[derive(Debug)]
struct Keys(&'static [&'static str]);

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Keys {}

impl Error for Keys {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Asked {
    type Error = Keys;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Keys> {
        Err(Keys(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Keys> {
        Err(Keys(keys))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

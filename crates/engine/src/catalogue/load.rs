//! From files to connectors: families, inheritance, and the catalogue that travels inside the library.
//!
//! A file is `<slug>.toml`. `extends` at its top names a family, which fills in what the file does not say; `extends`
//! inside a method names another method of the same connector. Families are no connectors. The embedded files are
//! parsed when they are asked for; a user's files when they are added, so that a mistake shows at once.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use include_dir::{Dir, include_dir};
use indexmap::IndexMap;
use serde::Deserialize as _;

use super::{
    document::{Fault, Node, Place, Tree},
    lint,
    nearest::{did_you_mean, nearest},
    schema::Connector,
};
use crate::{Error, Result};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../connectors");

/// Every connector there is, by slug.
#[derive(Debug)]
pub struct Catalogue {
    entries: BTreeMap<String, Entry>,
}

/// One connector, perhaps not parsed yet.
#[derive(Debug)]
struct Entry {
    file: String,
    text: Cow<'static, str>,
    connector: OnceLock<Result<Connector>>,
}

impl Catalogue {
    /// The connectors that travel inside the library.
    pub fn embedded() -> Result<Self> {
        let entries = FILES.files().filter_map(|file| {
            let name = file.path().to_str()?;
            let text = file.contents_utf8()?;
            let entry = Entry { file: name.into(), text: text.into(), connector: OnceLock::new() };
            Some((name.strip_suffix(".toml")?.to_owned(), entry))
        });
        Ok(Self { entries: entries.collect() })
    }

    /// Adds a user's files, name and text. One of the same name as an embedded connector's replaces it.
    pub fn overlay(mut self, files: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        for (file, text) in files {
            let slug = slug_of(&file)?.to_owned();
            let connector = OnceLock::from(Ok(connector_from_toml(&slug, &file, &text)?));
            self.entries.insert(slug, Entry { file, text: text.into(), connector });
        }
        Ok(self)
    }

    /// The connector of this slug.
    pub fn connector(&self, slug: &str) -> Result<&Connector> {
        let Some(entry) = self.entries.get(slug) else {
            let nearest = self.nearest(slug).map(str::to_owned);
            return Err(Error::ConnectorNotFound { connector: slug.into(), nearest });
        };
        let parse = || connector_from_toml(slug, &entry.file, &entry.text);
        entry.connector.get_or_init(parse).as_ref().map_err(Clone::clone)
    }

    /// Every connector, by slug. Parses those that were not asked for yet.
    pub fn connectors(&self) -> impl Iterator<Item = Result<&Connector>> {
        self.entries.keys().map(|slug| self.connector(slug))
    }

    /// The slug that was probably meant.
    pub fn nearest(&self, slug: &str) -> Option<&str> {
        nearest(slug, self.entries.keys().map(String::as_str))
    }

    /// What every file breaks of the rules for shipped connectors ([`lint::Rule`]).
    pub fn lint(&self) -> Vec<lint::Finding> {
        self.entries
            .iter()
            .flat_map(|(slug, entry)| match Node::from_toml(&entry.file, &entry.text).and_then(resolve) {
                Ok(document) => lint::lint(slug, &document),
                Err(fault) => vec![lint::Finding::malformed(&entry.file, fault)],
            })
            .collect()
    }
}

impl Connector {
    /// A connector that a user defined as JSON: the same keys and rules as in a file. An object has no order here, so
    /// of several methods the first by name is the default.
    pub fn from_json(slug: &str, definition: &serde_json::Value) -> Result<Self> {
        if !is_slug(slug) {
            return Err(Error::invalid("connector", SLUG));
        }
        assemble(slug, Node::from_json(slug, definition))
    }
}

/// Reads a connector's file; `file` is its name for messages.
pub(super) fn connector_from_toml(slug: &str, file: &str, text: &str) -> Result<Connector> {
    assemble(slug, Node::from_toml(file, text)?)
}

fn assemble(slug: &str, document: Node) -> Result<Connector> {
    let document = resolve(document)?;
    let connector = read(slug, &document)?;
    match lint::check(&connector, &document).into_iter().find(|finding| finding.rule.is_binding()) {
        Some(finding) => Err(Error::ConnectorInvalid { problem: finding.to_string() }),
        None => Ok(connector),
    }
}

/// The typed connector of a resolved document.
pub(super) fn read(slug: &str, document: &Node) -> Result<Connector, Fault> {
    let mut connector = Connector::deserialize(document)?;
    connector.slug = slug.into();
    connector.auth = connector.auth.into_iter().map(|(name, method)| (name, method.with_presets())).collect();
    if connector.auth.is_empty() {
        return Err(Fault::new(document.place(&["auth"]), "`auth` must hold at least one method"));
    }
    Ok(connector)
}

const SLUG: &str = "must be 1 to 64 lower-case letters, digits, `-` and `_`, beginning with a letter or digit";

fn is_slug(slug: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=64).contains(&slug.len()) && slug.bytes().all(allowed) && slug.as_bytes()[0].is_ascii_alphanumeric()
}

fn slug_of(file: &str) -> Result<&str> {
    let slug = file.strip_suffix(".toml").unwrap_or_default();
    if is_slug(slug) {
        return Ok(slug);
    }
    Err(Error::ConnectorInvalid { problem: format!("`{file}` must be named `<slug>.toml`; the slug {SLUG}") })
}

/// Fills in what the document inherits: from its family, and between its methods.
pub(super) fn resolve(mut document: Node) -> Result<Node, Fault> {
    if let Some((name, at)) = document.take_text("extends")? {
        document = document.over(&family(&name, &at)?);
    }
    let Some(Node { value: Tree::Table(methods), .. }) = document.table().and_then(|table| table.get("auth")) else {
        return Ok(document);
    };
    let resolved = methods
        .keys()
        .map(|name| Ok((name.clone(), resolve_method(methods, name, &mut BTreeSet::new())?)))
        .collect::<Result<IndexMap<_, _>, Fault>>()?;
    if let Some(auth) = document.table_mut().and_then(|table| table.get_mut("auth")) {
        auth.value = Tree::Table(resolved);
    }
    Ok(document)
}

fn family(name: &str, at: &Place) -> Result<Node, Fault> {
    let path = format!("families/{name}.toml");
    let Some(text) = FILES.get_file(&path).and_then(|file| file.contents_utf8()) else {
        let known: Vec<_> = families().collect();
        return Err(Fault::new(at, format!("there is no family `{name}`{}", did_you_mean(name, known))));
    };
    Node::from_toml(&path, text)
}

/// The names of the families.
pub(super) fn families() -> impl Iterator<Item = &'static str> {
    let files = FILES.get_dir("families").into_iter().flat_map(Dir::files);
    files.filter_map(|file| file.path().file_stem()?.to_str())
}

/// A method with what it inherits, and its type said: a method's own name, or that of the method it extends.
fn resolve_method<'m>(
    methods: &'m IndexMap<String, Node>,
    name: &'m str,
    seen: &mut BTreeSet<&'m str>,
) -> Result<Node, Fault> {
    let mut method = methods[name].clone();
    if !seen.insert(name) {
        return Err(Fault::new(&method.at, format!("method `{name}` extends itself")));
    }
    if let Some((base, at)) = method.take_text("extends")? {
        let Some((base, _)) = methods.get_key_value(&base) else {
            let nearest = did_you_mean(&base, methods.keys().map(String::as_str));
            return Err(Fault::new(&at, format!("there is no method `{base}` in this file{nearest}")));
        };
        method = method.over(&resolve_method(methods, base, seen)?);
    }
    let at = method.at.clone();
    if let Some(table) = method.table_mut() {
        table.entry("type".into()).or_insert(Node { at, value: Tree::Text(name.into()) });
    }
    Ok(method)
}

//! The parameters of one request: no name twice, nothing empty, a connector's wishes applied, encoded three ways.
//!
//! RFC 6749 §3.1 and §3.2 forbid a repeated parameter and read an empty one as left out. Both rules hold here by
//! construction: parameters are a map, and an empty value never enters it.

use indexmap::IndexMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::{Error, Result};

/// All but RFC 3986's unreserved characters. A space becomes `%20`, which form decoders and URL decoders both read;
/// `~` stays, for servers that forget to decode the halves of HTTP Basic (it is common in Microsoft's secrets).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `text`, percent-encoded for a query, a form or a half of HTTP Basic.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// What a connector's parameters may not touch.
pub(super) struct Guarded {
    /// The connector's key that these rules are for, for messages.
    pub(super) source: &'static str,
    /// Values that are ours alone.
    pub(super) fixed: &'static [&'static str],
    /// Of these, the ones that must not be removed either.
    pub(super) needed: &'static [&'static str],
}

impl Guarded {
    fn check(&self, names: &[&str], name: &str, verb: &str) -> Result<()> {
        if names.contains(&name) {
            return Err(Error::ConnectorInvalid { problem: format!("`{}` may not {verb} `{name}`", self.source) });
        }
        Ok(())
    }
}

enum Value {
    Text(Zeroizing<String>),
    Scopes { scopes: Vec<String>, separator: String },
}

/// Parameters in the order they were put.
#[derive(Default)]
pub(super) struct Parameters(IndexMap<String, Value>);

impl Parameters {
    /// Sets a parameter; an empty value is left out.
    pub(super) fn put(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0.insert(name.into(), Value::Text(Zeroizing::new(value.into())));
        }
    }

    /// Sets a parameter to a list of scopes; an empty list is left out.
    pub(super) fn put_scopes(&mut self, name: &str, scopes: &[String], separator: &str) {
        let scopes: Vec<_> = scopes.iter().filter(|scope| !scope.is_empty()).cloned().collect();
        if !scopes.is_empty() {
            self.0.insert(name.into(), Value::Scopes { scopes, separator: separator.into() });
        }
    }

    /// Sets a connector's further scope parameters.
    pub(super) fn apply_scopes(
        &mut self,
        scope_params: &IndexMap<String, Vec<String>>,
        separator: &str,
        guarded: &Guarded,
    ) -> Result<()> {
        for (name, scopes) in scope_params {
            guarded.check(guarded.fixed, name, "set")?;
            self.put_scopes(name, scopes, separator);
        }
        Ok(())
    }

    /// Sets a connector's own parameters; an empty value removes the parameter of that name.
    pub(super) fn apply(&mut self, params: &IndexMap<String, String>, guarded: &Guarded) -> Result<()> {
        for (name, value) in params {
            if value.is_empty() {
                guarded.check(guarded.needed, name, "remove")?;
                self.0.shift_remove(name);
            } else {
                guarded.check(guarded.fixed, name, "set")?;
                self.put(name, value);
            }
        }
        Ok(())
    }

    /// Gives parameters the names that the provider knows them by.
    pub(super) fn rename(self, rename: &IndexMap<String, String>) -> Result<Self> {
        let mut renamed = IndexMap::with_capacity(self.0.len());
        for (name, value) in self.0 {
            let name = rename.get(&name).cloned().unwrap_or(name);
            if renamed.contains_key(&name) {
                return Err(Error::ConnectorInvalid { problem: format!("two parameters are called `{name}`") });
            }
            renamed.insert(name, value);
        }
        Ok(Self(renamed))
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// As a form's body.
    pub(super) fn form(&self) -> String {
        self.after(None)
    }

    /// As a query that keeps what the endpoint's own `query` says (RFC 6749 §3.1), byte for byte, except for names that
    /// are set here or stand there twice.
    pub(super) fn after(&self, query: Option<&str>) -> String {
        let mut names: Vec<String> = self.0.keys().cloned().collect();
        let mut pairs = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let name = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.into_owned());
            if let Some(name) = name.filter(|name| !names.contains(name)) {
                pairs.push(pair.to_owned());
                names.push(name);
            }
        }
        pairs.extend(self.0.iter().map(|(name, value)| format!("{}={}", encode(name), value.encoded())));
        pairs.join("&")
    }

    /// As a JSON object of strings.
    pub(super) fn json(&self) -> String {
        let object: serde_json::Map<_, _> =
            self.0.iter().map(|(name, value)| (name.clone(), value.plain().into())).collect();
        serde_json::Value::Object(object).to_string()
    }
}

impl Value {
    fn encoded(&self) -> String {
        match self {
            Self::Text(text) => encode(text),
            Self::Scopes { scopes, separator } => {
                let scopes: Vec<_> = scopes.iter().map(|scope| encode(scope)).collect();
                match separator.as_str() {
                    // Providers that document these look for them in the raw query.
                    raw @ ("," | "+" | "%20") => scopes.join(raw),
                    other => scopes.join(&encode(other)),
                }
            }
        }
    }

    fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.to_string(),
            Self::Scopes { scopes, separator } => match separator.as_str() {
                // Outside a query, what these two decode to.
                "+" | "%20" => scopes.join(" "),
                other => scopes.join(other),
            },
        }
    }
}

//! Texts with `{names}` in them: how a connector file says "here goes the token".
//!
//! A template is parsed when its file is read, so that a mistake in it is found with its line. `{subdomain}` is a
//! name, `{key.private_key}` reaches into a value that is JSON, and `{email + '/token:' + api_token | base64}` joins
//! terms and passes them through filters. There is no other syntax, and no code.
//!
//! How a template becomes a URL, and what its values may not do to the host, is [`super::url`]'s concern.

mod parse;

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use indexmap::IndexMap;
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    Error,
    secret::{ExposeSecret, Secret},
};

pub use parse::ParseError;

/// A text with names in it, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    source: String,
    pub(super) parts: Vec<Part>,
}

/// A stretch of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Stands as written; never empty.
    Literal(String),
    /// What stood between braces.
    Expression(Expression),
}

/// Terms that are joined, then filtered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    terms: Vec<Term>,
    filters: Vec<Filter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Literal(String),
    Name(String),
}

/// What can be done to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// RFC 4648 §4, padded.
    Base64,
    /// ASCII upper case.
    Upper,
    /// SHA-256, lower-case hex.
    Sha256,
    /// SHA-256 of the public half of a PEM key, base64 (Snowflake's key fingerprint).
    SpkiSha256,
    /// The host of a URL.
    Host,
}

impl Filter {
    const ALL: [(&str, Self); 5] = [
        ("base64", Self::Base64),
        ("upper", Self::Upper),
        ("sha256", Self::Sha256),
        ("spki_sha256", Self::SpkiSha256),
        ("host", Self::Host),
    ];
}

/// The values that fill a template, by name.
#[derive(Debug, Clone, Default)]
pub struct Values(IndexMap<String, Value>);

/// A value, by what may be done with it.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// One label, where it stands inside a host.
    Text(String),
    /// One label or several, where it stands inside a host.
    Host(String),
    /// Only for [`Template::render`].
    Secret(Secret),
}

impl Values {
    /// Sets a value. Where it stands inside a host it must be exactly one label.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.0.insert(name.into(), Value::Text(value.into()));
        self
    }

    /// Sets a host name, or several labels of one (`eu.api`): a field of kind `host`, or a choice that the connector
    /// file itself spells out.
    pub fn set_host(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.0.insert(name.into(), Value::Host(value.into()));
        self
    }

    /// Sets a secret: it fills headers and parameters, never a URL.
    pub fn set_secret(&mut self, name: impl Into<String>, value: Secret) -> &mut Self {
        self.0.insert(name.into(), Value::Secret(value));
        self
    }

    /// Whether there is a value of exactly this name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The value of `name`; where the name is a path (`key.private_key`), the longest beginning of it that has a value
    /// is taken as JSON and the rest is looked up in there.
    fn find(&self, name: &str, secrets: Secrets) -> Result<Zeroizing<String>, TemplateError> {
        let reveal = |value: &Value| match (value, secrets) {
            (Value::Text(text) | Value::Host(text), _) => Ok(Zeroizing::new(text.clone())),
            (Value::Secret(secret), Secrets::Shown) => Ok(Zeroizing::new(secret.expose_secret().into())),
            (Value::Secret(_), Secrets::Refused) => Err(TemplateError::Secret { name: name.into() }),
        };
        let missing = || TemplateError::Missing { name: name.into() };
        if let Some(value) = self.0.get(name) {
            return reveal(value);
        }
        let (beginning, path) = name
            .rmatch_indices('.')
            .map(|(dot, _)| (&name[..dot], &name[dot + 1..]))
            .find(|(beginning, _)| self.0.contains_key(*beginning))
            .ok_or_else(missing)?;
        let document: serde_json::Value = serde_json::from_str(&reveal(&self.0[beginning])?).map_err(|_| missing())?;
        let pointer = format!("/{}", path.replace('.', "/"));
        match document.pointer(&pointer) {
            Some(serde_json::Value::String(text)) => Ok(Zeroizing::new(text.clone())),
            Some(scalar @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
                Ok(Zeroizing::new(scalar.to_string()))
            }
            _ => Err(missing()),
        }
    }
}

/// Whether a secret may be part of the text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Secrets {
    Shown,
    Refused,
}

/// Why a template could not be filled in. Holds names, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A name has no value.
    #[error("`{name}` has no value")]
    Missing {
        /// The name, as the template has it.
        name: String,
    },
    /// A secret would have become part of a URL or another text that is shown.
    #[error("`{name}` is a secret and cannot be part of this text")]
    Secret {
        /// The secret's name.
        name: String,
    },
    /// A value cannot stand where the template puts it.
    #[error("`{name}` {problem}")]
    Value {
        /// The value's name.
        name: String,
        /// What the value should look like, completing the sentence.
        problem: &'static str,
    },
    /// The text as a whole is no URL that may be called.
    #[error("`{template}` {problem}")]
    Url {
        /// The template, as it was written.
        template: String,
        /// What is wrong, completing the sentence.
        problem: &'static str,
    },
    /// A filter that this version cannot compute.
    #[error("the filter `{filter}` is not supported yet")]
    NotSupported {
        /// The filter's name.
        filter: &'static str,
    },
}

impl From<TemplateError> for Error {
    fn from(error: TemplateError) -> Self {
        match error {
            TemplateError::Missing { name } => Self::invalid(name, "is required"),
            TemplateError::Value { name, problem } => Self::invalid(name, problem),
            TemplateError::NotSupported { filter } => Self::NotSupported { what: format!("the filter `{filter}`") },
            TemplateError::Secret { .. } | TemplateError::Url { .. } => {
                Self::ConnectorInvalid { problem: error.to_string() }
            }
        }
    }
}

impl Template {
    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The names that are used, in order, repeated where they are.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts
            .iter()
            .flat_map(|part| match part {
                Part::Literal(_) => &[][..],
                Part::Expression(expression) => &expression.terms[..],
            })
            .filter_map(|term| match term {
                Term::Name(name) => Some(name.as_str()),
                Term::Literal(_) => None,
            })
    }

    /// Whether the value of `name` becomes part of the text as it is, through no filter.
    pub(super) fn takes_as_it_is(&self, name: &str) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Expression(Expression { terms, filters }) => {
                filters.is_empty() && terms.iter().any(|term| matches!(term, Term::Name(own) if own == name))
            }
            Part::Literal(_) => false,
        })
    }

    /// Fills in every name. What comes out may hold secrets, so it is one.
    ///
    /// # Errors
    /// [`TemplateError`] where a name has no value, or one that cannot stand there.
    pub fn render(&self, values: &Values) -> Result<Secret, TemplateError> {
        let mut text = Zeroizing::new(String::new());
        self.write(values, Secrets::Shown, &mut text)?;
        Ok(Secret::from(text.as_str()))
    }

    /// Fills in every name; none may be secret.
    ///
    /// # Errors
    /// As [`Template::render`], and [`TemplateError::Secret`].
    pub fn render_plain(&self, values: &Values) -> Result<String, TemplateError> {
        let mut text = String::new();
        self.write(values, Secrets::Refused, &mut text)?;
        Ok(text)
    }

    /// This template, and `rest` behind it: a base URL and a path below it. One `/` stands between them.
    pub fn join(&self, rest: &Self) -> Self {
        let base = self.source.trim_end_matches('/');
        let joint = if rest.source.is_empty() || rest.source.starts_with(['/', '?']) { "" } else { "/" };
        // Whole templates put together are one: a literal never holds a brace.
        format!("{base}{joint}{}", rest.source).parse().expect("two templates in a row are a template")
    }

    fn write(&self, values: &Values, secrets: Secrets, text: &mut String) -> Result<(), TemplateError> {
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Expression(expression) => text.push_str(&expression.evaluate(values, secrets)?),
            }
        }
        Ok(())
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Expression {
    /// The name, where the expression is nothing else.
    pub(super) fn name(&self) -> Option<&str> {
        match (&self.terms[..], &self.filters[..]) {
            ([Term::Name(name)], []) => Some(name),
            _ => None,
        }
    }

    /// Whether it is made of several terms.
    pub(super) fn is_joined(&self) -> bool {
        self.terms.len() > 1
    }

    /// The first name, for messages.
    pub(super) fn subject(&self) -> &str {
        self.terms
            .iter()
            .find_map(|term| if let Term::Name(name) = term { Some(name.as_str()) } else { None })
            .unwrap_or("")
    }

    pub(super) fn evaluate(&self, values: &Values, secrets: Secrets) -> Result<Zeroizing<String>, TemplateError> {
        let mut text = Zeroizing::new(String::new());
        for term in &self.terms {
            match term {
                Term::Literal(literal) => text.push_str(literal),
                Term::Name(name) => text.push_str(&values.find(name, secrets)?),
            }
        }
        for filter in &self.filters {
            text = Zeroizing::new(match filter {
                Filter::Base64 => BASE64.encode(text.as_bytes()),
                Filter::Upper => text.to_ascii_uppercase(),
                Filter::Sha256 => {
                    HEXLOWER.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref())
                }
                Filter::SpkiSha256 => return Err(TemplateError::NotSupported { filter: "spki_sha256" }),
                Filter::Host => Url::parse(&text)
                    .ok()
                    .and_then(|url| url.host_str().map(str::to_owned))
                    .ok_or_else(|| TemplateError::Value { name: self.subject().into(), problem: "must be a URL" })?,
            });
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests;

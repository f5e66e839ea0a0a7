//! The values that people and developers give: what a field accepts, and how given values become variables.

use indexmap::IndexMap;
use serde::{Deserialize, de};
use url::Url;

pub use super::complaint::Complaint;
use super::{complaint::has_invisible, host::is_host_name, host::is_labels, nearest::nearest, template::Values};
use crate::{Error, Result, secret::Secret};

/// A value that a person or a developer gives.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Field {
    /// Shown to people; made from the key unless given ([`Field::label`]).
    pub label: Option<String>,
    /// Where to find the value, in a sentence.
    pub help: Option<String>,
    /// The provider's page that says where: https.
    pub help_url: Option<String>,
    /// A value that would do, shown as a placeholder.
    pub example: Option<String>,
    /// What the value is.
    pub kind: FieldKind,
    /// Matched against the whole value.
    pub pattern: Option<Pattern>,
    /// The choices, where there are only some.
    pub options: Option<Options>,
    /// Used when nothing is given.
    pub default: Option<String>,
    /// Shown behind the input, and stripped when pasted.
    pub suffix: Option<String>,
    /// May be left empty: the variable is then empty too, and so is left out of requests.
    pub optional: bool,
    /// Sealed, never shown again.
    pub secret: bool,
}

/// What a field's value is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// Anything in one line.
    #[default]
    Text,
    /// A host name, or several labels of one; kept in lower case.
    Host,
    /// An https URL.
    Url,
    /// An email address.
    Email,
    /// A PEM-encoded key.
    Pem,
    /// A JSON object, whose members templates reach as `{field.member}`.
    Json,
}

/// A regular expression that the whole value must match; anchors are implied, and refused when written.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    source: String,
    regex: regex_lite::Regex,
}

impl Pattern {
    /// Whether all of `value` matches.
    pub fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(source: String) -> Result<Self, String> {
        if source.starts_with('^') || source.ends_with('$') {
            return Err(format!("the pattern `{source}` is matched against the whole value: write it without anchors"));
        }
        // Alone first: `a)|(b` would be an expression inside the brackets, and none by itself.
        regex_lite::Regex::new(&source)
            .and_then(|_| regex_lite::Regex::new(&format!(r"\A(?:{source})\z")))
            .map(|regex| Self { regex, source: source.clone() })
            .map_err(|_| format!("the pattern `{source}` is no regular expression"))
    }
}

/// The choices of a field.
#[derive(Debug, Clone)]
pub enum Options {
    /// The values themselves.
    List(Vec<String>),
    /// Names that each set several variables. Every choice sets the same ones.
    Table(IndexMap<String, IndexMap<String, String>>),
}

impl Options {
    /// What can be chosen.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (list, table) = match self {
            Self::List(values) => (&values[..], None),
            Self::Table(choices) => (&[][..], Some(choices.keys())),
        };
        list.iter().chain(table.into_iter().flatten()).map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choices;

        impl<'de> de::Visitor<'de> for Choices {
            type Value = Options;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of values, or a table of choices")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Options, A::Error> {
                Deserialize::deserialize(de::value::SeqAccessDeserializer::new(list)).map(Options::List)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, table: A) -> Result<Options, A::Error> {
                Deserialize::deserialize(de::value::MapAccessDeserializer::new(table)).map(Options::Table)
            }
        }

        deserializer.deserialize_any(Choices)
    }
}

impl Field {
    /// What people are shown: the label, or the key in words (`login_host` is "Login host").
    pub fn label(&self, key: &str) -> String {
        self.label.clone().unwrap_or_else(|| {
            let words = key.replace('_', " ");
            let mut letters = words.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
        })
    }

    /// Whether this field can fill a host, and with several labels: a host, or a choice that the file spells out.
    pub(super) fn may_be_several_labels(&self) -> bool {
        self.kind == FieldKind::Host || self.options.is_some()
    }

    /// The names that this field fills: its key, or those that its choices set.
    pub(super) fn variables<'f>(&'f self, key: &'f str) -> Vec<&'f str> {
        match &self.options {
            Some(Options::Table(choices)) => {
                choices.first().into_iter().flat_map(|(_, set)| set.keys()).map(String::as_str).collect()
            }
            _ => vec![key],
        }
    }

    /// Sets the variables that a value of this field makes: its own, or those of the chosen option.
    pub(crate) fn set(&self, key: &str, value: &str, values: &mut Values) {
        match &self.options {
            Some(Options::Table(choices)) => {
                for (name, value) in choices.get(value).into_iter().flatten() {
                    values.set_host(name, value);
                }
            }
            _ if self.secret => _ = values.set_secret(key, Secret::from(value)),
            _ if self.may_be_several_labels() => _ = values.set_host(key, value),
            _ => _ = values.set(key, value),
        }
    }

    /// The value as it is kept: without space around it and without the suffix that was pasted along.
    ///
    /// # Errors
    /// What is wrong with it, in words for people.
    pub fn read(&self, value: &str) -> Result<String, Complaint> {
        let mut value = value.trim();
        if let Some(suffix) = &self.suffix {
            let pasted = value.strip_prefix("https://").unwrap_or(value).trim_end_matches('/');
            value = pasted.strip_suffix(suffix.as_str()).unwrap_or(value);
        }
        if value.is_empty() {
            return if self.optional { Ok(String::new()) } else { Err(Complaint::Missing) };
        }
        if value.len() > self.longest() {
            return Err(Complaint::TooLong);
        }
        // Checked before it is copied: a refused secret leaves no copy behind.
        if self.kind == FieldKind::Host {
            let host = value.to_ascii_lowercase();
            return self.complaint(&host).map_or(Ok(host), Err);
        }
        self.complaint(value).map_or_else(|| Ok(value.to_owned()), Err)
    }

    /// [`Field::read`], with an error for developers: it says what a value should look like, and never repeats it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn check(&self, key: &str, value: &str) -> Result<String> {
        self.read(value).map_err(|complaint| self.error(key, complaint))
    }

    /// The longest value, in bytes: more than any key has, and nothing that fills a disk.
    pub fn longest(&self) -> usize {
        if self.has_lines() { 32 * 1024 } else { 8 * 1024 }
    }

    /// Whether a value may have several lines.
    fn has_lines(&self) -> bool {
        matches!(self.kind, FieldKind::Pem | FieldKind::Json)
    }

    /// What is wrong with a value that is not empty.
    fn complaint(&self, value: &str) -> Option<Complaint> {
        if let Some(options) = &self.options {
            return (!options.names().any(|name| name == value)).then_some(Complaint::NoChoice);
        }
        if !self.has_lines() && value.contains(char::is_control) {
            return Some(Complaint::ControlCharacters);
        }
        if has_invisible(value) {
            return Some(Complaint::Invisible);
        }
        let (fits, complaint) = match self.kind {
            FieldKind::Text => (true, Complaint::Pattern),
            FieldKind::Host => (is_labels(value), Complaint::NoHost),
            FieldKind::Url => (is_https(value), Complaint::NoUrl),
            FieldKind::Email => (is_email(value), Complaint::NoEmail),
            FieldKind::Pem => (value.starts_with("-----BEGIN "), Complaint::NoPem),
            FieldKind::Json => {
                (serde_json::from_str::<IndexMap<String, de::IgnoredAny>>(value).is_ok(), Complaint::NoJson)
            }
        };
        if !fits {
            return Some(complaint);
        }
        let wrong = self.pattern.as_ref().is_some_and(|pattern| !pattern.matches(value));
        wrong.then_some(Complaint::Pattern)
    }
}

fn is_https(value: &str) -> bool {
    Url::parse(value).is_ok_and(|url| {
        let named = url.host_str().is_some_and(is_host_name);
        url.scheme() == "https" && named && url.username().is_empty() && url.password().is_none()
    })
}

/// Something on both sides of one `@`; whether it exists, only a message would show.
fn is_email(value: &str) -> bool {
    let sides = value.split_once('@');
    sides.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
        && !value.contains(char::is_whitespace)
}

/// Refuses a name that is no field's, with the nearest that is.
pub(super) fn check_names<'a>(
    fields: &IndexMap<String, Field>,
    mut names: impl Iterator<Item = &'a String>,
) -> Result<()> {
    names.find(|name| !fields.contains_key(*name)).map_or(Ok(()), |unknown| {
        let nearest = nearest(unknown, fields.keys().map(String::as_str)).map(str::to_owned);
        Err(Error::UnknownOption { option: unknown.clone(), nearest })
    })
}

/// Checks what was given and adds what was not: a value for every field, defaults where nothing came, empty where that
/// is allowed. A field that does not exist is refused with the nearest that does.
///
/// # Errors
/// As [`Field::check`], and [`Error::UnknownOption`].
pub fn fill(fields: &IndexMap<String, Field>, given: &IndexMap<String, String>) -> Result<IndexMap<String, String>> {
    check_names(fields, given.keys())?;
    fields
        .iter()
        .map(|(key, field)| {
            let value = given.get(key).filter(|value| !value.trim().is_empty()).or(field.default.as_ref());
            Ok((key.clone(), field.check(key, value.map_or("", String::as_str))?))
        })
        .collect()
}

/// The variables of templates that filled fields make: each field's own value, or what the chosen option sets.
pub fn variables(fields: &IndexMap<String, Field>, filled: &IndexMap<String, String>) -> Values {
    let mut values = Values::default();
    for (key, field) in fields {
        if let Some(value) = filled.get(key) {
            field.set(key, value, &mut values);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(toml: &str) -> Field {
        toml::from_str(toml).unwrap()
    }

    fn fields(toml: &str) -> IndexMap<String, Field> {
        toml::from_str(toml).unwrap()
    }

    fn given<const N: usize>(pairs: [(&str, &str); N]) -> IndexMap<String, String> {
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn a_pasted_suffix_is_stripped() {
        let shop = field("suffix = '.myshopify.com'\npattern = '[a-z0-9-]+'");
        for pasted in ["acme", " acme ", "acme.myshopify.com", "https://acme.myshopify.com/"] {
            assert_eq!(shop.check("shop", pasted).unwrap(), "acme", "{pasted}");
        }
    }

    #[test]
    fn the_whole_value_must_match() {
        let shop = field("pattern = 'a|b'\nexample = 'a'");
        assert!(shop.check("shop", "a").is_ok());
        for wrong in ["ab", "xa", "a\nb", "A"] {
            assert!(shop.check("shop", wrong).is_err(), "{wrong}");
        }
        let error = shop.check("shop", "zzz").unwrap_err().to_string();
        assert!(error.contains("`shop` must be of the form `a|b`, such as `a`"), "{error}");
    }

    #[test]
    fn a_pattern_is_an_expression_without_anchors() {
        for wrong in ["^a", "a$", "a)|(b", "("] {
            assert!(Pattern::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_kind_refuses_what_it_is_not() {
        let cases = [
            ("host", "Login.Acme.com", "https://acme.com"),
            ("host", "xy1.eu-west-1", "acme.com:443"),
            ("url", "https://acme.com/x", "http://acme.com"),
            ("url", "https://acme.com", "https://a@acme.com"),
            ("email", "ada@acme.com", "ada"),
            ("pem", "-----BEGIN PRIVATE KEY-----\nx", "MIIE"),
            ("json", "{\"a\": 1}", "[1]"),
            ("text", "anything", "two\nlines"),
        ];
        for (kind, good, bad) in cases {
            let field = field(&format!("kind = '{kind}'"));
            assert!(field.check("f", good).is_ok(), "{kind} {good}");
            assert!(field.check("f", bad).is_err(), "{kind} {bad}");
        }
    }

    #[test]
    fn a_refused_value_is_not_repeated() {
        let key = field("secret = true\npattern = 'sk_.+'");
        let error = key.check("api_key", "hunter2").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn what_was_not_given_is_filled_in() {
        let fields = fields("[a]\ndefault = 'x'\n[b]\noptional = true\n[c]");
        let filled = fill(&fields, &given([("c", "z"), ("a", "  ")])).unwrap();
        assert_eq!(filled, given([("a", "x"), ("b", ""), ("c", "z")]));
        assert!(fill(&fields, &given([])).is_err(), "`c` is required");
    }

    #[test]
    fn an_unknown_field_is_refused_with_the_nearest() {
        let error = fill(&fields("[subdomain]"), &given([("subdomian", "x")])).unwrap_err();
        assert_eq!(error.to_string(), "there is no option `subdomian`; did you mean `subdomain`?");
    }

    #[test]
    fn one_choice_sets_several_variables() {
        let fields = fields("[site.options]\nus = { api = 'api.us', app = 'us' }\neu = { api = 'api.eu', app = 'eu' }");
        let filled = fill(&fields, &given([("site", "eu")])).unwrap();
        let values = variables(&fields, &filled);
        assert!(!values.contains("site"));
        let url: super::super::template::Template = "https://{api}.acme.test/{app}".parse().unwrap();
        let url = url.render_url(&values, super::super::url::Loopback::Refused).unwrap();
        assert_eq!(url.as_str(), "https://api.eu.acme.test/eu");
        assert!(fill(&fields, &given([("site", "cn")])).is_err());
    }
}

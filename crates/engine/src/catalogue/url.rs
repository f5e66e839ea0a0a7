//! URL templates: values may fill labels, path segments and parameters, and can never move the host.
//!
//! The host is put together from parts before anything is parsed, checked label by label, and compared with what the
//! URL parser made of it. A path or query value is percent-encoded, and the parsed path must be the one that was put
//! together, so that no value is a `..`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::{
    host::{is_host_name, is_label, is_labels},
    template::{Expression, Part, Secrets, Template, TemplateError, Value, Values},
};

/// RFC 3986 §2.3: what is not unreserved is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether URLs may point at this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// https to public host names only.
    Refused,
    /// Loopback hosts too, with http and ports: emulators and tests.
    Allowed,
}

/// What stands before a template's path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin<'t> {
    /// `https://{shop}.myshopify.com`: a scheme, and the pieces of the authority.
    Written { scheme: &'static str, authority: Vec<Piece<'t>> },
    /// `{instance_url}`: a value is the whole beginning.
    Given(&'t Expression),
    /// `/users/me`: nothing.
    None,
}

/// A stretch of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Literal(&'t str),
    Expression(&'t Expression),
}

impl Template {
    /// Fills in a URL.
    ///
    /// A name inside the host must be exactly one label (one or more for [`Values::set_host`]); a name that is the
    /// whole host, a DNS host name; a name that is the whole beginning (`{instance_url}`), an https URL without user,
    /// port, query and fragment. Everything after the host is percent-encoded.
    ///
    /// # Errors
    /// [`TemplateError`] where a name has no value or another one, or is secret, or where all of it is no URL.
    pub fn render_url(&self, values: &Values, loopback: Loopback) -> Result<Url, TemplateError> {
        let (origin, rest) = self.split();
        let base = match &origin {
            Origin::Written { scheme, authority } => render_authority(scheme, authority, values)?,
            Origin::Given(expression) => given_base(expression, values)?,
            Origin::None => return Err(self.refuse(None, "has no host")),
        };
        let blamed = origin.expressions().next().map(Expression::subject);
        let local = is_loopback(&base.authority);
        if local && loopback == Loopback::Refused {
            return Err(self.refuse(blamed, "must not point at this machine"));
        }
        if !local && (base.scheme != "https" || !is_host_name(&base.authority)) {
            return Err(self.refuse(blamed, "must make an https URL of a host name, without user or port"));
        }

        let mut text = format!("{}://{}{}", base.scheme, base.authority, base.path);
        let path = text.len() - base.path.len();
        write_rest(&rest, values, &mut text)?;
        if !text[path..].starts_with('/') {
            text.insert(path, '/');
        }
        // The parser must read exactly what was put together: the same host, and no path that it tidies away.
        match Url::parse(&text) {
            Ok(url) if url.as_str() == text => Ok(url),
            _ => Err(self.refuse(rest_name(&rest), "must make a URL that stays as it is written")),
        }
    }

    /// The template's origin, and what follows it.
    pub(super) fn split(&self) -> (Origin<'_>, Vec<Piece<'_>>) {
        let mut pieces = self.parts.iter().map(|part| match part {
            Part::Literal(literal) => Piece::Literal(literal),
            Part::Expression(expression) => Piece::Expression(expression),
        });
        let literal = match pieces.next() {
            Some(Piece::Expression(expression)) => {
                let rest: Vec<_> = pieces.collect();
                let whole =
                    rest.first().is_none_or(|next| matches!(next, Piece::Literal(l) if l.starts_with(['/', '?'])));
                return if whole { (Origin::Given(expression), rest) } else { (Origin::None, rest) };
            }
            Some(Piece::Literal(literal)) => literal,
            None => return (Origin::None, Vec::new()),
        };
        let (scheme, mut current) = match (literal.strip_prefix("https://"), literal.strip_prefix("http://")) {
            (Some(after), _) => ("https", Some(Piece::Literal(after))),
            (_, Some(after)) => ("http", Some(Piece::Literal(after))),
            _ => return (Origin::None, std::iter::once(Piece::Literal(literal)).chain(pieces).collect()),
        };
        let mut authority = Vec::new();
        let mut rest = Vec::new();
        while let Some(piece) = current {
            match piece {
                Piece::Literal(text) => {
                    let (host, after) = text.split_at(text.find(['/', '?', '#']).unwrap_or(text.len()));
                    authority.extend((!host.is_empty()).then_some(Piece::Literal(host)));
                    if !after.is_empty() {
                        rest.push(Piece::Literal(after));
                        break;
                    }
                }
                Piece::Expression(_) => authority.push(piece),
            }
            current = pieces.next();
        }
        rest.extend(pieces);
        (Origin::Written { scheme, authority }, rest)
    }

    /// Blames the value where there is one, else the template.
    fn refuse(&self, name: Option<&str>, problem: &'static str) -> TemplateError {
        match name {
            Some(name) => TemplateError::Value { name: name.into(), problem },
            None => TemplateError::Url { template: self.as_str().into(), problem },
        }
    }
}

impl<'t> Origin<'t> {
    /// What values the origin is made of.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &'t Expression> {
        let (authority, given) = match self {
            Self::Written { authority, .. } => (&authority[..], None),
            Self::Given(expression) => (&[][..], Some(*expression)),
            Self::None => (&[][..], None),
        };
        authority.iter().filter_map(|piece| piece.expression()).chain(given)
    }
}

impl<'t> Piece<'t> {
    fn expression(&self) -> Option<&'t Expression> {
        match self {
            Self::Expression(expression) => Some(expression),
            Self::Literal(_) => None,
        }
    }
}

/// The beginning of a URL, its host not yet checked as a whole.
struct Base {
    scheme: String,
    authority: String,
    /// Empty, or `/` and no `/` at the end.
    path: String,
}

fn render_authority(scheme: &str, pieces: &[Piece<'_>], values: &Values) -> Result<Base, TemplateError> {
    let mut authority = String::new();
    for piece in pieces {
        let expression = match piece {
            Piece::Literal(literal) => {
                authority.push_str(literal);
                continue;
            }
            Piece::Expression(expression) => expression,
        };
        let value = expression.evaluate(values, Secrets::Refused)?.to_ascii_lowercase();
        let many = matches!(expression.name().and_then(|name| values.get(name)), Some(Value::Host(_)));
        let whole = pieces.len() == 1;
        if !(whole || is_label(&value) || many && is_labels(&value)) {
            let problem = "must be letters, digits and hyphens (at most 63), as in a host name";
            return Err(TemplateError::Value { name: expression.subject().into(), problem });
        }
        authority.push_str(&value);
    }
    Ok(Base { scheme: scheme.into(), authority, path: String::new() })
}

/// Takes a URL that a provider gave apart (Salesforce's `instance_url`).
fn given_base(expression: &Expression, values: &Values) -> Result<Base, TemplateError> {
    let value = expression.evaluate(values, Secrets::Refused)?;
    let refuse = || TemplateError::Value { name: expression.subject().into(), problem: "must be an https URL" };
    let (scheme, rest) = value.split_once("://").ok_or_else(refuse)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if !matches!(scheme, "https" | "http") || path.contains(['?', '#']) {
        return Err(refuse());
    }
    Ok(Base {
        scheme: scheme.into(),
        authority: authority.to_ascii_lowercase(),
        path: path.trim_end_matches('/').into(),
    })
}

fn write_rest(pieces: &[Piece<'_>], values: &Values, text: &mut String) -> Result<(), TemplateError> {
    let mut in_path = true;
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => {
                in_path &= !literal.contains(['?', '#']);
                text.push_str(literal);
            }
            Piece::Expression(expression) => {
                let value = expression.evaluate(values, Secrets::Refused)?;
                if in_path && matches!(value.as_str(), "" | "." | "..") {
                    let problem = "must not be empty, `.` or `..`";
                    return Err(TemplateError::Value { name: expression.subject().into(), problem });
                }
                text.extend(utf8_percent_encode(&value, RESERVED));
            }
        }
    }
    Ok(())
}

fn rest_name<'t>(rest: &[Piece<'t>]) -> Option<&'t str> {
    rest.iter().find_map(Piece::expression).map(Expression::subject)
}

/// Whether an authority is this machine: `localhost`, a name below it, or a loopback address, with or without a port.
pub(super) fn is_loopback(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, "0"),
    };
    let named = host == "localhost" || host.strip_suffix(".localhost").is_some_and(is_labels);
    let addressed = host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    port.parse::<u16>().is_ok() && (named || addressed || host == "[::1]")
}

#[cfg(test)]
mod tests;

//! Reading a template: text, names between braces, and where it goes wrong.

use std::str::FromStr;

use super::{Expression, Filter, Part, Template, Term};

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, at character {position} of the template")]
pub struct ParseError {
    /// Counted from 1.
    pub position: usize,
    /// One clause.
    pub problem: String,
}

impl TryFrom<String> for Template {
    type Error = ParseError;

    fn try_from(source: String) -> Result<Self, ParseError> {
        let mut parser = Parser { source: &source, at: 0 };
        let mut parts = Vec::new();
        while !parser.rest().is_empty() {
            parts.push(parser.part()?);
        }
        Ok(Self { parts, source })
    }
}

impl FromStr for Template {
    type Err = ParseError;

    fn from_str(source: &str) -> Result<Self, ParseError> {
        source.to_owned().try_into()
    }
}

/// Reads a template from left to right.
struct Parser<'s> {
    source: &'s str,
    /// In bytes, always between two characters.
    at: usize,
}

impl<'s> Parser<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn part(&mut self) -> Result<Part, ParseError> {
        if self.take('{') {
            return self.expression().map(Part::Expression);
        }
        let literal = self.take_while(|letter| letter != '{' && letter != '}');
        if literal.is_empty() {
            return Err(self.error("`}` closes nothing"));
        }
        Ok(Part::Literal(literal.into()))
    }

    fn expression(&mut self) -> Result<Expression, ParseError> {
        let mut terms = vec![self.term()?];
        while self.take('+') {
            terms.push(self.term()?);
        }
        let mut filters = Vec::new();
        while self.take('|') {
            filters.push(self.filter()?);
        }
        if !self.take('}') {
            return Err(self.error("expected `+`, `|` or `}`"));
        }
        if !terms.iter().any(|term| matches!(term, Term::Name(_))) {
            return Err(self.error("the braces hold no name"));
        }
        Ok(Expression { terms, filters })
    }

    fn term(&mut self) -> Result<Term, ParseError> {
        self.skip_spaces();
        if self.rest().starts_with('\'') {
            self.at += 1;
            let literal = self.take_while(|letter| letter != '\'');
            if self.rest().is_empty() {
                return Err(self.error("the quote is not closed"));
            }
            self.at += 1;
            self.skip_spaces();
            return Ok(Term::Literal(literal.into()));
        }
        let start = self.at;
        let name = self.take_while(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.');
        let whole = name.split('.').all(|step| !step.is_empty()) && !name.starts_with(|c: char| c.is_ascii_digit());
        if !whole {
            self.at = start;
            return Err(self.error("expected a name, such as `{subdomain}`, or a 'literal'"));
        }
        self.skip_spaces();
        Ok(Term::Name(name.into()))
    }

    fn filter(&mut self) -> Result<Filter, ParseError> {
        self.skip_spaces();
        let start = self.at;
        let name = self.take_while(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        let Some((_, filter)) = Filter::ALL.into_iter().find(|(known, _)| *known == name) else {
            self.at = start;
            let known: Vec<_> = Filter::ALL.iter().map(|(name, _)| *name).collect();
            return Err(self.error(format!("expected a filter ({})", known.join(", "))));
        };
        self.skip_spaces();
        Ok(filter)
    }

    fn take(&mut self, letter: char) -> bool {
        let found = self.rest().starts_with(letter);
        if found {
            self.at += letter.len_utf8();
        }
        found
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let end = rest.find(|letter| !wanted(letter)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_spaces(&mut self) {
        self.take_while(|letter| letter == ' ');
    }

    fn error(&self, problem: impl Into<String>) -> ParseError {
        ParseError { position: self.source[..self.at].chars().count() + 1, problem: problem.into() }
    }
}

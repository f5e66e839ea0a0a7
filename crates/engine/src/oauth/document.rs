//! A provider's answer as a tree, read so that nothing that arrived whole is lost.
//!
//! Answers are JSON, or a form where a provider ignores `Accept` (GitHub). JSON is not read with serde_json here, for
//! what it rightly does elsewhere: it gives nothing of an answer that breaks off, or that has a number beyond `f64`, a
//! lone surrogate or bad UTF-8 in a field that nobody asked for; and of two members of one name it takes the last. A
//! rotated refresh token in such an answer is the only copy there is. So this reader keeps every value that had arrived
//! whole when reading stopped, keeps numbers as written, and gives no value at all for a repeated name.

use std::fmt;

use indexmap::{IndexMap, map::Entry};
use zeroize::Zeroizing;

/// Objects and lists within each other, as many as serde_json allows.
const MAX_DEPTH: usize = 128;
/// Members of objects and elements of lists together.
const MAX_VALUES: usize = 1_000;

/// What a provider sent. Its strings are wiped when dropped and do not print.
#[derive(Clone)]
pub struct Document {
    root: Value,
    format: Format,
    whole: bool,
}

/// How an answer was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An object or a list.
    Json,
    /// `application/x-www-form-urlencoded`, whatever the header said.
    Form,
    /// HTML, prose, or nothing at all.
    Neither,
}

#[derive(Clone)]
pub(super) enum Value {
    /// Broken off before it was whole.
    Nothing,
    /// Given more than once: no one can say which was meant.
    Repeated,
    /// A number, `true`, `false` or `null` as written, or what a careless server writes there (`NaN`).
    Literal(String),
    Text(Zeroizing<String>),
    List(Vec<Value>),
    Object(IndexMap<String, Value>),
}

impl Document {
    /// Reads a body that arrived whole.
    pub fn read(body: &[u8]) -> Self {
        Self::parse(body, true)
    }

    /// Reads the beginning of a body that broke off.
    pub fn read_beginning(body: &[u8]) -> Self {
        Self::parse(body, false)
    }

    /// Reads the first object within a body that is something else: behind a warning that a script printed, or behind
    /// a guard against being run as one. It is no answer, but may hold the only copy of a token.
    pub fn read_embedded(body: &[u8]) -> Self {
        let start = body.iter().position(|byte| *byte == b'{').unwrap_or(body.len());
        Self::parse(&body[start..], false)
    }

    fn parse(body: &[u8], arrived_whole: bool) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with(['{', '[']) {
            let mut reader = Reader { rest: text, depth: 0, values: 0 };
            let mut root = Value::Nothing;
            let whole = reader.value(&mut root).is_ok() && reader.rest.trim_start().is_empty();
            return Self { root, format: Format::Json, whole: whole && arrived_whole };
        }
        match form(text.trim_end(), arrived_whole) {
            Some(members) => Self { root: Value::Object(members), format: Format::Form, whole: arrived_whole },
            None => Self { root: Value::Nothing, format: Format::Neither, whole: false },
        }
    }

    /// How it was written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether it arrived and was understood to its end.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The string or number at a dotted path; list elements by index. Absent, `null`, repeated and cut values are all
    /// nothing.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.value(path)? {
            Value::Text(text) => Some(text),
            Value::Literal(literal) => Some(literal),
            _ => None,
        }
    }

    /// The string at a dotted path; a number is none.
    pub fn string(&self, path: &str) -> Option<&str> {
        match self.value(path)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether a name on the way to `path` was given more than once.
    pub fn repeats(&self, path: &str) -> bool {
        matches!(self.value(path), Some(Value::Repeated))
    }

    pub(super) fn value(&self, path: &str) -> Option<&Value> {
        // Claims such as `https://slack.com/team_id` are names with dots in them.
        let found = self.root.member(path).or_else(|| {
            path.split('.').try_fold(&self.root, |value, step| match value {
                Value::Repeated => Some(value),
                _ => value.member(step),
            })
        })?;
        match found {
            Value::Nothing => None,
            Value::Literal(literal) if literal == "null" => None,
            found => Some(found),
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({:?}, whole: {})", self.format, self.whole)
    }
}

impl Value {
    fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(name),
            Self::List(elements) => elements.get(name.parse::<usize>().ok()?),
            _ => None,
        }
    }
}

/// The place for a member's value. A second value of one name is read for nothing, and spoils the first.
fn place<'a>(members: &'a mut IndexMap<String, Value>, name: String, spoiled: &'a mut Value) -> &'a mut Value {
    match members.entry(name) {
        Entry::Vacant(entry) => entry.insert(Value::Nothing),
        Entry::Occupied(mut entry) => {
            entry.insert(Value::Repeated);
            spoiled
        }
    }
}

/// A form: names of plain characters, each with a `=`. The last pair of a broken form may be cut, so it is dropped.
fn form(text: &str, arrived_whole: bool) -> Option<IndexMap<String, Value>> {
    let end = if arrived_whole { text.len() } else { text.rfind('&')? };
    let mut members = IndexMap::new();
    for pair in text[..end].split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = url::form_urlencoded::parse(pair.as_bytes()).next()?;
        let plain = |letter: u8| letter.is_ascii_alphanumeric() || b"_-.[]".contains(&letter);
        if !pair.contains('=') || name.is_empty() || !name.bytes().all(plain) || members.len() == MAX_VALUES {
            return None;
        }
        *place(&mut members, name.into_owned(), &mut Value::Nothing) = Value::Text(Zeroizing::new(value.into_owned()));
    }
    (!members.is_empty()).then_some(members)
}

/// Reading stops here: the text ends, is no JSON, or is too much of it.
struct Stopped;

/// A JSON reader. Each function fills its place as far as it comes before it stops.
struct Reader<'a> {
    rest: &'a str,
    depth: usize,
    values: usize,
}

impl Reader<'_> {
    fn value(&mut self, place: &mut Value) -> Result<(), Stopped> {
        self.rest = self.rest.trim_start();
        match self.rest.chars().next().ok_or(Stopped)? {
            '{' => {
                *place = Value::Object(IndexMap::new());
                let Value::Object(members) = place else { return Err(Stopped) };
                self.nested(|reader| reader.members(members))
            }
            '[' => {
                *place = Value::List(Vec::new());
                let Value::List(elements) = place else { return Err(Stopped) };
                self.nested(|reader| reader.elements(elements))
            }
            '"' => {
                *place = Value::Text(Zeroizing::new(self.string()?));
                Ok(())
            }
            _ => {
                *place = Value::Literal(self.literal()?);
                Ok(())
            }
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<(), Stopped>) -> Result<(), Stopped> {
        if self.depth == MAX_DEPTH {
            return Err(Stopped);
        }
        self.rest = &self.rest[1..];
        self.depth += 1;
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn members(&mut self, members: &mut IndexMap<String, Value>) -> Result<(), Stopped> {
        if self.skip('}') {
            return Ok(());
        }
        loop {
            self.rest = self.rest.trim_start();
            let name = self.string()?;
            self.expect(':')?;
            self.count()?;
            self.value(place(members, name, &mut Value::Nothing))?;
            if self.skip('}') {
                return Ok(());
            }
            self.expect(',')?;
        }
    }

    fn elements(&mut self, elements: &mut Vec<Value>) -> Result<(), Stopped> {
        if self.skip(']') {
            return Ok(());
        }
        loop {
            self.count()?;
            self.value(elements.push_mut(Value::Nothing))?;
            if self.skip(']') {
                return Ok(());
            }
            self.expect(',')?;
        }
    }

    fn count(&mut self) -> Result<(), Stopped> {
        self.values += 1;
        if self.values > MAX_VALUES { Err(Stopped) } else { Ok(()) }
    }

    fn skip(&mut self, letter: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(letter);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, letter: char) -> Result<(), Stopped> {
        if self.skip(letter) { Ok(()) } else { Err(Stopped) }
    }

    /// A string to its closing quote, or nothing.
    fn string(&mut self) -> Result<String, Stopped> {
        self.rest = self.rest.strip_prefix('"').ok_or(Stopped)?;
        let mut text = Zeroizing::new(String::new());
        loop {
            let end = self.rest.find(['"', '\\']).ok_or(Stopped)?;
            text.push_str(&self.rest[..end]);
            let closes = self.rest[end..].starts_with('"');
            self.rest = &self.rest[end + 1..];
            if closes {
                return Ok(std::mem::take(&mut *text));
            }
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, Stopped> {
        let mut letters = self.rest.chars();
        let letter = letters.next().ok_or(Stopped)?;
        self.rest = letters.as_str();
        match letter {
            '"' | '\\' | '/' => Ok(letter),
            'b' => Ok('\u{8}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'u' => self.unicode(),
            _ => Err(Stopped),
        }
    }

    /// `\uXXXX`, or two of them for a character beyond U+FFFF. Half a pair becomes U+FFFD, which no token may hold.
    fn unicode(&mut self) -> Result<char, Stopped> {
        let first = self.hex()?;
        if let Some(rest) = self.rest.strip_prefix("\\u")
            && (0xd800..0xdc00).contains(&first)
        {
            let before = std::mem::replace(&mut self.rest, rest);
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.rest = before;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Result<u32, Stopped> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(Stopped)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Stopped);
        }
        self.rest = rest;
        u32::from_str_radix(digits, 16).map_err(|_| Stopped)
    }

    /// A literal, whole only when something follows it.
    fn literal(&mut self) -> Result<String, Stopped> {
        let end = self.rest.find(|letter: char| !letter.is_ascii_alphanumeric() && !"+-.".contains(letter));
        let (literal, rest) = self.rest.split_at(end.filter(|end| *end > 0).ok_or(Stopped)?);
        self.rest = rest;
        Ok(literal.into())
    }
}

#[cfg(test)]
mod tests;

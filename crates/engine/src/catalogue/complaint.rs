//! What can be wrong with a value that somebody gave, told without repeating it.

use super::field::{Field, Options, Pattern};

/// What is wrong with a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint {
    /// It is required, and empty.
    Missing,
    /// It is longer than any such value is ([`Field::longest`]).
    TooLong,
    /// It is none of the choices.
    NoChoice,
    /// It has control characters, or several lines.
    ControlCharacters,
    /// It has characters that nobody sees: zero-width ones, or such as stand for what could not be read. They come along
    /// when a key is copied from a page.
    Invisible,
    /// It has characters that cannot travel where the connector puts it. Letters that only look like those of a key are
    /// among them.
    Unsendable,
    /// It is no host name.
    NoHost,
    /// It is no https URL.
    NoUrl,
    /// It is no email address.
    NoEmail,
    /// It is no key in PEM.
    NoPem,
    /// It is no JSON object.
    NoJson,
    /// It does not match the field's pattern.
    Pattern,
}

impl Complaint {
    /// What a value of `field` should be, for developers; completes the sentence that its name begins.
    pub(super) fn expected(self, field: &Field) -> String {
        let pattern = || field.pattern.as_ref().map(Pattern::as_str).unwrap_or_default();
        let names = || field.options.iter().flat_map(Options::names).collect::<Vec<_>>().join("`, `");
        match self {
            Self::Missing => "is required and must not be empty".into(),
            Self::TooLong => format!("must be at most {} bytes", field.longest()),
            Self::NoChoice => format!("must be one of `{}`", names()),
            Self::ControlCharacters => "must be one line without control characters".into(),
            Self::Invisible => "must be without zero-width and unreadable characters".into(),
            Self::Unsendable => "must be visible ASCII characters: others cannot be sent where it goes".into(),
            Self::NoHost => "must be a host name without scheme, port and path".into(),
            Self::NoUrl => "must be an https URL without user".into(),
            Self::NoEmail => "must be an email address".into(),
            Self::NoPem => "must be a key in PEM (`-----BEGIN …`)".into(),
            Self::NoJson => "must be a JSON object".into(),
            Self::Pattern => format!("must be of the form `{}`", pattern()),
        }
    }
}

/// Whether a text has characters that show as nothing, reorder what is shown, or stand for what could not be decoded:
/// the default ignorable ones (Unicode Standard Annex #44), and the replacement character.
pub(super) fn has_invisible(text: &str) -> bool {
    text.contains(|letter| {
        matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
    })
}

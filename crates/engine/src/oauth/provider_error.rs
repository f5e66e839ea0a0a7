//! What a provider says when it refuses, kept as data and made harmless: it is never part of our own messages.

/// A code's length at most, in characters.
const CODE: usize = 64;
/// A description's length at most, in characters.
const DESCRIPTION: usize = 500;

/// A provider's refusal in its own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderError {
    /// The machine's word (`invalid_grant`): at most 64 characters of `A-Z a-z 0-9 _ - . : /`, others shown as `?`.
    pub code: Option<String>,
    /// The human's words: at most 500 characters, none of which moves a cursor or turns text around. It may still be
    /// HTML: escape it where it is shown.
    pub description: Option<String>,
}

impl ProviderError {
    /// The machine's word, for messages and logs.
    pub fn name(&self) -> &str {
        self.code.as_deref().unwrap_or("an error without a name")
    }

    /// The error with this code and description, as the provider wrote them.
    pub fn new(code: Option<&str>, description: Option<&str>) -> Self {
        let present = |text: &String| !text.is_empty();
        Self {
            code: code.map(clean_code).filter(present),
            description: description.map(clean_description).filter(present),
        }
    }
}

fn clean_code(code: &str) -> String {
    // A strange character leaves a mark: what is cleaned must never become a code that decides something.
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_-.:/".contains(letter);
    code.chars().take(CODE).map(|letter| if allowed(letter) { letter } else { '?' }).collect()
}

fn clean_description(description: &str) -> String {
    description.chars().filter(|letter| !is_invisible(*letter)).take(DESCRIPTION).collect::<String>().trim().to_owned()
}

/// Control characters, line separators, and the marks that reorder or hide text (Unicode's bidirectional controls).
pub(crate) fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    // A113
    #[test]
    fn a_description_moves_no_cursor_and_turns_no_text() {
        let error = ProviderError::new(Some("invalid_grant"), Some(" \u{1b}[31mred\r\n\u{202e}txt\0\u{2066}<b> "));
        assert_eq!(error.description.as_deref(), Some("[31mredtxt<b>"));
    }

    // A113
    #[test]
    fn endless_texts_are_cut() {
        let error = ProviderError::new(Some(&"e".repeat(100_000)), Some(&"é".repeat(100_000)));
        assert_eq!(error.code.unwrap().len(), 64);
        assert_eq!(error.description.unwrap().chars().count(), 500);
    }

    #[test]
    fn a_strange_code_stays_strange() {
        assert_eq!(ProviderError::new(Some("invalid_grant\u{0}"), None).code.as_deref(), Some("invalid_grant?"));
        assert_eq!(ProviderError::new(Some("a b"), None).code.as_deref(), Some("a?b"));
    }

    #[test]
    fn empty_texts_are_absent() {
        assert_eq!(ProviderError::new(Some(""), Some(" \n")), ProviderError::default());
    }
}

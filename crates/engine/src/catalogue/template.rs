//! Templates.

/// A text with `{names}` in it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Template(String);

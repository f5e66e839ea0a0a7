//! The names that callers give: parsed once at the door, never checked again.

use crate::{Error, Result};

/// A tenant of the app. One, `default`, always exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Organization(String);

impl Organization {
    /// Parses an organization's id: 1 to 128 visible ASCII characters without spaces.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn parse(id: &str) -> Result<Self> {
        let visible = id.bytes().all(|byte| byte.is_ascii_graphic());
        if id.is_empty() || id.len() > 128 || !visible {
            return Err(Error::invalid("organizationId", "must be 1 to 128 visible ASCII characters without spaces"));
        }
        Ok(Self(id.into()))
    }

    /// The organization's id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Organization {
    fn default() -> Self {
        Self("default".into())
    }
}

/// A connection's name: a letter or digit, then letters, digits, `-` and `_`; 64 characters at most.
///
/// Names that differ only in case are the same connection, so it is kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionName(String);

impl ConnectionName {
    /// Parses a name as callers write it; space around it is dropped.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn parse(name: &str) -> Result<Self> {
        let name = name.trim();
        if name.is_empty() {
            return Err(Error::invalid("connectionName", "is required and must not be empty"));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.len() > 64 || !name.bytes().all(allowed) || !name.as_bytes()[0].is_ascii_alphanumeric() {
            return Err(Error::invalid(
                "connectionName",
                "must be at most 64 letters, digits, `-` and `_`, beginning with a letter or digit",
            ));
        }
        Ok(Self(name.to_ascii_lowercase()))
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The app's own id of a person, compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(String);

impl Identifier {
    /// Parses an identifier: 1 to 200 characters, none of them a control character; space around it is dropped,
    /// as the official SDKs do.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn parse(identifier: &str) -> Result<Self> {
        let identifier = identifier.trim();
        if identifier.is_empty() {
            return Err(Error::invalid("identifier", "is required and must not be empty"));
        }
        if identifier.chars().count() > 200 {
            return Err(Error::invalid("identifier", "must be at most 200 characters"));
        }
        if identifier.chars().any(char::is_control) {
            return Err(Error::invalid("identifier", "must not contain control characters"));
        }
        Ok(Self(identifier.into()))
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

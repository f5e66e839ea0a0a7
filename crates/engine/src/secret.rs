//! Strings that must not be printed.

/// A secret string: its `Debug` is `[REDACTED]`, it has no `Display` and no `Serialize`, and it is wiped when dropped.
/// Every use of what is inside shows as `expose_secret()`.
pub type Secret = secrecy::SecretString;

pub use secrecy::ExposeSecret;

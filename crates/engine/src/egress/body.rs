//! What leaves with a request.

use bytes::Bytes;

/// What a request carries.
#[derive(Debug, Default)]
pub enum Body {
    #[default]
    /// Nothing.
    Empty,
    /// As `application/json`.
    Json(serde_json::Value),
    /// As `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// Sent as it is; the caller names its type in a header.
    Bytes(Bytes),
}

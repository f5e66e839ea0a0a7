//! Authenticated requests to a provider's API.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Engine, Result,
    accounts::{AccountRef, unfinished},
};

/// A request to send with a connected account's credential.
#[derive(Debug)]
pub struct ProxyRequest {
    pub account: AccountRef,
    /// `GET` unless said; any case.
    pub method: Option<String>,
    /// Within the connector's API, such as `/gmail/v1/users/me/messages`.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// For the whole call; 30 seconds unless said.
    pub timeout: Option<Duration>,
}

/// What a request carries.
#[derive(Debug, Default)]
pub enum Body {
    #[default]
    Empty,
    Json(serde_json::Value),
    Form(Vec<(String, String)>),
    /// Sent as it is; the caller names its type in a header.
    Bytes(Bytes),
}

/// The provider's answer, whatever its status.
#[derive(Debug)]
pub struct ProxyResponse {
    pub status: u16,
    /// Lower-case names; repeated ones in order.
    pub headers: Vec<(String, String)>,
    /// Byte for byte.
    pub body: Bytes,
}

impl Engine {
    /// Sends a request with the account's credential, refreshed before it expires and once after a 401.
    pub async fn request(&self, request: ProxyRequest) -> Result<ProxyResponse> {
        let _ = request;
        Err(unfinished())
    }
}

//! Authorization, from a link to a sealed credential.
//!
//! The hosted half (`link_page`, `start`, `callback`, `outcome`) is what the pages call; browsers prove themselves by
//! one-time secrets alone.

use std::time::Duration;

use url::Url;

use crate::{
    Engine, Result,
    accounts::{AccountRef, unfinished},
    names::Identifier,
    secret::Secret,
    time::Timestamp,
};

/// What to make an authorization link for.
#[derive(Debug, Clone)]
pub struct NewLink {
    /// Whose account. It is made when it does not exist.
    pub account: AccountRef,
    /// Asked instead of the connection's scopes.
    pub scopes: Option<Vec<String>>,
    /// Where the flow ends for verification: one of the environment's verify URLs, exactly.
    pub user_verify_url: Option<String>,
    /// The app's own value; comes back in the verify URL's query. At most 512 characters.
    pub state: Option<String>,
}

/// A one-time URL that starts a flow.
#[derive(Debug, Clone)]
pub struct Link {
    /// `{public_url}/connect/{token}`. Whoever has it can start the flow: send it to the person alone.
    pub url: Secret,
    pub expires_at: Timestamp,
}

/// What the link page shows.
#[derive(Debug, Clone)]
pub struct LinkPage {
    /// Who asks, where the environment says so.
    pub app_name: Option<String>,
    /// The connector's name, such as `Gmail`.
    pub connector_name: String,
    pub connector: String,
    /// For whom: the identifier, most of it hidden.
    pub person: String,
    /// What will be asked of the provider.
    pub scopes: Vec<String>,
    /// The origin that the button leads to.
    pub authorize_origin: String,
    pub expires_at: Timestamp,
}

/// A flow that has started: where to send the browser, and the cookie that binds it.
#[derive(Debug)]
pub struct Started {
    pub authorize_url: Url,
    pub cookie: FlowCookie,
}

/// Binds a flow to the browser that started it.
#[derive(Debug)]
pub struct FlowCookie {
    /// Ends in a part of its own per flow, so that flows in one browser do not meet.
    pub name: String,
    pub value: Secret,
    pub max_age: Duration,
    /// Whether the public URL is https: then the name begins with `__Host-` and the cookie is `Secure`.
    pub secure: bool,
}

/// What came back from the provider.
#[derive(Debug)]
pub struct Arrival {
    /// The last part of the callback's path: the connection's name, or `organization~connection`.
    pub route: String,
    /// Every parameter of query or form, in order, decoded.
    pub parameters: Vec<(String, String)>,
    pub cookies: Vec<(String, Secret)>,
}

/// Where the callback sends the browser.
#[derive(Debug)]
pub struct Return {
    /// The outcome page, or the app's verify URL with the nonce.
    pub location: Url,
    /// The cookie to remove, by name.
    pub clear_cookie: Option<String>,
}

/// How a flow ended, for the outcome page.
#[derive(Debug, Clone)]
pub struct OutcomePage {
    pub app_name: Option<String>,
    pub connector_name: String,
    pub outcome: Outcome,
}

/// How a flow ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The credential is stored.
    Connected,
    /// The person consented; the app has yet to verify who it was.
    AwaitingVerification,
    /// The person said no at the provider.
    Refused,
    /// It did not work; the error's code says why.
    Failed { code: &'static str },
    /// It took too long.
    Expired,
}

/// The answer to a verified user.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Where the app may send the browser now: the outcome page.
    pub redirect_url: Url,
}

impl Engine {
    /// Makes a one-time link. It lives ten minutes.
    pub async fn authorization_link(&self, link: NewLink) -> Result<Link> {
        let _ = link;
        Err(unfinished())
    }

    /// Confirms who consented; only then is the code exchanged. `nonce` is what the verify URL carried as
    /// `auth_request_id`. Another identifier than the link's destroys what was held.
    pub async fn verify_user(&self, nonce: &str, identifier: &Identifier) -> Result<Verified> {
        let _ = (nonce, identifier);
        Err(unfinished())
    }

    /// What the link's page shows. Changes nothing, so that link scanners burn nothing.
    pub async fn link_page(&self, token: &str) -> Result<LinkPage> {
        let _ = token;
        Err(unfinished())
    }

    /// Uses the link up and starts its flow.
    pub async fn start(&self, token: &str) -> Result<Started> {
        let _ = token;
        Err(unfinished())
    }

    /// Takes what the provider sent back. An `Err` is for a browser that belongs to no flow: nothing was changed.
    pub async fn callback(&self, arrival: Arrival) -> Result<Return> {
        let _ = arrival;
        Err(unfinished())
    }

    /// How a flow ended. `id` is the last part of the outcome page's path.
    pub async fn outcome(&self, id: &str) -> Result<OutcomePage> {
        let _ = id;
        Err(unfinished())
    }
}

//! The engine: one environment's store, vault, catalogue and way out, and everything that is done with them.

use std::path::PathBuf;

use url::Url;

use crate::{Result, accounts::unfinished, connections::NewConnection, secret::Secret};

/// How an environment is set up. The door fills this from options and environment variables.
#[derive(Debug, Clone)]
pub struct Settings {
    pub store: StoreLocation,
    pub key: Key,
    /// Where browsers reach this environment: `https`, or `http` on a loopback host.
    pub public_url: Url,
    /// Shown on the pages: who asks.
    pub app_name: Option<String>,
    pub user_verification: Option<UserVerification>,
    /// The app's verify URLs, compared exactly.
    pub user_verify_urls: Vec<Url>,
    /// Connections that the app declares in its code or environment; made or updated when first named.
    pub connections: Vec<NewConnection>,
    /// Connector files of the app: file name and text. They add to the catalogue or override it.
    pub connectors: Vec<(String, String)>,
    /// An HTTP proxy for calls to providers. None unless asked for; proxy variables are not obeyed.
    pub proxy: Option<Url>,
}

/// Where rows are kept.
#[derive(Debug, Clone)]
pub enum StoreLocation {
    File(PathBuf),
    /// Gone with the process; for tests.
    Memory,
}

/// Where the root key comes from.
#[derive(Debug, Clone)]
pub enum Key {
    /// Given as text: 32 bytes in base64. `origin` says by which way, for messages.
    Given { origin: String, text: Secret },
    /// In a file that someone else keeps.
    File { origin: String, path: PathBuf },
    /// In a file of ours in this folder, made with the store.
    Auto { folder: PathBuf },
}

/// Whether the app confirms who consented before anything is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserVerification {
    /// The flow ends at the app's verify URL, and the app calls `verify_user`.
    App,
    /// Whoever opens the link is believed.
    None,
}

/// One environment, open. Cheap to share behind an `Arc`.
pub struct Engine {
    settings: Settings,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the environment. Nothing is written when this fails.
    pub async fn open(settings: Settings) -> Result<Self> {
        if false {
            return Err(unfinished());
        }
        Ok(Self { settings })
    }

    /// Where browsers reach this environment.
    pub fn public_url(&self) -> &Url {
        &self.settings.public_url
    }

    /// The store's random id: tells two environments apart, says nothing else.
    pub fn store_id(&self) -> &str {
        "store"
    }

    /// Lets refreshes and exchanges under way finish, then closes the store. Later calls fail with `CLOSED`.
    pub async fn close(&self) -> Result<()> {
        Ok(())
    }

    /// The connectors of the catalogue, by slug.
    pub fn connectors(&self) -> Vec<ConnectorSummary> {
        Vec::new()
    }

    /// One connector of the catalogue.
    pub fn connector(&self, slug: &str) -> Result<ConnectorSummary> {
        let _ = slug;
        Err(unfinished())
    }
}

/// A connector as callers see it.
#[derive(Debug, Clone)]
pub struct ConnectorSummary {
    pub slug: String,
    pub name: String,
    pub docs: String,
    pub categories: Vec<String>,
    /// Asked once per connection.
    pub fields: Vec<FieldSummary>,
    /// The first is the default.
    pub auth_methods: Vec<AuthMethodSummary>,
}

/// A way to authorize, as callers see it.
#[derive(Debug, Clone)]
pub struct AuthMethodSummary {
    pub name: String,
    /// `oauth2`, `api_key`, …
    pub kind: String,
    pub label: Option<String>,
    /// Whether this version can execute it.
    pub supported: bool,
    /// Asked unless the connection says otherwise.
    pub scopes: Vec<String>,
    pub fields: Vec<FieldSummary>,
}

/// A value that a person or a developer gives.
#[derive(Debug, Clone)]
pub struct FieldSummary {
    pub name: String,
    pub label: String,
    pub help: Option<String>,
    pub example: Option<String>,
    pub default: Option<String>,
    pub required: bool,
    pub secret: bool,
}

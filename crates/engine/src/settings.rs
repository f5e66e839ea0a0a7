//! How an environment is set up, and what of that cannot be meant.

use std::path::PathBuf;

use url::Url;

use crate::{
    Error, Result, catalogue::Catalogue, connections::NewConnection, egress::guard, refresh::RefreshSettings,
    store::postgres::Address, vault::KeySource,
};

/// How an environment is set up. The door fills this from options and environment variables.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where rows are kept.
    pub store: StoreLocation,
    /// Where the root key comes from. With [`StoreLocation::Memory`], a key file of ours is replaced by a key that
    /// lives as long.
    pub key: KeySource,
    /// Where browsers reach this environment: `https`, or `http` on a loopback host. It may have a path, below which
    /// the pages then are.
    pub public_url: Url,
    /// Shown on the pages: who asks.
    pub app_name: Option<String>,
    /// Has no default where the public URL is not on loopback.
    pub user_verification: Option<UserVerification>,
    /// The app's verify URLs, compared to the letter.
    pub user_verify_urls: Vec<String>,
    /// Connections that the app declares in its code or environment; made or updated when first named.
    pub connections: Vec<NewConnection>,
    /// Connections that are there though nobody declares them: made when first named, and not listed before.
    pub built_in_connections: Vec<NewConnection>,
    /// Connector files of the app: file name and text. They add to the catalogue or override it.
    pub connectors: Vec<(String, String)>,
    /// An HTTP proxy for calls to providers. None unless asked for; proxy variables are not obeyed.
    pub proxy: Option<Url>,
    /// How tokens are kept fresh.
    pub refresh: RefreshSettings,
}

/// Where rows are kept.
#[derive(Debug, Clone)]
pub enum StoreLocation {
    /// One SQLite file, with its lock and journals beside it. Several instances may have it open.
    File(PathBuf),
    /// A PostgreSQL database. Several machines may have it open.
    Postgres {
        /// Where it is.
        address: Address,
        /// Where this machine's journals are: what their names begin with, in a folder that outlives the process.
        journal: PathBuf,
    },
    /// Gone with the process; for tests.
    Memory,
}

/// Whether the app confirms who consented before anything is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserVerification {
    /// The flow ends at the app's verify URL, and the app calls [`Engine::verify_user`](crate::Engine::verify_user).
    App,
    /// Whoever opens the link is believed.
    None,
}

/// Settings that can be meant, and what they say.
pub(crate) struct Checked {
    pub(crate) settings: Settings,
    pub(crate) catalogue: Catalogue,
    pub(crate) user_verification: UserVerification,
    /// As they were written, and as URLs.
    pub(crate) user_verify_urls: Vec<(String, Url)>,
}

impl Checked {
    /// Refuses what cannot be meant, before anything is opened.
    pub(crate) fn new(mut settings: Settings) -> Result<Self> {
        let url = &settings.public_url;
        if !is_plain(url) || url.query().is_some() {
            return Err(Error::invalid(
                "publicUrl",
                "must be an https URL such as `https://agents.example.com` (http only on a loopback host), without user, password, query or fragment",
            ));
        }
        settings.refresh.timing.check()?;
        let is_made_here = matches!(settings.key, KeySource::AutoFile { .. } | KeySource::Ephemeral);
        if is_made_here && matches!(settings.store, StoreLocation::Postgres { .. }) {
            return Err(Error::invalid(
                "key",
                "is required with PostgreSQL: one made here would open nothing on another machine; make one with `openssl rand -base64 32`",
            ));
        }
        let user_verify_urls = std::mem::take(&mut settings.user_verify_urls);
        let user_verify_urls = user_verify_urls.into_iter().map(verify_url).collect::<Result<Vec<_>>>()?;
        let user_verification = verification(&settings, user_verify_urls.is_empty())?;
        let catalogue = Catalogue::embedded()?.overlay(std::mem::take(&mut settings.connectors))?;
        Ok(Self { settings, catalogue, user_verification, user_verify_urls })
    }
}

/// What was decided, or what follows from a loopback URL: there the person at the browser is the developer.
fn verification(settings: &Settings, without_urls: bool) -> Result<UserVerification> {
    let url = &settings.public_url;
    match settings.user_verification {
        Some(UserVerification::App) if without_urls => {
            Err(Error::invalid("userVerifyUrls", "is required with `userVerification: \"app\"`"))
        }
        Some(UserVerification::None) if !guard::is_loopback_host(url) => {
            tracing::warn!("users are not verified: whoever opens a link is believed");
            Ok(UserVerification::None)
        }
        Some(decided) => Ok(decided),
        None if guard::is_loopback_host(url) => Ok(UserVerification::None),
        None => Err(Error::UserVerificationUndecided { public_url: url.origin().ascii_serialization() }),
    }
}

fn verify_url(text: String) -> Result<(String, Url)> {
    match Url::parse(&text) {
        Ok(url) if is_plain(&url) => Ok((text, url)),
        _ => Err(Error::invalid(
            "userVerifyUrls",
            "must be https URLs (http only on a loopback host) without user, password or fragment",
        )),
    }
}

/// https, or http on this machine; nothing in it that a browser would keep to itself.
fn is_plain(url: &Url) -> bool {
    let secure = url.scheme() == "https" || url.scheme() == "http" && guard::is_loopback_host(url);
    secure && url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
}

//! From options and environment variables to the engine's settings. An option goes before a variable.

use std::path::{PathBuf, absolute};

use onbehalf_engine::{
    Error, Result, Settings, StoreLocation, UserVerification,
    connections::{Endpoints, NewConnection},
    egress::guard::is_loopback_host,
    names::{ConnectionName, Organization},
    refresh::RefreshSettings,
    secret::{ExposeSecret as _, Secret},
    store::postgres::Address,
    vault::KeySource,
};
use url::Url;

use crate::{
    environment::{Credentials, Environment, variable_name},
    listener::{Bound, bind},
    options::{ConnectionOptions, EndpointOptions, OnbehalfOptions, VerificationOption},
};

const DEFAULT_PORT: u16 = 7415;
const DEFAULT_STORE: &str = "./.onbehalf/store.db";
const DEFAULT_JOURNAL: &str = "./.onbehalf";
const MEMORY: &str = ":memory:";

/// How to open an environment.
pub(crate) struct Plan {
    /// Complete but for a public URL that follows a free port.
    settings: Settings,
    port: u16,
    /// Whether the first link starts the pages. With a public URL and no port, the app says where they are.
    pub(crate) serves: bool,
    /// Whether the port is not known before it is bound.
    follows_port: bool,
    /// What this version cannot do yet, though it was asked for.
    unsupported: Option<&'static str>,
}

impl Plan {
    /// What `options` and `environment` come to. Touches nothing but the working directory's name.
    pub(crate) fn new(options: Option<OnbehalfOptions>, mut environment: Environment) -> Result<Self> {
        let unsupported = environment.remote.filter(|_| options.is_none());
        let options = options.unwrap_or_default();
        let given_url = match (options.public_url, environment.public_url.take()) {
            (Some(url), _) => Some(parse_url("publicUrl", &url)?),
            (None, Some(url)) => Some(parse_url("ONBEHALF_PUBLIC_URL", &url)?),
            (None, None) => None,
        };
        let own_port = given_url.as_ref().filter(|url| is_loopback_host(url)).and_then(Url::port_or_known_default);
        let given_port = options.port.or(environment.port);
        if own_port.is_some() && given_port == Some(0) {
            return Err(Error::invalid("port", "must not be 0 beside `publicUrl`: browsers would not find it"));
        }
        let port = given_port.or(own_port).unwrap_or(DEFAULT_PORT);
        let store = options.store.or(environment.store.take()).unwrap_or_else(|| DEFAULT_STORE.into());
        let store = store.expose_secret();
        let journal = options.journal.or(environment.journal.take());
        let given_keys = (options.key, options.key_file);
        let connections = connections(options.connections.unwrap_or_default(), &mut environment)?;
        let settings = Settings {
            key: key(given_keys, &mut environment, store, given_url.as_ref())?,
            store: location(store, journal)?,
            public_url: given_url.clone().map_or_else(|| local_url(port), Ok)?,
            app_name: options.app_name.or(environment.app_name),
            user_verification: verification(options.user_verification, environment.user_verification.as_deref())?,
            user_verify_urls: options.user_verify_urls.or(environment.user_verify_urls).unwrap_or_default(),
            connections,
            built_in_connections: Vec::new(),
            connectors: (options.connectors.unwrap_or_default().into_iter())
                .map(|(slug, text)| (format!("{slug}.toml"), text))
                .collect(),
            proxy: options.proxy.map(|url| parse_url("proxy", &url)).transpose()?,
            refresh: RefreshSettings {
                background: options.background_refresh.or(environment.background_refresh).unwrap_or(true),
                ..RefreshSettings::default()
            },
        };
        let serves = given_url.is_none() || given_port.is_some() && given_url.as_ref().is_some_and(is_loopback_host);
        Ok(Self { settings, port, serves, follows_port: given_url.is_none() && port == 0, unsupported })
    }

    /// The port that the pages are served on; 0 is any.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The settings to open with, and the port, bound already where the public URL follows it.
    pub(crate) async fn prepare(&self) -> Result<(Settings, Option<Bound>)> {
        if let Some(variable) = self.unsupported {
            return Err(Error::NotSupported {
                what: format!("an environment elsewhere ({variable} is set; unset it, or use `new Onbehalf({{ … }})`)"),
            });
        }
        let mut settings = self.settings.clone();
        if !self.follows_port {
            return Ok((settings, None));
        }
        let bound = bind(0).await?;
        settings.public_url = local_url(bound.port)?;
        Ok((settings, Some(bound)))
    }
}

fn local_url(port: u16) -> Result<Url> {
    parse_url("port", &format!("http://localhost:{port}"))
}

fn parse_url(option: &str, text: &str) -> Result<Url> {
    Url::parse(text).map_err(|_| Error::invalid(option, "must be an absolute URL, such as `https://app.example`"))
}

fn full_path(option: &str, path: &str) -> Result<PathBuf> {
    absolute(path).map_err(|_| Error::invalid(option, "must be the path of a file"))
}

fn location(store: &str, journal: Option<String>) -> Result<StoreLocation> {
    if Address::is_one(store) {
        let address = Address::parse(store)?;
        let folder = full_path("journal", journal.as_deref().unwrap_or(DEFAULT_JOURNAL))?;
        return Ok(StoreLocation::Postgres { journal: folder.join(address.file_name()), address });
    }
    if journal.is_some() {
        return Err(Error::invalid("journal", "is for a PostgreSQL `store`: of a file, it is beside it"));
    }
    if store == MEMORY {
        return Ok(StoreLocation::Memory);
    }
    if store.contains("://") {
        return Err(Error::NotSupported { what: "a store other than a file, `:memory:` or PostgreSQL".into() });
    }
    Ok(StoreLocation::File(full_path("store", store)?))
}

fn key(
    given: (Option<Secret>, Option<String>),
    environment: &mut Environment,
    store: &str,
    public_url: Option<&Url>,
) -> Result<KeySource> {
    let from_variables = (environment.key.take(), environment.key_file.take());
    let by_options = given.0.is_some() || given.1.is_some();
    let (names, chosen) =
        if by_options { (["key", "keyFile"], given) } else { (["ONBEHALF_KEY", "ONBEHALF_KEY_FILE"], from_variables) };
    match given_key(names, chosen)? {
        Some(key) => Ok(key),
        None if store == MEMORY => Ok(KeySource::Ephemeral),
        None if Address::is_one(store) => {
            let problem = "is required with PostgreSQL: one made here would open nothing on another machine; make one with `openssl rand -base64 32`";
            Err(Error::invalid("key", problem))
        }
        None if public_url.is_some_and(|url| !is_loopback_host(url)) => {
            let problem = "is required with a public URL: one made here would be lost with this machine; make one with `openssl rand -base64 32`";
            Err(Error::invalid("key", problem))
        }
        // Never beside the store: whoever copies or commits that folder must not take the key along.
        None => match environment.config_folder.take() {
            Some(folder) => Ok(KeySource::AutoFile { directory: folder.join("onbehalf").join("keys") }),
            None => Err(Error::invalid("key", "is required where there is no home folder to keep one in")),
        },
    }
}

/// The key that its owner gives, as text or in a file: by the option, or variable, of one of these names.
pub(crate) fn given_key(
    [text_name, file_name]: [&str; 2],
    given: (Option<Secret>, Option<String>),
) -> Result<Option<KeySource>> {
    match given {
        (Some(_), Some(_)) => Err(Error::invalid(file_name, format!("must not stand beside `{text_name}`"))),
        (Some(text), None) => Ok(Some(KeySource::Explicit { origin: format!("`{text_name}`"), text })),
        (None, Some(path)) => {
            let path = full_path(file_name, &path)?;
            Ok(Some(KeySource::File { origin: format!("`{file_name}`"), path }))
        }
        (None, None) => Ok(None),
    }
}

fn verification(option: Option<VerificationOption>, variable: Option<&str>) -> Result<Option<UserVerification>> {
    match (option, variable) {
        (Some(VerificationOption::App), _) | (None, Some("app")) => Ok(Some(UserVerification::App)),
        (Some(VerificationOption::None), _) | (None, Some("none")) => Ok(Some(UserVerification::None)),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::invalid("ONBEHALF_USER_VERIFICATION", "must be \"app\" or \"none\"")),
    }
}

/// The connections of the options, then those that the variables alone name: `ONBEHALF_GMAIL_CLIENT_ID` is a
/// connection `gmail`.
fn connections(
    options: indexmap::IndexMap<String, ConnectionOptions>,
    environment: &mut Environment,
) -> Result<Vec<NewConnection>> {
    let mut connections = Vec::new();
    for (name, mut options) in options {
        let credentials = environment.credentials.shift_remove(&variable_name(&name)).unwrap_or_default();
        options.client_id = options.client_id.or(credentials.client_id);
        options.client_secret = options.client_secret.or(credentials.client_secret.map(Into::into));
        connections.push(options.named(Organization::default(), &name, &format!("connections.{name}."))?);
    }
    for (name, Credentials { client_id, client_secret }) in environment.credentials.drain(..) {
        let client_secret = client_secret.map(Into::into);
        let options = ConnectionOptions { client_id, client_secret, ..Default::default() };
        connections.push(options.named(Organization::default(), &name, "")?);
    }
    Ok(connections)
}

impl ConnectionOptions {
    /// The connection to make. `path` is how messages name these options.
    pub(crate) fn named(self, organization: Organization, name: &str, path: &str) -> Result<NewConnection> {
        Ok(NewConnection {
            organization,
            name: ConnectionName::parse(name)?,
            connector: self.connector,
            auth_method: self.auth_method,
            client_id: self.client_id,
            client_secret: self.client_secret,
            scopes: self.scopes,
            scope_params: self.scope_params.unwrap_or_default(),
            fields: self.fields.unwrap_or_default(),
            app: self.app.unwrap_or_default(),
            endpoints: self.endpoints.unwrap_or_default().parse(path)?,
        })
    }
}

impl EndpointOptions {
    /// The endpoints, as URLs.
    pub(crate) fn parse(self, path: &str) -> Result<Endpoints> {
        let url = |name: &str, text: Option<String>| {
            text.map(|text| parse_url(&format!("{path}endpoints.{name}"), &text)).transpose()
        };
        Ok(Endpoints {
            authorize_url: url("authorizeUrl", self.authorize_url)?,
            token_url: url("tokenUrl", self.token_url)?,
            refresh_url: url("refreshUrl", self.refresh_url)?,
            revoke_url: url("revokeUrl", self.revoke_url)?,
            base_url: url("baseUrl", self.base_url)?,
        })
    }
}

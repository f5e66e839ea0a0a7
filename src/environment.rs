//! What the process's environment variables say. Nothing else of onbehalf reads them.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use napi::Unknown;
use onbehalf_engine::{Error, Result, secret::Secret};

use crate::{argument::variables, error::Failure};

/// Where the platform says that configuration belongs, and where it is when it does not say.
const CONFIG_HOME: &str = if cfg!(windows) { "APPDATA" } else { "XDG_CONFIG_HOME" };
const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
const BELOW_HOME: &str = if cfg!(windows) {
    "AppData/Roaming"
} else if cfg!(target_os = "macos") {
    "Library/Application Support"
} else {
    ".config"
};

const ID: &str = "_CLIENT_ID";
const SECRET: &str = "_CLIENT_SECRET";

/// The variables that concern onbehalf, read once per instance. An empty one counts as not set.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) store: Option<Secret>,
    pub(crate) journal: Option<String>,
    pub(crate) key: Option<Secret>,
    pub(crate) key_file: Option<String>,
    pub(crate) public_url: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) app_name: Option<String>,
    pub(crate) user_verification: Option<String>,
    /// Separated by spaces or commas.
    pub(crate) user_verify_urls: Option<Vec<String>>,
    pub(crate) background_refresh: Option<bool>,
    /// The name of the variable that asks for an environment elsewhere.
    pub(crate) remote: Option<&'static str>,
    /// Where programs keep what belongs to the person who runs them.
    pub(crate) config_folder: Option<PathBuf>,
    /// By upper-case name: `ONBEHALF_<NAME>_CLIENT_ID` and `_CLIENT_SECRET`.
    pub(crate) credentials: IndexMap<String, Credentials>,
}

/// An app's credentials with a provider.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<Secret>,
}

impl Environment {
    /// Reads `process.env`.
    pub(crate) fn read(env: Unknown<'_>) -> Result<Self, Failure> {
        let mut environment = Self::default();
        for (name, value) in variables(env, &["ONBEHALF_", "SCALEKIT_", CONFIG_HOME, HOME])? {
            if !value.trim().is_empty() {
                environment.put(&name, &value)?;
            }
        }
        Ok(environment)
    }

    fn put(&mut self, name: &str, value: &str) -> Result<()> {
        let text = || Some(value.to_owned());
        match name {
            "ONBEHALF_URL" => self.remote = Some("ONBEHALF_URL"),
            "SCALEKIT_ENVIRONMENT_URL" => self.remote = Some("SCALEKIT_ENVIRONMENT_URL"),
            "SCALEKIT_ENV_URL" => self.remote = Some("SCALEKIT_ENV_URL"),
            "ONBEHALF_STORE" => self.store = Some(value.into()),
            "ONBEHALF_JOURNAL" => self.journal = text(),
            "ONBEHALF_KEY" => self.key = Some(value.into()),
            "ONBEHALF_KEY_FILE" => self.key_file = text(),
            "ONBEHALF_PUBLIC_URL" => self.public_url = text(),
            "ONBEHALF_APP_NAME" => self.app_name = text(),
            "ONBEHALF_USER_VERIFICATION" => self.user_verification = text(),
            "ONBEHALF_USER_VERIFY_URLS" => {
                let urls = value.split([',', ' ', '\n']).filter(|url| !url.is_empty());
                self.user_verify_urls = Some(urls.map(Into::into).collect());
            }
            "ONBEHALF_PORT" => {
                let port = value.trim().parse();
                self.port = Some(port.map_err(|_| Error::invalid(name, "must be a whole number from 0 to 65535"))?);
            }
            "ONBEHALF_BACKGROUND_REFRESH" => {
                let decided = value.trim().parse();
                self.background_refresh = Some(decided.map_err(|_| Error::invalid(name, "must be `true` or `false`"))?);
            }
            // The one that is there for this goes before the one that it is derived from.
            CONFIG_HOME => self.config_folder = Some(value.into()),
            HOME => self.config_folder = self.config_folder.take().or(Some(Path::new(value).join(BELOW_HOME))),
            _ => self.put_credential(name, value),
        }
        Ok(())
    }

    fn put_credential(&mut self, name: &str, value: &str) {
        // `ONBEHALF_CLIENT_ID` itself is for an environment elsewhere.
        let Some(rest) = name.strip_prefix("ONBEHALF_") else { return };
        if let Some(connection) = rest.strip_suffix(ID) {
            self.credentials.entry(connection.into()).or_default().client_id = Some(value.into());
        } else if let Some(connection) = rest.strip_suffix(SECRET) {
            self.credentials.entry(connection.into()).or_default().client_secret = Some(value.into());
        }
    }
}

/// How a connection's name is written in a variable: `google-calendar` is `GOOGLE_CALENDAR`.
pub(crate) fn variable_name(connection: &str) -> String {
    let upper = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' };
    connection.chars().map(upper).collect()
}

//! The sandbox in an environment's settings: its connector, its connections, and the apps that are registered with it.
//!
//! It is there on a loopback environment alone. Elsewhere a simulated provider would be a way in.

use std::sync::Arc;

use onbehalf_engine::{
    Settings,
    connections::NewConnection,
    egress::guard,
    names::{ConnectionName, Organization},
    random::Random,
};
use url::Url;

use crate::sandbox::Sandbox;

/// The connector's slug, and the name of the connection that is there by itself.
pub const CONNECTOR: &str = "sandbox";
/// The connection that takes a key.
pub const KEY_CONNECTION: &str = "sandbox_key";
/// The client id and the client secret of the app that every environment has here. The same in every process, for they
/// may share a store; they open nothing but the sandbox.
const APP: &str = "sandbox";
/// The connector's method for it, and that method's one field.
pub(crate) const KEY_METHOD: &str = "api_key";

impl Sandbox {
    /// The sandbox of the environment that `settings` describe, which are completed for it. Nothing where the
    /// environment is not on loopback, or has a connector of its own with that name.
    ///
    /// Every declared connection of the connector that brings no credentials of its app gets those of the app `sandbox`,
    /// which may be called back on any connection; the connections `sandbox` and `sandbox_key` are there unless the app
    /// declares them.
    pub fn install(settings: &mut Settings, random: Arc<dyn Random>) -> Option<Arc<Self>> {
        let file = format!("{CONNECTOR}.toml");
        let is_taken = settings.connectors.iter().any(|(name, _)| *name == file);
        if is_taken || !guard::is_loopback_host(&settings.public_url) {
            return None;
        }
        let sandbox = Self::below(&settings.public_url, random);
        settings.connectors.push((file, connector(sandbox.base())));
        for (name, method) in [(CONNECTOR, None), (KEY_CONNECTION, Some(KEY_METHOD))] {
            if !settings.connections.iter().any(|declared| declared.name.as_str() == name) {
                settings.built_in_connections.push(connection(name, method));
            }
        }
        let callback = |connection| redirect_uri(&settings.public_url, connection);
        sandbox.provider(|provider| provider.register(APP, APP.into(), &callback("")));
        let declared = settings.connections.iter_mut().chain(&mut settings.built_in_connections);
        for connection in declared.filter(|connection| takes_codes(connection)) {
            let id = connection.client_id.get_or_insert_with(|| APP.into());
            let secrets = connection.client_secret.get_or_insert_with(|| APP.into());
            if let Some(secret) = secrets.iter().next() {
                sandbox.provider(|provider| provider.register(id, secret.clone(), &callback(connection.name.as_str())));
            }
        }
        Some(Arc::new(sandbox))
    }
}

/// Where the sandbox sends browsers back for a declared connection.
fn redirect_uri(public_url: &Url, connection: &str) -> String {
    let mut url = public_url.clone();
    url.set_path(&format!("{}/callback/{connection}", public_url.path().trim_end_matches('/')));
    url.into()
}

/// Whether a declared connection is the sandbox's, and sends people to its consent page.
fn takes_codes(connection: &NewConnection) -> bool {
    connection.connector.as_deref().unwrap_or(connection.name.as_str()) == CONNECTOR
        && connection.auth_method.as_deref() != Some(KEY_METHOD)
}

fn connection(name: &str, auth_method: Option<&str>) -> NewConnection {
    let name = ConnectionName::parse(name).expect("our own names are names of connections");
    NewConnection {
        connector: Some(CONNECTOR.into()),
        auth_method: auth_method.map(str::to_owned),
        ..NewConnection::named(Organization::default(), name)
    }
}

/// The connector's file. A URL has no character that would end TOML's string.
fn connector(base: &Url) -> String {
    format!(
        r#"
name       = "Sandbox"
docs       = "https://github.com/onbehalf/onbehalf/blob/main/docs/testing.md"
categories = ["testing"]
base_url   = "{base}"

[auth.oauth2]
issuer        = "{base}"
authorize_url = "{base}/authorize"
token_url     = "{base}/token"
revoke_url    = "{base}/revoke"
scopes        = ["read", "write"]

# It has no replicas, so that its first word is its last.
[auth.oauth2.refresh_tokens]
rotation  = "always"
confirm_s = 0

[auth.{KEY_METHOD}]
fields = {{ api_key = {{ label = "Key", help = "Any key that a test issued, or sandbox-demo-key.", example = "sandbox-demo-key", secret = true }} }}
send   = {{ headers = {{ x-api-key = "{{api_key}}" }} }}

[probe]
url   = "/me"
id    = "id"
label = "email"
"#
    )
}

//! What a connection must be like, before anything of it is written.

use url::Url;

use crate::{
    Engine, Error, Result,
    catalogue::{
        field,
        schema::{Connector, Method},
    },
    egress::guard,
    rows::StoredConnection,
};

impl Engine {
    /// Refuses what the connector does not take, before anything is written.
    pub(crate) fn check_connection(
        &self,
        connection: &StoredConnection,
        connector: &Connector,
        method: &Method,
    ) -> Result<()> {
        let config = &connection.config;
        if let Some(client_id) = &config.client_id
            && (client_id.trim().is_empty() || client_id.len() > 1024 || client_id.chars().any(char::is_control))
        {
            return Err(Error::invalid("clientId", "must be 1 to 1024 characters, none of them a control character"));
        }
        if let Some(secrets) = &connection.secrets.client_secret {
            secrets.check()?;
        }
        check_scopes(config.scopes.iter().flatten().chain(config.scope_params.values().flatten()))?;
        for parameter in config.scope_params.keys() {
            if !method.scope_params.contains_key(parameter) {
                let known = method.scope_params.keys().map(String::as_str);
                return Err(Error::unknown_option(format!("scopeParams.{parameter}"), parameter, known));
            }
        }
        if let Some((name, _)) = connector.fields.iter().find(|(_, field)| field.secret) {
            let problem =
                format!("`fields.{name}` of `{}` is secret; it belongs to an auth method's `app`", connector.slug);
            return Err(Error::ConnectorInvalid { problem });
        }
        field::fill(&connector.fields, &config.fields)?;
        for name in connection.secrets.app.keys() {
            if !method.app.contains_key(name) {
                return Err(Error::unknown_option(format!("app.{name}"), name, method.app.keys().map(String::as_str)));
            }
        }
        let endpoints = [
            ("endpoints.authorizeUrl", &config.endpoints.authorize_url),
            ("endpoints.tokenUrl", &config.endpoints.token_url),
            ("endpoints.refreshUrl", &config.endpoints.refresh_url),
            ("endpoints.revokeUrl", &config.endpoints.revoke_url),
            ("endpoints.baseUrl", &config.endpoints.base_url),
        ];
        for (name, url) in endpoints {
            if let Some(url) = url {
                check_endpoint(name, url)?;
            }
        }
        Ok(())
    }
}

/// RFC 6749 §3.3: a scope is visible ASCII without quotes and backslashes. A hundred are more than any provider has.
pub(crate) fn check_scopes<'a>(scopes: impl Iterator<Item = &'a String>) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    for (count, scope) in scopes.enumerate() {
        if count >= 100 || scope.is_empty() || scope.len() > 512 || !scope.bytes().all(allowed) {
            let problem = "must be at most 100, each of up to 512 visible ASCII characters without spaces or quotes";
            return Err(Error::invalid("scopes", problem));
        }
    }
    Ok(())
}

/// An endpoint of the developer's: https, or http on a loopback host.
fn check_endpoint(name: &str, url: &Url) -> Result<()> {
    let secure = url.scheme() == "https" || url.scheme() == "http" && guard::is_loopback_host(url);
    if !secure
        || url.host().is_none()
        || !url.username().is_empty()
        || url.password().is_some()
        || url.fragment().is_some()
    {
        return Err(Error::invalid(
            name,
            "must be an https URL (http only on a loopback host) without user, password or fragment",
        ));
    }
    Ok(())
}

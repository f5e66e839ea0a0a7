//! A connection put together with its connector: what OAuth messages and API calls need, every template filled in.

use aws_lc_rs::digest;
use bytes::Bytes;
use indexmap::IndexMap;
use url::Url;

use super::method_of;
use crate::{
    Engine, Error, Result,
    catalogue::{
        Loopback,
        host::HostPattern,
        schema::{Connector, Keep, Method, Probe},
        template::{Template, TemplateError, Values},
    },
    oauth::{ClientAuth, Registration, token_response::TokenSet},
    proxy::injection::Injection,
    rows::{Credential, StoredConnection},
    secret::{ExposeSecret, Secret},
};

/// A connection with the connector and the auth method that it names.
pub(crate) struct Settled<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) method: &'a Method,
    pub(crate) connection: &'a StoredConnection,
    redirect_uri: Url,
    loopback: Loopback,
    client_id: &'a str,
    values: Values,
}

impl<'a> Settled<'a> {
    /// Fails when the app has no credentials yet, or the method is of a kind that is not supported.
    pub(crate) fn of(engine: &'a Engine, connection: &'a StoredConnection) -> Result<Self> {
        let connector = engine.catalogue_entry(&connection.connector)?;
        let (name, method) = method_of(connector, Some(&connection.config.auth_method))?;
        connector.supported(name, method)?;
        let config = &connection.config;
        let secret = connection.secrets.client_secret.as_ref();
        let client_id = match (&config.client_id, secret, method.client_auth) {
            (Some(id), Some(_), _) | (Some(id), None, ClientAuth::None) => id,
            _ => return Err(engine.not_configured(&connection.organization, &connection.name, connector)),
        };
        let redirect_uri = engine.redirect_uri(&connection.organization, &connection.name);
        let mut values = connector.fill(&config.fields)?;
        values.set("client_id", client_id);
        values.set("redirect_uri", redirect_uri.as_str());
        if let Some(secret) = secret {
            values.set_secret("client_secret", secret.clone());
        }
        for (name, value) in &connection.secrets.app {
            values.set_secret(name, value.clone());
        }
        Ok(Self { connector, method, connection, redirect_uri, loopback: engine.loopback(), client_id, values })
    }

    /// What one authorization needs. `scopes` are asked instead of the connection's.
    pub(crate) fn registration(&self, scopes: Option<&[String]>) -> Result<Registration> {
        let (method, endpoints) = (self.method, &self.connection.config.endpoints);
        let mut asked = method.always_scopes.clone();
        let chosen = scopes.or(self.connection.config.scopes.as_deref()).unwrap_or(&method.scopes);
        asked.extend(chosen.iter().filter(|scope| !method.always_scopes.contains(scope)).cloned());
        let mut scope_params = method.scope_params.clone();
        scope_params.extend(self.connection.config.scope_params.clone());
        Ok(Registration {
            authorize_url: self.endpoint(&endpoints.authorize_url, &method.authorize_url, "authorize_url")?,
            token_url: self.endpoint(&endpoints.token_url, &method.token_url, "token_url")?,
            refresh_url: match (&endpoints.refresh_url, &endpoints.token_url, &method.refresh_url) {
                // An overridden token endpoint takes refreshes too, unless they have one of their own.
                (None, Some(_), _) | (None, None, None) => None,
                (own, _, template) => Some(self.endpoint(own, template, "refresh_url")?),
            },
            issuer: method.issuer.clone(),
            client_id: self.client_id.into(),
            client_secret: self.connection.secrets.client_secret.clone(),
            redirect_uri: self.redirect_uri.clone(),
            client_auth: method.client_auth,
            encoding: method.encode,
            pkce: method.pkce,
            scopes: asked,
            scope_separator: method.scope_separator.clone().unwrap_or_else(|| " ".into()),
            scope_params,
            authorize_params: self.filled(&method.authorize_params)?,
            token_params: self.filled(&method.token_params)?,
            refresh_params: self.filled(&method.refresh_params)?,
            token_headers: self.filled(&method.token_headers)?,
            rename: method.rename.clone(),
            code_param: method.code_param.clone().unwrap_or_else(|| "code".into()),
            response: method.response.clone(),
            expires_in: method.expires_in,
        })
    }

    /// Where API calls go, for an account with these kept values.
    pub(crate) fn base_url(&self, kept: &IndexMap<String, String>) -> Result<Url> {
        if let Some(url) = &self.connection.config.endpoints.base_url {
            return Ok(url.clone());
        }
        let Some(template) = &self.connector.base_url else {
            return Err(Error::NotSupported { what: format!("calling the API of connector `{}`", self.connector.slug) });
        };
        let url = template.render_url(&self.values_with(kept, None), self.loopback).map_err(|error| self.unfilled("base_url", &error))?;
        // A host that the provider named itself must be one that the connector knows (catalogue rule).
        if template.begins_with_value() && !self.may_receive(&url) {
            return Err(Error::TargetNotAllowed {
                problem: format!("the provider named a host that connector `{}` does not list", self.connector.slug),
            });
        }
        Ok(url)
    }

    fn may_receive(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        self.connector.hosts.iter().any(|pattern: &HostPattern| pattern.matches(host))
    }

    /// Where the credential goes in an API call, and the headers that every call carries.
    pub(crate) fn injection(&self, kept: &IndexMap<String, String>, credential: &Credential) -> Result<Injection> {
        Injection::new(self.connector, self.method, &self.values_with(kept, Some(credential)))
            .map_err(|error| self.unfilled("send", &error))
    }

    /// The call that names the credential's owner.
    pub(crate) fn probe_request(
        &self,
        probe: &Probe,
        kept: &IndexMap<String, String>,
        credential: &Credential,
    ) -> Result<http::Request<Bytes>> {
        let values = self.values_with(kept, Some(credential));
        let path = probe.url.render_plain(&values).map_err(|error| self.unfilled("probe.url", &error))?;
        let json = probe.json.as_ref().map(|json| Bytes::from(json.to_string()));
        self.injection(kept, credential)?.probe(&self.base_url(kept)?, probe.method, &path, json)
    }

    /// The values of a token answer that the connector keeps in the open.
    pub(crate) fn kept_from_token(&self, tokens: &TokenSet) -> IndexMap<String, String> {
        let kept = self.method.keep.iter();
        kept.filter_map(|(name, source)| Some((name.clone(), value_of(source, tokens)?.expose_secret().into()))).collect()
    }

    /// The values of a token answer that the connector keeps sealed.
    pub(crate) fn secrets_from_token(&self, tokens: &TokenSet) -> IndexMap<String, Secret> {
        let kept = self.method.keep_secret.iter();
        kept.filter_map(|(name, source)| Some((name.clone(), value_of(source, tokens)?))).collect()
    }

    fn values_with(&self, kept: &IndexMap<String, String>, credential: Option<&Credential>) -> Values {
        let mut values = self.values.clone();
        for (name, value) in kept {
            values.set(name, value);
        }
        if let Some(credential) = credential {
            values.set_secret("access_token", credential.access_token.clone());
            for (name, value) in &credential.kept {
                values.set_secret(name, value.clone());
            }
        }
        values
    }

    fn endpoint(&self, own: &Option<Url>, template: &Option<Template>, name: &str) -> Result<Url> {
        match (own, template) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(template)) => {
                template.render_url(&self.values, self.loopback).map_err(|error| self.unfilled(name, &error))
            }
            (None, None) => Err(Error::NotSupported { what: format!("connector `{}` without `{name}`", self.connector.slug) }),
        }
    }

    fn filled(&self, templates: &IndexMap<String, Template>) -> Result<IndexMap<String, Secret>> {
        templates
            .iter()
            .map(|(name, template)| {
                let value = template.render(&self.values).map_err(|error| self.unfilled(name, &error))?;
                Ok((name.clone(), value))
            })
            .collect()
    }

    /// A template that lacks a value: something that the connection must give.
    fn unfilled(&self, place: &str, error: &TemplateError) -> Error {
        Error::invalid(format!("connections.{}.fields", self.connection.name), format!("do not fill `{place}`: {error}"))
    }
}

impl Registration {
    /// Tells whether a flow ends with the provider and app that it started with.
    pub(crate) fn fingerprint(&self) -> String {
        let mut parts = digest::Context::new(&digest::SHA256);
        for part in [self.authorize_url.as_str(), self.token_url.as_str(), &self.client_id, self.redirect_uri.as_str()] {
            parts.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            parts.update(part.as_bytes());
        }
        data_encoding::HEXLOWER.encode(parts.finish().as_ref())
    }

    /// Everything that the person is asked for.
    pub(crate) fn every_scope(&self) -> Vec<String> {
        self.scopes.iter().chain(self.scope_params.values().flatten()).cloned().collect()
    }
}

fn value_of(source: &Keep, tokens: &TokenSet) -> Option<Secret> {
    match source {
        Keep::Token(path) => tokens.value(path),
        Keep::Jwt(claim) => tokens.id_token_claim(claim),
        Keep::Callback(_) => None,
    }
}

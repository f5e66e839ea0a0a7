//! A connection put together with its connector: what OAuth messages and API calls need, every template filled in.

use aws_lc_rs::digest;
use bytes::Bytes;
use indexmap::IndexMap;
use url::Url;

use super::{injection::Injection, secret_choice::SecretChoice};
use crate::{
    Engine, Error, Result,
    catalogue::{
        field,
        profile::Profile,
        schema::{Connector, Keep, Method},
        template::{Template, Values},
        url::Loopback,
    },
    egress::target::Target,
    oauth::{ClientAuth, Registration, token_response::TokenSet},
    rows::{ConnectionConfig, Credential, StoredConnection},
    secret::{ExposeSecret, Secret},
};

/// A connection with the connector and the auth method that it names.
#[derive(Clone)]
pub(crate) struct Setup<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) method: &'a Method,
    pub(crate) connection: &'a StoredConnection,
    redirect_uri: Url,
    pub(super) loopback: Loopback,
    /// Of the app's own registration with the provider; a static credential needs none.
    client_id: Option<&'a str>,
    /// Which of the app's secrets goes out.
    choice: SecretChoice,
    pub(super) values: Values,
}

impl<'a> Setup<'a> {
    /// Fails when the app has no credentials yet, or the method is of a kind that is not supported.
    pub(crate) fn of(engine: &'a Engine, connection: &'a StoredConnection) -> Result<Self> {
        let (connector, method, client_id) = app_of(engine, connection)?;
        let config = &connection.config;
        let redirect_uri = engine.redirect_uri(&connection.organization, &connection.name);
        let mut values = field::variables(&connector.fields, &field::fill(&connector.fields, &config.fields)?);
        if let Some(id) = &config.client_id {
            values.set("client_id", id);
        }
        values.set("redirect_uri", redirect_uri.as_str());
        for (name, value) in &connection.secrets.app {
            match method.app.get(name) {
                Some(field) if !field.secret => values.set(name, value.expose_secret()),
                _ => values.set_secret(name, value.clone()),
            };
        }
        let (choice, loopback) = (engine.secret_choice(connection), engine.loopback());
        let setup = Self { connector, method, connection, redirect_uri, loopback, client_id, choice, values };
        Ok(setup.with_secret(choice))
    }

    /// The same, with this one of the app's secrets.
    fn with_secret(mut self, choice: SecretChoice) -> Self {
        self.choice = choice;
        if let Some(secret) = self.client_secret() {
            self.values.set_secret("client_secret", secret.clone());
        }
        self
    }

    /// The same, with this one of the app's secrets; with its own where none is named, or the app has not so many now.
    pub(crate) fn with_secret_of(self, choice: Option<SecretChoice>) -> Self {
        match choice {
            Some(choice) if choice.is_among(self.choice) => self.with_secret(choice),
            _ => self,
        }
    }

    /// The same, with the app's next secret, after the provider has refused this one; nothing when it has refused all.
    pub(crate) fn with_next_secret(&self) -> Option<Self> {
        self.choice.next().map(|next| self.clone().with_secret(next))
    }

    /// Which of the app's secrets goes out. See [`Engine::remember_secret`].
    pub(crate) fn secret_choice(&self) -> SecretChoice {
        self.choice
    }

    fn client_secret(&self) -> Option<&'a Secret> {
        self.connection.secrets.client_secret.as_ref()?.nth(self.choice.index())
    }

    /// Whether the person enters a credential, instead of consenting at the provider.
    pub(crate) fn is_static(&self) -> bool {
        self.method.kind.is_static()
    }

    /// Whether a link can be made that asks for these scopes.
    ///
    /// # Errors
    /// What an authorization would meet; `INVALID_ARGUMENT` for scopes where there is nobody to ask for them.
    pub(crate) fn check_link(&self, scopes: Option<&[String]>) -> Result<()> {
        match scopes {
            _ if !self.is_static() => self.registration(scopes).map(drop),
            None | Some([]) => Ok(()),
            Some(_) => {
                let problem =
                    format!("must be left out: connection `{}` takes a key, which has no scopes", self.connection.name);
                Err(Error::invalid("scopes", problem))
            }
        }
    }

    /// What one authorization needs. `scopes` are asked instead of the connection's.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` where there is nobody to ask: the credential is static.
    pub(crate) fn registration(&self, scopes: Option<&[String]>) -> Result<Registration> {
        let client_id = self.client_id.ok_or_else(|| Error::NotSupported {
            what: format!("OAuth on connection `{}`, which takes a credential of its own kind,", self.connection.name),
        })?;
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
            issuer: method.issuer.as_ref().map(|issuer| issuer.render_plain(&self.values)).transpose()?,
            client_id: client_id.into(),
            client_secret: self.client_secret().cloned(),
            redirect_uri: self.redirect_uri.clone(),
            client_auth: method.client_auth,
            encoding: method.encode,
            pkce: method.pkce,
            scopes: asked,
            scope_separator: method.scope_separator.clone().unwrap_or_else(|| " ".into()),
            scope_params,
            authorize_params: self.filled_plainly(&method.authorize_params)?,
            token_params: self.filled(&method.token_params)?,
            refresh_params: self.filled(&method.refresh_params)?,
            token_headers: self.filled(&method.token_headers)?,
            rename: method.rename.clone(),
            code_param: method.code_param.clone().unwrap_or_else(|| "code".into()),
            response: method.response.clone(),
            expires_in: method.expires_in,
        })
    }

    /// What a refresh needs: the same, and where a refresh's answer has its values.
    pub(crate) fn refresh_registration(&self) -> Result<Registration> {
        let mut registration = self.registration(None)?;
        if let Some(paths) = &self.method.refresh_response {
            registration.response = paths.clone();
        }
        Ok(registration)
    }

    /// Where tokens are refreshed.
    fn refresh_endpoint(&self) -> Result<Url> {
        let registration = self.registration(None)?;
        Ok(registration.refresh_url.unwrap_or(registration.token_url))
    }

    /// The origin that is asked for tokens, which is what a provider is to those who must not ask too often.
    pub(crate) fn token_origin(&self) -> Result<String> {
        Ok(self.refresh_endpoint()?.origin().ascii_serialization())
    }

    /// The host of that, for errors.
    pub(crate) fn token_host(&self) -> String {
        let endpoint = self.refresh_endpoint().ok();
        endpoint.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| self.connector.slug.clone())
    }

    /// How the provider treats refresh tokens.
    pub(crate) fn profile(&self) -> &'a Profile {
        &self.method.refresh_tokens
    }

    /// Names the connector and app that a grant belongs to. What is granted to one, or entered for it, is never sent to
    /// another.
    pub(crate) fn binding(&self) -> String {
        binding(self.connector, self.client_id, &self.connection.config)
    }

    /// Where API calls go, for an account with these kept values. What a person `entered` may name their own host; a
    /// token does not. A host that the provider named itself must be among those that the connector lists.
    pub(crate) fn base_url(&self, kept: &IndexMap<String, String>, entered: Option<&Credential>) -> Result<Url> {
        match &self.connection.config.endpoints.base_url {
            Some(url) => Ok(url.clone()),
            None => self.connector.api_url(&self.values_with(kept, entered), self.loopback),
        }
    }

    /// Where the credential goes in an API call, and the headers that every call carries.
    pub(crate) fn injection(&self, kept: &IndexMap<String, String>, credential: &Credential) -> Result<Injection> {
        Injection::new(self.connector, self.method, &self.values_with(kept, Some(credential)))
    }

    /// Whether API calls can be made with these kept values: a provider that did not say where its API is, or named a
    /// host that is not its own, has not completed the authorization.
    pub(crate) fn check_kept(&self, kept: &IndexMap<String, String>, credential: &Credential) -> Result<()> {
        if self.connector.base_url.is_none() {
            return Ok(());
        }
        self.base_url(kept, Some(credential)).map(drop)
    }

    /// The call that names the credential's owner; nothing when the connector has none.
    pub(crate) fn probe_request(
        &self,
        kept: &IndexMap<String, String>,
        credential: &Credential,
    ) -> Result<Option<http::Request<Bytes>>> {
        let values = self.values_with(kept, Some(credential));
        let url = match (&self.connector.probe, &self.connection.config.endpoints.base_url) {
            (None, _) => None,
            (Some(_), None) => self.connector.probe_url(&values, self.loopback)?,
            (Some(probe), Some(base)) => {
                Some(Target::new(base, &probe.url.render_plain(&values)?, &[], &[])?.url().clone())
            }
        };
        match (&self.connector.probe, url) {
            (Some(probe), Some(url)) => self.injection(kept, credential)?.probe(probe, url).map(Some),
            _ => Ok(None),
        }
    }

    /// The values of a token answer that the connector keeps in the open.
    pub(crate) fn kept_from_token(&self, tokens: &TokenSet) -> IndexMap<String, String> {
        let kept = self.method.keep.iter();
        kept.filter_map(|(name, source)| Some((name.clone(), value_of(source, tokens)?))).collect()
    }

    /// The values of a token answer that the connector keeps sealed.
    pub(crate) fn secrets_from_token(&self, tokens: &TokenSet) -> IndexMap<String, Secret> {
        let kept = self.method.keep_secret.iter();
        kept.filter_map(|(name, source)| Some((name.clone(), value_of(source, tokens)?.into()))).collect()
    }

    /// Where tokens are revoked (RFC 7009). An environment of the app's own has the endpoints that it names alone.
    pub(super) fn revoke_endpoint(&self) -> Result<Option<Url>> {
        match (&self.connection.config.endpoints.revoke_url, &self.method.revoke_url) {
            (Some(url), _) => Ok(Some(url.clone())),
            (None, Some(template)) if !self.has_own_endpoints() => {
                Ok(Some(template.render_url(&self.values, self.loopback)?))
            }
            _ => Ok(None),
        }
    }

    /// Whether tokens come from another place than the connector's, so that they must not be sent to the connector's.
    pub(super) fn has_own_endpoints(&self) -> bool {
        {
            let endpoints = &self.connection.config.endpoints;
            endpoints.token_url.is_some() || endpoints.refresh_url.is_some()
        }
    }

    pub(super) fn values_with(&self, kept: &IndexMap<String, String>, credential: Option<&Credential>) -> Values {
        let mut values = self.values.clone();
        for (name, value) in kept {
            values.set(name, value);
        }
        match credential {
            None => {}
            Some(Credential::Tokens(tokens)) => {
                values.set_secret("access_token", tokens.access_token.clone());
                for (name, value) in &tokens.kept {
                    values.set_secret(name, value.clone());
                }
            }
            Some(Credential::Fields(fields)) => {
                for (key, field) in &self.method.fields {
                    if let Some(value) = fields.get(key) {
                        field.set(key, value.expose_secret(), &mut values);
                    }
                }
            }
        }
        values
    }

    fn endpoint(&self, own: &Option<Url>, template: &Option<Template>, name: &str) -> Result<Url> {
        match (own, template) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(template)) => Ok(template.render_url(&self.values, self.loopback)?),
            (None, None) => {
                Err(Error::NotSupported { what: format!("connector `{}` without `{name}`", self.connector.slug) })
            }
        }
    }

    /// Parameters of a URL that browsers see: no secret goes into them.
    fn filled_plainly(&self, templates: &IndexMap<String, Template>) -> Result<IndexMap<String, String>> {
        let filled = templates.iter().map(|(name, template)| Ok((name.clone(), template.render_plain(&self.values)?)));
        filled.collect()
    }

    fn filled(&self, templates: &IndexMap<String, Template>) -> Result<IndexMap<String, String>> {
        self.filled_with(templates, &self.values)
    }

    pub(super) fn filled_with(
        &self,
        templates: &IndexMap<String, Template>,
        values: &Values,
    ) -> Result<IndexMap<String, String>> {
        let fill = |template: &Template| -> Result<String> { Ok(template.render(values)?.expose_secret().to_owned()) };
        templates.iter().map(|(name, template)| Ok((name.clone(), fill(template)?))).collect()
    }
}

impl Engine {
    /// A connection that can be used: enabled, configured, and of a kind that is supported.
    pub(crate) fn setup<'a>(&'a self, connection: &'a StoredConnection) -> Result<Setup<'a>> {
        if !connection.enabled {
            return Err(Error::ConnectionDisabled { connection: connection.name.clone() });
        }
        Setup::of(self, connection)
    }

    /// [`Setup::binding`], without what else a setup fills in.
    pub(crate) fn binding(&self, connection: &StoredConnection) -> Result<String> {
        let (connector, _, client_id) = app_of(self, connection)?;
        Ok(binding(connector, client_id, &connection.config))
    }
}

/// The connector, the auth method and the client id of a connection; static methods need none.
fn app_of<'a>(
    engine: &'a Engine,
    connection: &'a StoredConnection,
) -> Result<(&'a Connector, &'a Method, Option<&'a str>)> {
    let connector = engine.catalogue.connector(&connection.connector)?;
    let (_, method) = connector.supported_method(Some(&connection.config.auth_method))?;
    let client_id = match (&connection.config.client_id, &connection.secrets.client_secret, method.client_auth) {
        _ if method.kind.is_static() => None,
        (Some(id), Some(_), _) | (Some(id), None, ClientAuth::None) => Some(id.as_str()),
        _ => return Err(engine.not_configured(&connection.organization, &connection.name, connector)),
    };
    Ok((connector, method, client_id))
}

fn binding(connector: &Connector, client_id: Option<&str>, config: &ConnectionConfig) -> String {
    let url = |url: &Option<Url>| url.as_ref().map(|url| url.as_str().to_owned()).unwrap_or_default();
    let fields = config.fields.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    digest_of(&[
        &digest_of(&fields.collect::<Vec<_>>()),
        &connector.slug,
        &config.auth_method,
        client_id.unwrap_or_default(),
        &url(&config.endpoints.token_url),
        &url(&config.endpoints.refresh_url),
        &url(&config.endpoints.base_url),
    ])
}

impl Registration {
    /// Tells whether a flow ends with the provider and app that it started with.
    pub(crate) fn fingerprint(&self) -> String {
        digest_of(&[self.authorize_url.as_str(), self.token_url.as_str(), &self.client_id, self.redirect_uri.as_str()])
    }

    /// Everything that the person is asked for.
    pub(crate) fn every_scope(&self) -> Vec<String> {
        self.scopes.iter().chain(self.scope_params.values().flatten()).cloned().collect()
    }
}

/// SHA-256 of texts, each with its length, so that no two lists of them are alike.
pub(crate) fn digest_of(parts: &[&str]) -> String {
    let mut digest = digest::Context::new(&digest::SHA256);
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    data_encoding::HEXLOWER.encode(digest.finish().as_ref())
}

fn value_of(source: &Keep, tokens: &TokenSet) -> Option<String> {
    match source {
        Keep::Token(path) => tokens.kept(path).map(String::from),
        Keep::Jwt(claim) => tokens.id_token_claim(claim),
        Keep::Callback(_) => None,
    }
}

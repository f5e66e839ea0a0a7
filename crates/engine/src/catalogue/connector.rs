//! What the engine asks of a connector: its methods, whether they can run, and which hosts may see the credential.

use indexmap::IndexMap;
use url::Url;

use super::{
    field::{self, Field},
    nearest::nearest,
    schema::{Connector, Grant, Method, MethodKind, Send},
    template::{Template, Values},
    url::{Loopback, Origin, Piece},
};
use crate::{Error, Result, oauth::ClientAuth};

impl Connector {
    /// The method of this name, or the default one.
    pub fn method(&self, name: Option<&str>) -> Option<(&str, &Method)> {
        match name {
            Some(name) => self.auth.get_key_value(name),
            None => self.auth.first(),
        }
        .map(|(name, method)| (name.as_str(), method))
    }

    /// The method of this name, or the default one, if this version can run it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the connector has no such method, [`Error::NotSupported`] where this version can't
    /// run it.
    pub fn supported_method(&self, name: Option<&str>) -> Result<(&str, &Method)> {
        let Some((name, method)) = self.method(name) else {
            let nearest = nearest(name.unwrap_or_default(), self.auth.keys().map(String::as_str));
            let known = self.auth.keys().map(String::as_str).collect::<Vec<_>>().join("`, `");
            let hint = nearest.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default();
            return Err(Error::invalid("authMethod", format!("must be one of `{known}`{hint}")));
        };
        method.supported().map_err(|reason| Error::NotSupported {
            what: format!("the method `{name}` of connector `{}` ({reason})", self.slug),
        })?;
        Ok((name, method))
    }

    /// The fields that a connection is asked for: the connector's own, and the settings of the developer's app.
    pub fn connection_fields(&self, method: &Method) -> IndexMap<String, Field> {
        self.fields.iter().chain(&method.app).map(|(key, field)| (key.clone(), field.clone())).collect()
    }

    /// The variables that a connection's fields make, from values that [`field::fill`] returned.
    pub fn values(&self, method: &Method, filled: &IndexMap<String, String>) -> Values {
        field::variables(&self.connection_fields(method), filled)
    }

    /// Where API calls go. A host that a provider gave (`{instance_url}`) must belong to `hosts`.
    ///
    /// # Errors
    /// [`Error::NotSupported`] where the connector names no address, [`Error::TargetNotAllowed`] for a host of nobody's, and
    /// what filling the address in fails with.
    pub fn api_url(&self, values: &Values, loopback: Loopback) -> Result<Url> {
        let base = self.base_url.as_ref().ok_or_else(|| self.without_base_url())?;
        let url = base.render_url(values, loopback)?;
        let local = loopback == Loopback::Allowed && is_local(&url);
        if self.base_is_given() && !local && !self.hosts.iter().any(|pattern| pattern.covers(&url)) {
            let problem = format!("the provider gave an API address that connector `{}` does not name", self.slug);
            return Err(Error::TargetNotAllowed { problem });
        }
        Ok(url)
    }

    /// Where the probe goes: below [`Self::api_url`], or to a host that may receive the credential.
    ///
    /// # Errors
    /// As [`Self::api_url`], and [`Error::TargetNotAllowed`] for a host that may not receive the credential.
    pub fn probe_url(&self, values: &Values, loopback: Loopback) -> Result<Option<Url>> {
        let Some(probe) = &self.probe else { return Ok(None) };
        let base = self.base_url.as_ref().ok_or_else(|| self.without_base_url())?;
        let api = self.api_url(values, loopback)?;
        let url = match probe.url.split().0 {
            Origin::None => base.join(&probe.url).render_url(values, loopback)?,
            _ => probe.url.render_url(values, loopback)?,
        };
        if !self.may_receive(&api, &url) {
            let problem = format!("the probe of connector `{}` leaves the connector's hosts", self.slug);
            return Err(Error::TargetNotAllowed { problem });
        }
        Ok(Some(url))
    }

    /// Whether the credential may go to `target`: `api`'s own origin ([`Self::api_url`]), or https to one of `hosts`.
    ///
    /// Where the provider gives each customer an address of its own, a wildcard says what that address may be. It does
    /// not open one customer's credential to the addresses of all others.
    pub fn may_receive(&self, api: &Url, target: &Url) -> bool {
        let is_given = self.base_is_given();
        let mut open = self.hosts.iter().filter(|pattern| !(is_given && pattern.is_wildcard()));
        target.origin() == api.origin() || open.any(|pattern| pattern.covers(target))
    }

    /// Whether the whole host of `base_url` is a value that the provider gave, not one of the fields.
    fn base_is_given(&self) -> bool {
        let Some(base) = &self.base_url else { return false };
        let whole = match base.split().0 {
            Origin::Given(expression) => expression,
            Origin::Written { authority, .. } => match authority[..] {
                [Piece::Expression(expression)] => expression,
                _ => return false,
            },
            Origin::None => return false,
        };
        let of_methods = self.auth.values().flat_map(|method| method.fields.iter().chain(&method.app));
        !self.fields.iter().chain(of_methods).any(|(key, field)| field.variables(key).contains(&whole.subject()))
    }

    fn without_base_url(&self) -> Error {
        Error::NotSupported { what: format!("calling the API of connector `{}`, which has no `base_url`,", self.slug) }
    }
}

fn is_local(url: &Url) -> bool {
    super::url::is_loopback(&url[url::Position::BeforeHost..url::Position::AfterPort])
}

impl Method {
    /// Whether this version can run the method.
    ///
    /// # Errors
    /// Why not, in words for developers.
    pub fn supported(&self) -> Result<(), &'static str> {
        let runs = self.kind.is_static() || self.kind == MethodKind::Oauth2;
        let reasons = [
            (!runs, "only OAuth 2.0 and static credentials can run in this version"),
            (self.jwt.is_some() || self.signer.is_some(), "it signs its requests"),
            (!self.steps.is_empty() || !self.then.is_empty(), "it makes requests of its own to get its token"),
            (self.renew.is_some(), "it renews its token by a request of its own"),
        ];
        let reasons_of_oauth = [
            (self.grant != Grant::AuthorizationCode, "only the grant `authorization_code` can run"),
            (self.must_be_discovered(), "its endpoints must be discovered"),
            (self.authorize_url.is_none() || self.token_url.is_none(), "it has no authorization and token URL"),
            (self.client_auth == ClientAuth::PrivateKeyJwt, "its client authenticates by a signed assertion"),
        ];
        let reasons_of_oauth = reasons_of_oauth.into_iter().filter(|_| !self.kind.is_static());
        reasons.into_iter().chain(reasons_of_oauth).find(|(holds, _)| *holds).map_or(Ok(()), |(_, reason)| Err(reason))
    }

    /// What its kind needs and its file does not say, or says twice.
    pub(super) fn missing_parts(&self) -> impl Iterator<Item = &'static str> {
        let is_oauth2 = self.kind == MethodKind::Oauth2 && self.issuer.is_none() && self.resource.is_none();
        let redirects = is_oauth2 && self.grant == Grant::AuthorizationCode;
        let parts = [
            (redirects && self.authorize_url.is_none(), "`authorize_url` is missing (or `issuer`, `resource`)"),
            (is_oauth2 && self.token_url.is_none(), "`token_url` is missing (or `issuer`, `resource`)"),
            (
                self.revoke.is_some() && self.revoke_url.is_some(),
                "a grant is revoked by `revoke` or at `revoke_url`, not both",
            ),
            (self.kind == MethodKind::Exchange && self.steps.is_empty(), "an exchange needs `steps`"),
            (self.kind == MethodKind::Jwt && self.jwt.is_none(), "a `jwt` method needs a `jwt` table"),
            (self.kind == MethodKind::Signed && self.signer.is_none(), "a signed method needs a `signer`"),
        ];
        parts.into_iter().filter_map(|(missing, problem)| missing.then_some(problem))
    }

    /// An issuer beside both URLs asks for no discovery: it is what `iss` must say (RFC 9207).
    fn must_be_discovered(&self) -> bool {
        self.resource.is_some() || self.issuer.is_some() && (self.authorize_url.is_none() || self.token_url.is_none())
    }

    /// The method with what its kind implies and the file need not say: the fields of static credentials, and the
    /// place where the credential goes.
    pub(super) fn with_presets(mut self) -> Self {
        let secret = |label: &str| Field { label: Some(label.into()), secret: true, ..Field::default() };
        if self.fields.is_empty() {
            match self.kind {
                MethodKind::Bearer | MethodKind::ApiKey => {
                    self.fields.insert("api_key".into(), secret("API key"));
                }
                MethodKind::Basic => {
                    // RFC 7617 §2: what stands behind the first colon is the password.
                    let pattern = Some("[^:]+".to_owned().try_into().expect("this is a regular expression"));
                    self.fields.insert("username".into(), Field { pattern, ..Field::default() });
                    self.fields.insert("password".into(), secret("Password"));
                }
                _ => {}
            }
        }
        if self.send == Send::default()
            && let Some(authorization) = usual_authorization(self.kind)
        {
            self.send.headers.insert("Authorization".into(), authorization);
        }
        self
    }
}

/// Where a credential of this kind goes when its file does not say.
fn usual_authorization(kind: MethodKind) -> Option<Template> {
    let template = match kind {
        MethodKind::Oauth2 | MethodKind::Exchange => "Bearer {access_token}",
        MethodKind::Bearer | MethodKind::ApiKey => "Bearer {api_key}",
        MethodKind::Jwt => "Bearer {jwt}",
        MethodKind::Basic => "Basic {username + ':' + password | base64}",
        MethodKind::Oauth1 | MethodKind::Signed | MethodKind::None => return None,
    };
    Some(template.parse().expect("these are templates"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue::load::connector_from_toml, secret::ExposeSecret};

    fn connector(toml: &str) -> Connector {
        connector_from_toml("acme", "acme.toml", toml).unwrap()
    }

    const GIVEN: &str = r#"
        name = "Acme"
        base_url = "{instance_url}"
        hosts = ["*.acme.test", "files.acme.test"]
        probe = { url = "/me" }
        [auth.oauth2]
        authorize_url = "https://acme.test/authorize"
        token_url = "https://acme.test/token"
        keep = { instance_url = "token:instance_url" }
    "#;

    fn instance(url: &str) -> Values {
        let mut values = Values::default();
        values.set("instance_url", url);
        values
    }

    #[test]
    fn a_given_api_address_must_be_one_of_the_connectors_hosts() {
        let connector = connector(GIVEN);
        let url = connector.api_url(&instance("https://eu1.acme.test"), Loopback::Refused).unwrap();
        assert_eq!(url.as_str(), "https://eu1.acme.test/");
        for other in ["https://evil.test", "https://acme.test", "https://acme.test.evil.test", "http://127.0.0.1:1"] {
            assert!(connector.api_url(&instance(other), Loopback::Refused).is_err(), "{other}");
        }
        assert!(connector.api_url(&instance("http://127.0.0.1:1"), Loopback::Allowed).is_ok());
        assert!(connector.api_url(&instance("https://evil.test"), Loopback::Allowed).is_err());
    }

    #[test]
    fn a_base_url_that_the_developer_gives_needs_no_list() {
        let own = GIVEN
            .replace("hosts = [\"*.acme.test\", \"files.acme.test\"]", "fields.instance_url = { kind = \"url\" }")
            .replace("keep = { instance_url = \"token:instance_url\" }", "");
        let url = connector(&own).api_url(&instance("https://git.example.test"), Loopback::Refused).unwrap();
        assert_eq!(url.host_str(), Some("git.example.test"));
    }

    #[test]
    fn a_probe_goes_below_the_base_url() {
        let url = connector(GIVEN).probe_url(&instance("https://eu1.acme.test/v2/"), Loopback::Refused).unwrap();
        assert_eq!(url.unwrap().as_str(), "https://eu1.acme.test/v2/me");
    }

    // A57: the token goes to its own connector's hosts.
    #[test]
    fn a_credential_may_go_to_the_connectors_hosts_only() {
        let connector = connector(GIVEN);
        let api = Url::parse("https://eu1.acme.test:8443/v2").unwrap();
        let may = |target: &str| connector.may_receive(&api, &Url::parse(target).unwrap());
        assert!(may("https://eu1.acme.test:8443/other"));
        assert!(may("https://files.acme.test/x"));
        for other in [
            "https://eu2.acme.test",
            "http://files.acme.test",
            "https://files.acme.test:8443",
            "https://evil.test",
            "https://acme.test",
        ] {
            assert!(!may(other), "{other}");
        }
    }

    #[test]
    fn a_method_that_cannot_run_says_why() {
        let base = "name = 'Acme'\nbase_url = 'https://acme.test'\nprobe = { url = '/me' }\n";
        let urls = "authorize_url = 'https://acme.test/a'\ntoken_url = 'https://acme.test/t'\n";
        let cases = [
            ("[auth.signed]\nsigner = 'wsse'", "only OAuth 2.0 and static credentials"),
            ("[auth.api_key]\nsteps = [{ url = 'https://acme.test/l' }]", "requests of its own"),
            ("[auth.oauth2]\nresource = 'https://acme.test/mcp'", "must be discovered"),
            ("[auth.oauth2]\nissuer = 'https://acme.test'", "must be discovered"),
            ("[auth.oauth2]\ngrant = 'client_credentials'\ntoken_url = 'https://acme.test/t'", "`authorization_code`"),
            ("[auth.oauth2]\nclient_auth = 'private_key_jwt'\nURLS", "signed assertion"),
            ("[auth.oauth2]\nthen = [{ url = 'https://acme.test/l' }]\nURLS", "requests of its own to get its token"),
            ("[auth.oauth2]\nrenew = { url = 'https://acme.test/l' }\nURLS", "request of its own"),
        ];
        for (method, reason) in cases {
            let connector = connector(&format!("{base}{}", method.replace("URLS", urls)));
            let error = connector.supported_method(None).unwrap_err();
            assert_eq!(error.code(), "NOT_SUPPORTED", "{method}");
            let text = error.to_string();
            assert!(text.contains(reason) && text.contains("`acme`"), "{text}");
        }
        assert_eq!(connector(GIVEN).supported_method(None).unwrap().0, "oauth2");
        let error = connector(GIVEN).supported_method(Some("oauth")).unwrap_err().to_string();
        assert!(error.contains("must be one of `oauth2`; did you mean `oauth2`?"), "{error}");
    }

    #[test]
    fn a_static_method_asks_for_its_secret_and_sends_it() {
        let connector = connector(
            "name = 'Acme'\nbase_url = 'https://acme.test'\nprobe = { url = '/me' }\n[auth.basic]\n[auth.bearer]",
        );
        let (_, basic) = connector.method(None).unwrap();
        assert!(basic.fields["password"].secret && !basic.fields["username"].secret);
        assert!(basic.fields["username"].read("ada:pw").is_err(), "its second half would be a password");
        let mut values = Values::default();
        values.set("username", "ada").set("password", "pw");
        let header = basic.send.headers["Authorization"].render(&values).unwrap();
        assert_eq!(header.expose_secret(), "Basic YWRhOnB3");
        let (_, bearer) = connector.method(Some("bearer")).unwrap();
        assert_eq!(bearer.send.headers["Authorization"].as_str(), "Bearer {api_key}");
    }
}

//! A person and their browser, played: what a test does with a link, and with what came of it.

use std::sync::Arc;

use indexmap::IndexMap;
use onbehalf_engine::{
    Engine, Error, Result,
    accounts::{Account, AccountRef},
    connect::{Arrival, Asks, NewLink, Outcome, Submitted},
    names::{ConnectionName, Identifier},
    secret::{ExposeSecret as _, Secret},
};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::{
    install::{CONNECTOR, KEY_METHOD},
    provider::{
        Whose,
        authorize::{ConsentRequest, Unasked},
        parameters::Parameters,
    },
    sandbox::Sandbox,
};

/// What the person decides on the consent page.
#[derive(Debug, Clone, Default)]
pub struct Consent {
    /// Who they are at the provider; the app's identifier of them unless given.
    pub user: Option<String>,
    /// What they allow of what is asked; everything unless given.
    pub scopes: Option<Vec<String>>,
}

impl Sandbox {
    /// Follows a link, consents, and comes back. Says where the browser ends: the outcome page, or the app's verify URL.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for what is no link to the sandbox, `LINK_…`, and what [`Engine::callback`] says.
    pub async fn grant(&self, engine: &Arc<Engine>, link: &str, consent: Consent) -> Result<Url> {
        let user = consent.user.as_deref().map(check_user).transpose()?;
        // Before the link is used up: what is refused here can be mended.
        let page = engine.link_page(token_of(engine.public_url(), link)?).await?;
        if let (Some(scopes), Asks::Consent { scopes: asked, .. }) = (&consent.scopes, &page.asks) {
            check_scopes(scopes, asked)?;
        }
        self.follow(engine, link, |account, request| {
            let user = user.unwrap_or(&account.identifier);
            let scopes = consent.scopes.as_ref().unwrap_or(&request.scopes);
            self.allow(request, user, scopes)
        })
        .await
    }

    /// Follows a link, refuses, and comes back. Says where the browser ends.
    ///
    /// # Errors
    /// As [`Sandbox::grant`].
    pub async fn deny(&self, engine: &Arc<Engine>, link: &str) -> Result<Url> {
        self.follow(engine, link, |_, request| Ok(self.provider(|provider| provider.refuse(request)))).await
    }

    /// Follows a link, and enters a key in its form. Says where the browser ends.
    ///
    /// # Errors
    /// As [`Sandbox::grant`], and what [`Engine::submit`] refuses the key with.
    pub async fn submit_key(&self, engine: &Arc<Engine>, link: &str, key: Secret) -> Result<Url> {
        let token = token_of(engine.public_url(), link)?;
        check_connector(&engine.account_of_link(token).await?, "link")?;
        match engine.submit(token, IndexMap::from([(KEY_METHOD.to_owned(), key)])).await? {
            Submitted::Accepted { location } => Ok(location),
            Submitted::Refused(error) => Err(error),
            Submitted::Invalid(_) => Err(Error::invalid("key", "must be one line, and not empty")),
        }
    }

    /// The whole way, from a new link to a working account. Where the app verifies its users, it does.
    ///
    /// # Errors
    /// As [`Engine::authorization_link`] and [`Sandbox::grant`]; `AUTHORIZATION_FAILED` with the reason where the flow
    /// did not end well.
    pub async fn connect(&self, engine: &Arc<Engine>, new: NewLink, consent: Consent) -> Result<Account> {
        let of = new.account.clone();
        let link = engine.authorization_link(new).await?;
        let link = link.url.expose_secret();
        let page = engine.link_page(token_of(engine.public_url(), link)?).await?;
        let mut end = match page.asks {
            Asks::Consent { .. } => self.grant(engine, link, consent).await?,
            Asks::Credential { .. } => {
                let identifier = engine.account(&of).await?.identifier;
                let user = consent.user.unwrap_or(identifier);
                let key = self.issue_key(Some(&user), consent.scopes.as_deref())?;
                self.submit_key(engine, link, key.into()).await?
            }
        };
        let nonce = end.query_pairs().find(|(name, _)| name == "auth_request_id").map(|(_, nonce)| nonce.into_owned());
        if let Some(nonce) = nonce {
            let identifier = Identifier::parse(&engine.account(&of).await?.identifier)?;
            end = engine.verify_user(&of.organization, &nonce, &identifier).await?.redirect_url;
        }
        match engine.outcome(&last_segment(&end)).await?.outcome {
            Outcome::Connected => engine.account(&of).await,
            Outcome::Failed { code } => Err(Error::AuthorizationFailed { reason: format!("it ended with `{code}`") }),
            Outcome::Refused => Err(Error::ConsentRefused),
            Outcome::Expired | Outcome::AwaitingVerification => Err(Error::FlowExpired),
        }
    }

    /// Ends the access tokens of one account, or of all, as time does.
    ///
    /// # Errors
    /// `CONNECTED_ACCOUNT_NOT_FOUND`, and `INVALID_ARGUMENT` for an account that is not the sandbox's.
    pub async fn expire(&self, engine: &Engine, account: Option<&AccountRef>) -> Result<()> {
        self.with(engine, account, |whose| self.provider(|provider| provider.expire_access_tokens(whose))).await
    }

    /// Takes back what one person gave, or all: grants and keys.
    ///
    /// # Errors
    /// As [`Sandbox::expire`].
    pub async fn revoke(&self, engine: &Engine, account: Option<&AccountRef>) -> Result<()> {
        self.with(engine, account, |whose| {
            self.provider(|provider| {
                provider.revoke(whose);
                provider.revoke_keys(match whose {
                    Whose::Of { user, .. } => Some(user),
                    Whose::Everyones => None,
                });
            });
        })
        .await
    }

    /// Leaves of what one person allowed, or all, these scopes alone.
    ///
    /// # Errors
    /// As [`Sandbox::expire`].
    pub async fn narrow(&self, engine: &Engine, account: Option<&AccountRef>, scopes: &[String]) -> Result<()> {
        self.with(engine, account, |whose| self.provider(|provider| provider.narrow(whose, scopes))).await
    }

    async fn with(&self, engine: &Engine, of: Option<&AccountRef>, act: impl FnOnce(Whose<'_>)) -> Result<()> {
        let Some(of) = of else {
            act(Whose::Everyones);
            return Ok(());
        };
        let account = engine.account(of).await?;
        check_connector(&account, "connectionName")?;
        let Some(user) = &account.provider_account_id else {
            let (connection, identifier) = (account.connection_name, account.identifier);
            return Err(Error::AuthorizationRequired { connection, identifier });
        };
        let name = ConnectionName::parse(&account.connection_name)?;
        let connection = engine.connection(&of.organization, &name).await?;
        act(Whose::Of { redirect_uri: connection.redirect_uri.as_str(), user });
        Ok(())
    }

    /// Opens a link, presses its button, answers the provider's question, and goes where that leads.
    async fn follow(
        &self,
        engine: &Arc<Engine>,
        link: &str,
        answer: impl FnOnce(&Account, &ConsentRequest) -> Result<Url>,
    ) -> Result<Url> {
        let token = token_of(engine.public_url(), link)?;
        let account = engine.account_of_link(token).await?;
        check_connector(&account, "link")?;
        if let Asks::Credential { .. } = engine.link_page(token).await?.asks {
            return Err(Error::invalid("link", "asks for a key: use `submitKey`"));
        }
        let started = engine.start(token).await?;
        let query = started.authorize_url.query().unwrap_or_default();
        let request = self.provider(|provider| provider.consent_request(&Parameters::parse(query.as_bytes())));
        let back = match request {
            Ok(request) => answer(&account, &request)?,
            Err(Unasked::Returned(location)) => *location,
            Err(Unasked::Shown(problem)) => return Err(Error::AuthorizationFailed { reason: problem.into() }),
        };
        let arrival = Arrival {
            route: last_segment(&back),
            parameters: back.query_pairs().into_owned().collect(),
            cookies: vec![(started.cookie.name, started.cookie.value)],
        };
        Ok(engine.callback(arrival).await?.location)
    }
}

/// The secret part of a link of the environment at `public_url`.
fn token_of<'a>(public_url: &Url, link: &'a str) -> Result<&'a str> {
    let start = format!("{}/connect/", public_url.as_str().trim_end_matches('/'));
    link.strip_prefix(&start)
        .filter(|token| !token.is_empty() && !token.contains(['/', '?', '#']))
        .ok_or_else(|| Error::invalid("link", "must be a link of this environment, as `getAuthorizationLink` gives it"))
}

/// As the gateway's router hands it to the engine.
fn last_segment(url: &Url) -> String {
    let segment = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

fn check_connector(account: &Account, argument: &str) -> Result<()> {
    match account.connector == CONNECTOR {
        true => Ok(()),
        false => Err(Error::invalid(argument, "must be of a connection whose connector is `sandbox`")),
    }
}

/// A person's name at the provider, as the consent page takes it.
pub(crate) fn check_user(user: &str) -> Result<&str> {
    let user = user.trim();
    match user.is_empty() || user.chars().count() > 200 || user.chars().any(char::is_control) {
        true => Err(Error::invalid("user", "must be 1 to 200 characters, none of them a control character")),
        false => Ok(user),
    }
}

fn check_scopes(scopes: &[String], asked: &[String]) -> Result<()> {
    match scopes.iter().all(|scope| asked.contains(scope)) {
        true => Ok(()),
        false => {
            Err(Error::invalid("scopes", format!("must be among those that the link asks for: {}", asked.join(", "))))
        }
    }
}

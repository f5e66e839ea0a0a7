//! The simulated provider: what it remembers, and how a person takes back what they gave.
//!
//! A pure state machine: time and randomness come in with each call, and nothing goes out but its answers. How an app
//! asks for consent is in [`authorize`], how it gets and renews tokens in [`token`], which of those work in [`access`].
//! Every rule that a good provider may hold an app to holds here, so that an app which works here works with the strict.
//!
//! Its codes, tokens and keys open nothing but itself, and are forgotten with the process.

pub mod access;
pub mod authorize;
pub mod parameters;
pub mod token;

use std::{collections::HashMap, fmt, time::Duration};

use onbehalf_engine::{
    Result,
    random::Random,
    secret::{ExposeSecret, Secret},
    time::Timestamp,
};
use url::Url;

use self::access::{AccessToken, Key};

/// How long a code can be exchanged. RFC 6749 (4.1.2) allows ten minutes; strict providers give one.
pub const CODE_LIFE: Duration = Duration::from_secs(60);
/// How long an access token works.
pub const ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(60 * 60);

/// The provider's memory.
#[derive(Default)]
pub struct Provider {
    issuer: String,
    /// By client id.
    clients: HashMap<String, Client>,
    codes: HashMap<String, Code>,
    grants: HashMap<GrantId, Grant>,
    access_tokens: HashMap<String, AccessToken>,
    /// Every one that was ever issued, so that a superseded one is known when it comes again.
    refresh_tokens: HashMap<String, GrantId>,
    keys: HashMap<String, Key>,
    last_grant: GrantId,
}

type GrantId = u64;

/// An app that is registered here.
struct Client {
    secret: Secret,
    /// As they were registered.
    redirect_uris: Vec<String>,
}

/// A code, and what it was given for.
struct Code {
    client_id: String,
    redirect_uri: String,
    challenge: String,
    user: String,
    scopes: Vec<String>,
    expires_at: Timestamp,
    /// What came of it, once it was used.
    grant: Option<GrantId>,
}

/// What a person gave to an app, until they take it back: a family of tokens.
struct Grant {
    client_id: String,
    redirect_uri: String,
    user: String,
    scopes: Vec<String>,
    /// The one refresh token that works.
    refresh_token: String,
}

/// Whose grants are meant: every one, or those of one person, given by way of one redirect URI.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// Every grant.
    Everyones,
    /// One person's, to one app.
    Of {
        /// Where the app was called back.
        redirect_uri: &'a str,
        /// The person's name here.
        user: &'a str,
    },
}

impl Provider {
    /// A provider that nobody has registered with. `issuer` is its identifier (RFC 9207).
    pub fn new(issuer: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), ..Self::default() }
    }

    /// Registers an app, or another redirect URI of one. A URI with a slash at its end stands for every page right below.
    pub fn register(&mut self, client_id: &str, secret: Secret, redirect_uri: &str) {
        let client =
            self.clients.entry(client_id.into()).or_insert_with(|| Client { secret, redirect_uris: Vec::new() });
        client.redirect_uris.push(redirect_uri.into());
    }

    /// Ends access tokens, as time does. Refresh tokens go on working.
    pub fn expire_access_tokens(&mut self, whose: Whose<'_>) {
        let grants = &self.grants;
        self.access_tokens.retain(|_, token| grants.get(&token.grant).is_some_and(|grant| !grant.is(whose)));
    }

    /// Ends grants, as a person does on their account's page. Says how many.
    pub fn revoke(&mut self, whose: Whose<'_>) -> usize {
        let ids: Vec<_> = self.grants.iter().filter(|(_, grant)| grant.is(whose)).map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| self.end(*id));
        ids.len()
    }

    /// Takes every scope but `kept` from grants, at once and for good.
    pub fn narrow(&mut self, whose: Whose<'_>, kept: &[String]) {
        for grant in self.grants.values_mut().filter(|grant| grant.is(whose)) {
            grant.scopes.retain(|scope| kept.contains(scope));
        }
    }

    /// Ends a grant and everything that came of it. Its refresh tokens stay known.
    fn end(&mut self, id: GrantId) {
        self.grants.remove(&id);
        self.access_tokens.retain(|_, token| token.grant != id);
    }

    /// Forgets what has expired.
    fn tidy(&mut self, now: Timestamp) {
        // A used code is kept as long as its grant lives: it betrays a thief by coming again.
        let grants = &self.grants;
        self.codes.retain(|_, code| match code.grant {
            Some(grant) => grants.contains_key(&grant),
            None => now < code.expires_at,
        });
        self.access_tokens.retain(|_, token| now < token.expires_at);
    }
}

impl Client {
    /// Whether `url` is registered. It is compared as it was `written`, to the letter (RFC 9700, 4.1.3), but for the last
    /// part below a URI that leaves it open.
    fn may_be_called_back_at(&self, url: &Url, written: &str) -> bool {
        self.redirect_uris.iter().any(|registered| match written.strip_prefix(registered.as_str()) {
            Some("") => true,
            // What a browser would read otherwise, such as `..`, is elsewhere.
            Some(page) => registered.ends_with('/') && !page.contains(['/', '?', '#']) && url.as_str() == written,
            None => false,
        })
    }
}

impl Grant {
    fn is(&self, whose: Whose<'_>) -> bool {
        match whose {
            Whose::Everyones => true,
            Whose::Of { redirect_uri, user } => self.redirect_uri == redirect_uri && self.user == user,
        }
    }
}

/// Without what it remembers.
impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A new code, token or key, that says what it is.
fn issued(what: &str, random: &dyn Random) -> Result<String> {
    Ok(format!("sandbox-{what}-{}", random.token()?.expose_secret()))
}

#[cfg(test)]
mod tests;

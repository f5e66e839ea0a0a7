//! Authorization, from a link to a sealed credential.
//!
//! [`Engine::authorization_link`] makes a link; its page ([`Engine::link_page`]) changes nothing; its button
//! ([`Engine::start`]) binds the flow to the browser and sends it to the provider; [`Engine::callback`] takes what
//! comes back. Where the app verifies its users, the code is held until [`Engine::verify_user`]; only then, or at once
//! where nobody verifies, `exchange` turns it into a credential. Where the person enters a credential instead, the page
//! is a form ([`Engine::submit`]): the provider is asked whether it works, and then it is held or stored in the same
//! way. Every step is one compare-and-set on the flow's row, and every end destroys what was held. A flow that its person
//! left is deleted within a day, when the next link is made.
//!
//! Browsers prove themselves by one-time secrets of 256 bits alone, of which the store keeps hashes.

mod callback;
pub(crate) mod exchange;
mod grant;
mod identity;
mod link;
mod outcome;
mod start;
mod submit;
mod verify;

use std::{fmt, time::Duration};

use aws_lc_rs::digest;
use indexmap::IndexMap;
use url::Url;

use crate::{
    Engine, Error, Result,
    accounts::AccountRef,
    audit::Action,
    catalogue::field::{Complaint, FieldKind},
    rows::{FlowStatus, Held, RecordFacts, StoredFlow},
    secret::Secret,
    store::{Change, Commit},
    time::Timestamp,
};

/// How long a link can be opened, and how long the person may take at the provider.
const LINK_LIFE: Duration = Duration::from_secs(600);
/// How long the app may take to verify. Codes live 30 to 60 seconds at strict providers.
const VERIFICATION_LIFE: Duration = Duration::from_secs(60);
/// How long an ended flow is kept, so that its outcome page and "already used" can be shown.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// What to make an authorization link for.
#[derive(Debug, Clone)]
pub struct NewLink {
    /// Whose account. It is made when it does not exist.
    pub account: AccountRef,
    /// Asked instead of the connection's scopes.
    pub scopes: Option<Vec<String>>,
    /// Where the flow ends for verification: one of the environment's verify URLs, exactly.
    pub user_verify_url: Option<String>,
    /// The app's own value; comes back in the verify URL's query. At most 512 characters.
    pub state: Option<String>,
}

/// A one-time URL that starts a flow.
#[derive(Debug, Clone)]
pub struct Link {
    /// `{public_url}/connect/{token}`. Whoever has it can start the flow: send it to the person alone.
    pub url: Secret,
    /// When it can no longer be opened.
    pub expires_at: Timestamp,
}

/// What the link page shows.
#[derive(Debug, Clone)]
pub struct LinkPage {
    /// Who asks, where the environment says so.
    pub app_name: Option<String>,
    /// The connector's name, such as `Gmail`.
    pub connector_name: String,
    /// Its slug.
    pub connector: String,
    /// For whom: the identifier, most of it hidden.
    pub person: String,
    /// What the person does on the page.
    pub asks: Asks,
    /// When the link can no longer be used.
    pub expires_at: Timestamp,
}

/// What a link's page asks of the person.
#[derive(Debug, Clone)]
pub enum Asks {
    /// To go to the provider and consent there ([`Engine::start`]).
    Consent {
        /// What will be asked of the provider.
        scopes: Vec<String>,
        /// The origin that the button leads to.
        authorize_origin: String,
    },
    /// To enter a credential of theirs ([`Engine::submit`]).
    Credential {
        /// The inputs, in order.
        fields: Vec<FormField>,
        /// The origin of the app's verify URL, where the form leads then; nothing where it leads to our outcome page.
        verify_origin: Option<String>,
    },
}

/// One input of a credential's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormField {
    /// The key that its value is submitted under.
    pub name: String,
    /// Shown beside it.
    pub label: String,
    /// Where to find the value, in a sentence.
    pub help: Option<String>,
    /// The provider's page that says so: https.
    pub help_url: Option<String>,
    /// A value that would do.
    pub example: Option<String>,
    /// What the value is: one line, or several.
    pub kind: FieldKind,
    /// The choices, where there are only some.
    pub options: Vec<String>,
    /// What the input holds at first.
    pub default: Option<String>,
    /// Shown behind the input, and stripped when pasted.
    pub suffix: Option<String>,
    /// May be left empty.
    pub optional: bool,
    /// Masked, and never sent back to the browser.
    pub secret: bool,
}

/// What became of a submitted credential.
#[derive(Debug)]
pub enum Submitted {
    /// It works. The link is used up.
    Accepted {
        /// The outcome page, or the app's verify URL with the nonce.
        location: Url,
    },
    /// A field's value cannot be meant. The link still works; nothing was sent anywhere.
    Invalid(IndexMap<String, Complaint>),
    /// The provider would not have it, or was not there to ask. The link still works; nothing was stored.
    Refused(Error),
}

/// A flow that has started: where to send the browser, and the cookie that binds it.
pub struct Started {
    /// The provider's page, with everything it needs. Holds the state: not for logs.
    pub authorize_url: Url,
    /// To be set on the answer.
    pub cookie: FlowCookie,
}

/// Binds a flow to the browser that started it.
#[derive(Debug)]
pub struct FlowCookie {
    /// Ends in a part of its own per flow, so that flows in one browser do not meet.
    pub name: String,
    /// 256 random bits; the store has its hash.
    pub value: Secret,
    /// As long as the flow may take.
    pub max_age: Duration,
    /// Whether the public URL is https: then the name begins with `__Host-` and the cookie is `Secure`.
    pub secure: bool,
}

/// What came back from the provider.
pub struct Arrival {
    /// The last part of the callback's path: the connection's name, or `organization~connection`.
    pub route: String,
    /// Every parameter of query or form, in order, decoded.
    pub parameters: Vec<(String, String)>,
    /// The browser's cookies, every one.
    pub cookies: Vec<(String, Secret)>,
}

/// Where the callback sends the browser.
pub struct Return {
    /// The outcome page, or the app's verify URL with the nonce.
    pub location: Url,
    /// The cookie to remove, by name.
    pub clear_cookie: Option<String>,
}

/// How a flow ended, for the outcome page.
#[derive(Debug, Clone)]
pub struct OutcomePage {
    /// Who asked, where the environment says so.
    pub app_name: Option<String>,
    /// The connector's name, such as `Gmail`.
    pub connector_name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a flow ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The credential is stored.
    Connected,
    /// The person consented; the app has yet to verify who it was.
    AwaitingVerification,
    /// The person said no at the provider.
    Refused,
    /// It did not work; the error's code says why.
    Failed {
        /// The code of an [`Error`](crate::Error).
        code: String,
    },
    /// It took too long.
    Expired,
}

/// The answer to a verified user.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Where the app may send the browser now: the outcome page.
    pub redirect_url: Url,
}

/// Without the state.
impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

/// Without state and code.
impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").field("route", &self.route).finish_non_exhaustive()
    }
}

/// Without the nonce.
impl fmt::Debug for Return {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Return").field("location", &self.location.path()).finish_non_exhaustive()
    }
}

/// What the store keeps of a one-time secret.
fn hash(secret: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

impl Engine {
    /// Writes the flow's next state, holding `held` and nothing else. Whether this caller was the one to do so.
    async fn advance(&self, flow: &StoredFlow, held: Option<&Held>, recorded: Option<Action>) -> Result<Commit> {
        let mut changes = vec![Change::ReplaceFlow(self.rows.write_flow(flow, held).await?)];
        if let Some(action) = recorded {
            let of = RecordFacts::of_flow(flow).failed(flow.facts.failure.as_deref().map(str::to_lowercase).as_deref());
            changes.push(self.record(&flow.organization, action, &of)?);
        }
        self.rows.commit(changes).await
    }

    /// Ends the flow and destroys what it held. A flow that someone else has moved on meanwhile is theirs.
    async fn end_flow(&self, mut flow: StoredFlow, status: FlowStatus, error: &Error) -> Result<Commit> {
        flow.status = status;
        flow.expires_at = self.clock.now();
        flow.facts.failure = Some(error.code().into());
        let ended = self.advance(&flow, None, Some(Action::FlowFailed)).await?;
        if ended == Commit::Applied {
            self.metrics.flow_ended(Some(error));
            tracing::info!(flow.id = %flow.id, code = error.code(), %error, "an authorization ended");
        }
        Ok(ended)
    }

    /// The page that tells how the flow ended.
    fn outcome_url(&self, flow: &StoredFlow) -> Url {
        self.page_url("connect/outcome", &flow.organization, &flow.id)
    }
}

//! Connectors that take what a person enters, in each place where a request has room for it.

use indexmap::IndexMap;
use onbehalf_engine::{
    Result, Settings,
    accounts::{Disclosed, Status},
    connect::Submitted,
    connections::NewConnection,
    secret::{ExposeSecret, Secret},
};
use url::Url;

use crate::world::{World, account, connection, settings, token_of, verified_settings};

const HEAD: &str = "name = 'Keys'\ndocs = 'https://provider.example/docs'\nbase_url = 'https://provider.example'\n\
    probe = { url = '/me', id = 'id', label = 'email' }\n";

/// Connectors by slug: the key's place, and how the simulated provider sees the key `sk_1`.
pub(crate) const PLACES: [(&str, &str, &str); 4] = [
    ("keys", "[auth.api_key]\nsend = { headers = { X-Key = '{api_key}' } }", "x-key: sk_1"),
    ("query", "[auth.api_key]\nsend = { query = { key = '{api_key}' } }", "?key=sk_1"),
    ("body", "[auth.api_key]\nsend = { body = { key = '{api_key}' } }", "key=sk_1"),
    (
        "basic",
        "[auth.basic]\nfields = { api_key = { secret = true } }\nsend = { headers = { Authorization = \"Basic {api_key + ':x' | base64}\" } }",
        "authorization: Basic c2tfMTp4",
    ),
];

pub(crate) fn static_settings() -> Settings {
    with_connectors(settings())
}

/// An environment where `keys` needs no connection, and the person who opens the link is believed.
pub(crate) async fn static_world() -> World {
    issuing(World::with(static_settings()).await)
}

/// The same, where the app verifies who entered the key.
pub(crate) async fn verified_static_world() -> World {
    issuing(World::with(verified_static_settings()).await)
}

pub(crate) fn verified_static_settings() -> Settings {
    with_connectors(verified_settings())
}

fn with_connectors(settings: Settings) -> Settings {
    let mut connectors = settings.connectors;
    for (slug, method, _) in PLACES {
        // `/me` asks with a body where the key stands in it.
        let head = if slug == "body" {
            HEAD.replace("url = '/me'", "url = '/me', method = 'POST', json = {}")
        } else {
            HEAD.into()
        };
        connectors.push((format!("{slug}.toml"), format!("{head}{method}")));
    }
    Settings { connectors, ..settings }
}

/// The provider knows the key `sk_1` of Ada, and `sk_2` of Bob.
fn issuing(world: World) -> World {
    let mut state = world.provider.state();
    for (_, _, seen) in PLACES {
        state.keys.insert(seen.into(), "ada".into());
    }
    state.keys.insert("x-key: sk_2".into(), "bob".into());
    drop(state);
    world
}

/// A declared connection without a client.
pub(crate) fn clientless(name: &str) -> NewConnection {
    NewConnection { client_id: None, client_secret: None, ..connection(name) }
}

pub(crate) fn key(value: &str) -> IndexMap<String, Secret> {
    IndexMap::from([("api_key".to_owned(), Secret::from(value))])
}

impl World {
    /// A new link of `keys` for this person: its secret part.
    pub(crate) async fn key_link(&self, person: &str) -> String {
        token_of(&self.link("keys", person).await.unwrap())
    }

    pub(crate) async fn enters(&self, token: &str, value: &str) -> Result<Submitted> {
        self.engine.submit(token, key(value)).await
    }

    /// Where the account stands that [`World::key_link`]'s links are for.
    pub(crate) async fn key_status(&self) -> Status {
        self.engine.account(&account("keys", "user_1")).await.unwrap().status
    }

    /// The key that it has.
    pub(crate) async fn stored_key(&self) -> String {
        match self.engine.account_with_credential(&account("keys", "user_1")).await.unwrap().1 {
            Some(Disclosed::Fields(fields)) => fields["api_key"].expose_secret().to_owned(),
            other => panic!("{other:?}"),
        }
    }
}

/// Where the browser goes after a credential that works.
pub(crate) fn accepted(submitted: Result<Submitted>) -> Url {
    match submitted.unwrap() {
        Submitted::Accepted { location } => location,
        other => panic!("{other:?}"),
    }
}

/// Why the provider would not have it.
pub(crate) fn refusal(submitted: Result<Submitted>) -> &'static str {
    match submitted.unwrap() {
        Submitted::Refused(error) => error.code(),
        other => panic!("{other:?}"),
    }
}

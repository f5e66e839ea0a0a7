//! Credentials that the app brings: keys, and tokens with or without an end.

use std::time::Duration;

use indexmap::IndexMap;
use onbehalf_engine::{
    Result, Settings,
    accounts::{Account, AccountRef, Brought, BroughtToken, Disclosed, Status, Token},
    names::{ConnectionName, Organization},
    proxy::{Body, ProxyRequest},
    removal::AtProvider,
    secret::{ExposeSecret, Secret},
    time::Timestamp,
};

use crate::{
    static_world::{clientless, key, static_settings, static_world},
    world::{World, account, code, identifier, settings, world},
};

fn token(access_token: &str) -> BroughtToken {
    BroughtToken { access_token: Secret::from(access_token), refresh_token: None, expires_at: None, scopes: Vec::new() }
}

impl World {
    pub(crate) async fn bring(&self, connection: &str, brought: Brought) -> Result<Account> {
        let name = ConnectionName::parse(connection).unwrap();
        let organization = Organization::default();
        self.engine.get_or_create_account(&organization, &name, &identifier("user_1"), Some(brought)).await
    }

    /// Tokens that the provider has granted: another account's, which is deleted then.
    async fn granted(&self, user: &str) -> Token {
        self.authorize("elsewhere", user).await;
        let elsewhere = account("example", "elsewhere");
        let (_, disclosed) = self.engine.account_with_credential(&elsewhere).await.unwrap();
        self.engine.delete_account(&elsewhere, AtProvider::Leave).await.unwrap();
        match disclosed {
            Some(Disclosed::Token(token)) => token,
            other => panic!("{other:?}"),
        }
    }

    async fn calls(&self) -> Result<u16> {
        let request = ProxyRequest {
            account: account("example", "user_1"),
            method: None,
            path: "/x".into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Empty,
            timeout: None,
        };
        Ok(self.engine.request(request).await?.status)
    }

    fn now(&self) -> Timestamp {
        onbehalf_engine::time::Clock::now(&*self.clock)
    }
}

#[tokio::test]
async fn a_key_that_the_app_brings_is_tried_like_one_that_is_entered() {
    let world = static_world().await;
    let made = world.bring("keys", Brought::Fields(key("sk_1"))).await.unwrap();
    assert_eq!((made.status, made.provider_account_id.as_deref()), (Status::Active, Some("ada")));
    for (fields, wanted) in [
        (key("wrong"), "CREDENTIAL_REFUSED"),
        (key(""), "INVALID_ARGUMENT"),
        (key("a\nb"), "INVALID_ARGUMENT"),
        (key("ключ"), "INVALID_ARGUMENT"),
        (IndexMap::from([("key".to_owned(), Secret::from("x"))]), "UNKNOWN_OPTION"),
    ] {
        assert_eq!(code(world.bring("keys", Brought::Fields(fields)).await), wanted);
    }
    // The app answers for whose key it is.
    let other = world.bring("keys", Brought::Fields(key("sk_2"))).await.unwrap();
    assert_eq!((other.id, other.provider_account_id.as_deref()), (made.id, Some("bob")));
}

#[tokio::test]
async fn an_account_is_created_with_its_key_or_not_at_all() {
    let world = static_world().await;
    let (organization, name, person) =
        (Organization::default(), ConnectionName::parse("keys").unwrap(), identifier("user_1"));
    let create =
        |value: &str| world.engine.create_account(&organization, &name, &person, Some(Brought::Fields(key(value))));
    assert_eq!(code(create("wrong").await), "CREDENTIAL_REFUSED");
    assert_eq!(code(world.engine.account(&account("keys", "user_1")).await), "CONNECTED_ACCOUNT_NOT_FOUND");
    assert_eq!(create("sk_1").await.unwrap().status, Status::Active);
    assert_eq!(code(create("sk_2").await), "CONNECTED_ACCOUNT_ALREADY_EXISTS");
}

#[tokio::test]
async fn each_connection_takes_its_own_kind_of_credential() {
    let world = static_world().await;
    assert_eq!(code(world.bring("keys", Brought::Token(token("at"))).await), "INVALID_ARGUMENT");
    assert_eq!(code(world.bring("example", Brought::Fields(key("sk_1"))).await), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn a_token_without_an_end_is_used_until_it_is_refused() {
    let world = world().await;
    let granted = world.granted("ada").await;
    let brought = BroughtToken { refresh_token: granted.refresh_token, ..token(granted.access_token.expose_secret()) };
    let made = world.bring("example", Brought::Token(brought)).await.unwrap();
    assert_eq!((made.status, made.token_expires_at), (Status::Active, None));
    assert_eq!(made.provider_account_id.as_deref(), Some("ada"));
    world.pass(Duration::from_secs(365 * 24 * 60 * 60));
    let asked = world.token_requests();
    assert_eq!((world.calls().await.unwrap(), world.token_requests()), (200, asked));
    world.provider.revoke_access_tokens();
    assert_eq!((world.calls().await.unwrap(), world.token_requests()), (200, asked + 1));
}

#[tokio::test]
async fn a_token_that_has_ended_is_refreshed_when_it_is_first_used() {
    let world = world().await;
    let granted = world.granted("ada").await;
    let expires_at = Some(world.now().minus(Duration::from_secs(1)));
    let ended = BroughtToken { expires_at, ..token("long-gone") };
    assert_eq!(code(world.bring("example", Brought::Token(ended.clone())).await), "INVALID_ARGUMENT");
    let (asked, calls) = (world.token_requests(), world.provider.state().api_requests.len());
    let brought = BroughtToken { refresh_token: granted.refresh_token, ..ended };
    let made = world.bring("example", Brought::Token(brought)).await.unwrap();
    assert_eq!((made.status, world.token_requests()), (Status::Active, asked));
    assert_eq!(world.provider.state().api_requests.len(), calls, "nobody is asked with a token that has ended");
    assert_eq!((world.calls().await.unwrap(), world.token_requests()), (200, asked + 1));
}

#[tokio::test]
async fn a_token_whose_owner_cannot_be_asked_is_taken_all_the_same() {
    let world = world().await;
    let made = world.bring("example", Brought::Token(token("made-up"))).await.unwrap();
    assert_eq!((made.status, made.provider_account_id), (Status::Active, None));
}

#[tokio::test]
async fn a_token_that_no_header_carries_is_refused() {
    let world = world().await;
    for wrong in ["", "a b", "a\nb", "ключ", "a\u{fffd}"] {
        assert_eq!(code(world.bring("example", Brought::Token(token(wrong))).await), "INVALID_ARGUMENT", "{wrong:?}");
    }
    let scopes = BroughtToken { scopes: vec!["a b".into()], ..token("at") };
    assert_eq!(code(world.bring("example", Brought::Token(scopes)).await), "INVALID_ARGUMENT");
    assert_eq!(code(world.engine.account(&account("example", "user_1")).await), "CONNECTED_ACCOUNT_NOT_FOUND");
}

/// The old refresh token belongs to another grant.
#[tokio::test]
async fn a_token_that_is_brought_replaces_the_old_one_whole() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.bring("example", Brought::Token(token("made-up"))).await.unwrap();
    let found = world.engine.token(&account("example", "user_1"), Duration::ZERO).await.unwrap();
    assert_eq!((found.access_token.expose_secret(), found.refresh_token.is_none()), ("made-up", true));
}

#[tokio::test]
async fn a_refresh_under_way_does_not_overwrite_what_is_brought() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(3600));
    let gate = world.provider.hold_token_requests();
    let refreshing = tokio::spawn({
        let engine = world.engine.clone();
        async move { engine.token(&account("example", "user_1"), Duration::ZERO).await }
    });
    gate.arrived.notified().await;
    world.bring("example", Brought::Token(token("brought"))).await.unwrap();
    gate.open.notify_one();
    // Whoever waited for the refresh gets what is stored.
    assert_eq!(refreshing.await.unwrap().unwrap().access_token.expose_secret(), "brought");
    let found = world.engine.token(&account("example", "user_1"), Duration::ZERO).await.unwrap();
    assert_eq!(found.access_token.expose_secret(), "brought");
    assert_eq!(world.account("user_1").await.last_refresh_error, None);
}

#[tokio::test]
async fn an_exchange_under_way_comes_too_late() {
    let world = world().await;
    let gate = world.provider.hold_token_requests();
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    let bringing = async {
        gate.arrived.notified().await;
        world.bring("example", Brought::Token(token("brought"))).await.unwrap();
        gate.open.notify_one();
    };
    let (returned, ()) = tokio::join!(world.comes_back(&started, parameters), bringing);
    let failed = onbehalf_engine::connect::Outcome::Failed { code: "AUTHORIZATION_FAILED".into() };
    assert_eq!(world.outcome(&returned.unwrap()).await, failed);
    let found = world.engine.token(&account("example", "user_1"), Duration::ZERO).await.unwrap();
    assert_eq!(found.access_token.expose_secret(), "brought");
}

#[tokio::test]
async fn what_was_brought_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = static_settings();
    settings.connections.push(clientless("keys"));
    let world = World::in_folder_with(folder.path(), None, settings.clone()).await;
    world.provider.state().keys.insert("x-key: sk_1".into(), "ada".into());
    world.bring("keys", Brought::Fields(key("sk_1"))).await.unwrap();
    world.bring("example", Brought::Token(token("made-up"))).await.unwrap();
    let remains = world.ended().await;
    let world = World::in_folder_with(folder.path(), Some(remains), settings).await;
    let disclosed = async |target: &AccountRef| world.engine.account_with_credential(target).await.unwrap().1.unwrap();
    let Disclosed::Fields(fields) = disclosed(&account("keys", "user_1")).await else { panic!("a key was brought") };
    assert_eq!(fields["api_key"].expose_secret(), "sk_1");
    let Disclosed::Token(token) = disclosed(&account("example", "user_1")).await else { panic!("a token was brought") };
    assert_eq!(token.access_token.expose_secret(), "made-up");
}

/// A connector whose API is where the provider says: for each person elsewhere.
const INSTANCES: &str = r#"
name = "Example"
docs = "https://provider.example/docs"
base_url = "{instance_url}"
hosts = ["provider.example"]
[auth.oauth2]
authorize_url = "https://provider.example/authorize"
token_url = "https://provider.example/token"
keep = { instance_url = "token:instance_url" }
[probe]
url = "https://provider.example/me"
id = "id"
"#;

/// A19.
#[tokio::test]
async fn a_token_of_another_person_does_not_go_to_the_first_ones_address() {
    let connectors = vec![("example.toml".into(), INSTANCES.into()), ("other.toml".into(), INSTANCES.into())];
    let world = World::with(Settings { connectors, ..settings() }).await;
    let instance = "https://provider.example/ada";
    world.provider.state().extra.insert("instance_url".into(), instance.into());
    world.authorize("user_1", "ada").await;
    let first = world.engine.token(&account("example", "user_1"), Duration::ZERO).await.unwrap();
    let bring = |access_token: &Secret| world.bring("example", Brought::Token(token(access_token.expose_secret())));

    let bobs = world.granted("bob").await.access_token;
    for refused in [bobs, Secret::from("of-nobody-knows-whom")] {
        assert_eq!(code(bring(&refused).await), "NOT_SUPPORTED");
    }
    assert_eq!(world.account("user_1").await.provider_account_id.as_deref(), Some("ada"));

    let same = bring(&first.access_token).await.unwrap();
    assert_eq!((same.status, same.kept["instance_url"].as_str()), (Status::Active, instance));
}

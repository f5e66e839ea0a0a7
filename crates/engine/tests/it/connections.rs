//! Connections: made in code, declared, changed, disabled, deleted; and what is refused.

use onbehalf_engine::{
    Engine, Settings, StoreLocation, UserVerification,
    accounts::Status,
    connections::{ClientSecrets, ConnectionPatch, Endpoints, Fault, NewConnection},
    names::{ConnectionName, Organization},
    removal::AtProvider,
    secret::Secret,
    store::{Change, Commit, FaultRow},
    time::Timestamp,
    vault::KeySource,
};

use crate::world::{World, account, code, connection, settings, world};

fn name(text: &str) -> ConnectionName {
    ConnectionName::parse(text).unwrap()
}

fn default() -> Organization {
    Organization::default()
}

#[tokio::test]
async fn a_connection_is_made_changed_and_deleted() {
    let world = world().await;
    let made =
        world.engine.create_connection(NewConnection { connector: Some("example".into()), ..connection("mine") }).await;
    let made = made.unwrap();
    assert!(made.id.starts_with("conn_") && made.has_client_secret && made.enabled);
    assert_eq!(made.redirect_uri.as_str(), "http://localhost:7415/callback/mine");

    let patch = ConnectionPatch { scopes: Some(vec!["read".into()]), ..Default::default() };
    let changed = world.engine.update_connection(&default(), &name("mine"), patch).await.unwrap();
    assert_eq!(
        (changed.scopes, changed.client_id, changed.has_client_secret),
        (vec!["read".into()], Some("client".into()), true)
    );

    world.engine.delete_connection(&default(), &name("mine"), AtProvider::Revoke).await.unwrap();
    assert_eq!(code(world.engine.connection(&default(), &name("mine")).await), "CONNECTION_NOT_FOUND");
}

#[tokio::test]
async fn two_connections_of_one_name_are_refused() {
    let world = world().await;
    assert_eq!(code(world.engine.create_connection(connection("example")).await), "CONNECTION_ALREADY_EXISTS");
}

#[tokio::test]
async fn a_name_in_another_case_is_the_same_connection() {
    let world = world().await;
    let found = world.engine.connection(&default(), &name("EXAMPLE")).await.unwrap();
    assert_eq!(found.name, "example");
}

#[tokio::test]
async fn a_connector_without_credentials_says_what_to_register() {
    let world = world().await;
    let error = world.engine.connection(&default(), &name("gmail")).await.unwrap_err();
    assert_eq!(error.code(), "CONNECTION_NOT_CONFIGURED");
    let message = error.to_string();
    for part in [
        "http://localhost:7415/callback/gmail",
        "https://developers.google.com/",
        "ONBEHALF_GMAIL_CLIENT_ID",
        "ONBEHALF_GMAIL_CLIENT_SECRET",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let listed = world.engine.connections(&default(), None, None).await.unwrap();
    assert!(listed.connections.iter().all(|connection| connection.name != "gmail"), "nothing was written");
}

#[tokio::test]
async fn a_misspelt_name_brings_the_nearest() {
    let world = world().await;
    let error = world.engine.connection(&default(), &name("gmial")).await.unwrap_err();
    assert_eq!(error.code(), "CONNECTION_NOT_FOUND");
    assert!(error.to_string().contains("did you mean `gmail`?"), "{error}");
    let unknown = NewConnection { connector: Some("hubspt".into()), ..connection("mine") };
    let error = world.engine.create_connection(unknown).await.unwrap_err();
    assert_eq!(error.code(), "CONNECTOR_NOT_FOUND");
    assert!(error.to_string().contains("did you mean `hubspot`?"), "{error}");
}

#[tokio::test]
async fn what_the_connector_does_not_take_is_refused() {
    let world = world().await;
    let refused = |change: fn(&mut NewConnection)| {
        let mut new = NewConnection { connector: Some("example".into()), ..connection("mine") };
        change(&mut new);
        new
    };
    let http = || Some("http://evil.example/token".parse().unwrap());
    for (new, wanted) in [
        (refused(|new| new.auth_method = Some("api_key".into())), "INVALID_ARGUMENT"),
        (refused(|new| new.client_id = Some(" ".into())), "INVALID_ARGUMENT"),
        (refused(|new| new.scopes = Some(vec!["a b".into()])), "INVALID_ARGUMENT"),
        (refused(|new| drop(new.fields.insert("shop".into(), "acme".into()))), "UNKNOWN_OPTION"),
        (refused(|new| drop(new.app.insert("token".into(), Secret::from("x".to_owned())))), "UNKNOWN_OPTION"),
        (refused(|new| drop(new.scope_params.insert("user_scope".into(), Vec::new()))), "UNKNOWN_OPTION"),
    ] {
        assert_eq!(code(world.engine.create_connection(new).await), wanted);
    }
    for endpoints in [
        Endpoints { token_url: http(), ..Default::default() },
        Endpoints { base_url: Some("https://u:p@api.example".parse().unwrap()), ..Default::default() },
        Endpoints { authorize_url: Some("ftp://api.example".parse().unwrap()), ..Default::default() },
    ] {
        let new = NewConnection { endpoints, ..refused(|_| ()) };
        assert_eq!(code(world.engine.create_connection(new).await), "INVALID_ARGUMENT");
    }
    assert_eq!(code(world.engine.connection(&default(), &name("mine")).await), "CONNECTION_NOT_FOUND");
}

fn secrets(list: &[&str]) -> ClientSecrets {
    list.iter().map(|secret| Secret::from(*secret)).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn a_list_of_client_secrets_that_cannot_be_meant_is_refused() {
    let world = world().await;
    let before = world.engine.connection(&default(), &name("example")).await.unwrap().updated_at;
    for list in [&[][..], &[""], &["a", ""], &["a", "a"], &["a", "b", "c", "d", "e"]] {
        let new = NewConnection {
            connector: Some("example".into()),
            client_secret: Some(secrets(list)),
            ..connection("mine")
        };
        assert_eq!(code(world.engine.create_connection(new).await), "INVALID_ARGUMENT", "{list:?}");
        let patch = ConnectionPatch { client_secret: Some(secrets(list)), ..Default::default() };
        let updated = world.engine.update_connection(&default(), &name("example"), patch).await;
        assert_eq!(code(updated), "INVALID_ARGUMENT", "{list:?}");
    }
    assert_eq!(world.engine.connection(&default(), &name("example")).await.unwrap().updated_at, before);
}

#[tokio::test]
async fn a_secret_is_rolled_over_without_a_new_consent() {
    let first = world().await;
    first.authorize("user_1", "ada").await;
    let made = first.account("user_1").await;
    let rolled = NewConnection { client_secret: Some(secrets(&["next", "client-secret"])), ..connection("example") };
    let second = first.reopened(Settings { connections: vec![rolled], ..settings() }).await;
    assert!(second.engine.connection(&default(), &name("example")).await.unwrap().has_client_secret);
    let found = second.account("user_1").await;
    assert_eq!((found.connection_id, found.status), (made.connection_id, Status::Active));
}

#[tokio::test]
async fn a_connection_says_that_the_provider_refuses_its_app_until_it_is_changed() {
    let world = world().await;
    let made = world.engine.connection(&default(), &name("example")).await.unwrap();
    assert_eq!(made.misconfigured, None);
    let (since, next_try) = (Timestamp::from_millis(1_800_000_000_000), Timestamp::from_millis(1_800_000_060_000));
    let row = FaultRow {
        organization: "default".into(),
        connection_id: made.id,
        connection_version: 1,
        error: "invalid_client".into(),
        since,
        failures: 3,
        next_try,
    };
    assert_eq!(world.store().commit(vec![Change::SetFault(row)]).await.unwrap(), Commit::Applied);
    let fault = Some(Fault { error: "invalid_client".into(), since, next_try_at: next_try });
    assert_eq!(world.engine.connection(&default(), &name("example")).await.unwrap().misconfigured, fault);
    let listed = world.engine.connections(&default(), None, None).await.unwrap().connections;
    let faults: Vec<_> = listed.into_iter().map(|connection| (connection.name, connection.misconfigured)).collect();
    assert_eq!(faults, [("example".into(), fault), ("other".into(), None)]);

    let patch = ConnectionPatch { client_secret: Some("right".into()), ..Default::default() };
    let changed = world.engine.update_connection(&default(), &name("example"), patch).await.unwrap();
    assert_eq!(changed.misconfigured, None);
    assert_eq!(world.engine.connection(&default(), &name("example")).await.unwrap().misconfigured, None);
}

#[tokio::test]
async fn a_declaration_that_changed_is_written_again() {
    let first = world().await;
    let made = first.engine.connection(&default(), &name("example")).await.unwrap();
    let changed = NewConnection { client_id: Some("another".into()), ..connection("example") };
    let second = first.reopened(Settings { connections: vec![changed], ..settings() }).await;
    let found = second.engine.connection(&default(), &name("example")).await.unwrap();
    assert_eq!((found.id, found.client_id.as_deref()), (made.id, Some("another")));
}

#[tokio::test]
async fn a_disabled_connection_makes_no_links() {
    let world = world().await;
    world.engine.set_connection_enabled(&default(), &name("example"), false).await.unwrap();
    assert_eq!(code(world.link("example", "user_1").await), "CONNECTION_DISABLED");
    world.engine.set_connection_enabled(&default(), &name("example"), true).await.unwrap();
    world.link("example", "user_1").await.unwrap();
}

#[tokio::test]
async fn a_deleted_connection_takes_its_accounts_along() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.engine.delete_connection(&default(), &name("example"), AtProvider::Revoke).await.unwrap();
    assert_eq!(code(world.engine.account(&account("example", "user_1")).await), "CONNECTED_ACCOUNT_NOT_FOUND");
}

#[tokio::test]
async fn kinds_of_a_later_version_say_so() {
    let world = world().await;
    for (connector, method) in
        [("github", "app"), ("google_calendar", "service_account"), ("snowflake", "key_pair"), ("outlook", "app")]
    {
        let mut new =
            NewConnection { connector: Some(connector.into()), auth_method: Some(method.into()), ..connection("mine") };
        if connector == "snowflake" {
            new.fields.insert("account".into(), "acme".into());
        }
        world.engine.create_connection(new).await.unwrap();
        assert_eq!(code(world.link("mine", "user_1").await), "NOT_SUPPORTED", "{connector}");
        world.engine.delete_connection(&default(), &name("mine"), AtProvider::Revoke).await.unwrap();
    }
}

/// A25, A30, C57: where browsers go is configuration, and never cleartext.
#[tokio::test]
async fn a_public_url_is_https_or_loopback() {
    for url in ["http://agents.example", "https://agents.example?x", "ftp://agents.example", "https://u@agents.example"]
    {
        let settings = Settings {
            public_url: url.parse().unwrap(),
            user_verification: Some(UserVerification::None),
            ..settings()
        };
        assert_eq!(code(World::opened(settings).await), "INVALID_ARGUMENT", "{url}");
    }
    let undecided = Settings { public_url: "https://agents.example".parse().unwrap(), ..settings() };
    assert_eq!(code(World::opened(undecided).await), "USER_VERIFICATION_UNDECIDED");
    let without_urls = Settings { user_verification: Some(UserVerification::App), ..settings() };
    assert_eq!(code(World::opened(without_urls).await), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn a_bad_connector_file_is_refused_by_file_and_line() {
    let broken = Settings {
        connectors: vec![("mine.toml".into(), "name = \"Mine\"\nscope = []\n".into())],
        connections: Vec::new(),
        ..settings()
    };
    let error = World::opened(broken).await.unwrap_err();
    assert_eq!(error.code(), "CONNECTOR_INVALID");
    assert!(error.to_string().contains("mine.toml:2"), "{error}");
}

#[tokio::test]
async fn a_declaration_that_did_not_change_leaves_updates_alone() {
    let first = world().await;
    let patch = ConnectionPatch { scopes: Some(vec!["read".into()]), ..Default::default() };
    first.engine.update_connection(&default(), &name("example"), patch).await.unwrap();
    let second = first.reopened(settings()).await;
    assert_eq!(second.engine.connection(&default(), &name("example")).await.unwrap().scopes, ["read"]);
}

#[tokio::test]
async fn two_organizations_may_declare_one_name() {
    let acme = Organization::parse("acme").unwrap();
    let theirs = NewConnection { organization: acme.clone(), ..connection("example") };
    let world = World::with(Settings { connections: vec![connection("example"), theirs], ..settings() }).await;
    let ours = world.engine.connection(&default(), &name("example")).await.unwrap();
    let theirs = world.engine.connection(&acme, &name("example")).await.unwrap();
    assert_ne!(ours.id, theirs.id);
}

#[tokio::test]
async fn a_declared_connection_that_is_refused_hides_no_other() {
    let broken = NewConnection { connector: Some("nobody".into()), ..connection("broken") };
    let world = World::with(Settings { connections: vec![connection("example"), broken], ..settings() }).await;
    let listed = world.engine.connections(&default(), None, None).await.unwrap().connections;
    assert_eq!(listed.iter().map(|connection| connection.name.as_str()).collect::<Vec<_>>(), ["example"]);
    assert_eq!(code(world.engine.connection(&default(), &name("broken")).await), "CONNECTOR_NOT_FOUND");
}

/// F15, A96: what cannot be opened leaves no file behind.
#[tokio::test]
async fn settings_that_are_refused_leave_no_file_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = StoreLocation::File(folder.path().join("store.db"));
    let weak = KeySource::Explicit { origin: "the test".into(), text: "A".repeat(43).into() };
    for settings in [
        Settings { connectors: vec![("mine.toml".into(), "name = 1".into())], store: store.clone(), ..settings() },
        Settings { key: weak, store: store.clone(), ..settings() },
        Settings { public_url: "http://agents.example".parse().unwrap(), store: store.clone(), ..settings() },
    ] {
        Engine::open(settings).await.unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

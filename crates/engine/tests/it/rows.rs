//! Rows that were changed outside onbehalf are refused, whatever was changed (A92), and nothing readable is stored.

use std::time::Duration;

use onbehalf_engine::store::{AccountKey, AccountRow, Change, Commit, ConnectionKey, ConnectionRow};

use crate::world::{World, account, code, world};

async fn authorized() -> World {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world
}

async fn account_row(world: &World) -> AccountRow {
    let id = world.account("user_1").await.id;
    world.store().account("default", AccountKey::Id(&id)).await.unwrap().unwrap()
}

async fn connection_row(world: &World) -> ConnectionRow {
    world.store().connection("default", ConnectionKey::Name("example")).await.unwrap().unwrap()
}

async fn write(world: &World, change: Change) {
    assert_eq!(world.store().commit(vec![change]).await.unwrap(), Commit::Applied);
}

#[tokio::test]
async fn an_edited_account_is_refused() {
    let edits: [fn(&mut AccountRow); 6] = [
        |row| row.status = "DISCONNECTED".into(),
        |row| row.facts = row.facts.replace("ada", "eve"),
        |row| row.expires_at = None,
        |row| row.refresh_at = None,
        |row| row.credential.as_mut().unwrap()[70] ^= 1,
        |row| row.mac[0] ^= 1,
    ];
    for edit in edits {
        let world = authorized().await;
        let mut row = account_row(&world).await;
        edit(&mut row);
        row.version += 1;
        write(&world, Change::ReplaceAccount(row)).await;
        assert_eq!(code(world.engine.token(&account("example", "user_1"), Duration::ZERO).await), "INTEGRITY_FAILED");
        assert_eq!(world.token_requests(), 1, "no call was made");
    }
}

/// A92: the cheapest attack on a vault is to edit where tokens are sent.
#[tokio::test]
async fn an_edited_connection_is_refused() {
    let world = authorized().await;
    let mut row = connection_row(&world).await;
    row.config = row.config.replace("\"token_url\":null", "\"token_url\":\"https://evil.example/\"");
    assert!(row.config.contains("evil"));
    row.version += 1;
    write(&world, Change::ReplaceConnection(row)).await;
    assert_eq!(code(world.link("example", "user_1").await), "INTEGRITY_FAILED");
}

/// A88: a credential that is moved to another account does not open there.
#[tokio::test]
async fn a_moved_credential_does_not_open() {
    let world = authorized().await;
    world.authorize("user_2", "bob").await;
    let stolen = account_row(&world).await;
    let id = world.account("user_2").await.id;
    let mut row = world.store().account("default", AccountKey::Id(&id)).await.unwrap().unwrap();
    row.credential = stolen.credential;
    row.mac = stolen.mac;
    row.version += 1;
    write(&world, Change::ReplaceAccount(row)).await;
    assert_eq!(code(world.engine.token(&account("example", "user_2"), Duration::ZERO).await), "INTEGRITY_FAILED");
}

/// A90: a row from before the last refresh.
#[tokio::test]
async fn a_rolled_back_credential_does_not_open() {
    let world = authorized().await;
    let old = account_row(&world).await;
    world.pass(Duration::from_secs(4000));
    world.engine.token(&account("example", "user_1"), Duration::ZERO).await.unwrap();
    let mut row = account_row(&world).await;
    row.credential = old.credential;
    row.version += 1;
    write(&world, Change::ReplaceAccount(row)).await;
    assert_eq!(code(world.engine.token(&account("example", "user_1"), Duration::ZERO).await), "INTEGRITY_FAILED");
}

#[tokio::test]
async fn no_secret_stands_in_a_row() {
    let world = authorized().await;
    let text = format!("{:?} {:?}", connection_row(&world).await, account_row(&world).await);
    let bytes = |secret: &str| format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned();
    for secret in ["client-secret", "access-2", "refresh-2"] {
        assert!(!text.contains(secret) && !text.contains(&bytes(secret)), "{secret}");
    }
}

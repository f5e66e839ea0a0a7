//! The file between two environments, and what may happen to it.

use std::fs;

use onbehalf_engine::{
    connections::NewConnection,
    moving::{Export, LeftBehind, Scope},
    names::Organization,
};

use super::{Between, counts, every_account, fill};
use crate::world::{World, code, connection, world};

/// What the importing side must not have after a refusal.
async fn has_nothing(world: &World) -> bool {
    let organization = Organization::parse("elsewhere").unwrap();
    every_account(world, &organization).await.is_empty()
        && world.engine.connections(&organization, None, None).await.unwrap().connections.is_empty()
}

/// A file with one connection and as many accounts of the organization `elsewhere`.
async fn file_of(accounts: usize, between: &Between, to: &World) {
    let from = world().await;
    let organization = Organization::parse("elsewhere").unwrap();
    let new = NewConnection { organization: organization.clone(), ..connection("example") };
    from.engine.create_connection(new).await.unwrap();
    fill(&from, &organization, accounts).await;
    between.export(&from, to, LeftBehind::Untouched).await.unwrap();
}

// A89: the vault's tests change every bit; here, nothing before it is stored either.
#[tokio::test]
async fn a_file_that_is_altered_or_cut_off_anywhere_stores_nothing() {
    let (between, to) = (Between::new(), world().await);
    file_of(1, &between, &to).await;
    let whole = between.bytes();
    for place in 0..whole.len() {
        let mut altered = whole.clone();
        altered[place] ^= 0x10;
        between.put(&altered);
        let refused = code(between.import(&to).await);
        assert!(["INTEGRITY_FAILED", "INVALID_ARGUMENT"].contains(&refused), "byte {place}: {refused}");
        between.put(&whole[..place]);
        assert_eq!(code(between.import(&to).await), "INVALID_ARGUMENT", "{place} bytes");
    }
    between.put(&[&whole[..], &whole[..]].concat());
    assert_eq!(code(between.import(&to).await), "INTEGRITY_FAILED");
    assert!(has_nothing(&to).await);
    between.put(&whole);
    assert_eq!(between.import(&to).await.unwrap(), counts([1, 0, 0]));
    assert!(!has_nothing(&to).await);
}

/// More than is read at a time is read before anything is written.
#[tokio::test]
async fn a_long_file_without_its_end_stores_nothing() {
    let (between, to) = (Between::new(), world().await);
    file_of(201, &between, &to).await;
    let whole = between.bytes();
    between.put(&whole[..whole.len() - 1]);
    assert_eq!(code(between.import(&to).await), "INVALID_ARGUMENT");
    assert!(has_nothing(&to).await);
    between.put(&whole);
    assert_eq!(between.import(&to).await.unwrap(), counts([201, 0, 0]));
}

#[tokio::test]
async fn a_file_for_another_environment_is_told_from_a_damaged_one() {
    let (between, to, other) = (Between::new(), world().await, world().await);
    file_of(1, &between, &other).await;
    let error = between.import(&to).await.unwrap_err();
    assert_eq!(error.code(), "INVALID_ARGUMENT");
    assert!(error.to_string().contains("sealed for another environment"), "{error}");
    assert!(has_nothing(&to).await);
    between.put(b"identifier,access_token\nuser_1,at\n".repeat(9).as_slice());
    assert!(between.import(&to).await.unwrap_err().to_string().contains("no file that `exportAccounts` made"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_is_its_owners_alone_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt as _;

    let (between, from, to) = (Between::new(), world().await, world().await);
    from.authorize("user_1", "ada").await;
    between.export(&from, &to, LeftBehind::Untouched).await.unwrap();
    assert_eq!(fs::metadata(between.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = between.bytes();
    assert!(!bytes.windows(6).any(|window| window == b"access"), "nothing stands in the open");
    assert_eq!(code(between.export(&from, &to, LeftBehind::Untouched).await), "INVALID_ARGUMENT");
    assert_eq!(between.bytes(), bytes);
}

#[tokio::test]
async fn an_export_that_fails_leaves_no_file() {
    let (between, from, to) = (Between::new(), world().await, world().await);
    from.authorize("user_1", "ada").await;
    from.store.set_full(true);
    assert_eq!(code(between.export(&from, &to, LeftBehind::Disabled).await), "STORE_FULL");
    assert!(!between.path().exists());
    from.store.set_full(false);
    assert_eq!(between.export(&from, &to, LeftBehind::Disabled).await.unwrap().accounts, 1);
}

/// A part of a stream is refused wherever it ends, also where the one who pulls it takes an error for the end.
#[tokio::test]
async fn a_stream_that_broke_off_has_no_end() {
    let (between, from, to) = (Between::new(), world().await, world().await);
    from.authorize("user_1", "ada").await;
    let recipient = to.engine.moving_key().unwrap();
    let mut export: Export = from.engine.export(Scope::Everything, &recipient, LeftBehind::Disabled).unwrap();
    let header = export.next().await.unwrap().unwrap();
    from.store.set_full(true);
    assert_eq!(code(export.next().await), "STORE_FULL");
    from.store.set_full(false);
    assert!(export.next().await.unwrap().is_none());
    between.put(&header);
    assert!(between.import(&to).await.unwrap_err().to_string().contains("ends before its end"));
}

//! Connected accounts: made once, listed in pages, disconnected, deleted.

use std::time::Duration;

use onbehalf_engine::{
    accounts::{AccountBy, AccountQuery, AccountRef, Disclosed, Status},
    names::{ConnectionName, Organization},
    removal::AtProvider,
    secret::ExposeSecret,
    time::Clock,
};

use crate::world::{account, code, identifier, world};

fn example() -> ConnectionName {
    ConnectionName::parse("example").unwrap()
}

#[tokio::test]
async fn an_account_is_made_once() {
    let world = world().await;
    let organization = Organization::default();
    let first =
        world.engine.get_or_create_account(&organization, &example(), &identifier("user_1"), None).await.unwrap();
    let second =
        world.engine.get_or_create_account(&organization, &example(), &identifier("user_1"), None).await.unwrap();
    assert_eq!(first.id, second.id);
    assert!(first.id.starts_with("ca_") && first.id.len() >= 3 + 22);
    let again = world.engine.create_account(&organization, &example(), &identifier("user_1"), None).await;
    assert_eq!(code(again), "CONNECTED_ACCOUNT_ALREADY_EXISTS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_at_the_same_moment_make_one_account() {
    let world = world().await;
    let calls = (0..50).map(|_| {
        let engine = world.engine.clone();
        tokio::spawn(async move {
            engine
                .get_or_create_account(&Organization::default(), &example(), &identifier("user_1"), None)
                .await
                .unwrap()
                .id
        })
    });
    let mut ids = std::collections::HashSet::new();
    for call in calls.collect::<Vec<_>>() {
        ids.insert(call.await.unwrap());
    }
    assert_eq!(ids.len(), 1);
}

/// A80: identifiers that look alike are different people.
#[tokio::test]
async fn identifiers_are_compared_byte_for_byte() {
    let world = world().await;
    let mut ids = std::collections::HashSet::new();
    for person in ["user", "User", "us\u{e9}r", "use\u{301}r", "user:1", "user%3A1", "user/1", "user\u{200b}"] {
        let made =
            world.engine.get_or_create_account(&Organization::default(), &example(), &identifier(person), None).await;
        assert!(ids.insert(made.unwrap().id), "{person:?}");
    }
}

#[tokio::test]
async fn accounts_are_listed_in_pages() {
    let world = world().await;
    for person in 0..25 {
        world
            .engine
            .get_or_create_account(&Organization::default(), &example(), &identifier(&format!("user_{person}")), None)
            .await
            .unwrap();
    }
    let mut query = AccountQuery::default();
    let mut seen = std::collections::HashSet::new();
    let mut sizes = Vec::new();
    loop {
        let page = world.engine.accounts(&query).await.unwrap();
        sizes.push(page.accounts.len());
        assert!(page.accounts.into_iter().all(|account| seen.insert(account.id)));
        query.page_token = page.next_page_token;
        if query.page_token.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [10, 10, 5]);

    let one =
        AccountQuery { identifier: Some(identifier("user_7")), connections: vec![example()], ..Default::default() };
    assert_eq!(world.engine.accounts(&one).await.unwrap().accounts.len(), 1);
    let elsewhere = AccountQuery { connections: vec![ConnectionName::parse("other").unwrap()], ..Default::default() };
    assert!(world.engine.accounts(&elsewhere).await.unwrap().accounts.is_empty());
    for (page_size, page_token) in [(Some(0), None), (Some(101), None), (None, Some("%%%".to_owned()))] {
        let query = AccountQuery { page_size, page_token, ..Default::default() };
        assert_eq!(code(world.engine.accounts(&query).await), "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn a_disconnected_account_is_kept_without_its_credential() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    let disconnected =
        world.engine.disconnect_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
    assert_eq!(disconnected.status, Status::Disconnected);
    let (_, token) = world.engine.account_with_credential(&account("example", "user_1")).await.unwrap();
    assert!(token.is_none());
    world.authorize("user_1", "ada").await;
    assert_eq!(world.account("user_1").await.status, Status::Active);
}

#[tokio::test]
async fn a_deleted_account_is_gone() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    let id = world.account("user_1").await.id;
    world.engine.delete_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
    let by_id = AccountRef { organization: Organization::default(), by: AccountBy::Id(id) };
    assert_eq!(code(world.engine.account(&by_id).await), "CONNECTED_ACCOUNT_NOT_FOUND");
    assert_eq!(code(world.engine.delete_account(&by_id, AtProvider::Revoke).await), "CONNECTED_ACCOUNT_NOT_FOUND");
}

/// A73: an account's id is worth nothing in another organization.
#[tokio::test]
async fn an_account_is_not_found_from_another_organization() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    let foreign = AccountRef {
        organization: Organization::parse("other").unwrap(),
        by: AccountBy::Id(world.account("user_1").await.id),
    };
    assert_eq!(code(world.engine.account(&foreign).await), "CONNECTED_ACCOUNT_NOT_FOUND");
    assert_eq!(code(world.engine.account_with_credential(&foreign).await), "CONNECTED_ACCOUNT_NOT_FOUND");
    assert_eq!(code(world.engine.delete_account(&foreign, AtProvider::Revoke).await), "CONNECTED_ACCOUNT_NOT_FOUND");
    assert_eq!(
        code(world.engine.disconnect_account(&foreign, AtProvider::Revoke).await),
        "CONNECTED_ACCOUNT_NOT_FOUND"
    );
    assert_eq!(world.account("user_1").await.status, Status::Active);
}

#[tokio::test]
async fn the_token_comes_with_the_account_where_it_is_asked_for() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    let (found, token) = world.engine.account_with_credential(&account("example", "user_1")).await.unwrap();
    let Some(Disclosed::Token(token)) = token else { panic!("the account holds a token") };
    assert_eq!(found.status, Status::Active);
    assert_eq!(token.access_token.expose_secret(), "access-2");
    assert_eq!(token.refresh_token.as_ref().unwrap().expose_secret(), "refresh-2");
    assert!(!format!("{token:?}").contains("access-2") && !format!("{token:?}").contains("refresh-2"));
}

#[tokio::test]
async fn an_account_says_when_it_was_and_when_it_is_to_be_refreshed() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    let (made, begun) = (world.account("user_1").await, world.clock.now());
    assert_eq!(made.refreshed_at, None);
    let planned = made.next_refresh_at.unwrap();
    assert!(begun < planned && planned < made.token_expires_at.unwrap());

    world.pass(Duration::from_secs(4000));
    let ended = world.clock.now();
    world.provider.state().scripted.push_back(Ok((503, b"retry".to_vec())));
    let token = async || world.engine.token(&account("example", "user_1"), Duration::ZERO).await;
    assert_eq!(code(token().await), "PROVIDER_UNAVAILABLE");
    let failed = world.account("user_1").await;
    assert!(failed.next_refresh_at.unwrap() >= ended, "it is tried again");
    assert!(failed.last_refresh_error.is_some());

    world.pass(Duration::from_secs(60));
    token().await.unwrap();
    let refreshed = world.account("user_1").await;
    assert_eq!((refreshed.refreshed_at, refreshed.last_refresh_error), (Some(world.clock.now()), None));
    assert!(refreshed.next_refresh_at.unwrap() > world.clock.now());

    let disconnected =
        world.engine.disconnect_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
    assert_eq!(disconnected.next_refresh_at, None);
}

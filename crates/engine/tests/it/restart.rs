//! Invariant 1: a token that reached us is never lost, whatever the disk or the process does next.

use std::time::Duration;

use onbehalf_engine::{accounts::Status, connect::Outcome, secret::ExposeSecret};
use tempfile::tempdir;

use crate::world::{World, account, code};

async fn token(world: &World) -> onbehalf_engine::Result<String> {
    let token = world.engine.token(&account("example", "user_1"), Duration::ZERO).await?;
    Ok(token.access_token.expose_secret().to_owned())
}

/// Fills the disk while a token request is at the provider, and lets it answer.
async fn full_during<T>(world: &World, call: impl Future<Output = T>) -> T {
    let gate = world.provider.hold_token_requests();
    let filling = async {
        gate.arrived.notified().await;
        world.store.set_full(true);
        world.provider.state().gate = None;
        gate.open.notify_one();
    };
    tokio::join!(call, filling).0
}

/// F14: the disk fills between intent and commit.
#[tokio::test]
async fn a_refreshed_token_waits_for_room_on_the_disk() {
    let folder = tempdir().unwrap();
    let world = World::in_folder(folder.path(), None).await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    assert_eq!(code(full_during(&world, token(&world)).await), "STORE_FULL");
    assert_eq!(code(token(&world).await), "STORE_FULL");
    world.store.set_full(false);
    assert_eq!(token(&world).await.unwrap(), "access-3");
    assert_eq!(world.token_requests(), 2, "the answer in hand was stored, and the provider not asked again");
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// F06: the process dies after the journal and before the commit.
#[tokio::test]
async fn a_refreshed_token_survives_the_process() {
    let folder = tempdir().unwrap();
    let world = World::in_folder(folder.path(), None).await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    assert_eq!(code(full_during(&world, token(&world)).await), "STORE_FULL");

    let world = World::in_folder(folder.path(), Some(world.killed())).await;
    assert_eq!(token(&world).await.unwrap(), "access-3");
    assert_eq!(world.token_requests(), 2);
    world.pass(Duration::from_secs(4000));
    assert_eq!(token(&world).await.unwrap(), "access-4", "the rotated refresh token was kept too");
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// F10: the same in a code exchange.
#[tokio::test]
async fn an_exchanged_code_survives_the_process() {
    let folder = tempdir().unwrap();
    let world = World::in_folder(folder.path(), None).await;
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    let _ = full_during(&world, world.comes_back(&started, parameters)).await;
    assert_eq!(world.account("user_1").await.status, Status::PendingAuth);

    let world = World::in_folder(folder.path(), Some(world.killed())).await;
    assert_eq!(world.account("user_1").await.status, Status::Active);
    assert_eq!(token(&world).await.unwrap(), "access-2");
    assert_eq!(world.token_requests(), 1, "the code was sent once");
}

/// F08: replaying what was stored already changes nothing.
#[tokio::test]
async fn opening_again_changes_nothing() {
    let folder = tempdir().unwrap();
    let mut world = World::in_folder(folder.path(), None).await;
    let returned = world.authorize("user_1", "ada").await;
    for _ in 0..3 {
        world = World::in_folder(folder.path(), Some(world.killed())).await;
        assert_eq!(world.outcome(&returned).await, Outcome::Connected);
        assert_eq!(token(&world).await.unwrap(), "access-2");
    }
    assert_eq!(world.token_requests(), 1);
}

/// F13: nothing is spent that could not be stored.
#[tokio::test]
async fn a_refresh_does_not_begin_on_a_full_disk() {
    let folder = tempdir().unwrap();
    let world = World::in_folder(folder.path(), None).await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    world.store.set_full(true);
    assert_eq!(code(token(&world).await), "STORE_FULL");
    assert_eq!(world.token_requests(), 1);
    world.store.set_full(false);
    assert_eq!(token(&world).await.unwrap(), "access-3");
}

//! Invariant 1: a token that reached us is never lost, whatever the disk or the process does next.

use std::time::Duration;

use onbehalf_engine::{
    Settings,
    accounts::Status,
    connect::Outcome,
    connections::NewConnection,
    names::{ConnectionName, Organization},
    removal::AtProvider,
    secret::ExposeSecret,
};
use tempfile::tempdir;

use crate::{
    network::on_postgres,
    world::{World, account, code, connection, settings, world},
};

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

/// The only refresh token that lives is in an answer that is not stored yet.
#[tokio::test]
async fn a_consent_without_a_refresh_token_keeps_the_one_of_an_unstored_answer() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    assert_eq!(code(full_during(&world, token(&world)).await), "STORE_FULL");
    world.store.set_full(false);
    world.provider.state().extra.insert("refresh_token".into(), serde_json::Value::Null);
    let returned = world.authorize("user_1", "ada").await;
    assert_eq!(world.outcome(&returned).await, Outcome::Connected);
    world.provider.state().extra.clear();
    assert_eq!(token(&world).await.unwrap(), "access-5");
    world.pass(Duration::from_secs(4000));
    assert_eq!(token(&world).await.unwrap(), "access-6");
    assert_eq!(world.provider.state().token_requests.last().unwrap()["refresh_token"], "refresh-3");
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// F06: the process ends after the journal and before the commit.
#[tokio::test]
async fn a_refreshed_token_survives_the_process() {
    let folder = tempdir().unwrap();
    let world = World::in_folder(folder.path(), None).await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    assert_eq!(code(full_during(&world, token(&world)).await), "STORE_FULL");

    let world = World::in_folder(folder.path(), Some(world.ended().await)).await;
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

    let world = World::in_folder(folder.path(), Some(world.ended().await)).await;
    world.engine.wait_until_active(&account("example", "user_1")).await.unwrap();
    assert_eq!(token(&world).await.unwrap(), "access-2");
    assert_eq!(world.token_requests(), 1, "the code was sent once");
}

/// The same without a restart: the store has room again.
#[tokio::test(start_paused = true)]
async fn an_exchanged_code_waits_for_room_on_the_disk() {
    let world = world().await;
    let started = world.started("example", "user_1").await;
    let parameters = world.provider.consent(&started.authorize_url, "ada");
    assert_eq!(code(full_during(&world, world.comes_back(&started, parameters)).await), "STORE_FULL");
    world.store.set_full(false);
    world.engine.wait_until_active(&account("example", "user_1")).await.unwrap();
    assert_eq!(world.token_requests(), 1);
}

/// What was authorized or disconnected since is not undone by an answer from before.
#[tokio::test]
async fn an_older_exchange_never_replaces_a_newer_decision() {
    if on_postgres() {
        // The older one is tried again in real time, and may well be in before a slower store has the newer one.
        return;
    }
    for disconnects in [false, true] {
        let folder = tempdir().unwrap();
        let world = World::in_folder(folder.path(), None).await;
        let started = world.started("example", "user_1").await;
        let parameters = world.provider.consent(&started.authorize_url, "ada");
        let _ = full_during(&world, world.comes_back(&started, parameters)).await;
        world.store.set_full(false);
        if disconnects {
            world.engine.disconnect_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
        } else {
            world.authorize("user_1", "bob").await;
        }
        let world = World::in_folder(folder.path(), Some(world.ended().await)).await;
        let world = World::in_folder(folder.path(), Some(world.ended().await)).await;
        let found = world.account("user_1").await;
        if disconnects {
            assert_eq!(found.status, Status::Disconnected);
        } else {
            assert_eq!(found.provider_account_id.as_deref(), Some("bob"));
        }
    }
}

/// An entry that another store or key left is no reason to keep this one shut.
#[tokio::test]
async fn an_unreadable_entry_does_not_keep_the_store_shut() {
    if on_postgres() {
        // There is no file to take away.
        return;
    }
    let folder = tempdir().unwrap();
    let world = World::in_folder(folder.path(), None).await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    let _ = full_during(&world, token(&world)).await;
    let remains = world.ended().await;
    std::fs::remove_file(folder.path().join("store.db")).unwrap();
    let world = World::in_folder(folder.path(), Some(remains)).await;
    world.authorize("user_1", "ada").await;
    assert_eq!(world.account("user_1").await.status, Status::Active);
}

/// The tokens are kept whatever happened to the connection while they were on their way.
#[tokio::test]
async fn a_refresh_that_ends_after_its_connection_was_disabled_keeps_its_token() {
    let world = world().await;
    let (organization, name) = (Organization::default(), ConnectionName::parse("example").unwrap());
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    let gate = world.provider.hold_token_requests();
    let disabling = async {
        gate.arrived.notified().await;
        world.engine.set_connection_enabled(&organization, &name, false).await.unwrap();
        world.provider.state().gate = None;
        gate.open.notify_one();
    };
    let (asked, ()) = tokio::join!(token(&world), disabling);
    drop(asked);
    assert_eq!(code(token(&world).await), "CONNECTION_DISABLED");
    world.engine.set_connection_enabled(&organization, &name, true).await.unwrap();
    assert_eq!(token(&world).await.unwrap(), "access-3");
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// The connector's file is missing when the answer is to be read; it is read when the file is back.
#[tokio::test]
async fn an_answer_is_kept_until_it_can_be_read() {
    let folder = tempdir().unwrap();
    let world = World::in_folder(folder.path(), None).await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    let _ = full_during(&world, token(&world)).await;
    let without = Settings { connectors: Vec::new(), connections: Vec::new(), ..settings() };
    let world = World::in_folder_with(folder.path(), Some(world.ended().await), without).await;
    let world = World::in_folder(folder.path(), Some(world.ended().await)).await;
    assert_eq!(token(&world).await.unwrap(), "access-3");
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// F27: the answer breaks off after the new refresh token.
#[tokio::test]
async fn a_new_refresh_token_in_a_cut_answer_is_kept() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    world.provider.state().cut_answers_after = Some("\"refresh_token\":\"refresh-3\"");
    assert_eq!(code(token(&world).await), "PROVIDER_UNAVAILABLE");
    world.provider.state().cut_answers_after = None;
    assert_eq!(token(&world).await.unwrap(), "access-4");
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// F04: whether the provider acted on a request that was never answered, nobody knows.
#[tokio::test]
async fn a_grant_that_ends_after_a_lost_answer_says_so() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    world.provider.state().cut_answers_after = Some("{");
    assert_eq!(code(token(&world).await), "PROVIDER_UNAVAILABLE");
    world.provider.state().cut_answers_after = None;
    world.pass(Duration::from_secs(94));
    assert_eq!(code(token(&world).await), "PROVIDER_UNAVAILABLE", "the request may still be on its way");
    world.pass(Duration::from_secs(1));
    assert_eq!(code(token(&world).await), "REAUTHORIZATION_REQUIRED");
    assert_eq!(world.account("user_1").await.reason.as_deref(), Some("lost_rotation"));
}

/// F08: replaying what was stored already changes nothing.
#[tokio::test]
async fn opening_again_changes_nothing() {
    let folder = tempdir().unwrap();
    let mut world = World::in_folder(folder.path(), None).await;
    let returned = world.authorize("user_1", "ada").await;
    for _ in 0..3 {
        world = World::in_folder(folder.path(), Some(world.ended().await)).await;
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

/// Invariant 6: an answer that waits is read by the rules of the app that it came for, or not at all.
#[tokio::test]
async fn an_answer_waits_for_its_own_app() {
    let folder = tempdir().unwrap();
    let world = World::in_folder(folder.path(), None).await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    let _ = full_during(&world, token(&world)).await;
    let another = NewConnection { client_id: Some("another".into()), ..connection("example") };
    let changed = Settings { connections: vec![another], ..settings() };
    let world = World::in_folder_with(folder.path(), Some(world.ended().await), changed).await;
    assert_eq!(code(token(&world).await), "REAUTHORIZATION_REQUIRED");
    let world = World::in_folder(folder.path(), Some(world.ended().await)).await;
    assert_eq!(token(&world).await.unwrap(), "access-3");
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// The store has room again before anyone asks.
#[tokio::test(start_paused = true)]
async fn a_refreshed_token_is_stored_without_being_asked_for() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    assert_eq!(code(full_during(&world, token(&world)).await), "STORE_FULL");
    let before = world.account("user_1").await.token_expires_at;
    world.store.set_full(false);
    while world.account("user_1").await.token_expires_at == before {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(world.token_requests(), 2);
}

/// However many ask while it cannot be stored, one task goes on trying, and the provider is left alone.
#[tokio::test(start_paused = true)]
async fn many_callers_of_a_kept_answer_leave_one_task_behind() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(4000));
    assert_eq!(code(full_during(&world, token(&world)).await), "STORE_FULL");
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for _ in 0..50 {
        assert_eq!(code(token(&world).await), "STORE_FULL");
    }
    assert!(tokio::runtime::Handle::current().metrics().num_alive_tasks() <= before + 1);
    world.store.set_full(false);
    assert_eq!(token(&world).await.unwrap(), "access-3");
    assert_eq!(world.token_requests(), 2);
}

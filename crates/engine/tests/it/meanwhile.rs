//! What happens to an account or its connection while a credential is tried at the provider or held for verification:
//! the newest wish holds, and what is stored fits what it was tried with.

use std::{sync::Arc, time::Duration};

use onbehalf_engine::{
    Result,
    accounts::{Account, Brought, Status},
    connect::{Outcome, Submitted},
    connections::{ConnectionPatch, Endpoints},
    names::{ConnectionName, Organization},
    removal::AtProvider,
};
use tokio::task::JoinHandle;

use crate::{
    provider::Gate,
    static_world::{accepted, key, refusal, static_world, verified_static_world},
    world::{World, account, code, identifier, nonce_in, nonce_of, verified_world, world},
};

/// A person submits this key, and the provider takes its time.
async fn submitting(world: &World, value: &'static str) -> (JoinHandle<Result<Submitted>>, Arc<Gate>) {
    submitting_with(world, world.key_link("user_1").await, value).await
}

async fn submitting_with(
    world: &World,
    token: String,
    value: &'static str,
) -> (JoinHandle<Result<Submitted>>, Arc<Gate>) {
    let gate = world.provider.hold_probes();
    let engine = world.engine.clone();
    let submission = tokio::spawn(async move { engine.submit(&token, key(value)).await });
    gate.arrived.notified().await;
    world.provider.state().probe_gate = None;
    (submission, gate)
}

#[tokio::test]
async fn a_key_that_is_being_tried_does_not_undo_a_disconnection() {
    let world = static_world().await;
    let (submission, gate) = submitting(&world, "sk_1").await;
    world.engine.disconnect_account(&account("keys", "user_1"), AtProvider::Revoke).await.unwrap();
    gate.open.notify_one();
    assert_eq!(code(submission.await.unwrap()), "AUTHORIZATION_FAILED");
    assert_eq!(world.key_status().await, Status::Disconnected);
}

#[tokio::test]
async fn a_key_that_is_being_tried_does_not_replace_a_newer_one() {
    let world = static_world().await;
    let (submission, gate) = submitting(&world, "sk_1").await;
    world.bring("keys", Brought::Fields(key("sk_2"))).await.unwrap();
    gate.open.notify_one();
    assert_eq!(code(submission.await.unwrap()), "AUTHORIZATION_FAILED");
    assert_eq!(world.stored_key().await, "sk_2");
}

#[tokio::test]
async fn a_key_that_is_held_does_not_replace_a_newer_one() {
    let world = verified_static_world().await;
    let location = accepted(world.enters(&world.key_link("user_1").await, "sk_1").await);
    world.bring("keys", Brought::Fields(key("sk_2"))).await.unwrap();
    let verified =
        world.engine.verify_user(&Organization::default(), &nonce_in(&location), &identifier("user_1")).await;
    assert_eq!((code(verified), world.stored_key().await.as_str()), ("AUTHORIZATION_FAILED", "sk_2"));
}

#[tokio::test]
async fn a_consent_that_is_held_does_not_undo_a_disconnection() {
    let world = verified_world().await;
    let returned = world.authorize("user_1", "ada").await;
    world.engine.disconnect_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
    let nonce = nonce_of(&returned);
    let verified = world.engine.verify_user(&Organization::default(), &nonce, &identifier("user_1")).await;
    assert_eq!((code(verified), world.token_requests()), ("AUTHORIZATION_FAILED", 0));
    assert_eq!(world.account("user_1").await.status, Status::Disconnected);
}

/// Nobody knows whether the person consented before it or after.
#[tokio::test]
async fn a_consent_that_was_under_way_does_not_undo_a_disconnection() {
    let failed = Outcome::Failed { code: "AUTHORIZATION_FAILED".into() };
    for world in [world().await, verified_world().await] {
        let started = world.started("example", "user_1").await;
        let parameters = world.provider.consent(&started.authorize_url, "ada");
        world.engine.disconnect_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
        let returned = world.comes_back(&started, parameters).await.unwrap();
        assert_eq!((world.outcome(&returned).await, world.token_requests()), (failed.clone(), 0));
        assert_eq!(world.account("user_1").await.status, Status::Disconnected);
    }
}

/// The link alone is no consent.
#[tokio::test]
async fn a_link_that_was_made_before_a_disconnection_can_be_used_after_it() {
    let world = static_world().await;
    let token = world.key_link("user_1").await;
    world.engine.disconnect_account(&account("keys", "user_1"), AtProvider::Revoke).await.unwrap();
    accepted(world.enters(&token, "sk_1").await);
    assert_eq!(world.key_status().await, Status::Active);
}

/// The connection of the keys is changed, in a way that matters to them or not.
async fn change(world: &World, patch: ConnectionPatch) {
    let name = ConnectionName::parse("keys").unwrap();
    world.engine.update_connection(&Organization::default(), &name, patch).await.unwrap();
}

fn moved() -> ConnectionPatch {
    let base_url = Some("https://provider.example/v2".parse().unwrap());
    ConnectionPatch { endpoints: Some(Endpoints { base_url, ..Endpoints::default() }), ..ConnectionPatch::default() }
}

#[tokio::test]
async fn a_key_is_stored_for_the_address_that_it_was_tried_at_or_not_at_all() {
    let world = static_world().await;
    let token = world.key_link("user_1").await;
    let (submission, gate) = submitting_with(&world, token.clone(), "sk_1").await;
    change(&world, moved()).await;
    gate.open.notify_one();
    assert_eq!(code(submission.await.unwrap()), "AUTHORIZATION_FAILED");
    world.pass(Duration::from_secs(20));
    assert_eq!(code(world.engine.link_page(&token).await), "LINK_USED", "the link is dead");
    assert_eq!(world.key_status().await, Status::PendingAuth);
}

/// A new account is made with the key that is brought, while the connection is changed.
async fn brought_while(patch: ConnectionPatch) -> (World, Result<Account>) {
    let world = static_world().await;
    // Makes the connection.
    world.key_link("user_2").await;
    let gate = world.provider.hold_probes();
    let changing = async {
        gate.arrived.notified().await;
        world.provider.state().probe_gate = None;
        change(&world, patch).await;
        gate.open.notify_one();
    };
    let (made, ()) = tokio::join!(world.bring("keys", Brought::Fields(key("sk_1"))), changing);
    (world, made)
}

#[tokio::test]
async fn an_account_is_made_with_its_key_though_its_connection_is_touched() {
    let (world, made) = brought_while(ConnectionPatch::default()).await;
    assert_eq!((made.unwrap().status, world.stored_key().await.as_str()), (Status::Active, "sk_1"));
    assert_eq!(world.provider.state().api_requests.len(), 1, "the provider is asked once");
}

#[tokio::test]
async fn no_account_is_made_with_a_key_that_was_tried_at_another_address() {
    let (world, made) = brought_while(moved()).await;
    assert_eq!(code(made), "INVALID_ARGUMENT");
    assert_eq!(code(world.engine.account(&account("keys", "user_1")).await), "CONNECTED_ACCOUNT_NOT_FOUND");
}

#[tokio::test]
async fn a_key_that_the_store_could_not_take_can_be_entered_again_at_once() {
    let world = static_world().await;
    let token = world.key_link("user_1").await;
    let (submission, gate) = submitting_with(&world, token.clone(), "sk_1").await;
    world.store.refuse_one();
    gate.open.notify_one();
    assert_eq!(code(submission.await.unwrap()), "STORE_BUSY");
    accepted(world.enters(&token, "sk_1").await);
}

/// A36: neither a crash nor a store that fails in the last attempt gives another.
#[tokio::test]
async fn there_is_no_eleventh_attempt() {
    let world = static_world().await;
    let token = world.key_link("user_1").await;
    for attempt in 1..10 {
        assert_eq!(refusal(world.enters(&token, &format!("guess-{attempt}")).await), "CREDENTIAL_REFUSED");
    }
    let (submission, gate) = submitting_with(&world, token.clone(), "sk_1").await;
    world.store.refuse_one();
    gate.open.notify_one();
    assert_eq!(code(submission.await.unwrap()), "STORE_BUSY");
    assert_eq!(code(world.enters(&token, "sk_1").await), "AUTHORIZATION_FAILED");
    assert_eq!(code(world.enters(&token, "sk_1").await), "LINK_USED");
    assert_eq!(world.provider.state().api_requests.len(), 10);
}

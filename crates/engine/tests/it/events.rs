//! Every change of an account's status is told once, after it is stored, whoever caused it.

use std::{sync::Arc, time::Duration};

use onbehalf_engine::{
    accounts::{
        Brought,
        Status::{self, *},
    },
    events::StatusChange,
    removal::AtProvider,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    static_world::{key, static_world},
    world::{World, account, identifier, nonce_of, verified_world, world},
};

fn told(changes: &mut UnboundedReceiver<StatusChange>) -> Vec<(Status, Status, Option<String>)> {
    let mut told = Vec::new();
    while let Ok(change) = changes.try_recv() {
        told.push((change.previous_status, change.status, change.reason));
    }
    told
}

#[tokio::test]
async fn every_status_of_an_accounts_life_is_told_once() {
    let world = world().await;
    let mut changes = world.engine.status_changes();
    world.link("example", "user_1").await.unwrap();
    assert_eq!(told(&mut changes), [], "it was made, and has not changed");

    world.authorize("user_1", "ada").await;
    let change = changes.try_recv().unwrap();
    let found = world.account("user_1").await;
    let expected = StatusChange {
        account_id: found.id,
        organization: found.organization,
        connection_name: "example".into(),
        identifier: "user_1".into(),
        status: Active,
        previous_status: PendingAuth,
        reason: None,
        at: found.updated_at,
    };
    assert_eq!(change, expected);

    world.pass(Duration::from_secs(4000));
    world.engine.token(&account("example", "user_1"), Duration::ZERO).await.unwrap();
    assert_eq!(told(&mut changes), [], "a refreshed account is as active as before");

    world.provider.revoke_everything();
    world.pass(Duration::from_secs(4000));
    world.engine.token(&account("example", "user_1"), Duration::ZERO).await.unwrap_err();
    assert_eq!(told(&mut changes), [(Active, Expired, Some("revoked".into()))]);

    world.authorize("user_1", "ada").await;
    assert_eq!(told(&mut changes), [(Expired, Active, None)]);
    world.engine.disconnect_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
    world.engine.disconnect_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
    assert_eq!(told(&mut changes), [(Active, Disconnected, Some("disconnected".into()))]);
}

#[tokio::test]
async fn a_verification_is_told_by_its_steps() {
    let world = verified_world().await;
    let mut changes = world.engine.status_changes();
    let verify = async |world: &World, person: &str| {
        let returned = world.authorize("user_1", "ada").await;
        let organization = Default::default();
        world.engine.verify_user(&organization, &nonce_of(&returned), &identifier(person)).await
    };
    verify(&world, "another").await.unwrap_err();
    let refused = [(PendingAuth, PendingVerification, None), (PendingVerification, PendingAuth, None)];
    assert_eq!(told(&mut changes), refused);
    verify(&world, "user_1").await.unwrap();
    let accepted = [(PendingAuth, PendingVerification, None), (PendingVerification, Active, None)];
    assert_eq!(told(&mut changes), accepted);
}

/// What is told is stored already.
#[tokio::test]
async fn whoever_is_told_finds_it_so() {
    let world = world().await;
    let mut changes = world.engine.status_changes();
    let listening = async {
        let change = changes.recv().await.unwrap();
        assert_eq!(world.account("user_1").await.status, change.status);
    };
    tokio::join!(listening, world.authorize("user_1", "ada"));
}

/// Whichever of two callers wakes up first, each change is told behind the one that it follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_at_once_are_told_in_their_order() {
    let world = Arc::new(static_world().await);
    let mut changes = world.engine.status_changes();
    let person = account("keys", "user_1");
    world.key_link("user_1").await;
    let tasks = (0..8).map(|number| {
        let (engine, person) = (world.engine.clone(), person.clone());
        tokio::spawn(async move {
            for _ in 0..25 {
                if number % 2 == 0 {
                    engine.update_account(&person, Brought::Fields(key("sk_1"))).await.unwrap();
                } else {
                    engine.disconnect_account(&person, AtProvider::Revoke).await.unwrap();
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let told = told(&mut changes);
    assert_eq!(told[0].0, PendingAuth);
    for (before, after) in told.iter().zip(&told[1..]) {
        assert_eq!(before.1, after.0, "{told:?}");
    }
}

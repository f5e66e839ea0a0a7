//! What is done is on record, in the same commit, and the records prove that none was changed (A84).

use std::time::Duration;

use onbehalf_engine::{
    Engine, Error,
    audit::{Checkpoint, Record},
    connect::NewLink,
    egress::Failure,
    names::{ConnectionName, Organization},
    removal::AtProvider,
    secret::ExposeSecret,
    store::{Change, RecordRow},
};
use rusqlite::Connection;
use tempfile::{TempDir, tempdir};

use crate::{
    network::on_postgres,
    world::{World, account, code, connection, identifier, nonce_of, settings, verified_world, world},
};

async fn all(engine: &Engine, organization: &str) -> Vec<Record> {
    let organization = Organization::parse(organization).unwrap();
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let page = engine.records(&organization, Some(7), token.as_deref()).await.unwrap();
        all.extend(page.records);
        token = page.next_page_token;
        if token.is_none() {
            return all;
        }
    }
}

async fn actions(world: &World) -> Vec<String> {
    all(&world.engine, "default").await.into_iter().map(|record| record.action).collect()
}

/// The problems of all records of this action.
async fn problems(world: &World, action: &str) -> Vec<Option<String>> {
    let records = all(&world.engine, "default").await;
    records.into_iter().filter(|record| record.action == action).map(|record| record.problem).collect()
}

#[tokio::test]
async fn an_authorization_leaves_its_story() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.engine.token(&account("example", "user_1"), Duration::ZERO).await.unwrap();
    world.engine.delete_account(&account("example", "user_1"), AtProvider::Leave).await.unwrap();
    let records = all(&world.engine, "default").await;
    let told: Vec<_> = records.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(
        told,
        [
            "connection.created",
            "account.created",
            "link.created",
            "flow.started",
            "account.authorized",
            "credential.disclosed",
            "account.deleted",
        ]
    );
    assert_eq!(records.iter().map(|record| record.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(records[0].name.as_deref(), Some("example"));
    assert_eq!(records[1].name.as_deref(), Some("user_1"));
    let flow = records[2].flow_id.as_ref().unwrap();
    assert!(records[2..5].iter().all(|record| record.flow_id.as_ref() == Some(flow)));
    let (connection, account) = (&records[0].connection_id, &records[1].account_id);
    assert!(connection.is_some() && account.is_some());
    assert!(records[1..].iter().all(|record| record.connection_id == *connection && record.account_id == *account));
    assert!(records.iter().all(|record| record.problem.is_none()));
}

#[tokio::test]
async fn what_does_not_succeed_is_told_with_its_reason() {
    let world = verified_world().await;
    let nonce = nonce_of(&world.authorize("user_1", "ada").await);
    let other = world.engine.verify_user(&Organization::default(), &nonce, &identifier("user_2")).await;
    assert_eq!(code(other), "USER_MISMATCH");
    let told = actions(&world).await;
    assert_eq!(told[2..], ["link.created", "flow.started", "flow.returned", "flow.failed"]);
    assert_eq!(problems(&world, "flow.failed").await, [Some("user_mismatch".into())]);
}

#[tokio::test]
async fn every_refresh_is_told_and_so_is_why_it_failed() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.pass(Duration::from_secs(3600));
    world.provider.state().scripted.push_back(Ok((503, Vec::new())));
    let user = account("example", "user_1");
    assert_eq!(code(world.engine.token(&user, Duration::ZERO).await), "PROVIDER_UNAVAILABLE");
    world.pass(Duration::from_secs(3600));
    world.engine.token(&user, Duration::ZERO).await.unwrap();
    world.pass(Duration::from_secs(3600));
    for _ in 0..2 {
        world.provider.state().scripted.push_back(Ok((400, br#"{"error":"invalid_grant"}"#.to_vec())));
    }
    assert_eq!(code(world.engine.token(&user, Duration::ZERO).await), "REAUTHORIZATION_REQUIRED");
    let told = actions(&world).await;
    assert_eq!(
        told[5..],
        ["refresh.failed", "token.refreshed", "credential.disclosed", "refresh.failed", "account.expired"]
    );
    let failed = problems(&world, "refresh.failed").await;
    assert_eq!(failed, [Some("provider_unavailable".into()), Some("invalid_grant".into())]);
    assert_eq!(problems(&world, "account.expired").await, [Some("revoked".into())]);
}

#[tokio::test]
async fn a_revocation_is_told_from_beginning_to_end() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.engine.disconnect_account(&account("example", "user_1"), AtProvider::Revoke).await.unwrap();
    let over = async {
        while !actions(&world).await.iter().any(|action| action == "revocation.ended") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), over).await.expect("it is sent");
    let records = all(&world.engine, "default").await;
    let told: Vec<_> = records[5..].iter().map(|record| record.action.as_str()).collect();
    assert_eq!(told, ["revocation.left", "account.disconnected", "revocation.ended"]);
    assert!(records[5].revocation_id.is_some());
    assert_eq!(records[5].revocation_id, records[7].revocation_id);
    assert_eq!(records[7].problem, None);
}

/// The rule of a vault: what cannot be put on record is not handed out.
#[tokio::test]
async fn no_token_leaves_that_cannot_be_put_on_record() {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    world.store.set_full(true);
    let user = account("example", "user_1");
    assert_eq!(code(world.engine.token(&user, Duration::ZERO).await), "STORE_FULL");
    assert_eq!(code(world.engine.account_with_credential(&user).await), "STORE_FULL");
    world.store.set_full(false);
    world.engine.token(&user, Duration::ZERO).await.unwrap();
    // What is on record for this minute is not told again, and needs no room.
    world.store.set_full(true);
    world.engine.token(&user, Duration::ZERO).await.unwrap();
    world.engine.account_with_credential(&user).await.unwrap();
    world.pass(Duration::from_secs(60));
    assert_eq!(code(world.engine.token(&user, Duration::ZERO).await), "STORE_FULL");
    world.store.set_full(false);
    world.engine.token(&user, Duration::ZERO).await.unwrap();
    let told = actions(&world).await;
    assert_eq!(told.iter().filter(|action| *action == "credential.disclosed").count(), 2);
}

#[tokio::test]
async fn what_was_not_committed_is_not_told() {
    let world = world().await;
    world.link("example", "user_1").await.unwrap();
    let before = actions(&world).await;
    world.store.set_full(true);
    assert_eq!(code(world.link("example", "user_1").await), "STORE_FULL");
    assert_eq!(code(world.engine.delete_account(&account("example", "user_1"), AtProvider::Leave).await), "STORE_FULL");
    world.store.set_full(false);
    assert_eq!(actions(&world).await, before);
}

/// A73: the chain is one for all, and each sees its own part of it.
#[tokio::test]
async fn an_organization_sees_its_own_records_alone() {
    let other = Organization::parse("other").unwrap();
    let mut theirs = connection("example");
    theirs.organization = other.clone();
    let connections = vec![connection("example"), theirs];
    let world = World::with(onbehalf_engine::Settings { connections, ..settings() }).await;
    world.link("example", "user_1").await.unwrap();
    let name = ConnectionName::parse("example").unwrap();
    world.engine.get_or_create_account(&other, &name, &identifier("user_2"), None).await.unwrap();
    world.link("example", "user_3").await.unwrap();
    let (mine, theirs) = (all(&world.engine, "default").await, all(&world.engine, "other").await);
    assert_eq!((mine.len(), theirs.len()), (5, 2));
    assert!(mine.iter().all(|record| record.organization == Organization::default()));
    assert!(theirs.iter().all(|record| record.organization == other));
    let mut numbers: Vec<_> = mine.iter().chain(&theirs).map(|record| record.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(world.engine.verify_records(None).await.unwrap().end.number, 7);
}

#[tokio::test]
async fn no_record_holds_a_secret() {
    let world = world().await;
    let link = world.link("example", "user_1").await.unwrap();
    world.authorize("user_2", "ada").await;
    let token = world.engine.token(&account("example", "user_2"), Duration::ZERO).await.unwrap();
    world.provider.state().scripted.push_back(Err(Failure::NotSent { reason: "connection refused" }));
    world.pass(Duration::from_secs(3600));
    let _ = world.engine.token(&account("example", "user_2"), Duration::ZERO).await;
    let rows: Vec<RecordRow> = world.store().chain(0, 200).await.unwrap();
    let text = format!("{rows:?}{:?}", all(&world.engine, "default").await);
    let link_token = link.url.expose_secret().rsplit('/').next().unwrap();
    for secret in [link_token, token.access_token.expose_secret(), "client-secret", "code-1", "ada@"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("refresh.failed"));
}

#[tokio::test]
async fn two_processes_write_one_chain() {
    let folder = tempdir().unwrap();
    let one = World::in_folder(folder.path(), None).await;
    let two = World::in_folder(folder.path(), Some(one.outside_of())).await;
    let links = |world: &World, person: &'static str| {
        let engine = world.engine.clone();
        async move {
            for _ in 0..10 {
                let new =
                    NewLink { account: account("example", person), scopes: None, user_verify_url: None, state: None };
                engine.authorization_link(new).await.unwrap();
                engine.records(&Organization::default(), None, None).await.unwrap();
            }
        }
    };
    tokio::join!(links(&one, "user_1"), links(&two, "user_2"));
    let (seen, seen_by_other) = (all(&one.engine, "default").await, all(&two.engine, "default").await);
    assert_eq!(seen, seen_by_other);
    assert_eq!(seen.iter().map(|record| record.number).collect::<Vec<_>>(), Vec::from_iter(1..=seen.len() as u64));
    assert_eq!(seen.iter().filter(|record| record.action == "link.created").count(), 20);
    assert_eq!(one.engine.verify_records(None).await.unwrap(), two.engine.verify_records(None).await.unwrap());
}

/// A closed store with a chain of some length, in this folder, and the end of the chain.
async fn written(folder: &TempDir) -> Checkpoint {
    let world = World::in_folder(folder.path(), None).await;
    for person in ["user_1", "user_2", "user_3"] {
        world.authorize(person, person).await;
    }
    let end = world.engine.verify_records(None).await.unwrap().end;
    world.ended().await;
    assert!(end.number > 10);
    end
}

/// What the verifier says when somebody has done this to the file.
async fn verified_after(edit: &str, since: Option<&Checkpoint>) -> Result<u64, Error> {
    let folder = tempdir().unwrap();
    written(&folder).await;
    let database = Connection::open(folder.path().join("store.db")).unwrap();
    database.execute_batch(edit).unwrap();
    drop(database);
    let world = World::in_folder(folder.path(), None).await;
    world.engine.verify_records(since).await.map(|verified| verified.end.number)
}

// A84, A90, A91.
#[tokio::test]
async fn whatever_is_done_to_the_chain_is_found() {
    if on_postgres() {
        return;
    }
    assert!(verified_after("", None).await.is_ok(), "an edit is to blame, not the test");
    for edit in [
        "UPDATE records SET facts = replace(facts, 'user_2', 'user_4')",
        "UPDATE records SET action = 'account.created' WHERE number = 5",
        "UPDATE records SET organization = 'other' WHERE number = 5",
        "UPDATE records SET at = at + 1 WHERE number = 5",
        "UPDATE records SET link = zeroblob(32) WHERE number = 5",
        "DELETE FROM records WHERE number = 5",
        "DELETE FROM records WHERE number = 1",
        "DELETE FROM records WHERE number = (SELECT max(number) FROM records)",
        "UPDATE records SET number = number + 100 WHERE number > 5",
        // Two exchange their places.
        "UPDATE records SET number = -5 WHERE number = 5; UPDATE records SET number = 5 WHERE number = 6;
            UPDATE records SET number = 6 WHERE number = -5",
        // The chain is cut, and its end moved.
        "DELETE FROM records WHERE number > 5; UPDATE records_head SET number = 5, version = version + 1,
            link = (SELECT link FROM records WHERE number = 5)",
        "DELETE FROM records; DELETE FROM records_head; INSERT INTO records_head VALUES (1, 0, x'', 1, x'')",
    ] {
        let found = verified_after(edit, None).await;
        assert_eq!(found.map_err(|error| error.code()), Err("INTEGRITY_FAILED"), "{edit}");
    }
}

/// A store that was rolled back whole proves itself; what was kept elsewhere proves it wrong.
#[tokio::test]
async fn a_checkpoint_finds_a_chain_that_was_cut_or_written_anew() {
    if on_postgres() {
        return;
    }
    let folder = tempdir().unwrap();
    let end = written(&folder).await;
    let world = World::in_folder(folder.path(), None).await;
    world.authorize("user_4", "dan").await;
    let longer = world.engine.verify_records(Some(&end)).await.unwrap().end;
    assert!(longer.number > end.number);
    world.ended().await;
    // Written anew, the same way.
    assert!(verified_after("", None).await.is_ok());
    let anew = verified_after("", Some(&end)).await;
    assert_eq!(anew.map_err(|error| error.code()), Err("INTEGRITY_FAILED"));
    let cut = verified_after("DELETE FROM records; DELETE FROM records_head", None).await;
    assert_eq!(cut.ok(), Some(0), "it begins again");
    let cut = verified_after("DELETE FROM records; DELETE FROM records_head", Some(&end)).await;
    assert_eq!(cut.map_err(|error| error.code()), Err("INTEGRITY_FAILED"));
}

#[tokio::test]
async fn what_a_killed_process_left_unlinked_is_linked_by_the_next() {
    let world = world().await;
    world.link("example", "user_1").await.unwrap();
    // As in a process that has committed, and nothing more.
    assert!(!world.store().records_unlinked(10).await.unwrap().is_empty());
    assert_eq!(world.store().records_head().await.unwrap(), None);
    let verified = world.engine.verify_records(None).await.unwrap();
    assert_eq!(verified.end.number, 3);
    assert!(world.store().records_unlinked(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_record_gets_its_place_once() {
    let world = world().await;
    world.link("example", "user_1").await.unwrap();
    world.engine.verify_records(None).await.unwrap();
    let row = world.store().chain(0, 1).await.unwrap().remove(0);
    let again = Change::LinkRecord { organization: row.organization, id: row.id, number: 99, link: vec![0; 32] };
    assert_eq!(world.store().commit(vec![again]).await.unwrap(), onbehalf_engine::store::Commit::Conflict);
}

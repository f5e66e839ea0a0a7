//! What was granted is taken back at the provider when its account goes (A85, A114).

use std::{sync::Arc, time::Duration};

use onbehalf_engine::{
    Engine, Result,
    accounts::{AccountRef, Status},
    egress::Failure,
    names::{ConnectionName, Organization},
    removal::AtProvider,
    revocation::{Revocation, RevocationState},
    secret::ExposeSecret,
};
use tempfile::tempdir;

use crate::{
    network::on_postgres,
    world::{World, account, code, connection, settings, world},
};

fn user() -> AccountRef {
    account("example", "user_1")
}

async fn revocations(engine: &Engine) -> Vec<Revocation> {
    engine.revocations(&Organization::default(), Some(100), None).await.unwrap().revocations
}

/// The only revocation, once `enough` of it.
async fn once(engine: &Engine, enough: impl Fn(&Revocation) -> bool) -> Revocation {
    let look = async {
        loop {
            let all = revocations(engine).await;
            assert!(all.len() < 2, "there is one revocation only");
            match all.into_iter().next() {
                Some(revocation) if enough(&revocation) => return revocation,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look).await.expect("the revocation comes so far")
}

fn is_over(revocation: &Revocation) -> bool {
    revocation.state != RevocationState::Pending
}

/// The tokens that came to be revoked, and as what.
fn asked(world: &World) -> Vec<(String, String)> {
    let state = world.provider.state();
    let pair =
        |form: &std::collections::HashMap<String, String>| (form["token_type_hint"].clone(), form["token"].clone());
    state.revocation_requests.iter().map(pair).collect()
}

async fn granted(world: &World) -> (String, String) {
    world.authorize("user_1", "ada").await;
    let token = world.engine.token(&user(), Duration::ZERO).await.unwrap();
    (token.access_token.expose_secret().into(), token.refresh_token.unwrap().expose_secret().into())
}

#[tokio::test]
async fn a_deleted_account_is_revoked_at_the_provider() {
    let world = world().await;
    let (access, refresh) = granted(&world).await;
    let id = world.account("user_1").await.id;
    world.engine.delete_account(&user(), AtProvider::Revoke).await.unwrap();
    let revocation = once(&world.engine, is_over).await;
    assert_eq!(revocation.state, RevocationState::Accepted);
    assert_eq!((revocation.account_id, revocation.connection_name.as_str()), (id, "example"));
    assert_eq!((revocation.identifier.as_str(), revocation.attempts), ("user_1", 1));
    assert_eq!((revocation.last_error, revocation.next_try_at), (None, None));
    assert_eq!(asked(&world), [("refresh_token".into(), refresh), ("access_token".into(), access)]);
}

#[tokio::test]
async fn a_disconnected_account_is_revoked_and_can_authorize_again() {
    let world = world().await;
    granted(&world).await;
    world.engine.disconnect_account(&user(), AtProvider::Revoke).await.unwrap();
    assert_eq!(once(&world.engine, is_over).await.state, RevocationState::Accepted);
    world.authorize("user_1", "ada").await;
    assert_eq!(world.account("user_1").await.status, Status::Active);
}

#[tokio::test]
async fn a_grant_is_left_where_that_is_asked_for() {
    let world = world().await;
    granted(&world).await;
    world.engine.delete_account(&user(), AtProvider::Leave).await.unwrap();
    assert_eq!(revocations(&world.engine).await, []);
    assert_eq!(asked(&world), []);
}

#[tokio::test]
async fn an_account_without_a_credential_leaves_nothing_to_revoke() {
    let world = world().await;
    world.link("example", "user_1").await.unwrap();
    world.engine.delete_account(&user(), AtProvider::Revoke).await.unwrap();
    assert_eq!(revocations(&world.engine).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_is_asked_until_it_is_up() {
    if on_postgres() {
        // On a clock that runs ahead no server answers in time.
        return;
    }
    let world = world().await;
    let (access, refresh) = granted(&world).await;
    world.provider.state().revocations.extend([
        Ok((503, Vec::new())),
        Err(Failure::NotSent { reason: "connect" }),
        Ok((200, Vec::new())),
        Err(Failure::Unknown { reason: "deadline", partial: None }),
    ]);
    world.engine.delete_account(&user(), AtProvider::Revoke).await.unwrap();
    for (attempts, error) in [(1, "status 503"), (2, "connect"), (3, "deadline")] {
        let revocation = once(&world.engine, |it| it.last_error.as_deref() == Some(error)).await;
        assert_eq!(revocation.attempts, attempts);
        let next = revocation.next_try_at.expect("it is tried again");
        world.clock.advance(world.engine.clock().now().until(next));
    }
    assert_eq!(once(&world.engine, is_over).await.state, RevocationState::Accepted);
    // What the provider had taken is not sent again.
    let (refresh, access) = (("refresh_token".into(), refresh), ("access_token".into(), access));
    assert_eq!(asked(&world), [refresh.clone(), refresh.clone(), refresh, access.clone(), access]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_takes_nothing_for_a_week_is_given_up() {
    if on_postgres() {
        // On a clock that runs ahead no server answers in time.
        return;
    }
    let world = world().await;
    granted(&world).await;
    for _ in 0..5 {
        world.provider.state().revocations.push_back(Ok((503, Vec::new())));
    }
    world.engine.delete_account(&user(), AtProvider::Revoke).await.unwrap();
    for attempts in 1..5 {
        // Tried and put off, for less than whoever tries has it to itself.
        let now = world.engine.clock().now();
        let is_put_off = |it: &Revocation| it.next_try_at.is_some_and(|at| now.until(at) < Duration::from_secs(100));
        once(&world.engine, |it| it.attempts == attempts && is_put_off(it)).await;
        // A week has passed by the second; but it was not tried often enough.
        world.clock.advance(Duration::from_secs(7 * 24 * 60 * 60));
    }
    let revocation = once(&world.engine, is_over).await;
    assert_eq!((revocation.state, revocation.attempts), (RevocationState::Abandoned, 5));
    assert_eq!(revocation.last_error.as_deref(), Some("status 503"));
    // It is forgotten with the next that is over a month later.
    world.clock.advance(Duration::from_secs(31 * 24 * 60 * 60));
    granted(&world).await;
    world.engine.delete_account(&user(), AtProvider::Revoke).await.unwrap();
    let one_is_left = async {
        loop {
            let all = revocations(&world.engine).await;
            if all.len() == 1 && all[0].id != revocation.id {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), one_is_left).await.expect("what was over is forgotten");
}

/// One that another program has edited is not sent, and keeps none of the others from being sent.
#[tokio::test]
async fn an_edited_revocation_is_not_sent_and_holds_nobody_up() {
    if on_postgres() {
        // It edits the file.
        return;
    }
    let folder = tempdir().unwrap();
    let world = World::in_folder(folder.path(), None).await;
    granted(&world).await;
    world.provider.state().revocations.push_back(Ok((503, Vec::new())));
    world.engine.delete_account(&user(), AtProvider::Revoke).await.unwrap();
    once(&world.engine, |it| it.last_error.is_some()).await;
    let remains = world.ended().await;
    let program = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
    let edited = program.execute("UPDATE outbox SET account_id = 'ca_another', next_try = 0", []).unwrap();
    assert_eq!(edited, 1);
    drop(program);
    let next = World::in_folder(folder.path(), Some(remains)).await;
    next.authorize("user_2", "grace").await;
    let before = asked(&next).len();
    next.engine.delete_account(&account("example", "user_2"), AtProvider::Revoke).await.unwrap();
    let sent = async {
        while asked(&next).len() < before + 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), sent).await.expect("the other one is sent");
    assert_eq!(asked(&next).len(), before + 2);
    assert_eq!(code(next.engine.revocations(&Organization::default(), None, None).await), "INTEGRITY_FAILED");
}

#[tokio::test]
async fn a_refusal_is_final() {
    let world = world().await;
    granted(&world).await;
    let refused = || Ok((400, br#"{"error":"unsupported_token_type"}"#.to_vec()));
    world.provider.state().revocations.extend([refused(), refused()]);
    world.engine.delete_account(&user(), AtProvider::Revoke).await.unwrap();
    let revocation = once(&world.engine, is_over).await;
    assert_eq!(revocation.state, RevocationState::Refused);
    assert_eq!(revocation.last_error.as_deref(), Some("unsupported_token_type"));
}

#[tokio::test(start_paused = true)]
async fn whoever_authorizes_again_is_not_revoked_by_what_was_left() {
    if on_postgres() {
        // On a clock that runs ahead no server answers in time.
        return;
    }
    let world = world().await;
    granted(&world).await;
    world.provider.state().revocations.push_back(Ok((503, Vec::new())));
    world.engine.delete_account(&user(), AtProvider::Revoke).await.unwrap();
    let waiting = once(&world.engine, |it| it.last_error.is_some()).await;
    world.authorize("user_1", "ada").await;
    world.clock.advance(world.engine.clock().now().until(waiting.next_try_at.unwrap()));
    assert_eq!(once(&world.engine, is_over).await.state, RevocationState::Superseded);
    assert_eq!(asked(&world).len(), 1);
}

#[tokio::test]
async fn a_token_on_its_way_is_waited_for_and_revoked() {
    let world = world().await;
    let (_, old) = granted(&world).await;
    world.pass(Duration::from_secs(3600));
    let gate = world.provider.hold_token_requests();
    let engine = world.engine.clone();
    let refreshing = tokio::spawn(async move { engine.token(&user(), Duration::ZERO).await });
    gate.arrived.notified().await;
    let engine = world.engine.clone();
    let deleting = tokio::spawn(async move { engine.delete_account(&user(), AtProvider::Revoke).await });
    // It has nothing to do but wait.
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(!deleting.is_finished());
    world.provider.let_token_requests_go();
    let refreshed = refreshing.await.unwrap();
    let new = world.provider.newest_refresh_token();
    // Whoever asked for it is told what holds when it is read: the token, or that the account is gone.
    match refreshed {
        Ok(token) => assert_eq!(token.refresh_token.unwrap().expose_secret(), new),
        Err(error) => assert_eq!(error.code(), "CONNECTED_ACCOUNT_NOT_FOUND"),
    }
    deleting.await.unwrap().unwrap();
    once(&world.engine, is_over).await;
    assert_ne!(new, old);
    assert_eq!(asked(&world)[0], ("refresh_token".into(), new));
}

#[tokio::test]
async fn a_revocation_outlives_the_process_and_the_connection() {
    let folder = tempdir().unwrap();
    let world = World::in_folder(folder.path(), None).await;
    let (_, refresh) = granted(&world).await;
    world.provider.state().revocations.push_back(Ok((503, Vec::new())));
    let name = ConnectionName::parse("example").unwrap();
    world.engine.delete_connection(&Organization::default(), &name, AtProvider::Revoke).await.unwrap();
    let waiting = once(&world.engine, |it| it.last_error.is_some()).await;
    let remains = world.ended().await;
    remains.1.advance(Duration::from_secs(3600));
    assert!(waiting.next_try_at.is_some());
    let next = World::in_folder(folder.path(), Some(remains)).await;
    assert_eq!(once(&next.engine, is_over).await.state, RevocationState::Accepted);
    assert_eq!(asked(&next)[1], ("refresh_token".into(), refresh));
}

#[tokio::test]
async fn a_connection_goes_with_all_its_accounts_each_revoked() {
    let world = world().await;
    for number in 0..203 {
        world.authorize(&format!("user_{number}"), "ada").await;
    }
    let name = ConnectionName::parse("example").unwrap();
    world.engine.delete_connection(&Organization::default(), &name, AtProvider::Revoke).await.unwrap();
    let count = async |engine: &Arc<Engine>| -> Result<(usize, usize)> {
        let (mut all, mut over, mut token) = (0, 0, None);
        loop {
            let page = engine.revocations(&Organization::default(), Some(100), token.as_deref()).await?;
            all += page.revocations.len();
            over += page.revocations.iter().filter(|revocation| is_over(revocation)).count();
            token = page.next_page_token;
            if token.is_none() {
                return Ok((all, over));
            }
        }
    };
    let all_over = async {
        while count(&world.engine).await.unwrap() != (203, 203) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_over).await.expect("all are sent");
    assert_eq!(asked(&world).len(), 2 * 203);
    // Declared, it is there again, and enabled.
    assert!(world.engine.connection(&Organization::default(), &name).await.unwrap().enabled);
    assert_eq!(code(world.engine.account(&user()).await), "CONNECTED_ACCOUNT_NOT_FOUND");
}

#[tokio::test]
async fn tokens_of_another_app_are_sent_nowhere() {
    let mut other = connection("example");
    other.client_id = Some("another-client".into());
    let first = world().await;
    granted(&first).await;
    let changed = first.reopened(onbehalf_engine::Settings { connections: vec![other], ..settings() }).await;
    changed.engine.delete_account(&user(), AtProvider::Revoke).await.unwrap();
    let revocation = once(&changed.engine, is_over).await;
    assert_eq!(revocation.state, RevocationState::NotPossible);
    assert_eq!(revocation.last_error.as_deref(), Some("connection_changed"));
    assert_eq!(asked(&changed), []);
}

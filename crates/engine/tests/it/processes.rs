//! Several processes on one file: one token request an account among all of them, and nothing lost when one is killed.
//!
//! A process is an engine with a runtime of its own, on files that it opened by itself. Locks belong to opened files, so
//! that two of them in one program are as far apart as in two; killing one drops its tasks where they stand.

use std::{path::Path, sync::Arc, time::Duration};

use onbehalf_engine::{
    Engine, Settings, StoreLocation, accounts::Status, removal::AtProvider, secret::ExposeSecret, store::FlowKey,
    vault::KeySource,
};
use tempfile::tempdir;
use tokio::runtime::{Builder, Runtime};

use crate::{
    network::on_postgres,
    static_world::{accepted, verified_static_settings},
    world::{Remains, World, account, code, settings},
};

struct Process {
    runtime: Runtime,
    world: World,
}

impl Process {
    fn start(folder: &Path, outside: Option<Remains>) -> Self {
        Self::on(Builder::new_current_thread().enable_all().build().unwrap(), folder, outside)
    }

    /// Its timers run ahead whenever it has nothing else to do.
    fn start_hurried(folder: &Path, outside: Option<Remains>) -> Self {
        Self::on(Builder::new_current_thread().enable_all().start_paused(true).build().unwrap(), folder, outside)
    }

    /// One whose files the engine opens itself, in a hurry.
    fn opened(folder: &Path, outside: Option<Remains>) -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let world = runtime.block_on(World::opened_in_folder(folder, outside));
        Self { runtime, world }
    }

    fn on(runtime: Runtime, folder: &Path, outside: Option<Remains>) -> Self {
        let world = runtime.block_on(World::in_folder(folder, outside));
        Self { runtime, world }
    }

    /// Another one on the same store, at the same provider.
    fn beside(&self, folder: &Path) -> Self {
        Self::start(folder, Some(self.world.outside_of()))
    }

    fn token(&self) -> onbehalf_engine::Result<String> {
        self.runtime.block_on(token(&self.world))
    }

    fn kill(self) {
        let Self { runtime, world } = self;
        runtime.shutdown_timeout(Duration::from_secs(10));
        drop(world);
    }
}

async fn token(world: &World) -> onbehalf_engine::Result<String> {
    let token = world.engine.token(&account("example", "user_1"), Duration::ZERO).await?;
    Ok(token.access_token.expose_secret().to_owned())
}

/// A process whose only account has a token that ended.
fn ended(folder: &Path) -> Process {
    let process = Process::start(folder, None);
    process.runtime.block_on(process.world.authorize("user_1", "ada"));
    process.world.pass(Duration::from_secs(4000));
    process
}

/// Begins a refresh and stops when the provider has the request and has not read it.
fn asked(process: &Process) -> Arc<crate::provider::Gate> {
    let gate = process.world.provider.hold_token_requests();
    process.runtime.block_on(async {
        tokio::select! {
            _ = token(&process.world) => panic!("the provider has not answered yet"),
            () = gate.arrived.notified() => {}
        }
    });
    process.world.provider.state().gate = None;
    gate
}

/// F34, F36: everyone at once, in two processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_in_two_processes_cause_one_request() {
    let folder = tempdir().unwrap();
    let first = World::in_folder(folder.path(), None).await;
    let second = World::in_folder(folder.path(), Some(first.outside_of())).await;
    first.authorize("user_1", "ada").await;
    let worlds = [Arc::new(first), Arc::new(second)];
    for round in 3..8 {
        worlds[0].pass(Duration::from_secs(4000));
        let calls = (0..100).map(|number| {
            let world = worlds[number % 2].clone();
            tokio::spawn(async move { token(&world).await })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap().unwrap(), format!("access-{round}"));
        }
        assert_eq!(worlds[0].token_requests(), round - 1);
    }
    assert_eq!(worlds[0].provider.state().revoked_families, 0);
}

#[test]
fn a_process_waits_for_the_request_of_another() {
    let folder = tempdir().unwrap();
    let first = ended(folder.path());
    let second = first.beside(folder.path());
    let gate = asked(&first);
    let waiting = std::thread::spawn(move || (second.token(), second));
    gate.open.notify_one();
    assert_eq!(first.token().unwrap(), "access-3");
    let (told, second) = waiting.join().unwrap();
    assert_eq!(told.unwrap(), "access-3");
    assert_eq!((second.world.token_requests(), second.world.provider.state().revoked_families), (2, 0));
}

/// As a deployment does: the processes that run already stay with their files, and know each other by them.
#[cfg(unix)]
#[test]
fn a_link_that_is_switched_makes_no_process_look_dead() {
    use std::os::unix::fs::symlink;
    let folder = tempdir().unwrap();
    let [old, new, current] = ["old", "new", "current"].map(|name| folder.path().join(name));
    std::fs::create_dir(&old).unwrap();
    std::fs::create_dir(&new).unwrap();
    symlink(&old, &current).unwrap();
    let first = Process::opened(&current, None);
    let second = Process::opened(&current, Some(first.world.outside_of()));
    std::fs::remove_file(&current).unwrap();
    symlink(&new, &current).unwrap();

    first.runtime.block_on(first.world.authorize("user_1", "ada"));
    first.world.pass(Duration::from_secs(4000));
    let gate = asked(&first);
    let waiting = std::thread::spawn(move || (second.token(), second));
    gate.open.notify_one();
    assert_eq!(first.token().unwrap(), "access-3");
    let (told, second) = waiting.join().unwrap();
    assert_eq!(told.unwrap(), "access-3");
    assert_eq!((second.world.token_requests(), second.world.provider.state().revoked_families), (2, 0));
}

/// F06, F37: what one had received and not stored, another stores, without a restart.
#[test]
fn an_answer_that_a_killed_process_received_is_stored_by_a_living_one() {
    let folder = tempdir().unwrap();
    let first = ended(folder.path());
    let second = first.beside(folder.path());
    let gate = asked(&first);
    first.world.store.set_full(true);
    gate.open.notify_one();
    assert_eq!(code(first.token()), "STORE_FULL");
    first.kill();
    assert_eq!(second.token().unwrap(), "access-3");
    second.world.pass(Duration::from_secs(4000));
    assert_eq!(second.token().unwrap(), "access-4", "the rotated refresh token was kept too");
    assert_eq!((second.world.token_requests(), second.world.provider.state().revoked_families), (3, 0));
}

/// The same of a process that ended in good order while its store had no room.
#[test]
fn an_answer_that_a_closed_process_kept_is_stored_by_a_living_one() {
    let folder = tempdir().unwrap();
    let first = ended(folder.path());
    let second = first.beside(folder.path());
    let gate = asked(&first);
    first.world.store.set_full(true);
    gate.open.notify_one();
    assert_eq!(code(first.token()), "STORE_FULL");
    first.runtime.block_on(first.world.engine.close()).unwrap();
    assert_eq!(second.token().unwrap(), "access-3", "though the first is closed, and not gone");
    assert_eq!((second.world.token_requests(), second.world.provider.state().revoked_families), (2, 0));
}

/// The tokens of a consent wait in the journal for a refresh that brings the refresh token they came without.
#[test]
fn a_consent_outlasts_the_endless_refresh_of_another_process() {
    let folder = tempdir().unwrap();
    let first = ended(folder.path());
    let second = Process::start_hurried(folder.path(), Some(first.world.outside_of()));
    let gate = asked(&first);
    let state = || second.world.provider.state();
    state().extra.insert("refresh_token".into(), serde_json::Value::Null);
    second.runtime.block_on(async {
        let started = second.world.started("example", "user_1").await;
        let parameters = second.world.provider.consent(&started.authorize_url, "ada");
        let waits = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            second.world.pass(Duration::from_secs(110));
        };
        let (returned, ()) = tokio::join!(second.world.comes_back(&started, parameters), waits);
        assert_eq!(code(returned), "STORE_BUSY");
    });
    state().extra.clear();
    gate.open.notify_one();
    assert_eq!(first.token().unwrap(), "access-5");
    second.runtime.block_on(async {
        while token(&second.world).await.unwrap() != "access-4" {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    second.world.pass(Duration::from_secs(4000));
    assert_eq!(second.token().unwrap(), "access-6");
    assert_eq!(state().token_requests.last().unwrap()["refresh_token"], "refresh-5");
    assert_eq!(state().revoked_families, 0);
}

/// F02, F37: killed between intent and answer.
#[test]
fn a_request_that_a_killed_process_did_not_finish_is_sent_by_another() {
    let folder = tempdir().unwrap();
    let first = ended(folder.path());
    let second = first.beside(folder.path());
    let _never_opened = asked(&first);
    first.kill();
    // Two on their way at once, and the second to arrive would end the grant.
    assert_eq!(code(second.token()), "PROVIDER_UNAVAILABLE");
    second.world.pass(Duration::from_secs(110));
    assert_eq!(second.token().unwrap(), "access-3");
    assert_eq!(second.world.provider.state().revoked_families, 0);
}

/// The provider may have carried it out, and would take the same refresh token for stolen.
#[test]
fn a_refresh_that_a_killed_process_began_early_waits_until_the_token_ends() {
    let folder = tempdir().unwrap();
    let first = Process::start(folder.path(), None);
    first.runtime.block_on(first.world.authorize("user_1", "ada"));
    first.world.pass(Duration::from_secs(3000));
    let gate = first.world.provider.hold_token_requests();
    assert_eq!(first.token().unwrap(), "access-2");
    first.runtime.block_on(gate.arrived.notified());
    first.world.provider.state().gate = None;
    let next = first.beside(folder.path());
    first.kill();
    let person = account("example", "user_1");
    let demanding = next.world.engine.token(&person, Duration::from_secs(3600));
    let token = next.runtime.block_on(demanding).unwrap();
    assert_eq!(token.access_token.expose_secret(), "access-2");
    for passes in [60, 400] {
        next.world.pass(Duration::from_secs(passes));
        let tasks = next.runtime.metrics().num_alive_tasks();
        assert_eq!(next.token().unwrap(), "access-2");
        assert!(next.runtime.metrics().num_alive_tasks() <= tasks, "a refresh was begun after {passes} seconds more");
    }
    assert_eq!(next.world.token_requests(), 1);
    next.world.pass(Duration::from_secs(111));
    assert_eq!(next.token().unwrap(), "access-3");
}

/// F10: the same of a code, which nobody asks for again.
#[test]
fn a_code_that_a_killed_process_exchanged_is_not_lost() {
    let folder = tempdir().unwrap();
    let first = Process::start(folder.path(), None);
    let second = Process::start_hurried(folder.path(), Some(first.world.outside_of()));
    first.runtime.block_on(async {
        let world = &first.world;
        let started = world.started("example", "user_1").await;
        let parameters = world.provider.consent(&started.authorize_url, "ada");
        let gate = world.provider.hold_token_requests();
        let filling = async {
            gate.arrived.notified().await;
            world.store.set_full(true);
            world.provider.state().gate = None;
            gate.open.notify_one();
        };
        let (returned, ()) = tokio::join!(world.comes_back(&started, parameters), filling);
        assert_eq!(code(returned), "STORE_FULL");
    });
    first.kill();
    let person = account("example", "user_1");
    let waiting = second.world.engine.wait_until_active(&person);
    assert_eq!(second.runtime.block_on(waiting).unwrap().status, Status::Active);
    assert_eq!(second.token().unwrap(), "access-2");
    assert_eq!(second.world.token_requests(), 1, "the code was sent once");
}

/// A key does not die by itself, as a code does.
#[test]
fn a_key_that_a_killed_process_held_is_destroyed_by_a_living_one() {
    let folder = tempdir().unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime.block_on(World::in_folder_with(folder.path(), None, verified_static_settings()));
    first.provider.state().keys.insert("x-key: sk_1".into(), "ada".into());
    let second = Process::start_hurried(folder.path(), Some(first.outside_of()));
    let token = runtime.block_on(async {
        let token = first.key_link("user_1").await;
        accepted(first.enters(&token, "sk_1").await);
        token
    });
    Process { runtime, world: first }.kill();
    second.world.pass(Duration::from_secs(600));
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    second.runtime.block_on(async {
        while second.world.store().flow(FlowKey::Link(hash.as_ref())).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
}

/// A process that goes on, but could not say that its request has ended: the store failed, or the program.
#[test]
fn a_request_whose_end_could_not_be_noted_holds_nobody_up_for_long() {
    for panics in [false, true] {
        if on_postgres() && !panics {
            // The flight ends before this program has read what it needs to join it.
            continue;
        }
        let folder = tempdir().unwrap();
        let first = Process::start_hurried(folder.path(), None);
        let second = first.beside(folder.path());
        first.runtime.block_on(first.world.authorize("user_1", "ada"));
        first.world.pass(Duration::from_secs(4000));
        if panics {
            first.world.provider.state().panics = true;
            assert_eq!(code(first.token()), "INTERNAL");
            first.world.provider.state().panics = false;
        } else {
            let gate = asked(&first);
            first.world.store.set_full(true);
            let failure = onbehalf_engine::egress::Failure::NotSent { reason: "connect" };
            first.world.provider.state().scripted.push_back(Err(failure));
            gate.open.notify_one();
            assert_eq!(code(first.token()), "PROVIDER_UNREACHABLE");
            first.world.store.set_full(false);
        }
        first.runtime.block_on(async { tokio::time::sleep(Duration::from_secs(60)).await });
        // The lease says no more than that it had left, and it must have arrived before another follows.
        first.world.pass(Duration::from_secs(110));
        assert_eq!(second.token().unwrap(), "access-3");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_hears_of_what_another_process_does() {
    let folder = tempdir().unwrap();
    let first = World::in_folder(folder.path(), None).await;
    let second = World::in_folder(folder.path(), Some(first.outside_of())).await;
    let person = account("example", "user_1");
    first.link("example", "user_1").await.unwrap();
    let (waited, _) = tokio::join!(second.engine.wait_until_active(&person), first.authorize("user_1", "ada"));
    assert_eq!(waited.unwrap().status, Status::Active);

    first.engine.disconnect_account(&person, AtProvider::Revoke).await.unwrap();
    let (waited, deleted) = tokio::join!(
        second.engine.wait_until_active(&person),
        first.engine.delete_account(&person, AtProvider::Revoke)
    );
    deleted.unwrap();
    assert_eq!(code(waited), "CONNECTED_ACCOUNT_NOT_FOUND");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_closes_disturbs_no_other() {
    let folder = tempdir().unwrap();
    let first = World::in_folder(folder.path(), None).await;
    let second = World::in_folder(folder.path(), Some(first.outside_of())).await;
    first.authorize("user_1", "ada").await;
    first.ended().await;
    assert_eq!(token(&second).await.unwrap(), "access-2");
    second.authorize("user_1", "ada").await;
    let third = World::in_folder(folder.path(), Some(second.ended().await)).await;
    assert_eq!(token(&third).await.unwrap(), "access-4");
}

#[test]
fn processes_that_make_a_store_at_once_share_it_and_its_key() {
    for _ in 0..25 {
        let folder = tempdir().unwrap();
        let together = std::sync::Barrier::new(2);
        let open = || {
            let settings = Settings {
                store: StoreLocation::File(folder.path().join("store").join("store.db")),
                key: KeySource::AutoFile { directory: folder.path().join("keys") },
                ..settings()
            };
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            together.wait();
            runtime.block_on(Engine::open(settings)).unwrap().store_id().to_owned()
        };
        let [first, second] =
            std::thread::scope(|scope| [scope.spawn(open), scope.spawn(open)].map(|opening| opening.join().unwrap()));
        assert_eq!(first, second);
        let keys = std::fs::read_dir(folder.path().join("keys")).unwrap();
        assert_eq!(keys.filter(|key| key.as_ref().unwrap().path().extension().is_some()).count(), 1);
    }
}

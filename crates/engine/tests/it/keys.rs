//! The keys that a store opens with: one takes the place of another, and nothing else opens it (A96, A98).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use onbehalf_engine::{
    Engine, Parts, Result, Settings, StoreLocation,
    random::SystemRandom,
    secret::ExposeSecret,
    store::{Change, Commit, KeySlotRow, Store, journal::Journal},
    vault::{KeySlotKind, KeySource},
};
use tempfile::tempdir;

use crate::{
    flaky::{Flaky, Watch},
    network::on_postgres,
    world::{World, account, code, settings, world},
};

/// Keys as their owners give them, each 32 random bytes.
const SECOND: &str = "DGRH1toO/i/MXRrwGfe9UjMrxi2FqUNAmzBn2Bb1Kjw=";
const THIRD: &str = "uKFuS7O0wD8kw0wjq/M75w3mBMOFBe3TumGfTy2qEWg=";

fn given(text: &str) -> KeySource {
    KeySource::Explicit { origin: "the tests".into(), text: text.into() }
}

/// Another process on the store of `world`, which was given this key.
async fn process(world: &World, key: KeySource) -> Result<Arc<Engine>> {
    opened_on(world.store.clone(), world, key).await
}

async fn opened_on(store: Arc<dyn Store>, world: &World, key: KeySource) -> Result<Arc<Engine>> {
    let parts = Parts {
        store,
        journal: Journal::memory(),
        entries: Vec::new(),
        egress: world.provider.clone(),
        clock: world.clock.clone(),
        random: Arc::new(SystemRandom),
    };
    Engine::assemble(Settings { key, ..settings() }, parts).await
}

async fn token(engine: &Arc<Engine>, person: &str) -> String {
    let token = engine.token(&account("example", person), Duration::ZERO).await.unwrap();
    token.access_token.expose_secret().to_owned()
}

/// The ids of the keys that the store opens with.
async fn ids(engine: &Engine) -> Vec<String> {
    engine.key_slots().await.unwrap().into_iter().map(|slot| slot.id).collect()
}

async fn write(store: &dyn Store, changes: Vec<Change>) {
    assert_eq!(store.commit(changes).await.unwrap(), Commit::Applied);
}

/// A world that opens with a second key too, and that one's slot.
async fn with_two_keys() -> (World, KeySlotRow) {
    let world = world().await;
    world.authorize("user_1", "ada").await;
    let added = world.engine.add_key_slot(&given(SECOND)).await.unwrap();
    let slots = world.store().key_slots().await.unwrap();
    let slot = slots.into_iter().find(|slot| slot.id == added.id).unwrap();
    (world, slot)
}

/// Puts `slot` in the place of the one with its id.
async fn edit(world: &World, slot: KeySlotRow) {
    let deleted = Change::DeleteKeySlot { id: slot.id.clone(), version: 1 };
    write(world.store(), vec![deleted, Change::InsertKeySlot(slot)]).await;
}

#[tokio::test]
async fn a_new_store_opens_with_the_key_that_it_was_made_with() {
    let world = world().await;
    let slots = world.engine.key_slots().await.unwrap();
    assert_eq!(slots.len(), 1);
    assert_eq!((slots[0].kind, slots[0].current), (KeySlotKind::Direct, true));
    assert_eq!(slots[0].id, world.store().meta().await.unwrap().unwrap().key_id);
}

#[tokio::test]
async fn processes_with_keys_of_their_own_share_the_accounts() {
    let (world, _) = with_two_keys().await;
    let second = process(&world, given(SECOND)).await.unwrap();
    assert_eq!(token(&second, "user_1").await, token(&world.engine, "user_1").await);

    world.pass(Duration::from_secs(4000));
    let refreshed = token(&second, "user_1").await;
    assert_eq!(token(&world.engine, "user_1").await, refreshed, "what one process seals, the other opens");
    assert_eq!(world.token_requests(), 2);
    let current: Vec<_> = second.key_slots().await.unwrap().into_iter().map(|slot| (slot.kind, slot.current)).collect();
    assert_eq!(current, [(KeySlotKind::Direct, false), (KeySlotKind::Wrapped, true)]);
}

// A98: each step is one commit, and between any two of them a key that is in use opens the store.
#[tokio::test]
async fn a_key_takes_the_place_of_another_in_three_steps() {
    let (world, slot) = with_two_keys().await;
    let first = ids(&world.engine).await.remove(0);
    let second = process(&world, given(SECOND)).await.unwrap();
    second.remove_key_slot(&first).await.unwrap();

    let refusal = process(&world, settings().key).await.unwrap_err();
    assert_eq!((refusal.code(), &*refusal.details()["keyId"]), ("KEY_MISMATCH", &*slot.id));
    let second = process(&world, given(SECOND)).await.unwrap();
    assert_eq!(token(&second, "user_1").await, "access-2");
    assert_eq!(ids(&second).await, [slot.id]);

    // And back again: the root key's own bytes are a key like any other.
    assert_eq!(second.add_key_slot(&settings().key).await.unwrap().kind, KeySlotKind::Wrapped);
    assert_eq!(token(&process(&world, settings().key).await.unwrap(), "user_1").await, "access-2");
}

/// Counts commits.
#[derive(Default)]
struct Commits(AtomicUsize);

#[async_trait]
impl Watch for Commits {
    async fn commits(&self, _: &[Change]) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    async fn committed(&self, _: &[Change]) {}
}

// A98: a process that is killed leaves the one or the other, and nothing between them.
#[tokio::test]
async fn each_step_is_one_commit() {
    let (world, slot) = with_two_keys().await;
    let commits = Arc::new(Commits::default());
    let store = Arc::new(Flaky::of(world.store.clone(), Some(commits.clone()), Duration::ZERO));
    let second = opened_on(store, &world, given(SECOND)).await.unwrap();
    let made = || commits.0.swap(0, Ordering::SeqCst);
    made();
    let third = second.add_key_slot(&given(THIRD)).await.unwrap();
    assert_eq!(made(), 1);
    second.remove_key_slot(&third.id).await.unwrap();
    assert_eq!(made(), 1);
    assert_eq!(second.add_key_slot(&given(SECOND)).await.unwrap().id, slot.id);
    assert_eq!(made(), 0, "what is there is not written again");
}

#[tokio::test]
async fn a_key_is_added_once() {
    let (world, _) = with_two_keys().await;
    let before = world.store().key_slots().await.unwrap();
    for key in [given(SECOND), settings().key] {
        let slot = world.engine.add_key_slot(&key).await.unwrap();
        assert_eq!(world.engine.key_slots().await.unwrap().iter().filter(|other| **other == slot).count(), 1);
    }
    assert_eq!(world.store().key_slots().await.unwrap(), before);
}

#[tokio::test]
async fn what_is_no_key_is_not_added() {
    let world = world().await;
    let folder = tempdir().unwrap();
    for (source, refusal) in [
        (given("correct horse battery staple"), "KEY_INVALID"),
        (KeySource::File { origin: "`keyFile`".into(), path: folder.path().join("none") }, "KEY_INVALID"),
        (KeySource::AutoFile { directory: folder.path().into() }, "INVALID_ARGUMENT"),
        (KeySource::Ephemeral, "INVALID_ARGUMENT"),
    ] {
        assert_eq!(code(world.engine.add_key_slot(&source).await), refusal, "{source:?}");
    }
    assert_eq!(ids(&world.engine).await.len(), 1);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn the_key_that_a_process_was_started_with_is_not_taken_away_by_it() {
    let (world, slot) = with_two_keys().await;
    let own = ids(&world.engine).await.remove(0);
    for id in [&*own, "key_unknown", ""] {
        assert_eq!(code(world.engine.remove_key_slot(id).await), "INVALID_ARGUMENT", "{id}");
    }
    world.store.refuse_one();
    assert_eq!(code(world.engine.remove_key_slot(&slot.id).await), "STORE_BUSY");
    assert_eq!(ids(&world.engine).await, [own.clone(), slot.id.clone()]);
    world.engine.remove_key_slot(&slot.id).await.unwrap();
    assert_eq!(ids(&world.engine).await, [own]);
    assert_eq!(code(process(&world, given(SECOND)).await), "KEY_MISMATCH");
}

/// A process that takes a key away in the moment before somebody else's change to the keys is committed.
struct Meanwhile {
    process: Arc<Engine>,
    id: String,
}

#[async_trait]
impl Watch for Meanwhile {
    async fn commits(&self, changes: &[Change]) {
        if changes.iter().any(|change| matches!(change, Change::InsertKeySlot(_) | Change::DeleteKeySlot { .. })) {
            self.process.remove_key_slot(&self.id).await.unwrap();
        }
    }

    async fn committed(&self, _: &[Change]) {}
}

// Otherwise two processes could take away each other's key, and nothing would open the store.
#[tokio::test]
async fn a_process_whose_key_is_taken_away_meanwhile_changes_no_keys() {
    for adds in [true, false] {
        let (world, slot) = with_two_keys().await;
        let id = ids(&world.engine).await.remove(0);
        let second = Meanwhile { process: process(&world, given(SECOND)).await.unwrap(), id };
        let store = Flaky::of(world.store.clone(), Some(Arc::new(second)), Duration::ZERO);
        let first = opened_on(Arc::new(store), &world, settings().key).await.unwrap();
        let changed = match adds {
            true => first.add_key_slot(&given(THIRD)).await.map(drop),
            false => first.remove_key_slot(&slot.id).await,
        };
        assert_eq!(code(changed), "KEY_MISMATCH");
        assert_eq!(ids(&world.engine).await, [slot.id]);
    }
}

#[tokio::test]
async fn a_process_whose_key_was_taken_away_goes_on_and_changes_no_keys() {
    let (world, slot) = with_two_keys().await;
    let first = ids(&world.engine).await.remove(0);
    let second = process(&world, given(SECOND)).await.unwrap();
    second.remove_key_slot(&first).await.unwrap();
    world.pass(Duration::from_secs(4000));
    assert_eq!(token(&world.engine, "user_1").await, "access-3");
    assert_eq!(code(world.engine.add_key_slot(&given(THIRD)).await), "KEY_MISMATCH");
    assert_eq!(code(world.engine.remove_key_slot(&slot.id).await), "KEY_MISMATCH");
    assert_eq!(ids(&second).await, [slot.id]);
}

// A88, A89, A99: the right key does not make up for a slot that was changed.
#[tokio::test]
async fn a_slot_that_was_changed_opens_nothing() {
    let (world, slot) = with_two_keys().await;
    world.engine.add_key_slot(&given(THIRD)).await.unwrap();
    let slots = world.store().key_slots().await.unwrap();
    let third = slots.into_iter().find(|other| other.wrapped.is_some() && other.id != slot.id).unwrap();
    let sealed = slot.wrapped.clone().unwrap();
    let with = |wrapped: &[u8]| KeySlotRow { wrapped: Some(wrapped.to_vec()), ..slot.clone() };
    let mut flipped = sealed.clone();
    flipped[40] ^= 1;
    let changed = [
        (with(&flipped), "INTEGRITY_FAILED"),
        (with(&sealed[..sealed.len() - 1]), "INTEGRITY_FAILED"),
        (with(&third.wrapped.unwrap()), "INTEGRITY_FAILED"),
        (KeySlotRow { wrapped: None, ..slot.clone() }, "INTEGRITY_FAILED"),
        (KeySlotRow { kind: "direct".into(), ..slot.clone() }, "INTEGRITY_FAILED"),
        (KeySlotRow { kind: "plain".into(), ..slot.clone() }, "INTEGRITY_FAILED"),
        (KeySlotRow { key_check: third.key_check, ..slot.clone() }, "KEY_MISMATCH"),
    ];
    for (changed, refusal) in changed {
        edit(&world, changed.clone()).await;
        assert_eq!(code(process(&world, given(SECOND)).await), refusal, "{changed:?}");
        assert_eq!(code(world.engine.add_key_slot(&given(SECOND)).await), "INTEGRITY_FAILED", "{changed:?}");
        process(&world, given(THIRD)).await.expect("another key's slot is none the worse");
    }
    edit(&world, slot).await;
    process(&world, given(SECOND)).await.unwrap();
}

// A88: a slot is bound to its store, though both have the same keys.
#[tokio::test]
async fn a_slot_of_another_store_opens_nothing() {
    let ((world, slot), (_other, foreign)) = (with_two_keys().await, with_two_keys().await);
    assert_eq!(slot.id, foreign.id);
    edit(&world, foreign.clone()).await;
    assert_eq!(code(process(&world, given(SECOND)).await), "KEY_MISMATCH");
    edit(&world, KeySlotRow { key_check: slot.key_check, ..foreign }).await;
    assert_eq!(code(process(&world, given(SECOND)).await), "INTEGRITY_FAILED");
}

#[tokio::test]
async fn a_store_whose_slots_are_gone_opens_with_no_key() {
    let (world, slot) = with_two_keys().await;
    for slot in world.store().key_slots().await.unwrap() {
        write(world.store(), vec![Change::DeleteKeySlot { id: slot.id, version: slot.version }]).await;
    }
    for key in [settings().key, given(SECOND)] {
        assert_eq!(code(process(&world, key).await), "KEY_MISMATCH");
    }
    write(world.store(), vec![Change::InsertKeySlot(slot)]).await;
    process(&world, given(SECOND)).await.unwrap();
}

// A96
#[tokio::test]
async fn a_wrong_key_leaves_every_file_as_it_was() {
    if on_postgres() {
        return;
    }
    let folder = tempdir().unwrap();
    let world = World::opened_in_folder(folder.path(), None).await;
    world.authorize("user_1", "ada").await;
    world.engine.add_key_slot(&given(SECOND)).await.unwrap();
    world.ended().await;

    let store = folder.path().join("store.db");
    let before = std::fs::read(&store).unwrap();
    let open = |key| Engine::open(Settings { key, store: StoreLocation::File(store.clone()), ..settings() });
    for key in [given(THIRD), KeySource::Ephemeral, KeySource::AutoFile { directory: folder.path().join("keys") }] {
        assert!(code(open(key).await).starts_with("KEY_M"));
        assert!(std::fs::read(&store).unwrap() == before, "the store was changed");
        assert!(!store.with_file_name("store.db-wal").exists(), "something was written");
        assert!(!folder.path().join("keys").exists(), "a key was made");
    }
    open(given(SECOND)).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_closed_instance_tells_and_changes_no_keys() {
    let (world, slot) = with_two_keys().await;
    world.engine.close().await.unwrap();
    assert_eq!(code(world.engine.key_slots().await), "CLOSED");
    assert_eq!(code(world.engine.add_key_slot(&given(THIRD)).await), "CLOSED");
    assert_eq!(code(world.engine.remove_key_slot(&slot.id).await), "CLOSED");
}

//! What the journal promises. The process is killed in `sqlite::tests::killing`, together with the store.

use std::fs;

use super::*;
use crate::random::SystemRandom;

/// A folder, and the path of a store in it.
fn journal() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    (folder, path)
}

fn open(store: &Path) -> (Journal, Vec<Entry>) {
    Journal::open(store, &SystemRandom).unwrap()
}

/// The one file that holds a journal of the store.
fn file(store: &Path) -> PathBuf {
    let [file] = files(store).try_into().unwrap();
    file
}

fn files(store: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(store.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.to_str().unwrap().contains(".journal")).collect()
}

fn sealed(entries: &[Entry]) -> Vec<&[u8]> {
    entries.iter().map(|entry| entry.sealed.as_slice()).collect()
}

#[tokio::test]
async fn an_entry_stays_until_it_is_cleared() {
    let (_folder, path) = journal();
    let (journal, entries) = open(&path);
    assert!(entries.is_empty());
    for entry in [b"first", b"later"] {
        journal.reserve().await.unwrap().write(entry).await.unwrap();
    }
    drop(journal);

    let (journal, entries) = open(&path);
    assert_eq!(sealed(&entries), [b"first", b"later"]);
    for entry in entries {
        entry.slot.clear().await.unwrap();
    }
    assert_eq!(journal.shared.permits.available_permits(), SLOTS);
    drop(journal);
    assert!(open(&path).1.is_empty());
}

#[tokio::test]
async fn entries_come_back_in_the_order_they_were_written() {
    let (_folder, path) = journal();
    let (journal, _) = open(&path);
    let mut slots = Vec::new();
    for _ in 0..5 {
        slots.push(journal.reserve().await.unwrap());
    }
    for (number, place) in [3, 0, 4, 1, 2].into_iter().enumerate() {
        slots[place].write(&[number as u8]).await.unwrap();
    }
    drop((journal, slots));
    assert_eq!(sealed(&open(&path).1), [[0], [1], [2], [3], [4]]);
}

// F37: the lock tells who is there, whatever the clock says.
#[tokio::test]
async fn what_an_instance_wrote_is_its_own_until_it_is_gone() {
    let (_folder, path) = journal();
    let (first, _) = open(&path);
    let (second, left) = open(&path);
    assert!(left.is_empty() && files(&path).len() == 2);
    let slot = first.reserve().await.unwrap();
    slot.write(b"answer").await.unwrap();
    assert!(second.take_over(first.owner()).await.unwrap().is_none());
    assert!(second.orphans().await.unwrap().is_empty());

    let owner = first.owner().to_owned();
    drop((first, slot));
    let left = second.take_over(&owner).await.unwrap().unwrap();
    assert_eq!(sealed(&left), [b"answer"]);
    assert!(second.take_over(&owner).await.unwrap().is_none(), "it is in hand");
    drop(left);
    let left = second.orphans().await.unwrap();
    assert_eq!(sealed(&left), [b"answer"]);
    for entry in left {
        entry.slot.clear().await.unwrap();
    }
    assert!(second.take_over(&owner).await.unwrap().is_some_and(|left| left.is_empty()));
    assert!(second.take_over("0123456789abcdefghijkl").await.unwrap().is_some_and(|left| left.is_empty()));
    assert_eq!(second.take_over("../other").await.unwrap_err().code(), "INTEGRITY_FAILED");
}

#[tokio::test]
async fn a_journal_that_was_released_is_free_though_it_is_still_held() {
    let (_folder, path) = journal();
    let (first, _) = open(&path);
    let (second, _) = open(&path);
    first.release();
    assert!(second.take_over(first.owner()).await.unwrap().is_some());
}

#[test]
fn instances_that_open_at_once_have_a_journal_each_and_leave_one_behind() {
    let (_folder, path) = journal();
    for _ in 0..3 {
        let together = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            let opening: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        together.wait();
                        open(&path).0
                    })
                })
                .collect();
            let journals: Vec<_> = opening.into_iter().map(|journal| journal.join().unwrap()).collect();
            let owners: std::collections::HashSet<_> = journals.iter().map(Journal::owner).collect();
            assert_eq!((owners.len(), files(&path).len()), (8, 8));
        });
    }
    let (journal, left) = open(&path);
    assert!(left.is_empty());
    assert_eq!(files(&path), [path.with_file_name(format!("store.db.journal-{}", journal.owner()))]);
}

#[test]
fn what_only_looks_like_a_journal_is_left_alone() {
    let (_folder, path) = journal();
    let sibling = |name: &str| path.with_file_name(name);
    let notes = ["store.db.journal-notes", "store.db.journal.txt", "store.db.journal-0123456789abcdefghij_2"];
    for name in notes {
        fs::write(sibling(name), "moved to the other disk").unwrap();
    }
    fs::create_dir(sibling("store.db.journal")).unwrap();
    fs::create_dir(sibling("store.db.journal-0123456789abcdefghijkl")).unwrap();
    for _ in 0..2 {
        assert!(open(&path).1.is_empty());
    }
    for name in notes {
        assert_eq!(fs::read_to_string(sibling(name)).unwrap(), "moved to the other disk");
    }
}

#[tokio::test]
async fn a_slot_that_was_not_written_is_free_again() {
    let (_folder, path) = journal();
    let (journal, _) = open(&path);
    for _ in 0..SLOTS * 2 {
        journal.reserve().await.unwrap();
    }
    assert_eq!(journal.shared.permits.available_permits(), SLOTS);
}

#[tokio::test]
async fn a_written_slot_is_not_handed_out_again() {
    let (_folder, path) = journal();
    let (journal, _) = open(&path);
    for number in 0..SLOTS {
        journal.reserve().await.unwrap().write(&number.to_le_bytes()).await.unwrap();
    }
    assert_eq!(journal.reserve().await.unwrap_err().code(), "STORE_FAILED");
    assert_eq!(journal.check().unwrap_err().code(), "STORE_FAILED");
    drop(journal);
    assert_eq!(open(&path).1.len(), SLOTS);
}

#[tokio::test]
async fn whoever_finds_all_slots_taken_waits_for_one() {
    let journal = Journal::memory();
    let mut held = Vec::new();
    for _ in 0..SLOTS {
        held.push(journal.reserve().await.unwrap());
    }
    let mut waiting = Box::pin(journal.reserve());
    assert!(now(&mut waiting).is_none());
    drop(held.pop());
    assert!(now(&mut waiting).is_some_and(|slot| slot.is_ok()));
}

/// The future's value, if it has one already.
fn now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_torn_write_is_no_entry() {
    let (_folder, path) = journal();
    let (journal, _) = open(&path);
    let entry = vec![7; 9000];
    let slot = journal.reserve().await.unwrap();
    slot.write(&entry).await.unwrap();
    let offset = slot.index * SLOT;
    drop(slot);
    drop(journal);

    let whole = fs::read(file(&path)).unwrap();
    // Torn at the sectors of a disk, and at the fields of the header.
    for reached in [0, 4, 8, 12, 16, 20, HEADER - 1, HEADER, 512, 4096, HEADER + entry.len() - 1] {
        let mut torn = whole.clone();
        torn[offset + reached..offset + SLOT].fill(0);
        fs::write(file(&path), torn).unwrap();
        assert!(open(&path).1.is_empty(), "{reached}");
    }
    fs::write(file(&path), whole).unwrap();
    assert_eq!(sealed(&open(&path).1), [entry]);
}

proptest::proptest! {
    #[test]
    fn what_was_encoded_is_decoded(sequence: u64, sealed in proptest::collection::vec(0u8.., 0..2000)) {
        let mut slot = encode(sequence, &sealed);
        slot.resize(SLOT, 0);
        proptest::prop_assert_eq!(decode(&slot), Some((sequence, sealed.as_slice())));
    }

    #[test]
    fn a_changed_byte_makes_it_no_entry(sealed in proptest::collection::vec(0u8.., 0..200), at: proptest::sample::Index, by in 1u8..) {
        let mut slot = encode(1, &sealed);
        let at = at.index(slot.len());
        slot[at] ^= by;
        proptest::prop_assert_eq!(decode(&slot), None);
    }
}

#[tokio::test]
async fn the_longest_entry_fits_and_a_longer_one_is_refused() {
    let (_folder, path) = journal();
    let (journal, _) = open(&path);
    let neighbours = [journal.reserve().await.unwrap(), journal.reserve().await.unwrap()];
    for slot in &neighbours {
        slot.write(&vec![9; MAX_ENTRY]).await.unwrap();
        assert_eq!(slot.write(&vec![9; MAX_ENTRY + 1]).await.unwrap_err().code(), "INTERNAL");
    }
    drop(neighbours);
    drop(journal);
    assert_eq!(sealed(&open(&path).1), [vec![9; MAX_ENTRY], vec![9; MAX_ENTRY]]);
}

// F13, F14: a write must need no room that a full disk could refuse.
#[tokio::test]
async fn the_file_is_written_in_full_when_it_is_made_and_never_grows() {
    let (_folder, path) = journal();
    let (journal, _) = open(&path);
    let made = fs::metadata(file(&path)).unwrap();
    assert_eq!(made.len(), (SLOTS * SLOT) as u64);
    #[cfg(unix)]
    assert!(std::os::unix::fs::MetadataExt::blocks(&made) * 512 >= made.len(), "the file is sparse");
    for _ in 0..SLOTS {
        journal.reserve().await.unwrap().write(&vec![1; MAX_ENTRY]).await.unwrap();
    }
    assert_eq!(fs::metadata(file(&path)).unwrap().len(), made.len());
}

#[tokio::test]
async fn a_file_whose_making_was_interrupted_is_completed() {
    let (_folder, path) = journal();
    fs::write(path.with_file_name("store.db.journal"), vec![0; SLOT + 17]).unwrap();
    let (journal, entries) = open(&path);
    assert!(entries.is_empty());
    assert_eq!(journal.shared.permits.available_permits(), SLOTS);
    assert_eq!(fs::metadata(file(&path)).unwrap().len(), (SLOTS * SLOT) as u64);
}

// C23: what was cleared is gone from the file.
#[tokio::test]
async fn a_cleared_entry_leaves_no_bytes() {
    let (_folder, path) = journal();
    let (journal, _) = open(&path);
    let slot = journal.reserve().await.unwrap();
    slot.write(b"CANARY").await.unwrap();
    assert!(contains(&path, b"CANARY"));
    slot.clear().await.unwrap();
    assert!(!contains(&path, b"CANARY"));
}

// C23.
#[tokio::test]
async fn clearing_a_slot_leaves_no_bytes_of_what_was_there_before() {
    let (_folder, path) = journal();
    let (journal, _) = open(&path);
    let slot = journal.reserve().await.unwrap();
    let place = slot.index;
    slot.write(&[vec![1; 9000], b"CANARY".to_vec()].concat()).await.unwrap();
    drop((slot, journal));
    // A loss of power in the middle of its clearing.
    let mut torn = fs::read(file(&path)).unwrap();
    torn[place * SLOT..][..4096].fill(0);
    fs::write(file(&path), torn).unwrap();

    let (journal, entries) = open(&path);
    assert!(entries.is_empty() && contains(&path, b"CANARY"));
    let mut slots = Vec::new();
    for _ in 0..SLOTS {
        slots.push(journal.reserve().await.unwrap());
    }
    for slot in slots {
        slot.write(b"short").await.unwrap();
        // Over the longer one that is there by now.
        slot.write(b"s").await.unwrap();
        slot.clear().await.unwrap();
    }
    assert!(fs::read(file(&path)).unwrap().iter().all(|byte| *byte == 0));
}

fn contains(path: &Path, bytes: &[u8]) -> bool {
    fs::read(file(path)).unwrap().windows(bytes.len()).any(|window| window == bytes)
}

// F12.
#[tokio::test]
async fn nothing_is_reserved_after_a_write_that_the_disk_did_not_confirm() {
    let journal = Journal::memory();
    assert!(journal.shared.syncs.wait(|| Err(io::ErrorKind::Other.into())).is_err());
    assert_eq!(journal.reserve().await.unwrap_err().code(), "STORE_FAILED");
    assert_eq!(journal.check().unwrap_err().code(), "STORE_FAILED");
}

// A69.
#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_the_journal() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = journal();
    let old = path.with_file_name("store.db.journal");
    fs::write(&old, "").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
    let _journal = open(&path);
    assert_eq!(fs::metadata(file(&path)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_journal_in_memory_counts_its_slots() {
    let journal = Journal::memory();
    let slot = journal.reserve().await.unwrap();
    slot.write(b"sealed").await.unwrap();
    assert_eq!(journal.shared.permits.available_permits(), SLOTS - 1);
    slot.clear().await.unwrap();
    assert_eq!(journal.shared.permits.available_permits(), SLOTS);
}

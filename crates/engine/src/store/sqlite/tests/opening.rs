//! Files: who may open them, what is refused, and that a refused one stays as it was.

use std::{fs, path::Path};

use rusqlite::{Connection, config::DbConfig};

use super::*;

/// Opens the database as another program would.
fn another_program(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

/// A closed store with rows in it.
async fn closed() -> (tempfile::TempDir, PathBuf) {
    let (folder, path, store) = stored();
    fill(&store).await;
    store.close().await.unwrap();
    (folder, path)
}

#[tokio::test]
async fn several_instances_have_one_store() {
    let (folder, path, first) = stored();
    let link = folder.path().join("also");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    let second = open(&link.join("store.db")).unwrap();
    let before = second.version().await.unwrap();
    fill(&first).await;
    assert!(second.version().await.unwrap() != before, "whoever waits is told");
    assert!(stored_account(&second, "ca_1").await.is_some());
    let change = |version| vec![Change::ReplaceAccount(AccountRow { version, ..account("ca_1", "conn_1") })];
    assert_eq!(second.commit(change(2)).await.unwrap(), Commit::Applied);
    assert_eq!(first.commit(change(2)).await.unwrap(), Commit::Conflict);
    second.close().await.unwrap();
    assert_eq!(first.commit(change(3)).await.unwrap(), Commit::Applied);
    drop(first);
    assert_eq!(stored_account(&open(&path).unwrap(), "ca_1").await.unwrap().version, 3);
}

#[test]
fn instances_that_make_a_store_at_once_make_one() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("store.db");
        std::thread::scope(|scope| {
            let open = || SqliteStore::open(Location::File(path.clone())).unwrap();
            let opening: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            opening.into_iter().for_each(|store| drop(store.join().unwrap()));
        });
    }
}

#[tokio::test]
async fn a_store_that_was_closed_or_dropped_can_be_opened_at_once() {
    let (_folder, path) = closed().await;
    assert!(!path.with_file_name("store.db-wal").exists(), "the log was not moved into the database");
    for _ in 0..3 {
        let store = open(&path).unwrap();
        assert!(stored_account(&store, "ca_1").await.is_some());
        drop(store);
    }
}

// F17.
#[tokio::test]
async fn a_database_that_another_program_locks_is_busy_and_readable() {
    let (_folder, path, store) = stored();
    fill(&store).await;
    let other = another_program(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let change = || vec![Change::InsertConnection(connection("conn_2"))];
    assert_eq!(store.commit(change()).await.unwrap_err().code(), "STORE_BUSY");
    assert!(stored_account(&store, "ca_1").await.is_some());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.commit(change()).await.unwrap(), Commit::Applied);
}

// F13.
#[tokio::test]
async fn a_full_disk_refuses_the_commit_and_keeps_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let opened = open::open_file(&path, Duration::ZERO).unwrap();
    let pages: u32 = opened.writer.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    opened.writer.pragma_update(None, "max_page_count", pages + 8).unwrap();
    let store = SqliteStore::start(opened, Box::new(MachineClock)).unwrap();
    fill(&store).await;
    let large = AccountRow { credential: Some(vec![1; 100_000]), version: 2, ..account("ca_1", "conn_1") };
    assert_eq!(store.commit(vec![Change::ReplaceAccount(large)]).await.unwrap_err().code(), "STORE_FULL");
    assert_eq!(stored_account(&store, "ca_1").await, Some(account("ca_1", "conn_1")));
    let small = AccountRow { version: 2, ..account("ca_1", "conn_1") };
    assert_eq!(store.commit(vec![Change::ReplaceAccount(small)]).await.unwrap(), Commit::Applied);
}

// F15. File modes don't stop root, so the connection that writes is made one that can't.
#[tokio::test]
async fn a_store_that_turns_read_only_says_so_and_can_be_read() {
    let (_folder, path) = closed().await;
    let opened = open::open_file(&path, Duration::ZERO).unwrap();
    opened.writer.pragma_update(None, "query_only", true).unwrap();
    let store = SqliteStore::start(opened, Box::new(MachineClock)).unwrap();
    let change = Change::InsertConnection(connection("conn_2"));
    assert_eq!(store.commit(vec![change]).await.unwrap_err().code(), "STORE_READ_ONLY");
    assert!(stored_account(&store, "ca_1").await.is_some());
}

/// Asserts that opening `path` fails with `code`, and changes neither the file nor its log.
#[track_caller]
fn refused_and_kept(path: &Path, code: &str) {
    let files = [path.to_path_buf(), path.with_file_name("store.db-wal")];
    let read = || files.clone().map(|file| fs::read(file).unwrap_or_default());
    let before = read();
    assert_eq!(open(path).unwrap_err().code(), code);
    assert!(read() == before, "the file was changed");
}

// F16.
#[tokio::test]
async fn what_is_no_store_of_ours_is_refused_and_kept() {
    let (_folder, path) = closed().await;
    let ours = fs::read(&path).unwrap();
    let random: Vec<u8> = (0..9000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut broken = ours.clone();
    broken[3] ^= 1;
    for bytes in [random, broken, ours[..99].to_vec(), b"x".to_vec(), vec![0; 4096]] {
        fs::write(&path, bytes).unwrap();
        refused_and_kept(&path, "STORE_CORRUPT");
    }

    fs::remove_file(&path).unwrap();
    let foreign = another_program(&path);
    for setting in ["CREATE TABLE t (x)", "PRAGMA application_id = 7", "PRAGMA user_version = 99"] {
        foreign.execute_batch(setting).unwrap();
        refused_and_kept(&path, "STORE_CORRUPT");
    }
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_kept() {
    let (_folder, path) = closed().await;
    let newer = another_program(&path);
    // Once in the log alone, as a killed program leaves it, and once in the file.
    newer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    newer.pragma_update(None, "user_version", schema::KNOWN + 1).unwrap();
    drop(newer);
    refused_and_kept(&path, "STORE_TOO_NEW");
    another_program(&path).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    refused_and_kept(&path, "STORE_TOO_NEW");
}

// F16.
#[tokio::test]
async fn damage_anywhere_is_an_error_or_a_row_and_never_a_panic() {
    let (_folder, path) = closed().await;
    let ours = fs::read(&path).unwrap();
    let expected = ["STORE_CORRUPT", "STORE_TOO_NEW", "INTEGRITY_FAILED", "STORE_FAILED"];
    for offset in (0..ours.len()).step_by(ours.len() / 150) {
        let mut bytes = ours.clone();
        bytes[offset..].iter_mut().take(8).for_each(|byte| *byte ^= 0x55);
        fs::write(&path, &bytes).unwrap();
        // A program that another test starts has this one's files for a moment, and with them its lock.
        let patient = SqliteStore::open_with_timeout(Location::File(path.clone()), BUSY_TIMEOUT);
        let read = match patient {
            Ok(store) => store.account("default", AccountKey::Id("ca_1")).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            assert!(expected.contains(&error.code()), "{offset}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_value_of_a_type_that_was_never_written_is_refused() {
    let (_folder, path, store) = stored();
    fill(&store).await;
    another_program(&path).execute_batch("UPDATE accounts SET version = 'CANARY'").unwrap();
    let error = store.account("default", AccountKey::Id("ca_1")).await.unwrap_err();
    assert_eq!(error.code(), "INTEGRITY_FAILED");
    assert!(!error.to_string().contains("CANARY"));
}

#[tokio::test]
async fn a_table_that_was_taken_away_is_damage() {
    let (_folder, path) = closed().await;
    another_program(&path).execute_batch("DROP TABLE flows").unwrap();
    let store = open(&path).unwrap();
    assert_eq!(store.flow(FlowKey::Link(b"link-flow_1")).await.unwrap_err().code(), "STORE_CORRUPT");
}

#[tokio::test]
async fn a_store_that_is_older_than_key_slots_opens_with_its_root_key() {
    let (_folder, path, store) = stored();
    let meta = Meta { store_id: "s".into(), key_id: "key_1".into(), key_check: vec![0, 255], created_at: at(7) };
    assert_eq!(store.commit(vec![Change::Initialize(meta)]).await.unwrap(), Commit::Applied);
    store.close().await.unwrap();
    another_program(&path)
        .execute_batch(
            "DROP TABLE key_slots; DROP TABLE records; DROP TABLE records_head;
            PRAGMA user_version = 3",
        )
        .unwrap();
    assert_eq!(open(&path).unwrap().key_slots().await.unwrap(), [direct_slot()]);
}

#[test]
fn an_empty_file_becomes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    fs::write(&path, "").unwrap();
    open(&path).unwrap();
}

#[test]
fn a_first_start_that_was_killed_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    another_program(&path).pragma_update(None, "application_id", schema::APPLICATION_ID).unwrap();
    open(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn a_link_or_a_folder_in_place_of_the_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::os::unix::fs::symlink(folder.path().join("target"), &path).unwrap();
    for path in [path, folder.path().into()] {
        assert_eq!(open(&path).unwrap_err().code(), "INVALID_ARGUMENT");
    }
    assert!(!folder.path().join("target").exists());
}

// A69.
#[cfg(unix)]
#[tokio::test]
async fn wider_rights_than_the_owners_are_taken_back() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = closed().await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let store = open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(store);
}

// C23.
#[tokio::test]
async fn what_was_replaced_is_gone_from_the_files_after_a_checkpoint() {
    let (folder, path, store) = stored();
    let canary = b"CANARY-OF-THE-OLD-CREDENTIAL".as_slice();
    // One that stands in its row, and one that spills over into other pages.
    for (number, length) in [(1, 1), (2, 800)] {
        let id = format!("conn_{number}");
        let old = AccountRow { credential: Some(canary.repeat(length)), ..account("ca_1", &id) };
        let old = AccountRow { id: format!("ca_{number}"), ..old };
        let new = AccountRow { credential: Some(vec![0; 28]), version: 2, ..old.clone() };
        let made = vec![Change::InsertConnection(connection(&id)), Change::InsertAccount(old)];
        assert_eq!(store.commit(made).await.unwrap(), Commit::Applied);
        assert!(found(folder.path(), canary));
        assert_eq!(store.commit(vec![Change::ReplaceAccount(new)]).await.unwrap(), Commit::Applied);
        another_program(&path).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        assert!(!found(folder.path(), canary));
    }
    store.close().await.unwrap();
    assert!(!found(folder.path(), canary));
}

fn found(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|file| {
        let content = fs::read(file.unwrap().path()).unwrap();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

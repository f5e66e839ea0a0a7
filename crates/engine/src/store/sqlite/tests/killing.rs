//! A process that is killed at any moment loses nothing that it acknowledged.
//!
//! The process is this test binary, told by an environment variable to play the one test that commits for ever.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use super::*;
use crate::{random::SystemRandom, store::journal::Journal};

const FOLDER: &str = "ONBEHALF_TEST_KILLED_IN";

/// Writes 1, 2, 3 … into the journal and then the store, and says each that is durable.
#[tokio::test]
#[ignore = "runs until it is killed"]
async fn commits_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let path = folder.join("store.db");
    let store = SqliteStore::open(Location::File(path.clone())).unwrap();
    let (journal, left) = Journal::open(&path, &SystemRandom).unwrap();
    for entry in left {
        entry.slot.clear().await.unwrap();
    }
    if stored_connection(&store, "conn_1").await.is_none() {
        fill(&store).await;
    }
    let mut version = stored_connection(&store, "conn_1").await.unwrap().version;
    loop {
        version += 1;
        let slot = journal.reserve().await.unwrap();
        slot.write(&version.to_le_bytes()).await.unwrap();
        let row = ConnectionRow { version, ..connection("conn_1") };
        assert_eq!(store.commit(vec![Change::ReplaceConnection(row)]).await.unwrap(), Commit::Applied);
        // Not on the disk yet, but out of this process's hands.
        let flow = link(&format!("flow_of_{version}"));
        assert_eq!(store.commit(vec![Change::InsertFlow(flow)]).await.unwrap(), Commit::Applied);
        writeln!(std::io::stdout(), "durable {version}").unwrap();
        slot.clear().await.unwrap();
    }
}

/// Starts the test above on `folder`, with a umask that hides nothing.
fn start(folder: &Path) -> Child {
    let test = "store::sqlite::tests::killing::commits_until_it_is_killed";
    let mut command = Command::new("sh");
    command.args([
        "-c".as_ref(),
        r#"umask 000 && exec "$0" "$@""#.as_ref(),
        std::env::current_exe().unwrap().as_os_str(),
    ]);
    command.args(["--exact", test, "--ignored", "--nocapture", "--quiet"].map(OsStr::new));
    command.env(FOLDER, folder).stdout(Stdio::piped()).spawn().unwrap()
}

// E11, F06 to F08, A69.
#[cfg(unix)]
#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("made").join("by us");
    let path = folder.join("store.db");
    for round in 0..10 {
        let mut child = start(&folder);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut durable = lines.filter_map(|line| line.unwrap().strip_prefix("durable ")?.parse::<i64>().ok());
        durable.nth(round).expect("the child has begun");

        let beside = SqliteStore::open(Location::File(path.clone())).unwrap();
        assert!(stored_connection(&beside, "conn_1").await.is_some());
        only_the_owner_reads(&folder);
        drop(beside);
        child.kill().unwrap();
        child.wait().unwrap();

        let acknowledged = durable.last();
        let store = open(&path).unwrap();
        let stored = stored_connection(&store, "conn_1").await.unwrap().version;
        assert!(acknowledged.is_none_or(|acknowledged| stored >= acknowledged));
        if let Some(acknowledged) = acknowledged {
            assert!(stored_flow(&store, &format!("flow_of_{acknowledged}")).await.is_some());
        }
        let (_, left) = Journal::open(&path, &SystemRandom).unwrap();
        assert!(left.len() <= 1);
        for entry in left {
            let entry = i64::from_le_bytes(entry.sealed.try_into().unwrap());
            assert!(entry == stored || entry == stored + 1, "{entry} beside {stored}");
        }
    }
}

#[cfg(unix)]
fn only_the_owner_reads(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        assert_eq!(mode(&file.path()), 0o600, "{:?}", file.file_name());
        let name = file.file_name().into_string().unwrap();
        names.push(name.split_once(".journal-").map_or(name.clone(), |(store, _)| format!("{store}.journal-…")));
    }
    names.sort();
    names.dedup();
    assert_eq!(names, ["store.db", "store.db-shm", "store.db-wal", "store.db.journal-…", "store.db.lock"]);
    assert_eq!([mode(folder), mode(folder.parent().unwrap())], [0o700, 0o700]);
}

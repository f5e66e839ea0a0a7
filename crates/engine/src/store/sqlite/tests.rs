//! What SQLite's store promises beside the contract of all: transactions here, files in `opening`, crashes in `killing`.

use super::*;
use crate::store::contract::{
    Place, account, at, connection, direct_slot, fill, flow, keeps_the_contract, link, stored_account,
    stored_connection, stored_flow,
};

mod killing;
mod opening;

/// A folder with a store of its own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Place for Folder {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(open(&self.0.path().join("store.db")).unwrap())
    }
}

mod contract {
    use super::*;

    keeps_the_contract!(Some(Folder::new()));
}

/// A store in a folder of its own.
fn stored() -> (tempfile::TempDir, PathBuf, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = open(&path).unwrap();
    (folder, path, store)
}

/// Opens without waiting for other programs.
fn open(path: &std::path::Path) -> Result<SqliteStore> {
    SqliteStore::open_with_timeout(Location::File(path.into()), Duration::ZERO)
}

#[tokio::test]
async fn commits_that_share_a_transaction_do_not_share_a_conflict() {
    let mut connection = open::open_memory().unwrap().writer;
    let first = [Change::InsertConnection(connection_named("a"))];
    let twice = [Change::InsertConnection(connection_named("b")), Change::InsertConnection(connection_named("a"))];
    let other = [Change::InsertConnection(connection_named("b"))];
    let outcomes = apply::apply_together(&mut connection, &[&first, &twice, &other]).unwrap();
    assert_eq!(outcomes, [Commit::Applied, Commit::Conflict, Commit::Applied]);
}

#[tokio::test]
async fn only_a_new_link_does_not_wait_for_the_disk() {
    let mut connection = open::open_memory().unwrap().writer;
    let parties = [Change::InsertConnection(connection_named("1")), Change::InsertAccount(account("ca_1", "conn_1"))];
    let new = |id: &str| vec![Change::ForgetFlows { before: at(0) }, Change::InsertFlow(link(id))];
    let started = [Change::ReplaceFlow(FlowRow { version: 2, held: Some(vec![1]), ..link("flow_1") })];
    let mut waits = |commits: &[&[Change]]| {
        let outcomes = apply::apply_together(&mut connection, commits).unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == Commit::Applied));
        // 2 is FULL: whatever the log holds by then is on the disk before the commit is answered.
        connection.pragma_query_value(None, "synchronous", |row| row.get::<_, u32>(0)).unwrap() == 2
    };
    assert!(waits(&[&parties]));
    assert!(!waits(&[&new("flow_1")]));
    assert!(!waits(&[&new("flow_2"), &new("flow_3")]));
    assert!(waits(&[&started]), "from here on a code verifier is held");
    let other = [Change::InsertConnection(connection_named("2"))];
    assert!(waits(&[&new("flow_4"), &other]), "who shares a transaction with a link waits all the same");
    assert!(waits(&[&[Change::InsertFlow(flow("flow_5", "ca_1"))]]), "a flow that holds something is no mere link");
}

fn connection_named(name: &str) -> ConnectionRow {
    ConnectionRow { name: name.into(), ..connection(&format!("conn_{name}")) }
}

#[test]
fn every_statement_finds_its_rows_by_an_index() {
    let connection = open::open_memory().unwrap().writer;
    let lists = [sql::accounts(0, false), sql::accounts(1, false), sql::accounts(1, true), sql::accounts(0, true)];
    // Of the store itself, and of its keys, there are few rows.
    let statements =
        sql::tests::statements().into_iter().filter(|sql| ![sql::META, sql::KEY_SLOTS].contains(sql)).map(String::from);
    for sql in statements.chain(lists) {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nothing = vec![rusqlite::types::Null; plan.parameter_count()];
        let steps = plan.query_map(rusqlite::params_from_iter(nothing), |row| row.get::<_, String>(3)).unwrap();
        for step in steps.map(Result::unwrap) {
            // An organization has few data keys.
            let sorts = step.contains("TEMP B-TREE") && sql != sql::DATA_KEYS;
            // An index that holds nothing but what is asked for, in its order.
            let whole = step == "SCAN records USING INDEX records_without_number";
            let scans = step.starts_with("SCAN") && step != "SCAN CONSTANT ROW" && !whole;
            assert!(!sorts && !scans, "{step}: {sql}");
        }
    }
}

//! What the store promises: rows and commits here, files in `opening`, crashes in `killing`.

use super::*;
use crate::Error;

mod killing;
mod opening;

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

fn memory() -> SqliteStore {
    SqliteStore::open(Location::Memory).unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn connection(id: &str) -> ConnectionRow {
    ConnectionRow {
        organization: "default".into(),
        id: id.into(),
        name: format!("name-of-{id}"),
        connector: "gmail".into(),
        enabled: true,
        config: r#"{"scopes":["a"]}"#.into(),
        secrets: Some(b"\0sealed".to_vec()),
        created_at: at(1),
        updated_at: at(2),
        version: 1,
        mac: vec![3; 32],
    }
}

fn account(id: &str, connection_id: &str) -> AccountRow {
    AccountRow {
        organization: "default".into(),
        id: id.into(),
        connection_id: connection_id.into(),
        identifier: format!("person-of-{id}"),
        status: "ACTIVE".into(),
        facts: "{}".into(),
        expires_at: Some(at(i64::MAX)),
        refresh_at: None,
        credential: Some(vec![0xff, 0, 0x80]),
        created_at: at(-1),
        updated_at: at(2),
        version: 1,
        mac: vec![4; 32],
    }
}

fn flow(id: &str, account_id: &str) -> FlowRow {
    FlowRow {
        organization: "default".into(),
        id: id.into(),
        connection_id: "conn_1".into(),
        account_id: account_id.into(),
        status: "created".into(),
        link_hash: format!("link-{id}").into(),
        state_hash: Some(format!("state-{id}").into()),
        nonce_hash: None,
        facts: "{}".into(),
        held: Some(vec![1]),
        expires_at: at(100),
        created_at: at(1),
        version: 1,
        mac: vec![5; 32],
    }
}

/// A flow that nobody has started.
fn link(id: &str) -> FlowRow {
    FlowRow { held: None, state_hash: None, ..flow(id, "ca_1") }
}

/// Makes `conn_1` with the account `ca_1` and its flow `flow_1`.
async fn fill(store: &SqliteStore) {
    let changes = vec![
        Change::InsertConnection(connection("conn_1")),
        Change::InsertAccount(account("ca_1", "conn_1")),
        Change::InsertFlow(flow("flow_1", "ca_1")),
    ];
    assert_eq!(store.commit(changes).await.unwrap(), Commit::Applied);
}

async fn stored_connection(store: &SqliteStore, id: &str) -> Option<ConnectionRow> {
    store.connection("default", ConnectionKey::Id(id)).await.unwrap()
}

async fn stored_account(store: &SqliteStore, id: &str) -> Option<AccountRow> {
    store.account("default", AccountKey::Id(id)).await.unwrap()
}

async fn stored_flow(store: &SqliteStore, id: &str) -> Option<FlowRow> {
    store.flow(FlowKey::Id { organization: "default", id }).await.unwrap()
}

#[tokio::test]
async fn rows_come_back_as_they_were_written() {
    let (_folder, path, store) = stored();
    let meta = Meta { store_id: "s".into(), key_id: "k".into(), key_check: vec![0, 255], created_at: at(7) };
    let key = DataKeyRow { organization: "default".into(), id: [9; 16], wrapped: vec![0; 80], created_at: at(8) };
    assert_eq!(store.meta().await.unwrap(), None);
    let changes = vec![Change::Initialize(meta.clone()), Change::InsertDataKey(key.clone())];
    assert_eq!(store.commit(changes).await.unwrap(), Commit::Applied);
    fill(&store).await;
    store.close().await.unwrap();

    let store = open(&path).unwrap();
    assert_eq!(store.meta().await.unwrap(), Some(meta));
    assert_eq!(store.data_keys("default").await.unwrap(), [key]);
    let ours = connection("conn_1");
    assert_eq!(store.connection("default", ConnectionKey::Name(&ours.name)).await.unwrap().as_ref(), Some(&ours));
    assert_eq!(stored_connection(&store, "conn_1").await, Some(ours));
    let ours = account("ca_1", "conn_1");
    let key = AccountKey::Identifier { connection_id: "conn_1", identifier: &ours.identifier };
    assert_eq!(store.account("default", key).await.unwrap().as_ref(), Some(&ours));
    assert_eq!(stored_account(&store, "ca_1").await, Some(ours));
    let ours = flow("flow_1", "ca_1");
    assert_eq!(store.flow(FlowKey::Link(b"link-flow_1")).await.unwrap().as_ref(), Some(&ours));
    assert_eq!(store.flow(FlowKey::State(b"state-flow_1")).await.unwrap().as_ref(), Some(&ours));
    assert_eq!(store.flow(FlowKey::Nonce(b"")).await.unwrap(), None);
    assert_eq!(stored_flow(&store, "flow_1").await, Some(ours));
}

#[tokio::test]
async fn a_replaced_row_is_the_new_one_in_every_column() {
    let store = memory();
    fill(&store).await;
    let connection = ConnectionRow { enabled: false, secrets: None, version: 2, ..connection("conn_1") };
    let account = AccountRow { credential: None, refresh_at: Some(at(5)), version: 2, ..account("ca_1", "conn_1") };
    let flow = FlowRow { nonce_hash: Some(b"nonce".into()), held: None, version: 2, ..flow("flow_1", "ca_1") };
    let changes = vec![
        Change::ReplaceConnection(connection.clone()),
        Change::ReplaceAccount(account.clone()),
        Change::ReplaceFlow(flow.clone()),
    ];
    assert_eq!(store.commit(changes).await.unwrap(), Commit::Applied);
    assert_eq!(stored_connection(&store, "conn_1").await, Some(connection));
    assert_eq!(stored_account(&store, "ca_1").await, Some(account));
    assert_eq!(store.flow(FlowKey::Nonce(b"nonce")).await.unwrap(), Some(flow));
}

#[tokio::test]
async fn a_commit_is_all_or_nothing() {
    let store = memory();
    fill(&store).await;
    let changes = vec![
        Change::InsertConnection(connection("conn_2")),
        Change::DeleteAccount { organization: "default".into(), id: "ca_1".into(), version: 1 },
        Change::ReplaceConnection(ConnectionRow { version: 3, ..connection("conn_1") }),
    ];
    assert_eq!(store.commit(changes).await.unwrap(), Commit::Conflict);
    assert_eq!(stored_connection(&store, "conn_2").await, None);
    assert!(stored_account(&store, "ca_1").await.is_some());
    assert!(stored_flow(&store, "flow_1").await.is_some());
}

#[tokio::test]
async fn a_change_against_another_version_conflicts() {
    let store = memory();
    fill(&store).await;
    let organization = String::from("default");
    let [connection_id, account_id] = [String::from("conn_1"), String::from("ca_1")];
    for version in [0, 2, i64::MIN, i64::MAX] {
        let required =
            Change::RequireConnection { organization: organization.clone(), id: connection_id.clone(), version };
        for change in [
            required,
            Change::DeleteConnection { organization: organization.clone(), id: connection_id.clone(), version },
            Change::DeleteAccount { organization: organization.clone(), id: account_id.clone(), version },
            Change::ReplaceConnection(ConnectionRow { version, ..connection("conn_1") }),
            Change::ReplaceAccount(AccountRow { version, ..account("ca_1", "conn_1") }),
            Change::ReplaceFlow(FlowRow { version, ..flow("flow_1", "ca_1") }),
        ] {
            // Replacing carries the next version, so 2 is the one that fits.
            let fits = version == 2
                && matches!(&change, Change::ReplaceConnection(_) | Change::ReplaceAccount(_) | Change::ReplaceFlow(_));
            if !fits {
                assert_eq!(store.commit(vec![change.clone()]).await.unwrap(), Commit::Conflict, "{change:?}");
            }
        }
    }
    let required = Change::RequireConnection { organization, id: connection_id, version: 1 };
    assert_eq!(store.commit(vec![required]).await.unwrap(), Commit::Applied);
}

#[tokio::test]
async fn what_must_be_unique_conflicts() {
    let store = memory();
    fill(&store).await;
    let meta = Meta { store_id: "s".into(), key_id: "k".into(), key_check: vec![], created_at: at(7) };
    assert_eq!(store.commit(vec![Change::Initialize(meta.clone())]).await.unwrap(), Commit::Applied);
    let name = connection("conn_1").name;
    let identifier = account("ca_1", "conn_1").identifier;
    for change in [
        Change::Initialize(Meta { store_id: "other".into(), ..meta }),
        Change::InsertConnection(ConnectionRow { name: "other".into(), ..connection("conn_1") }),
        Change::InsertConnection(ConnectionRow { name, ..connection("conn_2") }),
        Change::InsertAccount(AccountRow { identifier, ..account("ca_2", "conn_1") }),
        Change::InsertFlow(FlowRow { link_hash: b"link-flow_1".into(), ..flow("flow_2", "ca_1") }),
        Change::InsertFlow(FlowRow { state_hash: Some(b"state-flow_1".into()), ..flow("flow_2", "ca_1") }),
        // No such connection, no such account.
        Change::InsertAccount(account("ca_2", "conn_9")),
        Change::InsertFlow(flow("flow_2", "ca_9")),
    ] {
        assert_eq!(store.commit(vec![change.clone()]).await.unwrap(), Commit::Conflict, "{change:?}");
    }
    assert_eq!(store.meta().await.unwrap().unwrap().store_id, "s");
}

#[tokio::test]
async fn a_connection_takes_its_accounts_and_flows_with_it() {
    let store = memory();
    fill(&store).await;
    let deleted = Change::DeleteConnection { organization: "default".into(), id: "conn_1".into(), version: 1 };
    assert_eq!(store.commit(vec![deleted]).await.unwrap(), Commit::Applied);
    assert_eq!(stored_account(&store, "ca_1").await, None);
    assert_eq!(stored_flow(&store, "flow_1").await, None);
}

// A73.
#[tokio::test]
async fn an_organization_neither_sees_nor_changes_anothers_rows() {
    let store = memory();
    fill(&store).await;
    let identifier = account("ca_1", "conn_1").identifier;
    let by_person = AccountKey::Identifier { connection_id: "conn_1", identifier: &identifier };
    assert_eq!(store.connection("other", ConnectionKey::Id("conn_1")).await.unwrap(), None);
    assert_eq!(store.connection("other", ConnectionKey::Name("name-of-conn_1")).await.unwrap(), None);
    assert_eq!(store.account("other", AccountKey::Id("ca_1")).await.unwrap(), None);
    assert_eq!(store.account("other", by_person).await.unwrap(), None);
    assert_eq!(store.flow(FlowKey::Id { organization: "other", id: "flow_1" }).await.unwrap(), None);
    assert_eq!(store.connections("other", None, 9).await.unwrap(), []);
    assert_eq!(store.accounts("other", &AccountFilter::default(), None, 9).await.unwrap(), []);
    let none = PendingFlows { of_account: 0, of_organization: 0 };
    assert_eq!(store.pending_flows("other", "ca_1", at(0)).await.unwrap(), none);
    let other = || String::from("other");
    for change in [
        Change::RequireConnection { organization: other(), id: "conn_1".into(), version: 1 },
        Change::DeleteConnection { organization: other(), id: "conn_1".into(), version: 1 },
        Change::DeleteAccount { organization: other(), id: "ca_1".into(), version: 1 },
        Change::ReplaceConnection(ConnectionRow { organization: other(), version: 2, ..connection("conn_1") }),
        Change::ReplaceAccount(AccountRow { organization: other(), version: 2, ..account("ca_1", "conn_1") }),
        Change::ReplaceFlow(FlowRow { organization: other(), version: 2, ..flow("flow_1", "ca_1") }),
        Change::InsertAccount(AccountRow { organization: other(), ..account("ca_2", "conn_1") }),
    ] {
        assert_eq!(store.commit(vec![change.clone()]).await.unwrap(), Commit::Conflict, "{change:?}");
    }
    // The same ids and names are free to another organization.
    let same = ConnectionRow { organization: other(), ..connection("conn_1") };
    assert_eq!(store.commit(vec![Change::InsertConnection(same)]).await.unwrap(), Commit::Applied);
}

#[tokio::test]
async fn lists_are_ordered_and_continue_after_the_last() {
    let store = memory();
    for number in [3, 1, 2] {
        let id = format!("conn_{number}");
        let changes = vec![
            Change::InsertConnection(connection(&id)),
            Change::InsertAccount(account(&format!("ca_{number}"), &id)),
            Change::InsertAccount(AccountRow { identifier: "x".into(), ..account(&format!("ca_{number}x"), &id) }),
        ];
        assert_eq!(store.commit(changes).await.unwrap(), Commit::Applied);
    }
    let names = |rows: Vec<ConnectionRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(names(store.connections("default", None, 2).await.unwrap()), ["conn_1", "conn_2"]);
    assert_eq!(names(store.connections("default", Some("name-of-conn_2"), 2).await.unwrap()), ["conn_3"]);

    let list = async |connections: &[&str], identifier: Option<&str>, after: Option<&str>, limit| {
        let connection_ids = connections.iter().copied().map(String::from).collect();
        let filter = AccountFilter { connection_ids, identifier: identifier.map(String::from) };
        let rows = store.accounts("default", &filter, after, limit).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&[], None, None, 9).await, ["ca_1", "ca_1x", "ca_2", "ca_2x", "ca_3", "ca_3x"]);
    assert_eq!(list(&[], None, Some("ca_1x"), 2).await, ["ca_2", "ca_2x"]);
    assert_eq!(list(&["conn_3", "conn_1"], None, None, 3).await, ["ca_1", "ca_1x", "ca_3"]);
    assert_eq!(list(&[], Some("x"), Some("ca_1x"), 9).await, ["ca_2x", "ca_3x"]);
    assert_eq!(list(&["conn_2", "conn_9"], Some("x"), None, 9).await, ["ca_2x"]);
    assert_eq!(list(&["conn_9"], None, None, 9).await, [""; 0]);
}

#[tokio::test]
async fn the_newest_data_key_comes_first() {
    let store = memory();
    for (id, created) in [(1, 10), (2, 30), (3, 20)] {
        let key = DataKeyRow { organization: "default".into(), id: [id; 16], wrapped: vec![], created_at: at(created) };
        assert_eq!(store.commit(vec![Change::InsertDataKey(key)]).await.unwrap(), Commit::Applied);
    }
    let ids: Vec<_> = store.data_keys("default").await.unwrap().iter().map(|key| key.id[0]).collect();
    assert_eq!(ids, [2, 3, 1]);
}

#[tokio::test]
async fn flows_count_until_they_are_over_and_are_forgotten_after() {
    let store = memory();
    fill(&store).await;
    let more = vec![
        Change::InsertFlow(FlowRow { expires_at: at(200), ..flow("flow_2", "ca_1") }),
        Change::InsertAccount(account("ca_2", "conn_1")),
        Change::InsertFlow(flow("flow_3", "ca_2")),
    ];
    assert_eq!(store.commit(more).await.unwrap(), Commit::Applied);
    let pending = async |now| {
        let PendingFlows { of_account, of_organization } =
            store.pending_flows("default", "ca_1", at(now)).await.unwrap();
        (of_account, of_organization)
    };
    assert_eq!(pending(99).await, (2, 3));
    assert_eq!(pending(100).await, (1, 1));
    assert_eq!(store.commit(vec![Change::ForgetFlows { before: at(101) }]).await.unwrap(), Commit::Applied);
    assert_eq!(stored_flow(&store, "flow_1").await, None);
    assert!(stored_flow(&store, "flow_2").await.is_some());
}

#[tokio::test]
async fn what_nobody_verified_in_time_is_forgotten() {
    let store = memory();
    fill(&store).await;
    let returned = |id: &str, end| FlowRow { status: "returned".into(), expires_at: at(end), ..flow(id, "ca_1") };
    let flows = vec![Change::InsertFlow(returned("flow_2", 100)), Change::InsertFlow(returned("flow_3", 300))];
    assert_eq!(store.commit(flows).await.unwrap(), Commit::Applied);
    assert_eq!(store.commit(vec![Change::ForgetUnverified { before: at(200) }]).await.unwrap(), Commit::Applied);
    assert_eq!(stored_flow(&store, "flow_2").await, None);
    assert!(stored_flow(&store, "flow_1").await.is_some(), "it waits for no verification");
    assert!(stored_flow(&store, "flow_3").await.is_some(), "it may still be verified");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_hundred_writers_of_a_version_wins() {
    for store in [stored().2, memory()] {
        fill(&store).await;
        let store = Arc::new(store);
        for version in 2..5 {
            let writers: Vec<_> = (0..100)
                .map(|number| {
                    let (store, facts) = (Arc::clone(&store), format!("{number}"));
                    let row = AccountRow { version, facts, ..account("ca_1", "conn_1") };
                    tokio::spawn(async move { store.commit(vec![Change::ReplaceAccount(row)]).await.unwrap() })
                })
                .collect();
            let mut winners = Vec::new();
            for (number, writer) in writers.into_iter().enumerate() {
                if writer.await.unwrap() == Commit::Applied {
                    winners.push(number.to_string());
                }
            }
            let row = stored_account(&store, "ca_1").await.unwrap();
            assert_eq!((winners, row.version), (vec![row.facts], version));
        }
    }
}

#[tokio::test]
async fn commits_that_share_a_transaction_do_not_share_a_conflict() {
    let store = memory();
    fill(&store).await;
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

#[tokio::test]
async fn a_commit_is_carried_out_though_its_caller_gave_up() {
    let (_folder, path, store) = stored();
    let mut commit = Box::pin(store.commit(vec![Change::InsertConnection(connection("conn_1"))]));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = commit.as_mut().poll(&mut context);
    drop(commit);
    drop(store);
    assert!(stored_connection(&open(&path).unwrap(), "conn_1").await.is_some());
}

#[tokio::test]
async fn a_closed_store_refuses_every_call_but_closing() {
    for store in [stored().2, memory()] {
        fill(&store).await;
        store.close().await.unwrap();
        store.close().await.unwrap();
        let refusals = [
            store.meta().await.err(),
            store.data_keys("default").await.err(),
            store.connection("default", ConnectionKey::Id("conn_1")).await.err(),
            store.connections("default", None, 1).await.err(),
            store.account("default", AccountKey::Id("ca_1")).await.err(),
            store.accounts("default", &AccountFilter::default(), None, 1).await.err(),
            store.flow(FlowKey::Link(b"")).await.err(),
            store.pending_flows("default", "ca_1", at(0)).await.err(),
            store.commit(vec![]).await.err(),
        ];
        for refusal in refusals {
            assert!(matches!(refusal, Some(Error::Closed)), "{refusal:?}");
        }
    }
}

//! What every store promises: the same tests for each of them.

use std::sync::Arc;

use async_trait::async_trait;

use super::*;
use crate::{Error, time::Timestamp};

/// Where a test finds a store of its own, empty at first.
#[async_trait]
pub(super) trait Place: Send + Sync {
    /// Opens the store that is there.
    async fn open(&self) -> Arc<dyn Store>;
}

/// Each promise as a test of a store in `$place`: a [`Place`] for each test, or nothing where there can be none.
macro_rules! keeps_the_contract {
    ($place:expr) => {
        $crate::store::contract::keeps_the_contract! { $place;
            rows_come_back_as_they_were_written
            a_replaced_row_is_the_new_one_in_every_column
            a_commit_is_all_or_nothing
            a_change_against_another_version_conflicts
            what_must_be_unique_conflicts
            a_connection_takes_its_accounts_and_flows_with_it
            an_organization_neither_sees_nor_changes_anothers_rows
            lists_are_ordered_and_continue_after_the_last
            the_newest_data_key_comes_first
            a_key_slot_is_deleted_in_the_version_that_was_read
            of_key_slots_that_are_deleted_for_each_other_one_stays
            flows_count_until_they_are_over_and_are_forgotten_after
            what_nobody_verified_in_time_is_forgotten
            one_of_a_hundred_writers_of_a_version_wins
            a_closed_store_refuses_every_call_but_closing
            a_commit_is_carried_out_though_its_caller_gave_up
            one_of_many_takes_a_lease
            a_credential_and_a_lease_do_not_come_together
            a_lease_is_used_and_let_go_of_by_its_epoch
            lanes_and_what_is_due_are_found_across_organizations
            a_fault_is_postponed_by_one
            what_is_to_be_sent_is_found_when_due_and_forgotten_when_over
            records_are_linked_once_and_by_one
            a_connection_without_accounts_is_one_while_that_is_required
            the_version_changes_when_another_instance_commits
        }
    };
    ($place:expr; $($promise:ident)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $promise() {
            let Some(place) = $place else { return };
            $crate::store::contract::$promise(&place).await;
        }
    )+};
}
pub(super) use keeps_the_contract;

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn connection(id: &str) -> ConnectionRow {
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

pub(super) fn account(id: &str, connection_id: &str) -> AccountRow {
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

pub(super) fn flow(id: &str, account_id: &str) -> FlowRow {
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
pub(super) fn link(id: &str) -> FlowRow {
    FlowRow { held: None, state_hash: None, ..flow(id, "ca_1") }
}

/// Makes `conn_1` with the account `ca_1` and its flow `flow_1`.
pub(super) async fn fill(store: &dyn Store) {
    let changes = vec![
        Change::InsertConnection(connection("conn_1")),
        Change::InsertAccount(account("ca_1", "conn_1")),
        Change::InsertFlow(flow("flow_1", "ca_1")),
    ];
    assert_eq!(store.commit(changes).await.unwrap(), Commit::Applied);
}

pub(super) async fn stored_connection(store: &dyn Store, id: &str) -> Option<ConnectionRow> {
    store.connection("default", ConnectionKey::Id(id)).await.unwrap()
}

pub(super) async fn stored_account(store: &dyn Store, id: &str) -> Option<AccountRow> {
    store.account("default", AccountKey::Id(id)).await.unwrap()
}

pub(super) async fn stored_flow(store: &dyn Store, id: &str) -> Option<FlowRow> {
    store.flow(FlowKey::Id { organization: "default", id }).await.unwrap()
}

pub(super) async fn rows_come_back_as_they_were_written(place: &impl Place) {
    let store = place.open().await;
    let meta = Meta { store_id: "s".into(), key_id: "k".into(), key_check: vec![0, 255], created_at: at(7) };
    let key = DataKeyRow { organization: "default".into(), id: [9; 16], wrapped: vec![0; 80], created_at: at(8) };
    let slots = [KeySlotRow { wrapped: None, ..key_slot("key_2", 8) }, key_slot("key_1", 9)];
    assert_eq!(store.meta().await.unwrap(), None);
    assert_eq!(store.key_slots().await.unwrap(), []);
    let changes = slots.iter().rev().cloned().map(Change::InsertKeySlot);
    let changes = changes.chain([Change::Initialize(meta.clone()), Change::InsertDataKey(key.clone())]).collect();
    assert_eq!(store.commit(changes).await.unwrap(), Commit::Applied);
    fill(&*store).await;
    store.close().await.unwrap();

    let store = place.open().await;
    assert_eq!(store.meta().await.unwrap(), Some(meta));
    assert_eq!(store.key_slots().await.unwrap(), slots);
    assert_eq!(store.data_keys("default").await.unwrap(), [key]);
    let ours = connection("conn_1");
    assert_eq!(store.connection("default", ConnectionKey::Name(&ours.name)).await.unwrap().as_ref(), Some(&ours));
    assert_eq!(stored_connection(&*store, "conn_1").await, Some(ours));
    let ours = account("ca_1", "conn_1");
    let key = AccountKey::Identifier { connection_id: "conn_1", identifier: &ours.identifier };
    assert_eq!(store.account("default", key).await.unwrap().as_ref(), Some(&ours));
    assert_eq!(stored_account(&*store, "ca_1").await, Some(ours));
    let ours = flow("flow_1", "ca_1");
    assert_eq!(store.flow(FlowKey::Link(b"link-flow_1")).await.unwrap().as_ref(), Some(&ours));
    assert_eq!(store.flow(FlowKey::State(b"state-flow_1")).await.unwrap().as_ref(), Some(&ours));
    assert_eq!(store.flow(FlowKey::Nonce(b"")).await.unwrap(), None);
    assert_eq!(stored_flow(&*store, "flow_1").await, Some(ours));
}

pub(super) async fn a_replaced_row_is_the_new_one_in_every_column(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
    let connection = ConnectionRow { enabled: false, secrets: None, version: 2, ..connection("conn_1") };
    let account = AccountRow { credential: None, refresh_at: Some(at(5)), version: 2, ..account("ca_1", "conn_1") };
    let flow = FlowRow { nonce_hash: Some(b"nonce".into()), held: None, version: 2, ..flow("flow_1", "ca_1") };
    let changes = vec![
        Change::ReplaceConnection(connection.clone()),
        Change::ReplaceAccount(account.clone()),
        Change::ReplaceFlow(flow.clone()),
    ];
    assert_eq!(store.commit(changes).await.unwrap(), Commit::Applied);
    assert_eq!(stored_connection(&*store, "conn_1").await, Some(connection));
    assert_eq!(stored_account(&*store, "ca_1").await, Some(account));
    assert_eq!(store.flow(FlowKey::Nonce(b"nonce")).await.unwrap(), Some(flow));
}

pub(super) async fn a_commit_is_all_or_nothing(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
    let changes = vec![
        Change::InsertConnection(connection("conn_2")),
        Change::DeleteAccount { organization: "default".into(), id: "ca_1".into(), version: 1 },
        Change::ReplaceConnection(ConnectionRow { version: 3, ..connection("conn_1") }),
    ];
    assert_eq!(store.commit(changes).await.unwrap(), Commit::Conflict);
    assert_eq!(stored_connection(&*store, "conn_2").await, None);
    assert!(stored_account(&*store, "ca_1").await.is_some());
    assert!(stored_flow(&*store, "flow_1").await.is_some());
}

pub(super) async fn a_change_against_another_version_conflicts(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
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

pub(super) async fn what_must_be_unique_conflicts(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
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

pub(super) async fn a_connection_takes_its_accounts_and_flows_with_it(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
    let deleted = Change::DeleteConnection { organization: "default".into(), id: "conn_1".into(), version: 1 };
    assert_eq!(store.commit(vec![deleted]).await.unwrap(), Commit::Applied);
    assert_eq!(stored_account(&*store, "ca_1").await, None);
    assert_eq!(stored_flow(&*store, "flow_1").await, None);
}

// A73.
pub(super) async fn an_organization_neither_sees_nor_changes_anothers_rows(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
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

pub(super) async fn lists_are_ordered_and_continue_after_the_last(place: &impl Place) {
    let store = place.open().await;
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

/// What a store of the root key `key_1`, made at 7, had to begin with.
pub(super) fn direct_slot() -> KeySlotRow {
    KeySlotRow { kind: "direct".into(), wrapped: None, key_check: vec![0, 255], ..key_slot("key_1", 7) }
}

fn key_slot(id: &str, created_at: i64) -> KeySlotRow {
    KeySlotRow {
        id: id.into(),
        kind: "wrapped".into(),
        wrapped: Some(vec![0, 255]),
        key_check: vec![6; 32],
        created_at: at(created_at),
        version: 1,
    }
}

pub(super) async fn a_key_slot_is_deleted_in_the_version_that_was_read(place: &impl Place) {
    let store = place.open().await;
    let slot = key_slot("key_1", 1);
    let commit = async |change| store.commit(vec![change]).await.unwrap();
    let delete = |id: &str, version| Change::DeleteKeySlot { id: id.into(), version };
    let require = |version| Change::RequireKeySlot { id: "key_1".into(), version };
    assert_eq!(commit(Change::InsertKeySlot(slot.clone())).await, Commit::Applied);
    assert_eq!(commit(Change::InsertKeySlot(KeySlotRow { created_at: at(2), ..slot.clone() })).await, Commit::Conflict);
    for change in [delete("key_1", 0), delete("key_1", 2), delete("key_2", 1), require(0), require(2)] {
        assert_eq!(commit(change.clone()).await, Commit::Conflict, "{change:?}");
    }
    assert_eq!(commit(require(1)).await, Commit::Applied);
    assert_eq!(store.key_slots().await.unwrap(), [slot]);
    assert_eq!(commit(delete("key_1", 1)).await, Commit::Applied);
    assert_eq!(commit(require(1)).await, Commit::Conflict);
    assert_eq!(store.key_slots().await.unwrap(), []);
}

pub(super) async fn of_key_slots_that_are_deleted_for_each_other_one_stays(place: &impl Place) {
    let store = place.open().await;
    let insert = ["key_1", "key_2"].map(|id| Change::InsertKeySlot(key_slot(id, 1)));
    assert_eq!(store.commit(insert.to_vec()).await.unwrap(), Commit::Applied);
    let delete = |kept: &str, id: &str| {
        let version = 1;
        vec![Change::RequireKeySlot { id: kept.into(), version }, Change::DeleteKeySlot { id: id.into(), version }]
    };
    let (first, second) = tokio::join!(store.commit(delete("key_1", "key_2")), store.commit(delete("key_2", "key_1")));
    assert!(first.unwrap() != second.unwrap());
    assert_eq!(store.key_slots().await.unwrap().len(), 1);
}

pub(super) async fn the_newest_data_key_comes_first(place: &impl Place) {
    let store = place.open().await;
    for (id, created) in [(1, 10), (2, 30), (3, 20)] {
        let key = DataKeyRow { organization: "default".into(), id: [id; 16], wrapped: vec![], created_at: at(created) };
        assert_eq!(store.commit(vec![Change::InsertDataKey(key)]).await.unwrap(), Commit::Applied);
    }
    let ids: Vec<_> = store.data_keys("default").await.unwrap().iter().map(|key| key.id[0]).collect();
    assert_eq!(ids, [2, 3, 1]);
}

pub(super) async fn flows_count_until_they_are_over_and_are_forgotten_after(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
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
    assert_eq!(stored_flow(&*store, "flow_1").await, None);
    assert!(stored_flow(&*store, "flow_2").await.is_some());
}

pub(super) async fn what_nobody_verified_in_time_is_forgotten(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
    let returned = |id: &str, end| FlowRow { status: "returned".into(), expires_at: at(end), ..flow(id, "ca_1") };
    let flows = vec![Change::InsertFlow(returned("flow_2", 100)), Change::InsertFlow(returned("flow_3", 300))];
    assert_eq!(store.commit(flows).await.unwrap(), Commit::Applied);
    assert_eq!(store.commit(vec![Change::ForgetUnverified { before: at(200) }]).await.unwrap(), Commit::Applied);
    assert_eq!(stored_flow(&*store, "flow_2").await, None);
    assert!(stored_flow(&*store, "flow_1").await.is_some(), "it waits for no verification");
    assert!(stored_flow(&*store, "flow_3").await.is_some(), "it may still be verified");
}

pub(super) async fn one_of_a_hundred_writers_of_a_version_wins(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
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
        let row = stored_account(&*store, "ca_1").await.unwrap();
        assert_eq!((winners, row.version), (vec![row.facts], version));
    }
}

pub(super) async fn a_closed_store_refuses_every_call_but_closing(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
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

pub(super) async fn a_commit_is_carried_out_though_its_caller_gave_up(place: &impl Place) {
    let store = place.open().await;
    let mut commit = Box::pin(store.commit(vec![Change::InsertConnection(connection("conn_1"))]));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = commit.as_mut().poll(&mut context);
    drop(commit);
    store.close().await.unwrap();
    assert!(stored_connection(&*place.open().await, "conn_1").await.is_some());
}

fn lease(holder: &str, epoch: i64) -> LeaseRow {
    let (organization, account_id) = ("default".into(), "ca_1".into());
    LeaseRow { organization, account_id, holder: holder.into(), epoch, until: at(100), sent: false }
}

fn take(holder: &str, epoch: i64) -> Change {
    Change::TakeLease { lease: lease(holder, epoch), account_version: 1 }
}

pub(super) async fn one_of_many_takes_a_lease(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
    let takers = (0..20).map(|taker| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit(vec![take(&format!("{taker}"), 1)]).await.unwrap() })
    });
    let mut winners = Vec::new();
    for (number, taker) in takers.collect::<Vec<_>>().into_iter().enumerate() {
        if taker.await.unwrap() == Commit::Applied {
            winners.push(number.to_string());
        }
    }
    let holder = store.lease("default", "ca_1").await.unwrap().unwrap().holder;
    assert_eq!(winners, [holder]);
}

pub(super) async fn a_credential_and_a_lease_do_not_come_together(place: &impl Place) {
    let store = place.open().await;
    for number in 0..20 {
        let id = format!("conn_{number}");
        let made = vec![
            Change::InsertConnection(connection(&id)),
            Change::InsertAccount(AccountRow { id: format!("ca_{number}"), ..account("ca_1", &id) }),
        ];
        assert_eq!(store.commit(made).await.unwrap(), Commit::Applied);
        let account_id = format!("ca_{number}");
        let brought = vec![
            Change::RequireNoLease { organization: "default".into(), account_id: account_id.clone() },
            Change::ReplaceAccount(AccountRow { id: account_id.clone(), version: 2, ..account("ca_1", &id) }),
        ];
        let lease = LeaseRow { account_id, ..lease("someone", 1) };
        let taken = vec![Change::TakeLease { lease, account_version: 1 }];
        let (brings, takes) = (Arc::clone(&store), Arc::clone(&store));
        let (brings, takes) = (
            tokio::spawn(async move { brings.commit(brought).await.unwrap() }),
            tokio::spawn(async move { takes.commit(taken).await.unwrap() }),
        );
        let outcomes = [brings.await.unwrap(), takes.await.unwrap()];
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Commit::Applied).count(), 1, "{outcomes:?}");
    }
}

pub(super) async fn a_lease_is_used_and_let_go_of_by_its_epoch(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
    let (organization, account_id) = (|| String::from("default"), || String::from("ca_1"));
    let mark = |epoch, account_version| {
        vec![Change::MarkSent { organization: organization(), account_id: account_id(), epoch, account_version }]
    };
    let release = |epoch| vec![Change::ReleaseLease { organization: organization(), account_id: account_id(), epoch }];
    assert_eq!(store.commit(vec![take("a", 7)]).await.unwrap(), Commit::Applied);
    assert_eq!(store.commit(vec![take("b", 8)]).await.unwrap(), Commit::Conflict);
    assert_eq!(store.commit(mark(6, 1)).await.unwrap(), Commit::Conflict);
    assert_eq!(store.commit(mark(7, 2)).await.unwrap(), Commit::Conflict);
    assert_eq!(store.commit(mark(7, 1)).await.unwrap(), Commit::Applied);
    assert_eq!(store.commit(release(6)).await.unwrap(), Commit::Applied);
    let sent = LeaseRow { sent: true, ..lease("a", 7) };
    assert_eq!(store.lease("default", "ca_1").await.unwrap(), Some(sent));
    assert_eq!(store.lease("other", "ca_1").await.unwrap(), None);
    assert_eq!(store.commit(release(7)).await.unwrap(), Commit::Applied);
    assert_eq!(store.lease("default", "ca_1").await.unwrap(), None);
}

pub(super) async fn lanes_and_what_is_due_are_found_across_organizations(place: &impl Place) {
    let store = place.open().await;
    for organization in ["b", "a"] {
        let own = |id: &str| ConnectionRow { organization: organization.into(), ..connection(id) };
        let due = |id: &str, moment| AccountRow {
            organization: organization.into(),
            refresh_at: moment,
            ..account(id, "conn_1")
        };
        let rows = vec![
            Change::InsertConnection(own("conn_1")),
            Change::InsertConnection(own("conn_2")),
            Change::InsertAccount(due("ca_1", Some(at(30)))),
            Change::InsertAccount(due("ca_2", Some(at(20)))),
            Change::InsertAccount(due("ca_3", None)),
        ];
        assert_eq!(store.commit(rows).await.unwrap(), Commit::Applied);
    }
    let lanes = store.lanes(None, 9).await.unwrap();
    let seen: Vec<_> = lanes.iter().map(|lane| (&*lane.organization, &*lane.connection_id, lane.first)).collect();
    let (first, none) = (Some(at(20)), None);
    let all = [("a", "conn_1", first), ("a", "conn_2", none), ("b", "conn_1", first), ("b", "conn_2", none)];
    assert_eq!(seen, all);
    assert_eq!(store.lanes(Some(("a", "conn_1")), 2).await.unwrap(), lanes[1..3]);
    let due = store.due("b", "conn_1", at(25), 9).await.unwrap();
    assert_eq!(due, [DueRow { account_id: "ca_2".into(), refresh_at: at(20) }]);
    assert_eq!(store.due("b", "conn_1", at(30), 1).await.unwrap(), due);
}

pub(super) async fn a_fault_is_postponed_by_one(place: &impl Place) {
    let store = place.open().await;
    fill(&*store).await;
    let (organization, connection_id) = (|| String::from("default"), || String::from("conn_1"));
    let fault = FaultRow {
        organization: organization(),
        connection_id: connection_id(),
        connection_version: 1,
        error: "invalid_client".into(),
        since: at(1),
        failures: u32::MAX,
        next_try: at(10),
    };
    let postpone = |from, to| {
        let (organization, connection_id) = (organization(), connection_id());
        vec![Change::PostponeFault { organization, connection_id, from: at(from), to: at(to) }]
    };
    assert_eq!(store.commit(postpone(10, 20)).await.unwrap(), Commit::Conflict);
    for failures in [1, u32::MAX] {
        let set = Change::SetFault(FaultRow { failures, ..fault.clone() });
        assert_eq!(store.commit(vec![set]).await.unwrap(), Commit::Applied);
    }
    assert_eq!(store.fault("default", "conn_1").await.unwrap(), Some(fault));
    assert_eq!(store.commit(postpone(10, 20)).await.unwrap(), Commit::Applied);
    assert_eq!(store.commit(postpone(10, 30)).await.unwrap(), Commit::Conflict);
    let clear = Change::ClearFault { organization: organization(), connection_id: connection_id() };
    assert_eq!(store.commit(vec![clear]).await.unwrap(), Commit::Applied);
    assert_eq!(store.fault("default", "conn_1").await.unwrap(), None);
}

pub(super) async fn the_version_changes_when_another_instance_commits(place: &impl Place) {
    let (first, second) = (place.open().await, place.open().await);
    let before = second.version().await.unwrap();
    fill(&*first).await;
    assert!(second.version().await.unwrap() != before);
}

pub(super) fn record(id: &str, organization: &str) -> RecordRow {
    RecordRow {
        organization: organization.into(),
        id: id.into(),
        action: "link.created".into(),
        facts: "{}".into(),
        at: at(1),
        number: None,
        link: None,
        mac: vec![8; 32],
    }
}

pub(super) async fn records_are_linked_once_and_by_one(place: &dyn Place) {
    let store = place.open().await;
    let add = |id: &str, organization: &str| Change::InsertRecord { row: record(id, organization), durable: true };
    let link = |id: &str, organization: &str, number| Change::LinkRecord {
        organization: organization.into(),
        id: id.into(),
        number,
        link: vec![9; 32],
    };
    let head = |number, version| {
        Change::MoveRecordsHead(RecordsHeadRow { number, link: vec![9; 32], version, mac: vec![7; 32] })
    };
    let commit = async |changes| store.commit(changes).await.unwrap();
    let ids = |rows: Vec<RecordRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(store.records_head().await.unwrap(), None);
    assert_eq!(commit(vec![add("rec_2", "one"), add("rec_1", "two"), add("rec_3", "one")]).await, Commit::Applied);
    assert_eq!(commit(vec![add("rec_2", "one")]).await, Commit::Conflict);
    assert_eq!(ids(store.records_unlinked(2).await.unwrap()), ["rec_1", "rec_2"]);
    assert_eq!(store.records_unlinked(9).await.unwrap()[0], record("rec_1", "two"));
    assert!(store.chain(0, 9).await.unwrap().is_empty());
    let first = vec![head(2, 1), link("rec_1", "two", 1), link("rec_2", "one", 2)];
    assert_eq!(commit(first.clone()).await, Commit::Applied);
    // Whoever comes second has seen another end.
    assert_eq!(commit(first).await, Commit::Conflict);
    assert_eq!(commit(vec![head(3, 2), link("rec_2", "one", 3)]).await, Commit::Conflict, "it has its place");
    assert_eq!(commit(vec![head(3, 3), link("rec_3", "one", 3)]).await, Commit::Conflict);
    assert_eq!(commit(vec![head(3, 2), link("rec_3", "two", 3)]).await, Commit::Conflict, "it is another's");
    assert_eq!(commit(vec![head(3, 2), link("rec_3", "one", 2)]).await, Commit::Conflict, "the place is taken");
    assert_eq!(commit(vec![head(3, 2), link("rec_3", "one", 3)]).await, Commit::Applied);
    assert!(store.records_unlinked(9).await.unwrap().is_empty());
    assert_eq!(ids(store.chain(1, 9).await.unwrap()), ["rec_2", "rec_3"]);
    assert_eq!(ids(store.chain(0, 1).await.unwrap()), ["rec_1"]);
    assert_eq!(ids(store.records("one", 0, 9).await.unwrap()), ["rec_2", "rec_3"]);
    assert_eq!(ids(store.records("one", 2, 9).await.unwrap()), ["rec_3"]);
    assert_eq!(ids(store.records("two", 0, 9).await.unwrap()), ["rec_1"]);
    let last = store.records_head().await.unwrap().unwrap();
    assert_eq!((last.number, last.version), (3, 2));
    let linked = RecordRow { number: Some(1), link: Some(vec![9; 32]), ..record("rec_1", "two") };
    assert_eq!(store.records("two", 0, 1).await.unwrap(), [linked]);
}

pub(super) fn message(id: &str, organization: &str, next_try: Option<i64>) -> OutboxRow {
    OutboxRow {
        organization: organization.into(),
        id: id.into(),
        kind: "revocation".into(),
        connection_id: "conn_1".into(),
        account_id: "ca_1".into(),
        status: "pending".into(),
        facts: "{}".into(),
        held: Some(b"\0sealed".to_vec()),
        next_try: next_try.map(at),
        created_at: at(1),
        updated_at: at(2),
        version: 1,
        mac: vec![3; 32],
    }
}

pub(super) async fn what_is_to_be_sent_is_found_when_due_and_forgotten_when_over(place: &impl Place) {
    let store = place.open().await;
    let all = [
        message("rev_1", "default", Some(30)),
        message("rev_2", "other", Some(10)),
        message("rev_3", "default", Some(20)),
        message("rev_4", "default", None),
    ];
    for row in &all {
        assert_eq!(store.commit(vec![Change::InsertOutbox(row.clone())]).await.unwrap(), Commit::Applied);
    }
    // The earliest first, whosever they are, and none that is over or not due yet.
    let ids = |rows: Vec<OutboxRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let due = async |now: i64, after, limit| store.outbox_due("revocation", at(now), after, limit).await.unwrap();
    assert_eq!(due(29, None, 10).await, [all[1].clone(), all[2].clone()]);
    assert_eq!(ids(due(30, None, 1).await), ["rev_2"]);
    assert_eq!(ids(due(30, Some((at(10), "other", "rev_2")), 10).await), ["rev_3", "rev_1"]);
    assert_eq!(store.outbox_due("another", at(30), None, 10).await.unwrap(), []);
    // One organization's, in pages.
    assert_eq!(ids(store.outbox("default", "revocation", None, 2).await.unwrap()), ["rev_1", "rev_3"]);
    assert_eq!(ids(store.outbox("default", "revocation", Some("rev_3"), 2).await.unwrap()), ["rev_4"]);
    assert_eq!(store.outbox("default", "another", None, 2).await.unwrap(), []);
    // Of two who take the same, one has it.
    let taken = OutboxRow { next_try: None, held: None, version: 2, updated_at: at(5), ..all[1].clone() };
    assert_eq!(store.commit(vec![Change::ReplaceOutbox(taken.clone())]).await.unwrap(), Commit::Applied);
    assert_eq!(store.commit(vec![Change::ReplaceOutbox(taken.clone())]).await.unwrap(), Commit::Conflict);
    // Only what is over is forgotten, and not before its time.
    assert_eq!(store.commit(vec![Change::ForgetOutbox { before: at(5) }]).await.unwrap(), Commit::Applied);
    assert_eq!(store.outbox("other", "revocation", None, 2).await.unwrap(), [taken]);
    assert_eq!(ids(store.outbox("default", "revocation", None, 9).await.unwrap()), ["rev_1", "rev_3"]);
}

pub(super) async fn a_connection_without_accounts_is_one_while_that_is_required(place: &impl Place) {
    let store = place.open().await;
    let require = || Change::RequireNoAccounts { organization: "default".into(), connection_id: "conn_1".into() };
    let insert = |change| vec![Change::InsertConnection(connection("conn_1")), change];
    assert_eq!(store.commit(insert(require())).await.unwrap(), Commit::Applied);
    let with = Change::InsertAccount(account("ca_1", "conn_1"));
    assert_eq!(store.commit(vec![with]).await.unwrap(), Commit::Applied);
    assert_eq!(store.commit(vec![require()]).await.unwrap(), Commit::Conflict);
    let without = Change::DeleteAccount { organization: "default".into(), id: "ca_1".into(), version: 1 };
    assert_eq!(store.commit(vec![without, require()]).await.unwrap(), Commit::Applied);
}

//! The second wall between organizations: what a session sees whose statements forget them.

use super::*;
use crate::store::contract::{message, record};

const TABLES: [&str; 8] = ["data_keys", "connections", "accounts", "flows", "leases", "faults", "outbox", "records"];

// A73.
#[tokio::test]
async fn every_table_of_organizations_is_behind_the_wall() {
    let Some(schema) = Schema::new() else { return };
    schema.store().await;
    let other = schema.another_program().await;
    let found = "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization'
        WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace($1) ORDER BY 1";
    let rows = other.query(found, &[&schema.0.schema]).await.unwrap();
    let mut tables = TABLES;
    tables.sort_unstable();
    assert_eq!(rows.iter().map(|row| row.get::<_, &str>(0)).collect::<Vec<_>>(), tables);
    assert!(rows.iter().all(|row| row.get(1)));
}

// A73.
#[tokio::test]
async fn who_names_no_organization_sees_and_writes_nothing() {
    let Some(schema) = Schema::new() else { return };
    fill(&schema.store().await).await;
    let other = schema.another_program().await;
    let superuser = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    assert!(!other.query_one(superuser, &[]).await.unwrap().get::<_, bool>(0), "no wall stops this role");
    for setting in ["", "SET onbehalf.organization = 'other'", "SET onbehalf.across = 'other'"] {
        other.batch_execute(setting).await.unwrap();
        for table in TABLES {
            let rows = other.query(&format!("SELECT * FROM {table}"), &[]).await.unwrap();
            assert!(rows.is_empty(), "{table}, {setting}");
            assert_eq!(other.execute(&format!("DELETE FROM {table}"), &[]).await.unwrap(), 0, "{table}");
        }
    }
    let moved = "INSERT INTO connections SELECT 'default', 'conn_2', 'x', 'x', TRUE, '', NULL, 0, 0, 1, ''";
    assert_eq!(other.execute(moved, &[]).await.unwrap_err().code().unwrap().code(), "42501");
    other.batch_execute("SET onbehalf.organization = 'default'").await.unwrap();
    assert_eq!(other.query("SELECT * FROM accounts", &[]).await.unwrap().len(), 1);
}

// A73: each way across organizations shows what it is for, and lets nothing be written.
#[tokio::test]
async fn the_ways_across_organizations_are_narrow() {
    let Some(schema) = Schema::new() else { return };
    let store = schema.store().await;
    fill(&store).await;
    let left = Change::InsertOutbox(message("rev_1", "default", Some(10)));
    let told = Change::InsertRecord { row: record("rec_1", "default"), durable: false };
    assert_eq!(store.commit(vec![left, told]).await.unwrap(), Commit::Applied);
    let other = schema.another_program().await;
    let hash = HEXLOWER.encode(b"link-flow_1");
    for (word, seen) in [
        ("lanes", vec!["connections", "accounts"]),
        ("forget", vec!["flows", "outbox"]),
        ("due", vec!["outbox"]),
        ("chain", vec!["records"]),
        (&*hash, vec!["flows"]),
    ] {
        other.batch_execute(&format!("SET onbehalf.across = '{word}'")).await.unwrap();
        for table in TABLES {
            let found = other.query(&format!("SELECT * FROM {table}"), &[]).await.unwrap().len();
            assert_eq!(found, usize::from(seen.contains(&table)), "{table} by {word}");
            let written = other.execute(&format!("UPDATE {table} SET organization = 'other'"), &[]).await.unwrap();
            assert_eq!(written, 0, "{table} by {word}");
        }
        for table in ["connections", "accounts"] {
            assert_eq!(other.execute(&format!("DELETE FROM {table}"), &[]).await.unwrap(), 0, "{table} by {word}");
        }
    }
}

#[tokio::test]
async fn texts_are_ordered_byte_by_byte() {
    let Some(schema) = Schema::new() else { return };
    let store = schema.store().await;
    for name in ["b", "B", "_", "a", "é"] {
        let row = ConnectionRow { name: name.into(), ..connection(&format!("conn_{name}")) };
        assert_eq!(store.commit(vec![Change::InsertConnection(row)]).await.unwrap(), Commit::Applied);
    }
    let rows = store.connections("default", None, 9).await.unwrap();
    assert_eq!(rows.iter().map(|row| &*row.name).collect::<Vec<_>>(), ["B", "_", "a", "b", "é"]);
}

//! Opening: what is made, what is refused, and that a refused one stays as it was.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_make_a_store_at_once_make_one() {
    let Some(schema) = Schema::new() else { return };
    let opening = (0..8).map(|_| {
        let address = schema.0.clone();
        tokio::spawn(async move { PostgresStore::open(&address).await.unwrap() })
    });
    for store in opening.collect::<Vec<_>>() {
        drop(store.await.unwrap());
    }
    fill(&schema.store().await).await;
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_kept() {
    let Some(schema) = Schema::new() else { return };
    fill(&schema.store().await).await;
    let other = schema.another_program().await;
    let newer = i64::from(schema::KNOWN) + 1;
    other.execute("INSERT INTO migrations VALUES ($1)", &[&newer]).await.unwrap();
    assert_eq!(PostgresStore::open(&schema.0).await.unwrap_err().code(), "STORE_TOO_NEW");
    other.execute("DELETE FROM migrations WHERE version = $1", &[&newer]).await.unwrap();
    let store = schema.store().await;
    assert!(store.account("default", AccountKey::Id("ca_1")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_store_that_is_older_than_key_slots_opens_with_its_root_key() {
    let Some(schema) = Schema::new() else { return };
    let meta = Meta { store_id: "s".into(), key_id: "key_1".into(), key_check: vec![0, 255], created_at: at(7) };
    assert_eq!(schema.store().await.commit(vec![Change::Initialize(meta)]).await.unwrap(), Commit::Applied);
    let older = "DROP TABLE key_slots, records, records_head; DELETE FROM migrations WHERE version > 4";
    schema.another_program().await.batch_execute(older).await.unwrap();
    assert_eq!(schema.store().await.key_slots().await.unwrap(), [direct_slot()]);
}

#[tokio::test]
async fn a_schema_with_other_tables_is_refused_and_kept() {
    let Some(schema) = Schema::new() else { return };
    let other = schema.another_program().await;
    let foreign = format!("CREATE SCHEMA {0}; CREATE TABLE {0}.accounts (CANARY TEXT)", schema.0.schema);
    other.batch_execute(&foreign).await.unwrap();
    let error = PostgresStore::open(&schema.0).await.unwrap_err();
    assert_eq!(error.code(), "STORE_CORRUPT");
    assert!(!error.to_string().contains("CANARY"));
    let count = "SELECT count(*) FROM pg_tables WHERE schemaname = $1";
    assert_eq!(other.query_one(count, &[&schema.0.schema]).await.unwrap().get::<_, i64>(0), 1);
}

// F15, F43.
#[tokio::test]
async fn a_server_that_takes_no_writes_is_refused() {
    let Some(url) = url() else { return };
    let read_only = format!("{url}&options=-c%20default_transaction_read_only%3Don");
    let error = PostgresStore::open(&Address::parse(&read_only).unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "STORE_READ_ONLY");
}

// A61.
#[tokio::test]
async fn who_is_refused_is_told_without_the_password() {
    let Some(url) = url() else { return };
    let mut url: url::Url = url.parse().unwrap();
    url.set_password(Some("CANARY")).unwrap();
    let error = PostgresStore::open(&Address::parse(url.as_str()).unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "STORE_FAILED");
    url.set_path("/CANARY");
    let error = format!("{error:?} {error} {:?}", PostgresStore::open(&Address::parse(url.as_str()).unwrap()).await);
    assert!(!error.contains("CANARY"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_can_be_tried_again() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = Address::parse(&format!("postgres://user:CANARY@{free}/database")).unwrap();
    let error = PostgresStore::open(&address).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("STORE_UNREACHABLE", true));
    assert!(!format!("{error:?}").contains("CANARY"));
}

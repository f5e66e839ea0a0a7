//! The schema, and how it came to be: migrations in order, all in one transaction, of which one process at a time makes
//! its own.

use futures_util::future::join;

use super::{
    server::{self, Scope, Server},
    sql,
    value::Value,
};
use crate::{Error, Result};

/// Every migration there has been, in order; the schema's version is how many of them a database has seen. One that was
/// released is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_rows.sql"),
    include_str!("../migrations/0002_leases.sql"),
    include_str!("../migrations/0003_outbox.sql"),
    include_str!("../migrations/0004_walls.postgres.sql"),
    include_str!("../migrations/0005_key_slots.sql"),
    include_str!("../migrations/0006_records.sql"),
    include_str!("../migrations/0007_walls_of_records.postgres.sql"),
];

/// The version of the schema that this code reads and writes.
pub(super) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// Brings the schema to today's version. One that is there already is only looked at, so that a role which may not
/// change it can open the store.
pub(super) async fn migrate(server: &Server) -> Result<()> {
    let look = server.ask(sql::FIND_TABLE, &[Value::Text(&format!("{}.migrations", server.schema()))]).await?;
    let is_there: bool = look.try_get(0).unwrap_or_default();
    if is_there {
        let rows = server.read(Scope::Nobody, sql::SCHEMA_VERSION, &[]).await?;
        let found = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok()).unwrap_or_default();
        if check(found, server.shown())? == KNOWN {
            return Ok(());
        }
    }
    let connection = server.connection().await?;
    let done = make(connection.client(), server).await;
    // A transaction that was refused is still there.
    connection.end();
    done
}

/// Makes what is missing, in one transaction that nobody else makes at the same time.
async fn make(client: &tokio_postgres::Client, server: &Server) -> Result<()> {
    let refused = |refusal: tokio_postgres::Error| server.meaning(&refusal);
    // `schema` is made of letters, digits and `_` alone.
    let create = format!("CREATE SCHEMA IF NOT EXISTS {}", server.schema());
    let lock = [Value::Text(server.schema())];
    let (begun, locked) = join(client.batch_execute(sql::BEGIN), server::rows(client, sql::LOCK_SCHEMA, &lock)).await;
    begun.and(locked).map_err(refused)?;
    // Asked first, since a role that may not make a schema may be given one.
    let found = server::rows(client, sql::FIND_SCHEMA, &lock).await.map_err(refused)?;
    if !found.first().is_some_and(|row| row.try_get::<_, bool>(0).unwrap_or_default()) {
        client.batch_execute(&create).await.map_err(refused)?;
    }
    server::settle(client, server.schema(), Scope::Nobody).await.map_err(refused)?;
    client.batch_execute(sql::CREATE_MIGRATIONS).await.map_err(refused)?;
    let rows = server::rows(client, sql::SCHEMA_VERSION, &[]).await.map_err(refused)?;
    let found = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok()).unwrap_or_default();
    let found = check(found, server.shown())?;
    for (version, migration) in (1..=KNOWN).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        client.batch_execute(&in_bytewise_order(migration)).await.map_err(refused)?;
        server::changed(client, sql::INSERT_MIGRATION, &[version.into()]).await.map_err(refused)?;
    }
    client.batch_execute(sql::COMMIT).await.map_err(refused)
}

/// Texts compare byte by byte, as SQLite's do: pages continue where they ended, whatever language the database was made
/// for, and no update of the system's collations disorders an index.
fn in_bytewise_order(migration: &str) -> String {
    migration.replace(" TEXT", " TEXT COLLATE \"C\"")
}

fn check(found: i64, shown: &str) -> Result<u32> {
    match u32::try_from(found) {
        Ok(found) if found <= KNOWN => Ok(found),
        Ok(found) => Err(Error::StoreTooNew { path: shown.into(), found, known: KNOWN }),
        Err(_) => Err(Error::StoreCorrupt { path: shown.into() }),
    }
}

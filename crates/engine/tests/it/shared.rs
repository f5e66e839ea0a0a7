//! The store that the worlds of these tests have: SQLite, or PostgreSQL where `ONBEHALF_TEST_STORE` says so, on the server
//! that `ONBEHALF_TEST_POSTGRES` names. Each world, and each folder, has a schema of its own there.

use std::{path::Path, sync::Arc};

use onbehalf_engine::{
    Result,
    random::{Random, SystemRandom},
    store::{
        Store,
        journal::{Entry, Journal},
        postgres::PostgresStore,
        sqlite::{BUSY_TIMEOUT, Location, SqliteStore},
    },
    time::ManualClock,
};

use crate::network::{address, on_postgres, there};

/// A store that nobody else has.
pub(crate) async fn fresh() -> Result<Arc<dyn Store>> {
    if !on_postgres() {
        return Ok(Arc::new(SqliteStore::open(Location::Memory)?));
    }
    let random: [u8; 12] = (&SystemRandom as &dyn Random).bytes()?;
    Ok(Arc::new(there(PostgresStore::open(&address(&random))).await?))
}

/// The store of a folder, whose leases are on a test's clock.
pub(crate) async fn of_folder(folder: &Path, clock: Arc<ManualClock>) -> Result<Arc<dyn Store>> {
    if !on_postgres() {
        let location = Location::File(folder.join("store.db"));
        return Ok(Arc::new(SqliteStore::open_with(location, BUSY_TIMEOUT, clock)?));
    }
    let name = folder.file_name().unwrap().as_encoded_bytes();
    Ok(Arc::new(there(PostgresStore::open_with(&address(name), clock)).await?))
}

/// A new instance's journal in a folder, and what those that are gone left.
pub(crate) fn journal_of(folder: &Path) -> Result<(Journal, Vec<Entry>)> {
    let path = folder.join("store.db");
    if on_postgres() { Journal::open_apart(&path, &SystemRandom) } else { Journal::open(&path, &SystemRandom) }
}

//! The store that the worlds of these tests have: SQLite, or PostgreSQL where `ONBEHALF_TEST_STORE` says so, on the server
//! that `ONBEHALF_TEST_POSTGRES` names. Each world, and each folder, has a schema of its own there.

use std::{
    future::poll_fn,
    path::Path,
    pin::pin,
    sync::{Arc, LazyLock, mpsc},
};

use onbehalf_engine::{
    Result,
    random::{Random, SystemRandom},
    store::{
        Store,
        journal::{Entry, Journal},
        postgres::{Address, PostgresStore},
        sqlite::{BUSY_TIMEOUT, Location, SqliteStore},
    },
    time::ManualClock,
};
use tokio::runtime::Runtime;

/// Where PostgreSQL's connections live: what a test does to its own runtime, a clock that stands or an end, is no
/// network's doing.
static NETWORK: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Whether these tests run on PostgreSQL.
pub(crate) fn on_postgres() -> bool {
    std::env::var_os("ONBEHALF_TEST_STORE").is_some_and(|store| store == "postgres")
}

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

/// A schema by the bytes of its name. A small pool: many worlds share the server.
fn address(name: &[u8]) -> Address {
    let server = std::env::var_os("ONBEHALF_TEST_POSTGRES").expect("ONBEHALF_TEST_POSTGRES names the tests' server");
    let server = server.into_string().unwrap();
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    let with = if server.contains('?') { '&' } else { '?' };
    Address::parse(&format!("{server}{with}schema=world_{name}&pool_size=4")).unwrap()
}

/// Asks a store. Of PostgreSQL's, timers and connections are those of [`NETWORK`], and as long as a call lasts, a clock
/// that a test has paused stands still: tokio winds it on only while no blocking task is there.
pub(crate) async fn there<T>(call: impl Future<Output = T>) -> T {
    if !on_postgres() {
        return call.await;
    }
    let (_under_way, ends) = mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || ends.recv());
    let mut call = pin!(call);
    poll_fn(|context| {
        let _entered = NETWORK.enter();
        call.as_mut().poll(context)
    })
    .await
}

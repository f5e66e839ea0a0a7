//! The schema's versions: how a database is known to be ours, and how an older one becomes today's.

use rusqlite::{Connection, TransactionBehavior};

use super::failure::meaning;
use crate::{Error, Result};

/// What SQLite calls the application id: "obhf", so that `file` and a human can tell whose database this is.
pub(super) const APPLICATION_ID: u32 = u32::from_be_bytes(*b"obhf");

/// Every migration there has been, in order; the schema's version is how many of them a database has seen. One that was
/// released is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_rows.sql"),
    include_str!("../migrations/0002_leases.sql"),
    include_str!("../migrations/0003_outbox.sql"),
    include_str!("../migrations/0005_key_slots.sql"),
    include_str!("../migrations/0006_records.sql"),
];

/// The version of the schema that this code reads and writes.
pub(super) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// Refuses a database that is neither empty nor ours, or that a newer version wrote.
pub(super) fn check_found(connection: &Connection, path: &str) -> Result<()> {
    let number = |name: &str| number(connection, name, path);
    if number("page_count")? == 0 {
        return Ok(());
    }
    if number("application_id")? != APPLICATION_ID {
        return Err(Error::StoreCorrupt { path: path.into() });
    }
    check_version(number("user_version")?, path)
}

/// Marks an empty database as ours. It happens before anything else is written, so that a killed first start leaves
/// either an empty file or one that [`check_found`] knows.
pub(super) fn claim(connection: &Connection, path: &str) -> Result<()> {
    check_found(connection, path)?;
    if number(connection, "page_count", path)? == 0 {
        let claimed = connection.pragma_update(None, "application_id", APPLICATION_ID);
        return claimed.map_err(|refusal| meaning(&refusal, path));
    }
    Ok(())
}

/// Brings the schema to today's version, one migration and one transaction at a time.
pub(super) fn migrate(connection: &mut Connection, path: &str) -> Result<()> {
    let found = number(connection, "user_version", path)?;
    let missing = (1..=KNOWN).zip(MIGRATIONS).filter(|(version, _)| *version > found);
    for (version, migration) in missing {
        step(connection, version, migration).map_err(|refusal| meaning(&refusal, path))?;
    }
    Ok(())
}

fn step(connection: &mut Connection, version: u32, migration: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(migration)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}

/// A number in the database's header.
fn number(connection: &Connection, name: &str, path: &str) -> Result<u32> {
    let number = connection.pragma_query_value(None, name, |row| row.get(0));
    number.map_err(|refusal| meaning(&refusal, path))
}

fn check_version(found: u32, path: &str) -> Result<()> {
    if found > KNOWN {
        return Err(Error::StoreTooNew { path: path.into(), found, known: KNOWN });
    }
    Ok(())
}

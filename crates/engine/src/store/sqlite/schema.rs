//! The schema's versions: how a database is known to be ours, and how an older one becomes today's.

use std::{fs::File, io::Read as _, path::Path};

use rusqlite::{Connection, TransactionBehavior};

use super::failure::meaning;
use crate::{Error, Result, store::files};

/// What SQLite calls the application id: "obhf", so that `file` and a human can tell whose database this is.
pub(super) const APPLICATION_ID: u32 = u32::from_be_bytes(*b"obhf");

/// Every migration there has been, in order; the schema's version is how many of them a database has seen. One that was
/// released is never changed.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001_rows.sql")];

/// The version of the schema that this code reads and writes.
pub(super) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// Refuses a file that is neither empty nor ours, from its first 100 bytes, before SQLite is let near it.
///
/// SQLite may write to any database that it opens (it finishes what a killed program began), and what isn't ours must
/// stay as it is. Layout: <https://www.sqlite.org/fileformat2.html#the_database_header>.
pub(super) fn check_header(mut file: &File, path: &Path) -> Result<()> {
    let mut header = [0; 100];
    let mut length = 0;
    while length < header.len() {
        match file.read(&mut header[length..]).map_err(|error| files::failure(&error, path))? {
            0 => break,
            read => length += read,
        }
    }
    if length == 0 {
        return Ok(());
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let ours = header.starts_with(b"SQLite format 3\0") && number(68) == APPLICATION_ID;
    if length < header.len() || !ours {
        return Err(Error::StoreCorrupt { path: path.display().to_string() });
    }
    check_version(number(60), &path.display().to_string())
}

/// Marks an empty database as ours. It happens before anything else is written, so that a killed first start leaves
/// either an empty file or one that [`check_header`] knows.
pub(super) fn claim(connection: &Connection, path: &str) -> Result<()> {
    let meaning = |refusal| meaning(&refusal, path);
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    if number("page_count").map_err(meaning)? == 0 {
        return connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(meaning);
    }
    if number("application_id").map_err(meaning)? != APPLICATION_ID {
        return Err(Error::StoreCorrupt { path: path.into() });
    }
    Ok(())
}

/// Brings the schema to today's version, one migration and one transaction at a time.
pub(super) fn migrate(connection: &mut Connection, path: &str) -> Result<()> {
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let found = found.map_err(|refusal| meaning(&refusal, path))?;
    check_version(found, path)?;
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

fn check_version(found: u32, path: &str) -> Result<()> {
    if found > KNOWN {
        return Err(Error::StoreTooNew { path: path.into(), found, known: KNOWN });
    }
    Ok(())
}

//! Opening a database, so that whatever is found there is kept: first the right to do so, then a look that cannot write,
//! and only then a connection that can.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, MAIN_DB, OpenFlags, config::DbConfig};
use url::Url;

use super::{
    failure::meaning,
    schema::{check_found, claim, migrate},
};
use crate::{
    Error, Result,
    store::files::{self, Opening},
};

/// The first SQLite without the WAL-reset bug, which can corrupt a database that several connections use.
const OLDEST_SQLITE: i32 = 3_051_003;

/// The bytes of the smallest database: its header.
const SMALLEST: u64 = 100;

/// How many connections read a file at the same time.
const READERS: usize = 4;

/// More than there are statements, so that each is prepared once a connection; lists vary theirs.
const CACHED_STATEMENTS: usize = 64;

/// What every connection is told.
///
/// FULL makes a commit survive a loss of power (see [`super::apply`]). `secure_delete` overwrites what was deleted. `trusted_schema` and
/// `cell_size_check` keep a doctored file from running functions or misleading the reader. Sorting stays out of files
/// that nobody guards.
const SETTINGS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA secure_delete = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_size_limit = 4194304;
";

/// A database that is ours, of today's schema, with the one connection that writes.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) writer: Connection,
    /// None in memory, where the writing connection serves reads as well.
    pub(super) readers: Vec<Connection>,
    /// For errors.
    pub(super) path: String,
}

/// Opens the database in the file `path`, and makes it where there is none.
pub(super) fn open_file(path: &Path, busy_timeout: Duration) -> Result<Opened> {
    require_version(rusqlite::version_number())?;
    let path = files::resolve(path)?;
    let _opening = Opening::take(&path, busy_timeout)?;
    files::create_private(&path)?;
    look_at(&path)?;
    for suffix in ["", "-wal", "-shm"] {
        files::make_private(&files::sibling(&path, suffix))?;
    }
    let shown = path.display().to_string();
    let writer = open_writer(&path, &shown, busy_timeout)?;
    let readers = (0..READERS).map(|_| connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY, busy_timeout));
    let readers = readers.collect::<rusqlite::Result<_>>().map_err(|refusal| meaning(&refusal, &shown))?;
    Ok(Opened { writer, readers, path: shown })
}

/// Opens a database that ends with the process.
pub(super) fn open_memory() -> Result<Opened> {
    require_version(rusqlite::version_number())?;
    let path = String::from(":memory:");
    let open =
        Connection::open_in_memory().and_then(|connection| set_up(&connection, Duration::ZERO).map(|()| connection));
    let mut writer = open.map_err(|refusal| meaning(&refusal, &path))?;
    claim(&writer, &path)?;
    migrate(&mut writer, &path)?;
    Ok(Opened { writer, readers: Vec::new(), path })
}

/// Refuses a database that is not ours before a connection that can write is let near it.
///
/// SQLite may write to any database that it opens (it finishes what a killed program began), unless it is told that the
/// file never changes. Looking at the file without SQLite is no way either: POSIX locks belong to the process, so that
/// closing it would release those of another instance here (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
///
/// It takes no lock either, so it may meet a checkpoint half-way, when the header counts pages that the file has not yet
/// got: SQLite takes that for damage, unless `writable_schema` says that somebody is mending it. What is looked for
/// stands in the header from the first moment on.
fn look_at(path: &Path) -> Result<()> {
    let shown = path.display().to_string();
    let mut uri = Url::from_file_path(path).map_err(|()| Error::invalid("store", "must be the path of a file"))?;
    uri.set_query(Some("immutable=1"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let found = Connection::open_with_flags(uri.as_str(), flags).map_err(|refusal| meaning(&refusal, &shown))?;
    let length = std::fs::metadata(path).map_err(|error| files::failure(&error, path))?.len();
    if 0 < length && length < SMALLEST {
        // SQLite takes it for an empty one.
        return Err(Error::StoreCorrupt { path: shown });
    }
    found.execute_batch("PRAGMA writable_schema = ON").map_err(|refusal| meaning(&refusal, &shown))?;
    check_found(&found, &shown)
}

fn open_writer(path: &Path, shown: &str, busy_timeout: Duration) -> Result<Connection> {
    let meaning = |refusal| meaning(&refusal, shown);
    let mut writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, busy_timeout).map_err(meaning)?;
    // SQLite makes do with reading where it may not write.
    if writer.is_readonly(MAIN_DB).map_err(meaning)? {
        return Err(Error::StoreReadOnly { path: shown.into() });
    }
    // Until the database is known to be ours, closing it must not move the write-ahead log into it.
    let keep_log = |connection: &Connection, keep| {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(drop)
    };
    keep_log(&writer, true).map_err(meaning)?;
    claim(&writer, shown)?;
    let mode = writer.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
    if mode.map_err(meaning)? != "wal" {
        return Err(Error::StoreFailed { reason: "the file system cannot share memory between processes".into() });
    }
    migrate(&mut writer, shown)?;
    keep_log(&writer, false).map_err(meaning)?;
    Ok(writer)
}

/// A connection to an existing file. Where the path is a link, SQLite refuses it as [`files::open_private`] does.
fn connect(path: &Path, access: OpenFlags, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection, busy_timeout)?;
    Ok(connection)
}

fn set_up(connection: &Connection, busy_timeout: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.execute_batch(SETTINGS)
}

fn require_version(found: i32) -> Result<()> {
    if found < OLDEST_SQLITE {
        return Err(Error::StoreFailed { reason: "this SQLite is older than 3.51.3, which can damage a store".into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // E12, F19.
    #[test]
    fn an_sqlite_with_the_wal_reset_bug_is_refused() {
        assert_eq!(require_version(3_051_002).unwrap_err().code(), "STORE_FAILED");
        require_version(3_051_003).unwrap();
        require_version(rusqlite::version_number()).unwrap();
    }
}

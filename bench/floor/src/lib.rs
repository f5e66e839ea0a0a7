//! Floors: what the least imaginable addon over SQLite takes for a call that does nothing, for the rows that a call
//! reads, and for the row that a link writes. The reads and writes are timed here, where no call surrounds them.

use std::time::Instant;

use napi::{Env, Error, Result, Unknown, bindgen_prelude::PromiseRaw};
use napi_derive::napi;
use rusqlite::{Connection, Row, TransactionBehavior, params, types::Value};

/// Takes options, reads none of them, and resolves with nothing.
#[napi]
pub fn nothing<'env>(env: &'env Env, _options: Unknown<'_>) -> Result<PromiseRaw<'env, ()>> {
    PromiseRaw::resolve(env, ())
}

/// A store's file, read and written with nothing between.
#[napi]
pub struct Floor {
    connection: Connection,
    organization: String,
    written: u32,
}

#[napi]
impl Floor {
    /// Opens the store in the file `path`. `synchronous` is SQLite's: how long a commit waits for the disk.
    #[napi(constructor)]
    pub fn new(path: String, synchronous: String) -> Result<Self> {
        let open = || {
            let connection = Connection::open(&path)?;
            connection.pragma_update(None, "synchronous", &synchronous)?;
            let organization =
                connection.query_row("SELECT organization FROM accounts LIMIT 1", [], |row| row.get(0))?;
            Ok(Self { connection, organization, written: 0 })
        };
        open().map_err(refused)
    }

    /// How many microseconds it takes to find an account by connection and identifier, at an average of `times`.
    #[napi]
    pub fn read(&self, connection_name: String, identifier: String, times: u32) -> Result<f64> {
        let begin = Instant::now();
        for _ in 0..times {
            self.find(&connection_name, &identifier).map_err(refused)?;
        }
        Ok(begin.elapsed().as_secs_f64() * 1e6 / f64::from(times))
    }

    /// How many microseconds it takes to insert and commit a flow like the newest one, at an average of `times`.
    #[napi]
    pub fn write(&mut self, times: u32) -> Result<f64> {
        let begin = Instant::now();
        for _ in 0..times {
            self.insert().map_err(refused)?;
        }
        Ok(begin.elapsed().as_secs_f64() * 1e6 / f64::from(times))
    }

    fn find(&self, connection_name: &str, identifier: &str) -> rusqlite::Result<()> {
        let sql = "SELECT * FROM connections WHERE organization = ?1 AND name = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let id: String = statement.query_row(params![self.organization, connection_name], |row| {
            values(row)?;
            row.get("id")
        })?;
        let sql = "SELECT * FROM accounts WHERE organization = ?1 AND connection_id = ?2 AND identifier = ?3";
        self.connection.prepare_cached(sql)?.query_row(params![self.organization, id, identifier], values)
    }

    fn insert(&mut self) -> rusqlite::Result<()> {
        self.written += 1;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "INSERT INTO flows (organization, id, connection_id, account_id, status, link_hash, facts, expires_at,
                created_at, version, mac)
            SELECT organization, hex(randomblob(8)), connection_id, account_id, status, randomblob(32), facts, expires_at,
                created_at, version, mac
            FROM flows WHERE rowid = (SELECT max(rowid) FROM flows)";
        transaction.prepare_cached(sql)?.execute([])?;
        transaction.commit()
    }
}

/// Every column, copied out of SQLite, as any use of a row does.
fn values(row: &Row<'_>) -> rusqlite::Result<()> {
    for column in 0..row.as_ref().column_count() {
        std::hint::black_box(row.get::<_, Value>(column)?);
    }
    Ok(())
}

fn refused(refusal: rusqlite::Error) -> Error {
    Error::from_reason(refusal.to_string())
}

//! The server: a pool of connections, and the two shapes of what is asked on one.
//!
//! Nothing outlives a transaction: no prepared statement, no setting, no lock. So a pooler that hands each transaction
//! to another session (PgBouncer's transaction mode) may stand between (F42). What a transaction needs, it says in its
//! first statement: the schema of the tables, and whose rows it may see ([`Scope`]).
//!
//! Statements are pipelined: they are all sent before the first answer is waited for.

use std::time::Duration;

use deadpool::{
    Runtime,
    managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts},
};
use futures_util::future::{BoxFuture, FutureExt as _, join4};
use tokio_postgres::{Client, Config, Error as Refusal, Row, config::SslMode, types::ToSql};

use super::{address::Address, failure, sql, tls::Tls, value::Value};
use crate::{Error, Result, store::Pool};

/// How long a call waits for a connection that is free, or is made.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a statement may take. Ours take milliseconds: after this the server stands still, or somebody has locked the
/// row for good.
pub(super) const LONGEST: Duration = Duration::from_secs(10);

/// Whose rows a transaction sees and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope<'a> {
    /// Those of one organization.
    Organization(&'a str),
    /// Those that a policy opens by this word (`migrations/0004_walls.postgres.sql`).
    Across(&'a str),
    /// Nobody's: what belongs to no organization.
    Nobody,
}

/// A pool of connections to one server.
pub(super) struct Server {
    pool: managed::Pool<Connector>,
    schema: String,
    shown: String,
}

/// Makes the pool's connections.
struct Connector {
    config: Config,
    tls: Option<Tls>,
}

impl managed::Manager for Connector {
    type Type = Client;
    type Error = Refusal;

    async fn create(&self) -> Result<Client, Refusal> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                // Whoever asks meets the connection's end.
                tokio::spawn(connection.map(drop));
                Ok(client)
            }
            None => {
                let (client, connection) = self.config.connect(tokio_postgres::NoTls).await?;
                tokio::spawn(connection.map(drop));
                Ok(client)
            }
        }
    }

    async fn recycle(&self, client: &mut Client, _: &Metrics) -> RecycleResult<Refusal> {
        if client.is_closed() { Err(RecycleError::message("closed")) } else { Ok(()) }
    }
}

impl Server {
    /// A pool that has no connection yet. Reads the certificates of the address from the disk.
    pub(super) fn new(address: &Address) -> Result<Self> {
        let tls = match address.config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(Tls::new(address.root_certificates.as_deref())?),
        };
        let timeouts = Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: None };
        let connector = Connector { config: (*address.config).clone(), tls };
        let pool = managed::Pool::builder(connector).max_size(address.pool_size).timeouts(timeouts);
        let pool = pool.runtime(Runtime::Tokio1).build();
        let pool = pool.map_err(|_| Error::Internal { reason: "the pool has no runtime".into() })?;
        Ok(Self { pool, schema: address.schema.clone(), shown: address.shown() })
    }

    /// The schema of the tables.
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// The store's name in errors.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// A connection, for one transaction.
    pub(super) async fn connection(&self) -> Result<Connection> {
        match self.pool.get().await {
            Ok(client) => Ok(Connection(client)),
            Err(PoolError::Closed) => Err(Error::Closed),
            Err(PoolError::Timeout(TimeoutType::Wait)) => Err(Error::StoreBusy),
            Err(PoolError::Backend(refusal)) => Err(self.meaning(&refusal)),
            Err(_) => Err(failure::unreachable("no connection to the database server")),
        }
    }

    /// The rows that a statement finds, in a transaction of its own.
    ///
    /// A caller that stops waiting leaves nothing half done: all of it was sent at once. Where the connection turns out
    /// to be broken, as all are after the server was started anew, another is taken.
    pub(super) async fn read(&self, scope: Scope<'_>, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        // Each attempt takes a broken connection out of the pool.
        for _ in 0..=self.pool.status().size {
            let connection = self.connection().await?;
            match tokio::time::timeout(LONGEST, self.read_on(connection.client(), scope, sql, values)).await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(refusal)) if failure::leaves_open(&refusal) => connection.end(),
                Ok(Err(refusal)) => return Err(connection.failed(self.meaning(&refusal))),
                Err(_) => return Err(connection.gave_up()),
            }
        }
        Err(failure::unreachable("the database server ends every connection"))
    }

    async fn read_on(
        &self,
        client: &Client,
        scope: Scope<'_>,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Refusal> {
        let read = join4(
            client.batch_execute(sql::BEGIN),
            settle(client, &self.schema, scope),
            rows(client, sql, values),
            client.batch_execute(sql::COMMIT),
        );
        let (begun, settled, rows, ended) = read.await;
        begun.and(settled).and(rows).and_then(|rows| ended.map(|()| rows))
    }

    /// The row of a statement that concerns no table of ours.
    pub(super) async fn ask(&self, sql: &str, values: &[Value<'_>]) -> Result<Row> {
        let connection = self.connection().await?;
        let answer = tokio::time::timeout(LONGEST, rows(connection.client(), sql, values)).await;
        match answer {
            Ok(Ok(rows)) => {
                rows.into_iter().next().ok_or(Error::Internal { reason: "a question had no answer".into() })
            }
            Ok(Err(refusal)) => Err(connection.failed(self.meaning(&refusal))),
            Err(_) => Err(connection.gave_up()),
        }
    }

    pub(super) fn meaning(&self, refusal: &Refusal) -> Error {
        failure::meaning(refusal, &self.shown)
    }

    /// How the pool is used.
    pub(super) fn pool(&self) -> Pool {
        let managed::Status { max_size, size, available, waiting } = self.pool.status();
        Pool { idle: available, busy: size.saturating_sub(available), most: max_size, waiting }
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }
}

/// A connection of the pool, which goes back when it is dropped.
pub(super) struct Connection(Object<Connector>);

impl Connection {
    pub(super) fn client(&self) -> &Client {
        &self.0
    }

    /// Ends the connection: what the server still does on it is nobody's any more.
    pub(super) fn end(self) {
        drop(Object::take(self.0));
    }

    fn gave_up(self) -> Error {
        self.end();
        failure::unreachable("the database server does not answer")
    }

    /// Hands the error on. A server that takes no writes is not asked again on this connection: another may by now.
    fn failed(self, error: Error) -> Error {
        if matches!(error, Error::StoreReadOnly { .. } | Error::StoreUnreachable { .. }) {
            self.end();
        }
        error
    }
}

/// Says, for the rest of the transaction, where the tables are and whose rows are meant.
pub(super) fn settle<'a>(client: &'a Client, schema: &'a str, scope: Scope<'a>) -> BoxFuture<'a, Result<(), Refusal>> {
    let (organization, across) = match scope {
        Scope::Organization(organization) => (organization, ""),
        Scope::Across(word) => ("", word),
        Scope::Nobody => ("", ""),
    };
    async move {
        let values = [Value::Text(schema), Value::Text(organization), Value::Text(across)];
        rows(client, sql::SCOPE, &values).await.map(drop)
    }
    .boxed()
}

/// A statement's rows. Its types are sent along, so that it is one message there and one back.
pub(super) async fn rows(client: &Client, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Refusal> {
    client.query_typed(&numbered(sql), &typed(values)).await
}

/// How many rows a statement changed.
pub(super) async fn changed(client: &Client, sql: &str, values: &[Value<'_>]) -> Result<u64, Refusal> {
    client.execute_typed(&numbered(sql), &typed(values)).await
}

fn typed<'a>(values: &'a [Value<'a>]) -> Vec<(&'a (dyn ToSql + Sync), tokio_postgres::types::Type)> {
    values.iter().map(|value| (value as &(dyn ToSql + Sync), value.kind())).collect()
}

/// A shared statement in PostgreSQL's spelling: SQLite writes `?1` where it writes `$1`.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

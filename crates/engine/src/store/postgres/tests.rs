//! What PostgreSQL's store promises beside the contract of all. It takes the server that `ONBEHALF_TEST_POSTGRES` names,
//! as `npm test` does, and leaves its tests out where there is none.

mod connections;
mod opening;
mod tls;
mod walls;

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::{
    random::{Random, SystemRandom},
    store::contract::{Place, account, at, connection, direct_slot, fill, keeps_the_contract},
};

/// What names the server: a URL with a user that is no superuser and may make schemas.
const SERVER: &str = "ONBEHALF_TEST_POSTGRES";

/// A schema of a test's own.
struct Schema(Address);

impl Schema {
    fn new() -> Option<Self> {
        Some(Self(Address::parse(&url()?).unwrap()))
    }

    async fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.0).await.unwrap()
    }

    /// A session of another program.
    async fn another_program(&self) -> tokio_postgres::Client {
        let (client, connection) = self.0.config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path TO {}", self.0.schema)).await.unwrap();
        client
    }
}

#[async_trait]
impl Place for Schema {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }
}

/// The URL of the tests' server, with a schema that nobody else has. A small pool: many tests share the server.
fn url() -> Option<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var_os(SERVER)?.into_string().unwrap();
    let with = if server.contains('?') { '&' } else { '?' };
    let random = HEXLOWER.encode(&(&SystemRandom as &dyn Random).bytes::<8>().unwrap());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Some(format!("{server}{with}schema=test_{random}_{number}&pool_size=4"))
}

mod contract {
    use super::*;

    keeps_the_contract!(Schema::new());
}

//! PostgreSQL's side of a test's runtime: what a test does to its own, a clock that stands or an end, is no network's
//! doing.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{LazyLock, mpsc},
};

use onbehalf_engine::store::postgres::Address;
use tokio::runtime::Runtime;
use url::Url;

/// Where PostgreSQL's connections live.
static NETWORK: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Whether these tests run on PostgreSQL.
pub(crate) fn on_postgres() -> bool {
    std::env::var_os("ONBEHALF_TEST_STORE").is_some_and(|store| store == "postgres")
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

/// A schema by the bytes of its name. A small pool: many tests share the server.
pub(crate) fn address(name: &[u8]) -> Address {
    Address::parse(url(name).as_str()).unwrap()
}

/// The same, as a URL.
pub(crate) fn url(name: &[u8]) -> Url {
    let server = std::env::var_os("ONBEHALF_TEST_POSTGRES").expect("ONBEHALF_TEST_POSTGRES names the tests' server");
    let mut url: Url = server.to_str().unwrap().parse().unwrap();
    let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    url.query_pairs_mut().append_pair("schema", &format!("world_{name}")).append_pair("pool_size", "4");
    url
}

//! PostgreSQL's connections that break, or stand still, while tokens are refreshed (F40, F41).
//!
//! The provider revokes on reuse, and is asked once for each refresh: no commit is lost, and none is made twice.

use std::{path::Path, time::Duration};

use futures_util::future::join_all;
use onbehalf_engine::{accounts::Token, refresh::Timing, secret::ExposeSecret as _};
use tempfile::tempdir;
use tokio_postgres::{Client, NoTls};

use crate::{
    child::{person, soon},
    environment::{Environment, store_of},
    network::{on_postgres, url},
    parking::say,
    provider::{Policy, Provider},
    refresh::NOW,
    relay::{Relay, Trouble},
};

/// How many stores there are, and how often the connections of each break, cut on the way or ended by the server.
const STORES: u64 = 4;
const BREAKS: usize = 50;
/// How many people of each have their tokens refreshed at the same time.
const PEOPLE: usize = 2;
/// What all the chances rest on: each store's number is added.
const SEED: u64 = 0x6272_6561_6b73;

/// How many bytes a break waits for at most: what these people's refreshes send and are answered, about.
const BYTES: u64 = 20_000;
/// How far into a refresh the server ends every session, at most.
const MICROS: u64 = 15_000;

/// So far apart are the places where the server stands still, and there are so many.
const STEP: usize = 1000;
const PLACES: usize = 28;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_all_the_time_lose_nothing_and_ask_for_nothing_twice() {
    if !on_postgres() {
        return;
    }
    // At once, since most of a break's time is spent waiting.
    join_all((0..STORES).map(|number| storm(SEED + number))).await;
}

/// One store's share of the breaks.
async fn storm(seed: u64) {
    let folder = tempdir().unwrap();
    let (environment, provider, relay) = prepared(folder.path(), PEOPLE).await;
    let server = Sessions::of(folder.path()).await;
    let (mut chance, mut ended, mut rounds) = (seed, 0, 0);
    while relay.cuts() + ended < BREAKS {
        rounds += 1;
        environment.pass(Duration::from_secs(4000));
        let (bytes, micros) = (below(&mut chance, BYTES), below(&mut chance, MICROS));
        relay.behind(usize::try_from(bytes).unwrap(), Trouble::Cut);
        let end = async {
            tokio::time::sleep(Duration::from_micros(micros)).await;
            server.end().await
        };
        let (sessions, ()) = tokio::join!(end, refresh_all(&environment, &provider, PEOPLE, rounds));
        ended += usize::from(sessions > 0);
    }
    say(&format!("{rounds} rounds, {} cuts, {ended} ends; seed {seed:#x}", relay.cuts()));
    assert_eq!(provider.revoked(), 0, "seed {seed:#x}");

    // What another process finds is what the provider gave last.
    relay.goes_on();
    let now = NOW + 4_000_000 * i64::try_from(rounds).unwrap();
    let (store, address) = (store_of(folder.path()), provider.address.to_string());
    let beside = Environment::with(store, &address, now, Timing::default(), Duration::ZERO, None).await;
    refresh_all(&beside, &provider, PEOPLE, rounds).await;
}

/// Wherever it does: a request that left was noted before, and after the pause there is no second one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_lets_no_request_out_that_it_did_not_note() {
    if !on_postgres() {
        return;
    }
    let stood = join_all((0..PLACES).map(|place| stand(place * STEP))).await;
    let unasked = stood.iter().filter(|stood| **stood == Some(0)).count();
    let asked = stood.iter().filter(|stood| **stood == Some(1)).count();
    assert!(unasked > 2 && asked > 1, "it stands on both sides of the request: {stood:?}");
}

/// The server stands still so many bytes into a refresh; how many requests had left by then, where it came to that.
async fn stand(bytes: usize) -> Option<usize> {
    let folder = tempdir().unwrap();
    let (environment, provider, relay) = prepared(folder.path(), 1).await;
    let server = Sessions::of(folder.path()).await;
    environment.pass(Duration::from_secs(4000));
    relay.behind(bytes, Trouble::Stand);
    let told = soon(environment.token(&person(0))).await;
    let stood = relay.stands();
    provider.quiet().await;
    let asked = provider.refreshes();
    if stood {
        assert!(told.is_ok() || told.is_err_and(|error| error.code() == "STORE_UNREACHABLE"), "{bytes} bytes");
        assert!(asked == 0 || server.noted().await, "{bytes} bytes: a request left that was not noted");
    }
    relay.goes_on();
    refresh_all(&environment, &provider, 1, 1).await;
    assert_eq!(provider.revoked(), 0, "{bytes} bytes");
    stood.then_some(asked)
}

/// An environment behind a relay, in which so many people have consented.
async fn prepared(folder: &Path, people: usize) -> (Environment, Provider, Relay) {
    let provider = Provider::start(Policy::RevokesFamily).await;
    let relay = Relay::to(folder).await;
    let address = provider.address.to_string();
    let environment = Environment::with(relay.store(), &address, NOW, Timing::default(), Duration::ZERO, None).await;
    for number in 0..people {
        environment.consents(&person(number)).await.unwrap();
    }
    (environment, provider, relay)
}

/// Has everyone's token refreshed, for the `times`-th time.
async fn refresh_all(environment: &Environment, provider: &Provider, people: usize, times: usize) {
    join_all((0..people).map(|number| async move {
        let person = person(number);
        let token = soon(insist(environment, &person)).await;
        let newest = provider.newest(&person).unwrap_or_else(|| panic!("revoked; seed {SEED:#x}"));
        assert_eq!(token.refresh_token.unwrap().expose_secret(), newest.1, "seed {SEED:#x}");
        assert_eq!(provider.refreshes_of(&person), times, "seed {SEED:#x}");
    }))
    .await;
}

/// Asks for a token again as long as the store cannot be reached.
async fn insist(environment: &Environment, person: &str) -> Token {
    loop {
        match environment.token(person).await {
            Ok(token) => return token,
            Err(error) => assert_eq!(error.code(), "STORE_UNREACHABLE", "seed {SEED:#x}"),
        }
    }
}

/// A number below this (xorshift64*).
fn below(chance: &mut u64, most: u64) -> u64 {
    *chance ^= *chance >> 12;
    *chance ^= *chance << 25;
    *chance ^= *chance >> 27;
    chance.wrapping_mul(0x2545_f491_4f6c_dd1d) % most
}

/// The server's sessions of one environment, as another program sees them.
struct Sessions {
    name: String,
    client: Client,
}

impl Sessions {
    async fn of(folder: &Path) -> Self {
        let name = folder.file_name().unwrap();
        let mut url = url(name.as_encoded_bytes());
        let schema = url.query_pairs().find(|(name, _)| name == "schema").unwrap().1.into_owned();
        url.set_query(None);
        let (client, connection) = tokio_postgres::connect(url.as_str(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let settings = format!("SET search_path TO {schema}; SET onbehalf.organization = 'default'");
        client.batch_execute(&settings).await.unwrap();
        Self { name: name.to_str().unwrap().into(), client }
    }

    /// Ends them all; how many there were.
    async fn end(&self) -> u64 {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
        self.client.execute(end, &[&self.name]).await.unwrap()
    }

    /// Whether the store knows that a request has left: by its lease, or since it has what came of it.
    async fn noted(&self) -> bool {
        let noted = "SELECT NOT EXISTS (SELECT FROM leases WHERE NOT sent)";
        self.client.query_one(noted, &[]).await.unwrap().get(0)
    }
}

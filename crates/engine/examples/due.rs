//! How long it takes to find what is due in a store's file: `due FILE TIMES` prints the microseconds of one look, at an
//! average of so many. A look is what the refresher does when it wakes: it reads each connection's first moment, and of
//! a connection where that has come, the accounts that have been due for longest.
//!
//! `npm run bench` runs it.

use std::{
    env,
    error::Error,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use onbehalf_engine::{
    store::{
        Store,
        sqlite::{Location, SqliteStore},
    },
    time::Timestamp,
};

/// How many connections, and how many accounts of one, the refresher reads at once.
const LANES: u32 = 1000;
const ACCOUNTS: u32 = 100;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a program that prints what it measured")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [path, times] = env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "due FILE TIMES")?;
    let times: u32 = times.parse()?;
    let store = SqliteStore::open(Location::File(path.into()))?;
    let now = now()?;
    // Once before, so that every statement is prepared and every page read.
    look(&store, now).await?;
    let begin = Instant::now();
    for _ in 0..times {
        std::hint::black_box(look(&store, now).await?);
    }
    println!("{}", begin.elapsed().as_secs_f64() * 1e6 / f64::from(times));
    Ok(())
}

/// How many accounts were found.
async fn look(store: &SqliteStore, now: Timestamp) -> onbehalf_engine::Result<usize> {
    let mut found = 0;
    for lane in store.lanes(None, LANES).await? {
        if lane.first.is_some_and(|first| first <= now) {
            found += store.due(&lane.organization, &lane.connection_id, now, ACCOUNTS).await?.len();
        }
    }
    Ok(found)
}

#[expect(clippy::disallowed_methods, reason = "a program of its own has no clock passed in")]
fn now() -> Result<Timestamp, Box<dyn Error>> {
    Ok(Timestamp::from_millis(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().try_into()?))
}

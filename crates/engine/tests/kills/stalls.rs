//! A process that stands still for longer than its lease, beside one that goes on (F23).
//!
//! The other takes the lease over when its time is up. What the first does when it moves again changes nothing that is
//! newer; but a token that nobody else has is taken, however late.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rustix::process::Signal;
use tempfile::tempdir;

use crate::{
    child::{Act, PERSON, Part, Process},
    environment::{Environment, store_of},
    parking::Step,
    provider::{Policy, Provider},
    refresh::{AT_A_TIME, NOW, settled},
};

/// A request, the network's bound, a lease, in milliseconds.
const TIMING: [u64; 3] = [2000, 2500, 3000];

/// What is found in the end: the status, or the reason for `EXPIRED`; and how many grants the provider ended.
type Found = (&'static str, usize);
const ACTIVE: Found = ("ACTIVE", 0);
/// The other asked again because it had to, and the provider took the token for stolen.
const STOLEN: Found = ("lost_rotation", 1);

/// A single-use token's successor is in the first process alone. While that stands still the account is given up, and it
/// lives again when the late token arrives. Once it is in the journal, the other one finds it there.
#[rustfmt::skip]
const TABLE: [(Step, [(Policy, Found); 3]); 6] = [
    (Step::BeforeIntend,  [(Policy::RevokesFamily, ACTIVE), (Policy::GraceSame, ACTIVE), (Policy::SingleUse, ACTIVE)]),
    (Step::AfterIntend,   [(Policy::RevokesFamily, ACTIVE), (Policy::GraceSame, ACTIVE), (Policy::SingleUse, ACTIVE)]),
    (Step::AfterMarkSent, [(Policy::RevokesFamily, ACTIVE), (Policy::GraceSame, ACTIVE), (Policy::SingleUse, ACTIVE)]),
    (Step::AfterAsk,      [(Policy::RevokesFamily, STOLEN), (Policy::GraceSame, ACTIVE), (Policy::SingleUse, ACTIVE)]),
    (Step::BeforeJournal, [(Policy::RevokesFamily, STOLEN), (Policy::GraceSame, ACTIVE), (Policy::SingleUse, ACTIVE)]),
    (Step::BeforeSettle,  [(Policy::RevokesFamily, ACTIVE), (Policy::GraceSame, ACTIVE), (Policy::SingleUse, ACTIVE)]),
];

#[tokio::test]
async fn a_process_that_stood_still_for_longer_than_its_lease_undoes_nothing() {
    let cells = TABLE.into_iter().flat_map(|(step, row)| row.map(|cell| (step, cell)));
    let stalls = stream::iter(cells).map(|(step, (policy, promised))| async move {
        let found = stalled(step, policy).await;
        (found != promised).then(|| format!("{step:?}, {policy:?}: promised {promised:?}, found {found:?}"))
    });
    let broken: Vec<_> = stalls.buffer_unordered(2 * AT_A_TIME).filter_map(std::future::ready).collect().await;
    assert_eq!(broken, [""; 0]);
}

async fn stalled(step: Step, policy: Policy) -> Found {
    let folder = tempdir().unwrap();
    let provider = Provider::start(policy).await;
    let part = Part { at: Some(step), timing: Some(TIMING), ..Part::new(folder.path(), &provider, Act::Refresh) };
    let (mut process, hold) = Process::stopped(&part, &provider).await;
    process.signal(Signal::STOP);

    let store = store_of(folder.path());
    let beside = Environment::with(store, &part.provider, NOW + 4_000_000, part.timing(), Duration::ZERO, None).await;
    let (told, ()) = tokio::join!(beside.token(PERSON), tokio::time::sleep(part.timing().lease));
    if let Some(hold) = hold {
        hold.release.notify_one();
    }
    // Where it waits for the time of its request, that has run out.
    if step != Step::AfterMarkSent {
        process.goes_on();
    }
    process.signal(Signal::CONT);
    process.says("done").await;

    if let Ok(token) = told {
        let now = beside.token(PERSON).await.unwrap();
        assert_eq!(now.expires_at, token.expires_at, "{step:?}, {policy:?}: an older answer changes nothing");
    }
    beside.pass(Duration::from_secs(4000));
    let state = settled(&beside, &provider, PERSON).await;
    beside.engine.close().await.unwrap();
    (state, provider.revoked())
}

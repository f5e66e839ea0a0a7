//! A kill at each step of a refresh, under each policy: what is found when the environment is opened again.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use onbehalf_engine::secret::ExposeSecret as _;
use tempfile::tempdir;

use crate::{
    child::{Act, PERSON, Part, Process},
    environment::Environment,
    parking::Step,
    provider::{Policy, Provider},
};

/// When the processes live, in milliseconds.
pub(crate) const NOW: i64 = 1_800_000_000_000;

/// How many processes live at a time.
pub(crate) const AT_A_TIME: usize = 8;

/// How often whoever comes after a kill may have to ask, with pauses between, until it knows what became of the grant.
const PAUSES: [u64; 6] = [0, 10, 40, 120, 600, 3600];

/// What a kill led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    /// The status, or the reason for `EXPIRED`.
    state: &'static str,
    /// How many refreshes the provider was asked for, the one of the killed process included.
    asked: usize,
    /// How many grants it ended for reuse.
    revoked: usize,
}

/// Nothing happened, or nothing was lost: one request in all.
const ONCE: Found = Found { state: "ACTIVE", asked: 1, revoked: 0 };
/// The answer was lost and the provider gave another.
const TWICE: Found = Found { state: "ACTIVE", asked: 2, revoked: 0 };
/// The answer was lost, and the provider takes the old token for stolen; it said so twice.
const STOLEN: Found = Found { state: "lost_rotation", asked: 3, revoked: 1 };
/// The answer was lost, and the provider knows no other; it said so twice.
const LOST: Found = Found { state: "lost_rotation", asked: 3, revoked: 0 };

/// F01 to F09. Only in the window between the provider's commit and the journal's write can a token be lost, and only
/// where the provider gives it once.
#[rustfmt::skip]
const TABLE: [(Step, [Found; 5]); 12] = [
    //                      revokes  grace,  grace,  single  no
    //                      family   same    new     use     rotation
    (Step::BeforeIntend,   [ONCE,    ONCE,   ONCE,   ONCE,   ONCE]),
    (Step::AfterIntend,    [ONCE,    ONCE,   ONCE,   ONCE,   ONCE]),
    (Step::BeforeConnect,  [ONCE,    ONCE,   ONCE,   ONCE,   ONCE]),
    (Step::BeforeMarkSent, [ONCE,    ONCE,   ONCE,   ONCE,   ONCE]),
    (Step::AfterMarkSent,  [ONCE,    ONCE,   ONCE,   ONCE,   ONCE]),
    (Step::BeforeAsk,      [ONCE,    ONCE,   ONCE,   ONCE,   ONCE]),
    (Step::WithinAsk,      [ONCE,    ONCE,   ONCE,   ONCE,   ONCE]),
    (Step::AfterAsk,       [STOLEN,  TWICE,  TWICE,  LOST,   TWICE]),
    (Step::BeforeJournal,  [STOLEN,  TWICE,  TWICE,  LOST,   TWICE]),
    (Step::BeforeSettle,   [ONCE,    ONCE,   ONCE,   ONCE,   ONCE]),
    (Step::AfterSettle,    [ONCE,    ONCE,   ONCE,   ONCE,   ONCE]),
    (Step::BeforeReply,    [ONCE,    ONCE,   ONCE,   ONCE,   ONCE]),
];

#[tokio::test]
async fn a_kill_at_any_step_of_a_refresh_loses_no_more_than_is_promised() {
    let cells =
        TABLE.into_iter().flat_map(|(step, row)| Policy::ALL.into_iter().zip(row).map(move |cell| (step, cell)));
    let kills = stream::iter(cells).map(|(step, (policy, promised))| async move {
        let found = killed(step, policy).await;
        (found != promised).then(|| format!("{step:?}, {policy:?}: promised {promised:?}, found {found:?}"))
    });
    let broken: Vec<_> = kills.buffered(AT_A_TIME).filter_map(std::future::ready).collect().await;
    assert_eq!(broken, [""; 0]);
}

/// Nobody knows what the provider made of the request, and asking again may end the access token with the grant (P4).
#[tokio::test]
async fn nobody_asks_again_after_a_kill_while_the_access_token_serves() {
    let folder = tempdir().unwrap();
    let provider = Provider::start(Policy::RevokesFamily).await;
    let address = provider.address.to_string();
    let folder = folder.path();
    let part = Part { at: Some(Step::AfterAsk), ..Part::new(folder, &provider, Act::RefreshEarly) };
    drop(Process::stopped(&part, &provider).await);
    provider.quiet().await;

    // A refresh is due, and the token is good for five minutes more.
    let environment = Environment::open(folder, &address, NOW + 3_300_000, None).await;
    environment.token(PERSON).await.unwrap();
    // Joins the refresh that this began.
    environment.token_for(PERSON, Duration::from_secs(1000)).await.unwrap();
    assert_eq!(provider.refreshes(), 1);
    environment.engine.close().await.unwrap();

    let environment = Environment::open(folder, &address, NOW + 3_600_000, None).await;
    assert_eq!(settled(&environment, &provider, PERSON).await, "lost_rotation");
    assert_eq!((provider.refreshes(), provider.revoked()), (3, 1));
}

/// Kills a process at the step and looks what a second one makes of it.
async fn killed(step: Step, policy: Policy) -> Found {
    let folder = tempdir().unwrap();
    let provider = Provider::start(policy).await;
    let address = provider.address.to_string();
    let part = Part { at: Some(step), ..Part::new(folder.path(), &provider, Act::Refresh) };
    drop(Process::stopped(&part, &provider).await);
    provider.quiet().await;

    let environment = Environment::open(folder.path(), &address, NOW + 4_000_000, None).await;
    let mut changes = environment.engine.status_changes();
    let state = settled(&environment, &provider, PERSON).await;
    let told = changes.try_recv().ok().and_then(|change| change.reason);
    assert_eq!(told.as_deref(), (state != "ACTIVE").then_some(state), "{step:?}, {policy:?}: whoever listens is told");
    let found = Found { state, asked: provider.refreshes(), revoked: provider.revoked() };
    stays(&environment, &provider, state).await;
    environment.engine.close().await.unwrap();
    found
}

/// Asks for a token until it is there or the person must consent again: the status, or the reason.
pub(crate) async fn settled(environment: &Environment, provider: &Provider, person: &str) -> &'static str {
    for pause in PAUSES {
        environment.pass(Duration::from_secs(pause));
        match environment.token(person).await {
            Ok(token) => {
                let newest = provider.newest(person).expect("the provider takes a token of an active account");
                let refresh_token = token.refresh_token.unwrap();
                assert_eq!(
                    (token.access_token.expose_secret(), refresh_token.expose_secret()),
                    (&*newest.0, &*newest.1)
                );
                return "ACTIVE";
            }
            Err(error) if error.code() == "REAUTHORIZATION_REQUIRED" => {
                let found = environment.account(person).await;
                return ["lost_rotation", "revoked"]
                    .into_iter()
                    .find(|known| found.reason.as_deref() == Some(known))
                    .unwrap();
            }
            Err(error) => assert!(error.retryable(), "{error:?}"),
        }
    }
    panic!("the account has come to no end");
}

/// An active account goes on being refreshed, and an expired one is left alone.
async fn stays(environment: &Environment, provider: &Provider, state: &'static str) {
    let (asked, revoked) = (provider.refreshes(), provider.revoked());
    for day in 1..=2 {
        environment.pass(Duration::from_secs(24 * 60 * 60));
        let active = environment.token(PERSON).await.is_ok();
        assert_eq!(active, state == "ACTIVE");
        assert_eq!((provider.refreshes(), provider.revoked()), (asked + if active { day } else { 0 }, revoked));
    }
}

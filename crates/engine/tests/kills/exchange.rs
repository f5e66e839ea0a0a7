//! A kill at each step of a code exchange (F10): what is found when the environment is opened again.
//!
//! A code is good once and its answer comes once, whatever the provider's policy for refresh tokens is, so there is one
//! column. An account is active when its tokens are stored, and otherwise the person is asked again.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use onbehalf_engine::accounts::Status;
use tempfile::tempdir;

use crate::{
    child::{Act, PERSON, Part, Process, soon},
    environment::Environment,
    parking::Step,
    provider::{Kind, Policy, Provider},
    refresh::{AT_A_TIME, NOW},
};

/// F10: the status, and how often the code came to the provider. A flow marks nothing as sent: it takes the code away
/// with the intent.
const TABLE: [(Step, Status, usize); 10] = [
    (Step::BeforeIntend, Status::PendingAuth, 0),
    (Step::AfterIntend, Status::PendingAuth, 0),
    (Step::BeforeConnect, Status::PendingAuth, 0),
    (Step::BeforeAsk, Status::PendingAuth, 0),
    (Step::WithinAsk, Status::PendingAuth, 0),
    (Step::AfterAsk, Status::PendingAuth, 1),
    (Step::BeforeJournal, Status::PendingAuth, 1),
    (Step::BeforeSettle, Status::Active, 1),
    (Step::AfterSettle, Status::Active, 1),
    (Step::BeforeReply, Status::Active, 1),
];

#[tokio::test]
async fn a_kill_at_any_step_of_an_exchange_leaves_no_account_active_without_tokens() {
    stream::iter(TABLE).for_each_concurrent(AT_A_TIME, |(step, status, codes)| killed(step, status, codes)).await;
}

/// Kills a process at the step and looks what a second one makes of it.
async fn killed(step: Step, status: Status, codes: usize) {
    let folder = tempdir().unwrap();
    let provider = Provider::start(Policy::RevokesFamily).await;
    let address = provider.address.to_string();
    let hold = (step == Step::AfterAsk).then(|| provider.hold(Kind::Exchange));
    let mut process = Process::start(&Part {
        folder: folder.path().into(),
        provider: address.clone(),
        now: NOW,
        act: Act::Exchange,
        at: Some(step),
        timing: None,
    });
    match hold {
        Some(hold) => soon(hold.arrived.notified()).await,
        None => process.says("parked").await,
    }
    drop(process);
    provider.quiet().await;

    let environment = Environment::open(folder.path(), &address, NOW, None).await;
    if status == Status::Active {
        soon(environment.active(PERSON)).await.unwrap();
    }
    let found = environment.account(PERSON).await;
    assert_eq!((found.status, provider.codes()), (status, vec![1; codes]), "{step:?}");
    if status == Status::PendingAuth {
        assert_eq!(environment.token(PERSON).await.unwrap_err().code(), "AUTHORIZATION_REQUIRED", "{step:?}");
        environment.consents(PERSON).await.unwrap();
    }
    environment.token(PERSON).await.unwrap();
    environment.pass(Duration::from_secs(4000));
    environment.token(PERSON).await.unwrap();
    assert_eq!((provider.refreshes(), provider.revoked()), (1, 0), "{step:?}: the stored tokens are the newest");
    assert!(provider.codes().iter().all(|times| *times == 1), "{step:?}: no code came twice");
    environment.engine.close().await.unwrap();
}

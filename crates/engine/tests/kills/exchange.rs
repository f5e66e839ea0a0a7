//! A kill at each step of a code exchange (F10): what is found when the environment is opened again.
//!
//! A code is good once and its answer comes once, whatever the provider's policy for refresh tokens is: each is tried,
//! and one column holds what is promised under all. An account is active when its tokens are stored, and otherwise the
//! person is asked again.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use onbehalf_engine::accounts::Status;
use tempfile::tempdir;

use crate::{
    child::{Act, PERSON, Part, Process, soon},
    environment::Environment,
    parking::Step,
    provider::{Policy, Provider},
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
    let cells = TABLE.into_iter().flat_map(|row| Policy::ALL.map(|policy| (row, policy)));
    stream::iter(cells)
        .for_each_concurrent(AT_A_TIME, |((step, status, codes), policy)| killed(step, policy, status, codes))
        .await;
}

/// Kills a process at the step and looks what a second one makes of it.
async fn killed(step: Step, policy: Policy, status: Status, codes: usize) {
    let cell = format!("{step:?}, {policy:?}");
    let folder = tempdir().unwrap();
    let provider = Provider::start(policy).await;
    let address = provider.address.to_string();
    let part = Part { at: Some(step), ..Part::new(folder.path(), &provider, Act::Exchange) };
    drop(Process::stopped(&part, &provider).await);
    provider.quiet().await;

    let environment = Environment::open(folder.path(), &address, NOW, None).await;
    if status == Status::Active {
        soon(environment.active(PERSON)).await.unwrap();
    }
    let found = environment.account(PERSON).await;
    assert_eq!((found.status, provider.codes()), (status, vec![1; codes]), "{cell}");
    if status == Status::PendingAuth {
        assert_eq!(environment.token(PERSON).await.unwrap_err().code(), "AUTHORIZATION_REQUIRED", "{cell}");
        environment.consents(PERSON).await.unwrap();
    }
    environment.token(PERSON).await.unwrap();
    environment.pass(Duration::from_secs(4000));
    environment.token(PERSON).await.unwrap();
    assert_eq!((provider.refreshes(), provider.revoked()), (1, 0), "{cell}: the stored tokens are the newest");
    assert!(provider.codes().iter().all(|times| *times == 1), "{cell}: no code came twice");
    environment.engine.close().await.unwrap();
}

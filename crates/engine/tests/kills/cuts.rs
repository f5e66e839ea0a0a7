//! An answer that breaks off at every byte (F27): once the refresh token's last byte is here, nothing is lost.

use std::time::Duration;

use onbehalf_engine::{StoreLocation, refresh::Timing};
use tokio::task::JoinSet;

use crate::{
    environment::Environment,
    provider::{Policy, Provider},
    refresh::{NOW, settled},
};

/// What becomes of the account when the token was cut, where the provider takes it for stolen or knows no other.
const LOST: &str = "lost_rotation";
/// What stands before it.
const TOKEN: &str = r#""refresh_token":""#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_loses_nothing_once_the_refresh_token_is_here() {
    let mut policies: JoinSet<()> = [
        (Policy::RevokesFamily, LOST),
        (Policy::GraceSame, "ACTIVE"),
        (Policy::GraceNew, "ACTIVE"),
        (Policy::SingleUse, LOST),
        (Policy::NoRotation, "ACTIVE"),
    ]
    .into_iter()
    .map(|(policy, otherwise)| cut_everywhere(policy, otherwise))
    .collect();
    while let Some(done) = policies.join_next().await {
        done.unwrap();
    }
}

/// One refresh for each length that an answer can break off at.
async fn cut_everywhere(policy: Policy, otherwise: &'static str) {
    let provider = Provider::start(policy).await;
    let address = provider.address.to_string();
    let environment =
        Environment::with(StoreLocation::Memory, &address, NOW, Timing::default(), Duration::ZERO, None).await;
    let mut length = 0;
    let mut person = String::new();
    // The first refresh says how long an answer is.
    while length <= provider.whole().len() {
        if provider.newest(&person).is_none() || otherwise == LOST {
            person = format!("cut-at-{length}");
            environment.consents(&person).await.unwrap();
        }
        cut(&environment, &provider, &person, length, otherwise).await;
        length += 1;
    }
    assert!(length > 200, "{length} bytes are no answer");
}

/// A refresh whose answer ends behind so many bytes.
async fn cut(environment: &Environment, provider: &Provider, person: &str, length: usize, otherwise: &str) {
    environment.pass(Duration::from_secs(4000));
    let (before, revoked) = (provider.refreshes_of(person), provider.revoked());
    provider.cut_at(length);
    let state = settled(environment, provider, person).await;

    let whole = provider.whole();
    let token = whole.find(TOKEN).unwrap() + TOKEN.len();
    let arrived = length > token + whole[token..].find('"').unwrap();
    let asked = provider.refreshes_of(person) - before;
    if arrived {
        assert_eq!((state, provider.revoked()), ("ACTIVE", revoked), "{length} bytes");
        assert_eq!(asked, if length >= whole.len() { 1 } else { 2 }, "{length} bytes");
    } else {
        assert_eq!(state, otherwise, "{length} bytes");
        assert!(asked <= 3, "{asked} requests after {length} bytes");
    }
}

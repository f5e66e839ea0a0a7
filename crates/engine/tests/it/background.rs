//! Refresh in the background: what is due is refreshed though nobody asks, fairly, a few at a time, and without a storm.
//!
//! The timers run ahead whenever nothing else is to be done; the time that counts is moved by hand.

use std::{collections::HashSet, time::Duration};

use onbehalf_engine::{
    Settings,
    accounts::{Brought, BroughtToken},
    names::{ConnectionName, Organization},
    refresh::{RefreshSettings, RefresherState},
    secret::Secret,
    time::Clock,
};
use tempfile::tempdir;
use tokio::time::Instant;

use crate::world::{World, identifier, settings};

fn in_background() -> Settings {
    Settings { refresh: RefreshSettings::default(), ..settings() }
}

async fn world() -> World {
    World::with(in_background()).await
}

impl World {
    /// Accounts of these people, whose access tokens are good for an hour.
    async fn people(&self, connection: &str, count: usize) {
        for person in 0..count {
            self.person(connection, &format!("{connection}-{person}")).await;
        }
    }

    async fn person(&self, connection: &str, person: &str) {
        let token = BroughtToken {
            access_token: Secret::from("brought"),
            refresh_token: Some(Secret::from(self.provider.grant(person))),
            expires_at: Some(self.clock.now().plus(Duration::from_secs(3600))),
            scopes: Vec::new(),
        };
        let (organization, name) = (Organization::default(), ConnectionName::parse(connection).unwrap());
        let brought = Some(Brought::Token(token));
        self.engine.create_account(&organization, &name, &identifier(person), brought).await.unwrap();
    }

    fn state_of_refresher(&self) -> RefresherState {
        self.engine.refresher_state()
    }

    /// Lets timers run until something is so.
    async fn until(&self, what: &str, so: impl Fn() -> bool) {
        for _ in 0..1_000_000 {
            if so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: {:?}", self.state_of_refresher());
    }

    /// Lets the refresher do all that it finds to do.
    async fn settled(&self) {
        let mut before = None;
        while before != Some(self.state_of_refresher()) {
            before = Some(self.state_of_refresher());
            self.until("no flight ends", || self.state_of_refresher().in_flight == 0).await;
            // More than a round, and than what the writer's thread takes for a commit.
            for _ in 0..200 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                tokio::task::spawn_blocking(|| ()).await.unwrap();
            }
        }
    }

    fn asked_for(&self) -> Vec<String> {
        let state = self.provider.state();
        state.token_requests.iter().map(|form| form.get("refresh_token").cloned().unwrap_or_default()).collect()
    }
}

/// F38: all at once.
#[tokio::test(start_paused = true)]
async fn what_is_due_is_refreshed_a_few_at_a_time_and_once() {
    let world = world().await;
    world.people("example", 1000).await;
    world.pass(Duration::from_secs(3000));
    let gate = world.provider.hold_token_requests();
    world.until("eight begin", || world.state_of_refresher().in_flight == 8).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(world.state_of_refresher().begun, 8, "no more than eight of a connection are on their way");
    gate.open.notify_waiters();
    world.provider.let_token_requests_go();
    world.until("all are refreshed", || world.token_requests() == 1000).await;
    world.settled().await;
    let asked = world.asked_for();
    assert_eq!((asked.len(), asked.iter().collect::<HashSet<_>>().len()), (1000, 1000));
    assert_eq!(world.provider.state().revoked_families, 0);
    let state = world.state_of_refresher();
    assert_eq!((state.in_flight, state.begun), (0, 1000));
    assert!(state.latest < Duration::from_secs(600), "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_refreshed_before_it_is_due_or_soon_after_opening() {
    let world = world().await;
    world.people("example", 3).await;
    world.settled().await;
    assert_eq!(world.token_requests(), 0);
    let other = world.reopened(in_background()).await;
    other.pass(Duration::from_secs(3000));
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(other.state_of_refresher().begun, 0);
    world.until("all are refreshed", || world.token_requests() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_becomes_due_wakes_the_refresher() {
    let world = world().await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    // Its token is at its end when it comes.
    let token = BroughtToken {
        access_token: Secret::from("brought"),
        refresh_token: Some(Secret::from(world.provider.grant("ada"))),
        expires_at: Some(world.clock.now()),
        scopes: Vec::new(),
    };
    let name = ConnectionName::parse("example").unwrap();
    let brought = Some(Brought::Token(token));
    world.engine.create_account(&Organization::default(), &name, &identifier("ada"), brought).await.unwrap();
    let since = Instant::now();
    world.until("it begins", || world.state_of_refresher().begun == 1).await;
    assert!(since.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn many_that_are_due_of_one_connection_delay_no_other() {
    let world = world().await;
    world.people("example", 300).await;
    world.pass(Duration::from_secs(1));
    world.person("other", "late").await;
    world.pass(Duration::from_secs(3000));
    world.until("half are refreshed", || world.token_requests() >= 20).await;
    world.settled().await;
    let asked = world.asked_for();
    // The 301st grant. Eight of the others may be under way, and four more begun in the turn before.
    let place = asked.iter().position(|token| token == "refresh-301").unwrap();
    assert!(place <= 16, "{place}");
    assert_eq!(asked.len(), 301);
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_the_work() {
    let folder = tempdir().unwrap();
    let first = World::in_folder_with(folder.path(), None, in_background()).await;
    let second = World::in_folder_with(folder.path(), Some(first.outside_of()), in_background()).await;
    first.people("example", 60).await;
    first.pass(Duration::from_secs(3000));
    first.until("all are refreshed", || first.token_requests() >= 60).await;
    first.settled().await;
    second.settled().await;
    let asked = first.asked_for();
    assert_eq!((asked.len(), asked.iter().collect::<HashSet<_>>().len()), (60, 60));
    assert_eq!(first.provider.state().revoked_families, 0);
}

//! Refresh in the background: what is due is refreshed though nobody asks, fairly, a few at a time, and without a storm.
//!
//! The timers run ahead whenever nothing else is to be done; the time that counts is moved by hand.

use std::{collections::HashSet, time::Duration};

use onbehalf_engine::{
    Settings,
    accounts::{Brought, BroughtToken, Status},
    connections::ConnectionPatch,
    names::{ConnectionName, Organization},
    refresh::{RefreshSettings, RefresherState},
    secret::Secret,
    store::{AccountKey, AccountRow, Change, Commit, ConnectionKey, ConnectionRow, FaultRow, LeaseRow},
    time::Clock,
};
use tempfile::tempdir;
use tokio::time::Instant;

use crate::world::{World, account, identifier, settings};

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
        self.person_with(connection, person, self.provider.grant(person)).await;
    }

    async fn person_with(&self, connection: &str, person: &str, refresh_token: String) {
        let token = BroughtToken {
            access_token: Secret::from("brought"),
            refresh_token: Some(Secret::from(refresh_token)),
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
    async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        for _ in 0..1_000_000 {
            if so().await {
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
            self.until("no flight ends", async || self.state_of_refresher().in_flight == 0).await;
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

    async fn connection_row(&self, connection: &str) -> ConnectionRow {
        self.store().connection("default", ConnectionKey::Name(connection)).await.unwrap().unwrap()
    }

    async fn account_row(&self, person: &str) -> AccountRow {
        let connection_id = &self.connection_row("example").await.id;
        let key = AccountKey::Identifier { connection_id, identifier: person };
        self.store().account("default", key).await.unwrap().unwrap()
    }

    async fn commit(&self, change: Change) {
        assert_eq!(self.store().commit(vec![change]).await.unwrap(), Commit::Applied);
    }
}

/// F38: all at once.
#[tokio::test(start_paused = true)]
async fn what_is_due_is_refreshed_a_few_at_a_time_and_once() {
    let world = world().await;
    world.people("example", 1000).await;
    world.pass(Duration::from_secs(3000));
    let gate = world.provider.hold_token_requests();
    world.until("eight begin", async || world.state_of_refresher().in_flight == 8).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(world.state_of_refresher().begun, 8, "no more than eight of a connection are on their way");
    gate.open.notify_waiters();
    world.provider.let_token_requests_go();
    world.until("all are refreshed", async || world.token_requests() == 1000).await;
    world.settled().await;
    let asked = world.asked_for();
    assert_eq!((asked.len(), asked.iter().collect::<HashSet<_>>().len()), (1000, 1000));
    assert_eq!(world.provider.state().revoked_families, 0);
    let state = world.state_of_refresher();
    assert_eq!((state.in_flight, state.begun), (0, 1000));
    assert!(state.latest < Duration::from_secs(600), "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_refreshed_before_it_is_due() {
    let world = world().await;
    world.people("example", 3).await;
    world.pass(Duration::from_secs(2400));
    world.settled().await;
    assert_eq!(world.token_requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_soon_refreshes_nothing() {
    let before = World::with(settings()).await;
    before.people("example", 3).await;
    before.pass(Duration::from_secs(3000));
    let world = before.reopened(in_background()).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(world.state_of_refresher().begun, 0);
    world.until("all are refreshed", async || world.token_requests() == 3).await;
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
    world.until("it begins", async || world.state_of_refresher().begun == 1).await;
    assert!(since.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn many_that_are_due_of_one_connection_delay_no_other() {
    let world = world().await;
    world.people("example", 300).await;
    world.pass(Duration::from_secs(1));
    world.person("other", "late").await;
    world.pass(Duration::from_secs(3000));
    // The provider answers nobody: eight of the one, and that of the other all the same.
    world.provider.hold_token_requests();
    world.until("nine begin", async || world.state_of_refresher().begun == 9).await;
    world.provider.let_token_requests_go();
    world.until("all are refreshed", async || world.token_requests() == 301).await;
    let asked = world.asked_for();
    // It was granted last.
    let place = asked.iter().position(|token| token == "refresh-301").unwrap();
    assert!(place <= 16, "{place}");
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_the_work() {
    let folder = tempdir().unwrap();
    let first = World::in_folder_with(folder.path(), None, in_background()).await;
    let second = World::in_folder_with(folder.path(), Some(first.outside_of()), in_background()).await;
    first.people("example", 60).await;
    first.pass(Duration::from_secs(3000));
    first.until("all are refreshed", async || first.token_requests() >= 60).await;
    first.settled().await;
    second.settled().await;
    let asked = first.asked_for();
    assert_eq!((asked.len(), asked.iter().collect::<HashSet<_>>().len()), (60, 60));
    assert_eq!(first.provider.state().revoked_families, 0);
}

/// F25, F39: the one that goes ahead tries, ever more seldom, and the others wait for it.
#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_is_not_stormed() {
    let world = world().await;
    world.people("example", 50).await;
    world.provider.state().scripted.extend(std::iter::repeat_n(Ok((503, Vec::new())), 1000));
    world.pass(Duration::from_secs(3000));
    world.until("some begin", async || world.token_requests() > 0).await;
    world.settled().await;
    assert!(world.token_requests() <= 8, "{}", world.token_requests());
    for _ in 0..10 {
        let before = world.token_requests();
        world.pass(Duration::from_secs(60));
        world.until("one goes ahead", async || world.token_requests() > before).await;
        world.settled().await;
        assert_eq!(world.token_requests(), before + 1);
    }
    world.provider.state().scripted.clear();
    let before = world.token_requests();
    while world.token_requests() < before + 50 {
        world.pass(Duration::from_secs(60));
        world.settled().await;
    }
    world.pass(Duration::from_secs(600));
    world.settled().await;
    assert_eq!(world.token_requests(), before + 50, "each is refreshed once");
    assert_eq!(world.provider.state().revoked_families, 0);
}

/// F30: whom the provider refuses asks with one account when it may, and with none before.
#[tokio::test(start_paused = true)]
async fn a_connection_at_fault_waits_until_it_may_try_again() {
    let world = world().await;
    world.people("example", 20).await;
    let connection = world.connection_row("example").await;
    let fault = FaultRow {
        organization: "default".into(),
        connection_id: connection.id.clone(),
        connection_version: connection.version,
        error: "invalid_client".into(),
        since: world.clock.now(),
        failures: 1,
        next_try: world.clock.now().plus(Duration::from_secs(3100)),
    };
    world.commit(Change::SetFault(fault)).await;
    world.pass(Duration::from_secs(3000));
    world.settled().await;
    assert_eq!(world.state_of_refresher().begun, 0);
    let gate = world.provider.hold_token_requests();
    world.pass(Duration::from_secs(100));
    gate.arrived.notified().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.state_of_refresher().begun, 1);
    world.provider.let_token_requests_go();
    world.until("all are refreshed", async || world.token_requests() == 20).await;
}

#[tokio::test(start_paused = true)]
async fn a_disabled_connection_is_left_alone_until_it_is_enabled() {
    let world = world().await;
    world.people("example", 3).await;
    let (organization, name) = (Organization::default(), ConnectionName::parse("example").unwrap());
    world.engine.set_connection_enabled(&organization, &name, false).await.unwrap();
    world.pass(Duration::from_secs(3000));
    world.settled().await;
    assert_eq!(world.state_of_refresher().begun, 0);
    world.engine.set_connection_enabled(&organization, &name, true).await.unwrap();
    world.pass(Duration::from_secs(60));
    world.until("all are refreshed", async || world.token_requests() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn an_account_that_another_process_asks_for_is_left_to_it() {
    let world = world().await;
    world.people("example", 2).await;
    let taken = world.account_row("example-0").await;
    let until = world.store().now().await.unwrap().plus(Duration::from_secs(1_000_000));
    let lease = LeaseRow {
        organization: "default".into(),
        account_id: taken.id.clone(),
        holder: "another".into(),
        epoch: 2,
        until,
        sent: true,
    };
    world.commit(Change::TakeLease { lease, account_version: taken.version }).await;
    world.pass(Duration::from_secs(3000));
    world.until("the other is refreshed", async || world.token_requests() == 1).await;
    world.settled().await;
    assert_eq!(world.asked_for(), ["refresh-2"]);
    world.commit(Change::ReleaseLease { organization: "default".into(), account_id: taken.id, epoch: 2 }).await;
    world.until("it is refreshed too", async || world.token_requests() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_refreshed_comes_up_once() {
    let world = world().await;
    world.people("example", 2).await;
    // The credential belongs to another app from now on.
    let patch = ConnectionPatch { client_id: Some("another".into()), ..ConnectionPatch::default() };
    let (organization, name) = (Organization::default(), ConnectionName::parse("example").unwrap());
    world.engine.update_connection(&organization, &name, patch).await.unwrap();
    world.pass(Duration::from_secs(3000));
    let later = Some(world.clock.now().plus(Duration::from_secs(3600)));
    for person in ["example-0", "example-1"] {
        world.until("it is put off", async || world.account_row(person).await.refresh_at == later).await;
    }
    assert_eq!(world.state_of_refresher().begun, 0);
    // It comes back to the app before that.
    let patch = ConnectionPatch { client_id: Some("client".into()), ..ConnectionPatch::default() };
    world.engine.update_connection(&organization, &name, patch).await.unwrap();
    world.pass(Duration::from_secs(3600));
    world.until("both are refreshed", async || world.token_requests() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_has_ended_leaves_the_schedule_and_delays_nobody() {
    let world = world().await;
    world.people("example", 19).await;
    world.person_with("example", "example-19", "one-that-the-provider-does-not-know".into()).await;
    world.pass(Duration::from_secs(3000));
    // Twice for the one that has ended, to be sure.
    world.until("all are asked for", async || world.token_requests() == 21).await;
    world.settled().await;
    assert_eq!(world.token_requests(), 21);
    let mut ended = 0;
    for person in 0..20 {
        let row = world.account_row(&format!("example-{person}")).await;
        ended += u32::from(row.status == Status::Expired.as_str() && row.refresh_at.is_none());
    }
    assert_eq!(ended, 1);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_are_always_about_to_end_are_refreshed_once_a_minute() {
    let world = world().await;
    world.people("example", 1).await;
    world.provider.state().expires_in = Some(20);
    world.pass(Duration::from_secs(3000));
    for minute in 1..4 {
        world.until("it is refreshed", async || world.token_requests() == minute).await;
        world.settled().await;
        assert_eq!(world.token_requests(), minute);
        world.pass(Duration::from_secs(60));
    }
}

/// One whose row was tampered with stands in nobody's way.
#[tokio::test(start_paused = true)]
async fn an_account_that_cannot_be_read_is_passed_over() {
    let world = world().await;
    world.people("example", 3).await;
    let row = world.account_row("example-0").await;
    let tampered = AccountRow { status: "EXPIRED".into(), version: row.version + 1, ..row };
    world.commit(Change::ReplaceAccount(tampered)).await;
    world.pass(Duration::from_secs(3000));
    world.until("the others are refreshed", async || world.token_requests() == 2).await;
    world.settled().await;
    assert_eq!(world.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_it_nothing_is_refreshed_unless_someone_asks() {
    let world = World::with(settings()).await;
    world.people("example", 3).await;
    world.pass(Duration::from_secs(4000));
    world.settled().await;
    assert_eq!(world.token_requests(), 0);
    world.engine.token(&account("example", "example-0"), Duration::ZERO).await.unwrap();
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_it_at_once() {
    let world = world().await;
    world.people("example", 3).await;
    let since = Instant::now();
    world.engine.close().await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(5), "it waited for its beginning");
    world.pass(Duration::from_secs(3000));
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(world.token_requests(), 0);
}

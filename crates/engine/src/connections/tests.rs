//! Secrets that are rolled over and apps that are refused, as refreshes and exchanges meet them.

use std::{sync::Arc, time::Duration};

use super::{ClientSecrets, ConnectionPatch, NewConnection};
use crate::{
    Engine, Parts, Settings, StoreLocation,
    names::{ConnectionName, Organization},
    refresh::RefreshSettings,
    rows::{ConnectionSecrets, StoredConnection},
    secret::{ExposeSecret, Secret},
    store::{Change, Commit},
    time::{Clock, ManualClock, Timestamp},
    vault::KeySource,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn secrets(list: &[&str]) -> ClientSecrets {
    list.iter().map(|secret| Secret::from(*secret)).collect::<Vec<_>>().into()
}

fn name() -> ConnectionName {
    ConnectionName::parse("mail").unwrap()
}

async fn engine() -> (Arc<Engine>, Arc<ManualClock>) {
    let settings = Settings {
        store: StoreLocation::Memory,
        key: KeySource::Ephemeral,
        public_url: "http://localhost:7415".parse().unwrap(),
        app_name: None,
        user_verification: None,
        user_verify_urls: Vec::new(),
        connections: vec![NewConnection {
            connector: Some("gmail".into()),
            client_id: Some("client".into()),
            client_secret: Some(secrets(&["new", "old", "oldest"])),
            ..NewConnection::named(Organization::default(), name())
        }],
        built_in_connections: Vec::new(),
        connectors: Vec::new(),
        proxy: None,
        refresh: RefreshSettings { background: false, ..RefreshSettings::default() },
    };
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
    let with_clock = |parts| Parts { clock: clock.clone(), ..parts };
    (Engine::open_with(settings, with_clock).await.unwrap(), clock)
}

impl Engine {
    async fn mail(&self) -> Arc<StoredConnection> {
        self.stored_connection(&Organization::default(), &name()).await.unwrap()
    }

    async fn patch(&self, patch: ConnectionPatch) -> Arc<StoredConnection> {
        self.update_connection(&Organization::default(), &name(), patch).await.unwrap();
        self.mail().await
    }

    async fn apply(&self, change: Option<Change>) -> Commit {
        self.rows.store.commit(change.into_iter().collect()).await.unwrap()
    }

    async fn meet_refusal(&self, connection: &StoredConnection) {
        let noted = self.note_fault(connection, "invalid_client").await.unwrap();
        assert_eq!(self.apply(noted).await, Commit::Applied);
    }

    /// Whether a token request may be sent; whoever may although the app was refused commits that nobody else does.
    async fn passes(&self, connection: &StoredConnection) -> bool {
        match self.pass_fault(connection, 2 * MINUTE).await {
            Ok(probe) => self.apply(probe).await == Commit::Applied,
            Err(error) => {
                assert_eq!(error.code(), "CONNECTION_MISCONFIGURED");
                false
            }
        }
    }

    /// The secrets that go out, in their order.
    fn sent(&self, connection: &StoredConnection) -> Vec<String> {
        let first = self.setup(connection).unwrap();
        std::iter::successors(Some(first), |setup| setup.with_next_secret())
            .map(|setup| setup.registration(None).unwrap().client_secret.unwrap().expose_secret().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn the_first_secret_is_used_and_the_others_follow_a_refusal() {
    let (engine, _) = engine().await;
    assert_eq!(engine.sent(&*engine.mail().await), ["new", "old", "oldest"]);
}

#[tokio::test]
async fn the_secret_that_worked_is_used_first_until_they_change() {
    let (engine, _) = engine().await;
    let connection = engine.mail().await;
    let worked = engine.setup(&connection).unwrap().with_next_secret().unwrap();
    engine.remember_secret(&connection, worked.secret_choice());
    assert_eq!(engine.sent(&connection), ["old", "new", "oldest"]);

    let patch = ConnectionPatch { scopes: Some(vec!["openid".into()]), ..Default::default() };
    assert_eq!(engine.sent(&*engine.patch(patch).await), ["old", "new", "oldest"], "the secrets are the same");

    let patch = ConnectionPatch { client_secret: Some(secrets(&["newer", "new"])), ..Default::default() };
    assert_eq!(engine.sent(&*engine.patch(patch).await), ["newer", "new"], "all of them were replaced");
}

/// What is granted to an app stays granted to it, whichever secret it has.
#[tokio::test]
async fn another_secret_is_no_other_app() {
    let (engine, _) = engine().await;
    let before = engine.binding(&*engine.mail().await).unwrap();
    let patch = ConnectionPatch { client_secret: Some("newest".into()), ..Default::default() };
    assert_eq!(engine.binding(&*engine.patch(patch).await).unwrap(), before);
}

#[test]
fn a_row_that_holds_one_secret_is_read_as_before() {
    let read = |json| {
        let read: ConnectionSecrets = serde_json::from_str(json).unwrap();
        read.client_secret.map(|secrets| secrets.iter().map(|secret| secret.expose_secret().into()).collect())
    };
    assert_eq!(read(r#"{"client_secret":"one","app":{}}"#), Some(vec![String::from("one")]));
    assert_eq!(read(r#"{"client_secret":null,"app":{}}"#), None);
    let written =
        serde_json::to_string(&ConnectionSecrets { client_secret: Some(secrets(&["a", "b"])), ..Default::default() });
    assert_eq!(read(&written.unwrap()), Some(vec!["a".into(), "b".into()]));
}

#[tokio::test]
async fn a_refused_app_is_tried_by_one_at_a_time_until_it_is_accepted() {
    let (engine, clock) = engine().await;
    let connection = engine.mail().await;
    assert!(engine.passes(&connection).await && engine.passes(&connection).await, "it is sound");

    engine.meet_refusal(&connection).await;
    let fault = engine.connection_fault(&connection).await.unwrap().unwrap();
    assert_eq!((fault.error.as_str(), fault.since), ("invalid_client", clock.now()));
    assert!(!engine.passes(&connection).await, "it is too early");

    clock.advance(SECOND);
    assert!(engine.passes(&connection).await, "one tries");
    assert!(!engine.passes(&connection).await, "and the others wait for what comes of it");

    let cleared = engine.clear_fault(&connection);
    assert!(cleared.is_some());
    let _ = engine.apply(cleared).await;
    assert_eq!(engine.connection_fault(&connection).await.unwrap(), None);
    assert!(engine.passes(&connection).await && engine.passes(&connection).await);
    assert!(engine.clear_fault(&connection).is_none(), "there is nothing to clear any more");
}

#[tokio::test]
async fn of_two_that_try_at_once_one_does() {
    let (engine, clock) = engine().await;
    let connection = engine.mail().await;
    engine.meet_refusal(&connection).await;
    clock.advance(SECOND);
    let [first, second] =
        [engine.pass_fault(&connection, MINUTE).await.unwrap(), engine.pass_fault(&connection, MINUTE).await.unwrap()];
    assert_eq!((engine.apply(first).await, engine.apply(second).await), (Commit::Applied, Commit::Conflict));
}

#[tokio::test]
async fn pauses_grow_with_the_time_and_not_with_the_number_of_refusals() {
    let (engine, clock) = engine().await;
    let connection = engine.mail().await;
    for _ in 0..100 {
        engine.meet_refusal(&connection).await;
    }
    let pause = async || clock.now().until(engine.connection_fault(&connection).await.unwrap().unwrap().next_try_at);
    assert!(pause().await <= SECOND, "a hundred accounts met one refusal");
    clock.advance(10 * MINUTE);
    engine.meet_refusal(&connection).await;
    assert!((5 * MINUTE..=10 * MINUTE).contains(&pause().await));
    clock.advance(60 * MINUTE);
    engine.meet_refusal(&connection).await;
    assert!(pause().await <= 15 * MINUTE);
}

#[tokio::test]
async fn a_connection_that_was_changed_is_not_at_fault() {
    let (engine, _) = engine().await;
    let before = engine.mail().await;
    engine.meet_refusal(&before).await;
    let after = engine.patch(ConnectionPatch { client_secret: Some("right".into()), ..Default::default() }).await;
    assert_eq!(engine.connection_fault(&after).await.unwrap(), None);
    assert!(engine.passes(&after).await);

    engine.meet_refusal(&after).await;
    assert!(engine.note_fault(&before, "invalid_client").await.unwrap().is_none(), "a late answer changes nothing");
    assert!(engine.connection_fault(&after).await.unwrap().is_some());
}

#[tokio::test]
async fn what_another_process_met_is_seen_within_a_minute_and_costs_nothing_before() {
    let (engine, clock) = engine().await;
    let connection = engine.mail().await;
    assert!(engine.passes(&connection).await);
    let noted = engine.note_fault(&connection, "invalid_client").await.unwrap();
    // As if it were another's.
    engine.fault_memory.forget(&connection.id);
    engine.fault_memory.trust(&connection.id, clock.now());
    let Some(Change::SetFault(mut row)) = noted else { panic!("a fault is noted") };
    row.next_try = clock.now().plus(10 * MINUTE);
    assert_eq!(engine.apply(Some(Change::SetFault(row))).await, Commit::Applied);
    assert!(engine.passes(&connection).await, "the store is not asked");
    assert!(engine.clear_fault(&connection).is_none(), "nor written");
    clock.advance(MINUTE);
    assert!(!engine.passes(&connection).await);
}

/// The note is on its way to the store while another flight looks there.
#[tokio::test]
async fn a_fault_of_ones_own_is_seen_at_once() {
    let (engine, _) = engine().await;
    let connection = engine.mail().await;
    let noted = engine.note_fault(&connection, "invalid_client").await.unwrap();
    assert!(engine.passes(&connection).await);
    assert_eq!(engine.apply(noted).await, Commit::Applied);
    assert!(!engine.passes(&connection).await);
}

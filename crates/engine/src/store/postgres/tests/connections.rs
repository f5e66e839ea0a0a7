//! Connections that break: between calls, within one, and while a commit is under way.

use std::sync::Mutex;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

/// When a connection is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// COMMIT does not reach the server.
    Before,
    /// It does, and the answer does not come back.
    After,
}

/// COMMIT, as a message of PostgreSQL's protocol.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// A way to the tests' server that is cut at the next COMMIT when a test says so.
struct Relay {
    cut: Arc<Mutex<Option<Cut>>>,
    address: Address,
}

impl Relay {
    async fn new() -> Option<Self> {
        let mut url: url::Url = url()?.parse().unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(here.port())).unwrap();
        let cut = Arc::new(Mutex::new(None));
        let (cuts, address) = (cut.clone(), Address::parse(url.as_str()).unwrap());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, TcpStream::connect(server.clone()).await.unwrap(), cuts.clone()));
            }
        });
        Some(Self { cut, address })
    }

    fn cut_next(&self, cut: Cut) {
        *self.cut.lock().unwrap() = Some(cut);
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, cut: Arc<Mutex<Option<Cut>>>) {
    let (mut up, mut down) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let bytes = match read { Ok(0) | Err(_) => return, Ok(length) => &up[..length] };
                // A commit's last word travels alone.
                let cut = if bytes == COMMIT { cut.lock().unwrap().take() } else { None };
                if cut == Some(Cut::Before) {
                    return;
                }
                server.write_all(bytes).await.unwrap();
                if cut == Some(Cut::After) {
                    // The server has carried it out when it answers.
                    let _ = server.read(&mut down).await;
                    return;
                }
            }
            read = server.read(&mut down) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => client.write_all(&down[..length]).await.unwrap(),
            },
        }
    }
}

// F40.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_carried_out_once() {
    let Some(relay) = Relay::new().await else { return };
    for receipts in [Receipts::Given, Receipts::Unknown] {
        let mut store = PostgresStore::open(&relay.address).await.unwrap();
        store.receipts = receipts;
        for number in 0..10 {
            relay.cut_next(Cut::After);
            let row = connection(&format!("conn_{receipts:?}_{number}"));
            let made = store.commit(vec![Change::InsertConnection(row.clone())]).await.unwrap();
            assert_eq!(made, Commit::Applied);
            let key = ConnectionKey::Id(&row.id);
            assert_eq!(store.connection("default", key).await.unwrap().as_ref(), Some(&row));
            assert_eq!(store.commit(vec![Change::InsertConnection(row)]).await.unwrap(), Commit::Conflict);
        }
    }
}

// F40.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_did_not_arrive_is_made_again() {
    let Some(relay) = Relay::new().await else { return };
    let store = PostgresStore::open(&relay.address).await.unwrap();
    fill(&store).await;
    for version in 2..12 {
        relay.cut_next(Cut::Before);
        let row = AccountRow { version, ..account("ca_1", "conn_1") };
        assert_eq!(store.commit(vec![Change::ReplaceAccount(row)]).await.unwrap(), Commit::Applied);
    }
    assert_eq!(store.account("default", AccountKey::Id("ca_1")).await.unwrap().unwrap().version, 11);
}

// F40.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_known_is_an_error_and_a_second_attempt_does_no_harm() {
    let Some(relay) = Relay::new().await else { return };
    let mut store = PostgresStore::open(&relay.address).await.unwrap();
    store.receipts = Receipts::Unknown;
    fill(&store).await;
    relay.cut_next(Cut::Before);
    let row = AccountRow { version: 2, ..account("ca_1", "conn_1") };
    let error = store.commit(vec![Change::ReplaceAccount(row.clone())]).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("STORE_UNREACHABLE", true));
    assert_eq!(store.commit(vec![Change::ReplaceAccount(row.clone())]).await.unwrap(), Commit::Applied);
    assert_eq!(store.commit(vec![Change::ReplaceAccount(row)]).await.unwrap(), Commit::Conflict);
}

// F40.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_the_server_ends_are_replaced() {
    // By a name of its own, so that other tests keep theirs.
    let Some(url) = url() else { return };
    let mut schema = Schema(Address::parse(&url).unwrap());
    let name = schema.0.schema.clone();
    schema.0.config.application_name(&name);
    let store = schema.store().await;
    fill(&store).await;
    let other = schema.another_program().await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = $1 AND pid <> pg_backend_pid()";
    for version in 2..12 {
        other.query(end, &[&name]).await.unwrap();
        assert!(store.account("default", AccountKey::Id("ca_1")).await.unwrap().is_some());
        other.query(end, &[&name]).await.unwrap();
        let row = AccountRow { version, ..account("ca_1", "conn_1") };
        assert_eq!(store.commit(vec![Change::ReplaceAccount(row)]).await.unwrap(), Commit::Applied);
    }
}

// F42.
#[tokio::test]
async fn nothing_of_a_session_outlives_a_transaction() {
    let Some(schema) = Schema::new() else { return };
    let store = schema.store().await;
    fill(&store).await;
    let rest = "SELECT (SELECT count(*) FROM pg_prepared_statements) = 0
        AND coalesce(current_setting('onbehalf.organization', true), '') = ''
        AND current_setting('search_path') NOT LIKE '%test_%'
        AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())";
    assert!(store.server.ask(rest, &[]).await.unwrap().get::<_, bool>(0));
}

#[tokio::test]
async fn the_pool_tells_how_it_is_used() {
    let Some(Schema(address)) = Schema::new() else { return };
    let store = PostgresStore::open(&address).await.unwrap();
    let most = address.pool_size;
    let Some(Pool { idle, busy: 0, waiting: 0, .. }) = store.pool() else { panic!("{:?}", store.pool()) };
    assert!(idle > 0, "the connections that opened the store are kept");
    let taken = store.server.connection().await.unwrap();
    assert_eq!(store.pool(), Some(Pool { idle: idle - 1, busy: 1, most, waiting: 0 }));
    drop(taken);
    assert_eq!(store.pool(), Some(Pool { idle, busy: 0, most, waiting: 0 }));
    assert!(store.time_of_day().await.unwrap().is_some());
}

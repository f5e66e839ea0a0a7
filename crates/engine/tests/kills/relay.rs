//! A way to the tests' PostgreSQL that breaks, or stands still, behind as many bytes as a test says: within a message,
//! between a COMMIT and its answer, wherever that is.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use onbehalf_engine::{StoreLocation, store::postgres::Address};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::network::url;

/// What becomes of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Every connection ends; new ones are carried.
    Cut,
    /// No byte passes, in either direction, until the way goes on.
    Stand,
}

pub(crate) struct Relay {
    folder: PathBuf,
    address: Address,
    way: Arc<Way>,
}

#[derive(Default)]
struct Way {
    /// What happens next, and how many bytes pass before it does.
    next: Mutex<Option<(Trouble, usize)>>,
    /// How often the way was cut.
    cuts: watch::Sender<usize>,
    stands: watch::Sender<bool>,
}

impl Relay {
    /// A way to the schema of a folder.
    pub(crate) async fn to(folder: &Path) -> Self {
        let mut url = url(folder.file_name().unwrap().as_encoded_bytes());
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        // By it the server tells whose session is whose.
        let name = folder.file_name().unwrap().to_str().unwrap();
        url.query_pairs_mut().append_pair("application_name", name);
        let way = Arc::<Way>::default();
        let carried = way.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, carried.clone()));
            }
        });
        Self { folder: folder.into(), address: Address::parse(url.as_str()).unwrap(), way }
    }

    /// The store at the way's end, with its journals in the folder.
    pub(crate) fn store(&self) -> StoreLocation {
        StoreLocation::Postgres { address: self.address.clone(), journal: self.folder.join("store.db") }
    }

    /// Makes trouble once so many bytes more have passed, in either direction. What was to happen before then does not.
    pub(crate) fn behind(&self, bytes: usize, trouble: Trouble) {
        *self.way.next.lock().unwrap() = Some((trouble, bytes));
    }

    pub(crate) fn goes_on(&self) {
        *self.way.next.lock().unwrap() = None;
        self.way.stands.send_replace(false);
    }

    /// How often the way was cut.
    pub(crate) fn cuts(&self) -> usize {
        *self.way.cuts.borrow()
    }

    pub(crate) fn stands(&self) -> bool {
        *self.way.stands.borrow()
    }
}

impl Way {
    /// How many of so many bytes pass, and what happens then.
    fn passing(&self, length: usize) -> (usize, Option<Trouble>) {
        let mut next = self.next.lock().unwrap();
        match *next {
            Some((trouble, left)) if left <= length => {
                *next = None;
                (left, Some(trouble))
            }
            Some((trouble, left)) => {
                *next = Some((trouble, left - length));
                (length, None)
            }
            None => (length, None),
        }
    }
}

/// Carries what both say until one of them ends, or the way is cut.
async fn carry(mut client: TcpStream, mut server: TcpStream, way: Arc<Way>) {
    let mut cuts = way.cuts.subscribe();
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        biased;
        _ = cuts.changed() => {}
        () = pump(from_client, to_server, &way) => {}
        () = pump(from_server, to_client, &way) => {}
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, way: &Way) {
    let mut stands = way.stands.subscribe();
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        stands.wait_for(|stands| !stands).await.unwrap();
        let (passing, trouble) = way.passing(length);
        if to.write_all(&bytes[..passing]).await.is_err() {
            return;
        }
        match trouble {
            None => {}
            Some(Trouble::Cut) => return way.cuts.send_modify(|cuts| *cuts += 1),
            Some(Trouble::Stand) => {
                way.stands.send_replace(true);
                stands.wait_for(|stands| !stands).await.unwrap();
                if to.write_all(&bytes[passing..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

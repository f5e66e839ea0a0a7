//! A provider of bytes: it accepts connections on loopback and does with each what a script says, step by step.
//!
//! A real server writes HTTP and can't be asked to write half of it. This one knows HTTP only as far as it must to see
//! where a request ends. Connections that no script was written for are answered as an honest provider would.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::wire;
pub(super) use crate::wire::message;

/// What becomes of one connection. Behind the last step the provider closes it.
pub(super) type Script = Vec<Step>;

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Reads one request to its end, and keeps it.
    Read,
    /// Reads the beginning of a request, so many bytes, and keeps nothing.
    ReadOnly(usize),
    Write(Vec<u8>),
    /// Writes the same over and over, until the client is gone.
    Flood(Vec<u8>),
    /// Writes the same over and over, a byte every hundredth of a second, until the client is gone.
    Trickle(Vec<u8>),
    /// Closes its own half: nothing more will come, and it reads on.
    HalfClose,
    /// Says that this point is reached, then does nothing until the client is gone.
    Stall,
    /// Breaks the connection off, so that the client sees a reset.
    Reset,
}
use Step::{Flood, HalfClose, Read, ReadOnly, Reset, Stall, Trickle, Write};

/// Reads the request and writes these bytes.
pub(super) fn says(bytes: impl Into<Vec<u8>>) -> Script {
    vec![Read, Write(bytes.into())]
}

/// Reads the request and gives a whole answer; `headers` are lines.
pub(super) fn answers(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Script {
    says(message(status, headers, body.as_ref()))
}

/// An answer in JSON.
pub(super) fn json(status: u16, body: impl AsRef<[u8]>) -> Script {
    answers(status, "content-type: application/json\r\n", body)
}

pub(super) struct Provider {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Rings when a script comes to a [`Step::Stall`].
    pub(super) stalled: Arc<Notify>,
}

#[derive(Default)]
struct State {
    scripts: VecDeque<Script>,
    requests: Vec<String>,
    /// Bytes that the client's machine took.
    sent: u64,
    issued: u32,
}

impl Provider {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, stalled) = (Arc::<Mutex<State>>::default(), Arc::<Notify>::default());
        let (shared, bell) = (state.clone(), stalled.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = shared.lock().unwrap().scripts.pop_front();
                tokio::spawn(Connection { stream, state: shared.clone(), stalled: bell.clone() }.play(script));
            }
        });
        Self { address, state, stalled }
    }

    /// The next connection goes by this script, after those that are waiting.
    pub(super) fn next(&self, script: Script) {
        self.state().scripts.push_back(script);
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, heads and bodies, in their order.
    pub(super) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// The parameters of the last token request.
    pub(super) fn last_asked(&self) -> HashMap<String, String> {
        let requests = self.requests();
        let asked = requests.iter().rev().find(|request| request.starts_with("POST /token ")).unwrap();
        url::form_urlencoded::parse(asked.split("\r\n\r\n").nth(1).unwrap().as_bytes()).into_owned().collect()
    }

    /// How many bytes were sent in all.
    pub(super) fn sent(&self) -> u64 {
        self.state().sent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

struct Connection {
    stream: TcpStream,
    state: Arc<Mutex<State>>,
    stalled: Arc<Notify>,
}

impl Connection {
    /// Plays the script to its end, or until the client is gone.
    async fn play(mut self, script: Option<Script>) {
        match script {
            Some(steps) => {
                for step in steps {
                    if self.step(step).await.is_none() {
                        return;
                    }
                }
            }
            None => drop(self.honest().await),
        }
    }

    async fn step(&mut self, step: Step) -> Option<()> {
        match step {
            Read => drop(self.request().await?),
            ReadOnly(length) => drop(self.stream.read_exact(&mut vec![0; length]).await.ok()?),
            Write(bytes) => self.write(&bytes).await?,
            Flood(bytes) => {
                while self.write(&bytes).await.is_some() {}
                return None;
            }
            Trickle(bytes) => {
                for byte in bytes.iter().cycle() {
                    self.write(&[*byte]).await?;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            HalfClose => self.stream.shutdown().await.ok()?,
            Stall => {
                self.stalled.notify_one();
                while self.stream.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0) {}
            }
            Reset => self.stream.set_zero_linger().ok()?,
        }
        Some(())
    }

    /// Issues tokens, and says who the person is.
    async fn honest(&mut self) -> Option<()> {
        let request = self.request().await?;
        let body = if request.starts_with("POST /token ") {
            let mut state = self.state.lock().unwrap();
            state.issued += 1;
            let issued = state.issued;
            json!({
                "access_token": format!("access-{issued}"), "refresh_token": format!("refresh-{issued}"),
                "token_type": "Bearer", "expires_in": 3600, "scope": "read write",
            })
        } else {
            json!({ "id": "ada", "email": "ada@example.com" })
        };
        self.write(&message(200, "content-type: application/json\r\n", body.to_string().as_bytes())).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).await.ok()?;
        self.state.lock().unwrap().sent += bytes.len() as u64;
        Some(())
    }

    /// One request, which is kept.
    async fn request(&mut self) -> Option<String> {
        let request = wire::request(&mut self.stream).await?;
        self.state.lock().unwrap().requests.push(request.clone());
        Some(request)
    }
}

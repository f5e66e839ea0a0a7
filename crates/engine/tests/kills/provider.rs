//! A provider on loopback that rotates refresh tokens by a policy, and remembers what it issued and to whom.
//!
//! It outlives the processes that ask it: it stands in the one that kills them. What it has committed it never takes
//! back, whether or not its answer arrives.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_util::task::TaskTracker;

use crate::wire;

/// What becomes of a refresh token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It is dead, and its reuse ends the whole grant (RFC 9700 §4.14.2).
    RevokesFamily,
    /// It brings the same successor again.
    GraceSame,
    /// It brings one more successor.
    GraceNew,
    /// It is dead; its reuse harms nothing else.
    SingleUse,
    /// It stays.
    NoRotation,
}

impl Policy {
    pub(crate) const ALL: [Self; 5] =
        [Self::RevokesFamily, Self::GraceSame, Self::GraceNew, Self::SingleUse, Self::NoRotation];
}

/// Which request is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Exchange,
    Refresh,
}

/// A request that was carried out and is not answered until it is let go.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    pub(crate) arrived: Notify,
    pub(crate) release: Notify,
}

pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    connections: TaskTracker,
}

struct State {
    policy: Policy,
    families: Vec<Family>,
    /// How often each code came.
    codes: HashMap<String, usize>,
    issued: usize,
    refreshes: usize,
    hold: Option<(Kind, Arc<Hold>)>,
    /// The next answer ends behind so many bytes.
    cut: Option<usize>,
    /// What was cut last.
    whole: Vec<u8>,
}

/// What one consent brought.
#[derive(Debug, Default)]
struct Family {
    person: String,
    /// Its refresh tokens, the newest last.
    refresh_tokens: Vec<String>,
    access_token: String,
    /// How often a refresh token of it came.
    refreshes: usize,
    revoked: bool,
}

impl Provider {
    pub(crate) async fn start(policy: Policy) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State {
            policy,
            families: Vec::new(),
            codes: HashMap::new(),
            issued: 0,
            refreshes: 0,
            hold: None,
            cut: None,
            whole: Vec::new(),
        };
        let provider = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
            connections: TaskTracker::new(),
        };
        provider.connections.close();
        let (state, connections) = (provider.state.clone(), provider.connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, state.clone()));
            }
        });
        provider
    }

    /// The next request of this kind is carried out, and not answered before it is let go.
    pub(crate) fn hold(&self, kind: Kind) -> Arc<Hold> {
        let hold = Arc::<Hold>::default();
        self.state().hold = Some((kind, hold.clone()));
        hold
    }

    /// The answer to the next refresh ends behind so many bytes.
    pub(crate) fn cut_at(&self, length: usize) {
        self.state().cut = Some(length);
    }

    /// The answer that was cut last, as it would have been.
    pub(crate) fn whole(&self) -> String {
        String::from_utf8(self.state().whole.clone()).unwrap()
    }

    /// Waits until nothing is left of what processes that are gone have sent.
    pub(crate) async fn quiet(&self) {
        // Connections are accepted in their order, so those before this one are counted by the time it is answered.
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(b"GET /me HTTP/1.1\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        self.connections.wait().await;
    }

    /// How many refreshes were asked for, whole requests alone.
    pub(crate) fn refreshes(&self) -> usize {
        self.state().refreshes
    }

    /// How many of them were for a person.
    pub(crate) fn refreshes_of(&self, person: &str) -> usize {
        self.state().families.iter().filter(|family| family.person == person).map(|family| family.refreshes).sum()
    }

    /// How often each code came.
    pub(crate) fn codes(&self) -> Vec<usize> {
        self.state().codes.values().copied().collect()
    }

    /// How many grants ended because a refresh token came again.
    pub(crate) fn revoked(&self) -> usize {
        self.state().families.iter().filter(|family| family.revoked).count()
    }

    /// The newest tokens of the person's newest grant, access token and refresh token, while it lasts.
    pub(crate) fn newest(&self, person: &str) -> Option<(String, String)> {
        let state = self.state();
        let family = state.families.iter().rev().find(|family| family.person == person)?;
        let refresh_token = family.refresh_tokens.last()?;
        (!family.revoked).then(|| (family.access_token.clone(), refresh_token.clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let Some(request) = wire::request(&mut stream).await else { return };
    let (status, body, kind) = if request.starts_with("POST /token ") {
        let form = request.split("\r\n\r\n").nth(1).unwrap_or_default();
        let form: HashMap<String, String> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let kind = if form["grant_type"] == "refresh_token" { Kind::Refresh } else { Kind::Exchange };
        let (status, body) = state.lock().unwrap().token(kind, &form);
        (status, body, Some(kind))
    } else {
        (200, json!({ "id": "ada", "email": "ada@example.com" }), None)
    };
    let mut message = wire::message(status, "content-type: application/json\r\n", body.to_string().as_bytes());
    let hold = state.lock().unwrap().hold.take_if(|(held, _)| Some(*held) == kind);
    if let Some((_, hold)) = hold {
        hold.arrived.notify_one();
        tokio::select! {
            () = hold.release.notified() => {}
            // Whoever asked is gone.
            _ = stream.read_u8() => return,
        }
    }
    let cut = if kind == Some(Kind::Refresh) { state.lock().unwrap().cut.take() } else { None };
    if let Some(length) = cut {
        state.lock().unwrap().whole = message.clone();
        message.truncate(length);
    }
    // Whoever asked may be gone.
    let _ = stream.write_all(&message).await;
}

impl State {
    fn token(&mut self, kind: Kind, form: &HashMap<String, String>) -> (u16, serde_json::Value) {
        let issued = match kind {
            Kind::Exchange => self.exchange(&form["code"]),
            Kind::Refresh => self.refresh(&form["refresh_token"]),
        };
        match issued {
            Some(tokens) => (200, tokens),
            None => (400, json!({ "error": "invalid_grant" })),
        }
    }

    /// A code is `person.anything`, and good once.
    fn exchange(&mut self, code: &str) -> Option<serde_json::Value> {
        let times = self.codes.entry(code.to_owned()).or_default();
        *times += 1;
        if *times > 1 {
            return None;
        }
        let person = code.split('.').next()?.to_owned();
        self.families.push(Family { person, ..Family::default() });
        Some(self.issue(self.families.len() - 1))
    }

    fn refresh(&mut self, presented: &str) -> Option<serde_json::Value> {
        self.refreshes += 1;
        let holds = |family: &Family| family.refresh_tokens.iter().any(|token| token == presented);
        let index = self.families.iter().position(holds)?;
        let family = &mut self.families[index];
        family.refreshes += 1;
        if family.revoked {
            return None;
        }
        let superseded = family.refresh_tokens.last().is_none_or(|newest| newest != presented);
        match (self.policy, superseded) {
            (Policy::RevokesFamily, true) => {
                family.revoked = true;
                None
            }
            (Policy::SingleUse, true) => None,
            (Policy::NoRotation, _) | (Policy::GraceSame, true) => Some(self.reissue(index)),
            _ => Some(self.issue(index)),
        }
    }

    /// A new pair of tokens.
    fn issue(&mut self, index: usize) -> serde_json::Value {
        self.issued += 1;
        let token = format!("refresh-{}", self.issued);
        self.families[index].refresh_tokens.push(token);
        self.reissue(index)
    }

    /// A new access token, with the refresh token that is the newest already. The refresh token stands between other
    /// members, so that an answer can break off on both sides of it.
    fn reissue(&mut self, index: usize) -> serde_json::Value {
        self.issued += 1;
        let family = &mut self.families[index];
        family.access_token = format!("access-{}", self.issued);
        json!({
            "access_token": family.access_token, "expires_in": 3600, "refresh_token": family.refresh_tokens.last(),
            "scope": "read write", "token_type": "Bearer",
        })
    }
}

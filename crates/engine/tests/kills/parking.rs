//! Where a process can be held up: its store and its way out, wrapped so that it stops at a step of the protocol.
//!
//! Nothing in the engine knows of this. A step is told by what is about to be committed and by how far a token request
//! has come; at the chosen one the process says `parked` and goes no further until it is told to.

use std::{
    collections::HashSet,
    io::Write as _,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::{Request, Response};
use onbehalf_engine::{
    Parts,
    egress::{
        Egress, Failure,
        body::{Incoming, Outgoing},
    },
    store::Change,
};
use serde::{Deserialize, Serialize};

use crate::flaky::{Flaky, Watch};

/// A moment in a token request's life: F01 to F09, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// F01: before the commit that takes the lease, or moves the flow to `exchanging`.
    BeforeIntend,
    /// F02: after it.
    AfterIntend,
    /// Before the connection to the provider.
    BeforeConnect,
    /// Before the commit that says that the refresh token may leave.
    BeforeMarkSent,
    /// After it.
    AfterMarkSent,
    /// Before a byte of the body has left.
    BeforeAsk,
    /// F03: half of the body has left.
    WithinAsk,
    /// F04: the provider has carried the request out and has not answered. Told by the provider.
    AfterAsk,
    /// F05: the answer's last byte is here, and the journal has not got it.
    BeforeJournal,
    /// F06: the answer is in the journal, and not in the store.
    BeforeSettle,
    /// F08: it is in both.
    AfterSettle,
    /// F09: the caller is about to be told.
    BeforeReply,
}

/// Holds a process up at one step, once it is armed.
#[derive(Debug)]
pub(crate) struct Parking {
    at: Option<Step>,
    armed: AtomicBool,
    /// Whether it says which answers are about to be stored.
    announces: AtomicBool,
    /// The leases that this process has taken: account and epoch.
    taken: Mutex<HashSet<(String, i64)>>,
}

impl Parking {
    pub(crate) fn new(at: Option<Step>) -> Arc<Self> {
        let [armed, announces] = [false; 2].map(AtomicBool::new);
        Arc::new(Self { at, armed, announces, taken: Mutex::default() })
    }

    /// From now on steps count.
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// From now on it says `settling` and the account before each commit that ends a request: its answer is in the
    /// journal.
    pub(crate) fn announce(&self) {
        self.announces.store(true, Ordering::SeqCst);
    }

    /// The parts of an environment, with this around its store, whose clock is ahead by so much, and its way out.
    pub(crate) fn around(self: Arc<Self>, parts: Parts, ahead: Duration) -> Parts {
        Parts {
            store: Arc::new(Flaky::of(parts.store, Some(self.clone()), ahead)),
            egress: Arc::new(Watched { egress: parts.egress, parking: self }),
            ..parts
        }
    }

    /// Goes no further when this is the step, until the process is told to.
    pub(crate) async fn reach(&self, step: Step) {
        if self.armed.load(Ordering::SeqCst) && self.at == Some(step) {
            say("parked");
            self.armed.store(false, Ordering::SeqCst);
            listen().await;
        }
    }

    fn taken(&self) -> MutexGuard<'_, HashSet<(String, i64)>> {
        self.taken.lock().unwrap()
    }

    /// The steps before and after a commit of these changes.
    fn steps_of(changes: &[Change]) -> Option<(Step, Step)> {
        changes.iter().find_map(|change| match change {
            Change::TakeLease { .. } => Some((Step::BeforeIntend, Step::AfterIntend)),
            Change::MarkSent { .. } => Some((Step::BeforeMarkSent, Step::AfterMarkSent)),
            Change::ReleaseLease { .. } => Some((Step::BeforeSettle, Step::AfterSettle)),
            Change::ReplaceFlow(flow) if flow.status == "exchanging" => Some((Step::BeforeIntend, Step::AfterIntend)),
            Change::ReplaceFlow(flow) if flow.status == "completed" => Some((Step::BeforeSettle, Step::AfterSettle)),
            _ => None,
        })
    }
}

/// Tells the process, or the person, that started this one: what is written so is not captured.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).expect("whoever listens is there");
}

/// Waits until the process that started this one lets it go on.
pub(crate) async fn listen() {
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
}

#[async_trait]
impl Watch for Parking {
    async fn commits(&self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::TakeLease { lease, .. } => {
                    self.taken().insert((lease.account_id.clone(), lease.epoch));
                }
                // Not of a lease that another process left.
                Change::ReleaseLease { account_id, epoch, .. }
                    if self.taken().remove(&(account_id.clone(), *epoch)) && self.announces.load(Ordering::SeqCst) =>
                {
                    say(&format!("settling {account_id}"));
                }
                _ => {}
            }
        }
        if let Some((before, _)) = Self::steps_of(changes) {
            self.reach(before).await;
        }
    }

    async fn committed(&self, changes: &[Change]) {
        if let Some((_, after)) = Self::steps_of(changes) {
            self.reach(after).await;
        }
    }
}

/// A way out whose token requests are watched.
struct Watched {
    egress: Arc<dyn Egress>,
    parking: Arc<Parking>,
}

#[async_trait]
impl Egress for Watched {
    async fn open(&self, request: Request<Outgoing>, patience: Duration) -> Result<Response<Incoming>, Failure> {
        if request.uri().path() != "/token" {
            return self.egress.open(request, patience).await;
        }
        self.parking.reach(Step::BeforeConnect).await;
        let answer = self.egress.open(request.map(|body| self.halved(body)), patience).await?;
        Ok(answer.map(|body| self.watched(body)))
    }
}

impl Watched {
    /// The request's body, which leaves in two halves.
    fn halved(&self, body: Outgoing) -> Outgoing {
        let Outgoing::Chunks(chunks) = body else { return body };
        let parking = self.parking.clone();
        let halves = chunks.flat_map(move |chunk| {
            let (before, within) = (parking.clone(), parking.clone());
            let (first, second) = match chunk {
                Ok(chunk) => (Ok(chunk.slice(..chunk.len() / 2)), Ok(chunk.slice(chunk.len() / 2..))),
                Err(failure) => (Err(failure.clone()), Err(failure)),
            };
            let first = async move {
                before.reach(Step::BeforeAsk).await;
                first
            };
            let second = async move {
                within.reach(Step::WithinAsk).await;
                second
            };
            first.into_stream().chain(second.into_stream())
        });
        Outgoing::Chunks(Box::pin(halves))
    }

    /// The answer, whose end is told when the process goes on.
    fn watched(&self, body: Incoming) -> Incoming {
        let state = (body, self.parking.clone());
        Incoming::new(stream::unfold(state, |(mut body, parking)| async move {
            let chunk = body.chunk().await.transpose();
            if chunk.is_none() {
                parking.reach(Step::BeforeJournal).await;
            }
            chunk.map(|chunk| (chunk, (body, parking)))
        }))
    }
}

//! The process that is killed: this test binary once more, told by an environment variable what to do.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use onbehalf_engine::{refresh::Timing, secret::ExposeSecret as _};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{
    environment::{Environment, store_of},
    parking::{Parking, Step, listen, say},
    provider::{Hold, Kind, Provider},
    refresh::NOW,
};

const PART: &str = "ONBEHALF_TEST_PART";

/// What the process is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) folder: PathBuf,
    /// The provider's address.
    pub(crate) provider: String,
    /// The time in the process when it begins to refresh, in milliseconds.
    pub(crate) now: i64,
    pub(crate) act: Act,
    /// Where it stops.
    pub(crate) at: Option<Step>,
    /// How long leases and requests last, as milliseconds; the usual times otherwise.
    pub(crate) timing: Option<[u64; 3]>,
}

impl Part {
    /// An act that stops nowhere, begins at [`NOW`] and keeps the usual times.
    pub(crate) fn new(folder: &Path, provider: &Provider, act: Act) -> Self {
        Self { folder: folder.into(), provider: provider.address.to_string(), now: NOW, act, at: None, timing: None }
    }

    /// Which of its requests the provider holds, where it stops for the answer.
    fn kind(&self) -> Kind {
        match self.act {
            Act::Exchange => Kind::Exchange,
            Act::Refresh | Act::RefreshEarly | Act::RefreshAll { .. } => Kind::Refresh,
        }
    }

    pub(crate) fn timing(&self) -> Timing {
        self.timing.map_or_else(Timing::default, |times| {
            let [request, network, lease] = times.map(Duration::from_millis);
            Timing { request, network, lease }
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Act {
    /// Has the person consent; stops on the way.
    Exchange,
    /// Has the person consent, lets the access token end, and refreshes; stops on the way.
    Refresh,
    /// The same, while the access token still serves.
    RefreshEarly,
    /// Says what is stored of so many people; then refreshes them all, so many times, and says what it stores.
    RefreshAll { people: usize, times: u32 },
}

/// The one person of most tests.
pub(crate) const PERSON: &str = "ada";

#[tokio::test]
#[ignore = "is the process that others start and kill"]
async fn plays_its_part() {
    let Some(part) = std::env::var_os(PART) else { return };
    let part: Part = serde_json::from_str(part.to_str().unwrap()).unwrap();
    let parking = Parking::new(part.at);
    let ahead = Duration::from_millis(u64::try_from(part.now - NOW).unwrap());
    let store = store_of(&part.folder);
    let environment = Environment::with(store, &part.provider, NOW, part.timing(), ahead, Some(parking.clone())).await;
    match part.act {
        Act::Exchange => {
            parking.arm();
            environment.consents(PERSON).await.unwrap();
        }
        Act::Refresh => {
            environment.consents(PERSON).await.unwrap();
            environment.pass(Duration::from_secs(4000));
            parking.arm();
            // Who was stopped too long may fail.
            let _ = environment.token(PERSON).await;
        }
        Act::RefreshEarly => {
            environment.consents(PERSON).await.unwrap();
            environment.pass(Duration::from_secs(1000));
            parking.arm();
            let _ = environment.token_for(PERSON, Duration::from_secs(3000)).await;
        }
        Act::RefreshAll { people, times } => return refresh_all(&environment, &parking, people, times, part.now).await,
    }
    parking.reach(Step::BeforeReply).await;
    say("done");
}

/// Goes on until it is killed. Whoever must consent again does.
async fn refresh_all(environment: &Environment, parking: &Parking, people: usize, times: u32, now: i64) {
    let people: Vec<String> = (0..people).map(person).collect();
    parking.announce();
    for person in &people {
        // The clock stands before the last refreshes: a token of theirs is not believed, and refreshed at once.
        let stored = match environment.token(person).await {
            Ok(token) => token.refresh_token.unwrap().expose_secret().to_owned(),
            Err(error) if error.code() == "REAUTHORIZATION_REQUIRED" => String::new(),
            Err(_) => {
                environment.consents(person).await.unwrap();
                String::new()
            }
        };
        say(&format!("stored {person} {} {stored}", environment.account(person).await.id));
    }
    say("ready");
    listen().await;
    environment.pass(Duration::from_millis(u64::try_from(now - NOW).unwrap()));
    for _ in 0..times {
        environment.pass(Duration::from_secs(4000));
        futures_util::future::join_all(people.iter().map(|person| async move {
            let told = environment.token(person).await;
            if told.is_err_and(|error| error.code() == "REAUTHORIZATION_REQUIRED") {
                say(&format!("expired {person} {}", environment.account(person).await.reason.unwrap()));
                environment.consents(person).await.unwrap();
                say(&format!("consented {person}"));
            }
        }))
        .await;
    }
    std::future::pending().await
}

/// The name of one of many people.
pub(crate) fn person(number: usize) -> String {
    format!("person-{number}")
}

/// The process, while it lives. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    lines: UnboundedReceiver<String>,
}

impl Process {
    pub(crate) fn start(part: &Part) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child::plays_its_part", "--ignored", "--nocapture", "--quiet"]);
        command.env(PART, serde_json::to_string(part).unwrap());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = unbounded_channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Starts it, and waits until it stops where its part says; with the request that the provider holds for that.
    pub(crate) async fn stopped(part: &Part, provider: &Provider) -> (Self, Option<Arc<Hold>>) {
        let hold = (part.at == Some(Step::AfterAsk)).then(|| provider.hold(part.kind()));
        let mut process = Self::start(part);
        match &hold {
            Some(hold) => soon(hold.arrived.notified()).await,
            None => process.says("parked").await,
        }
        (process, hold)
    }

    /// Waits until it says this; fails when it ends before.
    pub(crate) async fn says(&mut self, text: &str) {
        while self.line().await.expect("the process goes on until it is killed") != text {}
    }

    /// Lets it go on from where it is parked.
    pub(crate) fn goes_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    /// What it says next; nothing when it has ended.
    pub(crate) async fn line(&mut self) -> Option<String> {
        soon(self.lines.recv()).await
    }

    /// Kills it; what it had still said.
    pub(crate) async fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut said = Vec::new();
        while let Some(line) = self.lines.recv().await {
            said.push(line);
        }
        said
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

/// What happens within a minute, or never.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), event).await.expect("what is waited for happens")
}

/// SIGKILL, and its end waited for.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

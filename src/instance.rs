//! One environment as JavaScript holds it: opened when first used, closed once.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use onbehalf_engine::{Engine, Error, Health, Result, random::SystemRandom};
use onbehalf_sandbox::Sandbox;
use tokio::sync::Mutex;
use url::Url;

use crate::{
    events::Listeners,
    listener::{Serving, Site, WebRequest, WebResponse, answer, serve},
    promise::defect,
    settings::Plan,
};

/// An environment that is opened by its first call. Shared by the objects that JavaScript has of it.
pub(crate) struct Instance {
    plan: Plan,
    /// Whether [`crate::exit`] knows it.
    enlisted: AtomicBool,
    closed: AtomicBool,
    state: Mutex<State>,
    pub(crate) listeners: Listeners,
    /// Once it is open, where it has one.
    sandbox: OnceLock<Arc<Sandbox>>,
}

enum State {
    Unopened,
    Open(Open),
    Closed,
}

struct Open {
    site: Site,
    serving: Option<Serving>,
}

impl Instance {
    pub(crate) fn new(plan: Plan) -> Self {
        let no = || AtomicBool::new(false);
        let (listeners, sandbox) = (Listeners::default(), OnceLock::new());
        Self { plan, enlisted: no(), closed: no(), state: Mutex::new(State::Unopened), listeners, sandbox }
    }

    /// Whether this was asked before.
    pub(crate) fn is_enlisted(&self) -> bool {
        self.enlisted.swap(true, Ordering::Relaxed)
    }

    /// Whether it was closed, and nothing is left to do for it.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The engine, opened when this is the first call.
    pub(crate) async fn engine(&self) -> Result<Arc<Engine>> {
        let mut state = self.state.lock().await;
        Ok(self.open(&mut state).await?.site.engine.clone())
    }

    /// How the environment is, which is opened first; that it cannot be is an answer too.
    pub(crate) async fn health(&self) -> Health {
        match self.engine().await {
            Ok(engine) => engine.health().await,
            Err(error) => Health::unopened(error),
        }
    }

    /// The engine, once browsers on this machine can come back to it. Elsewhere, and where the app serves the pages
    /// itself, that is the app's business.
    pub(crate) async fn reachable_engine(&self) -> Result<Arc<Engine>> {
        let mut state = self.state.lock().await;
        let open = self.open(&mut state).await?;
        if open.serving.is_none() && self.plan.serves {
            open.serving = Some(self.serve(&open.site).await?);
        }
        Ok(open.site.engine.clone())
    }

    /// Serves the pages until the instance is closed. Says where browsers reach them.
    pub(crate) async fn listen(&self) -> Result<Url> {
        let mut state = self.state.lock().await;
        let open = self.open(&mut state).await?;
        if open.serving.is_none() {
            open.serving = Some(self.serve(&open.site).await?);
        }
        Ok(open.site.engine.public_url().clone())
    }

    /// Answers one request to the pages, for an app that serves them itself.
    pub(crate) async fn answer(&self, request: WebRequest) -> Result<WebResponse> {
        let mut state = self.state.lock().await;
        let site = self.open(&mut state).await?.site.clone();
        drop(state);
        Ok(answer(site, request).await)
    }

    /// The simulated provider, once the instance is open.
    pub(crate) fn sandbox(&self) -> Result<Arc<Sandbox>> {
        let missing =
            || Error::NotSupported { what: "the sandbox: it is part of a loopback environment that is open".into() };
        if self.is_closed() { Err(Error::Closed) } else { self.sandbox.get().cloned().ok_or_else(missing) }
    }

    /// The sandbox, to look back at: also when all is closed.
    pub(crate) fn sandbox_that_was(&self) -> Result<Arc<Sandbox>> {
        self.sandbox.get().cloned().map_or_else(|| self.sandbox(), Ok)
    }

    /// Stops serving, lets what is under way finish, closes the store. The second time does nothing.
    pub(crate) async fn close(&self) -> Result<()> {
        if let Some(sandbox) = self.sandbox.get() {
            sandbox.close();
        }
        let mut state = self.state.lock().await;
        let before = std::mem::replace(&mut *state, State::Closed);
        let closed = match before {
            State::Open(Open { site, serving: Some(serving) }) => tokio::join!(serving.stop(), site.engine.close()).1,
            State::Open(Open { site, serving: None }) => site.engine.close().await,
            State::Unopened | State::Closed => Ok(()),
        };
        self.closed.store(true, Ordering::Relaxed);
        self.listeners.clear();
        closed
    }

    async fn open<'state>(&self, state: &'state mut State) -> Result<&'state mut Open> {
        if let State::Unopened = state {
            let (mut settings, bound) = self.plan.prepare().await?;
            let sandbox = Sandbox::install(&mut settings, Arc::new(SystemRandom));
            let joining = sandbox.clone();
            let join = move |parts| match joining {
                Some(sandbox) => sandbox.join(parts),
                None => parts,
            };
            // On a thread of the runtime: it reads files, and JavaScript's thread must not wait for a disk.
            let opening = tokio::spawn(Engine::open_with(settings, join)).await;
            let engine = opening.unwrap_or_else(|_| Err(defect()))?;
            self.listeners.attach(&engine);
            if let Some(sandbox) = &sandbox {
                self.sandbox.get_or_init(|| sandbox.clone());
            }
            let site = Site { engine, sandbox };
            let serving = bound.map(|bound| bound.serve(site.clone()));
            *state = State::Open(Open { site, serving });
        }
        match state {
            State::Open(open) => Ok(open),
            State::Unopened | State::Closed => Err(Error::Closed),
        }
    }

    async fn serve(&self, site: &Site) -> Result<Serving> {
        serve(self.plan.port(), site.clone()).await
    }
}

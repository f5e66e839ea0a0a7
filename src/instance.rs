//! One environment as JavaScript holds it: opened when first used, closed once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use onbehalf_engine::{Engine, Error, Result};
use tokio::sync::Mutex;
use url::Url;

use crate::{
    events::Listeners,
    listener::{Serving, WebRequest, WebResponse, answer, serve},
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
}

enum State {
    Unopened,
    Open(Open),
    Closed,
}

struct Open {
    engine: Arc<Engine>,
    serving: Option<Serving>,
}

impl Instance {
    pub(crate) fn new(plan: Plan) -> Self {
        let no = || AtomicBool::new(false);
        Self { plan, enlisted: no(), closed: no(), state: Mutex::new(State::Unopened), listeners: Listeners::default() }
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
        Ok(self.open(&mut state).await?.engine.clone())
    }

    /// The engine, once browsers on this machine can come back to it. Elsewhere, and where the app serves the pages
    /// itself, that is the app's business.
    pub(crate) async fn reachable_engine(&self) -> Result<Arc<Engine>> {
        let mut state = self.state.lock().await;
        let open = self.open(&mut state).await?;
        if open.serving.is_none() && self.plan.serves {
            open.serving = Some(self.serve(&open.engine).await?);
        }
        Ok(open.engine.clone())
    }

    /// Serves the pages until the instance is closed. Says where browsers reach them.
    pub(crate) async fn listen(&self) -> Result<Url> {
        let mut state = self.state.lock().await;
        let open = self.open(&mut state).await?;
        if open.serving.is_none() {
            open.serving = Some(self.serve(&open.engine).await?);
        }
        Ok(open.engine.public_url().clone())
    }

    /// Answers one request to the pages, for an app that serves them itself.
    pub(crate) async fn answer(&self, request: WebRequest) -> Result<WebResponse> {
        Ok(answer(self.engine().await?, request).await)
    }

    /// Stops serving, lets what is under way finish, closes the store. The second time does nothing.
    pub(crate) async fn close(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        let before = std::mem::replace(&mut *state, State::Closed);
        let closed = match before {
            State::Open(Open { engine, serving: Some(serving) }) => tokio::join!(serving.stop(), engine.close()).1,
            State::Open(Open { engine, serving: None }) => engine.close().await,
            State::Unopened | State::Closed => Ok(()),
        };
        self.closed.store(true, Ordering::Relaxed);
        self.listeners.clear();
        closed
    }

    async fn open<'state>(&self, state: &'state mut State) -> Result<&'state mut Open> {
        if let State::Unopened = state {
            let (settings, bound) = self.plan.prepare().await?;
            // On a thread of the runtime: it reads files, and JavaScript's thread must not wait for a disk.
            let opening = tokio::spawn(Engine::open(settings)).await;
            let engine = opening.unwrap_or_else(|_| Err(defect()))?;
            self.listeners.attach(&engine);
            let serving = bound.map(|bound| bound.serve(engine.clone()));
            *state = State::Open(Open { engine, serving });
        }
        match state {
            State::Open(open) => Ok(open),
            State::Unopened | State::Closed => Err(Error::Closed),
        }
    }

    async fn serve(&self, engine: &Arc<Engine>) -> Result<Serving> {
        serve(self.plan.port(), engine.clone()).await
    }
}

//! Where browsers come back: the gateway's pages, on a port of this machine or inside the app's own server.
//!
//! The one file that knows the gateway, and what the sandbox shows.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use onbehalf_engine::{Engine, Error, Result};
use onbehalf_gateway::Listener;
use onbehalf_sandbox::Sandbox;
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

/// How often to ask for a port that another process has.
const LOOK: Duration = Duration::from_millis(250);

/// A request to the pages, as the app's server received it.
pub(crate) type WebRequest = Request<Bytes>;
/// What the pages answer.
pub(crate) type WebResponse = Response<Bytes>;

/// What browsers meet: the pages of the engine, and the sandbox's where there is one.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) engine: Arc<Engine>,
    pub(crate) sandbox: Option<Arc<Sandbox>>,
}

/// A port of this machine's loopback addresses that is ours, before anything is served on it.
pub(crate) struct Bound {
    listener: Listener,
    pub(crate) port: u16,
}

/// Binds a port; 0 is any that is free.
pub(crate) async fn bind(port: u16) -> Result<Bound> {
    let listener = Listener::bind(port).await?;
    let port = listener.address().port();
    Ok(Bound { listener, port })
}

impl Bound {
    /// Serves the pages of `site`, in a task of the runtime: that keeps no process alive.
    pub(crate) fn serve(self, site: Site) -> Serving {
        let stop = CancellationToken::new();
        let task = tokio::spawn(self.until(stop.clone(), site));
        Serving { stop, task }
    }

    async fn until(self, stop: CancellationToken, site: Site) {
        let listener = match site.sandbox {
            Some(sandbox) => self.listener.beside(onbehalf_sandbox::router(sandbox)),
            None => self.listener,
        };
        listener.serve(site.engine, stop.cancelled_owned()).await;
    }
}

/// Serves the pages of `site` on `port`. Where another process of the same store has it, that one serves them for all;
/// this one takes the port over when the other ends.
pub(crate) async fn serve(port: u16, site: Site) -> Result<Serving> {
    match bind(port).await {
        Ok(bound) => Ok(bound.serve(site)),
        Err(Error::PortInUse { .. }) if onbehalf_gateway::serves_store_of(&site.engine, port).await => {
            Ok(stand_by(port, site))
        }
        Err(error) => Err(error),
    }
}

fn stand_by(port: u16, site: Site) -> Serving {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        while stopped.run_until_cancelled(sleep(LOOK)).await.is_some() {
            if let Ok(bound) = bind(port).await {
                return bound.until(stopped, site).await;
            }
        }
    });
    Serving { stop, task }
}

/// The pages, while they are served, here or by another process.
pub(crate) struct Serving {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Serving {
    /// Frees the port, and lets requests under way finish.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // A panic was reported where it happened.
        let _ = self.task.await;
    }
}

/// Answers one request.
pub(crate) async fn answer(site: Site, request: WebRequest) -> WebResponse {
    let router = match site.sandbox {
        Some(sandbox) => onbehalf_gateway::router_beside(site.engine, onbehalf_sandbox::router(sandbox)),
        None => onbehalf_gateway::router(site.engine),
    };
    onbehalf_gateway::handle(router, request).await
}

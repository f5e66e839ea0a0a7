//! Where browsers come back: the gateway's pages, on a port of this machine or inside the app's own server.
//!
//! The one file that knows the gateway, and what the sandbox shows.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use onbehalf_engine::{Engine, Result};
use onbehalf_gateway::Listener;
use onbehalf_sandbox::Sandbox;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

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
        let listener = match site.sandbox {
            Some(sandbox) => self.listener.beside(onbehalf_sandbox::router(sandbox)),
            None => self.listener,
        };
        let task = tokio::spawn(listener.serve(site.engine, stop.clone().cancelled_owned()));
        Serving { stop, task }
    }
}

/// The pages, while they are served.
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

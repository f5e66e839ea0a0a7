//! Where browsers come back: the gateway's pages, on a port of this machine or inside the app's own server.
//!
//! The one file that knows the gateway. Until that moves in, connections are accepted and closed, and requests find
//! nothing.

use std::{net::Ipv4Addr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use onbehalf_engine::{Engine, Error, Result};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A request to the pages, as the app's server received it.
pub(crate) type WebRequest = Request<Bytes>;
/// What the pages answer.
pub(crate) type WebResponse = Response<Bytes>;

/// A port of this machine's loopback addresses that is ours, before anything is served on it.
pub(crate) struct Bound {
    listener: TcpListener,
    pub(crate) port: u16,
}

/// Binds a port; 0 is any that is free.
pub(crate) async fn bind(port: u16) -> Result<Bound> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|_| Error::PortInUse { port })?;
    let port = listener.local_addr().map(|address| address.port()).unwrap_or(port);
    Ok(Bound { listener, port })
}

impl Bound {
    /// Serves the pages of `engine`, in a task of the runtime: that keeps no process alive.
    pub(crate) fn serve(self, _engine: Arc<Engine>) -> Serving {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let serve = async { while self.listener.accept().await.is_ok() {} };
            stopped.run_until_cancelled(serve).await;
        });
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
pub(crate) async fn answer(_engine: Arc<Engine>, _request: WebRequest) -> WebResponse {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

//! Where browsers come back: the gateway's pages, on a port of this machine or inside the app's own server.
//!
//! The one file that knows the gateway.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use http::{Request, Response};
use onbehalf_engine::{Engine, Error, Result};
use tokio::{net::TcpListener, task::JoinHandle};

/// A request to the pages, as the app's server received it.
pub(crate) type WebRequest = Request<Bytes>;
/// What the pages answer.
pub(crate) type WebResponse = Response<Bytes>;

/// A port of this machine that is ours, before anything is served on it.
pub(crate) struct Bound {
    sockets: Vec<TcpListener>,
    pub(crate) port: u16,
}

/// Binds a port on the loopback addresses alone; 0 is any that is free.
///
/// Browsers take `localhost` for `::1` or `127.0.0.1`, so both are ours where the machine has both.
pub(crate) async fn bind(port: u16) -> Result<Bound> {
    let v4 = bind_one(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .await?
        .ok_or_else(|| Error::NotSupported { what: "listening on a machine without 127.0.0.1".into() })?;
    let port = v4.local_addr().map(|address| address.port()).unwrap_or(port);
    let v6 = bind_one(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await?;
    Ok(Bound { sockets: [Some(v4), v6].into_iter().flatten().collect(), port })
}

/// `None` where the machine has no such address.
async fn bind_one(address: SocketAddr) -> Result<Option<TcpListener>> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported) => Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(Error::invalid("port", "must be one that this process may listen on"))
        }
        Err(_) => Err(Error::PortInUse { port: address.port() }),
    }
}

impl Bound {
    /// Serves the pages of `engine`. It is tasks of the runtime: it keeps no process alive.
    pub(crate) fn serve(self, engine: Arc<Engine>) -> Listener {
        Listener { tasks: self.sockets.into_iter().map(|socket| tokio::spawn(serve(socket, engine.clone()))).collect() }
    }
}

/// The pages, served until this is dropped.
pub(crate) struct Listener {
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

// The gateway's place: until it moves in, connections are accepted and closed, and requests find nothing.

async fn serve(socket: TcpListener, _engine: Arc<Engine>) {
    while let Ok((connection, _)) = socket.accept().await {
        drop(connection);
    }
}

/// Answers one request.
pub(crate) async fn answer(_: &Arc<Engine>, _: WebRequest) -> Result<WebResponse> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = http::StatusCode::NOT_FOUND;
    Ok(response)
}

//! The server on this machine's loopback addresses. What else reaches it goes through a reverse proxy of the app.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use onbehalf_engine::{Engine, Error, Result};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    headers::strict,
    hosts::Hosts,
    routes::{Host, unhardened},
};

/// Connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 512;
/// How long a request's head may take, which is also how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// A request's head, at most. Browsers send up to 4 KiB a cookie.
const HEAD_LIMIT: usize = 32 * 1024;
/// How long requests under way may take once the listener is told to stop.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long to wait when the system gives no more sockets.
const BREATH: Duration = Duration::from_millis(100);

/// A port of this machine, held for an environment. Nothing is answered before [`Listener::serve`].
#[derive(Debug)]
pub struct Listener {
    v4: TcpListener,
    /// Absent on machines without IPv6. Browsers may take `localhost` for either.
    v6: Option<TcpListener>,
    address: SocketAddr,
    /// What is served beside our pages.
    others: Router,
}

impl Listener {
    /// Takes `port` on 127.0.0.1 and ::1, never on an address that other machines reach. Port 0 is any free one.
    ///
    /// Fails with [`Error::PortInUse`] when either is taken.
    pub async fn bind(port: u16) -> Result<Self> {
        // A free port of one family may be taken in the other; then another is tried.
        let attempts = if port == 0 { 16 } else { 1 };
        let mut refused = Error::PortInUse { port };
        for _ in 0..attempts {
            match Self::bind_both(port).await {
                Err(Error::PortInUse { port }) => refused = Error::PortInUse { port },
                done => return done,
            }
        }
        Err(refused)
    }

    /// Where it listens, on 127.0.0.1.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the routes of somebody else beside ours, under the same headers.
    pub fn beside(self, others: Router) -> Self {
        Self { others, ..self }
    }

    /// Answers for `engine` until `shutdown` is done; then lets requests under way finish, for two seconds at most.
    pub async fn serve(self, engine: Arc<Engine>, shutdown: impl Future<Output = ()>) {
        let public_url = engine.public_url().clone();
        let hosts = Hosts::of(&public_url, self.address.port());
        let routes = unhardened(engine, Host::Checked).merge(self.others.clone());
        let service = TowerToHyperService::new(strict(hosts.only(routes), &public_url));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_LIMIT);

        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                accepted = self.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok(stream) => {
                        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
                        connections.spawn(graceful.watch(connection));
                    }
                    Err(error) => {
                        tracing::warn!(error.kind = %error.kind(), "a connection was not accepted");
                        tokio::time::sleep(BREATH).await;
                    }
                },
            }
        }
        // The port is free from here on.
        drop(self);
        // What takes longer is ended when `connections` is dropped.
        let _ = tokio::time::timeout(FAREWELL, graceful.shutdown()).await;
    }

    async fn bind_both(port: u16) -> Result<Self> {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| refusal(port, &error))?;
        let address = v4.local_addr().map_err(|error| refusal(port, &error))?;
        let v6 = match TcpListener::bind((Ipv6Addr::LOCALHOST, address.port())).await {
            Ok(v6) => Some(v6),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(refusal(address.port(), &error)),
            Err(_) => None,
        };
        Ok(Self { v4, v6, address, others: Router::new() })
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = match &self.v6 {
            Some(v6) => tokio::select! { accepted = self.v4.accept() => accepted, accepted = v6.accept() => accepted },
            None => self.v4.accept().await,
        }?;
        Ok(stream)
    }
}

fn refusal(port: u16, error: &io::Error) -> Error {
    if let Some(error) = Error::of_too_many(error) {
        return error;
    }
    match error.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse { port },
        io::ErrorKind::PermissionDenied => Error::invalid("port", "is not open to this user; choose one above 1023"),
        kind => Error::Internal { reason: format!("port {port} cannot be listened on: {kind}") },
    }
}

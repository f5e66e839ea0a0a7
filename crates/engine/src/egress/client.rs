//! The HTTP client behind [`Egress`].
//!
//! It is reqwest with everything turned off that would act by itself: redirects (a 307 would post a client secret to
//! whoever the answer names), proxies of the environment, the referrer, decompression. What it dials is what was
//! judged: hosts that are addresses before anything is sent, names by a resolver that hands on only admitted addresses,
//! so there is no second look-up between the check and the connection.
//!
//! Servers prove themselves to the platform's trust store, read when the first request leaves. Where there is none, as in
//! slim container images, Mozilla's roots that travel with the library take its place, as Node does it.

use std::{
    error::Error as StdError,
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use http::{HeaderValue, header::CONTENT_LENGTH};
use reqwest::{
    Certificate, Client, ClientBuilder, NoProxy, Proxy,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use tokio::{sync::OnceCell, time::Instant};
use url::Url;

use super::{
    Egress, Failure, LONGEST,
    body::{Incoming, Outgoing},
    guard::{Guard, is_localhost},
    patiently,
};
use crate::{Error, Result};

/// How an environment reaches the world.
#[derive(Clone)]
pub struct Settings {
    /// Whether the environment's public URL is on loopback, which admits local addresses, and http to loopback.
    pub loopback_environment: bool,
    /// The proxy that every request takes, loopback aside. It is trusted with the choice of addresses: it resolves the
    /// names, so only hosts that are addresses are judged here.
    pub proxy: Option<Url>,
    /// Sent as `user-agent` where a request has none.
    pub user_agent: String,
}

/// The way out through the network.
pub struct HttpEgress {
    /// Made when the first request leaves: to read the platform's trust store takes longer than all else that opening
    /// an environment does.
    client: OnceCell<Client>,
    guard: Guard,
    user_agent: HeaderValue,
    proxy: Option<Proxy>,
    proxy_name: Option<String>,
    /// Trusted in place of the platform's store.
    roots: Option<Vec<Certificate>>,
}

impl HttpEgress {
    /// A way out with a pool of connections of its own.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a proxy that is no http or https URL, or a user agent that no header can hold.
    pub fn new(settings: &Settings) -> Result<Self> {
        Self::trusting(None, settings)
    }

    fn trusting(roots: Option<Vec<Certificate>>, settings: &Settings) -> Result<Self> {
        let user_agent = HeaderValue::from_str(&settings.user_agent)
            .map_err(|_| Error::invalid("userAgent", "must be visible ASCII characters"))?;
        Ok(Self {
            client: OnceCell::new(),
            guard: Guard { loopback_environment: settings.loopback_environment },
            user_agent,
            proxy: settings.proxy.as_ref().map(explicit).transpose()?,
            proxy_name: settings.proxy.as_ref().and_then(Url::domain).map(str::to_owned),
            roots,
        })
    }

    /// The client, made when this is the first request.
    async fn client(&self) -> Result<&Client, Failure> {
        let make = || async {
            let (trusted, bundled) = (self.builder(), self.builder());
            let trusted = match &self.roots {
                Some(roots) => trusted.tls_certs_only(roots.clone()),
                None => trusted,
            };
            // It reads files. The one thing left that fails is an empty trust store.
            let build = move || trusted.build().or_else(|_| bundled.tls_certs_only(mozilla()).build());
            let made = tokio::task::spawn_blocking(build).await;
            made.ok().and_then(Result::ok).ok_or(Failure::NotSent { reason: "no TLS" })
        };
        self.client.get_or_try_init(make).await
    }

    fn builder(&self) -> ClientBuilder {
        let resolver = Resolver { guard: self.guard, proxy_name: self.proxy_name.clone() };
        let builder = plain_builder().user_agent(self.user_agent.clone()).dns_resolver(resolver);
        let builder = builder.https_only(!self.guard.loopback_environment);
        self.proxy.iter().cloned().fold(builder, ClientBuilder::proxy)
    }

    /// Sends a request whose URL was checked, and waits for the head of the answer.
    async fn execute(
        &self,
        request: reqwest::Request,
        patience: Duration,
    ) -> Result<http::Response<Incoming>, Failure> {
        let client = self.client().await?;
        match patiently(Instant::now() + patience.min(LONGEST), client.execute(request)).await {
            Ok(Ok(answer)) => Ok(opened(answer)),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::Unknown { reason: "deadline", partial: None }),
        }
    }
}

#[async_trait]
impl Egress for HttpEgress {
    async fn open(
        &self,
        request: http::Request<Outgoing>,
        patience: Duration,
    ) -> Result<http::Response<Incoming>, Failure> {
        let (parts, body) = request.into_parts();
        let body = match body {
            // hyper asks for no chunk of a body that is announced as empty: here, one is met before anything is sent.
            Outgoing::Chunks(_) if parts.headers.get(CONTENT_LENGTH).is_some_and(|length| length == "0") => {
                reqwest::Body::from(body.collect().await?)
            }
            Outgoing::Whole(bytes) => reqwest::Body::from(bytes),
            Outgoing::Chunks(chunks) => {
                reqwest::Body::wrap_stream(chunks.map_err(|_| io::Error::other("its maker failed")))
            }
        };
        let request = reqwest::Request::try_from(http::Request::from_parts(parts, body))
            .map_err(|_| Failure::NotSent { reason: "invalid request" })?;
        self.guard.check(request.url())?;
        self.execute(request, patience).await
    }
}

fn opened(mut answer: reqwest::Response) -> http::Response<Incoming> {
    let (status, version, headers) = (answer.status(), answer.version(), std::mem::take(answer.headers_mut()));
    let interrupted = |_| Failure::Unknown { reason: "interrupted", partial: None };
    let mut opened = http::Response::new(Incoming::new(answer.bytes_stream().map_err(interrupted)));
    *opened.status_mut() = status;
    *opened.version_mut() = version;
    *opened.headers_mut() = headers;
    opened
}

/// What a client's error means. Its text is not used: it has the URL, with its query.
fn failure(error: &reqwest::Error) -> Failure {
    if error.is_builder() {
        return Failure::NotSent { reason: "invalid request" };
    }
    if !error.is_connect() {
        return Failure::Unknown { reason: "interrupted", partial: None };
    }
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    if causes.clone().any(|cause| cause.is::<ForbiddenAddress>()) {
        return Failure::Forbidden;
    }
    if error.is_dns() {
        return Failure::NotSent { reason: "dns" };
    }
    if error.is_timeout() {
        return Failure::NotSent { reason: "connect timeout" };
    }
    // A socket's error has the system's number; a failed handshake arrives wrapped, without one.
    let reason = match causes.find_map(|cause| cause.downcast_ref::<io::Error>()) {
        Some(cause) if cause.raw_os_error().is_none() => "tls",
        _ => "connect",
    };
    Failure::NotSent { reason }
}

/// The roots that Mozilla trusts, as of the library's release.
fn mozilla() -> Vec<Certificate> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    roots.filter_map(|root| Certificate::from_der(root).ok()).collect()
}

/// A client that does nothing by itself but one thing: it sends a request again that HTTP/2 says was not processed
/// (RFC 9113 §8.7), or that had not begun when its pooled connection closed.
#[expect(clippy::disallowed_methods, reason = "the one home of outbound HTTP")]
fn plain_builder() -> ClientBuilder {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .http2_max_header_list_size(MOST_HEADERS)
}

fn explicit(proxy: &Url) -> Result<Proxy> {
    let refused = || Error::invalid("proxy", "must be an http or https URL with a host");
    if !matches!(proxy.scheme(), "http" | "https") || !proxy.has_host() {
        return Err(refused());
    }
    let proxy = Proxy::all(proxy.clone()).map_err(|_| refused())?;
    Ok(proxy.no_proxy(NoProxy::from_string("localhost,127.0.0.0/8,::1")))
}

/// Resolves names to the addresses that may be dialled.
struct Resolver {
    guard: Guard,
    /// The proxy's own name, which the operator chose and may be private.
    proxy_name: Option<String>,
}

impl Resolver {
    /// The admitted ones of the addresses found; an error where there are none.
    fn admitted(guard: Guard, found: impl Iterator<Item = SocketAddr>) -> Result<Addrs, ForbiddenAddress> {
        let admitted: Vec<_> = found.filter(|address| guard.admits(address.ip())).collect();
        if admitted.is_empty() { Err(ForbiddenAddress) } else { Ok(Box::new(admitted.into_iter())) }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard;
        let is_proxy = self.proxy_name.as_deref() == Some(name.as_str());
        Box::pin(async move {
            // Port 0 stands for the one of the URL.
            let found: Vec<SocketAddr> = if is_localhost(name.as_str()) {
                vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()]
            } else {
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect()
            };
            if is_proxy {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            Ok(Self::admitted(guard, found.into_iter())?)
        })
    }
}

/// Every address of a name is one that the guard refuses.
#[derive(Debug)]
struct ForbiddenAddress;

impl fmt::Display for ForbiddenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name leads to no admitted address")
    }
}

impl StdError for ForbiddenAddress {}

/// From the look-up of the name to the end of the handshake. Shorter than any `Limits::total` in use, so that a host
/// that can't be reached is told from an answer that doesn't come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Less than the minute after which servers usually close, so that a request rarely meets a closing connection.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// The most that the headers of an answer over HTTP/2 may take, in bytes.
const MOST_HEADERS: u32 = 64 * 1024;

#[cfg(test)]
mod tests;

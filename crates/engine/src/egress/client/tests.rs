//! The client against servers on loopback that speak raw bytes.

use std::{
    net::{SocketAddr, TcpListener as Untouched},
    process::Command,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, rustls};

use super::*;
use crate::egress::{Limits, Partial, target::Target, upload::upload};

mod http2;

const LIMITS: Limits = Limits { total: Duration::from_secs(60), body: 1024 };

fn egress(loopback_environment: bool) -> HttpEgress {
    HttpEgress::new(&settings(loopback_environment, None)).unwrap()
}

fn settings(loopback_environment: bool, proxy: Option<&str>) -> Settings {
    let proxy = proxy.map(|url| Url::parse(url).unwrap());
    Settings { loopback_environment, proxy, user_agent: "onbehalf-test".into() }
}

fn get(url: &str) -> http::Request<Bytes> {
    http::Request::get(url).body(Bytes::new()).unwrap()
}

/// What a server does once it has answered.
#[derive(Clone, Copy)]
enum Then {
    Close,
    /// Waits for the client to close.
    Wait,
    /// Sends one byte after another, without end, a second apart.
    Drip,
}

/// A server that gives every request the same bytes and keeps what it was sent.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    async fn start(answer: impl Into<Vec<u8>>, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let (answer, requests) = (answer.into(), Arc::clone(&server.requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), then, Arc::clone(&requests)));
            }
        });
        server
    }

    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        Self::start(answer, Then::Close).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, as they came over the wire.
    fn requests(&self) -> Vec<Vec<u8>> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: Vec<u8>,
    then: Then,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
) {
    let Some(request) = read_request(&mut stream).await else { return };
    requests.lock().unwrap().push(request);
    if stream.write_all(&answer).await.is_err() {
        return;
    }
    match then {
        Then::Close => drop(stream.shutdown().await),
        Then::Wait => drop(stream.read(&mut [0]).await),
        Then::Drip => {
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// One request: its head and as much body as it announces.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        request.push(stream.read_u8().await.ok()?);
    };
    let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    request.resize(head + length.unwrap_or(0), 0);
    stream.read_exact(&mut request[head..]).await.ok()?;
    Some(request)
}

/// A listening socket that must never be connected to.
fn bystander() -> Untouched {
    let listener = Untouched::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// Asks the system itself, so that no connection is too recent to be seen.
fn assert_untouched(listener: &Untouched) {
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn bytes_pass_unchanged_both_ways() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let head = b"HTTP/1.1 201 Created\r\ncontent-encoding: gzip\r\nx-two: a\r\nx-two: b\r\ncontent-length: 256\r\n\r\n";
    let server = Server::answering([head.as_slice(), &every_byte].concat()).await;

    let request = http::Request::put(server.url("/a%2Fb?c=%2C,d"))
        .header("x-given", "1")
        .body(Bytes::from(every_byte.clone()))
        .unwrap();
    let answer = egress(true).send(request, LIMITS).await.unwrap();

    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers().get_all("x-two").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.body()[..], every_byte);

    let requests = server.requests();
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    let (head, body) = request.split_at(request.len() - 256);
    assert_eq!(body, every_byte);
    let mut lines: Vec<_> = std::str::from_utf8(head).unwrap().trim_end().split("\r\n").collect();
    assert_eq!(lines.remove(0), "PUT /a%2Fb?c=%2C,d HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {}", server.address);
    assert_eq!(lines, ["accept: */*", "content-length: 256", &host, "user-agent: onbehalf-test", "x-given: 1"]);
}

// The first chunk is all that was announced, or there should have been none.
#[tokio::test]
async fn a_body_that_is_longer_than_announced_is_never_taken_for_whole() {
    let server = Server::answering("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
    for (length, chunks, whole) in [
        (8, &["abcd", "efgh"][..], true),
        (8, &["abcd", "efgh", ""], true),
        (4, &["abcd", "efgh"], false),
        (0, &[], true),
        (0, &["", ""], true),
        (0, &["abcd"], false),
    ] {
        let (writer, body) = upload();
        let request = http::Request::post(server.url("/"))
            .header(CONTENT_LENGTH, length)
            .body(Outgoing::Chunks(body.with_length(length).into_chunks()));
        let writing = async {
            for chunk in chunks {
                writer.write(Bytes::from_static(chunk.as_bytes())).await;
            }
            writer.end().await;
        };
        let client = egress(true);
        let (answer, ()) = tokio::join!(client.open(request.unwrap(), LIMITS.total), writing);
        assert_eq!(answer.is_ok(), whole, "{length} bytes of {chunks:?}");
        let received = server.requests.lock().unwrap().drain(..).next();
        let body = received.map(|request| request[request.len() - length as usize..].to_vec());
        assert_eq!(body, whole.then(|| chunks.concat().into_bytes()));
    }
}

// A43: what the server receives is what was judged.
#[tokio::test]
async fn the_path_on_the_wire_is_the_target_s() {
    let server = Server::answering("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
    let base = Url::parse(&server.url("/api/v1")).unwrap();
    let client = egress(true);
    let mut expected = Vec::new();
    let around = |character: char| [format!("/a{character}b"), format!("/{character}/x?y={character}")];
    let corpus =
        ["/@evil.test", "/:80@evil.test", "/.evil.test/", "/%2fevil.test", "/a//b/", "/é/日", "/a%2525b", "/..."];
    let paths = ('!'..='~').flat_map(around).chain(corpus.map(str::to_owned));
    for target in paths.filter_map(|path| Target::new(&base, &path, &[], &[]).ok()) {
        let request = http::Request::get(target.uri().unwrap()).body(Bytes::new()).unwrap();
        client.send(request, LIMITS).await.unwrap();
        expected.push(format!("GET {} HTTP/1.1", &target.url()[url::Position::BeforePath..]));
    }
    let received = server.requests();
    let received: Vec<_> = received.iter().map(|request| std::str::from_utf8(request).unwrap()).collect();
    let lines: Vec<_> = received.iter().map(|request| request.lines().next().unwrap()).collect();
    assert!(expected.len() > 180, "{} paths were allowed", expected.len());
    assert_eq!(lines, expected);
    assert!(lines.iter().all(|line| line.starts_with("GET /api/v1/")));
}

// A44, A112
#[tokio::test]
async fn a_redirect_is_an_answer() {
    let elsewhere = bystander();
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://{}/", elsewhere.local_addr().unwrap());
        let answer = format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let server = Server::answering(answer).await;
        let request = http::Request::post(server.url("/token")).body(Bytes::from_static(b"client_secret=s")).unwrap();
        let answer = egress(true).send(request, LIMITS).await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["location"], location);
    }
    assert_untouched(&elsewhere);
}

// A49: in a process of its own, since a variable belongs to a whole process.
#[test]
fn the_proxies_of_the_environment_are_ignored() {
    let proxy = bystander();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "egress::client::tests::bytes_pass_unchanged_both_ways"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, &url);
    }
    let output = child.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_untouched(&proxy);
}

#[tokio::test]
async fn a_proxy_that_was_asked_for_takes_all_but_loopback() {
    let proxy = Server::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    let origin = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    // The proxy's own name may be local, even where no other may.
    let named = format!("http://localhost:{}", proxy.address.port());
    for (loopback_environment, url) in [(true, proxy.url("")), (false, named)] {
        let client = HttpEgress::new(&settings(loopback_environment, Some(&url))).unwrap();
        let refused = client.send(get("https://api.test/secret"), LIMITS).await;
        assert_eq!(refused.unwrap_err(), Failure::NotSent { reason: "connect" });
        let request = proxy.requests.lock().unwrap().pop().unwrap();
        assert!(request.starts_with(b"CONNECT api.test:443 HTTP/1.1\r\n"));
        let local = client.send(get("https://10.0.0.1/"), LIMITS).await;
        assert_eq!(local.unwrap_err() == Failure::Forbidden, !loopback_environment);
        proxy.requests.lock().unwrap().clear();
    }
    let client = HttpEgress::new(&settings(true, Some(&proxy.url("")))).unwrap();
    assert_eq!(client.send(get(&origin.url("/")), LIMITS).await.unwrap().status(), 200);
    assert_eq!(proxy.requests().len(), 0);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for proxy in ["socks5://127.0.0.1:1", "data:text/plain,x"] {
        let error = HttpEgress::new(&settings(true, Some(proxy))).err().unwrap();
        assert_eq!(error.to_string(), "`proxy` must be an http or https URL with a host");
    }
    let settings = Settings { user_agent: "a\nb".into(), ..settings(true, None) };
    assert_eq!(HttpEgress::new(&settings).err().unwrap().code(), "INVALID_ARGUMENT");
}

// A48: whatever the name or the spelling, no packet leaves.
#[tokio::test]
async fn a_local_address_is_refused_unless_the_environment_is_local() {
    let listener = bystander();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "localhost", "app.localhost"] {
        let refused = egress(false).send(get(&format!("https://{host}:{port}/")), LIMITS).await;
        assert_eq!(refused.unwrap_err(), Failure::Forbidden, "{host}");
    }
    let insecure = egress(false).send(get(&format!("http://127.0.0.1:{port}/")), LIMITS).await;
    assert_eq!(insecure.unwrap_err(), Failure::NotSent { reason: "not https" });
    assert_untouched(&listener);
}

// A47, E7: past the check of the URL, as a name would come that resolves to a local address.
#[tokio::test]
async fn a_name_that_resolves_to_a_local_address_is_not_dialled() {
    let listener = bystander();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let request = reqwest::Request::try_from(get(&url)).unwrap();
    let refused = egress(false).execute(request, LIMITS.total).await;
    assert_eq!(refused.unwrap_err(), Failure::Forbidden);
    assert_untouched(&listener);
}

// A47
#[test]
fn of_a_name_s_addresses_only_admitted_ones_are_dialled() {
    let guard = Guard { loopback_environment: false };
    let addresses = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
    let mixed = addresses(&["10.0.0.1:0", "8.8.8.8:0", "169.254.169.254:0", "[::1]:0", "[2606:4700::1111]:0"]);
    let admitted: Vec<_> = Resolver::admitted(guard, mixed.into_iter()).ok().unwrap().collect();
    assert_eq!(admitted, addresses(&["8.8.8.8:0", "[2606:4700::1111]:0"]));
    assert!(Resolver::admitted(guard, addresses(&["127.0.0.1:0"]).into_iter()).is_err());
    assert!(Resolver::admitted(guard, [].into_iter()).is_err());
}

#[tokio::test]
async fn localhost_is_loopback_without_a_name_server() {
    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    for name in ["localhost", "LOCALHOST", "app.localhost", "localhost."] {
        let url = format!("http://{name}:{}/", server.address.port());
        assert_eq!(egress(true).send(get(&url), LIMITS).await.unwrap().status(), 204, "{name}");
    }
}

#[tokio::test]
async fn what_never_connected_was_not_sent() {
    // Bound, so that no one else gets the port, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refusing = socket.local_addr().unwrap();
    let refused = egress(true).send(get(&format!("http://{refusing}/")), LIMITS).await;
    assert_eq!(refused.unwrap_err(), Failure::NotSent { reason: "connect" });
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_found_in_time_was_not_sent_to() {
    struct Answers(Option<&'static str>);
    impl Resolve for Answers {
        fn resolve(&self, _: Name) -> Resolving {
            match self.0 {
                Some(problem) => Box::pin(async move { Err(io::Error::other(problem).into()) }),
                None => Box::pin(std::future::pending()),
            }
        }
    }
    for (resolver, reason) in [(Answers(Some("no such name")), "dns"), (Answers(None), "connect timeout")] {
        let client = plain_builder().dns_resolver(resolver).build().unwrap();
        let error = client.get("https://api.test/?key=S3CRET").send().await.unwrap_err();
        assert_eq!(failure(&error), Failure::NotSent { reason });
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unknown_and_keeps_what_came() {
    let partial = |body: &'static [u8]| Partial { status: http::StatusCode::OK, body: Bytes::from_static(body) };
    for (answer, partial) in [
        ("", None),
        ("HTTP/1.1 2", None),
        ("no HTTP at all\r\n\r\n", None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", Some(partial(b""))),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", Some(partial(b"abc"))),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", Some(partial(b"abc"))),
    ] {
        let server = Server::answering(answer).await;
        let outcome = egress(true).send(get(&server.url("/")), LIMITS).await;
        assert_eq!(outcome.unwrap_err(), Failure::Unknown { reason: "interrupted", partial }, "{answer:?}");
        assert_eq!(server.requests().len(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_ends_at_the_deadline() {
    let server = Server::start("", Then::Wait).await;
    let limits = Limits { total: Duration::from_millis(100), ..LIMITS };
    let outcome = egress(true).send(get(&server.url("/")), limits).await;
    assert_eq!(outcome.unwrap_err(), Failure::Unknown { reason: "deadline", partial: None });
}

// E8: each byte is in time, all of them together are not.
#[tokio::test]
async fn a_drip_ends_at_the_deadline() {
    let server = Server::start("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", Then::Drip).await;
    let answer = egress(true).open(get(&server.url("/")).map(Outgoing::Whole), LIMITS.total).await.unwrap();
    // From here on, time passes whenever nothing else can.
    tokio::time::pause();
    let outcome = crate::egress::read(answer, Instant::now() + Duration::from_secs(30), 1024).await;
    let Err(Failure::Unknown { reason: "deadline", partial: Some(partial) }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(partial.status, 200);
    assert!(partial.body.len() < 1000);
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_before_it_is_kept() {
    let chunked = |size: usize| {
        let chunk = "x".repeat(size);
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{size:x}\r\n{chunk}\r\n0\r\n\r\n")
    };
    let announced = |size: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n{}", "x".repeat(size));
    let endless = "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551000\r\n\r\n".to_owned();
    for (answer, expected) in [
        (chunked(1024), Ok(1024)),
        (chunked(1025), Err(Failure::TooLarge)),
        (announced(1024), Ok(1024)),
        (announced(1025), Err(Failure::TooLarge)),
        (endless, Err(Failure::TooLarge)),
        (format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(5000)), Err(Failure::TooLarge)),
    ] {
        let server = Server::start(answer.clone(), Then::Close).await;
        let outcome = egress(true).send(get(&server.url("/")), LIMITS).await;
        assert_eq!(outcome.map(|answer| answer.body().len()), expected, "{}", &answer[..50]);
    }
}

#[tokio::test]
async fn the_length_of_what_head_leaves_out_does_not_count() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
    let request = http::Request::head(server.url("/")).body(Bytes::new()).unwrap();
    let answer = egress(true).send(request, LIMITS).await.unwrap();
    assert_eq!((answer.headers()["content-length"].to_str().unwrap(), answer.body().len()), ("100000", 0));
}

// A58
#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (port, requests) = tls_server().await;
    let client = |roots| HttpEgress::trusting(Some(roots), &settings(true, None)).unwrap();
    let tls = Err(Failure::NotSent { reason: "tls" });
    for (client, host, expected) in [
        (egress(true), "localhost", tls.clone()),
        (client(mozilla()), "localhost", tls.clone()),
        (vouching(), "127.0.0.1", tls),
        (vouching(), "localhost", Ok(http::StatusCode::NO_CONTENT)),
    ] {
        let outcome = client.send(get(&format!("https://{host}:{port}/")), LIMITS).await;
        assert_eq!(outcome.map(|answer| answer.status()), expected, "{host}");
    }
    assert_eq!(requests.lock().unwrap().len(), 1, "only the vouched one");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_gets_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await
    });
    let outcome = egress(true).send(get(&plain), LIMITS).await;
    assert_eq!(outcome.unwrap_err(), Failure::NotSent { reason: "tls" });
}

#[tokio::test]
async fn without_a_platform_store_mozilla_s_roots_serve() {
    assert!(mozilla().len() > 100);
    assert!(HttpEgress::trusting(Some(mozilla()), &settings(false, None)).unwrap().client().await.is_ok());
    assert!(HttpEgress::trusting(Some(Vec::new()), &settings(false, None)).unwrap().client().await.is_ok());
}

/// For `localhost`, until 2126: `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500
/// -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE`.
const CERTIFICATE: &[u8] = include_bytes!("tests/self-signed.crt.der");
const KEY: &[u8] = include_bytes!("tests/self-signed.key.der");

/// A client that takes [`CERTIFICATE`] for proof.
fn vouching() -> HttpEgress {
    let roots = vec![Certificate::from_der(CERTIFICATE).unwrap()];
    HttpEgress::trusting(Some(roots), &settings(true, None)).unwrap()
}

/// TLS with [`CERTIFICATE`], and one of these protocols behind it.
fn acceptor(protocols: &[&[u8]]) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.into()], KEY.try_into().unwrap())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A server behind TLS: its port, and what it was sent.
async fn tls_server() -> (u16, Arc<Mutex<Vec<Vec<u8>>>>) {
    let acceptor = acceptor(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::default();
    let kept = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, b"HTTP/1.1 204 No Content\r\n\r\n".into(), Then::Close, Arc::clone(&kept)).await;
            }
        }
    });
    (port, requests)
}

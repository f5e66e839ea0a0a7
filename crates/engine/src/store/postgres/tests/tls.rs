//! TLS: what is spoken to a server that proves who it is, and that nothing is to one that does not.

use std::{
    io::Write as _,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use data_encoding::BASE64_MIME;
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls};

use super::*;

/// For `localhost`, its own issuer: the one of the egress's tests.
const CERTIFICATE: &[u8] = include_bytes!("../../../egress/client/tests/self-signed.crt.der");
const KEY: &[u8] = include_bytes!("../../../egress/client/tests/self-signed.key.der");

/// A client's wish for TLS: its length, and the protocol's code for it
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>, SSLRequest).
const WISH: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The tests' server behind TLS, as one that holds [`CERTIFICATE`].
struct Guarded {
    url: url::Url,
    /// How many clients have shaken hands.
    trusted: Arc<AtomicUsize>,
}

impl Guarded {
    async fn new() -> Option<Self> {
        let mut url: url::Url = url()?.parse().unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let trusted = Arc::new(AtomicUsize::new(0));
        let hands = trusted.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(guard(client, server.clone(), hands.clone()));
            }
        });
        Some(Self { url, trusted })
    }

    /// A store is not opened by this name of the server, for this reason, and without the password said to anyone.
    async fn refuses(&self, host: &str, parameters: &str, reason: &str) {
        let mut url = self.url.clone();
        url.set_host(Some(host)).unwrap();
        url.set_password(Some("CANARY")).unwrap();
        let error = open(&url, parameters).await.unwrap_err();
        assert_eq!((error.code(), error.retryable()), ("STORE_FAILED", false), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(!format!("{error:?}").contains("CANARY"), "{error:?}");
        assert_eq!(self.trusted.load(Relaxed), 0, "it was told nothing");
    }
}

async fn open(url: &url::Url, parameters: &str) -> Result<PostgresStore> {
    PostgresStore::open(&Address::parse(&format!("{url}&{parameters}")).unwrap()).await
}

async fn guard(mut client: TcpStream, server: String, trusted: Arc<AtomicUsize>) {
    let mut wish = [0; WISH.len()];
    client.read_exact(&mut wish).await.unwrap();
    assert_eq!(wish, WISH, "nothing is said in the clear");
    client.write_all(b"S").await.unwrap();
    let Ok(mut client) = acceptor().accept(client).await else { return };
    trusted.fetch_add(1, Relaxed);
    let mut server = TcpStream::connect(server).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

fn acceptor() -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.into()], KEY.try_into().unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A file of [`CERTIFICATE`], as an operator has it.
fn root_certificate() -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let lines = BASE64_MIME.encode(CERTIFICATE);
    write!(file, "-----BEGIN CERTIFICATE-----\r\n{lines}-----END CERTIFICATE-----\r\n").unwrap();
    file
}

fn trusting(file: &Path) -> String {
    format!("sslmode=verify-full&sslrootcert={}", file.display())
}

// A58.
#[tokio::test]
async fn a_server_that_proves_who_it_is_is_spoken_to_by_tls() {
    let Some(mut server) = Guarded::new().await else { return };
    server.url.set_host(Some("localhost")).unwrap();
    let roots = root_certificate();
    for mode in ["verify-full", "verify-ca", "require"] {
        let parameters = trusting(roots.path()).replace("verify-full", mode);
        let before = server.trusted.load(Relaxed);
        let store = open(&server.url, &parameters).await.unwrap();
        assert!(store.meta().await.unwrap().is_none(), "{mode}");
        assert!(server.trusted.load(Relaxed) > before, "{mode}");
    }
}

// A58, A61.
#[tokio::test]
async fn a_server_that_proves_nothing_is_told_nothing() {
    let Some(server) = Guarded::new().await else { return };
    let roots = root_certificate();
    for mode in ["verify-full", "require"] {
        let trusting = trusting(roots.path()).replace("verify-full", mode);
        server.refuses("127.0.0.1", &trusting, "for another host name").await;
        server.refuses("localhost", &format!("sslmode={mode}"), "with `sslrootcert`").await;
    }
}

// A58, A61.
#[tokio::test]
async fn a_server_without_tls_is_told_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://user:CANARY@{}/database?sslmode=verify-full", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; WISH.len()];
        client.read_exact(&mut heard).await.unwrap();
        client.write_all(b"N").await.unwrap();
        client.read_to_end(&mut heard).await.unwrap();
        heard
    });
    let error = PostgresStore::open(&Address::parse(&url).unwrap()).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("STORE_FAILED", false));
    assert!(error.to_string().contains("turn it on there"), "{error}");
    assert!(!format!("{error:?}").contains("CANARY"), "{error:?}");
    assert_eq!(server.await.unwrap(), WISH, "the wish for TLS is all that was said");
}

#[test]
fn a_file_that_holds_no_certificate_is_refused() {
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "CANARY").unwrap();
    for path in [file.path(), Path::new("/nowhere/CANARY.pem")] {
        let address = format!("postgres://u:CANARY@h/d?{}", trusting(path));
        let error = server::Server::new(&Address::parse(&address).unwrap()).err().unwrap();
        assert_eq!(error.code(), "INVALID_ARGUMENT");
        assert!(error.to_string().contains("sslrootcert") && !error.to_string().contains("CANARY"), "{error}");
    }
}

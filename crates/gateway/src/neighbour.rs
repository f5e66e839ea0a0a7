//! Who answers on a port that is taken: another process of the same store may serve the pages for all of them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use onbehalf_engine::{
    Engine,
    random::{Random, SystemRandom},
    secret::ExposeSecret,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// How long it may take to answer; it is on this machine.
const PATIENCE: Duration = Duration::from_secs(1);
/// More than its answer needs.
const LIMIT: u64 = 16 * 1024;

/// Whether `port` of this machine is answered by another process that has the store of `engine` open.
///
/// It must prove it: whoever has the port gets the links that people open. And it must have the port to itself, for
/// browsers may take `localhost` for either address.
pub async fn serves_store_of(engine: &Engine, port: u16) -> bool {
    let mut proven = false;
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let Ok(stream) = TcpStream::connect((address, port)).await else { continue };
        if !timeout(PATIENCE, proves(engine, stream, port)).await.unwrap_or(false) {
            return false;
        }
        proven = true;
    }
    proven
}

async fn proves(engine: &Engine, mut stream: TcpStream, port: u16) -> bool {
    let Ok(challenge) = (&SystemRandom as &dyn Random).token() else { return false };
    let challenge = challenge.expose_secret();
    let host = format!("localhost:{port}");
    let request = format!(
        "GET /.well-known/onbehalf?challenge={challenge} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    );
    let mut answer = Vec::new();
    let asked = stream.write_all(request.as_bytes()).await;
    if asked.is_err() || stream.take(LIMIT).read_to_end(&mut answer).await.is_err() {
        return false;
    }
    // Wherever it stands: nobody else can have written it.
    let proof = engine.proof(challenge, &host);
    answer.windows(proof.len()).any(|window| window == proof.as_bytes())
}

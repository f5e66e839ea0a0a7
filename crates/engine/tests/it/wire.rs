//! HTTP/1.1 as far as a provider on loopback must write and read it: where a request ends, and one answer a connection.

use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// An answer as HTTP/1.1 writes it; `headers` are lines.
pub(crate) fn message(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status} Said\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// One request: its head, and as much body as it announces. Nothing when it breaks off.
pub(crate) async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        request.push(stream.read_u8().await.ok()?);
    };
    let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let announced = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    request.resize(head + announced.unwrap_or(0), 0);
    stream.read_exact(&mut request[head..]).await.ok()?;
    Some(String::from_utf8_lossy(&request).into_owned())
}

//! An HTTPS server: one request a connection, pages by `Host` and path, and desks where reports are posted.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::{Posted, Shared, tls};
use crate::world::{HttpsService, Page, Reach};

const PATIENCE: Duration = Duration::from_secs(300);
const HEAD_MAX: usize = 16 * 1024;
const BODY_MAX: usize = 32 << 20;

pub(super) async fn serve(shared: &Arc<Shared>, address: IpAddr, stream: TcpStream) -> io::Result<()> {
    let now = shared.now();
    let Some(service) = shared.read(|world| world.https_at(address, now, None)) else { return Ok(()) };
    if service.reach == Reach::Closes {
        return Ok(());
    }
    let pki = shared.read(|world| Arc::clone(&world.pki));
    let Some(mut stream) = tls::accept(pki, service.tls.clone(), &[b"http/1.1"], stream).await? else {
        return Ok(());
    };
    let Some(request) = timeout(PATIENCE, read_request(&mut stream)).await?? else { return Ok(()) };
    let page = answer(shared, &service, request);
    send(&mut stream, &page).await
}

struct Request {
    method: String,
    path: String,
    host: String,
    content_type: Option<String>,
    body: Bytes,
}

async fn read_request(stream: &mut TlsStream<TcpStream>) -> io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > HEAD_MAX || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes.split_off(end + 4);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let (mut host, mut content_type, mut length) = (String::new(), None, 0);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "host" => host = value.rsplit_once(':').map_or(value, |(host, _)| host).to_ascii_lowercase(),
            "content-type" => content_type = Some(value.to_owned()),
            "content-length" => length = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    if length > BODY_MAX {
        return Ok(None);
    }
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    let (method, path) = (method.to_owned(), path.to_owned());
    Ok(Some(Request { method, path, host, content_type, body: body.into() }))
}

fn answer(shared: &Shared, service: &HttpsService, request: Request) -> Page {
    let Some(site) = service.sites.get(&request.host) else { return Page::status(404) };
    if request.method == "POST" {
        let Some(desk) = site.desks.get(&request.path) else { return Page::status(405) };
        let Request { host, path, content_type, body, .. } = request;
        if (200..300).contains(&desk.status) {
            shared.keep(Posted { host, path, content_type, body });
        }
        // A redirect has to lead somewhere, or nobody could follow it.
        let location = (300..400).contains(&desk.status).then(|| "/moved".to_owned());
        return Page { location, ..Page::status(desk.status) };
    }
    match (site.pages.get(&request.path), site.desks.contains_key(&request.path)) {
        (Some(page), _) => page.clone(),
        (None, true) => Page::status(405),
        (None, false) => Page::status(404),
    }
}

async fn send(stream: &mut TlsStream<TcpStream>, page: &Page) -> io::Result<()> {
    if !page.delay.is_zero() {
        sleep(page.delay).await;
    }
    let mut head = format!("HTTP/1.1 {} Lab\r\nContent-Length: {}\r\n", page.status, page.body.len());
    let fields = [
        ("Content-Type", &page.content_type),
        ("Content-Encoding", &page.content_encoding),
        ("Location", &page.location),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("Connection: close\r\n\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&page.body[..page.stalls_after.unwrap_or(usize::MAX).min(page.body.len())]);
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    if page.stalls_after.is_some() {
        let mut rest = [0; 512];
        while timeout(PATIENCE, stream.read(&mut rest)).await?? > 0 {}
    }
    stream.shutdown().await
}

//! An SMTP server: it answers, speaks TLS as its host does, and takes mail, which is kept for those who look.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Mail, Shared, tls};
use crate::world::{Greeting, Reach, SmtpService, StartTls};

/// How long a client may think, and how long silence lasts at most.
const PATIENCE: Duration = Duration::from_secs(300);

/// Longest command line (RFC 5321 §4.5.3.1.4, and some).
const LINE_MAX: u64 = 2_048;

/// Most commands of one connection.
const COMMANDS_MAX: usize = 100;

/// Largest mail that is taken.
const MAIL_MAX: usize = 4 * 1024 * 1024;

pub(super) async fn serve(shared: &Arc<Shared>, address: IpAddr, mut stream: TcpStream) -> io::Result<()> {
    let now = shared.now();
    let Some(service) = shared.read(|world| world.smtp_at(address, now, None)) else { return Ok(()) };
    if service.reach == Reach::Closes {
        return Ok(());
    }
    match &service.greeting {
        Greeting::Welcome => say(&mut stream, &format!("220 {} ESMTP\r\n", service.hello_name)).await?,
        Greeting::Refusal(code, text) => {
            say(&mut stream, &format!("{code} {text}\r\n")).await?;
            return until_closed(&mut stream).await;
        }
        Greeting::Silent => return until_closed(&mut stream).await,
        Greeting::Closes => return Ok(()),
        Greeting::Noise => {
            say(&mut stream, "HTTP/1.1 400 Bad Request\r\n\r\n").await?;
            return until_closed(&mut stream).await;
        }
    }
    let desk = Desk { shared, address, service: &service };
    if !talk(&mut stream, desk, Stage::Clear).await? {
        return Ok(());
    }
    match service.starttls {
        StartTls::Closes => Ok(()),
        StartTls::Silent => until_closed(&mut stream).await,
        StartTls::Noise => {
            // After the client has begun: what comes before that is taken for clear text.
            stream.read_u8().await?;
            say(&mut stream, "this is not TLS\r\n").await?;
            until_closed(&mut stream).await
        }
        StartTls::Works | StartTls::Missing | StartTls::Refused(..) => {
            let pki = shared.read(|world| Arc::clone(&world.pki));
            let Some(mut stream) = tls::accept(pki, service.tls.clone(), &[], stream).await? else {
                return Ok(());
            };
            talk(&mut stream, desk, Stage::Encrypted).await?;
            stream.shutdown().await
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Clear,
    Encrypted,
}

/// The server that a client talks to.
#[derive(Clone, Copy)]
struct Desk<'a> {
    shared: &'a Shared,
    address: IpAddr,
    service: &'a SmtpService,
}

/// The envelope of a mail on its way.
#[derive(Default)]
struct Letter {
    from: Option<String>,
    to: Vec<String>,
}

/// Answers commands. True: STARTTLS was accepted.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    desk: Desk<'_>,
    stage: Stage,
) -> io::Result<bool> {
    let service = desk.service;
    let mut letter = Letter::default();
    // What a client sends behind STARTTLS before the answer is lost with this buffer, as RFC 3207 §4.2 wants it.
    let mut reader = BufReader::new(stream);
    for _ in 0..COMMANDS_MAX {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(LINE_MAX);
        if timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await?? == 0 {
            return Ok(false);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let clear = stage == Stage::Clear;
        if verb == "DATA" && letter.from.is_some() && !letter.to.is_empty() {
            say(reader.get_mut(), "354 go ahead\r\n").await?;
            let taken = message(&mut reader).await?;
            let Letter { from, to } = std::mem::take(&mut letter);
            let answer = match taken {
                Some(message) => {
                    let mx = service.hello_name.clone();
                    let from = from.unwrap_or_default();
                    desk.shared.take_in(Mail { mx, address: desk.address, tls: !clear, from, to, message });
                    "250 2.0.0 kept\r\n"
                }
                None => "552 5.3.4 too large\r\n",
            };
            say(reader.get_mut(), answer).await?;
            continue;
        }
        let out = reader.get_mut();
        match (verb.as_str(), &service.starttls) {
            ("EHLO", starttls) => {
                let offer = clear && *starttls != StartTls::Missing;
                let offer = if offer { "250-STARTTLS\r\n" } else { "" };
                say(out, &format!("250-{}\r\n250-PIPELINING\r\n{offer}250 8BITMIME\r\n", service.hello_name))
                    .await?;
            }
            ("HELO", _) => say(out, &format!("250 {}\r\n", service.hello_name)).await?,
            ("STARTTLS", StartTls::Refused(code, text)) if clear => {
                say(out, &format!("{code} {text}\r\n")).await?;
            }
            ("STARTTLS", starttls) if clear && *starttls != StartTls::Missing => {
                say(out, "220 2.0.0 go ahead\r\n").await?;
                return Ok(true);
            }
            ("QUIT", _) => {
                say(out, "221 2.0.0 bye\r\n").await?;
                return Ok(false);
            }
            ("NOOP", _) => say(out, "250 2.0.0 ok\r\n").await?,
            ("RSET", _) => {
                letter = Letter::default();
                say(out, "250 2.0.0 ok\r\n").await?;
            }
            ("MAIL", _) if path(&line).is_some() => {
                letter = Letter { from: path(&line), to: Vec::new() };
                say(out, "250 2.1.0 ok\r\n").await?;
            }
            ("RCPT", _) if letter.from.is_some() && path(&line).is_some() => {
                letter.to.extend(path(&line));
                say(out, "250 2.1.5 ok\r\n").await?;
            }
            ("MAIL" | "RCPT" | "DATA", _) => say(out, "503 5.5.1 not now\r\n").await?,
            _ => say(out, "502 5.5.1 not known here\r\n").await?,
        }
    }
    Ok(false)
}

/// What stands in angle brackets.
fn path(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('<')?;
    rest.split_once('>').map(|(path, _)| path.to_owned())
}

/// A message up to its dot, without the dots that were put before its own (RFC 5321 §4.5.2); `None`: too large.
async fn message<R: AsyncRead + Unpin>(reader: &mut BufReader<R>) -> io::Result<Option<Bytes>> {
    let (mut message, mut whole) = (Vec::new(), true);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut *reader).take(MAIL_MAX as u64);
        if timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await?? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" || line == b".\n" {
            return Ok(whole.then(|| Bytes::from(message)));
        }
        let line = if line.starts_with(b".") { &line[1..] } else { &line[..] };
        whole &= message.len() + line.len() <= MAIL_MAX;
        if whole {
            message.extend_from_slice(line);
        }
    }
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

async fn until_closed(stream: &mut TcpStream) -> io::Result<()> {
    let mut rest = [0; 512];
    while timeout(PATIENCE, stream.read(&mut rest)).await?? > 0 {}
    Ok(())
}

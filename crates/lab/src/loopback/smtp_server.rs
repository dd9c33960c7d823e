//! An SMTP server as far as STARTTLS: it takes no mail.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Shared, tls};
use crate::world::{Greeting, Reach, SmtpService, StartTls};

/// How long a client may think, and how long silence lasts at most.
const PATIENCE: Duration = Duration::from_secs(300);

/// Longest command line (RFC 5321 §4.5.3.1.4, and some).
const LINE_MAX: u64 = 2_048;

/// Most commands of one connection.
const COMMANDS_MAX: usize = 100;

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
    if !talk(&mut stream, &service, Stage::Clear).await? {
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
            talk(&mut stream, &service, Stage::Encrypted).await?;
            stream.shutdown().await
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Clear,
    Encrypted,
}

/// Answers commands. True: STARTTLS was accepted.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    service: &SmtpService,
    stage: Stage,
) -> io::Result<bool> {
    // What a client sends behind STARTTLS before the answer is lost with this buffer, as RFC 3207 §4.2 wants it.
    let mut reader = BufReader::new(stream);
    for _ in 0..COMMANDS_MAX {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(LINE_MAX);
        if timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await?? == 0 {
            return Ok(false);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_ascii_uppercase();
        let verb = line.split(' ').next().unwrap_or_default();
        let clear = stage == Stage::Clear;
        let out = reader.get_mut();
        match (verb, &service.starttls) {
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
            ("NOOP" | "RSET", _) => say(out, "250 2.0.0 ok\r\n").await?,
            _ => say(out, "502 5.5.1 not known here\r\n").await?,
        }
    }
    Ok(false)
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

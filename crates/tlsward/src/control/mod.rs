//! The control socket, `<data_dir>/control.sock`: how other commands speak with the running server.
//!
//! One request a connection. `MAIL <bytes>\n` and that many bytes hand over a mail; the answer is `OK\n` once it is
//! synced, or `LATER <reason>\n`. `POLICY refresh <domain>\n` and `POLICY forget <domain>\n` are answered with `FINE`,
//! `NONE` or `UNTOLD` and a sentence. `DOMAIN <bytes>\n` and that many bytes are a request of [`domains`]; its answer is
//! JSON. Only the server's own user can reach the socket. What can fail: no server, a store
//! that cannot take it; the caller then leaves the mail in the spool folder.

pub(crate) mod domains;

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::facts::{RawInput, Road};
use tlsward_engine::ports::{Clock, Intake};
use tlsward_engine::receive::{Budget, MAX_INPUT_BYTES};
use tlsward_mail::queue::Inlet;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A request's first line at most.
const LINE_BYTES: u64 = 512;
/// Connections at once.
const AT_ONCE: usize = 64;
/// For a request's first line: whoever sends none holds up neither others nor a stop.
const LINE_PATIENCE: Duration = Duration::from_secs(5);
/// For one whole request.
const PATIENCE: Duration = Duration::from_secs(60);
/// For one whose answer has to be fetched from a policy host, which may take a minute after DNS has answered.
const LONG_PATIENCE: Duration = Duration::from_secs(120);

/// Before accepting again after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What requests are answered from.
pub(crate) struct Desk<S, C> {
    pub(crate) store: Arc<S>,
    pub(crate) clock: C,
    pub(crate) budget: Budget,
    pub(crate) inlet: Inlet,
    /// If this server enforces.
    pub(crate) policies: Option<Arc<dyn Policies>>,
    /// If this server publishes.
    pub(crate) domains: Option<Arc<dyn domains::Domains>>,
}

/// What is done about the policy of one domain at the owner's word.
pub(crate) trait Policies: Send + Sync + 'static {
    /// Fetches it now.
    fn refresh(&self, domain: PolicyDomain) -> BoxFuture<'static, Told>;

    /// Drops what is held.
    fn forget(&self, domain: PolicyDomain) -> BoxFuture<'static, Told>;
}

/// What to do about a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Refresh,
    Forget,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) result: Came,
    /// One sentence.
    pub(crate) text: String,
}

/// See [`Told`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// It was done: a policy is held now, or no longer.
    Fine,
    /// There is no policy.
    None,
    /// It could not be told.
    Untold,
}

const DEEDS: [(Deed, &str); 2] = [(Deed::Refresh, "refresh"), (Deed::Forget, "forget")];
const CAME: [(Came, &str); 3] = [(Came::Fine, "FINE"), (Came::None, "NONE"), (Came::Untold, "UNTOLD")];

/// Answers until told to stop, then finishes what has begun.
pub(crate) async fn serve<S: Intake, C: Clock>(
    listener: UnixListener,
    desk: Desk<S, C>,
    mut shutdown: watch::Receiver<bool>,
) {
    let desk = Arc::new(desk);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut at_work = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            listener.accept().await.map(|(stream, _)| (stream, place))
        };
        tokio::select! {
            biased;
            () = told_to_stop(&mut shutdown) => break,
            Some(_) = at_work.join_next() => {}
            accepted = next => match accepted {
                Ok((stream, place)) => {
                    let desk = Arc::clone(&desk);
                    at_work.spawn(async move {
                        if let Ok(Err(error)) = timeout(LONG_PATIENCE, answer(stream, &desk)).await {
                            tracing::debug!(%error, "a command went away");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    // Mostly no descriptor is left: asking again at once would only spin.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    while at_work.join_next().await.is_some() {}
}

/// Resolves once it is time to stop, also if whoever would say so is gone.
pub(crate) async fn told_to_stop(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

async fn answer<S: Intake, C: Clock>(stream: UnixStream, desk: &Desk<S, C>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let mut limited = (&mut stream).take(LINE_BYTES);
    let read = timeout(LINE_PATIENCE, limited.read_line(&mut line)).await;
    read.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?;
    let reply = match line.strip_suffix('\n').and_then(|line| line.split_once(' ')) {
        Some(("MAIL", length)) => match length.parse::<usize>() {
            Ok(length) if length <= MAX_INPUT_BYTES => {
                let taken = timeout(PATIENCE, take_mail(&mut stream, length, desk)).await;
                taken.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?
            }
            _ => "LATER the mail is too large\n".to_owned(),
        },
        Some(("DOMAIN", length)) => match length.parse::<usize>() {
            Ok(length) if length <= domains::REQUEST_BYTES => {
                about_domains(&mut stream, length, desk).await?
            }
            _ => "LATER the request is too large\n".to_owned(),
        },
        Some(("POLICY", rest)) => about_policy(rest, desk).await,
        _ => "LATER unknown request\n".to_owned(),
    };
    stream.write_all(reply.as_bytes()).await
}

async fn take_mail<S: Intake, C: Clock>(
    stream: &mut BufReader<UnixStream>,
    length: usize,
    desk: &Desk<S, C>,
) -> io::Result<String> {
    let Some(_share) = desk.budget.take(length) else {
        return Ok("LATER too much mail in transfer\n".to_owned());
    };
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    let raw = RawInput {
        road: Road::Pipe,
        received_at: desk.clock.now(),
        peer: None,
        label: String::new(),
        bytes: Bytes::from(bytes),
    };
    let copy = desk.inlet.copy_of(&raw);
    Ok(match desk.store.keep(raw).await {
        Ok(id) => {
            desk.inlet.kept(id, copy);
            "OK\n".to_owned()
        }
        Err(error) => format!("LATER {}\n", error.to_string().replace('\n', " ")),
    })
}

async fn about_domains<S, C>(
    stream: &mut BufReader<UnixStream>,
    length: usize,
    desk: &Desk<S, C>,
) -> io::Result<String> {
    let Some(_share) = desk.budget.take(length) else {
        return Ok("LATER too much in transfer\n".to_owned());
    };
    let mut bytes = vec![0; length];
    timeout(PATIENCE, stream.read_exact(&mut bytes)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let Ok(request) = serde_json::from_slice(&bytes) else {
        return Ok("LATER unknown request\n".to_owned());
    };
    let reply = match &desk.domains {
        Some(domains) => domains.carry_out(request).await,
        None => domains::Reply::of(
            domains::Outcome::Untold,
            "the server does not publish: its configuration has no table [publish]",
        ),
    };
    Ok(serde_json::to_string(&reply)?)
}

async fn about_policy<S, C>(asked: &str, desk: &Desk<S, C>) -> String {
    let read = asked.split_once(' ').and_then(|(word, domain)| {
        let (deed, _) = DEEDS.iter().find(|(_, known)| *known == word)?;
        Some((*deed, PolicyDomain::parse(domain).ok()?))
    });
    let told = match (read, &desk.policies) {
        (None, _) => return "LATER unknown request\n".to_owned(),
        (Some(_), None) => Told {
            result: Came::Untold,
            text: "the server does not enforce policies: its configuration has no table [enforce]".to_owned(),
        },
        (Some((Deed::Refresh, domain)), Some(policies)) => policies.refresh(domain).await,
        (Some((Deed::Forget, domain)), Some(policies)) => policies.forget(domain).await,
    };
    let word = CAME.iter().find(|(came, _)| *came == told.result).map_or("UNTOLD", |(_, word)| word);
    format!("{word} {}\n", told.text.replace('\n', " "))
}

/// Has the server at `socket` do something about a domain's policy.
pub(crate) fn about(socket: &Path, deed: Deed, domain: &PolicyDomain) -> io::Result<Told> {
    let mut stream = BlockingStream::connect(socket)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(LONG_PATIENCE + PATIENCE))?;
    let word = DEEDS.iter().find(|(known, _)| *known == deed).map_or("", |(_, word)| word);
    stream.write_all(format!("POLICY {word} {domain}\n").as_bytes())?;
    let mut reply = String::new();
    stream.take(4096).read_to_string(&mut reply)?;
    let (word, text) = reply.trim_end().split_once(' ').unwrap_or((reply.trim_end(), ""));
    match CAME.iter().find(|(_, known)| *known == word) {
        Some((result, _)) => Ok(Told { result: *result, text: text.to_owned() }),
        None if reply.is_empty() => Err(io::Error::other("the server gave no answer")),
        None => Err(io::Error::other(text.to_owned())),
    }
}

/// Hands a mail to the server at `socket`. `Ok` means that it is kept, synced; an error, that it may not be.
pub(crate) fn hand_over(socket: &Path, mail: &[u8]) -> io::Result<()> {
    let mut stream = BlockingStream::connect(socket)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("MAIL {}\n", mail.len()).as_bytes())?;
    // A server that is full says so before it has read everything, and our writing then breaks off.
    let written = stream.write_all(mail);
    let mut reply = String::new();
    stream.take(1024).read_to_string(&mut reply)?;
    match reply.trim_end() {
        "OK" => Ok(()),
        "" => Err(written.err().unwrap_or_else(|| io::Error::other("the server gave no answer"))),
        other => Err(io::Error::other(other.strip_prefix("LATER ").unwrap_or(other).to_owned())),
    }
}

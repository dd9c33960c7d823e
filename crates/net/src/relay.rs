//! Hands mail to the relay: the mail server of this installation, which the owner configured (RFC 5321).
//!
//! One connection for each mail: EHLO, MAIL, RCPT, DATA, QUIT, in the clear, as is usual on loopback and within a
//! trusted network; the owner chose the way. What can fail is [`RelayOutcome`]. A connection that breaks after the
//! whole mail was sent counts as not accepted: the report then goes out twice under one id, and never not at all.

use std::net::SocketAddr;
use std::time::Duration;

use tlsward_engine::ports::{Relay, RelayMail, RelayOutcome};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use crate::limits::SmtpLimits;
use crate::smtp::reply::Reply;
use crate::smtp::talk::{Talk, TalkFailure};
use crate::smtp::{BadEhloName, check_ehlo_name};

/// Where the relay is, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// `host:port`; a name is looked up by the system for each mail.
    pub address: String,
    /// The name in EHLO (RFC 5321 §4.1.4).
    pub ehlo_name: String,
    /// Bounds.
    pub limits: SmtpLimits,
}

/// The client. It may be used for many mails at once.
#[derive(Debug, Clone)]
pub struct SmtpRelay {
    config: RelayConfig,
}

impl SmtpRelay {
    /// A client.
    ///
    /// # Errors
    /// [`BadEhloName`] where the name would break the command.
    pub fn new(config: RelayConfig) -> Result<Self, BadEhloName> {
        check_ehlo_name(&config.ehlo_name)?;
        Ok(Self { config })
    }

    async fn hand_over(&self, mail: &RelayMail) -> Result<(), RelayOutcome> {
        let limits = &self.config.limits;
        let (from, to) = (path(&mail.from)?, path(&mail.to)?);
        let data = dotted(&mail.message)?;
        let stream = self.connect().await?;
        // Without it things are slower, not wrong.
        let _ = stream.set_nodelay(true);
        let mut talk = Talk::new(stream, limits, Instant::now() + limits.total);
        let greeting = talk.reply(limits.greeting).await;
        self.expect(greeting, 220, "the connection", &mut talk).await?;
        let ehlo = format!("EHLO {}\r\n", self.config.ehlo_name);
        let steps = [
            (ehlo, 250, "EHLO"),
            (format!("MAIL FROM:{from}\r\n"), 250, "MAIL FROM"),
            (format!("RCPT TO:{to}\r\n"), 250, "RCPT TO"),
            ("DATA\r\n".to_owned(), 354, "DATA"),
        ];
        for (command, code, what) in steps {
            let reply = talk.ask(&command, limits.reply).await;
            self.expect(reply, code, what, &mut talk).await?;
        }
        // Beyond the time of the rest: who gives up too early has the mail delivered twice (RFC 5321 §4.5.3.2.6).
        talk.extend(limits.mail);
        let reply = talk.ask(&data, limits.mail).await;
        self.expect(reply, 250, "the mail", &mut talk).await?;
        talk.quit(limits.quit).await;
        Ok(())
    }

    async fn connect(&self) -> Result<TcpStream, RelayOutcome> {
        let not_reached = |why: String| RelayOutcome::NotReached(format!("{}: {why}", self.config.address));
        let limits = &self.config.limits;
        let addresses: Vec<SocketAddr> =
            match timeout(limits.connect, lookup_host(&self.config.address)).await {
                Ok(Ok(addresses)) => addresses.take(limits.addresses).collect(),
                Ok(Err(error)) => return Err(not_reached(error.to_string())),
                Err(_) => return Err(not_reached("its name was not looked up in time".to_owned())),
            };
        connect(&addresses, limits.connect).await.map_err(not_reached)
    }

    async fn expect(
        &self,
        reply: Result<Reply, TalkFailure>,
        code: u16,
        what: &str,
        talk: &mut Talk<'_, TcpStream>,
    ) -> Result<(), RelayOutcome> {
        let reply = reply.map_err(|why| RelayOutcome::NotReached(broken(what, &why)))?;
        // RFC 5321 §4.3.2: 251 is an acceptance of RCPT too.
        if reply.code == code || (code == 250 && reply.code == 251) {
            return Ok(());
        }
        let limits = &self.config.limits;
        let text = format!("to {what}: {}", reply.text(limits.text_chars));
        talk.quit(limits.quit).await;
        Err(RelayOutcome::Refused { code: reply.code, text })
    }
}

impl Relay for SmtpRelay {
    async fn submit(&self, mail: RelayMail) -> RelayOutcome {
        match self.hand_over(&mail).await {
            Ok(()) => RelayOutcome::Accepted,
            Err(outcome) => outcome,
        }
    }
}

/// Connects to the first address that answers. Each has its own time, so that a dead one takes none from the next.
async fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, String> {
    let mut last = "it has no address".to_owned();
    for address in addresses {
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = "no answer in time".to_owned(),
        }
    }
    Err(last)
}

/// An address as a path. What could end the command, or is not ASCII, never gets there.
fn path(address: &str) -> Result<String, RelayOutcome> {
    let is_safe = address.len() <= 254
        && address.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !address.contains(['<', '>'])
        && (!address.contains(' ') || address.starts_with('"'));
    if is_safe { Ok(format!("<{address}>")) } else { Err(unfit("an address")) }
}

/// The message with dots doubled (RFC 5321 §4.5.2) and its end.
fn dotted(message: &[u8]) -> Result<String, RelayOutcome> {
    let text = std::str::from_utf8(message).ok().filter(|text| text.is_ascii());
    let text = text.ok_or_else(|| unfit("the mail"))?;
    let mut out = String::with_capacity(text.len() + 8);
    for line in text.split_inclusive('\n') {
        if line.starts_with('.') {
            out.push('.');
        }
        match line.strip_suffix('\n') {
            // RFC 5321 §2.3.8: a line ends with CRLF and nothing else.
            Some(line) => out.push_str(line.strip_suffix('\r').unwrap_or(line)),
            None => out.push_str(line),
        }
        out.push_str("\r\n");
    }
    out.push_str(".\r\n");
    Ok(out)
}

fn unfit(what: &str) -> RelayOutcome {
    RelayOutcome::NotReached(format!("{what} is not plain ASCII"))
}

fn broken(what: &str, why: &TalkFailure) -> String {
    match why {
        TalkFailure::Closed => format!("the relay closed the connection and had not answered {what}"),
        TalkFailure::TimedOut => format!("the relay did not answer {what} in time"),
        TalkFailure::Io(error) => format!("the connection broke at {what}: {error}"),
        TalkFailure::NotSmtp(reason) => format!("the answer to {what} is not SMTP: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::advance;

    use super::*;

    /// A server that gives these replies, the first as its greeting; what it was told comes back.
    async fn relay(replies: &'static [&'static str]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut heard = Vec::new();
            let mut in_data = false;
            for reply in replies {
                stream.write_all(reply.as_bytes()).await.unwrap();
                in_data |= reply.starts_with("354");
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.unwrap() == 0 {
                        return heard;
                    }
                    let is_end = !in_data || line == ".\r\n";
                    heard.push(line);
                    if is_end {
                        break;
                    }
                }
                if heard.last().is_some_and(|line| line == ".\r\n") {
                    in_data = false;
                }
            }
            heard
        });
        (address, heard)
    }

    fn client(address: String) -> SmtpRelay {
        let limits = SmtpLimits {
            greeting: Duration::from_secs(5),
            reply: Duration::from_secs(5),
            ..SmtpLimits::default()
        };
        SmtpRelay::new(RelayConfig { address, ehlo_name: "mx.sender.example".to_owned(), limits }).unwrap()
    }

    fn mail() -> RelayMail {
        RelayMail {
            from: "tlsrpt+ab@sender.example".to_owned(),
            to: "r@a.example".to_owned(),
            message: b"Subject: x\r\n\r\n.dot\r\nlast".as_slice().into(),
        }
    }

    #[tokio::test]
    async fn a_mail_is_handed_over_with_its_dots_doubled() {
        let (address, heard) = relay(&[
            "220 hi\r\n",
            "250-relay\r\n250 SIZE\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 queued\r\n",
            "221 bye\r\n",
        ])
        .await;
        assert_eq!(client(address).submit(mail()).await, RelayOutcome::Accepted);
        assert_eq!(
            heard.await.unwrap().concat(),
            "EHLO mx.sender.example\r\nMAIL FROM:<tlsrpt+ab@sender.example>\r\nRCPT TO:<r@a.example>\r\nDATA\r\n\
             Subject: x\r\n\r\n..dot\r\nlast\r\n.\r\nQUIT\r\n"
        );
    }

    #[tokio::test]
    async fn a_refusal_says_at_which_step() {
        let (address, _heard) = relay(&[
            "220 hi\r\n",
            "250 relay\r\n",
            "250 ok\r\n",
            "554 5.7.1 go\u{7} away\r\n",
            "221 bye\r\n",
        ])
        .await;
        let outcome = client(address).submit(mail()).await;
        assert_eq!(
            outcome,
            RelayOutcome::Refused { code: 554, text: "to RCPT TO: 5.7.1 go  away".to_owned() }
        );
    }

    #[tokio::test]
    async fn silence_nonsense_and_a_shut_door_are_told_apart() {
        let (address, heard) = relay(&[]).await;
        let outcome = client(address.clone()).submit(mail()).await;
        assert!(
            matches!(&outcome, RelayOutcome::NotReached(why) if why.contains("closed the connection") || why.contains("broke")),
            "{outcome:?}"
        );
        heard.await.unwrap();
        // The listener is gone.
        let outcome = client(address).submit(mail()).await;
        assert!(
            matches!(&outcome, RelayOutcome::NotReached(why) if why.contains("127.0.0.1:")),
            "{outcome:?}"
        );
        let (address, _heard) = relay(&["HTTP/1.1 400 no\r\n"]).await;
        let outcome = client(address).submit(mail()).await;
        assert!(matches!(&outcome, RelayOutcome::NotReached(why) if why.contains("not SMTP")), "{outcome:?}");
    }

    /// An address at which connections are neither taken nor refused: nobody accepts, and there is no more room.
    async fn dead() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(50), TcpStream::connect(address)).await {
            waiting.push(stream);
        }
        (address, waiting, listener)
    }

    #[tokio::test]
    async fn a_dead_address_takes_no_time_from_the_next_one() {
        let (dead, _waiting, _listener) = dead().await;
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let end_point = alive.local_addr().unwrap();
        let limit = Duration::from_millis(100);
        let stream = connect(&[dead, end_point], limit).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), end_point);
        assert_eq!(connect(&[dead, dead], limit).await.unwrap_err(), "no answer in time");
        assert_eq!(connect(&[], limit).await.unwrap_err(), "it has no address");
    }

    /// A relay that is silent for that long after the end of the mail.
    async fn thoughtful(silence: Duration) -> RelayOutcome {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            for reply in ["220 hi", "250 relay", "250 ok", "250 ok", "354 go"] {
                stream.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
                line.clear();
                stream.read_line(&mut line).await.unwrap();
            }
            while line != ".\r\n" {
                line.clear();
                assert_ne!(stream.read_line(&mut line).await.unwrap(), 0);
            }
            tokio::time::pause();
            advance(silence).await;
            tokio::time::resume();
            // The other side may have given up.
            let _ = stream.write_all(b"250 queued\r\n").await;
            let _ = stream.read_line(&mut line).await;
        });
        client(address).submit(mail()).await
    }

    #[tokio::test]
    async fn the_relay_has_ten_minutes_for_what_follows_the_mail() {
        assert_eq!(thoughtful(Duration::from_secs(590)).await, RelayOutcome::Accepted);
        let outcome = thoughtful(Duration::from_secs(610)).await;
        assert!(
            matches!(&outcome, RelayOutcome::NotReached(why) if why.contains("did not answer the mail in time")),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn what_could_end_a_command_never_reaches_the_relay() {
        for to in ["a@b>\r\nRCPT TO:<c@d", "a@b\n", "é@b", "a b@c"] {
            let mail = RelayMail { to: to.to_owned(), ..mail() };
            let outcome = client("127.0.0.1:1".to_owned()).submit(mail).await;
            assert_eq!(outcome, unfit("an address"), "{to:?}");
        }
        assert!(
            SmtpRelay::new(RelayConfig {
                address: String::new(),
                ehlo_name: "a b".to_owned(),
                limits: SmtpLimits::default()
            })
            .is_err()
        );
    }
}

//! The SMTP client against servers that follow the protocols, and servers that do not.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod peer;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use peer::{LOOPBACK, Server, accept, both, closed_port, identity, server, tls};
use tlsward_engine::ports::{ConnectFailure, Smtp, SmtpOutcome, SmtpTarget, TlsFailure};
use tlsward_net::guard::Guard;
use tlsward_net::limits::SmtpLimits;
use tlsward_net::smtp::{BadEhloName, SmtpClient, SmtpConfig};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

const HOST: &str = "mx.example.com";

fn config(port: u16) -> SmtpConfig {
    let guard = Guard { allow_private: true, allowed: Vec::new() };
    SmtpConfig { port, guard, ehlo_name: "probe.example.net".to_owned(), ..SmtpConfig::default() }
}

async fn probe_with(server: &Server, limits: SmtpLimits) -> SmtpOutcome {
    let client = SmtpClient::new(SmtpConfig { limits, ..config(server.end_point.port()) }).unwrap();
    client.probe(SmtpTarget { host: HOST, address: LOOPBACK, sni: true }).await
}

async fn probe(server: &Server) -> SmtpOutcome {
    probe_with(server, SmtpLimits::default()).await
}

/// What was said to a server, in order.
type Heard = Arc<Mutex<Vec<String>>>;

/// Sends the greeting, then an answer for each line that comes, as long as there are some.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    script: &[&str],
    heard: &Heard,
) -> BufReader<S> {
    let mut stream = BufReader::new(stream);
    for (number, answer) in script.iter().enumerate() {
        if number > 0 {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                break;
            }
            heard.lock().unwrap().push(line.trim_end().to_owned());
        }
        if stream.write_all(answer.as_bytes()).await.is_err() {
            break;
        }
        let _ = stream.flush().await;
    }
    stream
}

/// A server in the clear that follows a script: greeting, answers. Then it hears the rest and closes.
async fn scripted(script: &'static [&'static str]) -> (Server, Heard) {
    let heard = Heard::default();
    let server = {
        let heard = Arc::clone(&heard);
        server(move |_, stream| {
            let heard = Arc::clone(&heard);
            async move {
                let mut stream = converse(stream, script, &heard).await;
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap_or(0) > 0 {
                    heard.lock().unwrap().push(line.trim_end().to_owned());
                }
            }
        })
        .await
    };
    (server, heard)
}

const UNTIL_TLS: &[&str] = &["220 mx ESMTP\r\n", "250-mx\r\n250-SIZE 1\r\n250 STARTTLS\r\n", "220 go on\r\n"];

/// A server that answers as [`UNTIL_TLS`], and then does that.
async fn with_starttls<F, S>(then: F) -> Server
where
    F: Fn(usize, TcpStream) -> S + Send + Sync + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let then = Arc::new(then);
    server(move |number, stream| {
        let then = Arc::clone(&then);
        async move {
            let stream = converse(stream, UNTIL_TLS, &Heard::default()).await;
            then(number, stream.into_inner()).await;
        }
    })
    .await
}

/// Proves: E5, E6
#[tokio::test]
async fn a_session_comes_with_its_chain_and_ends_politely() {
    let identity = identity(HOST);
    let config = Arc::new(tls(&identity, &both()));
    let before = Heard::default();
    let after = Heard::default();
    let names = Heard::default();
    let server = {
        let (before, after, names) = (Arc::clone(&before), Arc::clone(&after), Arc::clone(&names));
        server(move |_, stream| {
            let config = Arc::clone(&config);
            let (before, after, names) = (Arc::clone(&before), Arc::clone(&after), Arc::clone(&names));
            async move {
                let stream = converse(stream, UNTIL_TLS, &before).await.into_inner();
                let stream = accept(&config, stream).await.unwrap();
                let name = stream.get_ref().1.server_name().map_or("none", |name| name).to_owned();
                names.lock().unwrap().push(name);
                // No greeting: RFC 3207 §4.2.
                let mut stream = BufReader::new(stream);
                for answer in ["250-mx\r\n250 SIZE 1\r\n", "221 bye\r\n"] {
                    let mut line = String::new();
                    stream.read_line(&mut line).await.unwrap();
                    after.lock().unwrap().push(line.trim_end().to_owned());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
        })
        .await
    };
    let client = SmtpClient::new(self::config(server.end_point.port())).unwrap();
    for sni in [true, false] {
        let outcome = client.probe(SmtpTarget { host: HOST, address: LOOPBACK, sni }).await;
        let SmtpOutcome::Tls(session) = outcome else { panic!("{outcome:?}") };
        assert_eq!((session.version, &session.suite[..7]), (0x0304, "TLS_AES"));
        assert_eq!(session.chain, [Bytes::copy_from_slice(&identity.chain[0])]);
    }
    assert_eq!(*names.lock().unwrap(), [HOST, "none"]);
    assert_eq!(before.lock().unwrap()[..2], ["EHLO probe.example.net", "STARTTLS"]);
    assert_eq!(after.lock().unwrap()[..2], ["EHLO probe.example.net", "QUIT"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_counts_whatever_becomes_of_the_conversation_in_it() {
    let config = Arc::new(tls(&identity(HOST), &[&rustls::version::TLS12]));
    for answer in ["", "502 what?\r\n", "garbage\r\n"] {
        let config = Arc::clone(&config);
        let server = with_starttls(move |_, stream| {
            let config = Arc::clone(&config);
            async move {
                let mut stream = accept(&config, stream).await.unwrap();
                let _ = stream.read(&mut [0; 100]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.flush().await;
            }
        })
        .await;
        let outcome = probe(&server).await;
        assert!(matches!(&outcome, SmtpOutcome::Tls(session) if session.version == 0x0303), "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_starttls_the_client_says_so_and_goodbye() {
    let cases: &[&[&str]] = &[
        &["220 mx\r\n", "250 mx\r\n"],
        &["220-mx\r\n220-two\r\n220\r\n", "250-mx\r\n250-SIZE 1\r\n250 XSTARTTLS\r\n", "221 bye\r\n"],
        &["220 mx\n", "250-STARTTLS\n250 PIPELINING\n", "221 bye\n"],
    ];
    for script in cases {
        let (server, heard) = scripted(script).await;
        assert_eq!(probe(&server).await, SmtpOutcome::NoStartTls);
        let heard = heard.lock().unwrap();
        assert_eq!(heard.first().map(String::as_str), Some("EHLO probe.example.net"));
        if script.len() > 2 {
            assert_eq!(heard.get(1).map(String::as_str), Some("QUIT"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_come_with_code_and_text() {
    let refused = |code, text: &str| SmtpOutcome::Refused { code, text: text.to_owned() };
    let starttls_refused = |code, text: &str| SmtpOutcome::StartTlsRefused { code, text: text.to_owned() };
    const BYE: &str = "221 bye\r\n";
    const EHLO: &str = "250-mx\r\n250 starttls\r\n";
    let cases: &[(&[&str], SmtpOutcome)] = &[
        (&["554-no service\r\n554 here\r\n", BYE], refused(554, "no service")),
        (&["421 busy\r\n"], refused(421, "busy")),
        (&["220 mx\r\n", "502 what?\r\n", BYE], refused(502, "what?")),
        (
            &["220 mx\r\n", EHLO, "454 4.7.0 TLS not available\r\n", BYE],
            starttls_refused(454, "4.7.0 TLS not available"),
        ),
        (&["220 mx\r\n", EHLO, "500 \u{1b}[2J\r\n", BYE], starttls_refused(500, "[2J")),
    ];
    for (script, expected) in cases {
        let (server, _) = scripted(script).await;
        assert_eq!(probe(&server).await, *expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_breaks_off_or_is_not_smtp_is_told_with_the_place() {
    let cases: &[(&[&str], &str)] = &[
        (
            &["HTTP/1.1 400 Bad Request\r\n\r\n"],
            "the greeting is not SMTP: a line does not begin with a reply code",
        ),
        (
            &["220 mx\r\n", "250-mx\r\n221 x\r\n"],
            "the reply to EHLO is not SMTP: its lines have different codes, 250 and 221",
        ),
        (&["250 mx\r\n"], "the greeting has the code 250 where 220 belongs"),
        (
            &["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "354 go\r\n"],
            "the reply to STARTTLS has the code 354 where 220 belongs",
        ),
    ];
    for (script, expected) in cases {
        let (server, _) = scripted(script).await;
        assert_eq!(probe(&server).await, SmtpOutcome::Broken((*expected).to_owned()));
    }
    let closes = server(|_, _| async {}).await;
    let outcome = probe(&closes).await;
    assert_eq!(
        outcome,
        SmtpOutcome::Broken("the connection was closed before the greeting was there".to_owned())
    );
}

/// A server that says that and then nothing, and keeps the connection.
async fn then_silent(said: &'static [&'static str]) -> Server {
    server(move |_, stream| async move {
        let _stream = converse(stream, said, &Heard::default()).await;
        std::future::pending::<()>().await;
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_each_step_with_its_own_limit() {
    let limits = SmtpLimits::default();
    let cases: [(&'static [&'static str], SmtpOutcome, Duration); 4] = [
        (&[], SmtpOutcome::Broken("the greeting did not come in time".to_owned()), limits.greeting),
        (
            &UNTIL_TLS[..1],
            SmtpOutcome::Broken("the reply to EHLO did not come in time".to_owned()),
            limits.reply,
        ),
        (
            &UNTIL_TLS[..2],
            SmtpOutcome::Broken("the reply to STARTTLS did not come in time".to_owned()),
            limits.reply,
        ),
        (UNTIL_TLS, SmtpOutcome::TlsFailed(TlsFailure::TimedOut), limits.handshake),
    ];
    for (said, expected, limit) in cases {
        let server = then_silent(said).await;
        let began = Instant::now();
        assert_eq!(probe(&server).await, expected);
        assert_eq!(began.elapsed().as_secs(), limit.as_secs());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_drips_stays_within_no_step_for_ever() {
    let dripping = |text: &'static [u8]| async move {
        server(move |_, mut stream| async move {
            let mut tick = tokio::time::interval(Duration::from_secs(1));
            while stream.write_all(text).await.is_ok() {
                tick.tick().await;
            }
        })
        .await
    };
    let late = SmtpOutcome::Broken("the greeting did not come in time".to_owned());
    assert_eq!(probe(&dripping(b"220-x\r\n").await).await, late);
    assert_eq!(probe(&dripping(b"2").await).await, late);
    // Steps that are each within their limit are not within the limit of all.
    let limits = SmtpLimits { total: Duration::from_secs(20), ..SmtpLimits::default() };
    assert_eq!(probe_with(&dripping(b"220-x\r\n").await, limits.clone()).await, late);
    let slow = server(|_, stream| async move {
        let mut stream = BufReader::new(stream);
        for answer in ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"] {
            tokio::time::sleep(Duration::from_secs(8)).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.read_line(&mut String::new()).await;
        }
    })
    .await;
    let expected = SmtpOutcome::Broken("the reply to STARTTLS did not come in time".to_owned());
    assert_eq!(probe_with(&slow, limits).await, expected);
}

#[tokio::test]
async fn lines_and_their_number_are_bounded() {
    let SmtpLimits { line_bytes, lines, .. } = SmtpLimits::default();
    let greeted = |greeting: String| async move {
        let server = server(move |_, mut stream| {
            let greeting = greeting.clone();
            async move {
                let _ = stream.write_all(greeting.as_bytes()).await;
                let mut stream = BufReader::new(stream);
                let _ = stream.read_line(&mut String::new()).await;
                let _ = stream.write_all(b"250 mx\r\n").await;
                let _ = stream.read_line(&mut String::new()).await;
                let _ = stream.write_all(b"221 bye\r\n").await;
            }
        })
        .await;
        probe(&server).await
    };
    let line = |bytes: usize| format!("220 {}\r\n", "x".repeat(bytes - 6));
    let broken = |text: String| SmtpOutcome::Broken(format!("the greeting is not SMTP: {text}"));
    assert_eq!(greeted(line(line_bytes)).await, SmtpOutcome::NoStartTls);
    assert_eq!(greeted(line(line_bytes + 1)).await, broken("a line has more than 2048 bytes".to_owned()));
    assert_eq!(
        greeted("x".repeat(line_bytes + 1)).await,
        broken("a line has more than 2048 bytes".to_owned())
    );
    let many = |count: usize| format!("{}220 x\r\n", "220-x\r\n".repeat(count - 1));
    assert_eq!(greeted(many(lines)).await, SmtpOutcome::NoStartTls);
    assert_eq!(greeted(many(lines + 1)).await, broken("it has more than 100 lines".to_owned()));
}

/// Proves: K6
#[tokio::test]
async fn text_in_the_clear_behind_the_reply_to_starttls_is_not_passed_over() {
    let (server, _) =
        scripted(&["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go on\r\n250 injected\r\n"]).await;
    let outcome = probe(&server).await;
    let expected = "14 bytes in the clear came with the reply to STARTTLS (RFC 3207 §6)";
    assert_eq!(outcome, SmtpOutcome::TlsFailed(TlsFailure::Protocol(expected.to_owned())));
}

const PROTOCOL_VERSION: &[u8] = &[21, 3, 1, 0, 2, 2, 70];

/// ServerHello of TLS 1.1 with RSA key exchange and AES-CBC.
const OLD: &[u8] = &[
    22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
    5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 47, 0,
];

async fn answering_hello(answers: &'static [&'static [u8]]) -> Server {
    with_starttls(move |number, mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answers[number.min(answers.len() - 1)]).await;
        let _ = stream.shutdown().await;
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await
}

/// Proves: E6
#[tokio::test]
async fn a_handshake_that_fails_says_how() {
    let failed = |failure| SmtpOutcome::TlsFailed(failure);
    let old = answering_hello(&[PROTOCOL_VERSION, OLD]).await;
    let offered = Some((0x0302, 0x002f));
    assert_eq!(probe(&old).await, failed(TlsFailure::NothingInCommon { offered }));
    assert_eq!(old.connections(), 2);
    let nothing = answering_hello(&[PROTOCOL_VERSION]).await;
    assert_eq!(probe(&nothing).await, failed(TlsFailure::NothingInCommon { offered: None }));
    assert_eq!(probe(&answering_hello(&[b""]).await).await, failed(TlsFailure::Closed));
    let alert = answering_hello(&[&[21, 3, 3, 0, 2, 2, 80]]).await;
    assert_eq!(probe(&alert).await, failed(TlsFailure::Alert("internal_error".to_owned())));
    assert_eq!(alert.connections(), 1);
    let text = probe(&answering_hello(&[b"500 what?\r\n"]).await).await;
    assert!(matches!(text, SmtpOutcome::TlsFailed(TlsFailure::Protocol(_))), "{text:?}");
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_of_ours_says_so() {
    let config = Arc::new(peer::tls_for_known_clients(&identity(HOST)));
    let server = with_starttls(move |_, stream| {
        let config = Arc::clone(&config);
        async move {
            let _ = accept(&config, stream).await;
        }
    })
    .await;
    let expected = TlsFailure::Alert("certificate_required".to_owned());
    assert_eq!(probe(&server).await, SmtpOutcome::TlsFailed(expected));
}

#[tokio::test(start_paused = true)]
async fn each_failure_to_connect_is_named() {
    let target = || SmtpTarget { host: HOST, address: LOOPBACK, sni: true };
    let client = SmtpClient::new(config(closed_port().await)).unwrap();
    assert_eq!(client.probe(target()).await, SmtpOutcome::NotReached(ConnectFailure::Refused));
    let (hole, _listener, _held) = peer::black_hole(LOOPBACK, 0).await;
    let client = SmtpClient::new(config(hole.port())).unwrap();
    assert_eq!(client.probe(target()).await, SmtpOutcome::NotReached(ConnectFailure::TimedOut));
}

#[tokio::test]
async fn at_most_eight_conversations_with_one_address_go_on_at_once() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let server = {
        let gate = Arc::clone(&gate);
        server(move |number, mut stream| {
            let (tell, gate) = (tell.clone(), Arc::clone(&gate));
            async move {
                tell.send(number).unwrap();
                let _open = gate.acquire().await.unwrap();
                let _ = stream.write_all(b"421 busy\r\n").await;
            }
        })
        .await
    };
    let config = config(server.end_point.port());
    let client = SmtpClient::new(config).unwrap();
    let probes: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                client.probe(SmtpTarget { host: HOST, address: LOOPBACK, sni: true }).await
            })
        })
        .collect();
    for _ in 0..8 {
        told.recv().await.unwrap();
    }
    assert_eq!(server.connections(), 8);
    gate.add_permits(8);
    for probe in probes {
        assert!(matches!(probe.await.unwrap(), SmtpOutcome::Refused { code: 421, .. }));
    }
    assert_eq!(server.connections(), 20);
}

#[test]
fn a_name_that_would_break_the_command_is_refused() {
    for name in ["", "a b", "a\r\nRSET", "b\u{fc}cher.example", &"a".repeat(256)] {
        let refused =
            SmtpClient::new(SmtpConfig { ehlo_name: name.to_owned(), ..SmtpConfig::default() }).unwrap_err();
        assert_eq!(refused, BadEhloName(name.to_owned()));
    }
    for name in ["mx.example.com", "[192.0.2.1]", "[IPv6:2001:db8::1]"] {
        assert!(SmtpClient::new(SmtpConfig { ehlo_name: name.to_owned(), ..SmtpConfig::default() }).is_ok());
    }
}

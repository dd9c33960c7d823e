//! Sessions come in, and none of the journal is lost or doubled.

use std::os::unix::net::UnixDatagram;

use tlsward_mta::journal::{Position, Reader, Record};

use crate::scene::{Scene, TOKEN, line, post, tell};
use crate::server::Server;

const KILLS: u32 = 100;

/// Sessions in the journal of a server that is stopped: what its appends had completed.
fn in_journal(scene: &Scene) -> u64 {
    let mut reader = Reader::new(scene.path("data/report/journal"), Position::START);
    let end = Position { segment: u64::MAX, offset: 0 };
    let mut sessions = 0;
    let each = |record: Record<'_>| sessions += u64::from(record.payload.starts_with(b"{\"dpv\""));
    let mut each = each;
    while reader.read(end, 1000, &mut each, |damage| panic!("{damage:?}")).unwrap() > 0 {}
    sessions
}

/// Proves: H9
#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_lose_and_double_no_session_that_was_in_the_journal() {
    let scene = Scene::start().await;
    let socket = scene.path("tlsrpt.sock");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut taken, mut sent) = (0, 0);
    for round in 0..KILLS {
        let server = Server::start(&scene.config());
        let mut odd_ones = 0;
        if round == 0 {
            assert_eq!(server.place("TLS sessions"), socket.to_str().unwrap());
            for odd in [&b""[..], b"\xff\xfe{", &[b'['; 4000]] {
                let client = UnixDatagram::unbound().unwrap();
                client.send_to(odd, &socket).unwrap();
                odd_ones += 1;
            }
        }
        // Some are in the journal for certain …
        let mut some = 0;
        while some < 20 {
            some += u64::from(tell(&socket, "mail.test"));
        }
        server.until("tlsward_session_records_total", odd_ones + some);
        (taken, sent) = (taken + some, sent + some);
        // … and the kill comes in the middle of others, at another moment each time. The queue may be as short as 10: who
        // does not wait loses what does not fit.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        for _ in 0..random % 700 {
            sent += u64::from(tell(&socket, "mail.test"));
        }
        server.kill();
        let appended = in_journal(&scene);
        assert!((taken..=sent).contains(&appended), "{taken} <= {appended} <= {sent}");
        taken = appended;
        sent = appended;
    }
    let server = Server::start(&scene.config());
    server.until("tlsward_sessions_counted_until_timestamp_seconds", 1);
    let lines = format!(
        "{}{}",
        line("mail.test", "success", ""),
        line("post.test", "success", ",\"session-count\":7")
    );
    assert_eq!(post(&server, TOKEN, &lines), 200);
    assert_eq!(post(&server, TOKEN, "{\"domain\":1}"), 400);
    assert_eq!(post(&server, "another-token-of-two-dozen-characters", &lines), 401);
    server.stop();
    // What was not counted at the stop is counted now.
    let server = Server::start(&scene.config());
    server.until("tlsward_sessions_counted_until_timestamp_seconds", 1);
    server.stop();
    let reports = scene.outgoing().await;
    let of = |domain: &str| {
        reports.iter().filter(|line| line.key.domain == domain).map(|line| line.successful).sum::<u64>()
    };
    assert_eq!((of("mail.test"), of("post.test")), (taken + 1, 7));
}

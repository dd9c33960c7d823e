//! What a log file of Postfix adds to what its datagrams say.

use std::fs;
use std::io::Write as _;

use crate::logged::{COUNTED, Logged, TOLD};
use crate::server::Server;

/// Proves: F3, H9
#[tokio::test(flavor = "multi_thread")]
async fn success_under_a_testing_policy_counts_by_what_the_mail_log_says_also_over_a_restart() {
    let logged = Logged::start("postfix_log = \"mail.log\"\n").await;
    let log = logged.scene.path("mail.log");
    fs::write(&log, "").unwrap();
    let session = |host: &str| {
        let lines = logged.said(host).map(|said| format!("Nov 24 08:38:44 sender postfix/smtp[7]: {said}\n"));
        let mut file = fs::OpenOptions::new().append(true).open(&log).unwrap();
        file.write_all(lines.concat().as_bytes()).unwrap();
    };

    let server = Server::start(&logged.scene.config());
    logged.wait_for_place(&server, "postfix-log.place");
    for host in ["mx1.mail.test", "mx9.mail.test"] {
        session(host);
        logged.tell();
    }
    server.until(COUNTED, 2);
    assert_eq!(server.metric("tlsward_sessions_total{result=\"unjudged\"}"), 0);
    server.stop();

    // Written while nobody reads.
    session("mx1.mail.test");
    let server = Server::start(&logged.scene.config());
    logged.tell();
    server.until(COUNTED, 1);
    assert_eq!(server.metric(TOLD), 1, "each line is told once");
    server.stop();
    assert_eq!(logged.sum().await, (2, 1, 0), "the MX host that the policy does not name is no success");
}

//! A kill does not test the disk: system calls show that the write-ahead log is synced before each acknowledgement.

mod support;

use std::process::Command;

use support::{Mailer, Server, connect, post, report};

/// Proves: J4
#[test]
fn the_log_is_synced_before_each_acknowledgement() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-y", "-s", "80", "-e", "trace=fsync,fdatasync,write,writev,sendto,sendmsg", "-o"])
        .arg(&trace);
    strace.arg(env!("CARGO_BIN_EXE_tlsward"));
    let mut server = Server::start_by(folder.path(), strace);
    let mut stream = connect(&server.post);
    let mut mailer = Mailer::connect(&server.mail).expect("it listens");
    for number in 0..5 {
        assert_eq!(post(&mut stream, report(&format!("post-{number}")).as_bytes()), Some(201));
        assert_eq!(mailer.send(&report(&format!("mail-{number}"))), Some(250));
        // So that no sync of a verdict, which follows its acknowledgement, stands for the next one's.
        server.settled();
    }
    drop((stream, mailer));
    server.stop_traced();
    let trace = std::fs::read_to_string(&trace).expect("strace wrote it");
    let mut synced = false;
    let (mut posts, mut mails) = (0, 0);
    for line in trace.lines() {
        let is_sync =
            (line.contains("fdatasync(") || line.contains("fsync(") || line.contains("sync resumed>"))
                && line.ends_with("= 0");
        synced |= is_sync && (line.contains("-wal") || line.contains("resumed>"));
        let is_post = line.contains("\"HTTP/1.1 201");
        // 354 asks for the data, 250 of EHLO and of the envelope say nothing of keeping.
        let is_mail = line.contains("\"250 2.0.0");
        if is_post || is_mail {
            assert!(synced, "acknowledged without a sync before it: {line}");
            synced = false;
            posts += usize::from(is_post);
            mails += usize::from(is_mail);
        }
    }
    assert_eq!((posts, mails), (5, 5), "each acknowledgement is seen in the trace");
}

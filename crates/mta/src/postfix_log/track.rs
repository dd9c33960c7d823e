//! Puts together what one process says of one session: first the certificate, then the TLS session, then the report.
//!
//! A session's lines come from one process and are about one `host[address]`; what is about another host begins anew.
//! Processes are remembered up to a bound, and the one that was silent longest is forgotten: its next report then
//! comes without a certificate, which is less, and never wrong. Where tlsproxy(8) sets up TLS (`smtp_tls_connection_reuse`)
//! the certificate is in that process's lines and cannot be told to belong to a session: it comes without as well.

use std::collections::BTreeMap;

use tlsward_engine::ports::{LoggedSession, LoggedTrust, MtaLogEvent, SessionPeer};

use super::entry::Entry;
use super::message::{Message, Peer};

/// Processes remembered.
pub const MAX_PROCESSES: usize = 4096;

/// Remembers what was said.
#[derive(Debug, Default)]
pub struct Tracker {
    processes: BTreeMap<u32, Process>,
    /// The order in which processes last spoke.
    spoke: BTreeMap<u64, u32>,
    clock: u64,
}

#[derive(Debug)]
struct Process {
    spoke: u64,
    peer: Peer,
    fingerprint: Option<[u8; 32]>,
    trust: Option<LoggedTrust>,
}

impl Tracker {
    /// Takes a line of the log; an event when one is complete.
    pub fn entry(&mut self, entry: &Entry<'_>) -> Option<MtaLogEvent> {
        if !is_client(&entry.program) {
            return None;
        }
        match Message::parse(&entry.message)? {
            Message::Certificate { peer, fingerprint } => {
                // A new handshake: nothing of an earlier one counts.
                self.forget(entry.pid);
                self.remember(entry.pid, Process { spoke: 0, peer, fingerprint, trust: None });
                None
            }
            Message::Established { peer, trust } => {
                let known =
                    self.forget(entry.pid).filter(|process| process.peer == peer && process.trust.is_none());
                let fingerprint = known.and_then(|process| process.fingerprint);
                self.remember(entry.pid, Process { spoke: 0, peer, fingerprint, trust: Some(trust) });
                None
            }
            Message::Report { failed, domain, peer, failure_type } => {
                let known = self.forget(entry.pid).filter(|process| process.peer == peer);
                let (fingerprint, trust) =
                    known.map_or((None, None), |process| (process.fingerprint, process.trust));
                let peer = SessionPeer { mx_host: Some(peer.host), address: Some(peer.address), fingerprint };
                let session = LoggedSession { at: entry.at, domain, peer, trust, failed, failure_type };
                Some(MtaLogEvent::Session(session))
            }
            Message::MxNotInPolicy { mx_host, domain } => {
                Some(MtaLogEvent::MxNotInPolicy { mx_host, domain })
            }
        }
    }

    fn forget(&mut self, pid: u32) -> Option<Process> {
        let process = self.processes.remove(&pid)?;
        self.spoke.remove(&process.spoke);
        Some(process)
    }

    fn remember(&mut self, pid: u32, mut process: Process) {
        if self.processes.len() >= MAX_PROCESSES
            && let Some((_, oldest)) = self.spoke.pop_first()
        {
            self.processes.remove(&oldest);
        }
        self.clock += 1;
        process.spoke = self.clock;
        self.spoke.insert(self.clock, pid);
        self.processes.insert(pid, process);
    }
}

/// Postfix's SMTP and LMTP clients, under whatever `syslog_name`. Other daemons log sessions that came in.
pub(super) fn is_client(program: &str) -> bool {
    matches!(program.rsplit('/').next(), Some("smtp" | "lmtp")) && program.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINT: &str =
        "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F";

    fn certificate(pid: u32, host: &str) -> String {
        format!(
            "Nov 24 08:38:44 mail postfix/smtp[{pid}]: {host}[127.0.0.2]:25: subject_CN=x, issuer=y, cert fingerprint={PRINT}, pkey fingerprint=AA"
        )
    }

    fn established(pid: u32, host: &str) -> String {
        format!(
            "Nov 24 08:38:44 mail postfix/smtp[{pid}]: Trusted TLS connection established to {host}[127.0.0.2]:25: TLSv1.3 with cipher X"
        )
    }

    fn success(pid: u32, host: &str) -> String {
        format!(
            "Nov 24 08:38:44 mail postfix/smtp[{pid}]: TLSRPT: status=success, domain=a.test, receiving_mx={host}[127.0.0.2]"
        )
    }

    fn feed(tracker: &mut Tracker, line: &str) -> Option<LoggedSession> {
        match tracker.entry(&Entry::parse(line).unwrap())? {
            MtaLogEvent::Session(session) => Some(session),
            MtaLogEvent::MxNotInPolicy { .. } => panic!("{line}"),
        }
    }

    #[test]
    fn three_lines_of_one_process_are_one_session() {
        let mut tracker = Tracker::default();
        for (a, b) in [(1, 2), (2, 1), (1, 2)] {
            assert_eq!(feed(&mut tracker, &certificate(a, "mx1.test")), None);
            assert_eq!(feed(&mut tracker, &established(b, "mx2.test")), None);
            assert_eq!(feed(&mut tracker, &established(a, "mx1.test")), None);
            let session = feed(&mut tracker, &success(a, "mx1.test")).unwrap();
            assert_eq!(session.peer.mx_host.as_deref(), Some("mx1.test"));
            assert_eq!(session.peer.fingerprint.unwrap()[..3], [0, 1, 2]);
            assert_eq!((session.trust, session.failed), (Some(LoggedTrust::Trusted), false));
            let other = feed(&mut tracker, &success(b, "mx2.test")).unwrap();
            assert_eq!((other.peer.fingerprint, other.trust), (None, Some(LoggedTrust::Trusted)));
        }
    }

    /// A certificate is never taken for that of another session.
    #[test]
    fn what_was_said_of_another_host_or_an_earlier_session_does_not_count() {
        let mut tracker = Tracker::default();
        feed(&mut tracker, &certificate(1, "mx1.test"));
        feed(&mut tracker, &established(1, "mx1.test"));
        let other = feed(&mut tracker, &success(1, "mx2.test")).unwrap();
        assert_eq!((other.peer.fingerprint, other.trust), (None, None));

        feed(&mut tracker, &certificate(1, "mx1.test"));
        feed(&mut tracker, &established(1, "mx1.test"));
        feed(&mut tracker, &established(1, "mx1.test"));
        assert_eq!(
            feed(&mut tracker, &success(1, "mx1.test")).unwrap().peer.fingerprint,
            None,
            "a second session"
        );

        feed(&mut tracker, &certificate(1, "mx1.test"));
        feed(&mut tracker, &success(1, "mx1.test"));
        assert_eq!(
            feed(&mut tracker, &success(1, "mx1.test")).unwrap().peer.fingerprint,
            None,
            "told already"
        );

        let server = certificate(1, "mx1.test").replace("postfix/smtp[", "postfix/smtpd[");
        feed(&mut tracker, &server);
        assert_eq!(feed(&mut tracker, &success(1, "mx1.test")).unwrap().peer.fingerprint, None);
    }

    #[test]
    fn of_too_many_processes_the_longest_silent_one_is_forgotten() {
        let mut tracker = Tracker::default();
        let most = u32::try_from(MAX_PROCESSES).unwrap();
        for pid in 0..=most {
            feed(&mut tracker, &certificate(pid, "mx1.test"));
        }
        assert_eq!((tracker.processes.len(), tracker.spoke.len()), (MAX_PROCESSES, MAX_PROCESSES));
        assert!(feed(&mut tracker, &success(0, "mx1.test")).unwrap().peer.fingerprint.is_none());
        assert!(feed(&mut tracker, &success(1, "mx1.test")).unwrap().peer.fingerprint.is_some());
        assert!(feed(&mut tracker, &success(most, "mx1.test")).unwrap().peer.fingerprint.is_some());
    }

    #[test]
    fn a_passed_over_mx_is_told_at_once() {
        let line = "Nov 24 08:38:44 mail postfix-out/smtp[7]: warning: MX name 'mx.evil.test' does not match STS MX pattern for 'a.test'";
        assert_eq!(
            Tracker::default().entry(&Entry::parse(line).unwrap()),
            Some(MtaLogEvent::MxNotInPolicy { mx_host: "mx.evil.test".into(), domain: "a.test".into() })
        );
    }
}

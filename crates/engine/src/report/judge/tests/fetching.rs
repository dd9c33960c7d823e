//! What stands behind a fingerprint.

use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::ports::{ConnectFailure, Smtp, SmtpOutcome, SmtpTarget, Timer, TlsSession};

/// Shows a chain with SNI and another without.
struct Shows {
    with_sni: Vec<Bytes>,
    without: Vec<Bytes>,
    asked: Mutex<u32>,
    never_answers: bool,
}

impl Smtp for Shows {
    async fn probe(&self, target: SmtpTarget<'_>) -> SmtpOutcome {
        *self.asked.lock().unwrap() += 1;
        if self.never_answers {
            std::future::pending::<()>().await;
        }
        let chain = if target.sni { &self.with_sni } else { &self.without };
        if chain.is_empty() {
            return SmtpOutcome::NotReached(ConnectFailure::Refused);
        }
        SmtpOutcome::Tls(TlsSession { version: 0x0304, suite: String::new(), chain: chain.clone() })
    }
}

impl Timer for Shows {
    async fn sleep(&self, _: Duration) {
        if !self.never_answers {
            std::future::pending::<()>().await;
        }
    }
}

fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nobody waits here"),
    }
}

fn world(with_sni: &[Bytes], without: &[Bytes]) -> Shows {
    Shows {
        with_sni: with_sni.to_vec(),
        without: without.to_vec(),
        asked: Mutex::new(0),
        never_answers: false,
    }
}

#[test]
fn the_very_certificate_is_had_by_a_handshake_and_asked_for_once() {
    let pki = Pki::new();
    let (seen, other) = (pki.chain(MX, 2030), pki.chain(MX, 2030));
    let told = [datagram(NOW, sts("testing", &[MX])), trusted(NOW, MX, print_of(&seen))];
    let hear = |certificates: &Certificates| {
        let grounds = Grounds { certificates, roots: &pki.roots, policies: &NoPolicies };
        counts(&sessions(&told, &grounds))
    };
    for (world, expected, asked) in [
        (world(&seen, &other), (1, 0, 0), 1),
        (world(&other, &seen), (1, 0, 0), 2),
        // Another certificate proves nothing of the one that the session saw.
        (world(&other, &other), (0, 0, 1), 2),
        (world(&[], &seen), (0, 0, 1), 1),
    ] {
        let certificates = Certificates::new();
        let wanted = certificates.wanted(&told, NOW);
        assert_eq!(wanted.len(), 1);
        now(certificates.fetch(&world, &wanted, NOW));
        assert_eq!((hear(&certificates), *world.asked.lock().unwrap()), (expected, asked));
        assert_eq!(certificates.wanted(&told, NOW + 599), []);
        let again = usize::from(expected == (0, 0, 1));
        assert_eq!(certificates.wanted(&told, NOW + 600).len(), again);
    }
}

#[test]
fn a_host_that_never_answers_holds_up_a_round_and_no_longer() {
    let told = [trusted(NOW, MX, [1; 32])];
    let certificates = Certificates::new();
    let world = Shows { never_answers: true, ..world(&[], &[]) };
    now(certificates.fetch(&world, &certificates.wanted(&told, NOW), NOW));
    assert_eq!(certificates.wanted(&told, NOW + 1), []);
}

#[test]
fn what_is_kept_is_bounded_and_what_is_used_stays() {
    let pki = Pki::new();
    let certificates = Certificates::new();
    let large = |n: u32| {
        let mut bytes = n.to_le_bytes().to_vec();
        bytes.resize(60_000, 0);
        vec![Bytes::from(bytes)]
    };
    let first = certificates.keep(&MX.into(), large(0)).unwrap();
    for n in 1..2_000 {
        certificates.keep(&MX.into(), large(n)).unwrap();
        assert!(certificates.worth(&MX.into(), first, &pki.roots, NOW).is_some(), "in use");
    }
    let early = certificates.wanted(&[trusted(NOW, MX, print_of(&large(1)))], NOW);
    assert_eq!(early.len(), 1, "dropped, and asked for again");
    assert_eq!(certificates.keep(&MX.into(), vec![Bytes::from(vec![0; 70_000])]), None);
    assert_eq!(certificates.keep(&MX.into(), Vec::new()), None);

    let many: Vec<Told> = (0..1_000_u32).map(|n| trusted(NOW, &format!("mx{n}.a.test"), [2; 32])).collect();
    assert!(certificates.wanted(&many, NOW).len() <= 256, "one round is bounded");
}

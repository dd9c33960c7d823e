//! What each session counts as, case by case.

use mta_sts::response::FetchFailure;
use tls_rpt::ResultType;

use super::*;
use crate::ports::SessionFailure;

const TESTING: [&str; 2] = [MX, MX2];

/// One datagram under a testing policy and what its line says, with these chains known.
fn judged(pki: &Pki, known: &[(&str, Vec<Bytes>)], line: Told) -> Vec<Session> {
    let certificates = Certificates::new();
    for (host, chain) in known {
        certificates.keep(&Text::from(*host), chain.clone());
    }
    let grounds = Grounds { certificates: &certificates, roots: &pki.roots, policies: &NoPolicies };
    sessions(&[datagram(NOW, sts("testing", &TESTING)), line], &grounds)
}

/// Proves: E2, E3, E4, F3, H10, H12
#[test]
fn a_session_under_a_testing_policy_is_judged_by_what_it_saw() {
    let pki = Pki::new();
    let good = pki.chain(MX, 2030);
    let wrong_name = pki.chain("mx.b.test", 2030);
    let expired = pki.chain(MX, 2026);
    let untrusted = pki.untrusted(MX);
    let case = |host: &str, chain: &[Bytes], trust, expected: &str| {
        let told = line(NOW + 1, host, Some(print_of(chain)), trust);
        let heard = judged(&pki, &[(host, chain.to_vec())], told);
        let seen = match (&heard[0].met, heard[0].failures.first()) {
            (Some(true), None) => "met".to_owned(),
            (Some(false), Some(failure)) => {
                assert_eq!(failure.receiving_mx.as_deref(), Some(host));
                assert_eq!(failure.receiving_ip, Some([192, 0, 2, 1].into()));
                format!("{}: {}", failure.result.as_wire(), failure.reason.as_deref().unwrap_or_default())
            }
            (None, None) => "unjudged".to_owned(),
            odd => panic!("{odd:?}"),
        };
        assert!(seen.starts_with(expected), "{host}, {trust:?}: {seen}, not {expected}");
    };
    use LoggedTrust::{Anonymous, Trusted, Untrusted, Verified};
    case(MX, &good, Some(Trusted), "met");
    case(MX, &good, Some(Verified), "met");
    case(MX, &good, None, "met");
    case(STRANGER, &good, Some(Trusted), "validation-failure: MX not in policy");
    // "Trusted" says nothing of the name: taken at face value this was a success.
    case(MX, &wrong_name, Some(Trusted), "certificate-host-mismatch: the certificate is valid for mx.b.test");
    case(MX, &expired, Some(Untrusted), "certificate-expired");
    case(
        MX,
        &untrusted,
        Some(Untrusted),
        "certificate-not-trusted: the certificate of the issuer, CN=Other,",
    );
    // Postfix without roots calls every certificate untrusted.
    case(MX, &good, Some(Untrusted), "met");
    // Two witnesses that contradict each other.
    case(MX, &expired, Some(Trusted), "unjudged");
    case(MX, &untrusted, Some(Trusted), "unjudged");
    // Postfix offers ciphers without certificates where it looks at none.
    case(MX, &good, Some(Anonymous), "unjudged");
}

#[test]
fn what_is_not_known_is_not_judged() {
    let pki = Pki::new();
    let (good, other) = (pki.chain(MX, 2030), pki.chain(MX, 2030));
    let unjudged = |known: &[(&str, Vec<Bytes>)], line| {
        let heard = judged(&pki, known, line);
        assert_eq!(counts(&heard), (0, 0, 1), "{heard:?}");
    };
    // Another certificate than the one that the host shows to us, or showed as another host.
    unjudged(&[(MX, other)], trusted(NOW, MX, print_of(&good)));
    unjudged(&[(MX2, good.clone())], trusted(NOW, MX, print_of(&good)));
    // smtp_tls_loglevel = 1.
    unjudged(&[(MX, good.clone())], line(NOW, MX, None, Some(LoggedTrust::Trusted)));
    // Of another domain, or of a session that failed.
    let mut elsewhere = trusted(NOW, MX, print_of(&good));
    let mut failed = elsewhere.clone();
    for (told, change) in [(&mut elsewhere, true), (&mut failed, false)] {
        let What::Log(MtaLogEvent::Session(session)) = &mut told.what else { panic!() };
        if change {
            session.domain = "b.test".into();
        } else {
            session.failed = true;
        }
    }
    unjudged(&[(MX, good.clone())], elsewhere);
    unjudged(&[(MX, good)], failed);
}

/// The certificate of an attacker in the middle, which nobody else is shown.
#[test]
fn an_untrusted_certificate_that_nobody_else_sees_is_a_failure_if_the_log_knows_trust() {
    let pki = Pki::new();
    let (certificates, good) = (Certificates::new(), pki.chain(MX, 2030));
    let print = certificates.keep(&MX.into(), good).unwrap();
    let grounds = Grounds { certificates: &certificates, roots: &pki.roots, policies: &NoPolicies };
    let testing = || datagram(NOW, sts("testing", &TESTING));
    let attack = || line(NOW, MX, Some([9; 32]), Some(LoggedTrust::Untrusted));
    assert_eq!(counts(&sessions(&[testing(), attack()], &grounds)), (0, 0, 1), "no roots, for all we know");
    let told = [testing(), trusted(NOW, MX, print), testing(), attack()];
    let heard = sessions(&told, &grounds);
    assert_eq!(counts(&heard), (1, 1, 0));
    assert_eq!(failures(&heard), [("certificate-not-trusted", Some("the chain leads to no trusted root"))]);
    assert_eq!(counts(&sessions(&[testing(), attack()], &grounds)), (0, 1, 0), "what was seen is remembered");
}

#[test]
fn the_certificate_is_judged_at_the_time_of_the_session() {
    let pki = Pki::new();
    let chain = pki.chain(MX, 2027);
    // 2027-01-01T00:00:00Z.
    let end = 1_798_761_600;
    for (at, expected) in [(end, (1, 0, 0)), (end + 1, (0, 1, 0))] {
        let certificates = Certificates::new();
        let print = certificates.keep(&MX.into(), chain.clone()).unwrap();
        let grounds = Grounds { certificates: &certificates, roots: &pki.roots, policies: &NoPolicies };
        let mut line = line(NOW, MX, Some(print), None);
        if let What::Log(MtaLogEvent::Session(session)) = &mut line.what {
            session.at = Some(at);
        }
        let told =
            [Told { at: end, ..datagram(NOW, sts("testing", &TESTING)) }, Told { at: end + 3, ..line }];
        assert_eq!(counts(&sessions(&told, &grounds)), expected, "{at}");
    }
}

#[test]
fn an_enforcing_mta_is_believed_and_a_policy_without_its_mode_is_looked_up() {
    let pki = Pki::new();
    let certificates = Certificates::new();
    let heard = |policy: SessionPolicy, table: &Table| {
        let grounds = Grounds { certificates: &certificates, roots: &pki.roots, policies: table };
        counts(&sessions(&[datagram(NOW, policy)], &grounds))
    };
    let nothing = Table::default();
    assert_eq!(heard(sts("enforce", &[MX]), &nothing), (1, 0, 0));
    assert_eq!(heard(sts("testing", &[MX]), &nothing), (0, 0, 1));
    assert_eq!(heard(sts("none", &[MX]), &nothing), (0, 0, 1));
    assert_eq!(heard(sts("Enforce", &[MX]), &nothing), (0, 0, 1), "no mode of RFC 8461");
    assert_eq!(heard(no_policy(), &nothing), (1, 0, 0));
    let mut failed = sts("testing", &[MX]);
    failed.failed = true;
    assert_eq!(heard(failed, &nothing), (0, 1, 0), "a failure needs no second witness");
    let long = SessionPolicy { strings: Vec::new(), ..sts("enforce", &[MX]) };
    assert_eq!(heard(long.clone(), &nothing), (0, 0, 1));
    for (mode, expected) in [(Mode::Enforce, (1, 0, 0)), (Mode::Testing, (0, 0, 1))] {
        let standing = Standing { in_force: Some(in_force(mode, &[MX])), trouble: None };
        assert_eq!(heard(long.clone(), &Table([(DOMAIN.to_owned(), standing)].into())), expected);
    }
}

/// Proves: F1, F2
#[test]
fn a_fetch_that_fails_is_a_failure_of_the_sessions_it_concerns() {
    let pki = Pki::new();
    let certificates = Certificates::new();
    let heard = |policy: SessionPolicy, standing: Standing, at| {
        let table = Table([(DOMAIN.to_owned(), standing)].into());
        let grounds = Grounds { certificates: &certificates, roots: &pki.roots, policies: &table };
        sessions(&[datagram(at, policy)], &grounds)
    };
    let trouble = |failure| Some(Trouble { failure, since: NOW });
    // RFC 8461 §6, the first case.
    for (failure, result) in [
        (FetchFailure::Status(404), "sts-policy-fetch-error"),
        (FetchFailure::Certificate, "sts-webpki-invalid"),
        (FetchFailure::MediaType, "sts-policy-invalid"),
    ] {
        let of_none = heard(no_policy(), Standing { in_force: None, trouble: trouble(failure) }, NOW);
        assert_eq!(counts(&of_none), (0, 1, 0), "one session, counted in one place");
        assert_eq!(of_none[0].policy.policy_type, PolicyType::Sts);
        assert_eq!(
            (&*of_none[0].policy.domain, of_none[0].policy.strings.len(), &*of_none[0].domain),
            (DOMAIN, 0, DOMAIN)
        );
        assert_eq!(failures(&of_none)[0].0, result);
    }
    // The second: whatever the session itself was like.
    let held = |mode, mx: &[&str]| Standing {
        in_force: Some(in_force(mode, mx)),
        trouble: trouble(FetchFailure::TimedOut),
    };
    let of_held = heard(sts("enforce", &[MX]), held(Mode::Enforce, &[MX]), NOW);
    assert_eq!(counts(&of_held), (0, 1, 0));
    assert_eq!(failures(&of_held), [("sts-policy-fetch-error", Some("policy host did not answer in time"))]);
    assert!(!of_held[0].policy.strings.is_empty(), "under the policy that was applied");
    assert_eq!(counts(&heard(sts("testing", &[MX]), held(Mode::Testing, &[MX]), NOW)), (0, 1, 0));
    let mut failed = sts("enforce", &[MX]);
    failed.failed = true;
    failed.failures.push(SessionFailure {
        result_type: ResultType::CertificateExpired,
        sending_mta_ip: None,
        mx_host: Some(MX.into()),
        helo: None,
        receiving_ip: None,
        additional_information: None,
        reason_code: None,
    });
    let both = heard(failed, held(Mode::Enforce, &[MX]), NOW);
    assert_eq!((counts(&both), failures(&both).len()), ((0, 1, 0), 2));
    // Not: mode none, what was before the failure, DANE, a policy that the MTA was told nothing of.
    assert_eq!(counts(&heard(no_policy(), held(Mode::None, &[]), NOW)), (1, 0, 0));
    assert_eq!(counts(&heard(sts("enforce", &[MX]), held(Mode::Enforce, &[MX]), NOW - 1)), (1, 0, 0));
    let dane = SessionPolicy { policy_type: PolicyType::Tlsa, ..sts("", &[]) };
    assert_eq!(counts(&heard(dane, held(Mode::Enforce, &[MX]), NOW)), (1, 0, 0));
    assert_eq!(counts(&heard(no_policy(), held(Mode::Enforce, &[MX]), NOW)), (1, 0, 0));
}

/// Proves: E3, E7
#[test]
fn an_mx_host_that_was_passed_over_is_a_failure_beside_the_sessions_of_its_policy() {
    let pki = Pki::new();
    let certificates = Certificates::new();
    let passed_over = Told {
        at: NOW,
        what: What::Log(MtaLogEvent::MxNotInPolicy { mx_host: STRANGER.into(), domain: DOMAIN.into() }),
    };
    let hear = |told: &[Told], table: &Table| {
        let grounds = Grounds { certificates: &certificates, roots: &pki.roots, policies: table };
        sessions(told, &grounds)
    };
    let beside = hear(&[passed_over.clone(), datagram(NOW, sts("enforce", &[MX]))], &Table::default());
    assert_eq!(
        (counts(&beside), failures(&beside)),
        ((1, 1, 0), vec![("validation-failure", Some("MX not in policy"))])
    );
    assert_eq!(beside[0].policy, beside[1].policy, "one row of the report");
    assert_eq!(beside[0].failures[0].receiving_mx.as_deref(), Some(STRANGER));

    let standing = Standing { in_force: Some(in_force(Mode::Enforce, &[MX])), trouble: None };
    let known = hear(std::slice::from_ref(&passed_over), &Table([(DOMAIN.to_owned(), standing)].into()));
    assert_eq!(
        (known[0].policy.mx_patterns.as_slice(), counts(&known)),
        ([Text::from(MX)].as_slice(), (0, 1, 0))
    );
    let bare = hear(&[passed_over], &Table::default());
    assert_eq!(
        (bare[0].policy.strings.len(), &*bare[0].policy.domain, counts(&bare)),
        (0, DOMAIN, (0, 1, 0))
    );
}

#[test]
fn a_session_that_was_written_down_is_judged_by_what_was_written() {
    let pki = Pki::new();
    let certificates = Certificates::new();
    let print = certificates.keep(&MX.into(), pki.chain(MX, 2030)).unwrap();
    let grounds = Grounds { certificates: &certificates, roots: &pki.roots, policies: &NoPolicies };
    let written = |policy, host: Option<&str>, fingerprint| {
        let peer = SessionPeer { mx_host: host.map(Text::from), address: None, fingerprint };
        let event = SessionEvent { count: 1000, peer, ..event(policy) };
        counts(&sessions(&[Told { at: NOW, what: What::Line(event) }, trusted(NOW, MX, print)], &grounds))
    };
    assert_eq!(written(sts("testing", &[MX]), Some(MX), Some(print)), (1000, 0, 0));
    assert_eq!(written(sts("testing", &[MX2]), Some(MX), Some(print)), (0, 1000, 0));
    assert_eq!(written(sts("testing", &[MX]), Some(MX), None), (0, 0, 1000));
    assert_eq!(written(sts("testing", &[MX]), None, None), (0, 0, 1000), "a line of Postfix is not of it");
    assert_eq!(written(sts("enforce", &[MX]), None, None), (1000, 0, 0));
    let unquoted = SessionPolicy { strings: Vec::new(), ..sts("", &[]) };
    assert_eq!(written(unquoted, None, None), (1000, 0, 0), "whoever writes it validated");
}

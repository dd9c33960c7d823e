//! What is done with one MX host, for every mode and every outcome, and with a whole walk.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in the functions that its cases share")]

use mta_sts::apply::{self, Candidates, CertificateFault, Decision, Failure, TlsOutcome, Walk};
use mta_sts::mx::MxPattern;
use mta_sts::name::DnsName;
use mta_sts::policy::{MaxAge, Mode, Policy};

const OUTCOMES: [(TlsOutcome, Option<Failure>); 7] = [
    (TlsOutcome::Trusted, None),
    (TlsOutcome::NoStartTls, Some(Failure::StartTlsNotSupported)),
    (TlsOutcome::HandshakeFailed, Some(Failure::ValidationFailure)),
    (TlsOutcome::Certificate(CertificateFault::HostMismatch), Some(Failure::CertificateHostMismatch)),
    (TlsOutcome::Certificate(CertificateFault::Expired), Some(Failure::CertificateExpired)),
    (TlsOutcome::Certificate(CertificateFault::NotTrusted), Some(Failure::CertificateNotTrusted)),
    (TlsOutcome::Certificate(CertificateFault::Other), Some(Failure::ValidationFailure)),
];

fn policy(mode: Mode) -> Policy {
    let patterns = ["mx.example", "*.backup.example"].map(|text| MxPattern::parse(text).unwrap());
    Policy::new(mode, MaxAge::MAX, patterns.to_vec(), vec![]).unwrap()
}

/// Proves: E2, E3, E4, E7, E12
#[test]
fn enforce_never_delivers_to_a_host_that_fails() {
    let policy = policy(Mode::Enforce);
    for (outcome, failure) in OUTCOMES {
        let expected = failure.map_or(Decision::Deliver, |failure| Decision::TryNextMx(Some(failure)));
        assert_eq!(apply::decide(Some(&policy), "MX.example.", outcome), expected);
        assert_eq!(apply::decide(Some(&policy), "a.backup.example", outcome), expected);
        for stranger in ["mx.example.evil", "a.b.backup.example", "backup.example", "", "mx..example", "*"] {
            let expected = Decision::TryNextMx(Some(Failure::MxNotInPolicy));
            assert_eq!(apply::decide(Some(&policy), stranger, outcome), expected, "{stranger}");
        }
    }
}

/// Proves: E8, F3
#[test]
fn testing_always_delivers_and_reports_every_failure() {
    let policy = policy(Mode::Testing);
    for (outcome, failure) in OUTCOMES {
        let expected = failure.map_or(Decision::Deliver, Decision::DeliverAndReport);
        assert_eq!(apply::decide(Some(&policy), "mx.example", outcome), expected);
        let stranger = apply::decide(Some(&policy), "other.example", outcome);
        assert_eq!(stranger, Decision::DeliverAndReport(Failure::MxNotInPolicy));
    }
}

/// Proves: E9, F3, C3, C8
#[test]
fn mode_none_and_no_policy_deliver_and_report_nothing() {
    let policy = policy(Mode::None);
    for (outcome, _) in OUTCOMES {
        for host in ["mx.example", "other.example"] {
            assert_eq!(apply::decide(Some(&policy), host, outcome), Decision::Deliver);
            assert_eq!(apply::decide(None, host, outcome), Decision::Deliver);
        }
    }
}

/// Proves: E15
#[test]
fn host_that_cannot_be_reached_is_no_failure_of_the_policy() {
    let policies = Mode::ALL.map(policy);
    for policy in policies.iter().map(Some).chain([None]) {
        for host in ["mx.example", "other.example"] {
            assert_eq!(apply::decide(policy, host, TlsOutcome::NotReachable), Decision::TryNextMx(None));
        }
    }
}

/// Proves: E7, E13
#[test]
fn only_enforce_passes_over_a_host_without_contact() {
    let passed_over = |mode, host| apply::decide_before_connecting(Some(&policy(mode)), host);
    assert_eq!(
        passed_over(Mode::Enforce, "other.example"),
        Some(Decision::TryNextMx(Some(Failure::MxNotInPolicy)))
    );
    assert_eq!(passed_over(Mode::Enforce, "mx.example"), None);
    assert_eq!(passed_over(Mode::Testing, "other.example"), None);
    assert_eq!(passed_over(Mode::None, "other.example"), None);
    assert_eq!(apply::decide_before_connecting(None, "other.example"), None);
}

/// Proves: E11, E12, E13
#[test]
fn walk_goes_on_to_the_next_host_and_then_waits() {
    let failed = Decision::TryNextMx(Some(Failure::CertificateExpired));
    let silent = Decision::TryNextMx(None);
    assert_eq!(apply::conclude([failed, silent, Decision::Deliver]), Walk::Deliver);
    assert_eq!(apply::conclude([silent, Decision::DeliverAndReport(Failure::MxNotInPolicy)]), Walk::Deliver);
    assert_eq!(apply::conclude([silent, silent]), Walk::Defer);
    assert_eq!(apply::conclude([failed, silent]), Walk::DeferByPolicy);
    assert_eq!(apply::conclude([]), Walk::Defer);
}

/// Proves: E12, E14
#[test]
fn candidates_are_ordered_and_the_domain_itself_stands_in_for_none() {
    let domain = DnsName::parse("Example.org").unwrap();
    let hosts = |names: &[&str]| Candidates::Hosts(names.iter().map(ToString::to_string).collect());
    assert_eq!(apply::candidates(&[], &domain), hosts(&["example.org"]));
    let records = [(20, "c"), (10, "b"), (10, "a")];
    assert_eq!(apply::candidates(&records, &domain), hosts(&["b", "a", "c"]));
    assert_eq!(apply::candidates(&[(0, ".")], &domain), Candidates::NullMx);
    // The implicit MX is held to the policy like any other.
    let implicit = apply::decide(Some(&policy(Mode::Enforce)), "example.org", TlsOutcome::Trusted);
    assert_eq!(implicit, Decision::TryNextMx(Some(Failure::MxNotInPolicy)));
}

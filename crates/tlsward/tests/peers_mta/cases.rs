//! A world of domains, each with one thing right or wrong, and what must become of mail to it by the RFCs.

use tlsward_engine::ports::{RecordData, RecordKind};
use tlsward_lab::world::{CertificateSpec, DomainPlan, Mode, Page, Policy, StartTls, UnixTime, World};

/// Where all reports go that do not go to the domain itself.
pub(crate) const COLLECTOR: &str = "collector.test";
/// The domain that is attacked after the first contact.
pub(crate) const ATTACKED: &str = "attacked.test";

/// What becomes of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It arrived, over TLS.
    OverTls,
    /// It arrived, in the clear.
    InTheClear,
    /// It stayed in the queue.
    Kept,
}

/// What the report says of the sessions under one policy: its type, successes, failures, and their kinds.
pub(crate) type Row = (&'static str, u64, u64, &'static [&'static str]);

pub(crate) struct Case {
    pub(crate) domain: &'static str,
    /// Why it must end so.
    pub(crate) because: &'static str,
    pub(crate) end: End,
    /// What the day's report says; none: there is no report.
    pub(crate) report: &'static [Row],
    plan: fn(DomainPlan<'_>) -> DomainPlan<'_>,
    fault: fn(&mut World, &str),
}

impl Case {
    /// How many sessions are told of it before the attack; one under DANE counts for the MX host as well.
    pub(crate) fn sessions(&self) -> u64 {
        if self.domain == ATTACKED {
            return 1;
        }
        let of = |(kind, met, failed, _): &Row| (met + failed) * if *kind == "tlsa" { 2 } else { 1 };
        self.report.iter().map(of).sum()
    }
}

fn nothing(_: &mut World, _: &str) {}

fn enforce(plan: DomainPlan<'_>) -> DomainPlan<'_> {
    plan.policy(Mode::Enforce)
}

fn testing(plan: DomainPlan<'_>) -> DomainPlan<'_> {
    plan.policy(Mode::Testing)
}

fn expired(world: &mut World, domain: &str) {
    world.edit_mx_certificate(domain, 0, |certificate, now: UnixTime| certificate.not_after = now - 86_400);
}

fn wrong_name(world: &mut World, domain: &str) {
    world.edit_mx_certificate(domain, 0, |certificate: &mut CertificateSpec, _| {
        certificate.names = vec!["www.example".to_owned()];
    });
}

fn no_starttls(world: &mut World, domain: &str) {
    world.edit_mx(domain, 0, |service| service.starttls = StartTls::Missing);
}

/// The policy lists another host than the MX record does.
fn stranger(world: &mut World, domain: &str) {
    let mode = world.domains[domain].policy.as_ref().expect("it has a policy").mode;
    world.publish(
        domain,
        "20260101000001",
        Policy { mode, mx: vec![format!("mx9.{domain}")], max_age: 86_400 },
    );
}

fn stray_tlsa(world: &mut World, domain: &str) {
    let record = RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
    world.node(&format!("_25._tcp.mx1.{domain}")).set(RecordKind::Tlsa, vec![record]);
}

const fn case(
    domain: &'static str,
    because: &'static str,
    end: End,
    report: &'static [Row],
    plan: fn(DomainPlan<'_>) -> DomainPlan<'_>,
    fault: fn(&mut World, &str),
) -> Case {
    Case { domain, because, end, report, plan, fault }
}

/// RFC 8460 §4.3 has no word for a certificate that no TLSA record matches; this is Postfix's.
const POSTFIX_TLSA_MISMATCH: &[Row] = &[("tlsa", 0, 1, &["certificate-not-trusted"])];

pub(crate) static CASES: &[Case] = &[
    case("good.test", "all is well", End::OverTls, &[("sts", 1, 0, &[])], enforce, nothing),
    case(
        "expired.test",
        "RFC 8461 §4.2: the certificate must not have run out",
        End::Kept,
        &[("sts", 0, 1, &["certificate-expired"])],
        enforce,
        expired,
    ),
    case(
        "wrong-name.test",
        "RFC 8461 §4.2: the certificate must be for the MX host",
        End::Kept,
        &[("sts", 0, 1, &["certificate-host-mismatch"])],
        enforce,
        wrong_name,
    ),
    case(
        "stranger.test",
        "RFC 8461 §4.1: the MX host must match a pattern",
        End::Kept,
        &[("sts", 0, 1, &["validation-failure"])],
        enforce,
        stranger,
    ),
    case(
        "plain.test",
        "RFC 8461 §4: STARTTLS must be offered",
        End::Kept,
        &[("sts", 0, 1, &["starttls-not-supported"])],
        enforce,
        no_starttls,
    ),
    case(
        "t-good.test",
        "all is well, in testing mode",
        End::OverTls,
        &[("sts", 1, 0, &[])],
        testing,
        nothing,
    ),
    case(
        "t-expired.test",
        "RFC 8461 §5: in testing mode mail is delivered, and the failure reported",
        End::OverTls,
        &[("sts", 0, 1, &["certificate-expired"])],
        testing,
        expired,
    ),
    case(
        "t-wrong-name.test",
        "RFC 8461 §5",
        End::OverTls,
        &[("sts", 0, 1, &["certificate-host-mismatch"])],
        testing,
        wrong_name,
    ),
    case(
        "t-stranger.test",
        "RFC 8461 §5",
        End::OverTls,
        &[("sts", 0, 1, &["validation-failure"])],
        testing,
        stranger,
    ),
    case(
        "t-plain.test",
        "RFC 8461 §5; Postfix tells nothing of sessions without STARTTLS that it did not demand",
        End::InTheClear,
        &[],
        testing,
        no_starttls,
    ),
    case(
        "mode-none.test",
        "RFC 8461 §5: mode none is no policy",
        End::OverTls,
        &[("no-policy-found", 1, 0, &[])],
        |plan| plan.policy(Mode::None),
        nothing,
    ),
    case(
        "fetch-404.test",
        "RFC 8461 §3.3: nothing cached and no policy to be had: as if there were none; §6: reported",
        End::OverTls,
        &[("sts", 0, 1, &["sts-policy-fetch-error"])],
        enforce,
        |world, domain| world.serve(domain, &Page::status(404)),
    ),
    case(
        "no-record.test",
        "RFC 8461 §3.1: without a record there is no policy, whatever its host serves",
        End::OverTls,
        &[("no-policy-found", 1, 0, &[])],
        enforce,
        |world, domain| {
            world.set_txt(&format!("_mta-sts.{domain}"), &[]);
            wrong_name(world, domain);
        },
    ),
    case(
        "dane.test",
        "RFC 7672 §3.1.1: DANE-EE looks at neither name nor dates",
        End::OverTls,
        &[("tlsa", 1, 0, &[])],
        |plan| plan.no_policy().dane(),
        expired,
    ),
    case(
        "dane-mismatch.test",
        "RFC 7672 §2.2: no TLSA record matches",
        End::Kept,
        POSTFIX_TLSA_MISMATCH,
        |plan| plan.no_policy().dane(),
        stray_tlsa,
    ),
    case(
        "dane-beside.test",
        "RFC 8461 §2: where both apply, DANE decides",
        End::OverTls,
        &[("tlsa", 1, 0, &[])],
        |plan| plan.policy(Mode::Enforce).dane(),
        expired,
    ),
    case(
        "dane-against.test",
        "RFC 8461 §2: MTA-STS never overrides DANE that fails",
        End::Kept,
        POSTFIX_TLSA_MISMATCH,
        |plan| plan.policy(Mode::Enforce).dane(),
        stray_tlsa,
    ),
    case(
        "second.test",
        "RFC 8461 §5.1: the next MX host is tried",
        End::OverTls,
        &[("sts", 1, 1, &["certificate-expired"])],
        |plan| plan.policy(Mode::Enforce).mx(2),
        expired,
    ),
    case(
        ATTACKED,
        "all is well, for now",
        End::OverTls,
        &[("sts", 1, 2, &["starttls-not-supported"])],
        enforce,
        nothing,
    ),
];

/// All of them, and somewhere for reports to go. Those of two domains that mail is kept for go there: reports must come
/// through where mail does not (RFC 8460 §3).
pub(crate) fn world(now: UnixTime) -> World {
    let mut world = World::loopback(now);
    world.domain(COLLECTOR).no_policy().rua(&[]).add().expect("a domain");
    let collector = format!("mailto:tlsrpt@{COLLECTOR}");
    for case in CASES {
        let plan = world.domain(case.domain);
        let plan = match case.domain {
            "expired.test" | "plain.test" => plan,
            _ => plan.rua(&[&collector]),
        };
        (case.plan)(plan).add().expect("a domain");
        (case.fault)(&mut world, case.domain);
    }
    world
}

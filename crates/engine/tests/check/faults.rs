//! One fault, one finding: each row breaks one thing in a healthy domain and names all that may be found then.

#[path = "faults/dane.rs"]
mod dane;
#[path = "faults/mail_servers.rs"]
mod mail_servers;
#[path = "faults/policy.rs"]
mod policy;
#[path = "faults/policy_host.rs"]
mod policy_host;
#[path = "faults/record.rs"]
mod record;
#[path = "faults/reports.rs"]
mod reports;

use tlsward_engine::check::{Report, Verdict};

use crate::fake::Fake;
use crate::{check, codes};

const RECORD: &str = "_mta-sts.example.test";
const TLSRPT: &str = "_smtp._tls.example.test";
const REPORTS: &str = "v=TLSRPTv1; rua=mailto:reports@reports.test";

type Fault = (&'static str, fn(&mut Fake), &'static [&'static str], Verdict);

fn hold(faults: &[Fault]) {
    hold_from(Fake::healthy, faults);
}

fn hold_from(healthy: fn() -> Fake, faults: &[Fault]) {
    let mut wrong = Vec::new();
    for (name, apply, expected, verdict) in faults {
        let mut fake = healthy();
        apply(&mut fake);
        let report = check(&fake);
        if codes(&report) != *expected || report.verdict != *verdict {
            wrong.push(format!("{name}: {} {:?}", report.verdict.as_wire(), codes(&report)));
        }
        well_formed(name, &report);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What holds of every finding.
fn well_formed(name: &str, report: &Report) {
    for finding in &report.findings {
        assert!(!finding.subject.is_empty(), "{name}: {} has no subject", finding.code);
        assert!(finding.text.ends_with('.'), "{name}: {}", finding.text);
        assert!(!finding.fix.is_empty(), "{name}: {} has no fix", finding.code);
        for text in [&finding.subject, &finding.text] {
            assert!(!text.contains(|c: char| c.is_control()), "{name}: {text:?}");
        }
    }
    let json = report.to_json();
    assert!(
        json.starts_with("{\"domain\":\"example.test\",\"checked_at\":\"2027-01-15T08:00:00Z\""),
        "{json}"
    );
}

//! What looking at the domains would have found: verdicts, findings, and how both changed.
//!
//! Written as the JSON of `check --json`, by hand: no auditor was asked.

use serde_json::{Value, json};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::Audit;

use super::calendar::{DAY, date, utc};
use super::cast::{
    BADLY_NAMED_UNTIL, CAST, CHANGED_SINCE, EXPIRED_SINCE, FORGOTTEN_SINCE, Member, OLD_TLSA_SINCE, Story,
    UNFETCHED_SINCE, WRONG_NAME_SINCE, receiving,
};
use super::seen::Policy;

/// Before `now`, so long ago was the last round of audits.
const LAST_ROUND: i64 = 1_380;
/// Days that audits go back.
const AUDITED_DAYS: i64 = 50;

/// One finding.
struct Finding {
    code: &'static str,
    level: &'static str,
    /// A label under the domain; empty: the domain itself.
    at: &'static str,
    text: &'static str,
    fix: &'static str,
    rfc: &'static str,
}

/// How a domain looked over some days.
struct Look {
    /// Days ago when it came to look so.
    since: i64,
    verdict: &'static str,
    findings: Vec<Finding>,
    /// MX hosts that would not be used, and why.
    unused: Option<(usize, &'static str)>,
}

/// The audits of every domain, oldest first for each.
#[must_use]
pub fn audits(now: UnixTime) -> Vec<Audit> {
    let last_round = now - LAST_ROUND;
    let mut audits = Vec::new();
    for member in &CAST {
        let looks = looks(member);
        for (index, look) in looks.iter().enumerate() {
            let first = now - look.since * DAY;
            let last = looks.get(index + 1).map_or(last_round, |next| now - next.since * DAY - 3_600);
            // The id is as old as the policy, which may be older than the look.
            let lines = member.policy(look.since).lines();
            let same = looks.iter().find(|older| member.policy(older.since).lines() == lines).unwrap_or(look);
            let id = date(now.div_euclid(DAY) - same.since).replace('-', "");
            audits.extend([first, last].map(|at| audit(member, look, &id, at)));
        }
    }
    audits
}

/// How the domain looked, oldest first.
fn looks(member: &Member) -> Vec<Look> {
    let look = |since, verdict, findings| Look { since, verdict, findings, unused: None };
    let well = || look(AUDITED_DAYS, "delivers", findings_when_well(member.story));
    let since = |since, verdict, code| vec![well(), look(since, verdict, vec![code])];
    match member.story {
        Story::Expired => vec![
            well(),
            Look {
                unused: Some((1, "its certificate has expired")),
                ..look(EXPIRED_SINCE, "at-risk", vec![MX_EXPIRED])
            },
        ],
        Story::Forgotten => vec![
            well(),
            Look {
                unused: Some((2, "the policy does not name it")),
                ..look(FORGOTTEN_SINCE, "at-risk", vec![NOT_IN_POLICY])
            },
        ],
        Story::Unfetched => since(UNFETCHED_SINCE, "broken", HTTP_STATUS),
        Story::WrongName => since(WRONG_NAME_SINCE, "broken", WRONG_NAME),
        Story::OldTlsa => vec![
            well(),
            Look {
                unused: Some((0, "no TLSA record matches its certificate")),
                ..look(OLD_TLSA_SINCE, "refused", vec![DANE_MISMATCH])
            },
        ],
        Story::Bare => vec![look(AUDITED_DAYS, "none", vec![NOT_PUBLISHED])],
        Story::Leaving => since(CHANGED_SINCE, "none", MODE_NONE),
        Story::Mended => vec![
            Look {
                unused: Some((1, "its certificate is for another name")),
                ..look(AUDITED_DAYS, "at-risk", vec![MX_WRONG_NAME, TESTING])
            },
            look(BADLY_NAMED_UNTIL, "delivers", vec![TESTING]),
            look(CHANGED_SINCE, "delivers", Vec::new()),
        ],
        Story::UnknownWord => vec![well(), look(3, "delivers", vec![EXPIRES_SOON, TESTING])],
        Story::Healthy | Story::Stripped | Story::Ready | Story::Quiet => vec![well()],
    }
}

/// What is said of a domain even where nothing is wrong.
fn findings_when_well(story: Story) -> Vec<Finding> {
    match story {
        Story::Ready | Story::UnknownWord => vec![TESTING],
        Story::Stripped => vec![WILDCARD],
        _ => Vec::new(),
    }
}

fn audit(member: &Member, look: &Look, id: &str, at: UnixTime) -> Audit {
    let domain = member.domain;
    // The policy changes with the look, so that of its first day is that of all.
    let policy = member.policy(look.since);
    let lines = policy.lines();
    let is_before_third = member.story == Story::Forgotten && look.since > FORGOTTEN_SINCE;
    let mx = if is_before_third { &member.mx[..2] } else { member.mx };
    let in_use = matches!(policy, Policy::Used { .. });
    let findings: Vec<Value> = look.findings.iter().map(|finding| finding.json(domain)).collect();
    let pairs: Vec<_> = findings.iter().map(|finding| json!([finding["code"], finding["subject"]])).collect();
    let snapshot = json!({
        "verdict": look.verdict, "findings": pairs, "id": in_use.then_some(id),
        "policy": in_use.then_some(&lines), "mx": mx,
    });
    let hosts = mx.iter().enumerate().map(|(index, host)| {
        let why = look.unused.filter(|(unused, _)| *unused == index).map(|(_, why)| why);
        // That the policy forgot a host is no fault of the host.
        let outcome = why.filter(|_| member.story != Story::Forgotten).unwrap_or("good");
        let expired = why.is_some_and(|why| why.contains("expired"));
        json!({
            "host": host, "preference": 10 * (index + 1), "used": why.is_none(), "why": why,
            "in_policy": in_use.then_some(member.story != Story::Forgotten || index < 2),
            "dane": match member.story {
                Story::OldTlsa if why.is_some() => "fail",
                Story::OldTlsa => "pass",
                _ => "none",
            },
            "addresses": [{
                "address": receiving(index), "outcome": outcome, "tls": "TLS 1.3",
                "expires_in_days": if expired { -1 } else { 61 - 7 * (index as i64) },
            }],
        })
    });
    let policy = match policy {
        Policy::Used { mode, max_age, mx } => json!({
            "url": format!("https://mta-sts.{domain}/.well-known/mta-sts.txt"), "id": id, "mode": mode,
            "max_age": max_age, "mx": mx, "lines": lines,
        }),
        Policy::Missing | Policy::Unusable => Value::Null,
    };
    let report = json!({
        "domain": domain, "checked_at": utc(at), "verdict": look.verdict, "findings": findings,
        "records": [], "policy": policy, "mx": hosts.collect::<Vec<_>>(),
        "tlsrpt": [{"uri": format!("mailto:tlsrpt@{domain}"), "works": true}], "dnssec": "trusted-resolver",
    });
    Audit {
        domain: domain.to_owned(),
        at,
        verdict: look.verdict.to_owned(),
        snapshot: snapshot.to_string(),
        report: report.to_string(),
    }
}

impl Finding {
    fn json(&self, domain: &str) -> Value {
        let subject = if self.at.is_empty() { domain.to_owned() } else { format!("{}.{domain}", self.at) };
        json!({
            "code": self.code, "level": self.level, "subject": subject, "text": self.text,
            "fix": self.fix.replace("DOMAIN", domain), "rfc": self.rfc,
        })
    }
}

const fn error(
    code: &'static str,
    at: &'static str,
    text: &'static str,
    fix: &'static str,
    rfc: &'static str,
) -> Finding {
    Finding { code, level: "error", at, text, fix, rfc }
}

const MX_EXPIRED: Finding = error(
    "mx-certificate-expired",
    "mx2",
    "The certificate of mx2 has expired. A sender that enforces the policy does not deliver to this host; mail waits for the other one.",
    "Renew the certificate on mx2.DOMAIN and have the mail server read it again. Then look why the renewal did not happen by itself.",
    "RFC 8461 §4.2",
);
const MX_WRONG_NAME: Finding = error(
    "mx-certificate-name-mismatch",
    "mx2",
    "The certificate of mx2 does not name the host. Once the policy is enforced, senders do not deliver to it.",
    "Have the certificate issued for mx2.DOMAIN.",
    "RFC 8461 §4.2",
);
const NOT_IN_POLICY: Finding = error(
    "mx-not-in-policy",
    "mx3",
    "mx3 is in the MX record and no pattern of the policy covers it. A sender that enforces the policy does not deliver to it.",
    "Add this line to the policy, then change the id of the record:\nmx: mx3.DOMAIN",
    "RFC 8461 §4.1",
);
const HTTP_STATUS: Finding = error(
    "policy-http-status",
    "mta-sts",
    "The policy's host answers with status 503. Senders that hold the policy keep to it until its max_age is over; to all others it is as if there were none.",
    "Serve the policy with status 200 at https://mta-sts.DOMAIN/.well-known/mta-sts.txt",
    "RFC 8461 §3.3",
);
const WRONG_NAME: Finding = error(
    "policy-certificate-name-mismatch",
    "mta-sts",
    "The policy's host shows a certificate for another name, so no sender reads the policy from it.",
    "Have a certificate issued that names mta-sts.DOMAIN.",
    "RFC 8461 §3.3",
);
const DANE_MISMATCH: Finding = error(
    "dane-mismatch",
    "mx1",
    "The TLSA record is of the key before the last change. Senders that use DANE deliver nothing.",
    "Publish the TLSA record of the key that mx1.DOMAIN uses now, beside the old one until that has left the caches.",
    "RFC 7672 §3.2",
);
const NOT_PUBLISHED: Finding = Finding {
    code: "sts-not-published",
    level: "info",
    at: "",
    text: "The domain publishes no MTA-STS policy: whoever sits between a sender and its MX host can have mail sent in clear text.",
    fix: "Begin with a policy in mode testing:\n_mta-sts.DOMAIN. IN TXT \"v=STSv1; id=1\"",
    rfc: "RFC 8461 §3.1",
};
const MODE_NONE: Finding = Finding {
    code: "policy-mode-none",
    level: "info",
    at: "mta-sts",
    text: "The policy is being withdrawn: its mode is none, so senders forget the one before.",
    fix: "Keep this policy until the longest max_age that was ever served is over; then remove record and host.",
    rfc: "RFC 8461 §8.3",
};
const TESTING: Finding = Finding {
    code: "policy-mode-testing",
    level: "info",
    at: "mta-sts",
    text: "The policy is in mode testing: senders report failures and deliver all the same.",
    fix: "Once reports show no failure for two weeks, change it:\nmode: enforce",
    rfc: "RFC 8461 §5",
};
const WILDCARD: Finding = Finding {
    code: "policy-pattern-wildcard",
    level: "info",
    at: "mta-sts",
    text: "The policy covers every host directly below the domain.",
    fix: "Name the MX hosts one by one:\nmx: mx1.DOMAIN\nmx: mx2.DOMAIN",
    rfc: "RFC 8461 §4.1",
};
const EXPIRES_SOON: Finding = Finding {
    code: "mx-certificate-expires-soon",
    level: "warning",
    at: "mx1",
    text: "The certificate of mx1 expires within two weeks and was not renewed yet.",
    fix: "Renew the certificate on mx1.DOMAIN.",
    rfc: "RFC 8461 §4.2",
};

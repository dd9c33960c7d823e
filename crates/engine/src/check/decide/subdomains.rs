//! Sub-domains that take mail: a policy covers none of them (RFC 8461 §3.4).

use mta_sts::policy_domain::PolicyDomain;

use super::Case;
use crate::check::advice;
use crate::check::code::Code;
use crate::check::gather::{STS_VERSION, has_record};
use crate::check::text::{list, tame};

/// Notes those without a record of their own.
pub(super) fn judge(case: &mut Case<'_>) {
    let seen = case.seen;
    let lacks_record = |sub: &&crate::check::observations::Subdomain| {
        sub.sts.failure().is_none() && !has_record(&sub.sts, STS_VERSION)
    };
    let wildcard = seen.subdomains.iter().find(|sub| sub.is_wildcard);
    if let Some(sub) = wildcard.filter(lacks_record) {
        let what = format!("*.{} has an MX record ({}).", seen.domain, exchanges(sub));
        case.findings.add(Code::SubdomainWildcardMx, format!("*.{}", seen.domain), &what);
    }
    for sub in seen.subdomains.iter().filter(|sub| !sub.is_wildcard).filter(lacks_record) {
        // The wildcard's answer: said once.
        if wildcard.is_some_and(|wildcard| wildcard.mx.mx() == sub.mx.mx()) {
            continue;
        }
        let what = format!("Mail for {} goes to {}.", sub.name, exchanges(sub));
        let fix = match PolicyDomain::parse(&sub.name) {
            Ok(domain) => format!(
                "{}\nand serve a policy at {}. If the sub-domain takes no mail:\n{}. IN MX 0 .",
                advice::sts_record(&domain, case.now),
                domain.policy_url(),
                sub.name
            ),
            Err(_) => Code::SubdomainWithoutPolicy.about().remedy.to_owned(),
        };
        case.findings.add(Code::SubdomainWithoutPolicy, sub.name.as_str(), &what).fix_by(fix);
    }
}

fn exchanges(sub: &crate::check::observations::Subdomain) -> String {
    list(sub.mx.mx().into_iter().map(|(_, exchange)| tame(exchange)))
}

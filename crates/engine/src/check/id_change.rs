//! What changed between two checks, as a finding: one look cannot see whether the id follows the policy, two can.
//!
//! Senders fetch a policy again when the id changes (RFC 8461 §3.1).

use mta_sts::policy_domain::PolicyDomain;

use super::advice;
use super::code::Code;
use super::history::Change;
use super::report::{Finding, Report};

impl Change {
    /// The finding that the change is worth, if any, on the later of the two reports.
    ///
    /// Between the change of the policy and that of the id there is a right moment without a new id (RFC 8461 §8.1):
    /// whoever looks often tells the owner only when the next look finds the same.
    #[must_use]
    pub fn finding(&self, after: &Report) -> Option<Finding> {
        let (code, fix) = match self {
            Self::PolicyWithoutId => {
                let domain = PolicyDomain::parse(&after.domain).ok()?;
                (Code::StsIdNotChanged, advice::sts_record(&domain, after.checked_at))
            }
            Self::IdWithoutPolicy => {
                (Code::StsIdChangedAlone, Code::StsIdChangedAlone.about().remedy.to_owned())
            }
            _ => return None,
        };
        let about = code.about();
        Some(Finding {
            code,
            level: about.level,
            subject: format!("_mta-sts.{}", after.domain),
            text: about.explanation.to_owned(),
            fix,
            rfc: about.rfc,
        })
    }
}

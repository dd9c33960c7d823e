//! The verdict, and which fact wins.
//!
//! For mail from a sender that enforces and holds no older policy. The first line that applies wins:
//!
//! | seen | verdict |
//! |---|---|
//! | the domain says by a null MX that it takes no mail | `none` |
//! | the record could not be looked up | `unknown` |
//! | no record, and none was meant | `none` |
//! | a record at a wrong name, an alias to nothing, a policy that no record announces | `broken` |
//! | a record that cannot be used | `broken` |
//! | a record, and it could not be told whether there is a policy | `unknown` |
//! | a record, and no policy that can be used | `broken` |
//! | mode none | `none` |
//! | MX could not be looked up | `unknown` |
//! | neither MX nor address | `refused` |
//! | testing, and an MX that would not do in full | `at-risk` |
//! | an MX that would do, and one that would not in full | `at-risk` |
//! | an MX about which nothing could be told | `unknown` |
//! | an MX that would do; the others, if any, were not reached | `delivers` |
//! | some would not do, and others were not reached | `unknown` |
//! | no MX would do | `refused` |
//! | none was reached | `unknown` |
//!
//! An MX would do for every kind of sender: the policy covers it, STARTTLS and certificate pass, and DANE, where it
//! applies, does not fail. "Not reached" is no failure (RFC 8461 appendix B): it counts for nothing.

use mta_sts::policy::{Mode, Policy};

use super::mx::MailState;
use super::policy_host::PolicyState;
use super::record::RecordState;
use crate::check::report::Verdict;

/// Whether a sender that enforces would use an MX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Use {
    /// It would.
    Yes,
    /// At some of its addresses.
    Partly(String),
    /// It would not.
    No(String),
    /// No address was reached.
    NotReached(String),
    /// It could not be told.
    Unknown(String),
}

/// The table above.
pub(super) fn verdict<'a>(
    record: &RecordState,
    policy: &PolicyState,
    mail: MailState,
    hosts: impl Iterator<Item = &'a Use>,
) -> Verdict {
    if mail == MailState::Null {
        return Verdict::None;
    }
    match record {
        RecordState::Unknown => return Verdict::Unknown,
        RecordState::Absent if policy.policy().is_none() => return Verdict::None,
        RecordState::Absent | RecordState::Misplaced | RecordState::Unusable => return Verdict::Broken,
        RecordState::Usable(_) => {}
    }
    let policy = match policy {
        PolicyState::Usable(policy) => policy,
        PolicyState::Unknown => return Verdict::Unknown,
        PolicyState::Unusable => return Verdict::Broken,
    };
    if policy.mode() == Mode::None {
        return Verdict::None;
    }
    match mail {
        MailState::Unknown => Verdict::Unknown,
        MailState::Nowhere => Verdict::Refused,
        MailState::Null | MailState::Hosts => by_hosts(policy, hosts),
    }
}

fn by_hosts<'a>(policy: &Policy, hosts: impl Iterator<Item = &'a Use>) -> Verdict {
    let (mut yes, mut partly, mut no, mut not_reached, mut unknown) = (0, 0, 0, 0, 0);
    for host in hosts {
        *match host {
            Use::Yes => &mut yes,
            Use::Partly(_) => &mut partly,
            Use::No(_) => &mut no,
            Use::NotReached(_) => &mut not_reached,
            Use::Unknown(_) => &mut unknown,
        } += 1;
    }
    if partly > 0 || (no > 0 && (yes > 0 || policy.mode() == Mode::Testing)) {
        Verdict::AtRisk
    } else if unknown > 0 {
        Verdict::Unknown
    } else if yes > 0 {
        Verdict::Delivers
    } else if no > 0 && not_reached == 0 {
        Verdict::Refused
    } else {
        Verdict::Unknown
    }
}

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

#[cfg(test)]
mod tests {
    use mta_sts::policy;
    use mta_sts::rrset;

    use super::*;

    fn usable(mode: &str) -> PolicyState {
        let body = format!("version: STSv1\nmode: {mode}\nmx: a.example\nmax_age: 86400\n");
        PolicyState::Usable(policy::parse(body.as_bytes()).into_usable().unwrap())
    }

    fn announced() -> RecordState {
        RecordState::Usable(rrset::choose(&[b"v=STSv1; id=1;"]).usable().unwrap().clone())
    }

    fn of_hosts(mode: &str, hosts: &str) -> Verdict {
        let hosts: Vec<Use> = hosts
            .chars()
            .map(|host| match host {
                'y' => Use::Yes,
                'p' => Use::Partly(String::new()),
                'n' => Use::No(String::new()),
                'r' => Use::NotReached(String::new()),
                _ => Use::Unknown(String::new()),
            })
            .collect();
        verdict(&announced(), &usable(mode), MailState::Hosts, hosts.iter())
    }

    /// Proves: C3, C8, E15
    #[test]
    fn what_is_published_decides_before_any_host() {
        use MailState::{Hosts, Nowhere, Null};
        let enforce = || usable("enforce");
        let yes = [Use::Yes];
        for (name, record, policy, mail, expected) in [
            ("all is well", announced(), enforce(), Hosts, Verdict::Delivers),
            ("null MX", announced(), enforce(), Null, Verdict::None),
            ("null MX, record not known", RecordState::Unknown, enforce(), Null, Verdict::None),
            ("record not known", RecordState::Unknown, enforce(), Hosts, Verdict::Unknown),
            ("nothing", RecordState::Absent, PolicyState::Unusable, Hosts, Verdict::None),
            (
                "nothing, DNS trouble at the host",
                RecordState::Absent,
                PolicyState::Unknown,
                Hosts,
                Verdict::None,
            ),
            ("a policy without a record", RecordState::Absent, enforce(), Hosts, Verdict::Broken),
            ("a record elsewhere", RecordState::Misplaced, enforce(), Hosts, Verdict::Broken),
            ("a malformed record", RecordState::Unusable, enforce(), Hosts, Verdict::Broken),
            ("no policy", announced(), PolicyState::Unusable, Hosts, Verdict::Broken),
            ("policy not known", announced(), PolicyState::Unknown, Hosts, Verdict::Unknown),
            ("mode none", announced(), usable("none"), Hosts, Verdict::None),
            ("MX not known", announced(), enforce(), MailState::Unknown, Verdict::Unknown),
            ("nowhere to go", announced(), enforce(), Nowhere, Verdict::Refused),
        ] {
            assert_eq!(verdict(&record, &policy, mail, yes.iter()), expected, "{name}");
        }
    }

    /// Each letter is a host: yes, partly, no, not reached, unknown.
    #[test]
    fn hosts_decide_by_what_is_certain() {
        for (hosts, enforced, testing) in [
            ("y", Verdict::Delivers, Verdict::Delivers),
            ("yy", Verdict::Delivers, Verdict::Delivers),
            ("yr", Verdict::Delivers, Verdict::Delivers),
            ("yn", Verdict::AtRisk, Verdict::AtRisk),
            ("ynu", Verdict::AtRisk, Verdict::AtRisk),
            ("p", Verdict::AtRisk, Verdict::AtRisk),
            ("pr", Verdict::AtRisk, Verdict::AtRisk),
            ("yu", Verdict::Unknown, Verdict::Unknown),
            ("nu", Verdict::Unknown, Verdict::AtRisk),
            ("nr", Verdict::Unknown, Verdict::AtRisk),
            ("n", Verdict::Refused, Verdict::AtRisk),
            ("nn", Verdict::Refused, Verdict::AtRisk),
            ("r", Verdict::Unknown, Verdict::Unknown),
            ("", Verdict::Unknown, Verdict::Unknown),
        ] {
            assert_eq!(of_hosts("enforce", hosts), enforced, "{hosts}, enforced");
            assert_eq!(of_hosts("testing", hosts), testing, "{hosts}, testing");
        }
    }
}

//! What is looked at before an order: would the authority find what it needs? A clear refusal here costs nothing; the
//! authority's costs one of a few failures an hour, and comes in its words.

use std::fmt;
use std::net::IpAddr;

use super::caa::{self, CaaSet};
use super::failure::{FailureKind, IssueFailure};
use crate::ports::certificates::ChallengeKind;
use crate::ports::{Dns, DnsReply, RecordKind};

/// What is known of our own addresses.
#[derive(Clone)]
pub struct OurAddresses {
    /// Those by which the world reaches this server. Empty: not known; then it is not looked at.
    pub ours: Vec<IpAddr>,
    /// Whether the authority can reach such an address.
    pub is_public: fn(IpAddr) -> bool,
}

impl fmt::Debug for OurAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OurAddresses").field("ours", &self.ours).finish_non_exhaustive()
    }
}

/// What was seen of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its CAA records.
    pub caa: CaaSet,
    /// Its A records.
    pub a: DnsReply,
    /// Its AAAA records.
    pub aaaa: DnsReply,
}

/// Looks.
pub async fn look(dns: &impl Dns, name: &str) -> Seen {
    let (caa, a, aaaa) = futures_util::join!(
        caa::find(dns, name),
        dns.look_up(name, RecordKind::A),
        dns.look_up(name, RecordKind::Aaaa)
    );
    Seen { caa, a, aaaa }
}

/// By which of the methods it can be gone about, in order.
///
/// # Errors
/// The refusal in words: of kind [`FailureKind::Caa`], [`FailureKind::Address`] or [`FailureKind::NoChallenge`]. What
/// could not be told is no refusal.
pub fn judge(
    seen: &Seen,
    name: &str,
    issuer: caa::Issuer<'_>,
    addresses: &OurAddresses,
    methods: &[ChallengeKind],
) -> Result<Vec<ChallengeKind>, IssueFailure> {
    let allowed = caa::methods(&seen.caa, issuer)
        .map_err(|refusal| IssueFailure::new(FailureKind::Caa, refusal.to_string()))?;
    let methods: Vec<ChallengeKind> = methods.iter().copied().filter(|kind| allowed.contains(kind)).collect();
    if methods.is_empty() {
        let allowed: Vec<&str> = allowed.iter().map(|kind| kind.as_wire()).collect();
        let text =
            format!("the CAA records of {name} allow {} alone, which is not set up", allowed.join(", "));
        return Err(IssueFailure::new(FailureKind::NoChallenge, text));
    }
    match unreachable(seen, name, addresses) {
        None => Ok(methods),
        // A TXT record proves it wherever the name leads to.
        Some(_) if methods.contains(&ChallengeKind::Dns01) => Ok(vec![ChallengeKind::Dns01]),
        Some(text) => Err(IssueFailure::new(FailureKind::Address, text)),
    }
}

/// Why the authority would not reach us under the name; `None`: it would, or that cannot be told.
fn unreachable(seen: &Seen, name: &str, addresses: &OurAddresses) -> Option<String> {
    let mut found = seen.a.addresses();
    found.extend(seen.aaaa.addresses());
    if found.is_empty() {
        let are_absent = [&seen.a, &seen.aaaa].iter().all(|reply| matches!(reply, DnsReply::Absent(_)));
        return are_absent
            .then(|| format!("{name} has no address: there is no A and no AAAA record, and no alias"));
    }
    let private: Vec<IpAddr> =
        found.iter().copied().filter(|address| !(addresses.is_public)(*address)).collect();
    if !private.is_empty() {
        return Some(format!("{name} leads to {}, which the Internet cannot reach", list(&private)));
    }
    if addresses.ours.is_empty() {
        return None;
    }
    let foreign: Vec<IpAddr> =
        found.iter().copied().filter(|address| !addresses.ours.contains(address)).collect();
    // All must be: the authority picks one, IPv6 first.
    (!foreign.is_empty()).then(|| {
        format!(
            "{name} leads to {}, which is not an address of this server ({})",
            list(&foreign),
            list(&addresses.ours)
        )
    })
}

fn list(addresses: &[IpAddr]) -> String {
    const MOST: usize = 8;
    let mut text: Vec<String> = addresses.iter().take(MOST).map(ToString::to_string).collect();
    if addresses.len() > MOST {
        text.push(format!("{} more", addresses.len() - MOST));
    }
    text.join(", ")
}

/// Which of the challenges is tried: of those that are offered and possible one after the other, so that an attempt after
/// a failure goes another way.
#[must_use]
pub fn choose(offered: &[ChallengeKind], possible: &[ChallengeKind], failures: u32) -> Option<ChallengeKind> {
    let both: Vec<ChallengeKind> = possible.iter().copied().filter(|kind| offered.contains(kind)).collect();
    let turn = usize::try_from(failures).unwrap_or(0).checked_rem(both.len())?;
    both.get(turn).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Absence, Answer, DnsFailure, RecordData, Security};

    fn found(records: Vec<RecordData>) -> DnsReply {
        DnsReply::Found(Answer {
            records,
            ttl: 60,
            security: Security::Insecure,
            first_security: Security::Insecure,
            aliases: Vec::new(),
        })
    }

    fn absent() -> DnsReply {
        DnsReply::Absent(Absence {
            name_exists: false,
            ttl: 60,
            security: Security::Insecure,
            aliases: Vec::new(),
        })
    }

    fn seen(addresses: &[&str]) -> Seen {
        let a: Vec<RecordData> =
            addresses.iter().filter_map(|text| text.parse().ok().map(RecordData::A)).collect();
        let aaaa: Vec<RecordData> =
            addresses.iter().filter_map(|text| text.parse().ok().map(RecordData::Aaaa)).collect();
        let reply = |records: Vec<RecordData>| if records.is_empty() { absent() } else { found(records) };
        Seen { caa: CaaSet::None, a: reply(a), aaaa: reply(aaaa) }
    }

    fn judged(seen: &Seen, ours: &[&str], methods: &[ChallengeKind]) -> Result<Vec<ChallengeKind>, String> {
        let addresses = OurAddresses {
            ours: ours.iter().map(|text| text.parse().unwrap()).collect(),
            is_public: |address| !address.to_string().starts_with("10."),
        };
        let issuer = caa::Issuer { identities: &[], account: "" };
        judge(seen, "mta-sts.example.org", issuer, &addresses, methods).map_err(|failure| failure.text)
    }

    const WEB: [ChallengeKind; 2] = [ChallengeKind::Http01, ChallengeKind::TlsAlpn01];

    /// Proves: K7
    #[test]
    fn addresses_must_be_there_public_and_ours() {
        assert_eq!(judged(&seen(&["192.0.2.1"]), &[], &WEB), Ok(WEB.to_vec()));
        assert_eq!(
            judged(&seen(&["192.0.2.1", "2001:db8::1"]), &["192.0.2.1", "2001:db8::1"], &WEB),
            Ok(WEB.to_vec())
        );
        let refused = |addresses: &[&str], ours: &[&str]| judged(&seen(addresses), ours, &WEB).unwrap_err();
        assert_eq!(
            refused(&[], &[]),
            "mta-sts.example.org has no address: there is no A and no AAAA record, and no alias"
        );
        assert_eq!(
            refused(&["10.0.0.1"], &[]),
            "mta-sts.example.org leads to 10.0.0.1, which the Internet cannot reach"
        );
        assert_eq!(
            refused(&["192.0.2.1", "2001:db8::9"], &["192.0.2.1"]),
            "mta-sts.example.org leads to 2001:db8::9, which is not an address of this server (192.0.2.1)"
        );
    }

    #[test]
    fn a_record_proves_control_wherever_the_name_leads() {
        let all = [ChallengeKind::Http01, ChallengeKind::Dns01];
        assert_eq!(judged(&seen(&["192.0.2.9"]), &["192.0.2.1"], &all), Ok(vec![ChallengeKind::Dns01]));
    }

    #[test]
    fn what_cannot_be_told_is_no_refusal() {
        let mut unsure = seen(&[]);
        unsure.aaaa = DnsReply::Failed(DnsFailure::TimedOut);
        unsure.caa = CaaSet::Unknown("example.org".to_owned(), "no answer".to_owned());
        assert_eq!(judged(&unsure, &["192.0.2.1"], &WEB), Ok(WEB.to_vec()));
    }

    #[test]
    fn after_a_failure_another_way_is_gone() {
        let chosen = |failures| choose(&ChallengeKind::ALL, &WEB, failures);
        assert_eq!(chosen(0), Some(ChallengeKind::Http01));
        assert_eq!(chosen(1), Some(ChallengeKind::TlsAlpn01));
        assert_eq!(chosen(2), Some(ChallengeKind::Http01));
        assert_eq!(choose(&[ChallengeKind::Dns01], &WEB, 0), None);
    }
}

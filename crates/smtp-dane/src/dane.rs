//! Does a chain match the TLSA records? RFC 7672 §3, RFC 7671 §5.
//!
//! With DANE-EE(3) the leaf or its key stands in DNS, and nothing else in the certificate counts: no name, no date,
//! no issuer. With DANE-TA(2) the records bind a trust anchor: the chain must lead to it, be valid now, and
//! be for one of the reference names. Which records are looked at is [`usable`]'s choice.
//!
//! On the strict side: the anchor of DANE-TA must be a CA by its basic constraints and valid itself (when its
//! certificate is known), the leaf itself is never the anchor, and where a CA above limits names a common name
//! is not enough.

mod anchor;
mod digests;
mod verdict;

use x509_cert::der::Decode;
use x509_cert::name::Name;

pub use verdict::{Match, Outcome, Refusal, Verdict, Why};

use crate::certificate::{Certificate, Unreadable, name_or_placeholder, names_of};
use crate::name::Reference;
use crate::outline::Outline;
use crate::pkix::{Chain, Presented, Time};
use crate::tlsa::{Tlsa, usable};
use digests::Digests;

/// Records with a whole certificate or key that are tried as an anchor the server did not send. Each costs a search
/// for a path.
const MAX_ANCHORS_FROM_DNS: usize = 4;

/// Judges a chain, leaf first as it was sent, at `now` in Unix seconds, by all the records of a secure TLSA RRset.
/// `references` are the names of RFC 7672 §3.2.2, which [`crate::applicability`] gives: the TLSA base domain
/// first.
#[must_use]
pub fn judge<C: AsRef<[u8]>>(rrset: &[Tlsa], chain: &[C], references: &[&str], now: i64) -> Verdict {
    let told = usable(rrset);
    if told.is_empty() {
        return Verdict::NoneUsable(told.passed_over);
    }
    let presented = match Presented::read(chain) {
        Ok(presented) => presented,
        Err(chain) => return Verdict::NotJudged(chain),
    };
    let digests = Digests::new(&presented);
    let mut refusals = Vec::new();
    let mut from_dns = 0;
    // DANE-EE first: it is the cheaper question.
    let mut records: Vec<(usize, &Tlsa)> =
        told.records.iter().filter_map(|place| Some((*place, rrset.get(*place)?))).collect();
    records.sort_by_key(|(place, record)| (record.usage != 3, *place));
    for (place, record) in records {
        let judged = if record.usage == 3 {
            digests.matches(record, 0).then_some(0).ok_or(Why::LeafDiffers)
        } else {
            anchor::judge(record, &presented, &digests, references, now, &mut from_dns)
        };
        match judged {
            Ok(depth) => return Verdict::Authenticated(Match { record: place, depth }),
            Err(why) => refusals.push(Refusal { record: place, why }),
        }
    }
    Verdict::Refused(refusals)
}

/// Records to publish for the server that sent this chain, best first (RFC 7672 §3.1, RFC 7671 §8.1): `3 1 1` of the
/// leaf's key, and `2 0 1` of the CA that issued it, if that was sent.
///
/// # Errors
///
/// If the leaf cannot be read, or there is none.
pub fn suggest_tlsa<C: AsRef<[u8]>>(chain: &[C]) -> Result<Vec<Tlsa>, Unreadable> {
    let leaf = chain.first().map(AsRef::as_ref).unwrap_or_default();
    let outline = Outline::read(leaf)?;
    let mut records = vec![Tlsa::new(3, 1, 1, Certificate::parse(leaf)?.spki_sha256)];
    let issuer = chain.iter().skip(1).take(crate::MAX_CHAIN).find_map(|der| {
        let other = Outline::read(der.as_ref()).ok()?;
        (other.subject == outline.issuer && other.basic_constraints().0).then_some(other.der)
    });
    if let Some(issuer) = issuer {
        records.push(Tlsa::new(2, 0, 1, digests::sha256(issuer)));
    }
    Ok(records)
}

/// RFC 7672 §3.2.3: DNS-IDs, and the common name where there are none.
fn check_name(presented: &Presented<'_>, references: &[&str]) -> Result<(), Why> {
    let leaf = &presented.leaf;
    let references: Vec<Reference<'_>> = references.iter().filter_map(|host| Reference::new(host)).collect();
    let covered = |name: &[u8]| references.iter().any(|reference| reference.is_covered_by(name));
    if leaf.dns_names().next().is_some() {
        return if leaf.dns_names().any(covered) { Ok(()) } else { Err(Why::Name { names: names_of(leaf) }) };
    }
    let constrained = presented.others.iter().any(Outline::has_name_constraints);
    let common_name = common_name(leaf);
    match common_name {
        Some(name) if !constrained && covered(name.as_bytes()) => Ok(()),
        Some(_) | None => Err(Why::Name { names: Vec::new() }),
    }
}

fn common_name(leaf: &Outline<'_>) -> Option<String> {
    let name = Name::from_der(leaf.subject).ok()?;
    let text = name.common_name().ok()??;
    Some(text.value().into_owned())
}

/// The anchor's own certificate is held to what webpki does not look at in an anchor.
fn check_anchor(anchor: &Outline<'_>, intermediates: usize, now: i64) -> Result<(), Why> {
    let period = anchor.period().ok_or(Why::Chain(Chain::NotAllowedToIssue))?;
    let which = || crate::pkix::Which::Issuer(name_or_placeholder(anchor.subject));
    if now > period.not_after {
        return Err(Why::Time(Time::Expired { which: which(), not_after: period.not_after }));
    }
    if now < period.not_before {
        return Err(Why::Time(Time::NotYetValid { which: which(), not_before: period.not_before }));
    }
    // RFC 7672 §3.1.2: the constraints of the anchor's certificate count.
    match anchor.basic_constraints() {
        (true, Some(length)) if intermediates > usize::from(length) => {
            Err(Why::Chain(Chain::NotAllowedToIssue))
        }
        (true, _) => Ok(()),
        (false, _) => Err(Why::Chain(Chain::NotAllowedToIssue)),
    }
}

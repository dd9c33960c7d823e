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

pub use verdict::{Match, Outcome, Refusal, Verdict, Why};

use crate::certificate::{Certificate, Unreadable};
use crate::outline::Outline;
use crate::pkix::{Chain, Presented};
use crate::tlsa::{Tlsa, usable};
use anchor::Below;
use digests::Digests;

/// Judges a chain, leaf first as it was sent, at `now` in Unix seconds, by all the records of a secure TLSA RRset.
/// `references` are the names of RFC 7672 §3.2.2, which [`crate::applicability`] gives: the TLSA base domain
/// first.
#[must_use]
pub fn judge<C: AsRef<[u8]>>(rrset: &[Tlsa], chain: &[C], references: &[&str], now: i64) -> Verdict {
    let told = usable(rrset);
    if told.is_empty() {
        return Verdict::NoneUsable(told.passed_over);
    }
    let Some(leaf) = chain.first() else { return Verdict::NotJudged(Chain::Empty) };
    let leaf = match Outline::read(leaf.as_ref()) {
        Ok(leaf) => leaf,
        Err(reason) => return Verdict::NotJudged(Chain::Malformed { what: reason.to_string() }),
    };
    let (ends, anchors): (Vec<_>, Vec<_>) = told
        .records
        .iter()
        .filter_map(|place| Some((*place, rrset.get(*place)?)))
        .partition(|(_, record)| record.usage == 3);
    let mut refusals = Vec::with_capacity(ends.len());

    // RFC 7672 §3.1.1: DANE-EE looks at the leaf and at nothing that comes with it.
    let digests = Digests::new(leaf);
    for (record, tlsa) in ends {
        if digests.matches(tlsa) {
            return Verdict::Authenticated(Match { record, depth: 0 });
        }
        refusals.push(Refusal { record, why: Why::LeafDiffers });
    }
    if !anchors.is_empty() {
        let mut below = match Presented::read(chain) {
            Ok(presented) => Below::new(presented, references, now),
            Err(chain) => return Verdict::NotJudged(chain),
        };
        for (record, tlsa) in anchors {
            match below.judge(tlsa) {
                Ok(depth) => return Verdict::Authenticated(Match { record, depth }),
                Err(why) => refusals.push(Refusal { record, why }),
            }
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

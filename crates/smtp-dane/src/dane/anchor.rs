//! DANE-TA(2): the chain must lead to what the record says. RFC 7672 §3.1.2, RFC 7671 §5.2.

use rustls_pki_types::TrustAnchor;

use super::digests::Digests;
use super::{MAX_ANCHORS_FROM_DNS, Why, check_anchor, check_name};
use crate::outline::{Outline, contents};
use crate::pkix::{Chain, Presented, Time, Trust, anchor, trust};
use crate::tlsa::Tlsa;

/// The depth of the anchor in the chain as sent (a chain that does not hold it: the depth where it would stand).
pub(crate) fn judge(
    record: &Tlsa,
    presented: &Presented<'_>,
    digests: &Digests<'_>,
    references: &[&str],
    now: i64,
    from_dns: &mut usize,
) -> Result<usize, Why> {
    let mut nearest = None;
    for (above, certificate) in presented.others.iter().enumerate() {
        let depth = above + 1;
        if !digests.matches(record, depth) {
            continue;
        }
        match judge_anchor(certificate, presented, references, now) {
            Ok(_) => return Ok(depth),
            Err(why) => nearest = Some(why),
        }
    }
    if let Some(why) = nearest {
        return Err(why);
    }
    if record.matching != 0 {
        // RFC 7671 §5.2.2: with a digest the anchor must be in the chain.
        return Err(Why::AnchorNotSent);
    }
    *from_dns += 1;
    if *from_dns > MAX_ANCHORS_FROM_DNS {
        return Err(Why::AnchorNotSent);
    }
    if record.selector == 0 {
        // RFC 7671 §5.2.2: the one kind of record whose anchor may be absent from the chain.
        let certificate = Outline::read(&record.data).map_err(|_| Why::AnchorNotSent)?;
        return judge_anchor(&certificate, presented, references, now).map(|between| between + 1);
    }
    // RFC 7671 §5.2.3: a bare key has no name. It is tried under the name of each certificate's issuer.
    let key = contents(&record.data).ok_or(Why::AnchorNotSent)?;
    let mut anchors: Vec<TrustAnchor<'_>> = Vec::new();
    for certificate in std::iter::once(&presented.leaf).chain(&presented.others) {
        let Some(issuer) = contents(certificate.issuer) else { continue };
        if anchors.iter().all(|known| known.subject.as_ref() != issuer) {
            anchors.push(TrustAnchor {
                subject: issuer.into(),
                subject_public_key_info: key.into(),
                name_constraints: None,
            });
        }
    }
    let between = held(trust(presented, &anchors, now))?;
    check_name(presented, references)?;
    Ok(between + 1)
}

/// With the anchor's certificate at hand. How many CAs stand between it and the leaf.
fn judge_anchor(
    certificate: &Outline<'_>,
    presented: &Presented<'_>,
    references: &[&str],
    now: i64,
) -> Result<usize, Why> {
    let anchor = anchor(certificate.der).ok_or(Why::Chain(Chain::NotAllowedToIssue))?;
    let between = held(trust(presented, &[anchor], now))?;
    check_anchor(certificate, between, now)?;
    check_name(presented, references)?;
    Ok(between)
}

/// The number of CAs on the way, if the way holds now.
fn held(trust: Trust) -> Result<usize, Why> {
    match (trust.chain, trust.time) {
        (Chain::Trusted, Time::Valid) => Ok(trust.intermediates),
        (Chain::Trusted | Chain::NeverValidTogether, time) => Err(Why::Time(time)),
        (chain, _) => Err(Why::Chain(chain)),
    }
}

//! DANE-TA(2): the chain must lead to what the record says, be valid, and be for a reference name. RFC 7672
//! §3.1.2 and §3.2, RFC 7671 §5.2.

use rustls_pki_types::TrustAnchor;
use x509_cert::der::Decode;
use x509_cert::name::Name;

use super::Why;
use super::digests::Digests;
use crate::certificate::{name_or_placeholder, names_of};
use crate::name::Reference;
use crate::outline::{Outline, contents};
use crate::pkix::{Chain, Presented, Time, Trust, Verified, Which, anchor, trust};
use crate::tlsa::Tlsa;

/// Records with a whole certificate or key that are tried as an anchor the server did not send. Each costs a search
/// for a path.
const MAX_ANCHORS_FROM_DNS: usize = 4;

/// A chain that is to lead to one of several anchors.
pub(crate) struct Below<'a> {
    presented: Presented<'a>,
    /// Of the CA certificates that were sent, in order.
    digests: Vec<Digests<'a>>,
    references: Vec<Reference<'a>>,
    now: i64,
    /// What came of a CA certificate as anchor, so that many records of one certificate cost one search.
    judged: Vec<Option<Result<(), Why>>>,
    anchors_from_dns: usize,
    /// Within this judgement: several records look at the same chain.
    verified: Verified,
}

impl<'a> Below<'a> {
    pub(crate) fn new(presented: Presented<'a>, references: &[&'a str], now: i64) -> Self {
        let digests: Vec<_> = presented.others.iter().copied().map(Digests::new).collect();
        let references = references.iter().filter_map(|host| Reference::new(host)).collect();
        let judged = vec![None; digests.len()];
        Self {
            presented,
            digests,
            references,
            now,
            judged,
            anchors_from_dns: 0,
            verified: Verified::default(),
        }
    }

    /// The depth of the anchor of `record` in the chain (if it was not sent: where it would stand).
    pub(crate) fn judge(&mut self, record: &Tlsa) -> Result<usize, Why> {
        let mut nearest = None;
        for place in 0..self.digests.len() {
            if !self.digests.get(place).is_some_and(|certificate| certificate.matches(record)) {
                continue;
            }
            match self.judge_sent(place) {
                Ok(()) => return Ok(place + 1),
                Err(why) => nearest = Some(why),
            }
        }
        if let Some(why) = nearest {
            return Err(why);
        }
        // RFC 7671 §5.2.2: with a digest the anchor must be in the chain.
        if record.matching != 0 || self.anchors_from_dns == MAX_ANCHORS_FROM_DNS {
            return Err(Why::AnchorNotSent);
        }
        self.anchors_from_dns += 1;
        let between = if record.selector == 0 {
            let certificate = Outline::read(&record.data).map_err(|_| Why::AnchorNotSent)?;
            self.judge_certificate(&certificate)?
        } else {
            self.judge_key(contents(&record.data).ok_or(Why::AnchorNotSent)?)?
        };
        Ok(between + 1)
    }

    fn judge_sent(&mut self, place: usize) -> Result<(), Why> {
        if let Some(Some(known)) = self.judged.get(place) {
            return known.clone();
        }
        let certificate = self.presented.others.get(place).copied().ok_or(Why::AnchorNotSent)?;
        let verdict = self.judge_certificate(&certificate).map(|_| ());
        if let Some(slot) = self.judged.get_mut(place) {
            *slot = Some(verdict.clone());
        }
        verdict
    }

    /// With the anchor's certificate at hand. How many CAs stand between it and the leaf.
    fn judge_certificate(&self, certificate: &Outline<'_>) -> Result<usize, Why> {
        let anchor = anchor(certificate.der).ok_or(Why::Chain(Chain::NotAllowedToIssue))?;
        let between = held(trust(&self.presented, &[anchor], self.now, &self.verified))?;
        check_anchor(certificate, between, self.now)?;
        self.check_name(certificate.has_name_constraints())?;
        Ok(between)
    }

    /// RFC 7671 §5.2.3: a bare key has no name. It is tried under the name of each certificate's issuer.
    fn judge_key(&self, key: &[u8]) -> Result<usize, Why> {
        let mut anchors: Vec<TrustAnchor<'_>> = Vec::new();
        for certificate in std::iter::once(&self.presented.leaf).chain(&self.presented.others) {
            let Some(issuer) = contents(certificate.issuer) else { continue };
            if anchors.iter().all(|known| known.subject.as_ref() != issuer) {
                anchors.push(TrustAnchor {
                    subject: issuer.into(),
                    subject_public_key_info: key.into(),
                    name_constraints: None,
                });
            }
        }
        let between = match held(trust(&self.presented, &anchors, self.now, &self.verified)) {
            // Not signed by this key: then it is simply another.
            Err(Why::Chain(_)) => return Err(Why::AnchorNotSent),
            held => held?,
        };
        self.check_name(false)?;
        Ok(between)
    }

    /// RFC 7672 §3.2.3: DNS-IDs, and the common name where there are none.
    fn check_name(&self, anchor_limits_names: bool) -> Result<(), Why> {
        let leaf = &self.presented.leaf;
        let covered = |name: &[u8]| self.references.iter().any(|reference| reference.is_covered_by(name));
        if leaf.dns_names().next().is_some() {
            return if leaf.dns_names().any(covered) {
                Ok(())
            } else {
                Err(Why::Name { names: names_of(leaf) })
            };
        }
        // Constraints on DNS names do not reach a common name: where there are any, it is no way round them.
        let limited = anchor_limits_names || self.presented.others.iter().any(Outline::has_name_constraints);
        match common_name(leaf) {
            Some(name) if !limited && covered(name.as_bytes()) => Ok(()),
            Some(_) | None => Err(Why::Name { names: Vec::new() }),
        }
    }
}

fn common_name(leaf: &Outline<'_>) -> Option<String> {
    let name = Name::from_der(leaf.subject).ok()?;
    let text = name.common_name().ok()??;
    Some(text.value().into_owned())
}

/// The number of CAs on the way, if the way holds now.
fn held(trust: Trust) -> Result<usize, Why> {
    match (trust.chain, trust.time) {
        (Chain::Trusted, Time::Valid) => Ok(trust.intermediates),
        (Chain::Trusted | Chain::NeverValidTogether, time) => Err(Why::Time(time)),
        (chain, _) => Err(Why::Chain(chain)),
    }
}

/// The anchor's own certificate is held to what webpki does not look at in an anchor.
fn check_anchor(anchor: &Outline<'_>, between: usize, now: i64) -> Result<(), Why> {
    let period = anchor.period().ok_or(Why::Time(Time::Unknown))?;
    let which = || Which::Issuer(name_or_placeholder(anchor.subject));
    if now > period.not_after {
        return Err(Why::Time(Time::Expired { which: which(), not_after: period.not_after }));
    }
    if now < period.not_before {
        return Err(Why::Time(Time::NotYetValid { which: which(), not_before: period.not_before }));
    }
    // RFC 7672 §3.1.2: the constraints of the anchor's certificate count.
    match anchor.basic_constraints() {
        (true, Some(length)) if between > usize::from(length) => Err(Why::Chain(Chain::NotAllowedToIssue)),
        (true, _) => Ok(()),
        (false, _) => Err(Why::Chain(Chain::NotAllowedToIssue)),
    }
}

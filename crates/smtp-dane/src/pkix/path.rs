//! From a presented chain to a trust anchor, and when that fails, why.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, VerifiedPath};

use super::verified::Verified;
use super::walk::{self, End};
use super::{Chain, Time, Which};
use crate::MAX_CHAIN;
use crate::certificate::{Unreadable, is_outdated, name_or_placeholder, rsa_bits, signature_words};
use crate::outline::{Outline, Period};

/// CA certificates of one subject: a CA has a few that cross over to older roots. With more, the paths to look
/// at would multiply.
const MAX_ALIKE: usize = 4;

/// Certificates that are read of a chain. Some servers send every root that they know.
const MAX_READ: usize = 128;

/// Moments other than now at which a chain is tried.
const MAX_MOMENTS: usize = 5;

/// RSA keys below this are not asked (NIST SP 800-131A; the library refuses them too).
const MIN_RSA_BITS: usize = 2048;

/// A chain as it was sent, taken apart.
pub(crate) struct Presented<'a> {
    /// The server's own certificate.
    pub(crate) leaf: Outline<'a>,
    /// The rest, in order, without copies, without what is no certificate, and of too many those that matter.
    pub(crate) others: Vec<Outline<'a>>,
    leaf_der: CertificateDer<'a>,
    intermediates: Vec<CertificateDer<'a>>,
}

impl<'a> Presented<'a> {
    /// Takes the chain apart. An unreadable leaf is an error; unreadable others are passed over, as a path may do
    /// without them, and so are surplus ones: a path that holds is not worse for what is sent along.
    pub(crate) fn read<C: AsRef<[u8]>>(chain: &'a [C]) -> Result<Self, Chain> {
        let (leaf, rest) = chain.split_first().ok_or(Chain::Empty)?;
        let leaf = Outline::read(leaf.as_ref()).map_err(malformed)?;
        let mut sent: Vec<Outline<'a>> = Vec::new();
        for der in rest.iter().take(MAX_READ).map(AsRef::as_ref) {
            let Ok(other) = Outline::read(der) else { continue };
            if der != leaf.der && sent.iter().all(|known| known.der != der) {
                sent.push(other);
            }
        }
        let others = within_bounds(&leaf, &sent);
        let leaf_der = CertificateDer::from(leaf.der);
        let intermediates = others.iter().map(|other| CertificateDer::from(other.der)).collect();
        Ok(Self { leaf, others, leaf_der, intermediates })
    }

    /// Where the CA certificates of a path stand among `others`.
    fn places(&self, path: &VerifiedPath<'_>) -> Vec<usize> {
        let place = |der: CertificateDer<'_>| self.others.iter().position(|other| other.der == der.as_ref());
        path.intermediate_certificates().filter_map(|certificate| place(certificate.der())).collect()
    }
}

/// Of too many certificates first those that could be on a path, by their names, then the others as they come.
fn within_bounds<'a>(leaf: &Outline<'a>, sent: &[Outline<'a>]) -> Vec<Outline<'a>> {
    let mut kept: Vec<(usize, Outline<'a>)> = Vec::new();
    let keep = |kept: &mut Vec<(usize, Outline<'a>)>, place: usize, other: &Outline<'a>| {
        let alike = kept.iter().filter(|(_, known)| known.subject == other.subject).count();
        let is_new = kept.iter().all(|(known, _)| *known != place);
        let may = is_new && alike < MAX_ALIKE && kept.len() + 1 < MAX_CHAIN;
        if may {
            kept.push((place, *other));
        }
        may
    };
    // Each certificate names its issuer once, so it ends.
    let mut issuers = vec![leaf.issuer];
    let mut next = 0;
    while let Some(issuer) = issuers.get(next).copied() {
        next += 1;
        for (place, other) in sent.iter().enumerate().filter(|(_, other)| other.subject == issuer) {
            if keep(&mut kept, place, other) && !issuers.contains(&other.issuer) {
                issuers.push(other.issuer);
            }
        }
    }
    for (place, other) in sent.iter().enumerate() {
        keep(&mut kept, place, other);
    }
    kept.sort_by_key(|(place, _)| *place);
    kept.into_iter().map(|(_, other)| other).collect()
}

/// Whether and when a chain leads to a trust anchor.
pub(crate) struct Trust {
    pub(crate) chain: Chain,
    pub(crate) time: Time,
    /// CA certificates between the leaf and the anchor.
    pub(crate) intermediates: usize,
}

/// Looks for a path to one of `anchors`.
pub(crate) fn trust(
    presented: &Presented<'_>,
    anchors: &[TrustAnchor<'_>],
    now: i64,
    verified: &Verified,
) -> Trust {
    let leaf = match EndEntityCert::try_from(&presented.leaf_der) {
        Ok(leaf) => leaf,
        Err(error) => return failed(presented, anchors, now, Some(&error)),
    };
    let algorithms = verified.algorithms(presented.leaf.tbs);
    let algorithms: Vec<&dyn SignatureVerificationAlgorithm> =
        algorithms.iter().map(|algorithm| algorithm as &dyn SignatureVerificationAlgorithm).collect();
    let attempt = |moment: i64| {
        let moment = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(moment).unwrap_or(0)));
        let usage = KeyUsage::server_auth();
        leaf.verify_for_usage(&algorithms, anchors, &presented.intermediates, moment, usage, None, None)
            .map(|path| presented.places(&path))
    };
    let mut error = match attempt(now) {
        Ok(path) => return Trust { chain: Chain::Trusted, time: Time::Valid, intermediates: path.len() },
        Err(error) => error,
    };
    // Trusted but for the time? webpki ranks trouble with the time above all other, so that without it there
    // is nothing that another moment could mend.
    for moment in moments(presented, now) {
        if !is_of_time(&error) {
            break;
        }
        match attempt(moment) {
            Ok(path) => {
                let on_path = path.iter().filter_map(|place| presented.others.get(*place).copied());
                let time = time_of(std::iter::once(presented.leaf).chain(on_path), now);
                return Trust { chain: Chain::Trusted, time, intermediates: path.len() };
            }
            Err(other) => error = other,
        }
    }
    failed(presented, anchors, now, Some(&error).filter(|error| !is_of_time(error)))
}

/// Moments at which the certificates that are not valid now were, or will be.
fn moments(presented: &Presented<'_>, now: i64) -> Vec<i64> {
    let mut moments = Vec::new();
    for certificate in std::iter::once(&presented.leaf).chain(&presented.others) {
        let Some(Period { not_before, not_after }) = certificate.period() else { continue };
        let nearest = now.min(not_after).max(not_before);
        if nearest != now && !moments.contains(&nearest) && moments.len() < MAX_MOMENTS {
            moments.push(nearest);
        }
    }
    moments
}

/// What `path`, leaf first, has to say of `now`.
fn time_of<'a>(path: impl Iterator<Item = Outline<'a>>, now: i64) -> Time {
    for (place, certificate) in path.enumerate() {
        let Some(Period { not_before, not_after }) = certificate.period() else { return Time::Unknown };
        if (not_before..=not_after).contains(&now) {
            continue;
        }
        let which = which(place, &certificate);
        return if now > not_after {
            Time::Expired { which, not_after }
        } else {
            Time::NotYetValid { which, not_before }
        };
    }
    Time::Valid
}

/// Says why there is no path. `error` is what stood in the way of one; `None` if it was the time alone.
fn failed(presented: &Presented<'_>, anchors: &[TrustAnchor<'_>], now: i64, error: Option<&Error>) -> Trust {
    if matches!(error, Some(Error::MaximumPathBuildCallsExceeded | Error::MaximumSignatureChecksExceeded)) {
        return Trust { chain: Chain::TooComplex, time: Time::Unknown, intermediates: 0 };
    }
    let walk = walk::walk(presented, anchors);
    let last = walk.path.last().copied().unwrap_or(presented.leaf);
    let place = walk.path.len().saturating_sub(1);
    let chain = match walk.end {
        End::Anchor => error.map_or(Chain::NeverValidTogether, explain),
        End::SelfIssued if place == 0 => Chain::SelfSigned,
        End::SelfIssued => Chain::UntrustedRoot { root: name_or_placeholder(last.subject) },
        End::NoIssuer if place == 0 => Chain::Incomplete { missing: name_or_placeholder(last.issuer) },
        End::NoIssuer => Chain::IssuerUnknown { issuer: name_or_placeholder(last.issuer) },
        End::BadSignature { issuer_key } => match rsa_bits(&issuer_key) {
            Some(bits) if bits < MIN_RSA_BITS => {
                Chain::Weak { which: which(place, &last), what: format!("an RSA key of {bits} bits") }
            }
            _ => Chain::BadSignature { which: which(place, &last) },
        },
        End::UnknownAlgorithm => {
            let what = signature_words(last.signature_algorithm);
            if is_outdated(last.signature_algorithm) {
                Chain::Weak { which: which(place, &last), what: format!("a signature by {what}") }
            } else {
                Chain::Unsupported { what: format!("a signature by {what}") }
            }
        }
    };
    let time = time_of(walk.path.into_iter(), now);
    Trust { chain, time, intermediates: 0 }
}

/// What webpki holds against a chain whose links hold.
fn explain(error: &Error) -> Chain {
    match error {
        Error::CaUsedAsEndEntity => Chain::CaAsLeaf,
        Error::EndEntityUsedAsCa | Error::PathLenConstraintViolated => Chain::NotAllowedToIssue,
        Error::NameConstraintViolation
        | Error::MalformedNameConstraint
        | Error::InvalidNetworkMaskConstraint => Chain::NameConstraints,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Chain::NotForServers,
        Error::CertDistrusted => Chain::Distrusted,
        Error::MaximumNameConstraintComparisonsExceeded | Error::MaximumPathDepthExceeded => {
            Chain::TooComplex
        }
        Error::UnsupportedCertVersion => {
            Chain::Unsupported { what: "a certificate that is not of version 3".into() }
        }
        Error::UnsupportedCriticalExtension => {
            Chain::Unsupported { what: "an unknown critical extension".into() }
        }
        Error::InvalidCertValidity => Chain::Malformed { what: "its validity ends before it begins".into() },
        // What is left are certificates that the outline could read and webpki cannot.
        _ => Chain::Malformed { what: "a certificate of the chain breaks RFC 5280".into() },
    }
}

fn is_of_time(error: &Error) -> bool {
    matches!(error, Error::CertExpired { .. } | Error::CertNotValidYet { .. })
}

fn which(place: usize, certificate: &Outline<'_>) -> Which {
    if place == 0 { Which::Leaf } else { Which::Issuer(name_or_placeholder(certificate.subject)) }
}

fn malformed(reason: Unreadable) -> Chain {
    Chain::Malformed { what: reason.to_string() }
}

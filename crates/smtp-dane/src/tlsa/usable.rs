//! Which records of an RRset count, and why the others do not.
//!
//! RFC 7672 §3.1 leaves two of the four usages; RFC 7671 §9 passes over weaker digests beside stronger ones.
//! A secure RRset without a usable record is not the same as none: STARTTLS is mandatory then (RFC 7672 §2.2.3).

use x509_cert::der::Decode;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::Tlsa;
use crate::outline::Outline;

/// Why a record cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// RFC 7672 §3.1.3: PKIX-TA and PKIX-EE mean nothing to SMTP.
    #[error("certificate usage {0} (PKIX) means nothing to SMTP; 3 and 2 do")]
    PkixUsage(u8),
    /// No such usage.
    #[error("there is no certificate usage {0}")]
    Usage(u8),
    /// No such selector.
    #[error("there is no selector {0}")]
    Selector(u8),
    /// No such matching type.
    #[error("there is no matching type {0}")]
    Matching(u8),
    /// The digest has the wrong length.
    #[error("the digest has {found} bytes and not {expected}")]
    DigestLength {
        /// As the matching type wants.
        expected: usize,
        /// As it is.
        found: usize,
    },
    /// Matching type 0, and the data are no certificate.
    #[error("the data are not a certificate in DER")]
    NotCertificate,
    /// Matching type 0, and the data are no public key.
    #[error("the data are not a public key in DER")]
    NotKey,
}

/// Why a record is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassedOver {
    /// It cannot be used.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// RFC 7671 §9: there is a record of the same usage and selector with a stronger digest.
    #[error("a record with a stronger digest stands beside it")]
    WeakerDigest,
}

/// The records of an RRset, told apart. Each is named by its place in the RRset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usable {
    /// Those that count, in order.
    pub records: Vec<usize>,
    /// The others, in order.
    pub passed_over: Vec<(usize, PassedOver)>,
}

impl Usable {
    /// Whether no record counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl Tlsa {
    /// Whether an SMTP client can use it.
    ///
    /// # Errors
    ///
    /// The reason why not.
    pub fn usability(&self) -> Result<(), Unusable> {
        match self.usage {
            2 | 3 => {}
            // RFC 7672 §3.1.3.
            0 | 1 => return Err(Unusable::PkixUsage(self.usage)),
            usage => return Err(Unusable::Usage(usage)),
        }
        if self.selector > 1 {
            return Err(Unusable::Selector(self.selector));
        }
        match self.matching {
            0 if self.selector == 0 => {
                Outline::read(&self.data).map_err(|_| Unusable::NotCertificate)?;
            }
            0 => {
                SubjectPublicKeyInfoRef::from_der(&self.data).map_err(|_| Unusable::NotKey)?;
            }
            1 => digest_length(32, self.data.len())?,
            2 => digest_length(64, self.data.len())?,
            matching => return Err(Unusable::Matching(matching)),
        }
        Ok(())
    }
}

fn digest_length(expected: usize, found: usize) -> Result<(), Unusable> {
    if found == expected { Ok(()) } else { Err(Unusable::DigestLength { expected, found }) }
}

/// Tells the records of an RRset apart.
#[must_use]
pub fn usable(rrset: &[Tlsa]) -> Usable {
    let verdicts: Vec<Result<(), Unusable>> = rrset.iter().map(Tlsa::usability).collect();
    // RFC 7671 §9: the order is SHA-512, SHA-256, for each usage and selector, after the unusable are gone.
    let mut strongest = [[0; 2]; 4];
    for (record, verdict) in rrset.iter().zip(&verdicts) {
        if verdict.is_ok()
            && let Some(best) = best_of(&mut strongest, record)
        {
            *best = record.matching.max(*best);
        }
    }
    let mut told = Usable::default();
    for (place, (record, verdict)) in rrset.iter().zip(verdicts).enumerate() {
        let best = best_of(&mut strongest, record).map_or(0, |best| *best);
        match verdict {
            Err(reason) => told.passed_over.push((place, PassedOver::Unusable(reason))),
            // A full certificate or key is never passed over: it has no digest that could be weak.
            Ok(()) if record.matching != 0 && record.matching < best => {
                told.passed_over.push((place, PassedOver::WeakerDigest));
            }
            Ok(()) => told.records.push(place),
        }
    }
    told
}

fn best_of<'a>(strongest: &'a mut [[u8; 2]; 4], record: &Tlsa) -> Option<&'a mut u8> {
    strongest.get_mut(usize::from(record.usage))?.get_mut(usize::from(record.selector))
}

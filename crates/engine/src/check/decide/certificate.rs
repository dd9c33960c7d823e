//! What is wrong with a certificate chain, as findings. The same chain is judged once, however many addresses show it.

use bytes::Bytes;
use smtp_dane::certificate::Certificate;
use smtp_dane::pkix::{self, Chain, Name, Time, TrustRoots, Verdict};

use crate::check::code::{Code, Level};
use crate::check::text::{day, list};

const DAY: i64 = 86_400;
/// From here on a certificate that should renew itself has not.
const SOON_DAYS: i64 = 14;
/// From here on it is urgent.
const URGENT_DAYS: i64 = 3;

/// Whose certificate, and so which codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Mx,
    PolicyHost,
}

/// A judged chain.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) faults: Vec<(Code, String)>,
    pub(super) is_trusted: bool,
    pub(super) expires_in_days: Option<i64>,
    /// The certificate is good and about to expire.
    pub(super) expires_soon: Option<Expiry>,
}

/// How soon a certificate expires.
#[derive(Debug, Clone)]
pub(super) struct Expiry {
    pub(super) code: Code,
    /// When, in Unix seconds.
    pub(super) at: i64,
    pub(super) what: String,
    pub(super) level: Level,
}

/// Judges chains for one host.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    host: &'a str,
    whose: Whose,
    roots: &'a TrustRoots,
    now: i64,
    known: Vec<(&'a [Bytes], Judged)>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(host: &'a str, whose: Whose, roots: &'a TrustRoots, now: i64) -> Self {
        Self { host, whose, roots, now, known: Vec::new() }
    }

    pub(super) fn judge(&mut self, chain: &'a [Bytes]) -> Judged {
        if let Some((_, judged)) = self.known.iter().find(|(known, _)| *known == chain) {
            return judged.clone();
        }
        let judged = self.look(chain);
        self.known.push((chain, judged.clone()));
        judged
    }

    fn look(&self, chain: &[Bytes]) -> Judged {
        let verdict = pkix::judge(chain, self.roots, self.host, self.now);
        let expires = chain.first().and_then(|leaf| Certificate::parse(leaf).ok()).map(|leaf| leaf.not_after);
        let expires_in_days = expires.map(|expires| expires.saturating_sub(self.now).div_euclid(DAY));
        let is_trusted = verdict.is_trusted();
        let expires_soon = match (expires, expires_in_days) {
            (Some(expires), Some(days)) if is_trusted && days <= SOON_DAYS => {
                let level = if days <= URGENT_DAYS { Level::Error } else { Level::Warning };
                let what = format!("the certificate expires on {}, in {days} days", day(expires));
                Some(Expiry { code: codes(self.whose).expires_soon, at: expires, what, level })
            }
            _ => None,
        };
        let faults = if is_trusted { Vec::new() } else { self.faults(&verdict) };
        Judged { faults, is_trusted, expires_in_days, expires_soon }
    }

    /// Each thing that is wrong. Of a certificate that nobody vouches for, dates and names say nothing.
    fn faults(&self, verdict: &Verdict) -> Vec<(Code, String)> {
        let codes = codes(self.whose);
        let mut faults = Vec::new();
        match &verdict.chain {
            Chain::Trusted => {}
            Chain::NeverValidTogether if !matches!(verdict.time, Time::Valid) => {}
            Chain::SelfSigned => faults.push((codes.self_signed, verdict.chain.to_string())),
            Chain::UntrustedRoot { .. } | Chain::IssuerUnknown { .. } => {
                faults.push((codes.not_trusted, verdict.chain.to_string()));
            }
            Chain::Incomplete { .. } => faults.push((codes.chain_incomplete, verdict.chain.to_string())),
            _ => faults.push((codes.invalid, verdict.chain.to_string())),
        }
        if !faults.is_empty() {
            return faults;
        }
        match &verdict.time {
            Time::Valid | Time::Unknown => {}
            Time::Expired { which, not_after } => {
                faults.push((codes.expired, format!("{which} expired on {}", day(*not_after))));
            }
            Time::NotYetValid { which, not_before } => {
                faults.push((codes.not_yet_valid, format!("{which} is valid from {}", day(*not_before))));
            }
        }
        match &verdict.name {
            Name::Matches | Name::Unknown => {}
            Name::Differs { names } if names.is_empty() => {
                faults.push((codes.name_mismatch, "the certificate names no host as DNS name".to_owned()));
            }
            Name::Differs { names } => {
                faults.push((codes.name_mismatch, format!("the certificate is for {}", list(names))));
            }
        }
        if faults.is_empty() {
            faults.push((codes.invalid, verdict.chain.to_string()));
        }
        faults
    }
}

struct Codes {
    expired: Code,
    expires_soon: Code,
    not_yet_valid: Code,
    name_mismatch: Code,
    self_signed: Code,
    chain_incomplete: Code,
    not_trusted: Code,
    invalid: Code,
}

fn codes(whose: Whose) -> Codes {
    match whose {
        Whose::Mx => Codes {
            expired: Code::MxCertificateExpired,
            expires_soon: Code::MxCertificateExpiresSoon,
            not_yet_valid: Code::MxCertificateNotYetValid,
            name_mismatch: Code::MxCertificateNameMismatch,
            self_signed: Code::MxCertificateSelfSigned,
            chain_incomplete: Code::MxCertificateChainIncomplete,
            not_trusted: Code::MxCertificateNotTrusted,
            invalid: Code::MxCertificateInvalid,
        },
        Whose::PolicyHost => Codes {
            expired: Code::PolicyCertificateExpired,
            expires_soon: Code::PolicyCertificateExpiresSoon,
            not_yet_valid: Code::PolicyCertificateNotYetValid,
            name_mismatch: Code::PolicyCertificateNameMismatch,
            self_signed: Code::PolicyCertificateSelfSigned,
            chain_incomplete: Code::PolicyCertificateChainIncomplete,
            not_trusted: Code::PolicyCertificateNotTrusted,
            invalid: Code::PolicyCertificateInvalid,
        },
    }
}

//! The strict verdict on each kind of input as one word, for tables of test vectors.
//!
//! The words are those of the vectors file that every implementation can be measured with: see
//! `cargo xtask vectors`.

use crate::parsed::Deviates as _;
use crate::policy::Deviation;
use crate::{content_type, mx, policy, record, rrset};

/// One TXT record, its strings joined: `valid` or `invalid`.
#[must_use]
pub fn sts_txt(txt: &[u8]) -> &'static str {
    if record::parse(txt).strict().is_ok() { "valid" } else { "invalid" }
}

/// The TXT RRset at `_mta-sts`: `valid` when exactly one record counts and is valid, else `none`.
#[must_use]
pub fn sts_txt_rrset<T: AsRef<[u8]>>(rrset: &[T]) -> &'static str {
    if rrset::choose(rrset).is_strict() { "valid" } else { "none" }
}

/// A policy body: `valid`, `invalid`, or `over-max` when nothing but the size of max_age is wrong.
#[must_use]
pub fn sts_policy(body: &[u8]) -> &'static str {
    let parsed = policy::parse(body);
    if parsed.usable().is_err() {
        return "invalid";
    }
    let mut faults =
        parsed.deviations().iter().filter(|deviation| deviation.is_invalid_strictly()).peekable();
    if faults.peek().is_none() {
        "valid"
    } else if faults.all(|fault| matches!(fault, Deviation::MaxAgeClamped { .. })) {
        "over-max"
    } else {
        "invalid"
    }
}

/// An MX host and patterns as typed, also such as no policy may hold: `match` or `no-match`.
#[must_use]
pub fn mx_match<T: AsRef<str>>(host: &str, patterns: &[T]) -> &'static str {
    let matches = patterns.iter().any(|pattern| mx::matches_as_typed(host, pattern.as_ref()));
    if matches { "match" } else { "no-match" }
}

/// The value of a `Content-Type` field: `ok` or `bad`.
#[must_use]
pub fn content_type(value: &[u8]) -> &'static str {
    if content_type::check(Some(value)).is_ok() { "ok" } else { "bad" }
}

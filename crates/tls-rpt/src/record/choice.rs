//! Which of several TXT records is the TLSRPT record (RFC 8460 §3).
//!
//! What: all TXT records of `_smtp._tls.<policy domain>` in, the one to read out. Why: a wildcard TXT or a leftover
//! puts strangers beside it. What can fail: none or several are left; the domain then does not implement TLSRPT.

use super::{Reading, RecordError, VERSION, parse};

/// Why no record counts. A sender sends no reports; the owner leaves exactly one record, and a valid one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotImplemented {
    /// No TXT record that begins with `v=TLSRPTv1;`.
    #[error("no TXT record begins with v=TLSRPTv1;")]
    NoRecord,
    /// Several do, so none counts.
    #[error("{count} TXT records begin with v=TLSRPTv1;, where exactly one may")]
    Several {
        /// How many.
        count: usize,
    },
    /// One is left and it is not usable (ruling L10: treated as if there were none).
    #[error("the TLSRPT record cannot be used: {0}")]
    Unusable(RecordError),
}

/// Picks the record to read; says nothing of whether it is valid.
///
/// A lone TXT record is judged by the grammar, which allows white space before the first `;`. Among several, only the
/// literal `v=TLSRPTv1;` counts (ruling L1, which RFC 8460 shares with RFC 8461).
///
/// # Errors
/// [`NotImplemented::NoRecord`] or [`NotImplemented::Several`].
pub fn choose<R: AsRef<[u8]>>(records: &[R]) -> Result<&[u8], NotImplemented> {
    if let [only] = records {
        let only = only.as_ref();
        return if is_tlsrpt(only) { Ok(only) } else { Err(NotImplemented::NoRecord) };
    }
    let mut literal = records.iter().map(AsRef::as_ref).filter(|record| {
        record.strip_prefix(VERSION.as_bytes()).is_some_and(|rest| rest.first() == Some(&b';'))
    });
    match (literal.next(), literal.count()) {
        (None, _) => Err(NotImplemented::NoRecord),
        (Some(record), 0) => Ok(record),
        (Some(_), more) => Err(NotImplemented::Several { count: more + 1 }),
    }
}

/// Picks and reads the record: what a sender acts on is in [`Reading::usable`], which is `Ok` here.
///
/// # Errors
/// All of [`NotImplemented`]; of a record that cannot be used, the reason is inside.
pub fn discover<R: AsRef<[u8]>>(records: &[R]) -> Result<Reading, NotImplemented> {
    let reading = parse(choose(records)?);
    match &reading.usable {
        Ok(_) => Ok(reading),
        Err(error) => Err(NotImplemented::Unusable(error.clone())),
    }
}

/// The strict verdict on a set of records as one word: `valid`, `no-usable-rua` or `none`.
#[must_use]
pub fn strict_word<R: AsRef<[u8]>>(records: &[R]) -> &'static str {
    match choose(records).map(|record| parse(record).strict_word()) {
        Ok("invalid") | Err(_) => "none",
        Ok(word) => word,
    }
}

/// Whether a lone record means to be a TLSRPT record, slack at its start included.
fn is_tlsrpt(record: &[u8]) -> bool {
    let record = record.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(record).trim_ascii_start();
    record
        .strip_prefix(VERSION.as_bytes())
        .is_some_and(|rest| rest.first().is_none_or(|&byte| matches!(byte, b';' | b' ' | b'\t')))
}

//! Short lists as bytes, for columns that are only ever read whole.
//!
//! Numbers are LEB128; texts are their length and their bytes, so any text at all comes back, NUL included. Reading
//! answers `None` for bytes that this module did not write: the store then says that its file is damaged.

mod tally;

use tls_rpt::count::Bounds;
use tls_rpt::report::{Repair, RepairKind};
use tls_rpt::{PolicyType, ResultType, Text};

use crate::session::Kind;

/// Appends to a buffer that its owner keeps.
pub(crate) struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

impl Writer<'_> {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn bounds(&mut self, bounds: Bounds) {
        self.number(bounds.low);
        self.number(bounds.high.saturating_sub(bounds.low));
    }

    pub(crate) fn texts(&mut self, texts: &[Text]) {
        for text in texts {
            self.text(text);
        }
    }

    pub(crate) fn repairs(&mut self, repairs: &[Repair]) {
        for repair in repairs {
            self.text(repair.kind.as_wire());
            self.text(&repair.path);
            self.text(&repair.text);
        }
    }

    pub(crate) fn kinds(&mut self, kinds: &[Kind]) {
        for kind in kinds {
            self.text(kind.policy_type.as_wire());
            self.bounds(kind.successful);
            self.bounds(kind.failed);
        }
    }

    pub(crate) fn results(&mut self, results: &[(ResultType, u64)]) {
        for (result, sessions) in results {
            self.text(result.as_wire());
            self.number(*sessions);
        }
    }
}

/// Reads what [`Writer`] wrote.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn bounds(&mut self) -> Option<Bounds> {
        let low = self.number()?;
        Some(Bounds { low, high: low.saturating_add(self.number()?) })
    }

    fn all<T>(mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut list = Vec::new();
        while !self.0.is_empty() {
            list.push(one(&mut self)?);
        }
        Some(list)
    }

    pub(crate) fn texts(self) -> Option<Vec<Text>> {
        self.all(|bytes| bytes.text().map(Text::new))
    }

    pub(crate) fn repairs(self) -> Option<Vec<Repair>> {
        self.all(|bytes| {
            let kind = RepairKind::from_wire(bytes.text()?)?;
            Some(Repair { kind, path: bytes.text()?.to_owned(), text: bytes.text()?.to_owned() })
        })
    }

    pub(crate) fn kinds(self) -> Option<Vec<Kind>> {
        self.all(|bytes| {
            let policy_type = PolicyType::from_wire(bytes.text()?);
            Some(Kind { policy_type, successful: bytes.bounds()?, failed: bytes.bounds()? })
        })
    }

    pub(crate) fn results(self) -> Option<Vec<(ResultType, u64)>> {
        self.all(|bytes| Some((ResultType::from_wire(bytes.text()?), bytes.number()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut Writer(&mut bytes));
        bytes
    }

    #[test]
    fn every_text_comes_back_as_it_went_in() {
        let long = "x".repeat(70_000);
        let texts: Vec<Text> = ["", "\0", "a\0b", "é\u{1F600}", "' -- \"", &long].map(Text::new).to_vec();
        assert_eq!(Reader(&packed(|to| to.texts(&texts))).texts(), Some(texts));
    }

    #[test]
    fn numbers_up_to_the_largest_come_back() {
        let kinds: Vec<Kind> = [0, 1, 127, 128, 1 << 53, u64::MAX - 1, u64::MAX]
            .map(|n| Kind {
                policy_type: PolicyType::Unknown("ünknown".into()),
                successful: Bounds { low: n, high: u64::MAX },
                failed: Bounds::exactly(n),
            })
            .to_vec();
        assert_eq!(Reader(&packed(|to| to.kinds(&kinds))).kinds(), Some(kinds));
    }

    #[test]
    fn damaged_bytes_are_noticed_and_never_panic() {
        let repair = Repair { path: "/a".into(), kind: RepairKind::Cut, text: "cut".into() };
        let good = packed(|to| to.repairs(std::slice::from_ref(&repair)));
        for end in 1..good.len() {
            assert_eq!(Reader(&good[..end]).repairs(), None);
        }
        assert_eq!(Reader(&good).repairs(), Some(vec![repair]));
        for bytes in [&[0xff; 20][..], &[5, b'a'], &[2, 0xff, 0xff], &[0x80]] {
            assert_eq!(Reader(bytes).texts(), None);
            assert_eq!(Reader(bytes).results(), None);
        }
    }
}

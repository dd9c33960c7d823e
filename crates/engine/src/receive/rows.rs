//! The rows of a large report, read again from its raw input in pieces.

use std::ops::ControlFlow;

use bytes::Bytes;
use containers::{Item, Walker};
use tls_rpt::report::{FailureDetails, Head, Limits, Place, PolicyResult, Repair, Sink, scan};

use super::reading::walk_numbered;
use crate::facts::{RowPiece, RowSource};

/// Rows in one piece.
const PIECE_ROWS: usize = 2048;

/// Where a large report stands: in which input, in which of its members, as which of the member's reports.
#[derive(Debug)]
pub(crate) struct ReadAgain {
    pub(crate) bytes: Bytes,
    pub(crate) name: &'static str,
    /// Its member, as [`walk_numbered`] counts.
    pub(crate) number: usize,
    pub(crate) index: usize,
}

impl RowSource for ReadAgain {
    fn read(&self, take: &mut dyn FnMut(RowPiece) -> bool) {
        let mut walker = Walker::new(containers::Limits::default());
        walk_numbered(&mut walker, self.name, &self.bytes, &mut |number, item| {
            if number < self.number {
                return ControlFlow::Continue(());
            }
            // Without its member no row is read, and the store, which knows how many there are, refuses the report.
            let Item::Member(member) = item else { return ControlFlow::Break(()) };
            let mut sink =
                Pieces { index: self.index, piece: RowPiece::default(), take: &mut *take, open: true };
            // The first pass read the same bytes to their end; nothing new can go wrong that matters here.
            let _ = scan(member.open(), &Limits::default(), &mut sink);
            sink.flush();
            ControlFlow::Break(())
        });
    }
}

struct Pieces<'a> {
    index: usize,
    piece: RowPiece,
    take: &'a mut dyn FnMut(RowPiece) -> bool,
    open: bool,
}

impl Pieces<'_> {
    fn flush(&mut self) {
        if self.piece.policies.is_empty() && self.piece.failures.is_empty() {
            return;
        }
        let piece = std::mem::take(&mut self.piece);
        self.open = self.open && (self.take)(piece);
    }

    fn flush_if_full(&mut self) {
        if self.piece.policies.len() + self.piece.failures.len() >= PIECE_ROWS {
            self.flush();
        }
    }
}

impl Sink for Pieces<'_> {
    fn failure(&mut self, at: Place, row: FailureDetails) {
        if at.report == self.index {
            self.piece.failures.push((at.policy as u64, at.row as u64, row));
            self.flush_if_full();
        }
    }

    fn policy(&mut self, at: Place, policy: PolicyResult) {
        if at.report == self.index {
            self.piece.policies.push((at.policy as u64, policy));
            self.flush_if_full();
        }
    }

    fn forget_failures(&mut self, _at: Place) {}
    fn forget_policies(&mut self, _report: usize) {}
    fn report(&mut self, _report: usize, _head: Head, _repairs: Vec<Repair>) {}
    fn amend(&mut self, _report: usize, _repair: Repair) {}
    fn retract(&mut self, _from_report: usize) {}

    fn has_room(&self) -> bool {
        self.open
    }
}

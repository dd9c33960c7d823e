//! From an input's bytes to the reports inside: containers opened, members read, what ails them told.
//!
//! One way for `tlsward read` and for intake. Holds at most [`HELD_BYTES`] of one member; a member with more is
//! given as [`Found::Large`], to be read again in pieces.

use std::io::ErrorKind;
use std::ops::ControlFlow;

use containers::{Failure, Item, Member, Note, Refusal, Walker};
use tls_rpt::report::{
    Collected, Large, Limits, Parsed, ReadError, Repair, RepairKind, collect, collect_slice,
};

/// Bytes of reports that are held of one member.
pub const HELD_BYTES: usize = 8 * 1024 * 1024;

/// Something found in an input.
pub enum Found<'a> {
    /// A report, whole.
    Report {
        /// The member that held it.
        member: &'a Member<'a>,
        /// Which of the member's reports.
        index: usize,
        /// The report. Repairs of its wrapping stand first.
        parsed: Parsed,
    },
    /// Reports too large to be held. The member can be opened again.
    Large {
        /// The member that holds them.
        member: &'a Member<'a>,
        /// Their heads and counts. Repairs of the wrapping stand first.
        reports: Vec<Large>,
    },
    /// Something that should have been a report and was not read.
    Unreadable {
        /// Where: `FILE[!member]`.
        path: &'a str,
        /// Why.
        trouble: Trouble,
    },
}

/// Why something could not be read.
#[derive(Debug)]
pub struct Trouble {
    /// What kind of trouble.
    pub kind: TroubleKind,
    /// Place and cause, for a person; may hold text of the input.
    pub text: String,
}

/// Kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TroubleKind {
    /// It is sound, and no report.
    NoReport,
    /// It is damaged, or not JSON.
    Unreadable,
    /// It is more than the limits allow.
    OverLimit,
}

/// Reads every report in `bytes`; `name` begins every path.
///
/// Returns what the walk came to. The visitor ends it with [`ControlFlow::Break`].
pub fn read_input(
    walker: &mut Walker,
    name: &str,
    bytes: &[u8],
    limits: &Limits,
    visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
) -> containers::Summary {
    read_numbered(walker, name, bytes, limits, &mut |_, found| visit(found))
}

/// As [`read_input`], with the number under which [`walk_numbered`] comes to the same place again.
pub(super) fn read_numbered(
    walker: &mut Walker,
    name: &str,
    bytes: &[u8],
    limits: &Limits,
    visit: &mut dyn FnMut(usize, Found<'_>) -> ControlFlow<()>,
) -> containers::Summary {
    walk_numbered(walker, name, bytes, &mut |number, item| match item {
        Item::Member(member) => read_member(&member, limits, &mut |found| visit(number, found)),
        Item::Refused(refused) => visit(
            number,
            Found::Unreadable {
                path: refused.path,
                trouble: Trouble { kind: kind_of_refusal(&refused.reason), text: refused.reason.to_string() },
            },
        ),
    })
}

/// The only place where what lies in an input is numbered, from zero: each member, and each that could not be opened.
/// Paths are not unique, these numbers are; whoever walks the same bytes again finds the same under them.
pub(super) fn walk_numbered(
    walker: &mut Walker,
    name: &str,
    bytes: &[u8],
    visit: &mut dyn FnMut(usize, Item<'_>) -> ControlFlow<()>,
) -> containers::Summary {
    let mut numbers = 0..;
    walker.walk(name, bytes, &mut |item| match numbers.next() {
        Some(number) => visit(number, item),
        None => ControlFlow::Break(()),
    })
}

fn read_member(
    member: &Member<'_>,
    limits: &Limits,
    visit: &mut dyn FnMut(Found<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let (outcome, notes) = match member.as_slice() {
        Some(bytes) => (collect_slice(bytes, limits, HELD_BYTES), wrapping(member.notes())),
        None => {
            let mut reader = member.open();
            let outcome = collect(&mut reader, limits, HELD_BYTES);
            (outcome, wrapping(reader.notes()))
        }
    };
    match outcome {
        Ok(Collected::Held(reports)) => {
            for (index, mut parsed) in reports.into_iter().enumerate() {
                parsed.repairs.splice(0..0, notes.iter().cloned());
                visit(Found::Report { member, index, parsed })?;
            }
            ControlFlow::Continue(())
        }
        Ok(Collected::Large(mut reports)) => {
            for large in &mut reports {
                large.repairs.splice(0..0, notes.iter().cloned());
            }
            visit(Found::Large { member, reports })
        }
        Err(error) => visit(Found::Unreadable { path: member.path(), trouble: trouble(&error) }),
    }
}

/// What the wrapping needed, as repairs of the whole input.
fn wrapping(notes: &[Note]) -> Vec<Repair> {
    let mut repairs: Vec<Repair> = Vec::new();
    for note in notes {
        let kind = match note {
            Note::TrailerCut => RepairKind::GzipTrailerCut,
            Note::ChecksumWrong | Note::LengthWrong => RepairKind::GzipTrailerWrong,
            _ => RepairKind::Container,
        };
        let repair = Repair { path: String::new(), kind, text: note.text().to_owned() };
        if !repairs.contains(&repair) {
            repairs.push(repair);
        }
    }
    repairs
}

fn trouble(error: &ReadError) -> Trouble {
    let kind = match error {
        ReadError::Json(_) => TroubleKind::Unreadable,
        ReadError::Limit { .. } => TroubleKind::OverLimit,
        ReadError::NoReport(_) => TroubleKind::NoReport,
        ReadError::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Failure>()) {
            Some(failure) => kind_of_failure(failure),
            None if error.kind() == ErrorKind::FileTooLarge => TroubleKind::OverLimit,
            None => TroubleKind::Unreadable,
        },
    };
    Trouble { kind, text: error.to_string() }
}

fn kind_of_failure(failure: &Failure) -> TroubleKind {
    match failure {
        Failure::TooLarge { .. } | Failure::BudgetSpent => TroubleKind::OverLimit,
        Failure::Cut(_) | Failure::Corrupt(_) => TroubleKind::Unreadable,
    }
}

fn kind_of_refusal(refusal: &Refusal) -> TroubleKind {
    match refusal {
        Refusal::Empty => TroubleKind::NoReport,
        Refusal::Unreadable(failure) => kind_of_failure(failure),
        Refusal::Unrecognised | Refusal::Encrypted | Refusal::ZipMethod(_) | Refusal::ZipDamaged(_) => {
            TroubleKind::Unreadable
        }
        Refusal::TooDeep(_)
        | Refusal::TooManyMembers(_)
        | Refusal::TooManyParts(_)
        | Refusal::TooLargeToHold(_)
        | Refusal::MailTooLong(_) => TroubleKind::OverLimit,
    }
}

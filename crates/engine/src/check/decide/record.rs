//! The record at `_mta-sts`: is MTA-STS announced, and by which id?

use mta_sts::Deviates as _;
use mta_sts::record::{self, Deviation, Record};
use mta_sts::rrset::{self, Choice, NoRecord};

use super::Case;
use crate::check::advice;
use crate::check::code::{Code, Level};
use crate::check::gather::{STS_VERSION, has_record};
use crate::check::text::{list, tame, tame_bytes};
use crate::ports::DnsReply;

/// What the record says.
#[derive(Debug, Clone)]
pub(super) enum RecordState {
    /// A sender would go on to the policy.
    Usable(Record),
    /// There is one that no sender can use.
    Unusable,
    /// None where senders look, and one, or an alias for one, was meant.
    Misplaced,
    /// None.
    Absent,
    /// It could not be told.
    Unknown,
}

impl RecordState {
    /// Whether somebody set out to publish MTA-STS.
    pub(super) fn is_meant(&self) -> bool {
        matches!(self, Self::Usable(_) | Self::Unusable | Self::Misplaced)
    }
}

/// Judges the record.
pub(super) fn judge(case: &mut Case<'_>) -> RecordState {
    let seen = case.seen;
    let name = seen.domain.record_name();
    case.fact(&name, "TXT", &seen.sts);
    match &seen.sts {
        DnsReply::Failed(failure) => {
            case.findings.dns(&name, "TXT", failure);
            return RecordState::Unknown;
        }
        DnsReply::Found(answer) if !answer.aliases.is_empty() && has_record(&seen.sts, STS_VERSION) => {
            let what =
                format!("{name} is an alias for {}.", list(answer.aliases.last().map(|target| tame(target))));
            case.findings.add(Code::StsRecordDelegated, &name, &what);
        }
        DnsReply::Found(_) | DnsReply::Absent(_) => {}
    }
    match rrset::choose(&seen.sts.texts()) {
        Choice::One(parsed) => {
            for deviation in parsed.deviations() {
                deviates(case, &name, *deviation);
            }
            match parsed.into_usable() {
                Ok(record) => RecordState::Usable(record),
                Err(error) => {
                    malformed(case, &name, error);
                    RecordState::Unusable
                }
            }
        }
        Choice::None(NoRecord::Multiple { count }) => {
            let what = format!("{count} records at {name} begin with v=STSv1;.");
            let fix = advice::sts_record(&seen.domain, case.now);
            case.findings
                .add(Code::StsRecordMultiple, &name, &what)
                .fix_by(format!("Leave exactly one record that begins with v=STSv1;. {fix}"));
            RecordState::Unusable
        }
        Choice::None(NoRecord::SpacedVersionOnly) => {
            let what = format!(
                "The record at {name} begins with `v=STSv1 ;`, and other TXT records stand beside it."
            );
            let fix = advice::sts_record(&seen.domain, case.now);
            case.findings.add(Code::StsRecordSpacedVersion, &name, &what).at(Level::Error).fix_by(fix);
            RecordState::Unusable
        }
        Choice::None(NoRecord::Malformed(error)) => {
            malformed(case, &name, error);
            RecordState::Unusable
        }
        Choice::None(NoRecord::Absent) => absent(case, &name),
    }
}

fn deviates(case: &mut Case<'_>, name: &str, deviation: Deviation) {
    let code = match deviation {
        Deviation::SpaceAfterVersion => Code::StsRecordSpacedVersion,
        Deviation::SpaceAtEnd => Code::StsRecordSpaceAtEnd,
        Deviation::DuplicateField => Code::StsRecordDuplicateField,
    };
    debug_assert_eq!(deviation.is_invalid_strictly(), code.about().level == Level::Error);
    let fix = advice::sts_record(&case.seen.domain, case.now);
    case.findings.add(code, name, "").fix_by(fix);
}

fn malformed(case: &mut Case<'_>, name: &str, error: record::Error) {
    let code = match error {
        record::Error::Id => Code::StsRecordIdInvalid,
        _ => Code::StsRecordMalformed,
    };
    let texts = case.seen.sts.texts();
    let record = texts.iter().find(|text| text.starts_with(b"v=STSv1")).map(|text| tame_bytes(text));
    let what = format!("{}: {error}.", record.unwrap_or_default());
    let fix = advice::sts_record(&case.seen.domain, case.now);
    case.findings.add(code, name, &what).fix_by(fix);
}

/// No record at the right name: is one at a wrong name, or does an alias lead nowhere?
fn absent(case: &mut Case<'_>, name: &str) -> RecordState {
    let seen = case.seen;
    let fix = advice::sts_record(&seen.domain, case.now);
    if !seen.sts_elsewhere.is_empty() {
        let names: Vec<&str> = seen.sts_elsewhere.iter().map(|(name, _)| name.as_str()).collect();
        let what = format!("The record stands at {} and not at {name}.", list(&names));
        case.findings.add(Code::StsRecordAtWrongName, name, &what).fix_by(fix);
        return RecordState::Misplaced;
    }
    if let Some(target) = seen.meant_alias(&seen.sts, &seen.tlsrpt) {
        let what = format!("{name} is an alias for {}.", tame(target));
        case.findings.add(Code::StsRecordDanglingAlias, name, &what).fix_by(fix);
        return RecordState::Misplaced;
    }
    // `V=STSv1`, `v=STSV1`, quotes, a space in front: meant, and none for any sender.
    let texts = seen.sts.texts();
    let meant = texts.iter().find(|text| looks_like_record(text));
    if let Some(text) = meant {
        let what = format!("{}: {}.", tame_bytes(text), record::Error::Version);
        case.findings.add(Code::StsRecordMalformed, name, &what).fix_by(fix);
        return RecordState::Unusable;
    }
    RecordState::Absent
}

fn looks_like_record(text: &[u8]) -> bool {
    let lower = text.get(..text.len().min(32)).unwrap_or(text).to_ascii_lowercase();
    lower.windows(5).any(|window| window == b"stsv1")
}

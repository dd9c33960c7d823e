//! How values stand in columns. Codes never change: files outlive programs.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use tls_rpt::{PolicyType, ResultType, Text};
use tlsward_engine::facts::{Road, SetAsideReason, Trust};

use super::failure::Failure;

pub(crate) fn trust_code(trust: Trust) -> i64 {
    match trust {
        Trust::Failed => 0,
        Trust::Unsigned => 1,
        Trust::Https => 2,
        Trust::Unchecked => 3,
        Trust::Unaligned => 4,
        Trust::Verified => 5,
    }
}

pub(crate) fn trust(code: i64) -> Result<Trust, Failure> {
    Trust::ALL
        .into_iter()
        .find(|trust| trust_code(*trust) == code)
        .ok_or(Failure::Damaged("a report has a trust that does not exist"))
}

pub(crate) fn road_code(road: Road) -> i64 {
    match road {
        Road::Https => 0,
        Road::Smtp => 1,
        Road::Pipe => 2,
    }
}

pub(crate) fn road(code: i64) -> Result<Road, Failure> {
    [Road::Https, Road::Smtp, Road::Pipe]
        .into_iter()
        .find(|road| road_code(*road) == code)
        .ok_or(Failure::Damaged("an input came by a road that does not exist"))
}

pub(crate) fn reason_code(reason: SetAsideReason) -> i64 {
    match reason {
        SetAsideReason::Unreadable => 0,
        SetAsideReason::NoReport => 1,
        SetAsideReason::UnmanagedDomain => 2,
        SetAsideReason::OverLimit => 3,
    }
}

pub(crate) fn reason(code: i64) -> Result<SetAsideReason, Failure> {
    SetAsideReason::ALL
        .into_iter()
        .find(|reason| reason_code(*reason) == code)
        .ok_or(Failure::Damaged("an input is set aside for a reason that does not exist"))
}

/// A policy type: a small integer for a registered one, the text of any other.
pub(crate) struct PolicyColumn<'a>(pub(crate) Option<&'a PolicyType>);

fn policy_code(policy_type: &PolicyType) -> Option<i64> {
    match policy_type {
        PolicyType::Tlsa => Some(0),
        PolicyType::Sts => Some(1),
        PolicyType::NoPolicyFound => Some(2),
        PolicyType::Unknown(_) => None,
    }
}

impl ToSql for PolicyColumn<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            None => ValueRef::Null,
            Some(policy_type) => match policy_code(policy_type) {
                Some(code) => ValueRef::Integer(code),
                None => ValueRef::Text(policy_type.as_wire().as_bytes()),
            },
        }))
    }
}

pub(crate) fn policy_type(value: ValueRef<'_>) -> Result<Option<PolicyType>, Failure> {
    const DAMAGED: Failure = Failure::Damaged("a policy has a type that does not exist");
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(code) => PolicyType::REGISTERED
            .into_iter()
            .find(|known| policy_code(known) == Some(code))
            .map(Some)
            .ok_or(DAMAGED),
        ValueRef::Text(_) => Ok(Some(PolicyType::Unknown(text_of(value)?))),
        ValueRef::Real(_) | ValueRef::Blob(_) => Err(DAMAGED),
    }
}

/// A result type: its number in libtlsrpt for a registered one, the text of any other.
pub(crate) struct ResultColumn<'a>(pub(crate) Option<&'a ResultType>);

impl ToSql for ResultColumn<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            None => ValueRef::Null,
            Some(result) => match result.code() {
                Some(code) => ValueRef::Integer(i64::from(code)),
                None => ValueRef::Text(result.as_wire().as_bytes()),
            },
        }))
    }
}

pub(crate) fn result_type(value: ValueRef<'_>) -> Result<Option<ResultType>, Failure> {
    const DAMAGED: Failure = Failure::Damaged("a failure has a result type that does not exist");
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(code) => {
            u16::try_from(code).ok().and_then(ResultType::from_code).map(Some).ok_or(DAMAGED)
        }
        ValueRef::Text(_) => Ok(Some(ResultType::Unknown(text_of(value)?))),
        ValueRef::Real(_) | ValueRef::Blob(_) => Err(DAMAGED),
    }
}

/// Text of a column that must have one.
fn text_of(value: ValueRef<'_>) -> Result<Text, Failure> {
    let damaged = |_| Failure::Damaged("a column holds no text, or text that is not utf-8");
    value.as_str().map(Text::new).map_err(damaged)
}

/// Text of a column that may be null.
pub(crate) fn text(value: ValueRef<'_>) -> Result<Option<Text>, Failure> {
    match value {
        ValueRef::Null => Ok(None),
        other => text_of(other).map(Some),
    }
}

/// Bytes of a column that may be null.
pub(crate) fn bytes(value: ValueRef<'_>) -> Result<Option<&[u8]>, Failure> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(bytes) => Ok(Some(bytes)),
        _ => Err(Failure::Damaged("a column holds no bytes")),
    }
}

/// A count as SQLite holds it: what does not fit is the largest.
pub(crate) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count back from SQLite.
pub(crate) fn natural(value: i64) -> Result<u64, Failure> {
    u64::try_from(value).map_err(|_| Failure::Damaged("a count is negative"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_back_to_what_it_stands_for() {
        for value in Trust::ALL {
            assert_eq!(trust(trust_code(value)).ok(), Some(value));
        }
        for value in SetAsideReason::ALL {
            assert_eq!(reason(reason_code(value)).ok(), Some(value));
        }
        for value in [Road::Https, Road::Smtp, Road::Pipe] {
            assert_eq!(road(road_code(value)).ok(), Some(value));
        }
        for value in PolicyType::REGISTERED {
            let code = policy_code(&value).expect("registered");
            assert_eq!(policy_type(ValueRef::Integer(code)).ok(), Some(Some(value)));
        }
        for value in ResultType::REGISTERED {
            let code = i64::from(value.code().expect("registered"));
            assert_eq!(result_type(ValueRef::Integer(code)).ok(), Some(Some(value)));
        }
        assert!(trust(6).is_err() && reason(-1).is_err() && road(9).is_err());
        assert!(
            policy_type(ValueRef::Integer(3)).is_err() && result_type(ValueRef::Integer(70_000)).is_err()
        );
    }
}

//! What can go wrong in SQLite, by who must act.

use rusqlite::ErrorCode;
use tlsward_engine::ports::StoreError;

/// Why a statement, or what it brought back, was of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// SQLite said so.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row holds what this program never writes.
    #[error("{0}")]
    Damaged(&'static str),
}

impl Failure {
    /// Whether trying one submission by itself may go better than all of them together: the fault may be in one.
    pub(crate) fn is_of_one(&self) -> bool {
        matches!(
            self,
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, _))
                if matches!(error.code, ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
        ) || matches!(self, Self::Sqlite(rusqlite::Error::ToSqlConversionFailure(_)) | Self::Damaged(_))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let damaged = match &failure {
            Failure::Damaged(_) => true,
            Failure::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => {
                matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            }
            // A column of another type or text that is not UTF-8: not written here.
            Failure::Sqlite(error) => matches!(
                error,
                rusqlite::Error::FromSqlConversionFailure(..)
                    | rusqlite::Error::InvalidColumnType(..)
                    | rusqlite::Error::IntegralValueOutOfRange(..)
                    | rusqlite::Error::Utf8Error(..)
            ),
        };
        if damaged { Self::Damaged(failure.to_string()) } else { Self::Unavailable(failure.to_string()) }
    }
}

//! What the owner wants to be published for a domain.

use std::time::Duration;

use mta_sts::mx::MxPattern;
use mta_sts::policy::{BuildError, MaxAge, Mode, Policy};
use serde::{Deserialize, Serialize};

/// How far a domain has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// TLSRPT alone: reports are asked for, no policy is published.
    Reporting,
    /// A policy in mode testing.
    Testing,
    /// A policy in mode enforce.
    Enforce,
    /// A policy in mode none, until nobody can hold an older one (RFC 8461 §8.3).
    WindingDown,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 4] = [Self::Reporting, Self::Testing, Self::Enforce, Self::WindingDown];

    /// The token that is stored and shown.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Reporting => "reporting",
            Self::Testing => "testing",
            Self::Enforce => "enforce",
            Self::WindingDown => "winding-down",
        }
    }

    /// The stage with this token.
    #[must_use]
    pub fn from_wire(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_wire() == token)
    }

    /// The mode of its policy; `None`: it has none.
    #[must_use]
    pub fn mode(self) -> Option<Mode> {
        match self {
            Self::Reporting => None,
            Self::Testing => Some(Mode::Testing),
            Self::Enforce => Some(Mode::Enforce),
            Self::WindingDown => Some(Mode::None),
        }
    }

    /// The max_age of its policy where the owner names none: a day while testing, so that a change is known soon; a week
    /// under enforce; a day at the end.
    #[must_use]
    pub fn max_age(self) -> Duration {
        const DAY: Duration = Duration::from_secs(86_400);
        match self {
            Self::Reporting | Self::Testing | Self::WindingDown => DAY,
            Self::Enforce => Duration::from_secs(7 * DAY.as_secs()),
        }
    }
}

/// What the owner wants to be published for a domain, or for all domains of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// How far.
    pub stage: Stage,
    /// Hosts that take its mail, in order. Only the owner names them, never DNS.
    pub mx: Vec<MxPattern>,
    /// Where reports go: the URIs of `rua=` (RFC 8460 §3), in order.
    pub rua: Vec<String>,
    /// If not the stage's own.
    pub max_age: Option<MaxAge>,
}

/// Why a wish cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// The policy cannot be.
    #[error(transparent)]
    Policy(#[from] BuildError),
    /// The TLSRPT record cannot be.
    #[error(transparent)]
    Record(#[from] tls_rpt::record::WriteError),
}

impl Wish {
    /// The policy; `None` where the stage has none.
    ///
    /// # Errors
    /// [`WishError::Policy`]: a policy in mode testing or enforce without MX patterns, for instance.
    pub fn policy(&self) -> Result<Option<Policy>, WishError> {
        let Some(mode) = self.stage.mode() else { return Ok(None) };
        let max_age = match self.max_age {
            Some(max_age) => max_age,
            None => MaxAge::from_secs(self.stage.max_age().as_secs()).unwrap_or(MaxAge::MAX),
        };
        Ok(Some(Policy::new(mode, max_age, self.mx.clone(), Vec::new())?))
    }

    /// The text of the TLSRPT record; `None` where no reports are asked for.
    ///
    /// # Errors
    /// [`WishError::Record`].
    pub fn reporting_record(&self) -> Result<Option<String>, WishError> {
        match self.rua.is_empty() {
            true => Ok(None),
            false => Ok(Some(tls_rpt::record::write(&self.rua)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(stage: Stage) -> Wish {
        let mx = vec![MxPattern::parse("mx.example.org").unwrap()];
        Wish { stage, mx, rua: vec!["mailto:tlsrpt@example.org".to_owned()], max_age: None }
    }

    #[test]
    fn a_stage_has_its_mode_and_max_age() {
        assert_eq!(wish(Stage::Reporting).policy(), Ok(None));
        let body = |stage| wish(stage).policy().unwrap().unwrap().to_body().unwrap();
        assert_eq!(
            body(Stage::Testing),
            "version: STSv1\r\nmode: testing\r\nmx: mx.example.org\r\nmax_age: 86400\r\n"
        );
        assert_eq!(
            body(Stage::Enforce),
            "version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmax_age: 604800\r\n"
        );
        assert!(body(Stage::WindingDown).contains("mode: none\r\n"));
    }

    #[test]
    fn enforcement_without_mx_hosts_cannot_be_wished_for() {
        let without = Wish { mx: Vec::new(), ..wish(Stage::Enforce) };
        assert!(matches!(without.policy(), Err(WishError::Policy(_))));
    }

    #[test]
    fn the_reporting_record_names_every_destination() {
        let record = wish(Stage::Reporting).reporting_record().unwrap();
        assert_eq!(record.as_deref(), Some("v=TLSRPTv1; rua=mailto:tlsrpt@example.org"));
        assert_eq!(Wish { rua: Vec::new(), ..wish(Stage::Reporting) }.reporting_record(), Ok(None));
    }
}

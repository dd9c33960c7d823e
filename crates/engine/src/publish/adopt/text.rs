//! A takeover for a terminal.

use std::fmt::Write as _;

use mta_sts::policy::Mode;

use super::Takeover;
use crate::check::text::tame;
use crate::publish::Stage;
use crate::publish::dates::{moment, span};

impl Takeover {
    /// For a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("Taking over {}\n\n", self.domain);
        // Writing to a String cannot fail.
        let _ = match self.wish.stage {
            Stage::Reporting => writeln!(text, "  policy   none yet: only reports are asked for"),
            stage => writeln!(
                text,
                "  policy   mode {}, {}; kept as it is",
                stage.mode().map_or("none", Mode::as_wire),
                match self.wish.max_age {
                    Some(max_age) => format!("senders keep it for {}", span(i64::from(max_age.as_secs()))),
                    None => "for the usual time".to_owned(),
                }
            ),
        };
        for pattern in &self.wish.mx {
            let _ = writeln!(text, "  mx       {}", tame(&pattern.as_wire()));
        }
        for uri in &self.wish.rua {
            let _ = writeln!(text, "  reports  {}", tame(uri));
        }
        if self.wish.stage != Stage::Reporting {
            let _ = writeln!(
                text,
                "\nA sender may hold a policy of this domain until {}: what was served before is not known, and a year is \
                 the most there is.",
                moment(self.cached_until)
            );
        }
        if self.differences.is_empty() {
            text.push_str("\nNothing will be other than it is.\n");
            return text;
        }
        text.push_str("\nWhat will be other than it is, or should be known:\n");
        for difference in &self.differences {
            let _ = writeln!(text, "  - {}: {}", difference.subject, difference.text);
        }
        text
    }
}

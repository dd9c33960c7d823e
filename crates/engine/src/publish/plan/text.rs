//! A plan for a terminal.

use std::fmt::Write as _;

use super::{Plan, Step, StepKind, StepState};
use crate::publish::Stage;
use crate::publish::dates::moment;

impl StepKind {
    fn title(self) -> &'static str {
        match self {
            Self::Delegate => "Let our name servers answer",
            Self::AskForReports => "Ask for reports",
            Self::PolicyHost => "Name the policy host",
            Self::Policy => "Serve the policy",
            Self::Announce => "Announce the policy",
            Self::TakeAway => "Take away what is left",
        }
    }
}

fn meaning(stage: Stage) -> &'static str {
    match stage {
        Stage::Reporting => "reports are asked for, nothing is refused",
        Stage::Testing => "a policy is published, nothing is refused yet",
        Stage::Enforce => "senders deliver over verified encrypted connections alone",
        Stage::WindingDown => "the policy is on its way out",
    }
}

impl Plan {
    /// For a terminal: times in UTC.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}: {} ({})", self.domain, self.stage.as_wire(), meaning(self.stage));
        if let Some(held) = &self.held {
            let _ = writeln!(text, "\n{held}");
        }
        if self.steps.is_empty() {
            text.push_str("\nNothing is to be published.\n");
        }
        for (index, step) in self.steps.iter().enumerate() {
            step.write(&mut text, index + 1);
        }
        if let Some(waiting) = &self.waiting {
            let _ = write!(text, "\nWaiting {}; since {}", waiting.text, moment(waiting.since));
            if let Some(until) = waiting.until {
                let _ = write!(text, ", until {}", moment(until));
            }
            text.push_str(".\n");
        }
        if !self.next.is_empty() {
            text.push_str("\nWhat comes next:\n");
        }
        for next in &self.next {
            let _ = match next.not_before {
                Some(at) => writeln!(text, "  - not before {}: {}", moment(at), next.text),
                None => writeln!(text, "  - {}", next.text),
            };
        }
        if let Some(until) = self.cached_until.filter(|until| *until > self.at) {
            let _ = writeln!(
                text,
                "\nA sender may hold a policy of this domain until {}: until then nothing of it may just vanish.",
                moment(until)
            );
        }
        text
    }
}

impl Step {
    fn write(&self, text: &mut String, number: usize) {
        let state = match (self.state, self.by_hand) {
            (StepState::Done, _) => "done",
            (StepState::Now, true) => "you, now",
            (StepState::Now, false) => "done for you, now",
            (StepState::Later, true) => "you, later",
            (StepState::Later, false) => "done for you, later",
        };
        let _ = writeln!(text, "\n{number}. {} [{state}]\n   {}", self.kind.title(), self.text);
        if !self.records.is_empty() {
            text.push('\n');
        }
        for record in &self.records {
            let _ = writeln!(text, "   {}", record.line);
        }
        if let Some(file) = &self.file {
            let _ = writeln!(text, "\n   {} (as {}):\n", file.url, file.content_type);
            for line in file.body.lines() {
                let _ = writeln!(text, "   {line}");
            }
        }
        if let Some(note) = &self.note {
            let _ = writeln!(text, "\n   Seen last: {note}.");
        }
    }
}

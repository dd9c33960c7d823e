//! One step of the run after another, each shown with its name and how long it took.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::tally::Tally;

/// The run so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    tests: Tally,
    spent: Duration,
}

impl Steps {
    /// Runs a step that has no tests to count.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        self.count(name, || step().map(|()| Tally::default()))
    }

    /// Runs a step and counts its tests; failed tests fail the step.
    pub(crate) fn count(&mut self, name: &str, step: impl FnOnce() -> Result<Tally>) -> Result<()> {
        println!("\n==> {name}");
        // The children write to the same terminal: what is ours has to be out before theirs.
        let _ = std::io::stdout().flush();
        let (done, took) = timed(step);
        self.spent += took;
        let tests = done.with_context(|| format!("{name} failed after {}", shown(took)))?;
        println!("<== {name}: {}", shown(took));
        self.tests += tests;
        if tests.failed > 0 {
            bail!("{name}: {} of {} tests failed", tests.failed, tests.passed + tests.failed);
        }
        Ok(())
    }

    /// The closing lines: time in all, and the count of tests. A step that failed for another reason than
    /// a test counts as one failure.
    pub(crate) fn summary(&self, succeeded: bool) -> String {
        let failed = if succeeded { self.tests.failed } else { self.tests.failed.max(1) };
        format!("in all: {}\n{} passed, {failed} failed", shown(self.spent), self.tests.passed)
    }
}

#[expect(clippy::disallowed_methods, reason = "a chore may say how long it took")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 {
        format!("{} min {} s", seconds / 60, seconds % 60)
    } else {
        format!("{}.{} s", seconds, duration.subsec_millis() / 100)
    }
}

/// Runs a command to its end; anything but success is an error that shows the command.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} does not start", line(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// A command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_failed_tests_fail_their_step() {
        let mut steps = Steps::default();
        steps.count("a", || Ok(Tally { passed: 3, failed: 0 })).expect("nothing failed");
        let error = steps.count("b", || Ok(Tally { passed: 1, failed: 2 })).expect_err("two failed");
        assert_eq!(error.to_string(), "b: 2 of 3 tests failed");
        assert!(steps.summary(false).ends_with("\n4 passed, 2 failed"), "{}", steps.summary(false));
    }

    #[test]
    fn a_step_that_fails_without_tests_counts_as_a_failure() {
        let mut steps = Steps::default();
        let error = steps.run("lints", || bail!("a warning")).expect_err("it failed");
        assert!(format!("{error:#}").starts_with("lints failed after"), "{error:#}");
        assert!(steps.summary(false).ends_with("\n0 passed, 1 failed"));
    }

    #[test]
    fn a_command_that_fails_is_shown() {
        let error = succeed(Command::new("false").arg("-x")).expect_err("false fails");
        assert!(error.to_string().starts_with("`false -x` ended with"), "{error}");
    }
}

//! How many tests passed and failed, read from what the test runner prints.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::ops::AddAssign;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail};

use super::step::line;

/// Tests that ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Whose closing lines are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// One `Summary` line, on standard error.
    Nextest,
    /// A `test result:` line for each binary, on standard output.
    Libtest,
}

/// Runs a test command, passes on what it prints, and counts. A command that fails without a failed test,
/// for example because it did not build, is an error.
pub(crate) fn run(command: &mut Command, runner: Runner) -> Result<Tally> {
    count(command, runner, &mut std::io::stdout(), &mut std::io::stderr())
}

fn count(
    command: &mut Command,
    runner: Runner,
    to_out: &mut (impl Write + Send),
    to_err: &mut (impl Write + Send),
) -> Result<Tally> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} does not start", line(command)))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let tally = thread::scope(|scope| {
        let out = scope.spawn(|| pass_on(out, to_out, runner));
        let err = scope.spawn(|| pass_on(err, to_err, runner));
        let mut tally = out.join().unwrap_or_default();
        tally += err.join().unwrap_or_default();
        tally
    });
    let status = child.wait().with_context(|| format!("{} does not end", line(command)))?;
    if !status.success() && tally.failed == 0 {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(tally)
}

fn pass_on(from: Option<impl Read>, to: &mut impl Write, runner: Runner) -> Tally {
    let mut tally = Tally::default();
    let Some(from) = from else { return tally };
    for line in BufReader::new(from).split(b'\n') {
        // A reader that is gone ends the run by its status; nothing is to be said about it here.
        let Ok(mut bytes) = line else { break };
        if let Some(found) = closing(&String::from_utf8_lossy(&bytes), runner) {
            tally += found;
        }
        bytes.push(b'\n');
        let _ = to.write_all(&bytes);
    }
    tally
}

/// The count in a closing line, if this is one.
fn closing(line: &str, runner: Runner) -> Option<Tally> {
    let counts = match runner {
        Runner::Nextest => {
            let summary = line.trim_start().strip_prefix("Summary [")?;
            summary.split_once(" run: ")?.1
        }
        Runner::Libtest => line.strip_prefix("test result: ")?.split_once(". ")?.1,
    };
    let mut tally = Tally::default();
    for part in counts.split([',', ';']) {
        // `12 passed (3 slow)`: what is in brackets is part of the count before it.
        let part = part.split('(').next().unwrap_or_default().trim();
        let Some((number, what)) = part.split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match what.trim() {
            "passed" => tally.passed += number,
            "failed" | "timed out" | "exec failed" => tally.failed += number,
            _ => {}
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_are_counted() {
        let cases = [
            (Runner::Nextest, "     Summary [   0.015s] 3 tests run: 3 passed, 0 skipped", Some((3, 0))),
            (
                Runner::Nextest,
                "     Summary [  61.0s] 1 test run: 1 passed (1 slow), 4 skipped",
                Some((1, 0)),
            ),
            (
                Runner::Nextest,
                "     Summary [   1s] 9/12 tests run: 6 passed, 2 failed, 1 timed out, 0 skipped",
                Some((6, 3)),
            ),
            (Runner::Nextest, "test result: FAILED. 0 passed; 1 failed; 0 ignored", None),
            (
                Runner::Libtest,
                "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s",
                Some((5, 0)),
            ),
            (Runner::Libtest, "test result: FAILED. 4 passed; 1 failed; 0 ignored", Some((4, 1))),
            (Runner::Libtest, "running 5 tests", None),
        ];
        for (runner, line, expected) in cases {
            let expected = expected.map(|(passed, failed)| Tally { passed, failed });
            assert_eq!(closing(line, runner), expected, "{line}");
        }
    }

    #[test]
    fn a_command_that_fails_without_a_failed_test_is_an_error() {
        let counted = |script: &str| {
            let mut shown = Vec::new();
            let tally =
                count(Command::new("sh").args(["-c", script]), Runner::Libtest, &mut shown, &mut Vec::new());
            tally.map(|tally| (tally, String::from_utf8_lossy(&shown).into_owned()))
        };
        let error = counted("exit 3").expect_err("it failed");
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        let line = "test result: FAILED. 1 passed; 2 failed; 0 ignored";
        let (tally, shown) = counted(&format!("echo '{line}'; exit 101")).expect("the tests say why");
        assert_eq!(tally, Tally { passed: 1, failed: 2 });
        assert_eq!(shown, format!("{line}\n"));
    }
}

//! A bar on standard error while much is done: only on a terminal, and only when there is much.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Below this the work is over before a bar could be read.
const MUCH_BYTES: u64 = 16 << 20;
const MANY_FILES: usize = 500;

/// Shows how far the work is.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// For so many inputs of so many bytes together; it advances by bytes. `wanted`: standard error is a terminal.
    pub(crate) fn of_bytes(inputs: usize, bytes: u64, wanted: bool) -> Self {
        let is_much = bytes >= MUCH_BYTES || inputs >= MANY_FILES;
        Self::new(wanted && is_much, Some(bytes.max(1)), "{bar:30} {bytes} of {total_bytes}")
    }

    /// For so many domains, or (`None`) for as many as a list will turn out to have.
    pub(crate) fn of_domains(total: Option<usize>, wanted: bool) -> Self {
        let is_much = total.is_none_or(|total| total > 1);
        let template =
            if total.is_some() { "{bar:30} {pos} of {len} domains" } else { "{spinner} {pos} domains" };
        Self::new(wanted && is_much, total.map(|total| total as u64), template)
    }

    fn new(shown: bool, total: Option<u64>, template: &str) -> Self {
        if !shown {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// So much more is done.
    pub(crate) fn advance(&self, by: u64) {
        self.bar.inc(by);
    }

    /// Does something that writes to the terminal, with the bar out of the way.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

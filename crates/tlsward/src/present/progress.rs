//! A bar on standard error while much is done: only on a terminal, and only when there is much.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Below this the work is over before a bar could be read.
const MUCH_BYTES: u64 = 16 << 20;
const MANY_FILES: usize = 500;

/// Shows how far the reading is.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// For so many inputs of so many bytes together. `wanted`: standard error is a terminal.
    pub(crate) fn new(inputs: usize, bytes: u64, wanted: bool) -> Self {
        if !wanted || (bytes < MUCH_BYTES && inputs < MANY_FILES) {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::with_draw_target(Some(bytes.max(1)), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// So many bytes more are done.
    pub(crate) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
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

/// Shows how many things are done.
#[derive(Debug)]
pub(crate) struct Counter {
    bar: ProgressBar,
}

impl Counter {
    /// For so many things, or for as many as there will be. `wanted`: standard error is a terminal.
    pub(crate) fn new(total: Option<usize>, wanted: bool) -> Self {
        if !wanted || total.is_some_and(|total| total < 2) {
            return Self { bar: ProgressBar::hidden() };
        }
        let template =
            if total.is_some() { "{bar:30} {pos} of {len} domains" } else { "{spinner} {pos} domains" };
        let total = total.map(|total| total as u64);
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// One more is done.
    pub(crate) fn advance(&self) {
        self.bar.inc(1);
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

//! Plots as numbers: where each bar of an SVG drawing stands. The templates only write them down.
//!
//! Two panels share one axis of days. The upper one has all sessions, the lower one only the failed ones on a scale
//! of its own, so that 3 failures beside 5,000 sessions are seen; in the upper one they would not be.

use tls_rpt::count::Bounds;
use tlsward_engine::ports::{DayLine, DayRange};

use super::numbers::{Count, grouped};
use crate::times;

const WIDTH: f64 = 920.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 26.0;
const UPPER: f64 = 170.0;
const GAP: f64 = 52.0;
const LOWER: f64 = 84.0;
const BOTTOM: f64 = 30.0;
/// A failure is never drawn lower than this.
const VISIBLE: f64 = 3.0;
/// Days of a plot at most; more are drawn as the last ones.
const MOST_DAYS: i64 = 400;

/// A drawing of sessions by day.
pub(super) struct Plot {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) left: f64,
    pub(super) right: f64,
    /// Where the captions of the panels stand.
    pub(super) upper_caption_y: f64,
    pub(super) lower_caption_y: f64,
    pub(super) upper_ticks: Vec<Tick>,
    pub(super) lower_ticks: Vec<Tick>,
    pub(super) upper_base: f64,
    pub(super) lower_base: f64,
    pub(super) days: Vec<DayBar>,
    pub(super) labels: Vec<Label>,
    pub(super) label_y: f64,
    /// False if no session failed at all.
    pub(super) has_failures: bool,
    /// One sentence that says what is seen.
    pub(super) summary: String,
}

/// A line of a scale.
pub(super) struct Tick {
    pub(super) y: f64,
    pub(super) label: String,
}

/// A day's name under the axis.
pub(super) struct Label {
    pub(super) x: f64,
    pub(super) text: String,
}

/// One day.
pub(super) struct DayBar {
    pub(super) title: String,
    pub(super) x: f64,
    pub(super) width: f64,
    pub(super) successful: Count,
    pub(super) failed: Count,
    pub(super) ok_y: f64,
    pub(super) ok_height: f64,
    /// In the upper panel, on top of the others.
    pub(super) failed_y: f64,
    pub(super) failed_height: f64,
    /// In the lower panel: what is certain, and what may come to it.
    pub(super) certain_y: f64,
    pub(super) certain_height: f64,
    pub(super) possible_y: f64,
    pub(super) possible_height: f64,
}

impl Plot {
    /// Draws the days of a range. Days without a report stay empty.
    pub(super) fn new(days: &[DayLine], range: DayRange) -> Self {
        let first = range.first.max(range.last.saturating_sub(MOST_DAYS - 1));
        #[expect(clippy::cast_precision_loss, reason = "a few hundred days")]
        let slot = (WIDTH - LEFT - RIGHT) / ((range.last - first + 1).max(1) as f64);
        let bar = (slot * 0.7).min(34.0);
        let days: Vec<&DayLine> = days.iter().filter(|day| (first..=range.last).contains(&day.day)).collect();
        let most =
            days.iter().map(|day| day.successful.high.saturating_add(day.failed.high)).max().unwrap_or(0);
        let most_failed = days.iter().map(|day| day.failed.high).max().unwrap_or(0);
        let (upper, lower) = (Scale::new(most, 4), Scale::new(most_failed, 2));
        let upper_base = TOP + UPPER;
        let lower_base = upper_base + GAP + LOWER;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred days")]
        let middle = |day: i64| LEFT + slot * ((day - first) as f64 + 0.5);
        let bars = days.iter().map(|day| {
            let ok_height = upper.height(day.successful.high, UPPER);
            let failed_height = visible(upper.height(day.failed.high, UPPER), day.failed.high);
            let ok_y = upper_base - ok_height;
            // A made-visible failure may stand a little over its true place, but never over the top of the panel.
            let failed_y = (ok_y - failed_height).max(TOP);
            let certain_height = visible(lower.height(day.failed.low, LOWER), day.failed.low);
            let whole_height = visible(lower.height(day.failed.high, LOWER), day.failed.high);
            DayBar {
                title: format!(
                    "{}: {} successful, {} failed",
                    times::date(day.day),
                    Count(day.successful),
                    Count(day.failed)
                ),
                x: middle(day.day) - bar / 2.0,
                width: bar,
                successful: Count(day.successful),
                failed: Count(day.failed),
                ok_y,
                ok_height,
                failed_y,
                failed_height,
                certain_y: lower_base - certain_height,
                certain_height,
                possible_y: lower_base - whole_height,
                possible_height: whole_height - certain_height,
            }
        });
        Self {
            width: WIDTH,
            height: lower_base + BOTTOM,
            left: LEFT,
            right: WIDTH - RIGHT,
            upper_caption_y: TOP - 12.0,
            lower_caption_y: upper_base + GAP - 12.0,
            upper_ticks: upper.ticks(upper_base, UPPER),
            lower_ticks: lower.ticks(lower_base, LOWER),
            upper_base,
            lower_base,
            days: bars.collect(),
            labels: labels(first, range.last, middle),
            label_y: lower_base + 20.0,
            has_failures: most_failed > 0,
            summary: summary(&days, range),
        }
    }
}

fn visible(height: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { height.max(VISIBLE) }
}

fn labels(first: i64, last: i64, middle: impl Fn(i64) -> f64) -> Vec<Label> {
    let step = match last - first + 1 {
        ..=10 => 1,
        11..=45 => 7,
        46..=120 => 14,
        _ => 61,
    };
    let mut days: Vec<i64> = (0..).map(|index| last - index * step).take_while(|day| *day >= first).collect();
    days.reverse();
    days.into_iter().map(|day| Label { x: middle(day), text: times::short_date(day) }).collect()
}

fn summary(days: &[&DayLine], range: DayRange) -> String {
    let failing = days.iter().filter(|day| day.failed.high > 0).count();
    let worst = days.iter().max_by_key(|day| day.failed.high).filter(|day| day.failed.high > 0);
    let mut text = format!(
        "Sessions by day from {} to {}. {} of the days have reports.",
        times::date(range.first),
        times::date(range.last),
        days.len()
    );
    match worst {
        None => text.push_str(" No session failed."),
        Some(day) => text.push_str(&format!(
            " On {failing} of them sessions failed, most on {}: {}.",
            times::date(day.day),
            Count(day.failed)
        )),
    }
    text
}

/// A scale from nothing to a round number.
struct Scale {
    step: u64,
    steps: u64,
}

impl Scale {
    /// At most about `ticks` steps of 1, 2 or 5 times a power of ten, the last of them not below `most`.
    fn new(most: u64, ticks: u64) -> Self {
        let wanted = most.div_ceil(ticks).max(1);
        let mut power = 1_u64;
        let step = loop {
            let found = [1, 2, 5].into_iter().find_map(|digit| {
                let step = power.saturating_mul(digit);
                (step >= wanted).then_some(step)
            });
            match found {
                Some(step) => break step,
                None => power = power.saturating_mul(10),
            }
        };
        Self { step, steps: most.div_ceil(step).max(1) }
    }

    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    fn height(&self, count: u64, panel: f64) -> f64 {
        count as f64 / (self.step as f64 * self.steps as f64) * panel
    }

    fn ticks(&self, base: f64, panel: f64) -> Vec<Tick> {
        (0..=self.steps)
            .map(|index| {
                let count = self.step.saturating_mul(index);
                Tick { y: base - self.height(count, panel), label: grouped(count) }
            })
            .collect()
    }
}

/// A small bar in a table: how many sessions beside the most of the table, and how many of them failed.
pub(super) struct Bar {
    pub(super) ok_width: f64,
    pub(super) failed_x: f64,
    pub(super) failed_width: f64,
}

/// The width of a small bar, in pixels.
const BAR: f64 = 96.0;

impl Bar {
    pub(super) fn new(successful: u64, failed: u64, most: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "pixels")]
        let width = |count: u64| if most == 0 { 0.0 } else { count as f64 / most as f64 * BAR };
        let failed_width = visible(width(failed), failed).min(BAR);
        let ok_width = width(successful).min(BAR - failed_width);
        Self { ok_width, failed_x: ok_width, failed_width }
    }
}

/// The sum of days, for tables.
pub(super) fn sums(days: &[DayLine]) -> (Bounds, Bounds) {
    days.iter().fold((Bounds::default(), Bounds::default()), |(successful, failed), day| {
        (successful.plus(day.successful), failed.plus(day.failed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64, successful: u64, low: u64, high: u64) -> DayLine {
        DayLine { day, successful: Bounds::exactly(successful), failed: Bounds { low, high }, reports: 1 }
    }

    #[test]
    fn scales_end_at_a_round_number_not_below_the_most() {
        let rows = [(0, 1), (1, 1), (3, 3), (7, 8), (10, 10), (99, 100), (4997, 6000), (5000, 6000)];
        for (most, end) in rows {
            let scale = Scale::new(most, 4);
            assert!(scale.step * scale.steps >= most);
            assert!(scale.steps <= 5, "{most}");
            assert_eq!(scale.step * scale.steps, end, "{most}");
        }
        let huge = Scale::new(u64::MAX, 4);
        assert!(huge.height(u64::MAX, 100.0).is_finite());
    }

    #[test]
    fn few_failures_beside_many_sessions_are_seen() {
        let plot = Plot::new(&[day(10, 5000, 3, 3), day(11, 5000, 0, 0)], DayRange { first: 1, last: 12 });
        assert!(plot.days[0].failed_height >= VISIBLE);
        // In the panel of its own the worst day is tall.
        assert!(plot.days[0].certain_height > LOWER / 2.0);
        assert!(plot.days[1].failed_height == 0.0 && plot.days[1].certain_height == 0.0);
        assert!(plot.summary.contains("On 1 of them sessions failed"));
    }

    #[test]
    fn every_bar_stays_inside_its_panel_even_for_absurd_numbers() {
        let days = [
            day(1, u64::MAX, u64::MAX, u64::MAX),
            day(2, 0, 0, u64::MAX),
            day(3, 1, 1, 1),
            day(-5, 1, 1, 1),
            day(400, 1, 1, 1),
        ];
        let plot = Plot::new(&days, DayRange { first: 1, last: 3 });
        assert_eq!(plot.days.len(), 3);
        for bar in &plot.days {
            for y in [bar.ok_y, bar.failed_y, bar.certain_y, bar.possible_y] {
                assert!(y.is_finite() && (0.0..=plot.lower_base).contains(&y), "{y}");
            }
            assert!(bar.x >= LEFT - 0.01 && bar.x + bar.width <= WIDTH);
            assert!(bar.possible_height >= -0.01);
        }
    }

    #[test]
    fn a_range_of_one_day_and_an_empty_range_can_be_drawn() {
        let one = Plot::new(&[day(5, 1, 0, 0)], DayRange { first: 5, last: 5 });
        assert_eq!(one.labels.len(), 1);
        let none = Plot::new(&[], DayRange { first: 5, last: 4 });
        assert!(none.days.is_empty());
    }
}

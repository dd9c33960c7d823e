//! What the benchmarks share: how a figure is taken, and the reports that are read.
//!
//! A figure is the median over rounds in which the contenders take turns, so that the machine's drift meets all of
//! them alike; a ratio is the median of the rounds' own ratios.

pub mod process;
pub mod reports;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One contender: a name, and a closure that does its work once.
pub struct Contender<'a> {
    /// Shown in the table.
    pub name: &'a str,
    /// One unit of work; its value is kept from being optimised away.
    pub work: Box<dyn FnMut() -> usize + 'a>,
}

/// What a contender reached.
pub struct Figure {
    /// The contender's name.
    pub name: String,
    /// Units of work a second: the median over the rounds.
    pub per_second: f64,
    /// The median over the rounds of its rate against the first contender's in the same round.
    pub against_first: f64,
}

/// The clock.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Unix seconds: a world must have the time of the program that looks at it.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub fn unix_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Lets the contenders take turns for `rounds` rounds of about `slice` each.
pub fn race(contenders: &mut [Contender<'_>], rounds: usize, slice: Duration) -> Vec<Figure> {
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    for round in 0..=rounds {
        for (index, contender) in contenders.iter_mut().enumerate() {
            let began = now();
            let mut done = 0u32;
            while began.elapsed() < slice {
                for _ in 0..16 {
                    std::hint::black_box((contender.work)());
                }
                done += 16;
            }
            // The first round warms up.
            if round > 0 {
                rates[index].push(f64::from(done) / began.elapsed().as_secs_f64());
            }
        }
    }
    let first = rates[0].clone();
    contenders
        .iter()
        .zip(&rates)
        .map(|(contender, rates)| Figure {
            name: contender.name.to_owned(),
            per_second: median(rates.clone()),
            against_first: median(rates.iter().zip(&first).map(|(own, first)| own / first).collect()),
        })
        .collect()
}

/// The middle value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the figures, with megabytes a second where the size of a unit is known.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
pub fn print(title: &str, unit_bytes: Option<usize>, figures: &[Figure]) {
    println!("{title}");
    for figure in figures {
        let volume = unit_bytes
            .map(|bytes| format!("{:8.0} MB/s", figure.per_second * bytes as f64 / 1e6))
            .unwrap_or_default();
        println!(
            "  {:<34} {:>12.0}/s {volume}   x{:.2} of {}",
            figure.name, figure.per_second, figure.against_first, figures[0].name
        );
    }
}

//! Keeps under the limits of an authority: orders of an account, certificates of a registered domain, failures of a name.
//!
//! Each limit is so many in any window of its length, which is stricter than the token bucket that Let's Encrypt has. What
//! was counted is kept in the store, so that a restart forgets nothing. A renewal that names what it replaces (RFC 9773
//! §5) counts for none of them, as Let's Encrypt has it.

use std::collections::{BTreeMap, VecDeque};

use crate::facts::UnixTime;
use crate::ports::certificates::{Counted, CountedEvent};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// So many within so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; 0 is none at all.
    pub count: u32,
    /// In seconds.
    pub seconds: i64,
}

/// The limits of an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Orders of our account.
    pub orders: Rate,
    /// Certificates of a registered domain.
    pub of_registered_domain: Rate,
    /// Certificates of one name.
    pub of_name: Rate,
    /// Failed validations of one name.
    pub failures: Rate,
}

impl Default for Limits {
    /// Let's Encrypt's, as of 2026.
    fn default() -> Self {
        Self {
            orders: Rate { count: 300, seconds: 3 * HOUR },
            of_registered_domain: Rate { count: 50, seconds: 7 * DAY },
            of_name: Rate { count: 5, seconds: 7 * DAY },
            failures: Rate { count: 5, seconds: HOUR },
        }
    }
}

impl Limits {
    /// For how long anything is to be remembered, in seconds.
    #[must_use]
    pub fn memory(&self) -> i64 {
        let Self { orders, of_registered_domain, of_name, failures } = self;
        [orders, of_registered_domain, of_name, failures].iter().map(|rate| rate.seconds).max().unwrap_or(0)
    }
}

/// Whether an order may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Now.
    Now,
    /// This name not before then; others may.
    NameAt(UnixTime),
    /// No name at all before then.
    AccountAt(UnixTime),
}

/// What has been counted of one authority.
#[derive(Debug, Clone)]
pub struct Pace {
    limits: Limits,
    orders: VecDeque<UnixTime>,
    /// By registered domain.
    domains: BTreeMap<String, VecDeque<UnixTime>>,
    names: BTreeMap<String, VecDeque<UnixTime>>,
    failures: BTreeMap<String, VecDeque<UnixTime>>,
}

impl Pace {
    /// Nothing counted.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            orders: VecDeque::new(),
            domains: BTreeMap::new(),
            names: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }

    /// Counts, in the order of time.
    pub fn count(&mut self, event: &CountedEvent) {
        let CountedEvent { name, what, at, .. } = event;
        match what {
            Counted::Order => self.orders.push_back(*at),
            Counted::Issued => {
                self.domains.entry(registered_domain(name)).or_default().push_back(*at);
                self.names.entry(name.clone()).or_default().push_back(*at);
            }
            Counted::FailedValidation => self.failures.entry(name.clone()).or_default().push_back(*at),
        }
    }

    /// Whether an order for the name may be made now. `is_exempt`: it replaces a certificate under renewal information.
    pub fn leave(&mut self, name: &str, is_exempt: bool, now: UnixTime) -> Leave {
        // RFC 8555 has no word on it; Let's Encrypt counts failures of renewals too.
        let mut at = free_at(self.failures.get_mut(name), self.limits.failures, now);
        if !is_exempt {
            let domain = registered_domain(name);
            at = at.max(free_at(self.domains.get_mut(&domain), self.limits.of_registered_domain, now));
            at = at.max(free_at(self.names.get_mut(name), self.limits.of_name, now));
        }
        if at > now {
            return Leave::NameAt(at);
        }
        match free_at(Some(&mut self.orders), self.limits.orders, now) {
            at if at > now && !is_exempt => Leave::AccountAt(at),
            _ => Leave::Now,
        }
    }

    /// Forgets what no limit looks at any more.
    pub fn tidy(&mut self, now: UnixTime) {
        let Limits { orders, of_registered_domain, of_name, failures } = self.limits;
        forget(&mut self.orders, orders, now);
        for (map, rate) in [
            (&mut self.domains, of_registered_domain),
            (&mut self.names, of_name),
            (&mut self.failures, failures),
        ] {
            map.retain(|_, times| {
                forget(times, rate, now);
                !times.is_empty()
            });
        }
    }
}

fn forget(times: &mut VecDeque<UnixTime>, rate: Rate, now: UnixTime) {
    while times.front().is_some_and(|at| at.saturating_add(rate.seconds) <= now) {
        times.pop_front();
    }
}

/// When one more is within the rate.
fn free_at(times: Option<&mut VecDeque<UnixTime>>, rate: Rate, now: UnixTime) -> UnixTime {
    let count = usize::try_from(rate.count).unwrap_or(usize::MAX);
    if count == 0 {
        return now.saturating_add(rate.seconds.max(1));
    }
    let Some(times) = times else { return now };
    forget(times, rate, now);
    match times.len().checked_sub(count) {
        Some(surplus) => times.get(surplus).map_or(now, |at| at.saturating_add(rate.seconds)),
        None => now,
    }
}

/// The domain under a public suffix that a name belongs to; the name itself where it is one.
#[must_use]
pub fn registered_domain(name: &str) -> String {
    psl::domain_str(name).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, what: Counted, at: UnixTime) -> CountedEvent {
        CountedEvent { directory: String::new(), name: name.to_owned(), what, at }
    }

    #[test]
    fn registered_domains_are_those_below_public_suffixes() {
        assert_eq!(registered_domain("mta-sts.a.example.co.uk"), "example.co.uk");
        assert_eq!(registered_domain("mta-sts.example.org"), "example.org");
        assert_eq!(registered_domain("co.uk"), "co.uk");
    }

    /// Proves: K7
    #[test]
    fn a_hundred_thousand_names_are_ordered_as_fast_as_the_limit_allows_and_no_faster() {
        let mut pace = Pace::new(Limits::default());
        let mut now = 0;
        let mut times = Vec::new();
        while times.len() < 100_000 {
            let name = format!("mta-sts.{}.test", times.len());
            match pace.leave(&name, false, now) {
                Leave::Now => {
                    pace.count(&event(&name, Counted::Order, now));
                    pace.count(&event(&name, Counted::Issued, now));
                    times.push(now);
                }
                Leave::AccountAt(at) => {
                    assert!(at > now);
                    now = at;
                    pace.tidy(now);
                }
                Leave::NameAt(_) => panic!("each has its own registered domain"),
            }
        }
        assert!(times.windows(301).all(|window| window[300] - window[0] >= 3 * HOUR));
        assert!(now <= 100_000 / 300 * 3 * HOUR, "{} days", now / DAY);
        assert!(pace.orders.len() <= 300 && pace.names.len() < 20_000);
    }

    #[test]
    fn a_registered_domain_and_a_name_wait_while_others_go_on() {
        let mut pace = Pace::new(Limits::default());
        for n in 0..50 {
            pace.count(&event(&format!("mta-sts.{n}.example.org"), Counted::Issued, n));
        }
        assert_eq!(pace.leave("mta-sts.x.example.org", false, 100), Leave::NameAt(7 * DAY));
        assert_eq!(pace.leave("mta-sts.x.example.net", false, 100), Leave::Now);
        assert_eq!(
            pace.leave("mta-sts.1.example.org", true, 100),
            Leave::Now,
            "a renewal that replaces is exempt"
        );
        assert_eq!(pace.leave("mta-sts.x.example.org", false, 7 * DAY), Leave::Now);
        for at in 0..5 {
            pace.count(&event("mta-sts.example.net", Counted::FailedValidation, 200 + at));
        }
        assert_eq!(pace.leave("mta-sts.example.net", true, 300), Leave::NameAt(200 + HOUR));
    }

    #[test]
    fn a_limit_of_zero_lets_nothing_through() {
        let none = Rate { count: 0, seconds: HOUR };
        let mut pace = Pace::new(Limits { orders: none, ..Limits::default() });
        assert_eq!(pace.leave("a.test", false, 5), Leave::AccountAt(5 + HOUR));
    }
}

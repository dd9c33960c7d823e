//! Ids of policies: made of the time, each later than all before it.
//!
//! RFC 8461 §3.1 wants 1 to 32 letters and digits and gives them no order; that ours have one lets a restored backup, or a
//! clock that was set back, give none for the second time.

use mta_sts::record::PolicyId;

use crate::facts::UnixTime;

/// The id that says this time: `20261124T162300Z`. `None` outside the years 1970 to 9999.
#[must_use]
pub fn of_time(at: UnixTime) -> Option<PolicyId> {
    let at = jiff::Timestamp::from_second(at).ok().filter(|at| at.as_second() >= 0)?;
    PolicyId::parse(&at.to_string().replace(['-', ':'], "")).ok()
}

/// The time that an id says, if it is one of ours by its form.
#[must_use]
pub fn time_of(id: &PolicyId) -> Option<UnixTime> {
    let text = id.as_wire();
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    let (hour, minute, second) = (time.get(..2)?, time.get(2..4)?, time.get(4..)?);
    let at: jiff::Timestamp = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()?;
    // One spelling for each time.
    (of_time(at.as_second())?.as_wire() == text).then_some(at.as_second())
}

/// The next id at `now`, later than `clock`, and none of `taken`; with the time it is made of.
#[must_use]
pub fn next(now: UnixTime, clock: UnixTime, taken: &[PolicyId]) -> Option<(PolicyId, UnixTime)> {
    let mut at = now.max(clock.saturating_add(1));
    loop {
        let id = of_time(at)?;
        if !taken.contains(&id) {
            return Some((id, at));
        }
        at = at.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_time_and_reads_back() {
        let id = of_time(1_795_537_380).unwrap();
        assert_eq!(id.as_wire(), "20261124T162300Z");
        assert_eq!(time_of(&id), Some(1_795_537_380));
        for foreign in
            ["1", "abc", "20261124T162300", "20261399T162300Z", "20261124T162360Z", "20261124t162300z"]
        {
            assert_eq!(time_of(&PolicyId::parse(foreign).unwrap()), None, "{foreign}");
        }
    }

    #[test]
    fn ids_rise_also_where_the_clock_does_not_and_pass_over_what_is_taken() {
        let (first, at) = next(1_000, 0, &[]).unwrap();
        assert_eq!(at, 1_000);
        let (second, at) = next(10, at, &[]).unwrap();
        assert_eq!(at, 1_001);
        assert!(second > first);
        assert_eq!(next(10, at, &[of_time(1_002).unwrap()]).unwrap().1, 1_003);
        assert_eq!(next(i64::MAX, 0, &[]), None);
    }
}

//! Where a stretch may end.

use super::*;

fn testing(at: i64) -> Told {
    datagram(at, sts("testing", &[MX]))
}

fn its_line(at: i64) -> Told {
    line(at, MX, None, None)
}

#[test]
fn a_stretch_ends_where_every_session_has_its_line() {
    let told = [testing(NOW), its_line(NOW + 1), testing(NOW + 2), its_line(NOW + 3), testing(NOW + 4)];
    assert_eq!(ripe(&told, NOW + 5, true), 0, "too young");
    assert_eq!(ripe(&told, NOW + 7, true), 2);
    assert_eq!(ripe(&told, NOW + 60, true), 4);
    assert_eq!(ripe(&told, NOW + 119, true), 4);
    assert_eq!(ripe(&told[4..], NOW + 120, true), 0, "its line may still come");
    assert_eq!(ripe(&told[4..], NOW + 124, true), 1, "it does not");
    assert_eq!(ripe(&[], NOW, true), 0);
}

#[test]
fn nothing_waits_without_a_log_or_without_a_session_in_question() {
    assert_eq!(ripe(&[testing(NOW)], NOW, false), 1);
    let plain = [datagram(NOW, sts("enforce", &[MX])), datagram(NOW, no_policy()), its_line(NOW)];
    assert_eq!(ripe(&plain, NOW, true), 3);
}

/// Mail to a domain that never pauses, and lines that come two seconds late.
#[test]
fn a_stretch_without_an_even_place_ends_all_the_same_and_loses_little() {
    let mut told = Vec::new();
    for second in 0..200 {
        told.extend([testing(NOW + second), testing(NOW + second)]);
        told.extend(
            (second > 1).then(|| [its_line(NOW + second), its_line(NOW + second)]).into_iter().flatten(),
        );
    }
    let end = ripe(&told, NOW + 200, true);
    assert!(end > told.len() / 3, "{end} of {}", told.len());
    let lines = told[..end].iter().filter(|told| matches!(told.what, What::Log(_))).count();
    assert!(end - lines - lines <= 4, "{} sessions torn from their lines", end - lines - lines);
    // None of the lines ever comes.
    let silent: Vec<Told> = (0..200).map(|second| testing(NOW + second)).collect();
    assert!(ripe(&silent, NOW + 200, true) >= 80);
}

#[test]
fn a_flood_is_not_waited_for_and_a_clock_that_was_set_back_stops_nothing() {
    let flood: Vec<Told> = (0..MAX_STRETCH).map(|_| testing(NOW)).collect();
    let end = ripe(&flood, NOW, true);
    assert!(end >= MAX_STRETCH / 2, "{end}");
    assert_eq!(ripe(&[testing(NOW + 9_999)], NOW, true), 1);
}

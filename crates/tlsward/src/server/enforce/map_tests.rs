use tlsward_mta::socketmap::Reply;

use super::*;

fn domain(text: &str) -> PolicyDomain {
    PolicyDomain::parse(text).unwrap()
}

fn ready(text: &str) -> Ready {
    Ready { reply: Reply::Ok(text).encode(), outcome: Outcome::Secure }
}

fn keep(map: &Map, key: &str, text: &str, good_until: UnixTime) {
    let begun = map.epoch(key);
    map.keep((Dialect::Classic, key), &ready(text), &domain(key), good_until, (begun, 0));
}

fn said(map: &Map, key: &str, now: UnixTime) -> Option<Encoded> {
    map.get(Dialect::Classic, key, now).map(|ready| ready.reply)
}

#[test]
fn an_answer_holds_for_its_dialect_until_its_time_is_over() {
    let map = Map::new(Room::default());
    keep(&map, "a.example", "secure", 10);
    assert_eq!(said(&map, "a.example", 9), Some(ready("secure").reply));
    assert_eq!(said(&map, "a.example", 10), None);
    assert!(map.get(Dialect::TlsRpt, "a.example", 9).is_none());
    keep(&map, "b.example", "secure", 0);
    assert_eq!(map.len(), 1, "what is over already is not kept");
}

/// Else "not found" from before the clock was set back by a year would be the answer for that year.
#[test]
fn an_answer_of_a_time_that_has_not_come_does_not_hold() {
    let map = Map::new(Room::default());
    let key = "a.example";
    let keep = |text, good_until, now| {
        map.keep((Dialect::Classic, key), &ready(text), &domain(key), good_until, (map.epoch(key), now));
    };
    keep("may", 1_000_300, 1_000_000);
    assert!(said(&map, key, 1_000_000).is_some());
    assert_eq!(said(&map, key, 5), None);
    keep("secure", 305, 5);
    assert_eq!(said(&map, key, 5), Some(ready("secure").reply));
}

#[test]
fn a_change_drops_its_domain_under_every_key_and_no_other() {
    let map = Map::new(Room::default());
    keep(&map, "a.example", "secure", 10);
    keep(&map, "b.example", "secure", 10);
    for key in ["[a.example]:587", "[a.example]", "a.example:25", "A.example", "a.example."] {
        map.keep((Dialect::TlsRpt, key), &ready("x"), &domain("a.example"), 10, (map.epoch(key), 0));
        let others = ["xa.example", "a.example.org", "[a.example.org]:25"];
        for key in others {
            let domain = domain(key.trim_start_matches('[').split(']').next().unwrap());
            map.keep((Dialect::Classic, key), &ready("x"), &domain, 10, (map.epoch(key), 0));
        }
    }
    // Of other spellings nothing is kept but what the domain stands in as it is.
    assert_eq!(map.len(), 2 + 3 + 3);
    map.drop_domains(&BTreeSet::from([domain("a.example")]));
    assert_eq!(map.len(), 1 + 3);
    assert!(said(&map, "b.example", 0).is_some() && said(&map, "[a.example.org]:25", 0).is_some());
    map.clear();
    assert_eq!(map.len(), 0);
    assert!(map.shards.iter().all(|shard| read(shard).bytes == 0));
}

#[test]
fn an_answer_from_before_a_change_is_not_kept_after_it() {
    let map = Map::new(Room::default());
    let begun = map.epoch("a.example");
    map.drop_domains(&BTreeSet::from([domain("a.example")]));
    map.keep((Dialect::Classic, "a.example"), &ready("old"), &domain("a.example"), 10, (begun, 0));
    assert_eq!(map.len(), 0);
}

#[test]
fn it_is_bounded_in_number_and_in_bytes() {
    let map = Map::new(Room { entries: 32 * 16, bytes: 48 << 20 });
    for number in 0..4000 {
        keep(&map, &format!("d{number}.example"), "secure", 10);
    }
    assert!((32 * 8..=32 * 16).contains(&map.len()), "{}", map.len());

    let map = Map::new(Room { entries: 1 << 17, bytes: 32 * 200_000 });
    let large = "x".repeat(90_000);
    for number in 0..400 {
        keep(&map, &format!("d{number}.example"), &large, 10);
    }
    let bytes: usize = map.shards.iter().map(|shard| read(shard).bytes).sum();
    assert!(bytes <= 32 * 200_000 && map.len() >= 32, "{bytes} {}", map.len());
    let counted: usize = map.shards.iter().map(|shard| counted(&read(shard))).sum();
    assert_eq!(bytes, counted, "what goes is counted off");

    let long = format!("[a.example]:{}", "1".repeat(400));
    map.keep((Dialect::Classic, &long), &ready("x"), &domain("a.example"), 10, (map.epoch(&long), 0));
    assert!(said(&map, &long, 0).is_none());
}

fn counted(shard: &Shard) -> usize {
    let of = |entries: &BTreeMap<Box<str>, Entry>| -> usize {
        entries.iter().map(|(key, entry)| cost(key, entry)).sum()
    };
    shard.entries.iter().map(of).sum()
}

#[test]
fn what_is_over_goes_before_what_holds() {
    let map = Map::new(Room { entries: 32 * 64, bytes: 48 << 20 });
    for number in 0..1500 {
        keep(&map, &format!("old{number}.example"), "secure", 5);
        keep(&map, &format!("d{number}.example"), "secure", 100);
    }
    for number in 0..300 {
        let key = format!("new{number}.example");
        let begun = map.epoch(&key);
        map.keep((Dialect::Classic, &key), &ready("x"), &domain(&key), 100, (begun, 50));
    }
    assert!((0..300).all(|number| said(&map, &format!("new{number}.example"), 50).is_some()));
}

//! Proofs of absence (RFC 4034 §4), made for the name that was asked for: minimally covering NSEC records (RFC 4470).
//!
//! A chain of real names would let anybody list every managed domain; here a proof names nothing but what was asked for
//! and its nearest neighbours. Unlike the compact denial of RFC 9824, a name that does not exist stays NXDOMAIN for
//! every validator.
//!
//! The neighbours rest on one fact: existing labels hold letters, digits, `-` and `_` alone ([`super::name`]), so no
//! existing name has an octet 255, and none begins with it.

/// The NSEC record that covers a name which does not exist, and all below it: its owner and the next name. `wire` is the
/// whole name, at most 253 octets of it, directly below a name that exists in the zone `apex`. Between the two nothing
/// exists. The owner may be the existing name above, nothing else that exists.
pub(super) fn around(wire: &[u8], apex: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (label, above) = split(wire)?;
    Some((before(label, above)?, after(label, above, apex)?))
}

fn split(wire: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = wire.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// The NSEC record of a name that exists says that nothing lies between it and this one: the first name that could.
pub(super) fn first_below(wire: &[u8]) -> Vec<u8> {
    [b"\x01\0", wire].concat()
}

/// A name that sorts before `label` and its like, after everything that may exist before them (RFC 4034 §6.1).
fn before(label: &[u8], above: &[u8]) -> Option<Vec<u8>> {
    let (last, front) = label.split_last()?;
    let mut less = front.to_vec();
    less.extend(decremented(*last));
    if last > &0 && less.len() < 63 {
        less.push(255);
        return Some(join(&less, above));
    }
    if less.is_empty() {
        // Before the label of one octet 0 there is only the name above.
        return Some(above.to_vec());
    }
    // It may exist, and names below it: this one comes after them all.
    Some(join(&[255], &join(&less, above)))
}

/// The name that sorts directly after `label` and all below it.
fn after(label: &[u8], above: &[u8], apex: &[u8]) -> Option<Vec<u8>> {
    if label.len() < 63 {
        return Some(join(&[label, &[0]].concat(), above));
    }
    if let Some(kept) = label.iter().rposition(|octet| *octet < 255) {
        let (last, front) = label[..=kept].split_last()?;
        return Some(join(&[front, &[incremented(*last)]].concat(), above));
    }
    // The very last name below `above`. After the last of the zone comes its apex (RFC 4034 §4.1.1).
    if above == apex {
        return Some(apex.to_vec());
    }
    let (label, above) = split(above)?;
    after(label, above, apex)
}

fn join(label: &[u8], above: &[u8]) -> Vec<u8> {
    // Labels here have 1 to 63 octets.
    let mut name = vec![label.len() as u8];
    name.extend_from_slice(label);
    name.extend_from_slice(above);
    name
}

/// Names are compared in lower case: there are no octets from `A` to `Z`.
fn decremented(octet: u8) -> Option<u8> {
    match octet {
        0 => None,
        b'[' => Some(b'@'),
        other => Some(other - 1),
    }
}

fn incremented(octet: u8) -> u8 {
    match octet {
        b'@' => b'[',
        other => other + 1,
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::super::name::{before as ends_with, labels};
    use super::*;

    /// RFC 4034 §6.1.
    fn order(a: &[u8], b: &[u8]) -> Ordering {
        let reversed = |name| {
            let mut labels: Vec<_> = labels(name).map(<[u8]>::to_vec).collect();
            labels.reverse();
            labels
        };
        reversed(a).cmp(&reversed(b))
    }

    fn wire(labels: &[Vec<u8>]) -> Vec<u8> {
        labels.iter().rev().fold(Vec::new(), |above, label| join(label, &above))
    }

    fn existing() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![3 => "[-_a-c0z]{1,3}", 1 => "[-_az]{61,63}"].prop_map(String::into_bytes)
    }

    fn asked() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![4 => "[-_a-c0z]".prop_map(|text| text.as_bytes()[0]),
            1 => prop::sample::select(vec![0_u8, 1, b'@', b'[', b'*', 254, 255])];
        let long = prop::collection::vec(octet.clone(), 61..=63);
        prop_oneof![4 => prop::collection::vec(octet, 1..4), 1 => long, 1 => Just(vec![0]), 1 => (61..=63_usize).prop_map(|n| vec![255; n])]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        /// Whatever exists, unless it is below the name itself, is neither covered nor the owner of the proof.
        #[test]
        fn a_proof_covers_the_name_and_nothing_else_that_may_exist(
            label in asked(),
            above in prop::collection::vec(existing(), 0..2),
            others in prop::collection::vec(prop::collection::vec(existing(), 1..4), 1..8),
            grafts in prop::collection::vec((prop::collection::vec(existing(), 0..2), 0..4_usize), 1..4),
        ) {
            let above = wire(&above);
            let name = join(&label, &above);
            let apex = b"\x01z";
            let (above, name) = ([above.as_slice(), apex].concat(), [name.as_slice(), apex].concat());
            let (owner, next) = around(&name, apex).unwrap();
            // The last name of all: the next one is the first again.
            let before_next = |name: &[u8]| next == apex || order(name, &next) == Ordering::Less;
            prop_assert_eq!(order(&owner, &name), Ordering::Less);
            prop_assert!(before_next(&name));
            prop_assert!(before_next(&join(b"zz", &name)), "what is below it is covered too");
            prop_assert!(owner.len() <= name.len() + 2 && next.len() <= name.len() + 2);
            // Other names at random, and such as lie close by.
            let mut others: Vec<_> =
                others.iter().map(|labels| [wire(labels).as_slice(), apex].concat()).collect();
            for (below, cut) in grafts {
                let kept = label.len().saturating_sub(cut);
                let plain = label[..kept].iter().all(|o| o.is_ascii_lowercase() || b"-_0".contains(o));
                if kept > 0 && plain {
                    others.push([wire(&below), join(&label[..kept], &above)].concat());
                }
                others.push([wire(&below), above.clone()].concat());
            }
            for other in others.iter().filter(|other| ends_with(other, &name).is_none()) {
                let is_above = *other == above && owner == above;
                let inside = !is_above && order(&owner, other) != Ordering::Greater && before_next(other);
                prop_assert!(!inside, "{:?} between {:?} and {:?}", other, owner, next);
            }
        }
    }
}

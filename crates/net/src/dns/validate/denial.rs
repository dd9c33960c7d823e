//! Proofs of absence, where hickory (0.26) judges too harshly or too kindly. Nothing counts here that it did not find
//! validly signed.
//!
//! Too harshly: records that a wildcard was expanded to. The signature shows that the wildcard holds them. That no
//! closer name exists takes an NSEC that covers the asked name and shows the wildcard's parent as its closest
//! encloser (RFC 4035 §5.3.4, RFC 7129 §5.3). Hickory asks besides that the wildcard itself be covered, which it
//! cannot be where the covering NSEC is its own.
//!
//! Too kindly: an NSEC as proof of absence. Where no SOA comes along, hickory takes the asked name's parent for the
//! closest encloser, looks for a wildcard there, and so lets the NSEC of an expansion deny what the wildcard holds.
//! What it accepts must be proved by RFC 4035 §5.4 here too. And a name in a span of NSEC3 with opt-out may be an unsigned zone, so that nothing is secure that rests
//! on its absence (RFC 5155 §9.2).

use hickory_proto::dnssec::Proof;
use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// Whether the NSECs of a message, if it has any, prove that a name, or records of a type at it, are not there
/// (RFC 4035 §5.4).
pub(super) fn holds(message: &Message, name: &Name, kind: RecordType) -> bool {
    let secure = |record: &Record| record.proof == Proof::Secure;
    let is_nsec3 = |record: &Record| record.record_type() == RecordType::NSEC3 && secure(record);
    if message.authorities.iter().any(is_nsec3) {
        return true;
    }
    let nsecs = || {
        message.authorities.iter().filter_map(move |record| match &record.data {
            RData::DNSSEC(DNSSECRData::NSEC(nsec)) if secure(record) => Some((&record.name, nsec)),
            _ => None,
        })
    };
    let lacks = |of: &Name| {
        nsecs().any(|(owner, nsec)| {
            let has = |kind| nsec.type_set().contains(kind);
            owner == of && !has(kind) && !has(RecordType::CNAME) && !nsec.is_ancestor_delegation()
        })
    };
    let covered = |of: &Name| nsecs().find(|(owner, nsec)| covers(owner, nsec, of));
    let is_no_data = message.metadata.response_code == ResponseCode::NoError;
    let Some((owner, nsec)) = covered(name) else { return is_no_data && lacks(name) };
    // A name on the way to one that exists is there, without records.
    if name.zone_of(nsec.next_domain_name()) {
        return is_no_data;
    }
    let encloser = name.trim_to(usize::from(closest_encloser(owner, nsec, name)));
    let Ok(wildcard) = encloser.prepend_label("*") else { return false };
    if is_no_data { lacks(&wildcard) } else { covered(&wildcard).is_some() }
}

/// Whether a proof of absence, or of the absence of a closer name, rests on a span with opt-out. The one NSEC3 of the
/// asked name itself does not, whatever its flag; then no other comes along.
pub(super) fn rests_on_opt_out(message: &Message) -> bool {
    let nsec3 = |record: &Record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => Some(nsec3.opt_out()),
        _ => None,
    };
    let is_positive = message.answers.iter().any(|record| record.record_type() != RecordType::RRSIG);
    let flags: Vec<bool> = message.authorities.iter().filter_map(nsec3).collect();
    let is_own = message.metadata.response_code == ResponseCode::NoError && !is_positive && flags.len() == 1;
    !is_own && flags.contains(&true)
}

/// Whether all answers are validly signed, expanded, and the expansion proved by an NSEC.
pub(super) fn proves_expansion(message: &Message, name: &Name) -> bool {
    let is_signature = |record: &&Record| record.record_type() == RecordType::RRSIG;
    let of_name = || message.answers.iter().filter(|record| record.name == *name);
    let mut records = of_name().filter(|record| !is_signature(record)).peekable();
    let all_secure = records.peek().is_some() && records.all(|record| record.proof == Proof::Secure);
    // Of the signatures hickory marks the one that it found valid.
    let encloser_labels = of_name().find_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) if record.proof == Proof::Secure => {
            Some(signature.input().num_labels)
        }
        _ => None,
    });
    let Some(encloser_labels) = encloser_labels.filter(|labels| *labels < name.num_labels()) else {
        return false;
    };
    let proves = |record: &Record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC(nsec)) if record.proof == Proof::Secure => {
            covers(&record.name, nsec, name) && closest_encloser(&record.name, nsec, name) == encloser_labels
        }
        _ => false,
    };
    message.metadata.response_code == ResponseCode::NoError
        && all_secure
        && message.authorities.iter().any(proves)
}

/// Whether an NSEC shows that a name does not exist (RFC 4035 §5.4).
fn covers(owner: &Name, nsec: &NSEC, name: &Name) -> bool {
    // RFC 6840 §4.1: one at a zone cut, or at a DNAME, says nothing of what is below.
    if owner.zone_of(name) && nsec.is_ancestor_delegation() {
        return false;
    }
    let next = nsec.next_domain_name();
    // The last NSEC of a zone leads back to its apex.
    let is_last = next <= owner && next.zone_of(name);
    name > owner && (name < next || is_last)
}

/// How many labels the longest existing ancestor of a covered name has, as its NSEC shows.
fn closest_encloser(owner: &Name, nsec: &NSEC, name: &Name) -> u8 {
    common_labels(owner, name).max(common_labels(nsec.next_domain_name(), name))
}

fn common_labels(one: &Name, other: &Name) -> u8 {
    let equal = |(a, b): &(&[u8], &[u8])| a.eq_ignore_ascii_case(b);
    let common = one.iter().rev().zip(other.iter().rev()).take_while(equal).count();
    u8::try_from(common).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::rdata::NSEC;
    use hickory_proto::rr::{Name, RecordType};

    use super::super::super::name;
    use super::{closest_encloser, covers};

    fn parse(text: &str) -> Name {
        name::parse(text).unwrap()
    }

    #[test]
    fn an_nsec_covers_what_lies_between_its_ends_and_shows_the_closest_encloser() {
        let table = [
            // owner, next, type, asked name, labels of the encloser if it is covered
            ("*.wild.example", "example", RecordType::A, "any.wild.example", Some(2)),
            ("*.wild.example", "known.wild.example", RecordType::A, "any.wild.example", Some(2)),
            ("*.wild.example", "known.wild.example", RecordType::A, "other.wild.example", None),
            // A name between the wildcard and the asked name exists: it is the encloser, the expansion is wrong.
            ("a.b.wild.example", "c.wild.example", RecordType::A, "x.b.wild.example", Some(3)),
            ("b.wild.example", "c.wild.example", RecordType::A, "x.b.wild.example", Some(3)),
            ("b.wild.example", "c.wild.example", RecordType::NS, "x.b.wild.example", None),
            ("b.wild.example", "c.wild.example", RecordType::DNAME, "x.b.wild.example", None),
            ("z.example", "example", RecordType::A, "zz.other", None),
            ("a.example", "c.example", RecordType::A, "a.example", None),
            ("a.example", "c.example", RecordType::A, "c.example", None),
        ];
        for (owner, next, kind, asked, expected) in table {
            let nsec = NSEC::new(parse(next), [kind, RecordType::NSEC]);
            let (owner, asked) = (parse(owner), parse(asked));
            let found = covers(&owner, &nsec, &asked).then(|| closest_encloser(&owner, &nsec, &asked));
            assert_eq!(found, expected, "{owner} {next} {kind} {asked}");
        }
    }
}

//! What is said about a set: one line, and what is wrong with what to do. For people who have no time.

use super::elsewhere::{found_at, label_of};
use super::verdict::Verdict;
use super::{Asked, Finding, Reach, Sight};
use crate::ports::publish::{RecordSet, RecordType, RecordValue};

/// Servers that are named in one sentence.
const NAMED: usize = 6;

/// In one line.
pub(super) fn summary(set: &RecordSet, reach: Reach, verdicts: &[(&Asked, Verdict)]) -> String {
    let what = what(set);
    let live = if set.values.is_empty() { "gone" } else { "live" };
    let servers = |is: fn(&Verdict) -> bool| {
        let of_servers = verdicts.iter().filter(|(asked, _)| matches!(asked, Asked::Server { .. }));
        of_servers.filter(|(_, verdict)| is(verdict)).map(|(asked, _)| *asked).collect::<Vec<&Asked>>()
    };
    match reach {
        Reach::Everywhere => match servers(|_| true).len() {
            1 => format!("{what}: {live} on the domain's name server"),
            count => format!("{what}: {live} on all {count} name servers"),
        },
        Reach::WhereAnswered => format!(
            "{what}: {live} on every name server that could tell; no answer from {}",
            listed(&servers(|verdict| verdict.is_untold() || verdict.is_out_of_sight()))
        ),
        Reach::ByResolver => format!("{what}: {live}, as the resolver sees it"),
        Reach::Partly => format!(
            "{what}: {live} on {}, not yet on {}",
            listed(&servers(Verdict::is_right)),
            listed(&servers(|verdict| !verdict.is_right()
                && !verdict.is_untold()
                && !verdict.is_out_of_sight()))
        ),
        Reach::Nowhere => format!("{what}: not {live}"),
        Reach::Untold => format!("{what}: nobody could tell"),
    }
}

/// What is wrong or odd.
pub(super) fn findings(
    domain: &str,
    sight: &Sight,
    reach: Reach,
    verdicts: &[(&Asked, Verdict)],
) -> Vec<Finding> {
    let set = &sight.set;
    let settled = matches!(reach, Reach::Everywhere | Reach::WhereAnswered);
    let mut findings = Vec::new();
    for verdict in distinct(verdicts) {
        let who: Vec<&Asked> =
            verdicts.iter().filter(|(_, one)| one == verdict).map(|(asked, _)| *asked).collect();
        if settled && who == [&Asked::Resolver] {
            findings.extend(still_cached(verdict));
            continue;
        }
        findings.extend(finding(domain, set, reach, verdict, &listed(&who)));
    }
    if !settled && let Some(place) = found_at(sight) {
        findings.insert(0, misplaced(domain, set, place));
    }
    findings
}

fn finding(domain: &str, set: &RecordSet, reach: Reach, verdict: &Verdict, who: &str) -> Option<Finding> {
    let (what, name, value) = (what(set), &set.name, wanted(set));
    let (text, fix) = match verdict {
        Verdict::Right | Verdict::OutOfSight(_) => return None,
        Verdict::RightBesideOthers(others) => {
            (format!("{who}: beside it, {what} has {}, which does no harm there", quoted(others)), None)
        }
        Verdict::Missing { .. } if reach == Reach::Partly => (
            format!("{who}: no {what} yet"),
            Some("wait some minutes: secondary name servers copy the zone. If it stays so, look whether they get NOTIFY and \
                  may transfer the zone, and whether its serial was raised"
                .to_owned()),
        ),
        Verdict::Missing { .. } => (format!("{who}: no {what}"), Some(enter(domain, set))),
        Verdict::StillThere(found) => {
            (format!("{who}: {what} is still there: {}", quoted(found)), Some(format!("remove {what}")))
        }
        Verdict::Other(found) => {
            let wait = if reach == Reach::Partly { "; a secondary name server may take some minutes" } else { "" };
            (
                format!("{who}: {what} has another value: {}", quoted(found)),
                Some(format!("replace it by {value}{wait}")),
            )
        }
        Verdict::Pasted { found, with } => (
            format!("{who}: {what} has the right value with {with}: '{found}'"),
            Some(format!("enter {value} and nothing else; the panel adds what has to be around it")),
        ),
        Verdict::Several { found, right } => (
            format!(
                "{who}: {} records of this kind at {name}: {}. Senders then act as if there were none",
                found.len(),
                quoted(found)
            ),
            Some(match right {
                true => format!("keep {value}, and remove the others"),
                false => format!("remove all of them, and add {value}"),
            }),
        ),
        Verdict::AliasInTheWay(target) => (
            format!("{who}: {name} is an alias (CNAME) of {target}, and {what} is not there"),
            Some(format!(
                "remove the CNAME record at {name} and add {what} with {value}; or, if {target} is to publish it, have \
                 it published there"
            )),
        ),
        Verdict::NoAlias(found) => (
            format!("{who}: {name} has records of its own ({}) where it should be an alias", quoted(found)),
            Some(format!("remove all records at {name}, then add {what} with {value}")),
        ),
        Verdict::AliasElsewhere(found) => (
            format!("{who}: {name} is an alias of {found}"),
            Some(format!("let the CNAME record at {name} lead to {value}")),
        ),
        Verdict::Untold(why) => (format!("{who}: could not tell: {why}"), None),
    };
    Some(Finding { text, fix })
}

/// The name servers have it, and the resolver does not yet.
fn still_cached(verdict: &Verdict) -> Option<Finding> {
    let text = match verdict {
        Verdict::Right | Verdict::RightBesideOthers(_) => return None,
        Verdict::Untold(why) => format!("the resolver could not tell: {why}"),
        _ => "the resolver still has what it learnt before, and so may senders. It passes by itself when the TTL has run out"
            .to_owned(),
    };
    Some(Finding { text, fix: None })
}

fn misplaced(domain: &str, set: &RecordSet, place: &str) -> Finding {
    let name = &set.name;
    let label = label_of(domain, name).filter(|label| !label.is_empty());
    let text = match place.strip_prefix(name.as_str()) {
        Some(_) => format!(
            "the record is at {place} instead of {name}: the DNS panel appends the domain to the name by itself"
        ),
        None => {
            format!("a record of this kind is at {place}, where nobody looks for it: it belongs to {name}")
        }
    };
    let fix = match (place.strip_prefix(name.as_str()), label) {
        (Some(suffix), _) => {
            let zone = suffix.trim_start_matches('.');
            let enter = label_of(zone, name).filter(|label| !label.is_empty()).unwrap_or(name);
            format!("enter only {enter} as the name, and remove the record at {place}")
        }
        (None, Some(label)) => {
            format!("enter {label} (in full {name}) as the name, and remove the record at {place}")
        }
        (None, None) => format!("enter {name} as the name, and remove the record at {place}"),
    };
    Finding { text, fix: Some(fix) }
}

/// How a missing set is entered.
fn enter(domain: &str, set: &RecordSet) -> String {
    let name = &set.name;
    let name = match label_of(domain, name).filter(|label| !label.is_empty()) {
        Some(label) => format!("{label} (in full {name})"),
        None => name.clone(),
    };
    format!("add a record: name {name}, type {}, TTL {}, value {}", set.kind.as_wire(), set.ttl, wanted(set))
}

fn what(set: &RecordSet) -> String {
    format!("{} {}", set.kind.as_wire(), set.name)
}

fn wanted(set: &RecordSet) -> String {
    let values: Vec<String> = set.values.iter().map(value).collect();
    match set.kind {
        RecordType::Txt => quoted(&values),
        _ => values.join(" and "),
    }
}

fn value(value: &RecordValue) -> String {
    match value {
        RecordValue::A(address) => address.to_string(),
        RecordValue::Aaaa(address) => address.to_string(),
        RecordValue::Cname(target) => target.clone(),
        RecordValue::Txt(text) => text.clone(),
        RecordValue::Caa { flags, tag, value } => format!("{flags} {tag} \"{value}\""),
    }
}

fn quoted(values: &[String]) -> String {
    values.iter().map(|value| format!("'{value}'")).collect::<Vec<_>>().join(" and ")
}

fn listed(who: &[&Asked]) -> String {
    let name = |asked: &&Asked| match asked {
        Asked::Server { host, address } => format!("{host} ({address})"),
        Asked::Resolver => "the resolver".to_owned(),
    };
    let mut text = who.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
    if who.len() > NAMED {
        text.push_str(&format!(" and {} more", who.len() - NAMED));
    }
    text
}

/// Each verdict once, in the order of the replies.
fn distinct<'a>(verdicts: &'a [(&Asked, Verdict)]) -> Vec<&'a Verdict> {
    let mut list: Vec<&Verdict> = Vec::new();
    for (_, verdict) in verdicts {
        if !list.contains(&verdict) {
            list.push(verdict);
        }
    }
    list
}

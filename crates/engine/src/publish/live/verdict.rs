//! What one answer says of a set.

use super::texts::{self, Text};
use crate::ports::publish::{RecordSet, RecordType, RecordValue};
use crate::ports::{DnsReply, RecordData};

/// What one answer says of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Right,
    /// The right text, and beside it other texts that are none of ours and do no harm (RFC 8461 §3.1, RFC 8460 §3).
    RightBesideOthers(Vec<String>),
    /// Nothing is there.
    Missing {
        /// The name is there, with other records.
        name_exists: bool,
    },
    /// There should be nothing, and this is there.
    StillThere(Vec<String>),
    /// Another value.
    Other(Vec<String>),
    /// The right value, but pasted with something around it.
    Pasted {
        /// As it stands there.
        found: String,
        /// With what.
        with: &'static str,
    },
    /// Several texts of one kind, of which there may be one: senders then act as if there were none.
    Several {
        /// All of them.
        found: Vec<String>,
        /// Whether the right one is among them.
        right: bool,
    },
    /// The name is an alias and should have records of its own. What is behind it is something else, or nothing.
    AliasInTheWay(String),
    /// The name should be an alias, and has records of its own.
    NoAlias(Vec<String>),
    /// The alias leads elsewhere.
    AliasElsewhere(String),
    /// The name is an alias out of what this server holds: the resolver tells what is there.
    OutOfSight(String),
    /// It could not be told. The text says why.
    Untold(String),
}

impl Verdict {
    /// Whether it is as it should be.
    #[must_use]
    pub fn is_right(&self) -> bool {
        matches!(self, Self::Right | Self::RightBesideOthers(_))
    }

    /// Whether nothing can be said.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        matches!(self, Self::Untold(_))
    }

    pub(super) fn is_out_of_sight(&self) -> bool {
        matches!(self, Self::OutOfSight(_))
    }
}

/// Holds a set against one answer to its [`super::question`].
#[must_use]
pub fn compare(set: &RecordSet, reply: &DnsReply) -> Verdict {
    let aliases = match reply {
        DnsReply::Found(answer) => &answer.aliases,
        DnsReply::Absent(absence) => &absence.aliases,
        // A broken name behind an alias hides the alias too: nothing is said of it.
        DnsReply::Failed(failure) => return Verdict::Untold(failure.to_string()),
    };
    if set.kind == RecordType::Cname {
        return compare_alias(set, aliases.first(), reply);
    }
    let found: Vec<String> = reply.records().iter().map(shown).collect();
    if set.values.is_empty() {
        return if found.is_empty() { Verdict::Right } else { Verdict::StillThere(found) };
    }
    let verdict = match (reply, set.kind) {
        (DnsReply::Absent(absence), _) => Verdict::Missing { name_exists: absence.name_exists },
        (_, RecordType::Txt) => compare_texts(set, &reply.texts()),
        _ => compare_data(set, reply),
    };
    match (verdict, aliases.first()) {
        (verdict, None) => verdict,
        // Whoever asks follows the alias: what counts is behind it.
        (verdict, Some(_)) if verdict.is_right() => verdict,
        (Verdict::Missing { name_exists: true }, Some(target)) if no_more_is_known(reply) => {
            Verdict::OutOfSight(target.clone())
        }
        (_, Some(target)) => Verdict::AliasInTheWay(target.clone()),
    }
}

/// An authority that holds nothing of an alias's target gives no TTL for the absence.
fn no_more_is_known(reply: &DnsReply) -> bool {
    matches!(reply, DnsReply::Absent(absence) if absence.ttl == 0)
}

fn compare_alias(set: &RecordSet, alias: Option<&String>, reply: &DnsReply) -> Verdict {
    let wanted = set.values.iter().find_map(|value| match value {
        RecordValue::Cname(target) => Some(target.trim_end_matches('.').to_ascii_lowercase()),
        _ => None,
    });
    match (wanted, alias) {
        (Some(wanted), Some(found)) if wanted == *found => Verdict::Right,
        (Some(_), Some(found)) => Verdict::AliasElsewhere(found.clone()),
        (None, Some(found)) => Verdict::StillThere(vec![found.clone()]),
        (None, None) => Verdict::Right,
        (Some(_), None) => match reply {
            DnsReply::Absent(absence) => Verdict::Missing { name_exists: absence.name_exists },
            other => Verdict::NoAlias(other.records().iter().map(shown).collect()),
        },
    }
}

/// All but texts and aliases: as sets.
fn compare_data(set: &RecordSet, reply: &DnsReply) -> Verdict {
    let of_value = |value: &RecordValue| match value {
        RecordValue::A(address) => Some(RecordData::A(*address)),
        RecordValue::Aaaa(address) => Some(RecordData::Aaaa(*address)),
        RecordValue::Caa { flags, tag, value } => {
            Some(RecordData::Caa { flags: *flags, tag: tag.clone(), value: value.clone().into_bytes() })
        }
        RecordValue::Cname(_) | RecordValue::Txt(_) => None,
    };
    let mut wanted: Vec<RecordData> = set.values.iter().filter_map(of_value).collect();
    let mut found = reply.records().to_vec();
    wanted.sort();
    found.sort();
    found.dedup();
    if wanted == found { Verdict::Right } else { Verdict::Other(found.iter().map(shown).collect()) }
}

fn compare_texts(set: &RecordSet, found: &[Vec<u8>]) -> Verdict {
    let wanted: Vec<&str> = set
        .values
        .iter()
        .filter_map(|value| match value {
            RecordValue::Txt(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let kind = wanted.first().and_then(|text| texts::tag(text));
    let (mut missing, mut ours, mut others) = (wanted.clone(), Vec::new(), Vec::new());
    let mut pasted = None;
    for text in found {
        let best =
            wanted.iter().map(|wanted| (texts::compare(wanted, text), *wanted)).min_by_key(|(is, _)| *is);
        match best {
            Some((Text::Same, is)) => {
                missing.retain(|wanted| *wanted != is);
                ours.push(texts::shown(text));
            }
            Some((Text::Pasted(with), _)) => {
                pasted = Some((texts::shown(text), with));
                ours.push(texts::shown(text));
            }
            _ if texts::is_of_kind(text, kind) => ours.push(texts::shown(text)),
            _ => others.push(texts::shown(text)),
        }
    }
    match pasted {
        _ if ours.len() > wanted.len() => Verdict::Several { right: missing.is_empty(), found: ours },
        _ if missing.is_empty() && others.is_empty() => Verdict::Right,
        _ if missing.is_empty() => Verdict::RightBesideOthers(others),
        Some((found, with)) => Verdict::Pasted { found, with },
        None if ours.is_empty() => Verdict::Other(others),
        None => Verdict::Other(ours),
    }
}

/// For a person.
fn shown(record: &RecordData) -> String {
    match record {
        RecordData::A(address) => address.to_string(),
        RecordData::Aaaa(address) => address.to_string(),
        RecordData::Ns(host) => host.clone(),
        RecordData::Mx { preference, exchange } => format!("{preference} {exchange}"),
        RecordData::Txt(strings) => texts::shown(&strings.concat()),
        RecordData::Caa { flags, tag, value } => format!("{flags} {tag} \"{}\"", texts::shown(value)),
        RecordData::Tlsa { .. } => "a TLSA record".to_owned(),
    }
}

//! How reports look, as the large senders write them: RFC 8460 §4.4, and the ways around it that are seen in the wild.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Sender;
use super::count::{Applied, Failure, Row};
use crate::world::{DAY, UnixTime};

/// Whose ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The RFC's.
    Rfc,
    /// Google: the day and the domain as report-id, no `failure-details` where nothing failed, a host that the
    /// policy does not list as `validation-failure`.
    Google,
    /// Microsoft: no `mx-host`; sessions of a `tlsa` row again in an `sts` row; TLSA records as one string that
    /// holds a list, under the recipient's domain.
    Microsoft,
    /// Mail.ru: no `policy-string`, failure rows twice, the next midnight as end.
    MailRu,
    /// Postfix with tlsrpt-reporter of 2024: no `policy-domain` where no policy was found.
    Postfix,
    /// Stalwart: null as contact, the next midnight as end, empty lists.
    Stalwart,
    /// SocketLabs and kin: a misspelt key, an empty `mx-host`, successes and failures in rows of their own, no space
    /// after a policy's colons.
    SocketLabs,
}

/// The report-id and the JSON.
pub(super) fn write(
    sender: &Sender,
    about: &str,
    begin: UnixTime,
    number: u64,
    rows: &BTreeMap<Applied, Row>,
) -> (String, Vec<u8>) {
    let dialect = sender.dialect;
    let id = match dialect {
        Dialect::Google => format!("{}_{about}", instant(begin)),
        Dialect::Microsoft => format!("{}{number:05}+{about}", begin * 7),
        Dialect::MailRu => {
            format!("{:08x}-7d1c-4a5e-9b4f-{number:012x}@mail.ru", begin / DAY * 2_654_435 % 0xffff_ffff)
        }
        Dialect::Stalwart => format!("{begin}_{}", 0x9e37_79b9_u64.wrapping_mul(number + 1)),
        Dialect::SocketLabs => format!("{:016x}{number:04x}", begin),
        Dialect::Rfc | Dialect::Postfix => format!("{}.{number}.{about}@{}", begin, sender.domain),
    };
    let end = match dialect {
        Dialect::MailRu | Dialect::Stalwart => begin + DAY,
        _ => begin + DAY - 1,
    };
    let mut policies = Vec::new();
    for (applied, row) in rows {
        policies.extend(entries(sender, about, applied, row));
    }
    let report = json!({
        "organization-name": sender.organization,
        "date-range": { "start-datetime": instant(begin), "end-datetime": instant(end) },
        "contact-info": if dialect == Dialect::Stalwart { Value::Null } else { json!(sender.contact) },
        "report-id": id,
        "policies": policies,
    });
    (id, report.to_string().into_bytes())
}

fn entries(sender: &Sender, about: &str, applied: &Applied, row: &Row) -> Vec<Value> {
    let dialect = sender.dialect;
    let mut details: Vec<Value> =
        row.failures.iter().map(|(failure, count)| detail(sender, failure, *count)).collect();
    let policy = policy(dialect, about, applied);
    match dialect {
        Dialect::SocketLabs if row.successful > 0 && row.failed > 0 => {
            return vec![
                json!({ "policy": policy, "summary": summary(row.successful, 0) }),
                json!({ "policy": policy, "summary": summary(0, row.failed), "failure-details": details }),
            ];
        }
        Dialect::MailRu => details.extend(details.clone()),
        _ => {}
    }
    let mut entry = Map::new();
    entry.insert("policy".to_owned(), policy);
    entry.insert("summary".to_owned(), summary(row.successful, row.failed));
    if !(details.is_empty() && dialect == Dialect::Google) {
        entry.insert("failure-details".to_owned(), details.into());
    }
    let mut entries = vec![Value::Object(entry)];
    if dialect == Dialect::Microsoft && applied.kind == "tlsa" {
        let policy = json!({ "policy-type": "sts", "policy-domain": about });
        entries.push(json!({ "policy": policy, "summary": summary(row.successful, 0) }));
    }
    entries
}

fn policy(dialect: Dialect, about: &str, applied: &Applied) -> Value {
    let mut policy = Map::new();
    policy.insert("policy-type".to_owned(), json!(applied.kind));
    if !(dialect == Dialect::Postfix && applied.kind == "no-policy-found") {
        let domain = if dialect == Dialect::Microsoft { about } else { &applied.domain };
        policy.insert("policy-domain".to_owned(), json!(domain));
    }
    let lines = match dialect {
        Dialect::MailRu => None,
        Dialect::Microsoft if applied.kind == "tlsa" => Some(json!([json!(applied.lines).to_string()])),
        Dialect::SocketLabs => {
            Some(json!(applied.lines.iter().map(|line| line.replace(": ", ":")).collect::<Vec<_>>()))
        }
        _ => Some(json!(applied.lines)),
    };
    if let Some(lines) = lines.filter(|_| !applied.lines.is_empty()) {
        policy.insert("policy-string".to_owned(), lines);
    }
    match dialect {
        Dialect::SocketLabs => policy.insert("mx-host".to_owned(), json!([])),
        Dialect::Microsoft => None,
        _ if applied.mx.is_empty() => None,
        _ => policy.insert("mx-host".to_owned(), json!(applied.mx)),
    };
    Value::Object(policy)
}

fn detail(sender: &Sender, failure: &Failure, count: u64) -> Value {
    let unlisted = failure.address.is_none() && failure.host.is_some();
    let result =
        if sender.dialect == Dialect::Google && unlisted { "validation-failure" } else { failure.result };
    let mut detail = Map::new();
    detail.insert("result-type".to_owned(), json!(result));
    if !(sender.dialect == Dialect::Microsoft && failure.host.is_none()) {
        detail.insert("sending-mta-ip".to_owned(), json!(sender.address));
    }
    if let Some(host) = &failure.host {
        let key = match sender.dialect {
            Dialect::SocketLabs => "receiving-mx-host-name",
            _ => "receiving-mx-hostname",
        };
        detail.insert(key.to_owned(), json!(host));
    }
    if let Some(address) = failure.address {
        detail.insert("receiving-ip".to_owned(), json!(address));
    }
    detail.insert("failed-session-count".to_owned(), json!(count));
    if let Some(reason) = &failure.reason {
        detail.insert("failure-reason-code".to_owned(), json!(reason));
    }
    Value::Object(detail)
}

fn summary(successful: u64, failed: u64) -> Value {
    json!({ "total-successful-session-count": successful, "total-failure-session-count": failed })
}

/// RFC 3339 in UTC.
fn instant(at: UnixTime) -> String {
    let (day, second) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    // Days to a date of the Gregorian calendar, by eras of 400 years that begin in March.
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_those_of_the_calendar() {
        assert_eq!(instant(0), "1970-01-01T00:00:00Z");
        assert_eq!(instant(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(instant(1_798_761_599), "2026-12-31T23:59:59Z");
    }
}

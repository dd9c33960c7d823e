//! Reports as text, in the habits of those who write them: what RFC 8460 §4.4 describes, and what one meets.

use serde_json::Value;

use super::calendar::{DAY, local, utc};
use super::draw::Draw;
use super::reporters::{Reporter, Shape};
use super::seen::{Policy, Seen, Trouble, failed};

/// A report's text, and its id.
pub(super) fn report(reporter: &Reporter, seen: &Seen, draw: &mut Draw) -> (String, String) {
    let id = id(reporter, seen, draw);
    let start = seen.day * DAY;
    let contact = match reporter.shape {
        Shape::Mailbox => format!("smtp-tls-reporting@{}", reporter.domain),
        Shape::Twice => format!("tlsrpt-noreply@{}", reporter.domain),
        _ => format!("tlsrpt@{}", reporter.domain),
    };
    let (begin, end) = match reporter.shape {
        Shape::Twice => (local(start), local(start + DAY - 1)),
        Shape::Repeating => (utc(start), utc(start + DAY)),
        _ => (utc(start), utc(start + DAY - 1)),
    };
    let mut fields = vec![
        ("organization-name", text(&reporter.organization)),
        ("date-range", object(&[("start-datetime", text(&begin)), ("end-datetime", text(&end))])),
        ("contact-info", text(&contact)),
        ("report-id", text(&id)),
        ("policies", list(&policies(reporter.shape, seen))),
    ];
    if reporter.shape == Shape::Collector {
        // The id comes last: nobody may rely on it being there first.
        fields.swap(3, 4);
    }
    (object(&fields), id)
}

fn id(reporter: &Reporter, seen: &Seen, draw: &mut Draw) -> String {
    let number = draw.next();
    match reporter.shape {
        Shape::Mailbox => format!("{}_{}", utc(seen.day * DAY), seen.domain),
        Shape::Twice => format!("{}+{}", number, seen.domain),
        Shape::Repeating => {
            let hex = draw.hex(16);
            format!(
                "{}-{}-{}-{}-{}@{}",
                &hex[..8],
                &hex[8..12],
                &hex[12..16],
                &hex[16..20],
                &hex[20..],
                reporter.domain
            )
        }
        Shape::Collector => format!("{}-{number:016x}@{}", seen.day, reporter.domain),
        Shape::Plain => format!("{}.{}.{:08x}", reporter.domain, seen.day, number >> 32),
        Shape::Sloppy => draw.hex(12),
    }
}

fn policies(shape: Shape, seen: &Seen) -> Vec<String> {
    let mut rows = Vec::new();
    if shape == Shape::Sloppy && !seen.troubles.is_empty() && seen.good > 0 {
        // One policy in two rows: what went well, and what did not.
        rows.push(row(
            &[("policy", policy(shape, seen))],
            &summary(shape, seen.good, 0),
            String::new(),
            shape,
        ));
        let details = details(shape, &seen.troubles);
        rows.push(row(
            &[("policy", policy(shape, seen))],
            &summary(shape, 0, failed(&seen.troubles)),
            details,
            shape,
        ));
    } else {
        let details = details(shape, &seen.troubles);
        let summary = summary(shape, seen.good, failed(&seen.troubles));
        rows.push(row(&[("policy", policy(shape, seen))], &summary, details, shape));
    }
    if shape == Shape::Twice
        && let Some(dane) = &seen.dane
    {
        // The records as one string that holds a list itself.
        let records = list(&dane.records.iter().map(|record| text(record)).collect::<Vec<_>>());
        let policy = object(&[
            ("policy-type", text("tlsa")),
            ("policy-string", list(&[text(&records)])),
            ("policy-domain", text(seen.domain)),
        ]);
        let summary = summary(shape, dane.good, failed(&dane.troubles));
        rows.push(row(&[("policy", policy)], &summary, details(shape, &dane.troubles), shape));
    } else if shape == Shape::Collector
        && let Some(dane) = &seen.dane
    {
        let policy = object(&[
            ("policy-type", text("tlsa")),
            ("policy-string", list(&dane.records.iter().map(|record| text(record)).collect::<Vec<_>>())),
            ("policy-domain", text(seen.domain)),
            ("mx-host", list(&[text(dane.mx)])),
        ]);
        let summary = summary(shape, dane.good, failed(&dane.troubles));
        // A sender that knows DANE does not look for MTA-STS (RFC 8461 §2): this row alone.
        return vec![row(&[("policy", policy)], &summary, details(shape, &dane.troubles), shape)];
    }
    rows
}

fn row(policy: &[(&str, String)], summary: &str, details: String, shape: Shape) -> String {
    let mut fields = policy.to_vec();
    let place = if shape == Shape::Collector { 0 } else { 1 };
    fields.insert(place, ("summary", summary.to_owned()));
    if !details.is_empty() {
        fields.push(("failure-details", details));
    } else if shape == Shape::Repeating {
        fields.push(("failure-details", "[]".to_owned()));
    }
    object(&fields)
}

fn policy(shape: Shape, seen: &Seen) -> String {
    let kind = if matches!(seen.policy, Policy::Missing) { "no-policy-found" } else { "sts" };
    let mut fields = vec![("policy-type", text(kind))];
    let lines = seen.policy.lines();
    if !lines.is_empty() && shape != Shape::Repeating {
        fields.push(("policy-string", list(&lines.iter().map(|line| text(line)).collect::<Vec<_>>())));
    }
    // An old collector says nothing of the domain where it found no policy; every third of its days is from one.
    if !(shape == Shape::Collector && kind == "no-policy-found" && seen.day % 3 == 0) {
        fields.push(("policy-domain", text(seen.domain)));
    }
    let patterns: Vec<_> = seen.policy.patterns().iter().map(|pattern| text(pattern)).collect();
    match shape {
        Shape::Twice | Shape::Repeating => {}
        Shape::Sloppy => fields.push(("mx-host", "[]".to_owned())),
        // RFC 8460 Appendix B shows a string; the text says a list.
        Shape::Plain if patterns.len() == 1 => fields.push(("mx-host", patterns[0].clone())),
        _ if !patterns.is_empty() => fields.push(("mx-host", list(&patterns))),
        _ => {}
    }
    object(&fields)
}

fn summary(shape: Shape, good: u64, failed: u64) -> String {
    let count =
        |count: u64| if shape == Shape::Sloppy { text(&count.to_string()) } else { count.to_string() };
    object(&[("total-successful-session-count", count(good)), ("total-failure-session-count", count(failed))])
}

fn details(shape: Shape, troubles: &[Trouble]) -> String {
    if troubles.is_empty() {
        return String::new();
    }
    let mut rows: Vec<_> = troubles.iter().map(|trouble| detail(shape, trouble)).collect();
    if shape == Shape::Repeating {
        // The same row twice: the rows then come to more than the summary.
        rows.extend(rows.first().cloned());
    }
    list(&rows)
}

fn detail(shape: Shape, trouble: &Trouble) -> String {
    let mut fields = vec![("result-type", text(trouble.result))];
    match shape {
        Shape::Mailbox => fields.push(("sending-mta-ip", text(&trouble.sending_ip))),
        _ if trouble.mx.is_some() => fields.push(("sending-mta-ip", text(&trouble.sending_ip))),
        _ => {}
    }
    if let Some(mx) = trouble.mx {
        let key = if shape == Shape::Sloppy { "receiving-mx-host-name" } else { "receiving-mx-hostname" };
        fields.push((key, text(mx)));
    }
    if let Some(address) = trouble.receiving_ip.filter(|_| shape != Shape::Twice) {
        fields.push(("receiving-ip", text(address)));
    }
    fields.push(("failed-session-count", trouble.count.to_string()));
    if let Some(reason) = trouble.reason.filter(|_| shape != Shape::Repeating) {
        fields.push(("failure-reason-code", text(reason)));
    }
    object(&fields)
}

fn text(value: &str) -> String {
    Value::from(value).to_string()
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

/// An object whose keys keep their order: some reporters are known by it.
fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

//! Writing: the RFC 8460 object, strictly, with the members in the order of the RFC's own example.
//!
//! What is written is I-JSON (H1): UTF-8, no key twice, counts as integers.

use super::json::Json;
use super::model::{DateRange, Extra, FailureDetails, Head, Policy, PolicyResult, Report, Summary};
use super::repair::Repair;

/// Appends the report as one JSON object.
pub fn write_report(out: &mut Vec<u8>, report: &Report) {
    let mut object = Object::open(out);
    write_report_members(&mut object, report);
    object.close();
}

/// Appends the report's members to an object that is being written.
pub(crate) fn write_report_members(object: &mut Object<'_>, report: &Report) {
    object.text("organization-name", report.organization_name.as_deref());
    object.date_range(report.date_range.as_ref());
    object.text("contact-info", report.contact_info.as_deref());
    object.text("report-id", report.report_id.as_deref());
    if let Some(policies) = &report.policies {
        let out = object.key("policies");
        out.push(b'[');
        for (index, policy) in policies.iter().enumerate() {
            comma(out, index);
            write_policy(out, policy);
        }
        out.push(b']');
    }
    object.extra(&report.extra);
}

/// Appends everything but `policies`, as one JSON object.
pub fn write_head(out: &mut Vec<u8>, head: &Head) {
    let mut object = Object::open(out);
    write_head_members(&mut object, head);
    object.close();
}

pub(crate) fn write_head_members(object: &mut Object<'_>, head: &Head) {
    object.text("organization-name", head.organization_name.as_deref());
    object.date_range(head.date_range.as_ref());
    object.text("contact-info", head.contact_info.as_deref());
    object.text("report-id", head.report_id.as_deref());
    object.extra(&head.extra);
}

/// Appends one element of `policies`.
pub fn write_policy(out: &mut Vec<u8>, result: &PolicyResult) {
    let mut object = Object::open(out);
    object.policy_and_summary(result);
    if let Some(rows) = &result.failure_details {
        let out = object.key("failure-details");
        out.push(b'[');
        for (index, row) in rows.iter().enumerate() {
            comma(out, index);
            write_failure(out, row);
        }
        out.push(b']');
    }
    object.extra(&result.extra);
    object.close();
}

/// Appends one element of `failure-details`.
pub fn write_failure(out: &mut Vec<u8>, row: &FailureDetails) {
    let mut object = Object::open(out);
    object.text("result-type", row.result_type.as_ref().map(crate::ResultType::as_wire));
    object.text("sending-mta-ip", row.sending_mta_ip.as_deref());
    object.text("receiving-mx-hostname", row.receiving_mx_hostname.as_deref());
    object.text("receiving-mx-helo", row.receiving_mx_helo.as_deref());
    object.text("receiving-ip", row.receiving_ip.as_deref());
    object.count("failed-session-count", row.failed_session_count);
    object.text("additional-information", row.additional_information.as_deref());
    object.text("failure-reason-code", row.failure_reason_code.as_deref());
    object.extra(&row.extra);
    object.close();
}

/// Appends the repairs as a JSON array of `{"path", "kind", "text"}`.
pub fn write_repairs(out: &mut Vec<u8>, repairs: &[Repair]) {
    out.push(b'[');
    for (index, repair) in repairs.iter().enumerate() {
        comma(out, index);
        let mut object = Object::open(out);
        object.text("path", Some(&repair.path));
        object.text("kind", Some(repair.kind.as_wire()));
        object.text("text", Some(&repair.text));
        object.close();
    }
    out.push(b']');
}

/// An object that is being written.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    members: usize,
}

impl<'o> Object<'o> {
    pub(crate) fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, members: 0 }
    }

    pub(crate) fn close(self) {
        self.out.push(b'}');
    }

    /// Writes a key and its colon; the value is to follow.
    pub(crate) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        comma(self.out, self.members);
        self.members += 1;
        write_string(self.out, key);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            write_string(self.key(key), value);
        }
    }

    fn count(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.key(key).extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        }
    }

    fn texts(&mut self, key: &str, values: Option<&Vec<crate::Text>>) {
        let Some(values) = values else { return };
        let out = self.key(key);
        out.push(b'[');
        for (index, value) in values.iter().enumerate() {
            comma(out, index);
            write_string(out, value);
        }
        out.push(b']');
    }

    fn date_range(&mut self, range: Option<&DateRange>) {
        let Some(range) = range else { return };
        let mut object = Object::open(self.key("date-range"));
        object.text("start-datetime", range.start.map(|time| time.to_string()).as_deref());
        object.text("end-datetime", range.end.map(|time| time.to_string()).as_deref());
        object.extra(&range.extra);
        object.close();
    }

    pub(crate) fn policy_and_summary(&mut self, result: &PolicyResult) {
        if let Some(policy) = &result.policy {
            write_policy_object(self.key("policy"), policy);
        }
        if let Some(summary) = &result.summary {
            write_summary(self.key("summary"), summary);
        }
    }

    pub(crate) fn extra(&mut self, extra: &Extra) {
        if !extra.is_empty() {
            write_members(self.out, extra, self.members == 0);
            self.members += 1;
        }
    }
}

fn write_policy_object(out: &mut Vec<u8>, policy: &Policy) {
    let mut object = Object::open(out);
    object.text("policy-type", policy.policy_type.as_ref().map(crate::PolicyType::as_wire));
    object.texts("policy-string", policy.policy_string.as_ref());
    object.text("policy-domain", policy.policy_domain.as_deref());
    object.texts("mx-host", policy.mx_host.as_ref());
    object.extra(&policy.extra);
    object.close();
}

fn write_summary(out: &mut Vec<u8>, summary: &Summary) {
    let mut object = Object::open(out);
    object.count("total-successful-session-count", summary.successful);
    object.count("total-failure-session-count", summary.failed);
    object.extra(&summary.extra);
    object.close();
}

/// Appends members without braces; `first` if nothing stands before them.
pub(crate) fn write_members(out: &mut Vec<u8>, extra: &Extra, first: bool) {
    for (index, (key, value)) in extra.iter().enumerate() {
        comma(out, usize::from(!first) + index);
        write_string(out, key);
        out.push(b':');
        write_json(out, value);
    }
}

/// Appends a value. Recursive, as deep as the reader let it become.
pub(crate) fn write_json(out: &mut Vec<u8>, value: &Json) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Number(text) => out.extend_from_slice(text.as_bytes()),
        Json::String(text) => write_string(out, text),
        Json::Array(elements) => {
            out.push(b'[');
            for (index, element) in elements.iter().enumerate() {
                comma(out, index);
                write_json(out, element);
            }
            out.push(b']');
        }
        Json::Object(members) => {
            let mut object = Object::open(out);
            for (key, value) in members {
                write_json(object.key(key), value);
            }
            object.close();
        }
    }
}

fn comma(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b',');
    }
}

/// Appends a JSON string. Escapes what RFC 8259 §7 demands, and U+007F to U+009F, which upset terminals.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    // `from`: what is not written yet; `at`: what is not looked at yet.
    let (mut from, mut at) = (0, 0);
    loop {
        at += plain_run(&bytes[at..]);
        let Some(&byte) = bytes.get(at) else { break };
        let c1 = byte == 0xc2 && matches!(bytes.get(at + 1), Some(0x80..=0x9f));
        at += 1;
        if byte == 0xc2 && !c1 {
            continue;
        }
        out.extend_from_slice(&bytes[from..at - 1]);
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let code = if c1 { bytes[at] } else { byte };
                at += usize::from(c1);
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(code >> 4)]);
                out.push(HEX[usize::from(code & 15)]);
            }
        }
        from = at;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// How many bytes come before one that [`write_string`] has to look at: eight at a time, because the digest of every
/// report that is taken in goes through here.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES * 128;
    // The classic test for a zero byte. Borrows can mark only bytes above a true hit, so the lowest mark is true.
    let has = |word: u64, byte: u64| {
        let difference = word ^ (ONES * byte);
        difference.wrapping_sub(ONES) & !difference
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let hit = (control | has(word, 0x22) | has(word, 0x5c) | has(word, 0x7f) | has(word, 0xc2)) & HIGHS;
        if hit != 0 {
            return index * 8 + (hit.trailing_zeros() / 8) as usize;
        }
    }
    let plain = |byte: &&u8| **byte >= 0x20 && !matches!(**byte, b'"' | b'\\' | 0x7f | 0xc2);
    words.len() * 8 + rest.iter().take_while(plain).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule of [`write_string`], a character at a time.
    fn plainly(text: &str) -> String {
        let mut out = String::from('"');
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\0'..='\x1f' | '\x7f'..='\u{9f}' => out.push_str(&format!("\\u{:04x}", character as u32)),
                other => out.push(other),
            }
        }
        out.push('"');
        out
    }

    #[test]
    fn every_character_is_escaped_or_not_wherever_it_stands() {
        let characters = (0..=0x180).filter_map(char::from_u32).chain(['\u{1f600}', '\u{feff}']);
        for character in characters {
            for before in 0..17 {
                for after in [0, 1, 9] {
                    let text = format!("{}{character}{character}{}", "x".repeat(before), "y".repeat(after));
                    let mut out = Vec::new();
                    write_string(&mut out, &text);
                    assert_eq!(String::from_utf8(out).as_deref(), Ok(plainly(&text).as_str()));
                }
            }
        }
    }
}

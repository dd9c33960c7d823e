//! Header fields of a mail and of its parts: found by hand over the slice, their values read by `mail-parser`.
//!
//! Tolerant: a line that is no field is skipped. The values come from strangers; nothing is checked here.

use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue};
use memchr::{memchr, memmem};

use crate::kind::field_name;
use crate::transfer::Encoding;

/// The header of the innermost mail that carried a member. Fields are looked up when asked for.
#[derive(Debug, Clone, Copy)]
pub struct MailContext<'a> {
    head: &'a [u8],
    limit: usize,
}

impl<'a> MailContext<'a> {
    /// The context of a whole mail (or just its header).
    pub fn of(mail: &'a [u8], limits: &crate::Limits) -> Self {
        let mail = &mail[start_of_mail(mail)..];
        MailContext { head: &mail[..head_end(mail)], limit: limits.header_bytes }
    }

    pub(crate) fn new(head: &'a [u8], limit: usize) -> Self {
        MailContext { head, limit }
    }

    /// The header as it stands.
    pub fn raw(&self) -> &'a [u8] {
        self.head
    }

    /// The values of all fields of that name (any case), from the top, unparsed, with their folds.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let limit = self.limit;
        Fields { rest: self.head }
            .filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(move |field| &field.value[..field.value.len().min(limit)])
    }

    /// The first field of that name, unfolded and trimmed.
    pub fn text(&self, name: &str) -> Option<String> {
        let value = String::from_utf8_lossy(self.fields(name).next()?);
        Some(value.replace(['\r', '\n'], "").trim().to_owned())
    }

    /// Address of the first author, as written.
    pub fn from(&self) -> Option<String> {
        let value = terminated(self.fields("from").next()?);
        let HeaderValue::Address(address) = MessageStream::new(&value).parse_address() else { return None };
        let first = match &address {
            Address::List(list) => list.first(),
            Address::Group(groups) => groups.iter().find_map(|group| group.addresses.first()),
        };
        first.and_then(|one| one.address.as_deref()).map(str::to_owned)
    }

    /// The subject, encoded words decoded.
    pub fn subject(&self) -> Option<String> {
        let value = terminated(self.fields("subject").next()?);
        match MessageStream::new(&value).parse_unstructured() {
            HeaderValue::Text(text) => Some(text.into_owned()),
            _ => None,
        }
    }

    /// The message id, without its angle brackets.
    pub fn message_id(&self) -> Option<String> {
        let text = self.text("message-id")?;
        Some(text.trim_start_matches('<').trim_end_matches('>').to_owned())
    }

    /// The date, as written.
    pub fn date(&self) -> Option<String> {
        self.text("date")
    }

    /// RFC 8460 §5.3: the policy domain that the report is about, as the header says.
    pub fn tls_report_domain(&self) -> Option<String> {
        self.text("tls-report-domain")
    }

    /// RFC 8460 §5.3: who submits the report, as the header says.
    pub fn tls_report_submitter(&self) -> Option<String> {
        self.text("tls-report-submitter")
    }

    /// RFC 8460 §5.3: whether the mail calls itself `multipart/report; report-type=tlsrpt`.
    pub fn is_tls_report(&self) -> bool {
        let Some(value) = self.fields("content-type").next() else { return false };
        let content_type = ContentType::parse(value);
        content_type.media == "multipart/report"
            && content_type.report_type.is_some_and(|kind| kind.eq_ignore_ascii_case("tlsrpt"))
    }

    /// Whether there is a DKIM-Signature field. Says nothing of its worth.
    pub fn has_dkim_signature(&self) -> bool {
        self.fields("dkim-signature").next().is_some()
    }

    /// The `d=` of each DKIM-Signature, lower case, unverified.
    pub fn dkim_domains(&self) -> Vec<String> {
        // RFC 6376 §3.2: tags may be folded and spaced anywhere round the equals sign.
        let domain = |value: &[u8]| {
            String::from_utf8_lossy(value).split(';').find_map(|tag| {
                let (name, value) = tag.split_once('=')?;
                (name.trim() == "d").then(|| value.trim().to_ascii_lowercase())
            })
        };
        self.fields("dkim-signature").filter_map(domain).collect()
    }
}

/// One field: name without the colon, value with its folds and without the last line end.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// The fields of a header that holds nothing else.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            let end = field_end(self.rest);
            if end == 0 {
                return None;
            }
            let (field, rest) = self.rest.split_at(end);
            self.rest = rest;
            if let Some(field) = field_of(field) {
                return Some(field);
            }
        }
    }
}

/// Splits a field at its colon; `None` for a line that is no field.
pub(crate) fn field_of(field: &[u8]) -> Option<Field<'_>> {
    let name = field_name(field)?;
    let value = field.get(memchr(b':', field)? + 1..)?;
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    Some(Field { name, value: value.strip_suffix(b"\r").unwrap_or(value) })
}

/// Where the field at the beginning ends: after a line end that no white space follows.
pub(crate) fn field_end(bytes: &[u8]) -> usize {
    let mut end = 0;
    loop {
        match memchr(b'\n', &bytes[end..]) {
            None => return bytes.len(),
            Some(line) => end += line + 1,
        }
        if !matches!(bytes.get(end), Some(b' ' | b'\t')) {
            return end;
        }
    }
}

/// Where the header ends, its empty line not included.
fn head_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() && !is_blank(&bytes[at..]) {
        at += field_end(&bytes[at..]);
    }
    at
}

pub(crate) fn is_blank(line: &[u8]) -> bool {
    line.starts_with(b"\n") || line.starts_with(b"\r\n")
}

/// Empty lines and a mailbox's `From ` line may stand before the first field.
pub(crate) fn start_of_mail(mail: &[u8]) -> usize {
    let mut at = 0;
    while is_blank(&mail[at..]) || mail[at..].starts_with(b"From ") || mail[at..].starts_with(b">From ") {
        at += memchr(b'\n', &mail[at..]).map_or(mail.len() - at, |end| end + 1);
    }
    at
}

/// What a Content-Type or Content-Disposition field says, as far as we ask.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentType {
    /// `type/subtype` in lower case, or the disposition.
    pub(crate) media: String,
    pub(crate) boundary: Option<String>,
    pub(crate) report_type: Option<String>,
    /// `name` or `filename`, RFC 2231 continuations put together.
    pub(crate) name: Option<String>,
}

impl ContentType {
    pub(crate) fn parse(value: &[u8]) -> Self {
        let value = terminated(value);
        let parsed = MessageStream::new(&value).parse_content_type();
        let HeaderValue::ContentType(parsed) = parsed else { return ContentType::default() };
        let mut found = ContentType {
            media: match parsed.c_subtype {
                Some(subtype) => format!("{}/{subtype}", parsed.c_type),
                None => parsed.c_type.into_owned(),
            },
            ..ContentType::default()
        };
        for attribute in parsed.attributes.into_iter().flatten() {
            let place = match attribute.name.as_ref() {
                "boundary" => &mut found.boundary,
                "report-type" => &mut found.report_type,
                "name" | "filename" => &mut found.name,
                _ => continue,
            };
            if place.is_none() {
                *place = Some(attribute.value.into_owned()).filter(|value| !value.is_empty());
            }
        }
        found
    }
}

/// What the header of a part says.
#[derive(Debug)]
pub(crate) struct PartHead {
    pub(crate) media: String,
    pub(crate) boundary: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) encoding: Encoding,
    typed: bool,
    named_by_disposition: bool,
    encoded: bool,
}

impl Default for PartHead {
    fn default() -> Self {
        PartHead {
            media: String::new(),
            boundary: None,
            name: None,
            encoding: Encoding::Plain,
            typed: false,
            named_by_disposition: false,
            encoded: false,
        }
    }
}

impl PartHead {
    /// Takes in a field if it is one of the three that count. The first of each wins.
    pub(crate) fn take(&mut self, field: &Field<'_>, limit: usize) {
        let Some((prefix, rest)) = field.name.split_at_checked(8) else { return };
        if !prefix.eq_ignore_ascii_case(b"content-") {
            return;
        }
        let value = &field.value[..field.value.len().min(limit)];
        if rest.eq_ignore_ascii_case(b"type") && !self.typed {
            let parsed = ContentType::parse(value);
            self.typed = true;
            self.media = parsed.media;
            self.boundary = parsed.boundary;
            if !self.named_by_disposition {
                self.name = parsed.name;
            }
        } else if rest.eq_ignore_ascii_case(b"transfer-encoding") && !self.encoded {
            self.encoded = true;
            self.encoding = Encoding::from_field(value);
        } else if rest.eq_ignore_ascii_case(b"disposition") && !self.named_by_disposition {
            // RFC 2183 §2.3: the file name belongs here; the name of the type is older habit.
            if let Some(name) = ContentType::parse(value).name {
                self.name = Some(name);
                self.named_by_disposition = true;
            }
        }
    }
}

/// A value as `mail-parser` wants it: with a line end. Looking for the end of each encoded word makes many that have
/// none cost the square of their number; no honest field has more than a few.
fn terminated(value: &[u8]) -> Vec<u8> {
    let end = memmem::find_iter(value, b"=?").nth(ENCODED_WORDS).unwrap_or(value.len());
    let mut owned = Vec::with_capacity(end + 1);
    owned.extend_from_slice(&value[..end]);
    owned.push(b'\n');
    owned
}

/// Encoded words of one field that are read.
const ENCODED_WORDS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn the_header_of_a_report_mail_is_read_lazily() {
        let mail = b"\r\nReceived: by x\r\n\tby y\r\nbroken line\r\nFrom: \"A, B\" <tls@Sender.example>\r\n\
            Subject: =?utf-8?Q?Report=20Domain:?= a.example\r\n Submitter: b.example\r\nMessage-ID: <1@b.example>\r\n\
            DKIM-Signature: v=1; a=x;\r\n\td = Sender.Example; s=s1\r\nDKIM-Signature: v=1; d=b.example\r\n\
            Date: Sat, 3 Jan 2026 01:02:03 +0000\r\nTLS-Report-Domain: a.example\r\n\
            tls-report-submitter : b.example\r\n\
            Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=b\r\n\r\nFrom: body\r\n";
        let mail = MailContext::of(mail, &Limits::default());
        assert_eq!(mail.from().as_deref(), Some("tls@Sender.example"));
        assert_eq!(mail.subject().as_deref(), Some("Report Domain: a.example Submitter: b.example"));
        assert_eq!(mail.message_id().as_deref(), Some("1@b.example"));
        assert_eq!(mail.date().as_deref(), Some("Sat, 3 Jan 2026 01:02:03 +0000"));
        assert_eq!(mail.tls_report_domain().as_deref(), Some("a.example"));
        assert_eq!(mail.tls_report_submitter().as_deref(), Some("b.example"));
        assert_eq!(mail.dkim_domains(), ["sender.example", "b.example"]);
        assert!(mail.has_dkim_signature() && mail.is_tls_report());
        assert_eq!(mail.fields("from").count(), 1);
    }

    /// Proves: R3
    #[test]
    fn names_are_put_together_from_every_form() {
        for (value, name) in [
            (&b" application/x; name=a.json"[..], "a.json"),
            (b" application/x; name=\"b!c!1!2.json.gz\"", "b!c!1!2.json.gz"),
            (
                b" application/x;\r\n name*0=\"google.com!\";\r\n name*1=\"a.example!1!2.json.gz\"",
                "google.com!a.example!1!2.json.gz",
            ),
            (b" attachment; filename*=utf-8''a%21b.json", "a!b.json"),
            (b" attachment; filename*0*=utf-8''a%21;\r\n filename*1=b.json", "a!b.json"),
            (b" application/x; name=\"=?utf-8?B?YSFiLmpzb24=?=\"", "a!b.json"),
        ] {
            assert_eq!(ContentType::parse(value).name.as_deref(), Some(name), "{}", value.escape_ascii());
        }
    }
}

//! A report as a mail: `multipart/report` of a text for people and the report for machines (RFC 8460 §5.3, RFC 6522).
//!
//! What goes in: checked parts and the packed report. What comes out: the message to sign with DKIM and to hand to a
//! relay, with `TLS-Required: No` (RFC 8689 §5), since a report must arrive where TLS is what fails. What can fail:
//! [`FormError`], all of it the caller's own values.

use super::encode::{base64_lines, display_name, header, is_seven_bit, plain_lines, quoted_printable};
use super::{Filename, FormError, Subject, is_domain, is_dot_atom, is_message_id};

/// A mail address with the name to show for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox<'a> {
    /// The name to show; any text without control characters.
    pub name: Option<&'a str>,
    /// `local@domain`, the domain in A-labels.
    pub address: &'a str,
}

/// All of a report mail.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// The author; its domain is the one that signs.
    pub from: Mailbox<'a>,
    /// The address of the `mailto:` rua.
    pub to: Mailbox<'a>,
    /// Names the domain, the submitter and the report.
    pub subject: &'a Subject,
    /// When it is sent, Unix seconds; written in UTC.
    pub date: i64,
    /// `left@right`, new for each mail.
    pub message_id: &'a str,
    /// A MIME boundary, from the caller's randomness: 1 to 70 letters, digits, `_`, `-`, `.` and `=`.
    pub boundary: &'a str,
    /// What people read.
    pub summary: &'a str,
    /// The attachment's name; its packing says what `report` is.
    pub filename: &'a Filename,
    /// The report, packed as the file name says (see [`pack`](super::pack)).
    pub report: &'a [u8],
}

impl Envelope<'_> {
    /// Writes the message: CRLF line ends, ASCII only, no line longer than SMTP takes.
    ///
    /// # Errors
    /// [`FormError`] for an address, id, boundary or date that a mail cannot carry, and where subject and file name disagree.
    pub fn build(&self) -> Result<Vec<u8>, FormError> {
        let Self { subject, filename, boundary, .. } = self;
        // RFC 8460 §5.1, §5.3: both name the domain of contact-info.
        if subject.submitter() != filename.sender() || subject.domain() != filename.policy_domain() {
            return Err(FormError::Mismatch);
        }
        if !is_boundary(boundary) {
            return Err(FormError::Boundary);
        }
        if !is_message_id(self.message_id) {
            return Err(FormError::MessageId(self.message_id.to_owned()));
        }
        let mut out = String::with_capacity(self.report.len() / 3 * 4 + self.summary.len() + 2_048);
        header(&mut out, "From", &mailbox(self.from)?);
        header(&mut out, "To", &mailbox(self.to)?);
        header(&mut out, "Date", &date(self.date)?);
        header(&mut out, "Message-ID", &format!("<{}>", self.message_id));
        header(&mut out, "Subject", &subject.build());
        header(&mut out, "TLS-Report-Domain", subject.domain());
        header(&mut out, "TLS-Report-Submitter", subject.submitter());
        header(&mut out, "TLS-Required", "No");
        // RFC 3834 §5: nobody's holiday reply is wanted.
        header(&mut out, "Auto-Submitted", "auto-generated");
        header(&mut out, "MIME-Version", "1.0");
        let content_type = format!("multipart/report; report-type=\"tlsrpt\"; boundary=\"{boundary}\"");
        header(&mut out, "Content-Type", &content_type);
        out.push_str("\r\n");

        self.part(&mut out);
        let text_starts = out.len();
        if is_seven_bit(self.summary) {
            header(&mut out, "Content-Type", "text/plain; charset=us-ascii");
            header(&mut out, "Content-Transfer-Encoding", "7bit");
            out.push_str("\r\n");
            plain_lines(&mut out, self.summary);
        } else {
            header(&mut out, "Content-Type", "text/plain; charset=utf-8");
            header(&mut out, "Content-Transfer-Encoding", "quoted-printable");
            out.push_str("\r\n");
            quoted_printable(&mut out, self.summary);
        }
        if out[text_starts..].contains(&format!("\r\n--{boundary}")) {
            return Err(FormError::Boundary);
        }
        out.push_str("\r\n");
        self.part(&mut out);
        header(&mut out, "Content-Type", filename.packing().media_type());
        header(&mut out, "Content-Transfer-Encoding", "base64");
        header(&mut out, "Content-Disposition", &format!("attachment; filename=\"{}\"", filename.build()));
        out.push_str("\r\n");
        base64_lines(&mut out, self.report);
        out.push_str("\r\n--");
        out.push_str(boundary);
        out.push_str("--\r\n");
        Ok(out.into_bytes())
    }

    fn part(&self, out: &mut String) {
        out.push_str("--");
        out.push_str(self.boundary);
        out.push_str("\r\n");
    }
}

fn mailbox(mailbox: Mailbox<'_>) -> Result<String, FormError> {
    let address = mailbox.address;
    let fits = address.len() <= 254
        && address.rsplit_once('@').is_some_and(|(local, domain)| {
            (is_dot_atom(local) || is_quoted_local(local)) && local.len() <= 64 && is_domain(domain)
        });
    if !fits {
        return Err(FormError::Address(address.to_owned()));
    }
    match mailbox.name {
        None | Some("") => Ok(format!("<{address}>")),
        Some(name) if name.chars().any(char::is_control) => Err(FormError::DisplayName),
        Some(name) => Ok(format!("{} <{address}>", display_name(name))),
    }
}

/// A quoted local part. One with a space is refused: the header's folding would be free to change it.
fn is_quoted_local(local: &str) -> bool {
    local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).is_some_and(|inner| {
        inner.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
    })
}

/// RFC 2046 §5.1.1, without the marks that some readers stumble over.
fn is_boundary(boundary: &str) -> bool {
    (1..=70).contains(&boundary.len())
        && boundary
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'='))
}

/// RFC 5322 §3.3, in UTC.
fn date(seconds: i64) -> Result<String, FormError> {
    let time = jiff::Timestamp::from_second(seconds).map_err(|_| FormError::Date(seconds))?;
    // Four digits of a year are what every reader takes.
    if !(0..=253_402_300_799).contains(&seconds) {
        return Err(FormError::Date(seconds));
    }
    jiff::fmt::strtime::format("%a, %d %b %Y %H:%M:%S +0000", time).map_err(|_| FormError::Date(seconds))
}

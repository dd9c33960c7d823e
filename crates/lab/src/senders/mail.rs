//! A report as a mail (RFC 8460 §5.3). It carries no DKIM signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{Report, Sender, gzip};
use crate::world::DAY;

/// The whole mail, from `sender` to the place that the report's domain names.
#[must_use]
pub fn letter(sender: &Sender, report: &Report) -> Bytes {
    let Report { about, rua, id, begin, json } = report;
    let to = rua.strip_prefix("mailto:").unwrap_or(rua);
    let from = &sender.contact;
    let domain = &sender.domain;
    let id = if id.contains('@') { id.clone() } else { format!("{id}@{domain}") };
    let file = format!("{domain}!{about}!{begin}!{}!1.json.gz", begin + DAY - 1);
    let packed = STANDARD.encode(gzip(json));
    let lines: Vec<&str> =
        packed.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let attached = lines.join("\r\n");
    let boundary = format!("part-{begin}-of-{domain}");
    let organization = &sender.organization;
    format!(
        "From: {from}\r\n\
         To: {to}\r\n\
         Subject: Report Domain: {about} Submitter: {domain} Report-ID: <{id}>\r\n\
         Message-ID: <{begin}.{about}@{domain}>\r\n\
         TLS-Report-Domain: {about}\r\n\
         TLS-Report-Submitter: {domain}\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=\"tlsrpt\"; boundary=\"{boundary}\"\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         This is a report about TLS connections to {about}, from {organization}.\r\n\
         --{boundary}\r\n\
         Content-Type: application/tlsrpt+gzip\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"{file}\"\r\n\
         \r\n\
         {attached}\r\n\
         --{boundary}--\r\n"
    )
    .into()
}

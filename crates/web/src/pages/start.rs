//! What to do first: the record to publish, the roads by which reports come, and a test of each.
//!
//! The form only fills in the texts: it is a GET that changes nothing. What is filled in is proven first, since a person
//! pastes it into a zone file and a shell.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use serde::Deserialize;
use tls_rpt::record::write;
use tlsward_engine::ports::{Clock, Evidence, Totals};

use super::{App, Frame, PageResult, Place, render};
use crate::times;

const EXAMPLE_DOMAIN: &str = "example.org";
const EXAMPLE_MAIL: &str = "tls-reports@example.org";
const EXAMPLE_URL: &str = "https://tlsrpt.example.org/v1/tlsrpt";
/// Bytes of an answer in the form at most.
const MOST_BYTES: usize = 400;

/// What was filled in.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Question {
    domain: Option<String>,
    mail: Option<String>,
    url: Option<String>,
}

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage {
    frame: Frame,
    is_empty: bool,
    set_aside: u64,
    domain: Field,
    mail: Field,
    url: Field,
    is_example: bool,
    record_name: String,
    by_mail: String,
    by_https: String,
    by_both: String,
    post_url: Option<String>,
    mail_address: Option<String>,
    rcpt: String,
    sample: String,
    date: String,
}

/// A field of the form: what was typed, what is used, and what is wrong with it.
struct Field {
    typed: String,
    used: String,
    complaint: Option<&'static str>,
}

impl Field {
    fn new(typed: Option<&str>, example: &str, check: fn(&str) -> Result<String, &'static str>) -> Self {
        let typed: String = typed.unwrap_or_default().trim().to_owned();
        if typed.is_empty() {
            return Self { typed, used: example.to_owned(), complaint: None };
        }
        let checked = if typed.len() > MOST_BYTES { Err("This is too long.") } else { check(&typed) };
        match checked {
            Ok(used) => Self { typed, used, complaint: None },
            Err(complaint) => Self {
                typed: typed.chars().take(MOST_BYTES).collect(),
                used: example.to_owned(),
                complaint: Some(complaint),
            },
        }
    }

    fn is_given(&self) -> bool {
        !self.typed.is_empty() && self.complaint.is_none()
    }
}

pub(super) async fn show<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> PageResult {
    page(&app, &question, None)
}

/// The page. `empty` holds the totals where it stands in for the overview of a server without reports.
pub(super) fn page<S, C: Clock>(app: &App<S, C>, question: &Question, empty: Option<&Totals>) -> PageResult {
    let domain = Field::new(question.domain.as_deref(), EXAMPLE_DOMAIN, domain);
    let example_mail =
        if domain.is_given() { format!("tls-reports@{}", domain.used) } else { EXAMPLE_MAIL.to_owned() };
    let mail = Field::new(question.mail.as_deref(), &example_mail, mail);
    let url = Field::new(question.url.as_deref(), EXAMPLE_URL, url);
    let record = |destinations: &[&str]| write(destinations).unwrap_or_default();
    let date = times::date(times::day_of(app.clock.now()) - 1);
    render(&StartPage {
        frame: Frame::new(
            if empty.is_some() { "Nothing yet" } else { "Set up reporting" },
            if empty.is_some() { Place::Domains } else { Place::Start },
        ),
        is_empty: empty.is_some(),
        set_aside: empty.map_or(0, |totals| totals.set_aside),
        is_example: !(domain.is_given() && (mail.is_given() || url.is_given())),
        record_name: format!("_smtp._tls.{}", domain.used),
        by_mail: record(&[&mail.used]),
        by_https: record(&[&url.used]),
        by_both: record(&[&mail.used, &url.used]),
        post_url: app.site.post_url.clone(),
        mail_address: app.site.mail_address.clone(),
        rcpt: mail.used.clone(),
        sample: sample(&domain.used, &date),
        date,
        domain,
        mail,
        url,
    })
}

fn domain(typed: &str) -> Result<String, &'static str> {
    const COMPLAINT: &str = "This is not a domain name.";
    let bare = typed.trim_end_matches('.');
    let ascii = idna::domain_to_ascii_strict(bare).map_err(|_| COMPLAINT)?;
    let is_name = ascii.len() <= 240
        && ascii.contains('.')
        && ascii.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        });
    if is_name { Ok(ascii) } else { Err(COMPLAINT) }
}

fn mail(typed: &str) -> Result<String, &'static str> {
    const COMPLAINT: &str = "This is not a plain mail address such as tls-reports@example.org.";
    let (local, at) = typed.rsplit_once('@').ok_or(COMPLAINT)?;
    let is_plain = (1..=64).contains(&local.len())
        && local
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+' | b'='))
        && !local.starts_with(['.', '-'])
        && !local.ends_with('.');
    if !is_plain {
        return Err(COMPLAINT);
    }
    let address = format!("{local}@{}", domain(at).map_err(|_| COMPLAINT)?);
    write(&[&address]).map_err(|_| COMPLAINT)?;
    Ok(address)
}

fn url(typed: &str) -> Result<String, &'static str> {
    const COMPLAINT: &str = "This is not an https:// address that senders can reach.";
    let rest = typed.strip_prefix("https://").ok_or(COMPLAINT)?;
    let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
    domain(host).map_err(|_| COMPLAINT)?;
    let is_plain = rest
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\'' | b'"' | b'\\' | b'<' | b'>' | b'@'));
    if !is_plain {
        return Err(COMPLAINT);
    }
    write(&[typed]).map_err(|_| COMPLAINT)?;
    Ok(typed.to_owned())
}

/// A small report about yesterday, one session of ten failed.
fn sample(domain: &str, date: &str) -> String {
    format!(
        r#"{{
  "organization-name": "A test of my own",
  "date-range": {{"start-datetime": "{date}T00:00:00Z", "end-datetime": "{date}T23:59:59Z"}},
  "contact-info": "postmaster@{domain}",
  "report-id": "test-{date}",
  "policies": [{{
    "policy": {{"policy-type": "sts", "policy-domain": "{domain}", "mx-host": ["mx.{domain}"],
      "policy-string": ["version: STSv1", "mode: testing", "mx: mx.{domain}", "max_age: 86400"]}},
    "summary": {{"total-successful-session-count": 9, "total-failure-session-count": 1}},
    "failure-details": [{{"result-type": "certificate-expired", "receiving-mx-hostname": "mx.{domain}",
      "sending-mta-ip": "192.0.2.25", "failed-session-count": 1}}]
  }}]
}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proven_names_and_addresses_get_into_what_is_pasted() {
        for good in ["example.org", "Example.ORG.", "bücher.example", "a-b.c.example"] {
            assert!(domain(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost",
            "a..b",
            "a b.example",
            "$(id).example",
            "-a.example",
            "a.example/x",
            "a'.example",
        ] {
            assert!(domain(bad).is_err(), "{bad}");
        }
        assert_eq!(domain("Bücher.example").unwrap(), "xn--bcher-kva.example");
        for bad in ["x", "@a.example", "a b@c.example", "'@c.example", "a;b@c.example", "-x@c.example", "a@b"]
        {
            assert!(mail(bad).is_err(), "{bad}");
        }
        assert_eq!(mail("tls-reports+x@Example.org").unwrap(), "tls-reports+x@example.org");
        for bad in [
            "http://a.example/",
            "https://",
            "https://a/",
            "https://a.example/'",
            "https://u@a.example/",
            "https://a.example/ü",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
        assert!(url("https://a.example:8443/v1/tlsrpt?k=1").is_ok());
    }

    #[test]
    fn the_sample_is_a_report_that_reads_without_repair() {
        let text = sample("example.org", "2026-10-01");
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed["policies"][0]["policy"]["policy-domain"], "example.org");
        let read = tls_rpt::report::read_slice(text.as_bytes(), &tls_rpt::report::Limits::default()).unwrap();
        assert!(read[0].repairs.is_empty());
    }
}

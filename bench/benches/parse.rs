//! Reading reports: JSON in memory and whole mails, mail-auth's and serde_json's plain parse in the same run.

use std::ops::ControlFlow;
use std::time::Duration;

use bench::{Contender, print, race, reports};
use containers::Walker;
use mail_auth::report::tlsrpt::TlsReport;
use tls_rpt::report::{Limits, read_slice};
use tlsward_engine::receive::{Found, read_input};

fn main() {
    for (title, failures) in
        [("JSON, no failures", 0), ("JSON, 3 failure rows", 3), ("JSON, 100 failure rows", 100)]
    {
        let jsons: Vec<String> = (0..16).map(|number| reports::report(number, failures)).collect();
        json(title, &jsons);
    }
    mails(&(0..16).map(|number| reports::mail(&reports::report(number, 3))).collect::<Vec<_>>());
}

fn mails(mails: &[Vec<u8>]) {
    let limits = Limits::default();
    let mut walker = Walker::new(containers::Limits::default());
    let (mut ours, mut theirs) = (0, 0);
    let mut contenders = [
        Contender {
            name: "containers and tls-rpt",
            work: Box::new(|| {
                ours = (ours + 1) % mails.len();
                let mut found = 0;
                read_input(&mut walker, "mail", &mails[ours], &limits, &mut |item| {
                    found += usize::from(matches!(item, Found::Report { .. }));
                    ControlFlow::Continue(())
                });
                assert_eq!(found, 1, "the report of the mail is read");
                found
            }),
        },
        Contender {
            name: "mail-auth 0.13.3",
            work: Box::new(|| {
                theirs = (theirs + 1) % mails.len();
                TlsReport::parse_rfc5322(&mails[theirs], 25 << 20).map_or(0, |found| found.policies.len())
            }),
        },
    ];
    print(
        "whole mails, gzip, 3 failure rows",
        Some(mails[0].len()),
        &race(&mut contenders, 9, Duration::from_millis(200)),
    );
}

fn json(title: &str, jsons: &[String]) {
    let bytes = jsons[0].len();
    let limits = Limits::default();
    let (mut ours, mut theirs, mut plain) = (0, 0, 0);
    let mut contenders = [
        Contender {
            name: "tls-rpt",
            work: Box::new(|| {
                ours = (ours + 1) % jsons.len();
                read_slice(jsons[ours].as_bytes(), &limits).map_or(0, |found| found.len())
            }),
        },
        Contender {
            name: "mail-auth 0.13.3",
            work: Box::new(|| {
                theirs = (theirs + 1) % jsons.len();
                TlsReport::parse_json(jsons[theirs].as_bytes()).map_or(0, |found| found.policies.len())
            }),
        },
        Contender {
            name: "serde_json::Value",
            work: Box::new(|| {
                plain = (plain + 1) % jsons.len();
                serde_json::from_slice::<serde_json::Value>(jsons[plain].as_bytes()).map_or(0, |_| 1)
            }),
        },
    ];
    print(title, Some(bytes), &race(&mut contenders, 9, Duration::from_millis(150)));
}

//! Pieces of zone files as BIND reads them: `named-checkzone` says what a line means.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use mta_sts::name::DnsName;
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;
use tlsward_engine::ports::publish::{RecordSet, RecordType, RecordValue};
use tlsward_engine::publish::records::{HostAt, Place, Ttls, Zone, desired};
use tlsward_engine::publish::zone::snippet;
use tlsward_engine::publish::{Desired, DesiredText};

/// The records as BIND understood them, one a line, in its own form.
fn read_by_bind(snippet: &str) -> Vec<String> {
    // An origin that no record lies in: absolute names must stay what they are.
    let zone = format!(
        "$ORIGIN elsewhere.example.org.\n$TTL 5\nexample.org. 60 IN SOA ns.example.net. a.example.net. 1 2 3 4 5\n\
         example.org. 60 IN NS ns.example.net.\n{snippet}"
    );
    let mut child = Command::new("named-checkzone")
        .args(["-D", "-q", "-o", "-", "-k", "fail", "example.org", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("named-checkzone (Debian's package bind9-utils)");
    child.stdin.take().unwrap().write_all(zone.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}\n{zone}", String::from_utf8_lossy(&output.stderr));
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.contains(" SOA ") && !line.contains(" NS ")).collect()
}

fn txt(name: &str, text: &str) -> RecordSet {
    let values = vec![RecordValue::Txt(text.to_owned())];
    RecordSet { name: name.to_owned(), kind: RecordType::Txt, ttl: 300, values }
}

/// The text of the TXT record at `name`, its strings joined as readers join them.
fn text_at(lines: &[String], name: &str) -> String {
    let line = lines.iter().find(|line| line.starts_with(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("nothing at {name}: {lines:?}"));
    let (_, strings) = line.split_once(" IN TXT ").unwrap();
    let mut text = Vec::new();
    let mut bytes = strings.bytes();
    let mut is_inside = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_inside = !is_inside,
            b'\\' => match bytes.next().unwrap() {
                digit if digit.is_ascii_digit() => {
                    let digits = [digit, bytes.next().unwrap(), bytes.next().unwrap()];
                    text.push(std::str::from_utf8(&digits).unwrap().parse().unwrap());
                }
                other => text.push(other),
            },
            other if is_inside => text.push(other),
            _ => {}
        }
    }
    String::from_utf8(text).unwrap()
}

/// Proves: D1, D4, D6, G1
#[test]
fn bind_reads_a_domains_records_as_they_were_meant() {
    let domain = PolicyDomain::parse("example.org").unwrap();
    let rua: Vec<String> = (0..40).map(|index| format!("mailto:reports-{index}@example.net")).collect();
    let reporting = tls_rpt::record::write(&rua).unwrap();
    assert!(reporting.len() > 512, "more than two strings");
    let wanted = Desired {
        reporting: DesiredText::Is(reporting.clone()),
        host: true,
        id: DesiredText::Is(PolicyId::parse("20261124T162300Z").unwrap()),
    };
    let host = HostAt::Addresses {
        v4: vec!["192.0.2.1".parse().unwrap()],
        v6: vec!["2001:db8::1".parse().unwrap()],
    };
    let place = Place {
        zone: Zone::Own,
        host,
        issuers: vec!["letsencrypt.org; accounturi=https://acme.example/1".to_owned()],
        ttls: Ttls::default(),
    };
    let lines = read_by_bind(&snippet(&desired(&domain, &wanted, &place, false).unwrap()));
    assert_eq!(text_at(&lines, "_smtp._tls.example.org."), reporting);
    assert_eq!(text_at(&lines, "_mta-sts.example.org."), "v=STSv1; id=20261124T162300Z;");
    for expected in [
        "mta-sts.example.org. 3600 IN A 192.0.2.1",
        "mta-sts.example.org. 3600 IN AAAA 2001:db8::1",
        "mta-sts.example.org. 3600 IN CAA 0 issue \"letsencrypt.org; accounturi=https://acme.example/1\"",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:?}");
    }
    assert_eq!(lines.len(), 5, "{lines:?}");

    let alias = Place { host: HostAt::Alias(DnsName::parse("policy.example.net").unwrap()), ..place };
    let lines = read_by_bind(&snippet(&desired(&domain, &wanted, &alias, false).unwrap()));
    assert!(
        lines.iter().any(|line| line == "mta-sts.example.org. 3600 IN CNAME policy.example.net."),
        "{lines:?}"
    );
}

#[test]
fn bind_reads_hostile_texts_as_text() {
    let hostile = [
        "\"",
        "\\",
        "\\\"; evil.example.org. IN A 192.0.2.66",
        "a\nevil.example.org. IN A 192.0.2.66\n",
        "a ; b",
        "$INCLUDE /etc/passwd",
        "(",
        "\u{0}\u{1}\t\u{7f}",
        "é\u{202e}",
        &"\"".repeat(300),
        &"\\".repeat(511),
    ];
    for text in hostile {
        let lines = read_by_bind(&snippet(&[txt("t.example.org", text)]));
        assert_eq!(lines.len(), 1, "{text:?}: {lines:?}");
        assert_eq!(text_at(&lines, "t.example.org."), text);
    }
}

#[test]
fn bind_reads_the_same_whatever_is_taken_away() {
    let gone = RecordSet { values: Vec::new(), ..txt("_mta-sts.example.org", "") };
    assert_eq!(read_by_bind(&snippet(&[gone])), [""; 0]);
}

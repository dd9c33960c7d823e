use std::path::Path;

use super::super::load::{ConfigError, parse};
use super::*;

fn loaded(text: &str) -> Result<Publish, String> {
    match parse(text, "tlsward.toml", Path::new("/etc/tlsward")) {
        Ok(settings) => Ok(settings.publish.expect("the table is there")),
        Err(ConfigError::Wrong(problems)) => {
            Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
        Err(unreadable) => Err(unreadable.to_string()),
    }
}

#[test]
fn the_name_of_the_server_is_enough() {
    let publish = loaded("[publish]\nhost = 'STS.example.net.'").unwrap();
    assert_eq!(publish.place, Place::Host("sts.example.net".to_owned()));
    assert_eq!(publish.listen_https.unwrap().to_string(), "[::]:443");
    assert_eq!(publish.listen_http.unwrap().to_string(), "[::]:80");
    assert_eq!((publish.dns, publish.name_server_port, publish.acme), (Dns::Manual, 53, None));
}

#[test]
fn everything_that_can_be_said_is_read() {
    let publish = loaded(
        "[publish]\naddresses = ['192.0.2.1', '2001:db8::1']\nlisten_https = 'off'\nlisten_http = '127.0.0.1:8080'\n\
         trusted_proxies = ['127.0.0.1']\ndns = 'embedded'\nrua = ['mailto:tls@example.net']\n\
         acme_directory = 'https://acme.example/directory'\nacme_fallback = 'https://other.example/d'\n\
         acme_contact = 'mailto:a@example.net'\nacme_terms_agreed = true\nacme_challenges = ['dns-01']\n\
         [publish.embedded]\nzone = 'sts.example.net'\nlisten = ['192.0.2.1:53', '[2001:db8::1]:53']\n\
         name_servers = ['ns1.sts.example.net 192.0.2.1 2001:db8::1', 'ns.example.org']\ndnssec = true\n\
         [[publish.certificates]]\ncertificate = 'c.pem'\nkey = 'k.pem'\n",
    )
    .unwrap();
    assert!(matches!(&publish.place, Place::Addresses(addresses) if addresses.len() == 2));
    assert_eq!(publish.listen_https, None);
    let Dns::Embedded(embedded) = &publish.dns else { panic!("{:?}", publish.dns) };
    assert_eq!(
        (embedded.zone.as_str(), embedded.listen.len(), embedded.dnssec),
        ("sts.example.net", 2, true)
    );
    assert_eq!(embedded.name_servers[0].1.len(), 2);
    let acme = publish.acme.unwrap();
    assert_eq!((acme.directories.len(), acme.contact.as_deref()), (2, Some("a@example.net")));
    assert_eq!(acme.challenges, [ChallengeKind::Dns01]);
    assert_eq!(publish.certificates[0].key, Path::new("/etc/tlsward/k.pem"));
}

#[test]
fn updates_need_a_server_and_a_key() {
    let publish = loaded(
        "[publish]\nhost = 'sts.example.net'\ndns = 'rfc2136'\n[publish.rfc2136]\nserver = '127.0.0.1'\nkey_file = 'tsig.key'",
    )
    .unwrap();
    let Dns::Rfc2136(updates) = publish.dns else { panic!() };
    assert_eq!(updates.server.to_string(), "127.0.0.1:53");
    assert_eq!(updates.key_file, Path::new("/etc/tlsward/tsig.key"));
}

#[test]
fn what_could_not_work_is_refused_with_its_place() {
    let host = "[publish]\nhost = 'sts.example.net'\n";
    let rows = [
        ("[publish]\n", "tlsward.toml:1:1: [publish] needs 'host'"),
        (&format!("{host}addresses = ['192.0.2.1']"), "both 'host' and 'addresses'"),
        ("[publish]\nhost = 'a b'", "tlsward.toml:2:8: 'a b' is no domain name"),
        ("[publish]\naddresses = ['example.org']", "'example.org' is no IP address"),
        ("[publish]\naddresses = ['192.0.2.1', '192.0.2.1']", "stands there twice"),
        (&format!("{host}listen_https = 'off'"), "served to a proxy only"),
        (&format!("{host}listen_https = '443'"), "write it like \"[::]:443\""),
        (&format!("{host}listen_http = '[::]:443'"), "both listen on [::]:443"),
        (&format!("{host}dns = 'carrier-pigeon'"), "'carrier-pigeon' is no way to write records"),
        (&format!("{host}dns = 'rfc2136'"), "needs the table [publish.rfc2136]"),
        (
            &format!("{host}dns = 'rfc2136'\n[publish.rfc2136]\nserver = '::1'"),
            "needs 'server' and 'key_file'",
        ),
        (&format!("{host}[publish.embedded]\nzone = 'x.example'"), "'dns' in [publish] says manual"),
        (
            &format!(
                "{host}dns = 'embedded'\n[publish.embedded]\nzone = 'z.example'\nlisten = ['[::]:53']\nname_servers = ['ns.z.example']"
            ),
            "write its addresses too",
        ),
        (&format!("{host}acme_directory = 'https://acme.example/'"), "needs 'acme_terms_agreed = true'"),
        (
            &format!("{host}acme_directory = 'http://acme.example/'\nacme_terms_agreed = true"),
            "is no https: URL",
        ),
        (
            &format!("{host}acme_fallback = 'https://acme.example/'"),
            "'acme_directory' fails, which is not set",
        ),
        (&format!("{host}rua = ['nobody']"), "'nobody' is neither a mail address nor an https: URI"),
        (&format!("{host}[[publish.certificates]]\ncertificate = 'c'"), "no 'key'"),
    ];
    for (text, part) in rows {
        let complaint = loaded(text).expect_err(text);
        assert!(complaint.contains(part), "{text}\n{complaint}");
    }
}

#[test]
fn the_configurations_of_the_documentation_are_valid() {
    let pages = [
        include_str!("../../../../docs/publish.md"),
        include_str!("../../../../docs/hosted-mail.md"),
        include_str!("../../../../docs/dns.md"),
    ];
    let blocks = pages.iter().flat_map(|page| page.split("```toml\n").skip(1));
    let blocks: Vec<&str> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 6);
    for block in blocks {
        assert_eq!(loaded(block).map(drop), Ok(()), "{block}");
    }
}

//! Static files for another web server or DNS: each domain's policy, its records as a piece of a zone file, and how to put
//! both to use in the right order.
//!
//! Pure: paths and bytes come out, somebody else writes them. Paths are made of policy hosts, whose names hold letters, digits,
//! `-`, `_` and single dots alone: no name leads out of the folder. What can fail: a domain that is none, or that comes twice.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use bytes::Bytes;
use mta_sts::policy;
use mta_sts::policy_domain::{NoPolicyDomain, POLICY_PATH, PolicyDomain};

use super::zone::snippet;
use crate::check::text::tame;
use crate::ports::publish::{RecordSet, RecordType};

/// The file with the records.
pub const RECORDS_FILE: &str = "records.zone";
/// The file that says how.
pub const README_FILE: &str = "README.txt";

/// A domain to be written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The policy domain.
    pub domain: String,
    /// Its policy as served; `None`: it has none.
    pub body: Option<Bytes>,
    /// Its records.
    pub records: Vec<RecordSet>,
}

/// A file to write: parts of its path below the folder, joined by `/`, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFile {
    /// Where, relative.
    pub path: String,
    /// What.
    pub bytes: Bytes,
}

/// Why nothing is written out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Correct the name.
    #[error("'{domain}' is no policy domain: {why}")]
    Domain {
        /// As it was given.
        domain: String,
        /// Why not.
        why: NoPolicyDomain,
    },
    /// Name it once.
    #[error("{0} stands there twice")]
    Twice(String),
    /// It is damaged: no sender could use it.
    #[error("the policy of {domain} is not strictly valid, and would not be served: {why}")]
    Policy {
        /// Whose.
        domain: String,
        /// What is wrong.
        why: String,
    },
}

/// The files for these domains, in the order of their paths.
///
/// # Errors
/// [`ExportError`]: then nothing is written.
pub fn export(items: &[Item]) -> Result<Vec<ExportFile>, ExportError> {
    let mut files = Vec::new();
    let mut domains = BTreeSet::new();
    let mut hosts = Vec::new();
    for item in items {
        let domain = PolicyDomain::parse(&item.domain)
            .map_err(|why| ExportError::Domain { domain: tame(&item.domain).into_owned(), why })?;
        if !domains.insert(domain.clone()) {
            return Err(ExportError::Twice(domain.to_string()));
        }
        let Some(body) = &item.body else { continue };
        let parsed = policy::parse(body);
        if let Err(why) = parsed.strict() {
            let why = match why {
                mta_sts::NotStrict::Invalid(error) => error.to_string(),
                mta_sts::NotStrict::Deviates(_) => "it does not follow the grammar to the letter".to_owned(),
            };
            return Err(ExportError::Policy { domain: domain.to_string(), why });
        }
        hosts.push(domain.policy_host());
        files
            .push(ExportFile { path: format!("{}{POLICY_PATH}", domain.policy_host()), bytes: body.clone() });
    }
    files.push(ExportFile { path: RECORDS_FILE.to_owned(), bytes: records(items).into() });
    files.push(ExportFile { path: README_FILE.to_owned(), bytes: readme(&hosts).into() });
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// All records, in the order in which they are to be published: what announces a policy is in a part of its own at the end.
fn records(items: &[Item]) -> String {
    let is_announcement = |set: &RecordSet| set.kind == RecordType::Txt && set.name.starts_with("_mta-sts.");
    let of = |announcements: bool| -> Vec<RecordSet> {
        let sets = items.iter().flat_map(|item| &item.records);
        sets.filter(|set| is_announcement(set) == announcements).cloned().collect()
    };
    let (first, last) = (snippet(&of(false)), snippet(&of(true)));
    format!(
        "; First: publish these.\n{first}\n; Last: publish these once every policy below was fetched from outside (README.txt, 3).\n{last}"
    )
}

fn readme(hosts: &[String]) -> String {
    let mut text = String::from(
        "These are the policies and records of your domains, for a web server and DNS of your own.\n\
         Keep to the order: senders that see a new record fetch the policy at once, and keep what they find.\n\n\
         1. Publish the first part of records.zone. Every line holds for itself, in any zone file.\n\n\
         2. Serve the folders mta-sts.<domain>, each under the name of the folder, over HTTPS alone, with a certificate\n   \
         that is valid for exactly that name and from an authority that everybody trusts. No redirects: senders do not\n   \
         follow them. The media type must be text/plain. With nginx, for each of them:\n\n",
    );
    let example = hosts.first().map_or("mta-sts.example.org", String::as_str);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "      server {{\n          listen 443 ssl;\n          listen [::]:443 ssl;\n          server_name {example};\n          \
         ssl_certificate     /etc/ssl/{example}/fullchain.pem;\n          \
         ssl_certificate_key /etc/ssl/{example}/key.pem;\n          root /srv/policies/{example};\n          \
         location = {POLICY_PATH} {{\n              types {{ }}\n              default_type text/plain;\n          }}\n          \
         location / {{ return 404; }}\n      }}\n\n   Here /srv/policies is where this folder was copied to. Copy the files as \
         they are: their lines end in CRLF.\n\n\
         3. Look from outside, from a network that is not yours, at every address of the policy host:\n\n      \
         curl --fail --show-error https://{example}{POLICY_PATH}\n\n   The status must be 200 and the text the file's, to the \
         byte. `tlsward check` with the domain says what a sender would find.\n\n\
         4. Only then publish the last part of records.zone.\n\n\
         A policy that is changed later goes the same way: first the file, then the record with its new id. Never take a\n\
         policy away while senders may hold it: publish it with mode none first, and wait (tlsward domain remove says for\n\
         how long).\n"
    );
    if !hosts.is_empty() {
        text.push_str("\nPolicy hosts:\n");
    }
    for host in hosts {
        let _ = writeln!(text, "  {host}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::publish::RecordValue;

    const BODY: &str = "version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmax_age: 604800\r\n";

    fn item(domain: &str) -> Item {
        let txt = |name: String, text: &str| RecordSet {
            name,
            kind: RecordType::Txt,
            ttl: 300,
            values: vec![RecordValue::Txt(text.to_owned())],
        };
        Item {
            domain: domain.to_owned(),
            body: Some(BODY.into()),
            records: vec![
                txt(format!("_mta-sts.{domain}"), "v=STSv1; id=1;"),
                txt(format!("_smtp._tls.{domain}"), "v=TLSRPTv1; rua=mailto:a@example.org"),
            ],
        }
    }

    fn text(files: &[ExportFile], path: &str) -> String {
        let file = files.iter().find(|file| file.path == path);
        String::from_utf8(file.unwrap_or_else(|| panic!("no {path}")).bytes.to_vec()).unwrap()
    }

    #[test]
    fn every_domain_has_a_folder_of_its_policy_hosts_name_and_all_share_one_zone_file() {
        let files = export(&[item("example.org"), item("example.net")]).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "README.txt",
                "mta-sts.example.net/.well-known/mta-sts.txt",
                "mta-sts.example.org/.well-known/mta-sts.txt",
                "records.zone"
            ]
        );
        assert_eq!(text(&files, "mta-sts.example.org/.well-known/mta-sts.txt"), BODY);
        let readme = text(&files, README_FILE);
        assert!(readme.contains("default_type text/plain"), "{readme}");
        assert!(readme.contains("mta-sts.example.net"), "{readme}");
    }

    /// Proves: D16
    #[test]
    fn what_announces_a_policy_comes_last_and_the_readme_says_so() {
        let files = export(&[item("example.org"), item("example.net")]).unwrap();
        let zone = text(&files, RECORDS_FILE);
        let last_report = zone.rfind("_smtp._tls").unwrap();
        let first_announcement = zone.find("_mta-sts").unwrap();
        assert!(last_report < first_announcement, "{zone}");
        assert!(text(&files, README_FILE).contains("Only then publish the last part"));
    }

    #[test]
    fn a_domain_without_policy_has_records_and_no_folder() {
        let files = export(&[Item { body: None, ..item("example.org") }]).unwrap();
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for hostile in [
            "../../etc",
            "..",
            ".",
            "",
            "a/b",
            "a\\b",
            "/etc/passwd",
            "a..b",
            ".a",
            "C:\\x",
            "a\0b",
            "a\nb",
            "~root",
            "$(id).example",
            "-rf /",
            "192.0.2.1",
            &"a".repeat(300),
        ] {
            let refused = export(&[item(hostile)]);
            assert!(matches!(refused, Err(ExportError::Domain { .. })), "{hostile:?}: {refused:?}");
        }
        // The name of a folder or file of ours is a domain like others.
        for odd in [
            "records.zone",
            "readme.txt",
            "mta-sts.example.org",
            "con",
            "-rf.example",
            "xn--bcher-kva.example",
        ] {
            for file in export(&[item(odd)]).unwrap() {
                assert!(!file.path.starts_with(['/', '-', '~']), "{}", file.path);
                assert!(file.path.split('/').all(|part| !["", ".", ".."].contains(&part)), "{}", file.path);
            }
        }
    }

    #[test]
    fn a_domain_that_comes_twice_is_refused_in_whatever_spelling() {
        assert_eq!(
            export(&[item("example.org"), item("Example.ORG.")]),
            Err(ExportError::Twice("example.org".to_owned()))
        );
    }

    #[test]
    fn a_policy_that_no_sender_could_use_is_not_written_out() {
        for body in
            ["", "version: STSv1\nmode: enforce\nmax_age: 1\n", "version: STSv1\n\nmode: none\nmax_age: 1\n"]
        {
            let refused = export(&[Item { body: Some(Bytes::from(body)), ..item("example.org") }]);
            assert!(matches!(refused, Err(ExportError::Policy { .. })), "{refused:?}");
        }
    }
}

//! The keys that sign reports: read from the files that are named, else made once and kept.
//!
//! The same two keys sign for every submitter, each under the submitter's own name. What can fail: a file that holds no
//! such key, which is named.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use tlsward_engine::ports::{Dns, DnsReply, RecordKind};
use tlsward_mail::dkim::{Algorithm, DkimKey, DkimSigner, is_published, record_name, zone_line};

use super::super::shown;
use super::kept;
use crate::config::Dkim;

/// Reads the keys, or makes them.
pub(crate) fn signer(dkim: &Dkim, submitters: &BTreeSet<&str>, folder: &Path) -> anyhow::Result<DkimSigner> {
    let mut signer = DkimSigner::default();
    let keys = [
        (Algorithm::Rsa2048, &dkim.rsa_selector, &dkim.rsa_key, "dkim-rsa.pem"),
        (Algorithm::Ed25519, &dkim.ed25519_selector, &dkim.ed25519_key, "dkim-ed25519.pem"),
    ];
    for (algorithm, selector, named, made) in keys {
        let path = named.clone().unwrap_or_else(|| folder.join(made));
        let pem = match named {
            Some(path) => {
                kept::read(path)?.with_context(|| format!("there is no DKIM key {}", shown(path)))?
            }
            None => kept::once(&path, || Ok(DkimKey::generate(algorithm, selector)?.1.into_bytes()))?,
        };
        let pem = String::from_utf8_lossy(&pem);
        for domain in submitters {
            signer.add(domain, key(algorithm, selector, &pem, &path)?);
        }
    }
    Ok(signer)
}

fn key(algorithm: Algorithm, selector: &str, pem: &str, path: &Path) -> anyhow::Result<DkimKey> {
    let key = DkimKey::from_pem(selector, pem)
        .with_context(|| format!("cannot use the DKIM key {}", shown(path)))?;
    if key.algorithm() != algorithm {
        let kind = match algorithm {
            Algorithm::Rsa2048 => "an RSA",
            Algorithm::Ed25519 => "an Ed25519",
        };
        bail!("the DKIM key {} is not {kind} key: correct [report.dkim]", shown(path));
    }
    Ok(key)
}

/// The records to publish, as lines of zone files.
pub(crate) fn records(signer: &DkimSigner, submitters: &BTreeSet<&str>) -> String {
    let mut text = String::new();
    for domain in submitters {
        for key in signer.keys(domain) {
            let _ = writeln!(text, "{}", zone_line(key, domain));
        }
    }
    text
}

/// Looks whether the records are published, and says in the log what is amiss; how many are in order.
pub(super) async fn look(dns: &impl Dns, signer: &DkimSigner, submitters: &BTreeSet<&str>) -> u64 {
    let mut in_order = 0;
    for domain in submitters {
        for key in signer.keys(domain) {
            let name = record_name(key, domain);
            let reply = dns.look_up(&name, RecordKind::Txt).await;
            if let DnsReply::Failed(failure) = &reply {
                tracing::warn!(name, %failure, "whether the DKIM record for reports is published cannot be told now");
                continue;
            }
            match is_published(key, &reply.texts()) {
                Ok(()) => {
                    in_order += 1;
                    tracing::info!(name, "the DKIM record for reports is published");
                }
                Err(error) => {
                    tracing::warn!(
                        name,
                        %error,
                        record = zone_line(key, domain),
                        "receivers ignore reports whose signature they cannot verify: publish this record"
                    );
                }
            }
        }
    }
    in_order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_sign_for_every_submitter() {
        let folder = tempfile::tempdir().unwrap();
        let submitters = BTreeSet::from(["a.example", "b.example"]);
        let first = records(&signer(&Dkim::default(), &submitters, folder.path()).unwrap(), &submitters);
        let second = records(&signer(&Dkim::default(), &submitters, folder.path()).unwrap(), &submitters);
        assert_eq!(first, second);
        let lines: Vec<&str> = first.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].starts_with(
            "tlsrpt-rsa._domainkey.a.example. 3600 IN TXT ( \"v=DKIM1; k=rsa; s=email:tlsrpt; p="
        ));
        assert!(
            lines[3].starts_with("tlsrpt-ed25519._domainkey.b.example. 3600 IN TXT ( \"v=DKIM1; k=ed25519;")
        );
    }

    #[test]
    fn a_file_without_such_a_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let submitters = BTreeSet::from(["a.example"]);
        let named = |path: &str| Dkim { rsa_key: Some(folder.path().join(path)), ..Dkim::default() };
        let error = |dkim: &Dkim| format!("{:#}", signer(dkim, &submitters, folder.path()).err().unwrap());
        assert!(error(&named("missing.pem")).contains("there is no DKIM key"));
        std::fs::write(folder.path().join("text.pem"), "no key").unwrap();
        assert!(error(&named("text.pem")).contains("text.pem: no private key in PEM"));
        let (_, pem) = DkimKey::generate(Algorithm::Ed25519, "x").unwrap();
        std::fs::write(folder.path().join("ed.pem"), pem).unwrap();
        assert!(error(&named("ed.pem")).contains("is not an RSA key"));
    }
}

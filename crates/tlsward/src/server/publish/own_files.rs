//! Certificates from files, for policy hosts that are not to have one by ACME: each is for the names that are in it. Read
//! anew at SIGHUP.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, bail};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tlsward_policy_host::Identity;
use webpki::EndEntityCert;
use x509_cert::der::Decode as _;

use super::super::shown;
use crate::config::KeyPair;

/// A chain and its key.
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// By name; `*.example.org` for each host directly below it.
#[derive(Default)]
pub(super) struct OwnFiles(RwLock<Arc<BTreeMap<String, Arc<Pair>>>>);

impl OwnFiles {
    /// Reads them all.
    pub(super) fn load(files: &[KeyPair]) -> anyhow::Result<Self> {
        Ok(Self(RwLock::new(Arc::new(read_all(files)?))))
    }

    /// Reads them again; if one is no good, all stay as they are.
    pub(super) fn reload(&self, files: &[KeyPair]) -> anyhow::Result<()> {
        let fresh = Arc::new(read_all(files)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// That for a policy host.
    pub(super) fn identity(&self, name: &str) -> Option<Identity> {
        let pair = self.pair(name)?;
        Some(Identity { chain: pair.chain.clone(), key: pair.key.clone_key() })
    }

    /// Whether there is one for a policy host.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.pair(name).is_some()
    }

    /// The leaf for a policy host, in DER.
    pub(super) fn leaf(&self, name: &str) -> Option<CertificateDer<'static>> {
        self.pair(name)?.chain.first().cloned()
    }

    /// From when to when a leaf is valid.
    pub(super) fn validity(leaf: &CertificateDer<'_>) -> Option<(i64, i64)> {
        let parsed = x509_cert::Certificate::from_der(leaf).ok()?;
        let validity = parsed.tbs_certificate().validity();
        let secs = |time: &x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).ok();
        Some((secs(&validity.not_before)?, secs(&validity.not_after)?))
    }

    fn pair(&self, name: &str) -> Option<Arc<Pair>> {
        let pairs = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let above = || name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        pairs.get(name).or_else(|| pairs.get(&above()?)).cloned()
    }
}

fn read_all(files: &[KeyPair]) -> anyhow::Result<BTreeMap<String, Arc<Pair>>> {
    let mut found = BTreeMap::new();
    for files in files {
        let pair = Arc::new(read(files)?);
        let names = names(&pair.chain[0])
            .with_context(|| format!("the certificate {}", shown(&files.certificate)))?;
        if names.is_empty() {
            bail!("the certificate {} has no host name in it", shown(&files.certificate));
        }
        for name in names {
            if found.insert(name.clone(), Arc::clone(&pair)).is_some() {
                bail!("two of [[publish.certificates]] are for {name}");
            }
        }
    }
    Ok(found)
}

fn names(leaf: &CertificateDer<'_>) -> anyhow::Result<Vec<String>> {
    let leaf = EndEntityCert::try_from(leaf)?;
    Ok(leaf.valid_dns_names().map(str::to_ascii_lowercase).collect())
}

fn read(files: &KeyPair) -> anyhow::Result<Pair> {
    let named = |what: &str, path: &Path| format!("cannot read the {what} {}", shown(path));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .with_context(|| named("certificate", &files.certificate))?;
    if chain.is_empty() {
        bail!("there is no certificate in {}", shown(&files.certificate));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).with_context(|| named("private key", &files.key))?;
    Ok(Pair { chain, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(folder: &Path, file: &str, names: &[&str]) -> KeyPair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let files = KeyPair {
            certificate: folder.join(format!("{file}.pem")),
            key: folder.join(format!("{file}.key")),
        };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_file_is_for_the_names_in_it_and_a_wildcard_for_one_label() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            pair(folder.path(), "a", &["mta-sts.a.example", "mta-sts.b.example"]),
            pair(folder.path(), "c", &["*.c.example"]),
        ];
        let own = OwnFiles::load(&files).unwrap();
        assert!(own.covers("mta-sts.a.example") && own.covers("mta-sts.c.example"));
        assert!(!own.covers("mta-sts.x.c.example") && !own.covers("c.example"));
        assert_eq!(own.identity("mta-sts.b.example").unwrap().chain.len(), 1);
        let renewed = pair(folder.path(), "a", &["mta-sts.d.example"]);
        own.reload(&[renewed]).unwrap();
        assert!(own.covers("mta-sts.d.example") && !own.covers("mta-sts.a.example"));
        std::fs::write(folder.path().join("a.pem"), "no PEM").unwrap();
        assert!(own.reload(&files).is_err());
        assert!(own.covers("mta-sts.d.example"), "what was read before holds");
    }

    #[test]
    fn two_files_for_one_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a", "b"].map(|file| pair(folder.path(), file, &["mta-sts.a.example"]));
        let Err(error) = OwnFiles::load(&files) else { panic!() };
        assert!(error.to_string().contains("two of [[publish.certificates]]"), "{error}");
    }
}

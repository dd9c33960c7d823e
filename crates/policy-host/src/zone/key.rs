//! The zone's one key (ECDSA P-256 with SHA-256, RFC 6605) and what is published of it.
//!
//! One key signs everything: keys and records are served by the same process that signs, so a second key kept beside the
//! first would protect nothing. It lives in a file of its own, PKCS #8 in PEM, made at the first start, readable by its
//! owner alone.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::{CDNSKEY, CDS, DNSKEY, DNSSECRData};
use hickory_proto::dnssec::{Algorithm, DigestType, PublicKey as _, SigningKey as _};
use hickory_proto::rr::{Name, RData};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

const ALGORITHM: Algorithm = Algorithm::ECDSAP256SHA256;

/// Longer is no key file.
const MAX_FILE: u64 = 16 << 10;

/// The key of a signed zone.
pub struct ZoneKey {
    key: EcdsaSigningKey,
    pub(super) dnskey: DNSKEY,
    pub(super) tag: u16,
}

impl std::fmt::Debug for ZoneKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZoneKey").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl ZoneKey {
    /// Reads the key, or makes one if there is no file. Blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, or holds no such key. It is never overwritten: with another key the zone is
    /// bogus to everybody whose parent zone has the DS record of this one.
    pub fn open(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => {
                let mut pem = Vec::new();
                file.take(MAX_FILE).read_to_end(&mut pem)?;
                let der = PrivatePkcs8KeyDer::from_pem_slice(&pem)
                    .map_err(|error| invalid(format!("no private key in PEM (PKCS #8): {error}")))?;
                Self::new(&der)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error),
        }
    }

    fn create(path: &Path) -> io::Result<Self> {
        let der = EcdsaSigningKey::generate_pkcs8(ALGORITHM).map_err(invalid)?;
        let key = Self::new(&der)?;
        // Written whole beside its place, so that a crash leaves no half of a key there.
        let beside = path.with_extension("new");
        let _ = std::fs::remove_file(&beside);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(pem(der.secret_pkcs8_der()).as_bytes())?;
        file.sync_all()?;
        // A link never overwrites: of two processes that start at once, one fails here.
        std::fs::hard_link(&beside, path)?;
        std::fs::remove_file(&beside)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(key)
    }

    fn new(der: &PrivatePkcs8KeyDer<'_>) -> io::Result<Self> {
        let unfit = |error| invalid(format!("not an ECDSA P-256 key: {error}"));
        let key = EcdsaSigningKey::from_pkcs8(der, ALGORITHM).map_err(unfit)?;
        let dnskey = DNSKEY::from_key(&key.to_public_key().map_err(invalid)?);
        let tag = dnskey.calculate_key_tag().map_err(invalid)?;
        Ok(Self { key, dnskey, tag })
    }

    pub(super) fn sign(&self, bytes: &hickory_proto::dnssec::TBS) -> Option<Vec<u8>> {
        self.key.sign(bytes).ok()
    }

    fn digest(&self, apex: &Name) -> Option<Vec<u8>> {
        self.dnskey.to_digest(apex, DigestType::SHA256).ok().map(|digest| digest.as_ref().to_vec())
    }

    /// The data of the DS record for the parent zone, as in a zone file.
    pub(super) fn ds(&self, apex: &Name) -> Option<String> {
        let digest: String = self.digest(apex)?.iter().map(|byte| format!("{byte:02X}")).collect();
        Some(format!("{} {} 2 {digest}", self.tag, u8::from(ALGORITHM)))
    }

    /// RFC 7344: what the parent may fetch by itself.
    pub(super) fn cds(&self, apex: &Name) -> Option<RData> {
        let cds = CDS::new(self.tag, Some(ALGORITHM), DigestType::SHA256, self.digest(apex)?);
        Some(RData::DNSSEC(DNSSECRData::CDS(cds)))
    }

    /// RFC 7344.
    pub(super) fn cdnskey(&self) -> RData {
        let key = self.dnskey.public_key().public_bytes().to_vec();
        RData::DNSSEC(DNSSECRData::CDNSKEY(CDNSKEY::with_flags(self.dnskey.flags(), Some(ALGORITHM), key)))
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: every index is a boundary.
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem + "-----END PRIVATE KEY-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zone.key");
        let made = ZoneKey::open(&path).unwrap();
        let found = ZoneKey::open(&path).unwrap();
        assert_eq!(made.dnskey, found.dnskey);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zone.key");
        std::fs::write(&path, "not a key").unwrap();
        let error = ZoneKey::open(&path).unwrap_err().to_string();
        assert!(error.contains("no private key in PEM"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a key");
    }
}

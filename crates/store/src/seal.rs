//! Private keys at rest: sealed with AES-256-GCM under a key from a file beside the database, so that a copy of the
//! database alone gives none away.
//!
//! A sealed key is bound to what it belongs to: put into another row it does not open. What was sealed under another key
//! file is as good as not there; it is counted, so that the owner can be told. A file that holds no key is put aside and
//! never overwritten.

use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, rand};
use tlsward_engine::ports::StoreError;

const KEY_BYTES: usize = 32;
/// Before the key in its file.
const MAGIC: &str = "tlsward-sealing-key-1 ";
/// Before a sealed key: the version of the form, and by which key it was sealed.
pub(crate) const HEAD_BYTES: usize = 9;
const VERSION: u8 = 1;

/// Seals and opens keys.
pub struct SealingKey {
    key: RandomizedNonceKey,
    head: [u8; HEAD_BYTES],
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey")
    }
}

/// Why there is no sealing key.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file cannot be read or made.
    #[error(
        "the key file {path} cannot be {what}: {error}; let the user that this program runs as read and write it, with \
         mode 0600"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// `read`, `made`, …
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// No randomness, or no cipher: the library's.
    #[error("no key can be made: the cryptographic library refuses")]
    Library,
}

/// What the owner should know of the key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFileNews {
    /// It was there, and is used.
    Used,
    /// It was made.
    Made,
    /// Others could read it: its mode was set to 0600. Who may have read it can open the keys in a copy of the database.
    Shut,
    /// What was there holds no key. It was moved to this path, and a new file was made: certificates are issued anew,
    /// unless the right file is put back.
    SetAside(PathBuf),
}

impl SealingKey {
    /// The key in the file. One that is not there is made, readable by its owner alone.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn load_or_make(path: &Path) -> Result<(Self, KeyFileNews), SealError> {
        let failed = |what| move |error| SealError::File { path: path.to_owned(), what, error };
        let text = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Self::make(path)?, KeyFileNews::Made));
            }
            Err(error) => return Err(failed("read")(error)),
        };
        let Some(key) = parse(&text) else {
            let aside = aside(path);
            fs::rename(path, &aside).map_err(failed("moved"))?;
            return Ok((Self::make(path)?, KeyFileNews::SetAside(aside)));
        };
        let mode = fs::metadata(path).map_err(failed("read"))?.permissions().mode();
        let key = Self::new(&key)?;
        if mode & 0o077 == 0 {
            return Ok((key, KeyFileNews::Used));
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed("shut to others"))?;
        Ok((key, KeyFileNews::Shut))
    }

    /// From 32 bytes.
    ///
    /// # Errors
    /// [`SealError::Library`].
    pub fn new(key: &[u8; KEY_BYTES]) -> Result<Self, SealError> {
        let mut head = [VERSION; HEAD_BYTES];
        let named = [b"which sealing key".as_slice(), key].concat();
        let digest = digest::digest(&digest::SHA256, &named);
        head[1..].copy_from_slice(&digest.as_ref()[..HEAD_BYTES - 1]);
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError::Library)?;
        Ok(Self { key, head })
    }

    /// Makes the file, and syncs it and its folder: what is sealed with it is worth nothing without.
    fn make(path: &Path) -> Result<Self, SealError> {
        let failed = |error| SealError::File { path: path.to_owned(), what: "made", error };
        let mut key = [0; KEY_BYTES];
        rand::fill(&mut key).map_err(|_| SealError::Library)?;
        let mut text = MAGIC.to_owned();
        for byte in key {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Self::new(&key)
    }

    /// Whatever this key seals begins with this.
    pub(crate) fn head(&self) -> &[u8; HEAD_BYTES] {
        &self.head
    }

    /// Seals what belongs to `place`.
    pub(crate) fn seal(&self, place: Place<'_>, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut sealed = secret.to_vec();
        let refused = |_| StoreError::Unavailable("a key cannot be sealed: the library refuses".to_owned());
        let nonce =
            self.key.seal_in_place_append_tag(Aad::from(place.bytes()), &mut sealed).map_err(refused)?;
        let mut whole = Vec::with_capacity(HEAD_BYTES + NONCE_LEN + sealed.len());
        whole.extend_from_slice(&self.head);
        whole.extend_from_slice(nonce.as_ref());
        whole.append(&mut sealed);
        Ok(whole)
    }

    /// Opens what belongs to `place`; `None`: it was sealed with another key, for another place, or is damaged.
    pub(crate) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Option<Vec<u8>> {
        let rest = sealed.strip_prefix(&self.head)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = sealed.to_vec();
        let secret = self.key.open_in_place(nonce, Aad::from(place.bytes()), &mut opened).ok()?;
        Some(secret.to_vec())
    }
}

/// What a sealed key belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'p> {
    Account(&'p str),
    Order(&'p str),
    Certificate(&'p str),
}

impl Place<'_> {
    fn bytes(self) -> Vec<u8> {
        let (kind, name) = match self {
            Self::Account(name) => ("account", name),
            Self::Order(name) => ("order", name),
            Self::Certificate(name) => ("certificate", name),
        };
        [kind.as_bytes(), &[0], name.as_bytes()].concat()
    }
}

fn parse(text: &[u8]) -> Option<[u8; KEY_BYTES]> {
    let hex = std::str::from_utf8(text).ok()?.strip_prefix(MAGIC)?.trim_end();
    if hex.len() != 2 * KEY_BYTES || !hex.is_ascii() {
        return None;
    }
    let mut key = [0; KEY_BYTES];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}

/// A path beside it where nothing is.
fn aside(path: &Path) -> PathBuf {
    let beside = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".unusable-{number}"));
        PathBuf::from(name)
    };
    (1..u32::MAX).map(beside).find(|path| !path.exists()).unwrap_or_else(|| beside(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_for_its_owner_alone_and_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certificates.key");
        let (key, news) = SealingKey::load_or_make(&path).unwrap();
        assert_eq!(news, KeyFileNews::Made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let sealed = key.seal(Place::Order("a.test"), b"secret").unwrap();
        let (again, news) = SealingKey::load_or_make(&path).unwrap();
        assert_eq!(news, KeyFileNews::Used);
        assert_eq!(again.open(Place::Order("a.test"), &sealed).as_deref(), Some(b"secret".as_slice()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(SealingKey::load_or_make(&path).unwrap().1, KeyFileNews::Shut);
        assert_eq!(SealingKey::load_or_make(&path).unwrap().1, KeyFileNews::Used);
    }

    #[test]
    fn a_file_that_holds_no_key_is_put_aside_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certificates.key");
        for (number, wrong) in ["", "tlsward-sealing-key-1 00", "something of the owner's"].iter().enumerate()
        {
            fs::write(&path, wrong).unwrap();
            let KeyFileNews::SetAside(aside) = SealingKey::load_or_make(&path).unwrap().1 else { panic!() };
            assert_eq!(fs::read_to_string(&aside).unwrap(), *wrong);
            assert!(aside.to_string_lossy().ends_with(&format!("unusable-{}", number + 1)));
        }
        let in_no_folder = SealingKey::load_or_make(&folder.path().join("none/key")).unwrap_err();
        assert!(in_no_folder.to_string().contains("mode 0600"), "{in_no_folder}");
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_under_its_key_undamaged_and_not_else() {
        let (key, other) = (SealingKey::new(&[1; 32]).unwrap(), SealingKey::new(&[2; 32]).unwrap());
        let place = Place::Certificate("a.test");
        let sealed = key.seal(place, b"secret").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(key.open(place, &sealed).as_deref(), Some(b"secret".as_slice()));
        assert_ne!(sealed, key.seal(place, b"secret").unwrap(), "each time anew");
        assert_eq!(other.open(place, &sealed), None);
        for elsewhere in [Place::Certificate("b.test"), Place::Order("a.test"), Place::Account("a.test")] {
            assert_eq!(key.open(elsewhere, &sealed), None);
        }
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(key.open(place, &damaged), None, "byte {at}");
            assert_eq!(key.open(place, &sealed[..at]), None, "cut at {at}");
        }
    }
}

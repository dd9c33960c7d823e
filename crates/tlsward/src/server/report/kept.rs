//! What is made once for this installation and kept in the data folder, for its owner's eyes alone.
//!
//! Each file is there whole or not at all, whatever happens meanwhile, and whoever makes it second takes the first one's.
//! What can fail: the disk; a file that somebody has edited, which is named and never made anew: with another secret,
//! bounces of earlier mails would be strangers'.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tlsward_engine::report::BounceSecret;

use super::super::shown;
use crate::edge;

/// A file of ours is never longer.
const LONGEST: u64 = 1 << 20;

/// What tells this installation from others.
pub(super) struct Installation {
    /// For leases, and for the journal's place.
    pub(super) node: String,
    /// Spreads reports over the night.
    pub(super) spread_seed: u64,
    /// Makes addresses that bounces are believed from.
    pub(super) bounce_secret: BounceSecret,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    node: String,
    spread_seed: u64,
    bounce_secret: String,
}

/// The folder of this room.
pub(crate) fn folder(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let folder = data_dir.join("report");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot make the folder {}", shown(&folder)))?;
    Ok(folder)
}

/// Reads it, or makes it.
pub(super) fn installation(folder: &Path) -> anyhow::Result<Installation> {
    let path = folder.join("installation.json");
    let bytes = once(&path, || {
        let random = edge::random().context("the system gives no random numbers")?;
        let (first, second) = (edge::random()?, edge::random()?);
        let wire = Wire {
            node: format!("{:016x}", random >> 64),
            spread_seed: (random & u128::from(u64::MAX)) as u64,
            bounce_secret: format!("{first:032x}{second:032x}"),
        };
        Ok(serde_json::to_vec_pretty(&wire)?)
    })?;
    let damaged = || {
        format!(
            "{} is not as it was written. Put it back from a copy; if there is none, remove it: reports that are on \
             their way may then go out twice, and their bounces are not known",
            shown(&path)
        )
    };
    let wire: Wire = serde_json::from_slice(&bytes).with_context(damaged)?;
    let Some(secret) = secret(&wire.bounce_secret) else { bail!(damaged()) };
    let is_fit =
        |node: &str| !node.is_empty() && node.len() <= 64 && node.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_fit(&wire.node) {
        bail!(damaged());
    }
    Ok(Installation {
        node: wire.node,
        spread_seed: wire.spread_seed,
        bounce_secret: BounceSecret::new(secret),
    })
}

fn secret(text: &str) -> Option<[u8; 32]> {
    let mut secret = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in secret.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(secret)
}

/// The file's bytes; made, with mode 0600, if it is not there.
pub(super) fn once(path: &Path, make: impl FnOnce() -> anyhow::Result<Vec<u8>>) -> anyhow::Result<Vec<u8>> {
    if let Some(bytes) = read(path)? {
        return Ok(bytes);
    }
    let bytes = make()?;
    let kept = || -> io::Result<()> {
        let made = written(path, &bytes)?;
        // A link is refused where something is: the first one stays.
        let linked = fs::hard_link(&made, path);
        fs::remove_file(&made)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        synced(path)
    };
    kept().with_context(|| format!("cannot keep {}", shown(path)))?;
    read(path)?.with_context(|| format!("{} is gone again", shown(path)))
}

/// Puts these bytes in place of the file, in one step.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let made = written(path, bytes)?;
    fs::rename(&made, path)?;
    synced(path)
}

/// The file's bytes; `None` if it is not there.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", shown(path))),
    }
}

/// Writes them beside the file, synced.
fn written(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:x}", edge::random()? >> 64));
    let beside = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(beside)
}

fn synced(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_made_once_for_the_owner_alone_and_is_the_same_ever_after() {
        let data = tempfile::tempdir().unwrap();
        let folder = folder(data.path()).unwrap();
        let first = installation(&folder).unwrap();
        let second = installation(&folder).unwrap();
        assert_eq!((&first.node, first.spread_seed), (&second.node, second.spread_seed));
        assert!(first.bounce_secret == second.bounce_secret);
        let path = folder.join("installation.json");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
        let elsewhere = tempfile::tempdir().unwrap();
        let other = installation(elsewhere.path()).unwrap();
        assert!(other.node != first.node && other.bounce_secret != first.bounce_secret);
    }

    #[test]
    fn a_damaged_one_is_named_and_not_made_anew() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("installation.json");
        for damaged in ["", "{}", r#"{"node":"a","spread_seed":1,"bounce_secret":"00"}"#] {
            fs::write(&path, damaged).unwrap();
            let error = format!("{:#}", installation(data.path()).err().unwrap());
            assert!(error.contains("installation.json is not as it was written"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn who_comes_second_takes_the_first_one_s() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("key");
        let second = once(&path, || {
            once(&path, || Ok(b"first".to_vec()))?;
            Ok(b"second".to_vec())
        });
        assert_eq!(second.unwrap(), b"first");
        replace(&path, b"third").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"third");
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
    }
}

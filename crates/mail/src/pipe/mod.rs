//! The road of `tlsward receive`: one mail on standard input, left in a spool folder, taken up by the server.
//!
//! [`spool`] runs in the short-lived command, as a mail server's delivery agent starts it, and needs no running server:
//! when it returns, the mail is on disk. [`Drain`] runs in the server and moves spooled mail into the store. A crash
//! between the two leaves the file or, at worst, the mail twice, which ends as one report.

mod drain;
mod name;

#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tlsward_engine::facts::UnixTime;

pub use self::drain::{Drain, DrainError, Drained};
use self::name::SpoolName;

/// Why a mail was not spooled.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It has more bytes than are ever taken. Coming back does not help: have the mail server bounce it.
    #[error("the mail is larger than {limit} bytes")]
    TooLarge {
        /// The bytes of a mail at most.
        limit: usize,
    },
    /// Standard input could not be read to its end. Have the mail server try again.
    #[error("cannot read the mail: {0}")]
    Read(io::Error),
    /// The folder cannot take it. Have the mail server try again, and an operator look.
    #[error("cannot spool the mail in `{}`: {source}", .path.display())]
    Write {
        /// The file or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Leaves one mail, read from `input`, in `folder` (made if it is not there); `Ok` means synced to disk. `now` and
/// `random` make its name: they have to differ from call to call, which 128 random bits do.
pub fn spool(
    input: &mut impl Read,
    folder: &Path,
    limit: usize,
    now: UnixTime,
    random: u128,
) -> Result<PathBuf, SpoolError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SpoolError::Write { path, source }
    };
    // Report mail is nobody else's business.
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(folder))?;
    let name = SpoolName::new(now, random);
    let (partial, whole) = (folder.join(name.partial()), folder.join(name.whole()));
    // `create_new` never follows a link and never writes into what is there.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .map_err(failed(&partial))?;
    let written = copy(input, &mut file, limit, &partial).and_then(|()| {
        file.sync_all().map_err(failed(&partial))?;
        std::fs::rename(&partial, &whole).map_err(failed(&whole))
    });
    if let Err(error) = written {
        // Should this fail too, the server clears it away later.
        let _ = std::fs::remove_file(&partial);
        return Err(error);
    }
    // The rename itself is only on disk when the folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
    Ok(whole)
}

/// Copies through a small buffer: the mail is never in memory as a whole.
fn copy(input: &mut impl Read, file: &mut File, limit: usize, partial: &Path) -> Result<(), SpoolError> {
    let mut buffer = [0; 32 * 1024];
    let mut room = limit;
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(SpoolError::Read(error)),
        };
        room = room.checked_sub(read).ok_or(SpoolError::TooLarge { limit })?;
        file.write_all(&buffer[..read])
            .map_err(|source| SpoolError::Write { path: partial.to_owned(), source })?;
    }
}

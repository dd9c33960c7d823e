//! Unix sockets at a path: bound so that nobody ever sees one that refuses or has the wrong mode.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Why a path could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there. Stop it, or choose another path.
    #[error("{0} is in use by another process: stop it or choose another path")]
    InUse(PathBuf),
    /// Something that is no socket is there. It is not touched.
    #[error("{0} exists and is no socket: remove it or choose another path")]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot bind {path}: {error}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Binds by `bind` under a name of its own, sets the mode, and moves the socket over `path`: a dead socket of an
/// earlier run is replaced in one step, and a client sees either the old one or the new one with its mode set.
/// `is_alive` says whether somebody answers at `path`.
pub(crate) fn bind<S>(
    path: &Path,
    mode: u32,
    bind: impl FnOnce(&Path) -> io::Result<S>,
    is_alive: impl FnOnce(&Path) -> bool,
) -> Result<S, BindError> {
    let failed = |error| BindError::Io { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
        Ok(_) if is_alive(path) => return Err(BindError::InUse(path.to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let socket = bind(&new).map_err(failed)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn listen(path: &Path) -> Result<UnixListener, BindError> {
        bind(path, 0o660, |path| UnixListener::bind(path), |path| UnixStream::connect(path).is_ok())
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_living_one_or_a_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let first = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(listen(&path), Err(BindError::InUse(_))));
        drop(first);
        let second = listen(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        drop(second);
        let file = folder.path().join("f");
        fs::write(&file, "x").unwrap();
        assert!(matches!(listen(&file), Err(BindError::NotASocket(_))));
        assert!(matches!(listen(&folder.path().join("no/s")), Err(BindError::Io { .. })));
    }
}

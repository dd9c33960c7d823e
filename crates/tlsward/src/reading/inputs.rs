//! Which inputs there are: the arguments, and what lies in those that are folders.

use std::ffi::OsString;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};

/// Where an input comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Standard input, named `-`.
    Stdin,
    /// A file, or whatever else has a path and can be read.
    Path(PathBuf),
}

/// One input.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) origin: Origin,
    /// Its size where that is known, in bytes.
    pub(crate) bytes: u64,
    /// Why it cannot be read, if that is known already.
    pub(crate) trouble: Option<io::Error>,
    /// Whether a person named it; else it lies in a folder that was named, where other things lie too.
    pub(crate) is_named: bool,
}

/// Folders inside each other that are entered.
const DEEPEST: usize = 64;

/// Lists the inputs: arguments in their order, what is in folders by name.
///
/// In folders symbolic links to folders are not followed, so that no loop leads on for ever; what is no file (pipes,
/// devices) and hidden files are passed over. What is named itself is read whatever it is.
pub(crate) fn gather(arguments: &[OsString]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for argument in arguments {
        if argument == "-" {
            inputs.push(Input { origin: Origin::Stdin, bytes: 0, trouble: None, is_named: true });
            continue;
        }
        let path = PathBuf::from(argument);
        match fs::metadata(&path) {
            Ok(about) if about.is_dir() => folder(&path, 0, &mut inputs),
            Ok(about) => {
                let bytes = if about.is_file() { about.len() } else { 0 };
                inputs.push(Input { origin: Origin::Path(path), bytes, trouble: None, is_named: true });
            }
            Err(error) => {
                let origin = Origin::Path(path);
                inputs.push(Input { origin, bytes: 0, trouble: Some(error), is_named: true });
            }
        }
    }
    inputs
}

fn folder(path: &Path, depth: usize, inputs: &mut Vec<Input>) {
    let trouble = |error| Input {
        origin: Origin::Path(path.to_owned()),
        bytes: 0,
        trouble: Some(error),
        is_named: false,
    };
    if depth > DEEPEST {
        return inputs
            .push(trouble(io::Error::other(format!("more than {DEEPEST} folders inside each other"))));
    }
    let mut entries = Vec::new();
    match fs::read_dir(path) {
        Err(error) => return inputs.push(trouble(error)),
        Ok(listing) => {
            for entry in listing {
                match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                    Ok(entry) => entries.push(entry),
                    Err(error) => inputs.push(trouble(error)),
                }
            }
        }
    }
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    for (path, kind) in entries {
        if kind.is_dir() {
            if !is_hidden(&path) || path.join("cur").is_dir() {
                folder(&path, depth + 1, inputs);
            }
        } else if !is_hidden(&path) {
            file(path, kind, inputs);
        }
    }
}

fn file(path: PathBuf, kind: FileType, inputs: &mut Vec<Input>) {
    match fs::metadata(&path) {
        Ok(about) if about.is_file() => {
            inputs.push(Input {
                origin: Origin::Path(path),
                bytes: about.len(),
                trouble: None,
                is_named: false,
            });
        }
        Ok(_) => {}
        // A link that leads nowhere, or back to itself, is no input.
        Err(_) if kind.is_symlink() => {}
        Err(error) => {
            let origin = Origin::Path(path);
            inputs.push(Input { origin, bytes: 0, trouble: Some(error), is_named: false });
        }
    }
}

/// Maildir++ has its folders hidden; they are told by their `cur`.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_by_name_and_loops_links_to_nowhere_and_hidden_files_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("b/deep")).unwrap();
        fs::create_dir_all(at(".Reports/cur")).unwrap();
        fs::create_dir_all(at(".git/objects")).unwrap();
        for name in ["c.json", "a.json", "b/deep/x.json", ".hidden", ".Reports/cur/1", ".git/objects/1"] {
            fs::write(at(name), "{}").unwrap();
        }
        std::os::unix::fs::symlink(root.path(), at("b/loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        std::os::unix::fs::symlink("c.json", at("link.json")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
        let found: Vec<String> = gather(&[root.path().into()])
            .into_iter()
            .map(|input| match input.origin {
                Origin::Path(path) => path.strip_prefix(root.path()).unwrap().display().to_string(),
                Origin::Stdin => "-".to_owned(),
            })
            .collect();
        assert_eq!(found, [".Reports/cur/1", "a.json", "b/deep/x.json", "c.json", "link.json"]);
    }

    #[test]
    fn a_missing_file_is_an_input_with_its_trouble() {
        let inputs = gather(&["-".into(), "/nonexistent/report.json".into()]);
        assert_eq!(inputs[0].origin, Origin::Stdin);
        assert!(inputs[1].trouble.is_some());
    }
}

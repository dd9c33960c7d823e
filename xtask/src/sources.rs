//! The source files of one target, found as the compiler finds them: from the root file through the
//! modules that it declares. A declared module without a file, or a file that is not Rust, is an error.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// One file, and where its code hangs in the crate.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// Names of the modules around the file's code, outermost first; none for the root.
    pub(crate) modules: Vec<String>,
    pub(crate) code: syn::File,
}

/// Whether modules that exist for tests alone are walked as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tests {
    Walked,
    Skipped,
}

/// Reads a target's root file and all files below it.
pub(crate) fn of_target(root: &Path, tests: Tests) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let folder = root.parent().map(Path::to_path_buf).unwrap_or_default();
    read(root, &folder, &[], tests, &mut sources)?;
    Ok(sources)
}

/// Whether an item is compiled for tests alone.
pub(crate) fn only_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

/// `folder` is where the files of the modules that this file declares are looked for.
fn read(
    path: &Path,
    folder: &Path,
    modules: &[String],
    tests: Tests,
    sources: &mut Vec<Source>,
) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let code = syn::parse_file(&text).with_context(|| format!("{} is not Rust", path.display()))?;
    let mut declared = Vec::new();
    declarations(&code.items, &mut Vec::new(), tests, &mut declared);
    sources.push(Source { path: path.to_path_buf(), modules: modules.to_vec(), code });
    for (inside, at) in declared {
        let nested: PathBuf = inside.iter().collect();
        let (file, below) = match at {
            // A path attribute counts from the folder of the file that has it.
            Some(at) => {
                let file = path.with_file_name(at);
                let below = file.parent().map(Path::to_path_buf).unwrap_or_default();
                (file, below)
            }
            None => {
                let in_folder = folder.join(&nested).join("mod.rs");
                let flat = folder.join(&nested).with_extension("rs");
                let file = if in_folder.is_file() { in_folder } else { flat };
                (file, folder.join(&nested))
            }
        };
        let mut names = modules.to_vec();
        names.extend(inside);
        read(&file, &below, &names, tests, sources)?;
    }
    Ok(())
}

/// A declared module: the names from the file's own module down to it, and its path attribute.
type Declared = (Vec<String>, Option<String>);

fn declarations(items: &[syn::Item], inside: &mut Vec<String>, tests: Tests, declared: &mut Vec<Declared>) {
    for item in items {
        let syn::Item::Mod(module) = item else { continue };
        if tests == Tests::Skipped && only_for_tests(&module.attrs) {
            continue;
        }
        inside.push(module.ident.to_string());
        match &module.content {
            Some((_, items)) => declarations(items, inside, tests, declared),
            None => declared.push((inside.clone(), path_attribute(&module.attrs))),
        }
        inside.pop();
    }
}

fn path_attribute(attributes: &[syn::Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| {
        let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else { return None };
        pair.path.is_ident("path").then(|| text.value())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        folder
    }

    fn names(folder: &tempfile::TempDir, tests: Tests) -> Vec<String> {
        of_target(&folder.path().join("lib.rs"), tests)
            .expect("all modules are there")
            .iter()
            .map(|source| source.modules.join("::"))
            .collect()
    }

    #[test]
    fn modules_are_followed_as_the_compiler_does() {
        let folder = tree(&[
            (
                "lib.rs",
                "mod one; mod two; mod inline { mod far; } #[cfg(test)] mod proof; #[path = \"x/y.rs\"] mod z;",
            ),
            ("one.rs", "mod deep;"),
            ("one/deep.rs", ""),
            ("two/mod.rs", "mod below;"),
            ("two/below.rs", ""),
            ("inline/far.rs", ""),
            ("proof.rs", ""),
            ("x/y.rs", ""),
        ]);
        let walked = ["", "one", "one::deep", "two", "two::below", "inline::far", "proof", "z"];
        assert_eq!(names(&folder, Tests::Walked), walked);
        let without: Vec<&str> = walked.into_iter().filter(|name| *name != "proof").collect();
        assert_eq!(names(&folder, Tests::Skipped), without);
    }

    #[test]
    fn a_declared_module_without_a_file_is_named() {
        let folder = tree(&[("lib.rs", "mod gone;")]);
        let error =
            of_target(&folder.path().join("lib.rs"), Tests::Walked).map(drop).expect_err("gone is not there");
        assert!(format!("{error:#}").contains("gone.rs cannot be read"), "{error:#}");
    }
}

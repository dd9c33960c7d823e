//! Where the workspace is, what is in it, and how cargo is called from inside it.
//!
//! Everything is read from `cargo metadata`; a manifest that does not resolve is the error to expect.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// `cargo` in the workspace's folder.
///
/// What `cargo run` put into our own environment about this package is taken out again: build scripts
/// that watch those variables would rebuild at every change between `cargo` and `cargo xtask`.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if shown == "CARGO" || shown.starts_with("CARGO_PKG_") || shown.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// What `cargo metadata` says, as far as the chores ask.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

/// One package, of the workspace or from a registry.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) license: Option<String>,
    #[serde(default)]
    pub(crate) targets: Vec<Target>,
}

/// One thing that cargo builds of a package.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

impl Target {
    /// Whether this is a target of a kind: `lib`, `bin`, `test`, `bench`.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|own| own == kind)
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Clone, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<KindOf>,
}

#[derive(Debug, Clone, Deserialize)]
struct KindOf {
    kind: Option<String>,
}

/// Which dependencies count for a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinds {
    /// What ends up in the crate: normal dependencies alone.
    Normal,
    /// Normal, build and development dependencies.
    All,
}

impl Metadata {
    /// Reads the workspace's metadata with cargo.
    pub(crate) fn load() -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--format-version", "1", "--locked"])
            .output()
            .context("cargo metadata does not start")?;
        if !output.status.success() {
            bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout).context("cargo metadata has an unknown form")
    }

    /// The workspace's own packages, by name.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        let mut members: Vec<&Package> =
            self.packages.iter().filter(|package| self.workspace_members.contains(&package.id)).collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members.into_iter()
    }

    /// The names of what a package depends on directly.
    pub(crate) fn dependencies(&self, id: &str, kinds: Kinds) -> BTreeSet<&str> {
        self.edges(id, kinds).into_iter().filter_map(|id| self.name_of(id)).collect()
    }

    /// Everything that a package's code pulls in, each with the package that pulled it in first.
    pub(crate) fn closure(&self, id: &str) -> BTreeMap<&str, &str> {
        let mut seen = BTreeMap::new();
        let mut open: Vec<&str> = self.edges(id, Kinds::Normal);
        let first = self.name_of(id).unwrap_or_default();
        for id in &open {
            if let Some(name) = self.name_of(id) {
                seen.entry(name).or_insert(first);
            }
        }
        while let Some(id) = open.pop() {
            let Some(by) = self.name_of(id) else { continue };
            for next in self.edges(id, Kinds::Normal) {
                let Some(name) = self.name_of(next) else { continue };
                if !seen.contains_key(name) {
                    seen.insert(name, by);
                    open.push(next);
                }
            }
        }
        seen
    }

    fn edges(&self, id: &str, kinds: Kinds) -> Vec<&str> {
        let Some(node) = self.resolve.nodes.iter().find(|node| node.id == id) else {
            return Vec::new();
        };
        let counts = |dependency: &&Dependency| {
            kinds == Kinds::All || dependency.dep_kinds.iter().any(|kind| kind.kind.is_none())
        };
        node.deps.iter().filter(counts).map(|dependency| dependency.pkg.as_str()).collect()
    }

    fn name_of(&self, id: &str) -> Option<&str> {
        self.packages.iter().find(|package| package.id == id).map(|package| package.name.as_str())
    }
}

/// Metadata made up for tests: each line is `crate: dependency dev:dependency …`; all crates that stand
/// before a colon are members.
#[cfg(test)]
pub(crate) fn made_up(lines: &[&str]) -> Metadata {
    let mut names = BTreeSet::new();
    let mut members = BTreeSet::new();
    let mut nodes = Vec::new();
    for line in lines {
        let (name, rest) = line.split_once(':').expect("a colon");
        let outside = name.starts_with('+');
        let name = name.trim_start_matches('+');
        names.insert(name.to_owned());
        if !outside {
            members.insert(name.to_owned());
        }
        let mut deps = Vec::new();
        for word in rest.split_whitespace() {
            let (kind, pkg) = match word.split_once(':') {
                Some((kind, pkg)) => (Some(kind.to_owned()), pkg),
                None => (None, word),
            };
            names.insert(pkg.to_owned());
            deps.push(Dependency { pkg: pkg.to_owned(), dep_kinds: vec![KindOf { kind }] });
        }
        nodes.push(Node { id: name.to_owned(), deps });
    }
    let packages = names
        .into_iter()
        .map(|name| Package {
            id: name.clone(),
            name,
            version: "1.0.0".to_owned(),
            license: Some("MIT".to_owned()),
            targets: Vec::new(),
        })
        .collect();
    Metadata { packages, workspace_members: members, resolve: Resolve { nodes } }
}

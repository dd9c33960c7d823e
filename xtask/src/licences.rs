//! The licences of everything that is built, and the crates of which there may be one version only.
//!
//! Both lists are those of `deny.toml`, which cargo-deny reads too. This chore needs no network and no
//! installed tool, so that every test run asks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::workspace::{Metadata, root};

/// The part of `deny.toml` that is read here.
#[derive(Debug, Deserialize)]
struct Deny {
    licenses: Licences,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    #[serde(default)]
    deny_multiple_versions: bool,
}

/// Checks all packages of `cargo metadata`; the error names each that breaks a rule.
pub(crate) fn run() -> Result<()> {
    let text = fs::read_to_string(root().join("deny.toml")).context("deny.toml cannot be read")?;
    let deny: Deny = toml::from_str(&text).context("deny.toml has an unknown form")?;
    let metadata = Metadata::load()?;
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let licence = package.license.as_deref().unwrap_or("no licence at all");
        if !allows(&deny.licenses.allow, licence) {
            wrong.push(format!(
                "{} {}: {licence} is not among the allowed licences",
                package.name, package.version
            ));
        }
    }
    wrong.extend(several_versions(&metadata, &deny.bans));
    if !wrong.is_empty() {
        bail!("{} wrong:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    println!("licences: {} packages, all allowed", metadata.packages.len());
    Ok(())
}

fn several_versions(metadata: &Metadata, bans: &Bans) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &metadata.packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    bans.deny
        .iter()
        .filter(|ban| ban.deny_multiple_versions)
        .filter_map(|ban| {
            let found = versions.get(ban.name.as_str()).filter(|found| found.len() > 1)?;
            let list: Vec<&str> = found.iter().copied().collect();
            Some(format!("{}: one version is allowed, found {}", ban.name, list.join(", ")))
        })
        .collect()
}

/// Whether an SPDX expression can be met with the allowed licences alone.
fn allows(allowed: &BTreeSet<String>, expression: &str) -> bool {
    // Before SPDX expressions, cargo's manifests separated alternatives by a slash.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(allowed, &mut rest) == Some(true) && rest.is_empty()
}

/// `a OR b`: the loosest binding. None when the expression is malformed.
fn any_of(allowed: &BTreeSet<String>, rest: &mut &[&str]) -> Option<bool> {
    let mut met = all_of(allowed, rest)?;
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        met |= all_of(allowed, rest)?;
    }
    Some(met)
}

fn all_of(allowed: &BTreeSet<String>, rest: &mut &[&str]) -> Option<bool> {
    let mut met = one(allowed, rest)?;
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        met &= one(allowed, rest)?;
    }
    Some(met)
}

fn one(allowed: &BTreeSet<String>, rest: &mut &[&str]) -> Option<bool> {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let met = any_of(allowed, rest)?;
            let [")", after @ ..] = *rest else { return None };
            *rest = after;
            Some(met)
        }
        ["AND" | "OR" | "WITH" | ")", ..] | [] => None,
        [licence, "WITH", exception, after @ ..] => {
            *rest = after;
            Some(allowed.contains(&format!("{licence} WITH {exception}")))
        }
        [licence, after @ ..] => {
            *rest = after;
            Some(allowed.contains(*licence))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::made_up;

    #[test]
    fn an_expression_is_met_when_a_way_through_it_is_allowed() {
        let allowed: BTreeSet<String> = ["MIT", "Apache-2.0", "ISC"].map(str::to_owned).into();
        let cases = [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("MIT/Apache-2.0", true),
            ("(MIT OR GPL-3.0-only) AND ISC", true),
            ("GPL-3.0-only OR MIT AND BSL-1.0", false),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("ISC AND (Apache-2.0 OR ISC) AND MIT", true),
            ("", false),
            ("MIT OR", false),
            ("(MIT", false),
            ("MIT ISC", false),
        ];
        for (expression, expected) in cases {
            assert_eq!(allows(&allowed, expression), expected, "{expression:?}");
        }
    }

    #[test]
    fn a_second_version_is_named_where_one_is_allowed() {
        let mut metadata = made_up(&["tlsward: rustls hyper"]);
        let mut second = metadata.packages.clone();
        for package in &mut second {
            package.version = "2.0.0".to_owned();
        }
        metadata.packages.extend(second);
        let bans = Bans {
            deny: vec![
                Ban { name: "rustls".to_owned(), deny_multiple_versions: true },
                Ban { name: "hyper".to_owned(), deny_multiple_versions: false },
            ],
        };
        assert_eq!(
            several_versions(&metadata, &bans),
            ["rustls: one version is allowed, found 1.0.0, 2.0.0"]
        );
    }
}

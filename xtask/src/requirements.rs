//! The requirement map: which test proves which requirement of the RFCs, and why some have none.
//!
//! `docs/requirements.tsv` lists the requirements, `docs/requirements-open.tsv` those that are not proved,
//! or not in full, with the reason; tests name theirs in a doc comment, `/// Proves: S2, L9`. From the three comes
//! `docs/requirement-map.md`. With `--check` nothing is written, and a stale map, an unknown identifier,
//! a comment that stands over no test, or a requirement with neither test nor reason is an error.

mod list;
mod map;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::workspace::{Metadata, root};
use list::{Lists, Standing};
use scan::Proof;

const LIST: &str = "docs/requirements.tsv";
const OPEN: &str = "docs/requirements-open.tsv";
const MAP: &str = "docs/requirement-map.md";

/// Writes the map, or with `check` compares it.
pub(crate) fn run(check: bool) -> Result<()> {
    let (lists, scanned) = read()?;
    let proofs = by_requirement(&scanned.proofs);
    let mut wrong = scanned.wrong;
    wrong.extend(problems(&lists, &proofs));
    let text = map::render(&lists, &proofs);
    let path = root().join(MAP);
    if check {
        if fs::read_to_string(&path).unwrap_or_default() != text {
            wrong.push(format!("{MAP} is stale: run `cargo xtask requirements`"));
        }
    } else {
        fs::write(&path, &text).with_context(|| format!("{MAP} cannot be written"))?;
    }
    if !wrong.is_empty() {
        bail!("{} wrong:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    println!("{}", map::summary(&lists, &proofs));
    Ok(())
}

/// Compares the tests that the map names with those that cargo-nextest has built, given as the JSON of
/// `cargo nextest list`. The error names each test that would never run.
pub(crate) fn compare_with_built(listing: &[u8]) -> Result<()> {
    let built = scan::built(listing)?;
    let (_, scanned) = read()?;
    let missing: BTreeSet<String> = scanned
        .proofs
        .iter()
        .filter(|proof| !built.contains(&(proof.binary.clone(), proof.path.clone())))
        .map(Proof::name)
        .collect();
    if !missing.is_empty() {
        let list: Vec<String> = missing.into_iter().collect();
        bail!("named in the requirement map but never run:\n  {}", list.join("\n  "));
    }
    println!("requirements: every test that the map names is built and run");
    Ok(())
}

fn read() -> Result<(Lists, scan::Scanned)> {
    let text =
        |name: &str| fs::read_to_string(root().join(name)).with_context(|| format!("{name} cannot be read"));
    let lists = list::read(&text(LIST)?, &text(OPEN)?)?;
    let scanned = scan::workspace(&Metadata::load()?)?;
    Ok((lists, scanned))
}

/// The tests for each identifier, without repetition, in the order of their names.
type Proofs = BTreeMap<String, BTreeSet<String>>;

fn by_requirement(proofs: &[Proof]) -> Proofs {
    let mut found = Proofs::new();
    for proof in proofs {
        for id in &proof.ids {
            found.entry(id.clone()).or_default().insert(proof.name());
        }
    }
    found
}

/// What is wrong between the lists and the tests.
fn problems(lists: &Lists, proofs: &Proofs) -> Vec<String> {
    let mut wrong = Vec::new();
    for (id, tests) in proofs {
        if !lists.requirements.iter().any(|requirement| requirement.id == *id) {
            let names: Vec<&str> = tests.iter().map(String::as_str).collect();
            wrong.push(format!("{id}: no such requirement, named by {}", names.join(", ")));
        }
    }
    for requirement in &lists.requirements {
        let id = &requirement.id;
        let proved = proofs.contains_key(id);
        match (lists.open.get(id), proved) {
            (None, false) => wrong.push(format!("{id}: no test names it and {OPEN} gives no reason")),
            (Some(open), true) if open.standing != Standing::Partly => {
                wrong.push(format!("{id}: has tests now; drop its row in {OPEN} or call it partly"));
            }
            (Some(open), false) if open.standing == Standing::Partly => {
                wrong.push(format!("{id}: is called partly in {OPEN}, but no test names it"));
            }
            _ => {}
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> Lists {
        list::read(
            "S1\tmust\tRFC 8461 §3.1\tFirst.\nS2\tmust\tRFC 8461 §3.1\tSecond.\n",
            "S2\tnot-yet\tcomes with enforce\n",
        )
        .expect("the lists are well-formed")
    }

    /// Identifiers and the tests that name them.
    type Named<'a> = &'a [(&'a str, &'a str)];

    fn proofs(pairs: Named<'_>) -> Proofs {
        let mut proofs = Proofs::new();
        for (id, test) in pairs {
            proofs.entry((*id).to_owned()).or_default().insert((*test).to_owned());
        }
        proofs
    }

    #[test]
    fn every_requirement_has_a_test_or_a_reason() {
        let cases: [(Named<'_>, &[&str]); 4] = [
            (&[("S1", "a::t")], &[]),
            (&[], &["S1: no test names it and docs/requirements-open.tsv gives no reason"]),
            (
                &[("S1", "a::t"), ("S2", "a::u")],
                &["S2: has tests now; drop its row in docs/requirements-open.tsv or call it partly"],
            ),
            (&[("S1", "a::t"), ("S99", "a::t")], &["S99: no such requirement, named by a::t"]),
        ];
        for (pairs, expected) in cases {
            assert_eq!(problems(&lists(), &proofs(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn partly_needs_a_test() {
        let lists = list::read("S1\tmust\tRFC 8461 §3.1\tFirst.\n", "S1\tpartly\tno SNI yet\n")
            .expect("the lists are well-formed");
        assert_eq!(
            problems(&lists, &Proofs::new()),
            ["S1: is called partly in docs/requirements-open.tsv, but no test names it"]
        );
        assert!(problems(&lists, &proofs(&[("S1", "a::t")])).is_empty());
    }
}

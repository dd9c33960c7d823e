//! The two lists by hand: all requirements, and the open ones with the reason.
//!
//! Tab-separated, `#` begins a comment line. A malformed row, an identifier twice, or a reason for a
//! requirement that does not exist is an error.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};

/// One requirement as `docs/requirements.tsv` has it.
#[derive(Debug)]
pub(crate) struct Requirement {
    pub(crate) id: String,
    pub(crate) level: String,
    pub(crate) source: String,
    pub(crate) text: String,
}

/// Why a requirement is not proved, or not in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Comes with a part of the project that is not there yet.
    NotYet,
    /// Nothing in this project could keep or break it.
    NotApplicable,
    /// Tests prove a part; the reason names the rest.
    Partly,
}

/// A row of `docs/requirements-open.tsv`.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) standing: Standing,
    pub(crate) reason: String,
}

/// Both lists, in the order of the first.
#[derive(Debug)]
pub(crate) struct Lists {
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) open: BTreeMap<String, Open>,
}

const LEVELS: [&str; 5] = ["must", "should", "may", "interop", "ruling"];

/// Reads both lists from their text.
pub(crate) fn read(requirements: &str, open: &str) -> Result<Lists> {
    let mut lists = Lists { requirements: Vec::new(), open: BTreeMap::new() };
    for (number, row) in rows(requirements) {
        let requirement = requirement(row).with_context(|| format!("requirement list, line {number}"))?;
        let twice = lists.requirements.iter().any(|known| known.id == requirement.id);
        ensure!(!twice, "requirement list, line {number}: {} is there twice", requirement.id);
        lists.requirements.push(requirement);
    }
    for (number, row) in rows(open) {
        let (id, row) = self::open(row).with_context(|| format!("open requirements, line {number}"))?;
        let known = lists.requirements.iter().any(|requirement| requirement.id == id);
        ensure!(known, "open requirements, line {number}: {id} is no requirement");
        ensure!(!lists.open.contains_key(&id), "open requirements, line {number}: {id} is there twice");
        lists.open.insert(id, row);
    }
    Ok(lists)
}

fn rows(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    })
}

fn requirement(row: &str) -> Result<Requirement> {
    let columns: Vec<&str> = row.split('\t').collect();
    let [id, level, source, text] = columns.as_slice() else { bail!("four columns are needed") };
    ensure!(is_identifier(id), "{id} is no identifier");
    ensure!(LEVELS.contains(level), "{level} is no level");
    ensure!(!source.is_empty() && !text.is_empty(), "{id} has an empty column");
    Ok(Requirement {
        id: (*id).to_owned(),
        level: (*level).to_owned(),
        source: (*source).to_owned(),
        text: (*text).to_owned(),
    })
}

fn open(row: &str) -> Result<(String, Open)> {
    let columns: Vec<&str> = row.split('\t').collect();
    let [id, standing, reason] = columns.as_slice() else { bail!("three columns are needed") };
    let standing = match *standing {
        "not-yet" => Standing::NotYet,
        "not-applicable" => Standing::NotApplicable,
        "partly" => Standing::Partly,
        other => bail!("{other} is none of not-yet, not-applicable, partly"),
    };
    ensure!(!reason.trim().is_empty(), "{id} has no reason");
    Ok(((*id).to_owned(), Open { standing, reason: (*reason).to_owned() }))
}

/// A letter and a number, as `S2`.
pub(crate) fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_uppercase())
        && (1..=3).contains(&characters.clone().count())
        && characters.all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_lists_are_refused_with_their_line() {
        let good = "S1\tmust\tRFC 8461 §3.1\tText.\n";
        let cases = [
            ("S1\tmust\tRFC 8461\n", "", "line 1: four columns are needed"),
            ("s1\tmust\tRFC 8461\tText.\n", "", "line 1: s1 is no identifier"),
            ("S1\tshall\tRFC 8461\tText.\n", "", "line 1: shall is no level"),
            ("# a comment\nS1\tmust\tx\ty\nS1\tmust\tx\ty\n", "", "line 3: S1 is there twice"),
            (good, "S2\tnot-yet\tlater\n", "line 1: S2 is no requirement"),
            (good, "S1\tlater\tlater\n", "line 1: later is none of"),
            (good, "S1\tnot-yet\t \n", "line 1: S1 has no reason"),
            (good, "S1\tnot-yet\ta\nS1\tnot-yet\tb\n", "line 2: S1 is there twice"),
        ];
        for (requirements, open, message) in cases {
            let error = read(requirements, open).expect_err(message);
            assert!(format!("{error:#}").contains(message), "{error:#}");
        }
    }
}

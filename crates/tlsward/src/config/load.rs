//! From a file's text to settings: syntax, unknown keys, types, then sense. Every stage names each place it minds.

use std::fmt;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeArray, DeTable, DeValue};

use super::Settings;
use super::file::File;
use super::keys::{
    FREE, KEYS, LATER, LISTS, RULE_KEYS, TABLES, dotted, nearest_key, nearest_rule_key, nearest_table,
};
use super::validate;
use crate::present::visible::visible;

/// A configuration is a page or two; a file beyond this is something else.
const LONGEST_FILE: u64 = 1 << 20;

/// The configuration cannot be used. The owner mends the file; nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {}: {source}", visible(&file.to_string_lossy()))]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not what a configuration may be.
    #[error("{}", lines(.0))]
    Wrong(Vec<Problem>),
}

/// One thing wrong at one place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    file: String,
    line: usize,
    column: usize,
    text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", visible(&self.file), self.line, self.column, visible(&self.text))
    }
}

fn lines(problems: &[Problem]) -> String {
    let mut text = String::new();
    for (index, problem) in problems.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&problem.to_string());
    }
    text
}

/// Collects problems by their place in the text.
pub(super) struct Complaints<'t> {
    text: &'t str,
    file: &'t str,
    problems: Vec<(usize, Problem)>,
}

impl<'t> Complaints<'t> {
    fn new(text: &'t str, file: &'t str) -> Self {
        Self { text, file, problems: Vec::new() }
    }

    /// Minds what stands at `place` (byte offsets).
    pub(super) fn add(&mut self, place: Range<usize>, text: String) {
        let before = self.text.get(..place.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let problem = Problem {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            text,
        };
        self.problems.push((place.start, problem));
    }

    fn check(&mut self) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by_key(|(place, _)| *place);
        Err(ConfigError::Wrong(self.problems.drain(..).map(|(_, problem)| problem).collect()))
    }
}

/// Reads and judges a file.
pub(super) fn read(file: &Path) -> Result<Settings, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let mut text = String::new();
    let length = opened.take(LONGEST_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if length as u64 > LONGEST_FILE {
        return Err(unreadable(std::io::Error::other("longer than 1 MiB, so it is no configuration")));
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    parse(&text, &file.to_string_lossy(), folder)
}

/// Judges the text of a file; `folder` is what relative paths are relative to.
pub(super) fn parse(text: &str, file: &str, folder: &Path) -> Result<Settings, ConfigError> {
    let mut complaints = Complaints::new(text, file);
    let whole = 0..text.len();
    match DeTable::parse(text) {
        Ok(table) => unknown_keys("", table.get_ref(), &mut complaints),
        Err(error) => complaints.add(error.span().unwrap_or(whole.clone()), error.message().to_owned()),
    }
    complaints.check()?;
    let written: File = match toml::from_str(text) {
        Ok(written) => written,
        Err(error) => {
            complaints.add(error.span().unwrap_or(whole), error.message().to_owned());
            complaints.check()?;
            File::default()
        }
    };
    let settings = validate::settings(written, folder, &mut complaints);
    complaints.check()?;
    Ok(settings)
}

fn unknown_keys(table: &str, entries: &DeTable<'_>, complaints: &mut Complaints<'_>) {
    for (key, value) in entries {
        let name: &str = key.get_ref();
        let full = dotted(table, name);
        let is_table = matches!(value.get_ref(), DeValue::Table(_));
        if LATER.contains(&full.as_str()) {
            let text =
                format!("table [{full}] belongs to a later version and is not supported yet; remove it");
            complaints.add(key.span(), text);
        } else if TABLES.iter().any(|known| known.name == full) {
            match value.get_ref() {
                DeValue::Array(entries) if LISTS.contains(&full.as_str()) => {
                    list(&full, entries, complaints);
                }
                _ if LISTS.contains(&full.as_str()) => {
                    complaints.add(key.span(), format!("'{full}' is a list of tables: write [[{full}]]"));
                }
                DeValue::Table(inner) if FREE.contains(&full.as_str()) => rules(&full, inner, complaints),
                DeValue::Table(inner) => unknown_keys(&full, inner, complaints),
                _ => complaints.add(key.span(), format!("'{full}' is a table: write [{full}]")),
            }
        } else if !KEYS.iter().any(|known| known.table == table && known.name == name) {
            let text = if is_table {
                format!("unknown table [{full}]; did you mean [{}]?", nearest_table(&full))
            } else {
                let place = if table.is_empty() { String::new() } else { format!(" in [{table}]") };
                format!("unknown key '{name}'{place}; did you mean '{}'?", nearest_key(table, name))
            };
            complaints.add(key.span(), text);
        }
    }
}

/// A table whose keys are the owner's own: what stands under each is looked at.
fn rules(table: &str, entries: &DeTable<'_>, complaints: &mut Complaints<'_>) {
    for (of, value) in entries {
        let DeValue::Table(inner) = value.get_ref() else { continue };
        for key in inner.keys().filter(|key| !RULE_KEYS.contains(&&**key.get_ref())) {
            let text = format!(
                "unknown key '{}' for '{}' in [{table}]; did you mean '{}'?",
                key.get_ref(),
                of.get_ref(),
                nearest_rule_key(key.get_ref())
            );
            complaints.add(key.span(), text);
        }
    }
}

/// A table that may stand there several times.
fn list(table: &str, entries: &DeArray<'_>, complaints: &mut Complaints<'_>) {
    for entry in entries {
        match entry.get_ref() {
            DeValue::Table(inner) => unknown_keys(table, inner, complaints),
            _ => complaints.add(entry.span(), format!("'{table}' is a list of tables: write [[{table}]]")),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

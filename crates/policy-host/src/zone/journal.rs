//! The zone's memory on disk: one line of JSON for each change of a domain, synced before the change is served.
//!
//! Without it a restart would answer "no such name" for every domain until somebody had written all records anew, and
//! resolvers would keep that. The first line is the serial; a line holds all sets of its domain, the last one of a domain
//! counts. A line that a crash cut off is left out: nobody was told that it was kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tlsward_engine::ports::publish::{RecordSet, RecordType, RecordValue};

/// The file is written anew when what is superseded in it takes more than this, and more than what counts.
const WASTE: u64 = 16 << 20;

/// More than can wait for one another: changes of domains are written under [`super::LANES`] locks.
const KEPT_FAILURES: usize = 2 * super::LANES;

/// Longest line that is read.
const MAX_LINE: u64 = 4 << 20;

/// One change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) serial: u32,
    /// `None`: the serial alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) domain: Option<String>,
    /// All of the domain's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sets: Vec<LineSet>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineSet {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    ttl: u32,
    values: Vec<LineValue>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LineValue {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(String),
    Txt(String),
    Caa { flags: u8, tag: String, value: String },
}

impl Line {
    pub(super) fn new(serial: u32, domain: &str, sets: Vec<RecordSet>) -> Self {
        let sets = sets.into_iter().map(|set| LineSet {
            name: set.name,
            kind: set.kind.as_wire().to_owned(),
            ttl: set.ttl,
            values: set.values.into_iter().map(LineValue::from).collect(),
        });
        Self { serial, domain: Some(domain.to_owned()), sets: sets.collect() }
    }

    pub(super) fn serial(serial: u32) -> Self {
        Self { serial, domain: None, sets: Vec::new() }
    }

    fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

impl LineSet {
    /// `None`: a type that is not known.
    pub(super) fn to_port(&self) -> Option<RecordSet> {
        use RecordType::{A, Aaaa, Caa, Cname, Txt};
        let kind = [A, Aaaa, Cname, Txt, Caa].into_iter().find(|kind| kind.as_wire() == self.kind)?;
        let values = self.values.iter().map(RecordValue::from).collect();
        Some(RecordSet { name: self.name.clone(), kind, ttl: self.ttl, values })
    }
}

impl From<RecordValue> for LineValue {
    fn from(value: RecordValue) -> Self {
        match value {
            RecordValue::A(address) => Self::A(address),
            RecordValue::Aaaa(address) => Self::Aaaa(address),
            RecordValue::Cname(target) => Self::Cname(target),
            RecordValue::Txt(text) => Self::Txt(text),
            RecordValue::Caa { flags, tag, value } => Self::Caa { flags, tag, value },
        }
    }
}

impl From<&LineValue> for RecordValue {
    fn from(value: &LineValue) -> Self {
        match value {
            LineValue::A(address) => Self::A(*address),
            LineValue::Aaaa(address) => Self::Aaaa(*address),
            LineValue::Cname(target) => Self::Cname(target.clone()),
            LineValue::Txt(text) => Self::Txt(text.clone()),
            LineValue::Caa { flags, tag, value } => {
                Self::Caa { flags: *flags, tag: tag.clone(), value: value.clone() }
            }
        }
    }
}

/// Appends lines; those that wait together are synced together.
pub(super) struct Journal {
    path: PathBuf,
    waiting: Mutex<Waiting>,
    writer: Mutex<Writer>,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Lines taken so far.
    taken: u64,
}

struct Writer {
    file: File,
    /// Octets that are whole lines, synced.
    good: u64,
    /// Nothing stands behind those.
    truncated: bool,
    /// Octets when the file was written anew.
    begun: u64,
    /// Lines whose fate is known.
    settled: u64,
    /// The newest of those that were not kept, and why.
    failed: Vec<(std::ops::RangeInclusive<u64>, String)>,
}

impl Journal {
    /// Reads every line in its order. A missing file is an empty one.
    pub(super) fn read(path: &Path, line: impl FnMut(Line) -> io::Result<()>) -> io::Result<()> {
        match File::open(path) {
            Ok(file) => read(file, line),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes the file anew, and goes on from there.
    pub(super) fn begin(path: &Path, lines: &[Line]) -> io::Result<Self> {
        let (file, good) = write_anew(path, lines)?;
        let writer = Writer { file, good, truncated: true, begun: good, settled: 0, failed: Vec::new() };
        Ok(Self { path: path.to_owned(), waiting: Mutex::default(), writer: Mutex::new(writer) })
    }

    /// Over a file of a test's own.
    #[cfg(test)]
    pub(super) fn over(file: File, path: &Path) -> Self {
        let writer = Writer { file, good: 0, truncated: true, begun: 0, settled: 0, failed: Vec::new() };
        Self { path: path.to_owned(), waiting: Mutex::default(), writer: Mutex::new(writer) }
    }

    /// Whether it is time for [`rewrite`](Self::rewrite).
    pub(super) fn is_wasteful(&self) -> bool {
        let writer = lock(&self.writer);
        writer.good - writer.begun > WASTE.max(writer.begun)
    }

    /// Writes the file anew. The caller sees to it that nobody appends meanwhile.
    pub(super) fn rewrite(&self, lines: &[Line]) -> io::Result<()> {
        let mut writer = lock(&self.writer);
        let (file, good) = write_anew(&self.path, lines)?;
        (writer.file, writer.good, writer.begun, writer.truncated) = (file, good, good, true);
        Ok(())
    }

    /// Blocks until the line is on disk. `Err`: it is not, and will not be there after a restart.
    pub(super) fn append(&self, line: &Line) -> Result<(), String> {
        let bytes = line.to_bytes().map_err(|error| error.to_string())?;
        let ticket = {
            let mut waiting = lock(&self.waiting);
            waiting.bytes.extend_from_slice(&bytes);
            waiting.taken += 1;
            waiting.taken
        };
        let mut writer = lock(&self.writer);
        if writer.settled < ticket {
            let (bytes, taken) = {
                let mut waiting = lock(&self.waiting);
                (std::mem::take(&mut waiting.bytes), waiting.taken)
            };
            let first = writer.settled + 1;
            if let Err(error) = writer.write(&bytes) {
                if writer.failed.len() == KEPT_FAILURES {
                    writer.failed.remove(0);
                }
                writer.failed.push((first..=taken, format!("{}: {error}", self.path.display())));
            }
            writer.settled = taken;
        }
        match writer.failed.iter().find(|(lines, _)| lines.contains(&ticket)) {
            Some((_, why)) => Err(why.clone()),
            None => Ok(()),
        }
    }
}

impl Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.truncated {
            // What is half there must not become the beginning of the next line.
            self.file.set_len(self.good)?;
            self.truncated = true;
        }
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.good += bytes.len() as u64,
            Err(_) => self.truncated = self.file.set_len(self.good).is_ok(),
        }
        written
    }
}

fn read(file: File, mut line: impl FnMut(Line) -> io::Result<()>) -> io::Result<()> {
    let mut reader = BufReader::new(file);
    let (mut bytes, mut number) = (Vec::new(), 0_u64);
    loop {
        bytes.clear();
        number += 1;
        let length = io::Read::take(&mut reader, MAX_LINE).read_until(b'\n', &mut bytes)?;
        if length == 0 || bytes.last() != Some(&b'\n') && (length as u64) < MAX_LINE {
            return Ok(());
        }
        let broken = |error: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, format!("line {number}: {error}"))
        };
        let parsed = serde_json::from_slice(&bytes).map_err(|error| broken(&error))?;
        line(parsed).map_err(|error| broken(&error))?;
    }
}

fn write_anew(path: &Path, lines: &[Line]) -> io::Result<(File, u64)> {
    let beside = path.with_extension("new");
    let mut writer = io::BufWriter::new(File::create(&beside)?);
    for line in lines {
        writer.write_all(&line.to_bytes()?)?;
    }
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&beside, path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    let file = OpenOptions::new().append(true).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! From the journal of systemd into ours, each event at most once: `journalctl --follow` as a child process.
//!
//! Where the log was read to (journalctl's cursor) is kept in a file, before the events go on, so that a restart reads
//! on behind the last entry and a kill doubles nothing. A child that ends is started again from there, after ever longer
//! pauses. It ends by itself when its reader is gone. What can fail: there is no journalctl, the journal may not be read
//! by this user, the cursor cannot be kept; all that is told once, and tried again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tlsward_engine::ports::{Clock, MtaLogEvent, Timer};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::task::{JoinHandle, spawn_blocking};

use super::entry::{MAX_LINE_BYTES, of_journal};
use super::telling::{FeedStats, OnHeldBack, TELL_EACH, heed, keep_place, tell};
use super::track::Tracker;
use crate::Shutdown;
use crate::session::Inlet;
use lines::Lines;

mod lines;

/// One read.
const CHUNK_BYTES: usize = 64 * 1024;
/// Entries that come this soon after each other are told together, under one sync of the cursor.
const GATHER: Duration = Duration::from_millis(300);
/// At the end: silence after which nothing more is waited for.
const LAST: Duration = Duration::from_millis(100);
/// At the end: reads, however much comes.
const LAST_READS: usize = 16;
/// Between two children.
const PAUSES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
/// The first question must not hang for ever.
const ANSWER: Duration = Duration::from_secs(60);
/// A cursor has some 150 bytes.
const LONGEST_CURSOR: usize = 512;
/// What journalctl says beside entries: a line of it, and different lines that are passed on.
const LONGEST_REMARK: usize = 512;
const MAX_REMARKS: usize = 20;
/// What is kept while the journal has not had an entry.
const BEGINNING: &str = "beginning";

/// Which journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemdJournal {
    /// A folder of journal files, such as one that systemd-journal-remote writes; `None`: this machine's.
    pub directory: Option<PathBuf>,
}

impl SystemdJournal {
    /// journalctl for what programs log under the facility `mail`.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("journalctl");
        command.args(["--output=json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID"]);
        command.args(["--no-pager", "--boot=all"]).args(arguments);
        if let Some(directory) = &self.directory {
            command.arg("--directory").arg(directory);
        }
        command.arg("SYSLOG_FACILITY=2");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.env("LC_ALL", "C");
        command
    }

    fn shown(&self) -> String {
        self.directory
            .as_deref()
            .map_or_else(|| "journalctl".to_owned(), |at| format!("journalctl --directory {}", at.display()))
    }
}

/// Follows the journal of systemd and tells ours.
pub struct JournalFeed<C> {
    journal: SystemdJournal,
    place: PathBuf,
    from: From,
    tracker: Tracker,
    gathered: Gathered,
    remarks: BTreeSet<String>,
    is_failing: bool,
    inlet: Inlet<C>,
    stats: Arc<FeedStats>,
    on_held_back: Option<OnHeldBack>,
}

/// Where to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    /// Behind what is there at the first look.
    End,
    /// With the first entry: there was none at the first look.
    Beginning,
    /// Behind that entry.
    After(String),
}

impl From {
    fn read(text: &str) -> Option<Self> {
        match text.trim_end() {
            BEGINNING => Some(Self::Beginning),
            text => cursor(text).map(Self::After),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::End => None,
            Self::Beginning => Some(BEGINNING),
            Self::After(cursor) => Some(cursor),
        }
    }
}

/// What was read and not told yet.
#[derive(Debug, Default)]
struct Gathered {
    events: Vec<MtaLogEvent>,
    cursor: Option<String>,
}

/// Why a child is followed no longer.
enum Ended {
    ToldToStop,
    Failed(String),
}

impl<C: Clock + 'static> JournalFeed<C> {
    /// Follows `journal`, and keeps in the file `place` how far it was read. Without that file it begins at the end.
    #[must_use]
    pub fn new(journal: SystemdJournal, place: &Path, inlet: Inlet<C>) -> Self {
        let kept = fs::read_to_string(place).ok().and_then(|text| From::read(&text));
        Self {
            journal,
            place: place.to_owned(),
            from: kept.unwrap_or(From::End),
            tracker: Tracker::default(),
            gathered: Gathered::default(),
            remarks: BTreeSet::new(),
            is_failing: false,
            inlet,
            stats: Arc::default(),
            on_held_back: None,
        }
    }

    /// With somebody who hears of mail that was held back.
    #[must_use]
    pub fn on_held_back(self, on_held_back: Option<OnHeldBack>) -> Self {
        Self { on_held_back, ..self }
    }

    /// Its counts.
    #[must_use]
    pub fn stats(&self) -> Arc<FeedStats> {
        Arc::clone(&self.stats)
    }

    /// Follows it until told to stop, and tells what has come by then.
    pub async fn run(mut self, timer: impl Timer, mut shutdown: Shutdown) {
        let mut pause = *PAUSES.start();
        loop {
            let before = self.from.clone();
            let failure = match self.follow(&timer, &mut shutdown).await {
                Ended::ToldToStop => return,
                Ended::Failed(failure) => failure,
            };
            // What was read and not told is read again: the cursor stands before it.
            self.gathered = Gathered::default();
            self.stats.look_failed();
            if self.from != before {
                pause = *PAUSES.start();
            }
            // Said once, not each time.
            if !std::mem::replace(&mut self.is_failing, true) {
                tracing::warn!(
                    log = self.journal.shown(),
                    error = failure,
                    "cannot follow the journal of systemd: sessions under testing policies stay unjudged; trying again"
                );
            }
            tokio::select! {
                () = crate::told_to_stop(&mut shutdown) => return,
                () = timer.sleep(pause) => {}
            }
            pause = (pause * 2).min(*PAUSES.end());
        }
    }

    /// One child's life.
    async fn follow(&mut self, timer: &impl Timer, shutdown: &mut Shutdown) -> Ended {
        if self.from == From::End {
            let asked = tokio::select! {
                () = crate::told_to_stop(shutdown) => return Ended::ToldToStop,
                () = timer.sleep(ANSWER) => Err(io::Error::from(io::ErrorKind::TimedOut)),
                asked = self.begin_at_end() => asked,
            };
            if let Err(error) = asked {
                return Ended::Failed(error.to_string());
            }
        }
        let mut arguments = vec!["--follow", "--no-tail"];
        if let From::After(cursor) = &self.from {
            arguments.extend(["--after-cursor", cursor]);
        }
        let mut child = match self.journal.command(&arguments).spawn() {
            Ok(child) => child,
            Err(error) => return Ended::Failed(error.to_string()),
        };
        let remarks = child.stderr.take().map(|stream| tokio::spawn(first_of(stream)));
        let ended = self.read(&mut child, timer, shutdown).await;
        // Whether it ended by itself or not, nothing of it is left.
        let _ = child.start_kill();
        let status = child.wait().await;
        let heard = self.hear(remarks).await;
        match (ended, status) {
            (Ended::Failed(error), Ok(status)) if error.is_empty() => {
                Ended::Failed(format!("journalctl ended ({status}){heard}"))
            }
            (ended, _) => ended,
        }
    }

    /// Keeps the place of the newest entry, so that all that comes after it is read, whatever happens.
    async fn begin_at_end(&mut self) -> io::Result<()> {
        let output = self.journal.command(&["--lines=1"]).output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr[..output.stderr.len().min(LONGEST_REMARK)]);
            return Err(io::Error::other(format!("journalctl ended ({}): {}", output.status, said.trim())));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let newest = text.lines().filter_map(|line| cursor(&of_journal(line)?.1?)).next_back();
        let from = newest.map_or(From::Beginning, From::After);
        self.keep(from, true).await
    }

    /// Reads what a child writes, to its end or until told to stop. An empty failure: the child ended.
    async fn read(&mut self, child: &mut Child, timer: &impl Timer, shutdown: &mut Shutdown) -> Ended {
        let Some(mut stream) = child.stdout.take() else { return Ended::Failed(String::new()) };
        let (mut chunk, mut lines) = (vec![0; CHUNK_BYTES], Lines::new(MAX_LINE_BYTES));
        let (mut is_short, mut last_reads) = (false, 0);
        // Since when something waits to be told.
        let mut due = std::pin::pin!(timer.sleep(GATHER));
        let mut is_waiting = false;
        loop {
            let is_last = last_reads > 0;
            let read = tokio::select! {
                read = stream.read(&mut chunk) => read,
                () = &mut due, if is_waiting => {
                    is_waiting = false;
                    if let Err(error) = self.tell().await {
                        return Ended::Failed(error.to_string());
                    }
                    self.stats.warn_if_short("the journal of systemd", &mut is_short);
                    continue;
                }
                () = crate::told_to_stop(shutdown), if !is_last => {
                    last_reads = 1;
                    continue;
                }
                () = timer.sleep(LAST), if is_last => Ok(0),
            };
            let length = match read {
                Ok(length) => length,
                Err(error) => return Ended::Failed(error.to_string()),
            };
            lines.take(&chunk[..length], |line| self.line(line));
            let is_over = length == 0 || last_reads > LAST_READS;
            if is_over || self.gathered.events.len() >= TELL_EACH {
                if let Err(error) = self.tell().await {
                    return Ended::Failed(error.to_string());
                }
                is_waiting = false;
            }
            if is_over {
                return if is_last { Ended::ToldToStop } else { Ended::Failed(String::new()) };
            }
            last_reads += usize::from(is_last);
            if !is_waiting && self.gathered.cursor.is_some() {
                is_waiting = true;
                due.set(timer.sleep(GATHER));
            }
        }
    }

    fn line(&mut self, line: &str) {
        let Some((entry, at)) = of_journal(line) else { return };
        let Some(at) = at.and_then(|at| cursor(&at)) else { return };
        self.gathered.cursor = Some(at);
        if let Some(entry) = entry {
            heed(&entry, self.on_held_back.as_ref());
            self.gathered.events.extend(self.tracker.entry(&entry));
        }
        if std::mem::take(&mut self.is_failing) {
            tracing::info!(log = self.journal.shown(), "the journal of systemd can be followed again");
        }
    }

    async fn tell(&mut self) -> io::Result<()> {
        let Gathered { events, cursor } = std::mem::take(&mut self.gathered);
        let Some(cursor) = cursor else { return Ok(()) };
        // Where nothing is told, a place that gets lost costs nothing but reading it again.
        self.keep(From::After(cursor), !events.is_empty()).await?;
        let (inlet, stats) = (self.inlet.clone(), Arc::clone(&self.stats));
        spawn_blocking(move || tell(&events, &inlet, &stats)).await.map_err(io::Error::other)
    }

    async fn keep(&mut self, from: From, synced: bool) -> io::Result<()> {
        let (place, text) = (self.place.clone(), from.text().unwrap_or_default().to_owned());
        spawn_blocking(move || keep_place(&place, &text, synced)).await.map_err(io::Error::other)??;
        self.from = from;
        Ok(())
    }

    /// Passes on what the child said beside entries, each remark once; its first, for whoever tells of the end.
    async fn hear(&mut self, said: Option<JoinHandle<Vec<String>>>) -> String {
        let said = match said {
            Some(said) => said.await.unwrap_or_default(),
            None => Vec::new(),
        };
        for remark in &said {
            if self.remarks.len() < MAX_REMARKS && self.remarks.insert(remark.clone()) {
                tracing::debug!(remark, "journalctl says");
            }
        }
        said.first().map_or_else(String::new, |first| format!(": {first}"))
    }
}

/// The first lines of a stream, which is read to its end.
async fn first_of(mut stream: impl AsyncRead + Unpin) -> Vec<String> {
    let (mut chunk, mut lines, mut first) = (vec![0; 4096], Lines::new(LONGEST_REMARK), Vec::new());
    while let Ok(length @ 1..) = stream.read(&mut chunk).await {
        lines.take(&chunk[..length], |line| {
            if first.len() < MAX_REMARKS {
                first.push(line.to_owned());
            }
        });
    }
    first
}

/// A cursor, if it is one: it stands on a command line.
fn cursor(text: &str) -> Option<String> {
    let is_one = (1..=LONGEST_CURSOR).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b';' | b'-'))
        && text.starts_with("s=");
    is_one.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_kept_is_read_back_and_nothing_else_is_taken_for_one() {
        for from in [From::Beginning, From::After("s=30629acb;i=1;b=01;m=3e8;t=66;x=68".to_owned())] {
            assert_eq!(From::read(&format!("{}\n", from.text().unwrap())), Some(from));
        }
        for text in ["", "--flush", "s=1 --flush", "i=1", &format!("s={}", "1".repeat(LONGEST_CURSOR))] {
            assert_eq!(From::read(text), None, "{text:.20}");
        }
    }
}

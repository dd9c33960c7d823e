//! Sessions as JSON lines: out of files that grow, out of named pipes, and by POST.
//!
//! A line of a file is in the journal together with its place in the file, so it is taken once whatever happens. What a
//! pipe gave is gone from it: between pipe and journal a kill can lose what was read last. A POST is answered when its
//! lines are synced. What can fail: a file or pipe that cannot be read, which is told once and tried again.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tlsward_mta::journal::{FromFile, RecordKind, SyncHandle};
use tlsward_mta::postfix_log::{Cursor, Follower};
use tlsward_mta::session::line::{self, MAX_LINE_BYTES};
use tlsward_mta::session::{Appended, Inlet};
use tlsward_web::report_endpoint::{TakeSessions, Taken, Taking};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::counting::each_line;
use super::figures::Figures;
use crate::control::told_to_stop;
use crate::edge::SystemClock;

/// Bytes of a POST. It is one record of the journal, so that it is taken whole or not at all.
pub(super) const LONGEST_BODY: usize = 192 * 1024;
/// Between two looks at a file.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of lines in one record.
const RECORD_BYTES: usize = 64 * 1024;
/// While there is no room, before it is tried again.
const NO_ROOM: Duration = Duration::from_millis(100);
/// Who posts waits no longer for the disk.
const PATIENCE: Duration = Duration::from_secs(20);

type Stop = watch::Receiver<bool>;

/// Where lines go.
#[derive(Clone)]
pub(super) struct Into {
    pub(super) inlet: Inlet<SystemClock>,
    pub(super) figures: Arc<Figures>,
}

/// Takes lines of one file or pipe until told to stop.
pub(super) async fn follow(path: PathBuf, place: Option<Cursor>, into: Into, mut stop: Stop) {
    let name = FromFile::path_of(&path);
    let mut follower = Some(Follower::new(&path, place).from_beginning().longest_line(MAX_LINE_BYTES));
    let mut failing = false;
    loop {
        let is_pipe = std::fs::metadata(&path).is_ok_and(|about| about.file_type().is_fifo());
        let outcome = if is_pipe {
            read_pipe(&path, &into, &mut stop).await
        } else if let Some(mut file) = follower.take() {
            let (name, into) = (name.clone(), into.clone());
            let looked = spawn_blocking(move || {
                let outcome = look(&mut file, &name, &into);
                (file, outcome)
            });
            match looked.await {
                Ok((file, outcome)) => {
                    follower = Some(file);
                    outcome
                }
                Err(error) => Err(io::Error::other(error)),
            }
        } else {
            // Its thread broke, which is told already.
            return told_to_stop(&mut stop).await;
        };
        match outcome {
            Ok(()) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::error!(path = %path.display(), %error, "sessions cannot be read from here; trying again");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = told_to_stop(&mut stop) => return,
            () = sleep(LOOK) => {}
        }
    }
}

/// Takes what the file has that is new.
fn look(file: &mut Follower, name: &str, into: &Into) -> io::Result<()> {
    let room = FromFile::room(name).min(RECORD_BYTES + MAX_LINE_BYTES);
    let (mut lines, mut behind, mut payload) = (Vec::new(), None, Vec::new());
    let mut put = |lines: &mut Vec<u8>, cursor: Cursor| {
        FromFile { path: name, cursor, lines }.encode(&mut payload);
        lines.clear();
        // Without room it waits; after a stop the rest is read again at the next start.
        let _ = into.inlet.offer_blocking(RecordKind::FileLines, &payload);
    };
    let before = file.passed_over();
    let looked = file.look_at(|text, cursor| {
        if lines.len() + text.len() + 1 > room
            && let Some(cursor) = behind
        {
            put(&mut lines, cursor);
        }
        lines.extend_from_slice(text.as_bytes());
        lines.push(b'\n');
        behind = Some(cursor);
        if lines.len() >= RECORD_BYTES {
            put(&mut lines, cursor);
        }
    });
    if let Some(cursor) = behind.filter(|_| !lines.is_empty()) {
        put(&mut lines, cursor);
    }
    into.figures.refused_lines.add(file.passed_over() - before);
    looked
}

/// Takes what comes through the pipe until told to stop.
async fn read_pipe(path: &Path, into: &Into, stop: &mut Stop) -> io::Result<()> {
    // Opened for writing as well: that the last writer goes is no end.
    let mut pipe = pipe::OpenOptions::new().read_write(true).open_receiver(path)?;
    let (mut bytes, mut is_overlong) = (Vec::new(), false);
    loop {
        tokio::select! {
            () = told_to_stop(stop) => return Ok(()),
            read = pipe.read_buf(&mut bytes) => { read?; }
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let rest = bytes.split_off(whole);
        let lines = std::mem::replace(&mut bytes, rest);
        let mut lines = lines.as_slice();
        if is_overlong && !lines.is_empty() {
            // The end of a line that was too long.
            let end = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1);
            lines = &lines[end..];
            is_overlong = false;
        }
        if !lines.is_empty() && !put(lines, into, stop).await {
            return Ok(());
        }
        if bytes.len() > MAX_LINE_BYTES || is_overlong {
            into.figures.refused_lines.add(u64::from(!is_overlong));
            is_overlong = true;
            bytes.clear();
        }
    }
}

/// Hands lines to the journal, as soon as there is room; `false`: it was told to stop.
async fn put(mut lines: &[u8], into: &Into, stop: &mut Stop) -> bool {
    while !lines.is_empty() {
        let piece = &lines[..lines.len().min(RECORD_BYTES + MAX_LINE_BYTES)];
        let end = piece.iter().rposition(|byte| *byte == b'\n').map_or(piece.len(), |end| end + 1);
        let (piece, rest) = lines.split_at(end);
        while into.inlet.offer(RecordKind::Line, piece).is_none() {
            tokio::select! {
                () = told_to_stop(stop) => return false,
                () = sleep(NO_ROOM) => {}
            }
        }
        lines = rest;
    }
    true
}

/// Takes lines of who has the token.
pub(super) struct Desk {
    pub(super) inlet: Inlet<SystemClock>,
    pub(super) appended: watch::Receiver<Appended>,
    pub(super) sync: SyncHandle,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

impl TakeSessions for Desk {
    fn take(&self, lines: Bytes) -> Taking<'_> {
        Box::pin(async move {
            match checked(&lines) {
                Err((number, why)) => return Taken::Wrong(number, why),
                Ok(0) => return Taken::Kept(0),
                Ok(_) => {}
            }
            // It would be counted when the disk takes it after all, and once more when it is sent again.
            if self.inlet.stats().is_failing() {
                return Taken::Later;
            }
            let count = u64::try_from(each_line(&lines).count()).unwrap_or(u64::MAX);
            let Some(number) = self.inlet.offer(RecordKind::Line, &lines) else { return Taken::Later };
            let mut appended = self.appended.clone();
            let written = appended.wait_for(|appended| appended.records >= number);
            if !matches!(timeout(PATIENCE, written).await, Ok(Ok(_))) {
                return Taken::Later;
            }
            let sync = self.sync.clone();
            match spawn_blocking(move || sync.sync()).await {
                Ok(Ok(())) => Taken::Kept(count),
                Ok(Err(error)) => {
                    tracing::error!(%error, "sessions that were posted are not synced");
                    Taken::Later
                }
                Err(_) => Taken::Later,
            }
        })
    }
}

/// How many sessions there are; or the first line that is wrong, and why.
fn checked(lines: &[u8]) -> Result<u64, (u64, String)> {
    let mut count = 0;
    for (number, text) in (1..).zip(lines.split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if !text.is_empty() {
            line::read(text).map_err(|error| (number, error.to_string()))?;
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wrong_line_is_named_and_empty_ones_do_not_count() {
        let good = "{\"domain\":\"a.example\",\"result\":\"success\",\"policy-type\":\"sts\"}";
        assert_eq!(checked(format!("\n{good}\r\n\n{good}").as_bytes()), Ok(2));
        assert_eq!(checked(b" \n"), Ok(0));
        let (number, why) = checked(format!("{good}\n\n{{}}\n{good}").as_bytes()).unwrap_err();
        assert!(number == 3 && why.contains("missing field"), "{number}: {why}");
    }
}

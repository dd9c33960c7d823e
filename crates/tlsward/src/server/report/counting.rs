//! From the journal into the store: sessions are read in their order, judged, added up, and written with the journal's
//! place in one commit. A kill at any moment loses none and doubles none.
//!
//! What cannot be read is counted as refused and passed over; the journal has it still. What can fail: the store, then the
//! same stretch is read again; the disk. Both are told once, and when they are over.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use smtp_dane::pkix::TrustRoots;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Added, Delta, JournalPlace, Outbox};
use tlsward_engine::report::judge::{self, Certificates, Grounds, MAX_STRETCH, PolicyHosts, Told, What};
use tlsward_engine::report::{Counter, Settings};
use tlsward_mta::journal::{FromFile, Position, Reader, Record, RecordKind, RetireHandle, SyncHandle};
use tlsward_mta::postfix_log::{Cursor, record};
use tlsward_mta::session::{Appended, Inlet, datagram, line};
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::figures::Figures;
use super::places::Places;
use crate::control::told_to_stop;
use crate::edge::{self, SystemClock};
use crate::world::Open;

/// What comes in one burst is counted together.
const GATHER: Duration = Duration::from_millis(500);
/// Without anything new, how often it is said that all is counted; and how long sessions wait for their lines.
const IDLE: Duration = Duration::from_secs(2);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(5);
/// Payload of one stretch: what it is read into is larger.
const STRETCH_BYTES: usize = 4 * 1024 * 1024;

/// What sessions are judged by.
pub(super) struct Court {
    pub(super) certificates: Certificates,
    pub(super) roots: Arc<TrustRoots>,
    pub(super) policies: Arc<dyn PolicyHosts>,
    /// Whether lines of a log are to be waited for.
    pub(super) follows_log: bool,
}

/// The task.
pub(super) struct Counting<O> {
    pub(super) outbox: Arc<O>,
    pub(super) world: Arc<Open>,
    pub(super) settings: Arc<Settings>,
    pub(super) court: Arc<Court>,
    pub(super) journal: PathBuf,
    pub(super) inlet: Inlet<SystemClock>,
    pub(super) appended: watch::Receiver<Appended>,
    pub(super) sync: SyncHandle,
    pub(super) retire: RetireHandle,
    pub(super) places: Places,
    pub(super) figures: Arc<Figures>,
    /// Up to which time everything is counted.
    pub(super) counted: watch::Sender<Option<UnixTime>>,
    /// Wakes whoever sends: sessions of a day were counted whose reports are due already.
    pub(super) late: Arc<Notify>,
    /// The place of the store.
    pub(super) stored: JournalPlace,
    /// Where to read on: behind `stored`, with no record between them.
    pub(super) at: Position,
    pub(super) retired: u64,
    /// A stretch broke the judge: the next one is a single record.
    pub(super) one_by_one: bool,
    /// Where it was said that the journal does not go on.
    pub(super) stuck_at: Option<Position>,
}

/// What came of a step.
enum Step {
    /// Something was counted.
    Counted,
    /// What came at that time waits for more.
    Unripe(UnixTime),
    /// The journal does not go on where it should.
    Stuck,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the journal cannot be read: {0}")]
    Journal(#[from] io::Error),
    #[error("counts cannot be written: {0}")]
    Store(#[from] tlsward_engine::ports::StoreError),
    #[error("a thread that reads the journal broke: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// Sessions that were read and not yet counted.
#[derive(Default)]
struct Stretch {
    told: Vec<Told>,
    /// The records that they came from.
    records: Vec<Read>,
    /// How far the journal was read.
    reached: Option<Position>,
    /// Bytes behind the last record that are damaged.
    damaged: u64,
}

/// A record that was read.
struct Read {
    /// So many sessions were read with it and those before it.
    told: usize,
    at: UnixTime,
    /// The place behind it.
    place: Position,
    /// Sessions in it that cannot be counted, and why the first cannot.
    refused: Refused,
    /// The file that it came from, and the place behind it there.
    file: Option<(String, Cursor)>,
    /// Bytes before it that were damaged.
    damaged: u64,
}

#[derive(Default)]
struct Refused {
    datagrams: u64,
    lines: u64,
    why: Option<String>,
}

impl<O: Outbox> Counting<O> {
    /// Counts until told to stop. What is not counted then is counted after the next start.
    pub(super) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut failing = false;
        loop {
            let pause = match self.count_all(&shutdown).await {
                Ok(()) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("sessions are counted again");
                    }
                    IDLE
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "sessions stay in the journal until they can be counted");
                    }
                    PAUSE
                }
            };
            tokio::select! {
                () = told_to_stop(&mut shutdown) => return,
                () = sleep(pause) => continue,
                Ok(()) = self.appended.changed(), if !failing => {}
            }
            tokio::select! {
                () = told_to_stop(&mut shutdown) => return,
                () = sleep(GATHER) => {}
            }
        }
    }

    /// Counts what is in the journal now.
    async fn count_all(&mut self, shutdown: &watch::Receiver<bool>) -> Result<(), Trouble> {
        let now = edge::now();
        // In this order: what is not waiting any more was told of.
        let oldest = self.inlet.oldest_waiting();
        let end = self.appended.borrow_and_update().position;
        let mut counted_until = oldest.map_or(now, |oldest| oldest.min(now));
        while self.at < end {
            if *shutdown.borrow() {
                return Ok(());
            }
            match self.step(end).await? {
                Step::Counted => {}
                Step::Unripe(at) => {
                    counted_until = counted_until.min(at);
                    break;
                }
                Step::Stuck => {
                    // Said once, not every two seconds.
                    if self.stuck_at.replace(self.at) != Some(self.at) {
                        tracing::error!(
                            segment = self.at.segment,
                            offset = self.at.offset,
                            "the journal cannot be read on from here until its next segment begins"
                        );
                    }
                    return Ok(());
                }
            }
        }
        self.counted.send_replace(Some(counted_until));
        self.tidy().await;
        Ok(())
    }

    async fn step(&mut self, end: Position) -> Result<Step, Trouble> {
        let (folder, from, one_by_one) = (self.journal.clone(), self.at, self.one_by_one);
        let mut stretch = spawn_blocking(move || read(folder, from, end, one_by_one)).await??;
        let Some(first) = stretch.records.first() else {
            return Ok(match stretch.reached.filter(|reached| *reached > self.at) {
                // A segment begins here, or what was left of one is damaged: no record is there.
                Some(reached) => {
                    self.tell_damage(stretch.damaged);
                    self.at = reached;
                    Step::Counted
                }
                None => Step::Stuck,
            });
        };
        let now = edge::now();
        let ripe = judge::ripe(&stretch.told, now, self.court.follows_log);
        let mut whole = stretch.records.iter().take_while(|read| read.told <= ripe).count();
        if whole == 0 {
            if stretch.told.len() < MAX_STRETCH && ripe == 0 {
                return Ok(Step::Unripe(first.at));
            }
            // One record with more than a stretch.
            whole = 1;
        }
        stretch.records.truncate(whole);
        let Some(last) = stretch.records.last() else { return Ok(Step::Stuck) };
        let place = last.place;
        stretch.told.truncate(last.told);
        let wanted = self.court.certificates.wanted(&stretch.told, now);
        self.court.certificates.fetch(&self.world.net, &wanted, now).await;

        let (court, settings) = (Arc::clone(&self.court), Arc::clone(&self.settings));
        let told = std::mem::take(&mut stretch.told);
        let (from, to) = (self.stored, JournalPlace { segment: place.segment, offset: place.offset });
        let judged = spawn_blocking(move || count(&told, &court, &settings, from, to)).await;
        let counted = match judged {
            Ok(counted) => counted,
            Err(error) if !self.one_by_one => {
                tracing::error!(%error, "judging sessions broke; each record is tried by itself");
                self.one_by_one = true;
                return Ok(Step::Counted);
            }
            Err(error) => {
                tracing::error!(%error, "a session cannot be judged, which is a fault in Tlsward; it is not counted");
                let journal = self.settings.node.clone();
                Counted { delta: Delta { journal, from, to, groups: Vec::new() }, ..Counted::default() }
            }
        };
        self.one_by_one = false;
        let is_late = counted.delta.groups.iter().any(|group| group.due_at <= now);
        match self.outbox.add(counted.delta).await? {
            Added::Counted => {}
            Added::Elsewhere(place) => {
                tracing::warn!(
                    segment = place.segment,
                    offset = place.offset,
                    "the store has another place of the journal; counting goes on from there"
                );
                self.stored = place;
                self.at = position(place);
                return Ok(Step::Counted);
            }
        }
        (self.stored, self.at) = (to, place);
        if is_late {
            self.late.notify_one();
        }
        self.figures.sessions.add(counted.judged);
        self.figures.unjudged.add(counted.unjudged);
        self.figures.left_out.add(counted.left_out);
        self.note(stretch.records);
        Ok(Step::Counted)
    }

    /// What the records said beside sessions.
    fn note(&mut self, records: Vec<Read>) {
        let (mut refused, mut damaged) = (Refused::default(), 0);
        for read in records {
            refused.datagrams += read.refused.datagrams;
            refused.lines += read.refused.lines;
            refused.why = refused.why.or(read.refused.why);
            damaged += read.damaged;
            if let Some((path, cursor)) = read.file {
                self.places.reached(path, cursor);
            }
        }
        self.figures.refused_datagrams.add(refused.datagrams);
        self.figures.refused_lines.add(refused.lines);
        self.tell_damage(damaged);
        if let Some(why) = refused.why {
            let (datagrams, lines) = (refused.datagrams, refused.lines);
            tracing::warn!(datagrams, lines, first = why, "sessions that cannot be read are not counted");
        }
    }

    fn tell_damage(&self, bytes: u64) {
        self.figures.damaged_bytes.add(bytes);
        if bytes > 0 {
            tracing::error!(bytes, "a part of the journal is damaged; its sessions are lost");
        }
    }

    /// Removes what is counted.
    async fn tidy(&mut self) {
        if self.at.segment <= self.retired {
            return;
        }
        let (sync, retire, places, at) =
            (self.sync.clone(), self.retire.clone(), self.places.clone(), self.at);
        let tidied = spawn_blocking(move || {
            // The places of files are ahead of nothing that could still be lost.
            sync.sync()?;
            places.keep()?;
            retire.retire(at)
        });
        match tidied.await {
            Ok(Ok(_)) => self.retired = self.at.segment,
            Ok(Err(error)) => tracing::warn!(%error, "counted parts of the journal stay for now"),
            Err(error) => tracing::warn!(%error, "counted parts of the journal stay for now"),
        }
    }
}

/// The same place, as the journal has it.
pub(super) fn position(place: JournalPlace) -> Position {
    Position { segment: place.segment, offset: place.offset }
}

/// Reads a stretch of the journal.
fn read(folder: PathBuf, from: Position, end: Position, one_by_one: bool) -> io::Result<Stretch> {
    let mut reader = Reader::new(folder, from);
    let mut stretch = Stretch::default();
    let mut bytes = 0;
    while stretch.told.len() < MAX_STRETCH && bytes < STRETCH_BYTES {
        let (mut taken, mut damaged) = (None, 0);
        let told = &mut stretch.told;
        let each = |record: Record<'_>| {
            bytes += record.payload.len();
            // A record that finds a fault in a reader must not stop all counting.
            let outcome = catch_unwind(AssertUnwindSafe(|| take(record, told)));
            taken = Some((record.at, outcome.unwrap_or_else(|_| (broken(), None))));
        };
        reader.read(end, 1, each, |damage| damaged += damage.bytes)?;
        let place = reader.position();
        stretch.reached = Some(place);
        let Some((at, (refused, file))) = taken else {
            stretch.damaged = damaged;
            break;
        };
        stretch.records.push(Read { told: stretch.told.len(), at, place, refused, file, damaged });
        if one_by_one {
            break;
        }
    }
    Ok(stretch)
}

fn broken() -> Refused {
    let why = "the reader failed, which is a fault in Tlsward".to_owned();
    Refused { datagrams: 1, lines: 0, why: Some(why) }
}

/// Takes a record apart.
fn take(record: Record<'_>, told: &mut Vec<Told>) -> (Refused, Option<(String, Cursor)>) {
    let at = record.at;
    let mut refused = Refused::default();
    match record.kind {
        RecordKind::Datagram => match datagram::read(record.payload) {
            Ok(datagram) => told.push(Told { at, what: What::Datagram(datagram.event) }),
            Err(error) => refused = Refused { datagrams: 1, lines: 0, why: Some(error.to_string()) },
        },
        RecordKind::Line => lines(record.payload, at, told, &mut refused),
        RecordKind::FileLines => match FromFile::decode(record.payload) {
            Some(from) => {
                lines(from.lines, at, told, &mut refused);
                return (refused, Some((from.path.to_owned(), from.cursor)));
            }
            None => refused = Refused { datagrams: 0, lines: 1, why: Some("no lines of a file".to_owned()) },
        },
        RecordKind::Log => match record::read(record.payload) {
            Ok(event) => told.push(Told { at, what: What::Log(event) }),
            Err(error) => refused = Refused { datagrams: 0, lines: 1, why: Some(error.to_string()) },
        },
    }
    (refused, None)
}

fn lines(payload: &[u8], at: UnixTime, told: &mut Vec<Told>, refused: &mut Refused) {
    for text in each_line(payload) {
        match line::read(text) {
            Ok(event) => told.push(Told { at, what: What::Line(event) }),
            Err(error) => {
                refused.lines += 1;
                refused.why.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// The lines of a payload that say anything.
pub(super) fn each_line(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    payload.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// What a stretch came to.
#[derive(Default)]
struct Counted {
    delta: Delta,
    judged: u64,
    unjudged: u64,
    left_out: u64,
}

fn count(told: &[Told], court: &Court, settings: &Settings, from: JournalPlace, to: JournalPlace) -> Counted {
    let grounds =
        Grounds { certificates: &court.certificates, roots: &court.roots, policies: court.policies.as_ref() };
    let mut counter = Counter::new(settings);
    let (mut judged, mut unjudged) = (0_u64, 0_u64);
    for session in judge::sessions(told, &grounds) {
        let times = if session.met.is_some() { &mut judged } else { &mut unjudged };
        let (count, before) = (session.count, counter.left_out());
        counter.count(session);
        if counter.left_out() == before {
            *times = times.saturating_add(count);
        }
    }
    let left_out = counter.left_out();
    Counted { delta: counter.take(&settings.node, from, to), judged, unjudged, left_out }
}

/// The places of all files in a journal, up to `end`.
pub(super) fn places_in(folder: &std::path::Path, end: Position) -> io::Result<BTreeMap<String, Cursor>> {
    let mut reader = Reader::new(folder.to_owned(), Position::START);
    let mut places = BTreeMap::new();
    let each = |record: Record<'_>, places: &mut BTreeMap<String, Cursor>| {
        if record.kind == RecordKind::FileLines
            && let Some(from) = FromFile::decode(record.payload)
        {
            places.insert(from.path.to_owned(), from.cursor);
        }
    };
    while reader.read(end, 1024, |record| each(record, &mut places), |_| {})? > 0 {}
    Ok(places)
}

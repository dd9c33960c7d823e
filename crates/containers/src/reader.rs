//! Reading one member: a slice, its transfer encoding, and layers of compression, pulled through buffers of 64 KiB.
//!
//! Buffers and decompressors come from a pool and go back to it, since a server opens many small members a second.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, BufRead, Read};

use flate2::Decompress;

use crate::gzip::{Codec, Layer, note};
use crate::item::{Failure, Note};
use crate::transfer::{Decoder, Encoding};

/// Large enough that calls do not count, small enough for the second-level cache.
pub(crate) const BUFFER: usize = 64 << 10;

/// How to get at a member.
#[derive(Debug, Clone)]
pub(crate) struct Input<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) encoding: Encoding,
    /// From the outside in.
    pub(crate) layers: Vec<Layer>,
}

impl<'a> Input<'a> {
    pub(crate) fn plain(bytes: &'a [u8]) -> Self {
        Input { bytes, encoding: Encoding::Plain, layers: Vec::new() }
    }

    /// The contents, when nothing has to be decoded.
    pub(crate) fn as_plain(&self) -> Option<&'a [u8]> {
        (self.encoding == Encoding::Plain && self.layers.is_empty()).then_some(self.bytes)
    }
}

/// What all readers of a walk share.
pub(crate) struct Shared<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) limit: u64,
    /// What is left of the allowance of the whole walk.
    pub(crate) budget: Cell<u64>,
}

impl fmt::Debug for Shared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("limit", &self.limit).field("budget", &self.budget).finish()
    }
}

/// Buffers and decompressors at rest.
#[derive(Default)]
pub(crate) struct Pool {
    buffers: RefCell<Vec<Vec<u8>>>,
    inflaters: RefCell<Vec<Decompress>>,
}

impl Pool {
    fn buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_else(|| vec![0; BUFFER])
    }

    fn inflater(&self) -> Decompress {
        self.inflaters.borrow_mut().pop().unwrap_or_else(|| Decompress::new(false))
    }
}

/// The bytes of one member. [`Read`] and [`BufRead`]; the buffer is 64 KiB or the whole member in memory.
pub struct MemberReader<'a> {
    source: Source<'a>,
    stages: Vec<Stage>,
    notes: Vec<Note>,
    shared: &'a Shared<'a>,
}

impl fmt::Debug for MemberReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberReader").field("notes", &self.notes).finish_non_exhaustive()
    }
}

enum Source<'a> {
    Slice(&'a [u8]),
    Decoded { decoder: Decoder<'a>, buffer: Vec<u8>, start: usize, end: usize },
}

struct Stage {
    codec: Codec,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    total: u64,
    ended: Option<Result<(), Failure>>,
}

impl<'a> MemberReader<'a> {
    pub(crate) fn over(bytes: &'a [u8], notes: &[Note], shared: &'a Shared<'a>) -> Self {
        MemberReader { source: Source::Slice(bytes), stages: Vec::new(), notes: notes.to_vec(), shared }
    }

    pub(crate) fn open(input: &Input<'a>, notes: &[Note], shared: &'a Shared<'a>) -> Self {
        let source = match input.encoding {
            Encoding::Plain => Source::Slice(input.bytes),
            encoding => Source::Decoded {
                decoder: Decoder::new(input.bytes, encoding),
                buffer: shared.pool.buffer(),
                start: 0,
                end: 0,
            },
        };
        let stage = |layer: &Layer| Stage {
            codec: Codec::new(*layer, shared.pool.inflater()),
            buffer: shared.pool.buffer(),
            start: 0,
            end: 0,
            total: 0,
            ended: None,
        };
        MemberReader {
            source,
            stages: input.layers.iter().map(stage).collect(),
            notes: notes.to_vec(),
            shared,
        }
    }

    /// What was odd about the containers; complete once the end was read.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The next piece; empty at the end. A full buffer, unless the end or a failure comes before.
    pub(crate) fn fill(&mut self) -> Result<&[u8], Failure> {
        fill(&mut self.source, &mut self.stages, &mut self.notes, self.shared)
    }

    pub(crate) fn take(&mut self, count: usize) {
        take(&mut self.source, &mut self.stages, count);
    }

    /// Whether the piece at hand is the last one, and the member whole.
    pub(crate) fn is_at_last_piece(&self) -> bool {
        match (self.stages.last(), &self.source) {
            (Some(stage), _) => stage.ended == Some(Ok(())),
            (None, Source::Slice(_)) => true,
            (None, Source::Decoded { buffer, end, .. }) => *end + 4 <= buffer.len(),
        }
    }
}

impl BufRead for MemberReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.fill()?)
    }

    fn consume(&mut self, amount: usize) {
        self.take(amount);
    }
}

impl Read for MemberReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill()?;
        let count = piece.len().min(out.len());
        out[..count].copy_from_slice(&piece[..count]);
        self.take(count);
        Ok(count)
    }
}

impl Drop for MemberReader<'_> {
    fn drop(&mut self) {
        let mut buffers = self.shared.pool.buffers.borrow_mut();
        let mut inflaters = self.shared.pool.inflaters.borrow_mut();
        for stage in self.stages.drain(..) {
            buffers.push(stage.buffer);
            inflaters.push(stage.codec.into_inflate());
        }
        if let Source::Decoded { buffer, .. } = &mut self.source {
            buffers.push(std::mem::take(buffer));
        }
    }
}

impl Source<'_> {
    fn fill(&mut self) -> &[u8] {
        match self {
            Source::Slice(rest) => rest,
            Source::Decoded { decoder, buffer, start, end } => {
                if start == end {
                    (*start, *end) = (0, decoder.decode(buffer));
                }
                &buffer[*start..*end]
            }
        }
    }
}

fn fill<'s>(
    source: &'s mut Source<'_>,
    stages: &'s mut [Stage],
    notes: &mut Vec<Note>,
    shared: &Shared<'_>,
) -> Result<&'s [u8], Failure> {
    let Some((stage, below)) = stages.split_last_mut() else { return Ok(source.fill()) };
    if stage.start == stage.end && stage.ended.is_none() {
        stage.refill(source, below, notes, shared);
    }
    match (stage.start < stage.end, stage.ended) {
        (false, Some(Err(failure))) => Err(failure),
        _ => Ok(&stage.buffer[stage.start..stage.end]),
    }
}

fn take(source: &mut Source<'_>, stages: &mut [Stage], count: usize) {
    match (stages.last_mut(), source) {
        (Some(stage), _) => stage.start = stage.end.min(stage.start + count),
        (None, Source::Slice(rest)) => *rest = rest.get(count..).unwrap_or_default(),
        (None, Source::Decoded { start, end, .. }) => *start = (*end).min(*start + count),
    }
}

impl Stage {
    fn refill(
        &mut self,
        source: &mut Source<'_>,
        below: &mut [Stage],
        notes: &mut Vec<Note>,
        shared: &Shared<'_>,
    ) {
        (self.start, self.end) = (0, 0);
        if shared.budget.get() == 0 {
            self.ended = Some(Err(Failure::BudgetSpent));
        }
        while self.end < self.buffer.len() && self.ended.is_none() {
            let input = match fill(source, below, notes, shared) {
                Ok(input) => input,
                Err(failure) => {
                    let survived = self.codec.survives_loss_of_input(notes);
                    self.ended = Some(if survived { Ok(()) } else { Err(failure) });
                    break;
                }
            };
            match self.codec.step(input, &mut self.buffer[self.end..], notes) {
                Ok(step) => {
                    take(source, below, step.consumed);
                    self.end += step.produced;
                    if self.codec.is_done() {
                        self.ended = Some(Ok(()));
                    }
                }
                Err(failure) => self.ended = Some(Err(failure)),
            }
        }
        self.meter(shared);
    }

    /// Delivers no byte past a limit.
    fn meter(&mut self, shared: &Shared<'_>) {
        let produced = self.end as u64;
        let (allowed, failure) = match shared.limit - self.total {
            left if left < produced => (left, Failure::TooLarge { limit: shared.limit }),
            _ => (produced, Failure::BudgetSpent),
        };
        let granted = allowed.min(shared.budget.get());
        shared.budget.set(shared.budget.get() - granted);
        self.total += granted;
        if granted < produced {
            let failure = if granted < allowed { Failure::BudgetSpent } else { failure };
            self.end = granted as usize;
            self.ended = Some(Err(failure));
        }
    }
}

/// Adds a note to those of a member that is being looked at.
pub(crate) fn add(notes: &mut Vec<Note>, more: &[Note]) {
    more.iter().for_each(|one| note(notes, *one));
}

//! The walk: from an input through its containers to the members, visited one at a time.
//!
//! Recursion goes one level down for each container, at most [`Limits::depth`]; layers of compression are peeled in a
//! loop. What can be streamed is; only a zip or mail that lies inside another layer is held in memory, bounded.

use std::cell::Cell;
use std::fmt;
use std::ops::ControlFlow;

use crate::gzip::{Layer, note};
use crate::headers::MailContext;
use crate::item::{Failure, Item, Member, Note, Refusal, Refused, Summary};
use crate::judge::{Claim, Verdict, is_mislabelled, is_report_name, judge};
use crate::kind::{Kind, has_suffix, sniff};
use crate::mail::{Leaf, Structure, is_message, structure};
use crate::reader::{Input, MemberReader, Pool, Shared};
use crate::transfer::Encoding;
use crate::{Limits, mbox, zip};

/// Visits the members of `bytes`. For many inputs keep a [`Walker`].
pub fn walk(
    name: &str,
    bytes: &[u8],
    limits: &Limits,
    visit: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
) -> Summary {
    Walker::new(limits.clone()).walk(name, bytes, visit)
}

/// Walks inputs, and keeps its buffers from one to the next: about 100 KiB for each layer ever opened at once.
pub struct Walker {
    limits: Limits,
    pool: Pool,
}

impl fmt::Debug for Walker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walker").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Walker {
    /// A walker with these limits.
    pub fn new(limits: Limits) -> Self {
        Walker { limits, pool: Pool::default() }
    }

    /// Visits the members of `bytes` in their order. `name` is the beginning of every path and breaks ties about the
    /// kind; contents that are no known kind are a member if the name calls them JSON, else refused. The visitor ends
    /// the walk by [`ControlFlow::Break`].
    pub fn walk(
        &mut self,
        name: &str,
        bytes: &[u8],
        visit: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
    ) -> Summary {
        let shared = Shared {
            pool: &self.pool,
            limit: self.limits.decompressed,
            budget: Cell::new(self.limits.total),
        };
        let mut walk = Walk {
            limits: &self.limits,
            shared: &shared,
            path: String::new(),
            summary: Summary::default(),
            opened: 0,
            held: 0,
            over: false,
            visit,
        };
        walk.push_label(name, "");
        let place = Place { name, claim: Claim::Report, mail: None, depth: 0, outermost: true };
        walk.input(Input::plain(bytes), place, Vec::new());
        walk.summary
    }
}

/// Where an input was found.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: &'a str,
    claim: Claim,
    mail: Option<&'a MailContext<'a>>,
    /// Containers round it.
    depth: usize,
    /// Not inside anything.
    outermost: bool,
}

struct Walk<'w> {
    limits: &'w Limits,
    shared: &'w Shared<'w>,
    path: String,
    summary: Summary,
    opened: usize,
    /// Bytes of containers held in memory.
    held: usize,
    /// No more members: the visitor had enough, or a limit was reached.
    over: bool,
    visit: &'w mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
}

impl Walk<'_> {
    /// Peels layers of compression until there is something else, and hands it on.
    fn input(&mut self, mut input: Input<'_>, mut place: Place<'_>, mut notes: Vec<Note>) {
        if !self.count_open() {
            return;
        }
        let shared = self.shared;
        loop {
            let mut reader = MemberReader::open(&input, &notes, shared);
            let (kind, empty, failure) = match reader.fill() {
                Ok(piece) => (sniff(place.name, piece), piece.is_empty(), None),
                Err(failure) => (Kind::Unknown, true, Some(failure)),
            };
            let compressed = matches!(input.layers.last(), Some(Layer::Gzip | Layer::Zlib));
            if !compressed && is_mislabelled(place.name, kind) {
                note(&mut notes, Note::Mislabelled);
            }
            match kind {
                Kind::Gzip | Kind::Zlib => {
                    if self.too_deep(place.depth + 1) {
                        return;
                    }
                    place.depth += 1;
                    place.outermost = false;
                    place.name = inner_name(place.name);
                    if compressed {
                        note(&mut notes, Note::TwiceCompressed);
                    }
                    drop(reader);
                    input.layers.push(if kind == Kind::Gzip {
                        Layer::Gzip
                    } else {
                        note(&mut notes, Note::ZlibInsteadOfGzip);
                        Layer::Zlib
                    });
                    if !self.count_open() {
                        return;
                    }
                }
                Kind::Json => return self.member(&input, reader, &notes, place.mail),
                Kind::Zip | Kind::Mail | Kind::Mbox => {
                    if self.too_deep(place.depth + 1) {
                        return;
                    }
                    if let Some(bytes) = input.as_plain() {
                        return self.container(kind, bytes, place, &notes);
                    }
                    match self.hold(&mut reader) {
                        Ok(bytes) => {
                            notes = reader.notes().to_vec();
                            drop(reader);
                            self.held += bytes.len();
                            place.outermost = false;
                            self.container(kind, &bytes, place, &notes);
                            self.held -= bytes.len();
                        }
                        Err(reason) => {
                            let spent = reason == Refusal::Unreadable(Failure::BudgetSpent);
                            self.refuse(reason);
                            self.over |= spent;
                        }
                    }
                    return;
                }
                Kind::Unknown => {
                    return match (place.claim, failure) {
                        (Claim::Nothing, None) => self.summary.ignored += 1,
                        // Two bytes are little to go by: this was never zlib.
                        (Claim::Nothing, Some(_)) if matches!(input.layers.last(), Some(Layer::Zlib)) => {
                            self.summary.ignored += 1;
                        }
                        (_, Some(failure)) => {
                            self.refuse(Refusal::Unreadable(failure));
                            self.over |= failure == Failure::BudgetSpent;
                        }
                        (Claim::Report, None) if empty => self.refuse(Refusal::Empty),
                        // Called JSON and nothing else: the reader of JSON says best what is wrong with it.
                        (Claim::Report, None) if has_suffix(place.name, ".json") => {
                            self.member(&input, reader, &notes, place.mail);
                        }
                        (Claim::Report, None) => self.refuse(Refusal::Unrecognised),
                    };
                }
            }
        }
    }

    fn member(
        &mut self,
        input: &Input<'_>,
        mut reader: MemberReader<'_>,
        notes: &[Note],
        mail: Option<&MailContext<'_>>,
    ) {
        let shared = self.shared;
        if let Some(bytes) = input.as_plain() {
            if bytes.len() as u64 > self.limits.decompressed {
                let limit = self.limits.decompressed;
                return self.refuse(Refusal::Unreadable(Failure::TooLarge { limit }));
            }
            return self.hand_out(Member { path: "", input, shared, slice: Some(bytes), notes, mail });
        }
        // The first piece is at hand; if it is all, nothing needs decoding again.
        if reader.is_at_last_piece() {
            let mut all_notes = reader.notes().to_vec();
            crate::reader::add(&mut all_notes, notes);
            if let Ok(bytes) = reader.fill() {
                let slice = Some(bytes);
                self.hand_out(Member { path: "", input, shared, slice, notes: &all_notes, mail });
            }
        } else {
            drop(reader);
            self.hand_out(Member { path: "", input, shared, slice: None, notes, mail });
        }
    }

    fn hand_out(&mut self, member: Member<'_>) {
        self.summary.members += 1;
        let member = Member { path: &self.path, ..member };
        if (self.visit)(Item::Member(member)).is_break() {
            self.summary.stopped = true;
            self.over = true;
        }
    }

    fn refuse(&mut self, reason: Refusal) {
        self.summary.refused += 1;
        if (self.visit)(Item::Refused(Refused { path: &self.path, reason })).is_break() {
            self.summary.stopped = true;
            self.over = true;
        }
    }

    /// Counts what is opened: containers may name the same bytes over and over.
    fn count_open(&mut self) -> bool {
        if self.over {
            return false;
        }
        self.opened += 1;
        if self.opened > self.limits.members {
            self.over = true;
            self.refuse(Refusal::TooManyMembers(self.limits.members));
            return false;
        }
        true
    }

    fn too_deep(&mut self, depth: usize) -> bool {
        let too_deep = depth > self.limits.depth;
        if too_deep {
            self.refuse(Refusal::TooDeep(self.limits.depth));
        }
        too_deep
    }

    /// Reads a container into memory that cannot be walked as a stream.
    fn hold(&self, reader: &mut MemberReader<'_>) -> Result<Vec<u8>, Refusal> {
        let room = self.limits.buffered - self.held.min(self.limits.buffered);
        let mut bytes = Vec::new();
        loop {
            match reader.fill() {
                Ok([]) => return Ok(bytes),
                Ok(piece) if bytes.len() + piece.len() > room => {
                    return Err(Refusal::TooLargeToHold(self.limits.buffered));
                }
                Ok(piece) => {
                    bytes.extend_from_slice(piece);
                    let count = piece.len();
                    reader.take(count);
                }
                // What came before the break may still hold whole reports.
                Err(Failure::Cut(_)) if !bytes.is_empty() => return Ok(bytes),
                Err(failure) => return Err(Refusal::Unreadable(failure)),
            }
        }
    }

    fn container(&mut self, kind: Kind, bytes: &[u8], mut place: Place<'_>, notes: &[Note]) {
        let outermost = std::mem::replace(&mut place.outermost, false);
        place.depth += 1;
        match kind {
            Kind::Zip => self.zip(bytes, place, notes),
            Kind::Mbox => self.mbox(bytes, place.depth, outermost, notes),
            _ => self.mail(bytes, place.depth, notes),
        }
    }

    fn zip(&mut self, bytes: &[u8], place: Place<'_>, notes: &[Note]) {
        let mut notes = notes.to_vec();
        let entries = zip::entries(bytes);
        if entries.without_directory {
            note(&mut notes, Note::ZipDirectoryMissing);
        }
        let mut any = false;
        for found in entries {
            if self.over {
                return;
            }
            any = true;
            let length = self.path.len();
            self.push_label(&found.name, "entry");
            match found.data {
                Ok((entry, data)) => {
                    let layers = vec![Layer::Entry(entry)];
                    let input = Input { bytes: data, encoding: Encoding::Plain, layers };
                    let claim = if is_report_name(&found.name) { Claim::Report } else { Claim::Nothing };
                    self.input(input, Place { name: &found.name, claim, ..place }, notes.clone());
                }
                Err(reason) if self.count_open() => self.refuse(reason),
                Err(_) => {}
            }
            self.path.truncate(length);
        }
        if !any && notes.contains(&Note::ZipDirectoryMissing) {
            self.refuse(Refusal::ZipDamaged("no directory and no entries"));
        }
    }

    fn mbox(&mut self, bytes: &[u8], depth: usize, outermost: bool, notes: &[Note]) {
        let mut mails = mbox::mails(bytes);
        let mut number = 0u64;
        while let Some(raw) = mails.next() {
            if self.summary.stopped || (self.over && !outermost) {
                return;
            }
            number += 1;
            // A saved mail with its `From ` line still on is a mail, not a mailbox.
            let single = number == 1 && mails.is_finished();
            if raw.trim_ascii().is_empty() && !single {
                number -= 1;
                continue;
            }
            let length = self.path.len();
            if !single {
                self.push_label(&format!("mail {number}"), "");
            }
            if outermost {
                self.opened = 0;
                self.over = self.summary.stopped;
                self.shared.budget.set(self.limits.total);
            }
            if raw.len() > self.limits.mail_bytes {
                self.refuse(Refusal::MailTooLong(self.limits.mail_bytes));
            } else {
                let mail = mbox::unquote(raw);
                self.mail(&mail, depth, notes);
            }
            self.path.truncate(length);
        }
    }

    /// The parts that are reports, and only if there are none, text that is JSON.
    fn mail(&mut self, bytes: &[u8], depth: usize, notes: &[Note]) {
        let found = structure(bytes, self.limits, depth);
        self.summary.mails += found.messages.len() as u64;
        let context = |leaf: &Leaf<'_>| {
            let head = found.messages.get(leaf.message).map_or(&[][..], |message| message.head);
            MailContext::new(head, self.limits.header_bytes)
        };
        let members = self.summary.members;
        let mut texts = Vec::new();
        for leaf in &found.leaves {
            if self.over {
                return;
            }
            if let Some(reason) = &leaf.too_deep {
                self.at_leaf(&found, leaf, |walk| walk.refuse(reason.clone()));
                continue;
            }
            match judge(leaf) {
                Verdict::Report { encoding, claim } => {
                    let place =
                        Place { name: "", claim, mail: Some(&context(leaf)), depth, outermost: false };
                    self.part(&found, leaf, encoding, place, notes);
                }
                Verdict::Text { encoding } => texts.push((leaf, encoding)),
                Verdict::Other => self.summary.ignored += 1,
            }
        }
        for (leaf, encoding) in texts {
            if self.summary.members == members && !self.over {
                let mail = Some(&context(leaf));
                let place = Place { name: "", claim: Claim::Nothing, mail, depth, outermost: false };
                self.part(&found, leaf, encoding, place, notes);
                break;
            }
            self.summary.ignored += 1;
        }
        if found.cut && !self.over {
            self.refuse(Refusal::TooManyParts(self.limits.mail_parts));
        }
    }

    fn part(
        &mut self,
        found: &Structure<'_>,
        leaf: &Leaf<'_>,
        encoding: Encoding,
        place: Place<'_>,
        notes: &[Note],
    ) {
        let mut notes = notes.to_vec();
        if encoding != leaf.head.encoding {
            note(&mut notes, Note::TransferEncodingWrong);
        }
        let name = leaf.head.name.as_deref().unwrap_or(match leaf.head.media.as_str() {
            // A type is as good as a name, where there is no name.
            media if media.ends_with("json") => ".json",
            media if is_message(media) => ".eml",
            _ => "",
        });
        let input = Input { bytes: leaf.body, encoding, layers: Vec::new() };
        let place = Place { name, ..place };
        self.at_leaf(found, leaf, |walk| walk.input(input, place, notes));
    }

    /// Does something with the path of a leaf.
    fn at_leaf(&mut self, found: &Structure<'_>, leaf: &Leaf<'_>, then: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        let mut names = Vec::new();
        let mut at = Some(leaf.message);
        while let Some(message) = at.and_then(|index| found.messages.get(index)) {
            if message.parent.is_some() {
                names.push(message.name.as_deref().unwrap_or("message"));
            }
            at = message.parent;
        }
        names.iter().rev().for_each(|name| self.push_label(name, "message"));
        match &leaf.head.name {
            Some(name) => self.push_label(name, "part"),
            None => self.push_label(&format!("part {}", leaf.number), ""),
        }
        then(self);
        self.path.truncate(length);
    }

    /// Puts a name on the path: printable, and not endless.
    fn push_label(&mut self, label: &str, or: &str) {
        if !self.path.is_empty() {
            self.path.push('!');
        }
        let label = if label.trim().is_empty() { or } else { label };
        self.path
            .extend(label.chars().take(LONGEST_LABEL).map(|c| if is_printable(c) { c } else { '\u{fffd}' }));
        if label.chars().nth(LONGEST_LABEL).is_some() {
            self.path.push('…');
        }
    }
}

/// Longer than any report name (RFC 8460 §5.1: two domains, two times and an id).
const LONGEST_LABEL: usize = 600;

/// No control characters, and none that reorder or hide what stands beside them.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `report.json.gz` holds `report.json`.
fn inner_name(name: &str) -> &str {
    let inner = [".gz", ".zlib", ".zz"].into_iter().find(|suffix| has_suffix(name, suffix));
    inner.and_then(|suffix| name.get(..name.len() - suffix.len())).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_printable_and_end() {
        let limits = Limits::default();
        let long = "x".repeat(5_000);
        for (name, path) in [
            ("../../etc/passwd", "../../etc/passwd".to_owned()),
            ("a\0b\n\u{1b}[2Jc\u{202e}d", "a\u{fffd}b\u{fffd}\u{fffd}[2Jc\u{fffd}d".to_owned()),
            (&long, format!("{}…", "x".repeat(LONGEST_LABEL))),
        ] {
            walk(name, b"{}", &limits, &mut |item| {
                assert!(matches!(item, Item::Member(member) if member.path() == path));
                ControlFlow::Continue(())
            });
        }
    }
}

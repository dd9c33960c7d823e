//! One input to its end: how it is taken into memory, streamed or kept aside, and what of it is handed out.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::ops::ControlFlow;
use std::path::Path;

use containers::{Kind, MboxItem, MboxReader, Refusal, Walker, sniff};
use tls_rpt::report::{Collected, Large, Limits, Parsed};
use tlsward_engine::receive::{Found, read_input};

use super::contents::collect_file;
use super::{CONTAINER_BYTES, Contents, Input, MEMORY_BYTES, Origin, SPOOLED_BYTES};

/// Takes what is found. Breaking ends the reading of everything.
pub(crate) trait Take {
    /// A report that is held.
    fn held(&mut self, source: &str, report: Parsed) -> ControlFlow<()>;
    /// Reports that are too large to be held: `contents` gives their rows again.
    fn large(&mut self, source: &str, reports: Vec<Large>, contents: &Contents<'_>) -> ControlFlow<()>;
    /// Something that cannot be read.
    fn unreadable(&mut self, source: &str, reason: &str) -> ControlFlow<()>;
    /// Something in a folder that is clearly no report, nor anything that reports come in.
    fn skipped(&mut self, source: &str) -> ControlFlow<()>;
    /// So many bytes of input are done.
    fn advanced(&mut self, bytes: u64);
}

/// Reads inputs, and keeps its buffers from one to the next.
pub(crate) struct Reader {
    walker: Walker,
    limits: containers::Limits,
}

/// What an input came to.
#[derive(Debug, Default)]
struct Outcome {
    reports: u64,
    complaints: u64,
    /// It may be passed over: nobody named it.
    may_be_skipped: bool,
    is_skipped: bool,
    stopped: bool,
}

/// What an input held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// At least one readable report.
    Reports,
    /// None, and it was said why.
    Nothing,
    /// It was passed over.
    Skipped,
}

impl Reader {
    pub(crate) fn new() -> Self {
        let limits = containers::Limits::default();
        Self { walker: Walker::new(limits.clone()), limits }
    }

    /// Reads an input. Gives what it held; breaks if the taker had enough.
    pub(crate) fn read(&mut self, input: Input, take: &mut dyn Take) -> ControlFlow<(), Held> {
        let name = match &input.origin {
            Origin::Stdin => "-".to_owned(),
            Origin::Path(path) => path.to_string_lossy().into_owned(),
        };
        let mut outcome = Outcome { may_be_skipped: !input.is_named, ..Outcome::default() };
        let read = match (input.trouble, &input.origin) {
            (Some(trouble), _) => Err(trouble),
            (None, Origin::Stdin) => self.stream(&name, &mut io::stdin().lock(), &mut outcome, take),
            (None, Origin::Path(path)) => self.path(&name, path, &mut outcome, take),
        };
        if outcome.stopped {
            return ControlFlow::Break(());
        }
        if outcome.is_skipped {
            take.skipped(&name)?;
            return ControlFlow::Continue(Held::Skipped);
        }
        if let Err(error) = read {
            take.unreadable(&name, &error.to_string())?;
        } else if outcome.reports == 0 && outcome.complaints == 0 {
            take.unreadable(&name, "holds no report")?;
        }
        ControlFlow::Continue(if outcome.reports > 0 { Held::Reports } else { Held::Nothing })
    }

    fn path(
        &mut self,
        name: &str,
        path: &Path,
        outcome: &mut Outcome,
        take: &mut dyn Take,
    ) -> io::Result<()> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_file() && about.len() > MEMORY_BYTES {
            return self.large_file(name, file, outcome, take);
        }
        self.stream(name, &mut file, outcome, take)
    }

    /// Takes a stream into memory, or into a temporary file where it is too long for that.
    fn stream(
        &mut self,
        name: &str,
        stream: &mut dyn Read,
        outcome: &mut Outcome,
        take: &mut dyn Take,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        (&mut *stream).take(MEMORY_BYTES + 1).read_to_end(&mut bytes)?;
        if outcome.passes_over(name, &bytes) {
            take.advanced(bytes.len() as u64);
            return Ok(());
        }
        if bytes.len() as u64 <= MEMORY_BYTES {
            self.walk(name, &bytes, false, outcome, take);
            take.advanced(bytes.len() as u64);
            return Ok(());
        }
        if sniff(name, &bytes) == Kind::Mbox {
            return self.mailbox(name, &mut bytes.as_slice().chain(stream), outcome, take);
        }
        let mut file = tempfile::tempfile()?;
        let copied = io::copy(&mut bytes.as_slice().chain(stream.take(SPOOLED_BYTES)), &mut file)?;
        drop(bytes);
        if copied > SPOOLED_BYTES {
            return Err(too_large(SPOOLED_BYTES));
        }
        self.large_file(name, file, outcome, take)
    }

    fn large_file(
        &mut self,
        name: &str,
        mut file: File,
        outcome: &mut Outcome,
        take: &mut dyn Take,
    ) -> io::Result<()> {
        file.rewind()?;
        let mut start = Vec::new();
        (&mut file).take(64 << 10).read_to_end(&mut start)?;
        file.rewind()?;
        let length = file.metadata()?.len();
        if outcome.passes_over(name, &start) {
            take.advanced(length);
            return Ok(());
        }
        match sniff(name, &start) {
            Kind::Mbox => self.mailbox(name, &mut file, outcome, take),
            Kind::Json => {
                plain_file(name, &file, outcome, take);
                take.advanced(length);
                Ok(())
            }
            _ if length > CONTAINER_BYTES => Err(too_large(CONTAINER_BYTES)),
            _ => {
                let mut bytes = Vec::new();
                file.take(CONTAINER_BYTES + 1).read_to_end(&mut bytes)?;
                self.walk(name, &bytes, false, outcome, take);
                take.advanced(length);
                Ok(())
            }
        }
    }

    /// A mailbox of any size, a mail at a time.
    fn mailbox(
        &mut self,
        name: &str,
        stream: &mut dyn Read,
        outcome: &mut Outcome,
        take: &mut dyn Take,
    ) -> io::Result<()> {
        let mut mails = MboxReader::new(BufReader::with_capacity(256 << 10, stream), self.limits.mail_bytes);
        while let Some(mail) = mails.next_mail()? {
            match mail {
                MboxItem::Mail { number, bytes } => {
                    self.walk(&format!("{name}!mail {number}"), bytes, true, outcome, take);
                    take.advanced(bytes.len() as u64);
                }
                MboxItem::TooLong { number } => {
                    let reason = Refusal::MailTooLong(self.limits.mail_bytes).to_string();
                    outcome.complain(take, &format!("{name}!mail {number}"), &reason);
                }
            }
            if outcome.stopped {
                break;
            }
        }
        Ok(())
    }

    /// Visits the reports in some bytes. `is_mail`: they are a mail of a mailbox, where other mail lies too.
    fn walk(&mut self, name: &str, bytes: &[u8], is_mail: bool, outcome: &mut Outcome, take: &mut dyn Take) {
        read_input(&mut self.walker, name, bytes, &Limits::default(), &mut |found| {
            match found {
                Found::Report { member, parsed, .. } => outcome.held(take, member.path(), parsed),
                Found::Large { member, reports } => {
                    outcome.large(take, member.path(), reports, &Contents::Member(member));
                }
                Found::Unreadable { path, .. } if is_mail && path == name => {}
                Found::Unreadable { path, trouble } => outcome.complain(take, path, &trouble.text),
            }
            if outcome.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
}

impl Outcome {
    /// Whether an input that begins like this is passed over.
    fn passes_over(&mut self, name: &str, start: &[u8]) -> bool {
        self.is_skipped =
            self.may_be_skipped && !is_named_like_input(name) && sniff(name, start) == Kind::Unknown;
        self.is_skipped
    }

    fn held(&mut self, take: &mut dyn Take, source: &str, report: Parsed) {
        self.reports += 1;
        self.stopped |= take.held(source, report).is_break();
    }

    fn large(&mut self, take: &mut dyn Take, source: &str, reports: Vec<Large>, contents: &Contents<'_>) {
        self.reports += reports.len() as u64;
        self.stopped |= take.large(source, reports, contents).is_break();
    }

    fn complain(&mut self, take: &mut dyn Take, source: &str, reason: &str) {
        self.complaints += 1;
        self.stopped |= take.unreadable(source, reason).is_break();
    }
}

/// JSON that is too long to be taken into memory.
fn plain_file(source: &str, file: &File, outcome: &mut Outcome, take: &mut dyn Take) {
    match collect_file(file) {
        Ok(Collected::Held(reports)) => {
            for report in reports {
                if !outcome.stopped {
                    outcome.held(take, source, report);
                }
            }
        }
        Ok(Collected::Large(reports)) => outcome.large(take, source, reports, &Contents::File(file)),
        Err(error) => outcome.complain(take, source, &error.to_string()),
    }
}

/// Whether a name promises a report, or something that reports come in: then it is no accident if none is in it.
fn is_named_like_input(name: &str) -> bool {
    const ENDINGS: [&str; 9] = ["json", "gz", "gzip", "zip", "eml", "msg", "mbox", "zlib", "tlsrpt"];
    let ending = Path::new(name).extension().unwrap_or_default().to_string_lossy();
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

fn too_large(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {} MiB", limit >> 20))
}

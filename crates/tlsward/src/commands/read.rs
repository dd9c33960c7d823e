//! `tlsward read`: reports from files to a person, or to a program as lines of JSON. No network.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::ops::ControlFlow;

use tls_rpt::report::{Annotation, Large, LineWriter, Parsed, write_line};

use crate::cli::Read;
use crate::edge::{self, Exit};
use crate::present::digest::{Digest, Digester};
use crate::present::failure::Explained;
use crate::present::page::{Look, Page};
use crate::present::progress::Progress;
use crate::present::report;
use crate::present::total::Total;
use crate::present::visible::visible;
use crate::reading::{Contents, Held, Reader, Take, gather};

/// No signature is looked into: whoever hands over a file vouches for it himself.
const TRUST: &str = "unchecked";

/// Reads every input.
pub(super) fn run(options: &Read) -> Exit {
    let inputs = gather(&options.files);
    let bytes = inputs.iter().map(|input| input.bytes).sum();
    let progress = Progress::of_bytes(inputs.len(), bytes, edge::watched());
    let form = if options.json {
        Form::Lines
    } else {
        let page = Telling {
            look: edge::look(options.color),
            verbose: options.verbose,
            explained: Explained::default(),
            total: Total::default(),
        };
        Form::Page(Box::new(page))
    };
    let out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let mut output = Output { out, form, progress, at_once: edge::is_read_along(), trouble: None };
    let mut reader = Reader::new();
    let (mut all_held_reports, mut any_held_reports, mut any_was_skipped) = (true, false, false);
    for input in inputs {
        match reader.read(input, &mut output) {
            ControlFlow::Continue(Held::Reports) => any_held_reports = true,
            ControlFlow::Continue(Held::Nothing) => all_held_reports = false,
            ControlFlow::Continue(Held::Skipped) => any_was_skipped = true,
            ControlFlow::Break(()) => break,
        }
    }
    output.close();
    // A folder in which nothing was worth reading held no report either.
    all_held_reports &= any_held_reports || !any_was_skipped;
    match output.trouble {
        // Whoever read our output has seen enough.
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            edge::complain(&format!("cannot write: {error}"));
            Exit::Failed
        }
        _ if all_held_reports => Exit::Fine,
        _ => Exit::Failed,
    }
}

struct Output<'o> {
    out: BufWriter<StdoutLock<'o>>,
    form: Form,
    progress: Progress,
    /// Whether a person sees what is written as it comes.
    at_once: bool,
    /// Why nothing more can be written.
    trouble: Option<io::Error>,
}

enum Form {
    /// JSON, one line a report.
    Lines,
    /// For a person.
    Page(Box<Telling>),
}

struct Telling {
    look: Look,
    verbose: bool,
    explained: Explained,
    total: Total,
}

impl Telling {
    fn write(&mut self, out: &mut dyn Write, source: &str, digests: &[Digest]) -> io::Result<()> {
        for digest in digests {
            let mut page = Page::new(out, self.look);
            report::write(&mut page, source, digest, self.verbose, &mut self.explained)?;
            self.total.add(digest);
        }
        Ok(())
    }
}

impl Output<'_> {
    /// Keeps what went wrong with writing; breaks if anything did.
    fn note(&mut self, written: io::Result<()>) -> ControlFlow<()> {
        let flushed = if self.at_once { self.progress.aside(|| self.out.flush()) } else { Ok(()) };
        match written.and(flushed) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.trouble = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn close(&mut self) {
        self.progress.finish();
        if self.trouble.is_some() {
            return;
        }
        let written = match &self.form {
            Form::Lines => Ok(()),
            Form::Page(telling) => telling.total.write(&mut Page::new(&mut self.out, telling.look)),
        };
        let written = written.and_then(|()| self.out.flush());
        let _ = self.note(written);
    }
}

impl Take for Output<'_> {
    fn held(&mut self, source: &str, report: Parsed) -> ControlFlow<()> {
        let written = match &mut self.form {
            Form::Lines => {
                let mut lines = Vec::new();
                write_line(&mut lines, &report, Annotation { source, trust: TRUST });
                self.progress.aside(|| self.out.write_all(&lines))
            }
            Form::Page(telling) => {
                let mut digester = Digester::default();
                digester.add(report);
                let digests = digester.finish();
                self.progress.aside(|| telling.write(&mut self.out, source, &digests))
            }
        };
        self.note(written)
    }

    fn large(&mut self, source: &str, reports: Vec<Large>, contents: &Contents<'_>) -> ControlFlow<()> {
        let read = match &mut self.form {
            Form::Lines => {
                let heads: Vec<_> = reports.into_iter().map(|report| (report.head, report.repairs)).collect();
                let mut lines = LineWriter::new(&mut self.out, &heads, Annotation { source, trust: TRUST });
                let (read, written) = self.progress.aside(|| (contents.scan(&mut lines), lines.finish()));
                self.note(written)?;
                read
            }
            Form::Page(telling) => {
                let mut digester = Digester::default();
                let read = contents.scan(&mut digester);
                let mut digests = digester.finish();
                // The first reading knows of the wrapping, too.
                for (digest, large) in digests.iter_mut().zip(reports) {
                    digest.repairs = large.repairs;
                }
                let written = self.progress.aside(|| telling.write(&mut self.out, source, &digests));
                self.note(written)?;
                read
            }
        };
        match read {
            Ok(()) => ControlFlow::Continue(()),
            // It could be read a moment ago: the file changed in between.
            Err(error) => self.unreadable(source, &error.to_string()),
        }
    }

    fn unreadable(&mut self, source: &str, reason: &str) -> ControlFlow<()> {
        // What was found before it stands before it, where both go to one terminal.
        let flushed = self.out.flush();
        self.progress.aside(|| edge::complain(&format!("{}: {}", visible(source), visible(reason))));
        self.note(flushed)
    }

    fn skipped(&mut self, source: &str) -> ControlFlow<()> {
        let flushed = self.out.flush();
        let text =
            format!("{}: skipped: neither a report nor anything that reports come in", visible(source));
        self.progress.aside(|| edge::complain(&text));
        self.note(flushed)
    }

    fn advanced(&mut self, bytes: u64) {
        self.progress.advance(bytes);
    }
}

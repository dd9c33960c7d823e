//! `tlsward check`: audits of domains, to a person or to a program as lines of JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::check::{self, Level, Report, Verdict};
use tokio::sync::mpsc;

use crate::checking::{self, Bounds, Ended, domains};
use crate::cli::Check;
use crate::config::Settings;
use crate::edge::{self, Exit};
use crate::present::page::{Look, Page};
use crate::present::progress::Progress;
use crate::present::visible::shown;
use crate::world;

/// Audits every domain that was asked for.
pub(super) fn run(options: &Check, config: Option<&Path>) -> Exit {
    let settings = match Settings::load(config) {
        Ok(settings) => settings,
        Err(error) => {
            edge::complain(&error.to_string());
            return Exit::Configuration;
        }
    };
    let mut asked = Vec::new();
    for written in &options.domains {
        match domains::normal(written) {
            Some(domain) => asked.push(domain),
            None => {
                edge::complain(&format!("'{}' is no domain that could take mail", shown(written)));
                return Exit::Usage;
            }
        }
    }
    match go(options, &settings, asked) {
        Ok(outcome) => outcome,
        // 1 is for findings: nothing was found out here.
        Err(error) => {
            edge::complain_of(&error);
            Exit::Untold
        }
    }
}

fn go(options: &Check, settings: &Settings, asked: Vec<PolicyDomain>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let list = options.file.as_deref().map(domains::List::open).transpose()?;
        let total = if list.is_some() { None } else { Some(asked.len()) };
        let mut output = Output::open(options, total)?;
        let world = Arc::new(world::open(&settings.net).await?);
        if let Some(trouble) = world.dnssec_trouble() {
            edge::complain(&trouble);
        }
        let (names, unusable) = read(asked, list, std::mem::take(&mut output.done.domains));
        let check = |domain: PolicyDomain| {
            let world = Arc::clone(&world);
            let options = check::Options { unused_label: edge::unused_label().ok(), ..Default::default() };
            async move { check::check(&world.net, &world.roots, &domain, &options, edge::now()).await }
        };
        let jobs = usize::from(options.jobs);
        let bounds = Bounds { jobs, ahead: if output.is_in_order() { jobs * 8 } else { usize::MAX } };
        checking::run(names, bounds, check, |ended| output.take(ended)).await;
        Ok(output.close(unusable.load(Ordering::Acquire)))
    })
}

/// Reads the domains on a thread of their own, since a list may come by and by; gives those that are not done, and
/// whether something in a list could not be used: told for all that came before the names end. Nobody waits for the
/// thread, for where nobody reads what is written any more, the list may still wait for its next line.
fn read(
    asked: Vec<PolicyDomain>,
    list: Option<domains::List>,
    done: BTreeSet<String>,
) -> (mpsc::Receiver<PolicyDomain>, Arc<AtomicBool>) {
    let (sender, names) = mpsc::channel(1);
    let unusable = Arc::new(AtomicBool::new(false));
    let tells = Arc::clone(&unusable);
    std::thread::spawn(move || {
        for domain in asked.into_iter().map(Ok).chain(list.into_iter().flatten()) {
            match domain {
                Ok(domain) if done.contains(domain.as_str()) => {}
                Ok(domain) => {
                    if sender.blocking_send(domain).is_err() {
                        break;
                    }
                }
                Err(error) => {
                    edge::complain(&error.to_string());
                    tells.store(true, Ordering::Release);
                }
            }
        }
    });
    (names, unusable)
}

/// Where reports go, and what they come to.
struct Output {
    out: Box<dyn Write>,
    form: Form,
    done: domains::Done,
    progress: Progress,
    /// What waits for those before it; `None` for a check that broke.
    waiting: BTreeMap<usize, Option<Report>>,
    next: usize,
    trouble: Option<io::Error>,
}

enum Form {
    Lines,
    Page(Look),
}

impl Output {
    fn open(options: &Check, total: Option<usize>) -> anyhow::Result<Self> {
        let (out, done): (Box<dyn Write>, _) = match &options.resume {
            Some(file) => {
                let (done, opened) =
                    domains::resume(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
                (Box::new(opened), done)
            }
            None => (Box::new(io::stdout()), domains::Done::default()),
        };
        let lines = options.json || options.resume.is_some();
        let form = if lines { Form::Lines } else { Form::Page(edge::look(options.color)) };
        Ok(Self {
            out,
            form,
            done,
            progress: Progress::of_domains(total, edge::watched()),
            waiting: BTreeMap::new(),
            next: 0,
            trouble: None,
        })
    }

    /// Whether reports come out in the order in which they were asked for.
    fn is_in_order(&self) -> bool {
        matches!(self.form, Form::Page(_))
    }

    fn take(&mut self, ended: Ended) -> ControlFlow<()> {
        let Ended { place, domain, report } = ended;
        match &report {
            Some(report) => {
                self.done.error |= report.worst() == Some(Level::Error);
                self.done.untold |= report.verdict == Verdict::Unknown;
            }
            None => {
                self.progress.aside(|| {
                    edge::complain(&format!("the check of {} broke: a bug of this program", domain.as_str()));
                });
                self.done.untold = true;
            }
        }
        self.progress.advance(1);
        let written = match self.form {
            Form::Lines => report.map_or(Ok(()), |report| {
                let mut line = report.to_json();
                line.push('\n');
                // A line is written as one, and at once: whoever reads along has it, and an interrupted run is cut
                // between lines.
                self.progress.aside(|| self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush()))
            }),
            Form::Page(look) => {
                self.waiting.insert(place, report);
                self.progress.aside(|| {
                    while let Some(ready) = self.waiting.remove(&self.next) {
                        self.next += 1;
                        let Some(report) = ready else { continue };
                        let mut text = Vec::new();
                        crate::present::check::write(&mut Page::new(&mut text, look), &report)?;
                        self.out.write_all(&text)?;
                    }
                    self.out.flush()
                })
            }
        };
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.trouble = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn close(self, unusable: bool) -> Exit {
        self.progress.finish();
        match self.trouble {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                edge::complain(&format!("cannot write: {error}"));
                Exit::Untold
            }
            _ if self.done.error => Exit::Failed,
            _ if self.done.untold || unusable => Exit::Untold,
            _ => Exit::Fine,
        }
    }
}

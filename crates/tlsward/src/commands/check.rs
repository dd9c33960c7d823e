//! `tlsward check`: audits of domains, to a person or to a program as lines of JSON.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::check::{self, Level, Report, Verdict};

use crate::checking::{self, domains};
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
        Err(error) => {
            edge::complain_of(&error);
            Exit::Failed
        }
    }
}

fn go(options: &Check, settings: &Settings, asked: Vec<PolicyDomain>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let list = options.file.as_deref().map(domains::List::open).transpose()?;
        let total = if list.is_some() { None } else { Some(asked.len()) };
        let mut output = Output::open(options, total)?;
        let done = std::mem::take(&mut output.done);
        let world = Arc::new(world::open(&settings.net).await?);
        if let Some(trouble) = world.dnssec_trouble() {
            edge::complain(&trouble);
        }
        let mut unusable = false;
        let domains = asked.into_iter().map(Ok).chain(list.into_iter().flatten());
        let domains = domains.filter_map(|domain| match domain {
            Ok(domain) => Some(domain),
            Err(error) => {
                edge::complain(&error.to_string());
                unusable = true;
                None
            }
        });
        let domains = domains.filter(|domain| !done.contains(domain.as_str()));
        let check = |domain: PolicyDomain| {
            let world = Arc::clone(&world);
            let options = check::Options { unused_label: edge::unused_label().ok(), ..Default::default() };
            async move { check::check(&world.net, &world.roots, &domain, &options, edge::now()).await }
        };
        checking::run(domains, usize::from(options.jobs), check, |place, report| output.take(place, report))
            .await;
        Ok(output.close(unusable))
    })
}

/// Where reports go, and what they come to.
struct Output {
    out: Box<dyn Write>,
    form: Form,
    done: std::collections::BTreeSet<String>,
    progress: Progress,
    /// Reports that wait for those before them.
    waiting: BTreeMap<usize, Report>,
    next: usize,
    error: bool,
    untold: bool,
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
                let resumed: io::Result<(_, File)> = domains::resume(file);
                let (done, opened) =
                    resumed.map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
                (Box::new(opened), done)
            }
            None => (Box::new(io::stdout()), Default::default()),
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
            error: false,
            untold: false,
            trouble: None,
        })
    }

    fn take(&mut self, place: usize, report: Report) -> ControlFlow<()> {
        self.error |= report.worst() == Some(Level::Error);
        self.untold |= report.verdict == Verdict::Unknown;
        self.progress.advance(1);
        let written = match self.form {
            Form::Lines => {
                let mut line = report.to_json();
                line.push('\n');
                // A line is written as one, and at once: whoever reads along has it, and an interrupted run is cut
                // between lines.
                self.progress.aside(|| self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush()))
            }
            Form::Page(look) => {
                self.waiting.insert(place, report);
                self.progress.aside(|| {
                    while let Some(report) = self.waiting.remove(&self.next) {
                        self.next += 1;
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
                Exit::Failed
            }
            _ if self.error => Exit::Failed,
            _ if self.untold || unusable => Exit::Untold,
            _ => Exit::Fine,
        }
    }
}

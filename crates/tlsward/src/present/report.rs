//! One report in plain words: who, for which domain and days, how many sessions failed, why, and what to do.

use std::io;

use tls_rpt::count::{Note, Sessions};
use tls_rpt::explain::explain_policy_type;

use super::digest::Digest;
use super::failure::{self, Explained};
use super::figures::{counted, days, number, sessions};
use super::page::{Page, Tone};
use super::visible::{shown, visible};

/// Domains of one report that are listed.
const LISTED_DOMAINS: usize = 20;
/// Groups of failures of one report that are listed.
const LISTED_FAILURES: usize = 50;
/// Repairs that are listed with `--verbose`.
const LISTED_REPAIRS: usize = 200;

/// Writes a report. `verbose`: with every repair.
pub(crate) fn write(
    page: &mut Page<'_>,
    source: &str,
    digest: &Digest,
    verbose: bool,
    explained: &mut Explained,
) -> io::Result<()> {
    let head = &digest.head;
    let who = head.organization_name.as_deref().or(head.contact_info.as_deref());
    let who = who.map_or("an organisation that does not say its name".into(), shown);
    let domains = &digest.sessions.domains;
    let about = match domains.as_slice() {
        [] => "no domain".to_owned(),
        [only] => name(only),
        several => {
            let further = digest.sessions.further.as_ref();
            match further {
                None => format!("{} domains", number(several.len() as u64)),
                Some(_) => format!("more than {} domains", number(several.len() as u64)),
            }
        }
    };
    page.text(
        0,
        Tone::Heading,
        &format!("Report from {who} for {about}, {}", days(head.date_range.as_ref())),
    )?;
    page.verbatim(2, Tone::Aside, &visible(source))?;
    if let Some(id) = head.report_id.as_deref() {
        page.verbatim(2, Tone::Aside, &format!("report id {}", shown(id)))?;
    }
    if !head.has_policies {
        page.text(2, Tone::Plain, "The report names no policy, so it tells nothing of any session.")?;
    }
    for one in domains.iter().take(LISTED_DOMAINS) {
        domain(page, one, domains.len() > 1)?;
    }
    rest_of_domains(page, digest)?;
    policy_types(page, digest)?;
    for (key, group) in digest.failures.iter().take(LISTED_FAILURES) {
        page.gap()?;
        failure::write(page, key, group, domains.len() > 1, explained)?;
    }
    rest_of_failures(page, digest)?;
    repairs(page, digest, verbose)?;
    page.gap()
}

fn name(sessions: &Sessions) -> String {
    match sessions.domain.as_str() {
        "" => "a domain that is not named".to_owned(),
        domain => shown(domain).into_owned(),
    }
}

fn domain(page: &mut Page<'_>, one: &Sessions, named: bool) -> io::Result<()> {
    let line = sessions(one.successful, one.failed);
    let line = if named { format!("{}: {line}", name(one)) } else { capital(&line) };
    let tone = if one.failed.high > 0 { Tone::Bad } else { Tone::Good };
    page.text(2, tone, &format!("{line}."))?;
    let mut disagreements = 0;
    for note in &one.notes {
        let text = match note {
            Note::CountedOnce => {
                "The report lists these sessions under MTA-STS and again under DANE; they are counted once."
            }
            Note::Overlap => {
                "The report has other numbers under MTA-STS than under DANE. How many of the sessions are the same \
                 cannot be told, so the least and the most are given."
            }
            Note::SummaryAndDetailsDiffer { summary, details } => {
                disagreements += 1;
                if disagreements == 1 {
                    let text = format!(
                        "The report contradicts itself: its summary has {}, its details add up to {}.",
                        counted(*summary, "failed session", "failed sessions"),
                        number(*details)
                    );
                    page.text(4, Tone::Aside, &text)?;
                }
                continue;
            }
            Note::FailuresFromDetails => {
                "The summary does not say how many failed; the number is what the details add up to."
            }
            Note::SuccessesMissing => "The report does not say how many sessions succeeded; taken as none.",
        };
        page.text(4, Tone::Aside, text)?;
    }
    if disagreements > 1 {
        let more = counted(disagreements - 1, "more place", "more places");
        page.text(4, Tone::Aside, &format!("It does so in {more}."))?;
    }
    Ok(())
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn rest_of_domains(page: &mut Page<'_>, digest: &Digest) -> io::Result<()> {
    let unlisted = digest.sessions.domains.get(LISTED_DOMAINS..).unwrap_or_default();
    let mut successful = unlisted.iter().map(|one| one.successful).fold(Default::default(), plus);
    let mut failed = unlisted.iter().map(|one| one.failed).fold(Default::default(), plus);
    let mut what = counted(unlisted.len() as u64, "more domain", "more domains");
    if let Some((policies, further)) = &digest.sessions.further {
        what.push_str(&format!(" and {} of still others", counted(*policies, "policy", "policies")));
        successful = plus(successful, further.successful);
        failed = plus(failed, further.failed);
    } else if unlisted.is_empty() {
        return Ok(());
    }
    page.text(2, Tone::Plain, &format!("{what}: {}.", sessions(successful, failed)))
}

fn plus(one: tls_rpt::count::Bounds, other: tls_rpt::count::Bounds) -> tls_rpt::count::Bounds {
    one.plus(other)
}

fn policy_types(page: &mut Page<'_>, digest: &Digest) -> io::Result<()> {
    if digest.policy_types.is_empty() {
        return Ok(());
    }
    let titles: Vec<String> = digest
        .policy_types
        .iter()
        .map(|kind| {
            let title = explain_policy_type(kind).title;
            if kind.is_registered() {
                title.to_owned()
            } else {
                format!("{title} ({})", shown(kind.as_wire()))
            }
        })
        .collect();
    page.text(2, Tone::Aside, &format!("Policy: {}", titles.join("; ")))
}

fn rest_of_failures(page: &mut Page<'_>, digest: &Digest) -> io::Result<()> {
    let unlisted = digest.failures.get(LISTED_FAILURES..).unwrap_or_default();
    let sessions =
        unlisted.iter().fold(digest.ungrouped, |sum, (_, group)| sum.saturating_add(group.sessions));
    if unlisted.is_empty() && digest.ungrouped == 0 {
        return Ok(());
    }
    page.gap()?;
    let text =
        format!("{} in failures beyond those listed.", counted(sessions, "more session", "more sessions"));
    page.text(2, Tone::Bad, &text)
}

fn repairs(page: &mut Page<'_>, digest: &Digest, verbose: bool) -> io::Result<()> {
    if digest.repairs.is_empty() {
        return Ok(());
    }
    page.gap()?;
    let count = counted(digest.repairs.len() as u64, "deviation", "deviations");
    if !verbose {
        let text = format!("{count} from RFC 8460 mended while reading; --verbose lists them.");
        return page.text(2, Tone::Aside, &text);
    }
    page.text(2, Tone::Aside, &format!("{count} from RFC 8460 mended while reading:"))?;
    for repair in digest.repairs.iter().take(LISTED_REPAIRS) {
        let text = format!("{} ({})", shown(&repair.to_string()), repair.kind.as_wire());
        page.item(4, "- ", Tone::Aside, &text)?;
    }
    match digest.repairs.len().saturating_sub(LISTED_REPAIRS) {
        0 => Ok(()),
        more => page.item(4, "- ", Tone::Aside, &format!("and {} more", number(more as u64))),
    }
}

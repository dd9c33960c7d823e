//! One audit in plain words: what becomes of mail, what was found, what to publish, and each MX host.

use std::io;

use tlsward_engine::check::{Finding, Level, MxFacts, Report, Verdict};

use super::figures::counted;
use super::page::{Page, Tone};
use super::visible::visible;

/// Writes a report.
pub(crate) fn write(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let domain = visible(&report.domain);
    let tone = match report.verdict {
        Verdict::Delivers => Tone::Good,
        Verdict::None => Tone::Plain,
        Verdict::AtRisk | Verdict::Refused | Verdict::Broken | Verdict::Unknown => Tone::Bad,
    };
    page.text(0, Tone::Heading, &format!("{domain}: {}", report.verdict.as_wire()))?;
    page.text(2, tone, report.verdict.meaning())?;
    policy(page, report)?;
    hosts(page, report)?;
    for finding in &report.findings {
        page.gap()?;
        one(page, finding)?;
    }
    page.gap()?;
    page.text(2, Tone::Aside, &sum(&report.findings))?;
    page.gap()
}

fn policy(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let Some(policy) = &report.policy else { return Ok(()) };
    let id = policy.id.as_deref().map(|id| format!(", id {}", visible(id))).unwrap_or_default();
    let text = format!(
        "Policy: mode {}, kept for {}{id}, for {}",
        policy.mode,
        duration(policy.max_age),
        match policy.mx.as_slice() {
            [] => "no MX host".to_owned(),
            patterns => patterns.iter().map(|pattern| visible(pattern)).collect::<Vec<_>>().join(", "),
        }
    );
    page.text(2, Tone::Plain, &text)
}

/// Seconds in the largest unit that fits well.
fn duration(seconds: u32) -> String {
    let seconds = u64::from(seconds);
    match seconds {
        0..120 => counted(seconds, "second", "seconds"),
        120..7_200 => counted(seconds / 60, "minute", "minutes"),
        7_200..172_800 => counted(seconds / 3_600, "hour", "hours"),
        _ => counted(seconds / 86_400, "day", "days"),
    }
}

fn hosts(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    if report.mx.is_empty() {
        return Ok(());
    }
    page.gap()?;
    for mx in &report.mx {
        host(page, mx)?;
    }
    Ok(())
}

fn host(page: &mut Page<'_>, mx: &MxFacts) -> io::Result<()> {
    let (tone, used) = match mx.used {
        Some(true) => (Tone::Good, "used"),
        Some(false) => (Tone::Bad, "not used"),
        None => (Tone::Aside, "could not be told"),
    };
    let preference = mx.preference.map(|preference| format!("MX {preference} ")).unwrap_or_default();
    let why = mx.why.as_deref().map(|why| format!(": {}", visible(why))).unwrap_or_default();
    page.text(2, tone, &format!("{preference}{}, {used}{why}", visible(&mx.host)))?;
    for address in &mx.addresses {
        let mut text = format!("{}  {}", visible(&address.address), visible(&address.outcome));
        if let Some(tls) = address.tls {
            text.push_str(&format!(", {tls}"));
        }
        match address.expires_in_days {
            Some(days @ 0..) => {
                text.push_str(&format!(
                    ", certificate for {}",
                    counted(days.unsigned_abs(), "more day", "more days")
                ));
            }
            Some(_) => text.push_str(", certificate expired"),
            None => {}
        }
        page.text(4, Tone::Aside, &text)?;
    }
    if mx.dane != "none" {
        page.text(4, Tone::Aside, &format!("DANE: {}", mx.dane))?;
    }
    Ok(())
}

fn one(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    let (tone, level) = match finding.level {
        Level::Error => (Tone::Bad, "error"),
        Level::Warning => (Tone::Heading, "warning"),
        Level::Info => (Tone::Plain, "info"),
    };
    let about = finding.code.about();
    page.text(2, tone, &format!("{level}: {} [{}]", about.title, finding.code.as_wire()))?;
    page.verbatim(4, Tone::Aside, &visible(&finding.subject))?;
    page.text(4, Tone::Plain, &visible(&finding.text))?;
    let mut lines = finding.fix.lines().peekable();
    if lines.peek().is_some() {
        page.text(4, Tone::Plain, "What to do:")?;
    }
    for line in lines {
        // What is to be copied stays on one line; a sentence may wrap.
        if is_material(line) {
            page.verbatim(6, Tone::Command, &visible(line))?;
        } else {
            page.text(6, Tone::Plain, &visible(line))?;
        }
    }
    if !finding.rfc.is_empty() {
        page.text(4, Tone::Aside, finding.rfc)?;
    }
    Ok(())
}

/// Whether a line of a fix is a record, or a line of a file: it ends as no sentence does.
fn is_material(line: &str) -> bool {
    let line = line.trim_end();
    !line.is_empty() && !line.ends_with(['.', ':', '?', '!']) || line.contains(" IN ")
}

fn sum(findings: &[Finding]) -> String {
    let of = |level| findings.iter().filter(|finding| finding.level == level).count() as u64;
    let parts = [
        (of(Level::Error), "error", "errors"),
        (of(Level::Warning), "warning", "warnings"),
        (of(Level::Info), "remark", "remarks"),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|part| part.0 > 0).map(|(n, one, many)| counted(n, one, many)).collect();
    match parts.as_slice() {
        [] => "Nothing to mend.".to_owned(),
        parts => format!("{}.", parts.join(", ")),
    }
}

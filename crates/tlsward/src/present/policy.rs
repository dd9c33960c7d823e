//! What a sender would apply to a next hop, step by step, in plain words.

use std::io;

use tlsward_engine::enforce::{Applied, Explanation, Rule, StepOutcome};

use super::page::{Page, Tone};
use super::visible::visible;

/// Writes an explanation.
pub(crate) fn write(page: &mut Page<'_>, explanation: &Explanation) -> io::Result<()> {
    let name = visible(&explanation.next_hop);
    let (tone, says) = match explanation.result {
        Applied::Policy => (Tone::Good, "an MTA-STS policy applies"),
        Applied::None => (Tone::Plain, "no MTA-STS policy applies"),
        Applied::CouldNotTell => (Tone::Bad, "it could not be told whether a policy applies"),
    };
    page.text(0, tone, &format!("{name}: {says}"))?;
    if let Some(policy) = &explanation.policy {
        for line in &policy.lines {
            page.verbatim(4, Tone::Command, &visible(line))?;
        }
    }
    page.gap()?;
    for (number, step) in (1..).zip(&explanation.steps) {
        let (tone, mark) = match step.outcome {
            StepOutcome::Passed => (Tone::Plain, "ok"),
            StepOutcome::Ended => (Tone::Heading, "ends"),
            StepOutcome::Unknown => (Tone::Bad, "unknown"),
        };
        let head = format!("{} [{mark}] {}", step.step.as_wire(), visible(&step.subject));
        page.item(2, &format!("{number:2}. "), tone, &head)?;
        let rfc = if step.rfc.is_empty() { String::new() } else { format!(" ({})", step.rfc) };
        page.text(6, Tone::Aside, &format!("{}{rfc}", visible(&step.text)))?;
    }
    if !explanation.hosts.is_empty() {
        page.gap()?;
        page.text(2, Tone::Heading, "What is asked of each MX host:")?;
    }
    for host in &explanation.hosts {
        let tone = match host.rule {
            Rule::Refused | Rule::Unknown => Tone::Bad,
            Rule::Dane | Rule::Sts => Tone::Good,
            Rule::StsTesting | Rule::Encrypt | Rule::Opportunistic => Tone::Plain,
        };
        let preference = host.preference.map(|preference| format!("MX {preference} ")).unwrap_or_default();
        page.text(4, tone, &format!("{preference}{}: {}", visible(&host.host), host.rule.as_wire()))?;
        page.text(6, Tone::Aside, &visible(&host.why))?;
    }
    page.gap()
}

//! Values of a failure put into the texts.
//!
//! The values are a stranger's: a host name of a report may hold a quote, a backtick or a `-o` that a person would
//! paste into a shell. So only what proves to be a host name or an address takes a placeholder's place; for anything else
//! the placeholder stays, in capitals, for the reader to replace.

use std::borrow::Cow;
use std::net::IpAddr;

use super::Explanation;

/// What is known of a failure. All of it optional, all of it as the report has it.
///
/// | in the texts | stands for | when unknown |
/// |---|---|---|
/// | `{domain}` | the policy domain | `DOMAIN` |
/// | `{mx}` | the MX host name | `MX` |
/// | `{mx_addr}` | the MX's address, in brackets for IPv6 | `ADDRESS` |
/// | `{sender_ip}` | the sending server's address | `SENDER-ADDRESS` |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context<'a> {
    /// The policy domain.
    pub domain: Option<&'a str>,
    /// `receiving-mx-hostname`.
    pub mx: Option<&'a str>,
    /// `receiving-ip`.
    pub mx_ip: Option<&'a str>,
    /// `sending-mta-ip`.
    pub sender_ip: Option<&'a str>,
}

/// An explanation for one failure, ready to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The failure in one line.
    pub title: &'static str,
    /// What the sender saw.
    pub meaning: String,
    /// Candidate causes, the likeliest first.
    pub causes: Vec<FilledCause>,
}

/// A candidate cause for one failure, ready to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledCause {
    /// Who would have to act.
    pub side: super::Side,
    /// What may be wrong.
    pub what: String,
    /// How to tell.
    pub verify: String,
    /// Commands for a POSIX shell, safe to paste; capitals stand where a value is not known.
    pub commands: Vec<String>,
    /// What to do.
    pub fix: String,
}

/// A placeholder, its value's maker and what stands there without a value.
type Place = (&'static str, for<'a> fn(&Context<'a>) -> Option<Cow<'a, str>>, &'static str);

const PLACES: [Place; 4] = [
    ("{domain}", |context| context.domain.and_then(host_name), "DOMAIN"),
    ("{mx}", |context| context.mx.and_then(host_name), "MX"),
    ("{mx_addr}", |context| context.mx_ip.and_then(address).map(bracketed), "ADDRESS"),
    ("{sender_ip}", |context| context.sender_ip.and_then(address).map(plain), "SENDER-ADDRESS"),
];

impl Context<'_> {
    /// A text with its placeholders replaced. Values are not looked at again for placeholders.
    #[must_use]
    pub fn fill(&self, template: &str) -> String {
        let mut out = String::with_capacity(template.len() + 64);
        let mut rest = template;
        'text: while let Some(open) = rest.find('{') {
            let (before, from) = rest.split_at(open);
            out.push_str(before);
            for (name, value, unknown) in PLACES {
                if let Some(after) = from.strip_prefix(name) {
                    out.push_str(value(self).as_deref().unwrap_or(unknown));
                    rest = after;
                    continue 'text;
                }
            }
            out.push('{');
            rest = from.strip_prefix('{').unwrap_or_default();
        }
        out.push_str(rest);
        out
    }

    pub(super) fn fill_explanation(&self, explanation: &Explanation) -> Filled {
        let cause = |cause: &super::Cause| FilledCause {
            side: cause.side,
            what: self.fill(cause.what),
            verify: self.fill(cause.verify),
            commands: cause.commands.iter().map(|command| self.fill(command)).collect(),
            fix: self.fill(cause.fix),
        };
        Filled {
            title: explanation.title,
            meaning: self.fill(explanation.meaning),
            causes: explanation.causes.iter().map(cause).collect(),
        }
    }
}

/// A host name that means nothing to a shell and cannot be taken for an option: labels of letters, digits, inner
/// hyphens and underscores. A trailing dot goes.
fn host_name(text: &str) -> Option<Cow<'_, str>> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let proven = name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
                && !label.starts_with('-')
                && !label.ends_with('-')
        });
    proven.then_some(Cow::Borrowed(name))
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

fn bracketed<'a>(address: IpAddr) -> Cow<'a, str> {
    match address {
        IpAddr::V4(v4) => Cow::Owned(v4.to_string()),
        IpAddr::V6(v6) => Cow::Owned(format!("[{v6}]")),
    }
}

fn plain<'a>(address: IpAddr) -> Cow<'a, str> {
    Cow::Owned(address.to_string())
}

//! What will be other than it is, once a domain is taken over: codes that stay put, and words.

use mta_sts::policy::{Deviation, Mode, Policy};
use mta_sts::policy_domain::PolicyDomain;
use serde::{Serialize, Serializer};

use crate::check::Observations;
use crate::check::text::{list, tame};
use crate::publish::outside::{LiveMx, LiveRecord, ServedPolicy};

/// One thing that will be other than it is, or that the owner should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which.
    pub code: DifferenceCode,
    /// What it is about: a name, a URL, an MX host, a destination for reports.
    pub subject: String,
    /// In words.
    pub text: String,
}

macro_rules! difference_codes {
    ($($(#[$doc:meta])* $variant:ident => $token:literal,)+) => {
        /// What can differ. The tokens stay put.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DifferenceCode {
            $($(#[$doc])* $variant,)+
        }

        impl DifferenceCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// As written in JSON.
            #[must_use]
            pub fn as_wire(self) -> &'static str {
                match self {
                    $(Self::$variant => $token,)+
                }
            }
        }
    };
}

difference_codes! {
    /// The policy's text changes and its meaning does not.
    PolicyRewritten => "policy-rewritten",
    /// A field that RFC 8461 does not know is left out.
    PolicyFieldDropped => "policy-field-dropped",
    /// The record's text changes.
    RecordRewritten => "record-rewritten",
    /// A policy that no record announces is announced again.
    RecordAdded => "record-added",
    /// The record is an alias today.
    RecordAlias => "record-alias",
    /// The policy host leads elsewhere today.
    HostMoves => "host-moves",
    /// Reports come here as well.
    RuaAdded => "rua-added",
    /// A destination that no report could go to is left out.
    RuaDropped => "rua-dropped",
    /// The record that asks for reports is of no use today.
    ReportingRepaired => "reporting-repaired",
    /// An MX host is not in the policy, and is not put there.
    MxNotInPolicy => "mx-not-in-policy",
    /// A pattern that no MX host matches is kept.
    PatternUnused => "pattern-unused",
    /// The policy is on its way out, and stays so.
    WindingDown => "winding-down",
}

impl Serialize for DifferenceCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_wire())
    }
}

pub(super) fn policy_differs(
    domain: &PolicyDomain,
    served: &ServedPolicy,
    keeps_body: bool,
    differences: &mut Vec<Difference>,
) {
    let url = domain.policy_url();
    for extension in served.policy.extensions() {
        let text = format!(
            "The field `{}: {}` is left out: RFC 8461 does not know it, and senders pass over it.",
            tame(extension.name()),
            tame(extension.value())
        );
        differences.push(Difference { code: DifferenceCode::PolicyFieldDropped, subject: url.clone(), text });
    }
    let mut faults: Vec<&'static str> = served.deviations.iter().map(fault).collect();
    if faults.is_empty() && !keeps_body {
        faults.push("its order of lines, spelling or line ends differ");
    }
    // The media type is no part of the body.
    if !faults.is_empty() {
        let text = format!(
            "The policy is served as it should be; mode, MX patterns and max_age stay as senders read them today. What \
             changes: {}.",
            list(faults)
        );
        differences.push(Difference { code: DifferenceCode::PolicyRewritten, subject: url, text });
    }
    if served.policy.mode() == Mode::None {
        let text = "The live policy has mode none: MTA-STS is on its way out here, and stays so until you say otherwise.";
        differences.push(Difference {
            code: DifferenceCode::WindingDown,
            subject: domain.to_string(),
            text: text.to_owned(),
        });
    }
}

fn fault(deviation: &Deviation) -> &'static str {
    match deviation {
        Deviation::MediaType => "it is not declared as text/plain",
        Deviation::ByteOrderMark => "it begins with an invisible byte order mark",
        Deviation::BlankLine { .. } => "it has blank lines",
        Deviation::SpaceAtLineEnd { .. } => "it has stray carriage returns",
        Deviation::DotAfterMx { .. } => "an MX pattern ends in a dot",
        Deviation::MaxAgeClamped { .. } => {
            "its max_age is above the maximum of 31557600 seconds, as which senders take it"
        }
        Deviation::DuplicateField { .. } => "a field stands there twice, and only the first counts",
    }
}

pub(super) fn host_moves(seen: &Observations, differences: &mut Vec<Difference>) {
    let host = seen.domain.policy_host();
    let replies = &seen.policy_host;
    let leads = match replies.aliases().last() {
        Some(target) => format!("an alias for {}", tame(target)),
        None => format!("at {}", list(replies.addresses())),
    };
    let text = format!(
        "The policy host is {leads} today and will be served from here. Leave what serves it now running until the new \
         records are seen everywhere: both serve the same policy."
    );
    differences.push(Difference { code: DifferenceCode::HostMoves, subject: host, text });
}

pub(super) fn record_differs(seen: &Observations, record: &LiveRecord, differences: &mut Vec<Difference>) {
    let name = seen.domain.record_name();
    let mut note = |code, text: String| differences.push(Difference { code, subject: name.clone(), text });
    match record {
        LiveRecord::Usable { text, is_plain: false, .. } => {
            note(
                DifferenceCode::RecordRewritten,
                format!("The record `{text}` is written with an id alone, as its grammar has it."),
            );
        }
        LiveRecord::Unusable(why) => {
            note(
                DifferenceCode::RecordRewritten,
                format!("Senders find no policy today: {}. One proper record takes its place.", tame(why)),
            );
        }
        LiveRecord::Absent => {
            note(
                DifferenceCode::RecordAdded,
                "A policy is served, and no record announces it. It is announced again: senders that know nothing of it \
                 today will apply it."
                    .to_owned(),
            );
        }
        LiveRecord::Usable { .. } | LiveRecord::Unknown(_) => {}
    }
    if let Some(target) = crate::check::aliases(&seen.sts).last() {
        note(
            DifferenceCode::RecordAlias,
            format!(
                "The record is an alias for {} today. A record of the domain's own takes its place.",
                tame(target)
            ),
        );
    }
}

pub(super) fn mx_differs(
    domain: &PolicyDomain,
    policy: &Policy,
    mx: &LiveMx,
    differences: &mut Vec<Difference>,
) {
    if policy.mode() == Mode::None {
        return;
    }
    let Some(hosts) = mx.hosts(domain.as_str()) else { return };
    for host in hosts.iter().filter(|host| !mta_sts::mx::matches_any(policy.mx(), host)) {
        // Safety rule 3: the list is never widened from DNS, which anybody on the way can forge.
        let text = format!(
            "DNS names this MX host and the live policy does not. It is not added: if it is yours, `tlsward domain mx add \
             {domain} {host}` once the domain is taken over."
        );
        differences.push(Difference { code: DifferenceCode::MxNotInPolicy, subject: host.clone(), text });
    }
    for pattern in policy.mx() {
        if !hosts.iter().any(|host| mta_sts::mx::matches_any(std::slice::from_ref(pattern), host)) {
            let pattern = tame(&pattern.as_wire()).into_owned();
            let text = "No MX record names a host that this pattern covers. It is kept: you may know what it is for.";
            differences.push(Difference {
                code: DifferenceCode::PatternUnused,
                subject: pattern,
                text: text.to_owned(),
            });
        }
    }
}

//! The members of a report's objects: their keys in RFC 8460 §4.4, and the misspellings that are known.
//!
//! A misspelling is known if a sender was seen to write it, or if it differs only in case or in `_` for `-`.

use crate::text::Text;

/// An object's members.
pub(crate) trait Field: Copy + 'static {
    /// The keys as the RFC spells them.
    fn exact(key: &str) -> Option<Self>;
    /// The keys as senders misspell them, in lower case and with `-`.
    fn misspelt(key: &str) -> Option<Self>;
    /// The RFC's key.
    fn key(self) -> &'static str;
    /// A bit of its own, for telling what was seen.
    fn bit(self) -> u32;
}

/// What a key means.
pub(crate) enum Known<F> {
    Exact(F),
    Misspelt(F, Text),
    Unknown(Text),
}

pub(crate) fn lookup<F: Field>(key: &str) -> Known<F> {
    match F::exact(key) {
        Some(field) => Known::Exact(field),
        None => unusual(key),
    }
}

#[cold]
fn unusual<F: Field>(key: &str) -> Known<F> {
    // No known key, however spelt, is longer.
    if key.len() <= 64 {
        let folded: Text = key
            .trim()
            .chars()
            .map(|character| if character == '_' { '-' } else { character.to_ascii_lowercase() })
            .collect();
        if let Some(field) = F::exact(&folded).or_else(|| F::misspelt(&folded)) {
            return Known::Misspelt(field, Text::new(key));
        }
    }
    Known::Unknown(Text::new(key))
}

macro_rules! fields {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $key:literal $(| $alias:literal)*,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($variant,)* }

        impl Field for $name {
            #[inline]
            fn exact(key: &str) -> Option<Self> {
                match key.as_bytes() { $(bytes if bytes == $key.as_bytes() => Some(Self::$variant),)* _ => None }
            }
            fn misspelt(key: &str) -> Option<Self> {
                match key { $($($alias => Some(Self::$variant),)*)* _ => None }
            }
            fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)* }
            }
            #[inline]
            fn bit(self) -> u32 {
                1 << self as u32
            }
        }
    };
}

fields! {
    /// Of the report itself.
    ReportField {
        OrganizationName = "organization-name" | "organisation-name",
        DateRange = "date-range",
        ContactInfo = "contact-info",
        ReportId = "report-id",
        Policies = "policies",
    }
}

fields! {
    /// Of `date-range`.
    DateRangeField {
        Start = "start-datetime" | "start-date-time",
        End = "end-datetime" | "end-date-time",
    }
}

fields! {
    /// Of an element of `policies`.
    ElementField {
        Policy = "policy",
        Summary = "summary",
        FailureDetails = "failure-details",
    }
}

fields! {
    /// Of `policy`.
    PolicyField {
        PolicyType = "policy-type",
        PolicyString = "policy-string",
        PolicyDomain = "policy-domain",
        MxHost = "mx-host" | "mx-host-pattern" | "mx-hosts",
    }
}

fields! {
    /// Of `summary`. `…-aggregate` is a draft's.
    SummaryField {
        Successful = "total-successful-session-count"
            | "success-aggregate" | "total-successful-count" | "total-success-session-count" | "total-success-count",
        Failed = "total-failure-session-count"
            | "failure-aggregate" | "total-failure-count" | "total-failed-session-count" | "total-failed-count",
    }
}

fields! {
    /// Of an element of `failure-details`.
    FailureField {
        ResultType = "result-type",
        SendingMtaIp = "sending-mta-ip",
        ReceivingMxHostname = "receiving-mx-hostname" | "receiving-mx-host-name" | "receiving-mx-host",
        ReceivingMxHelo = "receiving-mx-helo",
        ReceivingIp = "receiving-ip" | "receiving-mx-ip",
        FailedSessionCount = "failed-session-count" | "failure-session-count",
        AdditionalInformation = "additional-information" | "additional-info-uri" | "additional-info" | "additional-information-uri",
        FailureReasonCode = "failure-reason-code" | "failure-error-code",
    }
}

/// Which members an object has shown so far.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    exact: u32,
    any: u32,
}

/// What to do with a member whose key is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Its first value.
    First,
    /// Another value: the last one counts.
    Again,
    /// A misspelling of a member that is there under its right key: an extra member.
    Extra,
}

impl Seen {
    #[inline]
    pub(crate) fn admit<F: Field>(&mut self, field: F, exact: bool) -> Admission {
        let bit = field.bit();
        if !exact && self.exact & bit != 0 {
            return Admission::Extra;
        }
        let again = self.any & bit != 0;
        self.any |= bit;
        if exact {
            self.exact |= bit;
        }
        if again { Admission::Again } else { Admission::First }
    }

    pub(crate) fn has<F: Field>(self, field: F) -> bool {
        self.any & field.bit() != 0
    }
}

//! Who reports, how, and when in the day.

use tlsward_engine::facts::Road;

use super::draw::Draw;

/// The form in which a reporter writes; each has its own habits (`shapes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As the RFC would have it, in a signed mail.
    Mailbox,
    /// Every session twice, in an `sts` and a `tlsa` row; times without a zone.
    Twice,
    /// No policy text, the end at the next midnight, the same row several times.
    Repeating,
    /// The other order of keys, no domain where no policy was found.
    Collector,
    /// Plain JSON by POST.
    Plain,
    /// A misspelt key, one policy in two rows, text instead of numbers.
    Sloppy,
}

/// Somebody who reports.
#[derive(Debug, Clone)]
pub(super) struct Reporter {
    pub(super) organization: String,
    /// Its domain, for addresses and signatures.
    pub(super) domain: String,
    pub(super) shape: Shape,
    pub(super) road: Road,
    /// Seconds after midnight UTC when its reports begin to arrive.
    pub(super) sends_at: i64,
    /// Hundredths of the sessions of an average reporter.
    pub(super) weight: u64,
    /// Where its servers are: documentation addresses (RFC 5737, RFC 3849).
    pub(super) network: &'static str,
}

impl Reporter {
    pub(super) fn address(&self, draw: &mut Draw) -> String {
        format!("{}{}", self.network, 1 + draw.below(90))
    }
}

pub(super) const GOOGLE: usize = 0;
pub(super) const MICROSOFT: usize = 1;
pub(super) const MAIL_RU: usize = 2;
pub(super) const COMCAST: usize = 3;
pub(super) const KONTOR: usize = 4;
pub(super) const RELAY: usize = 5;

/// Those who report day after day, in the order of the constants above.
pub(super) fn regulars() -> Vec<Reporter> {
    let rows = [
        ("Google Inc.", "google.com", Shape::Mailbox, Road::Smtp, 36_000, 420, "2001:db8:4860::"),
        ("Microsoft Corporation", "microsoft.com", Shape::Twice, Road::Https, 12_600, 260, "198.51.100."),
        ("Mail.ru", "mail.ru", Shape::Repeating, Road::Smtp, 8_100, 40, "2001:db8:9417::"),
        ("Comcast", "comcast.net", Shape::Plain, Road::Https, 17_000, 70, "192.0.2."),
        ("mail.kontor.example", "kontor.example", Shape::Collector, Road::Smtp, 900, 25, "203.0.113."),
        ("Relay Works", "relayworks.example", Shape::Sloppy, Road::Smtp, 20_500, 30, "192.0.2.1"),
    ];
    rows.map(|(organization, domain, shape, road, sends_at, weight, network)| Reporter {
        organization: organization.to_owned(),
        domain: domain.to_owned(),
        shape,
        road,
        sends_at,
        weight,
        network,
    })
    .into()
}

const TOWNS: [&str; 16] = [
    "aurich", "belmont", "cadiz", "dover", "evora", "fulda", "ghent", "husum", "imola", "jena", "kalmar",
    "leiden", "malmo", "namur", "odense", "porto",
];

/// A small mail server that reports once in a while: the `number`-th of them.
pub(super) fn passing(number: u64) -> Reporter {
    let town = TOWNS[usize::try_from(number % TOWNS.len() as u64).unwrap_or(0)];
    let (shape, road) = match number % 3 {
        0 => (Shape::Collector, Road::Smtp),
        1 => (Shape::Plain, Road::Https),
        _ => (Shape::Mailbox, Road::Smtp),
    };
    Reporter {
        organization: format!("mail.{town}.example"),
        domain: format!("{town}.example"),
        shape,
        road,
        sends_at: 0,
        weight: 30,
        network: "203.0.113.",
    }
}

//! Whether records are live: what should be, held against what each name server of the domain and the resolver say.
//!
//! Where a person makes the records (`dns = "manual"`), this says what is wrong with them and what to do, in the words
//! that `domain plan` shows; for the other ways it tells when a change has arrived everywhere (RFC 8461 §8.1: the id
//! of a policy is announced when its record is live, and a name server that lags behind still hands out the old one).
//!
//! Pure: [`gather`] asks, [`judge`] decides. A failed look-up is never taken for a missing record, nor for a live one.

mod elsewhere;
mod gather;
mod texts;
mod verdict;
mod words;

use std::net::IpAddr;

pub use elsewhere::mistaken_places;
pub use gather::{NameServer, NoNameServers, look, name_servers};
pub use verdict::{Verdict, compare};

use crate::ports::publish::{RecordSet, RecordType};
use crate::ports::{DnsReply, RecordKind};

/// What is asked of DNS to see a set of this type. An alias shows when anything is asked of its name.
#[must_use]
pub fn question(kind: RecordType) -> RecordKind {
    match kind {
        RecordType::A | RecordType::Cname => RecordKind::A,
        RecordType::Aaaa => RecordKind::Aaaa,
        RecordType::Txt => RecordKind::Txt,
        RecordType::Caa => RecordKind::Caa,
    }
}

/// Who was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// One of the domain's name servers, itself.
    Server {
        /// Its name.
        host: String,
        /// The address that was asked.
        address: IpAddr,
    },
    /// The resolver: what the world sees, as far as this machine can tell.
    Resolver,
}

/// What one of them said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub asked: Asked,
    /// What.
    pub reply: DnsReply,
}

/// All that was seen of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// What should be.
    pub set: RecordSet,
    /// What each said about it.
    pub seen: Vec<Seen>,
    /// What stands where such a record is put by mistake ([`mistaken_places`]), if it was looked at: the name, and the
    /// reply of one name server, else of the resolver.
    pub elsewhere: Vec<(String, DnsReply)>,
}

/// How far a set is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// On every name server of the domain.
    Everywhere,
    /// On each name server that answered; some did not.
    WhereAnswered,
    /// No name server could be asked (or none has it in a zone of its own), and the resolver sees it.
    ByResolver,
    /// On some and not on others.
    Partly,
    /// On none.
    Nowhere,
    /// Nobody could tell.
    Untold,
}

/// Something that a person should know, and do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is seen.
    pub text: String,
    /// What to do.
    pub fix: Option<String>,
}

/// What is to be said of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// How far it is live.
    pub reach: Reach,
    /// In one line.
    pub summary: String,
    /// What is wrong or odd; empty where all is well.
    pub findings: Vec<Finding>,
}

impl Live {
    /// Whether the change may be taken for done: every name server that answered has it, and at least one did; or none
    /// could be asked, and the resolver sees it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.reach, Reach::Everywhere | Reach::WhereAnswered | Reach::ByResolver)
    }
}

/// Holds a set against what was seen of it. `domain` is the policy domain.
#[must_use]
pub fn judge(domain: &str, sight: &Sight) -> Live {
    let verdicts: Vec<(&Asked, Verdict)> =
        sight.seen.iter().map(|seen| (&seen.asked, compare(&sight.set, &seen.reply))).collect();
    let reach = reach(&verdicts);
    let summary = words::summary(&sight.set, reach, &verdicts);
    let findings = words::findings(domain, sight, reach, &verdicts);
    Live { reach, summary, findings }
}

fn reach(verdicts: &[(&Asked, Verdict)]) -> Reach {
    let of_servers = || verdicts.iter().filter(|(asked, _)| matches!(asked, Asked::Server { .. }));
    let count = |is: fn(&Verdict) -> bool| of_servers().filter(|(_, verdict)| is(verdict)).count();
    let (right, all) = (count(Verdict::is_right), of_servers().count());
    // What leads out of what a server holds is told by the resolver alone.
    let told = all - count(Verdict::is_untold) - count(Verdict::is_out_of_sight);
    let resolver = verdicts.iter().find(|(asked, _)| **asked == Asked::Resolver).map(|(_, verdict)| verdict);
    match (told, right) {
        (0, _) => match resolver {
            Some(verdict) if verdict.is_right() => Reach::ByResolver,
            Some(verdict) if !verdict.is_untold() => Reach::Nowhere,
            _ => Reach::Untold,
        },
        (_, 0) => Reach::Nowhere,
        (told, right) if right < told => Reach::Partly,
        (told, _) if told < all => Reach::WhereAnswered,
        _ => Reach::Everywhere,
    }
}

#[cfg(test)]
mod tests;

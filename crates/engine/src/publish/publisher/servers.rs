//! What each of the domain's name servers says: which they are, and their answers, without recursion.
//!
//! Where none of them can be asked from here, the resolver's answer stands for all of them.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join;
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::rrset::{self, Choice, NoRecord};

use super::super::look::{RecordLook, Saw};
use super::Inner;
use crate::check::aliases;
use crate::check::gather::{TLSRPT_VERSION, Within, some_at_once};
use crate::ports::publish::Authorities;
use crate::ports::{DnsReply, RecordData, RecordKind, World};

/// Bound of the whole look.
const LIMIT: Duration = Duration::from_secs(60);
/// Name servers of a zone that are asked, and addresses of each.
const MAX_SERVERS: usize = 8;
const MAX_ADDRESSES: usize = 4;
/// Servers that are asked side by side.
const AT_ONCE: usize = 8;

impl<W: World, A: Authorities, R, H, S, L, C> Inner<W, A, R, H, S, L, C> {
    /// Looks at both records.
    pub(super) async fn look_at_records(&self, domain: &PolicyDomain) -> RecordLook {
        let within = Within::new(&*self.parts.world, LIMIT);
        let (announcement, reporting) = (domain.record_name(), format!("_smtp._tls.{domain}"));
        let (mta_sts, reporting) =
            join(self.texts(&within, &announcement), self.texts(&within, &reporting)).await;
        let told = |replies: Vec<(String, DnsReply)>, judge: fn(&DnsReply) -> Saw| {
            replies.into_iter().map(|(server, reply)| (server, judge(&reply))).collect()
        };
        RecordLook { mta_sts: told(mta_sts, announced), reporting: told(reporting, reported) }
    }

    /// The TXT records at a name, as each server of its zone has them.
    async fn texts(&self, within: &Within<'_, W>, name: &str) -> Vec<(String, DnsReply)> {
        let resolved = within.look_up(name, RecordKind::Txt).await;
        // Behind an alias the records are another zone's.
        let owner = aliases(&resolved).last().cloned().unwrap_or_else(|| name.to_owned());
        let servers = servers(within, &owner).await;
        let asks = servers.iter().map(|(server, address)| {
            let owner = &owner;
            async move {
                let reply = within.limit(self.parts.authorities.ask(*address, owner, RecordKind::Txt)).await;
                let unanswered = DnsReply::Failed(crate::ports::DnsFailure::TimedOut);
                (format!("{server} ({address})"), reply.unwrap_or(unanswered))
            }
        });
        let replies = some_at_once(asks.collect(), AT_ONCE).await;
        match replies.iter().all(|(_, reply)| reply.failure().is_some()) {
            true => vec![("the resolver".to_owned(), resolved)],
            false => replies,
        }
    }
}

/// The name servers of the zone that a name is in, each with its addresses.
async fn servers<W: World>(within: &Within<'_, W>, owner: &str) -> Vec<(String, IpAddr)> {
    let mut zone = owner;
    let names: Vec<String> = loop {
        let reply = within.look_up(zone, RecordKind::Ns).await;
        let found = reply.records().iter().filter_map(|record| match record {
            RecordData::Ns(server) => Some(server.clone()),
            _ => None,
        });
        let found: Vec<String> = found.take(MAX_SERVERS).collect();
        // Behind an alias stand another zone's servers.
        if !found.is_empty() && aliases(&reply).is_empty() {
            break found;
        }
        match zone.split_once('.') {
            Some((_, above)) if above.contains('.') => zone = above,
            _ => return Vec::new(),
        }
    };
    let looks = names.iter().map(|server| async {
        let replies = within.addresses(server).await;
        replies.addresses().into_iter().take(MAX_ADDRESSES).map(|address| (server.clone(), address)).collect()
    });
    let all: Vec<Vec<_>> = some_at_once(looks.collect(), AT_ONCE).await;
    all.into_iter().flatten().collect()
}

/// RFC 8461 §3.1.
fn announced(reply: &DnsReply) -> Saw {
    if let Some(failure) = reply.failure() {
        return Saw::Unknown(failure.to_string());
    }
    match rrset::choose(&reply.texts()) {
        Choice::None(NoRecord::Absent) => Saw::Absent,
        Choice::None(why) => Saw::Broken(why.to_string()),
        Choice::One(parsed) => match parsed.usable() {
            Ok(record) => Saw::Text { text: record.id().as_wire().to_owned(), ttl_secs: ttl(reply) },
            Err(error) => Saw::Broken(error.to_string()),
        },
    }
}

/// RFC 8460 §3: of several none counts.
fn reported(reply: &DnsReply) -> Saw {
    if let Some(failure) = reply.failure() {
        return Saw::Unknown(failure.to_string());
    }
    let texts = reply.texts();
    let mut ours = texts.iter().filter(|text| text.starts_with(TLSRPT_VERSION));
    match (ours.next(), ours.next()) {
        (None, _) => Saw::Absent,
        (Some(text), None) => {
            Saw::Text { text: String::from_utf8_lossy(text).into_owned(), ttl_secs: ttl(reply) }
        }
        (Some(_), Some(_)) => Saw::Broken("there are several TLSRPT records".to_owned()),
    }
}

fn ttl(reply: &DnsReply) -> u32 {
    match reply {
        DnsReply::Found(answer) => answer.ttl,
        DnsReply::Absent(_) | DnsReply::Failed(_) => 0,
    }
}

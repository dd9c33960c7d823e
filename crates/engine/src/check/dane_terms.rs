//! Replies of DNS in the terms of `smtp-dane`.

use smtp_dane::applicability::{
    Addresses, Applicability, Destination, InsecureMx, Mx, NotApplicable, Search, Security, TlsaAnswer, begin,
};
use smtp_dane::tlsa::Tlsa;

use super::observations::{HostReplies, MxHost, aliases};
use crate::ports::{self, DnsReply, RecordData};

/// Walks the look-ups that were made for a host again, as a sender does: what they lead to. `None` where a look-up
/// is missing.
pub(crate) fn applicability(
    domain: &str,
    mx_reply: &DnsReply,
    host: &MxHost,
    port: u16,
    insecure_mx: InsecureMx,
) -> Option<Applicability> {
    if insecure_mx == InsecureMx::Skip && is_insecure(mx_reply) {
        // Whatever its addresses are.
        return Some(Applicability::NotApplicable(NotApplicable::InsecureMx));
    }
    let replies = host.replies.as_ref()?;
    let mut search =
        begin(destination(domain, mx_reply, &host.host, port), mx(mx_reply), addresses(replies), insecure_mx);
    let mut answers = host.tlsa.iter();
    loop {
        match search {
            Search::Done(applicability) => return Some(applicability),
            Search::Ask(question) => {
                let (_, reply) = answers.next()?;
                search = question.answer(tlsa(reply));
            }
        }
    }
}

/// Where mail for `domain` goes when it goes to `host`.
pub(super) fn destination<'a>(
    domain: &'a str,
    mx: &'a DnsReply,
    host: &'a str,
    port: u16,
) -> Destination<'a> {
    let next_hop_expanded = aliases(mx).last().map(String::as_str);
    Destination { next_hop: domain, next_hop_expanded, host, port }
}

/// The MX look-up.
pub(super) fn mx(reply: &DnsReply) -> Mx {
    match reply {
        DnsReply::Found(answer) => Mx::Listed(security(answer.security)),
        DnsReply::Absent(_) => Mx::None,
        DnsReply::Failed(failure) => Mx::Failed(failure.to_string()),
    }
}

/// Whether the hosts are named by records that are not signed.
pub(super) fn is_insecure(mx_reply: &DnsReply) -> bool {
    mx(mx_reply) == Mx::Listed(Security::Insecure)
}

/// Both address look-ups.
pub(super) fn addresses(replies: &HostReplies) -> Addresses {
    one(&replies.a).and(one(&replies.aaaa))
}

fn one(reply: &DnsReply) -> Addresses {
    match reply {
        DnsReply::Found(answer) => Addresses::Found {
            first: security(answer.first_security),
            whole: security(answer.security),
            expanded: answer.aliases.last().cloned(),
        },
        DnsReply::Absent(_) => Addresses::Absent,
        DnsReply::Failed(failure) => Addresses::Failed(failure.to_string()),
    }
}

/// A TLSA look-up.
pub(super) fn tlsa(reply: &DnsReply) -> TlsaAnswer {
    match reply {
        DnsReply::Found(answer) => TlsaAnswer::Found(security(answer.security), records(reply)),
        DnsReply::Absent(_) => TlsaAnswer::Absent,
        DnsReply::Failed(failure) => TlsaAnswer::Failed(failure.to_string()),
    }
}

/// The TLSA records of a reply.
pub(super) fn records(reply: &DnsReply) -> Vec<Tlsa> {
    let record = |record: &RecordData| match record {
        RecordData::Tlsa { usage, selector, matching, data } => {
            Some(Tlsa::new(*usage, *selector, *matching, data.as_slice()))
        }
        _ => None,
    };
    reply.records().iter().filter_map(record).collect()
}

fn security(security: ports::Security) -> Security {
    match security {
        ports::Security::Secure => Security::Secure,
        ports::Security::Insecure => Security::Insecure,
    }
}

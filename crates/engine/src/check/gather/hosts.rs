//! The MX hosts: which there are, their addresses, their TLSA records, and how each address answers.

use std::net::IpAddr;

use futures_util::future::join;
use mta_sts::name::DnsName;
use smtp_dane::applicability::{InsecureMx, Question, Search, begin};

use super::{Within, bounded, some_at_once};
use crate::check::dane_terms;
use crate::check::observations::{Cut, HostReplies, MxHost, Probe};
use crate::check::options::{ADDRESSES_AT_ONCE, HOSTS_AT_ONCE, MAX_ADDRESSES, MAX_HOSTS};
use crate::ports::{Absence, DnsReply, RecordKind, Security, SmtpOutcome, SmtpTarget, World};

/// Where mail for the domain goes.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) mx: DnsReply,
    pub(crate) apex: Option<HostReplies>,
    pub(crate) hosts: Vec<MxHost>,
    pub(crate) cuts: Vec<Cut>,
}

/// Looks up the hosts and probes them.
pub(super) async fn gather_mail<W: World>(within: &Within<'_, W>, domain: &str) -> Mail {
    let mut mail = look_up_list(within, domain).await;
    let hosts = std::mem::take(&mut mail.hosts);
    let (mx, apex) = (&mail.mx, mail.apex.as_ref());
    let each = hosts.into_iter().map(|host| look_at(within, domain, mx, apex, host)).collect();
    let (hosts, cuts): (Vec<_>, Vec<_>) = some_at_once(each, HOSTS_AT_ONCE).await.into_iter().unzip();
    mail.cuts.extend(cuts.into_iter().flatten());
    mail.hosts = hosts;
    mail
}

/// Looks up what a sender looks up on its way to a host, and connects to none: the hosts, and as far as DANE may apply,
/// their addresses and TLSA records. `is_host`: the next hop is itself the host, and MX records do not count.
pub(crate) async fn look_up_mail<W: World>(
    within: &Within<'_, W>,
    domain: &str,
    is_host: bool,
    port: u16,
) -> Mail {
    let mut mail =
        if is_host { the_host_itself(within, domain).await } else { look_up_list(within, domain).await };
    // RFC 7672 §2.2.1: hosts that unsigned records name have no DANE.
    if !within.world().dnssec().is_working() || dane_terms::is_insecure(&mail.mx) {
        return mail;
    }
    let hosts = std::mem::take(&mut mail.hosts);
    let (mx, apex) = (&mail.mx, mail.apex.as_ref());
    let each = hosts.into_iter().map(|host| look_up_host(within, (domain, port), mx, apex, host)).collect();
    mail.hosts = some_at_once(each, HOSTS_AT_ONCE).await;
    mail
}

/// A relay in brackets: no MX record is asked for, so the name is the only candidate (RFC 5321 §5.1).
async fn the_host_itself<W: World>(within: &Within<'_, W>, host: &str) -> Mail {
    let apex = within.addresses(host).await;
    let mx = DnsReply::Absent(Absence {
        aliases: Vec::new(),
        name_exists: apex.is_found(),
        security: Security::Insecure,
        ttl: 0,
    });
    let hosts = if apex.is_absent() { Vec::new() } else { vec![unseen(host, None)] };
    Mail { mx, apex: Some(apex), hosts, cuts: Vec::new() }
}

async fn look_up_list<W: World>(within: &Within<'_, W>, domain: &str) -> Mail {
    let mx = within.look_up(domain, RecordKind::Mx).await;
    let apex = match &mx {
        DnsReply::Absent(_) => Some(within.addresses(domain).await),
        DnsReply::Found(_) | DnsReply::Failed(_) => None,
    };
    let mut hosts: Vec<MxHost> = mx
        .mx()
        .into_iter()
        .filter(|(_, exchange)| !exchange.is_empty())
        .map(|(preference, exchange)| unseen(exchange, Some(preference)))
        .collect();
    // RFC 5321 §5.1: the order in which a sender tries them; of equal ones the order is free.
    hosts.sort_by(|a, b| (a.preference, &a.host).cmp(&(b.preference, &b.host)));
    let mut seen = std::collections::BTreeSet::new();
    hosts.retain(|host| seen.insert(host.host.clone()));
    // RFC 5321 §5.1: without MX the domain itself is the only candidate.
    if apex.as_ref().is_some_and(|apex| !apex.is_absent()) {
        hosts.push(unseen(domain, None));
    }
    let found = hosts.len();
    let mut cuts = Vec::new();
    if found > MAX_HOSTS {
        hosts.truncate(MAX_HOSTS);
        cuts.push(Cut::Hosts { found, kept: MAX_HOSTS });
    }
    Mail { mx, apex, hosts, cuts }
}

fn unseen(host: &str, preference: Option<u16>) -> MxHost {
    MxHost {
        host: host.to_ascii_lowercase(),
        preference,
        replies: None,
        probes: Vec::new(),
        tlsa: Vec::new(),
        tlsrpt: None,
    }
}

async fn look_at<W: World>(
    within: &Within<'_, W>,
    domain: &str,
    mx: &DnsReply,
    apex: Option<&HostReplies>,
    host: MxHost,
) -> (MxHost, Option<Cut>) {
    if !is_host(&host.host) {
        return (host, None);
    }
    let mut host = with_addresses(within, apex, host).await;
    let addresses = host.replies.as_ref().map(HostReplies::addresses).unwrap_or_default();
    let (addresses, cut) = bounded(addresses, MAX_ADDRESSES);
    let probes = addresses.iter().map(|address| probe(within, &host.host, *address)).collect();
    let probes = some_at_once(probes, ADDRESSES_AT_ONCE);
    let dane = look_up_tlsa(within, domain, 25, mx, &host);
    let (probes, (tlsa, tlsrpt)) = join(probes, dane).await;
    host.probes = probes;
    host.tlsa = tlsa;
    host.tlsrpt = tlsrpt;
    (host, cut)
}

async fn look_up_host<W: World>(
    within: &Within<'_, W>,
    (domain, port): (&str, u16),
    mx: &DnsReply,
    apex: Option<&HostReplies>,
    host: MxHost,
) -> MxHost {
    if !is_host(&host.host) {
        return host;
    }
    let mut host = with_addresses(within, apex, host).await;
    let Some(replies) = &host.replies else { return host };
    let mut search = begin(
        dane_terms::destination(domain, mx, &host.host, port),
        dane_terms::mx(mx),
        dane_terms::addresses(replies),
        InsecureMx::Skip,
    );
    let mut asked = Vec::new();
    while let Search::Ask(question) = search {
        search = ask(within, &mut asked, question).await;
    }
    host.tlsa = asked;
    host
}

/// Asks one TLSA question, and notes it.
async fn ask<W: World>(
    within: &Within<'_, W>,
    asked: &mut Vec<(String, DnsReply)>,
    question: Question,
) -> Search {
    let owner = question.owner();
    let reply = within.look_up(&owner, RecordKind::Tlsa).await;
    let search = question.answer(dane_terms::tlsa(&reply));
    asked.push((owner, reply));
    search
}

async fn with_addresses<W: World>(
    within: &Within<'_, W>,
    apex: Option<&HostReplies>,
    mut host: MxHost,
) -> MxHost {
    host.replies = match (host.preference, apex) {
        // The domain itself: asked already.
        (None, Some(apex)) => Some(apex.clone()),
        _ => Some(within.addresses(&host.host).await),
    };
    host
}

/// A name that can be asked for; an address in its place is none.
pub(crate) fn is_host(name: &str) -> bool {
    name.parse::<IpAddr>().is_err() && DnsName::parse(name).is_ok()
}

async fn probe<W: World>(within: &Within<'_, W>, host: &str, address: IpAddr) -> Probe {
    let target = SmtpTarget { host, address, sni: true };
    let with_sni = within.limit(within.world().probe(target)).await;
    // Where it does not come as far as TLS, the name in the handshake makes no difference.
    let came_to_tls = matches!(with_sni, Some(SmtpOutcome::Tls(_) | SmtpOutcome::TlsFailed(_)));
    let without_sni = if came_to_tls {
        let target = SmtpTarget { host, address, sni: false };
        within.limit(within.world().probe(target)).await
    } else {
        None
    };
    Probe { address, with_sni, without_sni }
}

/// TLSA at the names of RFC 7672 §2.2.2, and where there are records, TLSRPT under the host's name.
///
/// Asked also where DANE cannot apply because nothing is signed: an owner who published TLSA records wants to know that
/// they have no effect. A failure there means nothing, as no sender would ask (§2.2.2).
async fn look_up_tlsa<W: World>(
    within: &Within<'_, W>,
    domain: &str,
    port: u16,
    mx: &DnsReply,
    host: &MxHost,
) -> (Vec<(String, DnsReply)>, Option<DnsReply>) {
    let mut asked = Vec::new();
    let Some(replies) = host.replies.as_ref().filter(|replies| replies.is_found()) else {
        return (asked, None);
    };
    if !within.world().dnssec().is_working() {
        return (asked, None);
    }
    let destination = dane_terms::destination(domain, mx, &host.host, port);
    let mut search = begin(
        destination,
        dane_terms::mx(mx),
        dane_terms::addresses(replies),
        // Also where the MX records are not signed: what the host offers is worth knowing.
        InsecureMx::Use,
    );
    if matches!(search, Search::Done(_)) {
        let owner = format!("_{port}._tcp.{}", host.host);
        let reply = within.look_up(&owner, RecordKind::Tlsa).await;
        asked.push((owner, reply));
    }
    while let Search::Ask(question) = search {
        search = ask(within, &mut asked, question).await;
    }
    let tlsrpt = if asked.iter().any(|(_, reply)| matches!(reply, DnsReply::Found(_))) {
        Some(within.look_up(&format!("_smtp._tls.{}", host.host), RecordKind::Txt).await)
    } else {
        None
    };
    (asked, tlsrpt)
}

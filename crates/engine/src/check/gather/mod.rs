//! Looks at a domain through the ports, and judges nothing.
//!
//! Needs no runtime: it is one future, whose questions to DNS run side by side and whose probes are bounded in number
//! (`options`). What takes longer than the time limit ends as "not asked". Nothing fails: what went wrong is
//! part of what was seen.

mod hosts;
mod reporting;
mod within;

use std::net::IpAddr;

use futures_util::future::{join, join_all, join3};
use mta_sts::policy_domain::{POLICY_PATH, PolicyDomain};

use super::observations::{Cut, Fetch, HostReplies, Observations, Subdomain, aliases};
use super::options::{ADDRESSES_AT_ONCE, MAX_ADDRESSES, Options};
use crate::ports::{DnsReply, HttpsTarget, RecordKind, World};
pub(crate) use hosts::Mail;
pub(crate) use hosts::{is_host, look_up_mail};
pub(crate) use within::{Within, some_at_once};

pub(crate) const STS_VERSION: &[u8] = b"v=STSv1";
pub(crate) const TLSRPT_VERSION: &[u8] = b"v=TLSRPTv1";
/// Where MTA-STS records are found that nobody reads, besides the domain itself.
const STS_MISTAKES: [&str; 4] = ["_mta_sts", "mta-sts", "mta_sts", "_mtasts"];
/// Where TLSRPT records are found that nobody reads, besides the domain itself.
const TLSRPT_MISTAKES: [&str; 6] = ["_tlsrpt", "_smtp_tls", "smtp._tls", "_smtp-tls", "_tls", "_smtp.tls"];

/// Sees what there is to see of `domain`.
pub async fn gather<W: World>(world: &W, domain: &PolicyDomain, options: &Options) -> Observations {
    let within = Within::new(world, options.time_limit);
    let name = domain.as_str();

    // Each arm goes on with its own second questions while the others wait: at other names only where the right one
    // has no record, at sub-domains only where their parent takes part.
    let sts = async {
        let seen = gather_policy(&within, domain).await;
        let elsewhere = look_elsewhere(&within, &seen.sts, name, "_mta-sts", &STS_MISTAKES, STS_VERSION);
        let subdomains = gather_subdomains(&within, name, &seen.sts, options);
        let (elsewhere, subdomains) = join(elsewhere, subdomains).await;
        (seen, elsewhere, subdomains)
    };
    let reports = async {
        let (reply, ruas, cut) = reporting::gather_reporting(&within, name).await;
        let elsewhere =
            look_elsewhere(&within, &reply, name, "_smtp._tls", &TLSRPT_MISTAKES, TLSRPT_VERSION).await;
        (reply, elsewhere, ruas, cut)
    };
    let mail = hosts::gather_mail(&within, name);
    let (sts, mail, reports) = join3(sts, mail, reports).await;
    let (PolicySeen { sts, replies, fetches, cut }, sts_elsewhere, subdomains) = sts;
    let Mail { mx, apex, hosts, cuts } = mail;
    let (tlsrpt, tlsrpt_elsewhere, ruas, rua_cut) = reports;
    let wildcard_aliases =
        [&sts_elsewhere, &tlsrpt_elsewhere].into_iter().find_map(|seen| seen.wildcard.clone());

    let mut all_cuts: Vec<Cut> = cut.into_iter().chain(cuts).chain(rua_cut).collect();
    all_cuts.dedup();
    Observations {
        domain: domain.clone(),
        dnssec: world.dnssec(),
        sts,
        sts_elsewhere: sts_elsewhere.records,
        policy_host: replies,
        fetches,
        mx,
        apex,
        hosts,
        tlsrpt,
        tlsrpt_elsewhere: tlsrpt_elsewhere.records,
        wildcard_aliases: wildcard_aliases.unwrap_or_default(),
        ruas,
        subdomains,
        cuts: all_cuts,
        timed_out: within.is_over(),
    }
}

/// The record, the policy host, and the policy from each of its addresses.
#[derive(Debug)]
pub(crate) struct PolicySeen {
    pub(crate) sts: DnsReply,
    pub(crate) replies: HostReplies,
    pub(crate) fetches: Vec<Fetch>,
    pub(crate) cut: Option<Cut>,
}

/// Looks up the record and fetches the policy, the latter also where there is no record: a policy that nobody
/// announces is worth telling.
pub(crate) async fn gather_policy<W: World>(within: &Within<'_, W>, domain: &PolicyDomain) -> PolicySeen {
    let host = domain.policy_host();
    let record_name = domain.record_name();
    let fetches = async {
        let replies = within.addresses(&host).await;
        let (addresses, cut) = bounded(replies.addresses(), MAX_ADDRESSES);
        let fetches = addresses.iter().map(|address| fetch(within, &host, *address)).collect();
        (some_at_once(fetches, ADDRESSES_AT_ONCE).await, replies, cut)
    };
    let (sts, (fetches, replies, cut)) = join(within.look_up(&record_name, RecordKind::Txt), fetches).await;
    PolicySeen { sts, replies, fetches, cut }
}

async fn fetch<W: World>(within: &Within<'_, W>, host: &str, address: IpAddr) -> Fetch {
    let addresses = [address];
    let target = HttpsTarget { host, port: None, path: POLICY_PATH, addresses: &addresses };
    // Also over a bad certificate: the owner is told of every fault at once. No sender would.
    let exchange = within.limit(within.world().get(target, &|_| true)).await;
    Fetch { address, exchange }
}

/// The first `limit`, and what was cut.
pub(crate) fn bounded(mut addresses: Vec<IpAddr>, limit: usize) -> (Vec<IpAddr>, Option<Cut>) {
    // Name servers turn the order round; two looks at one domain shall read the same.
    addresses.sort_unstable();
    addresses.dedup();
    let found = addresses.len();
    if addresses.len() <= limit {
        return (addresses, None);
    }
    // Both families are kept: IPv4 stands first, so the last ones of each go.
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv4);
    let of_v4 = v4.len().min(limit - v6.len().min(limit / 2));
    let kept: Vec<_> = v4.into_iter().take(of_v4).chain(v6.into_iter().take(limit - of_v4)).collect();
    let cut = Cut::Addresses { found, kept: kept.len() };
    (kept, Some(cut))
}

/// What stands at names at which nobody looks.
#[derive(Debug, Default)]
struct Elsewhere {
    /// Replies that hold a record.
    records: Vec<(String, DnsReply)>,
    /// Where a wildcard leads, if there is one that is an alias.
    wildcard: Option<Vec<String>>,
}

/// Looks for a record where it is put by mistake.
async fn look_elsewhere<W: World>(
    within: &Within<'_, W>,
    right: &DnsReply,
    domain: &str,
    right_label: &str,
    labels: &[&str],
    version: &[u8],
) -> Elsewhere {
    if right.failure().is_some() || has_record(right, version) {
        return Elsewhere::default();
    }
    let mut names: Vec<String> = labels.iter().map(|label| format!("{label}.{domain}")).collect();
    names.push(domain.to_owned());
    // The zone file's classic: a name without the dot at its end.
    names.push(format!("{right_label}.{domain}.{domain}"));
    let replies = join_all(names.iter().map(|name| within.look_up(name, RecordKind::Txt))).await;
    // One such name may be an alias by itself (`mta-sts` at a provider); two that lead to one place are so by a wildcard.
    let below = replies.iter().zip(&names).filter(|(_, name)| name.as_str() != domain);
    let mut led: Vec<&[String]> =
        below.map(|(reply, _)| aliases(reply)).filter(|led| !led.is_empty()).collect();
    led.sort_unstable();
    let wildcard = led.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(one.to_vec()),
        _ => None,
    });
    let records = names.into_iter().zip(replies).filter(|(_, reply)| has_record(reply, version)).collect();
    Elsewhere { records, wildcard }
}

/// Whether a TXT record means to be of this version.
pub(crate) fn has_record(reply: &DnsReply, version: &[u8]) -> bool {
    reply.texts().iter().any(|text| text.trim_ascii_start().starts_with(version))
}

/// Sub-domains with MX records, and what they publish.
async fn gather_subdomains<W: World>(
    within: &Within<'_, W>,
    domain: &str,
    sts: &DnsReply,
    options: &Options,
) -> Vec<Subdomain> {
    if !has_record(sts, STS_VERSION) {
        return Vec::new();
    }
    let common = options.subdomain_labels.iter().map(|label| (format!("{label}.{domain}"), false));
    let made_up = options.unused_label.iter().map(|label| (format!("{label}.{domain}"), true));
    let names: Vec<(String, bool)> = common.chain(made_up).collect();
    let each = names.into_iter().map(|(name, is_wildcard)| subdomain(within, name, is_wildcard));
    join_all(each).await.into_iter().flatten().collect()
}

async fn subdomain<W: World>(within: &Within<'_, W>, name: String, is_wildcard: bool) -> Option<Subdomain> {
    let mx = within.look_up(&name, RecordKind::Mx).await;
    // RFC 7505 §3: an empty exchange takes no mail.
    if !mx.mx().iter().any(|(_, exchange)| !exchange.is_empty()) {
        return None;
    }
    let sts = within.look_up(&format!("_mta-sts.{name}"), RecordKind::Txt).await;
    Some(Subdomain { name, is_wildcard, mx, sts })
}

//! Where reports go: the TLSRPT record, and whether each place that it names is there.

use futures_util::future::join_all;
use tls_rpt::record::{self, Rua};

use super::{Within, bounded};
use crate::check::observations::{Cut, RuaProbe, RuaSeen};
use crate::check::options::{MAX_ADDRESSES, MAX_RUAS};
use crate::https_place::HttpsPlace;
use crate::ports::{DnsReply, RecordKind, World};

/// The record, and the places that it names.
pub(super) async fn gather_reporting<W: World>(
    within: &Within<'_, W>,
    domain: &str,
) -> (DnsReply, Vec<RuaProbe>, Option<Cut>) {
    let reply = within.look_up(&format!("{}.{domain}", record::LABEL), RecordKind::Txt).await;
    let mut ruas = ruas(&reply);
    let found = ruas.len();
    ruas.truncate(MAX_RUAS);
    let cut = (found > MAX_RUAS).then_some(Cut::Ruas { found, kept: MAX_RUAS });
    let probes = join_all(ruas.into_iter().map(|rua| probe(within, domain, rua))).await;
    (reply, probes, cut)
}

/// All that the usable record lists.
fn ruas(reply: &DnsReply) -> Vec<Rua> {
    match record::discover(&reply.texts()) {
        Ok(reading) => reading.usable.map(|parsed| parsed.record.ruas().to_vec()).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

async fn probe<W: World>(within: &Within<'_, W>, own: &str, rua: Rua) -> RuaProbe {
    let seen = match &rua {
        Rua::Mailto { address, .. } => match address.rsplit_once('@') {
            Some((_, domain)) if domain == own => RuaSeen::OwnMail,
            Some((_, domain)) if !domain.starts_with('[') => mail(within, domain).await,
            _ => RuaSeen::Nothing,
        },
        Rua::Https { uri, host, port } => https(within, uri, host, *port).await,
        Rua::Unsupported { .. } | Rua::Unusable { .. } => RuaSeen::Nothing,
    };
    RuaProbe { rua, seen }
}

async fn mail<W: World>(within: &Within<'_, W>, domain: &str) -> RuaSeen {
    let mx = within.look_up(domain, RecordKind::Mx).await;
    let addresses = match &mx {
        DnsReply::Absent(_) => Some(within.addresses(domain).await),
        DnsReply::Found(_) | DnsReply::Failed(_) => None,
    };
    RuaSeen::Mail { mx, addresses }
}

/// A GET, which a place for reports has no use for and which does no harm: any answer shows that somebody listens.
async fn https<W: World>(within: &Within<'_, W>, uri: &str, host: &str, port: u16) -> RuaSeen {
    let place = HttpsPlace::of(uri, host, port);
    let (replies, list) = match place.literal {
        Some(address) => (None, vec![address]),
        None => {
            let replies = within.addresses(host).await;
            let list = bounded(replies.addresses(), MAX_ADDRESSES).0;
            (Some(replies), list)
        }
    };
    let exchange = if list.is_empty() {
        None
    } else {
        // RFC 8460 §3: the certificate may be overlooked, so the answer counts, and the certificate is judged apart.
        within.limit(within.world().get(place.target(&list), &|_| true)).await
    };
    RuaSeen::Https { addresses: replies, exchange }
}

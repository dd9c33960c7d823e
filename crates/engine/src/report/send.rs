//! One offer of a report to one place.

use std::net::IpAddr;

use bytes::Bytes;
use tls_rpt::mail_form::Packing;
use tls_rpt::record::Rua;

use super::bounce::verp;
use super::build::Built;
use super::settings::Identity;
use crate::facts::UnixTime;
use crate::https_place::HttpsPlace;
use crate::ports::{Dns, DnsReply, Https, RecordKind, Relay, RelayMail, RelayOutcome, Signer, TlsSession};

/// Whose quota a place uses: the mail domain, or the host of the URI.
pub(super) fn destination(rua: &Rua) -> &str {
    match rua {
        Rua::Mailto { address, .. } => address.rsplit_once('@').map_or(address, |(_, domain)| domain),
        Rua::Https { host, .. } => host,
        Rua::Unsupported { uri, .. } | Rua::Unusable { uri, .. } => uri,
    }
}

/// Who gets a mail, and what a bounce of it is known by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipient<'a> {
    pub(super) address: &'a str,
    pub(super) token: &'a str,
}

/// Hands the report to the relay.
pub(super) async fn mail(
    relay: &impl Relay,
    signer: &impl Signer,
    identity: &Identity,
    built: &Built,
    to: Recipient<'_>,
    now: UnixTime,
    attempt: u32,
) -> Result<(), String> {
    let message = built.mail(identity, to.address, now, attempt).map_err(|error| error.to_string())?;
    // RFC 8460 §3: a report without a signature of the submitter is ignored, so none goes out without.
    let mut signed = signer.sign(identity.submitter(), &message, now).map_err(|error| error.to_string())?;
    signed.extend_from_slice(&message);
    let from = match identity.bounces() {
        Some(address) => verp(address, to.token),
        None => identity.from().to_owned(),
    };
    let mail = RelayMail { from, to: to.address.to_owned(), message: Bytes::from(signed) };
    match relay.submit(mail).await {
        RelayOutcome::Accepted => Ok(()),
        RelayOutcome::Refused { code, text } => Err(format!("the relay answered {code} {text}")),
        RelayOutcome::NotReached(why) => Err(format!("the relay could not be asked: {why}")),
    }
}

/// Posts the report (RFC 8460 §5.4): only 2xx is success.
pub(super) async fn post(
    world: &(impl Dns + Https),
    built: &Built,
    uri: &str,
    host: &str,
    port: u16,
) -> Result<(), String> {
    let place = HttpsPlace::of(uri, host, port);
    let addresses = match place.literal {
        Some(address) => vec![address],
        None => look_up(world, host).await?,
    };
    // RFC 8460 §3: certificate errors may be passed over; the report may be about what causes them.
    let admit = |_: &TlsSession| true;
    let body = Bytes::from(built.packed.clone());
    let exchange = world.post(place.target(&addresses), Packing::Gzip.media_type(), body, &admit).await;
    match exchange.outcome {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(format!("the server answered {}", answer.status)),
        Err(failure) => Err(failure.to_string()),
    }
}

async fn look_up(dns: &impl Dns, host: &str) -> Result<Vec<IpAddr>, String> {
    let (v4, v6) = futures_util::join!(dns.look_up(host, RecordKind::A), dns.look_up(host, RecordKind::Aaaa));
    let mut addresses = v6.addresses();
    addresses.extend(v4.addresses());
    if !addresses.is_empty() {
        return Ok(addresses);
    }
    let failed = [&v4, &v6].into_iter().find_map(DnsReply::failure);
    Err(match failed {
        Some(failure) => format!("{host} could not be looked up: {failure}"),
        None => format!("{host} has no address"),
    })
}

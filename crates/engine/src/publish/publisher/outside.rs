//! The policy as the public gets it: every address of the policy host, over a certificate that holds, byte for byte.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use mta_sts::policy_domain::PolicyDomain;

use super::super::publication::BodySeen;
use super::Inner;
use crate::check::gather::{Within, some_at_once};
use crate::enforce::fetch;
use crate::ports::{Clock, ConnectFailure, HttpsExchange, HttpsFailure, World};

/// Bound of the whole look.
const LIMIT: Duration = Duration::from_secs(90);
/// Addresses that are asked side by side.
const AT_ONCE: usize = 4;

/// What one address gives out.
enum Given {
    /// This very body.
    This,
    /// Something else, or nothing.
    Other(String),
    /// There is no way there from here: an address of a family that this machine does not have, for one.
    NoWay(String),
}

impl<W: World, A, R, H, S, L, C: Clock> Inner<W, A, R, H, S, L, C> {
    /// Compares what the public gets with `body`.
    pub(super) async fn look_outside(&self, domain: &PolicyDomain, body: &Bytes) -> BodySeen {
        let within = Within::new(&*self.parts.world, LIMIT);
        let (replies, addresses) = fetch::policy_host(&within, domain).await;
        let host = domain.policy_host();
        if addresses.is_empty() {
            return match replies.failure() {
                Some(failure) => BodySeen::Unknown(format!("the addresses of {host}: {failure}")),
                None => BodySeen::NotYet(format!("{host} has no address")),
            };
        }
        let looks = addresses.iter().map(|address| async {
            let now = self.parts.clock.now();
            let exchange =
                fetch::get_policy(&within, &self.options.roots, domain, std::slice::from_ref(address), now)
                    .await;
            given(*address, exchange, body)
        });
        let looks = some_at_once(looks.collect(), AT_ONCE).await;
        let (mut is_seen, mut no_way) = (false, None);
        for look in looks {
            match look {
                Given::This => is_seen = true,
                Given::Other(text) => return BodySeen::NotYet(text),
                Given::NoWay(text) => no_way = Some(text),
            }
        }
        match no_way {
            // One that others reach over another family is seen over this one.
            None => BodySeen::Everywhere,
            Some(_) if is_seen => BodySeen::Everywhere,
            Some(text) => BodySeen::Unknown(text),
        }
    }
}

fn given(address: IpAddr, exchange: Option<HttpsExchange>, body: &Bytes) -> Given {
    let other = |what: &str| Given::Other(format!("{address} {what}"));
    let Some(exchange) = exchange else { return other("did not answer in time") };
    match exchange.outcome {
        Err(HttpsFailure::Connect(ConnectFailure::Unreachable(text))) => {
            Given::NoWay(format!("{address} cannot be reached from here: {text}"))
        }
        Err(HttpsFailure::NotAdmitted) => {
            other("has no certificate that holds for this name, so that no sender would fetch from it")
        }
        Err(failure) => other(&format!("did not give the policy: {failure}")),
        Ok(answer) if answer.status != 200 => other(&format!("answers with status {}", answer.status)),
        Ok(answer) if fetch::is_encoded(&answer) => {
            other("gives the policy compressed, which no sender asks for")
        }
        Ok(answer) => match fetch::judge(&answer).strict() {
            Err(_) => other("gives something that is no valid policy"),
            Ok(_) if answer.body == *body => Given::This,
            Ok(_) => other("gives another policy than is served here"),
        },
    }
}

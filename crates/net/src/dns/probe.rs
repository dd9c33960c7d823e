//! Whether DNSSEC works with the resolvers at hand: asked before it is relied on, and again now and then.
//!
//! A resolver that strips DNSSEC makes signed domains look unsigned, or, where we validate, forged. So a name that
//! is known to be signed is asked for. What is seen ends in a sentence for an administrator; the use of it is the
//! engine's. Silence, refusals and answers that cannot be read prove nothing: they may pass, and an outage neither
//! turns DNSSEC off nor on.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};
use tlsward_engine::ports::DnsFailure;
use tokio::time::Instant;

use super::exchange::{Exchange, Trouble};
use super::name;
use super::plain::is_held_back;
use super::validate::{Link, Validator};
use super::wire::{Flags, Query};
use crate::limits::dns as limits;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// It works. With these bits in each question.
    Working(Flags),
    /// It does not: an answer came, and nothing in it is validated.
    Unusable(String),
    /// Questions that speak of DNSSEC fail where others do not. That is so with some middle boxes, and for a while
    /// with any resolver.
    Refusing(String),
    /// It could not be told.
    Nothing(DnsFailure),
}

impl Seen {
    /// Whether this takes the place of what was told before. `by_resolver`: its word is taken, and it is on this
    /// machine. Elsewhere whoever stands between could strip the signatures, and with them DANE from every domain.
    pub(super) fn replaces(&self, before: Option<&Self>, by_resolver: bool) -> bool {
        match (before, self) {
            (None | Some(Self::Nothing(_)), _) | (_, Self::Working(_)) => true,
            // RFC 7672 §2.1.2: an outage is no reason to do without DANE.
            (_, Self::Nothing(_)) | (Some(Self::Working(_)), Self::Refusing(_)) => false,
            (Some(Self::Working(_)), Self::Unusable(_)) => by_resolver,
            (Some(Self::Unusable(_) | Self::Refusing(_)), Self::Unusable(_) | Self::Refusing(_)) => true,
        }
    }
}

/// Questions with AD alone bring short answers; some resolvers set AD only where DO asks for signatures too.
pub(super) const BITS: [Flags; 2] = [
    Flags { authentic_data: true, checking_disabled: false, dnssec_ok: false },
    Flags { authentic_data: true, checking_disabled: false, dnssec_ok: true },
];

/// Looks for the AD bit on the SOA of a signed zone.
pub(super) async fn authentic_data(exchange: &Exchange, names: &[Name], deadline: Instant) -> Seen {
    let mut shown = String::new();
    let until = before(deadline);
    for name in names {
        shown = written(name);
        for flags in BITS {
            let query = Query::new(name, RecordType::SOA, flags);
            match exchange.ask(query, until).await {
                Ok(message) if message.metadata.authentic_data => return Seen::Working(flags),
                Ok(_) => {}
                Err(trouble) => return explain(exchange, name, flags, trouble, deadline).await,
            }
        }
    }
    Seen::Unusable(format!(
        "the resolver sets no AD bit on the answer for {shown}, which is signed: it does not validate, or strips \
         DNSSEC. DANE is out of use. Run a validating resolver on this machine, or set dnssec = \"validate\""
    ))
}

async fn explain(
    exchange: &Exchange,
    name: &Name,
    flags: Flags,
    trouble: Trouble,
    deadline: Instant,
) -> Seen {
    let shown = written(name);
    let Trouble::Code { code: ResponseCode::ServFail, words } = &trouble else {
        let again = Query::new(name, RecordType::SOA, flags);
        return without_dnssec(exchange, name, trouble.into(), Some(again), deadline).await;
    };
    if is_held_back(exchange, name, RecordType::SOA, flags, &trouble, deadline).await {
        let words = words.as_deref().unwrap_or("it gives no reason");
        return Seen::Nothing(DnsFailure::Bogus(format!(
            "the resolver holds the answer for {shown} forged ({words}). Look at its clock and its trust anchor"
        )));
    }
    Seen::Nothing(DnsFailure::Server(format!(
        "SERVFAIL to the probe for {shown}. Where this name cannot be resolved, name another signed one, or set \
         dnssec = \"off\""
    )))
}

/// Some middle boxes drop or refuse what speaks of DNSSEC. Asked without, the resolver shows whether it is there; and
/// asked `again`, whether it was only away for a moment.
async fn without_dnssec(
    exchange: &Exchange,
    name: &Name,
    failure: DnsFailure,
    again: Option<Query>,
    deadline: Instant,
) -> Seen {
    let query = Query::new(name, RecordType::SOA, Flags::default());
    if let Err(trouble) = exchange.ask(query, deadline).await {
        return Seen::Nothing(match failure {
            DnsFailure::TimedOut => trouble.into(),
            other => other,
        });
    }
    if let Some(again) = again
        && exchange.ask(again, deadline).await.is_ok()
    {
        return Seen::Nothing(failure);
    }
    Seen::Refusing(format!(
        "the resolver answers for {}, but not where DNSSEC is asked for ({failure}). DANE is out of use",
        written(name)
    ))
}

/// Leaves time to look whether a silent resolver is there at all.
fn before(deadline: Instant) -> Instant {
    deadline.checked_sub(limits::PROBE_SILENCE).unwrap_or(deadline)
}

/// Looks for a chain of trust to a signed zone.
pub(super) async fn chain_of_trust(
    exchange: &Exchange,
    validator: &Validator,
    names: &[Name],
    deadline: Instant,
) -> Seen {
    let Some(name) = names.first() else { return Seen::Unusable("no name to probe".to_owned()) };
    let shown = written(name);
    // The root's keys are what the anchor speaks of; a zone further down is reached by its SOA.
    let kind = if name.is_root() { RecordType::DNSKEY } else { RecordType::SOA };
    let unusable =
        |text: &str| Seen::Unusable(format!("{text} for {shown}, which is signed. DANE is out of use"));
    match validator.link(name, kind, before(deadline)).await {
        Ok(Link { secure: true, .. }) => Seen::Working(Flags::default()),
        Ok(Link { secure: false, .. }) => unusable("no trust anchor leads to the answer"),
        Err(DnsFailure::Bogus(_)) if !validator.sees_signatures(name, kind, deadline).await => {
            unusable("the resolver strips the signatures from its answer")
        }
        Err(DnsFailure::Bogus(text)) => unusable(&format!("look at the clock and the trust anchor: {text},")),
        Err(failure @ DnsFailure::Server(_)) => Seen::Nothing(failure),
        Err(failure) => without_dnssec(exchange, name, failure, None, deadline).await,
    }
}

fn written(name: &Name) -> String {
    if name.is_root() { "the root".to_owned() } else { name::write(name) }
}

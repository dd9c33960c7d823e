//! Answers as the resolver gives them: without DNSSEC, or with the AD bit of a resolver that is believed.
//!
//! A validating resolver says SERVFAIL to what does not validate and to what it cannot fetch. The same question with
//! CD=1 tells them apart: if the data comes then, it is the data that is wrong (RFC 4035 §5.5).
//! What can fail: see [`DnsFailure`]; none of it is hidden.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};
use tlsward_engine::ports::{Absence, Answer, DnsFailure, DnsReply, RecordKind, Security};
use tokio::time::Instant;

use super::chain::{Chain, Step, record_type};
use super::exchange::{Exchange, Trouble};
use super::wire::{Flags, Query};

/// Whose word on DNSSEC is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belief {
    /// Nobody's.
    None,
    /// The resolver's AD bit, asked for with these bits.
    AuthenticData(Flags),
}

/// One question with its alias chain.
pub(super) async fn look_up(
    exchange: &Exchange,
    name: &Name,
    kind: RecordKind,
    belief: Belief,
    deadline: Instant,
) -> DnsReply {
    let ask = Ask { exchange, name, kind, belief, deadline };
    ask.run().await.unwrap_or_else(DnsReply::Failed)
}

struct Ask<'a> {
    exchange: &'a Exchange,
    name: &'a Name,
    kind: RecordKind,
    belief: Belief,
    deadline: Instant,
}

impl Ask<'_> {
    async fn run(&self) -> Result<DnsReply, DnsFailure> {
        let flags = match self.belief {
            Belief::None => Flags::default(),
            Belief::AuthenticData(flags) => flags,
        };
        let mut chain = Chain::new(self.name.clone());
        let mut secure = true;
        let mut first_message_secure = None;
        // Each turn but the last goes over a link at least, and those are bounded.
        loop {
            let query = Query::new(chain.current(), record_type(self.kind), flags);
            let message = match self.exchange.ask(query, self.deadline).await {
                Ok(message) => message,
                Err(trouble) => return Err(self.explain(chain.current(), trouble).await),
            };
            let authentic = self.belief != Belief::None && message.metadata.authentic_data;
            secure &= authentic;
            let first_message_secure = *first_message_secure.get_or_insert(authentic);
            let security = if secure { Security::Secure } else { Security::Insecure };
            match chain.follow(&message, self.kind)? {
                Step::Further => {}
                Step::Absent { name_exists, ttl } => {
                    return Ok(DnsReply::Absent(Absence {
                        aliases: chain.aliases(),
                        name_exists,
                        security,
                        ttl,
                    }));
                }
                Step::Found { records, ttl } => {
                    let first_security = if secure || first_message_secure {
                        Security::Secure
                    } else if chain.is_at_start() {
                        Security::Insecure
                    } else {
                        self.first_link().await
                    };
                    let aliases = chain.aliases();
                    return Ok(DnsReply::Found(Answer { aliases, security, first_security, ttl, records }));
                }
            }
        }
    }

    /// AD speaks of the whole chain. Whether its first link is secure is told by asking for that link alone
    /// (RFC 7672 §2.2.2). Only where DANE can depend on it: a TXT record's first link counts as insecure.
    async fn first_link(&self) -> Security {
        let Belief::AuthenticData(flags) = self.belief else { return Security::Insecure };
        if matches!(self.kind, RecordKind::Txt | RecordKind::Ns) {
            return Security::Insecure;
        }
        let query = Query::new(self.name, RecordType::CNAME, flags);
        match self.exchange.ask(query, self.deadline).await {
            Ok(message) if message.metadata.authentic_data => Security::Secure,
            Ok(_) | Err(_) => Security::Insecure,
        }
    }

    async fn explain(&self, name: &Name, trouble: Trouble) -> DnsFailure {
        let Belief::AuthenticData(flags) = self.belief else { return trouble.into() };
        if is_held_back(self.exchange, name, record_type(self.kind), flags, &trouble, self.deadline).await {
            return DnsFailure::Bogus(reason(trouble));
        }
        trouble.into()
    }
}

/// Whether a validating resolver has the data that it says SERVFAIL to.
pub(super) async fn is_held_back(
    exchange: &Exchange,
    name: &Name,
    kind: RecordType,
    flags: Flags,
    trouble: &Trouble,
    deadline: Instant,
) -> bool {
    if !matches!(trouble, Trouble::Code { code: ResponseCode::ServFail, .. }) {
        return false;
    }
    let query = Query::new(name, kind, Flags { checking_disabled: true, ..flags });
    exchange.ask(query, deadline).await.is_ok()
}

fn reason(trouble: Trouble) -> String {
    match trouble {
        Trouble::Code { words: Some(words), .. } => words,
        _ => "the resolver has the answer and holds it back".to_owned(),
    }
}

//! In which zone a name is, as the server of the updates sees it: by the SOA in its answer (RFC 2136 §3.1.1 wants the
//! zone's name to the letter, and a name may be in a zone of its own).
//!
//! Not signed: whoever lies here gets an update refused, and none made elsewhere, since the zone that he names is above
//! the name or is not taken.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tlsward_engine::ports::publish::RecordsFailure;

use crate::dns::name;
use crate::dns::wire::code_text;

/// What an answer to the question for a name's SOA tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The zone.
    Zone(Name),
    /// The name is an alias: what is above it tells.
    AskAbove,
}

/// Reads the answer to the question for the SOA of `owner`.
pub(super) fn told(message: &Message, owner: &Name) -> Result<Told, RecordsFailure> {
    let shown = name::write(owner);
    let refused = |text: String| Err(RecordsFailure::Refused(text));
    match message.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        ResponseCode::Refused | ResponseCode::NotAuth => {
            return refused(format!(
                "the server answers {} for {shown}: it does not serve a zone with this name, or does not tell this \
                 machine. Name the primary server of the zone; if it is, write the zone's name into the configuration",
                code_text(message.metadata.response_code)
            ));
        }
        code => {
            let text = format!("the server answers {} when asked for the zone of {shown}", code_text(code));
            return Err(RecordsFailure::Later(text));
        }
    }
    if message.answers.iter().any(|record| is_alias_of(record, owner)) {
        return Ok(Told::AskAbove);
    }
    let sections = message.answers.iter().chain(&message.authorities);
    let soa = sections.filter(|record| matches!(record.data, RData::SOA(_)));
    let zone = soa.map(|record| &record.name).find(|zone| zone.zone_of(owner));
    match zone {
        Some(zone) if message.metadata.authoritative => Ok(Told::Zone(zone.clone())),
        _ if message.authorities.iter().any(|record| record.record_type() == RecordType::NS) => {
            refused(format!(
                "{shown} is in a zone that this server has delegated to others: name the primary server of that zone"
            ))
        }
        _ => {
            refused(format!("this server does not hold the zone of {shown}: name the zone's primary server"))
        }
    }
}

fn is_alias_of(record: &Record, owner: &Name) -> bool {
    record.name == *owner && matches!(record.data, RData::CNAME(_))
}

//! What an answer to an update means, in words that say what to do.
//!
//! Only a signed answer says that something was done (RFC 8945 §5.3): one without a signature, or with a wrong one, may
//! be anybody's. A server that does not know the key, or finds our signature wrong, cannot sign its refusal; it is
//! believed as far as a refusal goes, since nothing follows from it but words.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigError;
use hickory_proto::rr::{Name, TSigVerifier};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::publish::RecordsFailure;

use super::key::TsigKey;
use crate::dns::name;
use crate::dns::wire::{code_text, printable};
use crate::limits::dns_update as limits;

const HEADER_BYTES: usize = 12;

/// An update on its way.
pub(super) struct Sent<'a> {
    pub(super) id: u16,
    pub(super) verifier: TSigVerifier,
    pub(super) key: &'a TsigKey,
    pub(super) zone: &'a Name,
    /// What was to be changed, for people.
    pub(super) names: String,
    pub(super) at: UnixTime,
}

impl Sent<'_> {
    /// Whether it was done.
    pub(super) fn judge(mut self, packet: &[u8]) -> Result<(), RecordsFailure> {
        let later = |text: String| RecordsFailure::Later(text);
        let Some((header, _)) = packet.split_at_checked(HEADER_BYTES) else {
            return Err(later("the server's answer is no DNS message".to_owned()));
        };
        // A response, opcode UPDATE, with our id.
        if header[..2] != self.id.to_be_bytes() || header[2] & 0xf8 != 0xa8 {
            return Err(later("the server answered something else than the update".to_owned()));
        }
        let count = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
        if count(4) + count(6) + count(8) + count(10) > limits::RECORDS {
            return Err(later("the server's answer has more records than an answer to an update".to_owned()));
        }
        // This also refuses a TSIG that is not the last record, on which hickory's verification would stumble.
        let message = Message::from_vec(packet).map_err(|error| {
            later(format!("the server's answer cannot be read: {}", printable(error.to_string().as_bytes())))
        })?;
        let code = message.metadata.response_code;
        let Some(signature) = message.signature() else { return Err(self.unsigned(code)) };
        match signature.data.error {
            Some(error) => Err(RecordsFailure::Refused(self.key_trouble(error, &signature.data.other))),
            None if signature.data.time < u64::from(signature.data.fudge) => {
                Err(later("the server signed its answer at a time that cannot be".to_owned()))
            }
            None => {
                self.verifier.verify(packet).map_err(|error| {
                    later(format!(
                        "the signature of the server's answer does not verify ({}): the answer is not believed. \
                         Somebody may stand between, or the key was just changed",
                        printable(error.to_string().as_bytes())
                    ))
                })?;
                self.signed(code)
            }
        }
    }

    /// The server said this, and it was the server.
    fn signed(&self, code: ResponseCode) -> Result<(), RecordsFailure> {
        let (key, zone, names) = (self.key.name(), shown(self.zone), &self.names);
        let refused = |text: String| Err(RecordsFailure::Refused(text));
        match code {
            ResponseCode::NoError => Ok(()),
            ResponseCode::Refused => refused(format!(
                "the server does not let the key {key} change {names}. In BIND, give the zone {zone} `update-policy {{ \
                 grant {key} name {first} TXT; }};` or `allow-update {{ key {key}; }};`; in Knot, an `acl` with `key: \
                 {key}` and `action: update`",
                first = self.names.split([' ', ',']).next().unwrap_or_default(),
            )),
            ResponseCode::NotAuth => refused(format!(
                "this server is not the primary of the zone {zone}: name the server where the zone is changed"
            )),
            ResponseCode::NotZone => refused(format!(
                "{names} is not in the zone {zone} there: name the right zone, or leave it out so that it is looked up"
            )),
            ResponseCode::YXDomain | ResponseCode::YXRRSet => refused(format!(
                "another record is in the way at {names}: an alias (CNAME) and other records cannot have the same name. \
                 Remove what stands there, then it goes on by itself"
            )),
            ResponseCode::NotImp => refused("this server takes no updates (NOTIMP)".to_owned()),
            ResponseCode::FormErr => refused("the server could not read the update (FORMERR)".to_owned()),
            ResponseCode::ServFail => Err(RecordsFailure::Later(format!(
                "the server failed (SERVFAIL); its log says why. Often it may not write the files of the zone {zone}"
            ))),
            other => Err(RecordsFailure::Later(format!("the server answered {}", code_text(other)))),
        }
    }

    fn unsigned(&self, code: ResponseCode) -> RecordsFailure {
        let key = self.key.name();
        match code {
            ResponseCode::Refused | ResponseCode::NotAuth | ResponseCode::NotImp | ResponseCode::FormErr => {
                RecordsFailure::Refused(format!(
                    "the server answered {} without a signature: it does not take updates with the key {key} for the \
                     zone {}, or is no server of it",
                    code_text(code),
                    shown(self.zone)
                ))
            }
            _ => RecordsFailure::Later(format!(
                "the server's answer ({}) has no signature, so it may be anybody's and is not believed",
                if code == ResponseCode::NoError { "NOERROR".to_owned() } else { code_text(code) }
            )),
        }
    }

    /// RFC 8945 §5.2: what the server has against the signature.
    fn key_trouble(&self, error: TsigError, other: &[u8]) -> String {
        let (key, algorithm) = (self.key.name(), self.key.algorithm().as_wire());
        match error {
            // Knot says so too where it knows the key and no rule lets it in.
            TsigError::BadKey => format!(
                "the server does not know the key {key} with {algorithm}, or does not let it change {names} (BADKEY). Its \
                 name and algorithm must be the same in the key file and in the server's configuration; in Knot, an \
                 `acl` of the zone with `key: {key}` and `action: update` must allow these names and types",
                names = self.names,
            ),
            TsigError::BadSig => format!(
                "the server has another secret for the key {key} (BADSIG): copy the key file anew from the server"
            ),
            TsigError::BadTime => {
                let theirs = other
                    .try_into()
                    .map(|[a, b, c, d, e, f]: [u8; 6]| i64::from_be_bytes([0, 0, a, b, c, d, e, f]));
                let apart = match theirs {
                    Ok(theirs) => format!("{} seconds", theirs.abs_diff(self.at)),
                    Err(_) => format!("more than {} seconds", limits::FUDGE_SECONDS),
                };
                format!(
                    "the clocks of this machine and of the server are {apart} apart (BADTIME): set them right, best by \
                     NTP on both"
                )
            }
            TsigError::BadTrunc => {
                format!("the server wants signatures of the key {key} in another length (BADTRUNC)")
            }
            TsigError::Unknown(code) => {
                format!("the server refuses the signature of the key {key} (error {code})")
            }
        }
    }
}

fn shown(zone: &Name) -> String {
    if zone.is_root() { "of the root".to_owned() } else { name::write(zone) }
}

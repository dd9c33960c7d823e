//! Questions as packets, and which packets answer them.
//!
//! A question is written by hand: it is a header, one name and one OPT record, and it is written for each question
//! of each check. Answers are read by hickory, after the cheap checks: the id and the question are ours, it is a
//! response, and it has not more records than [`limits::RECORDS`]. What can fail: the answer is no DNS message.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RecordType};

use crate::limits::dns as limits;

const HEADER_BYTES: usize = 12;

/// The bits of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags {
    /// AD: say whether the answer is validated (RFC 6840 §5.7).
    pub(crate) authentic_data: bool,
    /// CD: do not hold back what does not validate (RFC 4035 §3.2.2).
    pub(crate) checking_disabled: bool,
    /// DO: send the signatures too (RFC 3225).
    pub(crate) dnssec_ok: bool,
}

/// A question, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    packet: Vec<u8>,
    question_end: usize,
}

/// What a packet is to a question.
#[derive(Debug)]
pub(crate) enum Packet {
    /// Not its answer.
    Stray,
    /// Its answer, cut: to be asked for again by TCP.
    Truncated,
    /// Its answer.
    Answer(Box<Message>),
    /// Its answer, and unusable.
    Unreadable(String),
}

impl Query {
    /// A question with a random id.
    pub(crate) fn new(name: &Name, kind: RecordType, flags: Flags) -> Self {
        let mut packet = Vec::with_capacity(HEADER_BYTES + name.len() + 6 + 11);
        packet.extend_from_slice(&random_id().to_be_bytes());
        let second = (0x20 * u8::from(flags.authentic_data)) | (0x10 * u8::from(flags.checking_disabled));
        packet.extend_from_slice(&[0x01, second]); // RD
        packet.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
        for label in name.iter() {
            packet.push(u8::try_from(label.len()).unwrap_or(0)); // at most 63, by Name
            packet.extend_from_slice(label);
        }
        packet.push(0);
        packet.extend_from_slice(&u16::from(kind).to_be_bytes());
        packet.extend_from_slice(&[0, 1]); // IN
        let question_end = packet.len();
        packet.extend_from_slice(&[0, 0, 41]); // OPT at the root (RFC 6891 §6.1.2)
        packet.extend_from_slice(&limits::UDP_PAYLOAD_BYTES.to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0x80 * u8::from(flags.dnssec_ok), 0, 0, 0]);
        Self { packet, question_end }
    }

    /// Asks the server itself: RD is not set (RFC 1034 §4.3.1), so nobody is asked in its place.
    pub(crate) fn without_recursion(mut self) -> Self {
        self.packet[2] &= !0x01;
        self
    }

    /// Another random id, for another try.
    pub(crate) fn renew_id(&mut self) {
        self.packet[..2].copy_from_slice(&random_id().to_be_bytes());
    }

    /// Whether it asks what the server's validation says.
    pub(crate) fn asks_for_ad(&self) -> bool {
        self.packet[3] & 0x20 != 0
    }

    /// The packet to send.
    pub(crate) fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// What a packet that came is to this question.
    pub(crate) fn read(&self, packet: &[u8]) -> Packet {
        let Some((header, rest)) = packet.split_at_checked(HEADER_BYTES) else { return Packet::Stray };
        let response_to_a_query = header[2] & 0xf8 == 0x80;
        if header[..2] != self.packet[..2] || !response_to_a_query {
            return Packet::Stray;
        }
        let count = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
        let records = count(6) + count(8) + count(10);
        if records > limits::RECORDS {
            return Packet::Unreadable(format!("{records} records in one message"));
        }
        if !self.is_question(count(4), rest) {
            // RFC 1035 §7.3: an answer names its question. A server that could not read the question may name none.
            let refusal = count(4) == 0 && header[3] & 0x0f != 0;
            return if refusal { decode(packet) } else { Packet::Stray };
        }
        if header[2] & 0x02 != 0 {
            return Packet::Truncated;
        }
        decode(packet)
    }

    /// Whether the question section is ours: the name in any case, type and class to the bit.
    fn is_question(&self, count: usize, section: &[u8]) -> bool {
        let ours = &self.packet[HEADER_BYTES..self.question_end];
        let (our_name, our_kind) = ours.split_at(ours.len() - 4);
        let Some(theirs) = section.get(..ours.len()) else { return false };
        let (their_name, their_kind) = theirs.split_at(our_name.len());
        // Length bytes are below 64 and so no letters.
        count == 1 && their_kind == our_kind && their_name.eq_ignore_ascii_case(our_name)
    }
}

fn decode(packet: &[u8]) -> Packet {
    match Message::from_vec(packet) {
        Ok(message) => Packet::Answer(Box::new(message)),
        Err(error) => Packet::Unreadable(printable(error.to_string().as_bytes())),
    }
}

/// From the thread's generator, which is seeded by the operating system: hickory draws the id of each new message
/// so. Global randomness is meant here: an id must be unguessable, not repeatable.
fn random_id() -> u16 {
    Message::query().metadata.id
}

/// How a response code is called in zone tools.
pub(crate) fn code_text(code: ResponseCode) -> String {
    let text = match code {
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::NotAuth => "NOTAUTH",
        ResponseCode::BADVERS => "BADVERS",
        other => return format!("RCODE {}", u16::from(other)),
    };
    text.to_owned()
}

/// The server's own words on why (RFC 8914), if it gave any.
pub(crate) fn extended_error(message: &Message) -> Option<String> {
    let option = message.edns.as_ref()?.option(EdnsCode::from(15))?;
    let EdnsOption::Unknown(_, data) = option else { return None };
    let (code, text) = data.split_at_checked(2)?;
    let code = u16::from_be_bytes([code[0], code[1]]);
    let meaning = match code {
        1 => "unsupported DNSKEY algorithm",
        2 => "unsupported DS digest type",
        6 => "DNSSEC bogus",
        7 => "signature expired",
        8 => "signature not yet valid",
        9 => "DNSKEY missing",
        10 => "RRSIGs missing",
        11 => "no zone key bit set",
        12 => "NSEC missing",
        20 => "not authoritative",
        22 => "no reachable authority",
        23 => "network error",
        _ => "",
    };
    let mut words = if meaning.is_empty() { format!("extended error {code}") } else { meaning.to_owned() };
    if !text.is_empty() {
        words.push_str(": ");
        words.push_str(&printable(text));
    }
    Some(words)
}

/// Printable ASCII, cut: what comes from a server may end in a log or on a page.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let shown = |&byte: &u8| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '?' };
    bytes.iter().take(limits::TEXT_CHARACTERS).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;
    use hickory_proto::rr::RecordType;

    use super::{Flags, Packet, Query};
    use crate::dns::name;

    fn query(flags: Flags) -> Query {
        Query::new(&name::parse("mx.example").unwrap(), RecordType::MX, flags)
    }

    #[test]
    fn a_question_is_what_a_reader_of_dns_reads_in_it() {
        let query = query(Flags { authentic_data: true, checking_disabled: true, dnssec_ok: true });
        let message = Message::from_vec(query.packet()).unwrap();
        assert!(message.metadata.recursion_desired);
        assert!(message.metadata.authentic_data && message.metadata.checking_disabled);
        assert_eq!(message.queries.len(), 1);
        assert_eq!(message.queries[0].query_type(), RecordType::MX);
        assert_eq!(name::write(message.queries[0].name()), "mx.example");
        let edns = message.edns.unwrap();
        assert!(edns.flags().dnssec_ok);
        assert_eq!(edns.max_payload(), 1232);
    }

    #[test]
    fn a_question_to_an_authority_asks_for_no_recursion() {
        let message = Message::from_vec(query(Flags::default()).without_recursion().packet()).unwrap();
        assert!(!message.metadata.recursion_desired);
    }

    #[test]
    fn only_a_response_with_our_id_and_our_question_is_our_answer() {
        let query = query(Flags::default());
        let mut answer = query.packet().to_vec();
        assert!(matches!(query.read(&answer), Packet::Stray), "a question is no answer");
        answer[2] |= 0x80;
        assert!(matches!(query.read(&answer), Packet::Answer(_)));
        let mut upper = answer.clone();
        upper[13] = b'M';
        assert!(matches!(query.read(&upper), Packet::Answer(_)), "case of names does not matter");
        for at in [0, 1, 14, query.question_end - 3, query.question_end - 1] {
            let mut other = answer.clone();
            other[at] ^= 0x11;
            assert!(matches!(query.read(&other), Packet::Stray), "byte {at} changed");
        }
        for cut in 0..query.question_end {
            assert!(matches!(query.read(&answer[..cut]), Packet::Stray), "cut at {cut}");
        }
        answer[2] |= 0x02;
        assert!(matches!(query.read(&answer), Packet::Truncated));
    }
}

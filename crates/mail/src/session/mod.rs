//! One SMTP (RFC 5321) or LMTP (RFC 2033) session as a state machine: bytes in, answers and wishes out.
//!
//! It has no socket, no timer and no clock: whoever has them reads bytes, calls [`Session::advance`], writes what it
//! said and does what it wants. What can fail is answered with a code to the client; nothing here is an error to us.
//!
//! BDAT is not offered. A client that sends it all the same would follow it with bytes of a mail, which must not be
//! read as commands: the connection ends there.

mod body;
mod commands;
mod line;
mod recipients;
mod reply;
mod unstuff;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tlsward_engine::ports::StoreError;
use tlsward_engine::receive::{Budget, Share};

use self::body::Body;
use self::line::{Line, take_line};
pub use self::recipients::{RecipientError, Recipients};
use self::reply::Reply;
use crate::Limits;
use crate::bounce::Bounces;

/// The two protocols. LMTP greets with LHLO and answers once for each recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// What every session of a listener goes by.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Which protocol.
    pub protocol: Protocol,
    /// Our name, as the greeting says it.
    pub hostname: String,
    /// For whom mail is taken in; `None`: for anyone.
    pub recipients: Option<Recipients>,
    /// Who hears of mail for addresses that reports were sent from.
    pub bounces: Option<Arc<dyn Bounces>>,
    /// Whether STARTTLS is offered.
    pub starttls: bool,
    /// The bounds.
    pub limits: Limits,
}

/// Who sends what to whom, as the client said. Text of a stranger, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The name given with EHLO.
    pub helo: String,
    /// The reverse path; empty for `<>`.
    pub from: String,
    /// The recipients that were taken, in order; at least one.
    pub to: Vec<String>,
    /// Whether the connection was under TLS.
    pub secure: bool,
}

impl Envelope {
    /// Takes out the recipients that are addresses of bounces.
    pub(crate) fn take_bounced(&mut self, bounces: &dyn Bounces) -> Vec<String> {
        self.to.extract_if(.., |recipient| bounces.is_ours(recipient)).collect()
    }

    /// `<from> -> a@example.com, b@example.com`, at most some 1000 bytes.
    pub fn label(&self) -> String {
        let mut label = format!("<{}> -> ", self.from);
        for (index, address) in self.to.iter().enumerate() {
            if label.len() + address.len() > 1000 {
                label.push_str(&format!(" and {} more", self.to.len() - index));
                break;
            }
            if index > 0 {
                label.push_str(", ");
            }
            label.push_str(address);
        }
        label
    }
}

/// A complete mail, exactly as it came, dots unstuffed.
#[derive(Debug)]
pub struct Mail {
    /// Its envelope.
    pub envelope: Envelope,
    /// Its bytes.
    pub bytes: Bytes,
    /// The bytes' share of the budget: hold it as long as them.
    pub share: Share,
}

/// What a session wants next. Its answers are to be sent first.
#[derive(Debug)]
pub enum Want {
    /// More bytes of the client.
    Input,
    /// The mail kept; say with [`Session::kept`] what came of it.
    Keep(Mail),
    /// A TLS handshake, after throwing away what the client has sent in clear behind STARTTLS (RFC 3207 §4.2, §5);
    /// then [`Session::secured`].
    Tls,
    /// The connection closed.
    Close,
}

/// Why the server hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// It stops.
    Stopping,
    /// The client took too long.
    TimedOut,
    /// There are too many connections.
    TooMany,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    terms: Arc<Terms>,
    budget: Budget,
    phase: Phase,
    secure: bool,
    /// The name given with EHLO.
    helo: String,
    /// Bytes of an overlong line thrown away so far.
    overlong: usize,
    steps: u64,
    bad: u32,
    without_mail: u32,
    mails: u32,
}

/// What has been said so far.
#[derive(Debug)]
enum Phase {
    /// Nothing.
    Silent,
    /// EHLO.
    Greeted,
    /// EHLO and MAIL.
    Sender { from: String, declared: usize, to: Vec<String>, refused: usize },
    /// And DATA.
    Data(Box<Body>),
    /// And the mail's end; the store has it.
    Keeping { recipients: usize },
    /// STARTTLS.
    Handshake,
    /// The last word was spoken.
    Over,
}

impl Session {
    /// A session that has yet to [`greet`](Self::greet).
    pub fn new(terms: Arc<Terms>, budget: Budget) -> Self {
        Self {
            terms,
            budget,
            phase: Phase::Silent,
            secure: false,
            helo: String::new(),
            overlong: 0,
            steps: 0,
            bad: 0,
            without_mail: 0,
            mails: 0,
        }
    }

    /// The server's first word.
    pub fn greet(&self, out: &mut Vec<u8>) {
        let protocol = match self.terms.protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        Reply::new(220, "", format!("{} {protocol} takes TLS reports", self.terms.hostname)).write(out);
    }

    /// Works through `input` until it needs something, writes its answers to `out`, and says what it needs.
    pub fn advance(&mut self, input: &mut BytesMut, out: &mut Vec<u8>) -> Want {
        loop {
            match &mut self.phase {
                Phase::Data(body) => {
                    let (used, ended) = body.feed(input, &self.terms.limits);
                    if !ended && let Some(reply) = body.endless(&self.terms.limits) {
                        reply.write(out);
                        self.phase = Phase::Over;
                        return Want::Close;
                    }
                    input.advance(used);
                    if !ended {
                        return Want::Input;
                    }
                    if let Some(mail) = self.end_of_mail(out) {
                        return Want::Keep(mail);
                    }
                }
                Phase::Keeping { .. } => return Want::Input,
                Phase::Handshake => return Want::Tls,
                Phase::Over => return Want::Close,
                Phase::Silent | Phase::Greeted | Phase::Sender { .. } => {
                    match take_line(input, self.terms.limits.line_bytes, &mut self.overlong) {
                        Line::Unfinished => return Want::Input,
                        Line::Endless => self.say_last(&Reply::new(500, "5.5.2", "a line without end"), out),
                        Line::Overlong => self.say(&Reply::new(500, "5.5.2", "the line is too long"), out),
                        Line::Whole(line) => {
                            let reply = self.command(&line, out);
                            if let Some(reply) = reply {
                                self.say(&reply, out);
                            }
                        }
                    }
                }
            }
        }
    }

    /// What came of the mail that was to be kept: its number, or why it was not.
    pub fn kept(&mut self, outcome: Result<i64, &StoreError>, out: &mut Vec<u8>) {
        self.settled(&outcome.map_or_else(Reply::not_kept, Reply::kept), out);
    }

    /// What came of a mail that was for nobody but those who hear of bounces.
    pub fn heard(&mut self, outcome: Result<(), &StoreError>, out: &mut Vec<u8>) {
        self.settled(&outcome.map_or_else(Reply::not_kept, |()| Reply::ok("taken as a bounce")), out);
    }

    fn settled(&mut self, reply: &Reply, out: &mut Vec<u8>) {
        if let Phase::Keeping { recipients } = self.phase {
            self.phase = Phase::Greeted;
            self.answer_mail(reply, recipients, out);
        }
    }

    /// The TLS handshake is done.
    pub fn secured(&mut self) {
        // RFC 3207 §4.2: what was learnt in clear is forgotten, EHLO comes again.
        self.phase = Phase::Silent;
        self.helo.clear();
        self.secure = true;
        self.overlong = 0;
    }

    /// Ends it from our side.
    pub fn hang_up(&mut self, why: HangUp, out: &mut Vec<u8>) {
        // RFC 5321 §3.8: 421 may be said at any time.
        let reply = match why {
            HangUp::Stopping => Reply::new(421, "4.3.2", "going down, try again later"),
            HangUp::TimedOut => Reply::new(421, "4.4.2", "waited too long"),
            HangUp::TooMany => Reply::new(421, "4.7.0", "too many connections, try again later"),
        };
        self.say_last(&reply, out);
    }

    /// Whether a mail is in transfer.
    pub fn in_mail(&self) -> bool {
        matches!(self.phase, Phase::Data(_) | Phase::Keeping { .. })
    }

    /// How many commands were completed: unchanged means that the client is still at the same one.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    fn say(&mut self, reply: &Reply, out: &mut Vec<u8>) {
        self.steps += 1;
        self.bad += u32::from(reply.is_blame());
        self.without_mail += 1;
        if self.bad >= self.terms.limits.bad_commands {
            self.say_last(&Reply::new(421, "4.7.0", "too many bad commands"), out);
        } else if self.without_mail > self.terms.limits.commands_without_mail {
            self.say_last(&Reply::new(421, "4.7.0", "too many commands without a mail"), out);
        } else {
            reply.write(out);
        }
    }

    fn say_last(&mut self, reply: &Reply, out: &mut Vec<u8>) {
        reply.write(out);
        self.phase = Phase::Over;
    }

    /// RFC 2033 §4.2: after the mail, LMTP answers once for each recipient that was taken.
    fn answer_mail(&mut self, reply: &Reply, recipients: usize, out: &mut Vec<u8>) {
        self.steps += 1;
        self.without_mail = 0;
        let answers = match self.terms.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        };
        for _ in 0..answers {
            reply.write(out);
        }
    }

    fn end_of_mail(&mut self, out: &mut Vec<u8>) -> Option<Mail> {
        let Phase::Data(body) = std::mem::replace(&mut self.phase, Phase::Greeted) else { return None };
        let (envelope, outcome) = body.finish();
        match outcome {
            Ok((bytes, share)) => {
                self.phase = Phase::Keeping { recipients: envelope.to.len() };
                Some(Mail { envelope, bytes: Bytes::from(bytes), share })
            }
            Err(reply) => {
                self.answer_mail(&reply, envelope.to.len(), out);
                None
            }
        }
    }
}

//! What each command does, and the answer it gets.

use std::borrow::Cow;

use smtp_proto::{MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_SMTPUTF8, MailFrom, RcptTo, Request};

use super::body::Body;
use super::reply::Reply;
use super::{Envelope, Phase, Protocol, Session};

impl Session {
    /// Carries out one line; `None` if it said its answer itself.
    pub(super) fn command(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Reply> {
        let text = line.trim_ascii_end();
        // RFC 5321 §4.1.2 has no control character in any command; here they could only end up in a log.
        if text.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t')
            || std::str::from_utf8(text).is_err()
        {
            return Some(Reply::new(500, "5.5.2", "a control character, or text that is not UTF-8"));
        }
        let request = match Request::parse(&mut line.iter()) {
            Ok(request) => request,
            Err(error) => return Some(Reply::of_parse_error(&error)),
        };
        let alone = text.len() == request.name().len();
        match request {
            Request::Ehlo { host } if self.terms.protocol == Protocol::Smtp => {
                self.greeted(&host);
                Some(self.capabilities())
            }
            Request::Lhlo { host } if self.terms.protocol == Protocol::Lmtp => {
                self.greeted(&host);
                Some(self.capabilities())
            }
            Request::Helo { host } if self.terms.protocol == Protocol::Smtp => {
                self.greeted(&host);
                Some(Reply::new(250, "", self.terms.hostname.clone()))
            }
            Request::Ehlo { .. } | Request::Helo { .. } => {
                Some(Reply::new(500, "5.5.1", "this is LMTP: say LHLO"))
            }
            Request::Lhlo { .. } => Some(Reply::new(500, "5.5.1", "this is SMTP: say EHLO")),
            Request::Mail { from } => Some(self.mail(from)),
            Request::Rcpt { to } => Some(self.rcpt(to, text)),
            Request::Data | Request::Rset | Request::Quit | Request::StartTls if !alone => {
                Some(Reply::new(501, "5.5.4", "this command has no argument"))
            }
            Request::Data => Some(self.data()),
            Request::Rset => {
                self.forget_mail();
                Some(Reply::ok("forgotten"))
            }
            Request::Quit => {
                self.say_last(&Reply::new(221, "2.0.0", "goodbye"), out);
                None
            }
            Request::StartTls => Some(self.starttls()),
            Request::Noop { .. } => Some(Reply::ok("nothing done")),
            // RFC 5321 §3.5.3: neither confirmed nor denied.
            Request::Vrfy { .. } => Some(Reply::new(252, "2.1.5", "send it and see")),
            Request::Help { .. } => Some(Reply::new(
                214,
                "2.0.0",
                "send a mail with a TLS report (RFC 8460); nothing is forwarded",
            )),
            Request::Auth { .. } => Some(Reply::new(502, "5.5.1", "no log-in here, none is needed")),
            Request::Bdat { .. } | Request::Burl { .. } => {
                self.say_last(&Reply::new(502, "5.5.1", "CHUNKING is not offered here"), out);
                None
            }
            Request::Expn { .. } | Request::Etrn { .. } | Request::Atrn { .. } => {
                Some(Reply::new(502, "5.5.1", "not offered here"))
            }
        }
    }

    fn greeted(&mut self, host: &str) {
        host.clone_into(&mut self.helo);
        // RFC 5321 §4.1.4: EHLO also forgets a mail that was begun.
        self.phase = Phase::Greeted;
    }

    fn forget_mail(&mut self) {
        if matches!(self.phase, Phase::Sender { .. }) {
            self.phase = Phase::Greeted;
        }
    }

    fn capabilities(&self) -> Reply {
        let terms = &self.terms;
        let starttls = if terms.starttls && !self.secure { "STARTTLS\n" } else { "" };
        let size = terms.limits.mail_bytes;
        let text = format!(
            "{}\nSIZE {size}\n8BITMIME\nSMTPUTF8\nPIPELINING\n{starttls}ENHANCEDSTATUSCODES",
            terms.hostname
        );
        Reply::new(250, "", text)
    }

    fn mail(&mut self, from: MailFrom<Cow<'_, str>>) -> Reply {
        match self.phase {
            Phase::Greeted => {}
            Phase::Sender { .. } => return Reply::out_of_order("one mail at a time: RSET first"),
            _ => return Reply::out_of_order("say EHLO or LHLO first"),
        }
        if self.mails >= self.terms.limits.mails {
            self.phase = Phase::Over;
            return Reply::new(421, "4.7.0", "enough mails on one connection, make a new one");
        }
        // RFC 5321 §4.1.1.11: a parameter of an extension that was not offered.
        let offered = MailFrom {
            address: from.address.clone(),
            flags: from.flags & (MAIL_BODY_7BIT | MAIL_BODY_8BITMIME | MAIL_SMTPUTF8),
            size: from.size,
            ..MailFrom::default()
        };
        if from != offered {
            return Reply::unknown_parameter();
        }
        // RFC 1870 §6.1: refused before it is sent.
        if from.size > self.terms.limits.mail_bytes {
            return Reply::too_big(self.terms.limits.mail_bytes);
        }
        if from.size > self.budget.free() {
            return Reply::no_room();
        }
        self.phase = Phase::Sender {
            from: from.address.into_owned(),
            declared: from.size,
            to: Vec::new(),
            refused: 0,
        };
        Reply::new(250, "2.1.0", "sender ok")
    }

    fn rcpt(&mut self, recipient: RcptTo<Cow<'_, str>>, line: &[u8]) -> Reply {
        let Phase::Sender { to, refused, .. } = &mut self.phase else {
            return Reply::out_of_order("say MAIL first");
        };
        // RFC 5321 §4.5.3.1.10. Refused ones count, or there would be no end to guessing.
        if to.len() + *refused >= self.terms.limits.recipients {
            return Reply::new(452, "4.5.3", "too many recipients");
        }
        let mut address = recipient.address.into_owned();
        if address.is_empty() {
            // The parser gives the same for `<postmaster>`, which every server takes, and for `<>`.
            if !is_postmaster(line) {
                *refused += 1;
                return Reply::new(501, "5.1.3", "a recipient is missing");
            }
            "postmaster".clone_into(&mut address);
        }
        if recipient.orcpt.is_some() || recipient.rrvs != 0 || recipient.flags != 0 {
            *refused += 1;
            return Reply::unknown_parameter();
        }
        let terms = &self.terms;
        let is_taken = terms.recipients.as_ref().is_none_or(|recipients| recipients.accept(&address))
            || terms.bounces.as_ref().is_some_and(|bounces| bounces.is_ours(&address));
        if !is_taken {
            *refused += 1;
            return Reply::new(550, "5.7.1", "only TLS reports for this site are taken; nothing is relayed");
        }
        to.push(address);
        Reply::new(250, "2.1.5", "recipient ok")
    }

    fn data(&mut self) -> Reply {
        let Phase::Sender { from, declared, to, refused } = &mut self.phase else {
            return Reply::out_of_order("say MAIL and RCPT first");
        };
        if to.is_empty() {
            return match refused {
                0 => Reply::out_of_order("say RCPT first"),
                _ if self.terms.protocol == Protocol::Lmtp => Reply::out_of_order("no recipient was taken"),
                _ => Reply::new(554, "5.5.1", "no recipient was taken"),
            };
        }
        let envelope = Envelope {
            helo: self.helo.clone(),
            from: std::mem::take(from),
            to: std::mem::take(to),
            secure: self.secure,
        };
        match Body::new(envelope, *declared, &self.budget) {
            Some(body) => {
                self.mails += 1;
                self.phase = Phase::Data(Box::new(body));
                Reply::new(354, "", "send it, and end with a dot on a line of its own")
            }
            None => {
                self.phase = Phase::Greeted;
                Reply::no_room()
            }
        }
    }

    fn starttls(&mut self) -> Reply {
        if self.secure {
            return Reply::out_of_order("it is under TLS already");
        }
        if !self.terms.starttls {
            return Reply::new(502, "5.5.1", "TLS is not offered here");
        }
        if matches!(self.phase, Phase::Silent) {
            return Reply::out_of_order("say EHLO or LHLO first");
        }
        self.phase = Phase::Handshake;
        Reply::new(220, "2.0.0", "go ahead")
    }
}

/// Whether the path of a RCPT line is `<postmaster>`.
fn is_postmaster(line: &[u8]) -> bool {
    let path = line.split(|&byte| byte == b'<').nth(1).unwrap_or_default();
    let address = path.split(|&byte| byte == b'>').next().unwrap_or_default();
    address.eq_ignore_ascii_case(b"postmaster")
}

//! The session without a socket: what is said to it, what it answers, what it wants.

use super::*;

const BUDGET: usize = 64 * 1024 * 1024;

struct Talk {
    session: Session,
    budget: Budget,
    input: BytesMut,
    want: Want,
}

fn terms() -> Terms {
    Terms {
        protocol: Protocol::Smtp,
        hostname: "mx.example".to_owned(),
        recipients: None,
        bounces: None,
        starttls: true,
        limits: Limits::default(),
    }
}

impl Talk {
    fn with(terms: Terms, budget: usize) -> Self {
        let budget = Budget::new(budget);
        let session = Session::new(Arc::new(terms), budget.clone());
        Self { session, budget, input: BytesMut::new(), want: Want::Input }
    }

    fn new() -> Self {
        Self::with(terms(), BUDGET)
    }

    fn lmtp() -> Self {
        Self::with(Terms { protocol: Protocol::Lmtp, ..terms() }, BUDGET)
    }

    /// Says something and hears the answer.
    fn say(&mut self, text: impl AsRef<[u8]>) -> String {
        self.input.extend_from_slice(text.as_ref());
        let mut out = Vec::new();
        self.want = self.session.advance(&mut self.input, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Says several things one after the other and hears the codes.
    fn codes(&mut self, text: impl AsRef<[u8]>) -> Vec<u16> {
        codes(&self.say(text))
    }

    fn kept(&mut self, outcome: Result<i64, &StoreError>) -> String {
        let mut out = Vec::new();
        self.session.kept(outcome, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn mail(&mut self) -> Mail {
        match std::mem::replace(&mut self.want, Want::Input) {
            Want::Keep(mail) => mail,
            other => panic!("a mail was to be kept, not {other:?}"),
        }
    }
}

/// The codes of whole answers; checks their form.
fn codes(answers: &str) -> Vec<u16> {
    assert!(answers.is_empty() || answers.ends_with("\r\n"), "{answers:?}");
    let lines = answers.split_terminator("\r\n").inspect(|line| assert!(!line.contains(['\r', '\n'])));
    lines.filter(|line| &line[3..4] == " ").map(|line| line[..3].parse().unwrap()).collect()
}

const TO_SENDER: &str = "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n";
const TO_RCPT: &str = "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<r@d.example>\r\n";

/// What each command gets before EHLO, after it, after MAIL and after RCPT. RFC 5321 §4.3.2, §4.1.4.
#[test]
fn every_command_has_its_answer_in_every_state() {
    let table: &[(&str, [u16; 4])] = &[
        ("EHLO c.example", [250, 250, 250, 250]),
        ("ehlo [192.0.2.1]", [250, 250, 250, 250]),
        ("EHLO", [501, 501, 501, 501]),
        ("HELO c.example", [250, 250, 250, 250]),
        ("HELO", [501, 501, 501, 501]),
        ("LHLO c.example", [500, 500, 500, 500]),
        ("MAIL FROM:<a@b.example>", [503, 250, 503, 503]),
        ("mail from:<a@b.example>", [503, 250, 503, 503]),
        ("MAIL FROM: <a@b.example>", [503, 250, 503, 503]),
        ("MAIL FROM:<>", [503, 250, 503, 503]),
        ("MAIL FROM:<a@b.example> SIZE=1000 BODY=8BITMIME SMTPUTF8", [503, 250, 503, 503]),
        ("MAIL FROM:<a@b.example> BODY=7BIT", [503, 250, 503, 503]),
        ("MAIL FROM:<ü@b.example> SMTPUTF8", [503, 250, 503, 503]),
        ("MAIL FROM:<a@b.example> SIZE=33554432", [503, 250, 503, 503]),
        ("MAIL FROM:<a@b.example> SIZE=33554433", [503, 552, 503, 503]),
        ("MAIL FROM:<a@b.example> SIZE=x", [501, 501, 501, 501]),
        ("MAIL FROM:<a@b.example> SIZE=-1", [501, 501, 501, 501]),
        ("MAIL FROM:<a@b.example> BODY=BINARYMIME", [503, 555, 503, 503]),
        ("MAIL FROM:<a@b.example> REQUIRETLS", [503, 555, 503, 503]),
        ("MAIL FROM:<a@b.example> RET=FULL", [503, 555, 503, 503]),
        ("MAIL FROM:<a@b.example> AUTH=<>", [503, 555, 503, 503]),
        ("MAIL FROM:<a@b.example> COLOUR=red", [555, 555, 555, 555]),
        ("MAIL FROM:a@b.example", [501, 501, 501, 501]),
        ("MAIL FROM:<a@b@c>", [501, 501, 501, 501]),
        ("MAIL FROM:<no-domain>", [501, 501, 501, 501]),
        ("MAIL TO:<a@b.example>", [501, 501, 501, 501]),
        ("MAIL", [501, 501, 501, 501]),
        ("RCPT TO:<r@d.example>", [503, 503, 250, 250]),
        ("RCPT TO:<Postmaster>", [503, 503, 250, 250]),
        ("RCPT TO:<\"a b\"@d.example>", [503, 503, 250, 250]),
        ("RCPT TO:<@relay.example:r@d.example>", [503, 503, 250, 250]),
        ("RCPT TO:<>", [503, 503, 501, 501]),
        ("RCPT TO:<r@d.example> NOTIFY=NEVER", [503, 503, 555, 555]),
        ("RCPT TO:<r@d.example", [501, 501, 501, 501]),
        ("RCPT TO:r", [501, 501, 501, 501]),
        ("RCPT", [501, 501, 501, 501]),
        ("DATA", [503, 503, 503, 354]),
        ("DATA now", [501, 501, 501, 501]),
        ("RSET", [250, 250, 250, 250]),
        ("RSET all", [501, 501, 501, 501]),
        ("NOOP", [250, 250, 250, 250]),
        ("NOOP at all", [250, 250, 250, 250]),
        ("VRFY somebody", [252, 252, 252, 252]),
        ("EXPN list", [502, 502, 502, 502]),
        ("HELP", [214, 214, 214, 214]),
        ("HELP MAIL", [214, 214, 214, 214]),
        ("AUTH PLAIN AGEAYg==", [502, 502, 502, 502]),
        ("AUTH LOGIN", [502, 502, 502, 502]),
        ("ETRN x", [502, 502, 502, 502]),
        ("STARTTLS", [503, 220, 220, 220]),
        ("STARTTLS now", [501, 501, 501, 501]),
        ("BDAT 10 LAST", [502, 502, 502, 502]),
        ("QUIT", [221, 221, 221, 221]),
        ("QUIT now", [501, 501, 501, 501]),
        ("", [500, 500, 500, 500]),
        ("GET / HTTP/1.1", [500, 500, 500, 500]),
        ("DATAX", [500, 500, 500, 500]),
        ("NO\0OP", [500, 500, 500, 500]),
        ("NO\rOP", [500, 500, 500, 500]),
        ("NOOP \u{7f}", [500, 500, 500, 500]),
    ];
    for (command, expected) in table {
        for (before, code) in ["", "EHLO c.example\r\n", TO_SENDER, TO_RCPT].iter().zip(expected) {
            let mut talk = Talk::new();
            talk.say(before);
            assert_eq!(talk.codes(format!("{command}\r\n")), [*code], "{command:?} after {before:?}");
        }
    }
}

#[test]
fn every_answer_that_may_carry_an_enhanced_code_does_and_its_class_fits() {
    let mut talk = Talk::new();
    talk.say("EHLO c.example\r\n");
    for command in
        ["MAIL FROM:<>", "RCPT TO:<r@d.example>", "NOOP", "VRFY x", "HELP", "AUTH X", "X", "RSET", "QUIT"]
    {
        let answer = talk.say(format!("{command}\r\n"));
        let enhanced = answer[4..].split(' ').next().unwrap();
        assert_eq!(enhanced.split('.').count(), 3, "{answer}");
        assert_eq!(answer[..1], enhanced[..1], "{answer}");
    }
}

#[test]
fn extensions_are_offered_as_they_are_kept() {
    let mut talk = Talk::new();
    let offered = "250-mx.example\r\n250-SIZE 33554432\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n\
        250-STARTTLS\r\n250 ENHANCEDSTATUSCODES\r\n";
    assert_eq!(talk.say("EHLO c.example\r\n"), offered);
    assert_eq!(talk.say("HELO c.example\r\n"), "250 mx.example\r\n");
    let mut without_tls = Talk::with(Terms { starttls: false, ..terms() }, BUDGET);
    assert!(!without_tls.say("EHLO c.example\r\n").contains("STARTTLS"));
    assert_eq!(without_tls.codes("STARTTLS\r\n"), [502]);
}

/// The raw bytes are what a DKIM signature covers.
#[test]
fn a_mail_is_kept_as_it_came_with_its_envelope_beside_it() {
    let mut talk = Talk::new();
    talk.say("EHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<r@d.example>\r\nRCPT TO:<postmaster>\r\nDATA\r\n");
    assert_eq!(talk.say(b"Subject: x\r\n\r\n..\r\n.a\r\n\0\xff \n.\n\r\n.\r\n"), "");
    let mail = talk.mail();
    assert_eq!(mail.bytes, b"Subject: x\r\n\r\n.\r\na\r\n\0\xff \n.\n\r\n".as_slice());
    assert_eq!(mail.envelope.label(), "<> -> r@d.example, postmaster");
    assert_eq!(mail.envelope.helo, "c.example");
    assert_eq!(talk.kept(Ok(7)), "250 2.0.0 kept as 7\r\n");
    // The next one on the same connection.
    assert_eq!(talk.codes(&TO_RCPT[16..]), [250, 250]);
}

#[test]
fn an_empty_mail_ends_with_its_first_line() {
    let mut talk = Talk::new();
    talk.say(format!("{TO_RCPT}DATA\r\n.\r\n"));
    assert!(talk.mail().bytes.is_empty());
}

#[test]
fn commands_may_come_all_at_once_and_in_any_pieces() {
    let all = format!(
        "{TO_RCPT}DATA\r\nfirst\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<r@d.example>\r\nDATA\r\n..\r\n.\r\nQUIT\r\n"
    );
    for size in [1, 2, 3, 7, 64, all.len()] {
        let mut talk = Talk::new();
        let (mut answers, mut mails) = (String::new(), Vec::new());
        for piece in all.as_bytes().chunks(size) {
            answers += &talk.say(piece);
            while let Want::Keep(mail) = std::mem::replace(&mut talk.want, Want::Input) {
                mails.push(mail.bytes);
                answers += &talk.kept(Ok(1));
                answers += &talk.say("");
            }
        }
        assert_eq!(
            codes(&answers),
            [250, 250, 250, 354, 250, 250, 250, 354, 250, 221],
            "in pieces of {size}"
        );
        assert_eq!(mails, ["first\r\n", ".\r\n"], "in pieces of {size}");
    }
}

#[test]
fn a_line_may_end_with_a_bare_lf_but_a_mail_may_not() {
    let mut talk = Talk::new();
    assert_eq!(
        talk.codes("EHLO c.example\nMAIL FROM:<>\nRCPT TO:<r@d.example>\nDATA\n"),
        [250, 250, 250, 354]
    );
    assert_eq!(talk.say("a\n.\nMAIL FROM:<x@y.example>\n"), "");
    assert!(matches!(talk.want, Want::Input));
    assert_eq!(talk.say("\r\n.\r\n"), "");
    assert_eq!(talk.mail().bytes, "a\n.\nMAIL FROM:<x@y.example>\n\r\n");
}

#[test]
fn a_mail_is_refused_where_it_grows_too_big_and_holds_no_memory_from_there() {
    for (bytes, code) in [(998, 250), (1000, 250), (1001, 552), (100_000, 552)] {
        let limits = Limits { mail_bytes: 1000, ..Limits::default() };
        let mut talk = Talk::with(Terms { limits, ..terms() }, BUDGET);
        talk.say(format!("{TO_RCPT}DATA\r\n"));
        let mut text = "x".repeat(bytes - 2);
        text += "\r\n";
        assert_eq!(talk.say(&text), "");
        assert_eq!(talk.budget.free() == BUDGET, code == 552, "{bytes}");
        let mut answer = talk.say(".\r\n");
        if code == 250 {
            assert_eq!(talk.mail().bytes.len(), bytes);
            answer = talk.kept(Ok(1));
        }
        assert_eq!(codes(&answer), [code], "{bytes}");
        assert_eq!(talk.budget.free(), BUDGET);
        assert_eq!(talk.codes("NOOP\r\n"), [250], "and goes on");
    }
}

#[test]
fn a_refused_mail_that_never_ends_is_cut_off() {
    let limits = Limits { mail_bytes: 1000, discard_bytes: 5000, ..Limits::default() };
    let mut talk = Talk::with(Terms { limits, ..terms() }, BUDGET);
    talk.say(format!("{TO_RCPT}DATA\r\n"));
    let mut answer = String::new();
    for _ in 0..100 {
        answer += &talk.say([b'x'; 100]);
    }
    assert!(answer.starts_with("552 5.3.4"), "{answer}");
    assert!(matches!(talk.want, Want::Close));
}

#[test]
fn a_spent_budget_asks_to_come_back() {
    // At MAIL, where the size says so; at DATA, where there is nothing left; in the mail, where it runs out.
    let mut talk = Talk::with(terms(), 100_000);
    assert_eq!(talk.codes("EHLO c.example\r\nMAIL FROM:<> SIZE=100001\r\n"), [250, 452]);
    let held = talk.budget.take(99_000).unwrap();
    assert_eq!(talk.codes("MAIL FROM:<>\r\nRCPT TO:<r@d.example>\r\nDATA\r\n"), [250, 250, 452]);
    drop(held);
    assert_eq!(talk.codes("MAIL FROM:<>\r\nRCPT TO:<r@d.example>\r\nDATA\r\n"), [250, 250, 354]);
    assert_eq!(talk.say(vec![b'x'; 100_001]), "");
    assert_eq!(talk.budget.free(), 100_000, "nothing is held of a refused mail");
    assert!(talk.say("\r\n.\r\n").starts_with("452 4.3.1 "));
    // All of it may be used.
    talk.say("MAIL FROM:<>\r\nRCPT TO:<r@d.example>\r\nDATA\r\n");
    talk.say(vec![b'x'; 50_000]);
    talk.say(vec![b'x'; 49_996]);
    talk.say("\r\n.\r\n");
    assert_eq!(talk.mail().bytes.len(), 99_998);
}

#[test]
fn large_mails_leave_room_for_small_ones() {
    let limits = Limits { small_bytes: 20_000, small_reserve_bytes: 30_000, ..Limits::default() };
    let mut large = Talk::with(Terms { limits: limits.clone(), ..terms() }, 100_000);
    large.say(format!("{TO_RCPT}DATA\r\n"));
    large.say(vec![b'x'; 60_000]);
    assert_eq!(large.say(vec![b'x'; 10_001]), "");
    assert!(large.say("\r\n.\r\n").starts_with("452 4.3.1 "));
    large.say(format!("{}DATA\r\n", &TO_RCPT[16..]));
    large.say(vec![b'x'; 60_000]);
    large.say(vec![b'x'; 9_000]);
    let mut small = Session::new(Arc::new(Terms { limits, ..terms() }), large.budget.clone());
    let (mut input, mut out) = (BytesMut::from(format!("{TO_RCPT}DATA\r\n").as_str()), Vec::new());
    assert!(matches!(small.advance(&mut input, &mut out), Want::Input));
    input.extend_from_slice(&[b'x'; 19_000]);
    input.extend_from_slice(b"\r\n.\r\n");
    assert!(
        matches!(small.advance(&mut input, &mut out), Want::Keep(_)),
        "{}",
        String::from_utf8_lossy(&out)
    );
    large.say("\r\n.\r\n");
    assert_eq!(large.mail().bytes.len(), 69_002);
}

#[test]
fn an_announced_size_alone_takes_nothing_out_of_the_budget() {
    let mut talk = Talk::new();
    talk.say("EHLO c.example\r\nMAIL FROM:<> SIZE=33554432\r\nRCPT TO:<r@d.example>\r\nDATA\r\n");
    assert!(talk.budget.free() >= BUDGET - 8192);
}

#[test]
fn a_store_that_cannot_asks_to_come_back_and_never_bounces() {
    for (error, answer) in [
        (StoreError::Unavailable("full".to_owned()), "452 4.3.1 "),
        (StoreError::Damaged("page 7".to_owned()), "451 4.3.0 "),
    ] {
        let mut talk = Talk::new();
        talk.say(format!("{TO_RCPT}DATA\r\n.\r\n"));
        assert!(talk.kept(Err(&error)).starts_with(answer));
        assert_eq!(talk.codes(&TO_RCPT[16..]), [250, 250]);
    }
}

#[test]
fn only_listed_recipients_are_taken_where_some_are_listed() {
    let recipients = Some(Recipients::new(["tlsrpt@d.example"]).unwrap());
    let mut talk = Talk::with(Terms { recipients, ..terms() }, BUDGET);
    let answer = talk.say(format!("{TO_SENDER}RCPT TO:<other@d.example>\r\n"));
    assert!(answer.ends_with("550 5.7.1 only TLS reports for this site are taken; nothing is relayed\r\n"));
    assert_eq!(talk.codes("DATA\r\n"), [554]);
    assert_eq!(
        talk.codes("RCPT TO:<TLSrpt@D.example>\r\nRCPT TO:<x@e.example>\r\nDATA\r\n.\r\n"),
        [250, 550, 354]
    );
    assert_eq!(talk.mail().envelope.to, ["TLSrpt@D.example"]);
}

#[test]
fn recipients_are_counted_refused_ones_too() {
    let limits = Limits { recipients: 3, ..Limits::default() };
    let recipients = Some(Recipients::new(["d.example"]).unwrap());
    let mut talk = Talk::with(Terms { recipients, limits, ..terms() }, BUDGET);
    talk.say(TO_SENDER);
    let answers = talk.say("RCPT TO:<a@d.example>\r\nRCPT TO:<b@e.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<d@d.example>\r\n");
    assert_eq!(codes(&answers), [250, 550, 250, 452]);
    assert!(answers.contains("452 4.5.3 "));
    // RFC 5321 §4.5.3.1.10: those taken before are served.
    assert_eq!(talk.codes("DATA\r\n.\r\n"), [354]);
    assert_eq!(talk.mail().envelope.to.len(), 2);
}

#[test]
fn bad_manners_end_the_connection() {
    let limits = Limits { bad_commands: 3, commands_without_mail: 5, mails: 2, ..Limits::default() };
    let new = || Talk::with(Terms { limits: limits.clone(), ..terms() }, BUDGET);
    let mut bad = new();
    assert_eq!(bad.codes("X\r\nY\r\nNOOP\r\nZ\r\nNOOP\r\n"), [500, 500, 250, 421]);
    assert!(matches!(bad.want, Want::Close));
    let mut idle = new();
    assert_eq!(idle.codes("NOOP\r\n".repeat(9)), [250, 250, 250, 250, 250, 421]);
    let mut many = new();
    for _ in 0..2 {
        many.say(format!("{TO_RCPT}DATA\r\n.\r\n"));
        many.mail();
        many.kept(Ok(1));
    }
    assert_eq!(many.codes(TO_RCPT), [250, 421]);
}

#[test]
fn a_line_too_long_is_thrown_away_and_one_without_end_ends_the_connection() {
    let mut talk = Talk::new();
    talk.say("EHLO c.example\r\n");
    // Within the limit, far beyond the 512 of RFC 5321.
    assert_eq!(talk.codes(format!("NOOP {}\r\n", "x".repeat(4000))), [250]);
    for length in [4096, 5000, 20_000] {
        assert_eq!(talk.codes(format!("NOOP {}\r\nNOOP\r\n", "x".repeat(length))), [500, 250]);
    }
    let mut answer = String::new();
    for _ in 0..100 {
        answer += &talk.say([b'x'; 1000]);
        assert!(talk.input.len() <= 4096);
        if matches!(talk.want, Want::Close) {
            break;
        }
    }
    assert_eq!(codes(&answer), [500]);
    assert!(matches!(talk.want, Want::Close));
}

#[test]
fn what_follows_bdat_is_never_read_as_commands() {
    let mut talk = Talk::new();
    talk.say(TO_RCPT);
    assert_eq!(talk.codes("BDAT 12 LAST\r\nRSET\r\nQUIT\r\n"), [502]);
    assert!(matches!(talk.want, Want::Close));
}

/// RFC 3207 §4.2: nothing said in clear counts afterwards.
#[test]
fn starttls_begins_anew() {
    let mut talk = Talk::new();
    assert_eq!(talk.codes(format!("{TO_RCPT}STARTTLS\r\nNOOP\r\n")), [250, 250, 250, 220]);
    assert!(matches!(talk.want, Want::Tls));
    talk.input.clear();
    talk.session.secured();
    assert_eq!(talk.codes("MAIL FROM:<>\r\n"), [503]);
    let capabilities = talk.say("EHLO c.example\r\n");
    assert!(!capabilities.contains("STARTTLS"));
    assert_eq!(talk.codes("STARTTLS\r\n"), [503]);
    talk.say("MAIL FROM:<>\r\nRCPT TO:<r@d.example>\r\nDATA\r\n.\r\n");
    assert!(talk.mail().envelope.secure);
}

/// RFC 2033 §4.2.
#[test]
fn lmtp_answers_once_for_each_recipient_that_was_taken() {
    let recipients = Some(Recipients::new(["d.example"]).unwrap());
    let mut talk = Talk::with(Terms { protocol: Protocol::Lmtp, recipients, ..terms() }, BUDGET);
    talk.say("LHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@d.example>\r\nRCPT TO:<x@e.example>\r\nRCPT TO:<b@d.example>\r\n");
    talk.say("DATA\r\n.\r\n");
    talk.mail();
    assert_eq!(codes(&talk.kept(Ok(1))), [250, 250]);
    talk.say("MAIL FROM:<>\r\nRCPT TO:<a@d.example>\r\nRCPT TO:<b@d.example>\r\nDATA\r\n.\r\n");
    assert_eq!(codes(&talk.kept(Err(&StoreError::Unavailable(String::new())))), [452, 452]);
}

#[test]
fn lmtp_is_greeted_with_lhlo_alone() {
    let mut talk = Talk::lmtp();
    let mut out = Vec::new();
    talk.session.greet(&mut out);
    assert!(out.starts_with(b"220 mx.example LMTP "));
    assert_eq!(
        talk.codes("EHLO c.example\r\nHELO c.example\r\nMAIL FROM:<>\r\nLHLO c.example\r\n"),
        [500, 500, 503, 250]
    );
    // RFC 2033 §4.2: DATA without a recipient is 503, not 354.
    assert_eq!(talk.codes("MAIL FROM:<>\r\nDATA\r\n"), [250, 503]);
}

#[test]
fn a_label_stays_short_and_says_what_it_leaves_out() {
    let to: Vec<_> = (0..100).map(|number| format!("{number:0200}@d.example")).collect();
    let envelope = Envelope { helo: String::new(), from: "a@b.example".to_owned(), to, secure: false };
    let label = envelope.label();
    assert!(label.len() < 1100 && label.ends_with(" and 96 more"), "{label}");
}

/// Any bytes: no panic, no answer that is not one, no unbounded input or output.
/// Proves: R6
#[test]
fn noise_is_answered_and_ends() {
    let mut state = 1_u32;
    let words: &[&[u8]] = &[
        b"EHLO ",
        b"MAIL FROM:<",
        b"RCPT TO:<",
        b">",
        b"@",
        b"DATA\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b".",
        b" ",
        b"SIZE=",
        b"99999999999999999999999999",
        b"\"",
        b"\\",
        b"\0",
        b"\xff",
        b"BODY=",
        b"a",
        b"RSET\r\n",
        b"STARTTLS\r\n",
        b"BY=",
        b";",
        b":",
        b"AUTH ",
        b"NOTIFY=",
        b"HOLDUNTIL=9999-99-99T99:99:99Z",
        b"+ZZ",
        b"MTRK=",
        b"ATRN ",
        b",",
    ];
    for _ in 0..2000 {
        let mut talk = Talk::new();
        for _ in 0..200 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let answer = talk.say(words[(state >> 16) as usize % words.len()]);
            codes(&answer);
            match std::mem::replace(&mut talk.want, Want::Input) {
                Want::Input => {}
                Want::Keep(_) => drop(talk.kept(Ok(1))),
                Want::Tls => talk.session.secured(),
                Want::Close => break,
            }
            assert!(talk.input.len() <= 4096);
        }
    }
}

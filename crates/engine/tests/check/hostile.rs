//! Whatever the world answers, a check ends with a report that can be shown, and its verdict keeps to what is certain.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};
use proptest::test_runner::Config;
use tlsward_engine::check::Verdict;
use tlsward_engine::ports::{
    ConnectFailure, DnsFailure, DnsReply, Dnssec, HttpsFailure, RecordData, RecordKind, Security,
    SmtpOutcome, TlsFailure,
};

use crate::check;
use crate::fake::{DOMAIN, Fake, MX_ADDRESSES, POLICY, POLICY_HOST, found, ip, policy_answer, session_with};

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..60),
        "v=STSv1 ?; ?(id=[a-z0-9-]{0,40})?;?.{0,10}".prop_map(String::into_bytes),
        "v=TLSRPTv1 ?; ?(rua=(mailto|https|ftp):.{0,30})?".prop_map(String::into_bytes),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("192.0.2.1".to_owned()),
        Just("mx1.example.test".to_owned()),
        Just(DOMAIN.to_owned()),
        ".{0,40}",
        "[a-z0-9_*.-]{1,60}",
    ]
}

fn reply() -> impl Strategy<Value = DnsReply> {
    let record = prop_oneof![
        text().prop_map(|text| RecordData::Txt(vec![text])),
        (any::<u16>(), name()).prop_map(|(preference, exchange)| RecordData::Mx { preference, exchange }),
        any::<[u8; 4]>().prop_map(|bytes| RecordData::A(bytes.into())),
        any::<[u8; 16]>().prop_map(|bytes| RecordData::Aaaa(bytes.into())),
        (0..5_u8, 0..3_u8, 0..4_u8, vec(any::<u8>(), 0..70)).prop_map(|(usage, selector, matching, data)| {
            RecordData::Tlsa { usage, selector, matching, data }
        }),
        (any::<u8>(), text(), vec(any::<u8>(), 0..70)).prop_map(|(flags, tag, value)| {
            let tag = String::from_utf8_lossy(&tag).into_owned();
            RecordData::Caa { flags, tag, value }
        }),
    ];
    let failure = prop_oneof![
        Just(DnsFailure::TimedOut),
        ".{0,20}".prop_map(DnsFailure::Server),
        ".{0,20}".prop_map(DnsFailure::Bogus),
        ".{0,20}".prop_map(DnsFailure::Malformed),
    ];
    prop_oneof![
        4 => (vec(record, 1..6), vec(name(), 0..3), any::<bool>()).prop_map(|(records, aliases, secure)| {
            let mut reply = found(records);
            if let DnsReply::Found(answer) = &mut reply {
                answer.aliases = aliases;
                answer.security = if secure { Security::Secure } else { Security::Insecure };
                answer.first_security = answer.security;
            }
            reply
        }),
        1 => failure.prop_map(DnsReply::Failed),
    ]
}

fn chain() -> impl Strategy<Value = Vec<Bytes>> {
    vec(vec(any::<u8>(), 0..80).prop_map(Bytes::from), 1..4)
}

fn outcome() -> impl Strategy<Value = SmtpOutcome> {
    prop_oneof![
        Just(SmtpOutcome::NoStartTls),
        Just(SmtpOutcome::NotReached(ConnectFailure::TimedOut)),
        (any::<u16>(), ".{0,300}").prop_map(|(code, text)| SmtpOutcome::Refused { code, text }),
        ".{0,300}".prop_map(SmtpOutcome::Broken),
        (any::<u16>(), ".{0,300}").prop_map(|(code, text)| SmtpOutcome::StartTlsRefused { code, text }),
        ".{0,300}".prop_map(|text| SmtpOutcome::TlsFailed(TlsFailure::Alert(text))),
        any::<Option<(u16, u16)>>()
            .prop_map(|offered| SmtpOutcome::TlsFailed(TlsFailure::NothingInCommon { offered })),
        (any::<u16>(), chain()).prop_map(|(version, chain)| {
            let mut session = session_with(&chain);
            session.version = version;
            SmtpOutcome::Tls(session)
        }),
    ]
}

fn body() -> impl Strategy<Value = String> {
    prop_oneof![
        "(.{0,40}\\r?\\n){0,8}",
        "version: STSv1\nmode: (enforce|testing|none)\n(mx: [a-z*.-]{1,30}\n){0,5}max_age: [0-9]{1,11}\n.{0,5}",
        Just(POLICY.to_owned()),
    ]
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_world_gives_a_report_that_can_be_shown(
        replies in vec(((0..9_usize), reply()), 0..8),
        outcomes in vec(((0..4_usize), any::<bool>(), outcome()), 0..8),
        body in body(),
        media_type in vec(any::<u8>(), 0..20),
        status in prop_oneof![Just(200_u16), any::<u16>()],
        failed in any::<bool>(),
    ) {
        let mut fake = Fake::healthy();
        fake.dnssec = Dnssec::Validated;
        let names = [
            ("_mta-sts.example.test", RecordKind::Txt),
            ("_smtp._tls.example.test", RecordKind::Txt),
            (DOMAIN, RecordKind::Mx),
            (DOMAIN, RecordKind::Txt),
            (POLICY_HOST, RecordKind::A),
            ("mx1.example.test", RecordKind::A),
            ("mx1.example.test", RecordKind::Aaaa),
            ("_25._tcp.mx1.example.test", RecordKind::Tlsa),
            ("lists.example.test", RecordKind::Mx),
        ];
        for (place, reply) in replies {
            let (name, kind) = names[place];
            fake.dns.insert((name.to_owned(), kind), reply);
        }
        for (place, sni, outcome) in outcomes {
            fake.smtp.insert((ip(MX_ADDRESSES[place / 2][place % 2]), sni), outcome);
        }
        fake.each_policy(|exchange| {
            let mut answer = policy_answer(&body);
            answer.status = status;
            answer.content_type = Some(media_type.clone());
            exchange.outcome = if failed { Err(HttpsFailure::Protocol(body.clone())) } else { Ok(answer) };
        });
        let report = check(&fake);
        let json = report.to_json();
        prop_assert!(!json.contains(|c: char| c.is_control()), "{json}");
        prop_assert!(json.len() < 300_000);
        // Mail is promised only where some host was seen to be good.
        if report.verdict == Verdict::Delivers {
            prop_assert!(report.mx.iter().any(|mx| mx.used == Some(true)));
            prop_assert!(report.mx.iter().all(|mx| mx.used != Some(false)));
        }
    }
}

//! The real libtlsrpt, of Debian 13 (0.5.0rc1, without a version in its datagrams) and of the release after it, feeds
//! our session socket: nothing it can be made to send is refused, and of a burst nothing is lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../tests/support/debian.rs"]
mod debian;

use std::sync::mpsc;

use debian::Debian;
use tls_rpt::{PolicyType, ResultType};
use tlsward_engine::ports::SessionEvent;
use tlsward_mta::session::{DatagramSink, Receiver, SessionSocket, datagram};

const DRIVER: &str = include_str!("libtlsrpt.py");

struct Keep(mpsc::Sender<Vec<u8>>);

impl DatagramSink for Keep {
    fn take(&mut self, datagram: &[u8]) {
        // Nobody listens any more when the test is over.
        let _ = self.0.send(datagram.to_vec());
    }
}

/// Everything that the library sent, read.
fn heard(debian: &Debian) -> Vec<SessionEvent> {
    let socket = SessionSocket::bind(&debian.path("/run/tlsrpt.sock"), 0o666).unwrap();
    let (sender, kept) = mpsc::channel();
    let receiver = Receiver::start(socket, Keep(sender)).unwrap();
    debian.write("/driver.py", DRIVER);
    let (sent, errors) = debian.run("python3", &["/driver.py"]);
    assert_eq!(errors, "");
    let stats = receiver.stats();
    receiver.stop().unwrap();
    let datagrams: Vec<Vec<u8>> = kept.iter().collect();
    assert_eq!(sent, datagrams.len().to_string(), "nothing is lost");
    assert_eq!(stats.cut(), 0);
    let read = |bytes: &Vec<u8>| match datagram::read(bytes) {
        Ok(datagram) => {
            assert!(!datagram.other_version);
            datagram.event
        }
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(bytes)),
    };
    datagrams.iter().map(read).collect()
}

fn must_read(debian: &Debian) {
    let events = heard(debian);
    assert_eq!(events.len(), 418);
    for event in &events {
        assert_eq!((event.domain.as_str(), event.count), ("example.com", 1));
        let record = event.tlsrpt_record.as_deref().unwrap();
        assert_eq!(record, "v=TLSRPTv1; rua=mailto:reports@example.com,https://example.com/r");
    }
    // Numbers as in the driver, which counts from 1.
    let only = |number: usize| {
        let [policy] = &events[number - 1].policies[..] else { panic!("{number}: {:?}", events[number - 1]) };
        policy
    };
    let success = only(1);
    assert_eq!((&success.policy_type, success.domain.as_deref()), (&PolicyType::Sts, Some("example.com")));
    assert_eq!((success.failed, success.failures.len(), success.strings.len()), (false, 0, 4));
    assert_eq!(success.mx_hosts, ["*.mail.example.com", "mx.example.com"]);
    let two = &only(2).failures;
    assert!(only(2).failed);
    assert_eq!(
        two.iter().map(|failure| &failure.result_type).collect::<Vec<_>>(),
        [&ResultType::StsPolicyInvalid, &ResultType::StsWebpkiInvalid]
    );
    let mut types: Vec<&ResultType> = Vec::new();
    for number in 3..=13 {
        let [full, bare] = &only(number).failures[..] else { panic!("{:?}", only(number)) };
        assert_eq!(full.result_type, bare.result_type);
        assert_eq!(full.sending_mta_ip, Some([192, 0, 2, 1].into()));
        assert_eq!(full.receiving_ip, Some("2001:db8::1".parse().unwrap()));
        assert_eq!(full.mx_host.as_deref(), Some("mx.example.com"));
        assert_eq!(full.helo.as_deref(), Some("mx.example.com"), "of the answer to EHLO the name is kept");
        assert_eq!(full.additional_information.as_deref(), Some("additional"));
        assert_eq!(full.reason_code.as_deref(), Some("REASON"));
        assert_eq!((bare.sending_mta_ip, &bare.mx_host, &bare.reason_code), (None, &None, &None));
        types.push(&full.result_type);
    }
    types.sort();
    let mut registered: Vec<&ResultType> = ResultType::REGISTERED.iter().collect();
    registered.sort();
    assert_eq!(types, registered);
    let both: Vec<_> = events[13].policies.iter().map(|one| (&one.policy_type, one.failed)).collect();
    assert_eq!(both, [(&PolicyType::Tlsa, true), (&PolicyType::Sts, false)]);
    assert_eq!((&only(15).policy_type, only(15).failed), (&PolicyType::NoPolicyFound, false));
    assert_eq!((only(16).failed, only(16).failures.len()), (true, 0));
    let odd = only(17);
    assert!(odd.strings.iter().any(|line| line == "x-utf8: Bücher 🔒"), "{:?}", odd.strings);
    assert!(odd.strings.iter().any(|line| line.starts_with("x-latin1: B\u{fffd}cher ")), "{:?}", odd.strings);
    assert!(odd.strings.iter().any(|line| line.contains("{\"d\": \"evil.example\"}")), "{:?}", odd.strings);
    assert_eq!((odd.failures.len(), odd.failures[0].receiving_ip), (1, None));
    assert_eq!(only(18).strings.len(), 205);
    assert!(only(18).strings.iter().all(|line| line.len() == 998));
    for number in 19..=418 {
        assert_eq!(only(number), success);
    }
}

#[test]
#[ignore = "makes a Debian 13 in a folder: needs root, mmdebstrap and a mirror"]
fn libtlsrpt_of_debian_13_is_understood() {
    let test = "libtlsrpt_of_debian_13_is_understood";
    if let Some(debian) = debian::inside(test, "trixie", "postfix,libtlsrpt0,python3,faketime") {
        must_read(&debian);
    }
}

#[test]
#[ignore = "makes a Debian in a folder: needs root, mmdebstrap and a mirror"]
fn libtlsrpt_of_the_release_after_it_is_understood() {
    let test = "libtlsrpt_of_the_release_after_it_is_understood";
    if let Some(debian) = debian::inside(test, "forky", "postfix,libtlsrpt0,python3,faketime") {
        must_read(&debian);
    }
}

//! The world of one made-up domain, answered at once from tables.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tlsward_engine::ports::{
    Absence, Admit, Answer, ConnectFailure, Dns, DnsFailure, DnsReply, Dnssec, HttpAnswer, Https,
    HttpsExchange, HttpsFailure, HttpsTarget, RecordData, RecordKind, Security, Smtp, SmtpOutcome,
    SmtpTarget, Timer, TlsSession,
};

use crate::chains::{Authority, LONG};

/// Tables of answers; what is not in them is absent or refuses the connection.
pub(crate) struct Fake {
    pub(crate) authority: Authority,
    pub(crate) dnssec: Dnssec,
    pub(crate) dns: BTreeMap<(String, RecordKind), DnsReply>,
    pub(crate) https: BTreeMap<(String, IpAddr), HttpsExchange>,
    pub(crate) smtp: BTreeMap<(IpAddr, bool), SmtpOutcome>,
    /// Addresses that never answer SMTP.
    pub(crate) silent: Vec<IpAddr>,
    /// Whether waits end at once: the time limit then strikes as soon as nobody else answers.
    pub(crate) hurry: bool,
    pub(crate) asked: Mutex<Vec<(String, RecordKind)>>,
}

pub(crate) const DOMAIN: &str = "example.test";
pub(crate) const POLICY_HOST: &str = "mta-sts.example.test";
pub(crate) const POLICY_ADDRESSES: [&str; 2] = ["192.0.2.80", "2001:db8::80"];
pub(crate) const MX: [&str; 2] = ["mx1.example.test", "mx2.example.test"];
pub(crate) const MX_ADDRESSES: [[&str; 2]; 2] = [["192.0.2.1", "2001:db8::1"], ["192.0.2.2", "2001:db8::2"]];
pub(crate) const POLICY: &str =
    "version: STSv1\r\nmode: enforce\r\nmx: mx1.example.test\r\nmx: mx2.example.test\r\nmax_age: 2419200\r\n";

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

impl Fake {
    /// Everything as it should be: two MX hosts with two addresses each, an enforced policy on two addresses, reports
    /// to an address at a provider.
    pub(crate) fn healthy() -> Self {
        let mut fake = Self {
            authority: Authority::new("Good"),
            dnssec: Dnssec::Off,
            dns: BTreeMap::new(),
            https: BTreeMap::new(),
            smtp: BTreeMap::new(),
            silent: Vec::new(),
            hurry: false,
            asked: Mutex::new(Vec::new()),
        };
        fake.txt("_mta-sts.example.test", &["v=STSv1; id=20270101T000000;"]);
        fake.txt("_smtp._tls.example.test", &["v=TLSRPTv1; rua=mailto:reports@reports.test"]);
        fake.mx("reports.test", &[(10, "mx.reports.test")]);
        fake.mx(DOMAIN, &[(10, MX[0]), (20, MX[1])]);
        fake.addresses(POLICY_HOST, &POLICY_ADDRESSES);
        let chain = fake.authority.chain(&[POLICY_HOST], LONG);
        for address in POLICY_ADDRESSES {
            fake.serve(POLICY_HOST, address, &chain, policy_answer(POLICY));
        }
        for (host, addresses) in MX.iter().zip(MX_ADDRESSES) {
            fake.addresses(host, &addresses);
            let chain = fake.authority.chain(&[host], LONG);
            for address in addresses {
                fake.session(address, &chain);
            }
        }
        fake
    }

    /// The same, all of it signed, with TLSA records that match.
    pub(crate) fn healthy_with_dane() -> Self {
        let mut fake = Self::healthy();
        for (host, addresses) in MX.iter().zip(MX_ADDRESSES) {
            let chain = fake.shown(addresses[0]);
            let leaf = smtp_dane::certificate::Certificate::parse(&chain[0]).unwrap();
            fake.tlsa(host, &[(3, 1, 1, leaf.spki_sha256.to_vec())]);
            fake.txt(&format!("_smtp._tls.{host}"), &["v=TLSRPTv1; rua=mailto:reports@reports.test"]);
        }
        fake.dnssec = Dnssec::Validated;
        fake.sign("");
        fake
    }

    /// Marks every answer under `suffix` as secure.
    pub(crate) fn sign(&mut self, suffix: &str) {
        self.set_security(suffix, Security::Secure);
    }

    pub(crate) fn set_security(&mut self, suffix: &str, security: Security) {
        for ((name, _), reply) in &mut self.dns {
            if let DnsReply::Found(answer) = reply
                && name.ends_with(suffix)
            {
                answer.security = security;
                answer.first_security = security;
            }
        }
    }

    pub(crate) fn put(&mut self, name: &str, kind: RecordKind, records: Vec<RecordData>) {
        let reply = if records.is_empty() { absent() } else { found(records) };
        self.dns.insert((name.to_owned(), kind), reply);
    }

    pub(crate) fn txt(&mut self, name: &str, texts: &[&str]) {
        let texts = texts.iter().map(|text| RecordData::Txt(vec![text.as_bytes().to_vec()]));
        self.put(name, RecordKind::Txt, texts.collect());
    }

    pub(crate) fn mx(&mut self, name: &str, list: &[(u16, &str)]) {
        let list = list.iter().map(|(preference, exchange)| RecordData::Mx {
            preference: *preference,
            exchange: (*exchange).to_owned(),
        });
        self.put(name, RecordKind::Mx, list.collect());
    }

    pub(crate) fn addresses(&mut self, name: &str, addresses: &[&str]) {
        let (mut a, mut aaaa) = (Vec::new(), Vec::new());
        for address in addresses {
            match ip(address) {
                IpAddr::V4(address) => a.push(RecordData::A(address)),
                IpAddr::V6(address) => aaaa.push(RecordData::Aaaa(address)),
            }
        }
        self.put(name, RecordKind::A, a);
        self.put(name, RecordKind::Aaaa, aaaa);
    }

    pub(crate) fn tlsa(&mut self, host: &str, records: &[(u8, u8, u8, Vec<u8>)]) {
        let records = records.iter().map(|(usage, selector, matching, data)| RecordData::Tlsa {
            usage: *usage,
            selector: *selector,
            matching: *matching,
            data: data.clone(),
        });
        self.put(&format!("_25._tcp.{host}"), RecordKind::Tlsa, records.collect());
    }

    pub(crate) fn fail(&mut self, name: &str, kind: RecordKind, failure: DnsFailure) {
        self.dns.insert((name.to_owned(), kind), DnsReply::Failed(failure));
    }

    pub(crate) fn alias(&mut self, name: &str, kind: RecordKind, target: &str) {
        let reply = self.dns.entry((name.to_owned(), kind)).or_insert_with(absent);
        match reply {
            DnsReply::Found(answer) => answer.aliases = vec![target.to_owned()],
            DnsReply::Absent(absence) => absence.aliases = vec![target.to_owned()],
            DnsReply::Failed(_) => {}
        }
    }

    /// Answers at these names, as a wildcard does at every name that is not there, with an alias and no records.
    pub(crate) fn wildcard_alias(&mut self, names: &[&str], target: &str) {
        for name in names {
            self.txt(name, &[]);
            self.alias(name, RecordKind::Txt, target);
        }
    }

    pub(crate) fn serve(&mut self, host: &str, address: &str, chain: &[Bytes], answer: HttpAnswer) {
        let exchange =
            HttpsExchange { address: Some(ip(address)), tls: Some(session_with(chain)), outcome: Ok(answer) };
        self.https.insert((host.to_owned(), ip(address)), exchange);
    }

    /// Changes every answer of the policy host.
    pub(crate) fn each_policy(&mut self, change: impl Fn(&mut HttpsExchange)) {
        let of_host = self.https.iter_mut().filter(|((host, _), _)| host == POLICY_HOST);
        of_host.for_each(|(_, exchange)| change(exchange));
    }

    /// Serves this text as the policy.
    pub(crate) fn policy(&mut self, body: &str) {
        self.each_policy(|exchange| exchange.outcome = Ok(policy_answer(body)));
    }

    /// Shows this chain with and without a name in the handshake.
    pub(crate) fn session(&mut self, address: &str, chain: &[Bytes]) {
        for sni in [true, false] {
            self.smtp.insert((ip(address), sni), SmtpOutcome::Tls(session_with(chain)));
        }
    }

    /// Shows this chain at every address of an MX.
    pub(crate) fn show(&mut self, mx: usize, chain: &[Bytes]) {
        for address in MX_ADDRESSES[mx] {
            self.session(address, chain);
        }
    }

    pub(crate) fn outcome(&mut self, address: &str, outcome: &SmtpOutcome) {
        for sni in [true, false] {
            self.smtp.insert((ip(address), sni), outcome.clone());
        }
    }

    /// Every address of an MX ends so.
    pub(crate) fn each_outcome(&mut self, mx: usize, outcome: &SmtpOutcome) {
        for address in MX_ADDRESSES[mx] {
            self.outcome(address, outcome);
        }
    }

    /// The chain that an address shows.
    pub(crate) fn shown(&self, address: &str) -> Vec<Bytes> {
        match &self.smtp[&(ip(address), true)] {
            SmtpOutcome::Tls(session) => session.chain.clone(),
            other => panic!("{address} shows no chain: {other:?}"),
        }
    }
}

pub(crate) fn session_with(chain: &[Bytes]) -> TlsSession {
    TlsSession { version: 0x0304, suite: "TLS13_AES_128_GCM_SHA256".to_owned(), chain: chain.to_vec() }
}

pub(crate) fn policy_answer(body: &str) -> HttpAnswer {
    HttpAnswer {
        status: 200,
        content_type: Some(b"text/plain".to_vec()),
        content_encoding: None,
        location: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

pub(crate) fn found(records: Vec<RecordData>) -> DnsReply {
    DnsReply::Found(Answer {
        aliases: Vec::new(),
        security: Security::Insecure,
        first_security: Security::Insecure,
        ttl: 300,
        records,
    })
}

pub(crate) fn absent() -> DnsReply {
    DnsReply::Absent(Absence {
        aliases: Vec::new(),
        name_exists: false,
        security: Security::Insecure,
        ttl: 300,
    })
}

impl Dns for Fake {
    async fn look_up(&self, name: &str, kind: RecordKind) -> DnsReply {
        self.asked.lock().unwrap().push((name.to_owned(), kind));
        self.dns.get(&(name.to_owned(), kind)).cloned().unwrap_or_else(absent)
    }

    fn dnssec(&self) -> Dnssec {
        self.dnssec.clone()
    }
}

impl Https for Fake {
    async fn get(&self, target: HttpsTarget<'_>, admit: Admit<'_>) -> HttpsExchange {
        let known =
            target.addresses.iter().find_map(|address| self.https.get(&(target.host.to_owned(), *address)));
        let Some(exchange) = known else {
            return HttpsExchange {
                address: None,
                tls: None,
                outcome: Err(HttpsFailure::Connect(ConnectFailure::Refused)),
            };
        };
        let mut exchange = exchange.clone();
        if exchange.tls.as_ref().is_some_and(|session| !admit(session)) {
            exchange.outcome = Err(HttpsFailure::NotAdmitted);
        }
        exchange
    }

    async fn post(&self, target: HttpsTarget<'_>, _: &str, _: Bytes, admit: Admit<'_>) -> HttpsExchange {
        self.get(target, admit).await
    }
}

impl Smtp for Fake {
    async fn probe(&self, target: SmtpTarget<'_>) -> SmtpOutcome {
        if self.silent.contains(&target.address) {
            std::future::pending::<()>().await;
        }
        let known = self.smtp.get(&(target.address, target.sni)).cloned();
        known.unwrap_or(SmtpOutcome::NotReached(ConnectFailure::Refused))
    }
}

impl Timer for Fake {
    async fn sleep(&self, _: Duration) {
        if !self.hurry {
            std::future::pending::<()>().await;
        }
    }
}

/// Runs a future whose every wait is over at once.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    // A queue of futures gives way now and then without waiting for anything.
    for _ in 0..100_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the future waits for something that never comes");
}

//! Mail servers of other people: they find a domain's policy, deliver under it, count, and report. Written from the RFCs
//! and apart from everything that is proved with them; what a certificate is worth they ask the TLS library.
//!
//! How each goes its own way is [`Conduct`] (what it does) and [`Dialect`] (how its reports look).

mod count;
mod dialect;
mod judge;
mod mail;
mod policy;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tlsward_engine::ports::{
    DnsReply, HttpsFailure, HttpsTarget, RecordData, RecordKind, Security, SmtpOutcome, SmtpTarget,
    TlsSession, World,
};

use crate::world::domain::POLICY_PATH;
use crate::world::{DAY, Mode, UnixTime};

pub use count::{Applied, Failure, Row};
pub use dialect::Dialect;
pub use judge::Judge;
pub use mail::letter;
pub use policy::Held;

/// The same id is not fetched again so soon after a failure (RFC 8461 §3.3).
const BACK_OFF: i64 = 300;

/// What a sender does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conduct {
    /// Looks for MTA-STS at all.
    pub mta_sts: bool,
    /// Looks for DANE.
    pub dane: bool,
    /// Keeps a policy past its `max_age`.
    pub caches_for_ever: bool,
    /// Looks at the id only while it holds no policy, and does not refresh daily.
    pub ignores_id: bool,
}

impl Conduct {
    /// By the RFCs.
    pub const PROPER: Self = Self { mta_sts: true, dane: true, caches_for_ever: false, ignores_id: false };
}

/// A mail server that sends.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Its own mail domain, which signs its reports.
    pub domain: String,
    /// In its reports.
    pub organization: String,
    /// In its reports.
    pub contact: String,
    /// From where it sends.
    pub address: IpAddr,
    /// What it does.
    pub conduct: Conduct,
    /// How it reports.
    pub dialect: Dialect,
    judge: Judge,
    held: BTreeMap<String, Held>,
    failed_at: BTreeMap<(String, String), UnixTime>,
    rows: BTreeMap<String, BTreeMap<Applied, Row>>,
}

/// What became of some sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// To which host; `None`: not now, try again later.
    pub to: Option<String>,
    /// Whether the session was encrypted.
    pub encrypted: bool,
}

/// A report that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The domain that it is about.
    pub about: String,
    /// Where to, as the domain asks: the first place that this sender can use.
    pub rua: String,
    /// Its report-id.
    pub id: String,
    /// First second of the day.
    pub begin: UnixTime,
    /// JSON.
    pub json: Vec<u8>,
}

impl Sender {
    /// A sender that follows the RFCs.
    #[must_use]
    pub fn new(domain: &str, judge: Judge) -> Self {
        Self {
            domain: domain.to_owned(),
            organization: domain.to_owned(),
            contact: format!("tlsrpt@{domain}"),
            address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 25)),
            conduct: Conduct::PROPER,
            dialect: Dialect::Rfc,
            judge,
            held: BTreeMap::new(),
            failed_at: BTreeMap::new(),
            rows: BTreeMap::new(),
        }
    }

    /// The policy it holds for `domain`.
    #[must_use]
    pub fn held(&self, domain: &str) -> Option<&Held> {
        self.held.get(domain)
    }

    /// Sends `sessions` mails to `domain`, one session each, all of them alike: the hosts are tried from the best,
    /// or (`from_second`) from the second best, as when the best is busy.
    pub async fn deliver<W: World>(
        &mut self,
        world: &W,
        domain: &str,
        sessions: u64,
        from_second: bool,
        now: UnixTime,
    ) -> Delivery {
        let policy =
            if self.conduct.mta_sts { self.policy(world, domain, sessions, now).await } else { None };
        let reply = world.look_up(domain, RecordKind::Mx).await;
        let mx_secure = self.conduct.dane && reply.security() == Some(Security::Secure);
        let mut hosts: Vec<(u16, String)> =
            reply.mx().into_iter().map(|(preference, host)| (preference, host.to_owned())).collect();
        hosts.sort();
        match reply {
            DnsReply::Failed(_) => return Delivery { to: None, encrypted: false },
            // RFC 5321 §5.1: the domain itself.
            DnsReply::Absent(_) => hosts.push((0, domain.to_owned())),
            DnsReply::Found(_) => {}
        }
        if from_second && hosts.len() > 1 {
            hosts.rotate_left(1);
        }
        for (_, host) in hosts.iter().filter(|(_, host)| !host.is_empty()) {
            let (applied, tlsa) = match self.tlsa(world, host, mx_secure).await {
                Ok(Some(records)) => (Applied::tlsa(host, &records), Some(records)),
                Ok(None) => {
                    (policy.as_ref().map_or(Applied::none(domain), |held| Applied::sts(domain, held)), None)
                }
                // RFC 7672 §2.2: the host is as if it could not be reached.
                Err(()) => continue,
            };
            let mode = policy.as_ref().map_or(Mode::None, |held| held.mode);
            let strict = tlsa.is_some() || mode == Mode::Enforce;
            let ruled = tlsa.is_some() || policy.is_some();
            let listed = tlsa.is_some() || policy.as_ref().is_none_or(|held| held.covers(host));
            if !listed {
                self.count_failure(domain, &applied, Failure::not_listed(host), sessions);
                if strict {
                    continue;
                }
            }
            let Some((address, outcome)) = probe(world, host, ruled).await else { continue };
            let failure = match outcome {
                SmtpOutcome::NotReached(_) | SmtpOutcome::Refused { .. } | SmtpOutcome::Broken(_) => continue,
                SmtpOutcome::NoStartTls => Some(("starttls-not-supported", None)),
                SmtpOutcome::StartTlsRefused { text, .. } => Some(("validation-failure", Some(text))),
                SmtpOutcome::TlsFailed(failure) => Some(("validation-failure", Some(failure.to_string()))),
                SmtpOutcome::Tls(session) => self.wrong_with(&session, host, ruled, tlsa.as_deref(), now),
            };
            let encrypted = !matches!(failure, Some(("starttls-not-supported" | "validation-failure", _)));
            match failure {
                None if listed => self.count_success(domain, &applied, sessions),
                None => {}
                Some((result, reason)) => {
                    let failure = Failure::at(result, host, address, reason);
                    self.count_failure(domain, &applied, failure, sessions);
                    if strict {
                        continue;
                    }
                }
            }
            return Delivery { to: Some(host.clone()), encrypted };
        }
        Delivery { to: None, encrypted: false }
    }

    /// The reports of a day that is over, which begins at `begin`; nothing of it is kept.
    pub async fn close_day<W: World>(&mut self, world: &W, begin: UnixTime) -> Vec<Report> {
        let mut reports = Vec::new();
        for (about, rows) in std::mem::take(&mut self.rows) {
            let texts = world.look_up(&format!("_smtp._tls.{about}"), RecordKind::Txt).await.texts();
            let Some(rua) = policy::rua(&texts) else { continue };
            let number = u64::try_from(reports.len()).unwrap_or_default();
            let (id, json) = dialect::write(self, &about, begin, number, &rows);
            reports.push(Report { about, rua, id, begin, json });
        }
        reports
    }

    /// A report of sessions that never were, in the name of this sender: who forges it holds no key of its domain, so
    /// that no signature of that domain can stand under it.
    #[must_use]
    pub fn forged_report(
        &self,
        about: &str,
        rua: &str,
        begin: UnixTime,
        result: &'static str,
        sessions: u64,
    ) -> Report {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 25));
        let failure = Failure::at(result, &format!("mx.{about}"), address, None);
        let row = Row { successful: 0, failed: sessions, failures: [(failure, sessions)].into() };
        let rows = [(Applied::unknown_sts(about), row)].into();
        let (id, json) = dialect::write(self, about, begin, 0, &rows);
        Report { about: about.to_owned(), rua: rua.to_owned(), id, begin, json }
    }

    /// The policy to go by (RFC 8461 §3.3, §5.1).
    async fn policy<W: World>(
        &mut self,
        world: &W,
        domain: &str,
        sessions: u64,
        now: UnixTime,
    ) -> Option<Held> {
        let for_ever = self.conduct.caches_for_ever;
        self.held.retain(|_, held| for_ever || now < held.fetched_at + held.max_age);
        let held = self.held.get(domain);
        let texts = world.look_up(&format!("_mta-sts.{domain}"), RecordKind::Txt).await.texts();
        if let Some(id) = policy::record_id(&texts) {
            let wanted = match held {
                None => true,
                Some(_) if self.conduct.ignores_id => false,
                Some(held) => held.id != id || now >= held.fetched_at + DAY,
            };
            let key = (domain.to_owned(), id.clone());
            let backing_off = self.failed_at.get(&key).is_some_and(|at| now < at + BACK_OFF);
            if wanted && !backing_off {
                match self.fetch(world, domain, &id, now).await {
                    Ok(fresh) => {
                        self.held.insert(domain.to_owned(), fresh);
                    }
                    Err((result, reason)) => {
                        self.failed_at.insert(key, now);
                        let failure = Failure::of_policy(result, reason);
                        self.count_failure(domain, &Applied::unknown_sts(domain), failure, sessions);
                    }
                }
            }
        }
        self.held.get(domain).filter(|held| held.mode != Mode::None).cloned()
    }

    async fn fetch<W: World>(
        &self,
        world: &W,
        domain: &str,
        id: &str,
        now: UnixTime,
    ) -> Result<Held, (&'static str, Option<String>)> {
        let host = format!("mta-sts.{domain}");
        let mut addresses = world.look_up(&host, RecordKind::A).await.addresses();
        addresses.extend(world.look_up(&host, RecordKind::Aaaa).await.addresses());
        let admit = |session: &TlsSession| self.judge.pkix(&session.chain, &host, now).is_ok();
        let target = HttpsTarget { host: &host, port: None, path: POLICY_PATH, addresses: &addresses };
        let answer = match world.get(target, &admit).await.outcome {
            Ok(answer) => answer,
            Err(HttpsFailure::NotAdmitted) => return Err(("sts-webpki-invalid", None)),
            Err(other) => return Err(("sts-policy-fetch-error", Some(other.to_string()))),
        };
        if answer.status != 200 || answer.content_encoding.is_some() {
            return Err(("sts-policy-fetch-error", Some(format!("status {}", answer.status))));
        }
        policy::read(&answer.body, id, now).ok_or(("sts-policy-invalid", None))
    }

    /// The TLSA records to go by: `Ok(None)` without DANE, `Err` where it cannot be told.
    async fn tlsa<W: World>(
        &self,
        world: &W,
        host: &str,
        mx_secure: bool,
    ) -> Result<Option<Vec<RecordData>>, ()> {
        if !mx_secure {
            return Ok(None);
        }
        // RFC 7672 §2.2.1: an insecure address ends it.
        if world.look_up(host, RecordKind::A).await.security() != Some(Security::Secure) {
            return Ok(None);
        }
        match world.look_up(&format!("_25._tcp.{host}"), RecordKind::Tlsa).await {
            DnsReply::Found(answer) if answer.security == Security::Secure => {
                let ours = |record: &RecordData| {
                    matches!(record, RecordData::Tlsa { usage: 3, selector: 1, matching: 1, .. })
                };
                let usable: Vec<RecordData> = answer.records.into_iter().filter(ours).collect();
                Ok((!usable.is_empty()).then_some(usable))
            }
            DnsReply::Found(_) | DnsReply::Absent(_) => Ok(None),
            DnsReply::Failed(_) => Err(()),
        }
    }

    fn wrong_with(
        &self,
        session: &TlsSession,
        host: &str,
        ruled: bool,
        tlsa: Option<&[RecordData]>,
        now: UnixTime,
    ) -> Option<(&'static str, Option<String>)> {
        if let Some(records) = tlsa {
            let key = self.judge.public_key(&session.chain).map(|key| Sha256::digest(key).to_vec());
            let matches = records.iter().any(
                |record| matches!((record, &key), (RecordData::Tlsa { data, .. }, Some(key)) if data == key),
            );
            return (!matches).then_some(("tlsa-invalid", None));
        }
        if !ruled {
            // RFC 7435: any certificate will do.
            return None;
        }
        self.judge.pkix(&session.chain, host, now).err().map(|result| (result, None))
    }

    fn count_success(&mut self, domain: &str, applied: &Applied, sessions: u64) {
        self.row(domain, applied).successful += sessions;
    }

    fn count_failure(&mut self, domain: &str, applied: &Applied, failure: Failure, sessions: u64) {
        let row = self.row(domain, applied);
        row.failed += sessions;
        *row.failures.entry(failure).or_default() += sessions;
    }

    fn row(&mut self, domain: &str, applied: &Applied) -> &mut Row {
        self.rows.entry(domain.to_owned()).or_default().entry(applied.clone()).or_default()
    }
}

/// The first address of a host that can be reached, and what came of it.
async fn probe<W: World>(world: &W, host: &str, sni: bool) -> Option<(IpAddr, SmtpOutcome)> {
    let mut addresses = world.look_up(host, RecordKind::A).await.addresses();
    addresses.extend(world.look_up(host, RecordKind::Aaaa).await.addresses());
    let mut last = None;
    for address in addresses {
        let outcome = world.probe(SmtpTarget { host, address, sni }).await;
        let reached = !matches!(outcome, SmtpOutcome::NotReached(_));
        last = Some((address, outcome));
        if reached {
            break;
        }
    }
    last
}

/// A body compressed as reports are sent.
#[must_use]
pub fn gzip(json: &[u8]) -> Bytes {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing into memory does not fail.
    gzip.write_all(json).and_then(|()| gzip.finish()).unwrap_or_default().into()
}

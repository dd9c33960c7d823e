//! A day's reports: built, signed with RSA-2048, and handed over, domains a second.
//!
//! In one process: sessions of a day with many domains are counted into SQLite in a new folder, then sent by as many
//! passes side by side as there are cores, each under a lease, settled and synced. The relay is a sink in memory, so that
//! what is measured is ours; behind it would stand the queue of a mail server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use bench::now;
use tls_rpt::tally::{AppliedPolicy, Failure};
use tls_rpt::{PolicyType, ResultType, Text};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{
    Admit, Clock, Dns, DnsFailure, DnsReply, Dnssec, Https, HttpsExchange, HttpsFailure, HttpsTarget,
    JournalPlace, Outbox as _, RecordKind, Relay, RelayMail, RelayOutcome, Timer,
};
use tlsward_engine::report::{BounceSecret, Counter, Desk, Identity, Session, Settings, run_due};
use tlsward_mail::dkim::{Algorithm, DkimKey, DkimSigner};
use tlsward_store::{Quotas, SqliteStore};

const DOMAINS: u64 = 20_000;
const WORKERS: usize = 2;
const DAY: i64 = 20_000;
/// Four hours after the day: all is due.
const NOW: UnixTime = (DAY + 1) * 86_400 + 4 * 3_600;
const SUBMITTER: &str = "sender.example";

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("tlsward-reports-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = measure(&folder);
    std::fs::remove_dir_all(&folder)?;
    let Figures { counted, sent, bytes } = outcome?;
    println!("a day's reports, {DOMAINS} domains, {WORKERS} passes side by side, SQLite, every step synced");
    println!("  counted and kept in {:.2} s", counted.as_secs_f64());
    let rate = DOMAINS as f64 / sent.as_secs_f64();
    let mean = bytes / DOMAINS;
    println!("  {rate:.0} domains/s built, signed (RSA-2048) and handed over, {mean} bytes a mail");
    Ok(())
}

struct Figures {
    counted: Duration,
    sent: Duration,
    bytes: u64,
}

fn measure(folder: &std::path::Path) -> Result<Figures> {
    let store = SqliteStore::open(folder.join("reports.db"), Quotas::default())?;
    let mut signer = DkimSigner::default();
    signer.add(SUBMITTER, DkimKey::generate(Algorithm::Rsa2048, "tlsrpt")?.0);
    let settings = |worker: usize| -> Result<Settings> {
        let identity = Identity::new("Example Org", &format!("tlsrpt@{SUBMITTER}"))?;
        Ok(Settings {
            node: format!("bench/{worker}"),
            daily_quota: u64::MAX >> 1,
            concurrency: 64,
            ..Settings::new(identity, 7, BounceSecret::new([7; 32]))
        })
    };

    let began = now();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let first = settings(0)?;
    runtime.block_on(count(&store, &first))?;
    let counted = began.elapsed();

    let sink = Sink::default();
    let began = now();
    let run = |worker: usize| -> Result<()> {
        let settings = settings(worker)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let desk = Desk {
            world: &sink,
            outbox: &store,
            relay: &sink,
            signer: &signer,
            clock: &sink,
            settings: &settings,
        };
        runtime.block_on(run_due(&desk, NOW))?;
        Ok(())
    };
    std::thread::scope(|scope| -> Result<()> {
        let run = &run;
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || run(worker))).collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??;
        }
        Ok(())
    })?;
    let sent = began.elapsed();
    let mails = sink.mails.load(Ordering::Relaxed);
    ensure!(mails == DOMAINS, "{mails} of {DOMAINS} mails were handed over");
    store.close()?;
    Ok(Figures { counted, sent, bytes: sink.bytes.load(Ordering::Relaxed) })
}

async fn count(store: &SqliteStore, settings: &Settings) -> Result<()> {
    let mut counter = Counter::new(settings);
    let mut place = JournalPlace::default();
    for number in 0..DOMAINS {
        sessions(number).into_iter().for_each(|session| counter.count(session));
        if counter.is_full() || number + 1 == DOMAINS {
            let next = JournalPlace { segment: 1, offset: place.offset + 1 };
            store.add(counter.take("bench", place, next)).await?;
            place = next;
        }
    }
    Ok(())
}

/// What one domain saw: three sessions that met its policy, every second domain one that did not.
fn sessions(number: u64) -> Vec<Session> {
    let domain = Text::from(format!("d{number}.example"));
    let mx = Text::from(format!("mx.d{number}.example"));
    let met = Session {
        at: DAY * 86_400 + 60,
        record: Some(Text::from(format!("v=TLSRPTv1; rua=mailto:tlsrpt@d{number}.example"))),
        policy: AppliedPolicy {
            policy_type: PolicyType::Sts,
            domain: domain.clone(),
            strings: ["version: STSv1", "mode: enforce", "max_age: 604800"].map(Text::from).to_vec(),
            mx_patterns: vec![mx.clone()],
        },
        domain,
        met: Some(true),
        failures: Vec::new(),
        count: 3,
    };
    if number.is_multiple_of(2) {
        return vec![met];
    }
    let failure = Failure {
        result: ResultType::CertificateExpired,
        receiving_mx: Some(mx.clone()),
        receiving_helo: Some(mx),
        receiving_ip: Some([192, 0, 2, 1].into()),
        sending_ip: Some([198, 51, 100, 1].into()),
        reason: Some("certificate has expired".into()),
        additional: None,
    };
    let failed = Session { met: Some(false), failures: vec![failure], count: 1, ..met.clone() };
    vec![met, failed]
}

/// Takes every mail, and no time passes.
#[derive(Debug, Default)]
struct Sink {
    mails: AtomicU64,
    bytes: AtomicU64,
}

impl Relay for Sink {
    async fn submit(&self, mail: RelayMail) -> RelayOutcome {
        self.mails.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(mail.message.len() as u64, Ordering::Relaxed);
        RelayOutcome::Accepted
    }
}

impl Clock for Sink {
    fn now(&self) -> UnixTime {
        NOW
    }
}

impl Timer for Sink {
    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

impl Dns for Sink {
    async fn look_up(&self, _: &str, _: RecordKind) -> DnsReply {
        DnsReply::Failed(DnsFailure::TimedOut)
    }

    fn dnssec(&self) -> Dnssec {
        Dnssec::Off
    }
}

impl Https for Sink {
    async fn get(&self, _: HttpsTarget<'_>, _: Admit<'_>) -> HttpsExchange {
        HttpsExchange { address: None, tls: None, outcome: Err(HttpsFailure::TimedOut) }
    }

    async fn post(
        &self,
        target: HttpsTarget<'_>,
        _: &str,
        _: bytes::Bytes,
        admit: Admit<'_>,
    ) -> HttpsExchange {
        self.get(target, admit).await
    }
}

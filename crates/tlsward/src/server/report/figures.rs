//! What this room counts, for `/metrics`.
//!
//! | metric | meaning |
//! |---|---|
//! | `tlsward_session_datagrams_total` | datagrams taken from the socket; `_cut_total`: longer than is kept |
//! | `tlsward_session_records_total` | records written to the journal; `_dropped_total`: lost, because memory was full while the disk stood still |
//! | `tlsward_session_refused_total{kind}` | datagrams and lines that cannot be read, and are not counted |
//! | `tlsward_sessions_total{result}` | sessions `counted`, `unjudged` (nobody knows whether the policy was met), `left-out` (opted out) |
//! | `tlsward_journal_bytes` | what the journal takes on disk; `_failed_writes_total`, `_failed_syncs_total`, `_damaged_bytes_total` |
//! | `tlsward_log_sessions_total` | sessions that Postfix's log told of; `_without_fingerprint_total`: successes of which it did not tell the certificate |
//! | `tlsward_log_mx_passed_over_total` | MX hosts that Postfix passed over, because the policy does not name them |
//! | `tlsward_log_failed_looks_total` | looks at Postfix's log that failed |
//! | `tlsward_outgoing_reports_total{outcome}` | attempts that ended `sent`, `again`, `given-up`, `skipped` |
//! | `tlsward_outgoing_bounces_total` | reports that a relay took and that came back |
//! | `tlsward_sessions_counted_until_timestamp_seconds` | up to this time every session is counted |

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tlsward_mta::journal::RetireHandle;
use tlsward_mta::postfix_log::FeedStats;
use tlsward_mta::session::{Inlet, ReceiverStats};

use crate::edge::SystemClock;

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, times: u64) {
        self.0.fetch_add(times, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What no other part counts.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) sessions: Count,
    pub(super) unjudged: Count,
    pub(super) left_out: Count,
    pub(super) refused_datagrams: Count,
    pub(super) refused_lines: Count,
    pub(super) damaged_bytes: Count,
    pub(super) sent: Count,
    pub(super) again: Count,
    pub(super) given_up: Count,
    pub(super) skipped: Count,
    pub(super) bounces: Count,
    pub(super) counted_until: AtomicI64,
}

/// Shows them.
pub(super) struct Shown {
    pub(super) figures: Arc<Figures>,
    pub(super) inlet: Inlet<SystemClock>,
    pub(super) receiver: Option<Arc<ReceiverStats>>,
    pub(super) log: Option<Arc<FeedStats>>,
    pub(super) journal: RetireHandle,
}

impl Shown {
    pub(super) fn register(self, registry: &mut Registry) {
        registry.register_collector(Box::new(self));
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = &self.figures;
        let intake = self.inlet.stats();
        let received = self.receiver.as_ref().map_or((0, 0), |stats| (stats.received(), stats.cut()));
        let counters = [
            ("tlsward_session_datagrams", "Datagrams taken from the socket", received.0),
            ("tlsward_session_datagrams_cut", "Datagrams that were longer than is kept", received.1),
            ("tlsward_session_records", "Records of sessions written to the journal", intake.appended()),
            (
                "tlsward_session_records_dropped",
                "Records of sessions lost because memory was full while the disk stood still",
                intake.dropped(),
            ),
            ("tlsward_journal_failed_writes", "Writes to the journal that failed", intake.failed_writes()),
            ("tlsward_journal_failed_syncs", "Syncs of the journal that failed", intake.failed_syncs()),
            (
                "tlsward_journal_damaged_bytes",
                "Bytes of the journal that were damaged",
                figures.damaged_bytes.get(),
            ),
            (
                "tlsward_outgoing_bounces",
                "Reports that came back from their destination",
                figures.bounces.get(),
            ),
        ];
        let log = self.log.iter().flat_map(|log| {
            [
                ("tlsward_log_sessions", "Sessions that Postfix's log told of", log.sessions()),
                (
                    "tlsward_log_sessions_without_fingerprint",
                    "Successful sessions of which Postfix's log did not tell the certificate",
                    log.without_fingerprint(),
                ),
                (
                    "tlsward_log_mx_passed_over",
                    "MX hosts that Postfix passed over because the policy does not name them",
                    log.passed_over(),
                ),
                ("tlsward_log_failed_looks", "Looks at Postfix's log that failed", log.failed_looks()),
            ]
        });
        for (name, help, value) in counters.into_iter().chain(log) {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        let refused = [("datagram", figures.refused_datagrams.get()), ("line", figures.refused_lines.get())];
        let help = "Datagrams and lines that cannot be read, and are not counted";
        family(
            encoder.encode_descriptor("tlsward_session_refused", help, None, MetricType::Counter)?,
            "kind",
            &refused,
        )?;
        let sessions = [
            ("counted", figures.sessions.get()),
            ("unjudged", figures.unjudged.get()),
            ("left-out", figures.left_out.get()),
        ];
        let help = "Sessions that were counted, not judged, or left out because their domain is opted out";
        family(
            encoder.encode_descriptor("tlsward_sessions", help, None, MetricType::Counter)?,
            "result",
            &sessions,
        )?;
        let reports = [
            ("sent", figures.sent.get()),
            ("again", figures.again.get()),
            ("given-up", figures.given_up.get()),
            ("skipped", figures.skipped.get()),
        ];
        let help = "Attempts to send a report, by what came of them";
        let metric =
            encoder.encode_descriptor("tlsward_outgoing_reports", help, None, MetricType::Counter)?;
        family(metric, "outcome", &reports)?;
        let bytes = i64::try_from(self.journal.bytes().unwrap_or(0)).unwrap_or(i64::MAX);
        let gauges = [
            ("tlsward_journal_bytes", "Bytes of the journal of sessions on disk", bytes),
            (
                "tlsward_sessions_counted_until_timestamp_seconds",
                "Up to this time every session is counted, in Unix seconds",
                figures.counted_until.load(Ordering::Relaxed),
            ),
        ];
        for (name, help, value) in gauges {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)?;
        }
        Ok(())
    }
}

fn family(mut metric: MetricEncoder<'_>, label: &'static str, values: &[(&'static str, u64)]) -> fmt::Result {
    for (name, value) in values {
        let labels = [(label, *name)];
        ConstCounter::new(*value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

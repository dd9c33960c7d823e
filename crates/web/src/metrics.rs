//! What is counted, in a registry that is passed in as a value.
//!
//! Every counter of a hot path is looked up once, here; counting is then one atomic addition.
//!
//! | metric | labels | meaning |
//! |---|---|---|
//! | `tlsward_intake_receipts_total` | `road`, `outcome` | inputs answered with a receipt |
//! | `tlsward_http_requests_total` | `listener`, `code` | answers of the two web listeners |
//! | `tlsward_reports`, `_set_aside`, `_pending`, `_domains` | | what the store holds |
//! | `tlsward_duplicates`, `tlsward_dropped` | | since the store was made |
//! | `tlsward_last_report_timestamp_seconds` | | when the newest report came in; 0: never |

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tlsward_engine::facts::{Receipt, Road};
use tlsward_engine::ports::Totals;

type Labels = [(&'static str, &'static str); 2];

const ROADS: [Road; 3] = [Road::Https, Road::Smtp, Road::Pipe];
const OUTCOMES: [&str; 3] = ["stored", "duplicate", "set-aside"];
/// Every status that the listeners answer with; anything else is counted under `other`.
const CODES: [(u16, &str); 20] = [
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (303, "303"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (411, "411"),
    (413, "413"),
    (414, "414"),
    (415, "415"),
    (421, "421"),
    (429, "429"),
    (500, "500"),
    (503, "503"),
    (504, "504"),
    (0, "other"),
];

/// Which listener answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// The report end point.
    Reports,
    /// Pages, API, metrics.
    Pages,
}

/// The counters and gauges of this crate. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    receipts: [[Counter; 3]; 3],
    answers: [[Counter; 20]; 2],
    reports: Gauge,
    set_aside: Gauge,
    pending: Gauge,
    domains: Gauge,
    duplicates: Gauge,
    dropped: Gauge,
    last_report: Gauge,
}

impl Metrics {
    /// Registers everything.
    pub fn register(registry: &mut Registry) -> Self {
        let receipts = Family::<Labels, Counter>::default();
        let answers = Family::<Labels, Counter>::default();
        registry.register("tlsward_intake_receipts", "Inputs answered with a receipt", receipts.clone());
        registry.register("tlsward_http_requests", "Answers of the web listeners", answers.clone());
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        Self {
            receipts: ROADS.map(|road| {
                OUTCOMES.map(|outcome| {
                    receipts.get_or_create_owned(&[("road", road.as_wire()), ("outcome", outcome)])
                })
            }),
            answers: ["reports", "pages"].map(|listener| {
                CODES.map(|(_, code)| answers.get_or_create_owned(&[("listener", listener), ("code", code)]))
            }),
            reports: gauge("tlsward_reports", "Reports held"),
            set_aside: gauge("tlsward_set_aside", "Inputs set aside and still held"),
            pending: gauge("tlsward_pending", "Kept mail without a verdict yet"),
            domains: gauge("tlsward_domains", "Different policy domains in the reports held"),
            duplicates: gauge("tlsward_duplicates", "Copies of reports that were there already"),
            dropped: gauge("tlsward_dropped", "Inputs dropped because a quota was full"),
            last_report: gauge(
                "tlsward_last_report_timestamp_seconds",
                "When the newest report came in, in Unix seconds; 0 if none ever did",
            ),
        }
    }

    /// Counts a receipt. The mail roads call it too.
    pub fn receipt(&self, road: Road, receipt: &Receipt) {
        let road = match road {
            Road::Https => 0,
            Road::Smtp => 1,
            Road::Pipe => 2,
        };
        let outcome = match receipt {
            Receipt::Stored { .. } => 0,
            Receipt::Duplicate { .. } => 1,
            Receipt::SetAside { .. } => 2,
        };
        self.receipts[road][outcome].inc();
    }

    pub(crate) fn answered(&self, listener: Listener, status: u16) {
        let listener = match listener {
            Listener::Reports => 0,
            Listener::Pages => 1,
        };
        let place = CODES.iter().position(|(code, _)| *code == status).unwrap_or(CODES.len() - 1);
        self.answers[listener][place].inc();
    }

    /// Shows what the store holds.
    pub(crate) fn show(&self, totals: &Totals) {
        let set = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.reports, totals.reports);
        set(&self.set_aside, totals.set_aside);
        set(&self.pending, totals.pending);
        set(&self.domains, totals.domains);
        set(&self.duplicates, totals.duplicates);
        set(&self.dropped, totals.dropped);
        self.last_report.set(totals.last_received_at.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_counted_by_road_and_outcome() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.receipt(Road::Https, &Receipt::Stored { ids: vec![1] });
        metrics.receipt(Road::Smtp, &Receipt::Duplicate { ids: vec![1] });
        metrics.answered(Listener::Reports, 418);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "tlsward_intake_receipts_total{road=\"https\",outcome=\"stored\"} 1",
            "tlsward_intake_receipts_total{road=\"smtp\",outcome=\"duplicate\"} 1",
            "tlsward_http_requests_total{listener=\"reports\",code=\"other\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}

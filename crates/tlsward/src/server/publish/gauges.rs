//! What is published and what the policy host did, read when the metrics are asked for.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tlsward_policy_host::Hosted;

use super::Host;

struct Seen {
    host: Arc<Host>,
    hosted: Arc<Hosted>,
}

pub(super) fn register(registry: &mut Registry, host: &Arc<Host>, hosted: &Arc<Hosted>) {
    registry.register_collector(Box::new(Seen { host: Arc::clone(host), hosted: Arc::clone(hosted) }));
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seen")
    }
}

impl Collector for Seen {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let gauge = ConstGauge::new(i64::try_from(self.hosted.len()).unwrap_or(i64::MAX));
        let kind = gauge.metric_type();
        let name = "tlsward_publish_policies";
        gauge.encode(encoder.encode_descriptor(name, "Domains whose policy is served", None, kind)?)?;
        let counters = self.host.counters();
        let rows = [
            ("tlsward_publish_served", "Policies given out", &counters.policies),
            ("tlsward_publish_not_found", "Requests for anything else", &counters.not_found),
            (
                "tlsward_publish_misdirected",
                "Requests for another name than the connection's",
                &counters.misdirected,
            ),
            ("tlsward_publish_handshakes", "TLS sessions with the policy host", &counters.handshakes),
            ("tlsward_publish_failed_handshakes", "TLS handshakes that failed", &counters.failed_handshakes),
            (
                "tlsward_publish_unknown_names",
                "TLS handshakes for names that are not hosted",
                &counters.unknown_names,
            ),
            (
                "tlsward_publish_without_certificate",
                "TLS handshakes for hosted names that have no certificate",
                &counters.without_certificate,
            ),
            ("tlsward_publish_turned_away", "Connections beyond a bound", &counters.turned_away),
        ];
        for (name, help, counter) in rows {
            let counter = ConstCounter::new(counter.get());
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        Ok(())
    }
}

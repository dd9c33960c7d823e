//! What enforcement holds, read when the metrics are asked for.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::PolicyResolver;
use super::answers::{Desk, Source};
use crate::edge::SystemClock;

struct Held<S> {
    desk: Desk<S, SystemClock>,
    resolver: PolicyResolver,
}

pub(super) fn register<S: Source>(
    registry: &mut Registry,
    desk: &Desk<S, SystemClock>,
    resolver: &PolicyResolver,
) {
    let held = Held { desk: desk.clone(), resolver: resolver.clone() };
    registry.register_collector(Box::new(held));
}

impl<S> fmt::Debug for Held<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl<S: Source> Collector for Held<S> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let remembered = self.resolver.remembered();
        let rows: [(&str, &str, usize); 4] = [
            ("tlsward_enforce_policies", "Policies of other domains in force", remembered.policies),
            ("tlsward_enforce_next_hops", "Next hops of which something is remembered", remembered.hops),
            (
                "tlsward_enforce_ready_answers",
                "Answers that are given without looking anything up",
                self.desk.map().len(),
            ),
            ("tlsward_enforce_deferred_domains", "Domains whose mail waits", self.desk.deferred().len()),
        ];
        for (name, help, value) in rows {
            let gauge = ConstGauge::new(count(value));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

//! Alerts in the log, and counted.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tlsward_engine::alert::{Board, Feed, Heard, News, Rule};
use tokio::sync::watch;

use crate::control::told_to_stop;

/// Tells the log what the owner must know, once when it begins and once when it is over.
pub(super) async fn follow(mut news: Feed<News>, mut shutdown: watch::Receiver<bool>) {
    loop {
        let heard = tokio::select! {
            () = told_to_stop(&mut shutdown) => return,
            heard = news.next() => heard,
        };
        match heard {
            Some(Heard::News(News::Raised(alert))) => {
                let (rule, subject) = (alert.rule.as_wire(), alert.subject.as_str());
                tracing::error!(alert = rule, subject, "{}", alert.text);
            }
            Some(Heard::News(News::Resolved { alert, text, .. })) => {
                let (rule, subject) = (alert.rule.as_wire(), alert.subject.as_str());
                tracing::info!(alert = rule, subject, "over: {text}");
            }
            Some(Heard::Missed) => tracing::error!("more alerts at once than the log could follow"),
            None => return told_to_stop(&mut shutdown).await,
        }
    }
}

/// Those that stand, read when the metrics are asked for.
#[derive(Debug)]
struct Standing(Vec<Arc<Board>>);

/// Has the alerts of these boards counted.
pub(super) fn register(registry: &mut Registry, boards: Vec<Arc<Board>>) {
    registry.register_collector(Box::new(Standing(boards)));
}

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let standing: Vec<_> = self.0.iter().flat_map(|board| board.standing()).collect();
        let gauge = ConstGauge::new(0_i64);
        let kind = gauge.metric_type();
        let mut family =
            encoder.encode_descriptor("tlsward_alerts", "Alerts that stand, by rule", None, kind)?;
        for rule in Rule::ALL {
            let number = standing.iter().filter(|alert| alert.rule == rule).count();
            let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
            gauge.encode(family.encode_family(&[("rule", rule.as_wire())])?)?;
        }
        Ok(())
    }
}

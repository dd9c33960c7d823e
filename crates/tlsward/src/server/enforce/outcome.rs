//! What answers came to, for the metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tlsward_engine::ports::{Level, MtaPolicy};

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing: the mail server's own setting holds.
    NotFound,
    /// That mail has to wait.
    Deferred,
    /// That the question makes no sense: the mail server is set up wrongly.
    Refused,
    None,
    May,
    Encrypt,
    Dane,
    DaneOnly,
    Secure,
}

const ALL: [(Outcome, &str); 9] = [
    (Outcome::NotFound, "not-found"),
    (Outcome::Deferred, "deferred"),
    (Outcome::Refused, "refused"),
    (Outcome::None, "none"),
    (Outcome::May, "may"),
    (Outcome::Encrypt, "encrypt"),
    (Outcome::Dane, "dane"),
    (Outcome::DaneOnly, "dane-only"),
    (Outcome::Secure, "secure"),
];

impl Outcome {
    /// A word for metrics and pages.
    pub(super) fn as_wire(self) -> &'static str {
        ALL[self as usize].1
    }

    /// Of a policy.
    pub(super) fn of(policy: &MtaPolicy) -> Self {
        match policy {
            MtaPolicy::NotFound => Self::NotFound,
            MtaPolicy::TryLater(_) => Self::Deferred,
            MtaPolicy::Apply(reply) => match reply.level {
                Level::None => Self::None,
                Level::May => Self::May,
                Level::Encrypt => Self::Encrypt,
                Level::Dane => Self::Dane,
                Level::DaneOnly => Self::DaneOnly,
                Level::Secure(_) => Self::Secure,
            },
        }
    }
}

/// Counts answers. Every counter is looked up once, here: counting is one atomic addition.
#[derive(Debug, Clone)]
pub(super) struct Counts([Counter; ALL.len()]);

impl Counts {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let answers = Family::<[(&'static str, &'static str); 1], Counter>::default();
        let text = "Answers to the mail server, by what they say";
        registry.register("tlsward_enforce_answers", text, answers.clone());
        Self(ALL.map(|(_, word)| answers.get_or_create_owned(&[("outcome", word)])))
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.0[outcome as usize].inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted_under_its_own_word() {
        let mut registry = Registry::default();
        let counts = Counts::register(&mut registry);
        for (index, (outcome, _)) in ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
            (0..=index).for_each(|_| counts.count(outcome));
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for (index, (_, word)) in ALL.into_iter().enumerate() {
            let line = format!("tlsward_enforce_answers_total{{outcome=\"{word}\"}} {}\n", index + 1);
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }
}

//! The counts of a day and policy domain as bytes.

use std::net::IpAddr;

use tls_rpt::tally::{AppliedPolicy, Failure, PolicyTally, Tally};
use tls_rpt::{PolicyType, ResultType, Text};

use super::{Reader, Writer};

impl Writer<'_> {
    fn list(&mut self, texts: &[Text]) {
        self.number(texts.len() as u64);
        self.texts(texts);
    }

    fn maybe(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn address(&mut self, address: Option<IpAddr>) {
        self.maybe(address.map(|address| address.to_string()).as_deref());
    }

    pub(crate) fn tally(&mut self, tally: &Tally) {
        self.number(tally.uncounted());
        for (policy, counts) in tally.policies() {
            self.text(policy.policy_type.as_wire());
            self.text(&policy.domain);
            self.list(&policy.strings);
            self.list(&policy.mx_patterns);
            for count in [counts.successful, counts.failed, counts.overflow, counts.failures.len() as u64] {
                self.number(count);
            }
            for (failure, times) in &counts.failures {
                self.number(*times);
                self.text(failure.result.as_wire());
                self.address(failure.receiving_ip);
                self.address(failure.sending_ip);
                for text in
                    [&failure.receiving_mx, &failure.receiving_helo, &failure.reason, &failure.additional]
                {
                    self.maybe(text.as_deref());
                }
            }
        }
    }
}

impl Reader<'_> {
    fn list(&mut self) -> Option<Vec<Text>> {
        let count = self.number()?;
        (0..count).map(|_| self.text().map(Text::new)).collect()
    }

    fn maybe(&mut self) -> Option<Option<Text>> {
        match self.number()? {
            0 => Some(None),
            _ => self.text().map(|text| Some(Text::new(text))),
        }
    }

    fn address(&mut self) -> Option<Option<IpAddr>> {
        match self.maybe()? {
            None => Some(None),
            Some(text) => text.parse().ok().map(Some),
        }
    }

    pub(crate) fn tally(mut self) -> Option<Tally> {
        let mut tally = Tally::default();
        let uncounted = self.number()?;
        while !self.0.is_empty() {
            let policy = AppliedPolicy {
                policy_type: PolicyType::from_wire(self.text()?),
                domain: Text::new(self.text()?),
                strings: self.list()?,
                mx_patterns: self.list()?,
            };
            let mut counts = PolicyTally {
                successful: self.number()?,
                failed: self.number()?,
                overflow: self.number()?,
                ..PolicyTally::default()
            };
            for _ in 0..self.number()? {
                let times = self.number()?;
                let failure = Failure {
                    result: ResultType::from_wire(self.text()?),
                    receiving_ip: self.address()?,
                    sending_ip: self.address()?,
                    receiving_mx: self.maybe()?,
                    receiving_helo: self.maybe()?,
                    reason: self.maybe()?,
                    additional: self.maybe()?,
                };
                counts.failures.insert(failure, times);
            }
            tally.add(policy, counts);
        }
        tally.add_uncounted(uncounted);
        Some(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_as_they_went_in_and_damage_is_noticed() {
        let mut tally = Tally::default();
        for policy_type in [PolicyType::Sts, PolicyType::Unknown("néw".into())] {
            let policy = AppliedPolicy {
                policy_type,
                domain: "a.example".into(),
                strings: vec!["version: STSv1".into(), "".into()],
                mx_patterns: vec!["*.a.example".into()],
            };
            let failure = |reason: Option<Text>| Failure {
                result: ResultType::Unknown("x".into()),
                receiving_mx: Some("mx".into()),
                receiving_helo: None,
                receiving_ip: "2001:db8::1".parse().ok(),
                sending_ip: None,
                reason,
                additional: Some("".into()),
            };
            let failures = [(failure(None), u64::MAX), (failure(Some("".into())), 1)].into();
            let counts = PolicyTally { successful: 1 << 60, failed: 3, failures, overflow: 9 };
            tally.add(policy, counts);
        }
        tally.add_uncounted(5);
        let mut bytes = Vec::new();
        Writer(&mut bytes).tally(&tally);
        assert_eq!(Reader(&bytes).tally(), Some(tally));
        for end in 0..bytes.len() {
            // Cut between two policies, what is left is whole; else it is noticed. It never panics.
            if let Some(cut) = Reader(&bytes[..end]).tally() {
                assert!(cut.policies().count() < 2);
            }
        }
    }
}

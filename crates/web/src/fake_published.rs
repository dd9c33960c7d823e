//! A book of published domains with made data.

use tlsward_engine::ports::{
    CertificateLine, DriftLine, PublishedBook, PublishedDetail, PublishedLine, RecordLine, Standing,
    StepLine, StoreError, VersionLine,
};

use super::NOW;

/// Domains made up beforehand, by name.
#[derive(Debug, Default)]
pub(crate) struct Published(pub(crate) Vec<PublishedDetail>);

impl PublishedBook for Published {
    async fn lines(&self, after: Option<&str>, limit: usize) -> Result<Vec<PublishedLine>, StoreError> {
        let lines = self.0.iter().map(|detail| &detail.line);
        let further = lines.filter(|line| after.is_none_or(|after| line.domain.as_str() > after));
        Ok(further.take(limit).cloned().collect())
    }

    async fn detail(&self, domain: &str) -> Result<Option<PublishedDetail>, StoreError> {
        Ok(self.0.iter().find(|detail| detail.line.domain == domain).cloned())
    }
}

/// One that is quiet, one under way, one with trouble. `text` stands wherever a stranger's can.
pub(crate) fn published(text: &str) -> Published {
    let line = |domain: &str, stage, waiting_for: Option<&str>| PublishedLine {
        domain: domain.to_owned(),
        stage,
        group: Some("customers".to_owned()),
        waiting_for: waiting_for.map(str::to_owned),
        next_at: NOW + 600,
        alerts: usize::from(waiting_for.is_some()),
    };
    let record = |name: &str, value: &str, standing| RecordLine {
        name: name.to_owned(),
        kind: "TXT",
        ttl: 300,
        value: value.to_owned(),
        standing,
        note: (standing != Standing::Live).then(|| text.to_owned()),
    };
    let version = |number, last: Option<i64>| VersionLine {
        number,
        id: last.map(|_| "20261101T000000Z".to_owned()),
        lines: vec!["version: STSv1".to_owned(), "mode: testing".to_owned()],
        first_served_at: NOW - 86_400 * 20 + i64::from(number),
        announced_at: last.map(|last| last - 50),
        last_served_at: last,
    };
    let detail = |line: PublishedLine| PublishedDetail {
        policy_url: format!("https://mta-sts.{}/.well-known/mta-sts.txt", line.domain),
        records: vec![
            record("_smtp._tls.example", "\"v=TLSRPTv1; rua=mailto:tlsrpt@example.org\"", Standing::Live),
            record("_mta-sts.example", "\"v=STSv1; id=20261124T000000Z;\"", Standing::Wrong),
        ],
        policy: Some(
            "version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmax_age: 604800\r\n".to_owned(),
        ),
        policy_standing: Standing::Live,
        policy_note: Some(text.to_owned()),
        versions: vec![version(2, None), version(1, Some(NOW - 86_400))],
        cached_until: Some(NOW + 604_800),
        certificate: Some(CertificateLine {
            source: "https://acme.example/directory".to_owned(),
            not_before: NOW - 86_400,
            not_after: NOW + 86_400 * 89,
            renew_at: Some(NOW + 86_400 * 60),
            trouble: Some(text.to_owned()),
        }),
        steps: vec![StepLine { text: "Put the record there.".to_owned(), at: Some(NOW), by_hand: true }],
        drift: vec![DriftLine {
            code: "record-drift",
            text: text.to_owned(),
            fix: "Put it back.".to_owned(),
        }],
        line,
    };
    let waiting = Some("the new policy, until it is seen on every address");
    let mut quiet = detail(line("a.example", "enforce", None));
    (quiet.steps, quiet.drift) = (Vec::new(), Vec::new());
    Published(vec![
        quiet,
        detail(line("b.example", "testing", waiting)),
        detail(line("c.example", "winding-down", waiting)),
    ])
}

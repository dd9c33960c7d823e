//! One's own domains as the pages show them.

use std::sync::Arc;

use mta_sts::policy;
use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::alert::{Alert, Board};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::certificates::Certificates as _;
use tlsward_engine::ports::publish::KeptVersion;
use tlsward_engine::ports::{
    CertificateLine, Clock as _, DriftLine, PublishedBook, PublishedDetail, PublishedLine, RecordLine,
    Standing, StepLine, StoreError, VersionLine,
};
use tlsward_engine::publish::certificate::renewal::renew_at;
use tlsward_engine::publish::{BodySeen, Hold, Phase, Publication, RecordSeen, plan, records, zone};

use super::own_files::OwnFiles;
use super::{Shared, TheDomains};
use crate::edge::SystemClock;

/// Versions that are shown.
const VERSIONS: usize = 50;

/// What the pages read.
pub(in crate::server) struct Book {
    pub(super) domains: TheDomains,
    pub(super) shared: Arc<Shared>,
    pub(super) alerts: Arc<Board>,
}

/// What a domain waits for, in a sentence.
pub(super) fn waiting_for(publication: &Publication, now: UnixTime) -> Option<String> {
    if let Some(hold) = &publication.hold {
        return Some(match hold {
            Hold::Rewound { .. } => {
                "you: the database is older than what was published (adopt it)".to_owned()
            }
            Hold::ForeignId { .. } => "you: somebody else wrote its _mta-sts record (adopt it)".to_owned(),
        });
    }
    let trouble = &publication.trouble.text;
    let because = if trouble.is_empty() { String::new() } else { format!(": {trouble}") };
    match publication.phase {
        Phase::Quiet if trouble.is_empty() => None,
        Phase::Quiet => Some(format!("its records to be as they should{because}")),
        Phase::Showing { .. } => Some(format!("the policy to be seen on every address{because}")),
        Phase::Announcing { .. } => Some(format!("the new id to be live on every name server{because}")),
        Phase::Ending { .. } => {
            let until = publication.cached_until(now);
            let at =
                jiff::Timestamp::from_second(until).map_or_else(|_| until.to_string(), |at| at.to_string());
            Some(format!("its record to be gone; a sender may have held its policy until {at}"))
        }
        Phase::Leaving => Some(format!("its records to be gone{because}")),
    }
}

impl Book {
    fn line(publication: &Publication, alerts: &[Alert]) -> PublishedLine {
        let name = publication.domain.as_str();
        PublishedLine {
            domain: name.to_owned(),
            stage: publication.wish.stage.as_wire(),
            group: publication.member.as_ref().map(|member| member.group.clone()),
            waiting_for: waiting_for(publication, SystemClock.now()),
            next_at: publication.due_at,
            alerts: alerts.iter().filter(|alert| alert.subject == name).count(),
        }
    }

    async fn certificate(&self, publication: &Publication) -> Result<Option<CertificateLine>, StoreError> {
        let name = publication.domain.policy_host();
        if let Some(leaf) = self.shared.own.leaf(&name) {
            let (not_before, not_after) = OwnFiles::validity(&leaf).unwrap_or((0, 0));
            let source = "a file of yours".to_owned();
            return Ok(Some(CertificateLine {
                source,
                not_before,
                not_after,
                renew_at: None,
                trouble: None,
            }));
        }
        let trouble = self.shared.store.attempts(&name).await?.map(|attempts| attempts.text);
        if let Some(line) = self.shared.store.certificate_line(&name).await? {
            return Ok(Some(CertificateLine {
                source: line.directory.clone(),
                not_before: line.not_before,
                not_after: line.not_after,
                renew_at: Some(renew_at(&line)),
                trouble,
            }));
        }
        if publication.served.is_none() {
            return Ok(None);
        }
        let source = match self.shared.directories.first() {
            Some(directory) => directory.clone(),
            None => "nowhere: set acme_directory in [publish], or name a file in [[publish.certificates]]"
                .to_owned(),
        };
        Ok(Some(CertificateLine { source, not_before: 0, not_after: 0, renew_at: None, trouble }))
    }

    fn records(&self, publication: &Publication) -> Vec<RecordLine> {
        let place = &self.shared.place;
        let mut sets = records::delegation(&publication.domain, place).unwrap_or_default();
        let owned = sets.len();
        sets.extend(
            records::desired(&publication.domain, &publication.desired(), place, false).unwrap_or_default(),
        );
        let mut lines = Vec::new();
        for (index, set) in sets.iter().enumerate() {
            let (standing, note) = match &set.name {
                _ if index < owned => (Standing::Unknown, None),
                name if name.starts_with("_mta-sts.") => standing(&publication.seen.record),
                name if name.starts_with("_smtp._tls.") => standing(&publication.seen.reporting),
                _ => match &publication.seen.body {
                    BodySeen::Everywhere => (Standing::Live, None),
                    _ => (Standing::Unknown, None),
                },
            };
            for line in zone::lines(std::slice::from_ref(set)) {
                let Some(value) = line.value else { continue };
                lines.push(RecordLine {
                    name: line.name,
                    kind: line.kind,
                    ttl: line.ttl,
                    value,
                    standing,
                    note: note.clone(),
                });
            }
        }
        lines
    }
}

fn standing(seen: &RecordSeen) -> (Standing, Option<String>) {
    match seen {
        RecordSeen::NotLooked => (Standing::Unknown, None),
        RecordSeen::Live { .. } => (Standing::Live, None),
        RecordSeen::Partly(text) | RecordSeen::Older(text) => (Standing::Wrong, Some(text.clone())),
        RecordSeen::Absent => (Standing::Missing, None),
        RecordSeen::Other(text) => (Standing::Wrong, Some(format!("what is there: {text}"))),
        RecordSeen::Broken(text) => (Standing::Wrong, Some(text.clone())),
        RecordSeen::Unknown(text) => (Standing::Unknown, Some(text.clone())),
    }
}

fn version(version: KeptVersion) -> VersionLine {
    VersionLine {
        number: version.number,
        id: version.id,
        lines: policy::served_lines(&version.body),
        first_served_at: version.first_served_at,
        announced_at: version.announced_at,
        last_served_at: version.last_served_at,
    }
}

fn steps(plan: &plan::Plan) -> Vec<StepLine> {
    let mut steps = Vec::new();
    for step in plan.steps.iter().filter(|step| step.state == plan::StepState::Now) {
        steps.push(StepLine { text: step.text.clone(), at: None, by_hand: step.by_hand });
    }
    if let Some(waiting) = &plan.waiting {
        steps.push(StepLine { text: waiting.text.clone(), at: waiting.until, by_hand: false });
    }
    for next in &plan.next {
        steps.push(StepLine { text: next.text.clone(), at: next.not_before, by_hand: false });
    }
    steps
}

impl PublishedBook for Book {
    async fn lines(&self, after: Option<&str>, limit: usize) -> Result<Vec<PublishedLine>, StoreError> {
        let found = self.domains.list(after, limit).await?;
        let alerts = self.alerts.standing();
        Ok(found.iter().map(|publication| Self::line(publication, &alerts)).collect())
    }

    async fn detail(&self, domain: &str) -> Result<Option<PublishedDetail>, StoreError> {
        let Ok(domain) = PolicyDomain::parse(domain) else { return Ok(None) };
        let Some((publication, versions)) = self.domains.show(&domain, VERSIONS).await? else {
            return Ok(None);
        };
        let now = SystemClock.now();
        let until = publication.cached_until(now);
        let (policy_standing, policy_note) = match &publication.seen.body {
            BodySeen::NotLooked => (Standing::Unknown, None),
            BodySeen::Everywhere => (Standing::Live, None),
            BodySeen::NotYet(text) => (Standing::Wrong, Some(text.clone())),
            BodySeen::Unknown(text) => (Standing::Unknown, Some(text.clone())),
        };
        let steps = self.shared.plan(&publication, &versions).map(|plan| steps(&plan)).unwrap_or_default();
        let standing = self.alerts.standing();
        let drift = standing.iter().filter(|alert| alert.subject == domain.as_str());
        Ok(Some(PublishedDetail {
            line: Self::line(&publication, &standing),
            records: self.records(&publication),
            policy_url: domain.policy_url(),
            policy: publication
                .served
                .as_ref()
                .map(|served| String::from_utf8_lossy(&served.body).into_owned()),
            policy_standing,
            policy_note,
            versions: versions.into_iter().map(version).collect(),
            cached_until: (until > 0).then_some(until),
            certificate: self.certificate(&publication).await?,
            steps,
            drift: drift
                .map(|alert| DriftLine {
                    code: alert.rule.as_wire(),
                    text: alert.text.clone(),
                    fix: String::new(),
                })
                .collect(),
        }))
    }
}

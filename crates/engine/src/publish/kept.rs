//! A [`Publication`] as it is kept: JSON with a version of its own, in which unknown fields are passed over.
//!
//! What stands in the row's other columns (domain, revision, group, due time) is not repeated, but for `cached_until`: of the
//! two the later one holds. A row that cannot be read is damage ([`StoreError::Damaged`]); the domain is then left as it is.

use bytes::Bytes;
use mta_sts::mx::MxPattern;
use mta_sts::policy::{self, MaxAge};
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;
use serde::{Deserialize, Serialize};

use super::publication::{Hold, Live, Member, Phase, Publication, Seen, Trouble, Version};
use super::{Stage, Wish};
use crate::facts::UnixTime;
use crate::ports::StoreError;
use crate::ports::publish::KeptPublication;

/// Of the JSON. One that is higher was written by a later program.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct State {
    v: u32,
    wish: KeptWish,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    member: Option<Member>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    served: Option<KeptServed>,
    last_number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default)]
    ids: Vec<String>,
    id_clock: UnixTime,
    phase: Phase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    cached_until: UnixTime,
    serving_secs: u32,
    #[serde(default)]
    tested: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    live: Option<Live>,
    is_unwritten: bool,
    #[serde(default)]
    has_reporting: bool,
    #[serde(default)]
    was_reporting: bool,
    #[serde(default)]
    seen: Seen,
    #[serde(default)]
    trouble: Trouble,
}

/// A [`Wish`] as it is kept, also in a group's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptWish {
    /// How far.
    pub stage: Stage,
    /// Patterns as in a policy.
    pub mx: Vec<String>,
    /// URIs.
    pub rua: Vec<String>,
    /// Seconds; absent: the stage's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptServed {
    number: u32,
    body: String,
    at: UnixTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    announced_at: Option<UnixTime>,
}

impl From<&Wish> for KeptWish {
    fn from(wish: &Wish) -> Self {
        Self {
            stage: wish.stage,
            mx: patterns(&wish.mx),
            rua: wish.rua.clone(),
            max_age: wish.max_age.map(MaxAge::as_secs),
        }
    }
}

impl KeptWish {
    /// The wish; `None`: no pattern or max_age could be so.
    #[must_use]
    pub fn into_wish(self) -> Option<Wish> {
        let max_age = match self.max_age {
            Some(secs) => Some(MaxAge::from_secs(u64::from(secs)).ok()?),
            None => None,
        };
        Some(Wish { stage: self.stage, mx: parsed(&self.mx)?, rua: self.rua, max_age })
    }
}

impl Publication {
    /// The row to keep.
    #[must_use]
    pub fn to_row(&self) -> KeptPublication {
        let served = self.served.as_ref().map(|served| KeptServed {
            number: served.number,
            body: String::from_utf8_lossy(&served.body).into_owned(),
            at: served.first_served_at,
            announced_at: served.announced_at,
        });
        let state = State {
            v: FORMAT,
            wish: KeptWish::from(&self.wish),
            member: self.member.clone(),
            served,
            last_number: self.last_number,
            id: self.id.as_ref().map(|id| id.as_wire().to_owned()),
            ids: self.ids.iter().map(|id| id.as_wire().to_owned()).collect(),
            id_clock: self.id_clock,
            phase: self.phase,
            hold: self.hold.clone(),
            cached_until: self.cached_until,
            serving_secs: self.serving_secs,
            tested: patterns(&self.tested),
            live: self.live,
            is_unwritten: self.is_unwritten,
            has_reporting: self.has_reporting,
            was_reporting: self.was_reporting,
            seen: self.seen.clone(),
            trouble: self.trouble.clone(),
        };
        KeptPublication {
            domain: self.domain.as_str().to_owned(),
            revision: self.revision,
            group: self.member.as_ref().map(|member| member.group.clone()),
            cached_until: self.cached_until,
            due_at: self.due_at,
            // Plain values with text keys: writing them cannot fail.
            state: serde_json::to_vec(&state).unwrap_or_default().into(),
        }
    }

    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: it names the domain and the fault.
    pub fn from_row(row: &KeptPublication) -> Result<Self, StoreError> {
        let damaged = |what: &str| StoreError::Damaged(format!("the state of {}: {what}", row.domain));
        let domain = PolicyDomain::parse(&row.domain).map_err(|_| damaged("it is no policy domain"))?;
        let state: State = serde_json::from_slice(&row.state).map_err(|error| damaged(&error.to_string()))?;
        if state.v > FORMAT {
            return Err(damaged("it was written by a later version of this program"));
        }
        let id = |text: &String| PolicyId::parse(text).map_err(|error| damaged(&error.to_string()));
        let served = match state.served {
            None => None,
            Some(served) => {
                let body = Bytes::from(served.body);
                // What was served is strictly valid; whatever is not was changed by somebody.
                let policy = policy::parse(&body);
                let policy =
                    policy.strict().map_err(|_| damaged("what it serves is no valid policy"))?.clone();
                Some(Version {
                    number: served.number,
                    body,
                    policy,
                    first_served_at: served.at,
                    announced_at: served.announced_at,
                })
            }
        };
        Ok(Self {
            domain,
            revision: row.revision,
            member: state.member,
            wish: state.wish.into_wish().ok_or_else(|| damaged("its wish is none"))?,
            last_number: state.last_number.max(served.as_ref().map_or(0, |served| served.number)),
            served,
            id: state.id.as_ref().map(id).transpose()?,
            ids: state.ids.iter().map(id).collect::<Result<_, _>>()?,
            id_clock: state.id_clock,
            phase: state.phase,
            hold: state.hold,
            cached_until: state.cached_until.max(row.cached_until),
            serving_secs: state.serving_secs,
            tested: parsed(&state.tested).ok_or_else(|| damaged("a tested mx pattern is none"))?,
            live: state.live,
            is_unwritten: state.is_unwritten,
            has_reporting: state.has_reporting,
            was_reporting: state.was_reporting,
            seen: state.seen,
            trouble: state.trouble,
            due_at: row.due_at,
        })
    }
}

fn patterns(mx: &[MxPattern]) -> Vec<String> {
    mx.iter().map(|pattern| pattern.as_wire().into_owned()).collect()
}

fn parsed(mx: &[String]) -> Option<Vec<MxPattern>> {
    mx.iter().map(|pattern| MxPattern::parse(pattern).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::publication::{BodySeen, RecordSeen};

    fn publication() -> Publication {
        let mx =
            vec![MxPattern::parse("mx.example.org").unwrap(), MxPattern::parse("*.mail.example").unwrap()];
        let wish = Wish {
            stage: Stage::Enforce,
            mx: mx.clone(),
            rua: vec!["mailto:tlsrpt@example.org".to_owned()],
            max_age: Some(MaxAge::from_secs(600_000).unwrap()),
        };
        let policy = wish.policy().unwrap().unwrap();
        let body = Bytes::from(policy.to_body().unwrap());
        let id = PolicyId::parse("20261124T162300Z").unwrap();
        Publication {
            revision: 7,
            member: Some(Member { group: "hosting".to_owned(), revision: 3 }),
            served: Some(Version { number: 4, body, policy, first_served_at: 100, announced_at: Some(130) }),
            last_number: 4,
            id: Some(id.clone()),
            ids: vec![id],
            id_clock: 99,
            phase: Phase::Ending { since: 5, gone_at: Some(9) },
            hold: Some(Hold::ForeignId { id: "other".to_owned() }),
            cached_until: 9_999,
            serving_secs: 600_000,
            tested: mx,
            live: Some(Live { number: 4, body_at: 1, id_at: 2, ttl_secs: 3 }),
            seen: Seen {
                body: BodySeen::NotYet("192.0.2.1 serves nothing".to_owned()),
                record: RecordSeen::Live { ttl_secs: 300 },
                reporting: RecordSeen::Absent,
                ..Seen::default()
            },
            trouble: Trouble { failures: 2, since: 3, text: "no answer".to_owned() },
            ..Publication::new(PolicyDomain::parse("example.org").unwrap(), wish, 50)
        }
    }

    #[test]
    fn what_is_kept_reads_back() {
        let publication = publication();
        assert_eq!(Publication::from_row(&publication.to_row()).unwrap(), publication);
        let fresh = Publication::new(publication.domain.clone(), publication.wish, 1);
        assert_eq!(Publication::from_row(&fresh.to_row()).unwrap(), fresh);
    }

    #[test]
    fn unknown_fields_are_passed_over_and_damage_names_the_domain() {
        let row = publication().to_row();
        let text = String::from_utf8(row.state.to_vec()).unwrap();
        let with = |state: String| KeptPublication { state: state.into(), ..row.clone() };
        let more = text.replacen('{', "{\"from_the_future\":[1],", 1);
        assert_eq!(Publication::from_row(&with(more)).unwrap(), publication());
        for broken in [
            String::new(),
            text.replacen("\"v\":1", "\"v\":2", 1),
            text.replacen("mode: enforce", "mode: enforced", 1),
            text.replacen("20261124T162300Z", "not an id", 1),
        ] {
            let error = Publication::from_row(&with(broken)).unwrap_err();
            assert!(error.to_string().contains("example.org"), "{error}");
        }
    }

    /// Proves: D19
    #[test]
    fn of_two_times_until_which_a_policy_may_be_held_the_later_one_is_read() {
        let row = KeptPublication { cached_until: 20_000, ..publication().to_row() };
        assert_eq!(Publication::from_row(&row).unwrap().cached_until, 20_000);
        let row = KeptPublication { cached_until: 1, ..row };
        assert_eq!(Publication::from_row(&row).unwrap().cached_until, 9_999);
    }
}

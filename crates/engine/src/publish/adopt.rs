//! Taking over a domain that already publishes: from what is seen outside to the owner's wish, without a moment of downgrade.
//!
//! The live policy is imported exactly: its mode, its MX patterns, its max_age. What its text has that no strict text may is
//! written strictly and means the same. Destinations for reports are kept, ours is added. What served it before may have
//! served any max_age, so a sender is taken to hold a policy for a year (RFC 8461 §3.2: the longest there is).
//!
//! Pure, and the first thing that happens: every difference is listed before anything is served. **Refused** is what could
//! turn into a downgrade: a domain whose live policy cannot be read or told.

mod difference;
mod text;

pub use difference::{Difference, DifferenceCode};

use mta_sts::policy::{MaxAge, Mode};
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;
use serde::{Serialize, Serializer};
use smtp_dane::pkix::TrustRoots;
use tls_rpt::record::Rua;

use super::dates::rfc3339;
use super::outside::{LiveMx, LivePolicy, LiveRecord, LiveReporting, Outside, ServedPolicy, read};
use super::{Adoption, Command, Member, Stage, Wish, WishError};
use crate::check::Observations;
use crate::check::text::{list, tame};
use crate::facts::UnixTime;
use difference::{host_moves, mx_differs, policy_differs, record_differs};

/// A domain that can be taken over, and all that changes by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Takeover {
    /// Which.
    pub domain: String,
    /// What is to be published from now on.
    #[serde(serialize_with = "wish_in_words")]
    pub wish: Wish,
    /// The id that announces the live policy, if one does: it stays in use or is taken, never given again.
    #[serde(serialize_with = "id_as_text")]
    pub live_id: Option<PolicyId>,
    /// The live policy, if there is one.
    #[serde(skip)]
    pub live: Option<ServedPolicy>,
    /// Whether what will be served is the live body to the byte: the id then stays as well.
    pub keeps_body: bool,
    /// A sender may hold a policy of the domain until then.
    #[serde(serialize_with = "rfc3339")]
    pub cached_until: UnixTime,
    /// What will be other than it is.
    pub differences: Vec<Difference>,
}

/// Why a domain cannot be taken over now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    /// There is nothing to take over.
    #[error(
        "{domain} publishes neither a policy nor a record that asks for reports: there is nothing to take over. Begin with \
         `tlsward domain add {domain}`"
    )]
    Nothing {
        /// Which.
        domain: String,
    },
    /// Asking again may do.
    #[error(
        "it could not be told what {domain} publishes ({why}). Taking it over blindly could weaken a policy that senders \
         hold: try again"
    )]
    NotTold {
        /// Which.
        domain: String,
        /// What could not be told.
        why: String,
    },
    /// The owner makes the live policy readable first.
    #[error(
        "{domain} announces a policy that cannot be read ({why}). What senders hold is not known, so whatever is served \
         instead could weaken it: make {url} readable as it was, then adopt. `tlsward check {domain}` says what is wrong"
    )]
    Unreadable {
        /// Which.
        domain: String,
        /// What is the matter.
        why: String,
        /// Where the policy should be.
        url: String,
    },
    /// The owner makes them serve one policy first.
    #[error("{domain} has more than one live policy ({why}): make every address serve the same, then adopt")]
    Ambiguous {
        /// Which.
        domain: String,
        /// Which addresses.
        why: String,
    },
    /// It cannot be written strictly: larger than a policy may be, for instance.
    #[error("what {domain} publishes cannot be written as it should be: {why}")]
    NotStrict {
        /// Which.
        domain: String,
        /// Why.
        why: WishError,
    },
}

/// What taking over a domain comes to, from what was seen of it at `now`. `our_rua`: where reports should come from now on,
/// beside the destinations that the domain has; `None` adds none.
///
/// # Errors
/// [`AdoptError`]: nothing may be served then.
pub fn adopt(
    seen: &Observations,
    roots: &TrustRoots,
    our_rua: Option<&str>,
    now: UnixTime,
) -> Result<Takeover, AdoptError> {
    let domain = &seen.domain;
    let outside = read(seen, roots, now);
    let policy = live_policy(domain, &outside)?;
    let mut differences = Vec::new();
    let rua = reporting(domain, &outside.reporting, our_rua, &mut differences)?;
    if policy.is_none() && outside.reporting == LiveReporting::Absent {
        return Err(AdoptError::Nothing { domain: domain.to_string() });
    }
    let wish = match policy {
        // RFC 8461 §5: mode for mode, pattern for pattern.
        Some(served) => Wish {
            stage: stage_of(served.policy.mode()),
            mx: served.policy.mx().to_vec(),
            rua,
            max_age: Some(served.policy.max_age()),
        },
        None => Wish { stage: Stage::Reporting, mx: Vec::new(), rua, max_age: None },
    };
    let not_strict = |why| AdoptError::NotStrict { domain: domain.to_string(), why };
    let ours = wish.policy().map_err(not_strict)?;
    wish.reporting_record().map_err(not_strict)?;

    let mut keeps_body = false;
    if let (Some(served), Some(ours)) = (policy, &ours) {
        let body = ours.to_body().map_err(|why| not_strict(WishError::Policy(why)))?;
        keeps_body = body.as_bytes() == served.body.as_ref();
        policy_differs(domain, served, keeps_body, &mut differences);
        host_moves(seen, &mut differences);
        record_differs(seen, &outside.record, &mut differences);
        mx_differs(domain, &served.policy, &outside.mx, &mut differences);
    }
    if let LiveMx::Unknown(why) = &outside.mx {
        return Err(not_told(domain, &format!("MX at {domain}: {why}")));
    }
    let live_id = match &outside.record {
        LiveRecord::Usable { id, .. } => Some(id.clone()),
        _ => None,
    };
    let cached_until = match policy {
        Some(_) => now.saturating_add(i64::from(MaxAge::MAX.as_secs())),
        None => now,
    };
    differences.sort_by(|one, other| (one.code, &one.subject).cmp(&(other.code, &other.subject)));
    Ok(Takeover {
        domain: domain.to_string(),
        wish,
        live_id,
        live: policy.cloned(),
        keeps_body,
        cached_until,
        differences,
    })
}

fn stage_of(mode: Mode) -> Stage {
    match mode {
        Mode::Enforce => Stage::Enforce,
        Mode::Testing => Stage::Testing,
        Mode::None => Stage::WindingDown,
    }
}

fn not_told(domain: &PolicyDomain, why: &str) -> AdoptError {
    AdoptError::NotTold { domain: domain.to_string(), why: why.to_owned() }
}

/// The live policy; `None`: certainly none, announced or not.
fn live_policy<'a>(
    domain: &PolicyDomain,
    outside: &'a Outside,
) -> Result<Option<&'a ServedPolicy>, AdoptError> {
    if let LiveRecord::Unknown(why) = &outside.record {
        return Err(not_told(domain, &format!("TXT at {}: {why}", domain.record_name())));
    }
    // A broken record, too, once announced something.
    let is_announced = outside.record != LiveRecord::Absent;
    let unreadable = |why: &String| AdoptError::Unreadable {
        domain: domain.to_string(),
        why: why.clone(),
        url: domain.policy_url(),
    };
    match &outside.policy {
        LivePolicy::Served(served) => Ok(Some(served)),
        LivePolicy::Differs(why) => {
            Err(AdoptError::Ambiguous { domain: domain.to_string(), why: why.clone() })
        }
        // Also where no record stands: senders that hold a policy refresh it without looking at the record (RFC 8461 §10.2).
        LivePolicy::Unknown(why) => Err(not_told(domain, why)),
        LivePolicy::Absent(why) | LivePolicy::Unusable(why) if is_announced => Err(unreadable(why)),
        LivePolicy::Absent(_) | LivePolicy::Unusable(_) => Ok(None),
    }
}

/// Where reports go from now on: where they went, and to us.
fn reporting(
    domain: &PolicyDomain,
    live: &LiveReporting,
    our_rua: Option<&str>,
    differences: &mut Vec<Difference>,
) -> Result<Vec<String>, AdoptError> {
    let name = format!("{}.{domain}", tls_rpt::record::LABEL);
    let mut note = |code, subject: &str, text: String| {
        differences.push(Difference { code, subject: tame(subject).into_owned(), text });
    };
    let mut rua: Vec<String> = match live {
        LiveReporting::Unknown(why) => return Err(not_told(domain, &format!("TXT at {name}: {why}"))),
        LiveReporting::Absent => Vec::new(),
        LiveReporting::Usable { rua, lost } => {
            for uri in lost {
                let text = "No report can go there, and senders skip it (RFC 8460 §3). It is left out.";
                note(DifferenceCode::RuaDropped, uri, text.to_owned());
            }
            rua.clone()
        }
        LiveReporting::Unusable { why, rua } => {
            let text =
                format!("Senders send no reports today: {}. One proper record takes its place.", tame(why));
            note(DifferenceCode::ReportingRepaired, &name, text);
            rua.clone()
        }
    };
    let mut seen: Vec<String> = Vec::new();
    rua.retain(|uri| {
        let is_new = !seen.contains(uri);
        seen.push(uri.clone());
        is_new
    });
    if let Some(ours) = our_rua
        && !rua.iter().any(|uri| is_same_destination(uri, ours))
    {
        let beside = if rua.is_empty() {
            String::new()
        } else {
            format!(" beside {}", list(rua.iter().map(|uri| tame(uri))))
        };
        note(DifferenceCode::RuaAdded, ours, format!("Reports are asked to come here{beside}."));
        rua.push(ours.to_owned());
    }
    Ok(rua)
}

/// Whether two URIs name one destination: a mail address is compared as decoded, with its domain in lower case.
pub(super) fn is_same_destination(one: &str, other: &str) -> bool {
    let destination = |uri: &str| -> Option<Rua> {
        let record = tls_rpt::record::write(&[uri]).ok()?;
        tls_rpt::record::parse(record.as_bytes()).strict.ok()?.ruas().first().cloned()
    };
    match (destination(one), destination(other)) {
        (Some(Rua::Mailto { address: one, .. }), Some(Rua::Mailto { address: other, .. })) => one == other,
        (Some(one), Some(other)) => one.uri() == other.uri(),
        _ => one == other,
    }
}

impl Takeover {
    /// The order that takes it over as it was shown, in `member`'s group if it is to follow one.
    #[must_use]
    pub fn to_command(&self, member: Option<Member>) -> Command {
        Command::Adopt(Adoption {
            wish: self.wish.clone(),
            member,
            live_id: self.live_id.clone(),
            live: self.live.as_ref().map(|live| (live.policy.clone(), live.body.clone())),
            i_know: false,
        })
    }
}

fn wish_in_words<S: Serializer>(wish: &Wish, serializer: S) -> Result<S::Ok, S::Error> {
    super::KeptWish::from(wish).serialize(serializer)
}

fn id_as_text<S: Serializer>(id: &Option<PolicyId>, serializer: S) -> Result<S::Ok, S::Error> {
    id.as_ref().map(PolicyId::as_wire).serialize(serializer)
}

//! What the domain's name servers say, and how that compares with what was written.
//!
//! Every server is asked for itself: a change is live when each of them shows it. A server that does not answer is passed over
//! as long as another one does: nobody learns anything from it.

use mta_sts::record::PolicyId;

use super::ids;
use super::publication::{DesiredText, Publication, RecordSeen};

/// What was found at the two names of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordLook {
    /// Of each server asked, what it says at `_mta-sts`.
    pub mta_sts: Vec<(String, Saw)>,
    /// Of each server asked, what it says at `_smtp._tls`.
    pub reporting: Vec<(String, Saw)>,
}

/// What one server says at one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saw {
    /// One usable record: its id, or for `_smtp._tls` its text.
    Text {
        /// The id or the text.
        text: String,
        /// In seconds.
        ttl_secs: u32,
    },
    /// None.
    Absent,
    /// What nobody can use: several, or a malformed one. In words.
    Broken(String),
    /// It did not say. In words.
    Unknown(String),
}

/// Servers that are named in a text.
const NAMED: usize = 4;

impl RecordLook {
    /// The `_mta-sts` record.
    pub(super) fn mta_sts(&self, state: &Publication) -> RecordSeen {
        let is_ours = |text: &str| {
            let Ok(id) = PolicyId::parse(text) else { return Kin::Other };
            match &state.id {
                Some(wanted) if *wanted == id => return Kin::Wanted,
                _ => {}
            }
            // Of those that are no longer remembered the form and the time tell.
            let is_full = state.ids.len() >= super::IDS_REMEMBERED;
            let oldest = state.ids.iter().find_map(ids::time_of).filter(|_| is_full);
            let is_older = ids::time_of(&id).zip(oldest).is_some_and(|(at, oldest)| at < oldest);
            if state.ids.contains(&id) || is_older { Kin::Older } else { Kin::Other }
        };
        compared(&self.mta_sts, is_ours)
    }

    /// The `_smtp._tls` record.
    pub(super) fn reporting(&self, state: &Publication) -> RecordSeen {
        let desired = state.desired().reporting;
        compared(&self.reporting, |text| match &desired {
            DesiredText::Is(wanted) if wanted == text => Kin::Wanted,
            _ => Kin::Other,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kin {
    Wanted,
    Older,
    Other,
}

fn compared(servers: &[(String, Saw)], kin: impl Fn(&str) -> Kin) -> RecordSeen {
    let (mut wanted, mut older, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    let mut broken = None;
    let mut unknown = None;
    let mut ttl_secs = 0;
    for (server, saw) in servers {
        match saw {
            Saw::Text { text, ttl_secs: ttl } => {
                ttl_secs = ttl_secs.max(*ttl);
                match kin(text) {
                    Kin::Wanted => wanted.push(server.as_str()),
                    Kin::Older => older.push(server.as_str()),
                    Kin::Other => return RecordSeen::Other(text.clone()),
                }
            }
            Saw::Absent => absent.push(server.as_str()),
            Saw::Broken(what) => broken = broken.or_else(|| Some(format!("{server}: {what}"))),
            Saw::Unknown(what) => unknown = unknown.or_else(|| Some(format!("{server}: {what}"))),
        }
    }
    if let Some(text) = broken {
        return RecordSeen::Broken(text);
    }
    match (wanted.is_empty(), older.is_empty(), absent.is_empty()) {
        (true, true, true) => {
            RecordSeen::Unknown(unknown.unwrap_or_else(|| "no name server was found".to_owned()))
        }
        (false, true, true) => RecordSeen::Live { ttl_secs },
        (true, true, false) => RecordSeen::Absent,
        (true, false, _) => RecordSeen::Older(format!("{} have the one before", named(&older))),
        (false, _, _) => {
            let without: Vec<&str> = older.into_iter().chain(absent).collect();
            RecordSeen::Partly(format!("{} have it, {} do not", named(&wanted), named(&without)))
        }
    }
}

fn named(servers: &[&str]) -> String {
    let mut text = servers.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if servers.len() > NAMED {
        text.push_str(&format!(" and {} more", servers.len() - NAMED));
    }
    text
}

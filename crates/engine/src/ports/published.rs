//! One's own domains as they stand, for whoever shows them: values alone, so that pages know neither the state machine
//! nor its store. Texts are ours, but for those that say otherwise.

use std::future::Future;

use super::StoreError;
use crate::facts::UnixTime;

/// A managed domain at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedLine {
    /// Lower-case A-labels.
    pub domain: String,
    /// `reporting`, `testing`, `enforce`, `winding-down`.
    pub stage: &'static str,
    /// The group that it follows.
    pub group: Option<String>,
    /// What it waits for, in a sentence; `None`: nothing is under way.
    pub waiting_for: Option<String>,
    /// When something is looked at or done next.
    pub next_at: UnixTime,
    /// What goes on and ought not to, in number.
    pub alerts: usize,
}

/// Whether the world sees what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It does.
    Live,
    /// It sees nothing.
    Missing,
    /// It sees something else.
    Wrong,
    /// Not looked at yet, or it could not be told.
    Unknown,
}

impl Standing {
    /// A word for it.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Missing => "missing",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }
}

/// A record that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLine {
    /// Its owner's name.
    pub name: String,
    /// `TXT`, `CNAME`, …
    pub kind: &'static str,
    /// Seconds.
    pub ttl: u32,
    /// As in a zone file, ready to copy.
    pub value: String,
    /// What the world sees.
    pub standing: Standing,
    /// What is wrong and what to do; may quote a stranger.
    pub note: Option<String>,
}

/// A version of the policy that was served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionLine {
    /// From 1.
    pub number: u32,
    /// The id under which it was announced at last.
    pub id: Option<String>,
    /// Its lines.
    pub lines: Vec<String>,
    /// When it was served first.
    pub first_served_at: UnixTime,
    /// When its id was live.
    pub announced_at: Option<UnixTime>,
    /// When it was served for the last time; `None`: it still is.
    pub last_served_at: Option<UnixTime>,
}

/// The certificate of the policy host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateLine {
    /// Where it came from: an authority's directory, or a file.
    pub source: String,
    /// Since when it is valid; 0: there is none yet.
    pub not_before: UnixTime,
    /// Until when.
    pub not_after: UnixTime,
    /// When it is to be renewed.
    pub renew_at: Option<UnixTime>,
    /// Why the latest attempt failed, and what to do; may quote the authority.
    pub trouble: Option<String>,
}

/// Something that happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepLine {
    /// What.
    pub text: String,
    /// When, as far as it is known.
    pub at: Option<UnixTime>,
    /// Whether a person has to do it.
    pub by_hand: bool,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftLine {
    /// In kebab-case; never changes.
    pub code: &'static str,
    /// What was found; may quote a stranger.
    pub text: String,
    /// What to do.
    pub fix: String,
}

/// A managed domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedDetail {
    /// At a glance.
    pub line: PublishedLine,
    /// Records that should be there, with what the world sees.
    pub records: Vec<RecordLine>,
    /// The policy's address.
    pub policy_url: String,
    /// The body that is served, if one is.
    pub policy: Option<String>,
    /// Whether the world gets that body.
    pub policy_standing: Standing,
    /// What is wrong about it.
    pub policy_note: Option<String>,
    /// Every version, newest first.
    pub versions: Vec<VersionLine>,
    /// Until when a sender may hold a policy that was served; `None`: none ever was.
    pub cached_until: Option<UnixTime>,
    /// The certificate, if there is one or one is wanted.
    pub certificate: Option<CertificateLine>,
    /// What happens next, in order.
    pub steps: Vec<StepLine>,
    /// What is not as it should be.
    pub drift: Vec<DriftLine>,
}

/// Knows one's own domains.
pub trait PublishedBook: Send + Sync + 'static {
    /// By domain, those after `after`, at most `limit`.
    fn lines(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<PublishedLine>, StoreError>> + Send;

    /// One domain; `None` if it is not managed here.
    fn detail(
        &self,
        domain: &str,
    ) -> impl Future<Output = Result<Option<PublishedDetail>, StoreError>> + Send;
}

impl PublishedBook for super::NoBook {
    async fn lines(&self, _after: Option<&str>, _limit: usize) -> Result<Vec<PublishedLine>, StoreError> {
        match *self {}
    }

    async fn detail(&self, _domain: &str) -> Result<Option<PublishedDetail>, StoreError> {
        match *self {}
    }
}

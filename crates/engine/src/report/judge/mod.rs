//! Which sessions met their policy, where the MTA's own word does not say.
//!
//! Under an enforced policy an MTA validates, and its "success" is believed. Under a policy in testing mode Postfix looks
//! at no name and at no certificate, and sends a datagram of success all the same (RFC 8461 §5 lets it deliver; RFC 8460
//! §4.2.1 counts only what complies). What the session really saw stands in its log: the MX host and the fingerprint of
//! the certificate. So a datagram says *which policy* was applied to *how many* sessions, and a line of the log *what one
//! of them saw*. What the two say together is counted; what they do not say is left out, as unjudged.
//!
//! **Joining.** Neither names the other: they share the domain, and nothing else. Nothing is paired by guess. Take the
//! sessions of one domain in a stretch of the journal: `n` datagrams of success, `p` of them under the policy, `m` lines
//! of success, and among the lines `x` with the verdict *v* under that policy. At most `max(n, m) - p` of the lines can
//! belong to sessions that the policy was not applied to, so the verdict *v* fell at least `x - (max(n, m) - p)` times
//! under it. So many are counted, and the rest of the `p` is unjudged. Where one policy was in force and nothing was
//! lost, that is every session; where a datagram, a line or a change of policy leaves it open whose line it was, only
//! what holds either way is. Of that:
//!
//! - The counts of a policy never exceed its datagrams; a line is a real session, so none counts twice.
//! - Each session counted as a success is one whose MX host and certificate satisfied the policy. (It was this policy
//!   that was applied to it unless a datagram *and* another session's line were lost in one stretch; it satisfied it
//!   nevertheless.)
//! - Look-ups and probes are no sessions and add nothing: a handshake of our own only shows what stands behind a
//!   fingerprint, and must show that very certificate.
//!
//! **How it is used.** Read records of the journal as [`Told`], in order; [`ripe`] says how many of them may be judged
//! now without tearing sessions from their lines; [`Certificates::wanted`] and [`Certificates::fetch`] get what is behind
//! new fingerprints; [`sessions`] gives what is to be counted, to be written in one commit with the journal's place. The
//! same stretch gives the same counts after a kill, as far as the certificates can still be had.
//!
//! Performs no I/O but [`Certificates::fetch`]. What can fail: nothing; what is missing is unjudged.

mod certificates;
mod hearing;
mod policy_host;
mod ripe;
mod verdict;

#[cfg(test)]
mod tests;

use smtp_dane::pkix::TrustRoots;

pub use certificates::{Certificates, Wanted};
pub use hearing::sessions;
pub use policy_host::{InForce, NoPolicies, PolicyHosts, Standing, Trouble, fetch_failure_type};
pub use ripe::{MAX_STRETCH, ripe};

use crate::facts::UnixTime;
use crate::ports::{MtaLogEvent, SessionEvent};

/// A record of the journal, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When it came in.
    pub at: UnixTime,
    /// What it says.
    pub what: What,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A datagram of libtlsrpt. Where the MTA's log is followed, a line of it tells of the same session.
    Datagram(SessionEvent),
    /// A session that was written down for us, with all that is known of it; no other record tells of it.
    Line(SessionEvent),
    /// A line of the log.
    Log(MtaLogEvent),
}

/// What judgements rest on.
#[derive(Clone, Copy)]
pub struct Grounds<'a> {
    /// Certificates that were seen.
    pub certificates: &'a Certificates,
    /// Who is trusted to issue them.
    pub roots: &'a TrustRoots,
    /// Policies and their hosts.
    pub policies: &'a dyn PolicyHosts,
}

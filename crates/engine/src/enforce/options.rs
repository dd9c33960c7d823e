//! How the resolver works: its limits, and what is known of the MTA that it serves.

use std::time::Duration;

/// How the resolver works. The default suits an installation of any size.
#[derive(Debug, Clone)]
pub struct Options {
    /// After this time an asker gets what is known, else "try later", while the look-ups go on.
    pub answer_limit: Duration,
    /// Look-ups of next hops side by side, and, apart from those, fetches of policies.
    pub flights_at_once: usize,
    /// Fetches from one address side by side: a provider hosts the policies of many domains.
    pub fetches_per_address: usize,
    /// Next hops that wait for their look-ups at most, some 8 KB each; beyond, askers get "try later" at once.
    pub waiting_at_most: usize,
    /// Next hops that are remembered: some 250 bytes each. Beyond, the one that was asked for longest ago goes. No
    /// policy ever does.
    pub remembered_hops: usize,
    /// What policies that are much larger than any honest one may take of memory together, in bytes. A new one beyond that
    /// is applied to the mail that asked and not held, so that it is fetched again for the next; one that would take the
    /// place of a held one is not taken. No policy that is held ever makes room.
    pub large_policies_bytes: usize,
    /// Whether the MTA looks up TLSA records itself, over a validating resolver (Postfix: `smtp_dns_support_level =
    /// dnssec`). Where it does not, an answer that says DANE would defer mail or let it go unauthenticated, so DANE is
    /// out of use and MTA-STS alone decides: a host with usable TLSA records is then held to a valid certificate
    /// instead of its own TLSA records, which RFC 8461 §2 forbids where DANE is at hand.
    pub mta_does_dane: bool,
    /// Spreads refreshes over time: another number for each installation.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            answer_limit: Duration::from_secs(5),
            flights_at_once: 256,
            fetches_per_address: 8,
            waiting_at_most: 10_000,
            remembered_hops: 100_000,
            large_policies_bytes: 128 * 1024 * 1024,
            mta_does_dane: true,
            seed: 0,
        }
    }
}

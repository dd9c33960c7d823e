//! MTA-STS, RFC 8461: everything that can be decided without touching the world.
//!
//! A receiving domain promises that its MX hosts speak TLS with a trusted certificate; a sending server
//! finds the promise, keeps it, and holds the MX hosts to it. This crate has both ends of that as values
//! and functions: no sockets, no clock, no randomness. Bytes from DNS and HTTPS come in, verdicts go out;
//! the time and a random spread are arguments.
//!
//! | step | module | question answered |
//! |---|---|---|
//! | 1 | [`policy_domain`] | whose policy counts for this next hop, and where is it |
//! | 2 | [`record`], [`rrset`] | what does the `_mta-sts` TXT record say |
//! | 3 | [`response`], [`content_type`], [`policy`] | is this HTTPS answer a policy |
//! | 4 | [`freshness`] | which policy is in force now, and what to look up or fetch next |
//! | 5 | [`mx`], [`apply`] | may this message go to this MX |
//!
//! **Two verdicts.** Every parse answers two questions, see [`Parsed`]: is it what the grammar asks for
//! (*strict*), and is its meaning beyond doubt (*usable*). What a domain owner is told rests on the first,
//! what a sender does on the second, since refusing a policy over a byte order mark sends mail in the clear.
//! Usable is strict plus a short closed list of deviations, and never lets an MX pattern in that strict
//! would not, but for a dot at its end.
//!
//! ```
//! use mta_sts::apply::{self, Decision, Failure, TlsOutcome};
//! use mta_sts::freshness::{Action, FetchOutcome, Freshness, Input, Spread};
//! use mta_sts::response::{self, Response};
//! use mta_sts::{Timestamp, rrset};
//!
//! let now = Timestamp::from_unix(1_800_000_000);
//! let spread = Spread::from_fraction(0);
//!
//! // Somebody wants to send to the domain: look at DNS.
//! let (state, actions) = Freshness::default().step(now, spread, Input::Needed);
//! assert_eq!(actions, [Action::LookUpRecord]);
//!
//! // The TXT RRset at `_mta-sts.example.org`, each record's strings joined.
//! let choice = rrset::choose(&[b"v=STSv1; id=20260101T000000;".as_slice(), b"unrelated"]);
//! let (state, actions) = state.step(now, spread, Input::Record(choice.outcome()));
//! let [Action::Fetch { id }] = actions.as_slice() else { panic!("expected a fetch") };
//!
//! // What the policy host answered.
//! let answer = response::judge(&Response {
//!     status: 200,
//!     content_type: Some(b"text/plain"),
//!     body: b"version: STSv1\r\nmode: enforce\r\nmx: *.example.org\r\nmax_age: 604800\r\n",
//! });
//! let outcome = FetchOutcome::from(answer.into_usable());
//! let (state, _) = state.step(now, spread, Input::Fetch { id: id.clone(), outcome });
//!
//! // The policy is in force: an MX without STARTTLS is passed over.
//! let policy = state.in_force(now).map(|held| held.policy());
//! let decision = apply::decide(policy, "mx1.example.org", TlsOutcome::NoStartTls);
//! assert_eq!(decision, Decision::TryNextMx(Some(Failure::StartTlsNotSupported)));
//! ```

pub mod apply;
pub mod content_type;
pub mod freshness;
pub mod mx;
pub mod name;
mod parsed;
pub mod policy;
pub mod policy_domain;
pub mod record;
pub mod response;
pub mod rrset;
mod timestamp;
pub mod verdict;

pub use parsed::{Deviates, NotStrict, Parsed};
pub use timestamp::Timestamp;

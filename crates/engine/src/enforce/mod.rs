//! The sender's side of MTA-STS and DANE: what the MTA must do for a next hop ([`Resolver`]), and the explanation of what
//! a sender without memory would do ([`explain_policy`]).

mod answer;
mod decision;
mod explain;
mod explanation;
pub(crate) mod fetch;
mod mail_facts;
mod next_hop;
mod options;
mod resolver;
mod rule;
mod status;

pub use crate::feed::{Feed, Heard};
pub use answer::{Answer, DaneWhy, NoPolicyWhy, Why};
pub use explain::explain_policy;
pub use explanation::{Applied, Explanation, HostRule, Rule, Step, StepName, StepOutcome};
pub use next_hop::NextHop;
pub use options::Options;
pub use resolver::{Driver, Remembered, Resolver};
pub use status::{DomainStatus, Forgotten, LastFailure, PolicyStatus, Rechecked, Refreshed};

//! The sender's side of MTA-STS and DANE. So far: the explanation of what a sender would do for a next hop now.

mod explain;
mod explanation;
mod rule;

pub use explain::explain_policy;
pub use explanation::{Applied, Explanation, HostRule, Rule, Step, StepName, StepOutcome};

//! What a person sees on a terminal. Every text of a stranger passes [`visible`] before it is shown.

pub(crate) mod check;
pub(crate) mod digest;
pub(crate) mod failure;
pub(crate) mod figures;
pub(crate) mod findings;
pub(crate) mod page;
pub(crate) mod policy;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod tally;
pub(crate) mod total;
pub(crate) mod visible;

//! Audits of many domains: which, how many at once, and what becomes of each.

pub(crate) mod domains;
mod run;

pub(crate) use run::{Bounds, Ended, run};

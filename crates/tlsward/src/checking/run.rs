//! Audits domains, a bounded number at once, and hands over each report as it is ready. Memory is bounded by that
//! number, not by how many domains there are.

use std::future::Future;
use std::ops::ControlFlow;

use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::check::Report;
use tokio::task::JoinSet;

/// Audits each of `domains`. `take` is given each report with the place of its domain in the list, in the order in
/// which they finish; it may end the run.
pub(crate) async fn run<C, F>(
    domains: impl Iterator<Item = PolicyDomain>,
    jobs: usize,
    check: C,
    mut take: impl FnMut(usize, Report) -> ControlFlow<()>,
) where
    C: Fn(PolicyDomain) -> F,
    F: Future<Output = Report> + Send + 'static,
{
    let mut domains = domains.enumerate();
    let mut running = JoinSet::new();
    loop {
        while running.len() < jobs.max(1) {
            let Some((place, domain)) = domains.next() else { break };
            let report = check(domain);
            running.spawn(async move { (place, report.await) });
        }
        match running.join_next().await {
            None => return,
            // A check that broke is a bug; the others still count.
            Some(Err(error)) => tracing::error!(%error, "a check broke"),
            Some(Ok((place, report))) => {
                if take(place, report).is_break() {
                    return;
                }
            }
        }
    }
}

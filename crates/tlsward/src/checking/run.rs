//! Audits domains, a bounded number at once, and hands over what each came to as it is ready. Memory is bounded by
//! that number, not by how many domains there are, and a list that grows slowly holds nothing back.

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::check::Report;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How many are worked on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// At once.
    pub(crate) jobs: usize,
    /// How far the newest may be ahead of the oldest that is not ready, for whoever keeps them in order.
    pub(crate) ahead: usize,
}

/// What became of one domain.
pub(crate) struct Ended {
    /// Its place among those that were checked.
    pub(crate) place: usize,
    /// Which it was.
    pub(crate) domain: PolicyDomain,
    /// Its report; `None` if the check broke, which is a bug of ours.
    pub(crate) report: Option<Report>,
}

/// Audits each domain that comes out of `domains`. `take` is given what each came to, in the order in which they end;
/// it may end the run.
pub(crate) async fn run<C, F>(
    mut domains: mpsc::Receiver<PolicyDomain>,
    bounds: Bounds,
    check: C,
    mut take: impl FnMut(Ended) -> ControlFlow<()>,
) where
    C: Fn(PolicyDomain) -> F,
    F: Future<Output = Report> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut places = BTreeSet::new();
    let (mut next, mut all_came) = (0, false);
    loop {
        let is_near = places.first().is_none_or(|oldest| next - oldest < bounds.ahead.max(1));
        let wants_more = !all_came && is_near && running.len() < bounds.jobs.max(1);
        tokio::select! {
            came = domains.recv(), if wants_more => match came {
                None => all_came = true,
                Some(domain) => {
                    let (place, report) = (next, AssertUnwindSafe(check(domain.clone())).catch_unwind());
                    places.insert(place);
                    next += 1;
                    running.spawn(async move { Ended { place, domain, report: report.await.ok() } });
                }
            },
            // A task cannot fail: what breaks in a check is caught there, and nobody cancels one.
            Some(Ok(ended)) = running.join_next() => {
                places.remove(&ended.place);
                if take(ended).is_break() {
                    return;
                }
            }
            else => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    fn domain(name: &str) -> PolicyDomain {
        PolicyDomain::parse(name).unwrap()
    }

    fn report(domain: &PolicyDomain) -> Report {
        Report {
            domain: domain.as_str().to_owned(),
            checked_at: 0,
            verdict: tlsward_engine::check::Verdict::None,
            findings: Vec::new(),
            records: Vec::new(),
            policy: None,
            mx: Vec::new(),
            tlsrpt: Vec::new(),
            dnssec: "off",
        }
    }

    const BOUNDS: Bounds = Bounds { jobs: 4, ahead: 8 };

    #[tokio::test]
    async fn a_check_that_breaks_is_told_and_the_others_go_on() {
        let (sender, receiver) = mpsc::channel(8);
        for name in ["a.test", "broken.test", "b.test"] {
            sender.send(domain(name)).await.unwrap();
        }
        drop(sender);
        let check = |domain: PolicyDomain| async move {
            assert_ne!(domain.as_str(), "broken.test", "on purpose");
            report(&domain)
        };
        let mut ended = Vec::new();
        run(receiver, BOUNDS, check, |end| {
            ended.push((end.place, end.report.is_some()));
            ControlFlow::Continue(())
        })
        .await;
        ended.sort_unstable();
        assert_eq!(ended, [(0, true), (1, false), (2, true)]);
    }

    #[tokio::test]
    async fn what_is_ready_is_handed_over_while_the_list_is_still_open() {
        let (sender, receiver) = mpsc::channel(8);
        sender.send(domain("a.test")).await.unwrap();
        let mut sender = Some(sender);
        run(
            receiver,
            BOUNDS,
            |domain| async move { report(&domain) },
            |_| {
                // Only now does the list end: had the run waited for that, nothing would come.
                sender.take();
                ControlFlow::Continue(())
            },
        )
        .await;
        assert!(sender.is_none());
    }

    #[tokio::test]
    async fn one_slow_domain_lets_no_more_than_the_bound_pile_up_behind_it() {
        let (sender, receiver) = mpsc::channel(100);
        for number in 0..50 {
            sender.send(domain(&format!("d{number}.test"))).await.unwrap();
        }
        drop(sender);
        let gate = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&gate);
        let check = move |domain: PolicyDomain| {
            let gate = Arc::clone(&held);
            async move {
                if domain.as_str() == "d0.test" {
                    drop(gate.acquire().await);
                }
                report(&domain)
            }
        };
        let (mut ended, mut most) = (BTreeSet::new(), 0);
        run(receiver, BOUNDS, check, |end| {
            ended.insert(end.place);
            if !ended.contains(&0) {
                most = most.max(ended.len());
            }
            if ended.len() == BOUNDS.ahead - 1 {
                gate.add_permits(1);
            }
            ControlFlow::Continue(())
        })
        .await;
        assert_eq!((ended.len(), most), (50, BOUNDS.ahead - 1));
    }
}

//! Reports that are due are sent, once a minute, and soon after sessions of a past day became known; what is over is forgotten, once a day; and the DKIM records are looked at,
//! at the start and once a day.
//!
//! Nothing is sent before everything of its day is counted. Killed at any moment, a report is still due; one that was
//! handed over just then goes out a second time, under the same id. What can fail: the store, which is told; all else
//! belongs to one report and stands beside it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Outbox, Relay};
use tlsward_engine::report::{Desk, Pass, Settings, day_of, run_due};
use tlsward_mail::dkim::DkimSigner;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::dkim;
use super::figures::Figures;
use crate::control::told_to_stop;
use crate::edge::{self, SystemClock};
use crate::world::Open;

/// Between the beginnings of two rounds.
const ROUND: Duration = Duration::from_secs(60);
/// Sessions of a past day that come one after the other make one report.
const GATHER: Duration = Duration::from_secs(2);
/// A round that is under way when it is time to stop.
const DRAIN: Duration = Duration::from_secs(8);
/// Days for which the counts of a report that is over are kept, to be looked at.
const COUNTS_DAYS: i64 = 14;
/// Days for which it is remembered that there was one.
const TRACES_DAYS: i64 = 92;

/// The task.
pub(super) struct Sending<O, R> {
    pub(super) world: Arc<Open>,
    pub(super) outbox: Arc<O>,
    pub(super) relay: R,
    pub(super) signer: Arc<DkimSigner>,
    pub(super) submitters: BTreeSet<String>,
    pub(super) settings: Arc<Settings>,
    pub(super) figures: Arc<Figures>,
    /// Up to which time everything is counted; `None`: nothing is known yet.
    pub(super) counted: watch::Receiver<Option<UnixTime>>,
    /// Sessions were counted whose reports are due already.
    pub(super) late: Arc<Notify>,
}

impl<O: Outbox, R: Relay> Sending<O, R> {
    /// Sends until told to stop.
    pub(super) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut failing, mut looked_on, mut retired_on) = (false, None, None);
        // Between two rounds there is one that was not waited for, or each line of a slow feed would make a report.
        let mut may_hurry = true;
        loop {
            tokio::select! {
                () = told_to_stop(&mut shutdown) => return,
                _ = rounds.tick() => may_hurry = true,
                () = self.late.notified(), if may_hurry => {
                    may_hurry = false;
                    tokio::select! {
                        () = told_to_stop(&mut shutdown) => return,
                        () = sleep(GATHER) => {}
                    }
                }
            }
            let known = tokio::select! {
                () = told_to_stop(&mut shutdown) => return,
                known = self.counted.wait_for(Option::is_some) => known.ok().and_then(|until| *until),
            };
            // Whoever counts is gone, and the server is about to stop.
            let Some(until) = known else { return told_to_stop(&mut shutdown).await };
            self.figures.counted_until.store(until, Ordering::Relaxed);
            let today = day_of(edge::now());
            if looked_on != Some(today) {
                let submitters = self.submitters.iter().map(String::as_str).collect();
                tokio::select! {
                    () = told_to_stop(&mut shutdown) => return,
                    _ = dkim::look(&self.world.net, &self.signer, &submitters) => looked_on = Some(today),
                }
            }
            let stopped = self.round(until, &mut shutdown, &mut failing).await;
            if stopped {
                return;
            }
            if retired_on != Some(today) {
                match self.outbox.retire(today - COUNTS_DAYS, today - TRACES_DAYS).await {
                    Ok(gone) => {
                        retired_on = Some(today);
                        if gone > 0 {
                            tracing::info!(reports = gone, "reports of long ago are forgotten");
                        }
                    }
                    Err(error) => tracing::warn!(%error, "reports of long ago are kept for now"),
                }
            }
        }
    }

    /// One round; whether it is time to stop.
    async fn round(&self, until: UnixTime, shutdown: &mut watch::Receiver<bool>, failing: &mut bool) -> bool {
        let desk = Desk {
            world: &self.world.net,
            outbox: self.outbox.as_ref(),
            relay: &self.relay,
            signer: self.signer.as_ref(),
            clock: &SystemClock,
            settings: self.settings.as_ref(),
        };
        let mut pass = std::pin::pin!(run_due(&desk, until));
        let (outcome, stop) = tokio::select! {
            biased;
            outcome = &mut pass => (outcome, false),
            () = told_to_stop(shutdown) => match timeout(DRAIN, &mut pass).await {
                Ok(outcome) => (outcome, true),
                Err(_) => {
                    tracing::info!("stopped while reports were being sent; they are sent after the next start");
                    return true;
                }
            },
        };
        match outcome {
            Ok(pass) => {
                if std::mem::take(failing) {
                    tracing::info!("reports are sent again");
                }
                self.told(pass);
            }
            Err(error) => {
                if !std::mem::replace(failing, true) {
                    tracing::error!(%error, "reports wait until the store can be used again");
                }
            }
        }
        stop
    }

    fn told(&self, pass: Pass) {
        let Pass { sent, waiting, given_up, skipped, lost } = pass;
        self.figures.sent.add(sent);
        self.figures.again.add(waiting);
        self.figures.given_up.add(given_up);
        self.figures.skipped.add(skipped);
        if sent + waiting + given_up + skipped + lost > 0 {
            tracing::info!(sent, again = waiting, given_up, skipped, lost, "reports that were due");
        }
    }
}

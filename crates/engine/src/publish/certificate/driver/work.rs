//! One task of one name: ask about renewal, or certify. What it brings is kept in the store before it is told.

use super::super::backoff;
use super::super::failure::{FailureKind, IssueFailure};
use super::super::issue::{Desk, Job, Outcome};
use super::super::need::Wanted;
use super::super::pace::Leave;
use super::super::renewal::{ASK_AGAIN, ask_again_at};
use super::Ears;
use crate::facts::UnixTime;
use crate::ports::certificates::{Authority, CertificateLine, Certificates, KeptAttempts, RenewalWindow};
use crate::ports::publish::{Challenges, Records};
use crate::ports::{Clock, Dns, Timer};

/// What is to be done about a name.
#[derive(Debug, Clone)]
pub(super) enum Task {
    AskRenewal { directory: String, ari_id: String },
    Certify { authority: usize, replaces: Option<String>, attempts: Option<KeptAttempts> },
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) name: String,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Renewal(RenewalWindow),
    /// It did not say: nothing is lost, it is asked again then.
    NoRenewal(UnixTime),
    Issued(CertificateLine),
    Later {
        authority: usize,
        leave: Leave,
    },
    Failed {
        authority: usize,
        kind: FailureKind,
        attempts: KeptAttempts,
    },
}

pub(super) async fn do_task<W, A, S, C, R, K>(
    desk: &Desk<W, A, S, C, R, K>,
    ears: &Ears<'_>,
    wanted: Wanted,
    task: Task,
) -> Done
where
    W: Dns + Timer,
    A: Authority,
    S: Certificates,
    C: Challenges,
    R: Records,
    K: Clock,
{
    let name = wanted.name.clone();
    let what = match task {
        Task::AskRenewal { directory, ari_id } => ask(desk, &name, &directory, &ari_id).await,
        Task::Certify { authority, replaces, attempts } => {
            let failures = attempts.as_ref().map_or(0, |attempts| attempts.failures);
            let job = Job { wanted, authority, replaces, failures };
            match desk.issue(&job).await {
                Ok(Outcome::Issued(line)) => What::Issued(line),
                Ok(Outcome::Later(leave)) => What::Later { authority, leave },
                Err(failure) => failed(desk, ears, &job, attempts.as_ref(), &failure).await,
            }
        }
    };
    Done { name, what }
}

async fn ask<W, A, S, C, R, K>(
    desk: &Desk<W, A, S, C, R, K>,
    name: &str,
    directory: &str,
    ari_id: &str,
) -> What
where
    A: Authority,
    S: Certificates,
    K: Clock,
{
    let now = desk.clock.now();
    match desk.authority.renewal(directory, ari_id, now).await {
        Ok(mut window) => {
            window.ask_again_at = ask_again_at(window.ask_again_at, now);
            match desk.store.put_renewal(name, ari_id, window.clone()).await {
                Ok(()) => What::Renewal(window),
                Err(_) => What::NoRenewal(now.saturating_add(ASK_AGAIN)),
            }
        }
        // RFC 9773 §4.3.3: then as if there were no such thing, and again later.
        Err(_) => What::NoRenewal(now.saturating_add(ASK_AGAIN)),
    }
}

async fn failed<W, A, S, C, R, K>(
    desk: &Desk<W, A, S, C, R, K>,
    ears: &Ears<'_>,
    job: &Job,
    before: Option<&KeptAttempts>,
    failure: &IssueFailure,
) -> What
where
    S: Certificates,
    K: Clock,
{
    let Job { wanted, authority, .. } = job;
    let now = desk.clock.now();
    let attempts = backoff::failed(before, &wanted.name, failure, *authority == 0, now, (ears.random)());
    // If it cannot be kept, it is known until the restart at least.
    let _ = desk.store.put_attempts(attempts.clone()).await;
    What::Failed { authority: *authority, kind: failure.kind, attempts }
}

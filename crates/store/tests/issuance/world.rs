//! A world in which the name has an address and no CAA records, and time passes at once.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::publish::{Applied, Challenge, Challenges, RecordSet, Records, RecordsFailure};
use tlsward_engine::ports::{
    Absence, Answer, Clock, Dns, DnsReply, Dnssec, RecordData, RecordKind, Security, Timer,
};

use super::authority::Ca;

thread_local! {
    static WAITS: Cell<usize> = const { Cell::new(0) };
}

/// How often something was waited for on this thread.
pub(super) fn waits() -> usize {
    WAITS.get()
}

/// A point of waiting, at which a kill may come.
pub(super) fn wait_once() -> WaitOnce {
    WaitOnce(false)
}

pub(super) struct WaitOnce(bool);

impl Future for WaitOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        WAITS.set(WAITS.get() + 1);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[derive(Debug)]
pub(super) struct World;

impl Dns for World {
    async fn look_up(&self, _: &str, kind: RecordKind) -> DnsReply {
        wait_once().await;
        match kind {
            RecordKind::A => DnsReply::Found(Answer {
                aliases: Vec::new(),
                security: Security::Insecure,
                first_security: Security::Insecure,
                ttl: 60,
                records: vec![RecordData::A([192, 0, 2, 1].into())],
            }),
            _ => DnsReply::Absent(Absence {
                aliases: Vec::new(),
                name_exists: true,
                security: Security::Insecure,
                ttl: 60,
            }),
        }
    }

    fn dnssec(&self) -> Dnssec {
        Dnssec::Off
    }
}

impl Timer for World {
    async fn sleep(&self, _: Duration) {
        wait_once().await;
    }
}

#[derive(Debug)]
pub(super) struct Fixed(pub(super) UnixTime);

impl Clock for Fixed {
    fn now(&self) -> UnixTime {
        self.0
    }
}

/// No driver writes records.
#[derive(Debug)]
pub(super) struct NoRecords;

impl Records for NoRecords {
    async fn apply(&self, _: &str, _: Vec<RecordSet>) -> Result<Applied, RecordsFailure> {
        Ok(Applied::ByHand)
    }
}

/// What is presented to the authority.
#[derive(Debug)]
pub(super) struct Answers(pub(super) Ca);

impl Challenges for Answers {
    fn present(&self, challenge: &Challenge) {
        self.0.present(challenge);
    }

    fn withdraw(&self, challenge: &Challenge) {
        self.0.withdraw(challenge);
    }
}

//! What a connection is waiting for, and until when. Shared by the socket, the handler and the timer of one
//! connection, all of them in one task; the atomics are there because the task may move between threads.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::{ConnectionLimits, Protocol};

/// No deadline.
const NEVER: u64 = u64::MAX;

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    /// The rest of a request's head; also the first byte of the first.
    Head = 0,
    /// The next request.
    Idle = 1,
    /// A request's body.
    Body = 2,
    /// Our answer.
    Work = 3,
    /// Nothing any more: the body took too long, and the handler is to say so.
    Late = 4,
    /// The peer to take our early answer.
    Linger = 5,
}

/// What a connection is waiting for, and until when.
#[derive(Debug)]
pub struct Watch {
    start: Instant,
    step: AtomicU8,
    /// Milliseconds after `start`.
    deadline: AtomicU64,
    /// The request's body was not read to its end.
    unread: AtomicBool,
    protocol: Protocol,
    head: u64,
    idle: u64,
    body: u64,
    work: u64,
    linger: u64,
}

impl Watch {
    pub(crate) fn new(protocol: Protocol, limits: &ConnectionLimits, now: Instant) -> Self {
        let head = millis(limits.head);
        Self {
            start: now,
            step: AtomicU8::new(Step::Head as u8),
            deadline: AtomicU64::new(head),
            unread: AtomicBool::new(false),
            protocol,
            head,
            idle: millis(limits.idle),
            body: millis(limits.body),
            work: limits.work.map_or(NEVER, millis),
            linger: millis(limits.linger),
        }
    }

    /// Bytes came in: if they begin a request, its head must now be complete in time. Later bytes of the same
    /// head do not move the deadline, so that dripping them gains nothing.
    pub(crate) fn bytes_arrived(&self) {
        // In HTTP/2 they may be anything: only a whole request moves the deadline.
        if self.protocol == Protocol::Http1 && self.step() == Step::Idle {
            self.enter(Step::Head, self.head);
        }
    }

    /// A request's head is complete.
    pub(crate) fn request_began(&self) {
        if self.protocol == Protocol::Http2 {
            return self.enter(Step::Idle, self.idle);
        }
        self.unread.store(true, Relaxed);
        self.enter(Step::Body, self.body);
    }

    /// The request's body is complete, or will not be waited for.
    pub fn request_complete(&self) {
        self.unread.store(false, Relaxed);
        self.enter(Step::Work, self.work);
    }

    /// The answer is on its way.
    pub(crate) fn answered(&self) {
        if self.unread.load(Relaxed) {
            self.enter(Step::Linger, self.linger);
        } else {
            self.enter(Step::Idle, self.idle);
        }
    }

    /// True if the handler should stop waiting for the body and say 408.
    pub fn is_late(&self) -> bool {
        self.step() == Step::Late
    }

    /// True if the peer may still be sending a body that nobody reads.
    pub(crate) fn is_lingering(&self) -> bool {
        self.step() == Step::Linger
    }

    /// The body's time is up: the handler gets a last chance to say so.
    pub(crate) fn give_up_on_body(&self) -> bool {
        if self.step() != Step::Body {
            return false;
        }
        self.enter(Step::Late, self.linger);
        true
    }

    /// The connection was asked to end. HTTP/1 ends by itself between two requests; in HTTP/2 the peer has to say that it
    /// saw it, and gets a moment for that.
    pub(crate) fn asked_to_end(&self) {
        if self.protocol == Protocol::Http2 {
            self.enter(Step::Linger, self.linger);
        }
    }

    /// Until when, as an instant for the timer.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.deadline.load(Relaxed) {
            NEVER => None,
            after => Some(self.start + Duration::from_millis(after)),
        }
    }

    pub(crate) fn step(&self) -> Step {
        match self.step.load(Relaxed) {
            0 => Step::Head,
            1 => Step::Idle,
            2 => Step::Body,
            3 => Step::Work,
            4 => Step::Late,
            _ => Step::Linger,
        }
    }

    fn enter(&self, step: Step, time: u64) {
        self.step.store(step as u8, Relaxed);
        let deadline = if time == NEVER { NEVER } else { millis(self.start.elapsed()).saturating_add(time) };
        self.deadline.store(deadline, Relaxed);
    }
}

/// Whole milliseconds; `NEVER` stays free for its own meaning.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER - 1).min(NEVER - 1)
}

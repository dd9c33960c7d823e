//! News for those who listen: each gets every item in order, or, where it did not keep up, the word that it missed some.
//!
//! Bounded: a listener that sleeps costs [`HELD`] items and no more, and holds nobody up.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};

/// Items that are held for one listener.
const HELD: usize = 1024;

/// The side that tells.
#[derive(Debug)]
pub(crate) struct Teller<T> {
    ears: Mutex<Vec<Weak<Mutex<Ear<T>>>>>,
}

#[derive(Debug)]
struct Ear<T> {
    heard: VecDeque<T>,
    missed: bool,
    is_over: bool,
    waker: Option<Waker>,
}

/// The side that listens.
#[derive(Debug)]
pub struct Feed<T> {
    ear: Arc<Mutex<Ear<T>>>,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard<T> {
    /// The next item.
    News(T),
    /// It did not keep up: items were lost, and what stands now has to be looked at as a whole.
    Missed,
}

impl<T> Default for Teller<T> {
    fn default() -> Self {
        Self { ears: Mutex::default() }
    }
}

impl<T: Clone> Teller<T> {
    pub(crate) fn listen(&self) -> Feed<T> {
        let ear = Ear { heard: VecDeque::new(), missed: false, is_over: false, waker: None };
        let ear = Arc::new(Mutex::new(ear));
        lock(&self.ears).push(Arc::downgrade(&ear));
        Feed { ear }
    }

    pub(crate) fn tell(&self, item: &T) {
        lock(&self.ears).retain(|ear| {
            let Some(ear) = ear.upgrade() else { return false };
            let mut ear = lock(&ear);
            if ear.heard.len() < HELD && !ear.missed {
                ear.heard.push_back(item.clone());
            } else {
                ear.missed = true;
            }
            if let Some(waker) = ear.waker.take() {
                waker.wake();
            }
            true
        });
    }
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        for ear in lock(&self.ears).iter().filter_map(Weak::upgrade) {
            let mut ear = lock(&ear);
            ear.is_over = true;
            if let Some(waker) = ear.waker.take() {
                waker.wake();
            }
        }
    }
}

impl<T> Feed<T> {
    /// The next item; `None` once nobody can tell any more.
    pub async fn next(&mut self) -> Option<Heard<T>> {
        poll_fn(|context| {
            let mut ear = lock(&self.ear);
            match ear.take() {
                Some(heard) => Poll::Ready(Some(heard)),
                None if ear.is_over => Poll::Ready(None),
                None => {
                    ear.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The next item, if it is there already.
    #[must_use]
    pub fn try_next(&mut self) -> Option<Heard<T>> {
        lock(&self.ear).take()
    }
}

impl<T> Ear<T> {
    fn take(&mut self) -> Option<Heard<T>> {
        match self.heard.pop_front() {
            Some(item) => Some(Heard::News(item)),
            None if self.missed => {
                self.missed = false;
                Some(Heard::Missed)
            }
            None => None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_listener_hears_everything_in_order_or_that_it_missed_some() {
        let teller = Teller::default();
        let mut feed = teller.listen();
        assert_eq!(feed.next().now_or_never(), None);
        for number in 0..HELD + 5 {
            teller.tell(&number);
        }
        for number in 0..HELD {
            assert_eq!(feed.try_next(), Some(Heard::News(number)));
        }
        assert_eq!(feed.try_next(), Some(Heard::Missed));
        assert_eq!(feed.try_next(), None);
        teller.tell(&7);
        assert_eq!(feed.next().now_or_never(), Some(Some(Heard::News(7))));
        drop(teller);
        assert_eq!(feed.next().now_or_never(), Some(None));
    }
}

//! Politeness: how many connections to one IP address are open at once, over everything that asks.
//!
//! A place is kept for an address only while somebody uses or waits for it, so that the table is never larger than what
//! is under way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::CONNECTIONS_PER_ADDRESS;

/// Shared by all that connects; a clone is the same table.
#[derive(Debug, Clone)]
pub struct PerAddress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    at_once: usize,
    places: Mutex<BTreeMap<IpAddr, Place>>,
}

#[derive(Debug)]
struct Place {
    semaphore: Arc<Semaphore>,
    /// Turns that exist for it, waiting or taken.
    turns: usize,
}

/// The right to one connection to an address, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    shared: Arc<Shared>,
    address: IpAddr,
    /// `None` while waiting.
    permit: Option<OwnedSemaphorePermit>,
}

impl PerAddress {
    /// So many connections to one address at once, at least one.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        let shared = Shared { at_once: at_once.max(1), places: Mutex::new(BTreeMap::new()) };
        Self { shared: Arc::new(shared) }
    }

    /// Waits for a turn, first come, first served. The wait is not bounded here: everything that holds a turn is.
    pub(crate) async fn turn(&self, address: IpAddr) -> Turn {
        let semaphore = {
            let mut places = self.shared.places();
            let place = places.entry(address).or_insert_with(|| Place {
                semaphore: Arc::new(Semaphore::new(self.shared.at_once)),
                turns: 0,
            });
            place.turns += 1;
            Arc::clone(&place.semaphore)
        };
        // Made before the wait: a wait that is given up is counted out too.
        let mut turn = Turn { shared: Arc::clone(&self.shared), address, permit: None };
        // The semaphore is never closed.
        turn.permit = semaphore.acquire_owned().await.ok();
        turn
    }
}

impl Default for PerAddress {
    fn default() -> Self {
        Self::new(CONNECTIONS_PER_ADDRESS)
    }
}

impl Shared {
    fn places(&self) -> MutexGuard<'_, BTreeMap<IpAddr, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut places = self.shared.places();
        if let Some(place) = places.get_mut(&self.address) {
            place.turns -= 1;
            if place.turns == 0 {
                places.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_ninth_connection_to_an_address_waits_and_others_do_not() {
        let polite = PerAddress::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        let mut taken = Vec::new();
        for _ in 0..CONNECTIONS_PER_ADDRESS {
            match poll(pin!(polite.turn(address))) {
                Poll::Ready(turn) => taken.push(turn),
                Poll::Pending => panic!("there was room"),
            }
        }
        let mut ninth = pin!(polite.turn(address));
        assert!(poll(ninth.as_mut()).is_pending());
        assert!(poll(pin!(polite.turn(IpAddr::from([192, 0, 2, 2])))).is_ready());
        taken.pop();
        assert!(poll(ninth).is_ready());
    }

    #[test]
    fn nothing_is_kept_for_an_address_that_nobody_uses() {
        let polite = PerAddress::new(1);
        let address = IpAddr::from([192, 0, 2, 1]);
        let held = match poll(pin!(polite.turn(address))) {
            Poll::Ready(turn) => turn,
            Poll::Pending => panic!("there was room"),
        };
        {
            // A wait that is given up.
            let mut waiting = Box::pin(polite.turn(address));
            assert!(poll(waiting.as_mut()).is_pending());
        }
        assert_eq!(polite.shared.places().len(), 1);
        drop(held);
        assert_eq!(polite.shared.places().len(), 0);
    }
}

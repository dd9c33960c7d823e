//! Keeps many names certified: looks at each when it is due, a few at a time, within the limits of the authorities.
//!
//! Work is dropped wherever it is when the run ends: what is kept is enough to go on with ([`super::issue`]). Names whose
//! certificate runs out soonest go first; a name that has none yet comes among those that have two weeks left.

mod book;
mod health;
mod work;

use std::time::Duration;

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use futures_util::{FutureExt as _, select_biased};

use self::book::{Book, Picked};
use self::work::Done;
use super::issue::Desk;
use super::need::Wanted;
use crate::alert::{Board, Rule};
use crate::facts::UnixTime;
use crate::ports::certificates::{Authority, Certificates};
use crate::ports::publish::{Challenges, Records};
use crate::ports::{Clock, Dns, StoreError, Timer};

/// The longest sleep: whatever is due is looked at then.
const LONGEST_SLEEP: i64 = 3_600;

/// Tells a running driver what is wanted. A clone tells the same one.
#[derive(Debug, Clone)]
pub struct Wishes {
    sender: UnboundedSender<Wish>,
}

/// What a driver is told.
#[derive(Debug)]
enum Wish {
    These(Vec<Wanted>),
    Add(Wanted),
    Remove(String),
    TryNow(String),
}

impl Wishes {
    /// These names and no others are to be certified.
    pub fn these(&self, wanted: Vec<Wanted>) {
        self.tell(Wish::These(wanted));
    }

    /// One more.
    pub fn add(&self, wanted: Wanted) {
        self.tell(Wish::Add(wanted));
    }

    /// One less. Its certificate stays: [`Certificates::forget_certificate`] is for the caller to call.
    pub fn remove(&self, name: String) {
        self.tell(Wish::Remove(name));
    }

    /// Not to be waited with any longer: the owner has mended something.
    pub fn try_now(&self, name: String) {
        self.tell(Wish::TryNow(name));
    }

    fn tell(&self, wish: Wish) {
        // Fails when the driver has ended: then nobody certifies anything.
        let _ = self.sender.unbounded_send(wish);
    }
}

/// Keeps names certified.
#[derive(Debug)]
pub struct Driver {
    wishes: UnboundedReceiver<Wish>,
}

/// Whom a driver tells.
pub struct Ears<'e> {
    /// Alerts.
    pub board: &'e Board,
    /// A name has a new certificate: whoever holds the old one forgets it.
    pub renewed: &'e (dyn Fn(&str) + Send + Sync),
    /// Numbers that nobody can guess.
    pub random: &'e (dyn Fn() -> u64 + Send + Sync),
}

impl std::fmt::Debug for Ears<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ears").finish_non_exhaustive()
    }
}

impl Driver {
    /// A driver, and what tells it.
    #[must_use]
    pub fn new() -> (Self, Wishes) {
        let (sender, wishes) = unbounded();
        (Self { wishes }, Wishes { sender })
    }

    /// Runs until every [`Wishes`] is gone, or until it is dropped, which loses nothing.
    ///
    /// # Errors
    /// The store cannot be read at the start. Later on that is a failure of a name like others.
    pub async fn run<W, A, S, C, R, K>(
        mut self,
        desk: &Desk<W, A, S, C, R, K>,
        ears: &Ears<'_>,
    ) -> Result<(), StoreError>
    where
        W: Dns + Timer,
        A: Authority,
        S: Certificates,
        C: Challenges,
        R: Records,
        K: Clock,
    {
        desk.remember().await?;
        let mut book = Book::read(&desk.store, desk.settings.authorities.len()).await?;
        let mut are_lost = tell_of_keys(&desk.store, ears, desk.clock.now()).await;
        let mut running = FuturesUnordered::new();
        loop {
            let now = desk.clock.now();
            while running.len() < desk.settings.at_once.max(1) {
                let Some(Picked { wanted, task }) = book.pick(now, &desk.settings, ears) else { break };
                running.push(work::do_task(desk, ears, wanted, task));
            }
            let wake_at = book.wake_at(now).min(now.saturating_add(LONGEST_SLEEP));
            let wait = Duration::from_secs(wake_at.saturating_sub(now).max(1).unsigned_abs());
            let mut slept = std::pin::pin!(desk.world.sleep(wait).fuse());
            select_biased! {
                done = running.select_next_some() => {
                    let Done { name, what } = done;
                    let now = desk.clock.now();
                    let is_issued = matches!(what, work::What::Issued(_));
                    book.done(&name, what, now, &desk.settings, ears);
                    if is_issued {
                        (ears.renewed)(&name);
                        // It counts over all rows: not for each certificate without need.
                        are_lost = are_lost && tell_of_keys(&desk.store, ears, now).await;
                    }
                }
                wish = self.wishes.next() => match wish {
                    Some(wish) => book.heed(wish, desk.clock.now(), ears),
                    None => return Ok(()),
                },
                () = slept => {}
            }
        }
    }
}

/// Keys that cannot be opened: once, in words, until they have been replaced. Whether there are any.
async fn tell_of_keys(store: &impl Certificates, ears: &Ears<'_>, now: UnixTime) -> bool {
    match store.unopened().await {
        Ok(0) => {
            ears.board.resolve(Rule::CertificateKeysLost, "", now, "Every key can be opened.");
            false
        }
        Ok(count) => {
            let text = format!(
                "{count} keys in the database were sealed with another key file than the one that is there now: put the \
                 right file back and restart, or let it be: the certificates are issued anew"
            );
            ears.board.raise(Rule::CertificateKeysLost, "", now, text);
            true
        }
        // The next certificate asks again.
        Err(_) => true,
    }
}

//! A mail in transfer: its bytes as far as they may be held, else why not.
//!
//! Bytes are taken out of the common [`Budget`] before memory is. A mail that is refused half way is still read to
//! its end, unheld, so that the client hears why; up to a bound, for one that never ends.

use tlsward_engine::receive::{Budget, Share};

use super::Envelope;
use super::reply::Reply;
use super::unstuff::Unstuffer;
use crate::Limits;

/// The first memory for a mail; most reports fit.
const FIRST_BYTES: usize = 8 * 1024;

/// A mail in transfer.
#[derive(Debug)]
pub(super) struct Body {
    envelope: Envelope,
    unstuffer: Unstuffer,
    text: Text,
}

/// What is done with the bytes.
#[derive(Debug)]
enum Text {
    /// They are held.
    Held { bytes: Vec<u8>, share: Share, declared: usize },
    /// They are thrown away, and counted.
    Refused { reply: Reply, thrown_away: usize },
}

impl Body {
    /// Room for a mail; `None` when the budget is spent. `declared` is its size as the client said, 0 if it did not.
    pub(super) fn new(envelope: Envelope, declared: usize, budget: &Budget) -> Option<Self> {
        let share = budget.take(FIRST_BYTES)?;
        let text = Text::Held { bytes: Vec::with_capacity(FIRST_BYTES), share, declared };
        Some(Self { envelope, unstuffer: Unstuffer::new(), text })
    }

    /// Takes in bytes; answers how many of them were the mail's, and whether it ended.
    pub(super) fn feed(&mut self, input: &[u8], limits: &Limits) -> (usize, bool) {
        let Self { unstuffer, text, .. } = self;
        unstuffer.feed(input, |bytes| text.take(bytes, limits))
    }

    /// The answer to a mail that was refused and goes on for longer than anyone listens.
    pub(super) fn endless(&self, limits: &Limits) -> Option<&Reply> {
        match &self.text {
            Text::Refused { reply, thrown_away } if *thrown_away > limits.discard_bytes => Some(reply),
            _ => None,
        }
    }

    /// After its end: the mail, or why it is refused.
    pub(super) fn finish(self) -> (Envelope, Result<(Vec<u8>, Share), Reply>) {
        let outcome = match self.text {
            Text::Held { mut bytes, share, .. } => {
                // It may wait in the queue for a while: let go of what it did not need.
                bytes.shrink_to_fit();
                Ok((bytes, share))
            }
            Text::Refused { reply, .. } => Err(reply),
        };
        (self.envelope, outcome)
    }
}

impl Text {
    fn take(&mut self, piece: &[u8], limits: &Limits) {
        let reply = match self {
            Self::Refused { thrown_away, .. } => {
                *thrown_away = thrown_away.saturating_add(piece.len());
                return;
            }
            Self::Held { bytes, .. } if piece.len() > limits.mail_bytes - bytes.len() => {
                Reply::too_big(limits.mail_bytes)
            }
            Self::Held { bytes, share, declared } => {
                if make_room(bytes, share, bytes.len() + piece.len(), *declared, limits) {
                    bytes.extend_from_slice(piece);
                    return;
                }
                Reply::no_room()
            }
        };
        // What was held goes back, memory and share, before the rest is listened to.
        *self = Self::Refused { reply, thrown_away: piece.len() };
    }
}

/// Memory for `needed` bytes, at most `most`, taken out of the budget first; false if the budget is spent.
fn make_room(
    bytes: &mut Vec<u8>,
    share: &mut Share,
    needed: usize,
    declared: usize,
    limits: &Limits,
) -> bool {
    let capacity = bytes.capacity();
    if needed <= capacity {
        return true;
    }
    // Twice as much, or what the client announced if that is less: never on its word alone.
    let doubled = capacity.saturating_mul(2).max(needed);
    let target = if (needed..doubled).contains(&declared) { declared } else { doubled }
        .min(limits.mail_bytes)
        .max(needed);
    // Almost spent is not spent: what is needed now may still be there when twice of it is not.
    let target = [target, needed].into_iter().find(|&target| {
        let rest = if target > limits.small_bytes { limits.small_reserve_bytes } else { 0 };
        share.grow_leaving(target - capacity, rest)
    });
    match target {
        Some(target) => {
            bytes.reserve_exact(target - bytes.len());
            true
        }
        None => false,
    }
}

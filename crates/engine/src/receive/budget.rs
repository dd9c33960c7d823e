//! One memory budget for all intake together (design: limits).
//!
//! Whoever holds bytes of a stranger takes them out of the budget first. When it is spent, the stranger is asked
//! to come back later (503, 452): waiting here would hold connections open for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that intake may still hold. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<AtomicUsize>,
}

/// Bytes taken out of a [`Budget`]; they go back when it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// A budget of `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(bytes)) }
    }

    /// Takes `bytes` out; `None` if there are not so many.
    pub fn take(&self, bytes: usize) -> Option<Share> {
        let mut share = Share { budget: self.clone(), bytes: 0 };
        share.grow(bytes).then_some(share)
    }

    /// Bytes that are not taken.
    pub fn free(&self) -> usize {
        self.free.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Takes `bytes` more; false, and nothing taken, if there are not so many.
    pub fn grow(&mut self, bytes: usize) -> bool {
        self.grow_leaving(bytes, 0)
    }

    /// As [`Self::grow`], but only if at least `rest` bytes are left to others.
    pub fn grow_leaving(&mut self, bytes: usize, rest: usize) -> bool {
        let left = |free: usize| free.checked_sub(bytes).filter(|left| *left >= rest);
        let taken = self.budget.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, left).is_ok();
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_budget_refuses_until_a_share_is_given_back() {
        let budget = Budget::new(10);
        let mut share = budget.take(4).expect("room");
        assert!(share.grow(6));
        assert!(budget.take(1).is_none());
        assert!(!share.grow(1));
        drop(share);
        assert_eq!(budget.free(), 10);
        let mut share = budget.take(4).expect("room");
        assert!(!share.grow_leaving(3, 4));
        assert!(share.grow_leaving(3, 3));
    }
}

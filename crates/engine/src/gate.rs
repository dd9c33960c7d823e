//! A bound on how much goes on side by side. Whoever waits gets in in the order in which they came; no runtime is needed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;

/// Lets so many in at once. Clones are the same gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: VecDeque<oneshot::Sender<Pass>>,
}

/// Leave to be inside; dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Gate,
}

impl Gate {
    pub(crate) fn new(at_once: usize) -> Self {
        let state = State { free: at_once.max(1), waiting: VecDeque::new() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self) -> Pass {
        let turn = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Pass { gate: self.clone() };
            }
            let (sender, turn) = oneshot::channel();
            state.waiting.push_back(sender);
            turn
        };
        match turn.await {
            Ok(pass) => pass,
            // The sender lives in the gate, which `self` holds.
            Err(oneshot::Canceled) => std::future::pending().await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let next = {
            let mut state = self.gate.lock();
            loop {
                match state.waiting.pop_front() {
                    // Those who gave up waiting are passed over.
                    Some(sender) if sender.is_canceled() => {}
                    Some(sender) => break Some(sender),
                    None => {
                        state.free += 1;
                        break None;
                    }
                }
            }
        };
        if let Some(sender) = next {
            // Outside the lock: a pass that is not taken comes back here.
            drop(sender.send(Pass { gate: self.gate.clone() }));
        }
    }
}

/// A gate for each key, as long as somebody is in or before it.
#[derive(Debug)]
pub(crate) struct Gates<K> {
    at_once: usize,
    gates: Mutex<BTreeMap<K, (Gate, usize)>>,
}

impl<K: Ord + Clone> Gates<K> {
    pub(crate) fn new(at_once: usize) -> Self {
        Self { at_once, gates: Mutex::default() }
    }

    /// Waits for a place at the gate of `key`, and does the work inside.
    pub(crate) async fn within<T>(&self, key: K, work: impl Future<Output = T> + Send) -> T {
        let at_gate = AtGate::new(self, key);
        let _pass = at_gate.gate.enter().await;
        work.await
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, (Gate, usize)>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a key's gate.
struct AtGate<'g, K: Ord + Clone> {
    gates: &'g Gates<K>,
    key: K,
    gate: Gate,
}

impl<'g, K: Ord + Clone> AtGate<'g, K> {
    fn new(gates: &'g Gates<K>, key: K) -> Self {
        let mut all = gates.lock();
        let (gate, users) = all.entry(key.clone()).or_insert_with(|| (Gate::new(gates.at_once), 0));
        *users += 1;
        let gate = gate.clone();
        drop(all);
        Self { gates, key, gate }
    }
}

impl<K: Ord + Clone> Drop for AtGate<'_, K> {
    fn drop(&mut self) {
        let mut all = self.gates.lock();
        if let Some((_, users)) = all.get_mut(&self.key) {
            *users -= 1;
            if *users == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn no_more_are_in_than_may_and_who_gave_up_takes_no_place() {
        let gate = Gate::new(2);
        let (first, second) = (gate.enter().now_or_never().unwrap(), gate.enter().now_or_never().unwrap());
        let mut third = Box::pin(gate.enter());
        let mut fourth = Box::pin(gate.enter());
        assert!(third.as_mut().now_or_never().is_none() && fourth.as_mut().now_or_never().is_none());
        drop(third);
        drop(first);
        let fourth = fourth.now_or_never().unwrap();
        assert!(gate.enter().now_or_never().is_none());
        drop((second, fourth));
        let again = [gate.enter().now_or_never(), gate.enter().now_or_never(), gate.enter().now_or_never()];
        assert_eq!(again.iter().flatten().count(), 2);
    }

    #[test]
    fn each_key_has_a_gate_of_its_own_and_leaves_nothing_behind() {
        let gates = Gates::new(1);
        let mut slow = Box::pin(gates.within("a", std::future::pending::<()>()));
        assert!(slow.as_mut().now_or_never().is_none());
        assert!(gates.within("a", async {}).now_or_never().is_none());
        assert!(gates.within("b", async {}).now_or_never().is_some());
        drop(slow);
        assert!(gates.within("a", async {}).now_or_never().is_some());
        assert!(gates.lock().is_empty());
    }
}

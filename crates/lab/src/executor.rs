//! A single-threaded executor whose time is virtual: it stands still while anything can run, and jumps to the next
//! timer when nothing can. Which of the ready tasks runs next is drawn from a seed, so that a run can be repeated
//! and another seed finds another order.
//!
//! What can fail: a future that waits for something that no timer and no task will bring ([`Stalled`]).

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tlsward_engine::facts::UnixTime;

/// Nothing can run and no timer is set: the future waits for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing can run and no timer is set")]
pub struct Stalled;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The executor.
#[derive(Debug)]
pub struct Executor {
    clock: Clock,
    order: u64,
}

/// The time of an executor, and the way to wait for it and to start tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock {
    began_at: UnixTime,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Since the beginning.
    now: Duration,
    /// By time and then in the order in which they were set.
    timers: BTreeMap<(Duration, u64), Waker>,
    next: u64,
    ready: Vec<Arc<Run>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("now", &self.now)
            .field("timers", &self.timers.len())
            .finish_non_exhaustive()
    }
}

/// A task.
struct Run {
    /// `None`: it is finished, or it is the future that everything is run for.
    task: Mutex<Option<Task>>,
    is_main: bool,
    queued: AtomicBool,
    state: Arc<Mutex<State>>,
}

impl Wake for Run {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            let state = Arc::clone(&self.state);
            lock(&state).ready.push(self);
        }
    }
}

impl Executor {
    /// An executor that begins at this time.
    #[must_use]
    pub fn new(began_at: UnixTime, seed: u64) -> Self {
        Self { clock: Clock { began_at, state: Arc::default() }, order: seed }
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Runs a future to its end, and with it every task that was started. Tasks that are left stay for the next call.
    ///
    /// # Errors
    /// When the future waits for something that will never come.
    pub fn run<F: Future>(&mut self, future: F) -> Result<F::Output, Stalled> {
        let mut future = pin!(future);
        let main = Run::new(&self.clock.state, None);
        let waker = Waker::from(Arc::clone(&main));
        Arc::clone(&main).wake();
        loop {
            while let Some(run) = self.draw() {
                run.queued.store(false, Ordering::Relaxed);
                if run.is_main {
                    // The future of an earlier call may have left its waker behind.
                    if Arc::ptr_eq(&run, &main)
                        && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
                    {
                        return Ok(output);
                    }
                } else {
                    run.poll();
                }
            }
            let mut state = self.clock.lock();
            let Some(((at, _), waker)) = state.timers.pop_first() else { return Err(Stalled) };
            state.now = state.now.max(at);
            drop(state);
            waker.wake();
        }
    }

    /// One of the ready tasks.
    fn draw(&mut self) -> Option<Arc<Run>> {
        let mut state = self.clock.lock();
        let count = u64::try_from(state.ready.len()).unwrap_or(u64::MAX);
        if count == 0 {
            return None;
        }
        // SplitMix64.
        self.order = self.order.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.order;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let index = usize::try_from((drawn ^ (drawn >> 31)) % count).unwrap_or(0);
        Some(state.ready.swap_remove(index))
    }
}

impl Run {
    fn new(state: &Arc<Mutex<State>>, task: Option<Task>) -> Arc<Self> {
        let is_main = task.is_none();
        Arc::new(Self {
            task: Mutex::new(task),
            is_main,
            queued: AtomicBool::new(false),
            state: Arc::clone(state),
        })
    }

    fn poll(self: &Arc<Self>) {
        // Out of its place while it runs: a task that wakes itself finds the lock free.
        let Some(mut task) = lock(&self.task).take() else { return };
        let waker = Waker::from(Arc::clone(self));
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *lock(&self.task) = Some(task);
        }
    }
}

impl Clock {
    /// What time it is.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.began_at + i64::try_from(self.elapsed().as_secs()).unwrap_or(i64::MAX / 2)
    }

    /// How much time has passed since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.lock().now
    }

    /// Waits.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        let until = self.elapsed().saturating_add(duration);
        Sleep { until, state: Arc::clone(&self.state), timer: None }
    }

    /// Starts a task beside the one that runs. It is dropped with the executor.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        Run::new(&self.state, Some(Box::pin(task))).wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Waits until a time.
#[derive(Debug)]
pub struct Sleep {
    until: Duration,
    state: Arc<Mutex<State>>,
    timer: Option<(Duration, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let shared = Arc::clone(&self.state);
        let mut state = lock(&shared);
        if let Some(timer) = self.timer.take() {
            state.timers.remove(&timer);
        }
        if state.now >= self.until {
            return Poll::Ready(());
        }
        state.next += 1;
        let timer = (self.until, state.next);
        state.timers.insert(timer, context.waker().clone());
        drop(state);
        self.timer = Some(timer);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            // Dropped outside the lock: a waker may own what takes it.
            let waker = lock(&self.state).timers.remove(&timer);
            drop(waker);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: UnixTime = 1_800_000_000;

    fn order(seed: u64) -> Vec<u32> {
        let mut executor = Executor::new(BEGAN, seed);
        let clock = executor.clock();
        let seen = Arc::new(Mutex::new(Vec::new()));
        for number in 0..8 {
            let seen = Arc::clone(&seen);
            clock.spawn(async move { seen.lock().unwrap().push(number) });
        }
        executor.run(clock.sleep(Duration::from_secs(1))).unwrap();

        seen.lock().unwrap().clone()
    }

    #[test]
    fn time_jumps_to_the_next_timer_and_weeks_pass_at_once() {
        let mut executor = Executor::new(BEGAN, 1);
        let clock = executor.clock();
        let end = executor.run(async {
            for _ in 0..56 {
                clock.sleep(Duration::from_secs(86_400)).await;
            }
            clock.now()
        });
        assert_eq!(end, Ok(BEGAN + 56 * 86_400));
    }

    #[test]
    fn the_order_of_ready_tasks_is_the_seed_s_and_can_be_repeated() {
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert_eq!(order(1).len(), 8);
    }

    #[test]
    fn a_future_that_waits_for_nothing_is_stalled_and_does_not_hang() {
        let mut executor = Executor::new(BEGAN, 1);
        assert_eq!(executor.run(std::future::pending::<()>()), Err(Stalled));
    }

    #[test]
    fn a_timer_that_is_given_up_holds_nothing_back() {
        let mut executor = Executor::new(BEGAN, 1);
        let clock = executor.clock();
        drop(clock.sleep(Duration::from_secs(10)));
        let first = executor.run(async {
            let slow = pin!(clock.sleep(Duration::from_secs(100)));
            let fast = pin!(clock.sleep(Duration::from_secs(1)));
            futures_util::future::select(slow, fast).await;
        });
        assert_eq!(first, Ok(()));
        assert_eq!(clock.elapsed(), Duration::from_secs(1));
        assert_eq!(executor.run(std::future::pending::<()>()), Err(Stalled));
    }
}

//! How long a guest may go on.
//!
//! Its own time counts, not the wall clock's: on a box that is busy building, a decent runner may
//! wait for a processor longer than it works. The wall clock sets only the last limit.

use std::time::Duration;

/// How often the engine's epoch moves on: the grain of every deadline.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// The last limit, as a multiple of the deadline.
const WALL: u32 = 5;

/// The time one call has used and may use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    deadline: Duration,
    /// Wall time granted so far.
    granted: Duration,
    /// The thread's processor time when the first tick was over. Most calls end before it, and
    /// need not ask the system for anything.
    base: Option<Duration>,
}

impl Clock {
    /// A call begins; it has one tick to start with.
    pub(super) fn new(deadline: Duration) -> Self {
        Self { deadline, granted: TICK, base: None }
    }

    /// How many ticks the call may go on for; `None` when it is to be stopped.
    pub(super) fn more(&mut self) -> Option<u64> {
        self.more_at(processor_time())
    }

    fn more_at(&mut self, now: Option<Duration>) -> Option<u64> {
        let now = now.or(self.base.map(|base| base + self.granted)).unwrap_or_default();
        let base = *self.base.get_or_insert(now);
        let used = TICK + now.saturating_sub(base);
        // One tick is kept back: ticks are counted from anywhere inside the first.
        let left = self.deadline.saturating_sub(used + TICK);
        if left.is_zero() || self.granted >= self.deadline * WALL {
            return None;
        }
        let ticks = left.as_millis().div_ceil(TICK.as_millis());
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
        self.granted += TICK.saturating_mul(ticks);
        Some(ticks.into())
    }
}

/// Processor time this thread has used. `None` where the kernel does not say.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Wall time until a guest is stopped that gets `share` percent of a processor.
    fn stopped_after(share: u32) -> Duration {
        let (mut clock, mut wall) = (Clock::new(SECOND), TICK);
        let seen = |wall: Duration| Some(SECOND * 77 + wall * share / 100);
        while let Some(ticks) = clock.more_at(seen(wall)) {
            wall += TICK * u32::try_from(ticks).unwrap();
        }
        wall
    }

    #[test]
    fn a_guest_that_has_a_processor_is_stopped_within_the_deadline() {
        assert!(stopped_after(100) <= SECOND, "{:?}", stopped_after(100));
    }

    #[test]
    fn a_guest_that_waits_for_a_processor_gets_its_time_up_to_the_last_limit() {
        let half = stopped_after(50);
        assert!(half > SECOND * 3 / 2 && half <= SECOND * 2, "{half:?}");
        let starved = stopped_after(0);
        assert!(starved >= SECOND * 5 && starved < SECOND * 6, "{starved:?}");
    }

    #[test]
    fn without_the_kernels_figure_the_wall_clock_counts() {
        let mut clock = Clock::new(SECOND);
        let ticks: u64 = std::iter::from_fn(|| clock.more_at(None)).sum();
        assert!(ticks < 10, "{ticks}");
    }

    #[test]
    fn the_kernel_says_how_long_this_thread_ran() {
        let before = processor_time().unwrap();
        let mut n = 1u64;
        while processor_time().unwrap() == before {
            n = std::hint::black_box(n.wrapping_mul(3));
        }
    }
}

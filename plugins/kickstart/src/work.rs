//! Counts steps of work in tests, so that "linear" is a number and not a feeling.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// `steps` more were done.
#[cfg(test)]
pub(crate) fn add(steps: usize) {
    STEPS.with(|count| count.set(count.get() + steps as u64));
}

/// Nothing outside of tests.
#[cfg(not(test))]
pub(crate) fn add(_steps: usize) {}

/// The steps since the last call, on this thread.
#[cfg(test)]
pub(crate) fn take() -> u64 {
    STEPS.with(std::cell::Cell::take)
}

//! Builds of real processes, from order to end, with fixed plans in a runner's place.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test they help"
)]

mod bench;
mod bounds;
mod catalogue;
mod confined;
mod ending;
mod evidence;
mod far;
mod output;
mod server;
mod verdict;

//! Builds of real processes, from order to end, with fixed plans in a runner's place.

mod bench;
mod confined;
mod ending;
mod output;
mod server;
mod verdict;

//! The pages and the API from outside: who may open what, and what the everyday ways look like.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod admin;
mod again;
mod appliance;
mod building;
mod disk;
mod drain;
mod journeys;
mod live;
mod logs;
mod matrix;
mod retention;

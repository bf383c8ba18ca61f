//! The pages and the API from outside: who may open what, and what the everyday ways look like.

mod appliance;
mod journeys;
mod matrix;

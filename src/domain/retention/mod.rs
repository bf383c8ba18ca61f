//! What may be deleted, when, and why: the rules, the plan they make, and what guards against them.
//! Everything is a value; [`plan`] is what a preview shows and what a run does.

mod limits;
mod plan;
mod rules;
mod words;

pub use limits::{Wrong, too_short};
pub use plan::{CleanupPlan, Doomed, Saved, expiry, guard, last_good, plan, plan_emergency};
pub use rules::{
    Busy, Class, Guard, Item, Lifetime, Override, Policy, Rule, Trigger, Volume, recipe_of,
};

#[cfg(test)]
mod tests;

//! What a runner answers is data from a stranger: everything is bounded, names keep to their
//! grammar, and nothing leaves the build directory.
//!
//! What decides what the host does is refused when it does not fit; what people only read is cut.

mod description;
mod output;
mod paths;
mod plan;

pub(super) use description::description;
pub(super) use output::{artifacts, diagnostics, events, explanation, inspection, message};
pub(super) use plan::plan;

use super::limits::one_line;

/// A text the host shows or uses, at most `max` bytes, without NUL.
fn text(what: &str, value: &str, max: usize) -> Result<(), String> {
    if value.len() > max {
        return Err(format!("{what} has {} bytes: at most {max} are allowed", value.len()));
    }
    if value.contains('\0') {
        return Err(format!("{what} contains a NUL character"));
    }
    Ok(())
}

fn count(what: &str, found: usize, max: usize) -> Result<(), String> {
    if found > max {
        return Err(format!("{what}: {found}, at most {max} are allowed"));
    }
    Ok(())
}

fn unique<'a>(what: &str, names: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(format!("{what} `{}` is there twice", shown(twice))),
        None => Ok(()),
    }
}

/// A value from a runner as it may stand in a message.
fn shown(value: &str) -> String {
    one_line(value, 200)
}

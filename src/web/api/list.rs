//! Which jobs a list is to have, from the query.

use crate::{
    app::{AppError, Cursor, JobFilter, Problem},
    domain::{Arch, ImageTypeId, JobId, QueueName, StateKind, UserName},
};

/// Jobs in a list unless asked otherwise.
const LIMIT: usize = 30;
/// Most jobs in a list.
const MOST: usize = 100;
/// Characters of a search text that are looked at.
const TEXT: usize = 100;

/// Which jobs a list is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub filter: JobFilter,
    /// Where it begins.
    pub cursor: Cursor,
    /// How many.
    pub limit: usize,
}

/// Reads `state`, `queue`, `owner`, `type`, `arch`, `q`, `before`, `after` and `limit`. An API
/// is told what does not fit; nothing is left out silently.
///
/// # Errors
/// One problem per parameter that is unknown or does not fit.
pub fn wanted<'q>(pairs: impl Iterator<Item = (&'q str, &'q str)>) -> Result<Wanted, AppError> {
    let mut wanted = Wanted { filter: JobFilter::default(), cursor: Cursor::Newest, limit: LIMIT };
    let mut problems = Vec::new();
    for (name, value) in pairs {
        if let Err(message) = wanted.set(name, value) {
            problems.push(Problem::new(name, message));
        }
    }
    if problems.is_empty() { Ok(wanted) } else { Err(AppError::Invalid(problems)) }
}

impl Wanted {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let filter = &mut self.filter;
        match name {
            "state" => filter.state = Some(state(value)?),
            "queue" => filter.queue = Some(said(QueueName::new(value))?),
            "owner" => filter.owner = Some(said(UserName::new(value))?),
            "type" => filter.image_type = Some(said(ImageTypeId::new(value))?),
            "arch" => filter.arch = Some(said(Arch::new(value))?),
            "q" => filter.text = text(value),
            "before" => self.cursor = Cursor::Before(said(value.parse::<JobId>())?),
            "after" => self.cursor = Cursor::After(said(value.parse::<JobId>())?),
            "limit" => self.limit = limit(value)?,
            _ => {
                return Err("is not known here: use state, queue, owner, type, arch, q, before, \
                            after or limit"
                    .to_owned());
            }
        }
        Ok(())
    }
}

fn said<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn state(value: &str) -> Result<StateKind, String> {
    let known = || StateKind::ALL.map(StateKind::as_str).join(", ");
    StateKind::from_word(value).ok_or_else(|| format!("there is no such state: use {}", known()))
}

fn text(value: &str) -> Option<String> {
    Some(value.trim().chars().take(TEXT).collect::<String>()).filter(|text| !text.is_empty())
}

fn limit(value: &str) -> Result<usize, String> {
    let number = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    number.ok_or_else(|| format!("give a number from 1 to {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Wanted, AppError> {
        wanted(query.iter().copied())
    }

    #[test]
    fn a_list_is_narrowed_as_asked() {
        let list = read(&[("state", "failed"), ("owner", "ann"), ("q", " x "), ("limit", "5")]);
        let list = list.unwrap();
        assert_eq!(list.filter.state, Some(StateKind::Failed));
        assert_eq!(list.filter.text.as_deref(), Some("x"));
        assert_eq!((list.limit, list.cursor), (5, Cursor::Newest));
        let before = read(&[("before", "42")]).unwrap();
        assert_eq!(before.cursor, Cursor::Before(JobId::new(42).unwrap()));
    }

    #[test]
    fn each_parameter_that_does_not_fit_is_named() {
        let query = [("state", "broken"), ("limit", "1000"), ("before", "0"), ("colour", "red")];
        let Err(AppError::Invalid(problems)) = read(&query) else { panic!("accepted") };
        let fields: Vec<_> = problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(fields, ["state", "limit", "before", "colour"]);
        assert!(problems[0].message.contains("queued, building"), "{}", problems[0].message);
    }
}

//! Who may use which queue, and for what.

use crate::{
    app::{App, AppError},
    domain::{Actor, GroupName, Queue, QueueName, QueueRefusal, RunnerId},
};

/// What opens queues to somebody.
pub(super) enum Pass {
    /// Superusers and the console: every one.
    All,
    /// These groups.
    Groups(Vec<GroupName>),
}

impl App {
    /// What opens queues to `actor`.
    pub(super) fn pass(&self, actor: &Actor) -> Result<Pass, AppError> {
        if actor.superuser {
            return Ok(Pass::All);
        }
        let user = self.store().user(&actor.user)?;
        Ok(Pass::Groups(user.map(|user| user.groups).unwrap_or_default()))
    }

    /// Whether `actor` may have jobs in this queue, if there is one of this name.
    ///
    /// # Errors
    /// `Refused` with a sentence when it is not open to them.
    pub(in crate::app) fn may_use(&self, actor: &Actor, queue: &QueueName) -> Result<(), AppError> {
        let queues = self.store().queues()?;
        let Some(queue) = queues.iter().find(|known| known.name == *queue) else { return Ok(()) };
        self.pass(actor)?.admits(queue).map_err(|refusal| AppError::Refused(refusal.to_string()))
    }
}

impl Pass {
    /// Whether this queue is open.
    pub(super) fn admits(&self, queue: &Queue) -> Result<(), QueueRefusal> {
        match self {
            Self::All => Ok(()),
            Self::Groups(groups) => queue.admit(groups),
        }
    }

    /// The queue that `text` names, if jobs of `runner` may be handed in to it; the error is a
    /// sentence. Queues that are not open are not named.
    pub(super) fn choose(
        &self,
        queues: &[Queue],
        text: &str,
        runner: Option<&RunnerId>,
    ) -> Result<QueueName, String> {
        let Some(queue) = queues.iter().find(|queue| queue.name.as_str() == text) else {
            let open = queues.iter().filter(|queue| self.admits(queue).is_ok());
            let open: Vec<_> = open.map(|queue| queue.name.as_str()).collect();
            let shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
            return Err(match open.as_slice() {
                [] => format!(
                    "there is no queue `{shown}`, and none is open to you: ask an administrator"
                ),
                open => format!("there is no queue `{shown}`: choose {}", open.join(", ")),
            });
        };
        self.admits(queue).map_err(|refusal| refusal.to_string())?;
        // What it builds with is so for everybody.
        runner
            .map_or(Ok(()), |runner| queue.take(runner))
            .map_err(|refusal| refusal.to_string())?;
        Ok(queue.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues() -> Vec<Queue> {
        let queue = |name| Queue::standard(QueueName::new(name).unwrap(), "");
        let mut release = queue("release");
        release.submitters = vec![GroupName::new("Release").unwrap()];
        release.runners = vec![RunnerId::new("mic").unwrap()];
        vec![queue("web"), release]
    }

    fn choose(pass: &Pass, queue: &str, runner: &str) -> String {
        let runner = RunnerId::new(runner).unwrap();
        let chosen = pass.choose(&queues(), queue, Some(&runner));
        chosen.map_or_else(|refused| refused, |name| format!("on {name}"))
    }

    #[test]
    fn a_queue_of_a_group_is_for_its_members_and_superusers() {
        let nobody = Pass::Groups(Vec::new());
        assert_eq!(choose(&nobody, "web", "mic"), "on web");
        let said = choose(&nobody, "release", "mic");
        assert!(said.starts_with("queue `release` is open to the group Release:"), "{said}");
        let member = Pass::Groups(vec![GroupName::new("Release").unwrap()]);
        assert_eq!(choose(&member, "release", "mic"), "on release");
        assert_eq!(choose(&Pass::All, "release", "mic"), "on release");
    }

    #[test]
    fn a_queue_of_a_runner_takes_no_other_from_anybody() {
        let said = choose(&Pass::All, "release", "kiwi");
        assert!(said.contains("takes no jobs of runner `kiwi`, only of mic"), "{said}");
    }

    #[test]
    fn only_open_queues_are_offered_for_one_that_is_not_there() {
        let said = choose(&Pass::Groups(Vec::new()), "x", "mic");
        assert_eq!(said, "there is no queue `x`: choose web");
        assert_eq!(choose(&Pass::All, "x", "mic"), "there is no queue `x`: choose web, release");
        let closed = Pass::Groups(Vec::new()).choose(&queues()[1..], "x", None).unwrap_err();
        assert!(closed.contains("none is open to you"), "{closed}");
    }
}

//! Handing the request of an ended job in once more, as a new job that names the old one.

use super::{App, AppError, NewJob, Peer, submit::blocking};
use crate::domain::{Actor, Job, JobId, Timestamp, Verb};

impl App {
    /// Hands the request of an ended job in again, for whoever asks: with the same checks and the
    /// same quotas as [`submit`](Self::submit). The old job stays as it is.
    ///
    /// # Errors
    /// As `submit`; `NotFound`; `Conflict` while the old job waits or builds; `Gone` when its
    /// definition is deleted; `Refused` when a secret value would be needed that was forgotten.
    pub async fn retry(
        &self,
        actor: &Actor,
        id: JobId,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<JobId, AppError> {
        actor.allow(Verb::Submit)?;
        let old = self.known(actor, id)?;
        if !old.state.kind().is_final() {
            let hint = "cancel it first, or wait for its end".to_owned();
            return Err(AppError::Conflict { job: id, state: old.state.kind(), hint });
        }
        if self.store().shelf(id)?.logs_gone.is_some() {
            return Err(definition_gone(id));
        }
        secrets_forgotten(&old)?;
        let (app, who) = (self.clone(), actor.clone());
        let read = blocking(move || app.definition(&who, id)).await?;
        let definition = read.map_err(|error| match error {
            // It was deleted at this very moment.
            AppError::Gone(_) => definition_gone(id),
            other => other,
        })?;
        self.hand_in(actor, again(old, definition), Some(id), peer, now).await
    }
}

fn definition_gone(id: JobId) -> AppError {
    AppError::Gone(format!(
        "the definition of job {id} is deleted: submit it again from a copy of your own"
    ))
}

/// Secret values live until the end of their job and nowhere else.
fn secrets_forgotten(old: &Job) -> Result<(), AppError> {
    let secret = &old.request.secret_options;
    if secret.is_empty() {
        return Ok(());
    }
    let id = old.id;
    let (are, options) = match secret.as_slice() {
        [one] => ("was", format!("the secret option `{one}`")),
        more => ("were", format!("the secret options `{}`", more.join("`, `"))),
    };
    Err(AppError::Refused(format!(
        "{options} of job {id} {are} forgotten at its end: submit it again and give it anew"
    )))
}

/// What was handed in for `old`.
fn again(old: Job, definition: Vec<u8>) -> NewJob {
    let request = old.request;
    NewJob {
        name: old.name.to_string(),
        runner: old.runner.to_string(),
        image_type: old.image_type.to_string(),
        arch: old.arch.to_string(),
        queue: old.queue.to_string(),
        definition_name: request.definition_name,
        definition,
        packages: request.packages,
        options: request.options,
        input_job: request.input_job.map(|id| id.to_string()).unwrap_or_default(),
    }
}

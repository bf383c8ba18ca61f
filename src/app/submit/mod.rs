//! Handing in a definition: everything that is checked, in the order a person would want to hear
//! it, and the two writes that make a job: its files, then its record.

mod options;
mod parse;
mod pass;
mod show;

use super::{
    App, AppError, CheckView, Choices, InspectView, Kind, NewJob, Peer, Place, Problem, Remark,
    Severity, Wish, kinds::arrange, request_file,
};
use crate::{
    domain::{
        Actor, Job, JobId, Queue, QueueName, StateKind, Timestamp, Verb, admission::QuotaRefusal,
    },
    files::Layout,
    plugin::{self, Ask, Runner, api, input_files},
    store::{AuditRecord, StoreError},
};
use parse::Parsed;
use std::time::Duration;

/// What somebody is told to wait when a queue is full.
const FULL_QUEUE_WAIT: Duration = Duration::from_secs(60);
/// What somebody is told to wait whose images take too much: cleanups come every 15 minutes.
const CLEANUP_WAIT: Duration = Duration::from_secs(900);

/// A job that is let in, its files on disk.
struct LetIn {
    job: Job,
    estimate: Option<u64>,
    place: Place,
}

impl App {
    /// What the submit form offers.
    ///
    /// # Errors
    /// When submitting is denied.
    pub fn choices(&self, actor: &Actor) -> Result<Choices, AppError> {
        actor.allow(Verb::Submit)?;
        let limit = self.live().definition_limit;
        let runners = self
            .catalog()
            .snapshot()
            .iter()
            .filter_map(|entry| {
                let runner = entry.usable()?;
                let missing = entry
                    .programs
                    .iter()
                    .filter(|p| p.path.is_none())
                    .map(|p| p.name.clone())
                    .collect();
                Some(show::choice(runner.info(), missing, limit))
            })
            .collect();
        let (queues, pass) = (self.store().queues()?, self.pass(actor)?);
        let waiting = |queue: &Queue| self.board().waiting(&queue.name) as u64;
        let queues = queues.into_iter().filter(|queue| pass.admits(queue).is_ok());
        let queues = queues.map(|queue| (waiting(&queue), queue)).map(|(n, queue)| (queue, n));
        let mut choices = Choices { runners, archs: Vec::new(), queues: queues.collect() };
        let (types, archs) = (self.type_notes(Kind::ImageType)?, self.type_notes(Kind::Arch)?);
        arrange(&mut choices, &types, &archs);
        Ok(choices)
    }

    /// What a definition says of itself. `runner` may be empty: then by file extension.
    ///
    /// # Errors
    /// Unknown runner, too large, denied.
    pub async fn inspect(
        &self,
        actor: &Actor,
        runner: &str,
        file_name: &str,
        definition: Vec<u8>,
    ) -> Result<InspectView, AppError> {
        actor.allow(Verb::Submit)?;
        let runner = self.pick_runner(runner, file_name, "")?;
        self.check_size(&runner, definition.len())?;
        let id = runner.info().id.clone();
        let found = blocking(move || runner.inspect(&definition)).await?.map_err(runner_failed)?;
        Ok(InspectView {
            runner: id,
            name: found.name,
            image_type: found.image_type,
            arch: found.architecture,
            remarks: found.diagnostics.into_iter().map(remark).collect(),
            privileged: found.privileged.into_iter().map(remark).collect(),
        })
    }

    /// Everything [`submit`](Self::submit) checks, and the plan; nothing is queued.
    ///
    /// # Errors
    /// As `submit`.
    pub async fn check(
        &self,
        actor: &Actor,
        job: NewJob,
        now: Timestamp,
    ) -> Result<CheckView, AppError> {
        let parsed = self.parse(actor, job, now)?;
        let may = actor.allow(Verb::PrivilegedDefinitions).is_ok();
        let layout = self.layout(&parsed.job);
        let inputs = self.inputs(parsed.job.request.input_job, &layout)?;
        blocking(move || {
            let request = plugin_request(&parsed.job, &parsed.definition, inputs, &layout);
            let remarks = ask_runner(&parsed.runner, &request, &parsed.definition, may)?;
            let plan = match parsed.runner.plan(&request).map_err(runner_failed)? {
                Ok(plan) => plan,
                Err(found) => {
                    return Err(AppError::Invalid(found.into_iter().map(problem).collect()));
                }
            };
            Ok(show::check_view(remarks, plan))
        })
        .await?
    }

    /// Checks, stores (on disk when this returns) and queues a job.
    ///
    /// # Errors
    /// `Invalid` with every problem found, `TooLarge`, `Busy` (queue full, quota), `Denied`.
    pub async fn submit(
        &self,
        actor: &Actor,
        job: NewJob,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<JobId, AppError> {
        self.hand_in(actor, job, None, peer, now).await
    }

    /// What [`submit`](Self::submit) does, for a job that may repeat another one.
    pub(super) async fn hand_in(
        &self,
        actor: &Actor,
        job: NewJob,
        retry_of: Option<JobId>,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<JobId, AppError> {
        let mut parsed = self.parse(actor, job, now)?;
        parsed.job.retry_of = retry_of;
        let may = actor.allow(Verb::PrivilegedDefinitions).is_ok();
        let layout = self.layout(&parsed.job);
        let inputs = self.inputs(parsed.job.request.input_job, &layout)?;
        let app = self.clone();
        let let_in = blocking(move || {
            let Parsed { job, runner, definition, input } = parsed;
            let request = plugin_request(&job, &definition, inputs, &layout);
            ask_runner(&runner, &request, &definition, may)?;
            let place = app.board().claim_place(&job).map_err(quota_refused)?;
            let estimate = app.estimate(&job, &runner, &request);
            let job = app.store_files(job, &definition)?;
            Ok::<_, AppError>((LetIn { job, estimate, place }, input))
        });
        let (let_in, input) = let_in.await??;
        let stored = self.store_record(actor, let_in, peer, now).await;
        drop(input);
        stored
    }

    /// What the runner takes the job to need; asked only if the recipe's past does not tell.
    fn estimate(&self, job: &Job, runner: &Runner, request: &api::Request) -> Option<u64> {
        if !self.board().needs_estimate(job) {
            return None;
        }
        // What keeps it from being planned is the build's to tell.
        runner.plan(request).ok()?.ok()?.disk
    }

    /// Files first: a record never names files that are not there.
    fn store_files(&self, mut job: Job, definition: &[u8]) -> Result<Job, AppError> {
        job.id = self.store().next_job_id()?;
        let request = request_file::encode(&job)
            .map_err(|e| AppError::internal("the request cannot be written down", e))?;
        self.data().create_job(job.id, definition, &request)?;
        Ok(job)
    }

    async fn store_record(
        &self,
        actor: &Actor,
        LetIn { job, estimate, place }: LetIn,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<JobId, AppError> {
        let (id, cap) = (job.id, self.queue_cap(&job.queue)?);
        let audit = AuditRecord {
            at: now,
            actor: actor.user.to_string(),
            peer: peer.shown(),
            action: if job.retry_of.is_some() { "job.retry" } else { "job.submit" }.into(),
            object: format!("job {id}"),
            detail: show::request_words(&job),
            request: peer.request.clone(),
        };
        let record = job.clone();
        let written = self
            .store()
            .write(move |tx| {
                if tx.queue(&record.queue)?.is_none() {
                    let (kind, name) = ("queue", record.queue.to_string());
                    return Err(StoreError::Missing { kind, name });
                }
                if tx.count(&record.queue, StateKind::Queued)? >= u64::from(cap) {
                    return Err(StoreError::Refused(record.queue.to_string()));
                }
                tx.put_job(&record)?;
                tx.append_audit(&audit)
            })
            .await;
        match written {
            Ok(()) => {
                self.wish(Wish::Submitted { job: Box::new(job), estimate, place })?;
                Ok(id)
            }
            Err(error) => {
                let app = self.clone();
                blocking(move || app.data().remove_job(id)).await??;
                Err(match error {
                    StoreError::Refused(queue) => AppError::Busy {
                        message: format!(
                            "queue {queue} is full ({cap} jobs wait): try again when some have started"
                        ),
                        retry_after: FULL_QUEUE_WAIT,
                    },
                    StoreError::Missing { name, .. } => {
                        let message =
                            format!("queue {name} was deleted just now: choose another one");
                        AppError::Invalid(vec![Problem::new("queue", message)])
                    }
                    other => other.into(),
                })
            }
        }
    }

    fn queue_cap(&self, queue: &QueueName) -> Result<u32, AppError> {
        let queues = self.store().queues()?;
        Ok(queues.iter().find(|q| q.name == *queue).map_or(0, |q| q.cap))
    }

    /// Where the job will be built. Before it has a number the plan shows number 1.
    fn layout(&self, job: &Job) -> Layout {
        Layout::new(self.data().root(), job.id, job.runner.as_str())
    }

    fn inputs(&self, job: Option<JobId>, layout: &Layout) -> Result<Vec<api::InputFile>, AppError> {
        let Some(id) = job else { return Ok(Vec::new()) };
        let record = self.store().job(id)?;
        Ok(record.map(|job| input_files(&job, layout)).unwrap_or_default())
    }
}

fn quota_refused(refusal: QuotaRefusal) -> AppError {
    let retry_after = match &refusal {
        QuotaRefusal::UserQueued { .. } => FULL_QUEUE_WAIT,
        QuotaRefusal::UserBytes { .. } | QuotaRefusal::QueueBytes { .. } => CLEANUP_WAIT,
    };
    AppError::Busy { message: refusal.to_string(), retry_after }
}

/// Asks the runner about the request; errors and missing permissions refuse it.
fn ask_runner(
    runner: &Runner,
    request: &api::Request,
    definition: &[u8],
    may_privileged: bool,
) -> Result<Vec<Remark>, AppError> {
    let found = runner.check(request).map_err(runner_failed)?;
    let (errors, rest): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|d| d.severity == api::Severity::Error);
    if !errors.is_empty() {
        return Err(AppError::Invalid(errors.into_iter().map(problem).collect()));
    }
    if !may_privileged {
        let inspection = runner.inspect(definition).map_err(runner_failed)?;
        if !inspection.privileged.is_empty() {
            return Err(AppError::Invalid(
                inspection.privileged.into_iter().map(privileged_problem).collect(),
            ));
        }
    }
    Ok(rest.into_iter().map(remark).collect())
}

fn privileged_problem(found: api::Diagnostic) -> Problem {
    Problem {
        field: "definition".into(),
        message: format!("{}: this would run as root on the box itself", found.message),
        line: found.line,
        hint: Some("ask an administrator for the permission `privileged-definitions`".into()),
    }
}

fn problem(found: api::Diagnostic) -> Problem {
    Problem {
        field: "definition".into(),
        message: found.message,
        line: found.line,
        hint: found.hint,
    }
}

fn remark(found: api::Diagnostic) -> Remark {
    let severity = match found.severity {
        api::Severity::Error => Severity::Error,
        api::Severity::Warning => Severity::Warning,
        api::Severity::Info => Severity::Info,
    };
    Remark { severity, message: found.message, line: found.line, hint: found.hint }
}

fn runner_failed(error: crate::plugin::PluginError) -> AppError {
    let message = format!("{error}: an administrator can see more on the health page");
    AppError::internal(message, error)
}

/// The request as the runner sees it before a build directory exists.
fn plugin_request(
    job: &Job,
    definition: &[u8],
    inputs: Vec<api::InputFile>,
    layout: &Layout,
) -> api::Request {
    let ask = Ask::of(job, definition.to_vec().into());
    plugin::plugin_request(job.id, &ask, inputs, layout)
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| AppError::internal("the request could not be worked on: try again", e))
}

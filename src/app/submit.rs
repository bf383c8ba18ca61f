//! Handing in a definition: everything that is checked, in the order a person would want to hear
//! it, and the two writes that make a job: its files, then its record.

use super::{
    App, AppError, CheckView, Choices, FieldChoice, FieldKind, ImageTypeChoice, InspectView,
    NewJob, Peer, PlannedStep, Problem, Remark, RunnerChoice, Severity, Wish, request_file,
};
use crate::{
    domain::{
        Actor, Arch, ImageTypeId, Job, JobId, JobName, JobState, Queue, QueueName, RunnerId,
        StateKind, Timestamp, Verb, job,
    },
    files::Layout,
    plugin::{self, Ask, Runner, api, input_files},
    store::{AuditRecord, StoreError},
};
use sha2::{Digest as _, Sha256};
use std::{sync::Arc, time::Duration};

/// Extra packages a job may name.
const MAX_PACKAGES: usize = 512;
/// Characters of one extra package.
const MAX_PACKAGE: usize = 200;
/// What somebody is told to wait when a queue is full.
const FULL_QUEUE_WAIT: Duration = Duration::from_secs(60);
/// Characters of a planned file that "Check only" shows.
const SHOWN_FILE: usize = 8 * 1024;

/// A request that passed every check that needs no runner call.
struct Parsed {
    job: Job,
    runner: Arc<Runner>,
    definition: Vec<u8>,
}

impl App {
    /// What the submit form offers.
    ///
    /// # Errors
    /// When submitting is denied.
    pub fn choices(&self, actor: &Actor) -> Result<Choices, AppError> {
        actor.allow(Verb::Submit)?;
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
                Some(self.choice(runner.info(), missing))
            })
            .collect();
        let counts = |queue: &Queue| self.board().waiting(&queue.name) as u64;
        let queues = self.store().queues()?.into_iter().map(|q| {
            let waiting = counts(&q);
            (q, waiting)
        });
        Ok(Choices { runners, queues: queues.collect() })
    }

    fn choice(&self, info: &api::RunnerInfo, missing_programs: Vec<String>) -> RunnerChoice {
        RunnerChoice {
            id: info.id.clone(),
            name: info.name.clone(),
            description: info.description.clone(),
            definition_label: info.definition.label.clone(),
            extensions: info.definition.extensions.clone(),
            max_size: info.definition.max_size.min(self.settings().definition_limit),
            image_types: info
                .image_types
                .iter()
                .map(|t| ImageTypeChoice {
                    id: t.id.clone(),
                    label: t.label.clone(),
                    help: t.help.clone(),
                    archs: t.architectures.clone(),
                })
                .collect(),
            fields: info.options.iter().map(field_choice).collect(),
            missing_programs,
        }
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
            Ok(check_view(remarks, plan))
        })
        .await?
    }

    /// Checks, stores (on disk when this returns) and queues a job.
    ///
    /// # Errors
    /// `Invalid` with every problem found, `TooLarge`, `Busy` (queue full), `Denied`.
    pub async fn submit(
        &self,
        actor: &Actor,
        job: NewJob,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<JobId, AppError> {
        let parsed = self.parse(actor, job, now)?;
        let may = actor.allow(Verb::PrivilegedDefinitions).is_ok();
        let layout = self.layout(&parsed.job);
        let inputs = self.inputs(parsed.job.request.input_job, &layout)?;
        let app = self.clone();
        let job = blocking(move || {
            let Parsed { job, runner, definition } = parsed;
            let request = plugin_request(&job, &definition, inputs, &layout);
            ask_runner(&runner, &request, &definition, may)?;
            app.store_files(job, &definition)
        })
        .await??;
        self.store_record(actor, job, peer, now).await
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
        job: Job,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<JobId, AppError> {
        let (id, cap) = (job.id, self.queue_cap(&job.queue)?);
        let audit = AuditRecord {
            at: now,
            actor: actor.user.to_string(),
            peer: peer.shown(),
            action: "job.submit".into(),
            object: format!("job {id}"),
            detail: format!("{} {} {} on {}", job.name, job.image_type, job.arch, job.queue),
        };
        let record = job.clone();
        let written = self
            .store()
            .write(move |tx| {
                if tx.count(&record.queue, StateKind::Queued)? >= u64::from(cap) {
                    return Err(StoreError::Refused(record.queue.to_string()));
                }
                tx.put_job(&record)?;
                tx.append_audit(&audit)
            })
            .await;
        match written {
            Ok(()) => {
                self.wish(Wish::Submitted(Box::new(job)))?;
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
                    other => other.into(),
                })
            }
        }
    }

    fn queue_cap(&self, queue: &QueueName) -> Result<u32, AppError> {
        let queues = self.store().queues()?;
        Ok(queues.iter().find(|q| q.name == *queue).map_or(0, |q| q.cap))
    }

    /// The runner asked for; else the only one that takes such a file name and, where several do,
    /// builds such images.
    fn pick_runner(
        &self,
        id: &str,
        file_name: &str,
        image_type: &str,
    ) -> Result<Arc<Runner>, AppError> {
        let snapshot = self.catalog().snapshot();
        let usable: Vec<_> = snapshot.iter().filter_map(|e| e.usable()).collect();
        if !id.is_empty() {
            return self.catalog().runner(id).map_err(|e| {
                let known: Vec<_> = usable.iter().map(|r| r.info().id.as_str()).collect();
                let message = format!("{e}: choose {}", known.join(", "));
                AppError::Invalid(vec![Problem::new("runner", message)])
            });
        }
        let extension = file_name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
        let by_name = |r: &Runner| {
            extension.as_ref().is_some_and(|e| r.info().definition.extensions.contains(e))
        };
        let by_type = |r: &Runner| r.info().image_types.iter().any(|t| t.id == image_type);
        let named: Vec<_> = usable.iter().filter(|r| by_name(r)).collect();
        let building: Vec<_> = named.iter().filter(|r| by_type(r)).copied().collect();
        let mut fitting = if building.is_empty() { named } else { building }.into_iter();
        match (fitting.next(), fitting.next(), usable.as_slice()) {
            (Some(runner), None, _) => Ok(Arc::clone(runner)),
            (None, None, [only]) => Ok(Arc::clone(only)),
            _ => {
                let known: Vec<_> = usable.iter().map(|r| r.info().id.as_str()).collect();
                let message = if known.is_empty() {
                    "no runner is enabled on this box: an administrator has to enable one".into()
                } else {
                    format!(
                        "the file name does not tell which tool it is for: choose a runner ({})",
                        known.join(", ")
                    )
                };
                Err(AppError::Invalid(vec![Problem::new("runner", message)]))
            }
        }
    }

    fn check_size(&self, runner: &Runner, size: usize) -> Result<(), AppError> {
        let limit = runner.info().definition.max_size.min(self.settings().definition_limit);
        let size = size as u64;
        if size > limit { Err(AppError::TooLarge { size, limit }) } else { Ok(()) }
    }

    /// Turns text into names and looks up what they name; every problem at once.
    fn parse(&self, actor: &Actor, new: NewJob, now: Timestamp) -> Result<Parsed, AppError> {
        actor.allow(Verb::Submit)?;
        let runner = self.pick_runner(&new.runner, &new.definition_name, &new.image_type)?;
        self.check_size(&runner, new.definition.len())?;
        let info = runner.info();
        let mut problems = Vec::new();
        if info.definition.required && new.definition.is_empty() {
            let label = &info.definition.label;
            let message = format!("the definition is empty: hand in a {label}");
            problems.push(Problem::new("definition", message));
        }
        let name = note(&mut problems, "name", JobName::new(&job_name(&new)));
        let queue = self.parse_queue(&mut problems, &new.queue)?;
        let pair = parse_pair(&mut problems, info, &new.image_type, &new.arch);
        let (options, secret_options) = parse_options(&mut problems, info, &new.options);
        let packages = parse_packages(&mut problems, &new.packages);
        let input_job = self.parse_input(&mut problems, &new.input_job)?;
        self.note_missing_programs(&mut problems, info);
        let id = RunnerId::new(&info.id);
        match (name, queue, pair, id, problems.is_empty()) {
            (Some(name), Some(queue), Some((image_type, arch)), Ok(id), true) => {
                let request = job::Request {
                    definition_name: clean_file_name(&new.definition_name),
                    definition_size: new.definition.len() as u64,
                    definition_sha256: data_encoding::HEXLOWER
                        .encode(&Sha256::digest(&new.definition)),
                    packages,
                    options,
                    secret_options,
                    input_job,
                };
                let job = Job {
                    id: JobId::FIRST,
                    name,
                    owner: actor.user.clone(),
                    queue,
                    runner: id,
                    runner_version: info.version.clone(),
                    runner_sha256: runner.sha256().to_owned(),
                    image_type,
                    arch,
                    priority: 0,
                    launched: false,
                    submitted: now,
                    retry_of: None,
                    request,
                    state: JobState::Queued,
                    result: job::BuildResult::default(),
                };
                Ok(Parsed { job, runner, definition: new.definition })
            }
            _ => Err(AppError::Invalid(problems)),
        }
    }

    fn parse_queue(
        &self,
        problems: &mut Vec<Problem>,
        text: &str,
    ) -> Result<Option<QueueName>, AppError> {
        let queues = self.store().queues()?;
        let found = queues.iter().find(|q| q.name.as_str() == text);
        if found.is_none() {
            let known: Vec<_> = queues.iter().map(|q| q.name.as_str()).collect();
            let shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
            let message = format!("there is no queue `{shown}`: choose {}", known.join(", "));
            problems.push(Problem::new("queue", message));
        }
        Ok(found.map(|q| q.name.clone()))
    }

    fn parse_input(
        &self,
        problems: &mut Vec<Problem>,
        text: &str,
    ) -> Result<Option<JobId>, AppError> {
        let text = text.trim().trim_start_matches('#');
        if text.is_empty() {
            return Ok(None);
        }
        let Some(id) = note(problems, "input_job", text.parse::<JobId>()) else {
            return Ok(None);
        };
        let why = match self.store().job(id)? {
            None => format!("there is no job {id}: give the number of a finished job"),
            Some(job) if job.state.kind() != StateKind::Done => {
                format!("job {id} is {}: its files can be used once it is done", job.state.kind())
            }
            Some(_) => return Ok(Some(id)),
        };
        problems.push(Problem::new("input_job", why));
        Ok(None)
    }

    fn note_missing_programs(&self, problems: &mut Vec<Problem>, info: &api::RunnerInfo) {
        let snapshot = self.catalog().snapshot();
        let entry = snapshot.iter().find(|e| e.usable().is_some_and(|r| r.info().id == info.id));
        let programs = entry.into_iter().flat_map(|e| &e.programs);
        for program in programs.filter(|p| p.path.is_none()) {
            let message = format!(
                "the program `{}` is not installed on this box: an administrator has to install it",
                program.name
            );
            problems.push(Problem::new("runner", message));
        }
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

/// The name asked for, or the definition's file name without its extension.
fn job_name(new: &NewJob) -> String {
    let name = new.name.trim();
    if !name.is_empty() {
        return name.to_owned();
    }
    let file = clean_file_name(&new.definition_name);
    let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    let stem: String = stem.chars().map(|c| if fits(c) { c } else { '-' }).take(64).collect();
    stem.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// The last part of whatever a browser calls the file; for display only.
fn clean_file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(120).collect()
}

fn note<T, E: std::fmt::Display>(
    problems: &mut Vec<Problem>,
    field: &str,
    result: Result<T, E>,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            problems.push(Problem::new(field, error.to_string()));
            None
        }
    }
}

fn parse_pair(
    problems: &mut Vec<Problem>,
    info: &api::RunnerInfo,
    image_type: &str,
    arch: &str,
) -> Option<(ImageTypeId, Arch)> {
    let id = note(problems, "image_type", ImageTypeId::new(image_type))?;
    let Some(known) = info.image_types.iter().find(|t| t.id == image_type) else {
        let all: Vec<_> = info.image_types.iter().map(|t| t.id.as_str()).collect();
        let message = format!("{} does not build `{id}`: choose {}", info.name, all.join(", "));
        problems.push(Problem::new("image_type", message));
        return None;
    };
    let arch = note(problems, "arch", Arch::new(arch))?;
    if !known.architectures.iter().any(|a| a == arch.as_str()) {
        let all = known.architectures.join(", ");
        let message = format!("{} does not build `{id}` for `{arch}`: choose {all}", info.name);
        problems.push(Problem::new("arch", message));
        return None;
    }
    Some((id, arch))
}

/// Checks values against the fields the runner declares; absent ones take their default.
fn parse_options(
    problems: &mut Vec<Problem>,
    info: &api::RunnerInfo,
    given: &[(String, String)],
) -> (Vec<(String, String)>, Vec<String>) {
    let mut values = Vec::new();
    for (id, _) in given {
        if !info.options.iter().any(|f| f.id == *id) {
            let shown: String = id.chars().take(40).flat_map(char::escape_debug).collect();
            let all: Vec<_> = info.options.iter().map(|f| f.id.as_str()).collect();
            let message =
                format!("{} has no option `{shown}`: it has {}", info.name, all.join(", "));
            problems.push(Problem::new("runner", message));
        }
    }
    for field in &info.options {
        let value = given.iter().find(|(id, _)| *id == field.id).map(|(_, v)| v.as_str());
        match option_value(field, value) {
            Ok(Some(value)) => values.push((field.id.clone(), value)),
            Ok(None) => {}
            Err(message) => problems.push(Problem::new(&format!("option.{}", field.id), message)),
        }
    }
    let secret = info.options.iter().filter(|f| f.secret).map(|f| f.id.clone()).collect();
    (values, secret)
}

fn option_value(field: &api::Field, given: Option<&str>) -> Result<Option<String>, String> {
    let label = &field.label;
    if given.is_some_and(|v| v.contains('\0')) {
        return Err(format!("{label} contains a NUL character: leave it out"));
    }
    let value = match &field.kind {
        api::FieldKind::Boolean(default) => match given.map(str::trim) {
            None => default.to_string(),
            Some("true" | "on" | "1" | "yes") => "true".into(),
            Some("false" | "off" | "0" | "no" | "") => "false".into(),
            Some(other) => return Err(format!("{label} is `{other}`: use true or false")),
        },
        api::FieldKind::Integer(int) => match given.map(str::trim).filter(|v| !v.is_empty()) {
            None => int.default.to_string(),
            Some(text) => match text.parse::<i64>() {
                Ok(n) if (int.min..=int.max).contains(&n) => n.to_string(),
                _ => {
                    let (min, max) = (int.min, int.max);
                    return Err(format!("{label} is `{text}`: use a number from {min} to {max}"));
                }
            },
        },
        api::FieldKind::Choice(choice) => {
            let value = given.map(str::trim).unwrap_or(&choice.default);
            if !choice.choices.iter().any(|(v, _)| v == value) {
                let all: Vec<_> = choice.choices.iter().map(|(v, _)| v.as_str()).collect();
                return Err(format!("{label} is `{value}`: choose {}", all.join(", ")));
            }
            value.to_owned()
        }
        api::FieldKind::Text(text) => {
            let value = given.map(str::trim).unwrap_or(&text.default);
            check_text(label, text, value)?;
            value.to_owned()
        }
        api::FieldKind::TextList(text) => {
            let value = given.unwrap_or(&text.default);
            let lines: Vec<_> = value.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
            for line in &lines {
                check_text(label, text, line)?;
            }
            lines.join("\n")
        }
    };
    if value.is_empty() && field.required {
        return Err(format!("{label} is needed: fill it in"));
    }
    Ok((!value.is_empty()).then_some(value))
}

fn check_text(label: &str, rule: &api::TextField, value: &str) -> Result<(), String> {
    let length = value.chars().count();
    if length > rule.max_length as usize {
        return Err(format!("{label} has {length} characters: at most {} fit", rule.max_length));
    }
    if value.is_empty() {
        return Ok(());
    }
    let Some(pattern) = &rule.pattern else { return Ok(()) };
    // The pattern was compiled once already when the runner was loaded; it is small.
    match regex::Regex::new(&format!("^(?:{pattern})$")) {
        Ok(regex) if regex.is_match(value) => Ok(()),
        Ok(_) => Err(format!("{label} is `{value}`: it has to fit the pattern {pattern}")),
        Err(e) => Err(format!("{label} cannot be checked, the runner's pattern is broken: {e}")),
    }
}

fn parse_packages(problems: &mut Vec<Problem>, given: &[String]) -> Vec<String> {
    let packages: Vec<_> = given.iter().map(|p| p.trim()).filter(|p| !p.is_empty()).collect();
    if packages.len() > MAX_PACKAGES {
        let message = format!("{} packages: at most {MAX_PACKAGES} can be added", packages.len());
        problems.push(Problem::new("packages", message));
    }
    for package in &packages {
        let bare = package.strip_prefix('-').unwrap_or(package);
        let bare = bare.strip_prefix('@').unwrap_or(bare);
        let fits = |c: char| c.is_ascii_alphanumeric() || " .+_:~-".contains(c);
        let good = bare.starts_with(|c: char| c.is_ascii_alphanumeric())
            && bare.chars().all(fits)
            && bare.len() <= MAX_PACKAGE;
        if !good {
            let shown: String = package.chars().take(40).flat_map(char::escape_debug).collect();
            let message =
                format!("`{shown}` is no package: use `name`, `-name`, `@group` or `-@group`");
            problems.push(Problem::new("packages", message));
        }
    }
    packages.into_iter().map(str::to_owned).collect()
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

fn field_choice(field: &api::Field) -> FieldChoice {
    let kind = match &field.kind {
        api::FieldKind::Text(t) => FieldKind::Text {
            default: t.default.clone(),
            pattern: t.pattern.clone(),
            max: t.max_length,
        },
        api::FieldKind::Boolean(default) => FieldKind::Boolean(*default),
        api::FieldKind::Integer(i) => {
            FieldKind::Integer { default: i.default, min: i.min, max: i.max }
        }
        api::FieldKind::Choice(c) => {
            FieldKind::Choice { default: c.default.clone(), choices: c.choices.clone() }
        }
        api::FieldKind::TextList(t) => FieldKind::TextList {
            default: t.default.clone(),
            pattern: t.pattern.clone(),
            max: t.max_length,
        },
    };
    FieldChoice {
        id: field.id.clone(),
        label: field.label.clone(),
        help: field.help.clone(),
        required: field.required,
        secret: field.secret,
        kind,
    }
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

fn check_view(remarks: Vec<Remark>, plan: api::BuildPlan) -> CheckView {
    let commands = plan
        .steps
        .iter()
        .map(|step| PlannedStep {
            name: step.name.clone(),
            command: plugin::shown_command(step),
            privileges: step.privileges.iter().map(|p| privilege(*p).to_owned()).collect(),
        })
        .collect();
    let files = plan
        .files
        .iter()
        .map(|file| {
            let text: String =
                String::from_utf8_lossy(&file.contents).chars().take(SHOWN_FILE).collect();
            (file.path.clone(), text)
        })
        .collect();
    CheckView { remarks, commands, files, disk: plan.disk }
}

fn privilege(privilege: api::Privilege) -> &'static str {
    match privilege {
        api::Privilege::Root => "root",
        api::Privilege::LoopDevices => "loop devices",
        api::Privilege::Network => "network",
        api::Privilege::Kvm => "KVM",
        api::Privilege::UserNamespaces => "user namespaces",
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| AppError::internal("the request could not be worked on: try again", e))
}

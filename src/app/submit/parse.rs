//! Turning what was typed into names, and looking up what they name.

use super::options::parse_options;
use crate::{
    app::{App, AppError, Claim, NewJob, Problem},
    domain::{
        Actor, Arch, ImageTypeId, Job, JobId, JobName, JobState, QueueName, RunnerId, StateKind,
        Timestamp, Verb, job,
    },
    plugin::{Runner, api},
};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Extra packages a job may name.
const MAX_PACKAGES: usize = 512;
/// Characters of one extra package.
const MAX_PACKAGE: usize = 200;

/// A request that passed every check that needs no runner call.
pub(super) struct Parsed {
    pub(super) job: Job,
    pub(super) runner: Arc<Runner>,
    pub(super) definition: Vec<u8>,
    /// Keeps the files of the input job until this one is on record.
    pub(super) input: Option<Claim>,
}

impl App {
    /// The runner asked for; else the only one that takes such a file name and, where several do,
    /// builds such images.
    pub(super) fn pick_runner(
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

    pub(super) fn check_size(&self, runner: &Runner, size: usize) -> Result<(), AppError> {
        let limit = runner.info().definition.max_size.min(self.live().definition_limit);
        let size = size as u64;
        if size > limit { Err(AppError::TooLarge { size, limit }) } else { Ok(()) }
    }

    /// Turns text into names and looks up what they name; every problem at once.
    pub(super) fn parse(
        &self,
        actor: &Actor,
        new: NewJob,
        now: Timestamp,
    ) -> Result<Parsed, AppError> {
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
        let id = note(&mut problems, "runner", RunnerId::new(&info.id));
        let queue = self.parse_queue(&mut problems, &new.queue, actor, id.as_ref())?;
        let pair = parse_pair(&mut problems, info, &new.image_type, &new.arch);
        let (options, secret_options) = parse_options(&mut problems, info, &new.options);
        let packages = parse_packages(&mut problems, &new.packages);
        let (input_job, input) = self.parse_input(&mut problems, &new.input_job)?.unzip();
        self.note_missing_programs(&mut problems, info);
        match (name, queue, pair, id, problems.is_empty()) {
            (Some(name), Some(queue), Some((image_type, arch)), Some(id), true) => {
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
                Ok(Parsed { job, runner, definition: new.definition, input })
            }
            _ => Err(AppError::Invalid(problems)),
        }
    }

    fn parse_queue(
        &self,
        problems: &mut Vec<Problem>,
        text: &str,
        actor: &Actor,
        runner: Option<&RunnerId>,
    ) -> Result<Option<QueueName>, AppError> {
        let (queues, pass) = (self.store().queues()?, self.pass(actor)?);
        match pass.choose(&queues, text, runner) {
            Ok(queue) => Ok(Some(queue)),
            Err(message) => {
                problems.push(Problem::new("queue", message));
                Ok(None)
            }
        }
    }

    fn parse_input(
        &self,
        problems: &mut Vec<Problem>,
        text: &str,
    ) -> Result<Option<(JobId, Claim)>, AppError> {
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
            Some(_) if self.store().shelf(id)?.artifacts_gone.is_some() => {
                format!("the files of job {id} are deleted: submit it again to have them again")
            }
            Some(_) => match self.claims().input(id) {
                Some(claim) => return Ok(Some((id, claim))),
                None => format!("the files of job {id} are being deleted: submit it again"),
            },
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
}

/// The name asked for; else the definition's file name without its extension; else what is built.
fn job_name(new: &NewJob) -> String {
    let name = new.name.trim();
    if !name.is_empty() {
        return name.to_owned();
    }
    let file = clean_file_name(&new.definition_name);
    let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
    let built = format!("{}-{}", new.image_type, new.arch);
    let names = [stem, &built].map(fit_name);
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "image".to_owned())
}

/// Text as near as a job's name can be to it.
fn fit_name(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    let name: String = text.chars().map(|c| if fits(c) { c } else { '-' }).take(64).collect();
    name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_without_a_name_is_called_like_its_file_or_what_it_builds() {
        let named = |name: &str, file: &str, kind: &str| {
            job_name(&NewJob {
                name: name.into(),
                definition_name: file.into(),
                image_type: kind.into(),
                arch: "x86_64".into(),
                ..NewJob::default()
            })
        };
        assert_eq!(named(" core ", "a.ks", "raw"), "core");
        assert_eq!(named("", "C:\\my files\\-ivi demo.ks", "raw"), "ivi-demo");
        assert_eq!(named("", "", "raw"), "raw-x86_64");
        assert_eq!(job_name(&NewJob::default()), "image");
    }
}

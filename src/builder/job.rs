//! One build from its order to its end.

use super::{
    cgroup::{Group, Groups},
    collect::{self, CollectError},
    embedded::{BuilderConfig, Next},
    evidence::Room,
    input,
    leftovers::{self, Candidates, MARK},
    lines::{Line, last_lines},
    mask::Masker,
    outbox::Outbox,
    pipeline::{Cap, Pipeline},
    planner::{Planner, Source},
    process::{End, Ready, Tool},
    protocol::{Event, Finished, Order, Outcome, StagedArtifact, VERSION},
    sandbox::{self, Confinement, Inner, Outer, Reach},
    stop::Stop,
    verdict::{self, Facts},
    watch::{Watch, Why},
    workspace::{self, Workspace},
};
use crate::{
    domain::{Cause, Failure, Sandbox, Used},
    files::{DataDir, FilesError, Freed, NOT_FREED},
    plugin::{api, plugin_request, shown_command},
};
use std::{
    cell::Cell,
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Variables of the service that tools get too.
const PASSED_ON: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];
const ADMIT: &str = "tell the administrator of the box, or choose another queue";
/// Parts of the data directory that no tool has to see. One that is root could uncover them again.
const HIDDEN: [&str; 9] =
    ["db", "jobs", "trash", "backup", "plugins", "tls", "cwasm", "cwasm-builder", "builder"];
/// Where programs share memory under a name.
const SHARED: &str = "/dev/shm";

/// What a build works with.
pub(super) struct Task {
    pub(super) data: Arc<DataDir>,
    pub(super) source: Source,
    pub(super) config: Arc<BuilderConfig>,
    /// What confines the steps, or why they cannot be confined as they are to be.
    pub(super) reach: Result<Reach, String>,
    /// Where the job's control group is made, or why it has none.
    pub(super) groups: Result<Groups, String>,
    pub(super) order: Order,
}

/// Only with the kernel's own namespaces: inside a user namespace a mount cannot always be made
/// read-only, and what is mounted belongs to somebody else.
fn mounts_input(reach: &Reach, step: &api::Step) -> bool {
    reach.for_step(&step.privileges) == Confinement::Full
}

/// For people: what a build used.
fn shown(used: &Used) -> Option<String> {
    (!used.is_nothing()).then(|| {
        let seconds = used.cpu.as_secs_f64();
        let mut words = format!("used {seconds:.1} s of the processors");
        for (bytes, what) in [(used.memory, "memory at most"), (used.written, "written to disks")] {
            if bytes > 0 {
                words.push_str(&format!(", {} MiB {what}", bytes.div_ceil(1 << 20)));
            }
        }
        words
    })
}

/// Where a failure of the preparation comes from.
enum Refused {
    Failed(Failure),
    Stopped(Why),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn box_failed(message: impl ToString) -> Failure {
    verdict::failed(Cause::Box, message.to_string(), "")
}

fn files_failed(error: FilesError) -> Failure {
    let way_out = if error.is_full() { "free space on the box, then retry" } else { "" };
    verdict::failed(Cause::Box, error.to_string(), way_out)
}

/// The build as it is carried out.
struct Course<'a> {
    task: &'a Task,
    planner: Arc<dyn Planner>,
    request: api::Request,
    workspace: &'a Workspace,
    programs: HashMap<String, PathBuf>,
    reach: &'a Reach,
    /// What confines the steps, for people.
    sandbox: String,
    ready: &'a Waiting,
}

/// The sandbox's helper that waits for the first tool, until that is there.
struct Waiting(Cell<Option<Ready>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(ready) = self.0.take() {
            ready.discard();
        }
    }
}

impl Task {
    /// Carries it out. Whatever happens, the end is one `Finished`, and nothing is left.
    /// `next` is where its first tool may run.
    pub(super) fn run(
        &self,
        outbox: Outbox,
        mut stop: Stop,
        next: Option<Next>,
    ) -> (Outbox, Finished) {
        let log = match self.data.append_log(self.order.job) {
            Ok(log) => log,
            Err(e) => return (outbox, finished(Outcome::Failed(files_failed(e)))),
        };
        let masker = Masker::new(self.secrets(&[]));
        let cap = Cap::of(self.order.limits.log);
        let mut pipeline = Pipeline::new(log, masker, outbox, cap);
        let first = leftovers::newest_process();
        let (group, ready) = self.group(next);
        let mut end = self.carry_out(&mut pipeline, &mut stop, group.as_ref(), ready);
        let freed = self.clean(first, group.ok().as_ref(), &mut end);
        if let Some(used) = shown(&end.used) {
            pipeline.remark(&used);
        }
        for found in &freed.found {
            pipeline.remark(found);
        }
        for residual in &freed.residual {
            pipeline.remark(&format!("{NOT_FREED}{residual}"));
        }
        end.residual.extend(freed.residual);
        if let Outcome::Failed(failure) = &mut end.outcome {
            failure.message = pipeline.masked(&failure.message);
            failure.suggestion = failure.suggestion.as_ref().map(|said| pipeline.masked(said));
            pipeline.remark(&format!("failed: {}", failure.message));
        }
        pipeline.finish();
        if let Outcome::Failed(failure) = &mut end.outcome {
            failure.line = failure.line.map(|line| pipeline.place(line));
        }
        (pipeline.into_outbox(), end)
    }

    /// The control group of the job, and what waits in it for the first tool.
    fn group(&self, next: Option<Next>) -> (Result<Group, String>, Option<Ready>) {
        let bounds = &self.order.limits.bounds;
        let groups = self.groups.as_ref().map_err(Clone::clone);
        match (groups, next) {
            (Ok(_), Some(Next { ready, group: Some(group) })) => match group.limit(bounds) {
                Ok(()) => (Ok(group), Some(ready)),
                Err(why) => {
                    ready.discard();
                    (Err(why), None)
                }
            },
            (Err(why), Some(Next { ready, group: None })) => (Err(why), Some(ready)),
            (groups, other) => {
                if let Some(Next { ready, .. }) = other {
                    ready.discard();
                }
                (groups.and_then(|groups| groups.make(self.order.job, bounds)), None)
            }
        }
    }

    fn secrets<'a>(&'a self, steps: &'a [api::Step]) -> impl Iterator<Item = &'a str> {
        let arguments = steps.iter().flat_map(|step| &step.arguments);
        let secret = arguments.filter(|a| a.secret).map(|a| a.value.as_str());
        self.order.request.secrets.iter().map(String::as_str).chain(secret)
    }

    /// Frees what is left and removes the build directory.
    fn clean(&self, first: Option<i32>, group: Option<&Group>, end: &mut Finished) -> Freed {
        let mut freed = Freed::default();
        if let Some(group) = group {
            end.used = group.used();
            // Before anything is looked for: nobody in it can start anybody any more.
            freed.residual.extend(group.end().err());
        }
        let name = self.order.job.dir_name();
        let path = self.data.root().join("build").join(&name);
        let candidates = first.map_or(Candidates::All, Candidates::Since);
        leftovers::end_processes(&path, &candidates, &mut freed);
        let bytes = workspace::clear(&self.data, &name, &mut freed);
        end.peak_disk = end.peak_disk.max(bytes);
        freed
    }

    fn carry_out(
        &self,
        pipeline: &mut Pipeline,
        stop: &mut Stop,
        group: Result<&Group, &String>,
        ready: Option<Ready>,
    ) -> Finished {
        let ready = Waiting(Cell::new(ready));
        let name = self.order.job.dir_name();
        // What a build of the same job left behind when its process died.
        if self.data.build().look(name.as_ref()).is_ok() {
            let mut freed = Freed::default();
            let path = self.data.root().join("build").join(&name);
            leftovers::end_processes(&path, &Candidates::All, &mut freed);
            workspace::clear(&self.data, &name, &mut freed);
        }
        let reach = match &self.reach {
            Ok(reach) => reach,
            Err(why) => return finished(Outcome::Failed(verdict::failed(Cause::Box, why, ADMIT))),
        };
        if let (Ok(_), Err(why)) = (&self.groups, &group) {
            let said = format!("the limits of this build cannot be set: {why}");
            return finished(Outcome::Failed(verdict::failed(Cause::Box, said, ADMIT)));
        }
        let owner = (reach.best == Confinement::Rootless).then_some(self.config.rootless_ids);
        let made = Workspace::make(&self.data, self.order.job, &self.order.runner, owner);
        let workspace = match made {
            Ok(workspace) => workspace,
            Err(e) => return finished(Outcome::Failed(files_failed(e))),
        };
        let limits = &self.order.limits;
        let mut watch = Watch::new(pipeline, stop, limits, &workspace.root, group.ok());
        let outcome = match self.prepare(&workspace, reach, group.err(), &ready, &mut watch) {
            Ok((course, plan)) => course.follow(&plan, &mut watch),
            Err(Refused::Failed(failure)) => Err(Outcome::Failed(failure)),
            Err(Refused::Stopped(why)) => {
                Err(verdict::of_why(&why, &self.order.limits, None, None))
            }
        };
        let peak = watch.peak;
        let end = match outcome {
            Ok(artifacts) => Finished { artifacts, ..finished(Outcome::Done) },
            Err(outcome) => {
                let residual = collect::discard(&self.data, self.order.job);
                Finished { residual, ..finished(outcome) }
            }
        };
        Finished { peak_disk: peak + kept_bytes(&end), ..end }
    }

    /// Everything before the first step.
    fn prepare<'a>(
        &'a self,
        workspace: &'a Workspace,
        reach: &'a Reach,
        ungrouped: Option<&String>,
        ready: &'a Waiting,
        watch: &mut Watch<'_>,
    ) -> Result<(Course<'a>, api::BuildPlan), Refused> {
        let order = &self.order;
        if order.version != VERSION {
            let (theirs, ours) = (order.version, VERSION);
            let said = format!("the order speaks version {theirs}, this builder {ours}");
            return Err(verdict::failed(Cause::Box, said, "run the same img everywhere").into());
        }
        let planner = (self.source)(order.runner.as_str(), &order.runner_sha256)
            .map_err(|e| verdict::failed(Cause::Runner, e.to_string(), "submit the job again"))?;
        let layout = &workspace.layout;
        let inputs = match order.request.input_job {
            Some(job) => input::list(&self.data, job, layout).map_err(box_failed)?,
            None => Vec::new(),
        };
        let request = plugin_request(order.job, &order.request, inputs, layout);
        let plan = plan(&*planner, &request)?;
        if order.limits.bounds.sandbox == Sandbox::Rootless
            && let Some((step, why)) = sandbox::not_rootless(reach, &plan.steps)
        {
            let said = format!("`{}` {why}, and builds here are rootless", step.program);
            return Err(verdict::failed(Cause::Definition, said, "choose another queue").into());
        }
        let secrets = self.secrets(&plan.steps);
        watch.pipeline.mask_with(Masker::new(secrets));
        let programs = self.programs(&plan)?;
        let sandbox = self.sandbox(reach, &plan.steps, ungrouped);
        let task = self;
        let course = Course { task, planner, request, workspace, programs, reach, sandbox, ready };
        workspace.write(&plan.files).map_err(|e| verdict::failed(Cause::Runner, e, ""))?;
        if let Some(job) = order.request.input_job {
            let mounted = plan.steps.iter().all(|step| mounts_input(reach, step));
            let mut ended = || watch.check();
            input::provide(&self.data, job, &workspace.root, mounted, &mut ended)
                .map_err(box_failed)?;
        }
        if watch.check() {
            return Err(Refused::Stopped(watch.why.clone().unwrap_or(Why::Total)));
        }
        Ok((course, plan))
    }

    /// For people: what confines these steps, and what holds their limits.
    fn sandbox(&self, reach: &Reach, steps: &[api::Step], ungrouped: Option<&String>) -> String {
        let confined = reach.sentence(steps);
        match (&self.groups, ungrouped) {
            (Ok(groups), None) => format!("{confined}; {}", groups.words()),
            (Ok(_) | Err(_), Some(why)) | (Err(why), None) => {
                format!("{confined}; no control group: {why}")
            }
        }
    }

    /// Where each program of the plan is, before anything runs.
    fn programs(&self, plan: &api::BuildPlan) -> Result<HashMap<String, PathBuf>, Failure> {
        let mut programs = HashMap::new();
        for step in &plan.steps {
            let found = find_program(&step.program, &self.config.path)?;
            programs.insert(step.program.clone(), found);
        }
        Ok(programs)
    }
}

fn finished(outcome: Outcome) -> Finished {
    Finished::plain(outcome)
}

fn kept_bytes(end: &Finished) -> u64 {
    end.artifacts.iter().map(|artifact| artifact.size).sum()
}

fn plan(planner: &dyn Planner, request: &api::Request) -> Result<api::BuildPlan, Failure> {
    let refused = |found: Vec<api::Diagnostic>| {
        let first = found.into_iter().next();
        let message = first.as_ref().map_or("the runner refuses this job", |d| d.message.as_str());
        let hint = first.as_ref().and_then(|d| d.hint.as_deref()).unwrap_or_default();
        verdict::failed(Cause::Definition, message, hint)
    };
    let plan = planner.plan(request).map_err(|e| verdict::of_plugin(&e))?.map_err(refused)?;
    if plan.steps.is_empty() {
        return Err(verdict::failed(Cause::Runner, "the runner's plan has no steps", ""));
    }
    Ok(plan)
}

fn find_program(name: &str, path: &[PathBuf]) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::PermissionsExt;
    if name.is_empty() || name.contains(['/', '\0']) {
        let said = format!("the runner's plan starts `{name}`, which is no plain program name");
        return Err(verdict::failed(Cause::Runner, said, ""));
    }
    let runs = |file: &Path| {
        std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    path.iter().map(|dir| dir.join(name)).find(|file| runs(file)).ok_or_else(|| {
        if let Some(file) = path.iter().map(|dir| dir.join(name)).find(|file| file.is_file()) {
            let said = format!("the program `{name}` is not executable: {}", file.display());
            return verdict::failed(Cause::Box, said, "install it anew, or `chmod +x` it");
        }
        let places: Vec<_> = path.iter().map(|dir| dir.display().to_string()).collect();
        let said =
            format!("the program `{name}` is not installed (looked in {})", places.join(", "));
        verdict::failed(Cause::Box, said, &format!("install `{name}` on the box, then retry"))
    })
}

impl Course<'_> {
    /// Step after step, then what they made.
    fn follow(
        &self,
        plan: &api::BuildPlan,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<StagedArtifact>, Outcome> {
        self.announce(plan, watch);
        let (mut failure, mut ended, mut last) = (None, None, None);
        for step in &plan.steps {
            if (failure.is_some() || watch.check()) && !step.always {
                continue;
            }
            let from = watch.pipeline.lines();
            let end = self.step(step, watch);
            if watch.why.is_some() {
                // What tidies up afterwards is not what the build was waiting for.
                ended.get_or_insert_with(|| self.of_why(from, watch));
            } else if end != End::Exit(0) && failure.is_none() {
                failure = Some(self.explain(step, &end, from, watch));
            }
            last = Some((step, from));
        }
        watch.check();
        if watch.why.is_some() {
            let from = last.map_or(0, |(_, from)| from);
            return Err(ended.unwrap_or_else(|| self.of_why(from, watch)));
        }
        match (failure, last) {
            (Some(failure), _) => Err(Outcome::Failed(failure)),
            (None, Some((step, from))) => self.collect(step, from, watch),
            (None, None) => Err(Outcome::failed(Cause::Runner, "the runner's plan has no steps")),
        }
    }

    /// The verdict on a build that was ended before its time, in a step whose output begins
    /// behind line `from`.
    fn of_why(&self, from: u64, watch: &Watch<'_>) -> Outcome {
        let lines = self.lines(from, watch);
        let why = watch.why.as_ref().unwrap_or(&Why::Total);
        let limits = &self.task.order.limits;
        verdict::of_why(why, limits, watch.program.as_deref(), lines.last())
    }

    /// What was printed last, behind line `from`.
    fn lines(&self, from: u64, watch: &Watch<'_>) -> Vec<Line> {
        last_lines(&self.task.data, self.task.order.job, watch.pipeline, from.saturating_add(1))
    }

    fn announce(&self, plan: &api::BuildPlan, watch: &mut Watch<'_>) {
        let pipeline = &mut *watch.pipeline;
        let commands: Vec<_> =
            plan.steps.iter().map(|step| pipeline.masked(&shown_command(step))).collect();
        let at = super::clock::now();
        pipeline.outbox.put(Event::Started { commands, sandbox: self.sandbox.clone(), at });
        pipeline.remark(&format!("sandbox: {}", self.sandbox));
        match self.planner.observer(&self.request) {
            Ok(observer) => pipeline.observe_with(observer),
            Err(e) => pipeline.remark(&format!("{e}: phases and progress are not shown")),
        }
    }

    fn step(&self, step: &api::Step, watch: &mut Watch<'_>) -> End {
        watch.pipeline.remark(&format!("{}: {}", step.name, shown_command(step)));
        watch.program = Some(step.program.clone());
        watch.begin_step();
        let confinement = self.reach.for_step(&step.privileges);
        let end = match self.start(step, confinement, watch.group) {
            Ok((tool, output)) => watch.run(tool, output),
            Err(e) => End::Failed(e),
        };
        // What a tool was told to do needs no explanation.
        if end != End::Exit(0) && watch.why.is_none() {
            let sentence = verdict::sentence(&step.program, &end);
            watch.pipeline.remark(&sentence);
        }
        end
    }

    fn start(
        &self,
        step: &api::Step,
        confinement: Confinement,
        group: Option<&Group>,
    ) -> Result<(Tool, std::fs::File), String> {
        let network = step.privileges.contains(&api::Privilege::Network);
        let config = &self.task.config;
        let outer = Outer { confinement, network, ids: config.rootless_ids };
        let inner = self.inner(step, confinement)?;
        if confinement != Confinement::Off
            && let Some(ready) = self.ready.0.take()
        {
            match ready.start(&outer, &inner) {
                Ok(started) => return Ok(started),
                // It may have died since: then the tool starts like any other.
                Err(error) => tracing::debug!(%error, "what was made ready is gone"),
            }
        }
        Tool::start(&config.own_exe, &outer, &inner, group).map_err(|e| e.to_string())
    }

    fn inner(&self, step: &api::Step, confinement: Confinement) -> Result<Inner, String> {
        let task = self.task;
        let input = task.order.request.input_job.filter(|_| {
            task.data.build().open_dir(task.order.job.dir_name()).is_ok()
                && mounts_input(self.reach, step)
        });
        let inputs = input
            .map_or_else(Vec::new, |job| input::mounts(&task.data, job, &self.workspace.layout));
        let root = task.data.root();
        let masked = matches!(confinement, Confinement::Rootless | Confinement::User);
        let shared_tmp = root.starts_with("/tmp") || root.starts_with("/var/tmp");
        let hidden = HIDDEN.map(|part| root.join(part)).into_iter();
        let hide = hidden.filter(|path| confinement == Confinement::Full && path.is_dir());
        Ok(Inner {
            confinement,
            program: self.programs.get(&step.program).cloned().unwrap_or_default(),
            arguments: step.arguments.iter().map(|a| a.value.clone()).collect(),
            environment: self.environment(step),
            directory: self.workspace.directory(step)?,
            hostname: format!("img-{}", task.order.job),
            inputs,
            // A data directory below /tmp would be covered by it.
            tmp: (!shared_tmp).then(|| self.workspace.tmp()),
            // As with a data directory below /tmp.
            own_memory: Path::new(SHARED).is_dir() && !root.starts_with(SHARED),
            hide: hide.collect(),
            mask: masked.then(|| self.workspace.mask(&task.data)),
        })
    }

    /// An allow-list, then what the plan says.
    fn environment(&self, step: &api::Step) -> Vec<(String, String)> {
        let layout = &self.workspace.layout;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let path: Vec<_> = self.task.config.path.iter().map(|dir| text(dir)).collect();
        let fixed = [
            ("PATH", path.join(":")),
            ("HOME", text(&layout.work)),
            ("LANG", "C.UTF-8".into()),
            ("TERM", "dumb".into()),
            (MARK, text(&layout.root)),
        ];
        let mut environment: Vec<_> =
            fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let passed =
            PASSED_ON.iter().filter_map(|n| Some(((*n).to_owned(), std::env::var(n).ok()?)));
        environment.extend(passed);
        environment.extend(step.environment.iter().filter(|(name, _)| name != MARK).cloned());
        environment
    }

    /// Why a step failed: by what the box knows, by what the runner reads in the output that
    /// begins behind line `from`, by the first error in it.
    fn explain(&self, step: &api::Step, end: &End, from: u64, watch: &mut Watch<'_>) -> Failure {
        let lines = self.lines(from, watch);
        let first_error = watch.pipeline.first_error.clone();
        let facts = Facts {
            program: &step.program,
            end,
            memory: watch.memory(),
            counted: watch.is_counted(),
            met_tasks: watch.met_tasks(),
            bounds: &self.task.order.limits.bounds,
            room: Room::of(watch.root),
            complained: watch.complaints.least(),
            lines: &lines,
            first_error: first_error.as_ref(),
        };
        if let Some(failure) = verdict::of_box(&facts) {
            return failure;
        }
        let asked = self.ask(step, end, &lines, watch);
        asked.unwrap_or_else(|| verdict::of_step(&facts))
    }

    /// The runner's opinion, if it has one.
    fn ask(
        &self,
        step: &api::Step,
        end: &End,
        lines: &[Line],
        watch: &mut Watch<'_>,
    ) -> Option<Failure> {
        let (exit_code, signal) = match end {
            End::Exit(code) => (Some(*code), None),
            End::Signal(signal) => (None, Some(*signal)),
            End::Failed(_) => return None,
        };
        let last_lines = lines.iter().map(|line| line.text.clone()).collect();
        let failure = api::Failure { step: step.name.clone(), exit_code, signal, last_lines };
        match self.planner.explain(&self.request, &failure) {
            Ok(explanation) => {
                let first_error = watch.pipeline.first_error.as_ref();
                Some(verdict::of_explanation(explanation?, lines, first_error))
            }
            Err(e) => {
                watch.pipeline.remark(&e.to_string());
                None
            }
        }
    }

    fn collect(
        &self,
        last: &api::Step,
        from: u64,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<StagedArtifact>, Outcome> {
        let task = self.task;
        let job = task.order.job;
        let planner = &*self.planner;
        let collected =
            collect::collect(&task.data, job, self.workspace, planner, &self.request, &mut || {
                watch.check()
            });
        match (collected, &watch.why) {
            (Ok(artifacts), _) => Ok(artifacts),
            (Err(_), Some(_)) => Err(self.of_why(from, watch)),
            (Err(e @ CollectError::NoImage(_)), None) => {
                Err(self.without_image(e, last, from, watch))
            }
            (Err(e), None) => Err(verdict::of_collect(e)),
        }
    }

    /// Some tools end with 0 when they have refused to work: the runner may know why.
    fn without_image(
        &self,
        error: CollectError,
        last: &api::Step,
        from: u64,
        watch: &mut Watch<'_>,
    ) -> Outcome {
        let lines = self.lines(from, watch);
        if let Some(failure) = self.ask(last, &End::Exit(0), &lines, watch) {
            return Outcome::Failed(failure);
        }
        let first_error = watch.pipeline.first_error.as_ref().map(|error| error.line);
        match verdict::of_collect(error) {
            Outcome::Failed(failure) => {
                let line = first_error.or_else(|| lines.last().map(|line| line.number));
                Outcome::Failed(Failure { line, ..failure })
            }
            other => other,
        }
    }
}

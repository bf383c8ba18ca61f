//! Queues.

use super::super::{
    change::{Dependant, Writing},
    model::*,
    value::{Object, Value},
};
use super::users::groups;
use crate::{
    app::{App, AppError},
    domain::{
        Actor, Bounds, GroupName, OwnBounds, Queue, QueueName, RunnerId, Sandbox, StateKind, Verb,
        bounds::MOST_CPU,
        retention::{Lifetime, Override},
    },
};
use std::time::Duration;

/// The queues of a first start, which pages and programs count on.
const BUILT_IN: [&str; 3] = ["web", "api", "requests"];
/// Jobs that are named on the page that asks before a deletion.
const NAMED: usize = 10;
/// Less would be gone before anybody saw it.
const LEAST_KEPT: Duration = Duration::from_secs(60);

pub(super) static QUEUES: Model = Model {
    id: "queues",
    one: "queue",
    many: "Queues",
    about: "Waiting lines with slots, limits and owners of their own.",
    section: Section::App,
    rights: Rights {
        view: Verb::ViewQueues,
        add: Some(Verb::AddQueues),
        change: Some(Verb::ChangeQueues),
        delete: Some(Verb::DeleteQueues),
    },
    columns: &[
        Column::new("name", "Name"),
        Column::new("description", "Description"),
        Column::new("open", "State"),
        Column::number("slots", "Slots"),
        Column::number("priority", "Priority"),
        Column::number("waiting", "Waiting"),
        Column::number("building", "Building"),
        Column::number("jobs", "Jobs"),
    ],
    filters: &[
        Filter { id: "open", label: "State" },
        Filter { id: "submitters", label: "Open to" },
        Filter { id: "runners", label: "Runner" },
    ],
    search: &["name", "description", "paused"],
    order: ("name", false),
    dated: false,
    fieldsets: &[
        Fieldset {
            title: "Queue",
            fields: &[
                Field::required(
                    "name",
                    "Name",
                    Kind::Text(32),
                    "Small letters, digits, - and _; it cannot be changed later.",
                )
                .only(On::Add),
                Field::new("description", "Description", Kind::Text(200), "What it is for."),
            ],
        },
        Fieldset {
            title: "Work",
            fields: &[
                Field::required(
                    "slots",
                    "Slots",
                    Kind::Number(0, 1000),
                    "Jobs of this queue that may build at once; the box has a limit of its own.",
                ),
                Field::required(
                    "priority",
                    "Priority",
                    Kind::Number(-1000, 1000),
                    "Queues with a higher number are served first when slots are short.",
                ),
                Field::required(
                    "cap",
                    "Waiting at most",
                    Kind::Number(0, 100_000),
                    "Further jobs are refused until some have started.",
                ),
                Field::new(
                    "paused",
                    "Paused because",
                    Kind::Text(200),
                    "As long as there is a reason here, what builds goes on to its end and nothing starts; whoever waits reads it.",
                ),
                Field::new(
                    "launch",
                    "Launch by itself",
                    Kind::Check,
                    "Off: requests are recorded and wait until an operator launches them.",
                ),
                Field::new(
                    "requeue",
                    "Try again when the box fails",
                    Kind::Check,
                    "A build that a restart broke off, or that failed because of this box (cause interrupted or box), is handed in again, once. What somebody cancelled is not.",
                ),
            ],
        },
        Fieldset {
            title: "What one build may use",
            fields: &[
                Field::new(
                    "sandbox",
                    "Sandbox",
                    Kind::One(sandboxes),
                    "Rootless: what has to be root on the box, such as mic, is refused.",
                ),
                Field::new(
                    "memory",
                    "Memory",
                    Kind::Size,
                    "Such as 4GiB; 0B: no limit. Empty: as the settings say.",
                ),
                Field::new(
                    "scratch",
                    "Room on the disk",
                    Kind::Size,
                    "What its directory may hold; 0B: no limit. Empty: as the settings say.",
                ),
                Field::new(
                    "tasks",
                    "Processes",
                    Kind::Number(0, u32::MAX as i64),
                    "At once, threads too; 0: no limit. Empty: as the settings say.",
                ),
                Field::new(
                    "cpu_weight",
                    "Share of the processors",
                    Kind::Number(1, 10_000),
                    "While several builds want them; 100 is ordinary. Empty: as the settings say.",
                ),
                Field::new(
                    "io_weight",
                    "Share of the disks",
                    Kind::Number(1, 10_000),
                    "While several builds want them; 100 is ordinary. Empty: as the settings say.",
                ),
                Field::new(
                    "cpu_max",
                    "Most of the processors",
                    Kind::Number(0, MOST_CPU as i64),
                    "In percent of one: 150 is one and a half; 0: no limit. Empty: as the settings say.",
                ),
                Field::new(
                    "io_max",
                    "Most of the disk",
                    Kind::Size,
                    "Read, and written, in a second, such as 50MiB; 0B: no limit. Empty: as the settings say.",
                ),
            ],
        },
        Fieldset {
            title: "Who and what",
            fields: &[
                Field::new(
                    "submitters",
                    "Open to groups",
                    Kind::Any(groups),
                    "None ticked: whoever may submit at all.",
                ),
                Field::new("runners", "Runners", Kind::Any(runners), "None ticked: all of them."),
            ],
        },
        Fieldset {
            title: "Time-outs",
            fields: &[
                Field::required(
                    "total_timeout",
                    "In all",
                    Kind::Span,
                    "Longest a build may take, such as 6h.",
                ),
                Field::required(
                    "silence_timeout",
                    "Without a word",
                    Kind::Span,
                    "Longest a build may print nothing, such as 60min.",
                ),
            ],
        },
        Fieldset {
            title: "Keeping",
            fields: &[
                Field::new(
                    "images",
                    "Images",
                    Kind::Keep,
                    "How long after a job's end, such as 14d, or forever. Empty: as the settings say.",
                ),
                Field::new(
                    "leftovers",
                    "Leftovers",
                    Kind::Keep,
                    "What failed and cancelled jobs left.",
                ),
                Field::new("logs", "Logs", Kind::Keep, "They stay at least as long as the image."),
                Field::new("records", "Rows", Kind::Keep, "The rows of jobs whose files are gone."),
                Field::new(
                    "kept_bytes",
                    "Images in all",
                    Kind::Size,
                    "Most its images may take, such as 200GiB; 0B: no limit. Empty: as the settings say.",
                ),
            ],
        },
    ],
    actions: &[
        Action {
            id: "delete",
            label: "Delete selected queues",
            verb: Verb::DeleteQueues,
            argument: None,
            act: Act::Delete,
        },
        Action {
            id: "pause",
            label: "Drain and pause",
            verb: Verb::PauseQueues,
            argument: Some(Argument::Text("Reason", 200)),
            act: Act::Each(|w, key, reason| pause(w, key, Some(reason))),
        },
        Action {
            id: "resume",
            label: "Let go on",
            verb: Verb::PauseQueues,
            argument: None,
            act: Act::Each(|w, key, _| pause(w, key, None)),
        },
    ],
    source: Source::All(all),
    edit: Some(Edit { blank, load, write, remove: Some(remove), dependants, after }),
    object: "queue",
};

fn all(app: &App, _actor: &Actor) -> Result<Vec<Object>, AppError> {
    let counts = app.store().counts()?;
    let (_, building) = app.board().building();
    let object = |queue: Queue| {
        let number = |n: u64| Value::Number(i64::try_from(n).unwrap_or(i64::MAX));
        let jobs = counts.by_queue.get(&queue.name).copied().unwrap_or(0);
        let builds = building.get(&queue.name).copied().unwrap_or(0);
        object(&queue)
            .with("open", Value::Text(queue.state(builds).as_str().to_owned()))
            .with("waiting", number(app.board().waiting(&queue.name) as u64))
            .with("building", number(u64::from(builds)))
            .with("jobs", number(jobs))
    };
    Ok(app.store().queues()?.into_iter().map(object).collect())
}

fn object(queue: &Queue) -> Object {
    let keep = |life: Option<Lifetime>| life.map_or(Value::Nothing, Value::Keep);
    Object::new(queue.name.as_str(), queue.name.as_str())
        .with("name", Value::Text(queue.name.to_string()))
        .with("description", Value::text_of(queue.description.as_str()))
        .with("open", Value::Text(queue.state(0).as_str().to_owned()))
        .with("slots", Value::Number(i64::from(queue.slots)))
        .with("priority", Value::Number(i64::from(queue.priority)))
        .with("cap", Value::Number(i64::from(queue.cap)))
        .with("paused", Value::text_of(queue.paused.clone().unwrap_or_default()))
        .with("launch", Value::Yes(queue.launch))
        .with("requeue", Value::Yes(queue.requeue))
        .with("submitters", Value::words_of(&queue.submitters))
        .with("runners", Value::words_of(&queue.runners))
        .with("total_timeout", Value::Span(queue.total_timeout))
        .with("silence_timeout", Value::Span(queue.silence_timeout))
        .with("images", keep(queue.retention.images))
        .with("leftovers", keep(queue.retention.leftovers))
        .with("logs", keep(queue.retention.logs))
        .with("records", keep(queue.retention.records))
        .with("kept_bytes", queue.kept_bytes.map_or(Value::Nothing, Value::Bytes))
        .with("sandbox", queue.bounds.sandbox.map_or(Value::Nothing, sandbox_value))
        .with("memory", queue.bounds.memory.map_or(Value::Nothing, Value::Bytes))
        .with("scratch", queue.bounds.scratch.map_or(Value::Nothing, Value::Bytes))
        .with("tasks", small(queue.bounds.tasks))
        .with("cpu_weight", small(queue.bounds.cpu_weight))
        .with("io_weight", small(queue.bounds.io_weight))
        .with("cpu_max", small(queue.bounds.cpu_max))
        .with("io_max", queue.bounds.io_max.map_or(Value::Nothing, Value::Bytes))
}

fn small(number: Option<u32>) -> Value {
    number.map_or(Value::Nothing, |number| Value::Number(i64::from(number)))
}

fn sandbox_value(sandbox: Sandbox) -> Value {
    Value::Text(sandbox.as_str().to_owned())
}

/// "off" is for config.toml alone: a queue can only make it stricter.
fn sandboxes(_app: &App) -> Result<Vec<(String, String)>, AppError> {
    let offer = |sandbox: Sandbox, words: &str| (sandbox.as_str().to_owned(), words.to_owned());
    Ok(vec![
        offer(Sandbox::Auto, "namespaces, root where the tool has to be"),
        offer(Sandbox::Rootless, "rootless"),
    ])
}

fn blank(_app: &App) -> Object {
    // Any name does: the form leaves it out.
    let name = QueueName::new("new").ok();
    let queue = name.map(|name| Queue::standard(name, ""));
    queue.map_or_else(Object::default, |queue| object(&queue).with("name", Value::Nothing))
}

fn load(w: &mut Writing<'_, '_>, key: &str) -> Result<Option<Object>, Refusal> {
    let Ok(name) = QueueName::new(key) else { return Ok(None) };
    Ok(w.tx.queue(&name)?.as_ref().map(object))
}

fn write(w: &mut Writing<'_, '_>, key: Option<&str>, values: &Values) -> Result<String, Refusal> {
    let mut queue = match key {
        Some(key) => named(w, key)?,
        None => new(w, &values.text("name"))?,
    };
    let small = |id: &str| values.number(id).unwrap_or_default();
    queue.description = values.text("description");
    queue.slots = u32::try_from(small("slots")).unwrap_or(queue.slots);
    queue.priority = i16::try_from(small("priority")).unwrap_or(queue.priority);
    queue.cap = u32::try_from(small("cap")).unwrap_or(queue.cap);
    queue.paused = Some(values.text("paused")).filter(|reason| !reason.is_empty());
    queue.launch = values.yes("launch");
    queue.requeue = values.yes("requeue");
    queue.submitters = values.words("submitters").iter().flat_map(|g| GroupName::new(g)).collect();
    queue.runners = values.words("runners").iter().flat_map(|r| RunnerId::new(r)).collect();
    queue.total_timeout = time_out(values, "total_timeout")?;
    queue.silence_timeout = time_out(values, "silence_timeout")?;
    queue.retention = Override {
        images: kept(values, "images")?,
        leftovers: kept(values, "leftovers")?,
        logs: kept(values, "logs")?,
        records: kept(values, "records")?,
    };
    queue.kept_bytes = values.bytes("kept_bytes");
    queue.bounds = bounds(values)?;
    w.tx.put_queue(&queue)?;
    Ok(queue.name.to_string())
}

fn bounds(values: &Values) -> Result<OwnBounds, Refusal> {
    let small = |id: &str| values.number(id).and_then(|number| u32::try_from(number).ok());
    let own = OwnBounds {
        sandbox: Sandbox::from_word(&values.text("sandbox")),
        memory: values.bytes("memory"),
        tasks: small("tasks"),
        cpu_weight: small("cpu_weight"),
        io_weight: small("io_weight"),
        cpu_max: small("cpu_max"),
        io_max: values.bytes("io_max"),
        scratch: values.bytes("scratch"),
    };
    match Bounds::default().with(&own).wrong() {
        Some(wrong) => Err(Refusal::field(&wrong.key, wrong.want)),
        None => Ok(own),
    }
}

fn named(w: &mut Writing<'_, '_>, key: &str) -> Result<Queue, Refusal> {
    let name = QueueName::new(key).map_err(|_| Refusal::Missing)?;
    w.tx.queue(&name)?.ok_or(Refusal::Missing)
}

fn new(w: &mut Writing<'_, '_>, name: &str) -> Result<Queue, Refusal> {
    let name = QueueName::new(name).map_err(|e| Refusal::field("name", e.to_string()))?;
    if w.tx.queue(&name)?.is_some() {
        let message = format!("there is a queue `{name}` already: choose another name");
        return Err(Refusal::field("name", message));
    }
    Ok(Queue::standard(name, ""))
}

fn time_out(values: &Values, id: &str) -> Result<Duration, Refusal> {
    match values.span(id) {
        Some(span) if span >= Duration::from_secs(1) => Ok(span),
        _ => Err(Refusal::field(id, "a time-out is at least 1s")),
    }
}

fn kept(values: &Values, id: &'static str) -> Result<Option<Lifetime>, Refusal> {
    let life = values.keep(id);
    match life {
        Some(Lifetime::For(span)) if span < LEAST_KEPT => {
            Err(Refusal::field(id, "give at least 1min, or forever to keep it"))
        }
        other => Ok(other),
    }
}

fn pause(w: &mut Writing<'_, '_>, key: &str, reason: Option<&str>) -> Result<(), Refusal> {
    let mut queue = named(w, key)?;
    queue.paused = reason.map(str::to_owned);
    Ok(w.tx.put_queue(&queue)?)
}

fn remove(w: &mut Writing<'_, '_>, key: &str) -> Result<(), Refusal> {
    let queue = named(w, key)?;
    let open = w.tx.count(&queue.name, StateKind::Queued)?
        + w.tx.count(&queue.name, StateKind::Building)?;
    if open > 0 {
        let sentence = format!(
            "queue {key} has jobs that wait or build ({open}): move or cancel them first, or try again when they have ended"
        );
        return Err(Refusal::Refused(sentence));
    }
    let mut ended = 0;
    for state in [StateKind::Done, StateKind::Failed, StateKind::Cancelled] {
        ended += w.tx.count(&queue.name, state)?;
    }
    if let Some(sentence) = keeps(&queue, ended) {
        return Err(Refusal::Refused(format!("queue {key}: {sentence}")));
    }
    if w.tx.queues()?.len() <= 1 {
        let sentence = format!("{key} is the only queue: add another one first");
        return Err(Refusal::Refused(sentence));
    }
    w.tx.remove_queue(&queue.name)?;
    Ok(())
}

/// Why a queue with lifetimes of its own stays while it has ended jobs: without it the general rules
/// count for them, and the next cleanup may delete what was to be kept.
fn keeps(queue: &Queue, ended: u64) -> Option<String> {
    let own = queue.retention != Override::default();
    (own && ended > 0).then(|| {
        format!(
            "{ended} ended jobs are kept as it says, and without it the general rules would count \
             for them: clear its lifetimes first if that is meant"
        )
    })
}

fn dependants(app: &App, _actor: &Actor, key: &str) -> Result<Vec<Dependant>, AppError> {
    let Ok(name) = QueueName::new(key) else { return Ok(Vec::new()) };
    let open = app.store().open_jobs()?;
    let of = |state: StateKind| {
        let jobs = open.iter().filter(|j| j.queue == name && j.state.kind() == state);
        jobs.map(|j| (format!("{} {}", j.id, j.name), format!("/jobs/{}", j.id)))
            .collect::<Vec<_>>()
    };
    let (waiting, building) = (of(StateKind::Queued), of(StateKind::Building));
    let mut found = Vec::new();
    if !building.is_empty() {
        let text = format!(
            "{} of its jobs build now: try again when they have ended, or cancel them",
            building.len()
        );
        let some = building.into_iter().take(NAMED).collect();
        found.push(Dependant { some, ..Dependant::block(text) });
    }
    if !waiting.is_empty() {
        found.push(waiting_jobs(app, &name, waiting)?);
    }
    let queues = app.store().queues()?;
    if queues.len() <= 1 {
        found.push(Dependant::block("it is the only queue: add another one first"));
    }
    let counts = app.store().counts()?;
    let ended = counts.by_queue.get(&name).copied().unwrap_or(0);
    let here = queues.iter().find(|queue| queue.name == name);
    let keeps = here.and_then(|queue| {
        keeps(
            queue,
            ended.saturating_sub(open.iter().filter(|job| job.queue == name).count() as u64),
        )
    });
    if let Some(sentence) = keeps {
        found.push(Dependant::block(sentence));
    } else if ended > 0 {
        let text = format!("{ended} jobs in all name it: they and their files stay");
        found.push(Dependant::note(text));
    }
    if BUILT_IN.contains(&key) {
        let text = "it was made at the first start: whatever hands in jobs to it by this name will be refused";
        found.push(Dependant::note(text));
    }
    Ok(found)
}

/// Jobs that wait have to go somewhere; out of a built-in queue nobody moves them by the way.
fn waiting_jobs(
    app: &App,
    name: &QueueName,
    waiting: Vec<(String, String)>,
) -> Result<Dependant, AppError> {
    let count = waiting.len();
    let some = waiting.into_iter().take(NAMED).collect();
    if BUILT_IN.contains(&name.as_str()) {
        let text = format!(
            "it is built in and in use: {count} jobs wait in it; move or cancel them first"
        );
        return Ok(Dependant { some, ..Dependant::block(text) });
    }
    let others = app.store().queues()?.into_iter().filter(|q| q.name != *name);
    let move_to = others.map(|q| q.name.to_string()).collect();
    let text = format!("{count} jobs wait in it and go to another queue first");
    Ok(Dependant { some, move_to, ..Dependant::note(text) })
}

fn runners(app: &App) -> Result<Vec<(String, String)>, AppError> {
    let mut all: Vec<_> = app
        .catalog()
        .snapshot()
        .iter()
        .filter(|entry| RunnerId::new(&entry.id).is_ok())
        .map(|entry| {
            let name = entry.runner.as_ref().map(|r| r.info().name.clone());
            (entry.id.clone(), name.unwrap_or_else(|| entry.id.clone()))
        })
        .collect();
    all.dedup();
    Ok(all)
}

fn after(app: &App) {
    app.settings_changed();
    app.board().announce(crate::app::Change::Queues);
}

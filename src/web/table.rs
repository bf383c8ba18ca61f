//! The one table of routes: what each is called, where it lies, who may open it, what it reads and
//! how it answers. A row without a handler, or a handler without a row, does not start.

use crate::domain::Verb;
use http::Method;
use percent_encoding::percent_decode_str;
use std::sync::LazyLock;

/// Bytes of an ordinary form, and of what surrounds a definition in an upload.
pub const FORM_LIMIT: u64 = 64 * 1024;

/// Who may open a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Anybody.
    Public,
    /// Any session, also one that may only set a password.
    SignedIn,
    /// Anybody who is known: a full session; under `/api` a token or the console.
    Known,
    /// Whoever has this permission.
    Verb(Verb),
    /// Whoever may enter the Admin tab.
    Staff,
    /// Whoever may enter the Admin tab and has this permission.
    Admin(Verb),
    /// Only somebody on the box itself, through the local socket.
    Console,
}

/// What a route does with a model of the Admin tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Lists its things.
    List,
    /// Sends the list as CSV.
    Csv,
    /// Sends the list as JSON.
    Json,
    /// Does something to several.
    Act,
    /// The form of a new one.
    Add,
    /// Saves a new one.
    AddPost,
    /// The form of one.
    Change,
    /// Saves one.
    ChangePost,
    /// Asks whether one is to be deleted.
    Delete,
    /// Deletes one.
    DeletePost,
    /// Who did what to one.
    History,
}

/// What a route reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// Nothing.
    None,
    /// An urlencoded form of at most 64 KiB.
    Form,
    /// A multipart form with a definition in it.
    Multipart,
    /// JSON of at most 64 KiB.
    Json,
    /// A definition, as multipart or JSON: the handler looks at the type.
    Upload,
}

impl BodyRule {
    /// Bytes the body may have, where a definition may have `definition`. JSON escapes may
    /// make each byte of a definition six.
    pub fn limit(self, definition: u64) -> u64 {
        match self {
            Self::None => 0,
            Self::Form | Self::Json => FORM_LIMIT,
            Self::Multipart => definition.saturating_add(FORM_LIMIT),
            Self::Upload => definition.saturating_mul(6).saturating_add(FORM_LIMIT),
        }
    }
}

/// How a route answers, which decides what an error looks like there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// A page; who is not signed in is sent to the login page.
    Page,
    /// A file to keep; as a page where it cannot be had.
    File,
    /// Events for a script of a page: errors are plain text.
    Stream,
    /// JSON under `/api`.
    Api,
    /// An embedded file.
    Asset,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name; handlers are registered under it.
    pub name: &'static str,
    /// `GET` answers `HEAD` too.
    pub method: Method,
    /// Segments in braces are parameters.
    pub path: &'static str,
    /// Who may open it.
    pub need: Need,
    /// What it reads.
    pub body: BodyRule,
    /// How it answers.
    pub answers: Answers,
    /// The model of the Admin tab it belongs to, and what it does with it.
    pub model: Option<(&'static str, Part)>,
}

const fn row(
    name: &'static str,
    method: Method,
    path: &'static str,
    need: Need,
    body: BodyRule,
    answers: Answers,
) -> Row {
    Row { name, method, path, need, body, answers, model: None }
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const VIEW: Need = Need::Verb(Verb::ViewJobs);
const SUBMIT: Need = Need::Verb(Verb::Submit);
const LAUNCH: Need = Need::Verb(Verb::Launch);
const HEALTH: Need = Need::Verb(Verb::ViewHealth);
const PIN: Need = Need::Verb(Verb::Pin);
const CLEAN: Need = Need::Verb(Verb::RunCleanup);
const BOX: Need = Need::Admin(Verb::ViewHealth);
const CHORES: Need = Need::Admin(Verb::RunCleanup);
const USERS: Need = Need::Admin(Verb::ChangeUsers);

use Answers::{Api, Asset, File, Page, Stream};
use BodyRule::{Form, Json, Multipart, Upload};
use Need::{Console, Known, Public, SignedIn, Staff};

const NOTHING: BodyRule = BodyRule::None;

macro_rules! model {
    ($id:literal, $view:ident $(, add $add:ident)? $(, change $change:ident)?
        $(, delete $delete:ident)? $(; acts $acts:ident)?) => {{
        const VIEW: Need = Need::Admin(Verb::$view);
        let of = |part, name, method: Method, path, need| {
            let body = if method == Method::GET { BodyRule::None } else { Form };
            let answers = if matches!(part, Part::Csv | Part::Json) { File } else { Page };
            Row { name, method, path, need, body, answers, model: Some(($id, part)) }
        };
        vec![
            of(Part::List, concat!("admin.", $id), GET, concat!("/admin/", $id), VIEW),
            of(Part::Csv, concat!("admin.", $id, ".csv"), GET, concat!("/admin/", $id, "/export.csv"), VIEW),
            of(Part::Json, concat!("admin.", $id, ".json"), GET, concat!("/admin/", $id, "/export.json"), VIEW),
            of(Part::Change, concat!("admin.", $id, ".one"), GET, concat!("/admin/", $id, "/{key}/change"), VIEW),
            of(Part::History, concat!("admin.", $id, ".history"), GET, concat!("/admin/", $id, "/{key}/history"), VIEW),
            $(of(Part::Add, concat!("admin.", $id, ".add"), GET, concat!("/admin/", $id, "/add"), Need::Admin(Verb::$add)),
            of(Part::AddPost, concat!("admin.", $id, ".add.post"), POST, concat!("/admin/", $id, "/add"), Need::Admin(Verb::$add)),)?
            $(of(Part::ChangePost, concat!("admin.", $id, ".one.post"), POST, concat!("/admin/", $id, "/{key}/change"), Need::Admin(Verb::$change)),)?
            $(of(Part::Delete, concat!("admin.", $id, ".delete"), GET, concat!("/admin/", $id, "/{key}/delete"), Need::Admin(Verb::$delete)),
            of(Part::DeletePost, concat!("admin.", $id, ".delete.post"), POST, concat!("/admin/", $id, "/{key}/delete"), Need::Admin(Verb::$delete)),)?
            $(of(Part::Act, concat!("admin.", $id, ".act"), POST, concat!("/admin/", $id, "/action"), Need::Admin(Verb::$acts)),)?
        ]
    }};
}

/// The routes of every model: which it has follows from what can be done with it.
fn models() -> impl Iterator<Item = Row> {
    [
        model!("jobs", ViewJobs; acts ViewJobs),
        model!("queues", ViewQueues, add AddQueues, change ChangeQueues, delete DeleteQueues; acts ViewQueues),
        model!("runners", ViewRunners, change ChangeRunners; acts ViewRunners),
        model!("types", ViewTypes, change ChangeTypes; acts ViewTypes),
        model!("archs", ViewTypes, change ChangeTypes; acts ViewTypes),
        model!("groups", ViewGroups, add AddGroups, change ChangeGroups, delete DeleteGroups; acts ViewGroups),
        model!("users", ViewUsers, add AddUsers, change ChangeUsers, delete DeleteUsers; acts ViewUsers),
        model!("sessions", ViewSessions, delete DeleteSessions; acts ViewSessions),
        model!("tokens", ViewTokens, delete DeleteTokens; acts ViewTokens),
        model!("sites", ViewSites, add AddSites, change ChangeSites, delete DeleteSites; acts ViewSites),
        model!("settings", ViewSettings, change ChangeSettings),
        model!("audit", ViewAudit),
    ]
    .into_iter()
    .flatten()
}

/// Every route there is.
pub static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let mut rows = PLAIN.to_vec();
    rows.extend(models());
    rows
});

/// The routes that belong to no model.
static PLAIN: &[Row] = &[
    row("start", GET, "/", VIEW, NOTHING, Page),
    row("login", GET, "/login", Public, NOTHING, Page),
    row("login.post", POST, "/login", Public, Form, Page),
    row("logout", POST, "/logout", SignedIn, Form, Page),
    row("password", GET, "/password", SignedIn, NOTHING, Page),
    row("password.post", POST, "/password", SignedIn, Form, Page),
    row("submit", GET, "/submit", SUBMIT, NOTHING, Page),
    row("submit.post", POST, "/submit", SUBMIT, Multipart, Page),
    row("submit.inspect", POST, "/submit/inspect", SUBMIT, Multipart, Page),
    row("queue", GET, "/queue", VIEW, NOTHING, Page),
    row("queue.events", GET, "/queue/events", VIEW, NOTHING, Stream),
    row("job", GET, "/jobs/{job}", VIEW, NOTHING, Page),
    row("job.events", GET, "/jobs/{job}/events", VIEW, NOTHING, Stream),
    row("job.log", GET, "/jobs/{job}/log", VIEW, NOTHING, Page),
    row("job.log.text", GET, "/jobs/{job}/log.txt", VIEW, NOTHING, File),
    row("job.log.gzip", GET, "/jobs/{job}/log.gz", VIEW, NOTHING, File),
    row("job.files", GET, "/jobs/{job}/files", VIEW, NOTHING, Page),
    row("job.file", GET, "/jobs/{job}/files/{name}", VIEW, NOTHING, File),
    row("job.image", GET, "/jobs/{job}/image", VIEW, NOTHING, File),
    row("job.definition", GET, "/jobs/{job}/definition", VIEW, NOTHING, Page),
    row("job.definition.text", GET, "/jobs/{job}/definition.txt", VIEW, NOTHING, File),
    row("job.cancel", GET, "/jobs/{job}/cancel", VIEW, NOTHING, Page),
    row("job.cancel.post", POST, "/jobs/{job}/cancel", VIEW, Form, Page),
    row("job.launch", POST, "/jobs/{job}/launch", LAUNCH, Form, Page),
    row("job.retry", POST, "/jobs/{job}/retry", SUBMIT, Form, Page),
    row("job.pin", POST, "/jobs/{job}/pin", PIN, Form, Page),
    row("job.unpin", POST, "/jobs/{job}/unpin", PIN, Form, Page),
    row("job.keep", GET, "/jobs/{job}/keep", VIEW, NOTHING, Page),
    row("job.keep.post", POST, "/jobs/{job}/keep", VIEW, Form, Page),
    row("job.delete", GET, "/jobs/{job}/delete", VIEW, NOTHING, Page),
    row("job.delete.post", POST, "/jobs/{job}/delete", VIEW, Form, Page),
    row("account", GET, "/account", Known, NOTHING, Page),
    row("account.theme", POST, "/account/theme", Public, Form, Page),
    row("account.session.end", POST, "/account/sessions/end", Known, Form, Page),
    row("account.sessions.end", POST, "/account/sessions/end-others", Known, Form, Page),
    row("account.token.new", POST, "/account/tokens", Known, Form, Page),
    row("account.token.revoke", POST, "/account/tokens/revoke", Known, Form, Page),
    row("admin", GET, "/admin", Staff, NOTHING, Page),
    row("palette", GET, "/palette", Known, NOTHING, Page),
    row("setup", GET, "/setup/{secret}", Public, NOTHING, Page),
    row("setup.post", POST, "/setup/{secret}", Public, Form, Page),
    row("admin.users.setup", POST, "/admin/users/{key}/setup", USERS, Form, Page),
    row("admin.health", GET, "/admin/health", BOX, NOTHING, Page),
    row("admin.disk", GET, "/admin/disk", BOX, NOTHING, Page),
    row("admin.disk.preview", GET, "/admin/disk/preview", BOX, NOTHING, Page),
    row("admin.disk.run", POST, "/admin/disk/run", CHORES, Form, Page),
    row("admin.disk.receipt", GET, "/admin/disk/runs/{run}", BOX, NOTHING, Page),
    row("admin.orphans.compare", POST, "/admin/disk/orphans/compare", CHORES, Form, Page),
    row("admin.orphans.delete", GET, "/admin/disk/orphans/delete", CHORES, NOTHING, Page),
    row("admin.orphans.delete.post", POST, "/admin/disk/orphans/delete", CHORES, Form, Page),
    row("admin.schedules", GET, "/admin/schedules", BOX, NOTHING, Page),
    row("admin.schedule", GET, "/admin/schedules/{chore}", CHORES, NOTHING, Page),
    row("admin.schedule.post", POST, "/admin/schedules/{chore}", CHORES, Form, Page),
    row("admin.schedule.run", POST, "/admin/schedules/{chore}/run", CHORES, Form, Page),
    row("ui", GET, "/ui/{file}", Public, NOTHING, Asset),
    row("healthz", GET, "/healthz", Public, NOTHING, Asset),
    row("robots", GET, "/robots.txt", Public, NOTHING, Asset),
    row("api.submit", POST, "/api/v1/jobs", SUBMIT, Upload, Api),
    row("api.check", POST, "/api/v1/jobs/check", SUBMIT, Upload, Api),
    row("api.jobs", GET, "/api/v1/jobs", VIEW, NOTHING, Api),
    row("api.job", GET, "/api/v1/jobs/{job}", VIEW, NOTHING, Api),
    row("api.log", GET, "/api/v1/jobs/{job}/log", VIEW, NOTHING, Api),
    row("api.files", GET, "/api/v1/jobs/{job}/files", VIEW, NOTHING, Api),
    row("api.file", GET, "/api/v1/jobs/{job}/files/{name}", VIEW, NOTHING, Api),
    row("api.image", GET, "/api/v1/jobs/{job}/image", VIEW, NOTHING, Api),
    row("api.cancel", POST, "/api/v1/jobs/{job}/cancel", VIEW, Json, Api),
    row("api.launch", POST, "/api/v1/jobs/{job}/launch", LAUNCH, Json, Api),
    row("api.retry", POST, "/api/v1/jobs/{job}/retry", SUBMIT, Json, Api),
    row("api.pin", POST, "/api/v1/jobs/{job}/pin", PIN, Json, Api),
    row("api.unpin", POST, "/api/v1/jobs/{job}/unpin", PIN, Json, Api),
    row("api.keep", POST, "/api/v1/jobs/{job}/keep", VIEW, Json, Api),
    row("api.delete", POST, "/api/v1/jobs/{job}/delete", VIEW, Json, Api),
    row("api.cleanup", POST, "/api/v1/cleanup", CLEAN, Json, Api),
    row("api.cleanup.preview", GET, "/api/v1/cleanup/preview", HEALTH, NOTHING, Api),
    row("api.cleanup.runs", GET, "/api/v1/cleanup/runs", HEALTH, NOTHING, Api),
    row("api.cleanup.run", GET, "/api/v1/cleanup/runs/{run}", HEALTH, NOTHING, Api),
    row("api.choices", GET, "/api/v1/choices", SUBMIT, NOTHING, Api),
    row("api.plugins", GET, "/api/v1/plugins", HEALTH, NOTHING, Api),
    row("api.version", GET, "/api/v1/version", Known, NOTHING, Api),
    row("api.health", GET, "/api/v1/health", HEALTH, NOTHING, Api),
    row("api.password", POST, "/api/v1/users/{user}/password", Console, Json, Api),
    row("api.backup", GET, "/api/v1/backup", Need::Verb(Verb::Backup), NOTHING, Api),
];

/// A path's parameters, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// The parameter called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }
}

impl Row {
    /// The first segment: rows that share it are behind one filter.
    pub fn first(&self) -> &'static str {
        self.path.trim_start_matches('/').split('/').next().unwrap_or("")
    }

    /// What follows the first segment, without the slash between.
    fn rest(&self) -> &'static str {
        let path = self.path.trim_start_matches('/');
        path.split_once('/').map_or("", |(_, rest)| rest)
    }

    /// The parameters of `rest` (what follows the first segment) if this row's path fits.
    pub fn match_rest(&self, rest: &str) -> Option<Params> {
        match_segments(self.rest(), rest)
    }

    /// True if a request's method is this row's.
    pub fn takes(&self, method: &Method) -> bool {
        self.method == *method || (self.method == Method::GET && *method == Method::HEAD)
    }

    fn fits(&self, path: &str) -> bool {
        path.strip_prefix('/')
            .is_some_and(|path| match_segments(self.path.trim_start_matches('/'), path).is_some())
    }
}

fn match_segments(pattern: &'static str, path: &str) -> Option<Params> {
    let mut params = Params::default();
    let mut given = path.split('/');
    for wanted in pattern.split('/') {
        let segment = given.next()?;
        match wanted.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            Some(name) => params.0.push((name, parameter(segment)?)),
            None if wanted == segment => {}
            None => return None,
        }
    }
    given.next().is_none().then_some(params)
}

/// A parameter is one decoded segment: never empty, never a step to another directory, and
/// without anything that could end a line or a name.
fn parameter(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    let climbs = matches!(&*text, "" | "." | "..");
    let breaks = text.chars().any(|c| c.is_control() || c == '/' || c == '\\');
    (!climbs && !breaks).then(|| text.into_owned())
}

/// The rows whose path fits, whatever the method.
pub fn at(path: &str) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(move |row| row.fits(path))
}

/// The row of this name.
pub fn named(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

/// The methods a path answers, for `Allow`; `None` if there is nothing there.
pub fn allowed(path: &str) -> Option<String> {
    let mut methods: Vec<&str> = Vec::new();
    for row in at(path) {
        methods.push(row.method.as_str());
        if row.method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.sort_unstable();
    methods.dedup();
    (!methods.is_empty()).then(|| methods.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_has_its_own_name_and_place() {
        let names: BTreeSet<_> = ROWS.iter().map(|r| r.name).collect();
        let places: BTreeSet<_> = ROWS.iter().map(|r| (r.path, r.method.as_str())).collect();
        assert_eq!((names.len(), places.len()), (ROWS.len(), ROWS.len()));
    }

    #[test]
    fn no_two_patterns_fit_the_same_path_and_method() {
        for row in ROWS.iter() {
            let path = row.path.replace(['{', '}'], "");
            let hits: Vec<_> = at(&path).filter(|r| r.method == row.method).collect();
            assert_eq!(hits, [row], "{path}");
        }
    }

    #[test]
    fn what_changes_something_is_never_open_to_everybody() {
        let open: Vec<_> = ROWS
            .iter()
            .filter(|r| r.method != Method::GET && r.need == Need::Public)
            .map(|r| r.name)
            .collect();
        assert_eq!(open, ["login.post", "account.theme", "setup.post"]);
    }

    #[test]
    fn every_change_reads_a_body_with_a_limit() {
        for row in ROWS.iter() {
            assert_eq!(row.method == Method::GET, row.body == BodyRule::None, "{}", row.name);
            assert!(row.body.limit(1 << 22) <= 6 * (1 << 22) + FORM_LIMIT, "{}", row.name);
        }
    }

    #[test]
    fn the_api_is_under_its_path_and_nothing_else_is() {
        for row in ROWS.iter() {
            assert_eq!(row.path.starts_with("/api/"), row.answers == Answers::Api, "{}", row.name);
        }
    }

    #[test]
    fn a_parameter_never_leaves_its_segment() {
        let file = named("job.file").unwrap();
        let name =
            |rest: &str| file.match_rest(rest).and_then(|p| p.get("name").map(str::to_owned));
        assert_eq!(name("7/files/root%20fs.img"), Some("root fs.img".into()));
        assert_eq!(name("7/files/a%2Bb"), Some("a+b".into()));
        for bad in
            ["%2e%2e", "..", ".", "%2E", "a%2fb", "a%2Fb", "a%00b", "a%0ab", "%ff", "", "a%5cb"]
        {
            assert_eq!(name(&format!("7/files/{bad}")), None, "{bad}");
        }
        assert_eq!(name("7/files/a/b"), None);
    }

    #[test]
    fn a_path_says_which_methods_it_takes() {
        assert_eq!(allowed("/login").as_deref(), Some("GET, HEAD, POST"));
        assert_eq!(allowed("/jobs/7/launch").as_deref(), Some("POST"));
        assert_eq!(allowed("/nothing"), None);
        assert_eq!(allowed("/login/"), None);
        assert_eq!(allowed("//login"), None);
    }
}

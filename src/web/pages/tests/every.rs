//! Every page there is, with the data of the samples.

use super::{
    super::*,
    sample::{NOW, Sample, ago, in_days},
    submitting::DEFINITION,
};
use crate::{app::*, domain::*};
use maud::Markup;

/// A page and what it is called.
pub(super) type Page = (&'static str, Markup);

/// Every page, by name.
pub(super) fn every_page(s: &Sample) -> Vec<Page> {
    let session = s.session();
    let (site, request_id) = (s.text("IMG build box"), s.text("01JDK3Q8"));
    let path = s.hostile.map_or("/queue?size=50".to_owned(), |h| format!("/queue?q={h}"));
    let f = Frame {
        site: &site,
        path: &path,
        theme: s.theme,
        session: Some(&session),
        now: NOW,
        request_id: &request_id,
        flash: None,
    };
    let groups = [signing_in, submitting, queues, jobs, files_and_logs, disks, timetables, others];
    let pages = groups.into_iter().flat_map(|group| group(s, &f));
    pages.chain(super::admin_pages::all(s, &f)).collect()
}

fn flashed<'a>(s: &Sample, f: &Frame<'a>, kind: FlashKind) -> Frame<'a> {
    let text = s.text("Job 42 is in the queue.");
    Frame { flash: Some(Flash { kind, text }), ..f.clone() }
}

fn signing_in(s: &Sample, f: &Frame) -> Vec<Page> {
    let out = Frame { session: None, ..f.clone() };
    let only = SessionView { only_set_password: true, ..s.session() };
    let only = Frame { session: Some(&only), ..f.clone() };
    let (path, message) = (f.path, s.text("there is no job 4711"));
    let password_problems = [
        Problem::new("old", s.text("this is not your password")),
        Problem::new("new", "too short"),
    ];
    vec![
        (
            "login",
            login(
                &out,
                &LoginPage {
                    next: path,
                    name: &s.text(""),
                    problem: None,
                    first_login_hint: true,
                    ask_code: false,
                },
            ),
        ),
        (
            "login-problem",
            login(
                &out,
                &LoginPage {
                    next: path,
                    name: &s.text("ann"),
                    problem: Some(&message),
                    first_login_hint: false,
                    ask_code: true,
                },
            ),
        ),
        (
            "password",
            set_password(&only, &PasswordPage { problems: &[], ask_old: false, next: "/" }),
        ),
        (
            "password-problem",
            set_password(
                f,
                &PasswordPage { problems: &password_problems, ask_old: true, next: path },
            ),
        ),
    ]
}

fn submitting(s: &Sample, f: &Frame) -> Vec<Page> {
    let (problems, typed, choices) = (s.problems(), s.typed(), s.choices());
    let (inspect, check) = (s.inspect(), s.check());
    let empty = NewJob { queue: "web".into(), ..NewJob::default() };
    let same = [(QueueName::new("web").unwrap(), Some(in_days(14)))];
    let differ = [
        (QueueName::new("api").unwrap(), None),
        (QueueName::new("web").unwrap(), Some(in_days(14))),
    ];
    vec![
        (
            "submit",
            submit(
                f,
                &SubmitPage {
                    choices: &choices,
                    typed: &empty,
                    source: Source::Upload,
                    problems: &[],
                    inspect: None,
                    check: None,
                    kept: &same,
                },
            ),
        ),
        (
            "submit-problems",
            submit(
                f,
                &SubmitPage {
                    choices: &choices,
                    typed: &typed,
                    source: Source::Paste,
                    problems: &problems,
                    inspect: Some(&inspect),
                    check: None,
                    kept: &differ,
                },
            ),
        ),
        (
            "submit-check",
            submit(
                f,
                &SubmitPage {
                    choices: &choices,
                    typed: &typed,
                    source: Source::Paste,
                    problems: &[],
                    inspect: None,
                    check: Some(&check),
                    kept: &[],
                },
            ),
        ),
        ("inspect", inspect_fragment(&inspect)),
    ]
}

fn queues(s: &Sample, f: &Frame) -> Vec<Page> {
    let mut query = QueueQuery::default();
    query.filter.text = Some(s.text("handset"));
    let start_view = StartView {
        building: vec![s.building()],
        finished: vec![s.done(), s.failed(), s.cancelled()],
        waiting: 2,
        space: Some((42_949_672_960, 12_884_901_888)),
        next_cleanup: Some(ago(-240)),
    };
    let done = flashed(s, f, FlashKind::Done);
    vec![
        ("start", start(&flashed(s, f, FlashKind::Problem), &start_view)),
        ("start-empty", start(f, &StartView::default())),
        ("queue", queue(&done, &s.queue(), &query)),
        ("queue-empty", queue(f, &s.queue_without_builder(), &QueueQuery::default())),
    ]
}

fn jobs(s: &Sample, f: &Frame) -> Vec<Page> {
    let definition = s.text(DEFINITION);
    let (failed, building) = (s.failed(), s.building());
    vec![
        (
            "job-building",
            job(f, &building, &JobPage { definition: Some(&definition), tail: &s.tail(false) }),
        ),
        (
            "job-queued",
            job(
                f,
                &s.queued(),
                &JobPage {
                    definition: Some(&definition),
                    tail: &LogPage {
                        lines: LogLines { from_line: 1, live: Some(0), ..LogLines::default() },
                        ask: LogAsk::Nothing,
                    },
                },
            ),
        ),
        ("job-held", job(f, &s.held(), &JobPage { definition: None, tail: &s.tail(false) })),
        (
            "job-done",
            job(f, &s.done(), &JobPage { definition: Some(&definition), tail: &s.tail(true) }),
        ),
        (
            "job-failed",
            job(f, &failed, &JobPage { definition: Some(&definition), tail: &s.tail(true) }),
        ),
        ("job-gone", job(f, &s.gone_all(), &JobPage { definition: None, tail: &s.tail(true) })),
        (
            "job-files-gone",
            job(f, &s.gone_files(), &JobPage { definition: None, tail: &s.tail(true) }),
        ),
        ("job-damaged", job(f, &s.damaged(), &JobPage { definition: None, tail: &s.tail(true) })),
        ("cancel", cancel_confirm(f, &building)),
    ]
}

fn files_and_logs(s: &Sample, f: &Frame) -> Vec<Page> {
    let (failed, definition) = (s.failed(), s.text(DEFINITION));
    let latest = in_days(90);
    let keep_choices = [
        ("1 week more", "2026-12-14".to_owned(), in_days(19)),
        ("As long as is allowed", "2027-02-23".to_owned(), latest),
    ];
    let until_problem = [Problem::new("until", s.text("`soon` is no day"))];
    vec![
        ("files-gone", files(f, &s.gone_all())),
        (
            "keep",
            keep(
                f,
                &s.done(),
                &KeepPage {
                    choices: &keep_choices,
                    latest: "2027-02-23",
                    choice: "date",
                    date: &s.text("soon"),
                    problems: &until_problem,
                    next: "/admin/disk",
                },
            ),
        ),
        ("delete", delete_confirm(f, &s.done())),
        ("log", log(f, &failed, &s.log_page())),
        ("log-found", log(f, &failed, &s.log_search(None))),
        ("log-found-one", log(f, &failed, &s.log_search(Some(812)))),
        ("log-refused", log(f, &failed, &s.log_refused())),
        ("log-without-errors", log(f, &s.done(), &s.log_without_errors())),
        ("files", files(f, &s.done())),
        ("definition", super::super::definition(f, &failed, &definition, Some(3))),
    ]
}

fn disks(s: &Sample, f: &Frame) -> Vec<Page> {
    vec![
        ("disk", disk(f, &s.disk())),
        ("disk-empty", disk(f, &DiskView::default())),
        ("preview", preview(f, &s.preview())),
        ("receipt", receipt(f, &s.receipts()[1], None)),
        ("receipt-running", receipt(f, &s.receipts()[0], Some(&s.progress()))),
        ("receipt-skipped", receipt(f, &s.skipped(), None)),
        ("orphans", orphans_confirm(f, &s.orphans())),
    ]
}

fn timetables(s: &Sample, f: &Frame) -> Vec<Page> {
    let (schedules_view, text_problem) =
        (s.schedules(), [Problem::new("text", s.text("`hourly` is no timetable"))]);
    vec![
        ("schedules", schedules(f, &schedules_view)),
        (
            "schedule",
            schedule(
                f,
                &SchedulePage {
                    view: &schedules_view[0],
                    typed: &s.text("0 0 * * * *"),
                    problems: &[],
                    tried: Some((&s.text("Every hour"), &[in_days(1)])),
                },
            ),
        ),
        (
            "schedule-problem",
            schedule(
                f,
                &SchedulePage {
                    view: &schedules_view[2],
                    typed: &s.text("hourly"),
                    problems: &text_problem,
                    tried: None,
                },
            ),
        ),
    ]
}

fn others(s: &Sample, f: &Frame) -> Vec<Page> {
    let token = NewToken { secret: "img_4fK2s3cr3tS3cr3t".into(), record: s.token() };
    let message = s.text("there is no job 4711");
    let account_problems = [Problem::new("label", s.text("give the token a label"))];
    vec![
        (
            "account",
            account(
                f,
                &s.account(),
                &AccountPage { new_token: Some(&token), problems: &account_problems },
            ),
        ),
        ("health", health(f, &s.health())),
        (
            "error",
            error(
                f,
                &ErrorPage {
                    status: 404,
                    title: &s.text("There is no such job"),
                    message: &message,
                    way_out: Some((&s.text("To the queue"), "/queue")),
                },
            ),
        ),
    ]
}

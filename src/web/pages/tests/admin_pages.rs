//! The pages of the Admin tab with the data of the samples: index, lists, forms, history.

use super::{
    super::{
        admin::{AdminListPage, FormPage, HistoryPage, IndexPage, form, history, index, list},
        *,
    },
    admin::{known, narrowed},
    every::Page,
    sample::Sample,
};
use crate::{
    app::{admin::*, *},
    domain::StateKind,
};
use maud::Markup;
use std::collections::BTreeMap;

/// All of them.
pub(super) fn all(s: &Sample, f: &Frame) -> Vec<Page> {
    let groups = [indexes, lists_of_jobs, lists, queue_forms, other_forms, around];
    let pages = groups.into_iter().flat_map(|group| group(s, f));
    pages.chain(super::admin_acts::all(s, f)).collect()
}

fn indexes(s: &Sample, f: &Frame) -> Vec<Page> {
    let (viewer, nobody) = (
        s.viewer(),
        SessionView {
            actor: crate::domain::Actor { verbs: crate::domain::Verbs::NONE, ..s.viewer().actor },
            ..s.viewer()
        },
    );
    let (viewer, nobody) = (seen_by(f, &viewer), seen_by(f, &nobody));
    vec![
        ("admin-index", index(f, &IndexPage { recent: &s.trail() })),
        ("admin-index-viewer", index(&viewer, &IndexPage { recent: &[] })),
        ("admin-index-nobody", index(&nobody, &IndexPage { recent: &[] })),
    ]
}

/// The same page for somebody else.
pub(super) fn seen_by<'a>(f: &Frame<'a>, session: &'a SessionView) -> Frame<'a> {
    Frame { session: Some(session), ..f.clone() }
}

/// A list without anything special.
fn listed(f: &Frame, model: &'static Model, query: &ListQuery, page: &ListPage) -> Markup {
    list(f, &AdminListPage { model, query, list: page, remarks: &[], result: None })
}

/// Jobs in every state.
pub(super) fn jobs_of(s: &Sample, count: i64) -> Vec<Object> {
    let kinds = StateKind::ALL.iter().cycle();
    (0..count).zip(kinds).map(|(n, kind)| s.job_row(100_000 - n, *kind)).collect()
}

fn lists_of_jobs(s: &Sample, f: &Frame) -> Vec<Page> {
    let jobs = known("jobs");
    let plain = ListQuery::of(jobs);
    let [_, month, day] = s.dates();
    let narrow = ListQuery { dates: Some(month), order: "name", ..narrowed(s, jobs, "state") };
    let one_day = ListQuery { dates: Some(day), limit: 25, ..plain.clone() };
    let page = s.list_page(jobs, jobs_of(s, 5));
    let first = ListPage { before: None, ..page.clone() };
    let nothing = ListPage { facets: s.facets(jobs), total: Some(0), ..ListPage::default() };
    let cursor = Some(ListCursor { key: "7".into(), value: s.text("core") });
    let beyond = ListQuery { cursor, ..plain.clone() };
    let remarks =
        [s.text("the column `secrets` is none that orders this list"), s.text("the date")];
    let acted = s.acted();
    let told = AdminListPage {
        model: jobs,
        query: &narrow,
        list: &page,
        remarks: &remarks,
        result: Some(&acted),
    };
    let viewer = s.viewer();
    vec![
        ("admin-jobs", listed(f, jobs, &plain, &first)),
        ("admin-jobs-told", list(f, &told)),
        ("admin-jobs-day", listed(&seen_by(f, &viewer), jobs, &one_day, &page)),
        ("admin-jobs-none", listed(f, jobs, &narrow, &nothing)),
        ("admin-jobs-beyond", listed(f, jobs, &beyond, &nothing)),
    ]
}

fn lists(s: &Sample, f: &Frame) -> Vec<Page> {
    let of = |id: &str, rows: Vec<Object>| {
        let model = known(id);
        let page = ListPage { before: None, after: None, ..s.list_page(model, rows) };
        listed(f, model, &ListQuery::of(model), &page)
    };
    let sites = known("sites");
    let audit = known("audit");
    let narrow = narrowed(s, audit, "action");
    let lines = s.list_page(audit, vec![s.audit_row(120), s.audit_row(119)]);
    // The audit trail is not counted by day: a field asks for one.
    let lines = ListPage { days: BTreeMap::new(), ..lines };
    vec![
        ("admin-queues", of("queues", vec![s.queue_row("nightly"), s.queue_row("web")])),
        ("admin-users", of("users", vec![s.user_row("bo"), s.user_row("cy")])),
        ("admin-groups", of("groups", vec![s.group_row()])),
        ("admin-runners", of("runners", vec![s.runner_row()])),
        ("admin-tokens", of("tokens", vec![s.expiring()])),
        ("admin-sites-empty", listed(f, sites, &ListQuery::of(sites), &ListPage::default())),
        ("admin-audit", listed(f, audit, &narrow, &lines)),
    ]
}

/// A form as it is opened.
fn opened<'a>(
    model: &'static Model,
    object: Option<&'a Object>,
    typed: &'a Typed,
    offers: &'a BTreeMap<&'static str, Vec<(String, String)>>,
) -> FormPage<'a> {
    FormPage {
        model,
        object,
        typed,
        version: "fedcba9876543210",
        offers,
        problems: &[],
        stale: None,
        link: None,
    }
}

fn queue_forms(s: &Sample, f: &Frame) -> Vec<Page> {
    let (queues, offers, row) = (known("queues"), s.offers(), s.queue_row("nightly"));
    let (typed, empty) = (Typed::of(queues, &row), Typed::default());
    let problem = |field: &str, text: &str| Problem::new(field, s.text(text));
    let problems = [
        problem("slots", "slots: `1001` does not fit: give a number from 0 to 1000"),
        problem("submitters", "open to groups: `Gone` cannot be chosen: choose from Operators"),
        problem("", "nightly is the only queue: add another one first"),
    ];
    let (stale, viewer) = (s.stale(), s.viewer());
    let same = Stale { differences: vec![], ..s.stale() };
    let add = opened(queues, None, &empty, &offers);
    let change = opened(queues, Some(&row), &typed, &offers);
    let with = |problems, stale| FormPage { problems, stale, ..change.clone() };
    vec![
        ("admin-queue-add", form(f, &add)),
        ("admin-queue", form(f, &change)),
        ("admin-queue-problems", form(f, &with(&problems, None))),
        ("admin-queue-stale", form(f, &with(&[], Some(&stale)))),
        ("admin-queue-stale-same", form(f, &with(&[], Some(&same)))),
        ("admin-queue-shown", form(&seen_by(f, &viewer), &change)),
    ]
}

fn other_forms(s: &Sample, f: &Frame) -> Vec<Page> {
    let offers = s.offers();
    let (user, group, line, token) =
        (s.user_row("bo"), s.group_row(), s.audit_row(7), s.expiring());
    let of = |model: &str, object: &Object| Typed::of(known(model), object);
    let (user_typed, group_typed) = (of("users", &user), of("groups", &group));
    let (few, nothing) = (s.groups_only(), Typed::default());
    let link =
        s.text("https://images.example.org/setup/4fK2s3cr3tS3cr3t4fK2s3cr3tS3cr3t4fK2s3cr3tS3");
    let change = opened(known("users"), Some(&user), &user_typed, &offers);
    let linked = FormPage { link: Some(&link), ..change.clone() };
    let groups = opened(known("groups"), Some(&group), &group_typed, &offers);
    vec![
        ("admin-user-add", form(f, &opened(known("users"), None, &nothing, &offers))),
        ("admin-user", form(f, &change)),
        ("admin-user-link", form(f, &linked)),
        ("admin-group", form(&seen_by(f, &few), &groups)),
        ("admin-audit-line", form(f, &opened(known("audit"), Some(&line), &nothing, &offers))),
        ("admin-token", form(f, &opened(known("tokens"), Some(&token), &nothing, &offers))),
    ]
}

fn around(s: &Sample, f: &Frame) -> Vec<Page> {
    let (key, title, rows) = (s.text("nightly"), s.text("nightly"), s.trail());
    let past = HistoryPage {
        model: known("queues"),
        key: &key,
        title: &title,
        rows: &rows,
        older: Some(4),
    };
    let none = HistoryPage { rows: &[], older: None, ..past.clone() };
    let (user, out) = (s.text("bo"), Frame { session: None, ..f.clone() });
    let problems = [
        Problem::new("new", s.text("the password is too short: give at least 12 characters")),
        Problem::new("again", s.text("the two passwords differ: type the same twice")),
    ];
    let set_up_page = |problems| SetupPage { user: &user, url: "/setup/4fK2s3cr3t", problems };
    let links = [(s.text("Image jobs"), "/admin/jobs".to_owned(), "App")];
    let queue = (s.text("Queue"), "/queue".to_owned(), "Pages");
    let links: Vec<_> = links.into_iter().chain([queue]).collect();
    vec![
        ("admin-history", history(f, &past)),
        ("admin-history-empty", history(f, &none)),
        ("setup", set_up(&out, &set_up_page(&[]))),
        ("setup-problems", set_up(&out, &set_up_page(&problems))),
        ("palette", palette(&links)),
    ]
}

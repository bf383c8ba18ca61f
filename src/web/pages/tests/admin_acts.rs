//! The pages that ask before something is done, with the data of the samples.

use super::{
    super::{
        admin::{ActPage, DeletePage, ask_act, ask_delete, ask_delete_jobs},
        *,
    },
    admin::{known, narrowed},
    every::Page,
    sample::Sample,
};
use crate::app::{DeletionPreview, Problem, admin::*};
use maud::Markup;

/// All of them.
pub(super) fn all(s: &Sample, f: &Frame) -> Vec<Page> {
    let groups = [deletions, deletions_of_jobs, questions];
    groups.into_iter().flat_map(|group| group(s, f)).collect()
}

fn selection(s: &Sample, model: &'static Model, scope: Scope) -> Selection {
    let filter = model.filters[0].id;
    Selection { query: narrowed(s, model, filter), scope, print: "8457-0123456789abcdef".into() }
}

fn act<'a>(
    model: &'static Model,
    (action, argument): (&str, &'a str),
    selection: &'a Selection,
    count: u64,
) -> ActPage<'a> {
    ActPage {
        model,
        action: model.action(action).unwrap(),
        selection,
        count,
        argument,
        offers: &[],
        problems: &[],
        changed: false,
    }
}

fn deletions(s: &Sample, f: &Frame) -> Vec<Page> {
    let queues = known("queues");
    let thing = |key: &str, all| (s.text(key), s.text(key), all);
    let free = [thing("nightly", s.dependants())];
    let blocked = [thing("web", s.blocked())];
    let both = [thing("nightly", s.dependants()), thing("tests", vec![])];
    let asks = |things, problems| DeletePage { act: None, model: queues, things, problems };
    let ticked = selection(s, queues, Scope::Ticked(both.iter().map(|t| t.0.clone()).collect()));
    let act = ActPage { changed: true, ..act(queues, ("delete", ""), &ticked, 2) };
    let problems = [Problem::new("move_to", s.text("2 jobs wait in it: choose where they go"))];
    let refused = [Problem::new("", s.text("queue web has jobs that wait or build (2)"))];
    let several = DeletePage { act: Some(&act), things: &both, ..asks(&both, &problems) };
    vec![
        ("admin-delete", ask_delete(f, &asks(&free, &[]))),
        ("admin-delete-blocked", ask_delete(f, &asks(&blocked, &refused))),
        ("admin-delete-several", ask_delete(f, &several)),
    ]
}

/// The page that asks before the files of all jobs are deleted.
pub(super) fn all_jobs(s: &Sample, f: &Frame, preview: &DeletionPreview) -> Markup {
    let jobs = known("jobs");
    let all = selection(s, jobs, Scope::All);
    ask_delete_jobs(f, &act(jobs, ("delete", ""), &all, 99_412), preview)
}

fn deletions_of_jobs(s: &Sample, f: &Frame) -> Vec<Page> {
    let jobs = known("jobs");
    let ticked = selection(s, jobs, Scope::Ticked(vec!["41".into(), s.text("42")]));
    let changed = ActPage { changed: true, ..act(jobs, ("delete", ""), &ticked, 2) };
    let nothing = DeletionPreview { jobs: 0, bytes: 0, ..s.deletion(0) };
    vec![
        ("admin-delete-jobs", ask_delete_jobs(f, &changed, &s.deletion(3))),
        ("admin-delete-jobs-all", all_jobs(s, f, &s.deletion(50))),
        ("admin-delete-jobs-none", ask_delete_jobs(f, &changed, &nothing)),
    ]
}

fn questions(s: &Sample, f: &Frame) -> Vec<Page> {
    let (jobs, queues) = (known("jobs"), known("queues"));
    let all = selection(s, jobs, Scope::All);
    let ticked = selection(s, queues, Scope::Ticked(vec![s.text("nightly")]));
    let reason = s.text("disk swap\u{7}");
    let problems =
        [Problem::new("argument", s.text("reason: give 1 to 200 characters on one line"))];
    let offers = [(s.text("web"), s.text("web")), (s.text("api"), s.text("api"))];
    let pause = act(queues, ("pause", &reason), &ticked, 1);
    let moved = act(jobs, ("move", &offers[1].0), &all, 8_457);
    vec![
        ("admin-ask-pause", ask_act(f, &ActPage { problems: &problems, ..pause })),
        ("admin-ask-move", ask_act(f, &ActPage { offers: &offers, changed: true, ..moved })),
        ("admin-ask-cancel", ask_act(f, &act(jobs, ("cancel", ""), &all, 8_457))),
    ]
}

//! What somebody does about the files of one job: pin, keep longer, delete.

use super::{
    Reply, Screens, Visit, WebError,
    access::local_path,
    day,
    flash::Notice,
    pages::{self, KeepPage},
    reply,
};
use crate::{
    app::{App, AppError, JobView, Problem},
    domain::{JobId, Timestamp},
};
use http::StatusCode;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
        .on("job.pin", |visit| pin(visit, true))
        .on("job.unpin", |visit| pin(visit, false))
        .on("job.keep", keep_form)
        .on("job.keep.post", keep)
        .on("job.delete", confirm_delete)
        .on("job.delete.post", delete)
}

/// Where somebody came from, if it is a page of ours; else the job.
fn back(next: &str, id: JobId) -> String {
    local_path(next).map_or_else(|| format!("/jobs/{id}"), str::to_owned)
}

async fn pin(mut visit: Visit, pinned: bool) -> Reply {
    let id = visit.job_id()?;
    let form = visit.form().await?;
    visit.app.pin(visit.actor()?, id, pinned, &visit.peer, visit.now).await?;
    let notice = if pinned { Notice::Pinned(id) } else { Notice::Unpinned(id) };
    Ok(reply::see_other_with(&back(form.get("next"), id), &notice, visit.secure))
}

async fn keep_form(visit: Visit) -> Reply {
    let view = visit.app.job_to_keep(visit.actor()?, visit.job_id()?, visit.now)?;
    let next = visit.query("next").unwrap_or_default();
    let next = local_path(&next).unwrap_or_default();
    keep_page(&visit, &view, StatusCode::OK, &Typed { next, ..Typed::default() })
}

/// What was typed into the form, and what is wrong with it.
#[derive(Default)]
struct Typed<'a> {
    choice: &'a str,
    date: &'a str,
    next: &'a str,
    problems: &'a [Problem],
}

fn keep_page(visit: &Visit, view: &JobView, status: StatusCode, typed: &Typed<'_>) -> Reply {
    let latest = visit.now.plus(view.kept.longest);
    let choices = choices(view.kept.until, visit.now, latest);
    let first = choices.first().map_or("date", |(_, date, _)| date.as_str());
    let page = KeepPage {
        choice: if typed.choice.is_empty() { first } else { typed.choice },
        choices: &choices,
        latest: &day::written(latest),
        date: typed.date,
        problems: typed.problems,
        next: typed.next,
    };
    Ok(reply::html(status, pages::keep(&visit.frame(), view, &page)))
}

/// Days to choose from: counted from when the files would go, never beyond what is allowed.
fn choices(
    until: Option<Timestamp>,
    now: Timestamp,
    latest: Timestamp,
) -> Vec<(&'static str, String, Timestamp)> {
    let from = until.map_or(now, |until| until.max(now));
    let choice = |label, at: Timestamp| (label, day::written(at), at);
    let mut all = vec![
        choice("1 week more", from.plus(7 * DAY)),
        choice("1 month more", from.plus(30 * DAY)),
    ];
    all.retain(|(_, _, at)| *at < latest);
    all.push(choice("As long as is allowed", latest));
    all
}

async fn keep(mut visit: Visit) -> Reply {
    let id = visit.job_id()?;
    let form = visit.form().await?;
    let view = visit.app.job_to_keep(visit.actor()?, id, visit.now)?;
    let (choice, date) = (form.get("until"), form.get("date"));
    let wanted = if choice == "date" { date } else { choice };
    let latest = visit.now.plus(view.kept.longest);
    let next = local_path(form.get("next")).unwrap_or_default();
    let problem = match day::until(wanted, visit.now, latest) {
        Ok(until) => {
            let kept = visit.app.keep_longer(visit.actor()?, id, until, &visit.peer, visit.now);
            match kept.await {
                Ok(()) => {
                    let notice = Notice::Kept(id);
                    return Ok(reply::see_other_with(&back(next, id), &notice, visit.secure));
                }
                Err(AppError::Invalid(problems)) => problems,
                Err(error) => return Err(error.into()),
            }
        }
        Err(problem) => vec![problem],
    };
    let typed = Typed { choice, date, next, problems: &problem };
    keep_page(&visit, &view, StatusCode::UNPROCESSABLE_ENTITY, &typed)
}

async fn confirm_delete(visit: Visit) -> Reply {
    let view = visit.app.job_to_delete(visit.actor()?, visit.job_id()?, visit.now)?;
    Ok(reply::page(pages::delete_confirm(&visit.frame(), &view)))
}

async fn delete(visit: Visit) -> Result<reply::Response, WebError> {
    let id = visit.job_id()?;
    visit.app.delete_job(visit.actor()?, id, &visit.peer, visit.now).await?;
    Ok(reply::see_other_with(&format!("/jobs/{id}"), &Notice::Deleted(id), visit.secure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_count_from_the_end_and_stop_at_what_is_allowed() {
        let now = Timestamp::from_millis(1_795_632_012_345);
        let at = |days: u32| now.plus(days * DAY);
        let days = |until, latest| -> Vec<Timestamp> {
            choices(until, now, latest).into_iter().map(|(.., at)| at).collect()
        };
        assert_eq!(days(Some(at(14)), at(90)), [at(21), at(44), at(90)]);
        assert_eq!(days(Some(at(70)), at(90)), [at(77), at(90)]);
        assert_eq!(days(Some(at(100)), at(90)), [at(90)]);
        assert_eq!(days(None, at(90)), [at(7), at(30), at(90)]);
    }

    #[test]
    fn the_way_back_is_a_page_of_ours() {
        let id = JobId::new(7).unwrap();
        assert_eq!(back("/admin/disk", id), "/admin/disk");
        for bad in ["", "//evil.example", "https://evil.example", "/\\evil"] {
            assert_eq!(back(bad, id), "/jobs/7");
        }
    }
}

//! When chores run, and running one now.

use super::{
    Reply, Screens, Visit, WebError,
    error::WayOut,
    flash::Notice,
    pages::{self, SchedulePage},
    reply,
};
use crate::{
    app::{App, AppError, Chore, CronText, Problem, ScheduleView},
    domain::Timestamp,
};
use http::StatusCode;

/// Moments that are shown of a text before it counts.
const NEXT: usize = 3;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app)
        .on("admin.schedules", schedules)
        .on("admin.schedule", form)
        .on("admin.schedule.post", change)
        .on("admin.schedule.run", run)
}

async fn schedules(visit: Visit) -> Reply {
    let all = visit.app.schedules(visit.actor()?, visit.now)?;
    Ok(reply::page(pages::schedules(&visit.frame(), &all)))
}

/// The path's `{chore}`.
fn chore(visit: &Visit) -> Result<Chore, WebError> {
    let given = visit.param("chore");
    Chore::from_word(given).ok_or_else(|| {
        let shown: String = given.chars().take(40).collect();
        let message = format!("there is no chore `{shown}`: choose one on the schedules page");
        WebError::new(StatusCode::NOT_FOUND, "Not found", message)
            .way_out(WayOut::new("Go to the schedules", "/admin/schedules"))
    })
}

fn view(visit: &Visit, chore: Chore) -> Result<ScheduleView, WebError> {
    let all = visit.app.schedules(visit.actor()?, visit.now)?;
    let found = all.into_iter().find(|view| view.chore == chore);
    found.ok_or_else(WebError::not_found)
}

async fn form(visit: Visit) -> Reply {
    let view = view(&visit, chore(&visit)?)?;
    let page = SchedulePage { view: &view, typed: &view.text, problems: &[], tried: None };
    Ok(reply::page(pages::schedule(&visit.frame(), &page)))
}

async fn change(mut visit: Visit) -> Reply {
    let chore = chore(&visit)?;
    let form = visit.form().await?;
    let typed = form.get("text").trim();
    let text = match form.get("action") {
        "check" => return check(&visit, chore, typed),
        "original" => None,
        "off" => Some(""),
        // An empty field is more likely a slip than a wish to never run it again.
        _ if typed.is_empty() => {
            let message = "give a timetable, or switch the chore off with the button below";
            return again(&visit, chore, typed, &[Problem::new("text", message)]);
        }
        _ => Some(typed),
    };
    match visit.app.set_schedule(visit.actor()?, chore, text, &visit.peer, visit.now).await {
        Ok(()) => {
            let notice = Notice::ScheduleChanged(chore);
            Ok(reply::see_other_with("/admin/schedules", &notice, visit.secure))
        }
        Err(AppError::Invalid(problems)) => again(&visit, chore, typed, &problems),
        Err(error) => Err(error.into()),
    }
}

/// Shows what a text means; nothing is changed.
fn check(visit: &Visit, chore: Chore, typed: &str) -> Reply {
    let read = match CronText::read(typed, visit.now) {
        Ok(read) => read,
        Err(error) => {
            return again(visit, chore, typed, &[Problem::new("text", error.to_string())]);
        }
    };
    let next = moments(&read, visit.now);
    let (view, sentence) = (view(visit, chore)?, read.sentence());
    let tried = Some((sentence.as_str(), next.as_slice()));
    let page = SchedulePage { view: &view, typed, problems: &[], tried };
    Ok(reply::page(pages::schedule(&visit.frame(), &page)))
}

fn moments(text: &CronText, now: Timestamp) -> Vec<Timestamp> {
    std::iter::successors(text.after(now), |at| text.after(*at)).take(NEXT).collect()
}

fn again(visit: &Visit, chore: Chore, typed: &str, problems: &[Problem]) -> Reply {
    let view = view(visit, chore)?;
    let page = SchedulePage { view: &view, typed, problems, tried: None };
    let page = pages::schedule(&visit.frame(), &page);
    Ok(reply::html(StatusCode::UNPROCESSABLE_ENTITY, page))
}

async fn run(visit: Visit) -> Reply {
    let chore = chore(&visit)?;
    visit.app.start_chore(visit.actor()?, chore)?;
    let notice = Notice::ChoreStarted(chore);
    Ok(reply::see_other_with("/admin/schedules", &notice, visit.secure))
}

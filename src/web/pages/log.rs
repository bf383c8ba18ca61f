//! The log of a job: a page of its own, and the panel of the job's page.

use super::{
    frame::{About, Frame, Tab, icon, page},
    human,
    job::crumbs_to,
    logline::plain,
    query::encode,
};
use crate::{
    app::JobView,
    domain::{Job, JobState},
    web::find::{Found, Hit},
};
use maud::{Markup, html};

/// Lines of a log, and how they lie in it.
#[derive(Clone, Debug, Default)]
pub struct LogLines {
    /// Lines from [`render_rows`](super::logline::render_rows).
    pub html: String,
    /// Number of the first of them, from 1.
    pub from_line: u64,
    /// Number of the last of them.
    pub to_line: u64,
    /// Lines of the whole log.
    pub lines: u64,
    /// Bytes of the whole log.
    pub size: u64,
    /// Bytes of the whole log, compressed.
    pub gzip: Option<u64>,
    /// The line that was asked for, which is among them.
    pub mark: Option<u64>,
    /// Byte offset at which the live log goes on (`/jobs/N/events?from=OFFSET`); `None` when
    /// nothing will be appended any more.
    pub live: Option<u64>,
}

/// What was asked of a log besides its lines.
#[derive(Clone, Debug)]
pub enum LogAsk {
    /// Nothing.
    Nothing,
    /// Lines with a text.
    Text {
        /// The text, as it was typed.
        text: String,
        /// In exactly these letters.
        case: bool,
        /// What was found, or a sentence on why nothing was searched for.
        answer: Result<Found, String>,
        /// The page shows this line of those that were found; `None`: it lists them.
        at: Option<u64>,
    },
    /// The first error, of which there is none.
    Error(Found),
}

/// What the log page shows.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// Lines; none where a list of hits is shown instead.
    pub lines: LogLines,
    /// What was asked.
    pub ask: LogAsk,
}

/// The page of a log. Without a query it shows the end; `?from=N` begins with line N, `?before=N`
/// ends before it, `?line=N` shows line N with what is around it, `?q=TEXT` lists the lines with a
/// text, `?q=TEXT&line=N` shows one of them.
pub fn log(f: &Frame, v: &JobView, p: &LogPage) -> Markup {
    let title = format!("Log of job {}", v.job.id);
    let crumbs = crumbs_to(&v.job);
    let mut about = About::new(&title, Tab::Queue);
    about.crumbs = &crumbs;
    about.shape = "full";
    about.log = true;
    page(f, about, html! { (panel(v, p, "whole", None)) })
}

/// The log with what can be done with it. What a script needs to know is in the `data-` attributes;
/// it takes further lines from the same page.
pub(super) fn panel(v: &JobView, p: &LogPage, shape: &str, title: Option<&str>) -> Markup {
    let (job, lines) = (&v.job, &p.lines);
    let base = format!("/jobs/{}/log", job.id);
    let events = lines.live.map(|from| format!("/jobs/{}/events?from={from}", job.id));
    html! {
        section class={ "panel log " (shape) } aria-label="Log" data-url=(base) data-mark=[lines.mark]
            data-total=(lines.lines) data-log=[events] {
            header {
                @if let Some(title) = title { h2 { (title) } }
                p class="meta" id="log-facts" { (facts(job, lines)) }
                (search_form(&base, &p.ask))
            }
            (tools(job, &base, lines))
            div class="cut" data-bar { (bar(job, &base, p)) }
            @match hits(&p.ask) {
                Some((found, query)) => {
                    @if !found.hits.is_empty() {
                        pre class="lines" tabindex="0" role="region" aria-label="Lines that were found" {
                            @for hit in &found.hits { (hit_row(&base, &query, hit)) }
                        }
                    }
                }
                None => {
                    pre class="lines" tabindex="0" role="region" aria-label="Log lines" data-lines {
                        (maud::PreEscaped(&lines.html))
                    }
                }
            }
        }
    }
}

/// How much there is, and the ways to take it along.
fn facts(job: &Job, lines: &LogLines) -> Markup {
    let raw = format!("/jobs/{}/log.txt", job.id);
    html! {
        (human::count(lines.lines, "line", "lines"))
        @if lines.live.is_some() { " so far" }
        @if lines.size > 0 {
            " · "
            a href=(raw) { "Raw" } " (" (human::size(lines.size)) ") "
            a href=(raw) download={ "job-" (job.id) ".log" } aria-label="Download the log" { (icon("download")) }
        }
        @if let Some(size) = lines.gzip {
            " · " a href={ "/jobs/" (job.id) "/log.gz" } { "gzip" } " (" (human::size(size)) ")"
        }
    }
}

fn search_form(base: &str, ask: &LogAsk) -> Markup {
    let (text, exact) = match ask {
        LogAsk::Text { text, case, .. } => (text.as_str(), *case),
        LogAsk::Nothing | LogAsk::Error(_) => ("", false),
    };
    html! {
        form class="find" role="search" action=(base) {
            input type="search" name="q" value=(text) aria-label="Search the whole log" placeholder="Search the whole log"
                autocomplete="off" spellcheck="false";
            label { input type="checkbox" name="case" value="1" checked[exact]; " Match case" }
            button type="submit" { "Search" }
        }
    }
}

/// Ways through a log. Boxes work by style alone; a script remembers them. The button that follows
/// appears where a script makes it work.
fn tools(job: &Job, base: &str, lines: &LogLines) -> Markup {
    let failure = match &job.state {
        JobState::Failed { failure, .. } => failure.line,
        JobState::Queued
        | JobState::Building { .. }
        | JobState::Done { .. }
        | JobState::Cancelled { .. } => None,
    };
    html! {
        div class="tools" {
            @if let Some(line) = failure {
                a href={ (base) "?line=" (line) "#L" (line) } data-jump { "The failure, line " (human::grouped(line)) }
            }
            a href={ (base) "?error=first" } data-jump { "First error" }
            form action=(base) {
                input type="text" name="line" inputmode="numeric" pattern="[0-9]+" required size="7"
                    aria-label="Number of a line" placeholder="Line" autocomplete="off";
                button type="submit" { "Go" }
            }
            label { input type="checkbox" data-keep="wrap" checked; " Wrap" }
            label title="When each line was printed, UTC" { input type="checkbox" data-keep="times"; " Times" }
            @if lines.live.is_some() {
                button type="button" data-follow aria-pressed="false" hidden { "Follow" }
            }
        }
    }
}

/// What the lines below are.
fn bar(job: &Job, base: &str, p: &LogPage) -> Markup {
    html! {
        @match &p.ask {
            LogAsk::Nothing => {}
            LogAsk::Error(found) => p role="status" {
                "No line is marked as an error" (within(found)) "."
            }
            LogAsk::Text { answer: Err(why), .. } => p class="err" role="alert" { (plain(why)) }
            LogAsk::Text { text, case, answer: Ok(found), at } => {
                (told(base, text, *case, found, *at))
            }
        }
        @if hits(&p.ask).is_none() {
            @if p.lines.lines > 0 { (places(base, &p.lines)) }
            @else { p data-span { (no_lines(&job.state)) } }
        }
    }
}

/// The list of hits, if that is what the page shows, and the query that leads back to it.
fn hits(ask: &LogAsk) -> Option<(&Found, String)> {
    match ask {
        LogAsk::Text { text, case, answer: Ok(found), at: None } => {
            Some((found, query(text, *case)))
        }
        LogAsk::Text { .. } | LogAsk::Nothing | LogAsk::Error(_) => None,
    }
}

fn query(text: &str, case: bool) -> String {
    format!("?q={}{}", encode(text), if case { "&case=1" } else { "" })
}

/// How often a text was found, and the way from one to the next.
fn told(base: &str, text: &str, case: bool, found: &Found, at: Option<u64>) -> Markup {
    let query = query(text, case);
    let url = |line: u64| format!("{base}{query}&line={line}#L{line}");
    let here = found.hits.first().is_some_and(|hit| Some(hit.line) == at);
    let next = found.hits.iter().find(|hit| Some(hit.line) > at);
    let shown = found.before + found.hits.len() as u64;
    html! {
        p role="status" {
            (human::count(found.count, "line contains", "lines contain")) " “" (plain(text)) "”" (within(found))
            @match at {
                Some(_) if here => { "; this is number " (human::grouped(found.before + 1)) }
                None if shown > found.hits.len() as u64 || shown < found.count => {
                    "; below are " (human::grouped(found.before + 1)) " to " (human::grouped(shown))
                }
                Some(_) | None => {}
            }
            "."
        }
        @if at.is_some() {
            nav class="pager" aria-label="Lines that were found" {
                @if let Some(line) = found.previous {
                    a href=(url(line)) data-jump="previous" { "↑ Previous" }
                }
                @if let Some(hit) = next { a href=(url(hit.line)) data-jump="next" { "↓ Next" } }
                a href={ (base) (query) } { "All of them" }
            }
        } @else {
            nav class="pager" aria-label="Lists of hits" {
                @if found.before > 0 { a href={ (base) (query) } { "The first ones" } }
                @if let Some(last) = found.hits.last().filter(|_| shown < found.count || !found.whole) {
                    a rel="next" href={ (base) (query) "&after=" (last.line) } { "Further ones" }
                }
                a href=(base) { "Back to the log" }
            }
        }
    }
}

/// Where was searched, if that was not the whole log.
fn within(found: &Found) -> Markup {
    let (from, to) = found.searched;
    html! {
        @if !found.whole {
            " in lines " (human::grouped(from)) " to " (human::grouped(to)) "; "
            @match &found.damage {
                Some(damage) => (plain(damage)),
                None => "the log is too long to be searched at once",
            }
        }
    }
}

fn hit_row(base: &str, query: &str, hit: &Hit) -> Markup {
    let line = hit.line;
    let part = |from: usize, to: usize| plain(hit.text.get(from..to).unwrap_or_default());
    html! {
        span class="line" {
            a href={ (base) (query) "&line=" (line) "#L" (line) } { (line) }
            (part(0, hit.at.start)) mark { (part(hit.at.start, hit.at.end)) } (part(hit.at.end, hit.text.len())) "\n"
        }
    }
}

/// Which lines these are, and the way to the others. A script that fetches lines as they are
/// needed hides what turns pages.
fn places(base: &str, lines: &LogLines) -> Markup {
    let url = |query: &str, line: u64| format!("{base}?{query}={line}");
    let all = lines.from_line <= 1 && lines.to_line >= lines.lines;
    html! {
        nav class="pager" aria-label="Places in the log" {
            @if !all { a href=(url("from", 1)) data-jump="start" { "Start" } }
            @if lines.from_line > 1 {
                a rel="prev" href=(url("before", lines.from_line)) data-turn { "← Earlier" }
            }
            span data-span {
                "Lines " (human::grouped(lines.from_line)) " to " (human::grouped(lines.to_line))
                " of " (human::grouped(lines.lines))
            }
            @if lines.to_line < lines.lines {
                a rel="next" href=(url("from", lines.to_line + 1)) data-turn { "Later →" }
            }
            @if !all { a href={ (base) "#L" (lines.lines) } data-jump="end" { "End" } }
        }
    }
}

fn no_lines(state: &JobState) -> &'static str {
    match state {
        JobState::Queued => "The log begins when the job builds.",
        JobState::Building { .. } => "Nothing was printed yet.",
        JobState::Done { .. } | JobState::Failed { .. } | JobState::Cancelled { .. } => {
            "Nothing was printed."
        }
    }
}

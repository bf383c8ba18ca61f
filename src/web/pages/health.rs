//! The health page.

use super::{
    admin::{Section, admin},
    frame::{Frame, icon},
    logline::plain,
};
use crate::app::{HealthGroup, HealthView, RunnerHealth};
use maud::{Markup, html};

/// How the box is.
pub fn health(f: &Frame, v: &HealthView) -> Markup {
    admin(
        f,
        "Health",
        (Section::Health, false),
        "full",
        html! {
            (verdict(v))
            div class="groups" { @for group in &v.groups { (facts(group)) } }
            h2 { "Runners" }
            @if v.runners.is_empty() { p class="empty" { "There is no runner: nothing can be built." } }
            @for runner in &v.runners { (runner_card(runner)) }
        },
    )
}

fn verdict(v: &HealthView) -> Markup {
    let attention = v.groups.iter().flat_map(|g| &g.facts).filter(|(_, _, bad)| *bad).count();
    html! {
        @if v.well { p class="note good" { (icon("done")) span { "Nothing needs attention." } } }
        @else {
            p class="note warn" {
                (icon("alert"))
                span {
                    @match attention {
                        0 => "Something needs attention.",
                        1 => "One thing needs attention.",
                        n => { (n) " things need attention." }
                    }
                }
            }
        }
    }
}

fn facts(group: &HealthGroup) -> Markup {
    html! {
        section class="card" {
            h2 { (plain(&group.title)) }
            dl class="pairs" {
                @for (name, value, bad) in &group.facts {
                    div class=[bad.then_some("attention")] {
                        dt { (plain(name)) }
                        dd {
                            @if *bad { (icon("alert")) span class="vh" { "needs attention: " } }
                            (plain(value))
                        }
                    }
                }
            }
        }
    }
}

fn runner_card(runner: &RunnerHealth) -> Markup {
    let (class, shape) = if runner.usable { ("good", "done") } else { ("warn", "alert") };
    html! {
        section class="card runner" {
            h3 { (plain(&runner.name)) " " span class="meta" { (plain(&runner.id)) " " (plain(&runner.version)) } }
            p class={ "verdict " (class) } { (icon(shape)) span { (plain(&runner.status)) } }
            dl class="pairs" {
                (pair("Comes from", &runner.origin, plain(&runner.origin)))
                div { dt { "Can build" } dd { (runner.pairs) " pairs of image type and architecture" } }
                (pair("SHA-256", &runner.sha256, html! { code class="hash" { (runner.sha256) } }))
                @for (program, found, version) in &runner.programs {
                    div class=[found.is_none().then_some("attention")] {
                        dt { "Program " code { (plain(program)) } }
                        dd {
                            @match found {
                                Some(path) => {
                                    (plain(path))
                                    @if let Some(version) = version { " · " (plain(version)) }
                                }
                                None => { (icon("alert")) "not installed" }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn pair(label: &str, value: &str, shown: Markup) -> Markup {
    html! { @if !value.is_empty() { div { dt { (label) } dd { (shown) } } } }
}

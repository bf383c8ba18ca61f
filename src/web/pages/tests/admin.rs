//! Data for the pages of the Admin tab: things, lists, what is asked, what was done.

use super::sample::{Sample, ago, in_days};
use crate::{
    app::{admin::*, *},
    domain::{retention::Lifetime, *},
};
use std::{collections::BTreeMap, time::Duration};

/// The model of this word.
pub(super) fn known(id: &str) -> &'static Model {
    model(id).unwrap()
}

/// What a list shows that is narrowed in every way.
pub(super) fn narrowed(s: &Sample, model: &'static Model, filter: &'static str) -> ListQuery {
    ListQuery {
        filters: BTreeMap::from([(filter, s.text("done"))]),
        text: s.text("handset"),
        ..ListQuery::of(model)
    }
}

impl Sample {
    /// Somebody who may see everything and change nothing.
    pub(super) fn viewer(&self) -> SessionView {
        let mut session = self.session();
        session.actor.superuser = false;
        let views = Verb::ALL.iter().filter(|verb| verb.as_str().starts_with("view-"));
        session.actor.verbs = views.copied().collect();
        session
    }

    /// Somebody who looks after groups, but may not do everything themselves.
    pub(super) fn groups_only(&self) -> SessionView {
        let mut session = self.viewer();
        let may = [Verb::ViewJobs, Verb::Submit, Verb::Pin, Verb::ViewGroups, Verb::ChangeGroups];
        session.actor.verbs = may.into_iter().collect();
        session
    }

    pub(super) fn job_row(&self, number: i64, state: StateKind) -> Object {
        let bytes =
            if state == StateKind::Done { Value::Bytes(734_003_200) } else { Value::Nothing };
        Object::new(number.to_string(), number.to_string())
            .with("id", Value::Number(number))
            .with("name", Value::Text(self.text("handset-community-edition")))
            .with("submitted", Value::Moment(ago(1900)))
            .with("length", Value::Span(Duration::from_secs(1_580)))
            .with("owner", Value::Text(self.text("ann")))
            .with("queue", Value::Text(self.text("nightly")))
            .with("arch", Value::Text(self.text("armv7hl")))
            .with("image_type", Value::Text(self.text("raw")))
            .with("state", Value::State(state))
            .with("bytes", bytes)
            .with("tags", Value::words_of([self.text("release"), self.text("qa")]))
    }

    pub(super) fn queue_row(&self, key: &str) -> Object {
        let key = self.text(key);
        Object::new(key.clone(), key.clone())
            .with("name", Value::Text(key))
            .with("description", Value::Text(self.text("Built every night")))
            .with("open", Value::Text(self.text("paused")))
            .with("slots", Value::Number(2))
            .with("priority", Value::Number(-10))
            .with("cap", Value::Number(500))
            .with("paused", Value::Text(self.text("disk swap until 20:00")))
            .with("launch", Value::Yes(true))
            .with("requeue", Value::Yes(false))
            .with("submitters", Value::words_of([self.text("Operators"), self.text("Gone")]))
            .with("runners", Value::Nothing)
            .with("total_timeout", Value::Span(Duration::from_secs(21_600)))
            .with("silence_timeout", Value::Span(Duration::from_secs(3_600)))
            .with("images", Value::Keep(Lifetime::For(Duration::from_secs(14 * 86_400))))
            .with("logs", Value::Keep(Lifetime::Forever))
            .with("kept_bytes", Value::Bytes(200 << 30))
            .with("waiting", Value::Number(12))
            .with("building", Value::Number(1))
            .with("jobs", Value::Number(81_234))
    }

    pub(super) fn user_row(&self, key: &str) -> Object {
        let key = self.text(key);
        Object::new(key.clone(), key.clone())
            .with("name", Value::Text(key))
            .with("full_name", Value::Text(self.text("Bo Example")))
            .with("mail", Value::Text(self.text("bo@example.org")))
            .with("active", Value::Yes(true))
            .with("staff", Value::Yes(false))
            .with("superuser", Value::Yes(false))
            .with("groups", Value::words_of([self.text("Submitters")]))
            .with("grants", Value::Grants([Verb::Pin, Verb::Launch].into_iter().collect()))
            .with("password", Value::Text(self.text("link given out")))
            .with("created", Value::Moment(ago(8_000_000)))
            .with("last_login", Value::Nothing)
    }

    pub(super) fn group_row(&self) -> Object {
        let verbs = [Verb::ViewJobs, Verb::Submit, Verb::CancelAny, Verb::ViewQueues];
        let key = self.text("Operators");
        Object::new(key.clone(), key.clone())
            .with("name", Value::Text(key))
            .with("grants", Value::Grants(verbs.into_iter().collect()))
            .with("may", Value::Number(4))
            .with("members", Value::Number(3))
    }

    pub(super) fn audit_row(&self, number: i64) -> Object {
        Object::new(number.to_string(), format!("line {number}"))
            .with("number", Value::Number(number))
            .with("at", Value::Moment(ago(number)))
            .with("actor", Value::Text(self.text("ann")))
            .with("action", Value::Text(self.text("queue.change")))
            .with("object", Value::Text(self.text("queue web")))
            .with("detail", Value::Text(self.text("slots: 1 → 2; paused: disk swap → –")))
            .with("peer", Value::Text(self.text("192.0.2.7")))
            .with("request", Value::Code(self.text("01JDK3Q8")))
    }

    pub(super) fn runner_row(&self) -> Object {
        Object::new("mic", "mic")
            .with("id", Value::Code(self.text("mic")))
            .with("name", Value::Text(self.text("MIC")))
            .with("version", Value::Text(self.text("0.1.0")))
            .with("origin", Value::Text(self.text("built in")))
            .with("usable", Value::Yes(true))
            .with("status", Value::Text(self.text("enabled")))
            .with("missing", Value::words_of([self.text("qemu-arm-static")]))
            .with("pairs", Value::Number(5))
    }

    /// The values of a filter: two that find something, one that finds nothing, and more.
    pub(super) fn facets(&self, model: &'static Model) -> Vec<Facet> {
        let value =
            |value: &str, count, chosen| FacetValue { value: self.text(value), count, chosen };
        let facet = |filter| Facet {
            filter,
            values: vec![
                value("done", Some(8_123), true),
                value("failed", Some(311), false),
                value("gone", None, false),
            ],
            more: 3,
        };
        model.filters.iter().map(facet).collect()
    }

    /// A page out of the middle of a list.
    pub(super) fn list_page(&self, model: &'static Model, rows: Vec<Object>) -> ListPage {
        let place = |key: &str| Some(ListCursor { key: key.into(), value: self.text("core") });
        ListPage {
            rows,
            before: place("44"),
            after: place("39"),
            total: Some(8_457),
            bytes: (model.id == "jobs").then_some(5_301_424_947_200),
            facets: self.facets(model),
            days: BTreeMap::from([(20_780, 12), (20_781, 40), (20_749, 1_200), (20_400, 7_205)]),
        }
    }

    pub(super) fn acted(&self) -> Acted {
        let skipped =
            |n: u64| (self.text(&format!("job {n}")), self.text("it has `ended` already"));
        Acted { done: 1_204, skipped: vec![skipped(39), skipped(40)], more_skipped: 12, run: None }
    }

    pub(super) fn trail(&self) -> Vec<TrailRow> {
        let line = |action: &str, detail: &str| AuditRecord {
            at: ago(700),
            actor: self.text("ann"),
            peer: self.text("192.0.2.7"),
            action: self.text(action),
            object: self.text("queue nightly"),
            detail: self.text(detail),
            request: self.text("01JDK3Q8"),
        };
        let long = "description: – → Built every night by a timer; slots: 1 → 2; priority: 0 → -10";
        let added = AuditRecord { peer: String::new(), ..line("queue.add", "") };
        vec![(7, line("queue.change", long)), (5, line("queue.pause", "disk swap")), (4, added)]
    }

    pub(super) fn dependants(&self) -> Vec<Dependant> {
        let jobs = [41, 42].map(|n| (self.text(&format!("{n} handset-ce")), format!("/jobs/{n}")));
        vec![
            Dependant {
                some: jobs.to_vec(),
                move_to: vec![self.text("web"), self.text("api")],
                ..Dependant::note(self.text("2 jobs wait in it and go to another queue first"))
            },
            Dependant::note(self.text("81234 jobs in all name it: they and their files stay")),
        ]
    }

    pub(super) fn blocked(&self) -> Vec<Dependant> {
        let text = self.text("1 of its jobs builds now: try again when it has ended, or cancel it");
        vec![Dependant::block(text), Dependant::note(self.text("it was made at the first start"))]
    }

    /// What a deletion of very many jobs would take.
    pub(super) fn deletion(&self, named: u64) -> DeletionPreview {
        let sums = |what: &str| {
            let of = |n: u64| (self.text(&format!("{what}-{n:02}")), 5_000 - n, (9_000 - n) << 20);
            (0..named.min(20)).map(of).collect::<Vec<_>>()
        };
        let job = |n: u64| JobId::new(n).unwrap();
        DeletionPreview {
            jobs: if named < 50 { named } else { 99_412 },
            bytes: 73_400_320_000_000,
            by_queue: sums("queue"),
            by_owner: sums("user"),
            first: (0..named)
                .map(|n| (job(100_000 - n), self.text("handset-community-edition"), 734_003_200))
                .collect(),
            skipped: vec![
                (self.text("it is pinned"), 580, (1..=5).map(job).collect()),
                (self.text("it is being built: `cancel` it first"), 2, vec![job(6), job(7)]),
            ],
        }
    }

    /// A form that was sent when somebody else had saved.
    pub(super) fn stale(&self) -> Stale {
        let of = |label, yours: &str, now: &str| Difference {
            label,
            yours: self.text(yours),
            now: self.text(now),
        };
        Stale {
            version: "0123456789abcdef".into(),
            differences: vec![
                of("Slots", "2", "4"),
                of("Description", "Built every night by a timer of the release team", "–"),
            ],
        }
    }

    /// What the forms of these models offer.
    pub(super) fn offers(&self) -> BTreeMap<&'static str, Vec<(String, String)>> {
        let offer = |text: &str| (self.text(text), self.text(text));
        let groups = ["Administrators", "Operators", "Submitters", "Viewers"].map(offer).to_vec();
        let runners = vec![(self.text("mic"), self.text("MIC"))];
        BTreeMap::from([("submitters", groups.clone()), ("groups", groups), ("runners", runners)])
    }

    /// A day that has jobs, its month and its year.
    pub(super) fn dates(&self) -> [Dates; 3] {
        let year = Dates { year: 2026, month: None, day: None };
        let month = Dates { month: Some(11), ..year };
        [year, month, Dates { day: Some(24), ..month }]
    }

    /// When a link is over.
    pub(super) fn expiring(&self) -> Object {
        Object::new("00ff", self.text("img_4fK2… of ann"))
            .with("prefix", Value::Code(self.text("img_4fK2")))
            .with("label", Value::Text(self.text("nightly builds")))
            .with("user", Value::Text(self.text("ann")))
            .with("created", Value::Moment(ago(90_000)))
            .with("expires", Value::Moment(in_days(29)))
            .with("scope", Value::Grants([Verb::ViewJobs, Verb::Submit].into_iter().collect()))
    }
}

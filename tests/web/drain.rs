//! Queues that are drained before somebody works on the box, and slots that change while jobs
//! build: with real builds in a real appliance.

use super::{
    admin::fill::{Form, act, follow, saved, superuser},
    appliance::{Person, Running},
    live::{submit, with_script},
};
use img::domain::{JobId, StateKind};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// An appliance with scripts for builds, each of which goes on until it is told to end.
struct Work {
    running: Running,
    ada: Person,
}

impl Work {
    async fn with_slots(slots: u32) -> Self {
        let running = Running::with(|config| {
            with_script(config);
            config.build.slots = slots;
        })
        .await;
        let ada = superuser(&running).await;
        Self { running, ada }
    }

    fn go(&self, id: u64) -> PathBuf {
        self.running.appliance.app().data().root().with_file_name(format!("go-{id}"))
    }

    async fn submit(&self, id: u64, queue: &str) {
        let script = format!(
            "until [ -e {:?} ]; do sleep 0.05; done\nhead -c 9 /dev/zero >\"$OUTPUT/a\"\n",
            self.go(id)
        );
        let taken = submit(&self.running, &self.ada, ("script", "noarch", queue), &script).await;
        assert_eq!(taken.location(), format!("/jobs/{id}"), "{}", taken.body);
    }

    /// Lets a build end, and waits for that.
    async fn end(&self, id: u64) {
        std::fs::write(self.go(id), "").unwrap();
        self.until(&[id], StateKind::Done).await;
    }

    fn state(&self, id: u64) -> StateKind {
        let id = JobId::new(id).unwrap();
        self.running.appliance.app().store().job(id).unwrap().unwrap().state.kind()
    }

    async fn until(&self, ids: &[u64], wanted: StateKind) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !ids.iter().all(|id| self.state(*id) == wanted) {
            let states: Vec<_> = ids.iter().map(|id| self.state(*id)).collect();
            assert!(Instant::now() < deadline, "jobs {ids:?} are {states:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until `number` jobs build, and then `waits` does not: the dispatcher has looked for
    /// something to start before it counts a build as ended.
    async fn holds(&self, number: usize, waits: u64) {
        let board = self.running.appliance.app().board();
        let deadline = Instant::now() + Duration::from_secs(60);
        while board.building().0 != number {
            assert!(Instant::now() < deadline, "{} build, not {number}", board.building().0);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(self.state(waits), StateKind::Queued, "job {waits}");
    }

    async fn page(&self, path: &str) -> String {
        self.running.get(path, &self.ada).await.body
    }

    /// Runs an action with a reason on these queues.
    async fn pause(&self, queues: &[&str]) {
        let asks = act(&self.running, "queues", &self.ada, "pause", queues).await;
        let form = Form::of(&asks.body, "/admin/queues/action");
        let done = form.set("argument", "new disks").send(&self.running, &self.ada).await;
        let list = follow(&self.running, &self.ada, &done).await;
        let said = match queues {
            [_] => "Drain and pause: done for 1 queue.".to_owned(),
            more => format!("Drain and pause: done for {} queues.", more.len()),
        };
        assert!(list.body.contains(&said), "{}", list.body);
    }

    async fn slots(&self, queue: &str, slots: &str) {
        let path = format!("/admin/queues/{queue}/change");
        saved(&self.running, &path, &self.ada, &[("slots", slots)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_drained_ends_what_builds_starts_nothing_and_says_how_far_it_is() {
    let work = Work::with_slots(4).await;
    work.slots("web", "2").await;
    for id in 1..=3 {
        work.submit(id, "web").await;
    }
    work.until(&[1, 2], StateKind::Building).await;
    work.pause(&["web"]).await;
    let told = "Queue <strong>web</strong> is draining, 2 jobs still building: new disks";
    let queue = work.page("/queue").await;
    assert!(queue.contains(told), "{queue}");
    let list = work.page("/admin/queues?open=draining").await;
    assert!(
        list.contains("<td>draining</td>") && list.contains("/admin/queues/web/change"),
        "{list}"
    );
    let health = work.page("/admin/health").await;
    assert!(health.contains("web paused, draining: 2 jobs still build"), "{health}");

    work.end(1).await;
    work.holds(1, 3).await;
    let queue = work.page("/queue").await;
    assert!(queue.contains("is draining, 1 job still building: new disks"), "{queue}");
    // Others go on meanwhile.
    work.submit(4, "api").await;
    work.until(&[4], StateKind::Building).await;
    work.end(2).await;
    work.holds(1, 3).await;
    let queue = work.page("/queue").await;
    let told = "Queue <strong>web</strong> is paused, nothing of it builds: new disks";
    assert!(queue.contains(told), "{queue}");
    assert!(work.page("/admin/queues?open=paused").await.contains("/admin/queues/web/change"));
    let waits = work.page("/jobs/3").await;
    assert!(waits.contains("Held: queue web is paused: new disks"), "{waits}");

    assert_eq!(act(&work.running, "queues", &work.ada, "resume", &["web"]).await.status, 303);
    work.until(&[3], StateKind::Building).await;
    assert!(!work.page("/queue").await.contains("new disks"));
    work.end(3).await;
    work.end(4).await;
    work.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_box_is_drained_by_draining_every_queue_and_health_says_when_it_is_empty() {
    let work = Work::with_slots(2).await;
    work.submit(1, "web").await;
    work.submit(2, "api").await;
    work.until(&[1, 2], StateKind::Building).await;
    work.pause(&["api", "requests", "web"]).await;
    let health = work.page("/admin/health").await;
    assert!(health.contains("all paused, draining: 2 jobs still build"), "{health}");
    work.submit(3, "web").await;
    work.end(1).await;
    work.end(2).await;
    work.holds(0, 3).await;
    let health = work.page("/admin/health").await;
    assert!(health.contains("all paused, nothing of them builds"), "{health}");
    let all = ["api", "requests", "web"];
    assert_eq!(act(&work.running, "queues", &work.ada, "resume", &all).await.status, 303);
    work.end(3).await;
    assert!(work.page("/admin/health").await.contains("none is paused"));
    work.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_slots_start_more_at_once_and_fewer_let_what_builds_go_on() {
    let work = Work::with_slots(8).await;
    work.slots("web", "1").await;
    for id in 1..=4 {
        work.submit(id, "web").await;
    }
    work.until(&[1], StateKind::Building).await;
    work.holds(1, 2).await;
    work.slots("web", "3").await;
    work.until(&[1, 2, 3], StateKind::Building).await;
    work.holds(3, 4).await;

    work.slots("web", "1").await;
    // What builds goes on, and with one of them there is none to spare.
    work.holds(3, 4).await;
    work.end(1).await;
    work.end(2).await;
    work.holds(1, 4).await;
    work.end(3).await;
    work.until(&[4], StateKind::Building).await;

    // The same for all queues together.
    let limit = async |slots: &str| {
        saved(&work.running, "/admin/settings/build.slots/change", &work.ada, &[("value", slots)])
            .await;
    };
    work.slots("web", "8").await;
    limit("1").await;
    for (id, queue) in [(5, "web"), (6, "api"), (7, "web")] {
        work.submit(id, queue).await;
    }
    work.holds(1, 5).await;
    limit("3").await;
    work.until(&[4, 5, 6], StateKind::Building).await;
    work.holds(3, 7).await;
    limit("1").await;
    work.holds(3, 7).await;
    work.end(4).await;
    work.end(5).await;
    work.holds(1, 7).await;
    work.end(6).await;
    work.end(7).await;
    work.running.end().await;
}

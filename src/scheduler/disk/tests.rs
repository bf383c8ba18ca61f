use super::*;
use crate::{
    app::{DiskSettings, Errand, Parts, Settings, Told},
    domain::{
        Arch, Artifact, Bounds, ImageTypeId, Job, JobId, JobName, JobState, QueueName, Role,
        RunnerId, Timestamp, UserName, admission::Quota, job,
    },
    files::DataDir,
    plugin::{Catalog, CatalogConfig, Limits},
    scheduler::{Builds, recover},
    store::Store,
};
use std::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, error::TryRecvError};

const MIB: u64 = 1 << 20;
const SIZE: u64 = MIB;

/// A sampler whose volume the test makes up; it goes on to use real files for the ballast.
struct Bench {
    sampler: Sampler,
    errands: UnboundedReceiver<Errand>,
    free: Arc<Mutex<Result<u64, String>>>,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = Arc::new(DataDir::open(&dir.path().join("data")).unwrap());
        let (store, _) = Store::open(&data.root().join("db")).unwrap();
        let catalog_config = CatalogConfig {
            plugin_dir: data.root().join("plugins"),
            cache_dir: data.root().join("cwasm"),
            ..CatalogConfig::default()
        };
        let catalog = Catalog::open_with(catalog_config, Limits::default(), Vec::new()).unwrap();
        let settings = settings();
        let parts = Parts { store, data, catalog: Arc::new(catalog), settings };
        let (app, _) = App::new(parts).unwrap();
        let free = Arc::new(Mutex::new(Ok(500 * MIB)));
        let (seen, data) = (Arc::clone(&free), Arc::clone(app.data()));
        let look = move || {
            let free = seen.lock().unwrap().clone()?;
            Ok((Space { total: 1000 * MIB, free }, data.ballast(SIZE)))
        };
        let errands = app.take_errands().unwrap();
        let sampler = Sampler::with_look(app, || Timestamp::from_millis(5), Arc::new(look));
        Self { sampler, errands, free, dir }
    }

    async fn see(&mut self, free: Result<u64, &str>) {
        *self.free.lock().unwrap() = free.map_err(str::to_owned);
        self.sampler.tick().await;
    }

    /// Ticks until the ballast is as it should be; making it is work beside the ticks.
    async fn until(&mut self, ballast: Ballast) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if self.sampler.app.disk().ballast == ballast {
                return;
            }
            self.sampler.tick().await;
            tokio::task::yield_now().await;
        }
        panic!("the ballast stays {:?}", self.sampler.app.disk().ballast);
    }

    fn cleanups(&mut self) -> usize {
        let mut asked = 0;
        loop {
            match self.errands.try_recv() {
                Ok(errand) => {
                    assert_eq!(
                        (errand.chore, errand.trigger),
                        (Chore::Cleanup, Trigger::Watermark)
                    );
                    asked += 1;
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return asked,
            }
        }
    }
}

fn settings() -> Settings {
    Settings {
        definition_limit: 1,
        session_idle: Duration::from_secs(1),
        session_absolute: Duration::from_secs(1),
        first_login: Duration::from_secs(1),
        hosts: Vec::new(),
        sandbox: Told::new(String::new),
        bounds: Bounds::default(),
        slots: 1,
        disk: DiskSettings {
            thresholds: Thresholds::new(100 * MIB, 200 * MIB, 10 * MIB).unwrap(),
            quota: Quota::default(),
            unknown_need: 1,
            ballast: SIZE,
        },
        started: Timestamp::default(),
        swept: Vec::new(),
        timetable: Default::default(),
        retention: Default::default(),
        audit_kept: None,
        cache_budget: 0,
    }
}

#[tokio::test]
async fn a_volume_that_becomes_low_calls_for_one_cleanup_and_an_emergency_for_another() {
    let mut bench = Bench::new();
    bench.see(Ok(100 * MIB)).await;
    assert_eq!(bench.cleanups(), 0);
    bench.see(Ok(99 * MIB)).await;
    bench.see(Ok(98 * MIB)).await;
    assert_eq!(bench.cleanups(), 1);
    assert_eq!(bench.sampler.app.disk().level, Level::Low);
    bench.see(Ok(9 * MIB)).await;
    assert_eq!(bench.cleanups(), 1);
    assert_eq!(bench.sampler.app.disk().level, Level::Emergency);
    bench.see(Ok(199 * MIB)).await;
    assert!(bench.sampler.app.disk().holds());
    bench.see(Ok(200 * MIB)).await;
    assert!(!bench.sampler.app.disk().holds());
    assert_eq!(bench.cleanups(), 0);
}

#[tokio::test]
async fn a_volume_that_cannot_be_looked_at_keeps_its_state_until_it_answers_again() {
    let mut bench = Bench::new();
    bench.see(Ok(300 * MIB)).await;
    bench.see(Err("it was pulled out")).await;
    bench.see(Err("it was pulled out")).await;
    let disk = bench.sampler.app.disk();
    assert_eq!(disk.lost.as_deref(), Some("it was pulled out"));
    assert_eq!(disk.space.map(|s| s.free), Some(300 * MIB));
    assert!(disk.holds());
    bench.see(Ok(300 * MIB)).await;
    assert!(!bench.sampler.app.disk().holds());
}

#[tokio::test]
async fn the_ballast_is_made_given_up_when_the_volume_is_full_and_made_again() {
    let mut bench = Bench::new();
    let file = bench.dir.path().join("data/ballast");
    bench.see(Ok(500 * MIB)).await;
    bench.until(Ballast::There(SIZE)).await;
    assert_eq!(std::fs::metadata(&file).unwrap().len(), SIZE);
    bench.see(Ok(SIZE / 2 - 1)).await;
    assert!(!file.exists());
    assert_eq!(bench.sampler.app.disk().ballast, Ballast::Released(Timestamp::from_millis(5)));
    bench.see(Ok(200 * MIB)).await;
    bench.sampler.tick().await;
    assert!(!file.exists(), "there is not room for it beside what jobs need");
    bench.see(Ok(200 * MIB + SIZE)).await;
    bench.until(Ballast::There(SIZE)).await;
    assert!(file.exists());
}

#[tokio::test]
async fn a_ballast_that_somebody_removed_is_noticed_and_one_of_the_last_run_is_taken_over() {
    let mut bench = Bench::new();
    let data = Arc::clone(bench.sampler.app.data());
    assert!(data.make_ballast(SIZE, || true).unwrap());
    bench.see(Ok(0)).await;
    assert!(matches!(bench.sampler.app.disk().ballast, Ballast::Released(_)));
    bench.see(Ok(500 * MIB)).await;
    bench.until(Ballast::There(SIZE)).await;
    data.release_ballast().unwrap();
    bench.see(Ok(50 * MIB)).await;
    assert_eq!(bench.sampler.app.disk().ballast, Ballast::Missing);
}

fn done(id: u64, owner: &str, bytes: u64) -> Job {
    let at = Timestamp::default();
    Job {
        id: JobId::new(id).unwrap(),
        name: JobName::new("handset").unwrap(),
        owner: UserName::new(owner).unwrap(),
        queue: QueueName::new("web").unwrap(),
        runner: RunnerId::new("mic").unwrap(),
        runner_version: String::new(),
        runner_sha256: String::new(),
        image_type: ImageTypeId::new("raw").unwrap(),
        arch: Arch::new("i586").unwrap(),
        priority: 0,
        launched: false,
        submitted: at,
        retry_of: None,
        request: job::Request::default(),
        state: JobState::Queued.start(at).unwrap().finish(at).unwrap(),
        result: job::BuildResult {
            artifacts: vec![Artifact {
                name: "a.raw".into(),
                role: Role::Image,
                label: String::new(),
                size: bytes,
                sha256: String::new(),
            }],
            peak_disk: bytes * 1000,
            ..job::BuildResult::default()
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_counts_what_images_take_and_learns_what_recipes_need() {
    let bench = Bench::new();
    let app = &bench.sampler.app;
    let jobs: Vec<_> =
        (1..=1_100).map(|id| done(id, if id <= 100 { "bo" } else { "ann" }, 3)).collect();
    let written = app.store().write(move |tx| jobs.iter().try_for_each(|job| tx.put_job(job)));
    written.await.unwrap();
    let bytes = |user: &str| app.bytes_of(&UserName::new(user).unwrap());
    assert!(app.board().needs_estimate(&done(1, "ann", 0)));
    recover(app, Timestamp::default(), Builds::Here).unwrap();
    assert!(!app.board().needs_estimate(&done(1, "ann", 0)));
    assert_eq!(bytes("ann"), 0);
    count_kept(app, || true).unwrap();
    assert_eq!((bytes("ann"), bytes("bo")), (3_000, 300));
    // Its end is the end of the count: a second one changes nothing.
    count_kept(app, || true).unwrap();
    assert_eq!((bytes("ann"), bytes("bo")), (3_000, 300));
}

#[tokio::test]
async fn what_is_left_of_an_unfinished_ballast_gives_back_its_room() {
    let mut bench = Bench::new();
    let file = bench.dir.path().join("data/ballast");
    std::fs::write(&file, "half").unwrap();
    bench.see(Ok(50 * MIB)).await;
    assert!(!file.exists());
}

//! Puts the parts together and stops them in order: the only file that knows them all.

mod builder_process;
mod hands;

pub use builder_process::run_builder;

use crate::{
    app::{App, Chore, DiskSettings, Parts, QueueLimits, Settings, Timetable, Told},
    builder::BuilderConfig,
    config::{Config, LogFormat},
    domain::Timestamp,
    files::DataDir,
    plugin::{Catalog, CatalogConfig, Grant, Watch},
    scheduler::{Chores, Dispatcher, DispatcherConfig, Recovered, Sampler, note_left, recover},
    store::Store,
    web,
};
use anyhow::Context as _;
use hands::Hands;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Where the one-time code of a first sign-in from another machine is written, for the
/// administrator who has no journal at hand.
const CODE_FILE: &str = "first-login-code";
/// Longest an open connection may delay the end of the service.
const CONNECTIONS_CAP: Duration = Duration::from_secs(5);

/// The clock of the whole program.
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Runs the appliance until SIGTERM or SIGINT.
///
/// # Errors
/// Says what kept it from starting, with the way out.
pub fn run(config: Config) -> anyhow::Result<()> {
    start_log(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("img")
        .build()
        .context("no threads can be had for the service")?;
    runtime.block_on(async {
        // Before anything can be started that a signal would have to end well.
        let signals = Signals::listen()?;
        let (stop, stopped) = watch::channel(false);
        let running = Appliance::start(config, stopped).await?;
        tracing::info!(addresses = ?running.addresses(), "ready");
        tell_systemd(&[sd_notify::NotifyState::Ready]);
        let watchdog = tokio::spawn(keep_watchdog());
        signals.received().await;
        tracing::info!("stopping: no new builds start");
        tell_systemd(&[sd_notify::NotifyState::Stopping]);
        // Nobody listening any more is as good as told.
        let _ = stop.send(true);
        running.ended().await;
        watchdog.abort();
        anyhow::Ok(())
    })
}

/// A running appliance.
pub struct Appliance {
    app: App,
    addresses: Vec<std::net::SocketAddr>,
    server: tokio::task::JoinHandle<()>,
    dispatcher: tokio::task::JoinHandle<()>,
    chores: tokio::task::JoinHandle<()>,
    sampler: tokio::task::JoinHandle<()>,
    /// What keeps the builder in reach.
    hands: hands::Held,
    /// Tells the server to end: later than the builds, whose watchers it serves. The disk is
    /// looked at as long, since builds fill it to the end.
    close: watch::Sender<bool>,
    _plugins: Option<Watch>,
}

impl Appliance {
    /// Opens everything, puts right what the last run left, and begins to serve. It stops when
    /// `stopped` turns true; [`ended`](Self::ended) waits for that.
    ///
    /// # Errors
    /// Says what kept it from starting, with the way out.
    pub async fn start(config: Config, stopped: watch::Receiver<bool>) -> anyhow::Result<Self> {
        let config = Arc::new(config);
        let chores = Chores::new(&timetable(&config), now()).await?;
        let opened = Arc::clone(&config);
        let opened = tokio::task::spawn_blocking(move || open(&opened)).await??;
        let Opened { app, wishes, hands, recovered } = opened;

        // Before anything starts: what the first look says holds from the first job on.
        let mut sampler = Sampler::new(app.clone(), now);
        sampler.tick().await;
        let reached = hands.reach(&app).await;
        let dispatcher = Dispatcher::new(
            app.clone(),
            reached.start,
            now,
            dispatcher_config(&config),
            recovered.waiting,
        );
        let (dispatcher, hands) = match reached.remote {
            Some((remote, found)) => {
                (dispatcher.with_remote(remote, found, recovered.building), reached.held)
            }
            None => (dispatcher, reached.held),
        };
        let waker = app.clone();
        // A runner that is new may be switched off, and jobs may wait for it.
        let plugins = app.catalog().watch(move || waker.settings_changed());
        let plugins = plugins.inspect_err(|e| tracing::warn!("{e}")).ok();
        app.wish(crate::app::Wish::Wake)?;

        let server = web::Server::bind(&config, app.clone(), now)
            .await
            .context("the service cannot listen")?;
        let addresses = server.addresses().to_vec();
        let (close, closing) = watch::channel(false);
        let sampler = tokio::spawn(sampler.run(close.subscribe()));
        let server = tokio::spawn(async move { server.run(closing, CONNECTIONS_CAP).await });
        let dispatching = stopped.clone();
        let dispatcher = tokio::spawn(dispatcher.run(wishes, dispatching));
        let loading = app.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = loading.load_inventory() {
                tracing::warn!(%error, "what can be deleted is not known yet");
            }
            if let Err(error) = loading.store().warm_rows() {
                tracing::warn!(%error, "the first list of jobs will take a moment longer");
            }
        });
        let chore_app = app.clone();
        let chores = tokio::spawn(async move {
            if let Err(error) = chores.run(chore_app, now, stopped).await {
                tracing::error!(%error, "chores do not run any more");
            }
        });
        Ok(Self {
            app,
            addresses,
            server,
            dispatcher,
            chores,
            sampler,
            hands,
            close,
            _plugins: plugins,
        })
    }

    /// The TCP addresses it listens on.
    pub fn addresses(&self) -> &[std::net::SocketAddr] {
        &self.addresses
    }

    /// The appliance itself.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Waits for everything to end: builds first, while pages still answer, then the store.
    pub async fn ended(self) {
        let broke = |what: &str, ended: Result<(), tokio::task::JoinError>| {
            if let Err(error) = ended {
                tracing::error!(%error, "{what} broke while stopping");
            }
        };
        broke("the dispatcher", self.dispatcher.await);
        broke("chores", self.chores.await);
        // Nobody listening any more is as good as told.
        let _ = self.close.send(true);
        broke("the server", self.server.await);
        broke("the look at the disk", self.sampler.await);
        self.hands.let_go();
        let app = self.app;
        let close = move || {
            app.stop_compressing();
            app.store().close()
        };
        let closed = tokio::task::spawn_blocking(close).await;
        match closed {
            Ok(Ok(())) => tracing::info!("stopped"),
            Ok(Err(error)) => tracing::error!(%error, "the store was not closed well"),
            Err(error) => tracing::error!(%error, "the store was not closed well"),
        }
    }
}

struct Opened {
    app: App,
    wishes: tokio::sync::mpsc::UnboundedReceiver<crate::app::Wish>,
    hands: Hands,
    recovered: Recovered,
}

fn open(config: &Config) -> anyhow::Result<Opened> {
    let begun = Instant::now();
    let data = Arc::new(DataDir::open(&config.server.data_dir)?);
    let catalog = {
        let catalog_config = catalog_config(config);
        std::thread::spawn(move || Catalog::open(catalog_config))
    };
    let (store, report) = Store::open(&data.root().join("db"))?;
    if report.quarantined > 0 {
        tracing::warn!(records = report.quarantined, "damaged records were put aside: `img fsck`");
    }
    let mut remarks = Vec::new();
    if report.lost_commits > 0 {
        let lost = format!(
            "the end of the store was damaged: its last {} changes are lost; compare with a backup",
            report.lost_commits
        );
        tracing::error!("{lost}");
        remarks.push(lost);
    }
    let catalog = catalog.join().map_err(|_| anyhow::anyhow!("the plugin host broke"))??;
    let catalog = Arc::new(catalog);
    let (hands, swept) = Hands::open(config, &data, &catalog)?;
    remarks.extend(swept.said);
    let settings = settings(config, remarks, hands.sandbox())?;
    let (app, wishes) = App::new(Parts { store, data, catalog, settings })?;
    let code = app.first_start(&queue_limits(config), now())?;
    app.widen_rights(now())?;
    app.settings_changed();
    keep_first_code(&app, code)?;
    let recovered = recover(&app, now(), hands.builds())?;
    note_left(&app, swept.left)?;
    app.compress_old_logs();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        data_dir = %config.server.data_dir.display(),
        waiting = recovered.waiting.len(),
        building = recovered.building.len(),
        interrupted = recovered.interrupted,
        unacknowledged = recovered.unacknowledged,
        took_ms = begun.elapsed().as_millis() as u64,
        "opened"
    );
    Ok(Opened { app, wishes, hands, recovered })
}

/// Tells the one-time code in the journal and in a file only the service can read; removes the
/// file once the code is good for nothing.
fn keep_first_code(app: &App, code: Option<String>) -> anyhow::Result<()> {
    if let Some(code) = code {
        tracing::info!(
            "first start: sign in as imager / imager; from another machine also with the one-time code {code}"
        );
        let dir = app.data().dir();
        dir.remove_file(CODE_FILE)?;
        dir.write_new(CODE_FILE, format!("{code}\n").as_bytes(), 0o600)?;
    } else if !app.first_code_open() {
        app.data().dir().remove_file(CODE_FILE)?;
    }
    Ok(())
}

fn catalog_config(config: &Config) -> CatalogConfig {
    let grant = |runner: &crate::config::Runner| Grant {
        enabled: runner.enabled,
        programs: runner.programs.clone(),
        privileges: runner.privileges.clone(),
        replace: runner.replace,
    };
    CatalogConfig {
        plugin_dir: config.plugin_dir(),
        cache_dir: config.server.data_dir.join("cwasm"),
        path: config.build.path.clone(),
        grants: config.runners.iter().map(|(id, runner)| (id.clone(), grant(runner))).collect(),
    }
}

fn builder_config(config: &Config) -> anyhow::Result<BuilderConfig> {
    // In an empty chroot there is no /proc: then builds run without the sandbox's helper.
    let there = std::env::current_exe().is_ok();
    // Not by its name: an upgrade puts another program there while this one goes on.
    let own_exe = if there { "/proc/self/exe".into() } else { Default::default() };
    Ok(BuilderConfig {
        sandbox: config.build.bounds().sandbox,
        rootless_ids: config.build.rootless_ids,
        path: config.build.path.clone(),
        own_exe,
    })
}

fn dispatcher_config(config: &Config) -> DispatcherConfig {
    DispatcherConfig {
        grace: [config.build.grace_interrupt.get(), config.build.grace_terminate.get()],
        log: config.limits.log.get(),
        stop_grace: config.server.stop_grace.get(),
    }
}

fn queue_limits(config: &Config) -> QueueLimits {
    QueueLimits {
        slots: config.build.slots,
        cap: config.limits.queue_cap,
        total: config.limits.total.get(),
        silence: config.limits.silence.get(),
    }
}

fn disk_settings(config: &Config) -> anyhow::Result<DiskSettings> {
    Ok(DiskSettings {
        thresholds: config.disk.thresholds().context("[disk]")?,
        quota: config.quota.quota(),
        unknown_need: config.disk.unknown_need.get(),
        ballast: config.disk.ballast.get(),
    })
}

fn settings(config: &Config, swept: Vec<String>, sandbox: Told) -> anyhow::Result<Settings> {
    Ok(Settings {
        definition_limit: config.limits.definition.get(),
        session_idle: config.sessions.idle.get(),
        session_absolute: config.sessions.absolute.get(),
        first_login: config.sessions.first_login.get(),
        hosts: config.server.hosts.clone(),
        sandbox,
        bounds: config.build.bounds(),
        slots: config.build.slots,
        disk: disk_settings(config)?,
        started: now(),
        swept,
        timetable: timetable(config),
        retention: config.retention.policy(),
        audit_kept: config.retention.audit.get(),
        cache_budget: config.retention.cache.get(),
    })
}

fn timetable(config: &Config) -> Timetable {
    let schedule = &config.schedule;
    let text = |chore| match chore {
        Chore::Cleanup => &schedule.cleanup,
        Chore::Orphans => &schedule.orphans,
        Chore::ExpireSessions => &schedule.expire_sessions,
        Chore::Backup => &schedule.backup,
        Chore::Verify => &schedule.verify,
    };
    Chore::ALL.into_iter().map(|chore| (chore, text(chore).clone())).collect()
}

fn start_log(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::new(format!(
        "{level},sled=warn,tokio_cron_scheduler=warn,hyper=warn,cranelift=warn,wasmtime=warn",
        level = config.log.level.as_str()
    ));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let log = log.with_ansi(false).with_target(false);
    // A second start in one process (tests) keeps the first log.
    let _ = match config.log.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// SIGTERM and SIGINT: end well.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM cannot be listened to")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT cannot be listened to")?,
        })
    }

    async fn received(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn tell_systemd(states: &[sd_notify::NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

/// Shows systemd that the async threads still turn.
async fn keep_watchdog() {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    let mut tick = tokio::time::interval(period / 3);
    loop {
        tick.tick().await;
        tell_systemd(&[sd_notify::NotifyState::Watchdog]);
    }
}

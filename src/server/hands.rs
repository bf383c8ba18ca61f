//! Who carries out builds: the service itself, or a builder that is a process of its own.

use crate::{
    app::{App, Told},
    builder::{Builder, Remote, Swept, sweep_trash},
    config::Config,
    domain::JobId,
    files::{BuildsLock, DataDir},
    plugin::Catalog,
    scheduler::{Builds, StartBuild, follow_link, note_link},
};
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::mpsc::UnboundedReceiver, task::JoinHandle};

/// How long a start waits for the builder's first answer; without it jobs wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who carries out builds.
pub(super) enum Hands {
    /// The service itself; nobody else may meanwhile.
    Own(Builder, BuildsLock),
    /// A process of its own.
    Remote(Remote, UnboundedReceiver<JobId>),
}

/// How builds are started, and what has to be held meanwhile.
pub(super) struct Reached {
    pub(super) start: StartBuild,
    pub(super) remote: Option<(Remote, UnboundedReceiver<JobId>)>,
    pub(super) held: Held,
}

/// What has to be held while builds are carried out.
pub(super) enum Held {
    Own(Builder, BuildsLock),
    Remote([JoinHandle<()>; 2]),
}

impl Hands {
    /// What the configuration says, and what was found and freed of the last run.
    ///
    /// # Errors
    /// When another builder works in the data directory.
    pub(super) fn open(
        config: &Config,
        data: &Arc<DataDir>,
        catalog: &Arc<Catalog>,
    ) -> anyhow::Result<(Self, Swept)> {
        let socket = &config.builder.socket;
        let (hands, swept) = if socket.as_os_str().is_empty() {
            let lock = data.lock_builds()?;
            let config = super::builder_config(config)?;
            let builder = Builder::new(Arc::clone(data), Arc::clone(catalog), config);
            let mut swept = builder.sweep_builds();
            swept.said.extend(sweep_trash(data));
            (Self::Own(builder, lock), swept)
        } else {
            let data = Arc::clone(data);
            let swept = Swept { said: sweep_trash(&data), ..Swept::default() };
            let (remote, found) = Remote::new(data, socket.clone(), Handle::current());
            (Self::Remote(remote, found), swept)
        };
        for found in &swept.said {
            tracing::warn!("left by the last run: {found}");
        }
        Ok((hands, swept))
    }

    /// What confines builds, for people.
    pub(super) fn sandbox(&self) -> Told {
        match self {
            Self::Own(builder, _) => {
                let builder = builder.clone();
                Told::new(move || builder.sandbox())
            }
            Self::Remote(remote, _) => {
                let link = remote.link();
                Told::new(move || match link.borrow().sandbox.as_str() {
                    "" => "not known before the builder is there".to_owned(),
                    words => words.to_owned(),
                })
            }
        }
    }

    /// Where the builds of the last run were.
    pub(super) fn builds(&self) -> Builds {
        match self {
            Self::Own(..) => Builds::Here,
            Self::Remote(..) => Builds::Elsewhere,
        }
    }

    /// Reaches for a builder that is a process of its own, for a moment, and keeps `app` informed
    /// of it from now on.
    pub(super) async fn reach(self, app: &App) -> Reached {
        match self {
            Self::Own(builder, lock) => {
                let held = Held::Own(builder.clone(), lock);
                let start = Arc::new(move |order| builder.start(order));
                Reached { start, remote: None, held }
            }
            Self::Remote(remote, found) => {
                let line = tokio::spawn(remote.clone().run());
                remote.first_answer(PATIENCE).await;
                // Jobs wait from the first moment on if it is away.
                note_link(app, &remote.link().borrow());
                let link = tokio::spawn(follow_link(app.clone(), remote.link()));
                let starter = remote.clone();
                Reached {
                    start: Arc::new(move |order| starter.start(order)),
                    remote: Some((remote, found)),
                    held: Held::Remote([line, link]),
                }
            }
        }
    }
}

impl Held {
    /// The service ends: builds that go on elsewhere go on.
    pub(super) fn let_go(self) {
        match self {
            Self::Own(builder, _lock) => builder.rest(),
            Self::Remote(tasks) => tasks.into_iter().for_each(|task| task.abort()),
        }
    }
}

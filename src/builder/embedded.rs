//! The builder inside the server's own process: [`protocol`](super::protocol) messages over
//! channels instead of a socket.

use super::protocol::{Event, Order, StopReason};
use crate::{files::DataDir, plugin::Catalog};
use std::{path::PathBuf, sync::Arc};
use tokio::sync::mpsc;

/// How builds run on this box.
#[derive(Clone, Debug)]
pub struct BuilderConfig {
    /// `namespaces` (default when allowed) or `off`.
    pub sandbox: bool,
    /// Directories in which granted programs are looked up, in order.
    pub path: Vec<PathBuf>,
    /// This program, for starting the sandbox shim.
    pub own_exe: PathBuf,
}

/// Carries out orders.
#[derive(Clone)]
pub struct Builder {
    _data: Arc<DataDir>,
    _catalog: Arc<Catalog>,
    _config: Arc<BuilderConfig>,
}

/// One build under way.
pub struct Build {
    /// What happens, `Finished` last. Bounded: a reader that stops reading stops the build's output.
    pub events: mpsc::Receiver<Event>,
    stop: mpsc::Sender<StopReason>,
}

impl Build {
    /// Starts the ladder SIGINT → grace → SIGTERM → grace → kill. More than one call is harmless.
    pub fn stop(&self, reason: StopReason) {
        // A full channel means that a stop is already under way.
        let _ = self.stop.try_send(reason);
    }

    /// A handle that can stop the build while somebody else reads the events.
    pub fn stopper(&self) -> mpsc::Sender<StopReason> {
        self.stop.clone()
    }
}

impl Builder {
    /// A builder over `data`, with the runners of `catalog`.
    pub fn new(data: Arc<DataDir>, catalog: Arc<Catalog>, config: BuilderConfig) -> Self {
        Self { _data: data, _catalog: catalog, _config: Arc::new(config) }
    }

    /// Begins to carry out `order`. Everything that goes wrong arrives as `Finished`.
    pub fn start(&self, order: Order) -> Build {
        todo!("{order:?}")
    }

    /// Frees what builds of a process that died left behind: processes, mounts, loop devices and
    /// directories below the build directory. Returns one sentence per thing found.
    pub fn sweep(&self) -> Vec<String> {
        todo!()
    }
}

//! The parser of one job's output: one Store for the whole job.

use super::{
    PluginError, api,
    bindings::{RunnerPre, exports::img::runner::build::Guest},
    check,
    engine::arm,
    limits::State,
    warden::{Call, Warden},
};
use std::{fmt, sync::Arc};
use wasmtime::{Store, component::ResourceAny};

/// The parser of one job's output; keeps its state between batches.
pub struct Observer {
    warden: Arc<Warden>,
    /// `None` after a failure: the instance is dead then.
    live: Option<Live>,
}

struct Live {
    store: Store<State>,
    guest: Guest,
    resource: ResourceAny,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("runner", &self.warden.id())
            .field("live", &self.live.is_some())
            .finish()
    }
}

impl Observer {
    pub(super) fn new(
        warden: Arc<Warden>,
        pre: &RunnerPre<State>,
        request: &api::Request,
    ) -> Result<Self, PluginError> {
        let mut store = warden.store(Call::Observer);
        let made = pre.instantiate(&mut store).and_then(|instance| {
            let guest = instance.img_runner_build().clone();
            let resource = guest.observer().call_constructor(&mut store, request)?;
            Ok((guest, resource))
        });
        let (guest, resource) = warden.judge(Call::Observer, &store, made, Ok)?;
        Ok(Self { warden, live: Some(Live { store, guest, resource }) })
    }

    /// What these lines mean.
    ///
    /// # Errors
    /// See [`PluginError`]; after one the observer is dead and answers nothing more.
    pub fn feed(&mut self, lines: &[String]) -> Result<Vec<api::Event>, PluginError> {
        let Some(mut live) = self.live.take() else {
            return Err(self.warden.error("its observer failed before and answers no more".into()));
        };
        arm(&mut live.store, self.warden.deadline());
        let Live { store, guest, resource } = &mut live;
        let answer = guest.observer().call_feed(&mut *store, *resource, lines);
        let events = self.warden.judge(Call::Feed, store, answer, check::events)?;
        self.live = Some(live);
        Ok(events)
    }
}

//! One engine for all runners, its clock, and what a guest finds to import.

use super::{
    PluginError, bindings,
    clock::TICK,
    limits::{Limits, State},
};
use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};
use wasmtime::{
    Config, Engine, EngineWeak, Store, StoreContextMut, Strategy, UpdateDeadline,
    component::{HasSelf, Linker},
};

/// The engine and what belongs to it. Every runner holds it in an `Arc`.
pub(super) struct Host {
    pub(super) engine: Engine,
    pub(super) linker: Linker<State>,
    pub(super) limits: Limits,
    changed: AtomicBool,
    _ticker: Ticker,
}

impl Host {
    /// # Errors
    /// When the engine or its clock cannot be made.
    pub(super) fn new(limits: Limits) -> Result<Arc<Self>, PluginError> {
        let engine = Engine::new(&config(&limits)).map_err(|e| cannot("make its engine", &e))?;
        let mut linker = Linker::new(&engine);
        bindings::Runner::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)
            .map_err(|e| cannot("offer its one import", &e))?;
        let ticker = Ticker::start(engine.weak())?;
        Ok(Arc::new(Self {
            engine,
            linker,
            limits,
            changed: AtomicBool::new(false),
            _ticker: ticker,
        }))
    }

    /// A fresh Store whose first call has to end within `deadline` and may answer `answer` bytes.
    pub(super) fn store(
        &self,
        runner: &Arc<str>,
        deadline: Duration,
        answer: usize,
    ) -> Store<State> {
        let mut store = Store::new(&self.engine, State::new(runner.clone(), &self.limits));
        store.limiter(|state| state);
        store.epoch_deadline_callback(more_ticks);
        arm(&mut store, deadline);
        store.set_hostcall_fuel(answer);
        store
    }

    /// Tells compiled code of this engine from that of any other version or setting.
    pub(super) fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Notes that a runner's health changed, so that the catalog shows it.
    pub(super) fn note_change(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// True once after a change was noted.
    pub(super) fn take_change(&self) -> bool {
        // The plain load first: the catalog asks at every look.
        self.changed.load(Ordering::Acquire) && self.changed.swap(false, Ordering::AcqRel)
    }
}

/// From now on the guest in `store` has `deadline` before it is stopped.
pub(super) fn arm(store: &mut Store<State>, deadline: Duration) {
    store.data_mut().begin_call(deadline);
    store.set_epoch_deadline(1);
}

/// Asked whenever the ticks a guest was given are over.
fn more_ticks(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    Ok(match store.data_mut().clock.more() {
        Some(ticks) => UpdateDeadline::Continue(ticks),
        None => UpdateDeadline::Interrupt,
    })
}

fn config(limits: &Limits) -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift);
    config.epoch_interruption(true);
    // Virtual memory: the default is 4 GiB for each instance, which adds up under a quota.
    config.memory_reservation(limits.memory as u64);
    config.memory_reservation_for_growth(0);
    config.memory_guard_size(64 << 10);
    config.guard_before_linear_memory(false);
    config.max_wasm_stack(512 << 10);
    // Calls are plain calls; what is not offered cannot be misused.
    config.concurrency_support(false);
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    config.wasm_relaxed_simd(false);
    config
}

fn cannot(what: &'static str, error: &wasmtime::Error) -> PluginError {
    PluginError::Host { what, reason: format!("{error:#}") }
}

/// Moves the epoch on; ends when it is dropped, or the engine is.
struct Ticker {
    _stop: Sender<()>,
}

impl Ticker {
    fn start(engine: EngineWeak) -> Result<Self, PluginError> {
        let (stop, stopped) = channel();
        std::thread::Builder::new()
            .name("img-epoch".into())
            .spawn(move || tick(&engine, &stopped))
            .map_err(|e| PluginError::Host { what: "start its clock", reason: e.to_string() })?;
        Ok(Self { _stop: stop })
    }
}

fn tick(engine: &EngineWeak, stopped: &Receiver<()>) {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}

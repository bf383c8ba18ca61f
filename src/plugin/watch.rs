//! Notices what is dropped into the plugin directory: events where the system gives them, a slow
//! look in any case.

use super::{Catalog, PluginError};
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

/// How often the directory is looked at without an event.
const POLL: Duration = Duration::from_secs(30);
/// A copy under way counts as finished after this long without an event,
const QUIET: Duration = Duration::from_millis(200);
/// but the look is not put off longer than this.
const PATIENCE: Duration = Duration::from_secs(3);

/// Keeps the plugin directory watched; dropping it ends that.
#[derive(Debug)]
pub struct Watch {
    send: Sender<Message>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The thread may have ended already.
        let _ = self.send.send(Message::Stop);
    }
}

#[derive(Debug)]
enum Message {
    Touched,
    Stop,
}

struct Watcher {
    catalog: Weak<Catalog>,
    dir: PathBuf,
    events: Option<RecommendedWatcher>,
    changed: Box<dyn Fn() + Send + Sync>,
}

/// Starts the thread. When the system gives no events the error says so, and the thread goes on
/// polling until the catalog is dropped.
pub(super) fn start(
    catalog: &Arc<Catalog>,
    dir: &Path,
    changed: Box<dyn Fn() + Send + Sync>,
) -> Result<Watch, PluginError> {
    let (send, messages) = channel();
    let (events, trouble) = match events(dir, send.clone()) {
        Ok(events) => (Some(events), None),
        Err(e) => (None, Some(e.to_string())),
    };
    let catalog = Arc::downgrade(catalog);
    let watcher = Watcher { catalog, dir: dir.to_owned(), events, changed };
    // Without events nobody but us holds a sender; the thread must not take that for the end.
    let kept = trouble.is_some().then(|| send.clone());
    let thread = move || {
        let _kept = kept;
        watcher.run(&messages);
    };
    let host = |what, reason| PluginError::Host { what, reason };
    std::thread::Builder::new()
        .name("img-plugins".into())
        .spawn(thread)
        .map_err(|e| host("start its watch", e.to_string()))?;
    match trouble {
        None => Ok(Watch { send }),
        Some(why) => {
            // Not dropped: that would stop the polling.
            std::mem::forget(Watch { send });
            Err(host("watch the plugin directory", format!("{why}; it is polled instead")))
        }
    }
}

fn events(dir: &Path, send: Sender<Message>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error (such as an overflow) may hide a change.
        if event.is_ok_and(|event| reading(&event.kind)) {
            return;
        }
        let _ = send.send(Message::Touched);
    })?;
    watcher.watch(dir, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Reading makes events too, ours among them; a rescan must not cause the next one.
fn reading(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    }
}

impl Watcher {
    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            match messages.recv_timeout(POLL) {
                Ok(Message::Touched) => {
                    if !settle(messages) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.rearm(),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            if !self.look() {
                return;
            }
        }
    }

    /// False once the catalog is gone.
    fn look(&self) -> bool {
        let Some(catalog) = self.catalog.upgrade() else { return false };
        if catalog.rescan() {
            (self.changed)();
        }
        true
    }

    /// A directory that was removed and made again is another one: events need asking for again.
    fn rearm(&mut self) {
        if let Some(events) = &mut self.events {
            let _ = events.unwatch(&self.dir);
            if let Err(e) = events.watch(&self.dir, RecursiveMode::NonRecursive) {
                tracing::debug!("the plugin directory gives no events: {e}");
            }
        }
    }
}

/// Waits until nothing has happened for a moment. False when it was told to stop.
fn settle(messages: &Receiver<Message>) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match messages.recv_timeout(QUIET) {
            Ok(Message::Touched) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

//! Work that is done beside everything else: on a timetable, when the disk asks for it, or because
//! somebody wants it now. One worker of the scheduler does it, so nothing ever runs twice at once.

use super::App;
use crate::domain::retention::Trigger;
use std::{collections::HashSet, sync::PoisonError};
use tokio::sync::{mpsc, watch};

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chore {
    /// Delete what the rules no longer keep.
    Cleanup,
    /// Compare job directories with records, both ways.
    Orphans,
    /// Remove ended sessions and expired tokens.
    ExpireSessions,
    /// Write an export of the store to the data directory.
    Backup,
    /// Read kept images and compare their checksums.
    Verify,
}

impl Chore {
    /// Every chore, in the order pages show them.
    pub const ALL: [Self; 5] =
        [Self::Cleanup, Self::Orphans, Self::ExpireSessions, Self::Backup, Self::Verify];

    /// The word in config.toml, in the store and in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cleanup => "cleanup",
            Self::Orphans => "orphans",
            Self::ExpireSessions => "expire_sessions",
            Self::Backup => "backup",
            Self::Verify => "verify",
        }
    }

    /// The chore a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chore| chore.as_str() == word)
    }
}

/// A chore that is wanted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// What to do.
    pub chore: Chore,
    /// Why now.
    pub trigger: Trigger,
}

/// Errands on their way to the worker.
pub(super) struct Errands {
    sender: mpsc::UnboundedSender<Errand>,
    receiver: std::sync::Mutex<Option<mpsc::UnboundedReceiver<Errand>>>,
    running: std::sync::Mutex<HashSet<Chore>>,
    timetable: watch::Sender<u64>,
}

impl Default for Errands {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            sender,
            receiver: std::sync::Mutex::new(Some(receiver)),
            running: std::sync::Mutex::default(),
            timetable: watch::channel(0).0,
        }
    }
}

impl App {
    /// Asks for a chore. Nobody waits for it; when the service stops it is not done any more.
    pub fn send_errand(&self, chore: Chore, trigger: Trigger) {
        // Without a worker the service is stopping, or a test has none.
        let _ = self.errands().sender.send(Errand { chore, trigger });
    }

    /// Marks a chore as running. False if it runs already.
    pub fn begin_chore(&self, chore: Chore) -> bool {
        self.errands().running.lock().unwrap_or_else(PoisonError::into_inner).insert(chore)
    }

    /// The chore runs no longer.
    pub fn end_chore(&self, chore: Chore) {
        self.errands().running.lock().unwrap_or_else(PoisonError::into_inner).remove(&chore);
    }

    /// The chores that run now.
    pub fn running_chores(&self) -> HashSet<Chore> {
        self.errands().running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells the worker to read the timetable again.
    pub(super) fn timetable_changed(&self) {
        self.errands().timetable.send_modify(|version| *version += 1);
    }

    /// Changes whenever somebody changed the timetable.
    pub fn timetable_changes(&self) -> watch::Receiver<u64> {
        self.errands().timetable.subscribe()
    }

    /// The errands, for the one worker; `None` if somebody has them already.
    pub fn take_errands(&self) -> Option<mpsc::UnboundedReceiver<Errand>> {
        let mut slot = self.errands().receiver.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take()
    }
}

//! What the board knows of the disk: the volume, what recipes need, what images take, and who is
//! about to take a place in line.

use super::{Board, Inner, Recipe, ledger::Ledger};
use crate::{
    app::{Change, DiskSettings, DiskState},
    domain::{
        Hold, Job, JobId, Line, QueueName, StateKind, Timestamp, UserName,
        admission::{
            self, Ballast, Need, Peaks, QuotaRefusal, Quotas, Request, Space, Thresholds, Turn,
            Volume, kept_bytes,
        },
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// How many past peaks of a recipe are remembered.
const REMEMBERED: usize = 9;
/// How many recipes are remembered before the memory is started afresh.
const RECIPES: usize = 4_096;
/// How many waiting jobs are told again when the free space in their reason has changed.
const TOLD: usize = 20;

/// What is known of a waiting job's need.
struct Wants {
    recipe: Recipe,
    estimate: Option<u64>,
}

/// What past builds of a recipe have held.
#[derive(Default)]
struct Past {
    /// Those that ended well, newest last.
    whole: VecDeque<u64>,
    /// The last one that was cut short: SHA-256 of its definition, and its peak.
    cut_short: Option<(String, u64)>,
}

#[derive(Default)]
pub(super) struct Room {
    quotas: Quotas,
    /// Bytes a job is taken to need if nothing else tells.
    unknown_need: u64,
    /// Bytes of ballast; 0: none.
    ballast_size: u64,
    volume: Volume,
    /// Since when jobs wait for the volume.
    since: Option<Timestamp>,
    ballast: Ballast,
    next_cleanup: Option<String>,
    past: HashMap<Recipe, Past>,
    wants: HashMap<JobId, Wants>,
    /// Jobs that were let in and are not in line yet.
    coming: HashMap<UserName, u64>,
    ledger: Ledger,
}

impl Room {
    pub(super) fn new(settings: DiskSettings) -> Self {
        let volume = Volume::new(settings.thresholds);
        let ballast = if settings.ballast == 0 { Ballast::Off } else { Ballast::Missing };
        Self {
            quotas: Quotas { general: settings.quota, ..Quotas::default() },
            unknown_need: settings.unknown_need,
            ballast_size: settings.ballast,
            volume,
            ballast,
            ..Self::default()
        }
    }

    pub(super) fn enqueue(&mut self, job: &Job, estimate: Option<u64>) {
        self.wants.insert(job.id, Wants { recipe: Recipe::of(job), estimate });
    }

    pub(super) fn dequeue(&mut self, id: JobId) {
        self.wants.remove(&id);
    }

    /// What a waiting job is taken to need.
    pub(super) fn need(&self, job: &Job) -> Need {
        let of = |recipe, estimate| {
            let peaks = self.peaks(recipe, &job.request.definition_sha256);
            admission::need(peaks, estimate, self.unknown_need, self.volume.usable())
        };
        match self.wants.get(&job.id) {
            Some(wants) => of(&wants.recipe, wants.estimate),
            None => of(&Recipe::of(job), None),
        }
    }

    fn peaks(&self, recipe: &Recipe, definition: &str) -> Peaks {
        let Some(past) = self.past.get(recipe) else { return Peaks::default() };
        let same = past.cut_short.as_ref().filter(|(sha256, _)| sha256 == definition);
        Peaks { whole: past.whole.iter().copied().max(), cut_short: same.map(|(_, peak)| *peak) }
    }

    fn remember_peak(&mut self, job: &Job) {
        let (peak, sha256) = (job.result.peak_disk, &job.request.definition_sha256);
        if peak == 0 {
            return;
        }
        if self.past.len() >= RECIPES {
            self.past.clear();
        }
        let past = self.past.entry(Recipe::of(job)).or_default();
        let same = past.cut_short.take_if(|(definition, _)| definition == sha256);
        if job.state.kind() == StateKind::Done {
            past.whole.push_back(peak);
            if past.whole.len() > REMEMBERED {
                past.whole.pop_front();
            }
        } else {
            let before = same.map_or(0, |(_, peak)| peak);
            past.cut_short = Some((sha256.clone(), peak.max(before)));
        }
    }

    fn turned(&mut self, turn: &Turn, now: Timestamp) {
        let waits = self.volume.lost().is_some() || self.volume.level() > admission::Level::Roomy;
        if *turn != Turn::Same {
            self.since = waits.then(|| self.since.unwrap_or(now));
        }
    }
}

impl Inner {
    /// What building jobs may still write.
    fn reserved(&self) -> u64 {
        admission::reserved(self.building.values().map(|b| (b.need, b.live.disk)))
    }

    /// Why the disk or a quota keeps a waiting job.
    pub(super) fn room_hold(&self, job: &Job) -> Option<Hold> {
        let room = &self.room;
        let running = self.building.values().filter(|b| b.owner == job.owner).count();
        let request = Request {
            user: &job.owner,
            queue: &job.queue,
            need: room.need(job),
            reserved: self.reserved(),
            user_running: u32::try_from(running).unwrap_or(u32::MAX),
            user_bytes: room.ledger.of_user(&job.owner),
            queue_bytes: room.ledger.of_queue(&job.queue),
            next_cleanup: room.next_cleanup.as_deref(),
        };
        admission::hold(&room.volume, &room.quotas.of(&job.owner, &job.queue), &request)
    }
}

/// A place in line that was promised; letting go of it gives it back.
pub struct Place {
    board: Arc<Board>,
    user: UserName,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.board.lock();
        let coming = &mut inner.room.coming;
        let left = coming.get(&self.user).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            coming.remove(&self.user);
        } else {
            coming.insert(self.user.clone(), left);
        }
    }
}

impl Board {
    /// A board that goes by these settings.
    pub fn new(settings: DiskSettings) -> Self {
        let inner = Inner { room: Room::new(settings), ..Inner::default() };
        Self { inner: std::sync::Mutex::new(inner), ..Self::default() }
    }

    /// Goes by other limits from now on; by other thresholds from the next look at the volume on.
    pub fn set_limits(&self, quotas: Quotas, thresholds: Thresholds, unknown_need: u64) {
        let room = &mut self.lock().room;
        room.quotas = quotas;
        room.unknown_need = unknown_need;
        room.volume.set_thresholds(thresholds);
    }

    /// Promises the job a place in line, as far as quotas go. Two that ask at once cannot both get
    /// the last one.
    ///
    /// # Errors
    /// The quota that is used up.
    pub fn claim_place(self: &Arc<Self>, job: &Job) -> Result<Place, QuotaRefusal> {
        let mut inner = self.lock();
        let in_line: usize = inner.waiting.values().map(|line| line.of_user(&job.owner)).sum();
        let room = &mut inner.room;
        let coming = room.coming.get(&job.owner).copied().unwrap_or(0);
        let user = (&job.owner, in_line as u64 + coming, room.ledger.of_user(&job.owner));
        let quota = room.quotas.of(&job.owner, &job.queue);
        quota.submit(user, (&job.queue, room.ledger.of_queue(&job.queue)))?;
        room.coming.insert(job.owner.clone(), coming.saturating_add(1));
        Ok(Place { board: Arc::clone(self), user: job.owner.clone() })
    }

    /// True if nothing is known of what builds of this recipe hold, so that the runner's estimate
    /// is worth asking for.
    pub fn needs_estimate(&self, job: &Job) -> bool {
        self.lock().room.peaks(&Recipe::of(job), "").whole.is_none()
    }

    /// Remembers the most bytes an ended build has held.
    pub fn remember_peak(&self, job: &Job) {
        self.lock().room.remember_peak(job);
    }

    /// Takes in a look at the volume. True with it if the free space, as people are told it, has
    /// changed.
    pub fn note_space(&self, space: Space, now: Timestamp) -> (Turn, bool) {
        let mut inner = self.lock();
        let shown = |s: Space| admission::Rounded::down(s.free);
        let before = inner.room.volume.space().map(shown);
        let turn = inner.room.volume.seen(space);
        inner.room.turned(&turn, now);
        drop(inner);
        self.tell(&turn);
        (turn, before != Some(shown(space)))
    }

    /// A look at the volume failed.
    pub fn note_lost(&self, reason: String, now: Timestamp) -> Turn {
        let mut inner = self.lock();
        let turn = inner.room.volume.not_seen(reason);
        inner.room.turned(&turn, now);
        drop(inner);
        self.tell(&turn);
        turn
    }

    fn tell(&self, turn: &Turn) {
        if *turn != Turn::Same {
            self.announce(Change::Queues);
        }
    }

    /// True if any job waits.
    pub fn anything_waits(&self) -> bool {
        self.lock().waiting.values().any(|line| !line.is_empty())
    }

    /// Tells watchers of some waiting jobs, the oldest, that the free space in their reason has
    /// changed.
    pub fn tell_waiting(&self) {
        let mut ids: Vec<_> = self.lock().waiting.values().flat_map(Line::ids).collect();
        ids.sort_unstable();
        ids.into_iter().take(TOLD).for_each(|id| self.announce(Change::Job(id)));
    }

    /// When the next cleanup comes, as people are to be told ("14:30 UTC").
    pub fn set_next_cleanup(&self, at: Option<String>) {
        self.lock().room.next_cleanup = at;
    }

    /// Where the ballast is.
    pub fn set_ballast(&self, ballast: Ballast) {
        self.lock().room.ballast = ballast;
    }

    /// The disk as the board knows it.
    pub fn disk(&self) -> DiskState {
        let inner = self.lock();
        let room = &inner.room;
        DiskState {
            space: room.volume.space(),
            level: room.volume.level(),
            lost: room.volume.lost().map(str::to_owned),
            since: room.since,
            thresholds: *room.volume.thresholds(),
            reserved: inner.reserved(),
            ballast: room.ballast,
            ballast_size: room.ballast_size,
            next_cleanup: room.next_cleanup.clone(),
        }
    }

    /// Bytes that the images of a user take.
    pub fn bytes_of_user(&self, user: &UserName) -> u64 {
        self.lock().room.ledger.of_user(user)
    }

    /// Bytes that the images of a queue's jobs take.
    pub fn bytes_of_queue(&self, queue: &QueueName) -> u64 {
        self.lock().room.ledger.of_queue(queue)
    }

    /// Images of a job that has just ended are kept from now on. Call it before the record says so.
    pub fn add_bytes(&self, job: &Job) {
        self.lock().room.ledger.add(job, kept_bytes(job));
    }

    /// `bytes` of a job's images are gone. Call it after the record says so.
    pub fn remove_bytes(&self, job: &Job, bytes: u64) {
        self.lock().room.ledger.remove(job, bytes);
    }

    /// Counts images of jobs that ended before the start; jobs come newest first.
    pub fn count_bytes(&self, jobs: &[Job]) {
        let mut inner = self.lock();
        for job in jobs {
            inner.room.ledger.count(job, kept_bytes(job));
        }
    }

    /// Every job from before the start is counted.
    pub fn counted_bytes(&self) {
        self.lock().room.ledger.counted();
    }
}

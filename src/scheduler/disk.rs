//! Looks at the data volume once a second: notes what is free on the board, wakes the dispatcher
//! when there is more room, asks for a cleanup when there is too little, and gives up or takes back
//! the ballast.

use super::{Clock, recover::count_kept};
use crate::{
    app::{App, Chore, Wish},
    domain::{
        Timestamp,
        admission::{
            Ballast, BallastStep, Level, Rounded, Space, Summons, Thresholds, Turn, ballast_step,
        },
        retention::Trigger,
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::{MissedTickBehavior, interval, timeout},
};

/// How often the volume is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// A look that takes longer counts as failed; there is none beside it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon a ballast that could not be made, or given up, is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// How often open pages are told of the free space in the reasons of jobs that wait.
const TELL: Duration = Duration::from_secs(5);

/// What a look sees: the volume, and the bytes of the ballast if it is there.
pub type Seen = (Space, Option<u64>);

/// Looks at the volume; may block. The error is a sentence.
pub type Look = Arc<dyn Fn() -> Result<Seen, String> + Send + Sync>;

/// The one who looks.
pub struct Sampler {
    app: App,
    clock: Clock,
    look: Look,
    begun: Instant,
    looking: Option<JoinHandle<Result<Seen, String>>>,
    /// When pages were told last, on the sampler's clock.
    told: Option<Duration>,
    summons: Summons,
    ballast: BallastWork,
    counting: Option<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
}

/// What is under way with the ballast.
#[derive(Default)]
struct BallastWork {
    /// Whether what an earlier run left was dealt with.
    tidied: bool,
    making: Option<JoinHandle<Result<bool, String>>>,
    /// Not before that, on the sampler's clock.
    again: Option<Duration>,
    /// Writes that had met a full disk when it was last dealt with.
    full: u64,
}

impl Sampler {
    /// One that has not looked yet.
    pub fn new(app: App, clock: Clock) -> Self {
        let (data, size) = (Arc::clone(app.data()), app.settings().disk.ballast);
        let look = move || {
            let space = data.space().map_err(|e| e.to_string())?;
            let ballast = if size > 0 { data.ballast(size) } else { None };
            Ok((Space { total: space.total, free: space.free }, ballast))
        };
        Self::with_look(app, clock, Arc::new(look))
    }

    /// One that sees what `look` says.
    pub fn with_look(app: App, clock: Clock, look: Look) -> Self {
        Self {
            app,
            clock,
            look,
            begun: Instant::now(),
            looking: None,
            told: None,
            summons: Summons::default(),
            ballast: BallastWork::default(),
            counting: None,
            stopping: Arc::default(),
        }
    }

    /// Looks every second until `stop` turns true. What older images take is counted beside it.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        self.counting = Some(self.count());
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                () = async {
                    tick.tick().await;
                    self.tick().await;
                } => {}
            }
        }
        self.end().await;
    }

    fn count(&self) -> JoinHandle<()> {
        let (app, stopping) = (self.app.clone(), Arc::clone(&self.stopping));
        spawn_blocking(move || {
            let go_on = || !stopping.load(Ordering::Relaxed);
            if let Err(error) = count_kept(&app, go_on) {
                tracing::warn!(%error, "what images take could not be counted: quotas see less");
            }
        })
    }

    /// Lets go of what is under way: the store is about to be closed.
    async fn end(self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(Err(error)) = optional(self.counting).await {
            tracing::error!(%error, "counting what images take broke");
        }
        if let Some(Err(error)) = optional(self.ballast.making).await {
            tracing::error!(%error, "making the ballast broke");
        }
    }

    /// One look and what follows from it.
    pub async fn tick(&mut self) {
        match self.look_once().await {
            Ok((space, ballast)) => {
                self.take(space);
                self.tend_ballast(space, ballast).await;
            }
            Err(reason) => self.lost(reason),
        }
    }

    async fn look_once(&mut self) -> Result<Seen, String> {
        let look = &self.look;
        let looking = self.looking.get_or_insert_with(|| {
            let look = Arc::clone(look);
            spawn_blocking(move || look())
        });
        let Ok(looked) = timeout(PATIENCE, looking).await else {
            return Err(format!("it has not answered for {} s", PATIENCE.as_secs()));
        };
        self.looking = None;
        looked.map_err(|e| e.to_string())?
    }

    fn take(&mut self, space: Space) {
        let board = self.app.board();
        let (turn, shown) = board.note_space(space, (self.clock)());
        let disk = board.disk();
        say(&turn, space, &disk.thresholds);
        if self.summons.due(disk.level, self.begun.elapsed()) {
            self.app.send_errand(Chore::Cleanup, Trigger::Watermark);
        }
        if (shown || turn != Turn::Same) && board.anything_waits() {
            // Only fails when the service stops, and then nothing is to be woken.
            let _ = self.app.wish(Wish::Wake);
            self.tell_waiting();
        }
    }

    fn tell_waiting(&mut self) {
        let now = self.begun.elapsed();
        if self.told.is_none_or(|told| now.saturating_sub(told) >= TELL) {
            self.told = Some(now);
            self.app.board().tell_waiting();
        }
    }

    fn lost(&mut self, reason: String) {
        if self.app.board().note_lost(reason.clone(), (self.clock)()) != Turn::Same {
            tracing::error!(
                reason,
                "the data volume cannot be looked at: no job starts until it answers"
            );
        }
    }

    async fn tend_ballast(&mut self, space: Space, found: Option<u64>) {
        let size = self.app.settings().disk.ballast;
        if self.ballast.making.is_some() {
            // What was seen meanwhile is half a ballast: it counts when it is whole and synced.
            return self.finish_ballast(size).await;
        }
        self.tidy_ballast(found).await;
        self.note_ballast(found);
        let full = self.app.store().met_full_disk();
        // A full disk that was met while there was none to give up is no reason to give up the next.
        let refused = std::mem::replace(&mut self.ballast.full, full) != full;
        let disk = self.app.board().disk();
        match ballast_step(disk.ballast, size, space, &disk.thresholds, refused) {
            Some(BallastStep::Release) => self.release_ballast().await,
            Some(BallastStep::Make) => self.make_ballast(size),
            None => {}
        }
    }

    /// At the start: one that was not finished, or that nobody wants any more, gives back its room.
    async fn tidy_ballast(&mut self, found: Option<u64>) {
        if std::mem::replace(&mut self.ballast.tidied, true) || found.is_some() {
            return;
        }
        let data = Arc::clone(self.app.data());
        let gone = spawn_blocking(move || data.release_ballast().map_err(|e| e.to_string()));
        if let Err(reason) = flat(gone.await) {
            tracing::warn!(reason, "an old ballast stays");
        }
    }

    /// One the last run left is there; one that somebody removed is not.
    fn note_ballast(&self, found: Option<u64>) {
        let board = self.app.board();
        match (board.disk().ballast, found) {
            (Ballast::Missing, Some(held)) => board.set_ballast(Ballast::There(held)),
            (Ballast::There(_), None) => {
                tracing::warn!("somebody has removed the ballast: it is made anew");
                board.set_ballast(Ballast::Missing);
            }
            (Ballast::Off | Ballast::Missing | Ballast::There(_) | Ballast::Released(_), _) => {}
        }
    }

    fn make_ballast(&mut self, size: u64) {
        let early = self.ballast.again.is_some_and(|again| self.begun.elapsed() < again);
        if early {
            return;
        }
        let (data, stopping) = (Arc::clone(self.app.data()), Arc::clone(&self.stopping));
        self.ballast.making = Some(spawn_blocking(move || {
            let go_on = || !stopping.load(Ordering::Relaxed);
            data.make_ballast(size, go_on).map_err(|e| e.to_string())
        }));
    }

    async fn finish_ballast(&mut self, size: u64) {
        let Some(making) = self.ballast.making.take_if(|making| making.is_finished()) else {
            return;
        };
        match flat(making.await) {
            Ok(true) => {
                self.app.board().set_ballast(Ballast::There(size));
                tracing::info!(bytes = size, "the ballast is in place");
            }
            Ok(false) => {}
            Err(reason) => {
                self.ballast.again = Some(self.begun.elapsed() + AGAIN);
                tracing::warn!(reason, "the ballast cannot be made now");
            }
        }
    }

    async fn release_ballast(&mut self) {
        if self.ballast.again.is_some_and(|again| self.begun.elapsed() < again) {
            return;
        }
        let data = Arc::clone(self.app.data());
        let released = spawn_blocking(move || data.release_ballast().map_err(|e| e.to_string()));
        match flat(released.await) {
            Ok(()) => {
                self.app.board().set_ballast(Ballast::Released((self.clock)()));
                tracing::warn!("the volume is full: the ballast was given up");
            }
            Err(reason) => {
                self.ballast.again = Some(self.begun.elapsed() + AGAIN);
                tracing::error!(reason, "the volume is full and the ballast cannot be given up");
            }
        }
    }
}

async fn optional<T>(work: Option<JoinHandle<T>>) -> Option<Result<T, tokio::task::JoinError>> {
    match work {
        Some(work) => Some(work.await),
        None => None,
    }
}

fn flat<T>(done: Result<Result<T, String>, tokio::task::JoinError>) -> Result<T, String> {
    done.map_err(|e| e.to_string())?
}

/// A look out of turn: what has just met a full disk is not tried again on what was seen before.
pub(super) async fn look_now(app: &App, now: Timestamp) {
    let data = Arc::clone(app.data());
    // Where it does not answer, the next look in turn says so.
    let Ok(Ok(seen)) = spawn_blocking(move || data.space()).await else { return };
    let space = Space { total: seen.total, free: seen.free };
    let (turn, _) = app.board().note_space(space, now);
    say(&turn, space, &app.board().disk().thresholds);
}

/// Tells the journal what has changed, once.
fn say(turn: &Turn, space: Space, thresholds: &Thresholds) {
    let free = Rounded::down(space.free);
    let (before, after) = match turn {
        Turn::Same | Turn::Lost => return,
        Turn::Level(before, after) => (Some(*before), *after),
        Turn::Found(after) => {
            tracing::info!("the data volume answers again");
            (None, *after)
        }
    };
    let until = Rounded::up(thresholds.resume_above());
    match (before, after) {
        (None, Level::Roomy) => {}
        (Some(_), Level::Roomy) => tracing::info!("the volume has {free} free: jobs start again"),
        (Some(Level::Emergency), Level::Low) => {
            tracing::info!("the volume has {free} free: no job starts until {until} are free");
        }
        (_, Level::Low) => tracing::warn!(
            "the volume has {free} free: no job starts until {until} are free; a cleanup was asked for"
        ),
        (_, Level::Emergency) => tracing::error!(
            "the volume has only {free} free: no job starts until {until} are free; a cleanup that deletes more was asked for"
        ),
    }
}

#[cfg(test)]
mod tests;

//! The connection: it is made, kept alive and made again.

use super::{Remote, trust};
use crate::{
    builder::{
        clock,
        protocol::{Event, Standing, StopReason},
        wire::{FromBuilder, ToBuilder, WireError},
    },
    domain::JobId,
};
use std::{
    io,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::{interval, sleep, timeout},
};

/// How soon a connection is tried again, at first and at last.
const AGAIN: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// A connection that lasted so long was a good one: the next try comes soon again.
const LASTED: Duration = Duration::from_secs(5);
/// How long the builder may take to say hello.
const HELLO: Duration = Duration::from_secs(5);
/// A builder that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether it is there.
const PING: Duration = Duration::from_secs(10);
/// Jobs that a builder may say it knows.
const STANDINGS: u32 = 4_096;

type Reader = BufReader<OwnedReadHalf>;

impl Remote {
    /// Connects, and again whenever the connection ends. Never ends by itself.
    pub async fn run(self) {
        let mut wait = AGAIN[0];
        let mut away = Instant::now();
        loop {
            let begun = Instant::now();
            let reason = self.connected().await;
            if self.parted(reason) {
                away = Instant::now();
            } else if away.elapsed() >= self.inner.patience.building {
                self.give_up().await;
            }
            if begun.elapsed() >= LASTED {
                wait = AGAIN[0];
            }
            sleep(wait).await;
            wait = (wait * 2).min(AGAIN[1]);
        }
    }

    /// One connection from its beginning to its end; why it ended.
    async fn connected(&self) -> String {
        let (mut reader, writer, about, running) = match self.connect().await {
            Ok(connection) => connection,
            Err(reason) => return reason,
        };
        let standings = match timeout(HELLO, standings(&mut reader, running)).await {
            Ok(Ok(standings)) => standings,
            Ok(Err(reason)) => return reason,
            Err(_) => return "it does not say what it builds".to_owned(),
        };
        let (out, messages) = mpsc::unbounded_channel();
        let writing = tokio::spawn(write_all(messages, writer));
        self.meet(standings, out).await;
        self.inner.link.send_modify(|link| {
            tracing::info!(socket = %link.socket.display(), "the builder is there");
            link.since = Some(clock::now());
            (link.program, link.sandbox) = about;
            (link.stopping, link.error) = (false, None);
        });
        let reason = self.listen(reader).await;
        writing.abort();
        reason
    }

    async fn connect(&self) -> Result<(Reader, OwnedWriteHalf, (String, String), u32), String> {
        let socket = &self.inner.socket;
        let stream = UnixStream::connect(socket)
            .await
            .map_err(|e| format!("{} cannot be reached: {e}", socket.display()))?;
        let own = rustix::process::geteuid().as_raw();
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == 0 || peer.uid() == own => {}
            Ok(peer) => {
                let peer = peer.uid();
                return Err(format!("user {peer} listens there, neither root nor this service"));
            }
            Err(e) => return Err(format!("it is not known who listens there: {e}")),
        }
        let (read, mut write) = stream.into_split();
        let mut reader = BufReader::with_capacity(64 << 10, read);
        put(&ToBuilder::Hello, &mut write).await.map_err(|e| e.to_string())?;
        match timeout(HELLO, FromBuilder::read(&mut reader)).await {
            Ok(Ok(FromBuilder::Hello { program, sandbox, running })) => {
                Ok((reader, write, (program, sandbox), running))
            }
            Ok(Ok(FromBuilder::Goodbye(reason))) => {
                Err(format!("it sent this server away: {reason}"))
            }
            Ok(Ok(_)) => Err("it did not say hello first".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it did not say hello in time".to_owned()),
        }
    }

    /// Takes what the builder says; why that ended.
    async fn listen(&self, mut reader: Reader) -> String {
        loop {
            let message = match timeout(SILENCE, FromBuilder::read(&mut reader)).await {
                Err(_) => return format!("nothing was heard for {} s", SILENCE.as_secs()),
                Ok(Err(WireError::Closed)) => return "it went away".to_owned(),
                Ok(Err(error)) => return error.to_string(),
                Ok(Ok(message)) => message,
            };
            let taken = match message {
                FromBuilder::Event(job, event) => self.take(job, event).await,
                FromBuilder::Refused(job, why) => {
                    self.refused(job, &why).await;
                    Ok(())
                }
                FromBuilder::Pong => Ok(()),
                FromBuilder::Stopping => {
                    self.inner.link.send_modify(|link| link.stopping = true);
                    Ok(())
                }
                FromBuilder::Goodbye(reason) => Err(format!("it ended the connection: {reason}")),
                FromBuilder::Hello { .. } => Err("it said hello twice".to_owned()),
                FromBuilder::Standing(_) => Err("it told what it builds twice".to_owned()),
            };
            if let Err(reason) = taken {
                return reason;
            }
        }
    }

    /// Something happened to a job.
    ///
    /// # Errors
    /// The builder told of what it was never given: then nothing it says counts.
    async fn take(&self, job: JobId, event: Event) -> Result<(), String> {
        let looked = match &event {
            Event::Finished(finished) => {
                let (data, finished) = (self.inner.data.clone(), finished.clone());
                let look = move || trust::end(&data, job, &finished);
                tokio::task::spawn_blocking(look).await.map_err(|e| e.to_string())?
            }
            _ => Ok(()),
        };
        let Some((to, event)) = self.heard(job, event, looked)? else { return Ok(()) };
        // Whoever let go of a build does not want to know. One who reads slowly slows it.
        let _ = to.send(event).await;
        Ok(())
    }

    fn heard(
        &self,
        job: JobId,
        event: Event,
        looked: Result<(), String>,
    ) -> Result<Option<(mpsc::Sender<Event>, Event)>, String> {
        let mut state = self.lock();
        if state.disowned.contains(&job) {
            if matches!(event, Event::Finished(_)) && !state.jobs.contains_key(&job) {
                state.disowned.remove(&job);
                state.say(ToBuilder::Ack(job));
            }
            return Ok(None);
        }
        if let Some(standing) = state.unclaimed.get_mut(&job) {
            standing.note(&event);
            return Ok(None);
        }
        let Some(entry) = state.jobs.get_mut(&job) else {
            return Err(format!("it told of job {job}, which it was never given"));
        };
        if entry.ended {
            return Err(format!("it told of job {job} after its end"));
        }
        let Err(lie) = looked.and_then(|()| entry.hear(&event)) else {
            return Ok(entry.watcher().map(|to| (to, event)));
        };
        entry.ended = true;
        let to = entry.watcher();
        tracing::error!(job.id = job.get(), "the builder {lie}");
        state.disowned.insert(job);
        state.say(ToBuilder::Stop(job, StopReason::Interrupted));
        let caught = Event::Finished(trust::caught(&self.inner.socket, &lie));
        Ok(to.map(|to| (to, caught)))
    }

    async fn refused(&self, job: JobId, why: &str) {
        let to = {
            let mut state = self.lock();
            let open = state.jobs.get_mut(&job).filter(|entry| !entry.ended);
            open.and_then(|entry| {
                entry.ended = true;
                entry.watcher()
            })
        };
        if let Some(to) = to {
            let _ = to.send(Event::Finished(trust::refused(&self.inner.socket, why))).await;
        }
    }

    /// The connection, or the try, has ended. True if the builder was there.
    fn parted(&self, reason: String) -> bool {
        let mut was_there = false;
        let mut state = self.lock();
        state.out = None;
        state.unclaimed.clear();
        drop(state);
        self.inner.link.send_modify(|link| {
            was_there = link.since.take().is_some();
            if was_there || link.error.as_deref() != Some(reason.as_str()) {
                tracing::warn!("the builder at {} is away: {reason}", link.socket.display());
            }
            link.stopping = false;
            link.error = Some(reason);
        });
        was_there
    }
}

async fn standings(reader: &mut Reader, running: u32) -> Result<Vec<Standing>, String> {
    if running > STANDINGS {
        return Err(format!("it says that it knows {running} jobs, and the most is {STANDINGS}"));
    }
    let mut standings = Vec::new();
    for _ in 0..running {
        match FromBuilder::read(reader).await {
            Ok(FromBuilder::Standing(standing)) => standings.push(*standing),
            Ok(FromBuilder::Goodbye(reason)) => return Err(reason),
            Ok(_) => return Err("it does not say what it builds".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(standings)
}

async fn put(message: &ToBuilder, to: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes).map_err(io::Error::other)?;
    to.write_all(&bytes).await
}

/// Writes what is said, and asks now and then whether the builder is there.
async fn write_all(mut messages: mpsc::UnboundedReceiver<ToBuilder>, mut to: OwnedWriteHalf) {
    let mut ping = interval(PING);
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            _ = ping.tick() => Some(ToBuilder::Ping),
        };
        let Some(message) = message else { return };
        // The reader notices a connection that is gone.
        if put(&message, &mut to).await.is_err() {
            return;
        }
    }
}

//! The builder as a process of its own: it listens on a socket, carries out what its server orders
//! and goes on when the server is away.

use super::{
    desk::{Desk, Seat},
    embedded::{Builder, Swept},
    ends, orders,
    protocol::StopReason,
    socket::{Socket, may_speak},
    wire::{FromBuilder, ToBuilder, WireError},
};
use crate::files::DataDir;
use anyhow::Context as _;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

/// How long a server may take to say hello.
const HELLO: Duration = Duration::from_secs(5);
/// A server that says nothing for so long is gone; it pings more often than that.
const SILENCE: Duration = Duration::from_secs(60);
/// How long last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long the server may take to acknowledge the last ends when the builder stops.
const ACKNOWLEDGED: Duration = Duration::from_secs(10);
/// How long builds may take to end in all once they were stopped; each has its own, shorter one.
const STOPPED: Duration = Duration::from_secs(120);

/// A builder that listens.
pub struct Service {
    desk: Desk,
    builder: Builder,
    data: Arc<DataDir>,
    /// The user the data directory belongs to.
    owner: u32,
    socket: Socket,
}

/// What a conversation needs.
#[derive(Clone)]
struct Talk {
    desk: Desk,
    builder: Builder,
    data: Arc<DataDir>,
    owner: u32,
    /// What confines builds, for people.
    sandbox: Arc<str>,
}

impl Service {
    /// A builder over `data` that listens on `socket`. Frees what the last one left.
    ///
    /// # Errors
    /// When the data directory cannot be looked at.
    pub fn new(builder: Builder, data: Arc<DataDir>, socket: Socket) -> anyhow::Result<Self> {
        let owner = data.owner()?.0;
        let Swept { said, left } = builder.sweep_builds();
        said.iter().for_each(|found| tracing::warn!("left by the last builder: {found}"));
        ends::keep_left(&data, left);
        Ok(Self { desk: Desk::new(Arc::clone(&data)), builder, data, owner, socket })
    }

    /// Works until `stopped` turns true; then takes no further orders, lets builds go on for
    /// `grace`, and stops the rest as interrupted.
    ///
    /// # Errors
    /// When the socket cannot be listened on.
    pub async fn run(
        self,
        mut stopped: watch::Receiver<bool>,
        grace: Duration,
    ) -> anyhow::Result<()> {
        let Self { desk, builder, data, owner, socket } = self;
        let listener = socket.listener.try_clone().context("the socket cannot be used")?;
        listener.set_nonblocking(true).context("the socket cannot be used")?;
        let listener = UnixListener::from_std(listener).context("the socket cannot be used")?;
        let (asked, last) = (builder.clone(), builder.clone());
        let sandbox = tokio::task::spawn_blocking(move || asked.sandbox()).await?.into();
        let talk = Talk { desk: desk.clone(), builder, data, owner, sandbox };
        let accepting = tokio::spawn(accept(listener, talk));
        // Nobody who could say stop any more is as good as a stop.
        let _ = stopped.wait_for(|stop| *stop).await;
        end(&desk, grace).await;
        accepting.abort();
        desk.dismiss();
        drop(socket);
        tokio::task::spawn_blocking(move || last.rest()).await?;
        Ok(())
    }
}

/// Ends what goes on.
async fn end(desk: &Desk, grace: Duration) {
    let mut counts = desk.counts();
    // A server that does not read must not hold up the end.
    let _ = timeout(LAST_WORDS, desk.close()).await;
    if timeout(grace, counts.wait_for(|(running, _)| *running == 0)).await.is_err() {
        desk.stop_all(StopReason::Interrupted);
        let _ = timeout(STOPPED, counts.wait_for(|(running, _)| *running == 0)).await;
    }
    if desk.is_heard() {
        let _ = timeout(ACKNOWLEDGED, counts.wait_for(|(_, ended)| *ended == 0)).await;
    }
    let (running, ended) = *counts.borrow();
    if running + ended > 0 {
        tracing::warn!(
            running,
            ended,
            "nobody has read how these builds ended: the next one tells"
        );
    }
}

async fn accept(listener: UnixListener, talk: Talk) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(talk.clone().converse(stream))),
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken");
                // Too many open files, perhaps: not in a circle.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

impl Talk {
    async fn converse(self, mut stream: UnixStream) {
        if let Err(reason) = self.is_welcome(&stream) {
            tracing::warn!("a connection was refused: {reason}");
            return last_words(&mut stream, &reason).await;
        }
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::with_capacity(64 << 10, read);
        let said = timeout(HELLO, ToBuilder::read(&mut read)).await;
        let reason = match said {
            Ok(Ok(ToBuilder::Hello)) => return self.serve(read, write).await,
            Ok(Ok(_)) => "the server did not say hello first".to_owned(),
            Ok(Err(WireError::Closed)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the server did not say hello in time".to_owned(),
        };
        tracing::warn!("a server was sent away: {reason}");
        last_words(&mut write, &reason).await;
    }

    fn is_welcome(&self, stream: &UnixStream) -> Result<(), String> {
        let peer = stream.peer_cred().map_err(|e| format!("it is not known who that is: {e}"))?;
        let own = rustix::process::geteuid().as_raw();
        if may_speak(peer.uid(), own, self.owner) {
            return Ok(());
        }
        let (peer, owner) = (peer.uid(), self.owner);
        Err(format!("user {peer} may not speak to this builder: only root, {own} and {owner} may"))
    }

    async fn serve(self, read: BufReader<OwnedReadHalf>, write: OwnedWriteHalf) {
        let Seat { number, standings, messages, out, replaced } = self.desk.sit();
        tracing::info!(jobs = standings.len(), "a server is there");
        let writer = tokio::spawn(write_all(self.sandbox.to_string(), standings, messages, write));
        let reason = tokio::select! {
            reason = self.listen(number, read, &out) => reason,
            _ = replaced => "another server has come, or the builder has stopped".to_owned(),
        };
        tracing::info!("the server is gone: {reason}");
        self.desk.leave(number);
        let _ = timeout(LAST_WORDS, out.send(FromBuilder::Goodbye(reason))).await;
        drop(out);
        finish(writer).await;
    }

    /// Does what the server says, one thing after the other; why that ended.
    async fn listen(
        &self,
        number: u64,
        mut read: BufReader<OwnedReadHalf>,
        out: &mpsc::Sender<FromBuilder>,
    ) -> String {
        loop {
            let answer = match timeout(SILENCE, ToBuilder::read(&mut read)).await {
                Err(_) => return format!("nothing was heard for {} s", SILENCE.as_secs()),
                Ok(Err(error)) => return error.to_string(),
                Ok(Ok(ToBuilder::Hello)) => return "the server said hello twice".into(),
                Ok(Ok(ToBuilder::Ping)) => Some(FromBuilder::Pong),
                Ok(Ok(ToBuilder::Stop(job, reason))) => {
                    self.desk.stop(job, reason);
                    None
                }
                Ok(Ok(ToBuilder::Ack(job))) => {
                    self.desk.acknowledge(job);
                    None
                }
                Ok(Ok(ToBuilder::Order(ordered))) => {
                    let job = ordered.order.job;
                    let begun = self.begin(number, *ordered).await;
                    begun.err().map(|why| {
                        tracing::warn!(job.id = job.get(), "an order was refused: {why}");
                        FromBuilder::Refused(job, why)
                    })
                }
            };
            if let Some(answer) = answer
                && out.send(answer).await.is_err()
            {
                return "nobody reads any more".into();
            }
        }
    }

    async fn begin(&self, number: u64, ordered: super::wire::Ordered) -> Result<(), String> {
        let data = Arc::clone(&self.data);
        let checked = tokio::task::spawn_blocking(move || orders::check(&data, ordered)).await;
        let order = checked.map_err(|e| format!("the order could not be checked: {e}"))??;
        self.desk.begin(number, order, &self.builder)
    }
}

async fn last_words(to: &mut (impl tokio::io::AsyncWrite + Unpin), reason: &str) {
    let mut bytes = Vec::new();
    if FromBuilder::Goodbye(reason.to_owned()).encode(&mut bytes).is_ok() {
        // Whoever does not want to hear it is gone all the same.
        let _ = timeout(LAST_WORDS, to.write_all(&bytes)).await;
    }
}

/// Writes what a server is told: hello, what stands, then whatever comes.
async fn write_all(
    sandbox: String,
    standings: Vec<super::protocol::Standing>,
    mut messages: mpsc::Receiver<FromBuilder>,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    let running = u32::try_from(standings.len()).unwrap_or(u32::MAX);
    let hello = FromBuilder::Hello { program: env!("CARGO_PKG_VERSION").into(), sandbox, running };
    let standings = standings.into_iter().map(|standing| FromBuilder::Standing(standing.into()));
    let mut bytes = Vec::new();
    for message in std::iter::once(hello).chain(standings) {
        put(&message, &mut bytes, &mut to).await?;
    }
    while let Some(message) = messages.recv().await {
        put(&message, &mut bytes, &mut to).await?;
    }
    Ok(())
}

async fn put(
    message: &FromBuilder,
    bytes: &mut Vec<u8>,
    to: &mut OwnedWriteHalf,
) -> io::Result<()> {
    bytes.clear();
    message.encode(bytes).map_err(io::Error::other)?;
    to.write_all(bytes).await
}

/// Lets the last messages out, for a moment.
async fn finish(mut writer: JoinHandle<io::Result<()>>) {
    if timeout(LAST_WORDS, &mut writer).await.is_err() {
        writer.abort();
    }
}

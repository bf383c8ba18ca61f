//! The accept loop: connections with a cap, time-outs and an end, each request through the gate.

use super::{
    gate::{Gate, Hosts, Line, Sent},
    io::{Paced, Patience, Phase},
    listen::{self, Listener, Speaks},
    reply::Response,
    router,
};
use crate::{app::App, config::Config, domain::Timestamp};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use warp::filters::BoxedFilter;

/// Bytes a request's head may have.
const HEAD: usize = 64 * 1024;
/// Connections of the local socket at once; apart from the others, so that a crowd at the door
/// does not keep the administrator out.
const LOCAL: usize = 32;
/// How long the loop rests when the system has no more room for a connection.
const REST: Duration = Duration::from_millis(100);

/// What is served.
pub struct Site {
    /// Answers everything; never rejects.
    pub filter: BoxedFilter<(Response,)>,
    /// The host names it answers to, besides its own addresses.
    pub hosts: Hosts,
    /// The clock.
    pub clock: fn() -> Timestamp,
}

/// Listens, and serves once [`run`](Self::run) is called.
pub struct Server {
    listeners: Vec<Listener>,
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

struct Shared {
    gate: Gate,
    patience: Patience,
    trusted: Vec<IpAddr>,
    remote: Arc<Semaphore>,
    local: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Ends what does not end by itself.
    kill: CancellationToken,
}

impl Server {
    /// Opens every address and the local socket; nothing is answered yet.
    ///
    /// # Errors
    /// An address, the socket or the certificate cannot be had, or a route has no handler.
    pub async fn bind(config: &Config, app: App, clock: fn() -> Timestamp) -> io::Result<Self> {
        let filter = router::filter(&app).map_err(io::Error::other)?;
        let hosts: Hosts = Arc::new(move || app.site().1);
        Self::open(config, Site { filter, hosts, clock }).await
    }

    /// As [`bind`](Self::bind), for any filter.
    ///
    /// # Errors
    /// As `bind`.
    pub async fn open(config: &Config, site: Site) -> io::Result<Self> {
        let listeners = listen::open(config).await?;
        let mut addresses = Vec::new();
        for listener in &listeners {
            if let Listener::Tcp(listener, _) = listener {
                addresses.push(listener.local_addr()?);
            }
        }
        let server = &config.server;
        let trusted = server.trusted_proxies.clone();
        let shared = Shared {
            gate: Gate::new(site.filter, site.hosts, trusted.clone(), site.clock),
            patience: Patience {
                head: server.header_timeout.get(),
                idle: server.idle_timeout.get(),
            },
            trusted,
            remote: Arc::new(Semaphore::new(server.max_connections.min(Semaphore::MAX_PERMITS))),
            local: Arc::new(Semaphore::new(LOCAL)),
            tasks: TaskTracker::new(),
            kill: CancellationToken::new(),
        };
        Ok(Self { listeners, addresses, shared: Arc::new(shared) })
    }

    /// The TCP addresses it listens on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `stop` turns true, then takes no more connections, ends streams and waits at
    /// most `cap` for what is under way.
    pub async fn run(self, stop: watch::Receiver<bool>, cap: Duration) {
        let Self { listeners, shared, .. } = self;
        let loops: Vec<_> = listeners
            .into_iter()
            .map(|listener| tokio::spawn(Arc::clone(&shared).accept(listener, stop.clone())))
            .collect();
        for running in loops {
            if let Err(error) = running.await {
                tracing::error!(%error, "an accept loop broke");
            }
        }
        shared.tasks.close();
        if timeout(cap, shared.tasks.wait()).await.is_err() {
            tracing::warn!(open = shared.tasks.len(), "connections are cut off");
            shared.kill.cancel();
            shared.tasks.wait().await;
        }
    }
}

/// Resolves when `stop` is true, or nobody is left to make it so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Shared {
    async fn accept(self: Arc<Self>, listener: Listener, stop: watch::Receiver<bool>) {
        let mut stopping = stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.next(&listener, &stop) => accepted,
                () = stopped(&mut stopping) => break,
            };
            if let Err(error) = accepted {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(REST).await;
            }
        }
        if let Listener::Local(_, path) = listener
            && let Err(error) = listen::remove(&path)
        {
            tracing::warn!(%error, path = %path.display(), "the local socket stays behind");
        }
    }

    /// Takes one connection and, as soon as there is room, serves it in a task of its own.
    async fn next(
        self: &Arc<Self>,
        listener: &Listener,
        stop: &watch::Receiver<bool>,
    ) -> io::Result<()> {
        let (this, stop) = (Arc::clone(self), stop.clone());
        match listener {
            Listener::Tcp(listener, tls) => {
                let (stream, peer) = listener.accept().await?;
                let room = Arc::clone(&self.remote).acquire_owned().await;
                let tls = tls.clone();
                self.tasks.spawn(async move {
                    this.tcp(stream, peer, tls, stop).await;
                    drop(room);
                });
            }
            Listener::Local(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let room = Arc::clone(&self.local).acquire_owned().await;
                self.tasks.spawn(async move {
                    this.local(stream, stop).await;
                    drop(room);
                });
            }
        }
        Ok(())
    }

    async fn tcp(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
        stop: watch::Receiver<bool>,
    ) {
        // Small answers must not wait for each other; without it they are only slower.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().ok().map(|a| a.ip());
        let mut line = Line { peer: Some(peer.ip()), local, tls: false };
        match tls {
            None => self.talk(stream, line, stop).await,
            Some(tls) => {
                let trusted = listen::is_trusted(&self.trusted, peer.ip());
                let speaks = timeout(self.patience.head, listen::speaks(&stream, trusted)).await;
                match speaks {
                    Ok(Ok(Speaks::Plain)) => self.talk(stream, line, stop).await,
                    Ok(Ok(Speaks::Tls)) => {
                        match timeout(self.patience.head, tls.accept(stream)).await {
                            Ok(Ok(stream)) => {
                                line.tls = true;
                                self.talk(stream, line, stop).await;
                            }
                            Ok(Err(error)) => tracing::debug!(%error, %peer, "no TLS handshake"),
                            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
                        }
                    }
                    _ => tracing::debug!(%peer, "nothing was said"),
                }
            }
        }
    }

    async fn local(&self, stream: UnixStream, stop: watch::Receiver<bool>) {
        if listen::is_console(&stream) {
            self.talk(stream, Line { peer: None, local: None, tls: false }, stop).await;
        } else {
            tracing::warn!("somebody else than root or the service's own user was turned away");
        }
    }

    /// Answers the requests of one connection until it ends or the service does.
    async fn talk<S>(&self, stream: S, line: Line, mut stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let phase = Phase::default();
        let stream = TokioIo::new(Paced::new(stream, phase.clone(), self.patience));
        let stopping = stop.clone();
        let service = service_fn(|request: http::Request<Incoming>| {
            let busy = phase.busy();
            let (line, stopping) = (&line, &stopping);
            async move {
                let response = self.gate.answer(request, line, stopping).await;
                Ok::<_, Infallible>(response.map(|body| Sent::new(body, busy)))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // The stream itself times heads; this is the net below it, and it makes an idle
            // connection look at its stream again.
            .header_read_timeout(self.patience.head + self.patience.idle)
            .max_buf_size(HEAD)
            .serve_connection(stream, service);
        let mut connection = pin!(connection);
        let mut told = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                () = stopped(&mut stop), if !told => {
                    connection.as_mut().graceful_shutdown();
                    told = true;
                }
                () = self.kill.cancelled() => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;

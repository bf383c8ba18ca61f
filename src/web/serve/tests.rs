//! What the accept loop promises, against a filter that tells, breaks or never ends.

use super::*;
use crate::{
    config::Span,
    web::{arrival::Arrival, reply},
};
use http::StatusCode;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::time::Instant;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinHandle,
};
use warp::Filter as _;

/// Longest a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// A request that leaves the connection open.
const ASK: &[u8] = b"GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// The same, and the connection is to end after it.
const ASK_ONCE: &[u8] = b"GET /who HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

struct Running {
    dir: TempDir,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Tells who came in, breaks, or never ends.
fn filter() -> BoxedFilter<(Response,)> {
    let who = warp::path("who").and(warp::ext::get::<Arrival>()).map(|a: Arrival| {
        let text = format!("console={} secure={}", a.console, a.secure);
        reply::text(StatusCode::OK, text)
    });
    let broken = warp::path("broken").map(|| -> Response { panic!("as asked") });
    let endless = warp::path("endless").and(warp::ext::get::<Arrival>()).map(|a: Arrival| {
        let chunks = futures_util::stream::unfold(Some(a.stopping.clone()), |stop| async {
            let mut stop = stop?;
            stopped(&mut stop).await;
            Some((Ok(bytes::Bytes::from_static(b"bye")), None))
        });
        reply::stream(StatusCode::OK, "text/plain", chunks)
    });
    who.or(broken).unify().or(endless).unify().boxed()
}

async fn start(listen: &str, change: impl FnOnce(&mut Config)) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.server.data_dir = dir.path().to_owned();
    config.server.listen = vec![listen.parse().unwrap()];
    change(&mut config);
    let hosts: Hosts = Arc::new(Vec::new);
    let site = Site { filter: filter(), hosts, clock: Timestamp::default };
    let server = Server::open(&config, site).await.unwrap();
    let address = server.addresses()[0];
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(server.run(stopped, Duration::from_secs(10)));
    Running { dir, address, stop, task }
}

async fn plain(change: impl FnOnce(&mut Config)) -> Running {
    start("127.0.0.1:0", change).await
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ask(&self, request: &[u8]) -> String {
        talk(self.connect().await, request).await
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        timeout(PATIENCE, self.task).await.expect("it stops").unwrap();
    }
}

/// Sends a request and reads until the connection ends.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("the connection ends").unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn an_answer_carries_the_headers_of_every_answer() {
    let running = plain(|_| {}).await;
    let answer = running.ask(ASK_ONCE).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("console=false secure=false"), "{answer}");
    for header in ["content-security-policy", "x-content-type-options", "x-request-id"] {
        assert!(answer.contains(&format!("{header}: ")), "{header} in {answer}");
    }
    running.end().await;
}

#[tokio::test]
async fn a_request_that_is_only_half_sent_is_not_waited_for() {
    let running = plain(|c| c.server.header_timeout = Span::seconds(1)).await;
    let begun = Instant::now();
    assert_eq!(running.ask(b"GET /who HTTP/1.1\r\nHost: local").await, "");
    assert_eq!(running.ask(b"").await, "");
    assert!(begun.elapsed() >= Duration::from_secs(1), "it had its time");
    running.end().await;
}

#[tokio::test]
async fn a_connection_that_asks_nothing_more_is_closed_after_its_idle_time() {
    let running = plain(|c| {
        c.server.header_timeout = Span::seconds(60);
        c.server.idle_timeout = Span::seconds(1);
    })
    .await;
    let answer = running.ask(ASK).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.end().await;
}

#[tokio::test]
async fn further_connections_wait_until_there_is_room() {
    let running = plain(|c| c.server.max_connections = 1).await;
    let mut first = running.connect().await;
    first.write_all(ASK).await.unwrap();
    let mut head = [0u8; 12];
    first.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut second = running.connect().await;
    second.write_all(ASK_ONCE).await.unwrap();
    let early = timeout(Duration::from_millis(300), second.read_u8()).await;
    assert!(early.is_err(), "there was no room for the second one");
    drop(first);
    let mut answer = String::new();
    timeout(PATIENCE, second.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.end().await;
}

#[tokio::test]
async fn a_handler_that_breaks_costs_only_its_own_connection() {
    let running = plain(|_| {}).await;
    let broken = running.ask(b"GET /broken HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(broken.starts_with("HTTP/1.1 500"), "{broken}");
    assert!(!broken.contains("as asked"), "{broken}");
    assert!(running.ask(ASK_ONCE).await.starts_with("HTTP/1.1 200"));
    running.end().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let running = plain(|_| {}).await;
    let filler = "a".repeat(2 * HEAD);
    let request = format!("GET /who HTTP/1.1\r\nHost: localhost\r\nX-Filler: {filler}\r\n\r\n");
    let mut stream = running.connect().await;
    // It may be closed before everything was sent.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it ends");
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    running.end().await;
}

#[tokio::test]
async fn another_host_is_told_so() {
    let running = plain(|_| {}).await;
    let request = b"GET /who HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert!(running.ask(request).await.starts_with("HTTP/1.1 421"));
    running.end().await;
}

#[tokio::test]
async fn the_local_socket_is_the_console_and_goes_with_the_server() {
    let running = plain(|_| {}).await;
    let path = running.dir.path().join("img.sock");
    let stream = UnixStream::connect(&path).await.unwrap();
    let answer = talk(stream, ASK_ONCE).await;
    assert!(answer.ends_with("console=true secure=false"), "{answer}");
    let Running { stop, task, dir, .. } = running;
    stop.send(true).unwrap();
    timeout(PATIENCE, task).await.unwrap().unwrap();
    assert!(!path.exists());
    drop(dir);
}

#[tokio::test]
async fn stopping_ends_streams_and_idle_connections() {
    let running = plain(|_| {}).await;
    let mut idle = running.connect().await;
    idle.write_all(ASK).await.unwrap();
    idle.read_u8().await.unwrap();
    let mut endless = running.connect().await;
    endless.write_all(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    endless.read_u8().await.unwrap();
    running.end().await;
    let mut rest = String::new();
    timeout(PATIENCE, endless.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.contains("bye"), "{rest}");
}

fn client(dir: &TempDir) -> tokio_rustls::TlsConnector {
    let cert = CertificateDer::from_pem_file(dir.path().join("tls/cert.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config).into()
}

#[tokio::test]
async fn an_address_that_is_not_loopback_speaks_tls_only() {
    let running = start("0.0.0.0:0", |c| c.server.header_timeout = Span::seconds(2)).await;
    let address = ("127.0.0.1", running.address.port());
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = client(&running.dir).connect(name, stream).await.unwrap();
    let answer = talk(stream, ASK_ONCE).await;
    assert!(answer.ends_with("console=false secure=true"), "{answer}");
    assert!(answer.contains("strict-transport-security"), "{answer}");
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(ASK_ONCE).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.expect("it ends");
    assert!(!answer.starts_with(b"HTTP/"), "plain HTTP is not answered");
    running.end().await;
}

#[tokio::test]
async fn a_trusted_proxy_may_speak_plain_http() {
    let proxy = IpAddr::from([127, 0, 0, 1]);
    let running = start("0.0.0.0:0", |c| c.server.trusted_proxies = vec![proxy]).await;
    let stream = TcpStream::connect(("127.0.0.1", running.address.port())).await.unwrap();
    let request = b"GET /who HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n\
                    Connection: close\r\n\r\n";
    let answer = talk(stream, request).await;
    assert!(answer.ends_with("console=false secure=true"), "{answer}");
    running.end().await;
}

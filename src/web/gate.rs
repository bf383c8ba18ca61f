//! What every request passes on its way in and out: its number, the Host check, the shape of its
//! path, the security headers, the log; and the net under a handler that panics.

use super::{
    arrival::{Arrival, Facts},
    error::{WayOut, WebError},
    io::Busy,
    listen::is_trusted,
    reply::{self, Response},
    table,
};
use crate::{app::Peer, domain::Timestamp};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, StatusCode, header, uri::Authority};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, service::Service as _};
use hyper_util::service::TowerToHyperService;
use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};
use tokio::sync::watch;
use tracing::Instrument as _;
use warp::filters::BoxedFilter;

/// Characters of a browser's name that are kept.
const AGENT: usize = 120;
/// Where an answer carries its request's number.
const REQUEST_ID: &str = "x-request-id";

/// The host names the appliance answers to, asked anew for each request.
pub type Hosts = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What a connection says of its other end.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The other end; `None` on the local socket.
    pub(super) peer: Option<IpAddr>,
    /// Our end.
    pub(super) local: Option<IpAddr>,
    /// It is encrypted.
    pub(super) tls: bool,
}

impl Line {
    fn is_console(&self) -> bool {
        self.peer.is_none()
    }
}

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;
/// All routes as one function; the framework's own type of it has no name.
type Routes = Box<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>;

/// The gate.
pub(super) struct Gate {
    routes: Routes,
    hosts: Hosts,
    trusted: Vec<IpAddr>,
    clock: fn() -> Timestamp,
}

impl Gate {
    pub(super) fn new(
        filter: BoxedFilter<(Response,)>,
        hosts: Hosts,
        trusted: Vec<IpAddr>,
        clock: fn() -> Timestamp,
    ) -> Self {
        let service = TowerToHyperService::new(warp::service(filter));
        let routes: Routes = Box::new(move |request| {
            let answer = service.call(request);
            Box::pin(async move {
                match answer.await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            })
        });
        Self { routes, hosts, trusted, clock }
    }

    /// Answers one request, whatever happens.
    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
        line: &Line,
        stopping: &watch::Receiver<bool>,
    ) -> Response {
        let begun = Instant::now();
        let headers = std::mem::take(request.headers_mut());
        let facts = self.facts(&request, headers, line, stopping.clone());
        let arrival = Arrival::new(facts);
        let span = tracing::error_span!("request", request.id = %arrival.request_id);
        let mut response = match self.stopped_here(&arrival, line) {
            Some(response) => response,
            None => {
                request.extensions_mut().insert(arrival.clone());
                self.carry_out(request).instrument(span).await
            }
        };
        let headers = response.headers_mut();
        reply::secure_headers(headers, arrival.secure);
        if let Ok(id) = HeaderValue::from_str(&arrival.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        log(&arrival, response.status(), begun);
        response
    }

    async fn carry_out(&self, request: Request<Incoming>) -> Response {
        match AssertUnwindSafe((self.routes)(request)).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => {
                let said = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
                tracing::error!(panic = said.unwrap_or_default(), "a request's handler broke");
                broken()
            }
        }
    }

    fn facts(
        &self,
        request: &Request<Incoming>,
        headers: http::HeaderMap,
        line: &Line,
        stopping: watch::Receiver<bool>,
    ) -> Facts {
        let (addr, proxied_tls) = self.client(&headers, line);
        let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
        let agent = String::from_utf8_lossy(agent).chars().take(AGENT).collect();
        let request_id = request_id();
        Facts {
            now: (self.clock)(),
            peer: Peer { addr, agent, request: request_id.clone() },
            request_id,
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers,
            secure: line.tls || proxied_tls,
            console: line.is_console(),
            stopping,
        }
    }

    /// The real client and whether it speaks TLS, as far as a trusted proxy tells.
    fn client(&self, headers: &http::HeaderMap, line: &Line) -> (Option<IpAddr>, bool) {
        let Some(peer) = line.peer.filter(|peer| is_trusted(&self.trusted, *peer)) else {
            return (line.peer, false);
        };
        let proto = headers.get("x-forwarded-proto").and_then(|v| v.to_str().ok());
        let addr = forwarded(headers, &self.trusted).unwrap_or(peer);
        (Some(addr), proto.is_some_and(|p| p.eq_ignore_ascii_case("https")))
    }

    /// What is answered without asking any route.
    fn stopped_here(&self, facts: &Facts, line: &Line) -> Option<Response> {
        if !line.is_console() && !self.knows_host(facts, line) {
            return Some(plain(StatusCode::MISDIRECTED_REQUEST, WRONG_HOST));
        }
        let path = facts.uri.path();
        if !path.starts_with('/') {
            return Some(plain(StatusCode::BAD_REQUEST, "the path has to start with a slash\n"));
        }
        let bare = path.strip_suffix('/').filter(|bare| bare.len() > 1)?;
        table::at(bare).next()?;
        let query = facts.uri.query().map(|q| format!("?{q}")).unwrap_or_default();
        Some(reply::redirect(StatusCode::PERMANENT_REDIRECT, &format!("{bare}{query}")))
    }

    fn knows_host(&self, facts: &Facts, line: &Line) -> bool {
        let Some(host) = super::access::host(facts).and_then(|h| h.parse::<Authority>().ok())
        else {
            return false;
        };
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        is_own_address(name, line.local) || {
            let name = name.trim_end_matches('.');
            (self.hosts)().iter().any(|own| own.eq_ignore_ascii_case(name))
        }
    }
}

const WRONG_HOST: &str = "this appliance does not answer under that host name: an administrator \
                          can add it to `hosts` in config.toml or to the sites\n";

fn plain(status: StatusCode, text: &str) -> Response {
    reply::text(status, text)
}

/// Loopback by name or address, or the very address the connection came to.
fn is_own_address(name: &str, local: Option<IpAddr>) -> bool {
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    name.parse::<IpAddr>().is_ok_and(|ip| {
        let ip = ip.to_canonical();
        ip.is_loopback() || local.is_some_and(|local| local.to_canonical() == ip)
    })
}

/// The last address of `X-Forwarded-For` that is not a trusted proxy's own: what stands before it
/// anybody could have written.
fn forwarded(headers: &http::HeaderMap, trusted: &[IpAddr]) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
    let all: Vec<_> =
        lines.flat_map(|line| line.split(',')).map(|part| part.trim().parse()).collect();
    for address in all.into_iter().rev() {
        match address {
            Ok(ip) if is_trusted(trusted, ip) => {}
            Ok(ip) => return Some(ip),
            Err(_) => return None,
        }
    }
    None
}

fn broken() -> Response {
    let error = WebError::internal(&"its handler broke").way_out(WayOut::new("Start page", "/"));
    let mut response = error.into_text();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn request_id() -> String {
    let mut bytes = [0u8; 6];
    // Without randomness the number tells less; answering matters more.
    let _ = getrandom::fill(&mut bytes);
    data_encoding::HEXLOWER.encode(&bytes)
}

/// A path as the log has it: without the secret of a set-up link.
fn told(path: &str) -> &str {
    const SETUP: &str = "/setup/";
    if path.starts_with(SETUP) { SETUP } else { path }
}

fn log(facts: &Facts, status: StatusCode, begun: Instant) {
    let (method, path) = (&facts.method, told(facts.uri.path()));
    let duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let (status, peer) = (status.as_u16(), facts.peer.shown());
    let id = &facts.request_id;
    if status >= 500 {
        tracing::warn!(request.id = %id, %method, path, status, duration_us, peer, "answered");
    } else {
        tracing::debug!(request.id = %id, %method, path, status, duration_us, peer, "answered");
    }
}

/// An answer's body; the connection counts as busy until it is sent.
pub(super) struct Sent<B> {
    body: B,
    _busy: Busy,
}

impl<B> Sent<B> {
    pub(super) fn new(body: B, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Sent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::arrival::tests::facts;
    use http::Method;

    fn gate() -> Gate {
        use warp::Filter as _;
        let filter = warp::any().map(|| reply::text(StatusCode::OK, "ok")).boxed();
        let hosts: Hosts = Arc::new(|| vec!["img.example".to_owned()]);
        Gate::new(filter, hosts, vec!["192.0.2.9".parse().unwrap()], Timestamp::default)
    }

    fn line(peer: &str) -> Line {
        let local = Some("192.0.2.1".parse().unwrap());
        Line { peer: Some(peer.parse().unwrap()), local, tls: false }
    }

    fn status(path: &str, host: Option<&str>) -> u16 {
        let headers: Vec<_> = host.map(|h| ("host", h)).into_iter().collect();
        let facts = facts(Method::GET, path, &headers);
        gate().stopped_here(&facts, &line("192.0.2.7")).map_or(200, |r| r.status().as_u16())
    }

    #[test]
    fn the_log_never_has_the_secret_of_a_link() {
        assert_eq!(told("/setup/geheim"), "/setup/");
        assert_eq!(told("/jobs/7"), "/jobs/7");
    }

    #[test]
    fn only_its_own_names_are_answered() {
        for good in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "192.0.2.1",
            "img.example",
            "IMG.example.:8443",
        ] {
            assert_eq!(status("/", Some(good)), 200, "{good}");
        }
        for bad in ["evil.example", "192.0.2.2", "", "img.example.evil", "a b", "localhost.evil"] {
            assert_eq!(status("/", Some(bad)), 421, "{bad}");
        }
        assert_eq!(status("/", None), 421);
    }

    #[test]
    fn a_slash_at_the_end_leads_to_the_page_and_nowhere_else() {
        let to = |path: &str| {
            let facts = facts(Method::GET, path, &[("host", "localhost")]);
            let response = gate().stopped_here(&facts, &line("192.0.2.7"))?;
            Some(response.headers()[header::LOCATION].to_str().unwrap().to_owned())
        };
        assert_eq!(to("/queue/?a=b").as_deref(), Some("/queue?a=b"));
        assert_eq!(to("/jobs/7/").as_deref(), Some("/jobs/7"));
        for path in ["/", "//", "//evil.example/", "/nothing/", "/queue//", "/jobs/%2e%2e/"] {
            assert_eq!(to(path), None, "{path}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_may_name_the_client() {
        let client = |peer: &str, value: &str| {
            let headers = [("x-forwarded-for", value), ("x-forwarded-proto", "https")];
            let facts = facts(Method::GET, "/", &headers);
            let (addr, tls) = gate().client(&facts.headers, &line(peer));
            (addr.unwrap().to_string(), tls)
        };
        assert_eq!(client("192.0.2.7", "203.0.113.5"), ("192.0.2.7".into(), false));
        assert_eq!(client("192.0.2.9", "203.0.113.5"), ("203.0.113.5".into(), true));
        assert_eq!(client("192.0.2.9", "1.2.3.4, 203.0.113.5, 192.0.2.9").0, "203.0.113.5");
        assert_eq!(client("192.0.2.9", "203.0.113.5, nonsense").0, "192.0.2.9");
        assert_eq!(client("192.0.2.9", "").0, "192.0.2.9");
    }

    #[test]
    fn the_local_socket_needs_no_host() {
        let facts = facts(Method::GET, "/api/v1/version", &[]);
        let line = Line { peer: None, local: None, tls: false };
        assert!(gate().stopped_here(&facts, &line).is_none());
    }
}

//! What the accept loop knows of a request before any filter sees it.

use crate::{app::Peer, domain::Timestamp};
use http::{HeaderMap, Method, Uri};
use std::sync::Arc;
use tokio::sync::watch;

/// A request as it came in. Travels through the filters as a request extension.
#[derive(Clone, Debug)]
pub struct Arrival(Arc<Facts>);

/// The facts of an [`Arrival`].
#[derive(Debug)]
pub struct Facts {
    /// When its head was read.
    pub now: Timestamp,
    /// From where, a trusted proxy's word counted in.
    pub peer: Peer,
    /// Random, for the log and for people.
    pub request_id: String,
    /// The method.
    pub method: Method,
    /// Path and query as sent.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// True if the browser speaks TLS, to us or to a trusted proxy.
    pub secure: bool,
    /// True if it came through the local socket from root or the service's own user.
    pub console: bool,
    /// Turns true when the service stops.
    pub stopping: watch::Receiver<bool>,
}

impl Arrival {
    /// Wraps the facts.
    pub fn new(facts: Facts) -> Self {
        Self(Arc::new(facts))
    }
}

impl std::ops::Deref for Arrival {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl Facts {
    /// A header as text; `None` if it is missing or not ASCII.
    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// True for everything under `/api`.
    pub fn is_api(&self) -> bool {
        let path = self.uri.path();
        path == "/api" || path.starts_with("/api/")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    /// A request with these headers, at time zero, from nowhere.
    pub(crate) fn facts(method: Method, uri: &str, headers: &[(&str, &str)]) -> Facts {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        Facts {
            now: Timestamp::default(),
            peer: Peer::default(),
            request_id: "0123456789ab".into(),
            method,
            uri: uri.parse().unwrap(),
            headers: map,
            secure: false,
            console: false,
            stopping: watch::channel(false).1,
        }
    }

    #[test]
    fn the_api_is_what_lies_under_its_path() {
        for (path, api) in [("/api", true), ("/api/v1/jobs", true), ("/apis", false), ("/", false)]
        {
            assert_eq!(facts(Method::GET, path, &[]).is_api(), api, "{path}");
        }
    }
}

//! What handlers answer with. The security headers are added to every answer in one place, the
//! gate; what a handler sets itself (a download's stricter policy) stays.

use super::{cookies, error::WebError, flash::Notice};
use bytes::Bytes;
use futures_util::{Stream, stream::BoxStream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::Markup;
use serde::Serialize;
use std::{
    io,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};
use warp::Reply as _;

/// An answer.
pub type Response = warp::reply::Response;
/// What a handler gives back.
pub type Reply = Result<Response, WebError>;

/// The policy of every page: nothing but our own files, and no script or style inside a page.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                   connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Half a year, as long as browsers want it before they take it seriously.
const HSTS: &str = "max-age=15768000";

/// A page.
pub fn html(status: StatusCode, page: Markup) -> Response {
    typed(status, "text/html; charset=utf-8", page.0)
}

/// A page with status 200.
pub fn page(page: Markup) -> Response {
    html(StatusCode::OK, page)
}

/// A text.
pub fn text(status: StatusCode, text: impl Into<String>) -> Response {
    typed(status, "text/plain; charset=utf-8", text.into())
}

/// JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => typed(status, "application/json", bytes),
        Err(error) => {
            tracing::warn!(%error, "an answer could not be written as JSON");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written\n")
        }
    }
}

/// Nothing but a status.
pub fn empty(status: StatusCode) -> Response {
    status.into_response()
}

/// Bytes of a type.
pub fn typed(status: StatusCode, mime: &'static str, bytes: impl Into<Bytes>) -> Response {
    let mut response = http::Response::new(bytes.into()).into_response();
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    response
}

/// 303 to another address of this site.
pub fn see_other(url: &str) -> Response {
    redirect(StatusCode::SEE_OTHER, url)
}

/// 303 to another address of this site, which then shows `notice` once.
pub fn see_other_with(url: &str, notice: &Notice, secure: bool) -> Response {
    with_cookie(see_other(url), &cookies::flash(notice, secure))
}

/// A redirect with the status of one's choice.
pub fn redirect(status: StatusCode, url: &str) -> Response {
    let mut response = empty(status);
    match HeaderValue::from_str(url) {
        Ok(url) => response.headers_mut().insert(header::LOCATION, url),
        // Only addresses that cannot be a header come here, and none is made by us.
        Err(_) => response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/")),
    };
    response
}

/// Adds a cookie.
pub fn with_cookie(mut response: Response, cookie: &cookie::Cookie<'_>) -> Response {
    if let Ok(value) = HeaderValue::from_str(&cookie.encoded().to_string()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// A body that is made while it is sent. The stream is dropped as soon as the reader is gone.
pub fn stream(
    status: StatusCode,
    mime: &'static str,
    chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Response {
    let mut response = warp::reply::stream(Shared::new(chunks)).into_response();
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    response
}

/// The framework wants its streams to be `Sync`; this one is only ever polled from one place.
struct Shared(Mutex<BoxStream<'static, io::Result<Bytes>>>);

impl Shared {
    fn new(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self(Mutex::new(Box::pin(chunks)))
    }
}

impl Stream for Shared {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(cx)
    }
}

/// Puts the headers on that every answer has; those a handler set stay as they are.
pub fn secure_headers(headers: &mut HeaderMap, secure: bool) {
    let fixed: [(header::HeaderName, &'static str); 6] = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if secure {
        let value = HeaderValue::from_static(HSTS);
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(value);
    }
}

/// What no page of ours ever asks a browser for.
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream as streams;
    use http_body_util::BodyExt as _;

    #[test]
    fn every_answer_gets_the_headers_and_a_stricter_policy_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
        secure_headers(&mut headers, false);
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], "sandbox");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
        secure_headers(&mut headers, true);
        assert_eq!(headers[header::STRICT_TRANSPORT_SECURITY], HSTS);
    }

    #[test]
    fn an_address_that_is_no_header_leads_to_the_start_page() {
        assert_eq!(see_other("/a\r\nb").headers()[header::LOCATION], "/");
        assert_eq!(see_other("/queue").headers()[header::LOCATION], "/queue");
        assert_eq!(see_other("/queue").status(), StatusCode::SEE_OTHER);
    }

    #[tokio::test]
    async fn a_stream_is_sent_as_it_comes() {
        let chunks = streams::iter([Ok(Bytes::from("a")), Ok(Bytes::from("b"))]);
        let response = stream(StatusCode::OK, "text/plain", chunks);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "ab");
    }
}

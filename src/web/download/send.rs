//! A file as an answer: whole, a part, not modified, or why not.

use super::{
    body::{FileBytes, Reader},
    conditions::{Conditions, Outcome, Version, http_date},
    names::attachment,
    range::{Wanted, wanted},
};
use crate::app::Claim;
use crate::web::{Reply, Response, Visit, WebError, reply};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::ops::Range;

/// Where the bytes are.
pub enum Source {
    /// In a file, or made out of one.
    File(Reader),
    /// In an artifact, which stays as long as it is being sent.
    Artifact(Reader, Claim),
    /// In memory: small ones only.
    Memory(Bytes),
}

/// What is to be sent.
pub struct Offer {
    /// Where the bytes are.
    pub source: Source,
    /// How many there are.
    pub len: u64,
    /// Their type.
    pub mime: &'static str,
    /// What identifies them.
    pub version: Version,
    /// Saved under this name; `None` lets a browser show it.
    pub name: Option<String>,
    /// SHA-256 of the whole.
    pub sha256: Option<[u8; 32]>,
    /// How the bytes depend on what the caller accepts.
    pub coding: Coding,
}

/// What `Accept-Encoding` has to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Nothing: there is only one form.
    Only,
    /// The bytes as they are; another caller may get them packed.
    Plain,
    /// Packed; never in parts.
    Gzip,
}

/// Nothing of ours runs with what is downloaded, whatever it is.
const POLICY: &str = "sandbox; default-src 'none'";

/// Answers `visit` with what is offered.
///
/// # Errors
/// The caller's condition failed, or a header cannot be written.
pub fn send(visit: &Visit, offer: Offer) -> Reply {
    let response = match conditions(visit).weigh(&offer.version) {
        Outcome::Failed => return Err(changed()),
        Outcome::NotModified => reply::empty(StatusCode::NOT_MODIFIED),
        Outcome::Send { range } => {
            let whole_only = offer.coding == Coding::Gzip;
            let asked = visit.header(header::RANGE).filter(|_| range && !whole_only);
            match asked.map_or(Wanted::Whole, |header| wanted(header, offer.len)) {
                Wanted::Whole => whole(visit, offer.source, offer.len, offer.mime),
                Wanted::Part(part) => piece(visit, offer.source, part, offer.len, offer.mime),
                Wanted::Nothing(sentence) => return Ok(nothing(visit, sentence, offer.len)),
            }
        }
    };
    let mut response = dress(response, &offer.version, offer.name.as_deref(), offer.sha256)?;
    code(response.headers_mut(), offer.coding);
    Ok(response)
}

fn conditions(visit: &Visit) -> Conditions<'_> {
    Conditions {
        if_match: visit.header(header::IF_MATCH),
        if_none_match: visit.header(header::IF_NONE_MATCH),
        if_modified_since: visit.header(header::IF_MODIFIED_SINCE),
        if_unmodified_since: visit.header(header::IF_UNMODIFIED_SINCE),
        if_range: visit.header(header::IF_RANGE),
    }
}

fn changed() -> WebError {
    let message = "the file is not the version the request names: ask for it without the condition";
    WebError::new(StatusCode::PRECONDITION_FAILED, "Another version", message)
}

fn whole(visit: &Visit, source: Source, len: u64, mime: &'static str) -> Response {
    let mut response = body(visit, source, 0..len, StatusCode::OK, mime);
    response.headers_mut().insert(header::CONTENT_LENGTH, len.into());
    response
}

fn piece(
    visit: &Visit,
    source: Source,
    part: Range<u64>,
    len: u64,
    mime: &'static str,
) -> Response {
    let (first, last, size) = (part.start, part.end - 1, part.end - part.start);
    let mut response = body(visit, source, part, StatusCode::PARTIAL_CONTENT, mime);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, size.into());
    insert(headers, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{len}"));
    response
}

fn nothing(visit: &Visit, sentence: String, len: u64) -> Response {
    let error = WebError::new(StatusCode::RANGE_NOT_SATISFIABLE, "No such part", sentence);
    let mut response = match visit.wants_json() {
        true => error.into_json(&visit.request_id),
        false => error.into_text(),
    };
    insert(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{len}"));
    response
}

fn body(
    visit: &Visit,
    source: Source,
    part: Range<u64>,
    status: StatusCode,
    mime: &'static str,
) -> Response {
    if visit.method == Method::HEAD {
        return reply::typed(status, mime, Bytes::new());
    }
    match source {
        Source::File(file) => reply::stream(status, mime, FileBytes::new(file, part)),
        Source::Artifact(file, claim) => {
            // The closure lives as long as the stream.
            let held = move |_: &_| _ = &claim;
            reply::stream(status, mime, FileBytes::new(file, part).inspect(held))
        }
        Source::Memory(bytes) => {
            let at = |end: u64| usize::try_from(end).unwrap_or(usize::MAX).min(bytes.len());
            reply::typed(status, mime, bytes.slice(at(part.start)..at(part.end)))
        }
    }
}

fn dress(
    mut response: Response,
    version: &Version,
    name: Option<&str>,
    sha256: Option<[u8; 32]>,
) -> Reply {
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Kept, but asked for again each time: rights may have changed.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Some(etag) = &version.etag {
        insert(headers, header::ETAG, etag);
    }
    if let Some(seconds) = version.modified {
        insert(headers, header::LAST_MODIFIED, &http_date(seconds));
    }
    if let Some(name) = name {
        insert(headers, header::CONTENT_DISPOSITION, &attachment(name));
    }
    if let Some(hash) = sha256 {
        let digest = format!("sha-256=:{}:", data_encoding::BASE64.encode(&hash));
        insert(headers, header::HeaderName::from_static("repr-digest"), &digest);
    }
    Ok(response)
}

fn code(headers: &mut HeaderMap, coding: Coding) {
    if coding != Coding::Only {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if coding == Coding::Gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.remove(header::ACCEPT_RANGES);
    }
}

/// Whether a caller takes gzip, by its `Accept-Encoding`: named with any weight but zero.
pub fn takes_gzip(header: &str) -> bool {
    let mut all = false;
    for part in header.split(',') {
        let (name, weight) = part.split_once(';').unwrap_or((part, ""));
        let weight = weight.trim().strip_prefix("q=").map_or("1", str::trim);
        let wanted = weight.parse::<f32>().is_ok_and(|weight| weight > 0.0);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return wanted,
            "*" => all = wanted,
            _ => {}
        }
    }
    all
}

/// Adds a header; a value that is none (a damaged record) is left out.
fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_goes_to_those_who_name_it() {
        for yes in ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, GZIP;q=0.2", "*", "x-gzip"] {
            assert!(takes_gzip(yes), "{yes}");
        }
        for no in ["", "identity", "br", "gzip;q=0", "gzip; q=0.0, *", "*;q=0", "gzip;q=much"] {
            assert!(!takes_gzip(no), "{no}");
        }
    }
}

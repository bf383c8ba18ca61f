//! The embedded files, the sign of life, and what robots are told.

use super::{Reply, Response, Screens, Visit, error::WebError, pages::assets, reply};
use crate::app::App;
use http::{HeaderValue, StatusCode, header};

/// A file whose address names its contents never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Any other address is asked about again.
const ASK_AGAIN: &str = "no-cache";
/// Characters of a hash below which an address does not name a version.
const SHORTEST: usize = 8;

/// The handlers of this group.
pub fn routes(app: &App) -> Screens {
    Screens::new(app).on("ui", file).on("healthz", alive).on("robots", robots)
}

async fn file(visit: Visit) -> Reply {
    let asset = assets::get(visit.param("file")).ok_or_else(WebError::not_found)?;
    let version = visit.query("v");
    Ok(send(asset, version.as_deref(), visit.header(header::IF_NONE_MATCH)))
}

fn send(asset: assets::Asset, version: Option<&str>, known: Option<&str>) -> Response {
    let tag = format!("\"{}\"", asset.hash);
    let named = version.is_some_and(|v| v.len() >= SHORTEST && asset.hash.starts_with(v));
    let mut response = match known.is_some_and(|known| matches(known, &tag)) {
        true => reply::empty(StatusCode::NOT_MODIFIED),
        false => reply::typed(StatusCode::OK, asset.mime, asset.bytes.into_owned()),
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    let cache = HeaderValue::from_static(if named { FOR_EVER } else { ASK_AGAIN });
    headers.insert(header::CACHE_CONTROL, cache);
    response
}

/// Whether `If-None-Match` names the tag, weak spellings included.
fn matches(known: &str, tag: &str) -> bool {
    known.split(',').map(str::trim).any(|k| k == "*" || k.trim_start_matches("W/") == tag)
}

async fn alive(_visit: Visit) -> Reply {
    Ok(reply::text(StatusCode::OK, "ok\n"))
}

async fn robots(_visit: Visit) -> Reply {
    Ok(reply::text(StatusCode::OK, "User-agent: *\nDisallow: /\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset() -> assets::Asset {
        assets::get("style.css").unwrap()
    }

    #[test]
    fn only_an_address_with_the_right_version_is_kept_for_ever() {
        let hash = asset().hash;
        let cache = |version: Option<&str>| {
            send(asset(), version, None).headers()[header::CACHE_CONTROL]
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(cache(hash.get(..12)), FOR_EVER);
        assert_eq!(cache(None), ASK_AGAIN);
        assert_eq!(cache(Some("")), ASK_AGAIN);
        assert_eq!(cache(Some("000000000000")), ASK_AGAIN);
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let tag = format!("W/\"{}\"", asset().hash);
        let response = send(asset(), None, Some(&tag));
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(send(asset(), None, Some("\"other\"")).status(), StatusCode::OK);
    }
}

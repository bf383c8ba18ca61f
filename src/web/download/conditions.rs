//! Conditional requests (RFC 9110, section 13): what the caller has already, and whether a part
//! still fits to it.

use std::time::{Duration, UNIX_EPOCH};

/// What identifies the bytes that are about to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// The strong entity tag with its quotes, if the bytes can never change.
    pub etag: Option<String>,
    /// Unix seconds of the last change, if known.
    pub modified: Option<u64>,
}

/// The headers that make a request conditional.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions<'a> {
    /// `If-Match`
    pub if_match: Option<&'a str>,
    /// `If-None-Match`
    pub if_none_match: Option<&'a str>,
    /// `If-Modified-Since`
    pub if_modified_since: Option<&'a str>,
    /// `If-Unmodified-Since`
    pub if_unmodified_since: Option<&'a str>,
    /// `If-Range`
    pub if_range: Option<&'a str>,
}

/// What the conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send; `range` says whether a `Range` header counts.
    Send {
        /// False: the caller's part is of another version, so everything is sent.
        range: bool,
    },
    /// The caller has these bytes (304).
    NotModified,
    /// The caller meant another version (412).
    Failed,
}

impl Conditions<'_> {
    /// Weighs the conditions in the order the standard gives.
    pub fn weigh(&self, version: &Version) -> Outcome {
        if !self.precondition(version) {
            return Outcome::Failed;
        }
        if self.has_already(version) {
            return Outcome::NotModified;
        }
        Outcome::Send { range: self.if_range.is_none_or(|value| same(value, version)) }
    }

    fn precondition(&self, version: &Version) -> bool {
        if let Some(tags) = self.if_match {
            return any_tag(tags, version, false);
        }
        match (self.if_unmodified_since.and_then(seconds), version.modified) {
            (Some(since), Some(modified)) => modified <= since,
            _ => true,
        }
    }

    fn has_already(&self, version: &Version) -> bool {
        if let Some(tags) = self.if_none_match {
            return any_tag(tags, version, true);
        }
        match (self.if_modified_since.and_then(seconds), version.modified) {
            (Some(since), Some(modified)) => modified <= since,
            _ => false,
        }
    }
}

/// `If-Range`: a strong tag, or exactly the date that was sent.
fn same(value: &str, version: &Version) -> bool {
    let value = value.trim();
    if value.starts_with('"') || value.starts_with("W/") {
        return version.etag.as_deref() == Some(value);
    }
    version.modified.is_some() && seconds(value) == version.modified
}

fn any_tag(list: &str, version: &Version, weak: bool) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let Some(own) = version.etag.as_deref() else { return false };
    // The tags sent from here hold no comma, so one that does is no match anyway.
    list.split(',').map(str::trim).any(|tag| {
        let tag = if weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
        tag == own
    })
}

/// The Unix seconds of an HTTP date; `None` for what is none, which then counts as not sent.
fn seconds(date: &str) -> Option<u64> {
    let moment = httpdate::parse_http_date(date.trim()).ok()?;
    moment.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// The HTTP date of Unix seconds.
pub fn http_date(seconds: u64) -> String {
    // Later years do not fit into the format.
    const LAST: u64 = 253_402_300_799;
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn version() -> Version {
        Version { etag: Some("\"abc\"".into()), modified: Some(784_111_777) }
    }

    fn weigh(conditions: Conditions<'_>) -> Outcome {
        conditions.weigh(&version())
    }

    #[test]
    fn a_known_tag_or_date_means_not_modified() {
        let none = |tags| weigh(Conditions { if_none_match: Some(tags), ..Default::default() });
        for tags in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            assert_eq!(none(tags), Outcome::NotModified, "{tags}");
        }
        assert_eq!(none("\"abd\""), Outcome::Send { range: true });
        assert_eq!(none("abc"), Outcome::Send { range: true });
        let since = |d| weigh(Conditions { if_modified_since: Some(d), ..Default::default() });
        assert_eq!(since(DATE), Outcome::NotModified);
        assert_eq!(since(LATER), Outcome::NotModified);
        assert_eq!(since(EARLIER), Outcome::Send { range: true });
        assert_eq!(since("yesterday"), Outcome::Send { range: true });
    }

    #[test]
    fn a_tag_goes_before_a_date() {
        let both = Conditions {
            if_none_match: Some("\"other\""),
            if_modified_since: Some(LATER),
            ..Default::default()
        };
        assert_eq!(weigh(both), Outcome::Send { range: true });
    }

    #[test]
    fn a_part_is_sent_only_of_the_same_version() {
        let part = |v| weigh(Conditions { if_range: Some(v), ..Default::default() });
        for same in ["\"abc\"", DATE, "Sunday, 06-Nov-94 08:49:37 GMT"] {
            assert_eq!(part(same), Outcome::Send { range: true }, "{same}");
        }
        for other in ["\"abd\"", "W/\"abc\"", LATER, EARLIER, "nonsense", ""] {
            assert_eq!(part(other), Outcome::Send { range: false }, "{other}");
        }
    }

    #[test]
    fn a_precondition_on_another_version_fails() {
        let matching = |tags| weigh(Conditions { if_match: Some(tags), ..Default::default() });
        assert_eq!(matching("\"abc\""), Outcome::Send { range: true });
        assert_eq!(matching("*"), Outcome::Send { range: true });
        assert_eq!(matching("W/\"abc\""), Outcome::Failed);
        assert_eq!(matching("\"abd\""), Outcome::Failed);
        let since = |d| weigh(Conditions { if_unmodified_since: Some(d), ..Default::default() });
        assert_eq!(since(EARLIER), Outcome::Failed);
        assert_eq!(since(DATE), Outcome::Send { range: true });
    }

    #[test]
    fn bytes_without_a_version_are_always_sent() {
        let nothing = Version::default();
        let asked = Conditions {
            if_none_match: Some("\"abc\""),
            if_modified_since: Some(LATER),
            if_range: Some("\"abc\""),
            ..Default::default()
        };
        assert_eq!(asked.weigh(&nothing), Outcome::Send { range: false });
    }

    #[test]
    fn dates_are_written_as_http_wants_them_whatever_the_number() {
        assert_eq!(http_date(784_111_777), DATE);
        assert!(http_date(u64::MAX).ends_with("GMT"));
    }
}

//! The queue page's address: what is filtered, how many rows, where the page begins.

use crate::{
    app::{Cursor, JobFilter},
    domain::{Arch, ImageTypeId, JobId, QueueName, StateKind, UserName},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what a query value or a path segment may hold as it is.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as a query value or path segment.
pub(super) fn encode(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, VALUE)
}

/// What the queue page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueQuery {
    /// Which jobs; with `mine`, `filter.owner` is the one who asks.
    pub filter: JobFilter,
    /// Only one's own.
    pub mine: bool,
    /// Rows on a page: one of [`SIZES`](Self::SIZES).
    pub size: usize,
    /// Where the page begins.
    pub at: Cursor,
    /// Rows follow what happens.
    pub refresh: bool,
}

impl Default for QueueQuery {
    fn default() -> Self {
        let filter = JobFilter::default();
        Self { filter, mine: false, size: Self::SIZE, at: Cursor::Newest, refresh: true }
    }
}

impl QueueQuery {
    /// How many rows a page may have.
    pub const SIZES: [usize; 4] = [25, 30, 50, 100];
    /// How many rows a page has unless asked otherwise.
    pub const SIZE: usize = 30;
    /// Characters of a search text that are looked at.
    const TEXT: usize = 100;

    /// Reads decoded name and value pairs of an address; what does not fit is left out.
    /// With `mine=1` the filter's owner is `me`.
    pub fn from_pairs<'p>(
        pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
        me: &UserName,
    ) -> Self {
        let mut query = Self::default();
        for (name, value) in pairs {
            query.set(name, value.trim());
        }
        if query.mine {
            query.filter.owner = Some(me.clone());
        }
        query
    }

    fn set(&mut self, name: &str, value: &str) {
        let filter = &mut self.filter;
        match name {
            "q" if !value.is_empty() => {
                filter.text = Some(value.chars().take(Self::TEXT).collect());
            }
            "mine" => self.mine = value == "1",
            "status" => filter.state = StateKind::from_word(value),
            "queue" => filter.queue = QueueName::new(value).ok(),
            "user" => filter.owner = UserName::new(value).ok(),
            "type" => filter.image_type = ImageTypeId::new(value).ok(),
            "arch" => filter.arch = Arch::new(value).ok(),
            "size" => self.size = size(value),
            "before" => self.at = cursor(value, Cursor::Before),
            "after" => self.at = cursor(value, Cursor::After),
            "refresh" => self.refresh = value != "off",
            _ => {}
        }
    }

    /// The address of this page of the queue.
    pub fn url(&self) -> String {
        format!("/queue{}", self.query())
    }

    /// The address of the stream that keeps this page's rows fresh.
    pub fn events_url(&self) -> String {
        format!("/queue/events{}", self.query())
    }

    /// The same, beginning elsewhere.
    pub fn starting(&self, at: Cursor) -> Self {
        Self { at, ..self.clone() }
    }

    /// True if anything narrows the list.
    pub fn is_filtered(&self) -> bool {
        self.mine || self.filter != JobFilter::default()
    }

    fn query(&self) -> String {
        let mut out = String::new();
        for (name, value) in self.pairs() {
            out.push(if out.is_empty() { '?' } else { '&' });
            out.push_str(&format!("{name}={}", encode(&value)));
        }
        out
    }

    /// Names and values that differ from an ordinary visit.
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let filter = &self.filter;
        let owner = filter.owner.as_ref().filter(|_| !self.mine);
        let at = |wanted: Option<JobId>| wanted.map(|id| id.to_string());
        let (before, after) = match self.at {
            Cursor::Newest => (None, None),
            Cursor::Before(id) => (Some(id), None),
            Cursor::After(id) => (None, Some(id)),
        };
        [
            ("q", filter.text.clone()),
            ("mine", self.mine.then(|| "1".to_owned())),
            ("status", filter.state.map(|s| s.as_str().to_owned())),
            ("queue", filter.queue.as_ref().map(ToString::to_string)),
            ("user", owner.map(ToString::to_string)),
            ("type", filter.image_type.as_ref().map(ToString::to_string)),
            ("arch", filter.arch.as_ref().map(ToString::to_string)),
            ("size", (self.size != Self::SIZE).then(|| self.size.to_string())),
            ("refresh", (!self.refresh).then(|| "off".to_owned())),
            ("before", at(before)),
            ("after", at(after)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

fn size(word: &str) -> usize {
    let asked = word.parse().unwrap_or(QueueQuery::SIZE);
    if QueueQuery::SIZES.contains(&asked) { asked } else { QueueQuery::SIZE }
}

fn cursor(word: &str, from: fn(JobId) -> Cursor) -> Cursor {
    word.parse().map_or(Cursor::Newest, from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> UserName {
        UserName::new("ann").unwrap()
    }

    #[test]
    fn an_address_leads_back_to_the_same_page() {
        let mut query = QueueQuery::default();
        query.filter.text = Some("a&b=c #ü".into());
        query.filter.state = Some(StateKind::Failed);
        query.filter.arch = Some(Arch::new("armv7hl").unwrap());
        query.size = 100;
        query.refresh = false;
        query.at = Cursor::Before(JobId::new(42).unwrap());
        let url = query.url();
        assert!(!url.contains(' ') && !url.contains('#'), "{url}");
        let (_, pairs) = url.split_once('?').unwrap();
        let decoded: Vec<(String, String)> = pairs
            .split('&')
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(n, v)| {
                let value = percent_encoding::percent_decode_str(v).decode_utf8().unwrap();
                (n.to_owned(), value.into_owned())
            })
            .collect();
        let back =
            QueueQuery::from_pairs(decoded.iter().map(|(n, v)| (n.as_str(), v.as_str())), &me());
        assert_eq!(back, query);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let pairs = [
            ("size", "1000000"),
            ("status", "<b>"),
            ("queue", "../x"),
            ("before", "0"),
            ("z", "1"),
        ];
        assert_eq!(QueueQuery::from_pairs(pairs, &me()), QueueQuery::default());
    }

    #[test]
    fn mine_means_the_one_who_asks() {
        let query = QueueQuery::from_pairs([("user", "bo"), ("mine", "1")], &me());
        assert_eq!(query.filter.owner, Some(me()));
        assert_eq!(query.url(), "/queue?mine=1");
    }
}

//! The text of server-sent events: `event:`, `id:` and one `data:` per line.

use bytes::Bytes;
use std::{borrow::Cow, fmt::Write as _};

/// Sent when nothing else was for a while, so that proxies and dead peers are noticed.
pub const KEEP_ALIVE: Bytes = Bytes::from_static(b": still here\n\n");
/// Sent first: how many milliseconds a browser waits before it connects again.
pub const RETRY: Bytes = Bytes::from_static(b"retry: 1000\n\n");

/// One event. Line ends inside `data` (LF, CR, CR LF) become further `data:` lines, so that no
/// content can end the event early; a line end at the very end is left out.
pub fn event(name: &str, id: Option<u64>, data: &str) -> Bytes {
    let mut text = String::with_capacity(data.len() + data.len() / 16 + 64);
    let _ = writeln!(text, "event: {name}");
    if let Some(id) = id {
        let _ = writeln!(text, "id: {id}");
    }
    for line in plain(data).split('\n') {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

/// `data` with LF as its only line end, and without one at the very end.
fn plain(data: &str) -> Cow<'_, str> {
    if data.contains('\r') {
        let plain = data.replace("\r\n", "\n").replace('\r', "\n");
        return plain.strip_suffix('\n').map(str::to_owned).unwrap_or(plain).into();
    }
    data.strip_suffix('\n').unwrap_or(data).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a browser makes of it (the parts used here).
    pub(crate) fn read(text: &str) -> (String, Option<String>, String) {
        let (mut name, mut id, mut data) = (String::new(), None, Vec::new());
        let block = text.strip_suffix("\n\n").unwrap();
        for line in block.split(['\n', '\r']) {
            let (field, value) = line.split_once(':').unwrap();
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => name = value.to_owned(),
                "id" => id = Some(value.to_owned()),
                "data" => data.push(value.to_owned()),
                other => panic!("unexpected field {other:?} in {text:?}"),
            }
        }
        (name, id, data.join("\n"))
    }

    #[test]
    fn an_event_is_framed_line_by_line() {
        let text = event("log", Some(42), "<li>a</li>\n<li>b</li>\n");
        assert_eq!(text, "event: log\nid: 42\ndata: <li>a</li>\ndata: <li>b</li>\n\n");
        assert_eq!(event("end", None, ""), "event: end\ndata: \n\n");
    }

    proptest! {
        #[test]
        fn no_content_ends_an_event_early(data in "[a\r\n:]{0,40}") {
            let bytes = event("log", Some(7), &data);
            let text = std::str::from_utf8(&bytes).unwrap();
            prop_assert_eq!(text.matches("\n\n").count(), 1);
            let (name, id, got) = read(text);
            prop_assert_eq!((name.as_str(), id.as_deref()), ("log", Some("7")));
            let plain = data.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(got, plain.strip_suffix('\n').unwrap_or(&plain));
        }
    }
}

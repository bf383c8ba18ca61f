//! File names in headers.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 8187's `attr-char`.
const EXTENDED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `Content-Disposition` for a file that is to be saved as `name`, whatever characters it has:
/// an ASCII name for every client, and the exact one (RFC 8187) beside it when they differ.
pub fn attachment(name: &str) -> String {
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    if plain == name {
        return format!("attachment; filename=\"{plain}\"");
    }
    let exact = utf8_percent_encode(name, &EXTENDED);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

fn is_plain(c: char) -> bool {
    (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '%' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        assert_eq!(attachment("disk.img.zst"), "attachment; filename=\"disk.img.zst\"");
    }

    #[test]
    fn other_names_are_sent_twice() {
        assert_eq!(
            attachment("Größe \"1\".img"),
            "attachment; filename=\"Gr__e _1_.img\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22.img"
        );
        assert_eq!(
            attachment("a\r\nX: y"),
            "attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"
        );
    }

    proptest! {
        #[test]
        fn any_name_makes_a_header_that_can_be_sent(name in any::<String>()) {
            let value = attachment(&name);
            prop_assert!(http::HeaderValue::from_str(&value).is_ok());
            prop_assert!(value.matches('"').count() == 2);
        }
    }
}

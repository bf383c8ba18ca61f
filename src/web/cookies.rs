//! The three cookies: the session, the theme, and a message that is shown once.

use super::{flash::Notice, pages::Theme};
use cookie::{Cookie, SameSite, time::Duration as Span};
use http::{HeaderMap, header};
use std::time::Duration;

/// Longest a browser keeps the theme.
const THEME_DAYS: i64 = 400;
/// Longest a message waits for the page it belongs on.
const FLASH_SECONDS: i64 = 60;
/// Characters of a cookie value that are looked at.
const LONGEST: usize = 256;

/// The session cookie's name. `__Host-` binds it to this host and to TLS; over plain HTTP, which
/// only loopback has, browsers would not keep a cookie of that name.
pub fn session_name(secure: bool) -> &'static str {
    if secure { "__Host-img" } else { "img" }
}

const THEME: &str = "img_theme";
const FLASH: &str = "img_flash";

fn build(name: &'static str, value: String, secure: bool, age: Span) -> Cookie<'static> {
    Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(secure)
        .max_age(age)
        .build()
}

/// The session's cookie.
pub fn session(value: String, secure: bool, age: Duration) -> Cookie<'static> {
    let age = Span::seconds(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    build(session_name(secure), value, secure, age)
}

/// Makes the browser forget the session.
pub fn no_session(secure: bool) -> Cookie<'static> {
    build(session_name(secure), String::new(), secure, Span::ZERO)
}

/// Keeps the theme.
pub fn theme(theme: Theme, secure: bool) -> Cookie<'static> {
    build(THEME, theme.as_str().to_owned(), secure, Span::days(THEME_DAYS))
}

/// Carries a message to the next page.
pub fn flash(notice: &Notice, secure: bool) -> Cookie<'static> {
    build(FLASH, notice.to_cookie(), secure, Span::seconds(FLASH_SECONDS))
}

/// Makes the browser forget the message.
pub fn no_flash(secure: bool) -> Cookie<'static> {
    build(FLASH, String::new(), secure, Span::ZERO)
}

/// What the cookies of a request say. Whatever is broken counts as not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Jar {
    /// The session's value, unchecked.
    pub session: Option<String>,
    /// The theme.
    pub theme: Theme,
    /// The message to show.
    pub flash: Option<Notice>,
    /// There was a message cookie, readable or not.
    pub had_flash: bool,
}

impl Jar {
    /// Reads the cookies of a request.
    pub fn read(headers: &HeaderMap, secure: bool) -> Self {
        let mut jar = Self::default();
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
        for cookie in lines.flat_map(Cookie::split_parse_encoded).flatten() {
            let value = cookie.value();
            if value.len() > LONGEST {
                continue;
            }
            match cookie.name() {
                name if name == session_name(secure) && jar.session.is_none() => {
                    jar.session = Some(value.to_owned());
                }
                THEME => jar.theme = Theme::from_word(value).unwrap_or_default(),
                FLASH => {
                    jar.flash = Notice::from_cookie(value);
                    jar.had_flash = true;
                }
                _ => {}
            }
        }
        jar
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn read(cookie: &[u8], secure: bool) -> Jar {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_bytes(cookie).unwrap());
        Jar::read(&headers, secure)
    }

    #[test]
    fn a_session_cookie_is_bound_as_tightly_as_the_connection_allows() {
        let cookie = session("v".into(), true, Duration::from_secs(60)).to_string();
        let wanted = "__Host-img=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60";
        assert_eq!(cookie, wanted);
        let cookie = session("v".into(), false, Duration::from_secs(60)).to_string();
        assert_eq!(cookie, "img=v; HttpOnly; SameSite=Lax; Path=/; Max-Age=60");
        assert!(no_session(false).to_string().contains("Max-Age=0"));
    }

    #[test]
    fn only_the_cookie_of_this_kind_of_connection_counts() {
        assert_eq!(read(b"img=a; img_theme=dark", false).session.as_deref(), Some("a"));
        assert_eq!(read(b"img=a; img_theme=dark", false).theme, Theme::Dark);
        assert_eq!(read(b"img=a", true).session, None);
        assert_eq!(read(b"__Host-img=b; img=a", true).session.as_deref(), Some("b"));
        assert_eq!(read(b"img=first; img=second", false).session.as_deref(), Some("first"));
    }

    #[test]
    fn a_broken_cookie_is_no_cookie() {
        for broken in ["", ";;;", "=", "img", "img_theme=<b>", "img_flash=%ff", "img=\u{fc}"] {
            let jar = read(broken.as_bytes(), false);
            assert_eq!((jar.session, jar.theme, jar.flash), (None, Theme::Auto, None), "{broken}");
        }
        let long = format!("img={}", "a".repeat(LONGEST + 1));
        assert_eq!(read(long.as_bytes(), false).session, None);
    }

    #[test]
    fn a_message_survives_the_way_through_the_browser() {
        let notice = Notice::Submitted(crate::domain::JobId::new(42).unwrap());
        let sent = flash(&notice, false).encoded().to_string();
        let (pair, _) = sent.split_once(';').unwrap();
        let jar = read(pair.as_bytes(), false);
        assert_eq!(jar.flash, Some(notice));
        assert!(jar.had_flash);
    }

    proptest! {
        #[test]
        fn no_cookie_header_breaks_anything(bytes in proptest::collection::vec(32u8..=255, 0..300)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert(header::COOKIE, value);
                let jar = Jar::read(&headers, false);
                prop_assert!(jar.session.is_none_or(|s| s.len() <= LONGEST));
            }
        }
    }
}

//! Takes secrets out of the output before anybody sees it: declared secret values, passwords in
//! URLs, `rootpw` lines and private keys.
//!
//! Output comes in pieces that end anywhere. What may be the beginning of a secret is held back
//! until more comes; everything else goes on at once, so that prompts and progress are seen.

use memchr::memmem::Finder;
use std::borrow::Cow;

/// What stands in a secret's place.
pub(super) const MASK: &str = "••••••";
/// Shorter values are not masked: they would blacken half of every log.
const SHORTEST: usize = 3;
/// A URL's user part is looked at no longer than this.
const LONGEST_USER: usize = 512;
/// A held piece of a line goes on when it gets longer.
const LONGEST_HELD: usize = 16 << 10;

/// Bytes that a private key may have: twice what one of 16,384 bits takes. What looks like the
/// beginning of one and never ends does not take the rest of the log with it.
const LONGEST_KEY: usize = 32 << 10;

const KEY_BEGIN: &[u8] = b"-----BEGIN ";
const KEY_END: &[u8] = b"-----END ";
const ROOTPW: &[u8] = b"rootpw";
const URL: &[u8] = b"://";

/// Masks one job's output.
pub(super) struct Masker {
    secrets: Vec<Finder<'static>>,
    key_begin: Finder<'static>,
    key_end: Finder<'static>,
    rootpw: Finder<'static>,
    url: Finder<'static>,
    held: Vec<u8>,
    /// Inside a private key, which goes on until its end line.
    in_key: bool,
    /// Bytes of it that were taken out so far.
    taken: usize,
}

/// A part to be replaced.
struct Hit {
    start: usize,
    end: usize,
}

/// What a look at a piece found.
#[derive(Default)]
struct Found {
    hits: Vec<Hit>,
    /// From here on it may be the beginning of something.
    hold: Option<usize>,
    /// A private key began here and did not end.
    opens_key: Option<usize>,
}

impl Found {
    fn hold(&mut self, from: usize) {
        self.hold = Some(self.hold.map_or(from, |at| at.min(from)));
    }

    /// A hit is never cut in two: what is held begins before it or behind it.
    fn settle(&mut self) {
        if self.opens_key.is_some_and(|key| self.hold.is_some_and(|from| from >= key)) {
            self.hold = None;
        }
        self.hits.sort_unstable_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end)));
        for hit in self.hits.iter().rev() {
            if self.hold.is_some_and(|from| hit.start < from && from < hit.end) {
                self.hold = Some(hit.start);
            }
        }
    }
}

impl Masker {
    /// Masks these values and what can be recognised.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        // A value of several lines may be printed line by line.
        let mut values: Vec<&str> = secrets
            .into_iter()
            .flat_map(str::lines)
            .map(str::trim)
            .filter(|value| value.len() >= SHORTEST)
            .collect();
        // Longest first: a value may contain another one.
        values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        let finder = |value: &[u8]| Finder::new(value).into_owned();
        Self {
            secrets: values.into_iter().map(|value| finder(value.as_bytes())).collect(),
            key_begin: finder(KEY_BEGIN),
            key_end: finder(KEY_END),
            rootpw: finder(ROOTPW),
            url: finder(URL),
            held: Vec::new(),
            in_key: false,
            taken: 0,
        }
    }

    /// One line or word at once, nothing held back.
    pub(super) fn text(&mut self, text: &str) -> String {
        let held = std::mem::take(&mut self.held);
        let (in_key, taken) = (std::mem::take(&mut self.in_key), self.taken);
        let masked = String::from_utf8_lossy(&self.mask(text.as_bytes(), true)).into_owned();
        (self.held, self.in_key, self.taken) = (held, in_key, taken);
        masked
    }

    /// What of `piece`, and of what was held, can go on. `last`: nothing follows.
    pub(super) fn mask<'a>(&mut self, piece: &'a [u8], last: bool) -> Cow<'a, [u8]> {
        if self.held.is_empty() {
            return self.pass(Cow::Borrowed(piece), last);
        }
        let mut joined = std::mem::take(&mut self.held);
        joined.extend_from_slice(piece);
        self.pass(Cow::Owned(joined), last)
    }

    fn pass<'a>(&mut self, bytes: Cow<'a, [u8]>, last: bool) -> Cow<'a, [u8]> {
        if self.in_key {
            return Cow::Owned(self.skip_key(&bytes, last));
        }
        let mut found = self.look(&bytes, last);
        found.settle();
        if last || found.hold.is_some_and(|from| bytes.len() - from > LONGEST_HELD) {
            found.hold = None;
        }
        if found.hits.is_empty() && found.hold.is_none() {
            return bytes;
        }
        let end = found.hold.unwrap_or(bytes.len());
        self.held = bytes.get(end..).unwrap_or_default().to_vec();
        self.in_key = found.opens_key.is_some() && found.hold.is_none() && !last;
        if let Some(key) = found.opens_key.filter(|_| self.in_key) {
            let from = self.key_tail(&bytes, key);
            self.taken = from - key;
            self.held = bytes.get(from..).unwrap_or_default().to_vec();
        }
        Cow::Owned(replace(bytes.get(..end).unwrap_or_default(), found.hits))
    }

    /// Drops bytes up to the end of a private key, then goes on with what follows it.
    fn skip_key(&mut self, bytes: &[u8], last: bool) -> Vec<u8> {
        let end = self.end_of_key(bytes, LONGEST_KEY.saturating_sub(self.taken));
        if let Some(rest) = end.and_then(|end| bytes.get(end..)) {
            self.in_key = false;
            return self.pass(Cow::Borrowed(rest), last).into_owned();
        }
        if last {
            self.in_key = false;
        } else {
            let from = self.key_tail(bytes, 0);
            self.taken += from;
            self.held = bytes.get(from..).unwrap_or_default().to_vec();
        }
        Vec::new()
    }

    /// Where the line ends that ends a key, or that is behind the `most` bytes it may have.
    fn end_of_key(&self, bytes: &[u8], most: usize) -> Option<usize> {
        let key = bytes.get(..most).unwrap_or(bytes);
        let at = self.key_end.find(key).or((key.len() < bytes.len()).then_some(key.len()))?;
        memchr::memchr(b'\n', bytes.get(at..)?).map(|line| at + line)
    }

    /// From where on the rest of a key must be kept to see its end, which may be cut anywhere.
    fn key_tail(&self, bytes: &[u8], key: usize) -> usize {
        let body = bytes.get(key..).unwrap_or_default();
        let end = self.key_end.find(body).map(|at| key + at);
        let from = end.unwrap_or(bytes.len().saturating_sub(KEY_END.len()));
        from.max(key).max(bytes.len().saturating_sub(LONGEST_HELD))
    }

    fn look(&self, bytes: &[u8], last: bool) -> Found {
        let mut found = Found::default();
        for secret in &self.secrets {
            for start in secret.find_iter(bytes) {
                found.hits.push(Hit { start, end: start + secret.needle().len() });
            }
            hold_prefix(bytes, secret.needle(), &mut found);
        }
        self.look_for_urls(bytes, &mut found);
        self.look_for_rootpw(bytes, &mut found);
        self.look_for_keys(bytes, last, &mut found);
        found
    }

    fn look_for_urls(&self, bytes: &[u8], found: &mut Found) {
        for at in self.url.find_iter(bytes) {
            let start = at + URL.len();
            let rest = bytes.get(start..).unwrap_or_default();
            let rest = rest.get(..LONGEST_USER).unwrap_or(rest);
            let ends = |b: &u8| b.is_ascii_whitespace() || b"/@\"'<>?#".contains(b);
            match rest.iter().position(ends) {
                Some(end) if rest.get(end) == Some(&b'@') => {
                    let user = rest.get(..end).unwrap_or_default();
                    if let Some(colon) = memchr::memchr(b':', user) {
                        found.hits.push(Hit { start: start + colon + 1, end: start + end });
                    }
                }
                Some(_) => {}
                None if rest.len() < LONGEST_USER => found.hold(at),
                None => {}
            }
        }
        hold_prefix(bytes, URL, found);
    }

    fn look_for_rootpw(&self, bytes: &[u8], found: &mut Found) {
        for at in self.rootpw.find_iter(bytes) {
            let start = at + ROOTPW.len();
            let rest = bytes.get(start..).unwrap_or_default();
            let Some(length) = memchr::memchr2(b'\n', b'\r', rest) else {
                found.hold(at);
                continue;
            };
            let line = rest.get(..length).unwrap_or_default();
            if !line.first().is_some_and(u8::is_ascii_whitespace) {
                continue;
            }
            let mut from = 0;
            for word in line.split(|b| b.is_ascii_whitespace()) {
                if !word.is_empty() && !word.starts_with(b"--") {
                    let start = start + from;
                    found.hits.push(Hit { start, end: start + word.len() });
                }
                from += word.len() + 1;
            }
        }
        hold_prefix(bytes, ROOTPW, found);
    }

    fn look_for_keys(&self, bytes: &[u8], last: bool, found: &mut Found) {
        let mut from = 0;
        while let Some(at) = bytes.get(from..).and_then(|rest| self.key_begin.find(rest)) {
            let begin = from + at;
            let rest = bytes.get(begin..).unwrap_or_default();
            let Some(line_end) = memchr::memchr(b'\n', rest) else {
                if !last {
                    found.hold(begin);
                }
                return;
            };
            from = begin + line_end;
            let first = rest.get(..line_end).unwrap_or_default();
            if memchr::memmem::find(first, b"PRIVATE KEY").is_none() {
                continue;
            }
            let body = bytes.get(from..).unwrap_or_default();
            let end = self.end_of_key(body, LONGEST_KEY).map(|end| from + end);
            let start = from + 1;
            found.hits.push(Hit { start, end: end.unwrap_or(bytes.len()).max(start) });
            let Some(end) = end else {
                found.opens_key = Some(start);
                return;
            };
            from = end;
        }
        hold_prefix(bytes, KEY_BEGIN, found);
    }
}

/// Holds the end of `bytes` if it is a beginning of `needle`.
fn hold_prefix(bytes: &[u8], needle: &[u8], found: &mut Found) {
    let longest = needle.len().saturating_sub(1).min(bytes.len());
    for length in (1..=longest).rev() {
        let start = bytes.len() - length;
        if bytes.get(start..) == needle.get(..length) {
            return found.hold(start);
        }
    }
}

/// Puts the mask in the place of each hit; they are in order.
fn replace(bytes: &[u8], hits: Vec<Hit>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    // What lies behind the end of `bytes` is held back and comes again.
    for hit in hits.into_iter().filter(|hit| hit.start < bytes.len()) {
        if hit.start >= at {
            out.extend_from_slice(bytes.get(at..hit.start).unwrap_or_default());
            out.extend_from_slice(MASK.as_bytes());
        }
        at = at.max(hit.end);
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(masker: &mut Masker, pieces: &[&[u8]]) -> String {
        let mut out = Vec::new();
        for piece in pieces {
            out.extend_from_slice(&masker.mask(piece, false));
        }
        out.extend_from_slice(&masker.mask(b"", true));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_cut_anywhere_is_masked() {
        let text = b"user=kim password=s3cret-word done\n";
        for cut in 0..text.len() {
            let (a, b) = text.split_at(cut);
            let masked = all(&mut Masker::new(["s3cret-word"]), &[a, b]);
            assert_eq!(masked, format!("user=kim password={MASK} done\n"), "cut at {cut}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_masked_and_the_rest_stays() {
        let masked = all(&mut Masker::new([]), &[b"get https://kim:pw@host/x://y http://host/\n"]);
        assert_eq!(masked, format!("get https://kim:{MASK}@host/x://y http://host/\n"));
    }

    #[test]
    fn rootpw_values_are_masked_and_their_options_stay() {
        let masked = all(&mut Masker::new([]), &[b"rootpw --iscrypted $6$abc\nrootpw", b" x1\n"]);
        assert_eq!(masked, format!("rootpw --iscrypted {MASK}\nrootpw {MASK}\n"));
        assert_eq!(all(&mut Masker::new([]), &[b"no rootpw\n"]), "no rootpw\n");
    }

    #[test]
    fn a_private_key_is_masked_over_any_number_of_pieces() {
        let key = b"a\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\nBBBB\n-----END OPENSSH PRIVATE KEY-----\nb\n";
        for size in 1..key.len() {
            let pieces: Vec<&[u8]> = key.chunks(size).collect();
            let masked = all(&mut Masker::new([]), &pieces);
            assert!(!masked.contains("AAAA") && !masked.contains("BBBB"), "{size}: {masked}");
            assert!(masked.starts_with("a\n") && masked.ends_with("\nb\n"), "{size}: {masked}");
        }
    }

    #[test]
    fn a_private_key_without_an_end_does_not_take_the_log_with_it() {
        let begin = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n";
        let more: String = (0..9_000).map(|n| format!("line {n}\n")).collect();
        let text = format!("{begin}{more}");
        for size in [7, 1_000, 20_000, 50_000, text.len()] {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let masked = all(&mut Masker::new([]), &pieces);
            assert!(!masked.contains("AAAA"), "{size}");
            assert!(masked.ends_with("line 8998\nline 8999\n"), "{size}");
            let taken = text.len() - masked.len();
            assert!(taken < LONGEST_KEY + LONGEST_HELD + 100, "{size}: {taken} bytes are gone");
        }
    }

    #[test]
    fn a_prompt_without_line_end_goes_on_at_once() {
        let mut masker = Masker::new(["s3cret"]);
        assert_eq!(&*masker.mask(b"Continue? [y/N] ", false), b"Continue? [y/N] ");
        assert_eq!(&*masker.mask(b"12%\r", false), b"12%\r");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_secret_passes(
            text in "[a-c:/@ \\n-]{0,200}",
            cuts in proptest::collection::vec(0usize..200, 0..8),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.push(0);
            cuts.push(text.len());
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> =
                cuts.windows(2).map(|w| &text.as_bytes()[w[0]..w[1]]).collect();
            let cut = all(&mut Masker::new(["abc", "cab-"]), &pieces);
            prop_assert!(!cut.contains("abc") && !cut.contains("cab-"), "{}", cut);
            prop_assert_eq!(cut, all(&mut Masker::new(["abc", "cab-"]), &[text.as_bytes()]));
        }
    }
}

//! Log bytes as HTML: colours become classes, everything else is escaped text. Bytes of a log are
//! data of strangers, so nothing in them may act: no escape sequence but colours has an effect,
//! and characters that would hide or reorder text are shown as what they are.

mod pen;

use anstyle_parse::{Params, Parser, Perform};
use pen::Pen;
use std::{fmt::Write as _, mem};

/// How lines of a log are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows<'a> {
    /// Number of the first one, from 1.
    pub first: u64,
    /// The line that is stressed.
    pub mark: Option<u64>,
    /// Line numbers and Unix milliseconds, in order: from each of these lines on, lines were
    /// printed at that time.
    pub times: &'a [(u64, i64)],
}

/// Lines in a group. A browser lays out only groups that are near what is seen: it has to look at
/// each, so a group is worth many lines, and what is seen is never more than two or three of them.
/// `log.js` fills the last group of a growing log up to as many.
const GROUP: usize = 100;

/// Renders lines of a log; the last one may be incomplete. Every line starts with colours reset
/// and is one element that is closed again:
/// `<span id="L12" class="line" data-t="18:40:12.345"><a href="#L12">12</a>text</span>`. A hundred
/// of them at most lie in a `<span class="rows">`. Takes time and space in proportion to the bytes.
pub fn render_rows(bytes: &[u8], rows: Rows) -> String {
    let mut out = String::with_capacity(bytes.len().saturating_mul(2));
    let mut times = rows.times.iter().peekable();
    let mut time = String::new();
    let mut number = rows.first;
    for (place, line) in lines(bytes).enumerate() {
        if place % GROUP == 0 {
            out.push_str(if place > 0 {
                "</span><span class=\"rows\">"
            } else {
                "<span class=\"rows\">"
            });
        }
        while let Some((_, ms)) = times.next_if(|(from, _)| *from <= number) {
            time = format!(" data-t=\"{}\"", time_of_day(*ms));
        }
        let class = if rows.mark == Some(number) { "line mark" } else { "line" };
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "<span id=\"L{number}\" class=\"{class}\"{time}><a href=\"#L{number}\">{number}</a>"
        );
        out = Writer::new(out).line(&String::from_utf8_lossy(shown_part(line)));
        out.push_str("\n</span>");
        number = number.saturating_add(1);
    }
    if !out.is_empty() {
        out.push_str("</span>");
    }
    out
}

/// The same lines without what can be made again from their numbers and times: what is in each,
/// and a line end. Nothing in a line makes another line end.
pub fn render_bare(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().saturating_mul(5) / 4);
    for line in lines(bytes) {
        out = Writer::new(out).line(&String::from_utf8_lossy(shown_part(line)));
        out.push('\n');
    }
    out
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let some = (!bytes.is_empty()).then(|| body.split(|byte| *byte == b'\n'));
    some.into_iter().flatten()
}

/// Unix milliseconds as the time of a day, UTC.
fn time_of_day(ms: i64) -> String {
    let ms = ms.rem_euclid(24 * 60 * 60 * 1000);
    let (s, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

/// Appends to `out` what [`render_rows`] shows of one line, as bytes without their looks: what a
/// search for text looks at.
pub fn visible(line: &[u8], out: &mut Vec<u8>) {
    /// Keeps the characters.
    struct Plain<'a>(&'a mut Vec<u8>);
    impl Perform for Plain<'_> {
        fn print(&mut self, c: char) {
            self.0.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }

        fn execute(&mut self, byte: u8) {
            self.0.push(byte);
        }
    }
    let line = shown_part(line);
    if !line.contains(&0x1b) {
        return out.extend_from_slice(line);
    }
    let mut parser = Parser::<anstyle_parse::DefaultCharAccumulator>::new();
    for byte in String::from_utf8_lossy(line).bytes() {
        parser.advance(&mut Plain(out), byte);
    }
}

/// A text that is not ours as HTML: as in a log, without colours.
pub(super) fn plain(text: &str) -> maud::Markup {
    let mut writer = Writer::new(String::with_capacity(text.len()));
    text.chars().for_each(|c| writer.put(c));
    maud::PreEscaped(writer.finish())
}

/// A sentence of ours as HTML: what it quotes in backticks is set as code.
pub(super) fn said(text: &str) -> maud::Markup {
    let mut parts = text.split('`');
    let mut out = plain(parts.next().unwrap_or_default()).0;
    while let Some(quoted) = parts.next() {
        match parts.next() {
            Some(after) => {
                let _ = write!(out, "<code>{}</code>{}", plain(quoted).0, plain(after).0);
            }
            // A backtick without its partner is a character like any other.
            None => {
                let _ = write!(out, "`{}", plain(quoted).0);
            }
        }
    }
    maud::PreEscaped(out)
}

/// What a terminal would show at last: a carriage return starts the line anew.
fn shown_part(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    let line = line.get(..end).unwrap_or_default();
    line.rsplit(|byte| *byte == b'\r').next().unwrap_or_default()
}

/// Puts one line together.
struct Writer {
    out: String,
    /// How the next character is to look.
    pen: Pen,
    /// How the element that is open makes it look.
    open: Pen,
}

impl Writer {
    fn new(out: String) -> Self {
        Self { out, pen: Pen::default(), open: Pen::default() }
    }

    fn line(mut self, text: &str) -> String {
        if text.contains('\x1b') {
            let mut parser = Parser::<anstyle_parse::DefaultCharAccumulator>::new();
            for byte in text.bytes() {
                parser.advance(&mut self, byte);
            }
        } else {
            text.chars().for_each(|c| self.put(c));
        }
        self.finish()
    }

    fn finish(mut self) -> String {
        self.pen = Pen::default();
        self.change();
        mem::take(&mut self.out)
    }

    fn put(&mut self, c: char) {
        if self.pen != self.open {
            self.change();
        }
        match c {
            '&' => self.out.push_str("&amp;"),
            '<' => self.out.push_str("&lt;"),
            '>' => self.out.push_str("&gt;"),
            '"' => self.out.push_str("&quot;"),
            '\'' => self.out.push_str("&#39;"),
            '\t' | ' '..='~' => self.out.push(c),
            _ => self.put_unusual(c),
        }
    }

    fn put_unusual(&mut self, c: char) {
        if !is_invisible(c) {
            return self.out.push(c);
        }
        self.out.push_str("<span class=\"ctl\">");
        match u32::from(c) {
            code @ 0..0x20 => self.out.extend(char::from_u32(0x2400 + code)),
            0x7f => self.out.push('\u{2421}'),
            code => {
                let _ = write!(self.out, "U+{code:04X}");
            }
        }
        self.out.push_str("</span>");
    }

    fn change(&mut self) {
        if self.open != Pen::default() {
            self.out.push_str("</span>");
        }
        if self.pen != Pen::default() {
            self.out.push_str("<span class=\"");
            self.pen.write_classes(&mut self.out);
            self.out.push_str("\">");
        }
        self.open = self.pen;
    }
}

impl Perform for Writer {
    fn print(&mut self, c: char) {
        self.put(c);
    }

    fn execute(&mut self, byte: u8) {
        self.put(char::from(byte));
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if action == b'm' && intermediates.is_empty() && !ignore {
            self.pen.apply(params.iter());
        }
    }
}

/// Characters that show nothing, or change how their neighbours are shown.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00ad}'
                | '\u{061c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests;

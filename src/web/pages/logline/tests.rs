use super::*;
use proptest::prelude::*;

fn grouped(bytes: &[u8], first: u64) -> String {
    render_rows(bytes, Rows { first, ..Rows::default() })
}

/// Few lines, without the group they lie in.
fn render_lines(bytes: &[u8], first: u64) -> String {
    let html = grouped(bytes, first);
    let inside = html.strip_prefix("<span class=\"rows\">").and_then(|h| h.strip_suffix("</span>"));
    inside.unwrap_or(&html).to_owned()
}

/// The text of the only line of `html`, entities and elements taken away.
fn text_of(html: &str) -> String {
    let (_, body) = html.split_once("</a>").unwrap();
    let mut text = String::new();
    let mut inside = false;
    for c in body.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    let text = text.replace("&#39;", "'").replace("&amp;", "&");
    text.strip_suffix('\n').unwrap().to_owned()
}

fn body(bytes: &[u8]) -> String {
    let html = render_lines(bytes, 1);
    let (_, body) = html.split_once("</a>").unwrap();
    body.strip_suffix("\n</span>").unwrap().to_owned()
}

fn assert_balanced(html: &str) {
    let mut depth = 0;
    for (at, _) in html.match_indices('<') {
        let tag = &html[at..];
        if tag.starts_with("<span ") || tag.starts_with("<a href=\"#L") {
            depth += 1;
        } else if tag.starts_with("</span>") || tag.starts_with("</a>") {
            depth -= 1;
        } else {
            panic!("an element that is not ours: {tag:.40}");
        }
        assert!(depth >= 0);
    }
    assert_eq!(depth, 0);
}

#[test]
fn a_line_is_one_element_with_its_number() {
    assert_eq!(
        render_lines(b"a < b\n\nlast", 7),
        "<span id=\"L7\" class=\"line\"><a href=\"#L7\">7</a>a &lt; b\n</span>\
         <span id=\"L8\" class=\"line\"><a href=\"#L8\">8</a>\n</span>\
         <span id=\"L9\" class=\"line\"><a href=\"#L9\">9</a>last\n</span>"
    );
    assert_eq!(render_lines(b"", 1), "");
    assert!(render_lines(b"x\ny", u64::MAX).contains("x"));
}

#[test]
fn a_hundred_lines_make_a_group_that_a_browser_may_leave_out() {
    let html = |lines: usize| grouped("x\n".repeat(lines).as_bytes(), 1);
    let sizes = |lines: usize| -> Vec<usize> {
        let html = html(lines);
        assert_balanced(&html);
        let groups = html.split("<span class=\"rows\">").skip(1);
        groups.map(|group| group.matches("class=\"line\"").count()).collect()
    };
    assert!(sizes(0).is_empty());
    assert_eq!(sizes(1), [1]);
    assert_eq!(sizes(100), [100]);
    assert_eq!(sizes(201), [100, 100, 1]);
}

#[test]
fn colours_become_classes_and_end_with_the_line() {
    assert_eq!(body(b"\x1b[1;31merror:\x1b[0m no"), "<span class=\"f1 bd\">error:</span> no");
    assert_eq!(body(b"\x1b[92;44mx"), "<span class=\"f10 g4\">x</span>");
    let two = render_lines(b"\x1b[32mgreen\nplain", 1);
    assert!(two.contains("</a>plain\n"), "{two}");
}

#[test]
fn many_colours_are_brought_down_to_sixteen() {
    assert_eq!(body(b"\x1b[38;5;9mx"), "<span class=\"f9\">x</span>");
    assert_eq!(body(b"\x1b[38;5;196mx"), "<span class=\"f9\">x</span>");
    assert_eq!(body(b"\x1b[38:5:46mx"), "<span class=\"f10\">x</span>");
    assert_eq!(body(b"\x1b[48;2;250;250;250mx"), "<span class=\"g15\">x</span>");
    assert_eq!(body(b"\x1b[38:2::255:0:0mx"), "<span class=\"f9\">x</span>");
    assert_eq!(body(b"\x1b[38;5;255;4mx"), "<span class=\"f7 un\">x</span>");
    assert_eq!(body(b"\x1b[38;5;999mx"), "x");
}

#[test]
fn other_escapes_have_no_effect() {
    let raw =
        "\x1b]0;title ✓\x07\x1b[2J\x1b[10;10H\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\!";
    assert_eq!(body(raw.as_bytes()), "link!");
}

#[test]
fn progress_shows_its_last_state() {
    assert_eq!(body(b"10 %\r55 %\r100 %"), "100 %");
    assert_eq!(body(b"windows\r"), "windows");
    assert_eq!(body(b"\r\r\r"), "");
}

#[test]
fn what_would_hide_or_reorder_text_is_shown() {
    assert_eq!(body("a\u{202e}b".as_bytes()), "a<span class=\"ctl\">U+202E</span>b");
    assert_eq!(body(b"bell\x07"), "bell<span class=\"ctl\">\u{2407}</span>");
    assert_eq!(
        body(b"\x7f\xc2\x9b31m"),
        "<span class=\"ctl\">\u{2421}</span><span class=\"ctl\">U+009B</span>31m"
    );
    assert_eq!(body("tab\tünïcode 漢".as_bytes()), "tab\tünïcode 漢");
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    assert_eq!(body(b"a\xffb\xc3"), "a\u{fffd}b\u{fffd}");
    assert_eq!(body(b"\x1b[31m\xc3<"), "<span class=\"f1\">\u{fffd}&lt;</span>");
}

#[test]
fn a_marked_line_is_stressed() {
    let rows = Rows { first: 1, mark: Some(2), times: &[] };
    assert!(render_rows(b"a\nb", rows).contains("id=\"L2\" class=\"line mark\""));
}

#[test]
fn every_line_says_when_it_was_printed() {
    let times = [(7, 67_212_345), (9, 86_400_000 + 1)];
    let html = render_rows(b"a\nb\nc\n", Rows { first: 7, mark: None, times: &times });
    let told: Vec<_> = html.split("data-t=\"").skip(1).map(|rest| &rest[..12]).collect();
    assert_eq!(told, ["18:40:12.345", "18:40:12.345", "00:00:00.001"]);
    assert_eq!(time_of_day(-1), "23:59:59.999");
}

#[test]
fn lines_without_their_numbers_are_the_same_lines() {
    let text = b"a < b\n\n\x1b[31mred\x1b[0m\r\n10 %\r55 %\nend";
    let bare = render_bare(text);
    assert_eq!(bare, "a &lt; b\n\n<span class=\"f1\">red</span>\n55 %\nend\n");
    let rows = render_lines(text, 3);
    for (line, number) in bare.lines().zip(3..) {
        assert!(rows.contains(&format!("\">{number}</a>{line}\n</span>")), "{number}");
    }
    assert_eq!(render_bare(b""), "");
}

#[test]
fn a_long_line_of_escapes_takes_no_more_than_its_share() {
    let once = "\x1b[31mx\x1b[0m".repeat(1_000);
    let ten = "\x1b[31mx\x1b[0m".repeat(10_000);
    let (one, many) = (render_lines(once.as_bytes(), 1), render_lines(ten.as_bytes(), 1));
    assert!(many.len() < one.len() * 11);
}

#[test]
fn what_a_sentence_quotes_is_code_and_nothing_of_it_acts() {
    assert_eq!(said("no `a<b` here").0, "no <code>a&lt;b</code> here");
    assert_eq!(
        said("a ` alone, `two` and ` more").0,
        "a <code> alone, </code>two<code> and </code> more"
    );
    assert_eq!(said("one ` alone").0, "one ` alone");
    assert_eq!(said("").0, "");
}

/// Pieces of a line and what is to be read of them.
fn pieces() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        "[ -~äöü漢<>&\"']{0,12}".prop_map(|s| (s.clone(), s)),
        "[0-9;:]{0,12}".prop_map(|codes| (format!("\x1b[{codes}m"), String::new())),
        "[0-9;]{0,6}[A-HJKSTfhlnsu]".prop_map(|csi| (format!("\x1b[{csi}"), String::new())),
        "[ -~✓]{0,12}".prop_map(|title| (format!("\x1b]0;{title}\x07"), String::new())),
        Just(("\u{202e}".to_owned(), "U+202E".to_owned())),
        Just(("\u{8}".to_owned(), "\u{2408}".to_owned())),
    ]
}

proptest! {
    #[test]
    fn any_bytes_give_balanced_elements(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        assert_balanced(&render_lines(&bytes, 1));
    }

    #[test]
    fn hostile_text_gives_balanced_elements(text in "(\x1b|\\[|\\]|[0-9;:mK]|<|>|&|\"|\r|\n|\\PC){0,200}") {
        assert_balanced(&render_lines(text.as_bytes(), 1));
    }

    #[test]
    fn no_line_without_its_number_becomes_two(text in "(\x1b|\\[|[0-9;m]|<|\r|\n|\u{85}|\u{2028}|\\PC){0,200}") {
        let numbered = render_lines(text.as_bytes(), 1);
        let bare = render_bare(text.as_bytes());
        prop_assert_eq!(bare.matches('\n').count(), numbered.matches(" class=\"line\"").count());
        prop_assert!(!bare.contains('\r'));
    }

    #[test]
    fn what_a_search_looks_at_is_what_is_shown(line in proptest::collection::vec(pieces(), 0..20)) {
        let raw: String = line.into_iter().map(|(raw, _)| raw).collect();
        prop_assume!(!raw.is_empty());
        let mut seen = Vec::new();
        visible(raw.as_bytes(), &mut seen);
        // Control characters are drawn in the page and searched as they are.
        let shown = text_of(&render_lines(raw.as_bytes(), 1));
        let seen = String::from_utf8(seen).unwrap();
        prop_assert_eq!(seen.replace('\u{202e}', "U+202E").replace('\u{8}', "\u{2408}"), shown);
    }

    #[test]
    fn the_text_is_what_was_printed(line in proptest::collection::vec(pieces(), 0..20)) {
        let (raw, shown): (Vec<_>, Vec<_>) = line.into_iter().unzip();
        let (raw, shown) = (raw.concat(), shown.concat());
        prop_assume!(!raw.is_empty());
        prop_assert_eq!(text_of(&render_lines(raw.as_bytes(), 1)), shown);
    }
}

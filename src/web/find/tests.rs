use super::*;
use crate::{app::LogState, domain::JobId, files::DataDir};
use proptest::prelude::*;
use tokio::sync::watch;

const ALL: Wanted = Wanted { from: 1, most: usize::MAX, only: false };

/// A log with an index, compressed if it is to be.
fn log(text: &[u8], compressed: bool) -> (tempfile::TempDir, LogView) {
    let tmp = tempfile::tempdir().unwrap();
    let data = DataDir::open(tmp.path()).unwrap();
    data.create_job(JobId::FIRST, b"", b"{}").unwrap();
    data.append_log(JobId::FIRST).unwrap().append(text, 1).unwrap();
    if compressed {
        data.compress_log(JobId::FIRST, &|| true).unwrap().expect("it is compressed");
    }
    let found = data.open_log_indexed(JobId::FIRST).unwrap();
    let progress = watch::channel(LogState { ended: true, ..LogState::default() }).1;
    (tmp, LogView { file: found.log, index: found.index, progress })
}

fn lines(found: &Found) -> Vec<u64> {
    found.hits.iter().map(|hit| hit.line).collect()
}

fn text(text: &str) -> Needle {
    Needle::text(text, false).unwrap()
}

/// 30,000 lines, every thousandth of which has a needle in it.
fn hay() -> Vec<u8> {
    let line = |n: u64| match n % 1_000 {
        0 => format!("{n} here is the Need\x1b[31mle\x1b[0m of the hay\n"),
        _ => format!("{n} \x1b[3{}mhay\x1b[0m\n", n % 8),
    };
    (1..=30_000).flat_map(|n| line(n).into_bytes()).collect()
}

#[test]
fn every_line_is_found_in_a_plain_and_in_a_compressed_log() {
    for compressed in [false, true] {
        let (_tmp, view) = log(&hay(), compressed);
        let found = search(&view, &text("needle OF"), ALL).unwrap();
        assert_eq!(lines(&found), (1..=30).map(|n| n * 1_000).collect::<Vec<_>>());
        assert_eq!((found.count, found.searched, found.whole), (30, (1, 30_000), true));
        let hit = &found.hits[4];
        assert_eq!(hit.text, "5000 here is the Needle of the hay");
        assert_eq!(&hit.text[hit.at.clone()], "Needle of");
    }
}

#[test]
fn the_hits_before_and_behind_a_line_are_told_apart() {
    let (_tmp, view) = log(&hay(), false);
    let wanted = Wanted { from: 5_001, most: 2, only: false };
    let found = search(&view, &text("needle"), wanted).unwrap();
    assert_eq!((found.before, found.previous, found.count), (5, Some(5_000), 30));
    assert_eq!(lines(&found), [6_000, 7_000]);
    let only = Wanted { only: true, ..wanted };
    assert_eq!(lines(&search(&view, &text("needle"), only).unwrap()), [6_000, 7_000]);
    let nothing = search(&view, &text("thread"), ALL).unwrap();
    assert_eq!((nothing.count, nothing.whole), (0, true));
}

#[test]
fn letters_are_exact_only_when_that_is_asked_for() {
    let (_tmp, view) = log("Straße\nSTRASSE ÄÖ\nstrasse äö\na.b\naxb\n".as_bytes(), false);
    let found =
        |what, case| lines(&search(&view, &Needle::text(what, case).unwrap(), ALL).unwrap());
    assert_eq!(found("strasse Äö", false), [2, 3]);
    assert_eq!(found("strasse äö", true), [3]);
    assert_eq!(found("a.b", false), [4], "a pattern is a text");
}

#[test]
fn what_cannot_be_searched_for_is_told() {
    let refused = |text: &str| Needle::text(text, false).unwrap_err();
    assert_eq!(refused(" "), "Type the text to search for.");
    assert!(refused(&"ä".repeat(201)).contains("has 201 characters"));
    assert!(refused("a\nb").contains("more than one line"));
    assert!(Needle::text(&"ä".repeat(200), false).is_ok());
    assert!(Needle::text("\\(*[", false).is_ok());
}

#[test]
fn the_first_error_is_the_line_that_failures_are_explained_with() {
    let printed = "no error here: 0 errors\nfile: ok\n\x1b[1;31mError\x1b[0m: the lab is closed\n\
                   E: unable to locate\n";
    let (_tmp, view) = log(printed.as_bytes(), false);
    let errors = Needle::errors().unwrap();
    let first = Wanted { from: 1, most: 1, only: true };
    assert_eq!(lines(&search(&view, &errors, first).unwrap()), [3]);
    assert_eq!(search(&view, &errors, ALL).unwrap().count, 2);
}

#[test]
fn a_log_that_is_too_long_is_searched_around_the_line() {
    let (_tmp, view) = log(&hay(), false);
    let size = hay().len() as u64;
    let near = |from| {
        let wanted = Wanted { from, ..ALL };
        search_within(&view, &text("needle"), wanted, size / 4).unwrap()
    };
    let first = near(1);
    assert!(!first.whole && first.searched.0 == 1 && first.searched.1 < 9_000);
    assert_eq!(first.count, first.searched.1 / 1_000);
    let middle = near(15_000);
    assert!(middle.searched.0 > 12_000 && middle.searched.1 > 19_000, "{:?}", middle.searched);
    assert_eq!(middle.previous, Some(14_000));
    assert_eq!(middle.hits[0].line, 15_000);
}

#[test]
fn a_damaged_part_ends_a_search_with_its_reason() {
    let (tmp, view) = log(&hay(), true);
    drop(view);
    let path = tmp.path().join("jobs/00000001/log.gz");
    let mut gz = std::fs::read(&path).unwrap();
    let middle = gz.len() / 2;
    gz[middle] ^= 0xff;
    std::fs::write(&path, gz).unwrap();
    let data = DataDir::open(tmp.path()).unwrap();
    let found = data.open_log_indexed(JobId::FIRST).unwrap();
    let progress = watch::channel(LogState { ended: true, ..LogState::default() }).1;
    let view = LogView { file: found.log, index: found.index, progress };
    let found = search(&view, &text("needle"), ALL).unwrap();
    assert!(found.damage.as_ref().unwrap().contains("log.gz is damaged"), "{:?}", found.damage);
    assert!(!found.whole && found.count > 5 && found.count == found.searched.1 / 1_000);
}

#[test]
fn a_hit_in_a_long_line_shows_what_is_around_it() {
    let long = format!("{}needle{}\n", "ä".repeat(200_000), "ö".repeat(200_000));
    let (_tmp, view) = log(long.as_bytes(), false);
    let found = search(&view, &text("needle"), ALL).unwrap();
    assert_eq!((found.count, lines(&found)), (1, vec![1]));
    let hit = &found.hits[0];
    assert_eq!(&hit.text[hit.at.clone()], "needle");
    assert!(
        hit.text.len() < 3 * AROUND && hit.text.starts_with("… ä") && hit.text.ends_with("ö …")
    );
    assert!(!hit.text.contains('\u{fffd}'));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_search_finds_the_lines_that_show_the_text(
        printed in proptest::collection::vec("(ab|AB|\u{1b}\\[3[0-7]m|x|é| |\r){0,12}", 1..200),
        repeat in 1usize..200,
        wanted in "[ab]{1,3}",
        compressed in any::<bool>(),
    ) {
        let printed: Vec<String> = std::iter::repeat_n(printed, repeat).flatten().collect();
        let whole = printed.join("\n");
        prop_assume!(!whole.is_empty());
        let (_tmp, view) = log(whole.as_bytes(), compressed && whole.len() >= 16 << 10);
        let found = search(&view, &text(&wanted), ALL).unwrap();
        let shows = |line: &str| {
            let mut text = Vec::new();
            visible(line.as_bytes(), &mut text);
            String::from_utf8(text).unwrap().to_lowercase().contains(&wanted)
        };
        let expected: Vec<u64> =
            (1..).zip(&printed).filter(|(_, line)| shows(line)).map(|(n, _)| n).collect();
        prop_assert_eq!(found.count, expected.len() as u64);
        prop_assert_eq!(lines(&found), expected);
    }
}

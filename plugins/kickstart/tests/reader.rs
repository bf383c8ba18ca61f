//! What the reader promises, on files written for it.

#![expect(clippy::panic, reason = "a fixture that cannot be read ends the test")]

use kickstart::{EntryKind, Kickstart, Place, SectionKind, Severity, parse, parse_bytes};
use std::{fs, path::PathBuf};

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn said(kickstart: &Kickstart<'_>, least: Severity) -> Vec<(u32, String)> {
    let heard = kickstart.diagnostics.iter().filter(|one| one.severity >= least);
    heard.map(|one| (one.line.unwrap_or(0), one.message.clone())).collect()
}

#[test]
fn well_formed_files_have_no_errors() {
    for name in [
        "fedora-server.ks",
        "fedora-live.ks",
        "centos6-raid.ks",
        "old-without-end.ks",
        "meego-netbook.ks",
        "tizen-mobile.ks",
        "sailfish-device.ks",
        "heredocs.ks",
        "groups.ks",
        "options.ks",
        "addons.ks",
        "btrfs-cloud.ks",
        "crlf.ks",
    ] {
        let text = fixture(name);
        assert_eq!(said(&parse(&text), Severity::Error), [], "{name}");
    }
}

#[test]
fn mistakes_are_named_with_their_lines() {
    let text = fixture("mistakes.ks");
    let kickstart = parse(&text);
    let lines: Vec<_> =
        said(&kickstart, Severity::Error).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7, 8, 9, 15]);
    let hints: Vec<_> = kickstart.diagnostics.iter().filter_map(|one| one.hint.clone()).collect();
    for meant in ["did you mean `part`?", "did you mean `--size`?", "did you mean `bootloader`?"] {
        assert!(hints.iter().any(|hint| hint == meant), "{meant}");
    }
}

#[test]
fn a_section_without_end_ends_at_the_next_header_or_the_file() {
    let text = fixture("old-without-end.ks");
    let kickstart = parse(&text);
    let sections: Vec<_> = kickstart
        .sections
        .iter()
        .map(|s| (s.header.as_str(), s.line, s.last_line, s.ended))
        .collect();
    let expected =
        [("%packages", 15, 21, false), ("%pre", 21, 24, false), ("%post", 24, 27, false)];
    assert_eq!(sections, expected);
    let missing = said(&kickstart, Severity::Warning);
    assert_eq!(missing.iter().filter(|(_, message)| message.contains("no `%end`")).count(), 3);
    assert_eq!(kickstart.includes[0].section, Some(2));
}

#[test]
fn scripts_are_opaque_but_for_what_the_tools_see_in_them() {
    let text = fixture("heredocs.ks");
    let kickstart = parse(&text);
    assert_eq!(kickstart.sections.len(), 3);
    assert_eq!(kickstart.entries.len(), 1);
    let python = &kickstart.sections[1];
    assert_eq!(python.value("--interpreter"), Some("/usr/bin/python3"));
    assert!(kickstart.body(python).contains("@neither is this a group"));
    let token = &kickstart.tokens[0];
    assert_eq!((token.name.as_str(), token.place), ("OLD", Place::Body));
}

#[test]
fn a_header_hidden_in_a_here_document_is_a_header_and_is_said() {
    let text = "%post\ncat << EOF > x.ks\n%post --nochroot\nrm -rf /x\n%end\nEOF\n";
    let kickstart = parse(text);
    assert_eq!(kickstart.sections.len(), 2);
    assert!(kickstart.sections[1].has("--nochroot"));
    assert!(said(&kickstart, Severity::Warning).iter().any(|(_, m)| m.contains("<<EOF")));
}

#[test]
fn quoting_or_odd_separators_do_not_hide_a_header() {
    for text in [
        "lang C\n\"%post\" --nochroot\nid\n%end\n",
        "lang C\n\\%post --nochroot\nid\n%end\n",
        "lang C\n  %post --nochroot\nid\n%end\n",
        "# comment\x0c%post --nochroot\nid\n%end\n",
        "# comment\u{2028}%post --nochroot\nid\n%end\n",
        "# comment\r%post --nochroot\nid\n%end\n",
    ] {
        let kickstart = parse(text);
        assert_eq!(kickstart.sections[0].kind, SectionKind::Post, "{text:?}");
        assert!(kickstart.sections[0].has("--nochroot"), "{text:?}");
    }
}

#[test]
fn groups_and_exclusions_are_told_apart() {
    let text = fixture("groups.ks");
    let kickstart = parse(&text);
    let of = |kind| {
        let entries = kickstart.packages().filter(move |entry| entry.kind == kind);
        entries.map(|entry| entry.name.clone()).collect::<Vec<_>>()
    };
    let groups = ["Core", "Spaced Group", "Base Double Byte IME Support", "web-server"];
    assert_eq!(of(EntryKind::Group), groups);
    assert_eq!(of(EntryKind::RemoveGroup), ["Printing"]);
    assert!(of(EntryKind::Add).contains(&"indented".to_owned()));
    let warned = said(&kickstart, Severity::Warning);
    assert_eq!(warned, [(11, "`- nothing-glued` excludes nothing".to_owned())]);
}

#[test]
fn every_spelling_of_an_option_reads_the_same() {
    let text = fixture("options.ks");
    let kickstart = parse(&text);
    let sizes: Vec<_> = kickstart.partitions().map(|part| part.value("--size")).collect();
    assert_eq!(sizes, [Some("100"); 4]);
    let places: Vec<_> = kickstart.partitions().map(|part| part.operands[0].as_str()).collect();
    assert_eq!(places, ["/a", "/b", "/c", "/d"]);
    assert!(kickstart.commands_named("rootpw").any(|rootpw| rootpw.has("--plaintext")));
}

#[test]
fn tokens_are_listed_with_line_and_place() {
    let text = fixture("sailfish-device.ks");
    let kickstart = parse(&text);
    let found: Vec<_> =
        kickstart.tokens.iter().map(|t| (t.name.as_str(), t.line, t.place)).collect();
    assert_eq!(found[0], ("DEVICE", 7, Place::Command));
    assert!(found.contains(&("DEVICE", 11, Place::List)));
    assert!(found.contains(&("RELEASE", 8, Place::Command)));
}

#[test]
fn the_magic_line_is_read() {
    let text = fixture("tizen-mobile.ks");
    let magic = parse(&text).magic.unwrap();
    assert_eq!(magic.format.as_deref(), Some("loop"));
    assert_eq!(magic.arch.as_deref(), Some("armv7l"));
    assert_eq!(magic.value("--pack-to"), Some("@NAME@.tar.gz"));
}

#[test]
fn what_stops_the_tools_is_an_error() {
    let unclosed = fixture("unclosed.ks");
    assert_eq!(said(&parse(&unclosed), Severity::Error)[0].0, 3);
    let unknown = fixture("unknown-section.ks");
    let kickstart = parse(&unknown);
    assert_eq!(kickstart.diagnostics[0].hint.as_deref(), Some("did you mean `%post`?"));
    assert_eq!(kickstart.packages().count(), 1);
    for text in ["%include\n", "'' x\n", "", "# only\n", "lang C\0\n", "\u{feff}lang C\n"] {
        assert!(parse(text).has_errors(), "{text:?}");
    }
    assert!(parse_bytes(b"lang \xff\n").has_errors());
}

#[test]
fn duplicates_are_said() {
    let text = "repo --name=a --baseurl=http://a/\nrepo --name=a --baseurl=http://b/\n\
                part / --size=1\npart / --size=2\n";
    let found = said(&parse(text), Severity::Warning);
    assert_eq!(found[0], (2, "the repository `a` was named on line 1 already".to_owned()));
    assert_eq!(found[1], (4, "the partition `/` was named on line 3 already".to_owned()));
}

mod any_input {
    use super::*;
    use proptest::prelude::*;

    /// Texts made of what a kickstart is made of.
    fn kickstart_like() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("%packages"),
            Just("%post --nochroot"),
            Just("%end"),
            Just("%include x"),
            Just("part / --size 1"),
            Just("repo --name="),
            Just("@group"),
            Just("-"),
            Just("@A@"),
            Just("\""),
            Just("'"),
            Just("\\"),
            Just("#"),
            Just("\n"),
            Just("\r\n"),
            Just("\x0c"),
            Just(" "),
            Just("<<EOF"),
            Just("EOF"),
            Just("--x="),
            Just("\u{2028}"),
            Just("\0"),
            Just("ü"),
            Just("%pre"),
            Just("%weird"),
            Just("\u{feff}"),
        ];
        proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    fn holds_together(text: &str) {
        let kickstart = parse(text);
        for section in &kickstart.sections {
            assert!(kickstart.text.get(section.body.clone()).is_some());
            assert!(section.last_line >= section.line);
        }
        for command in &kickstart.commands {
            assert!(!command.name.is_empty());
            assert!(kickstart.text.get(command.raw.clone()).is_some());
        }
        assert!(kickstart.diagnostics.is_sorted_by_key(|one| one.line));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".*") {
            holds_together(&text);
        }

        #[test]
        fn any_pieces_of_a_kickstart_are_read(text in kickstart_like()) {
            holds_together(&text);
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            parse_bytes(&bytes);
        }
    }
}

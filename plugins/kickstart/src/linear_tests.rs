//! The reader's work grows with the file and not faster, counted in steps.

use crate::{Kickstart, parse, work};

fn steps(text: &str) -> u64 {
    work::take();
    parse(text);
    work::take()
}

/// Steps for a file of `count` repetitions, and for one four times as long.
fn growth(piece: &str, count: usize) -> f64 {
    let once = steps(&piece.repeat(count)).max(1);
    let four = steps(&piece.repeat(count * 4));
    #[expect(clippy::cast_precision_loss, reason = "counts of a test stay far below 2^52")]
    let growth = four as f64 / once as f64;
    growth
}

#[test]
fn four_times_the_file_is_four_times_the_work() {
    let pieces = [
        "prat / --siez 1\n",
        "part /a --size 1 --fstype ext4\n",
        "repo --name=a --baseurl=http://a/\n",
        "%packages\n@a b c\n-x\n%end\n",
        "%post\ncat << EOF\n",
        "%post\n",
        "%nothing\n",
        "%end\n",
        "@A@",
        "@",
        "a\\ b",
        "'\"",
        "\"",
        "#",
        "--x=",
        " ",
        "\r",
        "\u{2028}",
        "%include x\n",
        "%packages\n%include x\n",
        "%packages\n'",
        "part --fs=\n",
    ];
    for piece in pieces {
        let growth = growth(piece, 2_000);
        assert!(growth < 4.2, "{piece:?} grows {growth:.2} times");
    }
}

#[test]
fn a_line_of_a_megabyte_costs_a_few_steps_a_byte() {
    for line in ["part / --size ".repeat(75_000), "x".repeat(1 << 20), "@a".repeat(1 << 19)] {
        let steps = steps(&line);
        assert!(steps < 8 << 20, "{steps} steps for {} bytes", line.len());
    }
}

#[test]
fn problems_are_listed_up_to_a_bound() {
    let text = "prat\n".repeat(10_000);
    let kickstart = parse(&text);
    assert_eq!(kickstart.diagnostics.len(), Kickstart::MAX_DIAGNOSTICS + 1);
    assert_eq!(kickstart.commands.len(), 10_000);
}

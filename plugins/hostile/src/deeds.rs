//! What a runner may do to its host.

use crate::img::runner::host::{Level, log};
use std::hint::black_box;

/// Does what the word says; returns if it is no misdeed, or one that ends.
pub fn misbehave(word: &str) {
    match word {
        "loop" => forever(),
        "memory" => hoard(),
        "small-memory" => hoard_in_crumbs(),
        "panic" => panic!("a spell: the kettle is not a teapot"),
        "panic-loudly" => panic!("{}", "loud ".repeat(100_000)),
        "recursion" => {
            black_box(fall(black_box(1)));
        }
        "recursion-with-frames" => {
            black_box(fall_with_frames(black_box(1)));
        }
        "flood" => (0..20_000).for_each(|n| log(Level::Warning, &format!("drop {n}"))),
        "flood-forever" => loop {
            log(Level::Info, &"w".repeat(100_000));
        },
        "nul-log" => log(Level::Error, "a\0b\u{1b}[31mc\u{202e}d\nimg: forged line"),
        "divide" => {
            black_box(1u32.checked_div(black_box(0)).unwrap());
        }
        _ => {}
    }
}

fn forever() -> ! {
    let mut n = 0u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn hoard() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![7; 1 << 20]);
        black_box(&hoard);
    }
}

fn hoard_in_crumbs() {
    let mut hoard: Vec<Box<[u64; 64]>> = Vec::new();
    loop {
        hoard.push(Box::new([7; 64]));
        black_box(&hoard);
    }
}

/// Keeps nothing in linear memory, so that the machine's stack is what ends.
fn fall(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    fall(depth + 1).wrapping_mul(3) ^ depth
}

/// Keeps its frames in linear memory, where the compiler put the rest of the stack.
fn fall_with_frames(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    let frame = black_box([depth; 16]);
    fall_with_frames(depth + 1) + frame[(depth % 16) as usize]
}

//! What a line of a log tells.

/// Words with which tools begin, or mark, what they give up for.
pub const ERROR_BEGINS: [&str; 6] = ["error", "e: ", "fatal", "traceback", "[error", "panic"];
/// Words that mark an error anywhere in a line.
pub const ERROR_MARKS: [&str; 2] = ["error:", "fatal:"];
/// Characters of a line that are looked at.
const LOOKED_AT: usize = 200;

/// The part of a line that is looked at, in small letters.
pub fn lower(line: &str) -> String {
    line.trim_start().chars().take(LOOKED_AT).flat_map(char::to_lowercase).collect()
}

/// Whether a line is marked as an error by whoever printed it.
pub fn is_error(line: &str) -> bool {
    let line = lower(line);
    ERROR_BEGINS.iter().any(|word| line.starts_with(word))
        || ERROR_MARKS.iter().any(|mark| line.contains(mark))
}

//! Log bytes as HTML.

/// Renders lines of a log as HTML.
pub fn render_lines(bytes: &[u8], first_line: u64) -> String {
    let _ = (bytes, first_line);
    String::new()
}

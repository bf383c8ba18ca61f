//! The terminal: passwords without echo, progress, and output into a pipe that somebody closed.

use super::CliError;
use indicatif::{ProgressBar, ProgressStyle};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Longest line taken as a password.
const LONGEST: usize = 1024;

/// Writes to standard output. A reader that went away (`img jobs | head`) is no failure.
pub fn print(text: &[u8]) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
            Err(CliError::Interrupted(String::new()))
        }
        Err(e) => Err(CliError::failed("cannot write to standard output", e)),
    }
}

/// Writes bytes beside the real output.
pub fn print_beside(bytes: &[u8]) -> Result<(), CliError> {
    let mut err = io::stderr().lock();
    err.write_all(bytes).map_err(|e| CliError::failed("cannot write to standard error", e))
}

/// Writes a line for people beside the real output.
pub fn note(text: &str) {
    // Nobody who could be told is left when this fails.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Puts the terminal's settings back when the password was read, or reading failed.
struct Silent<'a>(&'a io::Stdin, Termios);

impl<'a> Silent<'a> {
    fn new(stdin: &'a io::Stdin) -> io::Result<Self> {
        let before = tcgetattr(stdin)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(stdin, OptionalActions::Flush, &silent)?;
        Ok(Self(stdin, before))
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.0, OptionalActions::Flush, &self.1);
    }
}

/// A new password: typed twice on a terminal, one line from a pipe.
pub fn new_password(user: &str) -> Result<String, CliError> {
    let stdin = io::stdin();
    let wrong = |e| CliError::failed("cannot read the password", e);
    if !stdin.is_terminal() {
        return line(stdin.lock()).map_err(wrong);
    }
    let silent = Silent::new(&stdin).map_err(wrong)?;
    let ask = |prompt: &str| {
        let _ = write!(io::stderr(), "{prompt}");
        let _ = io::stderr().flush();
        line(stdin.lock()).map_err(wrong)
    };
    let first = ask(&format!("New password for {user}: "))?;
    let second = ask("Again: ")?;
    drop(silent);
    if first == second {
        Ok(first)
    } else {
        Err(CliError::Usage("the two passwords differ: nothing was changed".to_owned()))
    }
}

/// The answer to a question asked on the terminal; `None` where there is none to ask on.
pub fn answer(question: &str) -> Result<Option<String>, CliError> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Ok(None);
    }
    let _ = write!(io::stderr(), "{question}");
    let _ = io::stderr().flush();
    let mut text = String::new();
    let read = io::Read::take(stdin.lock(), LONGEST as u64).read_line(&mut text);
    read.map_err(|e| CliError::failed("cannot read the answer", e))?;
    Ok(Some(text.trim().to_owned()))
}

fn line(input: impl io::Read) -> io::Result<String> {
    let mut text = String::new();
    let limited = input.take(LONGEST as u64 + 1);
    io::BufReader::new(limited).read_line(&mut text)?;
    if text.len() > LONGEST {
        return Err(io::Error::other(format!("it has more than {LONGEST} bytes")));
    }
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    if text.is_empty() { Err(io::Error::other("it is empty")) } else { Ok(text) }
}

/// A bar for `total` bytes of `name`, hidden in a pipe.
pub fn bar(name: &str, total: Option<u64>, from: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let unknown = "{msg} {spinner} {bytes} {bytes_per_sec}";
    let style = ProgressStyle::with_template(if total.is_some() { template } else { unknown });
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar.set_position(from);
    bar.reset_eta();
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_a_password_and_its_end_is_not_part_of_it() {
        assert_eq!(line(&b" with space \r\nnext\n"[..]).unwrap(), " with space ");
        assert_eq!(line(&b"no end"[..]).unwrap(), "no end");
        assert!(line(&b"\n"[..]).is_err() && line(&b""[..]).is_err());
        assert!(line(&[b'x'; LONGEST + 1][..]).is_err());
        assert!(line(&b"\xff\xfe\n"[..]).is_err());
    }
}

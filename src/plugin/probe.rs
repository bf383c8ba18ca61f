//! Where the declared programs are on this box, and what they say their version is.

use super::limits::one_line;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process_group},
};
use std::{
    io::{self, Read as _},
    os::{fd::OwnedFd, unix::fs::PermissionsExt as _, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Longest a program may take to say its version.
const DEADLINE: Duration = Duration::from_secs(5);
/// Most that is read of what it prints.
const OUTPUT: usize = 4 << 10;

/// The first executable regular file of this name in `path`.
pub(super) fn find(path: &[PathBuf], name: &str) -> Option<PathBuf> {
    path.iter().map(|dir| dir.join(name)).find(|file| {
        let meta = std::fs::metadata(file);
        meta.is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

/// The first line with something on it that `program` prints when it is run with `arguments`.
/// Blocks for at most five seconds.
pub(super) fn version(program: &Path, arguments: &[String], path: &[PathBuf]) -> Option<String> {
    version_within(program, arguments, path, DEADLINE)
}

fn version_within(
    program: &Path,
    arguments: &[String],
    path: &[PathBuf],
    deadline: Duration,
) -> Option<String> {
    let until = Instant::now() + deadline;
    let (mut child, pipe) = start(program, arguments, path)
        .inspect_err(|e| tracing::warn!("cannot ask {} for its version: {e}", program.display()))
        .ok()?;
    let output = read(pipe, until);
    end(&mut child, until);
    let text = String::from_utf8_lossy(&output);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(one_line(line, 200))
}

#[expect(clippy::disallowed_methods, reason = "the program probe is one of the two places")]
fn start(program: &Path, arguments: &[String], path: &[PathBuf]) -> io::Result<(Child, OwnedFd)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let errors = writer.try_clone()?;
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::join_paths(path).unwrap_or_default())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        // A group of its own, so that whatever it starts ends with it.
        .process_group(0)
        .spawn()?;
    Ok((child, reader))
}

/// What comes out of the pipe until it ends, is enough, or the time is up.
fn read(pipe: OwnedFd, until: Instant) -> Vec<u8> {
    let mut pipe = std::fs::File::from(pipe);
    let mut output = Vec::new();
    let mut buffer = [0u8; OUTPUT];
    while output.len() < OUTPUT && readable(&pipe, until) {
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => output.extend(buffer.iter().take(n)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    output.truncate(OUTPUT);
    output
}

fn readable(pipe: &std::fs::File, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { return false };
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&left)) {
            Ok(found) => return found > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Waits until the program has ended, killing its group when the time is up.
fn end(child: &mut Child, until: Instant) {
    let step = Duration::from_millis(5);
    while Instant::now() < until {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(step),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // It may have ended this very moment.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, deadline: Duration) -> Option<String> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        version_within(
            Path::new("/bin/sh"),
            &arguments,
            &["/usr/bin".into(), "/bin".into()],
            deadline,
        )
    }

    #[test]
    fn the_first_line_with_something_on_it_is_the_version() {
        let second = Duration::from_secs(5);
        assert_eq!(shell("echo; echo '  tool 1.2  '; echo more", second).unwrap(), "tool 1.2");
        assert_eq!(shell("echo on stderr >&2", second).unwrap(), "on stderr");
        assert_eq!(shell("exit 3", second), None);
    }

    #[test]
    fn a_program_that_hangs_or_floods_is_ended() {
        let started = Instant::now();
        let short = Duration::from_millis(300);
        assert_eq!(shell("echo first; sleep 600 & sleep 600", short).unwrap(), "first");
        assert_eq!(shell("exec >&- 2>&-; sleep 600", short), None);
        assert!(shell("while :; do echo y; done", short).is_some());
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn it_sees_nothing_of_our_environment() {
        let line = shell("env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=", DEADLINE).unwrap();
        assert_eq!(line, "PATH=/usr/bin:/bin");
    }

    #[test]
    fn only_an_executable_regular_file_is_a_program() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::create_dir_all(a.join("dir")).unwrap();
        std::fs::create_dir_all(&b).unwrap();
        let tool = |at: &Path, mode| {
            std::fs::write(at, "").unwrap();
            std::fs::set_permissions(at, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        tool(&a.join("tool"), 0o644);
        tool(&b.join("tool"), 0o755);
        let path = [a, b.clone()];
        assert_eq!(find(&path, "tool"), Some(b.join("tool")));
        assert_eq!(find(&path, "dir"), None);
        assert_eq!(find(&path, "nothing"), None);
    }
}

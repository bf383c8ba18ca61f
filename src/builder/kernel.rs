//! The kernel calls for which there is no safe wrapper.
#![expect(unsafe_code, reason = "these have no safe wrapper; see each SAFETY")]

use rustix::{process::Pid, thread::UnshareFlags};
use std::{
    io,
    os::fd::{BorrowedFd, FromRawFd as _, OwnedFd},
};

/// Moves this process (its children, for the PID namespace) into namespaces of its own.
pub(super) fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    let namespaces = namespaces.difference(UnshareFlags::FILES);
    // SAFETY: the only unsafe flag is FILES, which was just taken out.
    Ok(unsafe { rustix::thread::unshare_unsafe(namespaces) }?)
}

/// Makes a copy of this process: its number for this one, `None` in the copy.
///
/// Only for a process that has one thread and will never have had another: the sandbox's helper,
/// before it does anything else.
pub(super) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: nobody calls it but a process with a single thread, so the copy has every thread that
    // could hold a lock.
    let number = unsafe { libc::fork() };
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pid::from_raw(number))
}

/// Takes over a handle that whoever started this process opened for it.
pub(super) fn handed_over(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: the handle is only looked at, to see that it is one.
    let there = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_getfd(there)?;
    // SAFETY: it is open, and nothing else in this program uses handles that systemd names.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

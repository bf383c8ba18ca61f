//! The kernel calls for which there is no safe wrapper.
#![expect(unsafe_code, reason = "unshare and one ioctl have no safe wrapper; see each SAFETY")]

use rustix::{
    fd::AsFd,
    ioctl::{NoArg, Opcode},
    thread::UnshareFlags,
};
use std::io;

/// LOOP_CLR_FD of linux/loop.h.
const LOOP_CLR_FD: Opcode = 0x4C01;

/// Moves this process (its children, for the PID namespace) into namespaces of its own.
pub(super) fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    let namespaces = namespaces.difference(UnshareFlags::FILES);
    // SAFETY: the only unsafe flag is FILES, which was just taken out.
    Ok(unsafe { rustix::thread::unshare_unsafe(namespaces) }?)
}

/// Takes the file away from a loop device; a device in use lets go of it when it is closed.
pub(super) fn detach_loop(device: impl AsFd) -> io::Result<()> {
    // SAFETY: LOOP_CLR_FD takes no argument, so there is no memory to get wrong.
    Ok(unsafe { rustix::ioctl::ioctl(device, NoArg::<LOOP_CLR_FD>::new()) }?)
}

//! The kernel call for which there is no safe wrapper.
#![expect(unsafe_code, reason = "unshare has no safe wrapper; see its SAFETY")]

use rustix::thread::UnshareFlags;
use std::io;

/// Moves this process (its children, for the PID namespace) into namespaces of its own.
pub(super) fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    let namespaces = namespaces.difference(UnshareFlags::FILES);
    // SAFETY: the only unsafe flag is FILES, which was just taken out.
    Ok(unsafe { rustix::thread::unshare_unsafe(namespaces) }?)
}

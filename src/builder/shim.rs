//! What runs between the builder and a tool: this program again, started with
//! [`SHIM_ARGUMENT`] as its first argument.
//!
//! `outer` makes the namespaces and becomes two: `init`, which is PID 1 in them: it mounts, starts the
//! tool, reaps, reports how the tool ended on its standard input (a socket to the builder), and
//! ends – and with it everything else in the namespace. Both notice when the builder is gone: the
//! socket's other end closes. Without namespaces one process does both, as a subreaper.
//!
//! A rootless tool is started by an `init` that has made its mounts as root and then gone into a
//! user namespace of its own.
//!
//! The builder signals the tool's process group itself; `init` does not hear these signals,
//! because the kernel keeps signals without a handler from a PID 1.

use super::{
    kernel,
    sandbox::{Confinement, Inner, Mask, Outer},
};
use rustix::{
    fs::CWD,
    mount::{
        MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, move_mount, open_tree,
    },
    process::{self, Pid, Signal, WaitId, WaitIdOptions, WaitOptions},
    thread::UnshareFlags,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::File,
    io::{self, Read, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
};

/// First argument of a process that is the shim.
pub const SHIM_ARGUMENT: &str = "__sandbox";
/// Bytes a message may have.
const LONGEST: u32 = 64 << 20;
/// How often stragglers are looked for before they are given up.
const ROUNDS: usize = 50;

/// The whole program when its first argument is [`SHIM_ARGUMENT`]. Never for people.
pub fn shim_main() -> ExitCode {
    let Ok(control) = io::stdin().as_fd().try_clone_to_owned().map(File::from) else {
        return ExitCode::FAILURE;
    };
    match run_outer(&control) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&control, &format!("error {}", message.replace('\n', " ")));
            ExitCode::FAILURE
        }
    }
}

fn say(mut control: &File, line: &str) {
    // Nobody to tell it to: the builder is gone, and that ends this process anyway.
    let _ = control.write_all(format!("{line}\n").as_bytes());
}

/// Sends one message.
pub(super) fn send(mut to: impl Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| io::Error::other("the step's arguments are too long"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)
}

fn receive<T: DeserializeOwned>(mut control: &File) -> Result<T, String> {
    let mut read = || -> io::Result<T> {
        let mut length = [0; 4];
        control.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length).min(LONGEST);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        control.read_exact(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    };
    read().map_err(|e| format!("the builder's message cannot be read: {e}"))
}

fn run_outer(control: &File) -> Result<(), String> {
    let outer: Outer = receive(control)?;
    match outer.confinement {
        Confinement::Full | Confinement::Rootless => enter(&outer, UnshareFlags::empty())?,
        Confinement::User => {
            let (uid, gid) = (process::getuid().as_raw(), process::getgid().as_raw());
            enter(&outer, UnshareFlags::NEWUSER)?;
            map_ids(uid, gid).map_err(|e| format!("cannot map ids: {e}"))?;
        }
        Confinement::Group | Confinement::Off => {
            process::set_child_subreaper(Some(process::getpid()))
                .map_err(|e| format!("cannot become a subreaper: {e}"))?;
            return run_init(control);
        }
    }
    let init = kernel::fork().map_err(|e| format!("cannot start the sandbox: {e}"))?;
    // A group of its own, whichever of the two comes first.
    let _ = process::setpgid(init, init);
    let Some(init) = init else { return run_init(control) };
    say(control, &format!("pid {}", init.as_raw_nonzero()));
    // Not reaped, so that its number stays taken as long as this process lives.
    let _ = process::waitid(WaitId::Pid(init), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    Ok(())
}

fn enter(outer: &Outer, more: UnshareFlags) -> Result<(), String> {
    let mut all = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | more;
    all.set(UnshareFlags::NEWNET, !outer.network);
    kernel::unshare(all).map_err(|e| format!("namespaces are not allowed here: {e}"))
}

/// The ids stay what they are: tools behave as they would outside.
fn map_ids(uid: u32, gid: u32) -> io::Result<()> {
    let write = |path: &str, text: String| {
        File::options().write(true).open(path)?.write_all(text.as_bytes())
    };
    write("/proc/self/setgroups", "deny".into())?;
    write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

fn run_init(control: &File) -> Result<(), String> {
    let inner: Inner = receive(control)?;
    process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    if inner.confinement.has_mounts() {
        surround(&inner)?;
    }
    // A build that eats all memory is to die before the service does.
    let _ =
        File::options().write(true).open("/proc/self/oom_score_adj").map(|mut f| f.write(b"500"));
    if inner.confinement == Confinement::Rootless {
        give_up_root(control)?;
    }
    if inner.program.as_os_str().is_empty() {
        say(control, "exit 0");
        return Ok(());
    }
    let _signals = default_signals().map_err(|e| format!("cannot reset signals: {e}"))?;
    let tool = start_tool(&inner)?;
    if !inner.confinement.has_mounts() {
        say(control, &format!("pid {}", tool.id()));
    }
    say(control, "started");
    watch_builder(control, inner.confinement)?;
    let report = wait_for(&tool);
    if !inner.confinement.has_mounts() {
        end_descendants();
    }
    say(control, &report);
    Ok(())
}

/// Mounts what the tool is to see, in the new mount namespace.
fn surround(inner: &Inner) -> Result<(), String> {
    let fail = |what: &str, path: &Path, e: rustix::io::Errno| {
        format!("cannot {what} {} in the sandbox: {e}", path.display())
    };
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    let root = Path::new("/");
    rustix::mount::mount_change(root, private).map_err(|e| fail("make private", root, e))?;
    if let Some(mask) = &inner.mask {
        leave_only(mask)?;
    }
    for (from, to) in &inner.inputs {
        bind_read_only(from, to).map_err(|e| fail("mount", to, e))?;
    }
    for place in inner.tmp.iter().flat_map(|_| ["/tmp", "/var/tmp"]).map(Path::new) {
        if let Some(tmp) = inner.tmp.as_deref().filter(|_| place.is_dir()) {
            rustix::mount::mount_bind(tmp, place).map_err(|e| fail("mount", place, e))?;
        }
    }
    if inner.own_memory {
        let (place, flags) = (Path::new("/dev/shm"), MountFlags::NOSUID | MountFlags::NODEV);
        rustix::mount::mount("none", place, "tmpfs", flags, c"mode=1777")
            .map_err(|e| fail("mount", place, e))?;
    }
    for path in &inner.hide {
        cover(path).map_err(|e| fail("hide", path, e))?;
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("proc", "/proc", "proc", flags, None)
        .map_err(|e| fail("mount", Path::new("/proc"), e))?;
    rustix::system::sethostname(inner.hostname.as_bytes())
        .map_err(|e| format!("cannot name the sandbox: {e}"))?;
    Ok(())
}

/// Covers a directory, and shows below it only what is to be kept.
fn leave_only(mask: &Mask) -> Result<(), String> {
    let fail =
        |path: &Path, e: io::Error| format!("cannot keep {} in the sandbox: {e}", path.display());
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let mut trees = Vec::new();
    for (from, to) in &mask.keep {
        let tree = open_tree(CWD, from, flags).map_err(|e| fail(from, e.into()))?;
        trees.push((tree, to));
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("none", &mask.place, "tmpfs", flags, c"size=1m,mode=755")
        .map_err(|e| fail(&mask.place, e.into()))?;
    for (tree, to) in trees {
        std::fs::create_dir_all(to).map_err(|e| fail(to, e))?;
        move_mount(tree, "", CWD, to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .map_err(|e| fail(to, e.into()))?;
    }
    Ok(())
}

/// From here on root of a user namespace only. The builder, who may, says which ids of the box
/// its ids stand for.
fn give_up_root(mut control: &File) -> Result<(), String> {
    let no = |e: io::Error| {
        format!("user namespaces are not allowed here: {e} (under systemd by RestrictNamespaces=)")
    };
    kernel::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS).map_err(no)?;
    say(control, "user");
    control.read_exact(&mut [0]).map_err(|e| format!("the builder gives no ids: {e}"))?;
    let become_root = || -> Result<(), rustix::io::Errno> {
        rustix::thread::set_thread_groups(&[])?;
        let (uid, gid) = (process::Uid::ROOT, process::Gid::ROOT);
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)
    };
    become_root().map_err(|e| format!("cannot become root of the user namespace: {e}"))
}

fn bind_read_only(from: &Path, to: &Path) -> Result<(), rustix::io::Errno> {
    rustix::mount::mount_bind(from, to)?;
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount_remount(to, flags, "")
}

fn cover(path: &Path) -> Result<(), rustix::io::Errno> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("none", path, "tmpfs", flags, c"size=4k,mode=700")
}

/// A shell that starts the service in the background leaves SIGINT ignored, and exec keeps that.
/// A signal with a handler becomes an ordinary one at exec: so each ignored one gets a handler.
fn default_signals() -> io::Result<Option<tokio::runtime::Runtime>> {
    use tokio::signal::unix::{SignalKind, signal};
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    let kinds = [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::quit(),
        SignalKind::terminate(),
    ];
    let ignored = |kind: &SignalKind| mask >> (kind.as_raw_value() - 1) & 1 == 1;
    if !kinds.iter().any(ignored) {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    for kind in kinds.into_iter().filter(ignored) {
        // The handler stays when its stream is gone.
        drop(signal(kind)?);
    }
    drop(guard);
    Ok(Some(runtime))
}

#[expect(clippy::disallowed_methods, reason = "this is where a plan's program is started")]
fn start_tool(inner: &Inner) -> Result<Child, String> {
    let mut command = Command::new(&inner.program);
    command
        .args(&inner.arguments)
        .env_clear()
        .envs(inner.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&inner.directory)
        .stdin(Stdio::null());
    if !inner.confinement.has_mounts() {
        command.process_group(0);
    }
    command.spawn().map_err(|e| format!("cannot start {}: {e}", inner.program.display()))
}

/// Ends everything when the builder is gone.
fn watch_builder(control: &File, confinement: Confinement) -> Result<(), String> {
    let mut control = control.try_clone().map_err(|e| format!("cannot watch the builder: {e}"))?;
    let watch = move || {
        // The builder sends nothing more: whatever ends this read is its end.
        let _ = control.read(&mut [0]);
        if !confinement.has_mounts() {
            end_descendants();
        }
        std::process::exit(1);
    };
    std::thread::Builder::new()
        .name("watch-builder".into())
        .spawn(watch)
        .map(drop)
        .map_err(|e| format!("cannot watch the builder: {e}"))
}

/// Reaps whoever ends until the tool does.
fn wait_for(tool: &Child) -> String {
    let tool = i64::from(tool.id());
    loop {
        match process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if i64::from(pid.as_raw_nonzero().get()) == tool => {
                if let Some(code) = status.exit_status() {
                    return format!("exit {code}");
                }
                if let Some(signal) = status.terminating_signal() {
                    return format!("signal {signal}");
                }
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return format!("error the tool was lost: {e}"),
        }
    }
}

/// Kills every process below this one; orphans come back here, because it is a subreaper.
fn end_descendants() {
    for _ in 0..ROUNDS {
        let children = descendants();
        if children.is_empty() {
            return;
        }
        for pid in children {
            let _ = process::kill_process(pid, Signal::KILL);
        }
        while let Ok(Some(_)) = process::wait(WaitOptions::NOHANG) {}
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

fn descendants() -> Vec<Pid> {
    let parents = super::leftovers::parents();
    let me = process::getpid().as_raw_nonzero().get();
    let below = |mut pid: i32| {
        // A chain longer than this is a loop made by numbers that were used again.
        for _ in 0..1_000 {
            match parents.get(&pid) {
                Some(parent) if *parent == me => return true,
                Some(parent) if *parent > 1 => pid = *parent,
                Some(_) | None => return false,
            }
        }
        false
    };
    parents.keys().copied().filter(|pid| below(*pid)).filter_map(Pid::from_raw).collect()
}

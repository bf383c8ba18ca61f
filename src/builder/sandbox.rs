//! What confines a step, and the message that tells the shim so.
//!
//! | confinement | when |
//! |---|---|
//! | full | namespaces of the kernel's, as root |
//! | rootless | the same, and the tool is root only inside a user namespace of its own |
//! | user | the same inside a user namespace, for a service without root |
//! | group | a process group and a subreaper, where no namespace is to be had or a tool needs the outer one |
//! | off | a process group only |

use super::process::Tool;
use crate::{domain::Sandbox, plugin::api};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How a step is kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Confinement {
    /// Mount, PID, IPC, UTS (and network) namespaces.
    Full,
    /// The same, made by root for a tool that is root only inside a user namespace.
    Rootless,
    /// The same below a user namespace.
    User,
    /// Process group with a subreaper that dies with the server.
    Group,
    /// Process group.
    Off,
}

/// The best confinement this box allows, and why not a better one.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) best: Confinement,
    pub(super) why: Option<String>,
}

/// First message to the shim: what to do before the tool's own process exists.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outer {
    pub(super) confinement: Confinement,
    /// False: a network namespace of its own, with nothing in it.
    pub(super) network: bool,
    /// The first of the [`IDS`] ids of the box that the tool's ids stand for; only for
    /// [`Confinement::Rootless`].
    pub(super) ids: u32,
}

/// How many ids a rootless tool has: what a Debian or Fedora in an image needs.
pub(super) const IDS: u32 = 65_536;

/// A directory of which a tool sees only a part.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mask {
    /// Covered by something empty.
    pub(super) place: PathBuf,
    /// What is there all the same: source, place below the covered directory.
    pub(super) keep: Vec<(PathBuf, PathBuf)>,
}

/// Second message to the shim: the tool and its surroundings.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Inner {
    pub(super) confinement: Confinement,
    /// Empty: only try out the surroundings.
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) directory: PathBuf,
    pub(super) hostname: String,
    /// Mounted read-only: source, place.
    pub(super) inputs: Vec<(PathBuf, PathBuf)>,
    /// Mounted over the shared temporary directories.
    pub(super) tmp: Option<PathBuf>,
    /// Memory shared under a name is the build's own, and goes with it.
    pub(super) own_memory: bool,
    /// Covered by something empty.
    pub(super) hide: Vec<PathBuf>,
    /// See [`Mask`].
    pub(super) mask: Option<Mask>,
}

impl Confinement {
    /// For people: what it is.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Full => "own mount, PID, IPC and UTS namespaces",
            Self::Rootless => {
                "root only inside a user namespace, own mount, PID, IPC and UTS namespaces"
            }
            Self::User => "own user, mount, PID, IPC and UTS namespaces",
            Self::Group => "a process group that ends with the service, no namespaces",
            Self::Off => "none: a process group only",
        }
    }

    pub(super) fn has_mounts(self) -> bool {
        matches!(self, Self::Full | Self::Rootless | Self::User)
    }
}

impl Reach {
    /// The confinement for a step with these privileges.
    ///
    /// A tool that makes user namespaces of its own needs the ids of the outer one: inside a
    /// namespace with a single id its newuidmap would fail.
    pub(super) fn for_step(&self, privileges: &[api::Privilege]) -> Confinement {
        use api::Privilege::{LoopDevices, Root, UserNamespaces};
        let outer = |p: &api::Privilege| matches!(p, Root | LoopDevices | UserNamespaces);
        match self.best {
            Confinement::User if privileges.iter().any(outer) => Confinement::Group,
            other => other,
        }
    }

    /// For people: what confines these steps, and why not more.
    pub(super) fn sentence(&self, steps: &[api::Step]) -> String {
        let mut words = self.best.words().to_owned();
        if let Some(why) = &self.why {
            words = format!("{words} ({why})");
        }
        let outside: Vec<_> = steps
            .iter()
            .filter(|step| self.for_step(&step.privileges) != self.best)
            .map(|step| format!("`{}`", step.name))
            .collect();
        if !outside.is_empty() {
            let names = outside.join(", ");
            words = format!("{words}; {names} outside of them, because of what it may do");
        }
        words
    }
}

/// Why something is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The box does not allow it.
    Refused(String),
    /// That could not be found out just now.
    Unknown(String),
}

impl Unfit {
    fn about(self, what: &str) -> Self {
        match self {
            Self::Refused(why) => Self::Refused(format!("{what}: {why}")),
            Self::Unknown(why) => Self::Unknown(format!("{what}: {why}")),
        }
    }
}

/// The first step that cannot be carried out rootless: it has to be root on the box, or would be
/// outside of every namespace.
pub(super) fn not_rootless<'a>(
    reach: &Reach,
    steps: &'a [api::Step],
) -> Option<(&'a api::Step, &'static str)> {
    use api::Privilege::{Kvm, LoopDevices, Network, Root, UserNamespaces};
    let needs_root = |privilege: &api::Privilege| match privilege {
        Root | LoopDevices | Kvm => true,
        Network | UserNamespaces => false,
    };
    steps.iter().find_map(|step| {
        if step.privileges.iter().any(needs_root) {
            return Some((step, "has to be root on the box"));
        }
        let inside = reach.for_step(&step.privileges).has_mounts();
        (!inside)
            .then_some((step, "makes user namespaces of its own, which takes a builder with root"))
    })
}

/// What this box allows of what is wanted, found out by trying it.
///
/// # Errors
/// When it cannot be as strict as it is wanted.
pub(super) fn probe(own_exe: &Path, wanted: Sandbox, ids: u32) -> Result<Reach, Unfit> {
    match wanted {
        Sandbox::Off => Ok(Reach { best: Confinement::Off, why: Some("switched off".into()) }),
        Sandbox::Auto if own_exe.as_os_str().is_empty() => {
            Ok(Reach { best: Confinement::Off, why: Some("there is no /proc".into()) })
        }
        Sandbox::Auto => best(own_exe).map_err(|why| why.about("the sandbox cannot be tried out")),
        Sandbox::Rootless => {
            let best = if may_administer() { Confinement::Rootless } else { Confinement::User };
            let tried = Tool::try_out(own_exe, best, ids);
            tried.map_err(|why| why.about("rootless builds are not to be had on this box"))?;
            Ok(Reach { best, why: None })
        }
    }
}

/// What a box that is too busy to answer allows is not known: builds are never the less confined
/// for that.
fn best(own_exe: &Path) -> Result<Reach, Unfit> {
    let mut why = None;
    let order: &[Confinement] = if may_administer() {
        &[Confinement::Full, Confinement::User, Confinement::Group]
    } else {
        &[Confinement::User, Confinement::Group]
    };
    for best in order {
        match Tool::try_out(own_exe, *best, 0) {
            Ok(()) => return Ok(Reach { best: *best, why }),
            Err(Unfit::Refused(reason)) => why = why.or(Some(reason)),
            Err(unknown) => return Err(unknown),
        }
    }
    Ok(Reach { best: Confinement::Off, why })
}

fn may_administer() -> bool {
    rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::SYS_ADMIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Privilege::{LoopDevices, Network, UserNamespaces};

    fn step(program: &str, privileges: Vec<api::Privilege>) -> api::Step {
        api::Step {
            name: program.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: String::new(),
            privileges,
            always: false,
        }
    }

    #[test]
    fn a_rootless_step_is_inside_of_namespaces_or_refused() {
        let steps = [step("tar", vec![Network]), step("mmdebstrap", vec![UserNamespaces])];
        let reach = |best| Reach { best, why: None };
        assert!(not_rootless(&reach(Confinement::Rootless), &steps).is_none());
        // Without root it would be outside: where it sees the store and the service's socket.
        let (refused, why) = not_rootless(&reach(Confinement::User), &steps).unwrap();
        assert_eq!(refused.program, "mmdebstrap");
        assert!(why.contains("takes a builder with root"), "{why}");
        let steps = [step("losetup", vec![LoopDevices])];
        let (_, why) = not_rootless(&reach(Confinement::Rootless), &steps).unwrap();
        assert_eq!(why, "has to be root on the box");
    }
}

//! What a runner declares, what it was granted, and the sentence for the difference.

use super::{
    Grant, Origin, Status,
    api::{Privilege, RunnerInfo},
};
use std::collections::BTreeSet;

/// What a runner's plans may use: declared *and* granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) programs: BTreeSet<String>,
    pub(super) privileges: Vec<Privilege>,
}

/// The word for a privilege in `config.toml`, plans and pages.
pub fn privilege_word(privilege: Privilege) -> &'static str {
    match privilege {
        Privilege::Root => "root",
        Privilege::LoopDevices => "loop-devices",
        Privilege::Network => "network",
        Privilege::Kvm => "kvm",
        Privilege::UserNamespaces => "user-namespaces",
    }
}

impl Granted {
    /// Everything it declares.
    pub(super) fn all(info: &RunnerInfo) -> Self {
        Self {
            programs: info.programs.iter().map(|p| p.name.clone()).collect(),
            privileges: info.privileges.clone(),
        }
    }

    /// What the administrator's section leaves of it.
    pub(super) fn of(info: &RunnerInfo, origin: &Origin, grant: Option<&Grant>) -> Self {
        let all = Self::all(info);
        let trusted = *origin == Origin::BuiltIn;
        let programs = grant.and_then(|g| g.programs.as_ref());
        let privileges = grant.and_then(|g| g.privileges.as_ref());
        let program = |name: &String| programs.map_or(trusted, |list| list.contains(name));
        let privilege = |p: &Privilege| {
            privileges.map_or(trusted, |list| list.iter().any(|word| word == privilege_word(*p)))
        };
        Self {
            programs: all.programs.into_iter().filter(program).collect(),
            privileges: all.privileges.into_iter().filter(privilege).collect(),
        }
    }
}

/// Whether a loaded runner may be used.
///
/// A file has to be granted all it asks for: a new version that asks for more waits again. For a
/// built-in runner a shorter list is a restriction the administrator meant, unless it leaves none
/// of the programs.
pub(super) fn status(
    info: &RunnerInfo,
    origin: &Origin,
    grant: Option<&Grant>,
    granted: &Granted,
) -> Status {
    if grant.is_some_and(|g| !g.enabled) {
        return Status::Disabled("switched off in config.toml".into());
    }
    let restricted =
        *origin == Origin::BuiltIn && (!granted.programs.is_empty() || info.programs.is_empty());
    match missing(info, granted) {
        Some(what) if !restricted => Status::WaitingForGrant(format!(
            "asks for {what}: name them in config.toml under [runners.{}]",
            info.id
        )),
        _ => Status::Enabled,
    }
}

fn missing(info: &RunnerInfo, granted: &Granted) -> Option<String> {
    let programs: Vec<_> = (info.programs.iter().map(|p| &p.name))
        .filter(|name| !granted.programs.contains(*name))
        .map(|name| format!("`{name}`"))
        .collect();
    let privileges: Vec<_> = (info.privileges.iter())
        .filter(|p| !granted.privileges.contains(p))
        .map(|p| privilege_word(*p).to_owned())
        .collect();
    let parts = [listed("program", &programs), listed("privilege", &privileges)];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

fn listed(noun: &str, names: &[String]) -> Option<String> {
    match names {
        [] => None,
        [one] => Some(format!("{noun} {one}")),
        many => Some(format!("{noun}s {}", many.join(", "))),
    }
}

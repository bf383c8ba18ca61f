//! What belongs to an installation, and where it lies.

/// The program's place; the units name it.
pub(super) const PROGRAM: &str = "/usr/local/bin/img";
/// The configuration's place; the units name it.
pub(super) const CONFIG: &str = "/etc/img/config.toml";
/// Everything IMG keeps.
pub(super) const DATA: &str = "/var/lib/img";
/// Where the builder's socket lies.
pub(super) const RUN: &str = "/run/img";
/// The user of the service; `img.sysusers` makes it.
pub(super) const USER: &str = "img";
/// Stands in every file that IMG wrote and may therefore replace or remove.
pub(super) const MARK: &str = "`img install` writes this file";
/// Started by systemd whenever the box is.
pub(super) const ENABLED: [&str; 2] = ["img-builder.socket", "img.service"];
/// What may run.
pub(super) const UNITS: [&str; 3] = ["img.service", "img-builder.socket", "img-builder.service"];

/// A file with a fixed text.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

pub(super) const SYSUSERS: Part = Part {
    path: "/usr/lib/sysusers.d/img.conf",
    text: include_str!("../../../systemd/img.sysusers"),
};
pub(super) const TMPFILES: Part = Part {
    path: "/usr/lib/tmpfiles.d/img.conf",
    text: include_str!("../../../systemd/img.tmpfiles"),
};
/// The unit files.
pub(super) const UNIT_FILES: [Part; 3] = [
    Part {
        path: "/etc/systemd/system/img-builder.socket",
        text: include_str!("../../../systemd/img-builder.socket"),
    },
    Part {
        path: "/etc/systemd/system/img-builder.service",
        text: include_str!("../../../systemd/img-builder.service"),
    },
    Part {
        path: "/etc/systemd/system/img.service",
        text: include_str!("../../../systemd/img.service"),
    },
];

/// Every file with a fixed text.
pub(super) fn all() -> impl Iterator<Item = &'static Part> {
    [&SYSUSERS, &TMPFILES].into_iter().chain(&UNIT_FILES)
}

/// A file of an earlier version that must not stay in effect.
pub(super) struct Obsolete {
    pub(super) path: &'static str,
    /// Stands in it if it is the one IMG came with.
    pub(super) mark: &'static str,
    pub(super) why: &'static str,
}

pub(super) const OBSOLETE: [Obsolete; 1] = [Obsolete {
    path: "/etc/systemd/system/img.service.d/root-tools.conf",
    mark: "For a box whose tools have to be root",
    why: "it would make the pages root; img-builder.service is root now, for builds alone",
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_says_that_it_is_ours_and_names_the_places_that_are_used() {
        for part in all() {
            assert!(part.text.contains(MARK), "{}", part.path);
        }
        for part in UNIT_FILES.iter().filter(|part| part.path.ends_with(".service")) {
            assert!(part.text.contains(&format!("ExecStart={PROGRAM} ")), "{}", part.path);
            assert!(part.text.contains(&format!("--config {CONFIG}\n")), "{}", part.path);
        }
        let socket = UNIT_FILES.iter().find(|part| part.path.ends_with(".socket")).unwrap();
        assert!(socket.text.contains(&format!("ListenStream={RUN}/builder.sock\n")));
    }
}

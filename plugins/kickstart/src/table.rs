//! What is known of a command or a section's header: its options, and which of them take a value.

pub(crate) use crate::commands::COMMANDS;
use crate::model::SectionKind;

/// Which tools know a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// Today's.
    Current,
    /// Only older ones.
    Old,
    /// Only those of one enterprise distribution.
    Rhel,
}

/// A command or a header. Option names stand without dashes, separated by blanks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub name: &'static str,
    /// Options that take no value.
    pub switches: &'static str,
    /// Options that take one.
    pub valued: &'static str,
    /// Options that took one in some versions only.
    pub either: &'static str,
    /// Options that must be there.
    pub needs: &'static str,
    /// How many words without an option there must be.
    pub operands: usize,
    /// Whether it passes any option on to another program.
    pub any: bool,
    pub age: Age,
}

/// Nothing: what a row of the table leaves out.
pub(crate) const NONE: Spec = Spec {
    name: "",
    switches: "",
    valued: "",
    either: "",
    needs: "",
    operands: 0,
    any: false,
    age: Age::Current,
};

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Value,
    Either,
}

impl Spec {
    /// Every option with what it takes.
    pub fn options(&self) -> impl Iterator<Item = (&'static str, Takes)> {
        let switches = self.switches.split(' ').map(|name| (name, Takes::Nothing));
        let valued = self.valued.split(' ').map(|name| (name, Takes::Value));
        let either = self.either.split(' ').map(|name| (name, Takes::Either));
        switches.chain(valued).chain(either).filter(|(name, _)| !name.is_empty())
    }
}

/// The command of this name.
pub(crate) fn command(name: &str) -> Option<&'static Spec> {
    let at = COMMANDS.binary_search_by(|spec| spec.name.cmp(name)).ok()?;
    COMMANDS.get(at)
}

/// The names of all commands, sorted.
pub fn command_names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|spec| spec.name)
}

const SCRIPT: Spec =
    Spec { name: "script", switches: "erroronfail", valued: "interpreter log logfile", ..NONE };
const POST: Spec = Spec { switches: "erroronfail nochroot", ..SCRIPT };
const PACKAGES: Spec = Spec {
    switches: "default excludeWeakdeps exclude-weakdeps excludedocs ignorebroken ignoredeps \
               ignoremissing multilib nobase nocore resolvedeps",
    valued: "inst-langs instLangs retries timeout",
    ..NONE
};
const CERTIFICATE: Spec = Spec { valued: "dir filename type", needs: "filename", ..NONE };
/// Anything: what an unknown command or header is sorted by.
pub(crate) const ANY: Spec = Spec { any: true, ..NONE };

/// What a section's header may carry.
pub(crate) fn header(kind: &SectionKind) -> &'static Spec {
    match kind {
        SectionKind::Packages => &PACKAGES,
        SectionKind::Pre
        | SectionKind::PreInstall
        | SectionKind::Pack
        | SectionKind::OnError
        | SectionKind::Traceback => &SCRIPT,
        SectionKind::Post => &POST,
        SectionKind::Certificate => &CERTIFICATE,
        SectionKind::Prepackages
        | SectionKind::Attachment
        | SectionKind::Addon
        | SectionKind::Anaconda
        | SectionKind::Unknown => &ANY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_nothing_twice() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
        for spec in COMMANDS {
            let mut names: Vec<_> = spec.options().map(|(name, _)| name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{}", spec.name);
        }
    }

    #[test]
    fn what_a_command_needs_it_also_knows() {
        for spec in COMMANDS {
            for need in spec.needs.split(' ').filter(|need| !need.is_empty()) {
                assert!(spec.options().any(|(name, _)| name == need), "{} {need}", spec.name);
            }
        }
        assert!(command("part").is_some() && command("prat").is_none());
    }
}

//! What one build may use of the box, and what it used.

use super::{retention::Wrong, units::size_text};
use std::time::Duration;

/// How steps are kept apart from the box. What comes later is stricter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sandbox {
    /// Not at all: for measurements, and for tools that cannot live in namespaces.
    Off,
    /// Namespaces of the kernel's where the box allows them; tools that have to be root are.
    #[default]
    Auto,
    /// Root inside a user namespace, a user without rights outside; tools that have to be root on
    /// the box are refused.
    Rootless,
}

impl Sandbox {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Off, Self::Auto, Self::Rootless];

    /// The word in config.toml and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Auto => "auto",
            Self::Rootless => "rootless",
        }
    }

    /// The choice a word of [`as_str`](Self::as_str) names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sandbox| sandbox.as_str() == word)
    }
}

/// What a build may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How its steps are kept apart from the box.
    pub sandbox: Sandbox,
    /// Bytes of memory; 0 is no limit.
    pub memory: u64,
    /// Processes and threads at once; 0 is no limit.
    pub tasks: u32,
    /// Its share of the processors among builds, from 1 to 10,000 (`cpu.weight`).
    pub cpu_weight: u32,
    /// Its share of the disks among builds, from 1 to 10,000 (`io.weight`).
    pub io_weight: u32,
    /// Most it may use of the processors even while nobody else wants them, in percent of one
    /// processor (`cpu.max`); 0 is no limit.
    pub cpu_max: u32,
    /// Most bytes it may read, and as many that it may write, in a second on the disk that builds
    /// lie on (`io.max`); 0 is no limit.
    pub io_max: u64,
    /// Bytes its directory may hold; 0 is no limit.
    pub scratch: u64,
}

/// The kernel's own weight of a group that says nothing.
pub const WEIGHT: u32 = 100;
/// Least and greatest weight the kernel takes.
pub const WEIGHTS: std::ops::RangeInclusive<u32> = 1..=10_000;

/// More than any box has, and still a number of microseconds that the kernel takes: ten thousand
/// processors.
pub const MOST_CPU: u32 = 1_000_000;
/// A tool that is slower than this looks as if it were stuck.
pub const LEAST_IO: u64 = 64 << 10;
/// A tool cannot even be started with less memory.
pub const LEAST_MEMORY: u64 = 16 << 20;
/// A directory with less room holds no image.
pub const LEAST_SCRATCH: u64 = 1 << 20;

impl Default for Bounds {
    fn default() -> Self {
        Self {
            sandbox: Sandbox::Auto,
            memory: 0,
            // Tools start a few hundred at most; a shell that starts itself for ever meets it.
            tasks: 8192,
            cpu_weight: WEIGHT,
            io_weight: WEIGHT,
            cpu_max: 0,
            io_max: 0,
            scratch: 0,
        }
    }
}

/// What a queue says of its own; `None` is as the settings say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnBounds {
    /// See [`Bounds::sandbox`]; it can only make it stricter.
    pub sandbox: Option<Sandbox>,
    /// See [`Bounds::memory`].
    pub memory: Option<u64>,
    /// See [`Bounds::tasks`].
    pub tasks: Option<u32>,
    /// See [`Bounds::cpu_weight`].
    pub cpu_weight: Option<u32>,
    /// See [`Bounds::io_weight`].
    pub io_weight: Option<u32>,
    /// See [`Bounds::cpu_max`].
    pub cpu_max: Option<u32>,
    /// See [`Bounds::io_max`].
    pub io_max: Option<u64>,
    /// See [`Bounds::scratch`].
    pub scratch: Option<u64>,
}

impl Bounds {
    /// These with what a queue says of its own over them.
    pub fn with(self, own: &OwnBounds) -> Self {
        Self {
            sandbox: own.sandbox.map_or(self.sandbox, |own| own.max(self.sandbox)),
            memory: own.memory.unwrap_or(self.memory),
            tasks: own.tasks.unwrap_or(self.tasks),
            cpu_weight: own.cpu_weight.unwrap_or(self.cpu_weight),
            io_weight: own.io_weight.unwrap_or(self.io_weight),
            cpu_max: own.cpu_max.unwrap_or(self.cpu_max),
            io_max: own.io_max.unwrap_or(self.io_max),
            scratch: own.scratch.unwrap_or(self.scratch),
        }
    }
}

impl Bounds {
    /// The first number that cannot be, by its field's name.
    pub fn wrong(&self) -> Option<Wrong> {
        let weight = |key: &str, weight: u32| {
            (!WEIGHTS.contains(&weight)).then(|| Wrong {
                key: key.into(),
                value: weight.to_string(),
                want: format!("give {} to {}", WEIGHTS.start(), WEIGHTS.end()),
            })
        };
        let size = |key: &str, bytes: u64, least: u64| {
            (1..least).contains(&bytes).then(|| Wrong {
                key: key.into(),
                value: format!("{bytes} bytes"),
                want: format!("give at least {}, or 0B for no limit", size_text(least)),
            })
        };
        let cpu = || {
            (self.cpu_max > MOST_CPU).then(|| Wrong {
                key: "cpu_max".into(),
                value: self.cpu_max.to_string(),
                want: format!("give 1 to {MOST_CPU}, or 0 for no limit"),
            })
        };
        size("memory", self.memory, LEAST_MEMORY)
            .or_else(|| size("scratch", self.scratch, LEAST_SCRATCH))
            .or_else(|| weight("cpu_weight", self.cpu_weight))
            .or_else(|| weight("io_weight", self.io_weight))
            .or_else(cpu)
            .or_else(|| size("io_max", self.io_max, LEAST_IO))
    }
}

/// What a build used, as far as the box counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Time of the processors, all of them together.
    pub cpu: Duration,
    /// Most bytes of memory at once, with what the kernel kept of files for it.
    pub memory: u64,
    /// Bytes written to disks.
    pub written: u64,
}

impl Used {
    /// True where nothing was counted.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_its_own_numbers_but_never_a_laxer_sandbox() {
        let general = Bounds { memory: 8, scratch: 9, ..Bounds::default() };
        assert_eq!(general.with(&OwnBounds::default()), general);
        let own = OwnBounds {
            sandbox: Some(Sandbox::Off),
            memory: Some(0),
            io_weight: Some(7),
            cpu_max: Some(50),
            ..OwnBounds::default()
        };
        assert_eq!(general.with(&own), Bounds { memory: 0, io_weight: 7, cpu_max: 50, ..general });
        let strict = OwnBounds { sandbox: Some(Sandbox::Rootless), ..OwnBounds::default() };
        for given in Sandbox::ALL {
            let given = Bounds { sandbox: given, ..general };
            assert_eq!(given.with(&strict).sandbox, Sandbox::Rootless);
        }
    }

    #[test]
    fn every_sandbox_has_its_word() {
        for sandbox in Sandbox::ALL {
            assert_eq!(Sandbox::from_word(sandbox.as_str()), Some(sandbox));
        }
        assert_eq!(Sandbox::from_word("vm"), None);
    }
}

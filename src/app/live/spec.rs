//! Which settings may change at run time: their keys, words and where their values lie.

use super::values::{Slot, Values};
use crate::domain::{
    bounds::MOST_CPU,
    units::{lifetime_text, parse_lifetime, parse_size, parse_span, size_text, span_text},
};
use std::time::Duration;

/// Sessions that end sooner would let nobody change this again.
const LEAST_SESSION: Duration = Duration::from_secs(60);

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// A length of time, such as `14d`.
    Span,
    /// A number of bytes, such as `8GiB`.
    Size,
    /// A length of time, or `forever`.
    Lifetime,
    /// A whole number.
    Number {
        /// At least.
        min: u64,
        /// At most.
        max: u64,
    },
    /// A whole number from 1 to 100.
    Percent,
}

/// A setting that may change at run time.
#[derive(Debug)]
pub struct SettingSpec {
    /// Its key, as the sections of config.toml have it: `retention.images`.
    pub key: &'static str,
    /// What it takes.
    pub kind: SettingKind,
    /// For people.
    pub label: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Where its value lies.
    pub(super) slot: for<'a> fn(&'a mut Values) -> Slot<'a>,
}

impl SettingSpec {
    /// The setting of this key.
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|spec| spec.key == key)
    }

    /// The section of config.toml it is in: `retention`.
    pub fn section(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(section, _)| section)
    }

    /// The key in the store under which a changed value lies.
    pub fn store_key(&self) -> String {
        format!("setting.{}", self.key)
    }

    /// The value as normalized text.
    pub(super) fn text(&self, values: &Values) -> String {
        match (self.slot)(&mut values.clone()) {
            Slot::Span(span) => span_text(*span),
            Slot::Size(bytes) => size_text(*bytes),
            Slot::Lifetime(lifetime) => lifetime_text(*lifetime),
            Slot::Number(number) => number.to_string(),
            Slot::Percent(percent) => percent.to_string(),
        }
    }

    /// Reads `text` into `values`; the error is a sentence.
    pub(super) fn set(&self, values: &mut Values, text: &str) -> Result<(), String> {
        match (self.slot)(values) {
            Slot::Span(span) => *span = parse_span(text).map_err(|e| e.to_string())?,
            Slot::Size(bytes) => *bytes = parse_size(text).map_err(|e| e.to_string())?,
            Slot::Lifetime(lifetime) => {
                *lifetime = parse_lifetime(text).map_err(|e| e.to_string())?;
            }
            Slot::Number(number) => *number = self.number(text)?,
            Slot::Percent(percent) => *percent = self.number(text)?,
        }
        Ok(())
    }

    /// Back to what is given.
    pub(super) fn reset(&self, values: &mut Values, given: &Values) {
        // The text of a value always reads back.
        let _ = self.set(values, &self.text(given));
    }

    fn number<T: TryFrom<u64>>(&self, text: &str) -> Result<T, String> {
        let read: Option<u64> = text.trim().parse().ok();
        read.and_then(|n| T::try_from(n).ok()).ok_or_else(|| {
            let shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
            let (min, max) = self.range();
            format!("`{shown}` does not fit: give a whole number from {min} to {max}")
        })
    }

    fn range(&self) -> (u64, u64) {
        match self.kind {
            SettingKind::Number { min, max } => (min, max),
            SettingKind::Percent => (1, 100),
            SettingKind::Span | SettingKind::Size | SettingKind::Lifetime => (0, u64::MAX),
        }
    }

    /// Whether the value may be chosen, by itself. What config.toml says is not asked.
    pub(super) fn fits(&self, values: &mut Values) -> Result<(), String> {
        let number = match (self.slot)(values) {
            Slot::Number(number) => u64::from(*number),
            Slot::Percent(percent) => u64::from(*percent),
            Slot::Span(span) if self.section() == "sessions" && *span < LEAST_SESSION => {
                let shown = span_text(*span);
                return Err(format!(
                    "{} is {shown}: give at least \"1min\", or nobody can stay signed in",
                    self.key
                ));
            }
            Slot::Span(_) | Slot::Size(_) | Slot::Lifetime(_) => return Ok(()),
        };
        let (min, max) = self.range();
        if (min..=max).contains(&number) {
            return Ok(());
        }
        Err(format!("{} is {number}: give a whole number from {min} to {max}", self.key))
    }
}

/// What the kernel takes as a weight.
const WEIGHT: SettingKind = SettingKind::Number { min: 1, max: 10_000 };
/// Any number; 0 means something of its own.
const ANY: SettingKind = SettingKind::Number { min: 0, max: u32::MAX as u64 };

macro_rules! setting {
    ($key:literal, $kind:expr, $slot:ident($($field:ident).+), $label:literal, $help:literal) => {
        SettingSpec {
            key: $key,
            kind: $kind,
            label: $label,
            help: $help,
            slot: |values| Slot::$slot(&mut values.$($field).+),
        }
    };
}

use SettingKind::{Lifetime, Percent, Size, Span};

/// Every setting that may change at run time, in the order of config.toml.
pub static SETTINGS: &[SettingSpec] = &[
    setting!(
        "build.slots",
        SettingKind::Number { min: 1, max: u32::MAX as u64 },
        Number(slots),
        "Builds at once",
        "Jobs that may build at once, over all queues."
    ),
    setting!(
        "build.memory",
        Size,
        Size(bounds.memory),
        "Memory of one build",
        "Memory one build may have; 0B: no limit. Held where builds have control groups."
    ),
    setting!(
        "build.tasks",
        ANY,
        Number(bounds.tasks),
        "Processes of one build",
        "Processes and threads one build may have at once; 0: no limit. Held where builds have control groups."
    ),
    setting!(
        "build.cpu_weight",
        WEIGHT,
        Number(bounds.cpu_weight),
        "Share of the processors",
        "A build's share of the processors while several builds want them."
    ),
    setting!(
        "build.io_weight",
        WEIGHT,
        Number(bounds.io_weight),
        "Share of the disks",
        "A build's share of the disks while several builds want them."
    ),
    setting!(
        "build.cpu_max",
        SettingKind::Number { min: 0, max: MOST_CPU as u64 },
        Number(bounds.cpu_max),
        "Most of the processors",
        "What one build may use of the processors, in percent of one; 0: no limit. Held where builds have control groups."
    ),
    setting!(
        "build.io_max",
        Size,
        Size(bounds.io_max),
        "Most of the disk",
        "Bytes one build may read, and as many that it may write, in a second; 0B: no limit. Held where builds have control groups."
    ),
    setting!(
        "build.scratch",
        Size,
        Size(bounds.scratch),
        "Room of one build",
        "Bytes the directory of one build may hold; 0B: no limit."
    ),
    setting!(
        "sessions.idle",
        Span,
        Span(session_idle),
        "Idle sessions end after",
        "A session ends after this long without a request."
    ),
    setting!(
        "sessions.absolute",
        Span,
        Span(session_absolute),
        "Sessions end after",
        "A session ends this long after the sign-in in any case."
    ),
    setting!(
        "limits.definition",
        Size,
        Size(definition_limit),
        "Largest definition",
        "Largest definition that can be handed in; a runner may allow less."
    ),
    setting!(
        "retention.images",
        Lifetime,
        Lifetime(retention.images),
        "Images",
        "How long after a job's end its image and the files beside it are kept."
    ),
    setting!(
        "retention.leftovers",
        Lifetime,
        Lifetime(retention.leftovers),
        "Leftovers",
        "How long what failed, cancelled and interrupted jobs left is kept."
    ),
    setting!(
        "retention.logs",
        Lifetime,
        Lifetime(retention.logs),
        "Logs",
        "How long logs and definitions are kept; they stay at least as long as the image."
    ),
    setting!(
        "retention.records",
        Lifetime,
        Lifetime(retention.records),
        "Rows of jobs",
        "How long the rows of jobs whose files are gone are kept."
    ),
    setting!(
        "retention.audit",
        Lifetime,
        Lifetime(audit),
        "Audit trail",
        "How long the lines of the audit trail are kept."
    ),
    setting!(
        "retention.keep_newest",
        ANY,
        Number(retention.keep_newest),
        "Newest images",
        "Images of the same name, runner, type and architecture at most; 0: any number."
    ),
    setting!(
        "retention.keep_last_good",
        ANY,
        Number(retention.keep_last_good),
        "Last good images",
        "The newest good images of each recipe that no rule takes."
    ),
    setting!(
        "retention.budget",
        Percent,
        Percent(retention.budget),
        "Budget of the volume",
        "Per cent of the volume that may be used before the images that were of no use for longest go; 100: never for that reason."
    ),
    setting!(
        "retention.min_age",
        Span,
        Span(retention.min_age),
        "Least age",
        "Nothing younger is deleted by any rule."
    ),
    setting!(
        "retention.keep_longer",
        Span,
        Span(retention.longest_extension),
        "Keep longer",
        "How far \"Keep longer\" reaches."
    ),
    setting!(
        "retention.cache",
        Size,
        Size(cache_budget),
        "Caches",
        "What all caches of runners may have together; what was used longest ago goes first."
    ),
    setting!(
        "disk.hold_below",
        Size,
        Size(hold_below),
        "Hold below",
        "With less free than this on the data volume no job starts and a cleanup begins."
    ),
    setting!(
        "disk.resume_above",
        Size,
        Size(resume_above),
        "Resume above",
        "Jobs start again when so much is free."
    ),
    setting!(
        "disk.emergency_below",
        Size,
        Size(emergency_below),
        "Emergency below",
        "With less free than this a cleanup deletes more than the rules alone would; starting jobs leave so much free."
    ),
    setting!(
        "disk.unknown_need",
        Size,
        Size(unknown_need),
        "Need of an unknown job",
        "What a job is taken to need if neither its recipe's past nor its runner tells."
    ),
    setting!(
        "quota.user_running",
        ANY,
        Number(quota.user_running),
        "Builds of one user",
        "Jobs of one user that may build at once; further ones wait; 0: no limit."
    ),
    setting!(
        "quota.user_queued",
        ANY,
        Number(quota.user_queued),
        "Waiting jobs of one user",
        "Jobs of one user that may wait; further ones are refused until some have started; 0: no limit."
    ),
    setting!(
        "quota.user_bytes",
        Size,
        Size(quota.user_bytes),
        "Images of one user",
        "Bytes of images one user may keep; with more, nothing is taken or started for them; 0B: no limit."
    ),
    setting!(
        "quota.queue_bytes",
        Size,
        Size(quota.queue_bytes),
        "Images of one queue",
        "Bytes of images the jobs of one queue may keep; 0B: no limit."
    ),
];

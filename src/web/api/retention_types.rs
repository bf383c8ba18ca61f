//! What the API says of disk and retention; conventions as in [`types`](super::types).

use serde::{Deserialize, Serialize};

/// A pin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PinnedJson {
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
}

/// A deletion that has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GoneJson {
    /// When.
    pub at: String,
    /// The rule as a sentence.
    pub why: String,
    /// The cleanup that did it; absent when a person did, or when the files were found missing.
    pub run: Option<u64>,
}

/// Until when to keep files: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeepJson {
    /// The last day, such as `2026-12-07` (UTC).
    pub until: Option<String>,
    /// Days from now.
    pub days: Option<u32>,
}

/// What a cleanup would do now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PreviewJson {
    /// How many things would be deleted.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The same by class.
    pub by_class: Vec<ClassJson>,
    /// The first of them.
    pub goes: Vec<PlannedJson>,
    /// The first things a rule wants and a guard keeps.
    pub stays: Vec<PlannedJson>,
    /// How many a guard keeps.
    pub stays_items: u64,
    /// Rules that cannot be met, one sentence each.
    pub unmet: Vec<String>,
}

/// Things of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassJson {
    /// `leftovers`, `images`, `logs` or `records`.
    pub class: String,
    /// How many.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One thing of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlannedJson {
    /// The job.
    pub job: u64,
    /// Its name.
    pub name: String,
    /// `leftovers`, `images`, `logs` or `records`.
    pub class: String,
    /// Bytes, as far as known.
    pub bytes: u64,
    /// The rule as a sentence.
    pub why: String,
    /// What keeps it.
    pub kept_because: Option<String>,
    /// When the job ended.
    pub ended: String,
}

/// That a cleanup was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CleanupAskedJson {
    /// When. The first run that begins then or later does what was asked.
    pub asked: String,
    /// The newest receipt there was: read `/api/v1/cleanup/runs?after=N` for those that follow.
    pub after: u64,
}

/// Receipts of cleanups, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceiptsJson {
    /// The receipts.
    pub runs: Vec<ReceiptJson>,
}

/// What a cleanup did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceiptJson {
    /// Its number.
    pub run: u64,
    /// When it began.
    pub begun: String,
    /// When it ended; absent while it goes on.
    pub ended: Option<String>,
    /// How long it took.
    pub length_ms: Option<u64>,
    /// What made it run.
    pub trigger: String,
    /// How many things the plan named.
    pub planned_items: u64,
    /// Their bytes, as far as known.
    pub planned_bytes: u64,
    /// How many are gone.
    pub items: u64,
    /// Bytes on disk that were removed.
    pub bytes: u64,
    /// What the volume has more than before; builds that wrote meanwhile count against it.
    pub freed: Option<i64>,
    /// Things and bytes by class.
    pub by_class: Vec<ClassJson>,
    /// How many things a guard kept.
    pub saved: u64,
    /// Rules that could not be met.
    pub unmet: Vec<String>,
    /// What went wrong; the run went on.
    pub mishaps: Vec<MishapJson>,
    /// How many more went wrong.
    pub more_mishaps: u64,
}

/// Something that went wrong in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MishapJson {
    /// The job it concerns.
    pub job: Option<u64>,
    /// One sentence.
    pub what: String,
}

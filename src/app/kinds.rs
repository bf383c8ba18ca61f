//! What an administrator says of image types and architectures: a label, a place in the list, or
//! that the submit form leaves it out. What is left out is still built when a script names it.

use super::{App, ArchChoice, Choices};
use crate::{plugin::api::RunnerInfo, store::StoreError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Output formats.
    ImageType,
    /// Target architectures.
    Arch,
}

impl Kind {
    /// The key in the store under which the note of `id` lies, as JSON of a [`TypeNote`].
    pub fn key(self, id: &str) -> String {
        match self {
            Self::ImageType => format!("image-type.{id}"),
            Self::Arch => format!("arch.{id}"),
        }
    }
}

/// What an administrator says of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TypeNote {
    /// Shown instead of what the runner says.
    pub label: Option<String>,
    /// Lower comes first; of the same, labels decide.
    pub order: i32,
    /// Left out of the submit form.
    pub hidden: bool,
}

impl TypeNote {
    /// The label, if there is one to be read.
    fn label(&self) -> Option<&str> {
        self.label.as_deref().map(str::trim).filter(|label| !label.is_empty())
    }
}

/// Notes by id; who has none is as its runner says.
pub type TypeNotes = BTreeMap<String, TypeNote>;

/// One that runners declare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: String,
    /// What the first runner that declares it calls it; the id if none does.
    pub label: String,
    /// The runners that build it, by id.
    pub runners: BTreeSet<String>,
    /// What it is built with: architectures of an image type, image types of an architecture.
    pub pairs: BTreeSet<String>,
}

/// Every image type of these runners.
fn image_types<'a>(runners: impl IntoIterator<Item = &'a RunnerInfo>) -> Vec<Known> {
    let mut known: BTreeMap<&str, Known> = BTreeMap::new();
    for runner in runners {
        for kind in &runner.image_types {
            let entry = known.entry(&kind.id).or_insert_with(|| Known {
                id: kind.id.clone(),
                label: kind.label.clone(),
                ..Known::default()
            });
            entry.runners.insert(runner.id.clone());
            entry.pairs.extend(kind.architectures.iter().cloned());
        }
    }
    known.into_values().collect()
}

/// Every architecture of these runners.
fn archs<'a>(runners: impl IntoIterator<Item = &'a RunnerInfo>) -> Vec<Known> {
    let mut known: BTreeMap<&str, Known> = BTreeMap::new();
    for runner in runners {
        for kind in &runner.image_types {
            for arch in &kind.architectures {
                let entry = known.entry(arch).or_insert_with(|| Known {
                    id: arch.clone(),
                    label: arch.clone(),
                    ..Known::default()
                });
                entry.runners.insert(runner.id.clone());
                entry.pairs.insert(kind.id.clone());
            }
        }
    }
    known.into_values().collect()
}

/// The choices as an administrator wants them: without what is hidden, with their labels, in their
/// order. A runner with nothing left to offer goes.
pub(super) fn arrange(choices: &mut Choices, types: &TypeNotes, archs: &TypeNotes) {
    let hidden = |notes: &TypeNotes, id: &str| notes.get(id).is_some_and(|note| note.hidden);
    let mut shown = BTreeSet::new();
    for runner in &mut choices.runners {
        for kind in &mut runner.image_types {
            kind.archs.retain(|arch| !hidden(archs, arch));
            if let Some(label) = types.get(&kind.id).and_then(TypeNote::label) {
                kind.label = label.to_owned();
            }
        }
        runner.image_types.retain(|kind| !hidden(types, &kind.id) && !kind.archs.is_empty());
        runner.image_types.sort_by_cached_key(|kind| place(types, &kind.id, &kind.label));
        shown.extend(runner.image_types.iter().flat_map(|kind| kind.archs.iter().cloned()));
    }
    choices.runners.retain(|runner| !runner.image_types.is_empty());
    choices.archs = ordered_archs(shown, archs);
}

/// Where it stands in a list.
fn place(notes: &TypeNotes, id: &str, label: &str) -> (i32, String) {
    (notes.get(id).map_or(0, |note| note.order), label.to_lowercase())
}

fn ordered_archs(shown: BTreeSet<String>, notes: &TypeNotes) -> Vec<ArchChoice> {
    let label = |id: &str| notes.get(id).and_then(TypeNote::label).unwrap_or(id).to_owned();
    let choice = |id: String| ArchChoice { label: label(&id), id };
    let mut archs: Vec<_> = shown.into_iter().map(choice).collect();
    archs.sort_by_cached_key(|arch| place(notes, &arch.id, &arch.label));
    archs
}

impl App {
    fn infos<T>(&self, ask: impl FnOnce(&mut dyn Iterator<Item = &RunnerInfo>) -> T) -> T {
        let entries = self.catalog().snapshot();
        let runners = entries.iter().filter_map(|entry| entry.runner.as_deref());
        ask(&mut runners.map(|runner| runner.info()))
    }

    /// Every image type that a runner of this box declares, usable or not, by id.
    pub fn known_types(&self) -> Vec<Known> {
        self.infos(|infos| image_types(infos))
    }

    /// Every architecture that a runner of this box declares, usable or not, by id.
    pub fn known_archs(&self) -> Vec<Known> {
        self.infos(|infos| archs(infos))
    }

    /// What an administrator says of those that are known. A note that no longer reads counts as
    /// none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn type_notes(&self, kind: Kind) -> Result<TypeNotes, StoreError> {
        let known = match kind {
            Kind::ImageType => self.known_types(),
            Kind::Arch => self.known_archs(),
        };
        let mut notes = TypeNotes::new();
        for Known { id, .. } in known {
            let key = kind.key(&id);
            let Some(text) = self.store().setting(&key)? else { continue };
            match serde_json::from_str(&text) {
                Ok(note) => drop(notes.insert(id, note)),
                Err(error) => tracing::warn!(key, %error, "a note does not count"),
            }
        }
        Ok(notes)
    }
}

#[cfg(test)]
mod tests;

//! The models themselves, as data.

mod audit;
mod groups;
mod jobs;
mod queues;
mod runners;
mod settings;
mod signed_in;
mod sites;
mod types;
mod users;

use super::model::Model;
pub(in crate::app) use users::may_manage;

/// Every model, in the order of the index.
pub static MODELS: &[&Model] = &[
    &jobs::JOBS,
    &queues::QUEUES,
    &runners::RUNNERS,
    &types::IMAGE_TYPES,
    &types::ARCHS,
    &groups::GROUPS,
    &users::USERS,
    &signed_in::SESSIONS,
    &signed_in::TOKENS,
    &sites::SITES,
    &settings::SETTINGS,
    &audit::AUDIT,
];

/// The model of this word.
pub fn model(id: &str) -> Option<&'static Model> {
    MODELS.iter().copied().find(|model| model.id == id)
}

#[cfg(test)]
mod tests {
    use super::{super::model::*, MODELS, model};
    use std::collections::BTreeSet;

    #[test]
    fn every_model_is_whole() {
        for m in MODELS {
            assert!(std::ptr::eq(model(m.id).unwrap(), *m));
            assert!(!m.columns.is_empty(), "{}", m.id);
            assert!(m.sortable(m.order.0).is_some(), "{} is ordered by a column", m.id);
            let fields: Vec<_> = m.fields().map(|f| f.id).collect();
            assert_eq!(fields.iter().collect::<BTreeSet<_>>().len(), fields.len(), "{}", m.id);
            let change = m.rights.add.or(m.rights.change).or(m.rights.delete);
            assert!(change.is_none() || m.edit.is_some() || m.id == "jobs", "{}", m.id);
            assert!(
                m.rights.delete.is_none() || m.edit.is_some_and(|e| e.remove.is_some()),
                "{} can be deleted",
                m.id
            );
        }
    }

    #[test]
    fn every_action_has_a_word_of_its_own_and_a_deletion_the_right_to_delete() {
        for m in MODELS {
            let words: BTreeSet<_> = m.actions.iter().map(|a| a.id).collect();
            assert_eq!(words.len(), m.actions.len(), "{}", m.id);
            for action in m.actions.iter().filter(|a| matches!(a.act, Act::Delete)) {
                assert_eq!(Some(action.verb), m.rights.delete, "{}", m.id);
            }
        }
    }
}

//! Who the runner is and what can be asked of it.

use crate::{options, types};
use img_runner_sdk::{DefinitionKind, ImageType, Privilege, RunnerInfo, program};

/// Definitions are text people write: this is plenty.
const LARGEST: u64 = 2 << 20;

/// The answer to `describe`.
pub(crate) fn describe() -> RunnerInfo {
    RunnerInfo {
        id: "mic".into(),
        name: "MIC2 (mic)".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        description: "Builds images of RPM-based systems from kickstart files with mic: root \
                      file systems, live media, partition and disk images."
            .into(),
        homepage: Some("https://github.com/sailfishos/mic".into()),
        definition: DefinitionKind {
            label: "Kickstart file".into(),
            extensions: vec!["ks".into(), "cfg".into()],
            required: true,
            max_size: LARGEST,
        },
        image_types: types::TYPES.iter().map(image_type).collect(),
        options: options::fields(),
        programs: vec![program("mic", "--version", "creates the image from the kickstart file")],
        privileges: vec![Privilege::Root, Privilege::LoopDevices, Privilege::Network],
    }
}

fn image_type(one: &types::Type) -> ImageType {
    ImageType {
        id: one.id.into(),
        label: one.label.into(),
        architectures: one.architectures().iter().map(|arch| (*arch).into()).collect(),
        help: one.help.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::FieldKind;

    #[test]
    fn live_media_are_offered_for_pcs_only() {
        for one in describe().image_types {
            let arm = one.architectures.iter().any(|arch| arch.starts_with("arm"));
            assert_eq!(arm, !one.id.starts_with("live"), "{}", one.id);
        }
    }

    #[test]
    fn every_option_explains_itself_and_none_is_the_broken_release() {
        let info = describe();
        for field in &info.options {
            assert!(field.help.len() > 20, "{}", field.id);
            assert_ne!(field.id, "release");
            if let FieldKind::Choice(choice) = &field.kind {
                assert!(choice.choices.iter().any(|(value, _)| *value == choice.default));
            }
        }
        let ids: std::collections::BTreeSet<_> = info.options.iter().map(|f| &f.id).collect();
        assert_eq!(ids.len(), info.options.len());
    }
}

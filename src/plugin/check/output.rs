//! What people read (diagnostics, events, explanations: cut to size) and what is kept (artifacts).

use super::{super::api, count, paths, shown, text, unique};
use std::collections::BTreeMap;

/// A message may quote a tool's line, which may be of any length.
const MESSAGE: usize = 4 << 10;
const DIAGNOSTICS: usize = 1_000;
const EVENTS: usize = 10_000;
/// What is said of each of them has to fit in one record of the job.
const ARTIFACTS: usize = 1_000;

/// A sentence from a runner, cut to a size one can read.
pub fn message(sentence: &str) -> String {
    let mut sentence = sentence.replace('\0', "\u{fffd}");
    if sentence.len() > MESSAGE {
        let cut = (0..=MESSAGE).rev().find(|at| sentence.is_char_boundary(*at));
        sentence.truncate(cut.unwrap_or(0));
        sentence.push('…');
    }
    sentence
}

fn cut(sentence: &mut String) {
    if sentence.len() > MESSAGE || sentence.contains('\0') {
        *sentence = message(sentence);
    }
}

fn cut_diagnostic(diagnostic: &mut api::Diagnostic) {
    cut(&mut diagnostic.message);
    diagnostic.hint.as_mut().map(cut);
}

/// The first thousand, cut to size.
pub fn diagnostics(mut found: Vec<api::Diagnostic>) -> Vec<api::Diagnostic> {
    found.truncate(DIAGNOSTICS);
    found.iter_mut().for_each(cut_diagnostic);
    found
}

pub fn inspection(found: api::Inspection) -> Result<api::Inspection, String> {
    let parts = [
        ("the name it read", &found.name),
        ("the image type it read", &found.image_type),
        ("the architecture it read", &found.architecture),
    ];
    for (what, value) in parts {
        text(what, value.as_deref().unwrap_or_default(), 1024)?;
    }
    Ok(api::Inspection {
        diagnostics: diagnostics(found.diagnostics),
        privileged: diagnostics(found.privileged),
        ..found
    })
}

pub fn events(mut events: Vec<api::Event>) -> Result<Vec<api::Event>, String> {
    count("events of one batch", events.len(), EVENTS)?;
    for event in &mut events {
        match event {
            api::Event::Phase(name) => cut(name),
            api::Event::Progress(progress) => cut(&mut progress.unit),
            api::Event::Diagnostic(diagnostic) => cut_diagnostic(diagnostic),
        }
    }
    Ok(events)
}

pub fn explanation(mut explanation: api::Explanation) -> api::Explanation {
    cut(&mut explanation.message);
    explanation.suggestion.as_mut().map(cut);
    explanation
}

/// The artifacts, each one of the files the runner was shown.
pub fn artifacts(
    files: &[api::OutputFile],
    artifacts: Vec<api::Artifact>,
) -> Result<Vec<api::Artifact>, String> {
    if artifacts.is_empty() {
        return Err("it keeps none of the files: no image is an error, say which".into());
    }
    count("artifacts", artifacts.len(), ARTIFACTS)?;
    let kinds: BTreeMap<_, _> = files.iter().map(|f| (f.path.as_str(), f.kind)).collect();
    for artifact in &artifacts {
        self::artifact(&kinds, artifact)?;
    }
    unique("the artifact", artifacts.iter().map(|a| a.path.as_str()))?;
    Ok(artifacts)
}

fn artifact(kinds: &BTreeMap<&str, api::FileKind>, artifact: &api::Artifact) -> Result<(), String> {
    text("the label of an artifact", &artifact.label, 200)?;
    let path = shown(&artifact.path);
    let kept = |what| format!("it keeps `{path}`, which {what}");
    match kinds.get(artifact.path.as_str()) {
        None => Err(kept("is not among the files it was shown")),
        Some(api::FileKind::Symlink) => Err(kept("is a symbolic link")),
        Some(api::FileKind::Other) => Err(kept("is neither a file nor a directory")),
        Some(api::FileKind::Regular | api::FileKind::Directory) => {
            let inside = paths::parts(&artifact.path).is_ok_and(|parts| !parts.is_empty());
            let relative = inside && !artifact.path.starts_with('/');
            if relative { Ok(()) } else { Err(kept("is no path below the output directory")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_read_is_cut_and_not_refused() {
        let said = |n| api::Diagnostic {
            severity: api::Severity::Info,
            message: "é".repeat(n),
            line: None,
            hint: Some("h\0".repeat(n)),
        };
        let found = diagnostics(vec![said(3_000); 1_001]);
        assert_eq!(found.len(), 1_000);
        assert_eq!(found[0].message.len(), MESSAGE + '…'.len_utf8());
        assert!(!found[0].hint.as_ref().unwrap().contains('\0'));
        assert_eq!(diagnostics(vec![said(3)])[0].message, "ééé");
    }

    proptest! {
        #[test]
        fn a_kept_artifact_lies_below_the_output_directory(
            path in "[a./]{0,8}",
            kind in prop::sample::select(vec![
                api::FileKind::Regular, api::FileKind::Directory,
                api::FileKind::Symlink, api::FileKind::Other,
            ]),
        ) {
            let files = [api::OutputFile { path: path.clone(), size: 1, kind }];
            let role = api::Role::Image;
            let asked = api::Artifact { path, role, label: String::new() };
            if let Ok(kept) = artifacts(&files, vec![asked]) {
                let path = &kept[0].path;
                prop_assert!(!path.starts_with('/') && !path.is_empty());
                prop_assert!(path.split('/').all(|part| part != ".."));
            }
        }
    }
}

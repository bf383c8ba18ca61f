//! The smallest useful runner, to start from and to test with: the definition is a script that
//! bash runs, and every file it leaves in `$OUTPUT` is kept. It is not built in: whoever may
//! submit to it may run anything, so an administrator has to drop it in and grant it.
//!
//! A definition that is the one word `copy` is not run at all: it becomes the image. Nothing a
//! tool could do is cheaper, so what is left is the appliance's own share.

use img_runner_sdk::{
    Artifact, BuildPlan, DefinitionKind, Diagnostic, Event, Explanation, Failure, ImageType,
    Inspection, Observer, OutputFile, Privilege, Request, Role, Runner, RunnerInfo, arg, error,
    export_runner, file, named_artifacts, program, progress, step,
};

/// The runner.
#[derive(Debug)]
pub struct Script;

/// Reads the output: `== NAME` begins a phase, `3/7` tells progress.
#[derive(Debug)]
pub struct Lines;

impl Observer for Lines {
    fn line(&mut self, line: &str, events: &mut Vec<Event>) {
        if let Some(name) = line.strip_prefix("== ") {
            events.push(Event::Phase(name.to_owned()));
        } else if line.len() < 40
            && let Some((done, total)) = line.split_once('/')
            && let (Ok(done), Ok(total)) = (done.parse(), total.parse())
        {
            events.push(progress(done, Some(total), "steps"));
        }
    }
}

fn is_copy(definition: &[u8]) -> bool {
    definition.trim_ascii() == b"copy"
}

impl Runner for Script {
    type Observer = Lines;

    fn describe() -> RunnerInfo {
        RunnerInfo {
            id: "script".into(),
            name: "Script".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "Runs a bash script; every file it leaves in $OUTPUT is kept.".into(),
            homepage: None,
            definition: DefinitionKind {
                label: "Script".into(),
                extensions: vec!["sh".into()],
                required: true,
                max_size: 1 << 20,
            },
            image_types: vec![ImageType {
                id: "raw".into(),
                label: "Raw file".into(),
                architectures: vec!["noarch".into()],
                help: "Whatever the script writes.".into(),
            }],
            options: Vec::new(),
            programs: vec![
                program("bash", "--version", "runs the definition"),
                program("cp", "--version", "makes an image of the definition `copy`"),
            ],
            privileges: vec![Privilege::Root, Privilege::LoopDevices, Privilege::Network],
        }
    }

    fn inspect(definition: &[u8]) -> Inspection {
        let mut privileged = Vec::new();
        if !is_copy(definition) {
            privileged.push(error("the whole script runs on the box"));
        }
        Inspection {
            name: None,
            image_type: Some("raw".into()),
            architecture: Some("noarch".into()),
            diagnostics: Vec::new(),
            privileged,
        }
    }

    fn check(request: &Request) -> Vec<Diagnostic> {
        if request.definition.contains(&0) {
            return vec![error("the script contains a NUL byte: leave it out")];
        }
        Vec::new()
    }

    fn plan(request: &Request) -> Result<BuildPlan, Vec<Diagnostic>> {
        let diagnostics = Self::check(request);
        if !diagnostics.is_empty() {
            return Err(diagnostics);
        }
        let (name, output) = (&request.name, &request.paths.output);
        let only = if is_copy(&request.definition) {
            let arguments = vec![arg("definition.sh"), arg(format!("{output}/{name}.raw"))];
            step("copy", "cp", arguments, "")
        } else {
            let mut run = step("run", "bash", vec![arg("-eu"), arg("definition.sh")], "");
            run.environment = vec![
                ("OUTPUT".into(), output.clone()),
                ("NAME".into(), name.clone()),
                ("CACHE".into(), request.paths.cache.clone()),
            ];
            run.privileges = vec![Privilege::Root, Privilege::LoopDevices, Privilege::Network];
            run
        };
        Ok(BuildPlan {
            files: vec![file("definition.sh", request.definition.clone(), false)],
            steps: vec![only],
            disk: None,
        })
    }

    fn observe(_request: &Request) -> Lines {
        Lines
    }

    fn explain(_request: &Request, _failure: &Failure) -> Option<Explanation> {
        None
    }

    fn collect(_request: &Request, files: &[OutputFile]) -> Result<Vec<Artifact>, String> {
        let kept = named_artifacts(files, |path| Some((Role::Image, path.to_owned())));
        if kept.is_empty() {
            return Err("the script left no file in $OUTPUT".into());
        }
        Ok(kept)
    }
}

export_runner!(Script);

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::{FileKind, testing::request};

    #[test]
    fn the_script_is_run_and_the_word_copy_is_not() {
        let mut asked = request("echo hello\n", "raw", "noarch");
        let plan = Script::plan(&asked).unwrap();
        assert_eq!(plan.steps[0].program, "bash");
        assert!(!Script::inspect(&asked.definition).privileged.is_empty());
        asked.definition = b"copy\n".to_vec();
        assert_eq!(Script::plan(&asked).unwrap().steps[0].program, "cp");
        assert!(Script::inspect(&asked.definition).privileged.is_empty());
    }

    #[test]
    fn every_file_is_kept_and_none_is_an_error() {
        let asked = request("true", "raw", "noarch");
        assert!(Script::collect(&asked, &[]).is_err());
        let file = OutputFile { path: "a".into(), size: 1, kind: FileKind::Regular };
        assert_eq!(Script::collect(&asked, &[file]).unwrap().len(), 1);
    }

    #[test]
    fn phases_and_progress_are_read() {
        let mut events = Vec::new();
        for line in ["== compile", "3/7", "a/b", "plain"] {
            Lines.line(line, &mut events);
        }
        assert_eq!(events, [Event::Phase("compile".into()), progress(3, Some(7), "steps")]);
    }
}

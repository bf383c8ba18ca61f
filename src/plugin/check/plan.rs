//! What `plan` answered: the only thing of a runner that makes the host act.

use super::{
    super::{api, grants::Granted, privilege_word},
    count, paths, shown, text,
};
use std::collections::BTreeSet;

const STEPS: usize = 64;
const FILES: usize = 256;
const FILE_BYTES: usize = 16 << 20;
const ARGUMENTS: usize = 10_000;
/// The kernel takes no longer argument (MAX_ARG_STRLEN).
const ARGUMENT_BYTES: usize = 128 << 10;
/// All arguments and variables of a step together; the kernel takes 2 MiB by default.
const STEP_BYTES: usize = 1 << 20;
const VARIABLES: usize = 256;

/// Variables that make a program load or run code it was not started for. With them a runner that
/// was granted `echo` could run anything it writes into the work directory.
const FORBIDDEN: [&str; 16] = [
    "PATH",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "PERL5OPT",
    "PERL5LIB",
    "PERL5DB",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "RUBYOPT",
    "RUBYLIB",
    "NODE_OPTIONS",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
];

/// The plan with its files' paths relative to the work directory, or why it is refused.
pub fn plan(
    info: &api::RunnerInfo,
    granted: &Granted,
    roots: &api::Paths,
    mut plan: api::BuildPlan,
) -> Result<api::BuildPlan, String> {
    if plan.steps.is_empty() {
        return Err("its plan has no steps".into());
    }
    count("steps of its plan", plan.steps.len(), STEPS)?;
    files(&mut plan.files, &roots.work)?;
    for step in &plan.steps {
        self::step(info, granted, roots, step)?;
    }
    Ok(plan)
}

fn files(files: &mut [api::File], work: &str) -> Result<(), String> {
    count("files of its plan", files.len(), FILES)?;
    let bytes: usize = files.iter().map(|file| file.contents.len()).sum();
    if bytes > FILE_BYTES {
        let max = FILE_BYTES >> 20;
        return Err(format!("the files of its plan have {bytes} bytes: at most {max} MiB"));
    }
    let refused = |why| format!("its plan writes a file outside of the work directory: {why}");
    for file in files.iter_mut() {
        file.path = paths::below(&file.path, work).map_err(refused)?;
        if file.path.is_empty() {
            return Err("its plan writes a file without a name".into());
        }
    }
    distinct(files)
}

/// No file twice, and none where another needs a directory.
fn distinct(files: &[api::File]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    if let Some(twice) = files.iter().find(|file| !names.insert(file.path.as_str())) {
        return Err(format!("its plan writes `{}` twice", shown(&twice.path)));
    }
    for file in files {
        for (cut, _) in file.path.match_indices('/') {
            if let Some(parent) = file.path.get(..cut).filter(|parent| names.contains(parent)) {
                let parent = shown(parent);
                return Err(format!("its plan needs `{parent}` as a file and as a directory"));
            }
        }
    }
    Ok(())
}

fn step(
    info: &api::RunnerInfo,
    granted: &Granted,
    roots: &api::Paths,
    step: &api::Step,
) -> Result<(), String> {
    text("the name of a step", &step.name, 200)?;
    program(info, granted, &step.program)?;
    for privilege in &step.privileges {
        self::privilege(info, granted, *privilege, &step.program)?;
    }
    arguments(step)?;
    environment(step)?;
    directory(roots, &step.directory)
}

fn program(info: &api::RunnerInfo, granted: &Granted, name: &str) -> Result<(), String> {
    let shown = shown(name);
    if !info.programs.iter().any(|p| p.name == name) {
        return Err(format!("its plan starts `{shown}`, which it did not declare"));
    }
    if !granted.programs.contains(name) {
        let id = &info.id;
        return Err(format!(
            "its plan starts `{shown}`, which was not granted: name it in config.toml under \
             [runners.{id}]"
        ));
    }
    Ok(())
}

fn privilege(
    info: &api::RunnerInfo,
    granted: &Granted,
    privilege: api::Privilege,
    program: &str,
) -> Result<(), String> {
    let (word, program, id) = (privilege_word(privilege), shown(program), &info.id);
    if !info.privileges.contains(&privilege) {
        return Err(format!("its plan wants {word} for `{program}`, which it did not declare"));
    }
    if !granted.privileges.contains(&privilege) {
        return Err(format!(
            "its plan wants {word} for `{program}`, which was not granted: name it in config.toml \
             under [runners.{id}]"
        ));
    }
    Ok(())
}

fn arguments(step: &api::Step) -> Result<(), String> {
    let program = &step.program;
    count(&format!("arguments of `{program}`"), step.arguments.len(), ARGUMENTS)?;
    for argument in &step.arguments {
        text(&format!("an argument of `{program}`"), &argument.value, ARGUMENT_BYTES)?;
    }
    let arguments: usize = step.arguments.iter().map(|a| a.value.len() + 1).sum();
    let variables: usize = step.environment.iter().map(|(n, v)| n.len() + v.len() + 2).sum();
    if arguments + variables > STEP_BYTES {
        return Err(format!("the arguments and variables of `{program}` have more than 1 MiB"));
    }
    Ok(())
}

fn environment(step: &api::Step) -> Result<(), String> {
    let program = &step.program;
    count(&format!("variables of `{program}`"), step.environment.len(), VARIABLES)?;
    for (name, value) in &step.environment {
        variable_name(program, name)?;
        text(&format!("the variable {name} of `{program}`"), value, ARGUMENT_BYTES)?;
    }
    super::unique("the variable", step.environment.iter().map(|(name, _)| name.as_str()))
}

fn variable_name(program: &str, name: &str) -> Result<(), String> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let shown = shown(name);
    if name.len() > 100 || !name.starts_with(first) || !name.chars().all(rest) {
        return Err(format!(
            "its plan sets `{shown}` for `{program}`, which is no name of a variable"
        ));
    }
    if name.starts_with("LD_") || FORBIDDEN.contains(&name) {
        return Err(format!(
            "its plan sets {shown} for `{program}`, which could make it run other programs"
        ));
    }
    Ok(())
}

fn directory(roots: &api::Paths, directory: &str) -> Result<(), String> {
    let inside = paths::below(directory, &roots.work);
    match inside.or_else(|why| paths::below(directory, &roots.output).map_err(|_| why)) {
        Ok(_) => Ok(()),
        Err(why) => Err(format!("its plan starts a step outside of the build directory: {why}")),
    }
}

//! What the runner answers: decent by default, else what the word asks for.

use crate::img::runner::types::{
    Argument, Artifact, BuildPlan, Cause, ChoiceField, DefinitionKind, Diagnostic, Explanation,
    Failure, Field, FieldKind, File, FileKind, ImageType, Inspection, IntegerField, OutputFile,
    Privilege, Program, Request, Role, RunnerInfo, Severity, Step, TextField,
};

pub fn diagnostic(severity: Severity, message: &str) -> Diagnostic {
    Diagnostic { severity, message: message.to_owned(), line: None, hint: None }
}

/// A text that is no UTF-8, as only a guest that lies about its memory can send.
fn no_utf8() -> String {
    // SAFETY: never used as text here; the host has to find out.
    unsafe { String::from_utf8_unchecked(vec![0x66, 0xff, 0xfe, 0x66]) }
}

/// A thousand diagnostics whose texts are all the same mebibyte of the guest's memory: cheap here,
/// a gigabyte for a host that copies without counting.
fn aliased() -> Vec<Diagnostic> {
    let text = "a".repeat(1 << 20).leak();
    // SAFETY: never freed twice, because the host stops reading long before it is done.
    let same = |_| unsafe { String::from_raw_parts(text.as_mut_ptr(), text.len(), text.len()) };
    let said = |message| Diagnostic { severity: Severity::Info, message, line: None, hint: None };
    (0..1000).map(same).map(said).collect()
}

fn field(id: &str, kind: FieldKind) -> Field {
    let (label, help) = (id.to_owned(), String::new());
    Field { id: id.to_owned(), label, help, kind, required: false, secret: false }
}

fn text(default: &str, pattern: Option<&str>) -> FieldKind {
    let pattern = pattern.map(str::to_owned);
    FieldKind::Text(TextField { default: default.to_owned(), pattern, max_length: 40 })
}

fn choice(default: &str) -> FieldKind {
    let pair = |value: &str| (value.to_owned(), value.to_uppercase());
    let choices = vec![pair("one"), pair("two")];
    FieldKind::Choice(ChoiceField { default: default.to_owned(), choices })
}

fn program(name: &str) -> Program {
    let why = "prints what it is given".to_owned();
    Program { name: name.to_owned(), probe: vec!["--version".into()], why }
}

fn decent(id: String, version: String) -> RunnerInfo {
    let architectures = ["x86_64", "aarch64"].map(str::to_owned).to_vec();
    let image_type = |id: &str| ImageType {
        id: id.to_owned(),
        label: id.to_uppercase(),
        architectures: architectures.clone(),
        help: String::new(),
    };
    let definition = DefinitionKind {
        label: "Word".into(),
        extensions: vec!["word".into()],
        required: true,
        max_size: 1 << 20,
    };
    RunnerInfo {
        id,
        name: "Hostile".into(),
        version,
        description: "Misbehaves on request.".into(),
        homepage: None,
        definition,
        image_types: vec![image_type("raw"), image_type("tar")],
        options: vec![
            field("label", text("", Some("[a-z]{0,12}"))),
            field("size", FieldKind::Integer(IntegerField { default: 5, min: 1, max: 9 })),
            field("mode", choice("one")),
        ],
        programs: vec![program("echo"), program("printf")],
        privileges: vec![Privilege::Network],
    }
}

pub fn described(mode: &str, id: String, version: String) -> RunnerInfo {
    let mut info = decent(id, version);
    match mode {
        "bad-id" => info.id = "../etc".into(),
        "huge" => info.description = "d".repeat(8 << 20),
        "utf8" => info.description = no_utf8(),
        "more-programs" => info.programs.push(program("cat")),
        _ => {}
    }
    info
}

pub fn inspected(word: &str) -> Inspection {
    let decent = Inspection {
        name: Some(word.to_owned()),
        image_type: Some("raw".into()),
        architecture: None,
        diagnostics: vec![diagnostic(Severity::Info, "read")],
        privileged: Vec::new(),
    };
    match word {
        "huge" => Inspection { name: Some("n".repeat(20 << 20)), ..decent },
        "many" => {
            let diagnostics = vec![diagnostic(Severity::Info, "again"); 100_000];
            Inspection { diagnostics, ..decent }
        }
        "alias" => Inspection { diagnostics: aliased(), ..decent },
        "utf8" => Inspection { name: Some(no_utf8()), ..decent },
        _ => decent,
    }
}

fn step(program: &str, request: &Request) -> Step {
    let plain = |value: &str| Argument { value: value.to_owned(), secret: false };
    Step {
        name: "say".into(),
        program: program.to_owned(),
        arguments: vec![plain("hello"), plain(&request.name)],
        environment: vec![("LC_ALL".into(), "C.UTF-8".into())],
        directory: String::new(),
        privileges: Vec::new(),
        always: false,
    }
}

fn file(path: &str) -> File {
    File { path: path.to_owned(), contents: b"content\n".to_vec(), executable: false }
}

pub fn planned(word: &str, request: &Request) -> Result<BuildPlan, Vec<Diagnostic>> {
    if word == "refuse" {
        return Err(vec![diagnostic(Severity::Error, "this cannot be built")]);
    }
    let mut plan = BuildPlan {
        files: vec![file("a/definition"), file(&format!("{}/b", request.paths.work))],
        steps: vec![step("echo", request)],
        disk: Some(1 << 20),
    };
    spoil_files(word, request, &mut plan);
    spoil_steps(word, request, &mut plan);
    Ok(plan)
}

fn spoil_files(word: &str, request: &Request, plan: &mut BuildPlan) {
    match word {
        "climb" => plan.files = vec![file("../x")],
        "climb-inside" => plan.files = vec![file("a/../../x")],
        "climb-absolute" => plan.files = vec![file(&format!("{}/../x", request.paths.work))],
        "absolute" => plan.files = vec![file("/etc/x")],
        "beside" => plan.files = vec![file(&format!("{}-evil/x", request.paths.work))],
        "nul-path" => plan.files = vec![file("a\0b")],
        "empty-path" => plan.files = vec![file("")],
        "work-itself" => plan.files = vec![file(&request.paths.work)],
        "twin-files" => plan.files = vec![file("a"), file("./a")],
        "many-files" => plan.files = (0..10_000).map(|n| file(&n.to_string())).collect(),
        "big-file" => plan.files = vec![File { contents: vec![7; 20 << 20], ..file("a") }],
        _ => {}
    }
}

fn spoil_steps(word: &str, request: &Request, plan: &mut BuildPlan) {
    let mut only = step("echo", request);
    match word {
        "undeclared" => only.program = "rm".into(),
        "by-path" => only.program = "/bin/echo".into(),
        "ungranted" => only.program = "printf".into(),
        "privilege" => only.privileges = vec![Privilege::Network],
        "undeclared-privilege" => only.privileges = vec![Privilege::Kvm],
        "directory" => only.directory = "/".into(),
        "climb-directory" => only.directory = "a/../..".into(),
        "output" => only.directory = request.paths.output.clone(),
        "nul-argument" => only.arguments[0].value = "a\0b".into(),
        "big-argument" => only.arguments[0].value = "a".repeat(200 << 10),
        "environment" => only.environment = vec![("A=B".into(), "c".into())],
        "preload" => only.environment = vec![("LD_PRELOAD".into(), "/tmp/x.so".into())],
        "nul-value" => only.environment = vec![("A".into(), "c\0".into())],
        "no-steps" => return plan.steps.clear(),
        "many-steps" => return plan.steps = vec![only; 1000],
        _ => return,
    }
    plan.steps = vec![only];
}

pub fn explained(failure: &Failure) -> Option<Explanation> {
    let last = failure.last_lines.last()?;
    Some(Explanation {
        cause: Cause::Definition,
        message: format!("{} ended with: {last}", failure.step),
        suggestion: Some("try another word".into()),
        line: None,
    })
}

fn artifact(path: &str) -> Artifact {
    Artifact { path: path.to_owned(), role: Role::Image, label: "Image".into() }
}

pub fn collection(word: &str, files: &[OutputFile]) -> Result<Vec<Artifact>, String> {
    let regular = |file: &&OutputFile| matches!(file.kind, FileKind::Regular);
    let decent = || files.iter().filter(regular).map(|file| artifact(&file.path));
    match word {
        "unknown-file" => Ok(vec![artifact("nowhere.img")]),
        "secret-file" => Ok(vec![artifact("/etc/shadow")]),
        "twice" => Ok(decent().chain(decent()).collect()),
        "symlink" => Ok(files.iter().map(|file| artifact(&file.path)).collect()),
        "nothing" => Ok(Vec::new()),
        "many" => Ok(vec![artifact("a"); 20_000]),
        "sorry" => Err("there is no image".into()),
        _ => Ok(decent().collect()),
    }
}

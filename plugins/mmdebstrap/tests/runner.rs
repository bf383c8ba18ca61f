//! The runner as the host sees it.

use img_runner_sdk::{Argument, Artifact, Privilege, Role, Runner, testing};
use mmdebstrap::Mmdebstrap;
use testing::{output, request, with_option};

const BUSYBOX: &str = include_str!("../examples/busybox.toml");

fn words(arguments: &[Argument]) -> Vec<&str> {
    arguments.iter().map(|argument| argument.value.as_str()).collect()
}

#[test]
fn the_description_offers_every_pair_and_declares_one_program() {
    let info = Mmdebstrap::describe();
    assert_eq!(info.id, "mmdebstrap");
    let types: Vec<_> = info.image_types.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(types, ["tar", "tar.gz", "tar.xz", "tar.zst", "squashfs", "ext2"]);
    assert!(
        info.image_types.iter().all(|one| one.architectures.iter().any(|arch| arch == "arm64"))
    );
    let programs: Vec<_> = info.programs.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(programs, ["mmdebstrap"]);
}

#[test]
fn the_example_fills_the_form_and_asks_for_nothing_privileged() {
    let inspection = Mmdebstrap::inspect(BUSYBOX.as_bytes());
    assert_eq!(inspection.name.as_deref(), Some("busybox"));
    assert_eq!(inspection.image_type.as_deref(), Some("tar"));
    assert_eq!(inspection.architecture.as_deref(), Some("amd64"));
    assert_eq!(inspection.diagnostics, []);
    assert_eq!(inspection.privileged, []);
}

#[test]
fn the_example_becomes_one_command() {
    let request = request(BUSYBOX, "tar", "amd64");
    assert_eq!(Mmdebstrap::check(&request), []);
    let plan = Mmdebstrap::plan(&request).unwrap();
    let [step] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!(step.program, "mmdebstrap");
    assert_eq!(step.directory, "/build/work");
    assert_eq!(step.environment, []);
    assert_eq!(step.privileges, [Privilege::UserNamespaces, Privilege::Network]);
    let mut arguments = words(&step.arguments);
    let directories = arguments.remove(5);
    assert!(directories.starts_with("--extract-hook=perl -e 'chroot(shift)"), "{directories}");
    assert!(directories.ends_with(r#""$1" /dev /proc /sys /bin /etc /sbin"#), "{directories}");
    assert_eq!(
        arguments,
        [
            "--variant=extract",
            "--mode=auto",
            "--format=tar",
            "--architectures=amd64",
            "--include=busybox-static",
            "--extract-hook=tar-in files-0.tar /bin",
            "--extract-hook=tar-in files-1.tar /etc",
            "--extract-hook=tar-in files-2.tar /sbin",
            "--",
            "bookworm",
            "/build/output/lab.tar",
        ]
    );
    let files: Vec<_> = plan.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["files-0.tar", "files-1.tar", "files-2.tar"]);
    assert!(plan.files[2].contents.starts_with(b"init\0"));
}

#[test]
fn the_request_has_the_last_word() {
    let mut asked = request(BUSYBOX, "tar.zst", "arm64");
    asked.packages = vec!["dpkg".into()];
    for (id, value) in [
        ("variant", "minbase"),
        ("mode", "root"),
        ("recommends", "true"),
        ("verbose", "true"),
        ("aptopts", "Acquire::Check-Valid-Until \"false\""),
        ("source-date-epoch", "1700000000"),
    ] {
        asked = with_option(asked, id, value);
    }
    let plan = Mmdebstrap::plan(&asked).unwrap();
    let step = &plan.steps[0];
    let arguments = words(&step.arguments);
    for wanted in [
        "--variant=minbase",
        "--mode=root",
        "--architectures=arm64",
        "--include=busybox-static,dpkg",
        "--aptopt=APT::Install-Recommends \"true\"",
        "--aptopt=Acquire::Check-Valid-Until \"false\"",
        "--verbose",
        "--customize-hook=tar-in files-2.tar /sbin",
        "/build/output/lab.tar.zst",
    ] {
        assert!(arguments.contains(&wanted), "{wanted}: {arguments:?}");
    }
    let environment: Vec<_> =
        step.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(environment, ["TMPDIR=/build/work", "SOURCE_DATE_EPOCH=1700000000"]);
    assert_eq!(step.privileges, [Privilege::Root, Privilege::Network]);
}

#[test]
fn a_request_that_cannot_work_is_refused_with_the_reason() {
    let refused = |definition: &str| {
        let diagnostics = Mmdebstrap::plan(&request(definition, "tar", "amd64")).unwrap_err();
        diagnostics[0].message.clone()
    };
    assert_eq!(
        refused("variant = \"extract\"\ninclude = [\"x\"]"),
        "the definition has no `suite`"
    );
    assert_eq!(
        refused("suite = \"sid\"\nvariant = \"custom\""),
        "the variant custom installs only named packages, and none is named"
    );
    let mut asked = request("suite = \"sid\"", "tar", "amd64");
    asked.packages = vec!["-oDir::Bin=x".into()];
    assert!(Mmdebstrap::check(&asked)[0].message.contains("is no package"));
    let asked = with_option(request("suite = \"sid\"", "tar", "amd64"), "aptopts", "Dir \"x\"");
    assert!(Mmdebstrap::check(&asked)[0].message.contains("is not one of the plain ones"));
    let asked = request("suite = \"sid\"", "iso", "sparc");
    let said: Vec<_> = Mmdebstrap::check(&asked).into_iter().map(|one| one.message).collect();
    assert_eq!(said.len(), 2, "{said:?}");
}

#[test]
fn hooks_that_would_be_skipped_are_warned_about_and_still_planned() {
    let definition =
        "suite = \"sid\"\nvariant = \"extract\"\ninclude = [\"x\"]\ncustomize-hooks = [\"id\"]";
    let asked = request(definition, "tar", "amd64");
    let diagnostics = Mmdebstrap::check(&asked);
    assert_eq!(diagnostics[0].message, "`customize-hooks` do not run in the variant extract");
    let plan = Mmdebstrap::plan(&asked).unwrap();
    assert!(words(&plan.steps[0].arguments).contains(&"--customize-hook=id"));
}

#[test]
fn a_password_in_a_mirror_is_masked() {
    let definition = "suite = \"sid\"\nmirrors = [\"https://me:secret@host/debian\"]";
    let plan = Mmdebstrap::plan(&request(definition, "tar", "amd64")).unwrap();
    let mirror = plan.steps[0].arguments.last().unwrap();
    assert!(mirror.secret && mirror.value.contains("secret"));
}

#[test]
fn the_image_is_the_file_that_was_asked_for() {
    let asked = request(BUSYBOX, "squashfs", "amd64");
    let files = [output("lab.squashfs", 9), output("other", 9)];
    let image =
        Artifact { path: "lab.squashfs".into(), role: Role::Image, label: "squashfs image".into() };
    assert_eq!(Mmdebstrap::collect(&asked, &files), Ok(vec![image]));
    let empty = [output("lab.squashfs", 0)];
    assert_eq!(
        Mmdebstrap::collect(&asked, &empty),
        Err("mmdebstrap left no `lab.squashfs`".into())
    );
}

#[test]
fn any_bytes_are_inspected() {
    let long = "[".repeat(100_000);
    for bytes in [&b""[..], b"\0\0", b"\xff", b"suite = ", long.as_bytes(), b"a.b.c.d = 1"] {
        assert!(!Mmdebstrap::inspect(bytes).diagnostics.is_empty(), "{bytes:?}");
    }
}

#[test]
fn a_definition_larger_than_a_command_can_be_is_refused() {
    let many = "\"x\",".repeat(60_000);
    let asked = request(&format!("suite = \"sid\"\ninclude = [{many}]"), "tar", "amd64");
    let refused = Mmdebstrap::plan(&asked).unwrap_err();
    assert!(refused[0].message.contains("at most 102400 are allowed"), "{refused:?}");
    let many: String =
        (0..300).map(|n| format!("\n[[file]]\npath = \"/f{n}\"\ncontent = \"\"")).collect();
    let asked = request(&format!("suite = \"sid\"{many}"), "tar", "amd64");
    let refused = Mmdebstrap::plan(&asked).unwrap_err();
    assert_eq!(refused[0].message, "300 files, links and directories: at most 200 are allowed");
}

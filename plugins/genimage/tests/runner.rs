//! The runner as the host sees it.

use genimage::Genimage;
use img_runner_sdk::{
    Event, InputFile, Request, Role, Runner, Step, error, progress,
    testing::{self, output},
};

const DISK: &str = include_str!("../examples/disk.cfg");

fn input(name: &str, role: Role) -> InputFile {
    InputFile { path: format!("/build/input/{name}"), role, label: String::new(), size: 100 }
}

fn request(definition: &str, image_type: &str) -> Request {
    let mut request = testing::request(definition, image_type, "amd64");
    request.inputs = vec![input("lab.tar", Role::Image), input("vmlinuz", Role::Kernel)];
    request
}

fn command(step: &Step) -> String {
    let arguments: Vec<_> = step.arguments.iter().map(|one| one.value.as_str()).collect();
    format!("{} {}", step.program, arguments.join(" "))
}

fn said(definition: &str) -> Vec<(u32, String)> {
    let diagnostics = Genimage::inspect(definition.as_bytes()).diagnostics;
    diagnostics.into_iter().map(|one| (one.line.unwrap_or_default(), one.message)).collect()
}

fn privileged(definition: &str) -> Vec<u32> {
    let inspection = Genimage::inspect(definition.as_bytes());
    inspection.privileged.into_iter().map(|one| one.line.unwrap_or_default()).collect()
}

#[test]
fn the_description_declares_what_its_plans_start_and_no_privilege() {
    let info = Genimage::describe();
    assert_eq!(info.id, "genimage");
    let programs: Vec<_> = info.programs.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(programs, ["genimage", "tar", "mkdir"]);
    assert_eq!(info.privileges, []);
    assert!(info.image_types.iter().any(|one| one.id == "hdimage"));
}

#[test]
fn the_example_is_a_disk_and_asks_for_nothing_privileged() {
    let inspection = Genimage::inspect(DISK.as_bytes());
    assert_eq!(inspection.image_type.as_deref(), Some("hdimage"));
    assert_eq!(inspection.diagnostics, []);
    assert_eq!(inspection.privileged, []);
    assert_eq!(Genimage::check(&request(DISK, "hdimage")), []);
}

#[test]
fn the_tree_is_unpacked_before_the_images_are_made() {
    let plan = Genimage::plan(&request(DISK, "hdimage")).unwrap();
    let commands: Vec<_> = plan.steps.iter().map(command).collect();
    assert_eq!(
        commands,
        [
            "mkdir -p root input",
            "tar -x --anchored --exclude=./dev/* --exclude=dev/* -C root -f /build/input/lab.tar",
            "genimage --loglevel 1 --config genimage.cfg --rootpath root \
             --inputpath /build/input --outputpath /build/output --tmppath tmp",
        ]
    );
    assert!(plan.steps.iter().all(|step| step.directory == "/build/work"));
    assert_eq!(plan.files[0].contents, DISK.as_bytes());
}

#[test]
fn without_an_input_job_the_tree_is_empty_and_said_to_be() {
    let asked = testing::request(DISK, "hdimage", "noarch");
    let diagnostics = Genimage::check(&asked);
    assert!(diagnostics[0].message.contains("will be empty"), "{diagnostics:?}");
    let plan = Genimage::plan(&asked).unwrap();
    assert_eq!(plan.steps.len(), 2);
    assert!(command(&plan.steps[1]).contains("--inputpath input "));
}

#[test]
fn the_definition_must_keep_an_image_of_the_type_asked_for() {
    let refused = Genimage::plan(&request(DISK, "ext4")).unwrap_err();
    assert_eq!(refused[0].message, "the definition keeps no image of the type ext4");
    assert_eq!(refused[0].hint.as_deref(), Some("it keeps: disk.img (hdimage)"));
    let mut two = request(DISK, "hdimage");
    two.inputs.push(input("other.tar.zst", Role::Image));
    assert!(Genimage::plan(&two).unwrap_err()[0].message.contains("2 archives"));
    let odd = testing::request(DISK, "floppy", "vax");
    let said: Vec<_> = Genimage::check(&odd).into_iter().map(|one| one.message).collect();
    assert!(said[0].contains("unknown image type `floppy`"), "{said:?}");
    assert!(said[1].contains("unknown architecture `vax`"), "{said:?}");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let cases = [
        ("", 1, "the definition has no image"),
        ("\nimage {\n ext4 {}\n}", 2, "this image has no name"),
        ("image a {\n}", 1, "the image `a` has no kind"),
        ("image a {\n ext5 {}\n}", 2, "unknown kind of image `ext5`"),
        ("image a {\n ext4 {} vfat { files = {} }\n}", 1, "the image `a` has more than one kind"),
        ("image ../a {\n ext4 {}\n}", 1, "the image name `../a`"),
        ("image a { ext4 {} }\nimage a { ext4 {} }", 2, "the image `a` is defined twice"),
        ("image a { ext4 {} }\ninclude(\"x\")", 2, "`include` cannot work"),
        ("image a { ext4 {} }\nflush x {}", 2, "unknown section `flush`"),
        ("image a { ext4 {} }\nx = 1", 2, "`x` stands outside of a section"),
        ("image a { ext4 {}", 1, "`image` has no closing brace"),
    ];
    for (definition, line, message) in cases {
        let said = said(definition);
        let found = said.iter().any(|(at, text)| *at == line && text.starts_with(message));
        assert!(found, "{definition}: {said:?}");
    }
}

#[test]
fn what_could_act_on_the_box_is_privileged() {
    let harmless = "image a.img {\n ext4 { label = \"my root\" features = \"^has_journal\" }\n size = 200%\n}\n\
                    image b { hdimage {}\n partition x { image = \"boot/a.img\" holes = {\"(440;1K)\"} } }";
    assert_eq!(privileged(harmless), [] as [u32; 0]);
    for value in [
        "exec-pre = \"id\"",
        "exec-post = \"id\"",
        "srcpath = \"root/x\"",
        "mountpoint = \"/boot\"",
        "name = \"x'; id; '\"",
        "name = \"$(id)\"",
        "name = \"x\\x27\"",
        "name = \"$HOME\"",
    ] {
        let definition = format!("image a {{\n ext4 {{}}\n {value}\n}}");
        assert_eq!(privileged(&definition), [3], "{value}");
    }
    for value in [
        "extraargs = \"x\"",
        "label = \"`id`\"",
        "image = \"/etc/shadow\"",
        "image = \"a/../../etc/shadow\"",
        "compression = \"gzip -pf x\"",
        "compress = \"sh\"",
        "file = {a, \"-x\"}",
    ] {
        let definition = format!("image a {{\n cpio {{\n {value}\n }}\n}}");
        assert_eq!(privileged(&definition), [3], "{value}");
    }
    assert_eq!(privileged("image a { ext4 {} }\nconfig {\n tar = \"x\"\n}"), [2]);
    assert_eq!(privileged("image a {\n vfat {}\n}"), [1]);
    assert_eq!(privileged("image a {\n vfat { file \"x'y\" { image = k } }\n}"), [2]);
    assert_eq!(privileged("image a {\n vfat { file EFI/x { image = k } }\n}"), [] as [u32; 0]);
}

#[test]
fn the_output_tells_which_image_is_being_made() {
    let output = "INFO: cmd: \"mkdir -p \"/build/tmp\"\" (stderr):\n\
        INFO: cmd: \"cp -a \"/build/work/root\" \"/build/work/tmp/root\"\" (stderr):\n\
        INFO: ext4(rootfs.ext4): cmd: \"genext2fs -d '/build/work/tmp/root'\" (stderr):\n\
        copying from directory /build/work/tmp/root\n\
        INFO: ext4(rootfs.ext4): cmd: \"tune2fs -L 'root' '/build/work/tmp/rootfs.ext4'\" (stderr):\n\
        INFO: file(vmlinuz): taken\n\
        INFO: hdimage(disk.img): adding partition 'root' (in MBR) from 'rootfs.ext4' ...\n\
        ERROR: hdimage(disk.img): part root size (1) too small for rootfs.ext4 (2)\n";
    let mut reader = Genimage::observe(&request(DISK, "hdimage"));
    assert_eq!(
        testing::events(&mut reader, output),
        [
            Event::Phase("copy the tree".into()),
            Event::Phase("rootfs.ext4 (ext4)".into()),
            progress(0, Some(2), "images"),
            Event::Phase("disk.img (hdimage)".into()),
            progress(1, Some(2), "images"),
            Event::Diagnostic(error(
                "hdimage(disk.img): part root size (1) too small for rootfs.ext4 (2)"
            )),
        ]
    );
}

#[test]
fn only_images_of_the_definition_are_kept() {
    let definition = format!("{DISK}\nimage boot.vfat {{ vfat {{ file k {{ image = k }} }} }}");
    let asked = request(&definition, "hdimage");
    let files = [output("boot.vfat", 5), output("disk.img", 9), output("stray", 9)];
    let kept = Genimage::collect(&asked, &files).unwrap();
    let kept: Vec<_> = kept.iter().map(|one| (one.path.as_str(), one.role)).collect();
    assert_eq!(kept, [("boot.vfat", Role::Other), ("disk.img", Role::Image)]);
    let refused = Genimage::collect(&asked, &[output("boot.vfat", 5)]).unwrap_err();
    assert_eq!(refused, "genimage left no image of the type hdimage");
}

#[test]
fn any_bytes_are_inspected() {
    for bytes in [&b"\xff\0"[..], b"image", b"}}}}", b"image x { {", b"\""] {
        assert!(!Genimage::inspect(bytes).diagnostics.is_empty(), "{bytes:?}");
    }
}

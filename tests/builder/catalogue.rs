//! The catalogue of failures: what real tools printed when they failed, with their exit codes, and
//! what IMG says about it. Each recording goes through the runner's component and the builder; only
//! the tool is replaced, by one that prints the recording.

use crate::bench::{bench_of, id, recorded_tools};
use img::{
    domain::{Cause, Failure},
    plugin::{Catalog, CatalogConfig},
};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

/// One recorded failure, and what has to be said about it.
struct Case {
    /// `tests/fixtures/failures/NAME.log`; its first word is the runner.
    log: &'static str,
    exit: i32,
    cause: Cause,
    sentence: &'static str,
    /// Part of the log line it points at.
    line: &'static str,
    /// Part of the way out.
    way_out: &'static str,
}

const fn case(
    log: &'static str,
    exit: i32,
    cause: Cause,
    sentence: &'static str,
    line: &'static str,
    way_out: &'static str,
) -> Case {
    Case { log, exit, cause, sentence, line, way_out }
}

use Cause::{Box as OfBox, Definition, Repository, Runner};

#[rustfmt::skip]
const CASES: [Case; 43] = [
    case("mic-bad-arch", 1, Definition, "the repositories have nothing for the architecture i686", "Invalid arch i686", "choose x86_64"),
    case("mic-bad-use", 0, OfBox, "the mic on this box does not know the option `--bogus`", "no such option: --bogus", "switch it off"),
    case("mic-bad-command", 0, Definition, "line 9 of the definition was skipped: unknown command `prat`", "on line 9 of", "correct the line"),
    case("mic-no-file", 1, Runner, "mic does not find the definition: Can't find the file: nosuch.ks", "Can't find the file", "administrator"),
    case("mic-no-package", 1, Definition, "package `no-such-pkg` (line 6) is in none of the repositories", "Unable to find package: no-such-pkg", "correct its name"),
    case("mic-no-repository", 1, Repository, "the repository `lab` (line 3) cannot be reached: can't find file ///nonexistent/repo/repodata/repomd.xml", "URLGrabber error", "check its address"),
    case("mic-post-fails", 1, Definition, "the `%post` script on line 8 failed", "Failed to execute %pre script", "just above"),
    case("mmdebstrap-no-package", 25, Definition, "the archive has no package `no-such-pkg` for amd64", "E: Unable to locate package", "check its name"),
    case("mmdebstrap-no-version", 25, Definition, "the archive has no version `9.9` of the package `busybox`", "E: Version '9.9'", "leave the version out"),
    case("mmdebstrap-no-suite", 25, Repository, "there is no suite `nosuite` at `http://deb.debian.org/debian`", "does not have a Release file", "suite's name"),
    case("mmdebstrap-no-host", 25, Repository, "the mirror's name `nosuch.invalid` could not be resolved", "E: Failed to fetch", "network"),
    case("mmdebstrap-refused", 25, Repository, "the mirror `127.0.0.1:9` refuses the connection", "E: Failed to fetch", "proxy"),
    case("mmdebstrap-no-archive", 25, Repository, "the mirror did not deliver `http://deb.debian.org/no-such-debian/dists/bookworm/InRelease`: 400 Bad Request", "E: Failed to fetch", "mirror's URL"),
    case("mmdebstrap-file-gone", 25, Repository, "the mirror did not deliver `http://mirror.example/a.deb`: 404 File not found", "E: Failed to fetch", "another mirror"),
    case("mmdebstrap-hash-sum", 25, Repository, "`http://mirror.example/a.deb` arrived with other contents than the archive promises", "Hash Sum mismatch", "build again"),
    case("mmdebstrap-expired", 25, Repository, "the archive `http://mirror.example/dists/x/Release` has expired: invalid since 1059d 2h 0min 32s", "is expired", "Check-Valid-Until"),
    case("mmdebstrap-unsigned", 25, Repository, "the suite `x` of `http://mirror.example` is not signed", "is not signed", "keyring"),
    case("mmdebstrap-no-key", 25, Repository, "the box has no key for the suite `bookworm` of `http://deb.debian.org/debian`", "is not signed", "6ED0E7B82643E131"),
    case("mmdebstrap-conflict", 25, Definition, "the package `systemd-sysv` cannot be installed: Conflicts: sysvinit-core but 3.06-4 is to be installed", "unmet dependencies", "leave one"),
    case("mmdebstrap-unmet", 25, Definition, "the package `a` cannot be installed: Depends: libnope (>= 2) but it is not installable", "unmet dependencies", "add the suite"),
    case("mmdebstrap-no-arch", 25, Definition, "the suite `bookworm` has nothing for the architecture nosucharch", "did not find any indices", "choose"),
    case("mmdebstrap-foreign-arch", 25, OfBox, "the box cannot run programs of the architecture amd64", "executed natively", "qemu-user-static"),
    case("mmdebstrap-hook", 25, Definition, "the hook `false` (customize-hooks, line 4) failed", "E: command failed: false", "just above"),
    case("mmdebstrap-special-hook", 25, Definition, "the hook `tar-in nofile.tar /` failed", "running special hook", "below"),
    case("mmdebstrap-full-scratch", 25, OfBox, "the disk ran full", "28: No space left on device", "/tmp"),
    case("mmdebstrap-full-output", 25, OfBox, "the disk ran full", "cannot copy to", "free space"),
    case("genimage-no-input", 1, Definition, "neither the definition nor the input job has a file `nope.ext4`", "file(nope.ext4)", "define an image"),
    case("genimage-small-file-system", 1, Definition, "the ext4 image `a.ext4` is too small for its tree", "couldn't allocate a block", "`size`"),
    case("genimage-small-vfat", 1, Definition, "the vfat image `v.vfat` is too small for its files", "Disk full", "`size`"),
    case("genimage-small-partition", 1, Definition, "the hdimage image `d.img`: part x size (1048576) too small for a.ext4 (16777216)", "too small for", "that partition"),
    case("genimage-small-disk", 1, Definition, "the hdimage image `d.img`: partitions exceed device size", "exceed device size", "image's `size`"),
    case("genimage-no-size", 1, Definition, "the ext4 image `a.ext4`: no size given or must not be zero", "no size given", "`size`"),
    case("genimage-bad-size", 1, Definition, "`abc` is no size", "Invalid size suffix", "write a number"),
    case("genimage-no-type", 1, Definition, "the unknown image `a.img`: no image type given", "no image type given", "ext4"),
    case("genimage-bad-option", 1, Definition, "line 1 of the definition: no such option `foo`", "no such option", "correct the line"),
    case("genimage-bad-syntax", 1, Definition, "line 1 of the definition: unexpected token `=`", "unexpected token", "correct the line"),
    case("genimage-bad-uuid", 1, Definition, "the hdimage image `d.img`: part x has invalid partition type UUID: zz", "invalid partition type UUID", "correct"),
    case("genimage-overlap", 1, Definition, "the hdimage image `d.img`: partition y (offset 0x200000, size 0x800000) overlaps previous partition x (offset 0x100000, size 0x800000)", "overlaps", "`offset`"),
    case("genimage-compressor", 1, Definition, "the squashfs image `s.squashfs`: no compressor `nosuch` here", "Compressor \"nosuch\"", "lists below"),
    case("genimage-command", 1, Definition, "the ext4 image `a.ext4` was not made: `false` failed", "cmd: \"false\"", "whole command"),
    case("genimage-no-helper", 1, OfBox, "the box has no `genisoimage`", "genisoimage: not found", "install genisoimage"),
    case("genimage-full-disk", 1, OfBox, "the disk ran full", "fseek: No space left", "free space"),
    case("genimage-short-write", 1, OfBox, "the disk ran full", "short write", "free space"),
];

/// Image type, architecture and definition that a case of this runner is built from.
fn request(log: &str) -> (&'static str, &'static str, &'static str) {
    match log.split('-').next() {
        Some("mic") => (
            "loop",
            "x86_64",
            "lang C\npart / --size 400 --fstype ext4 --ondisk=sda\n\
             repo --name=lab --baseurl=file:///nonexistent/repo\n%packages\nbash\nno-such-pkg\n%end\n\
             %post --erroronfail\nfalse\n%end\n",
        ),
        Some("mmdebstrap") => (
            "tar",
            "amd64",
            "suite = \"bookworm\"\nvariant = \"apt\"\nmirrors = [\"http://deb.debian.org/debian\"]\n\
             customize-hooks = [\"false\"]\n",
        ),
        _ => (
            "hdimage",
            "noarch",
            "image d.img { hdimage { } partition x { image = \"a.ext4\" } }\n\
             image a.ext4 { ext4 { } size = 4M }\n",
        ),
    }
}

fn fixture(log: &str) -> PathBuf {
    PathBuf::from(format!("{}/tests/fixtures/failures/{log}.log", env!("CARGO_MANIFEST_DIR")))
}

/// The built-in runners; compiled once for all cases.
fn catalog() -> Arc<Catalog> {
    static CATALOG: OnceLock<(tempfile::TempDir, Arc<Catalog>)> = OnceLock::new();
    let (_, catalog) = CATALOG.get_or_init(|| {
        let tmp = tempfile::tempdir().unwrap();
        let tools = recorded_tools(tmp.path(), "", 0);
        let config = CatalogConfig {
            plugin_dir: tmp.path().join("plugins"),
            cache_dir: tmp.path().join("cwasm"),
            path: vec![tools, "/usr/bin".into(), "/bin".into()],
            grants: Default::default(),
        };
        let catalog = Arc::new(Catalog::open(config).unwrap());
        (tmp, catalog)
    });
    Arc::clone(catalog)
}

/// The verdict on a build whose tool prints this and ends with `exit`, and the log.
fn verdict(log: &str, printed: &str, exit: i32) -> (Failure, String) {
    let runner = log.split('-').next().unwrap();
    let bench = bench_of(catalog(), printed, exit);
    let mut order = bench.order(1);
    let (image_type, arch, definition) = request(log);
    order.runner = img::domain::RunnerId::new(runner).unwrap();
    order.runner_sha256 = catalog().runner(runner).unwrap().sha256().to_owned();
    order.request.image_type = img::domain::ImageTypeId::new(image_type).unwrap();
    order.request.arch = img::domain::Arch::new(arch).unwrap();
    order.request.definition = definition.into();
    bench.data.create_job(id(1), b"", b"{}").unwrap();
    let told = bench.follow(bench.builder.start(order), |_, _| {});
    (told.failure().clone(), told.log)
}

#[test]
fn every_recorded_failure_is_told_with_its_cause_its_line_and_a_way_out() {
    let mut wrong = Vec::new();
    for case in &CASES {
        let printed = std::fs::read_to_string(fixture(case.log)).unwrap();
        let (failure, log) = verdict(case.log, &printed, case.exit);
        let line = failure.line.and_then(|line| log.lines().nth(usize::try_from(line).ok()? - 1));
        let way_out = failure.suggestion.as_deref().unwrap_or_default();
        let right = failure.cause == case.cause
            && failure.message == case.sentence
            && line.is_some_and(|line| line.contains(case.line) && !line.starts_with("[img]"))
            && way_out.contains(case.way_out);
        if !right {
            wrong.push(format!("{}: {failure:#?}\nat: {line:?}", case.log));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn every_recording_is_in_the_catalogue() {
    let mut there: Vec<_> = std::fs::read_dir(fixture("x").parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut listed: Vec<_> = CASES.iter().map(|case| case.log.to_owned()).collect();
    there.sort();
    listed.sort();
    assert_eq!(there, listed);
}

#[test]
fn the_line_is_right_behind_folded_and_masked_ones_and_whatever_noise() {
    let noise = format!("{}\nprogress 1%\rprogress 2%\rdone\n", "x".repeat(200_000));
    let noise = noise + &"Selecting previously unselected package y.\n".repeat(3_000);
    let printed = std::fs::read_to_string(fixture("mic-no-package")).unwrap();
    let (failure, log) = verdict("mic-no-package", &(noise + &printed + "goodbye\n"), 1);
    let line = usize::try_from(failure.line.unwrap()).unwrap();
    let shown = log.lines().nth(line - 1).unwrap();
    assert!(shown.contains("Unable to find package"), "line {line}: {shown}");
}

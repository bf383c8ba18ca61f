//! The one step that builds an image, and the files it needs.

use crate::{
    check, conf, definition,
    options::{self, Options},
    tokens,
    types::{self, Type},
};
use img_runner_sdk::{
    Argument, BuildPlan, Diagnostic, Privilege, Request, Step, arg, error, failed, file, step,
};
use kickstart::Kickstart;

/// Mebibytes of packages and scratch beside the partitions.
const BESIDE: u64 = 512;
const MEBIBYTE: u64 = 1 << 20;

/// The answer to `plan`.
pub(crate) fn plan(request: &Request) -> Result<BuildPlan, Vec<Diagnostic>> {
    let found = check::check(request);
    if failed(&found) {
        return Err(found);
    }
    let Some(kind) = types::of(&request.image_type) else {
        return Err(vec![error(format!("there is no image type `{}`", request.image_type))]);
    };
    let kickstart = kickstart::parse_bytes(&request.definition);
    let (options, _) = options::read(request, kind);
    let (values, _) = tokens::read(request);
    let map = tokens::map(&kickstart, &values, request);
    let work = &request.paths.work;
    let text = definition::extended(&kickstart, request);
    Ok(BuildPlan {
        files: vec![
            file(format!("{work}/{}.ks", request.name), text, false),
            file(format!("{work}/mic.conf"), conf::text(request, &options), false),
            // The tool does not make its scratch directory: this file makes the host do it.
            file(format!("{work}/tmp/README"), "mic builds here\n", false),
        ],
        steps: vec![create(request, kind, &options, &map)],
        disk: disk(&kickstart),
    })
}

fn create(request: &Request, kind: &Type, options: &Options, map: &[(String, String)]) -> Step {
    let mut arguments =
        vec![arg("create"), arg(kind.subcommand), arg(format!("{}.ks", request.name))];
    arguments.extend(places(request));
    arguments.extend(wishes(request, options, map));
    let mut privileges = vec![Privilege::Root, Privilege::Network];
    if kind.needs_loop_devices() {
        privileges.push(Privilege::LoopDevices);
    }
    let environment = [("LC_ALL", "C.UTF-8"), ("PYTHONUNBUFFERED", "1")];
    Step {
        environment: environment.map(|(key, value)| (key.into(), value.into())).into(),
        privileges,
        ..step("create", "mic", arguments, &request.paths.work)
    }
}

/// Without a log file the tool asks questions, and nobody answers.
fn places(request: &Request) -> Vec<Argument> {
    let paths = &request.paths;
    vec![
        arg(format!("--config={}/mic.conf", paths.work)),
        arg(format!("--outdir={}", paths.output)),
        arg(format!("--cachedir={}", paths.cache)),
        arg(format!("--logfile={}/{}.log", paths.output, request.name)),
        arg(format!("--arch={}", request.architecture)),
    ]
}

fn wishes(request: &Request, options: &Options, map: &[(String, String)]) -> Vec<Argument> {
    let pack_to = options.pack_to.as_deref().map(|name| name.replace("@NAME@", &request.name));
    let pairs: Vec<_> = map.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    let tokenmap = Some(pairs.join(",")).filter(|pairs| !pairs.is_empty());
    let valued = [
        ("--pkgmgr", Some(options.pkgmgr.clone())),
        ("--record-pkgs", options.record_pkgs.clone()),
        ("--pack-to", pack_to),
        ("--compress-image", options.compress_image.clone()),
        ("--local-pkgs-path", options.local_pkgs.clone()),
        ("--runtime", options.runtime.clone()),
        ("--tokenmap", tokenmap),
    ];
    let switches = [
        ("--shrink", options.shrink),
        ("--generate-bmap", options.generate_bmap),
        ("--copy-kernel", options.copy_kernel),
        ("--include-src", options.include_src),
        ("--strict-mode", options.strict_mode),
    ];
    let valued = valued.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    let switches = switches.into_iter().filter(|(_, on)| *on).map(|(name, _)| name.to_owned());
    valued.chain(switches).map(arg).collect()
}

/// The installed system and the image made of it lie side by side for a while.
fn disk(kickstart: &Kickstart<'_>) -> Option<u64> {
    let size = |part: &kickstart::Command| part.value("--size")?.parse::<u64>().ok();
    let sizes: Vec<u64> = kickstart.partitions().filter_map(size).collect();
    let total = sizes.into_iter().reduce(u64::saturating_add)?;
    Some(total.saturating_mul(2).saturating_add(BESIDE).saturating_mul(MEBIBYTE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use img_runner_sdk::{Repository, testing};

    const KS: &str = "lang en_US.UTF-8\n\
                      part / --size 1000 --ondisk sda --fstype=ext4\n\
                      repo --name=main --baseurl=http://repo.example.org/@ARCH@/@DEVICE@/\n\
                      %packages --excludedocs\n@core\n%end\n";

    fn shown(plan: &BuildPlan) -> String {
        let mut out = String::new();
        for file in &plan.files {
            let text = String::from_utf8_lossy(&file.contents);
            out.push_str(&format!("--- {}\n{text}", file.path));
        }
        for step in &plan.steps {
            let words: Vec<_> = step.arguments.iter().map(|one| one.value.as_str()).collect();
            let words = words.join("\n  ");
            out.push_str(&format!(
                "+++ {} in {}: {}\n  {words}\n",
                step.name, step.directory, step.program
            ));
            let (environment, privileges) = (&step.environment, &step.privileges);
            out.push_str(&format!("{environment:?} {privileges:?}\n"));
        }
        out
    }

    fn same(plan: &BuildPlan, snapshot: &str) {
        let shown = shown(plan);
        assert_eq!(shown, snapshot, "the plan is now:\n{shown}");
    }

    #[test]
    fn a_plain_request_makes_a_plain_plan() {
        let request = testing::request(KS, "fs", "i686");
        let request = testing::with_option(request, "tokenmap", "DEVICE:phone");
        let plan = plan(&request).unwrap();
        same(&plan, include_str!("../tests/plans/fs.txt"));
        assert_eq!(plan.disk, Some(2512 << 20));
    }

    #[test]
    fn every_wish_becomes_an_argument() {
        let mut request = testing::request(KS, "loop", "armv7hl");
        for (id, value) in [
            ("pack_to", "@NAME@-1.0.tar.bz2"),
            ("compress_image", "gz"),
            ("shrink", "true"),
            ("copy_kernel", "true"),
            ("record_pkgs", "name,vcs"),
            ("pkgmgr", "yum"),
            ("runtime", "bootstrap"),
            ("strict_mode", "true"),
            ("tokenmap", "DEVICE:phone\nB:2"),
            ("proxy", "http://proxy.example.org:80/%7e"),
            ("no_proxy", "localhost"),
            ("ssl_verify", "no"),
            ("plugin_dir", "/usr/local/lib/mic/plugins"),
        ] {
            request = testing::with_option(request, id, value);
        }
        request.packages = vec!["vim".into(), "-nano".into()];
        request.repositories = vec![Repository {
            name: "extra".into(),
            url: "https://extra.example.org/x/".into(),
            priority: None,
        }];
        same(&plan(&request).unwrap(), include_str!("../tests/plans/loop.txt"));
    }

    #[test]
    fn no_value_begins_an_argument_with_a_dash_or_an_at_sign() {
        let request = testing::request(KS, "fs", "i686");
        let request = testing::with_option(request, "tokenmap", "DEVICE:phone");
        let plan = plan(&request).unwrap();
        for argument in plan.steps[0].arguments.iter().skip(1) {
            let value = &argument.value;
            assert!(value.starts_with("--") || !value.starts_with(['-', '@']), "{value}");
            assert!(!value.contains("=-") && !value.contains("=@"), "{value}");
        }
    }

    #[test]
    fn what_check_refuses_is_not_planned() {
        let request = testing::request("prat / --size=1\n", "fs", "i686");
        assert!(failed(&plan(&request).unwrap_err()));
    }
}

//! From a checked request to its steps: folders, the tree, the images.

use crate::rules;
use img_runner_sdk::{BuildPlan, Request, args, file, option, step};

/// The plan of a request whose definition has been checked.
pub fn plan(request: &Request) -> BuildPlan {
    let work = request.paths.work.as_str();
    let mut steps = vec![step("prepare", "mkdir", args(["-p", "root", "input"]), work)];
    let tree = rules::trees(request).first().map(|input| input.path.clone());
    if let Some(archive) = &tree {
        // Device nodes need root, and a kernel makes its own; owners are kept where they can be.
        let left_out = ["--anchored", "--exclude=./dev/*", "--exclude=dev/*"];
        let words = ["-x"].into_iter().chain(left_out).chain(["-C", "root", "-f", archive]);
        steps.push(step("unpack", "tar", args(words), work));
    }
    steps.push(step("build", "genimage", args(images(request)), work));
    let files = vec![file("genimage.cfg", request.definition.clone(), false)];
    BuildPlan { files, steps, disk: disk(request) }
}

fn images(request: &Request) -> Vec<String> {
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let input = request.inputs.first().and_then(|input| folder(&input.path));
    let loglevel = option(request, "loglevel").filter(|level| ["1", "2", "3"].contains(level));
    let pairs = [
        ("--loglevel", loglevel.unwrap_or("1").to_owned()),
        ("--config", "genimage.cfg".to_owned()),
        ("--rootpath", "root".to_owned()),
        ("--inputpath", input.unwrap_or_else(|| "input".to_owned())),
        ("--outputpath", request.paths.output.clone()),
        ("--tmppath", "tmp".to_owned()),
    ];
    pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

/// The tree is there twice (the tool copies it), and about twice again in images.
fn disk(request: &Request) -> Option<u64> {
    let input: u64 = request.inputs.iter().map(|input| input.size).sum();
    (input > 0).then(|| input.saturating_mul(4))
}

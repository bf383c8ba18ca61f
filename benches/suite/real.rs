//! A real tool through the appliance against the bare tool, in turn.

use crate::{
    report::{Report, quantile},
    service::{Service, binary, on_disk},
};
use std::{
    process::{Command, Stdio},
    time::Instant,
};

/// Pairs of runs.
const PAIRS: usize = 5;

/// `overhead_ratio`.
pub fn overhead(report: &mut Report) {
    if !report.wants(&["overhead_ratio"]) {
        return;
    }
    if Command::new("mmdebstrap").arg("--version").output().is_err() {
        eprintln!("mmdebstrap is not installed: overhead_ratio is left out");
        return;
    }
    let service = Service::with_config(on_disk(), "[build]\nslots = 1\n");
    // A definition without files of its own: the bare tool then needs nothing but its arguments.
    let definition = service.dir.path().join("bench.toml");
    let text = "suite = \"bookworm\"\nvariant = \"extract\"\ninclude = [\"busybox-static\"]\n";
    std::fs::write(&definition, text).unwrap();
    let (mut through, mut bare) = (Vec::new(), Vec::new());
    let mut words = Vec::new();
    for _ in 0..=PAIRS {
        let job = build(&service, definition.to_str().unwrap());
        let length = job["length_ms"].as_f64().unwrap();
        if words.is_empty() {
            words = split(job["commands"][0].as_str().unwrap());
            continue; // The first run warms the caches of both.
        }
        through.push(length);
        bare.push(run_bare(&service, &words));
    }
    let (through, bare) = (quantile(&mut through, 0.5), quantile(&mut bare, 0.5));
    let note =
        format!("mmdebstrap extract: {through:.0} ms through the appliance, {bare:.0} ms bare");
    report.add("overhead_ratio", through / bare, note);
    service.end();
}

fn build(service: &Service, definition: &str) -> serde_json::Value {
    let img = |args: &[&str]| {
        let output = Command::new(binary())
            .args(args)
            .env("IMG_SOCKET", service.data().join("img.sock"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), output.stdout, text)
    };
    let (well, _, said) =
        img(&["submit", definition, "--type", "tar", "--arch", "amd64", "--watch"]);
    assert!(well, "{said}");
    let (_, out, _) = img(&["jobs", "--limit", "1", "--json"]);
    let jobs: serde_json::Value = serde_json::from_slice(&out).unwrap();
    jobs["jobs"][0].clone()
}

/// Splits a command as the job shows it: words, single quotes.
fn split(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in command.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words
}

/// The same command by hand, with the directories of the build made anew.
fn run_bare(service: &Service, words: &[String]) -> f64 {
    let build = service.data().join("build");
    let scratch = tempfile::tempdir_in(service.dir.path()).unwrap();
    for dir in ["work", "output", "input"] {
        std::fs::create_dir(scratch.path().join(dir)).unwrap();
    }
    let at = |word: &str| {
        let mut word = word.to_owned();
        if let Some(start) = word.find(build.to_str().unwrap()) {
            let after = start + build.as_os_str().len() + 1;
            let end = word[after..].find('/').map_or(word.len(), |i| after + i);
            word.replace_range(start..end, scratch.path().to_str().unwrap());
        }
        word
    };
    let begun = Instant::now();
    let output = Command::new(&words[0])
        .args(words[1..].iter().map(|w| at(w)))
        .current_dir(scratch.path().join("work"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let took = begun.elapsed().as_secs_f64() * 1e3;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}

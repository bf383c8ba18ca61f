//! Runners: loading from the cache, one plan, the reading of output.

use crate::{
    report::{Report, quantile},
    service::root,
};
use img::plugin::{Catalog, CatalogConfig, api};
use std::time::Instant;

/// `plugin_load_ms`, `plugin_plan_us`, `observer_lines_per_s`.
pub fn run(report: &mut Report) {
    if !report.wants(&["plugin_load_ms", "plugin_plan_us", "observer_lines_per_s"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = CatalogConfig {
        plugin_dir: dir.path().join("plugins"),
        cache_dir: dir.path().join("cache"),
        path: vec!["/usr/bin".into()],
        ..CatalogConfig::default()
    };
    // Fills the cache.
    Catalog::open(config.clone()).unwrap();
    let mut loads: Vec<_> = (0..21)
        .map(|_| {
            let begun = Instant::now();
            let catalog = Catalog::open(config.clone()).unwrap();
            begun.elapsed().as_secs_f64() * 1e3 / catalog.snapshot().len() as f64
        })
        .collect();
    report.add("plugin_load_ms", quantile(&mut loads, 0.5), "a runner, compiled code cached");

    let catalog = Catalog::open(config).unwrap();
    let runner = catalog.runner("mmdebstrap").unwrap();
    let definition = std::fs::read(root("plugins/mmdebstrap/examples/busybox.toml")).unwrap();
    let asked = request(definition, "tar", "amd64");
    let mut plans: Vec<_> = (0..2_000)
        .map(|_| {
            let begun = Instant::now();
            runner.plan(&asked).unwrap().unwrap();
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    report.add("plugin_plan_us", quantile(&mut plans, 0.5), "mmdebstrap, the example definition");
    report.add("observer_lines_per_s", observer(&catalog), "mic, batches of 1,000 lines");
}

fn observer(catalog: &Catalog) -> f64 {
    let runner = catalog.runner("mic").unwrap();
    let asked = request(b"lang en_US.UTF-8\n".to_vec(), "raw", "x86_64");
    let mut observer = runner.observer(&asked).unwrap();
    let batch: Vec<_> = (1..=1_000)
        .map(|n| match n % 4 {
            0 => format!("Info[11/23 17:42:35] : Installing: package-{n}-1.0 +++++++ [{n}/1000]"),
            _ => format!("what a scriptlet of package number {n} has to say about itself"),
        })
        .collect();
    let mut rates: Vec<_> = (0..9)
        .map(|_| {
            let begun = Instant::now();
            (0..100).for_each(|_| drop(observer.feed(&batch).unwrap()));
            100_000.0 / begun.elapsed().as_secs_f64()
        })
        .collect();
    quantile(&mut rates, 0.5)
}

fn request(definition: Vec<u8>, image_type: &str, architecture: &str) -> api::Request {
    let path = |name: &str| format!("/var/lib/img/build/00000001/{name}");
    api::Request {
        job: 1,
        name: "bench".into(),
        definition,
        image_type: image_type.into(),
        architecture: architecture.into(),
        packages: Vec::new(),
        repositories: Vec::new(),
        tokens: Vec::new(),
        options: Vec::new(),
        inputs: Vec::new(),
        paths: api::Paths { work: path("work"), output: path("output"), cache: path("cache") },
    }
}

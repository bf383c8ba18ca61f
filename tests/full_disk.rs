//! A data volume of 64 MiB with not one byte free: people sign in, look, read logs, cancel and
//! delete; and when there is room again the service goes on, without a restart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop with a message and start programs"
)]

mod common;
#[path = "support/volume.rs"]
mod volume;

use common::{PASSWORD, Service, said, until};
use std::process::Command;
use volume::{MIB, SmallVolume};

/// An appliance on the volume, with the runner that runs scripts.
fn appliance(volume: &SmallVolume) -> Service {
    let plugins = volume.dir.path().join("plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    std::fs::copy(common::fixture("plugins/script.wasm"), plugins.join("script.wasm")).unwrap();
    let text = format!(
        "[disk]\nhold_below = \"3MiB\"\nresume_above = \"4MiB\"\nemergency_below = \"1MiB\"\n\
         unknown_need = \"1MiB\"\nballast = \"4MiB\"\n[retention]\nbudget = 100\n\
         [plugins]\ndir = {plugins:?}\n[runners.script]\nprograms = [\"bash\", \"cp\"]\n\
         privileges = [\"root\", \"loop-devices\", \"network\"]\n"
    );
    let on_volume = volume.path().join("data");
    std::fs::create_dir_all(&on_volume).unwrap();
    let text = common::config(&text);
    Service::prepared(&text, |data| std::os::unix::fs::symlink(&on_volume, data).unwrap())
}

/// An image of a MiB.
fn image(service: &Service) -> u64 {
    let script = "head -c 1048576 /dev/urandom >\"$OUTPUT/image.raw\"\n";
    service.submit(&service.write("image.sh", script), "raw", "noarch", &[])
}

/// A build that goes on until somebody stops it.
fn hanging(service: &Service) -> u64 {
    let file = service.write("hang.sh", "echo hanging now\nsleep 600\n");
    service.submit(&file, "raw", "noarch", &[])
}

/// A browser with nothing but cookies.
struct Visitor<'a> {
    service: &'a Service,
    jar: std::path::PathBuf,
}

impl Visitor<'_> {
    fn ask(&self, path: &str, more: &[&str]) -> (u16, String) {
        let url = self.service.url(path);
        let origin = format!("Origin: {}", self.service.url(""));
        let output = Command::new("curl")
            .args(["-s", "-m", "30", "-w", "\n%{http_code}", "-H", &origin, "-b"])
            .arg(&self.jar)
            .arg("-c")
            .arg(&self.jar)
            .args(more)
            .arg(&url)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> u16 {
        let fields: Vec<_> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut more = Vec::new();
        for field in &fields {
            more.extend(["--data-urlencode", field]);
        }
        self.ask(path, &more).0
    }

    /// The token of the form on a page.
    fn csrf(&self, path: &str) -> String {
        let (_, page) = self.ask(path, &[]);
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    }
}

#[test]
fn with_not_one_byte_free_everything_answers_and_it_recovers_by_itself() {
    let Some(volume) = SmallVolume::make(64) else { return };
    let service = appliance(&volume);
    service.set_first_password();
    let done = image(&service);
    assert_eq!(service.wait(done)["state"], "done");
    let building = hanging(&service);
    service.wait_for(building, "the build", |job| job["state"] == "building");
    let second = hanging(&service);
    service.wait_for(second, "the other build", |job| job["state"] == "building");
    let waiting = hanging(&service);
    let third = hanging(&service);

    // Whatever is given back is taken as well, until nothing gives any more.
    let ballast = volume.path().join("data/ballast");
    volume.fill(0);
    until("the end of the ballast", || (!ballast.exists()).then_some(()));
    until("not one byte free", || {
        volume.fill_more();
        (volume.free() == 0).then_some(())
    });

    let jar = tempfile::NamedTempFile::new().unwrap();
    let visitor = Visitor { service: &service, jar: jar.path().to_owned() };
    let fields = [("name", "imager"), ("password", PASSWORD), ("next", "/queue")];
    assert_eq!(visitor.post("/login", &fields), 303, "signing in");
    let (status, queue) = visitor.ask("/queue", &[]);
    assert_eq!(status, 200);
    assert!(queue.contains(&format!("job-{third}")), "{queue}");
    let (status, log) = visitor.ask(&format!("/jobs/{building}/log.txt"), &[]);
    assert_eq!(status, 200);
    assert!(log.contains("hanging now"), "{log}");
    assert_eq!(visitor.ask(&format!("/jobs/{done}"), &[]).0, 200);

    let csrf = visitor.csrf(&format!("/jobs/{third}/cancel"));
    assert_eq!(visitor.post(&format!("/jobs/{third}/cancel"), &[("csrf", &csrf)]), 303);
    service.wait_for(third, "the end", |job| job["state"] == "cancelled");
    let output = service.cli(&["cancel", &building.to_string()]);
    assert!(output.status.success(), "{}", said(&output));
    service.wait_for(building, "the end", |job| job["state"] == "cancelled");

    let csrf = visitor.csrf(&format!("/jobs/{done}/delete"));
    assert_eq!(visitor.post(&format!("/jobs/{done}/delete"), &[("csrf", &csrf)]), 303);
    let folder = volume.path().join("data/jobs").join(format!("{done:08}"));
    until("the files to be gone", || (!folder.exists()).then_some(()));
    let freed = volume.free();
    assert!(freed >= MIB, "{freed} bytes are free after deleting an image of a MiB");

    volume.empty();
    service.wait_for(waiting, "its turn", |job| job["state"] == "building");
    let output = service.cli(&["cancel", &waiting.to_string()]);
    assert!(output.status.success(), "{}", said(&output));
    let again = image(&service);
    assert_eq!(service.wait(again)["state"], "done", "without a restart");
    until("the ballast again", || ballast.exists().then_some(()));
}

//! What a job's page tells of its build: what could not be freed, and what its tool complains of.
#![allow(
    clippy::disallowed_methods,
    reason = "the tests make what root cannot remove, and copy a command into a shell"
)]

use super::{
    admin::fill::superuser,
    appliance::{Person, Running},
    live::{submit, with_script},
};
use img::{
    config::{Config, Sandbox, Span},
    domain::{Job, JobId},
};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// The page of the first job, once it says `word`.
async fn page(running: &Running, who: &Person, word: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let page = running.get("/jobs/1", who).await.body;
        if page.contains(word) {
            return page;
        }
        assert!(Instant::now() < deadline, "no `{word}` in {page}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn job(running: &Running) -> Job {
    let id = JobId::new(1).unwrap();
    running.appliance.app().store().job(id).unwrap().unwrap()
}

/// What lets root remove files that are shut; `None` where the file system knows no such thing.
fn immutable(path: &Path) -> bool {
    let file = path.join("immutable");
    std::fs::write(&file, "").unwrap();
    let chattr = |flag: &str| {
        let ended = Command::new("chattr").arg(flag).arg(&file).status();
        ended.is_ok_and(|ended| ended.success())
    };
    let can = chattr("+i") && chattr("-i");
    std::fs::remove_file(&file).unwrap();
    can
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_behind_is_told_with_a_command_that_frees_it() {
    let running = Running::with(with_script).await;
    let root = running.appliance.app().data().root().to_owned();
    if !immutable(&root) {
        eprintln!("SKIPPED: nothing can be made immutable here");
        return running.end().await;
    }
    let ada = superuser(&running).await;
    let script = "mkdir -p 'left; here' && echo x >'left; here/it`s $(mine)'\n\
                  chattr +i 'left; here/it`s $(mine)'\nhead -c 9 /dev/zero >\"$OUTPUT/a\"\n";
    let taken = submit(&running, &ada, ("script", "noarch", "web"), script).await;
    assert_eq!(taken.location(), "/jobs/1", "{}", taken.body);
    let page = page(&running, &ada, "Left behind after the build").await;
    let left = root.join("build/00000001");
    let command = format!("chattr -R -ia {0}; rm -rf --one-file-system {0}", left.display());
    assert!(page.contains(&format!("run <code>{command}</code> as root")), "{page}");
    let residual = job(&running).result.residual;
    assert_eq!(residual.len(), 1, "{residual:?}");
    assert!(residual[0].contains("is still there (cannot remove "), "{residual:?}");
    let console = Person { console: true, ..Person::default() };
    let told = running.get("/api/v1/jobs/1", &console).await.body;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["residual"][0], residual[0].as_str(), "{told:#}");
    let log = running.get("/jobs/1/log.txt", &ada).await.body;
    assert!(log.contains("[img] not freed: "), "{log}");

    assert!(left.exists());
    let copied = residual[0].split('`').nth_back(1).unwrap();
    let ended = Command::new("bash").args(["-c", copied]).status().unwrap();
    assert!(ended.success() && !left.exists(), "`{copied}` frees it");
    running.end().await;
}

fn with_mic(config: &mut Config) {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tools");
    config.build.path.insert(0, tools);
    config.build.sandbox = Sandbox::Off;
    config.build.grace_interrupt = Span::seconds(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn complaints_of_a_tool_are_counted_while_it_builds_with_the_way_to_the_first() {
    let running = Running::with(with_mic).await;
    let ada = superuser(&running).await;
    let definition = "# fake-mic: warns\nlang en_US.UTF-8\ntimezone UTC\n\
                      part / --size 400 --fstype ext4 --ondisk=sda\n\
                      repo --name=oss --baseurl=http://repo.example/oss\n%packages\nbusybox\n%end\n";
    let taken = submit(&running, &ada, ("mic", "x86_64", "web"), definition).await;
    assert_eq!(taken.location(), "/jobs/1", "{}", taken.body);
    let page = page(&running, &ada, "2 warnings so far, the first in ").await;
    let log = running.get("/jobs/1/log.txt", &ada).await.body;
    let line = log.lines().position(|line| line.contains("no group data")).unwrap() + 1;
    let link = format!("<a href=\"/jobs/1/log?line={line}#L{line}\"");
    assert!(page.contains(&link), "{link} in {page}");
    running.end().await;
}

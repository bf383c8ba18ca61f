//! The plugin host against runners that misbehave: each misdeed ends as an error that names the
//! runner, and the next call of a decent one works.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an assumption that fails is a test that fails"
)]

#[path = "support/hostile.rs"]
mod hostile;

use hostile::{TestBox, files, request};
use img::plugin::{Catalog, Origin, PluginError, Runner, Status, api, check_component};
use proptest::prelude::*;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Far above the deadline of a call (1 s): on a busy box a guest may wait for a processor.
const SOON: Duration = Duration::from_secs(6);

fn good() -> Arc<Runner> {
    let catalog = TestBox::new().built_in("hostile.wasm", hostile::component()).open();
    catalog.runner("hostile").unwrap()
}

/// The error of a misdeed, which came soon and left the runner usable.
fn refused<T: std::fmt::Debug>(
    runner: &Runner,
    misdeed: impl FnOnce(&Runner) -> Result<T, PluginError>,
) -> String {
    let started = Instant::now();
    let error = misdeed(runner).expect_err("a misdeed is an error");
    assert!(started.elapsed() < SOON, "{error} after {:?}", started.elapsed());
    assert_eq!(runner.inspect(b"good").unwrap().name.as_deref(), Some("good"));
    let error = error.to_string();
    let reason = error.strip_prefix("runner \"hostile\" 1.0.0: ").expect(&error);
    reason.to_owned()
}

fn plan_refused(runner: &Runner, word: &str) -> String {
    refused(runner, |runner| runner.plan(&request(word)))
}

fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < until, "{what} does not come true");
        std::thread::yield_now();
    }
}

fn status(catalog: &Catalog, id: &str) -> Status {
    let entries = catalog.snapshot();
    entries.iter().find(|entry| entry.id == id).expect("an entry of this id").status.clone()
}

#[test]
fn a_decent_runner_answers_everything() {
    let runner = good();
    assert_eq!(runner.info().id, "hostile");
    assert_eq!(runner.sha256().len(), 64);
    assert!(runner.check(&request("fine")).unwrap().is_empty());
    assert_eq!(runner.check(&request("")).unwrap()[0].message, "the definition is empty");

    let plan = runner.plan(&request("fine")).unwrap().unwrap();
    let paths: Vec<_> = plan.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a/definition", "b"]);
    assert_eq!(plan.steps[0].program, "echo");
    let refusal = runner.plan(&request("refuse")).unwrap().unwrap_err();
    assert_eq!(refusal[0].message, "this cannot be built");

    let failure = api::Failure {
        step: "say".into(),
        exit_code: Some(1),
        signal: None,
        last_lines: vec!["oh".into()],
    };
    let explanation = runner.explain(&request("fine"), &failure).unwrap().unwrap();
    assert_eq!(explanation.message, "say ended with: oh");

    let kept = runner.collect(&request("fine"), &files()).unwrap().unwrap();
    assert_eq!(kept.iter().map(|a| a.path.as_str()).collect::<Vec<_>>(), ["a.img"]);
    let sorry = runner.collect(&request("sorry"), &files()).unwrap().unwrap_err();
    assert_eq!(sorry, "there is no image");
}

#[test]
fn an_observer_keeps_its_state_between_batches() {
    let mut observer = good().observer(&request("fine")).unwrap();
    let lines = |all: &[&str]| all.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let events = observer.feed(&lines(&["== unpack", "x", "3/7", "error: no"])).unwrap();
    assert_eq!(events.len(), 3);
    assert!(matches!(&events[0], api::Event::Phase(name) if name == "unpack"));
    let events = observer.feed(&lines(&["count?"])).unwrap();
    let [api::Event::Progress(progress)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(progress.done, 5);
}

#[test]
fn an_endless_loop_is_stopped_in_every_call() {
    let runner = good();
    let failure =
        api::Failure { step: String::new(), exit_code: None, signal: None, last_lines: vec![] };
    let said = refused(&runner, |r| r.inspect(b"loop"));
    assert_eq!(said, "its `inspect` gave no answer within 1 s");
    let said = refused(&runner, |r| r.check(&request("loop")));
    assert_eq!(said, "its `check` gave no answer within 1 s");
    assert_eq!(plan_refused(&runner, "loop"), "its `plan` gave no answer within 1 s");
    let said = refused(&runner, |r| r.explain(&request("loop"), &failure));
    assert_eq!(said, "its `explain` gave no answer within 1 s");
    let said = refused(&runner, |r| r.collect(&request("loop"), &files()));
    assert_eq!(said, "its `collect` gave no answer within 1 s");
    let said = refused(&runner, |r| r.observer(&request("loop")));
    assert_eq!(said, "its `observer` gave no answer within 1 s");
    let said = refused(&runner, |r| r.observer(&request("feed-loop")).unwrap().feed(&[]));
    assert_eq!(said, "its `feed` gave no answer within 1 s");
}

#[test]
fn a_panic_is_an_error_with_its_text() {
    let runner = good();
    let said = refused(&runner, |r| r.inspect(b"panic"));
    assert!(said.starts_with("its `inspect` panicked; it said: "), "{said}");
    assert!(said.contains("a spell: the kettle is not a teapot"), "{said}");
    let said = refused(&runner, |r| r.inspect(b"panic-loudly"));
    assert!(said.len() < 2048 && said.contains("loud loud"), "{}", said.len());
    let said = refused(&runner, |r| r.inspect(b"divide"));
    assert!(said.contains("`Option::unwrap()` on a `None` value"), "{said}");
}

#[test]
fn deep_recursion_is_an_error() {
    let runner = good();
    let said = refused(&runner, |r| r.inspect(b"recursion"));
    assert_eq!(said, "its `inspect` used up its stack");
    let said = refused(&runner, |r| r.inspect(b"recursion-with-frames"));
    assert!(said.starts_with("its `inspect` reached outside of its memory"), "{said}");
}

#[test]
fn a_memory_hog_is_stopped_whatever_it_hoards() {
    let runner = good();
    for word in ["memory", "small-memory"] {
        let said = refused(&runner, |r| r.inspect(word.as_bytes()));
        assert_eq!(said, "its `inspect` wanted more than 64 MiB of memory");
    }
    let said = refused(&runner, |r| r.observer(&request("feed-memory")).unwrap().feed(&[]));
    assert_eq!(said, "its `feed` wanted more than 64 MiB of memory");
}

#[test]
fn a_huge_answer_is_an_error() {
    let runner = good();
    for word in ["huge", "many", "alias"] {
        let said = refused(&runner, |r| r.inspect(word.as_bytes()));
        assert_eq!(said, "its `inspect` handed over more than 4 MiB", "{word}");
    }
    let said = plan_refused(&runner, "big-file");
    assert!(said.starts_with("the files of its plan have 20971520 bytes"), "{said}");
    let said = refused(&runner, |r| r.observer(&request("many-events")).unwrap().feed(&[]));
    assert_eq!(said, "its `feed` handed over more than 4 MiB");
    let said = refused(&runner, |r| r.collect(&request("many"), &files()));
    assert_eq!(said, "artifacts: 20000, at most 1000 are allowed");
}

#[test]
fn an_answer_that_is_no_text_is_an_error() {
    let said = refused(&good(), |r| r.inspect(b"utf8"));
    assert!(said.starts_with("its `inspect` answered what cannot be read: "), "{said}");
}

#[test]
fn a_flood_of_log_messages_changes_nothing() {
    let runner = good();
    assert_eq!(runner.inspect(b"flood").unwrap().name.as_deref(), Some("flood"));
    let said = refused(&runner, |r| r.inspect(b"flood-forever"));
    assert!(said.starts_with("its `inspect` gave no answer within 1 s; it said: www"), "{said}");
    assert!(said.len() < 4096);
}

#[test]
fn a_plan_starts_only_what_was_declared_and_granted() {
    let catalog = TestBox::new()
        .built_in("hostile.wasm", hostile::component())
        .grant("hostile", &["echo"], &[])
        .open();
    let runner = catalog.runner("hostile").unwrap();
    assert!(runner.plan(&request("fine")).unwrap().is_ok());
    let refusals = [
        ("undeclared", "its plan starts `rm`, which it did not declare"),
        ("by-path", "its plan starts `/bin/echo`, which it did not declare"),
        (
            "ungranted",
            "its plan starts `printf`, which was not granted: name it in config.toml under \
             [runners.hostile]",
        ),
        (
            "privilege",
            "its plan wants network for `echo`, which was not granted: name it in config.toml \
             under [runners.hostile]",
        ),
        ("undeclared-privilege", "its plan wants kvm for `echo`, which it did not declare"),
    ];
    for (word, refusal) in refusals {
        assert_eq!(plan_refused(&runner, word), refusal);
    }
    let all = good();
    assert!(all.plan(&request("ungranted")).unwrap().is_ok());
    assert!(all.plan(&request("privilege")).unwrap().is_ok());
}

#[test]
fn a_plan_stays_inside_the_build_directory() {
    let runner = good();
    let words = [
        "climb",
        "climb-inside",
        "climb-absolute",
        "absolute",
        "beside",
        "nul-path",
        "empty-path",
        "work-itself",
        "twin-files",
        "many-files",
        "directory",
        "climb-directory",
    ];
    for word in words {
        let said = plan_refused(&runner, word);
        assert!(said.contains("its plan"), "{word}: {said}");
    }
    assert_eq!(
        plan_refused(&runner, "absolute"),
        "its plan writes a file outside of the work directory: `/etc/x` is outside of \
         `/b/00000007/work`"
    );
    assert!(runner.plan(&request("output")).unwrap().is_ok());
}

#[test]
fn a_step_is_bounded_and_cannot_smuggle_code() {
    let runner = good();
    let refusals = [
        ("nul-argument", "an argument of `echo` contains a NUL character"),
        ("big-argument", "an argument of `echo` has 204800 bytes: at most 131072 are allowed"),
        ("environment", "its plan sets `A=B` for `echo`, which is no name of a variable"),
        ("preload", "its plan sets LD_PRELOAD for `echo`, which could make it run other programs"),
        ("nul-value", "the variable A of `echo` contains a NUL character"),
        ("no-steps", "its plan has no steps"),
        ("many-steps", "steps of its plan: 1000, at most 64 are allowed"),
    ];
    for (word, refusal) in refusals {
        assert_eq!(plan_refused(&runner, word), refusal);
    }
}

#[test]
fn only_files_that_were_shown_are_kept() {
    let runner = good();
    let refusals = [
        ("unknown-file", "it keeps `nowhere.img`, which is not among the files it was shown"),
        ("secret-file", "it keeps `/etc/shadow`, which is not among the files it was shown"),
        ("twice", "the artifact `a.img` is there twice"),
        ("symlink", "it keeps `link`, which is a symbolic link"),
        ("nothing", "it keeps none of the files: no image is an error, say which"),
    ];
    for (word, refusal) in refusals {
        assert_eq!(refused(&runner, |r| r.collect(&request(word), &files())), refusal);
    }
}

#[test]
fn an_observer_that_failed_answers_nothing_more() {
    let runner = good();
    let mut observer = runner.observer(&request("feed-panic")).unwrap();
    let said = refused(&runner, |_| observer.feed(&["x".into()]));
    assert!(said.contains("the kettle is not a teapot"), "{said}");
    let again = observer.feed(&["x".into()]).unwrap_err().to_string();
    assert!(again.ends_with("its observer failed before and answers no more"), "{again}");
}

#[test]
fn three_failures_in_a_row_switch_a_runner_off_and_a_success_resets_them() {
    let catalog = TestBox::new().built_in("hostile.wasm", hostile::component()).open();
    let runner = catalog.runner("hostile").unwrap();
    for word in ["panic", "panic", "good", "panic", "panic"] {
        assert_eq!(runner.inspect(word.as_bytes()).is_ok(), word == "good");
        assert_eq!(status(&catalog, "hostile"), Status::Enabled);
    }
    runner.plan(&request("undeclared")).unwrap_err();
    let why = "failed three times in a row: its plan starts `rm`, which it did not declare";
    assert_eq!(status(&catalog, "hostile"), Status::Disabled(why.into()));
    let refused = catalog.runner("hostile").unwrap_err().to_string();
    assert_eq!(refused, format!("runner `hostile` is disabled: {why}"));

    assert!(catalog.revive("hostile"));
    assert!(catalog.runner("hostile").is_ok());
}

#[test]
fn the_last_errors_of_a_runner_are_shown_the_newest_first() {
    let catalog = TestBox::new().built_in("hostile.wasm", hostile::component()).open();
    let runner = catalog.runner("hostile").unwrap();
    for _ in 0..3 {
        runner.inspect(b"panic").unwrap_err();
        runner.plan(&request("undeclared")).unwrap_err();
        runner.inspect(b"good").unwrap();
    }
    let errors = catalog.snapshot()[0].errors.clone();
    assert_eq!(errors.len(), 5);
    assert_eq!(errors[0], "its plan starts `rm`, which it did not declare");
    assert!(errors[1].starts_with("its `inspect` panicked"), "{errors:?}");
}

#[test]
fn a_runner_that_is_switched_off_is_not_there_until_it_is_switched_on() {
    let catalog = TestBox::new().built_in("hostile.wasm", hostile::component()).open();
    let runner = catalog.runner("hostile").unwrap();
    catalog.set_off(["hostile".to_owned(), "gone".to_owned()].into());
    let refused = catalog.runner("hostile").unwrap_err().to_string();
    assert_eq!(refused, "runner `hostile` is disabled: switched off by an administrator");
    // A build that has begun has it, be it asked for it only now.
    assert!(Arc::ptr_eq(&catalog.exact("hostile", runner.sha256()).unwrap(), &runner));
    // Whoever has it goes on with it; what it fails meanwhile is forgotten with the switch.
    assert!(runner.inspect(b"good").is_ok());
    (0..3).for_each(|_| drop(runner.inspect(b"panic").unwrap_err()));
    catalog.rescan();
    assert!(catalog.runner("hostile").is_err());
    assert!(catalog.exact("hostile", runner.sha256()).is_err(), "it has failed too often");
    catalog.set_off(Default::default());
    assert!(catalog.runner("hostile").is_ok());
}

#[test]
fn what_config_toml_switches_off_no_switch_switches_on() {
    let mut inside = TestBox::new().built_in("hostile.wasm", hostile::component());
    inside = inside.grant_all("hostile");
    inside.config.grants.get_mut("hostile").unwrap().enabled = false;
    let catalog = inside.open();
    catalog.set_off(["hostile".to_owned()].into());
    let sha256 = catalog.snapshot()[0].sha256.clone();
    assert!(catalog.exact("hostile", &sha256).is_err());
    catalog.set_off(Default::default());
    assert_eq!(status(&catalog, "hostile"), Status::Disabled("switched off in config.toml".into()));
}

#[test]
fn a_file_that_is_no_runner_is_refused_in_one_sentence() {
    let core = [b"\0asm".as_slice(), &[1, 0, 0, 0]].concat();
    let truncated = hostile::component()[..40_000].to_vec();
    let refusals: [(&[u8], &str); 5] = [
        (b"", "the file is empty"),
        (b"(module)", "it is no WebAssembly: the first bytes are not \\0asm"),
        (&core, "it is a core module, no component: encode it with wit-component"),
        (&truncated, "it is no valid component: "),
        (b"\0asm\x0d\0\x01\0", "it does not fit img:runner@0.1.0: "),
    ];
    for (bytes, refusal) in refusals {
        let said = check_component("x.wasm", bytes).unwrap_err().to_string();
        assert!(said.starts_with(&format!("runner \"x.wasm\": {refusal}")), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[test]
fn an_import_that_is_not_the_hosts_is_refused_by_name() {
    let inside = TestBox::new();
    let host = "img:runner/host@0.1.0";
    inside.drop_in("wasi.wasm", &hostile::renamed(host, "wasi:http/types@0.2.0"));
    inside.drop_in("foreign.wasm", &hostile::renamed(host, "foo:runner/host@0.1.0"));
    inside.drop_in("newer.wasm", &hostile::renamed("@0.1.0", "@0.9.0"));
    let catalog = inside.open();
    let said = |id: &str| match status(&catalog, id) {
        Status::Failed(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        said("wasi.wasm"),
        "it imports `wasi:http/types@0.2.0`: runners get no WASI, build it for \
         wasm32-unknown-unknown"
    );
    assert_eq!(
        said("foreign.wasm"),
        "it imports `foo:runner/host@0.1.0`: a runner may import nothing but \
         `img:runner/host@0.1.0`"
    );
    let newer = said("newer.wasm");
    assert!(newer.starts_with("it is built for `img:runner/"), "{newer}");
    assert!(newer.ends_with("@0.9.0`: this program speaks img:runner@0.1.0"), "{newer}");
}

#[test]
fn a_description_that_misbehaves_is_a_failed_entry_and_the_others_load() {
    let inside = TestBox::new().built_in("good.wasm", hostile::component());
    let modes = [
        ("panic", "its `describe` panicked; it said: "),
        ("memory", "its `describe` wanted more than 64 MiB of memory"),
        ("huge", "its `describe` handed over more than 4 MiB"),
        ("utf8", "its `describe` answered what cannot be read: "),
        ("bad-id", "the runner `../etc` contains `.`"),
    ];
    for (mode, _) in modes {
        inside.drop_in(&format!("{mode}.wasm"), &hostile::with("MODE", mode));
    }
    let catalog = inside.open();
    for (mode, why) in modes {
        let Status::Failed(said) = status(&catalog, &format!("{mode}.wasm")) else {
            panic!("{mode} was loaded");
        };
        assert!(said.starts_with(why), "{said}");
    }
    assert!(catalog.runner("hostile").is_ok());
}

#[test]
fn a_file_waits_until_everything_it_asks_for_is_granted() {
    let with = |grant: Option<(&[&str], &[&str])>| {
        let mut inside = TestBox::new();
        if let Some((programs, privileges)) = grant {
            inside = inside.grant("hostile", programs, privileges);
        }
        inside.drop_in("h.wasm", &hostile::component());
        status(&inside.open(), "hostile")
    };
    let waiting = |what: &str| {
        Status::WaitingForGrant(format!(
            "asks for {what}: name them in config.toml under [runners.hostile]"
        ))
    };
    let all = "programs `echo`, `printf` and privilege network";
    assert_eq!(with(None), waiting(all));
    assert_eq!(with(Some((&[], &[]))), waiting(all));
    assert_eq!(with(Some((&["echo"], &["network"]))), waiting("program `printf`"));
    assert_eq!(with(Some((&["echo", "printf"], &[]))), waiting("privilege network"));
    assert_eq!(with(Some((&["echo", "printf", "rm"], &["network", "root"]))), Status::Enabled);
}

#[test]
fn a_built_in_runner_may_use_what_it_declares_unless_its_section_says_less() {
    let built_in = || TestBox::new().built_in("h.wasm", hostile::component());
    assert_eq!(status(&built_in().open(), "hostile"), Status::Enabled);
    let less = built_in().grant("hostile", &["echo"], &[]).open();
    assert_eq!(status(&less, "hostile"), Status::Enabled);
    let granted: Vec<_> = less.snapshot()[0].programs.iter().map(|p| p.granted).collect();
    assert_eq!(granted, [true, false]);
    let none = built_in().grant("hostile", &[], &[]).open();
    assert!(matches!(status(&none, "hostile"), Status::WaitingForGrant(_)));

    let mut off = built_in().grant_all("hostile");
    off.config.grants.get_mut("hostile").unwrap().enabled = false;
    let off = off.open();
    assert_eq!(status(&off, "hostile"), Status::Disabled("switched off in config.toml".into()));
    assert!(off.snapshot()[0].usable().is_none());
}

#[test]
fn a_file_takes_a_built_in_runners_place_only_when_it_is_told_to() {
    let mut inside = TestBox::new().built_in("h.wasm", hostile::component()).grant_all("hostile");
    inside.drop_in("other.wasm", &hostile::with("VERSION", "2.0.0"));
    let version = |catalog: &Catalog| catalog.runner("hostile").unwrap().info().version.clone();

    let catalog = inside.open();
    assert_eq!(version(&catalog), "1.0.0");
    let failed = |entry: &&img::plugin::Entry| entry.origin != Origin::BuiltIn;
    let entries = catalog.snapshot();
    let other = entries.iter().find(failed).unwrap();
    let Status::Failed(why) = &other.status else { panic!("{:?}", other.status) };
    assert!(why.contains("replace = true under [runners.hostile]"), "{why}");

    inside.config.grants.get_mut("hostile").unwrap().replace = true;
    let catalog = inside.open();
    assert_eq!(version(&catalog), "2.0.0");
    assert_eq!(catalog.snapshot().len(), 1);
}

#[test]
fn of_two_files_with_one_id_the_first_by_name_counts() {
    let inside = TestBox::new().grant_all("hostile");
    inside.drop_in("b.wasm", &hostile::with("VERSION", "2.0.0"));
    inside.drop_in("a.wasm", &hostile::component());
    let catalog = inside.open();
    assert_eq!(catalog.runner("hostile").unwrap().info().version, "1.0.0");
    let entries = catalog.snapshot();
    let second = entries.iter().find(|e| e.origin == Origin::File("b.wasm".into())).unwrap();
    let why = "the file a.wasm has the id `hostile` too and counts: remove one";
    assert_eq!(second.status, Status::Failed(why.into()));
}

#[test]
fn what_is_asked_for_and_not_there_is_answered_with_what_is() {
    let catalog = TestBox::new().built_in("h.wasm", hostile::component()).open();
    let said = catalog.runner("nobody").unwrap_err().to_string();
    assert_eq!(said, "runner `nobody` is not known: use hostile");
    let said = TestBox::new().open().runner("x").unwrap_err().to_string();
    assert_eq!(said, "runner `x` is not known: no runner is enabled on this box");
}

#[test]
fn a_rescan_sees_new_changed_and_removed_files_and_running_jobs_keep_theirs() {
    let inside = TestBox::new().grant_all("hostile");
    let catalog = inside.open();
    assert!(!catalog.rescan());

    inside.drop_in("h.wasm", &hostile::component());
    assert!(catalog.rescan());
    assert!(!catalog.rescan());
    let first = catalog.runner("hostile").unwrap();
    assert!(catalog.exact("hostile", first.sha256()).is_ok());

    // The same bytes in another file are still the same runner.
    inside.drop_in("h.wasm", &hostile::component());
    assert!(!catalog.rescan());
    assert!(Arc::ptr_eq(&first, &catalog.runner("hostile").unwrap()));

    inside.drop_in("h.wasm", &hostile::with("VERSION", "1.1.0"));
    assert!(catalog.rescan());
    assert_eq!(catalog.runner("hostile").unwrap().info().version, "1.1.0");
    let said = catalog.exact("hostile", first.sha256()).unwrap_err().to_string();
    assert_eq!(said, "runner `hostile` is now another version (1.1.0): submit the job again");
    assert!(first.plan(&request("fine")).unwrap().is_ok());

    std::fs::rename(inside.config.plugin_dir.join("h.wasm"), inside.path().join("away")).unwrap();
    assert!(catalog.rescan());
    assert!(catalog.snapshot().is_empty());
    assert!(first.plan(&request("fine")).unwrap().is_ok());
}

#[test]
fn a_file_dropped_in_while_running_is_found_and_reloaded_and_forgotten() {
    let inside = TestBox::new().grant_all("hostile");
    let catalog = Arc::new(inside.open());
    let (send, changes) = std::sync::mpsc::channel();
    let watch = catalog.watch(move || send.send(()).unwrap_or_default()).unwrap();
    let version = |catalog: &Catalog| {
        catalog.runner("hostile").ok().map(|runner| runner.info().version.clone())
    };
    let comes = |wanted: Option<&str>| {
        while version(&catalog).as_deref() != wanted {
            changes.recv_timeout(Duration::from_secs(60)).expect("a change is noticed");
        }
    };
    // In two halves, as a slow copy does it.
    let (bytes, path) = (hostile::component(), inside.config.plugin_dir.join("h.wasm"));
    std::fs::write(&path, &bytes[..1000]).unwrap();
    wait_for("the half file", || !catalog.snapshot().is_empty());
    std::fs::write(&path, &bytes).unwrap();
    comes(Some("1.0.0"));
    inside.drop_in("h.wasm", &hostile::with("VERSION", "3.0.0"));
    comes(Some("3.0.0"));
    std::fs::rename(&path, inside.path().join("away")).unwrap();
    comes(None);

    drop(watch);
    // Its thread has let go of the callback, and with it of the channel.
    let ended = changes.recv_timeout(Duration::from_secs(60));
    assert_eq!(ended, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn a_plugin_directory_that_cannot_be_watched_is_an_error_with_a_reason() {
    let mut inside = TestBox::new();
    inside.config.plugin_dir = inside.path().join("nowhere");
    let catalog = Arc::new(inside.open());
    assert!(catalog.snapshot().is_empty());
    let said = catalog.watch(|| ()).unwrap_err().to_string();
    assert!(said.starts_with("the plugin host cannot watch the plugin directory: "), "{said}");
}

#[test]
fn links_and_odd_files_in_the_plugin_directory_are_refused() {
    let inside = TestBox::new().grant_all("hostile");
    let at = |name: &str| inside.config.plugin_dir.join(name);
    std::fs::write(inside.path().join("real"), hostile::component()).unwrap();
    std::os::unix::fs::symlink(inside.path().join("real"), at("link.wasm")).unwrap();
    std::fs::create_dir(at("dir.wasm")).unwrap();
    std::fs::write(at("readme.txt"), "no runner").unwrap();
    std::fs::write(at(".h.wasm"), "half").unwrap();
    let large = std::fs::File::create(at("large.wasm")).unwrap();
    large.set_len((32 << 20) + 1).unwrap();
    let catalog = inside.open();
    let why = |id| match status(&catalog, id) {
        Status::Failed(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why("link.wasm"), "it is a symbolic link: copy the file itself");
    assert_eq!(why("dir.wasm"), "it is no regular file");
    assert_eq!(why("large.wasm"), "it is larger than 32 MiB");
    assert_eq!(catalog.snapshot().len(), 3);
}

/// The one compiled component in the cache.
fn cached(inside: &TestBox) -> std::path::PathBuf {
    let files = std::fs::read_dir(&inside.config.cache_dir).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn a_compiled_component_is_kept_and_a_damaged_one_is_compiled_again() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let inside = TestBox::new().built_in("h.wasm", hostile::component());
    let first = inside.open().runner("hostile").unwrap();
    let file = cached(&inside);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(first.sha256()) && name.ends_with(".cwasm"), "{name}");
    let meta = file.metadata().unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!(inside.config.cache_dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);

    // A hit leaves the file alone and takes far less than compiling.
    let started = Instant::now();
    assert!(inside.open().runner("hostile").is_ok());
    eprintln!("a start with a warm cache took {:?}", started.elapsed());
    assert_eq!(file.metadata().unwrap().ino(), meta.ino());

    let whole = std::fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x10;
    for damaged in [flipped, b"short".to_vec()] {
        std::fs::write(&file, &damaged).unwrap();
        let runner = inside.open().runner("hostile").unwrap();
        assert!(runner.plan(&request("fine")).unwrap().is_ok());
        let again = std::fs::read(&file).unwrap();
        assert_eq!(again.len(), whole.len());
        assert_ne!(again, damaged);
    }
}

#[test]
fn a_cache_others_can_write_to_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let inside = TestBox::new().built_in("h.wasm", hostile::component()).cold();
    std::fs::create_dir(&inside.config.cache_dir).unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(&inside.config.cache_dir, open).unwrap();
    assert!(inside.open().runner("hostile").is_ok());
    assert_eq!(std::fs::read_dir(&inside.config.cache_dir).unwrap().count(), 0);
}

#[test]
fn what_belongs_to_no_runner_leaves_the_cache() {
    let inside = TestBox::new().built_in("h.wasm", hostile::component());
    inside.open();
    let file = cached(&inside);
    std::fs::write(file.with_file_name("0123-4567.cwasm"), "old").unwrap();
    std::fs::write(file.with_file_name("1-2.tmp"), "torn").unwrap();
    inside.open();
    assert_eq!(cached(&inside), file);
}

#[test]
fn a_component_that_is_only_tried_counts_everything_as_granted() {
    let runner = check_component("x.wasm", &hostile::component()).unwrap();
    assert!(runner.plan(&request("ungranted")).unwrap().is_ok());
    let said = runner.plan(&request("undeclared")).unwrap_err().to_string();
    assert!(said.ends_with("its plan starts `rm`, which it did not declare"), "{said}");
}

#[test]
fn the_programs_found_say_their_version_after_a_probe() {
    let catalog = TestBox::new().built_in("h.wasm", hostile::component()).open();
    let echo = |catalog: &Catalog| catalog.snapshot()[0].programs[0].clone();
    assert_eq!(echo(&catalog).version, None);
    assert!(echo(&catalog).path.is_some_and(|path| path.ends_with("echo")));
    catalog.probe();
    assert!(echo(&catalog).version.unwrap().contains("echo"));
}

#[test]
fn the_built_in_runners_load_and_can_be_used() {
    let inside = TestBox::new();
    let catalog = Catalog::open(inside.config.clone()).unwrap();
    for entry in catalog.snapshot().iter() {
        assert_eq!(entry.origin, Origin::BuiltIn);
        assert_eq!(entry.status, Status::Enabled, "{}", entry.id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_bytes_make_the_catalog_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut damaged = hostile::component();
        // In the first kilobytes lies what the parser and the linker read.
        flips.iter().for_each(|(at, byte)| damaged[at.index(4096)] = *byte);
        let inside = TestBox::new().cold();
        inside.drop_in("damaged.wasm", &damaged);
        inside.drop_in("noise.wasm", &noise);
        inside.drop_in("start.wasm", &[b"\0asm\x0d\0\x01\0".as_slice(), &noise].concat());
        let catalog = inside.open();
        prop_assert_eq!(catalog.snapshot().len(), 3);
    }
}

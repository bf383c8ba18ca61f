use super::*;

#[test]
fn the_place_of_version_2_is_found_in_every_kind_of_system() {
    let whole = "24 20 0:5 / /dev rw - devtmpfs udev rw\n\
                 31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    assert_eq!(unified(whole), Some(("/sys/fs/cgroup".into(), "/".into())));
    let mixture = "30 25 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
                   32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                   33 30 0:29 /a /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    assert_eq!(unified(mixture), Some(("/sys/fs/cgroup/unified".into(), "/a".into())));
    assert_eq!(unified("30 25 0:26 / /sys/fs/cgroup ro - cgroup cgroup ro,cpu\n"), None);
    assert_eq!(unified("cut - "), None);
}

#[test]
fn limits_are_set_where_they_are_held_and_only_if_there_are_any() {
    let all = held(&WANTED, Some("8:0"));
    let bounds = Bounds { memory: 1 << 30, tasks: 50, cpu_weight: 20, ..Bounds::default() };
    let set = limits(&bounds, &all).unwrap();
    let of = |file: &str| set.iter().find(|(name, _)| *name == file).map(|(_, v)| v.as_str());
    assert_eq!(of("memory.max"), Some("1073741824"));
    assert_eq!(of("memory.swap.max"), Some("0"), "swap is no way around it");
    assert_eq!(of("pids.max"), Some("50"));
    assert_eq!((of("cpu.weight"), of("io.weight")), (Some("20"), Some("100")));
    let none = Bounds { tasks: 0, ..Bounds::default() };
    assert!(limits(&none, &all).unwrap().iter().all(|(file, _)| file.ends_with("weight")));
    assert_eq!(limits(&bounds, &Held::default()), Ok(Vec::new()));
}

#[test]
fn processors_and_disks_are_limited_even_where_nobody_else_wants_them() {
    let bounds = Bounds { cpu_max: 150, io_max: 5 << 20, ..Bounds::default() };
    let set = limits(&bounds, &held(&WANTED, Some("254:0"))).unwrap();
    assert!(set.contains(&("cpu.max", "150000 100000".into())), "{set:?}");
    assert!(set.contains(&("io.max", "254:0 rbps=5242880 wbps=5242880".into())), "{set:?}");
    let most = Bounds { cpu_max: crate::domain::bounds::MOST_CPU, ..Bounds::default() };
    let set = limits(&most, &held(&["cpu"], None)).unwrap();
    assert!(set.contains(&("cpu.max", "1000000000 100000".into())), "{set:?}");
    let refused = limits(&bounds, &held(&WANTED, None)).unwrap_err();
    assert!(refused.contains("set it to 0B"), "{refused}");
}

fn held(names: &[&str], disk: Option<&str>) -> Held {
    Held {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        disk: disk.map(str::to_owned),
    }
}

#[test]
fn what_the_kernel_counts_is_read() {
    let tmp = tempfile::tempdir().unwrap();
    let group = Group {
        path: tmp.path().into(),
        held: held(&["memory"], None),
        seen: std::cell::Cell::new(0),
    };
    assert_eq!(group.used(), Used::default(), "nothing is counted without files");
    let put = |file: &str, text: &str| std::fs::write(tmp.path().join(file), text).unwrap();
    put("cpu.stat", "usage_usec 1500000\nuser_usec 1\n");
    put("memory.current", "4096\n");
    put("io.stat", "254:0 rbytes=9 wbytes=100 rios=1\n7:0 rbytes=0 wbytes=100\n8:0 wbytes=11\n");
    let used = group.used();
    assert_eq!(used.cpu, Duration::from_millis(1500));
    assert_eq!((used.memory, used.written), (4096, 111), "a loop device's bytes count once");
    put("memory.current", "10\n");
    assert_eq!(group.used().memory, 4096, "the most is kept");
    put("memory.peak", "8192\n");
    assert_eq!(group.used().memory, 8192);
    put("memory.events", "low 0\nhigh 0\nmax 8\noom 2\noom_kill 1\n");
    put("pids.events", "max 3\n");
    assert_eq!(group.met(), Some(Met { killed: 1, over_memory: 2, over_tasks: 3 }));
    let (path, seen) = (tmp.path().into(), std::cell::Cell::new(0));
    let unheld = Group { path, held: Held::default(), seen };
    assert_eq!(unheld.met(), None, "what is not held is not known");
}

#[test]
fn a_limit_that_cannot_be_set_is_an_error_and_a_weight_is_not() {
    let tmp = tempfile::tempdir().unwrap();
    let held = held(&WANTED, None);
    let group = Group { path: tmp.path().into(), held, seen: std::cell::Cell::new(0) };
    let bounds = Bounds { memory: 1 << 30, tasks: 50, ..Bounds::default() };
    let put = |file: &str| std::fs::write(tmp.path().join(file), "").unwrap();
    assert!(group.limit(&bounds).unwrap_err().starts_with("memory.max cannot be set"));
    put("memory.max");
    assert!(group.limit(&bounds).unwrap_err().starts_with("pids.max cannot be set to 50"));
    put("pids.max");
    // No swap is counted here, and there are no weights.
    group.limit(&bounds).unwrap();
    assert_eq!(std::fs::read_to_string(tmp.path().join("memory.max")).unwrap(), "1073741824");
}

#[test]
fn what_an_earlier_step_met_is_not_what_ended_this_one() {
    let met = |killed, over_memory, over_tasks| Met { killed, over_memory, over_tasks };
    assert_eq!(met(2, 3, 1).since(met(1, 3, 0)), met(1, 0, 1));
    assert_eq!(met(0, 0, 0).since(met(1, 1, 1)), met(0, 0, 0), "never below nothing");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "somebody has to be in the group")]
fn a_group_takes_what_is_in_it_along_even_when_its_build_panics() {
    let tmp = tempfile::tempdir().unwrap();
    let data = DataDir::open(tmp.path()).unwrap();
    let groups = match Groups::find(&data) {
        Ok(groups) => groups,
        Err(why) => return println!("skipped: no control groups: {why}"),
    };
    let group = groups.make(JobId::FIRST, &Bounds::default()).unwrap();
    let path = group.path.clone();
    let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    group.add(child.id()).unwrap();
    assert!(path.join("cgroup.procs").exists());
    let build = std::thread::spawn(move || {
        let _held = group;
        panic!("a mistake inside the builder");
    });
    assert!(build.join().is_err());
    assert!(!path.exists());
    // Without `cgroup.kill` the group would still be there: somebody would be in it.
    assert!(!child.wait().unwrap().success());
    groups.leave();
}

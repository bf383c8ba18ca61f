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
    let all = WANTED.map(str::to_owned);
    let bounds = Bounds { memory: 1 << 30, tasks: 50, cpu_weight: 20, ..Bounds::default() };
    let set = limits(&bounds, &all);
    let of = |file: &str| set.iter().find(|(name, _)| *name == file).map(|(_, v)| v.as_str());
    assert_eq!(of("memory.max"), Some("1073741824"));
    assert_eq!(of("memory.swap.max"), Some("0"), "swap is no way around it");
    assert_eq!(of("pids.max"), Some("50"));
    assert_eq!((of("cpu.weight"), of("io.weight")), (Some("20"), Some("100")));
    let none = Bounds { tasks: 0, ..Bounds::default() };
    assert!(limits(&none, &all).iter().all(|(file, _)| file.ends_with("weight")));
    assert_eq!(limits(&bounds, &[]), []);
}

#[test]
fn what_the_kernel_counts_is_read() {
    let tmp = tempfile::tempdir().unwrap();
    let group = Group {
        path: tmp.path().into(),
        held: vec!["memory".into()],
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
    let unheld = Group { held: Vec::new(), ..group };
    assert_eq!(unheld.met(), None, "what is not held is not known");
}

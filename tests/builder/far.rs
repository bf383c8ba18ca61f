//! The same builds through a socket: whoever watches sees no difference.

use crate::bench::{Bench, Told, bench, id, plan, stop_at};
use img::builder::{
    Build, Remote, Service, Socket,
    protocol::{Event, Outcome, StopReason},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, sync::watch};

/// A builder that listens, and the server's end.
struct Far {
    bench: Bench,
    remote: Remote,
    stop: watch::Sender<bool>,
    service: tokio::task::JoinHandle<anyhow::Result<()>>,
    runtime: Runtime,
}

fn far(script: &str) -> Far {
    let bench = bench(false, plan(script));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let path = bench.path("b.sock");
    let socket = Socket::bind(&path, None, &bench.data).unwrap();
    let service = Service::new(bench.builder.clone(), Arc::clone(&bench.data), socket).unwrap();
    let (stop, stopped) = watch::channel(false);
    let service = runtime.spawn(service.run(stopped, Duration::from_secs(5)));
    let data = Arc::clone(&bench.data);
    let (remote, _) = Remote::new(data, path, runtime.handle().clone());
    runtime.spawn(remote.clone().run());
    runtime.block_on(remote.first_answer(Duration::from_secs(20)));
    Far { bench, remote, stop, service, runtime }
}

impl Far {
    fn start(&self, job: u64) -> Build {
        self.bench.data.create_job(id(job), b"", b"{}").unwrap();
        self.remote.start(self.bench.order(job))
    }

    fn build(&self, job: u64) -> Told {
        let told = self.bench.follow(self.start(job), |_, _| {});
        self.remote.settled(id(job));
        told
    }

    fn end(self) {
        self.stop.send(true).unwrap();
        self.runtime.block_on(self.service).unwrap().unwrap();
    }
}

#[test]
fn a_build_tells_the_same_near_and_far() {
    let script = "echo phase one; echo hello; seq 5000; echo x >output; cp output ../output/a.raw";
    let far = far(script);
    let there = far.build(1);
    let here = bench(false, plan(script)).build(1);
    there.assert_done();
    let plain = |told: &Told| {
        // The directories differ.
        told.log.lines().filter(|l| !l.contains("/tmp")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(plain(&there), plain(&here));
    assert_eq!(there.phases, here.phases);
    assert_eq!(there.sandbox, here.sandbox);
    assert_eq!(there.finished.artifacts, here.finished.artifacts);
    far.end();
}

#[test]
fn a_stop_reaches_a_build_that_is_far() {
    let far = far("trap 'echo stopped; exit 1' INT; echo ready; while :; do sleep 0.05; done");
    let told = far.bench.follow(far.start(1), stop_at("ready"));
    assert_eq!(told.finished.outcome, Outcome::Stopped(StopReason::Cancelled));
    assert!(told.log.contains("stopped"), "{}", told.log);
    far.end();
}

#[test]
fn a_slow_watcher_slows_a_build_that_is_far_and_loses_nothing() {
    let far = far("seq 400000; cp /dev/null ../output/a.raw");
    let mut build = far.start(1);
    let mut log = 0;
    loop {
        match build.events.blocking_recv().unwrap() {
            Event::Log { offset, bytes, .. } => {
                assert_eq!(offset, log);
                log += bytes.len() as u64;
                std::thread::park_timeout(Duration::from_millis(5));
            }
            Event::Finished(finished) => {
                assert_eq!(finished.outcome, Outcome::Done);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(log, std::fs::metadata(far.bench.path("jobs/00000001/log")).unwrap().len());
    far.end();
}

#[test]
fn the_start_of_a_step_costs_little_more_through_the_socket() {
    const JOBS: u64 = 40;
    let script = "cp /dev/null ../output/a.raw";
    let begin = |build: Build| {
        let mut build = build;
        let begun = Instant::now();
        let mut started = None;
        loop {
            match build.events.blocking_recv().unwrap() {
                Event::Started { .. } => started = Some(begun.elapsed()),
                Event::Finished(_) => return started.unwrap(),
                _ => {}
            }
        }
    };
    let near = bench(false, plan(script));
    let far = far(script);
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for job in 1..=JOBS {
        here.push(begin(near.start(job)));
        there.push(begin(far.start(job)));
        far.remote.settled(id(job));
    }
    here.sort();
    there.sort();
    let middle = |times: &[Duration]| times[times.len() / 2];
    println!(
        "to the start of a step: {:?} inside, {:?} through the socket",
        middle(&here),
        middle(&there)
    );
    assert_eq!(there.len() as u64, JOBS);
    far.end();
}

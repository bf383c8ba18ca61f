//! The same builds through a socket: whoever watches sees no difference.

use crate::bench::{Bench, Told, bench, id, plan, stop_at};
use img::{
    builder::{
        Build, Patience, Remote, Service, Socket,
        protocol::{Event, Finished, Outcome, StopReason},
    },
    domain::Cause,
};
use std::{sync::Arc, time::Duration};
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
    far.remote.settled(id(1));
    far.end();
}

/// A server that waits for a builder that is away no longer than a moment.
fn alone(patience: Patience) -> (Bench, Remote, Runtime) {
    let bench = bench(false, plan("echo ready; sleep 300"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (data, path) = (Arc::clone(&bench.data), bench.path("b.sock"));
    let (remote, _) = Remote::with_patience(data, path, runtime.handle().clone(), patience);
    (bench, remote, runtime)
}

fn end_of(build: &mut Build) -> Finished {
    loop {
        match build.events.blocking_recv().expect("an end") {
            Event::Finished(finished) => return finished,
            _ => continue,
        }
    }
}

#[test]
fn what_a_builder_never_heard_of_is_cancelled_at_once() {
    let (bench, remote, runtime) = alone(Patience::default());
    runtime.spawn(remote.clone().run());
    bench.data.create_job(id(1), b"", b"{}").unwrap();
    let mut build = remote.start(bench.order(1));
    build.stop(StopReason::Cancelled);
    assert_eq!(end_of(&mut build).outcome, Outcome::Stopped(StopReason::Cancelled));
}

#[test]
fn what_a_builder_had_ends_when_it_does_not_come_back() {
    let moment = Duration::from_millis(200);
    let (bench, remote, runtime) = alone(Patience { cancelled: moment, building: moment * 5 });
    let socket = Socket::bind(&bench.path("b.sock"), None, &bench.data).unwrap();
    let service = Service::new(bench.builder.clone(), Arc::clone(&bench.data), socket).unwrap();
    let (_stop, stopped) = watch::channel(false);
    // Its own runtime dies with all it does, as a process does.
    let theirs = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    theirs.spawn(service.run(stopped, Duration::ZERO));
    runtime.spawn(remote.clone().run());
    runtime.block_on(remote.first_answer(Duration::from_secs(20)));
    let mut builds: Vec<_> = [1, 2]
        .into_iter()
        .map(|job| {
            bench.data.create_job(id(job), b"", b"{}").unwrap();
            let mut build = remote.start(bench.order(job));
            while !matches!(build.events.blocking_recv(), Some(Event::Started { .. })) {}
            build
        })
        .collect();
    theirs.shutdown_background();
    let away = |link: &img::builder::Link| link.since.is_none();
    runtime.block_on(async { remote.link().wait_for(away).await.map(drop) }).unwrap();
    builds[0].stop(StopReason::Cancelled);
    let first = end_of(&mut builds[0]).outcome;
    assert_eq!(first, Outcome::Stopped(StopReason::Cancelled));
    let Outcome::Failed(failure) = end_of(&mut builds[1]).outcome else { panic!("it goes on") };
    assert_eq!(failure.cause, Cause::Interrupted);
    assert!(failure.message.contains("has not come back"), "{}", failure.message);
}

#[test]
fn a_slow_watcher_slows_a_build_that_is_far_and_loses_nothing() {
    let far = far("seq 100000; cp /dev/null ../output/a.raw");
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
    far.remote.settled(id(1));
    assert_eq!(log, std::fs::metadata(far.bench.path("jobs/00000001/log")).unwrap().len());
    far.end();
}

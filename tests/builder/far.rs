//! The same builds through a socket: whoever watches sees no difference.

use crate::bench::{Bench, Told, bench, id, plan, stop_at};
use img::builder::{
    Build, Remote, Service, Socket,
    protocol::{Event, Outcome, StopReason},
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

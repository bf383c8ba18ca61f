//! What a server and a builder make of somebody at the other end who lies, babbles, speaks another
//! version or is nobody they know.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop with a message and start programs"
)]

#[path = "support/builder.rs"]
mod builder;
mod common;

use builder::{Liar, Server, both, held, text};
use bytes::Bytes;
use common::{PATIENCE, Service, is_root, until};
use img::{
    builder::{
        protocol::{Event, Finished, Outcome, StagedArtifact, Standing, StopReason},
        wire::{FromBuilder, ToBuilder},
    },
    domain::{Cause, Failure, JobId, Role, Timestamp},
};
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

fn submit(service: &Service) -> u64 {
    let text = "lang en_US.UTF-8\ntimezone UTC\npart / --size 400 --fstype ext4 --ondisk=sda\n\
                repo --name=oss --baseurl=http://repo.example/oss\n%packages\nbusybox\n%end\n";
    service.submit(&service.write("a.ks", text), "raw", "x86_64", &[])
}

fn started() -> Event {
    Event::Started {
        commands: vec!["mic".into()],
        sandbox: "none".into(),
        at: Timestamp::default(),
    }
}

fn log(offset: u64, bytes: &'static [u8]) -> Event {
    Event::Log { offset, bytes: Bytes::from_static(bytes), at: Timestamp::default() }
}

fn image(name: &str, size: u64) -> StagedArtifact {
    StagedArtifact {
        name: name.into(),
        role: Role::Image,
        label: "image".into(),
        size,
        sha256: "0".repeat(64),
    }
}

fn done(artifacts: Vec<StagedArtifact>) -> Event {
    Event::Finished(Finished { artifacts, ..Finished::plain(Outcome::Done) })
}

fn failed(service: &Service, id: u64, word: &str) -> Value {
    let job = service.wait(id);
    let (cause, said) = (&job["failure"]["cause"], job["failure"]["message"].as_str());
    assert_eq!((job["state"].as_str(), cause.as_str()), (Some("failed"), Some("box")), "{job:#}");
    let said = said.unwrap();
    assert!(said.contains("the builder at") && said.contains(word), "{said}");
    job
}

/// What is told of a job.
type Lie = fn(&Service, u64) -> Vec<Event>;

#[test]
fn a_lie_ends_its_job_and_nothing_else() {
    let liar = Liar::new();
    let socket = liar.socket.clone();
    let starting = std::thread::spawn(move || {
        Service::with_config(&text(&socket, "[limits]\nqueue_cap = 1000\n"))
    });
    let mut server = liar.greet(Vec::new());
    let service = starting.join().unwrap();
    let mut bystander = None;
    let lies: Vec<(&str, Lie)> = vec![
        ("jump back", |_, _| vec![started(), log(0, b"one\n"), log(2, b"two\n")]),
        ("left out the log", |_, _| vec![started(), log(0, b"one\n"), log(90, b"two\n")]),
        ("left out the log from byte 0", |_, _| vec![started(), log(1, b"one\n")]),
        ("told twice", |_, _| vec![started(), started()]),
        ("which is not to be had", |_, _| vec![started(), done(vec![image("../definition", 1)])]),
        ("which is not to be had", |_, _| vec![started(), done(vec![image("/etc/passwd", 1)])]),
        ("which is not to be had", |_, _| vec![started(), done(vec![image("gone.raw", 1)])]),
        ("has 9 bytes, and it has 4", |service, id| {
            make(service, id, "image.raw", b"four");
            vec![started(), done(vec![image("image.raw", 9)])]
        }),
        ("named the file `image.raw` twice", |service, id| {
            make(service, id, "image.raw", b"four");
            vec![started(), done(vec![image("image.raw", 4), image("image.raw", 4)])]
        }),
        ("which is not to be had", |service, id| {
            let artifacts = artifacts(service, id);
            std::os::unix::fs::symlink("/etc/passwd", artifacts.join("link.raw")).unwrap();
            vec![started(), done(vec![image("link.raw", 4)])]
        }),
        ("without an image", |_, _| vec![started(), done(Vec::new())]),
        ("never began", |service, id| {
            make(service, id, "image.raw", b"four");
            vec![done(vec![image("image.raw", 4)])]
        }),
    ];
    for (word, lie) in lies {
        let id = submit(&service);
        assert_eq!(server.order(), id);
        for event in lie(&service, id) {
            server.tell(id, event);
        }
        failed(&service, id, word);
        // It is told to stop that one, and whatever it still says of it does not count.
        assert!(matches!(server.hear(), ToBuilder::Stop(job, _) if job.get() == id), "{word}");
        assert!(matches!(server.hear(), ToBuilder::Ack(job) if job.get() == id), "{word}");
        server.tell(id, log(0, b"still talking\n"));
        server.tell(id, done(Vec::new()));
        assert!(matches!(server.hear(), ToBuilder::Ack(job) if job.get() == id), "{word}");
        if bystander.is_none() {
            let id = submit(&service);
            assert_eq!(server.order(), id);
            server.tell(id, started());
            bystander = Some(id);
        }
    }
    let id = bystander.unwrap();
    assert_eq!(service.job(id)["state"], "building", "others go on");
    make(&service, id, "image.raw", b"four");
    server.tell(id, done(vec![image("image.raw", 4)]));
    assert_eq!(service.wait(id)["state"], "done");
}

fn artifacts(service: &Service, id: u64) -> PathBuf {
    service.data().join(format!("jobs/{id:08}/artifacts"))
}

fn make(service: &Service, id: u64, name: &str, bytes: &[u8]) {
    std::fs::write(artifacts(service, id).join(name), bytes).unwrap();
}

#[test]
fn a_refusal_fails_the_job_with_the_builders_words() {
    let liar = Liar::new();
    let (mut server, service, id) = begun(&liar);
    server.say(&FromBuilder::Refused(JobId::new(id).unwrap(), "no such runner here".into()));
    failed(&service, id, "no such runner here");
}

/// Asks for what the box failed once more. The server goes away and comes back.
fn repeating<'a>(
    liar: &'a Liar,
    server: Server<'a>,
    mut service: Service,
) -> (Server<'a>, Service) {
    service.stop();
    drop(server);
    service.change_queues(|queue| queue.requeue = true);
    (back(liar, &mut service, Vec::new()), service)
}

/// The server comes back to a builder that stands so.
fn back<'a>(liar: &'a Liar, service: &mut Service, standings: Vec<Standing>) -> Server<'a> {
    std::thread::scope(|scope| {
        scope.spawn(|| service.spawn());
        liar.greet(standings)
    })
}

/// The next order; what the server has written down is no news.
fn next_order(server: &mut Server<'_>) -> u64 {
    loop {
        match server.hear() {
            ToBuilder::Order(ordered) => return ordered.order.job.get(),
            ToBuilder::Ack(_) => {}
            other => panic!("no order but {other:?}"),
        }
    }
}

/// Carries out an order that fails for this cause.
fn fail(server: &mut Server<'_>, id: u64, cause: Cause) {
    let failure =
        Failure { cause, message: "it broke".into(), suggestion: Some("look".into()), line: None };
    server.tell(id, started());
    server.tell(id, Event::Finished(Finished::plain(Outcome::Failed(failure))));
}

fn suggestion(job: &Value) -> &str {
    job["failure"]["suggestion"].as_str().unwrap_or_default()
}

#[test]
fn what_the_box_failed_is_handed_in_again_once_where_its_queue_says_so_and_nothing_else_is() {
    let liar = Liar::new();
    let (mut server, mut service, mut id) = begun(&liar);
    for repeats in [false, true] {
        if repeats {
            (server, service) = repeating(&liar, server, service);
            id = submit(&service);
            assert_eq!(next_order(&mut server), id);
        }
        for cause in Cause::ALL {
            fail(&mut server, id, cause);
            let job = service.wait(id);
            assert_eq!(job["failure"]["cause"], cause.as_str(), "{job:#}");
            if repeats && [Cause::Box, Cause::Interrupted].contains(&cause) {
                let again = next_order(&mut server);
                let new = service.job(again);
                assert_eq!((new["retry_of"].as_u64(), &new["owner"]), (Some(id), &job["owner"]));
                let told =
                    format!("it was handed in again as job {again}; if that fails too, look");
                assert_eq!(suggestion(&job), told, "{job:#}");
                // That one is not handed in again, whatever becomes of it.
                fail(&mut server, again, cause);
                assert_eq!(suggestion(&service.wait(again)), "look");
            } else {
                assert_eq!(suggestion(&job), "look", "{job:#}");
            }
            // The next order is that of the next request: there was none in between.
            id = submit(&service);
            assert_eq!(next_order(&mut server), id, "{cause:?}, {repeats}");
        }
        server.tell(id, started());
        // Somebody cancelled it, and nobody here knows who: it stays ended all the same.
        server.tell(id, Event::Finished(Finished::plain(Outcome::Stopped(StopReason::Cancelled))));
        let job = service.wait(id);
        assert_eq!(job["failure"]["cause"], "interrupted", "{job:#}");
        assert_eq!((suggestion(&job), service.repeats_of(id)), ("", vec![]), "{job:#}");
    }
}

#[test]
fn what_somebody_cancelled_is_not_handed_in_again_however_it_ends() {
    let liar = Liar::new();
    let (mut server, service, first) = begun(&liar);
    fail(&mut server, first, Cause::Definition);
    service.wait(first);
    let (mut server, mut service) = repeating(&liar, server, service);
    let cancelled = |service: &Service, server: &mut Server<'_>| {
        let id = submit(service);
        assert_eq!(next_order(server), id);
        server.tell(id, started());
        service.wait_for(id, "the build", |job| job["state"] == "building");
        assert!(service.cli(&["cancel", &id.to_string()]).status.success());
        id
    };
    let stop = |server: &mut Server<'_>, id: u64| loop {
        match server.hear() {
            ToBuilder::Stop(job, StopReason::Cancelled) if job.get() == id => return,
            ToBuilder::Ack(_) => {}
            other => panic!("no stop but {other:?}"),
        }
    };
    // It fails before the stop reaches it.
    let failed = cancelled(&service, &mut server);
    stop(&mut server, failed);
    let failure =
        Failure { cause: Cause::Box, message: "no room".into(), suggestion: None, line: None };
    server.tell(failed, Event::Finished(Finished::plain(Outcome::Failed(failure))));
    assert_eq!(service.wait(failed)["failure"]["cause"], "box");

    // Its builder dies before it has ended.
    let lost = cancelled(&service, &mut server);
    stop(&mut server, lost);
    drop(server);
    let mut server = liar.greet(Vec::new());
    assert_eq!(service.wait(lost)["state"], "cancelled");

    // The server dies, and its builder has not heard the word: it is told again.
    let open = cancelled(&service, &mut server);
    service.kill();
    drop(server);
    let standing = Standing {
        started: true,
        ..Standing::new(JobId::new(open).unwrap(), Timestamp::default())
    };
    let mut server = back(&liar, &mut service, vec![standing]);
    stop(&mut server, open);
    assert_eq!(service.job(open)["state"], "building");
    let stopped = Finished::plain(Outcome::Stopped(StopReason::Cancelled));
    server.tell(open, Event::Finished(stopped));
    assert_eq!(service.wait(open)["state"], "cancelled");

    // The server and the builder die.
    let gone = cancelled(&service, &mut server);
    service.kill();
    drop(server);
    let mut server = back(&liar, &mut service, Vec::new());
    assert_eq!(service.wait(gone)["state"], "cancelled");
    let next = submit(&service);
    assert_eq!(next_order(&mut server), next, "nothing was handed in again");
}

/// A service with a liar for a builder, and its first order.
fn begun(liar: &Liar) -> (Server<'_>, Service, u64) {
    let socket = liar.socket.clone();
    let starting = std::thread::spawn(move || Service::with_config(&text(&socket, "")));
    let mut server = liar.greet(Vec::new());
    let service = starting.join().unwrap();
    let id = submit(&service);
    assert_eq!(server.order(), id);
    (server, service, id)
}

#[test]
fn a_second_end_and_a_job_nobody_gave_end_the_connection() {
    let liar = Liar::new();
    let (mut server, service, id) = begun(&liar);
    make(&service, id, "image.raw", b"four");
    server.tell(id, started());
    server.tell(id, done(vec![image("image.raw", 4)]));
    server.tell(id, Event::Finished(Finished::plain(Outcome::Done)));
    while server.hear_or_end().is_some() {}
    assert_eq!(service.wait(id)["state"], "done", "the first end is what happened");

    let mut server = liar.greet(Vec::new());
    server.tell(999, started());
    while server.hear_or_end().is_some() {}
    let next = submit(&service);
    held(&service, next, "job 999, which it was never given");
}

#[test]
fn after_an_absence_a_log_may_be_longer_but_not_shorter_or_longer_than_the_file() {
    let liar = Liar::new();
    let (mut server, service, first) = begun(&liar);
    let second = submit(&service);
    assert_eq!(server.order(), second);
    let standing = |id: u64, log: u64| Standing {
        started: true,
        log: (log, 1),
        ..Standing::new(JobId::new(id).unwrap(), Timestamp::default())
    };
    for id in [first, second] {
        let file = service.data().join(format!("jobs/{id:08}/log"));
        std::fs::write(file, "0123456789\n").unwrap();
        server.tell(id, started());
        server.tell(id, log(0, b"01234"));
    }
    until("the log", || service.log(second).starts_with("01234").then_some(()));
    drop(server);
    // The first has less than it had told of, the second more than there is.
    let mut server = liar.greet(vec![standing(first, 3), standing(second, 99)]);
    failed(&service, first, "jump back from byte 5 to byte 3");
    failed(&service, second, "told of 99 bytes of log, and 11 are on disk");
    assert!(matches!(server.hear(), ToBuilder::Stop(..)));

    let third = submit(&service);
    while !matches!(server.hear(), ToBuilder::Order(order) if order.order.job.get() == third) {}
    std::fs::write(service.data().join(format!("jobs/{third:08}/log")), "0123456789\n").unwrap();
    server.tell(third, started());
    server.tell(third, log(0, b"01234"));
    drop(server);
    // What was missed is in the file: the build goes on where it is.
    let mut server = liar.greet(vec![standing(third, 9)]);
    server.tell(third, log(9, b"9\n"));
    make(&service, third, "image.raw", b"four");
    server.tell(third, done(vec![image("image.raw", 4)]));
    assert_eq!(service.wait(third)["state"], "done");
}

#[test]
fn an_order_that_was_never_heard_is_given_again() {
    let liar = Liar::new();
    let (server, service, id) = begun(&liar);
    drop(server);
    let mut server = liar.greet(Vec::new());
    assert_eq!(server.order(), id, "nobody knows it: it is given again");
    server.tell(id, started());
    server.tell(id, Event::Phase { name: "packing".into(), at: Timestamp::default() });
    until("the phase", || (service.job(id)["phase"] == "packing").then_some(()));
    drop(server);
    let _server = liar.greet(Vec::new());
    let job = service.wait(id);
    assert_eq!(job["failure"]["cause"], "interrupted", "{job:#}");
}

#[test]
fn an_order_that_died_with_its_server_before_anything_began_is_given_again() {
    let liar = Liar::new();
    let (server, mut service, id) = begun(&liar);
    service.wait_for(id, "the build", |job| job["state"] == "building");
    service.kill();
    drop(server);
    let mut server = back(&liar, &mut service, Vec::new());
    assert_eq!(server.order(), id, "there is no log of it: it never began");
    assert_eq!(service.job(id)["state"], "building");
    // Once there is a log, something was lost with the builder.
    let file = service.data().join(format!("jobs/{id:08}/log"));
    std::fs::write(file, "01234\n").unwrap();
    server.tell(id, started());
    server.tell(id, log(0, b"01234\n"));
    until("the log", || service.log(id).starts_with("01234").then_some(()));
    service.kill();
    drop(server);
    let _server = back(&liar, &mut service, Vec::new());
    let job = service.wait(id);
    assert_eq!(job["failure"]["cause"], "interrupted", "{job:#}");
}

#[test]
fn another_version_is_said_in_a_sentence() {
    let liar = Liar::new();
    let socket = liar.socket.clone();
    let starting = std::thread::spawn(move || Service::with_config(&text(&socket, "")));
    let mut hello = Vec::new();
    let (program, sandbox) = ("9.9.9".into(), String::new());
    FromBuilder::Hello { program, sandbox, running: 0 }.encode(&mut hello).unwrap();
    hello[9] = 99;
    let mut first = liar.meet();
    first.send(&hello);
    let service = starting.join().unwrap();
    let id = submit(&service);
    let hold = held(&service, id, "speaks version 99");
    assert!(hold.contains("run the same img"), "{hold}");
}

#[test]
fn babble_ends_the_connection_and_the_next_one_works() {
    let liar = Liar::new();
    let (mut server, service, id) = begun(&liar);
    server.send(&[255; 64]);
    while server.hear_or_end().is_some() {}
    let next = submit(&service);
    held(&service, next, "4294967295 bytes");
    let mut server = liar.greet(Vec::new());
    let orders = [server.order(), server.order()];
    assert!(orders.contains(&id) && orders.contains(&next), "{orders:?}");
}

/// Everything a real builder says to these bytes.
fn answer(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who is sent away unheard cannot finish, and reads the reason all the same.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn a_builder_sends_whoever_babbles_away_with_a_sentence_and_works_on() {
    let (service, mut builder) = both("");
    let socket = builder.socket();
    let mut hello = Vec::new();
    ToBuilder::Hello.encode(&mut hello).unwrap();
    let with = |more: &[u8]| [hello.as_slice(), more].concat();
    assert!(answer(&socket, b"GET / HTTP/1.1\r\n\r\n").contains("bytes came"));
    assert!(answer(&socket, &[1, 0, 0, 0, 99]).contains("unknown kind 99"));
    assert!(answer(&socket, &[1, 0, 0, 0, 5]).contains("did not say hello first"));
    let mut other = hello.clone();
    other[9] = 77;
    assert!(answer(&socket, &other).contains("version 77"));
    // Who has said hello has the server's place; it may be back, and have it, before the rest is read.
    let told = |more: &[u8], word: &str| {
        until(word, || answer(&socket, &with(more)).contains(word).then_some(()));
    };
    told(&[9, 0, 0, 0, 2, 1], "cut in the middle");
    told(&[3, 0, 0, 0, 2, 1, 1], "does not read");
    told(&hello, "hello twice");
    assert!(builder.is_alive());
    // Each of those took the server's place for a moment; it comes back by itself.
    if is_root("mic") {
        let id = submit(&service);
        assert_eq!(service.wait(id)["state"], "done");
    }
}

const STRANGER: &str = "IMG_TEST_STRANGER";

/// Only a role: somebody without rights who speaks to a builder. Without the variable there is
/// nothing to do.
#[test]
fn stranger_role() {
    let Some(socket) = std::env::var_os(STRANGER).map(PathBuf::from) else { return };
    let mut hello = Vec::new();
    ToBuilder::Hello.encode(&mut hello).unwrap();
    println!("it said: {}", answer(&socket, &hello));
}

#[test]
fn another_user_is_refused_even_where_the_socket_is_open_to_all() {
    if !is_root("another user") {
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let (_service, builder) = both("");
    let socket = builder.socket();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(socket.parent().unwrap(), 0o711);
    open(&socket, 0o666);
    let program =
        common::for_everybody(&std::env::current_exe().unwrap(), socket.parent().unwrap());
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["--exact", "stranger_role", "--nocapture"])
        .env(STRANGER, &socket)
        .output();
    let said = common::said(&output.unwrap());
    assert!(said.contains("user 65534 may not speak to this builder"), "{said}");
}

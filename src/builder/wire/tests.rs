use super::*;
use crate::{
    builder::protocol::{
        Event, Finished, Limits, Order, Outcome, StagedArtifact, Standing, StopReason, VERSION,
    },
    domain::{
        Arch, Bounds, Cause, Complaints, Failure, ImageTypeId, JobId, JobName, Role, RunnerId,
        Sandbox, Timestamp, Used,
    },
    plugin::Ask,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::time::Duration;

fn job(number: u64) -> JobId {
    JobId::new(number).unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn order() -> Order {
    Order {
        version: VERSION,
        job: job(42),
        runner: RunnerId::new("mic").unwrap(),
        runner_sha256: "ab".repeat(32),
        request: Ask {
            name: JobName::new("web-image").unwrap(),
            definition: Bytes::from_static(b"part / --size 400\n"),
            image_type: ImageTypeId::new("raw").unwrap(),
            arch: Arch::new("x86_64").unwrap(),
            packages: vec!["vim".into(), "-nano".into()],
            options: vec![("compression".into(), "xz".into())],
            secrets: vec!["hunter2".into()],
            input_job: Some(job(41)),
        },
        limits: Limits {
            total: Duration::from_secs(3600),
            silence: Duration::from_millis(1500),
            grace: [Duration::from_secs(10), Duration::from_secs(5)],
            log: 64 << 20,
            bounds: Bounds { sandbox: Sandbox::Rootless, memory: 1 << 30, ..Bounds::default() },
        },
    }
}

fn used() -> Used {
    Used { cpu: Duration::from_micros(1_234_567), memory: 5 << 30, written: 6 }
}

fn finished(outcome: Outcome, artifacts: usize) -> Finished {
    let artifact = |n: usize| StagedArtifact {
        name: format!("image-{n}.raw"),
        role: Role::ALL[n % Role::ALL.len()],
        label: "the image".into(),
        size: n as u64,
        sha256: "0".repeat(64),
    };
    Finished {
        outcome,
        artifacts: (0..artifacts).map(artifact).collect(),
        residual: vec!["/dev/loop7 still holds it".into()],
        peak_disk: 1 << 40,
        used: used(),
    }
}

fn standing() -> Standing {
    Standing {
        started: true,
        commands: vec!["mic create raw".into()],
        sandbox: "own namespaces".into(),
        phases: vec![("packages".into(), at(7)), ("pack".into(), at(9))],
        progress: Some((3, Some(8), "packages".into())),
        complaints: Complaints { errors: 0, warnings: 2, first: 7 },
        log: (12_345, 67),
        disk: 99,
        used: used(),
        stopping: Some(StopReason::Cancelled),
        finished: Some(finished(Outcome::Stopped(StopReason::Interrupted), 0)),
        ..Standing::new(job(9), at(1))
    }
}

fn failure() -> Failure {
    Failure {
        cause: Cause::Repository,
        message: "no mirror answers".into(),
        suggestion: Some("try later".into()),
        line: Some(12),
    }
}

fn events() -> Vec<Event> {
    vec![
        Event::Started { commands: vec!["mic".into()], sandbox: "full".into(), at: at(-5) },
        Event::Log { offset: 17, bytes: Bytes::from_static(b"Info: \xff\n"), at: at(3) },
        Event::Phase { name: "packages".into(), at: at(4) },
        Event::Progress { done: 1, total: None, unit: "files".into() },
        Event::Complaints(Complaints { errors: 1, warnings: u64::MAX, first: 3 }),
        Event::Usage { disk: u64::MAX, used: used() },
        Event::Finished(finished(Outcome::Done, 3)),
        Event::Finished(finished(Outcome::Failed(failure()), 0)),
    ]
}

fn from_builder() -> Vec<FromBuilder> {
    let mut all = vec![
        FromBuilder::Hello { program: "0.1.0".into(), sandbox: "all".into(), running: 2 },
        FromBuilder::Standing(Box::new(standing())),
        FromBuilder::Standing(Box::new(Standing::new(job(1), at(0)))),
        FromBuilder::Refused(job(3), "no directory".into()),
        FromBuilder::Pong,
        FromBuilder::Stopping,
        FromBuilder::Goodbye("another server has come".into()),
    ];
    all.extend(events().into_iter().map(|event| FromBuilder::Event(job(u64::MAX), event)));
    all
}

fn to_builder() -> Vec<ToBuilder> {
    vec![
        ToBuilder::Hello,
        ToBuilder::Order(Box::new(Ordered::of(order()))),
        ToBuilder::Stop(job(4), StopReason::Interrupted),
        ToBuilder::Ack(job(5)),
        ToBuilder::Ping,
    ]
}

fn encoded_from(message: &FromBuilder) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes).unwrap();
    bytes
}

fn encoded_to(message: &ToBuilder) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes).unwrap();
    bytes
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn read_from(mut bytes: &[u8]) -> Result<FromBuilder, WireError> {
    wait(FromBuilder::read(&mut bytes))
}

fn read_to(mut bytes: &[u8]) -> Result<ToBuilder, WireError> {
    wait(ToBuilder::read(&mut bytes))
}

#[test]
fn every_message_comes_back_as_it_was_sent() {
    for message in from_builder() {
        let back = read_from(&encoded_from(&message)).unwrap();
        assert_eq!(format!("{back:?}"), format!("{message:?}"));
    }
    for message in to_builder() {
        let back = read_to(&encoded_to(&message)).unwrap();
        assert_eq!(format!("{back:?}"), format!("{message:?}"));
    }
}

#[test]
fn a_definition_does_not_travel_but_what_it_is_does() {
    let bytes = encoded_to(&ToBuilder::Order(Box::new(Ordered::of(order()))));
    assert!(!bytes.windows(6).any(|w| w == b"--size"));
    let Ok(ToBuilder::Order(ordered)) = read_to(&bytes) else { panic!("no order") };
    assert_eq!(ordered.definition_size, 18);
    assert!(ordered.order.request.definition.is_empty());
}

#[test]
fn a_long_piece_of_log_is_several_messages_without_a_gap() {
    let bytes = Bytes::from(vec![b'x'; 3 << 20]);
    let mut out = Vec::new();
    let event = Event::Log { offset: 100, bytes: bytes.clone(), at: at(1) };
    FromBuilder::Event(job(1), event).encode(&mut out).unwrap();
    let (mut rest, mut next) = (out.as_slice(), 100);
    while !rest.is_empty() {
        let FromBuilder::Event(_, Event::Log { offset, bytes, .. }) =
            wait(FromBuilder::read(&mut rest)).unwrap()
        else {
            panic!("no log")
        };
        assert_eq!(offset, next);
        next += bytes.len() as u64;
    }
    assert_eq!(next, 100 + (3 << 20));
}

#[test]
fn what_is_too_long_is_cut_where_it_is_only_for_people() {
    let long = "ü".repeat(20_000);
    let started =
        Event::Started { commands: vec![long.clone(); 200], sandbox: long.clone(), at: at(1) };
    let failed = Failure { message: long.clone(), suggestion: Some(long.clone()), ..failure() };
    let residual = vec![long.clone(); 300];
    let ended = Finished { residual, ..finished(Outcome::Failed(failed), 0) };
    let crowded = Standing {
        commands: vec![long.clone(); 99],
        phases: vec![(long.clone(), at(1)); 99],
        finished: Some(ended.clone()),
        ..standing()
    };
    for message in [
        FromBuilder::Event(job(1), started),
        FromBuilder::Event(job(1), Event::Finished(ended)),
        FromBuilder::Standing(Box::new(crowded)),
        FromBuilder::Refused(job(1), long.clone()),
        FromBuilder::Goodbye(long),
    ] {
        read_from(&encoded_from(&message)).unwrap();
    }
}

#[test]
fn an_end_with_too_many_files_fails_with_a_sentence() {
    let event = Event::Finished(finished(Outcome::Done, 30_000));
    let message = FromBuilder::Event(job(1), event);
    let Ok(FromBuilder::Event(_, Event::Finished(back))) = read_from(&encoded_from(&message))
    else {
        panic!("no end")
    };
    let Outcome::Failed(failure) = back.outcome else { panic!("{:?}", back.outcome) };
    assert!(failure.message.contains("30000 files"), "{}", failure.message);
}

#[test]
fn an_order_that_is_too_long_is_not_sent() {
    let mut order = order();
    order.request.packages = vec!["x".repeat(1_000); 2_000];
    let mut out = vec![1, 2, 3];
    let message = ToBuilder::Order(Box::new(Ordered::of(order)));
    assert!(matches!(message.encode(&mut out), Err(WireError::TooLong(_))));
    assert_eq!(out, [1, 2, 3], "nothing of it is sent");
}

#[test]
fn whatever_does_not_belong_ends_with_its_sentence() {
    let said = |bytes: &[u8]| read_from(bytes).unwrap_err().to_string();
    assert!(said(&[]).contains("was closed"));
    assert!(said(&[5]).contains("cut in the middle"));
    assert!(said(&[5, 0, 0, 0, 70]).contains("cut in the middle"));
    assert!(said(&[0, 0, 0, 0]).contains("empty message"));
    assert!(said(&[255, 255, 255, 255]).contains("4294967295 bytes"));
    assert!(said(&[1, 0, 16, 0, 70]).contains("1048577 bytes"));
    assert!(said(&[1, 0, 0, 0, 200]).contains("unknown kind 200"));
    assert!(said(&[2, 0, 0, 0, 70, 9]).contains("does not read"), "bytes left over");
    assert!(said(&[1, 0, 0, 0, 65]).contains("no hello of an img"));
    let hello = FromBuilder::Hello { program: String::new(), sandbox: String::new(), running: 0 };
    let mut hello = encoded_from(&hello);
    hello[9] = 77;
    assert!(said(&hello).contains("version 77"), "{}", said(&hello));
    assert!(said(&hello).contains("run the same img"));
    let mut order = Ordered::of(order());
    order.definition_sha256 = "x".repeat(64);
    let bytes = encoded_to(&ToBuilder::Order(Box::new(order)));
    assert!(read_to(&bytes).unwrap_err().to_string().contains("no SHA-256"));
}

fn harmless(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(message) = wait(FromBuilder::read(&mut rest)) {
        let _ = message.encode(&mut Vec::new());
    }
    let mut rest = bytes;
    while let Ok(message) = wait(ToBuilder::read(&mut rest)) {
        let _ = message.encode(&mut Vec::new());
    }
}

fn valid() -> Vec<u8> {
    let mut bytes: Vec<u8> = from_builder().iter().flat_map(encoded_from).collect();
    bytes.extend(to_builder().iter().flat_map(encoded_to));
    bytes
}

/// A whole frame around any body.
fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap();
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.push(kind);
    bytes.extend_from_slice(body);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        harmless(&bytes);
    }

    #[test]
    fn no_body_breaks_any_kind(
        kind in prop_oneof![1u8..=5, 65u8..=72],
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        harmless(&framed(kind, &body));
    }

    #[test]
    fn a_message_that_is_cut_or_changed_breaks_nothing(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut messages: Vec<_> = from_builder().iter().map(encoded_from).collect();
        messages.extend(to_builder().iter().map(encoded_to));
        let mut bytes = which.get(&messages).clone();
        let end = cut.index(bytes.len() + 1);
        if changes.is_empty() {
            bytes.truncate(end);
            if end < which.get(&messages).len() {
                prop_assert!(read_from(&bytes).is_err() && read_to(&bytes).is_err());
            }
        }
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        harmless(&bytes);
    }

    #[test]
    fn a_stream_that_is_cut_ends_with_closed_or_cut(cut in any::<prop::sample::Index>()) {
        let bytes = valid();
        let mut rest = &bytes[..cut.index(bytes.len())];
        let error = loop {
            if let Err(error) = wait(super::read(&mut rest)) {
                break error;
            }
        };
        prop_assert!(matches!(error, WireError::Closed | WireError::Cut), "{error}");
    }
}

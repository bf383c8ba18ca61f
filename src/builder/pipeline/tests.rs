use super::*;
use crate::{domain::JobId, files::DataDir, plugin::PluginError};
use std::{cell::RefCell, rc::Rc};
use tokio::sync::mpsc;

struct Bench {
    tmp: tempfile::TempDir,
    pipeline: Pipeline,
    events: mpsc::Receiver<Event>,
}

fn bench(secrets: &[&str], cap: Cap) -> Bench {
    let tmp = tempfile::tempdir().unwrap();
    let data = DataDir::open(tmp.path()).unwrap();
    data.create_job(JobId::FIRST, b"", b"{}").unwrap();
    let (sender, events) = mpsc::channel(10_000);
    let log = data.append_log(JobId::FIRST).unwrap();
    let masker = Masker::new(secrets.iter().copied());
    Bench { tmp, pipeline: Pipeline::new(log, masker, Outbox::new(sender), cap), events }
}

impl Bench {
    fn log(&self) -> Vec<u8> {
        std::fs::read(self.tmp.path().join("jobs/00000001/log")).unwrap()
    }

    /// The log as the events tell it; each must follow the one before.
    fn told(&mut self) -> Vec<u8> {
        let mut told = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Log { offset, bytes, .. } = event {
                assert_eq!(offset, told.len() as u64);
                told.extend_from_slice(&bytes);
            }
        }
        told
    }

    /// What the newest event since the last call tells of complaints.
    fn complaints(&mut self) -> Complaints {
        let mut told = Complaints::default();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Complaints(all) = event {
                told = all;
            }
        }
        told
    }
}

struct Recorder(Rc<RefCell<Vec<String>>>, bool);

impl Observing for Recorder {
    fn feed(&mut self, lines: &[String]) -> Result<Vec<api::Event>, PluginError> {
        if self.1 {
            let reason = "trapped".into();
            return Err(PluginError::Runner { runner: "t".into(), version: "1".into(), reason });
        }
        self.0.borrow_mut().extend_from_slice(lines);
        Ok(lines
            .iter()
            .filter(|line| line.starts_with("error") || line.starts_with("warning"))
            .map(|line| {
                api::Event::Diagnostic(api::Diagnostic {
                    severity: match line.starts_with("error") {
                        true => api::Severity::Error,
                        false => api::Severity::Warning,
                    },
                    message: line.clone(),
                    line: None,
                    hint: None,
                })
            })
            .collect())
    }
}

#[test]
fn what_the_events_tell_is_what_the_log_holds() {
    let mut bench = bench(&["s3cret"], Cap::of(64 << 20));
    bench.pipeline.remark("begins");
    for piece in [&b"one\ntwo s3c"[..], b"ret\nthr", b"ee"] {
        bench.pipeline.output(piece);
    }
    bench.pipeline.remark("s3cret ends");
    bench.pipeline.finish();
    let log = String::from_utf8(bench.log()).unwrap();
    assert_eq!(log, "[img] begins\none\ntwo ••••••\nthree\n[img] •••••• ends\n");
    assert_eq!(bench.told(), bench.log());
}

#[test]
fn a_huge_line_is_folded_and_loses_nothing() {
    let mut bench = bench(&[], Cap::of(64 << 20));
    let line = vec![b'x'; 200_000];
    for piece in line.chunks(7_000) {
        bench.pipeline.output(piece);
    }
    bench.pipeline.output(b"\nshort\n");
    bench.pipeline.finish();
    let log = bench.log();
    assert!(log.split(|b| *b == b'\n').all(|line| line.len() <= LONGEST_LINE));
    assert_eq!(log.iter().filter(|b| **b == b'x').count(), 200_000);
    assert!(log.ends_with(b"\nshort\n"));
    assert_eq!(log.iter().filter(|b| **b == b'\n').count(), 5);
}

#[test]
fn a_log_that_is_too_long_keeps_its_beginning_and_its_end() {
    let mut bench = bench(&[], Cap { head: 10_000, tail: 2_000 });
    for n in 0..5_000 {
        bench.pipeline.output(format!("line {n}\n").as_bytes());
    }
    bench.pipeline.finish();
    let log = String::from_utf8(bench.log()).unwrap();
    assert!(log.starts_with("line 0\nline 1\n") && log.ends_with("line 4998\nline 4999\n"));
    assert!(log.contains("[img] the log has reached") && log.contains("bytes are left out here"));
    assert!(log.len() < 12_500, "{}", log.len());
    assert_eq!(bench.told(), log.as_bytes());
}

#[test]
fn the_observer_sees_whole_lines_and_its_complaints_point_at_them() {
    let mut bench = bench(&[], Cap::of(64 << 20));
    let seen = Rc::default();
    bench.pipeline.observe_with(Box::new(Recorder(Rc::clone(&seen), false)));
    bench.pipeline.remark("own lines are not observed");
    for piece in [&b"fir"[..], b"st\n10%\r20%\r", b"done\nerror: no", b" space\n"] {
        bench.pipeline.output(piece);
    }
    bench.pipeline.end_output();
    assert_eq!(*seen.borrow(), ["first", "10%", "20%", "done", "error: no space"]);
    let first = bench.pipeline.first_error.clone().unwrap();
    assert_eq!((first.line, first.message.as_str()), (4, "error: no space"));
}

#[test]
fn complaints_are_counted_and_the_first_error_goes_before_the_first_warning() {
    let mut bench = bench(&[], Cap::of(64 << 20));
    bench.pipeline.observe_with(Box::new(Recorder(Rc::default(), false)));
    for (piece, [errors, warnings, first]) in [
        ("fine\n", [0, 0, 0]),
        ("warning: a\nwarning: b\n", [0, 2, 2]),
        ("fine\nerror: c\n", [1, 2, 5]),
        ("warning: d\nerror: e\n", [2, 3, 5]),
    ] {
        bench.pipeline.output(piece.as_bytes());
        bench.pipeline.feed();
        assert_eq!(bench.complaints(), Complaints { errors, warnings, first }, "{piece}");
    }
    bench.pipeline.finish();
}

#[test]
fn a_runner_that_traps_while_observing_does_not_stop_the_log() {
    let mut bench = bench(&[], Cap::of(64 << 20));
    bench.pipeline.observe_with(Box::new(Recorder(Rc::default(), true)));
    bench.pipeline.output(b"one\n");
    bench.pipeline.feed();
    bench.pipeline.output(b"two\n");
    bench.pipeline.finish();
    let log = String::from_utf8(bench.log()).unwrap();
    assert!(log.contains("trapped") && log.ends_with("two\n"), "{log}");
}

#[test]
fn a_log_keeps_a_mebibyte_of_its_end_or_a_sixteenth() {
    assert_eq!(Cap::of(64 << 20), Cap { head: 63 << 20, tail: 1 << 20 });
    assert_eq!(Cap::of(1 << 20), Cap { head: 960 << 10, tail: 64 << 10 });
    assert_eq!(Cap::of(0), Cap { head: 60 << 10, tail: 4 << 10 });
    assert_eq!(Cap::of(u64::MAX).tail, 1 << 20);
}

use super::super::format::{END, START};
use super::*;
use crate::files::LogFile;
use flate2::read::{GzDecoder, MultiGzDecoder};
use proptest::prelude::*;
use std::{io::Read, path::PathBuf, sync::Arc};

struct Bench {
    tmp: tempfile::TempDir,
    data: DataDir,
    id: JobId,
    text: Vec<u8>,
}

impl Bench {
    /// A job whose log is `text`.
    fn new(text: Vec<u8>) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let data = DataDir::open(tmp.path()).unwrap();
        let id = JobId::new(1).unwrap();
        data.create_job(id, b"", b"{}").unwrap();
        data.append_log(id).unwrap().append(&text, 5).unwrap();
        Self { tmp, data, id, text }
    }

    fn compressed(text: Vec<u8>) -> Self {
        let bench = Self::new(text);
        bench.compress().unwrap();
        bench
    }

    fn compress(&self) -> Option<(u64, u64)> {
        self.data.compress_log(self.id, &|| true).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.tmp.path().join("jobs/00000001").join(name)
    }

    fn names(&self) -> Vec<String> {
        let names = self.data.job_dir(self.id).unwrap().names(99).unwrap();
        let mut names: Vec<_> = names.into_iter().map(|n| n.into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("log") && name != "log.idx");
        names.sort();
        names
    }

    fn open(&self) -> LogFile {
        self.data.open_log(self.id).unwrap().unwrap()
    }

    fn gz(&self) -> Vec<u8> {
        std::fs::read(self.path("log.gz")).unwrap()
    }
}

/// Lines of different lengths, hard enough to compress that members differ in size.
fn lines(bytes: usize, seed: u64) -> Vec<u8> {
    let (mut text, mut state) = (Vec::with_capacity(bytes + 200), seed | 1);
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let line = format!("[{:>8}] unpacking part {state:x}\n", text.len());
        text.extend_from_slice(&line.as_bytes()[..line.len() - (state % 9) as usize]);
        if state.is_multiple_of(3) {
            text.push(b'\n');
        }
    }
    text.truncate(bytes);
    text
}

/// Bytes no compressor can do anything about.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..bytes / 8 + 1).flat_map(|_| next()).take(bytes).collect()
}

fn read(log: &LogFile, from: usize, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut done = 0;
    while done < len {
        match log.read_full_at(&mut bytes[done..], (from + done) as u64)? {
            0 => break,
            read => done += read,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

fn members(log: &LogFile, text: &[u8]) -> Vec<bool> {
    let member = MEMBER as usize;
    let readable = |number: usize| {
        let part = &text[number * member..text.len().min((number + 1) * member)];
        match read(log, number * member, part.len()) {
            Ok(bytes) => {
                assert!(bytes == part, "member {number} reads as something else");
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
                let said = error.to_string();
                assert!(said.contains("log.gz is damaged: bytes"), "{said}");
                false
            }
        }
    };
    (0..text.len().div_ceil(member)).map(readable).collect()
}

fn wire(log: &LogFile, step: usize) -> Vec<u8> {
    let len = log.gzip_len().unwrap();
    let (mut all, mut piece) = (Vec::new(), vec![0; step]);
    loop {
        match log.read_gzip_at(&mut piece, all.len() as u64).unwrap() {
            0 => break,
            read => all.extend_from_slice(&piece[..read]),
        }
    }
    assert_eq!(all.len() as u64, len);
    all
}

#[test]
fn a_compressed_log_is_what_any_gzip_reads() {
    let bench = Bench::new(lines(3 * MEMBER as usize + 77, 1));
    let before = bench.data.log_bytes_on_disk(bench.id);
    let (plain, packed) = bench.compress().unwrap();
    assert_eq!(plain, bench.text.len() as u64);
    assert_eq!(packed, bench.gz().len() as u64);
    assert_eq!(bench.names(), ["log.gz"]);
    assert!(bench.data.log_bytes_on_disk(bench.id) < before);
    let mut text = Vec::new();
    MultiGzDecoder::new(bench.gz().as_slice()).read_to_end(&mut text).unwrap();
    assert!(text == bench.text);
    assert_eq!(bench.compress(), None, "there is nothing left to do");
}

#[test]
fn over_http_it_is_one_gzip_member() {
    for text in [lines(2 * MEMBER as usize, 3), lines(MEMBER as usize * 5 / 2, 4), noise(600_000)] {
        let bench = Bench::compressed(text);
        let wire = wire(&bench.open(), 10_007);
        let mut text = Vec::new();
        // This decoder stops after the first member, as browsers do.
        GzDecoder::new(wire.as_slice()).read_to_end(&mut text).unwrap();
        assert!(text == bench.text);
    }
}

#[test]
fn a_small_log_stays_plain() {
    let bench = Bench::new(lines(SMALL_LOG as usize - 1, 1));
    assert_eq!(bench.compress(), None);
    assert_eq!(bench.names(), ["log"]);
    assert!(bench.open().plain().is_some() && bench.open().gzip_len().is_none());
}

#[test]
fn a_job_without_a_log_or_a_directory_has_nothing_to_compress() {
    let bench = Bench::new(Vec::new());
    let other = JobId::new(2).unwrap();
    assert_eq!(bench.data.compress_log(other, &|| true).unwrap(), None);
    bench.data.create_job(other, b"", b"{}").unwrap();
    assert_eq!(bench.data.compress_log(other, &|| true).unwrap(), None);
    assert!(bench.data.open_log(other).unwrap().is_none());
    assert_eq!(bench.data.log_bytes_on_disk(other), 0);
}

#[test]
fn whatever_a_kill_leaves_can_be_read_and_is_finished_later() {
    let text = lines(2 * MEMBER as usize + 9, 5);
    let done = Bench::compressed(text.clone()).gz();
    let half = &done[..done.len() / 2];
    let states: [&[(&str, &[u8])]; 5] = [
        &[("log", &text), ("log.gz.new", &[])],
        &[("log", &text), ("log.gz.new", half)],
        &[("log", &text), ("log.gz.new", &done)],
        &[("log", &text), ("log.gz", &done)],
        // Something else made it: the plain one counts.
        &[("log", &text), ("log.gz", half), ("log.gz.new", half)],
    ];
    for (number, state) in states.iter().enumerate() {
        let bench = Bench::new(text.clone());
        for (name, bytes) in *state {
            std::fs::write(bench.path(name), bytes).unwrap();
        }
        assert!(read(&bench.open(), 0, text.len() + 1).unwrap() == text, "state {number}");
        assert!(bench.compress().is_some(), "state {number}");
        assert_eq!(bench.names(), ["log.gz"], "state {number}");
        assert!(read(&bench.open(), 0, text.len() + 1).unwrap() == text, "state {number}");
    }
}

#[test]
fn who_reads_a_log_while_it_is_compressed_or_deleted_goes_on() {
    let bench = Bench::new(lines(2 * MEMBER as usize, 6));
    let before = bench.open();
    bench.compress().unwrap();
    let after = bench.open();
    assert!(before.plain().is_some() && after.plain().is_none());
    assert_ne!(before.identity().unwrap(), after.identity().unwrap());
    bench.data.remove_job(bench.id).unwrap();
    for log in [before, after] {
        assert!(read(&log, 7, bench.text.len()).unwrap() == bench.text[7..]);
    }
}

#[test]
fn compressing_can_be_broken_off_between_any_two_members() {
    let text = lines(3 * MEMBER as usize, 7);
    // Once per member while writing, once while reading back.
    for steps in 0..6_u32 {
        let bench = Bench::new(text.clone());
        let left = std::cell::Cell::new(steps);
        let go_on = || left.replace(left.get().saturating_sub(1)) > 0;
        assert_eq!(bench.data.compress_log(bench.id, &go_on).unwrap(), None);
        assert_eq!(bench.names(), ["log"], "after {steps} steps");
    }
}

#[test]
fn a_job_that_is_deleted_while_its_log_is_compressed_is_gone() {
    let text = lines(3 * MEMBER as usize, 16);
    for step in 0..6_u32 {
        let bench = Bench::new(text.clone());
        let left = std::cell::Cell::new(step);
        let delete = || {
            if left.get() == 0 {
                bench.data.remove_job(bench.id).unwrap();
            }
            left.set(left.get().wrapping_sub(1));
            true
        };
        assert_eq!(bench.data.compress_log(bench.id, &delete).unwrap(), None, "step {step}");
        assert!(!bench.path("").exists() && bench.data.trash().names(9).unwrap().is_empty());
    }
}

#[test]
fn nobody_appends_to_a_compressed_log() {
    let bench = Bench::compressed(lines(40_000, 8));
    let said = bench.data.append_log(bench.id).unwrap_err().to_string();
    assert!(said.contains("log.gz") && said.contains("ended"), "{said}");
    assert_eq!(bench.names(), ["log.gz"]);
}

#[test]
fn a_log_that_grew_meanwhile_stays_plain() {
    let bench = Bench::new(lines(2 * MEMBER as usize, 9));
    let path = bench.path("log");
    let grow = || {
        let mut log = File::options().append(true).open(&path).unwrap();
        log.write_all(b"more\n").unwrap();
        true
    };
    let said = bench.data.compress_log(bench.id, &grow).unwrap_err().to_string();
    assert!(said.contains("grown"), "{said}");
    assert_eq!(bench.names(), ["log"]);
}

#[test]
fn the_line_index_says_the_same_before_and_after() {
    let bench = Bench::new(lines(2 * MEMBER as usize + 5_000, 10));
    let answers = || {
        let index = bench.data.open_log_index(bench.id).unwrap().unwrap();
        let lines = index.lines().unwrap();
        let places: Vec<_> =
            (0..=lines + 1).step_by(97).map(|line| index.line(line).unwrap()).collect();
        let numbers: Vec<_> = (0..bench.text.len() as u64 + 9)
            .step_by(4_999)
            .map(|at| index.line_at(at).unwrap())
            .collect();
        (lines, places, numbers)
    };
    let before = answers();
    bench.compress().unwrap();
    assert_eq!(answers(), before);
}

#[test]
fn a_reader_holds_one_member_however_long_the_log_is() {
    let bench = Bench::compressed(lines(12 * MEMBER as usize, 11));
    let (file, size) = bench.data.job_dir(bench.id).unwrap().open_file("log.gz").unwrap();
    let frames = Frames::open(file, size, String::new());
    let mut buffer = vec![0; 10_000];
    for offset in (0..frames.len()).step_by(10_000) {
        frames.read_at(&mut buffer, offset).unwrap();
        assert!(frames.held() <= MEMBER as usize, "{} bytes", frames.held());
    }
    assert!(frames.places.len() <= 12);
}

#[test]
fn without_its_directory_a_log_is_found_by_its_headers() {
    let bench = Bench::compressed(lines(4 * MEMBER as usize + 1, 12));
    let whole = bench.gz();
    let mut cut = whole.clone();
    cut.truncate(whole.len() - 3);
    std::fs::write(bench.path("log.gz"), &cut).unwrap();
    let log = bench.open();
    assert_eq!(log.len().unwrap(), bench.text.len() as u64);
    assert_eq!(members(&log, &bench.text), [true; 5]);
    assert_eq!(log.gzip_len(), None, "what is not whole is not sent packed");

    // And without a header too: only its own member is lost.
    let second = whole.windows(START.len()).skip(1).position(|w| w == START).unwrap() + 1;
    for at in [second, second + 16, second + 20] {
        let mut damaged = cut.clone();
        damaged[at] ^= 0x55;
        std::fs::write(bench.path("log.gz"), damaged).unwrap();
        assert_eq!(members(&bench.open(), &bench.text), [true, false, true, true, true]);
    }
}

#[test]
fn a_file_that_holds_nothing_opens_and_says_so() {
    let bench = Bench::compressed(lines(40_000, 13));
    for rubbish in [Vec::new(), b"x".to_vec(), vec![0; 100_000], noise(100_000)] {
        std::fs::write(bench.path("log.gz"), rubbish).unwrap();
        let error = read(&bench.open(), 0, 10).unwrap_err();
        assert!(error.to_string().contains("log.gz is damaged"), "{error}");
        let index = bench.data.open_log_index(bench.id).unwrap().unwrap();
        assert!(index.lines().unwrap() > 0 && index.line(1).unwrap().is_some());
        index.line_at(0).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_part_of_any_log_reads_as_before(
        bytes in SMALL_LOG as usize..900_000,
        seed in any::<u64>(),
        hard in any::<bool>(),
        parts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..400_000), 1..12),
    ) {
        let bench = Bench::new(if hard { noise(bytes) } else { lines(bytes, seed) });
        prop_assert!(bench.compress().is_some());
        let log = Arc::new(bench.open());
        prop_assert_eq!(log.len().unwrap(), bytes as u64);
        for (from, len) in parts {
            let from = from.index(bytes + 10);
            let wanted = bench.text.get(from..bytes.min(from + len)).unwrap_or_default();
            prop_assert!(read(&log, from, len).unwrap() == wanted);
        }
    }

    #[test]
    fn one_damaged_byte_costs_one_member_at_most(
        at in any::<prop::sample::Index>(),
        flip in 1u8..=255,
    ) {
        let bench = Bench::compressed(lines(3 * MEMBER as usize - 5, 14));
        let mut gz = bench.gz();
        let at = at.index(gz.len());
        gz[at] ^= flip;
        std::fs::write(bench.path("log.gz"), &gz).unwrap();
        let log = bench.open();
        prop_assert_eq!(log.len().unwrap(), bench.text.len() as u64);
        let readable = members(&log, &bench.text);
        prop_assert!(readable.iter().filter(|r| !**r).count() <= 1, "{readable:?}");
        let index = bench.data.open_log_index(bench.id).unwrap().unwrap();
        let lines = index.lines().unwrap();
        prop_assert!(lines > 1_000 && index.line(lines / 2).unwrap().is_some());
    }

    #[test]
    fn a_file_that_is_cut_reads_up_to_the_cut(at in any::<prop::sample::Index>()) {
        let bench = Bench::compressed(lines(3 * MEMBER as usize - 5, 15));
        let gz = bench.gz();
        let at = HEADER + END + at.index(gz.len() - HEADER - END);
        std::fs::write(bench.path("log.gz"), &gz[..at]).unwrap();
        let log = bench.open();
        prop_assert_eq!(log.len().unwrap(), bench.text.len() as u64);
        let readable = members(&log, &bench.text);
        prop_assert!(readable.is_sorted_by(|a, b| a >= b), "{readable:?}");
        prop_assert!(log.read_gzip_at(&mut [0], 0).is_err());
    }
}

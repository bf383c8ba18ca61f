//! Data for pages. Every free text is `Sample::text`, so that one builder serves pages that are
//! to look good and pages that are to be attacked.

use super::super::{
    logline::{Rows, render_rows},
    *,
};
use crate::{
    app::*,
    domain::{job::*, *},
    web::find::{Found, Hit},
};
use std::time::Duration;

/// 2026-11-25 18:40:12 UTC.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_795_632_012_345);

pub(super) fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() - seconds * 1000)
}

pub(super) fn in_days(days: i64) -> Timestamp {
    ago(-days * 86_400)
}

/// What stands wherever a free text may stand; `None` for texts that look good.
#[derive(Clone, Copy, Default)]
pub(super) struct Sample {
    pub(super) hostile: Option<&'static str>,
    pub(super) theme: Theme,
}

impl Sample {
    pub(super) fn text(&self, nice: &str) -> String {
        self.hostile.unwrap_or(nice).to_owned()
    }

    pub(super) fn session(&self) -> SessionView {
        SessionView {
            actor: Actor {
                user: UserName::new("ann").unwrap(),
                verbs: Verbs::all(),
                staff: true,
                superuser: true,
            },
            csrf: "c5f3a1".into(),
            id_hash: [7; 32],
            only_set_password: false,
        }
    }

    pub(super) fn job(&self, id: u64, name: &str, state: JobState) -> Job {
        let ends = state.ended().is_some();
        Job {
            id: JobId::new(id).unwrap(),
            name: JobName::new(name).unwrap(),
            owner: UserName::new("ann").unwrap(),
            queue: QueueName::new("web").unwrap(),
            runner: RunnerId::new("mic").unwrap(),
            runner_version: self.text("0.1.0"),
            runner_sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
                .into(),
            image_type: ImageTypeId::new("raw").unwrap(),
            arch: Arch::new("armv7hl").unwrap(),
            priority: 0,
            launched: false,
            submitted: ago(1900),
            retry_of: JobId::new(12),
            request: Request {
                definition_name: self.text("handset-ce.ks"),
                definition_size: 4_321,
                definition_sha256:
                    "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".into(),
                packages: vec![self.text("vim-enhanced"), self.text("-nano"), self.text("@core")],
                options: vec![
                    (self.text("compression"), self.text("gzip")),
                    ("token".into(), "hidden-secret".into()),
                ],
                secret_options: vec!["token".into()],
                input_job: JobId::new(3),
            },
            result: if ends { self.result() } else { BuildResult::default() },
            state,
        }
    }

    fn result(&self) -> BuildResult {
        let artifact = |name: &str, role, label: &str, size| Artifact {
            name: self.text(name),
            role,
            label: self.text(label),
            size,
            sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824".into(),
        };
        BuildResult {
            artifacts: vec![
                artifact("handset-ce-armv7hl.raw.gz", Role::Image, "disk image", 734_003_200),
                artifact("handset-ce.packages", Role::Manifest, "", 48_213),
                artifact("SHA256SUMS", Role::Checksum, "", 210),
            ],
            log_size: 523_112,
            log_lines: 5_204,
            phases: vec![
                (self.text("Reading the definition"), ago(1700)),
                (self.text("Downloading packages"), ago(1690)),
                (self.text("Installing packages"), ago(1200)),
                (self.text("Making the image"), ago(500)),
                (self.text("Compressing"), ago(300)),
            ],
            commands: vec![
                self.text("mic create raw handset-ce.ks --arch=armv7hl --outdir=/build/out"),
                self.text("gzip -9 /build/out/handset-ce.raw"),
            ],
            residual: vec![self.text("the loop device /dev/loop7 could not be freed")],
            peak_disk: 3_221_225_472,
            used: Used { cpu: Duration::from_millis(81_400), memory: 402_653_184, written: 5 },
        }
    }

    pub(super) fn view(&self, job: Job, live: Live) -> JobView {
        let open = job.state.ended().is_none();
        let class = match &job.state {
            JobState::Done { .. } => Some(retention::Class::Images),
            JobState::Failed { .. } | JobState::Cancelled { .. } => Some(retention::Class::Logs),
            JobState::Queued | JobState::Building { .. } => None,
        };
        let kept = Retained {
            class,
            until: class.map(|_| in_days(12)),
            may_pin: true,
            may_keep: !open && class == Some(retention::Class::Images),
            may_delete: !open,
            longest: Duration::from_secs(90 * 86_400),
            ..Retained::nothing(job.id)
        };
        JobView { may_cancel: open, may_launch: false, may_retry: !open, job, live, kept }
    }

    pub(super) fn building(&self) -> JobView {
        let job = self.job(42, "handset-ce", JobState::Building { started: ago(312) });
        let live = Live {
            phase: Some(self.text("Installing packages")),
            progress: Some((118, Some(412), self.text("packages"))),
            complaints: Complaints { errors: 0, warnings: 3, first: 123 },
            expected_end: Some(Timestamp::from_millis(NOW.as_millis() + 430_000)),
            disk: 1_288_490_188,
            sandbox: Some(self.text("cgroup, mounts, network")),
            ..Live::default()
        };
        self.view(job, live)
    }

    pub(super) fn queued(&self) -> JobView {
        let mut view = self.view(
            self.job(43, "netbook", JobState::Queued),
            Live { position: Some(2), ..Live::default() },
        );
        view.job.submitted = ago(95);
        view
    }

    pub(super) fn held(&self) -> JobView {
        let queue = QueueName::new("requests").unwrap();
        let hold = Hold::QueuePaused { queue: queue.clone(), reason: self.text("disk swap") };
        let mut view = self.view(
            self.job(44, "ivi", JobState::Queued),
            Live { hold: Some(hold), ..Live::default() },
        );
        view.job.queue = queue;
        view.may_launch = true;
        view
    }

    pub(super) fn done(&self) -> JobView {
        let state = JobState::Done { started: ago(1700), ended: ago(120) };
        self.view(self.job(41, "handset-ce", state), Live::default())
    }

    pub(super) fn failed(&self) -> JobView {
        let failure = Failure {
            cause: Cause::Repository,
            message: self.text("package `foo` not found in repository `oss`"),
            suggestion: Some(self.text("check the name, or add the repository that has it")),
            line: Some(812),
        };
        let state = JobState::Failed { started: Some(ago(4000)), ended: ago(3700), failure };
        let mut job = self.job(40, "tablet-ux_2.0+beta", state);
        job.submitted = ago(4300);
        job.result.artifacts.clear();
        self.view(job, Live::default())
    }

    pub(super) fn cancelled(&self) -> JobView {
        let by = UserName::new("bo").unwrap();
        let mut job =
            self.job(39, "core", JobState::Cancelled { started: None, ended: ago(9000), by });
        job.submitted = ago(9100);
        job.result = BuildResult::default();
        self.view(job, Live::default())
    }

    pub(super) fn queue(&self) -> QueueView {
        let mut gone = self.gone_files();
        gone.job.id = JobId::new(38).unwrap();
        let rows = vec![
            self.held(),
            self.queued(),
            self.building(),
            self.done(),
            self.failed(),
            self.cancelled(),
            gone,
        ];
        let by_state = [
            (StateKind::Queued, 2),
            (StateKind::Building, 1),
            (StateKind::Done, 8_123),
            (StateKind::Failed, 311),
            (StateKind::Cancelled, 20),
        ];
        let counts = Counts { by_state: by_state.into(), by_queue: [].into(), total: 8_457 };
        QueueView {
            rows,
            older: JobId::new(39),
            newer: JobId::new(44),
            total: Some(8_457),
            counts,
            queues: self.queues(),
            building: [(QueueName::new("web").unwrap(), 1)].into(),
            builder_away: None,
        }
    }

    pub(super) fn queue_without_builder(&self) -> QueueView {
        let why = "/run/img-builder.sock cannot be reached: Connection refused";
        QueueView { builder_away: Some(self.text(why)), ..QueueView::default() }
    }

    fn log_lines(&self, mark: Option<u64>, live: Option<u64>) -> LogLines {
        let times = [(801, NOW.as_millis()), (805, NOW.as_millis() + 61_007)];
        let rows = Rows { first: 801, mark, times: &times };
        LogLines {
            html: render_rows(self.text(LOG).as_bytes(), rows),
            from_line: 801,
            to_line: 813,
            lines: 5_204,
            size: 523_112,
            gzip: live.is_none().then_some(61_520),
            mark,
            live,
        }
    }

    pub(super) fn tail(&self, ended: bool) -> LogPage {
        let live = (!ended).then_some(523_112);
        LogPage { lines: self.log_lines(None, live), ask: LogAsk::Nothing }
    }

    pub(super) fn log_page(&self) -> LogPage {
        LogPage { lines: self.log_lines(Some(812), None), ask: LogAsk::Nothing }
    }

    /// What a search found, as a list or beside one of the lines.
    pub(super) fn log_search(&self, at: Option<u64>) -> LogPage {
        let text = self.text("foo");
        let hit = |line, before: &str| {
            let from = before.len();
            Hit { line, text: format!("{before}{text} not found"), at: from..from + text.len() }
        };
        let found = Found {
            count: 1_204,
            before: 3,
            previous: Some(77),
            hits: vec![hit(812, "Error: package "), hit(4_099, "")],
            searched: (1, 5_204),
            whole: true,
            damage: None,
        };
        let ask = LogAsk::Text { text, case: at.is_none(), answer: Ok(found), at };
        LogPage { lines: self.log_lines(at, None), ask }
    }

    pub(super) fn log_refused(&self) -> LogPage {
        let answer = Err(self.text("Type the text to search for."));
        let ask = LogAsk::Text { text: self.text(" "), case: false, answer, at: None };
        LogPage { lines: self.log_lines(None, None), ask }
    }

    pub(super) fn log_without_errors(&self) -> LogPage {
        let damage = Some(self.text("log.gz is damaged: bytes 262144 to 524288 cannot be read"));
        let found = Found { searched: (1, 2_600), damage, ..Found::default() };
        LogPage { lines: self.log_lines(None, None), ask: LogAsk::Error(found) }
    }
}

pub(super) const LOG: &str = "mic 0.28.2 (Debian)\n\
\x1b[1mInfo\x1b[0m: reading handset-ce.ks\n\
\x1b[32mInfo\x1b[0m: repository oss: 4,123 packages\n\
Retrieving repomd.xml ... 10%\rRetrieving repomd.xml ... 100%\n\
\x1b[36mInstalling\x1b[0m: bash-4.1-3.armv7hl        [  1/412]\n\
\x1b[36mInstalling\x1b[0m: glibc-2.11-2.armv7hl      [  2/412]\n\
\x1b[33mWarning\x1b[0m: %post of bash: no /dev/null, but going on with a very long line that says the same thing again and again until it does not fit into the panel any more, whatever its width may be\n\
\n\
\x1b[2mdebug: mount -t proc proc /build/root/proc\x1b[0m\n\
evil\u{202e}txt.exe\x07 <script>alert(1)</script>\n\
Checking dependencies\n\
\x1b[1;31mError\x1b[0m: package `foo` not found in repository `oss`\n\
\x1b[41;97m FATAL \x1b[0m giving up\n";

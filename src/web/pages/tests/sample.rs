//! Data for pages. Every free text is `Sample::text`, so that one builder serves pages that are
//! to look good and pages that are to be attacked.

use super::super::*;
use crate::{
    app::*,
    domain::{job::*, *},
};
use maud::{Markup, PreEscaped};
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

    pub(super) fn queues(&self) -> Vec<Queue> {
        let queue = |name, words| Queue::standard(QueueName::new(name).unwrap(), words);
        let mut requests = queue("requests", "wishes");
        requests.paused = Some(self.text("disk swap until 20:00"));
        vec![queue("api", "scripts"), requests, queue("web", "people")]
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
            builder_away: None,
        }
    }

    pub(super) fn queue_without_builder(&self) -> QueueView {
        let why = "/run/img-builder.sock cannot be reached: Connection refused";
        QueueView { builder_away: Some(self.text(why)), ..QueueView::default() }
    }

    pub(super) fn choices(&self) -> Choices {
        let kind = |id: &str, label: &str, archs: &[&str]| ImageTypeChoice {
            id: id.to_owned(),
            label: self.text(label),
            help: self.text("A file system that is written to a card or a disk as it is."),
            archs: archs.iter().map(|a| (*a).to_owned()).collect(),
        };
        let mic = RunnerChoice {
            id: "mic".into(),
            name: self.text("MIC"),
            description: self.text("Builds images of RPM distributions from a kickstart."),
            definition_label: self.text("Kickstart file"),
            extensions: vec!["ks".into()],
            max_size: 1 << 20,
            image_types: vec![
                kind("raw", "Raw disk image", &["i586", "x86_64", "armv7hl"]),
                kind("livecd", "Live CD", &["i586", "x86_64"]),
            ],
            fields: self.fields(),
            missing_programs: vec![],
        };
        let debian = RunnerChoice {
            id: "mmdebstrap".into(),
            name: self.text("mmdebstrap"),
            definition_label: self.text("Package list"),
            extensions: vec!["list".into()],
            image_types: vec![kind("tar", "Tar archive", &["amd64", "arm64"])],
            missing_programs: vec![self.text("mmdebstrap")],
            ..mic.clone()
        };
        let queues = self.queues().into_iter().map(|q| (q, 3)).collect();
        let archs = ["amd64", "arm64", "armv7hl", "i586", "x86_64"]
            .map(|id| ArchChoice { id: id.into(), label: id.into() });
        Choices { runners: vec![mic, debian], archs: archs.to_vec(), queues }
    }

    fn fields(&self) -> Vec<FieldChoice> {
        let field = |id: &str, label: &str, kind| FieldChoice {
            id: id.to_owned(),
            label: self.text(label),
            help: self.text("What the tool does with it."),
            required: false,
            secret: id == "token",
            kind,
        };
        let choices = vec![("gzip".to_owned(), self.text("gzip")), (self.text("xz"), "xz".into())];
        vec![
            field(
                "compression",
                "Compression",
                FieldKind::Choice { default: "gzip".into(), choices },
            ),
            field("debug", "Verbose output", FieldKind::Boolean(true)),
            field(
                "size",
                "Size in MiB",
                FieldKind::Integer { default: 2048, min: 64, max: 65_536 },
            ),
            field(
                "release",
                "Release",
                FieldKind::Text {
                    default: self.text("latest"),
                    pattern: Some(self.text("[a-z0-9.]+")),
                    max: 40,
                },
            ),
            field(
                "token",
                "Access token",
                FieldKind::Text { default: String::new(), pattern: None, max: 99 },
            ),
            field(
                "repos",
                "Repositories",
                FieldKind::TextList {
                    default: self.text("http://repo.example.org/oss"),
                    pattern: None,
                    max: 200,
                },
            ),
        ]
    }

    pub(super) fn remarks(&self) -> Vec<Remark> {
        let of = |severity, line, hint: Option<&str>| Remark {
            severity,
            message: self.text("the repository `oss` is not reachable over https"),
            line,
            hint: hint.map(|h| self.text(h)),
        };
        vec![
            of(Severity::Error, Some(12), Some("write `https`")),
            of(Severity::Warning, Some(40), None),
            of(Severity::Info, None, None),
        ]
    }

    pub(super) fn inspect(&self) -> InspectView {
        InspectView {
            runner: self.hostile.unwrap_or("mic").into(),
            name: Some(self.text("handset-ce")),
            image_type: Some(self.text("raw")),
            arch: Some(self.text("armv7hl")),
            remarks: self.remarks(),
            privileged: self.remarks().split_off(1),
        }
    }

    pub(super) fn typed(&self) -> NewJob {
        NewJob {
            name: self.text("handset ce"),
            runner: "mic".into(),
            image_type: "raw".into(),
            arch: "armv7hl".into(),
            queue: "web".into(),
            definition_name: self.text("handset-ce.ks"),
            definition: self.text(DEFINITION).into_bytes(),
            packages: vec![self.text("vim"), self.text("-nano")],
            options: vec![("release".into(), self.text("2.0")), ("debug".into(), "false".into())],
            input_job: self.text("3"),
        }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut line = Problem::new("definition", self.text("unknown command `repoo`"));
        line.line = Some(3);
        line.hint = Some(self.text("did you mean `repo`?"));
        vec![
            Problem::new("name", self.text("the name `handset ce` contains a blank")),
            line,
            Problem::new(
                "option.release",
                self.text("Release is `2.0!`: it has to fit the pattern"),
            ),
            Problem::new(&self.text("runner"), self.text("no such runner")),
        ]
    }

    pub(super) fn check(&self) -> CheckView {
        CheckView {
            remarks: self.remarks().split_off(1),
            commands: vec![PlannedStep {
                name: self.text("Create the image"),
                command: self.text("mic create raw /build/in.ks --arch=armv7hl --token=••••"),
                privileges: vec![self.text("mount"), self.text("network")],
            }],
            files: vec![(self.text("/build/in.ks"), self.text(DEFINITION))],
            disk: Some(3_500_000_000),
        }
    }

    pub(super) fn tail(&self, ended: bool) -> LogTail {
        let log = self.text(LOG);
        let html = PreEscaped(logline::render_lines(log.as_bytes(), 801));
        LogTail { html, from_line: 801, next_offset: 52_311, lines: 820, ended }
    }

    pub(super) fn log_page(&self) -> LogPage {
        let html = PreEscaped(logline::render_marked(self.text(LOG).as_bytes(), 801, Some(812)));
        LogPage {
            html,
            from_line: 801,
            per_page: 400,
            lines: 5_204,
            size: 523_112,
            mark: Some(812),
            ended: true,
        }
    }

    pub(super) fn account(&self) -> AccountView {
        let name = UserName::new("ann").unwrap();
        let session = |n: u8, peer: &str| SessionRecord {
            id_hash: [n; 32],
            user: name.clone(),
            created: ago(7_000),
            last_used: ago(i64::from(n) * 60),
            peer: self.text(peer),
            agent: self.text("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"),
            only_set_password: false,
        };
        AccountView {
            user: User {
                name: name.clone(),
                full_name: self.text("Ann Example"),
                mail: self.text("ann@example.org"),
                password_hash: String::new(),
                active: true,
                staff: true,
                superuser: false,
                must_set_password: false,
                groups: vec![GroupName::new("Administrators").unwrap()],
                verbs: Verbs::all(),
                created: ago(8_000_000),
                last_login: Some(ago(7_000)),
                quota: crate::domain::UserQuota::default(),
                setup: None,
            },
            sessions: vec![session(7, "192.0.2.7"), session(9, "2001:db8::9")],
            tokens: vec![self.token()],
        }
    }

    pub(super) fn token(&self) -> TokenRecord {
        TokenRecord {
            id_hash: [1; 32],
            prefix: self.text("img_4fK2"),
            label: self.text("nightly builds"),
            user: UserName::new("ann").unwrap(),
            scope: [Verb::ViewJobs, Verb::Submit].into_iter().collect(),
            created: ago(90_000),
            expires: Some(NOW.plus(Duration::from_secs(86_400 * 29))),
            last_used: None,
        }
    }

    pub(super) fn health(&self) -> HealthView {
        let group = |title: &str, facts: &[(&str, &str, bool)]| HealthGroup {
            title: self.text(title),
            facts: facts.iter().map(|(n, v, bad)| (self.text(n), self.text(v), *bad)).collect(),
        };
        HealthView {
            well: false,
            groups: vec![
                group("Versions", &[("img", "0.1.0", false), ("store format", "1", false)]),
                group(
                    "Disk",
                    &[
                        ("data directory", "/var/lib/img", false),
                        ("free", "2.1 GiB of 40 GiB", true),
                    ],
                ),
                group(
                    "Builder",
                    &[("sandbox", "cgroup, mounts, network", false), ("slots", "2", false)],
                ),
            ],
            runners: vec![
                RunnerHealth {
                    id: self.text("mic"),
                    name: self.text("MIC"),
                    version: self.text("0.1.0"),
                    sha256: self
                        .text("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
                    origin: self.text("built in"),
                    status: self.text("enabled"),
                    usable: true,
                    programs: vec![
                        (
                            self.text("mic"),
                            Some(self.text("/usr/bin/mic")),
                            Some(self.text("0.28.2")),
                        ),
                        (self.text("qemu-arm-static"), None, None),
                    ],
                    pairs: 5,
                },
                RunnerHealth {
                    name: self.text("kiwi"),
                    status: self.text("waiting for grant: mount"),
                    ..RunnerHealth::default()
                },
            ],
        }
    }
}

pub(super) const DEFINITION: &str = "# -*-mic2-options-*- -f raw --arch=armv7hl -*-mic2-options-*-\n\
lang en_US.UTF-8\n\
repoo --name=oss --baseurl=http://repo.example.org/oss\n\
part / --size=1600 --ondisk=sda --fstype=ext3\n\
\n\
%packages\n@core\nvim-enhanced\n-nano\n%end\n\
%post\necho \"<done> & dusted\" > /etc/motd\n%end\n";

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

/// Every page there is, by name.
pub(super) fn every_page(s: &Sample) -> Vec<(&'static str, Markup)> {
    let session = s.session();
    let (site, flash_text) = (s.text("IMG build box"), s.text("Job 42 is in the queue."));
    let request_id = s.text("01JDK3Q8");
    let path = s.hostile.map_or("/queue?size=50".to_owned(), |h| format!("/queue?q={h}"));
    let f = Frame {
        site: &site,
        path: &path,
        theme: s.theme,
        session: Some(&session),
        now: NOW,
        request_id: &request_id,
        flash: None,
    };
    let out = Frame { session: None, ..f.clone() };
    let flashed = |kind, text: &str| Frame {
        flash: Some(Flash { kind, text: text.to_owned() }),
        ..f.clone()
    };
    let (problems, typed, choices) = (s.problems(), s.typed(), s.choices());
    let (inspect, check) = (s.inspect(), s.check());
    let only = SessionView { only_set_password: true, ..session.clone() };
    let only = Frame { session: Some(&only), ..f.clone() };
    let token = NewToken { secret: "img_4fK2s3cr3tS3cr3t".into(), record: s.token() };
    let definition = s.text(DEFINITION);
    let message = s.text("there is no job 4711");
    let account_problems = [Problem::new("label", s.text("give the token a label"))];
    let password_problems = [
        Problem::new("old", s.text("this is not your password")),
        Problem::new("new", "too short"),
    ];
    let mut query = QueueQuery::default();
    query.filter.text = Some(s.text("handset"));
    let failed = s.failed();
    let building = s.building();
    let empty = NewJob { queue: "web".into(), ..NewJob::default() };
    let start_view = StartView {
        building: vec![s.building()],
        finished: vec![s.done(), s.failed(), s.cancelled()],
        waiting: 2,
        space: Some((42_949_672_960, 12_884_901_888)),
        next_cleanup: Some(ago(-240)),
    };
    let same = [(QueueName::new("web").unwrap(), Some(in_days(14)))];
    let differ = [
        (QueueName::new("api").unwrap(), None),
        (QueueName::new("web").unwrap(), Some(in_days(14))),
    ];
    let (schedules_view, text_problem) =
        (s.schedules(), [Problem::new("text", s.text("`hourly` is no timetable"))]);
    let latest = in_days(90);
    let keep_choices = [
        ("1 week more", "2026-12-14".to_owned(), in_days(19)),
        ("As long as is allowed", "2027-02-23".to_owned(), latest),
    ];
    let until_problem = [Problem::new("until", s.text("`soon` is no day"))];
    vec![
        (
            "login",
            login(
                &out,
                &LoginPage {
                    next: &path,
                    name: &s.text(""),
                    problem: None,
                    first_login_hint: true,
                    ask_code: false,
                },
            ),
        ),
        (
            "login-problem",
            login(
                &out,
                &LoginPage {
                    next: &path,
                    name: &s.text("ann"),
                    problem: Some(&message),
                    first_login_hint: false,
                    ask_code: true,
                },
            ),
        ),
        (
            "password",
            set_password(&only, &PasswordPage { problems: &[], ask_old: false, next: "/" }),
        ),
        (
            "password-problem",
            set_password(
                &f,
                &PasswordPage { problems: &password_problems, ask_old: true, next: &path },
            ),
        ),
        ("start", start(&flashed(FlashKind::Problem, &flash_text), &start_view)),
        ("start-empty", start(&f, &StartView::default())),
        (
            "submit",
            submit(
                &f,
                &SubmitPage {
                    choices: &choices,
                    typed: &empty,
                    source: Source::Upload,
                    problems: &[],
                    inspect: None,
                    check: None,
                    kept: &same,
                },
            ),
        ),
        (
            "submit-problems",
            submit(
                &f,
                &SubmitPage {
                    choices: &choices,
                    typed: &typed,
                    source: Source::Paste,
                    problems: &problems,
                    inspect: Some(&inspect),
                    check: None,
                    kept: &differ,
                },
            ),
        ),
        (
            "submit-check",
            submit(
                &f,
                &SubmitPage {
                    choices: &choices,
                    typed: &typed,
                    source: Source::Paste,
                    problems: &[],
                    inspect: None,
                    check: Some(&check),
                    kept: &[],
                },
            ),
        ),
        ("inspect", inspect_fragment(&inspect)),
        ("queue", queue(&flashed(FlashKind::Done, &flash_text), &s.queue(), &query)),
        ("queue-empty", queue(&f, &s.queue_without_builder(), &QueueQuery::default())),
        (
            "job-building",
            job(&f, &building, &JobPage { definition: Some(&definition), tail: &s.tail(false) }),
        ),
        (
            "job-queued",
            job(
                &f,
                &s.queued(),
                &JobPage {
                    definition: Some(&definition),
                    tail: &LogTail {
                        html: PreEscaped(String::new()),
                        from_line: 1,
                        next_offset: 0,
                        lines: 0,
                        ended: false,
                    },
                },
            ),
        ),
        ("job-held", job(&f, &s.held(), &JobPage { definition: None, tail: &s.tail(false) })),
        (
            "job-done",
            job(&f, &s.done(), &JobPage { definition: Some(&definition), tail: &s.tail(true) }),
        ),
        (
            "job-failed",
            job(&f, &failed, &JobPage { definition: Some(&definition), tail: &s.tail(true) }),
        ),
        ("job-gone", job(&f, &s.gone_all(), &JobPage { definition: None, tail: &s.tail(true) })),
        (
            "job-files-gone",
            job(&f, &s.gone_files(), &JobPage { definition: None, tail: &s.tail(true) }),
        ),
        ("job-damaged", job(&f, &s.damaged(), &JobPage { definition: None, tail: &s.tail(true) })),
        ("files-gone", files(&f, &s.gone_all())),
        (
            "keep",
            keep(
                &f,
                &s.done(),
                &KeepPage {
                    choices: &keep_choices,
                    latest: "2027-02-23",
                    choice: "date",
                    date: &s.text("soon"),
                    problems: &until_problem,
                    next: "/admin/disk",
                },
            ),
        ),
        ("delete", delete_confirm(&f, &s.done())),
        ("disk", disk(&f, &s.disk())),
        ("disk-empty", disk(&f, &DiskView::default())),
        ("preview", preview(&f, &s.preview())),
        ("receipt", receipt(&f, &s.receipts()[1], None)),
        ("receipt-running", receipt(&f, &s.receipts()[0], Some(&s.progress()))),
        ("receipt-skipped", receipt(&f, &s.skipped(), None)),
        ("orphans", orphans_confirm(&f, &s.orphans())),
        ("schedules", schedules(&f, &schedules_view)),
        (
            "schedule",
            schedule(
                &f,
                &SchedulePage {
                    view: &schedules_view[0],
                    typed: &s.text("0 0 * * * *"),
                    problems: &[],
                    tried: Some((&s.text("Every hour"), &[in_days(1)])),
                },
            ),
        ),
        (
            "schedule-problem",
            schedule(
                &f,
                &SchedulePage {
                    view: &schedules_view[2],
                    typed: &s.text("hourly"),
                    problems: &text_problem,
                    tried: None,
                },
            ),
        ),
        ("log", log(&f, &failed, &s.log_page())),
        ("files", files(&f, &s.done())),
        ("definition", super::super::definition(&f, &failed, &definition, Some(3))),
        (
            "account",
            account(
                &f,
                &s.account(),
                &AccountPage { new_token: Some(&token), problems: &account_problems },
            ),
        ),
        ("health", health(&f, &s.health())),
        (
            "error",
            error(
                &f,
                &ErrorPage {
                    status: 404,
                    title: &s.text("There is no such job"),
                    message: &message,
                    way_out: Some((&s.text("To the queue"), "/queue")),
                },
            ),
        ),
        ("cancel", cancel_confirm(&f, &building)),
    ]
}

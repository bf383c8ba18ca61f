//! Data for the submit page: what can be chosen, what was typed, what is said of it.

use super::sample::Sample;
use crate::{
    app::*,
    domain::{Queue, QueueName},
};

impl Sample {
    pub(super) fn queues(&self) -> Vec<Queue> {
        let queue = |name, words| Queue::standard(QueueName::new(name).unwrap(), words);
        let mut requests = queue("requests", "wishes");
        requests.paused = Some(self.text("disk swap until 20:00"));
        vec![queue("api", "scripts"), requests, queue("web", "people")]
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
}

pub(super) const DEFINITION: &str = "# -*-mic2-options-*- -f raw --arch=armv7hl -*-mic2-options-*-\n\
lang en_US.UTF-8\n\
repoo --name=oss --baseurl=http://repo.example.org/oss\n\
part / --size=1600 --ondisk=sda --fstype=ext3\n\
\n\
%packages\n@core\nvim-enhanced\n-nano\n%end\n\
%post\necho \"<done> & dusted\" > /etc/motd\n%end\n";

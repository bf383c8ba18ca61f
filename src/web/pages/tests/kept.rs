//! Data for pages about disk and retention.

use super::sample::{Sample, ago, in_days};
use crate::{app::*, domain::*};

impl Sample {
    fn gone(&self, run: u64) -> Option<Gone> {
        Some(Gone { at: ago(7_200), why: self.text("older than 14 days on queue web"), run })
    }

    /// Its files were deleted.
    pub(super) fn gone_files(&self) -> JobView {
        let mut view = self.done();
        view.kept.shelf.artifacts_gone = self.gone(7);
        view.kept = Retained { class: Some(retention::Class::Logs), may_keep: false, ..view.kept };
        view
    }

    /// Nothing but its record is left.
    pub(super) fn gone_all(&self) -> JobView {
        let mut view = self.gone_files();
        view.kept.shelf.logs_gone = self.gone(0);
        view.kept = Retained { class: None, until: None, may_pin: false, ..view.kept };
        view.may_retry = false;
        view
    }

    /// Pinned, and found damaged.
    pub(super) fn damaged(&self) -> JobView {
        let mut view = self.done();
        view.kept.until = None;
        view.kept.shelf.pinned = Some((UserName::new("ann").unwrap(), ago(86_400)));
        view.kept.shelf.verified = Some(ago(3_600));
        view.kept.shelf.damage =
            vec![self.text("handset-ce.raw.gz has 12 bytes, it had 734003200")];
        view
    }

    /// A run that goes on.
    pub(super) fn progress(&self) -> RunProgress {
        RunProgress { done: 1_234, planned: 5_678, bytes: 734_003_200 }
    }

    /// What somebody asked for, done but for two jobs.
    pub(super) fn skipped(&self) -> Receipt {
        let skipped = |n, why: &str| Mishap {
            job: JobId::new(n),
            what: format!("{SKIPPED}{}", self.text(why)),
        };
        Receipt {
            trigger: self.text("ann"),
            mishaps: vec![
                skipped(41, "it is pinned"),
                skipped(42, "it is being built: cancel it first"),
            ],
            more_mishaps: 0,
            unmet: vec![],
            saved: 2,
            ..self.receipts().remove(1)
        }
    }

    pub(super) fn receipts(&self) -> Vec<Receipt> {
        let receipt = |run: u64, bytes: u64| Receipt {
            run,
            begun: ago(9_000 - i64::try_from(run).unwrap() * 900),
            ended: Some(ago(8_997 - i64::try_from(run).unwrap() * 900)),
            trigger: self.text("schedule"),
            planned_items: 3,
            planned_bytes: bytes + 12_288,
            items: 2,
            bytes,
            freed: Some(-4_096),
            by_class: vec![(retention::Class::Images, 1, bytes), (retention::Class::Logs, 1, 512)],
            saved: 4,
            unmet: vec![self.text("the budget of 80 % needs 1.0 GiB more: no image is left")],
            mishaps: vec![
                Mishap { job: JobId::new(41), what: self.text("somebody is downloading it") },
                Mishap { job: None, what: self.text("trash/x cannot be removed") },
            ],
            more_mishaps: 3,
        };
        vec![
            Receipt { ended: None, mishaps: vec![], more_mishaps: 0, ..receipt(8, 0) },
            receipt(7, 734_003_200),
            Receipt { mishaps: vec![], more_mishaps: 0, ..receipt(6, 52_428_800) },
        ]
    }

    pub(super) fn orphans(&self) -> Orphans {
        Orphans {
            at: ago(4_000),
            directories: vec![(JobId::new(17).unwrap(), 1_048_576)],
            foreign: vec![self.text("lost+found")],
            missing: vec![JobId::new(23).unwrap()],
            builds: vec![self.text("00000031")],
            trash: 2,
        }
    }

    pub(super) fn disk(&self) -> DiskView {
        let row = |job: u64, class, at, owner: &str| NextRow {
            job: JobId::new(job).unwrap(),
            name: "handset-ce".into(),
            class,
            at,
            why: self.text("older than 14 days"),
            bytes: 734_003_200,
            owner: owner.into(),
        };
        let parts = [
            (Taker::Images, 16_106_127_360),
            (Taker::Logs, 209_715_200),
            (Taker::Leftovers, 1_073_741_824),
            (Taker::Builds, 3_221_225_472),
            (Taker::Caches, 2_147_483_648),
            (Taker::Store, 104_857_600),
            (Taker::Backups, 52_428_800),
            (Taker::Ballast, 268_435_456),
            (Taker::Trash, 0),
            (Taker::Foreign, 9_663_676_416),
        ];
        DiskView {
            space: Some((42_949_672_960, 10_102_027_264)),
            parts: parts.to_vec(),
            emergency_below: 2 << 30,
            resume_above: 10 << 30,
            hold_below: 8 << 30,
            holds: false,
            reserved: 0,
            budget: 80,
            growth: 3 << 30,
            next: vec![
                row(31, retention::Class::Leftovers, None, "bo"),
                row(41, retention::Class::Images, Some(in_days(3)), "ann"),
                row(30, retention::Class::Logs, Some(in_days(170)), "ann"),
            ],
            receipts: self.receipts(),
            orphans: Some(self.orphans()),
            next_cleanup: Some(in_days(1)),
            cleaning: true,
            comparing: false,
        }
    }

    pub(super) fn preview(&self) -> CleanupPreview {
        let row = |guard| PlannedRow {
            job: JobId::new(30).unwrap(),
            name: "handset-ce".into(),
            class: retention::Class::Images,
            bytes: 734_003_200,
            why: self.text("older than 14 days"),
            guard,
            ended: ago(15 * 86_400),
        };
        CleanupPreview {
            doomed: vec![row(None)],
            saved: vec![
                row(Some(retention::Guard::KeepUntil(in_days(5)))),
                row(Some(retention::Guard::LastGood)),
            ],
            items: 1_201,
            saved_items: 2,
            bytes: 734_003_200,
            by_class: vec![(retention::Class::Images, 1_201, 734_003_200)],
            unmet: vec![self.text("the budget of 80 % needs 12.0 GiB more")],
        }
    }

    pub(super) fn schedules(&self) -> Vec<ScheduleView> {
        let view = |chore, text: &str, last| ScheduleView {
            chore,
            text: self.text(text),
            original: None,
            sentence: self.text("At every 15th minute"),
            next: vec![in_days(1), in_days(2), in_days(3)],
            last,
            running: false,
        };
        let last = |well| LastRun {
            at: ago(700).as_millis(),
            took: 1_234,
            trigger: self.text("schedule"),
            outcome: self.text("3 things deleted, 734003200 bytes"),
            well,
            left_out: (!well).then_some(ago(500).as_millis()),
        };
        vec![
            view(Chore::Cleanup, "0 */15 * * * *", Some(last(true))),
            ScheduleView { running: true, ..view(Chore::Verify, "0 0 4 * * 0", Some(last(false))) },
            ScheduleView {
                sentence: "switched off".into(),
                next: vec![],
                original: Some(self.text("0 0 2 * * *")),
                text: String::new(),
                ..view(Chore::Backup, "", None)
            },
        ]
    }
}

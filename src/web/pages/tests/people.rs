//! Data about people and about the box: an account, its tokens, its health.

use super::sample::{NOW, Sample, ago};
use crate::{app::*, domain::*};
use std::time::Duration;

impl Sample {
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

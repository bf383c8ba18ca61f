use super::*;
use crate::{
    app::bare::{self, DAY, settings},
    domain::{QueueName, Timestamp, UserName, retention::Override},
};
use std::collections::HashMap;

fn given() -> Values {
    Values::given(&settings())
}

fn changes<const N: usize>(all: [(&'static str, &str); N]) -> Changes {
    all.into_iter().map(|(key, text)| (key, text.to_owned())).collect()
}

/// An appliance without runners over a folder of its own, and the wishes it makes.
struct Bench {
    app: App,
    wishes: tokio::sync::mpsc::UnboundedReceiver<Wish>,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap())
    }

    fn over(dir: tempfile::TempDir) -> Self {
        let (app, wishes) = bare::app_in(dir.path());
        Self { app, wishes, dir }
    }

    fn store(&self, key: &str, text: Option<&str>) {
        let (key, text) = (key.to_owned(), text.map(str::to_owned));
        self.app.store().write_blocking(move |tx| tx.put_setting(&key, text.as_deref())).unwrap();
        self.app.settings_changed();
    }

    fn view(&self, key: &str) -> SettingView {
        let views = self.app.setting_views().unwrap();
        views.into_iter().find(|view| view.spec.key == key).unwrap()
    }
}

#[test]
fn every_setting_has_a_key_of_its_own_and_its_text_reads_back() {
    let mut keys: Vec<_> = SETTINGS.iter().map(|spec| spec.key).collect();
    for spec in SETTINGS {
        let mut values = given();
        let text = spec.text(&values);
        spec.set(&mut values, &text).unwrap();
        assert_eq!(values, given(), "{}", spec.key);
        spec.fits(&mut values).unwrap();
        assert!(!spec.section().is_empty() && spec.help.ends_with('.'), "{}", spec.key);
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), SETTINGS.len());
}

#[test]
fn every_setting_changes_its_own_value_and_no_other() {
    for spec in SETTINGS {
        let text = match spec.kind {
            SettingKind::Span | SettingKind::Lifetime => "77min",
            SettingKind::Size => "77KiB",
            SettingKind::Number { .. } | SettingKind::Percent => "77",
        };
        let mut values = given();
        spec.set(&mut values, text).unwrap();
        for other in SETTINGS {
            let changed = other.text(&values) != other.text(&given());
            assert_eq!(changed, other.key == spec.key, "{} changes {}", spec.key, other.key);
        }
    }
}

#[test]
fn every_setting_is_a_key_of_config_toml() {
    let text = include_str!("../../../config.toml");
    let mut section = "";
    let mut named = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
        } else if let Some((key, _)) = line.split_once(" = ") {
            named.insert(format!("{section}.{key}"));
        }
    }
    for spec in SETTINGS {
        assert!(named.contains(spec.key), "config.toml has no {}", spec.key);
    }
}

#[test]
fn a_changed_setting_counts_at_once_and_after_a_start_until_it_goes_back() {
    let mut bench = Bench::new();
    bench.store("setting.retention.images", Some("3d"));
    bench.store("setting.build.slots", Some("7"));
    assert_eq!(bench.app.live().retention.images, Lifetime::For(3 * DAY));
    assert_eq!(bench.app.live().slots, 7);
    assert!(matches!(bench.wishes.try_recv(), Ok(Wish::Wake)));
    let view = bench.view("retention.images");
    assert_eq!((view.value.as_str(), view.given.as_str(), view.changed), ("3d", "14d", true));
    assert!(!bench.view("retention.logs").changed);

    let Bench { app, wishes, dir } = bench;
    app.store().close().unwrap();
    drop((app, wishes));
    let bench = Bench::over(dir);
    assert_eq!(bench.app.live().slots, 7);
    bench.store("setting.build.slots", None);
    assert_eq!(bench.app.live().slots, 2);
    assert_eq!(bench.app.settings().retention.images, Lifetime::For(14 * DAY), "what is given");
}

#[test]
fn a_text_that_does_not_read_counts_as_none() {
    let values = apply(
        &given(),
        &changes([("retention.images", "5 weeks"), ("build.slots", "0"), ("retention.logs", "9d")]),
    );
    assert_eq!(values.retention.images, Lifetime::For(14 * DAY));
    assert_eq!(values.slots, 2);
    assert_eq!(values.retention.logs, Lifetime::For(9 * DAY), "the others count");
}

#[test]
fn a_section_that_contradicts_itself_goes_back_to_what_is_given() {
    // Fine with another config.toml, before this one.
    let stored = changes([("disk.hold_below", "20GiB"), ("retention.images", "3d")]);
    let values = apply(&given(), &stored);
    assert_eq!(values.hold_below, 8 << 30);
    assert_eq!(values.retention.images, Lifetime::For(3 * DAY), "another section");
    assert_eq!(apply(&given(), &changes([("retention.budget", "0")])), given());
}

fn refused<const N: usize>(all: [(&str, Option<&str>); N], stored: &Changes) -> Vec<Problem> {
    let changes: BTreeMap<_, _> =
        all.into_iter().map(|(key, text)| (key.to_owned(), text.map(str::to_owned))).collect();
    check(&given(), stored, &changes).err().unwrap_or_default()
}

#[test]
fn what_cannot_be_is_refused_with_the_words_of_config_toml() {
    let none = Changes::new();
    let said = |key: &str, text: &str| {
        let problems = refused([(key, Some(text))], &none);
        assert_eq!(problems.len(), 1, "{key} = {text}");
        assert_eq!(problems[0].field, key);
        problems[0].message.clone()
    };
    assert!(said("retention.images", "5s").contains("less than a minute: give at least \"1min\""));
    assert!(said("retention.audit", "0s").contains("retention.audit is less than a minute"));
    assert!(said("retention.logs", "never").contains("`never` is no time to keep something"));
    assert!(said("retention.budget", "0").contains("retention.budget is 0"));
    assert!(said("retention.budget", "many").contains("from 1 to 100"));
    assert!(said("retention.budget", "101").contains("from 1 to 100"));
    assert!(said("retention.keep_last_good", "4").contains("keep_newest is 3 and keep_last_good"));
    assert!(said("disk.hold_below", "11GiB").contains("disk.resume_above is 10GiB: give at least"));
    assert!(said("disk.emergency_below", "9GiB").contains("give less than hold_below"));
    assert!(said("build.slots", "0").contains("from 1 to"));
    assert!(said("sessions.idle", "1ms").contains("nobody can stay signed in"));
    assert!(said("quota.user_running", "-1").contains("`-1` does not fit"));
    assert!(said("no.such\n", "1").contains("there is no setting `no.such\\n`"));
}

#[test]
fn settings_that_go_together_are_changed_together() {
    let both = [("disk.hold_below", Some("20GiB")), ("disk.resume_above", Some("25GiB"))];
    assert_eq!(refused(both, &Changes::new()), []);
    let raised = changes([("disk.hold_below", "20GiB"), ("disk.resume_above", "25GiB")]);
    // One of them cannot go back alone.
    let problems = refused([("disk.resume_above", None)], &raised);
    assert!(problems[0].message.contains("resume_above is 10GiB"), "{problems:?}");
    assert_eq!(refused([("disk.hold_below", None), ("disk.resume_above", None)], &raised), []);
}

#[test]
fn a_checked_setting_is_given_back_as_it_is_stored() {
    let bench = Bench::new();
    assert_eq!(bench.app.check_setting("sessions.idle", " 5400 s ").unwrap(), "90min");
    assert_eq!(bench.app.check_setting("limits.definition", "1024 KiB").unwrap(), "1MiB");
    assert_eq!(bench.app.check_setting("retention.records", "forever").unwrap(), "forever");
    assert_eq!(bench.app.check_setting("quota.user_running", "07").unwrap(), "7");
    let problem = bench.app.check_setting("retention.images", "1s").unwrap_err();
    assert_eq!(problem.field, "retention.images");
}

#[test]
fn a_queues_own_word_goes_over_config_toml_and_that_over_the_general_one() {
    let lifetime = |days: u32| Some(Lifetime::For(days * DAY));
    let [web, api] = ["web", "api"].map(|name| QueueName::new(name).unwrap());
    let given = Override { images: lifetime(2), logs: lifetime(30), ..Override::default() };
    let policy = Policy { queues: BTreeMap::from([(web.clone(), given)]), ..Policy::default() };
    let mut queue = Queue::standard(web.clone(), "");
    queue.retention.images = lifetime(5);
    let merged = with_queues(policy, &[queue, Queue::standard(api.clone(), "")]);
    use crate::domain::retention::Class;
    assert_eq!(merged.lifetime(Class::Images, &web), (Lifetime::For(5 * DAY), true));
    assert_eq!(merged.lifetime(Class::Logs, &web), (Lifetime::For(30 * DAY), true));
    assert_eq!(merged.lifetime(Class::Images, &api), (Lifetime::For(14 * DAY), false));
}

#[test]
fn only_who_has_limits_of_their_own_is_remembered() {
    let user = |name: &str, quota| User {
        name: UserName::new(name).unwrap(),
        full_name: String::new(),
        mail: String::new(),
        password_hash: String::new(),
        active: true,
        staff: false,
        superuser: false,
        must_set_password: false,
        groups: Vec::new(),
        verbs: crate::domain::Verbs::NONE,
        created: Timestamp::default(),
        last_login: None,
        quota,
        setup: None,
    };
    let own = UserQuota { running: Some(3), ..UserQuota::default() };
    let users = [user("ann", own), user("bo", UserQuota::default())];
    let mut queue = Queue::standard(QueueName::new("web").unwrap(), "");
    queue.kept_bytes = Some(5);
    let plain = Queue::standard(QueueName::new("api").unwrap(), "");
    let all = quotas(Quota::default(), &users, &[queue.clone(), plain]);
    assert_eq!(all.users, HashMap::from([(users[0].name.clone(), own)]));
    assert_eq!(all.queues, HashMap::from([(queue.name, 5)]));
}

#[test]
fn thresholds_and_quotas_reach_the_board() {
    let bench = Bench::new();
    bench.store("setting.disk.resume_above", Some("30GiB"));
    bench.store("setting.disk.hold_below", Some("20GiB"));
    let thresholds = bench.app.disk().thresholds;
    assert_eq!((thresholds.hold_below(), thresholds.resume_above()), (20 << 30, 30 << 30));
    assert_eq!(bench.app.live().thresholds, thresholds);
}
